"""The official files of Polyvore Outfits (Vasileva et al. 2018, arXiv:1803.09196), read and written one at a time.

- `{split}.json`: `[{"set_id": "214181831", "items": [{"item_id": "199244701", "index": 1}, ...]}, ...]`
- `compatibility_{split}.txt`: a label and tokens per line, `1 214181831_1 214181831_2 ...`
- `fill_in_blank_{split}.json`: `[{"question": ["214181831_1", ...], "answers": ["214181831_3", ...], "blank_position": 3}]`,
  four answers each

A token is `{set_id}_{index}` of the same split's looks. The right answer of a question is the one whose set is the
question's, as in the authors' code; that the files put it first means nothing. What cannot be used is skipped and reported
with the file's name, its place and a reason; only a file that is no such file raises.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modiste.data.feed.reader import MAX_ID
from modiste.data.feed.report import FeedReport
from modiste.data.feed.text import is_unicode
from modiste.data.outfits import CpQuestion, FitbQuestion, Look
from modiste.files import read_lines, writing_atomically

NUM_ANSWERS = 4


@dataclass(frozen=True, slots=True)
class PolyvoreLooks:
    """The looks of one split and, for its questions, the item that each token means."""

    looks: tuple[Look, ...]
    tokens: Mapping[str, str]  # "{set_id}_{index}" -> item id


def read_polyvore_looks(path: str | Path, *, report: FeedReport | None = None) -> PolyvoreLooks:
    """The looks of a `{split}.json`, their items in the order of the file.

    Raises
    ------
    ValueError
        If the file is not there, not JSON, or no list.
    """
    path = Path(path)
    report = FeedReport() if report is None else report
    looks: list[Look] = []
    tokens: dict[str, str] = {}
    seen: set[str] = set()
    for row, entry in enumerate(_list(path), 1):
        report.rows_read += 1
        set_id = _id(entry.get("set_id"))
        try:
            pairs = _pairs(entry)
            if not set_id:
                raise _Bad("set_id", "empty or no text")
            if set_id in seen:
                raise _Bad("set_id", "duplicate id")
        except _Bad as error:
            report.reject(row, set_id, error.field, f"{path.name}: {error.reason}")
            continue
        seen.add(set_id)
        looks.append(Look(set_id, tuple(item_id for _, item_id in pairs)))
        tokens |= {f"{set_id}_{index}": item_id for index, item_id in pairs}
    return PolyvoreLooks(tuple(looks), tokens)


def write_polyvore_looks(path: str | Path, looks: Iterable[Look]) -> Path:
    """Write looks as a `{split}.json`, numbering their items from 1; users, groups, texts and slots have no place there.

    Raises
    ------
    ValueError
        For a look without items or with a label other than 1, for the file has only looks, or an id that is there twice.
    OSError
        If the folder cannot be written.
    """
    content: list[dict[str, Any]] = []
    seen: set[str] = set()
    for look in looks:
        if not look.item_ids or look.label not in (None, 1):
            what = "no items" if not look.item_ids else f"label {look.label}"
            raise ValueError(f"look {look.id!r} has {what}: such a file holds only looks, all of them right")
        if look.id in seen:
            raise ValueError(f"look {look.id!r} is there twice")
        seen.add(look.id)
        items = [{"item_id": item_id, "index": index} for index, item_id in enumerate(look.item_ids, 1)]
        content.append({"set_id": look.id, "items": items})
    with writing_atomically(Path(path)) as file:
        file.write(json.dumps(content).encode())
    return Path(path)


def read_compatibility(
    path: str | Path, tokens: Mapping[str, str], *, report: FeedReport | None = None
) -> tuple[CpQuestion, ...]:
    """The questions of a `compatibility_{split}.txt`. Raises `ValueError` if the file is not there or no text."""
    path = Path(path)
    report = FeedReport() if report is None else report
    questions: list[CpQuestion] = []
    row = 0
    for number, line in enumerate(read_lines(path), 1):
        label, *named = line.split() or [""]
        if not label:
            continue
        row += 1
        report.rows_read += 1
        try:
            if label not in ("0", "1"):
                raise _Bad("label", f"0 or 1 is needed, not {label[:40]!r}")
            if not named:
                raise _Bad("items", "no item after the label")
            questions.append(CpQuestion(_resolved(named, tokens), int(label)))
        except _Bad as error:
            report.reject(row, "", error.field, f"{path.name}: {error.reason}", line=number)
    return tuple(questions)


def read_fill_in_blank(
    path: str | Path, tokens: Mapping[str, str], *, report: FeedReport | None = None
) -> tuple[FitbQuestion, ...]:
    """The questions of a `fill_in_blank_{split}.json`.

    A question whose right item is among its wrong candidates too has no answer, and is refused like a broken one.

    Raises
    ------
    ValueError
        If the file is not there, not JSON, or no list.
    """
    path = Path(path)
    report = FeedReport() if report is None else report
    questions: list[FitbQuestion] = []
    for row, entry in enumerate(_list(path), 1):
        report.rows_read += 1
        try:
            questions.append(_fill_in_blank(entry, tokens))
        except _Bad as error:
            report.reject(row, "", error.field, f"{path.name}: {error.reason}")
    return tuple(questions)


class _Bad(ValueError):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


def _list(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON list; what is no object comes out as an empty one, which no reader accepts."""
    content = read_json(path)
    if not isinstance(content, list):
        raise ValueError(f"{path}: a JSON list is needed, not {type(content).__name__}")
    return (entry if isinstance(entry, dict) else {} for entry in content)


def read_json(path: Path) -> Any:
    """The content of a JSON file; raises `ValueError` naming it when there is none."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not JSON, or cut off ({str(error)[:200]})") from error


def _pairs(entry: Mapping[str, Any]) -> list[tuple[int, str]]:
    items = entry.get("items")
    if not isinstance(items, list) or not items:
        raise _Bad("items", "a list with at least one item is needed")
    pairs: dict[int, str] = {}
    for number, one in enumerate(items, 1):
        item_id = _id(one.get("item_id")) if isinstance(one, dict) else ""
        if not item_id:
            raise _Bad("items", f"item {number} has no item_id")
        index = one.get("index")
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < 10**9:
            raise _Bad("items", f"item {number}: index must be a number, not {str(index)[:40]!r}")
        if index in pairs:
            raise _Bad("items", f"two items have index {index}")
        pairs[index] = item_id
    return list(pairs.items())


def _fill_in_blank(entry: Mapping[str, Any], tokens: Mapping[str, str]) -> FitbQuestion:
    question, answers = entry.get("question"), entry.get("answers")
    if not isinstance(question, list) or not question:
        raise _Bad("question", "a list with at least one token is needed")
    if not isinstance(answers, list) or len(answers) != NUM_ANSWERS:
        found = f"{len(answers)}" if isinstance(answers, list) else type(answers).__name__
        raise _Bad("answers", f"{NUM_ANSWERS} answers are needed, not {found}")
    partial, candidates = _resolved(question, tokens), _resolved(answers, tokens)
    sets = {_set_of(token) for token in question}
    if len(sets) != 1:
        raise _Bad("question", f"tokens of {len(sets)} sets: which look is to be completed?")
    right = [item_id for token, item_id in zip(answers, candidates, strict=True) if _set_of(token) in sets]
    if len(right) != 1:
        raise _Bad("answers", f"{len(right)} answers are of the question's set, exactly one must be")
    if candidates.count(right[0]) != 1:
        raise _Bad("answers", f"the right item {right[0]!r} is a wrong answer too")
    return FitbQuestion(partial, candidates, right[0])


def _resolved(named: Iterable[object], tokens: Mapping[str, str]) -> tuple[str, ...]:
    found = []
    for token in named:
        if not isinstance(token, str) or token not in tokens:
            raise _Bad("tokens", f"unknown token {str(token)[:60]!r}")
        found.append(tokens[token])
    return tuple(found)


def _set_of(token: str) -> str:
    return token.rsplit("_", 1)[0]  # a set's id may hold a "_" of its own


def _id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**50:
        return str(value)
    good = isinstance(value, str) and is_unicode(value) and value.isprintable() and len(value) <= MAX_ID
    return value.strip() if good and isinstance(value, str) else ""
