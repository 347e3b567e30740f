"""Questions of the outfit protocols in a file, one JSON object a line (JSONL, UTF-8).

    {"task": "cp", "items": ["a", "b", "c"], "label": 1}
    {"task": "fitb", "partial": ["a", "b"], "candidates": ["c", "d", "e", "f"], "correct": "c"}
    {"task": "cir", "partial": ["a", "b"], "correct": "c", "candidates": ["c", "d", ...]}

`label` is 1 for a look and 0 for none. `correct` is the id of one of the candidates, never a position. The order of items and
candidates means nothing. Two more fields may be given with any task:

    "kind"   a word in lower case: questions of a kind get numbers of their own, "hard" `cp_hard_auc`, `fitb_hard_accuracy`,
             `cir_hard_R@10`; without one they are `cp_auc`, `fitb_accuracy`, `cir_R@10`
    "group"  questions that share it are not independent and are resampled together; by default each stands alone

Items are those of the data set by id.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modiste.data.outfits import OutfitData
from modiste.evaluation.outfit_questions import Choice, Choices, Judgement, Judgements
from modiste.files import write_atomically

_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}|")
_FIELDS = {
    "cp": {"items", "label"},
    "fitb": {"partial", "candidates", "correct"},
    "cir": {"partial", "candidates", "correct"},
}


@dataclass(frozen=True, slots=True)
class QuestionFile:
    """The questions of a file by kind ("" where none is said)."""

    cp: Mapping[str, Judgements]
    fitb: Mapping[str, Choices]
    cir: Mapping[str, Choices]


def read_questions(path: str | Path, data: OutfitData) -> QuestionFile:
    """Read and check a file of questions about the items of `data`.

    Raises
    ------
    ValueError
        Naming file, line and field: not JSON, a field missing or of the wrong kind, an unknown task, an item that is not in
        the data, a set that is too small, a candidate twice or in the partial look already, a right one that is no candidate,
        or a file without a question.
    """
    path = Path(path)
    judged: dict[str, list[Judgement]] = defaultdict(list)
    chosen: dict[tuple[str, str], list[Choice]] = defaultdict(list)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            kind, question = _question(row, data, f"line {number}")
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: not JSON: {error}") from error
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
        if isinstance(question, Judgement):
            judged[kind].append(question)
        else:
            chosen[row["task"], kind].append(question)
    if not judged and not chosen:
        raise ValueError(f"{path}: no question in it")
    name = path.name
    for kind, questions in judged.items():
        if len({question.right for question in questions}) < 2:
            raise ValueError(
                f"{path}: cp questions{f' of kind {kind!r}' if kind else ''} need looks (label 1) and others (label 0)"
            )
    return QuestionFile(
        cp={kind: Judgements(tuple(questions), name) for kind, questions in sorted(judged.items())},
        fitb={kind: Choices(tuple(found), name) for (task, kind), found in sorted(chosen.items()) if task == "fitb"},
        cir={kind: Choices(tuple(found), name) for (task, kind), found in sorted(chosen.items()) if task == "cir"},
    )


def write_questions(path: str | Path, questions: QuestionFile) -> Path:
    """Write questions as `read_questions` reads them, whole or not at all; raises `OSError` if it cannot."""
    rows: list[dict[str, Any]] = []
    for kind, judged in questions.cp.items():
        for one in judged.questions:
            rows.append(
                {"task": "cp", "items": one.item_ids, "label": int(one.right), "kind": kind, "group": one.group}
            )
    for task, by_kind in (("fitb", questions.fitb), ("cir", questions.cir)):
        for kind, choices in by_kind.items():
            for choice in choices.questions:
                sets = {"partial": choice.partial, "candidates": choice.open_candidates, "correct": choice.correct}
                rows.append({"task": task, **sets, "kind": kind, "group": choice.group})
    text = "".join(json.dumps(_without_empty(row), ensure_ascii=False) + "\n" for row in rows)
    return write_atomically(Path(path), text.encode())


def _question(row: Any, data: OutfitData, name: str) -> tuple[str, Judgement | Choice]:
    if not isinstance(row, dict):
        raise ValueError("a question is a JSON object")
    task = row.get("task")
    if not isinstance(task, str) or task not in _FIELDS:
        raise ValueError(f"field 'task' must be {', '.join(_FIELDS)}, not {task!r}")
    if unknown := sorted(set(row) - _FIELDS[task] - {"task", "kind", "group"}):
        raise ValueError(f"unknown field {unknown[0]!r}; a {task} question has {', '.join(sorted(_FIELDS[task]))}")
    if missing := sorted(_FIELDS[task] - set(row)):
        raise ValueError(f"field {missing[0]!r} is missing")
    kind, group = row.get("kind", ""), row.get("group", name)
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise ValueError(f"field 'kind' must be one word in lower case, not {kind!r}")
    if not isinstance(group, str) or not group:
        raise ValueError(f"field 'group' must be a word, not {group!r}")
    if task == "cp":
        ids = _ids(row["items"], "items", data, at_least=2)
        if isinstance(row["label"], bool) or row["label"] not in (0, 1):
            raise ValueError(f"field 'label' must be 0 or 1, not {row['label']!r}")
        return kind, Judgement(ids, row["label"] == 1, group)
    partial = _ids(row["partial"], "partial", data, at_least=1)
    candidates = _ids(row["candidates"], "candidates", data, at_least=2)
    if both := sorted(set(partial) & set(candidates)):
        raise ValueError(f"candidate {both[0]!r} is in the partial look already")
    if row["correct"] not in candidates:
        raise ValueError(f"field 'correct' must be the id of one of the candidates, not {row['correct']!r}")
    return kind, Choice(partial, candidates, row["correct"], group)


def _ids(value: Any, name: str, data: OutfitData, *, at_least: int) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"field {name!r} must be a list of item ids")
    if unknown := [one for one in value if one not in data.items]:
        raise ValueError(f"field {name!r}: no item {unknown[0]!r} in {data.name}")
    if len(set(value)) < len(value):
        twice = next(one for one in value if value.count(one) > 1)
        raise ValueError(f"field {name!r}: item {twice!r} is there twice")
    if len(value) < at_least:
        raise ValueError(f"field {name!r} needs at least {at_least} item{'s' if at_least > 1 else ''}")
    return tuple(sorted(value))


def _without_empty(row: Mapping[str, Any]) -> dict[str, Any]:
    kept: Iterable[tuple[str, Any]] = ((key, value) for key, value in row.items() if value != "")
    return dict(kept)
