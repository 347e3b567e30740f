"""Our own file of looks, JSON lines: what a retailer writes by hand, and what every other format is turned into.

    {"outfit_id": "l-1", "items": [{"item_id": "a-7", "slot": "top"}, {"item_id": "a-9"}], "label": 1, "user": "u-3",
     "split": "train", "group": "g-1", "text": "smart casual office look"}

One look per line (broken here only to fit). `outfit_id` and `items` must be there, the rest may be; other fields are ignored.
`label` is 1 for a look and 0 for what is none, or how good it is in between; without it the look is a look.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from modiste.data.feed.reader import MAX_DESCRIPTION, MAX_ID
from modiste.data.feed.report import FeedReport
from modiste.data.feed.tables import json_rows
from modiste.data.feed.text import is_unicode
from modiste.data.outfits import Look
from modiste.data.sources import SPLIT_NAMES
from modiste.files import writing_atomically

SUFFIXES = (".jsonl", ".ndjson")
MAX_ITEMS = 1_000  # of one look; what has more is no look but a catalogue in a wrong place
_SPLIT = re.compile(r"[a-z][a-z0-9_]{0,39}")


def read_looks(path: str | Path, *, report: FeedReport | None = None) -> dict[str, tuple[Look, ...]]:
    """The looks of a file by split, in file order; those that name no split are under "".

    Bad lines are skipped: `report` has their number, line, id, field and reason. Of lines with the same `outfit_id` the
    first good one counts. Items are not looked up, see `modiste.data.outfits.known`.

    Raises
    ------
    ValueError
        If there is no such file, it has another ending than `.jsonl` or `.ndjson`, or it is one JSON list.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: a file of looks ends in {' or '.join(SUFFIXES)}: one JSON object per line")
    report = FeedReport() if report is None else report
    found: dict[str, list[Look]] = {}
    seen: set[str] = set()
    for row in json_rows(path, report.warn):
        report.rows_read += 1
        try:
            if row.problem is not None:
                raise BadLine(*row.problem)
            split, look = _look(row.cells)
            if look.id in seen:
                raise BadLine("outfit_id", "duplicate id")
        except BadLine as error:
            value = row.cells.get("outfit_id")
            written = str(value)[:MAX_ID] if isinstance(value, str | int) else ""
            report.reject(row.number, written, error.field, f"{path.name}: {error.reason}", line=row.line)
            continue
        seen.add(look.id)
        found.setdefault(split, []).append(look)
    return {split: tuple(looks) for split, looks in found.items()}


def write_looks(path: str | Path, looks: Mapping[str, Iterable[Look]] | Iterable[Look]) -> Path:
    """Write looks, or split -> looks, so that `read_looks` gives back the same; the file appears whole or not at all.

    Raises
    ------
    ValueError
        For a look that a line cannot hold (no items, a label outside 0 to 1...) or an id that is there twice, naming it.
    OSError
        If the folder cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path}: name a file of looks with the ending {' or '.join(SUFFIXES)}")
    by_split = looks if isinstance(looks, Mapping) else {"": looks}
    seen: set[str] = set()
    with writing_atomically(path) as file:
        for split, some in by_split.items():
            for look in some:
                line = _line(split, look)
                try:
                    read = _look(line)
                except BadLine as error:
                    raise ValueError(f"look {look.id!r} cannot be written: {error.field}: {error.reason}") from None
                if read != (split, look):
                    raise ValueError(f"look {look.id!r} of split {split!r} would be read back as {read}")
                if look.id in seen:
                    raise ValueError(f"look {look.id!r} is there twice")
                seen.add(look.id)
                file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
    return path


class BadLine(ValueError):
    """What keeps a row from being used: the field, and the reason in words."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


def _line(split: str, look: Look) -> dict[str, Any]:
    if look.slots and len(look.slots) != len(look.item_ids):
        raise ValueError(f"look {look.id!r}: {len(look.slots)} slots for {len(look.item_ids)} items")
    slots = look.slots or ("",) * len(look.item_ids)
    line: dict[str, Any] = {
        "outfit_id": look.id,
        "items": [
            {"item_id": item_id, "slot": slot} if slot else {"item_id": item_id}
            for item_id, slot in zip(look.item_ids, slots, strict=True)
        ],
    }
    if look.label is not None:
        line["label"] = look.label
    others = {"user": look.user, "split": split, "group": look.group, "text": look.text}
    return line | {name: value for name, value in others.items() if value}


def _look(cells: Mapping[str, object]) -> tuple[str, Look]:
    items = cells.get("items")
    if not isinstance(items, list) or not items:
        raise BadLine("items", "a list with at least one item is needed")
    if len(items) > MAX_ITEMS:
        raise BadLine("items", f"{len(items):,} items, the limit is {MAX_ITEMS:,}")
    item_ids, slots = [], []
    for number, entry in enumerate(items, 1):
        if not isinstance(entry, dict):
            raise BadLine("items", f'item {number}: {{"item_id": ...}} is needed, not {type(entry).__name__}')
        item_ids.append(id_of(entry, "item_id", f"item {number}: "))
        slots.append(_words(entry, "slot", MAX_ID, f"item {number}: "))
    split = _words(cells, "split", 40).lower()
    split = SPLIT_NAMES.get(split, split)
    if split and not _SPLIT.fullmatch(split):
        raise BadLine("split", f"{split!r} is no name of a split; train, valid and test are usual")
    return split, Look(
        id=id_of(cells, "outfit_id"),
        item_ids=tuple(item_ids),
        label=_label(cells.get("label")),
        group=_words(cells, "group", MAX_ID),
        user=_words(cells, "user", MAX_ID),
        text=_words(cells, "text", MAX_DESCRIPTION),
        slots=tuple(slots) if any(slots) else (),
    )


def id_of(cells: Mapping[str, object], field: str, where: str = "") -> str:
    """The id in a cell, as text. Raises `BadLine` for one that is empty, too long, or no text or whole number."""
    value = cells.get(field)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**50:
        return str(value)
    text = _words(cells, field, MAX_ID, where)
    if not text:
        raise BadLine(field, f"{where}empty id")
    if not text.isprintable():
        raise BadLine(field, f"{where}control character in the id")
    return text


def _words(cells: Mapping[str, object], field: str, limit: int, where: str = "") -> str:
    value = cells.get(field)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**50:
        return str(value)  # a user's number
    if not isinstance(value, str):
        raise BadLine(field, f"{where}text is needed, not {type(value).__name__}")
    if not is_unicode(value):
        raise BadLine(field, f"{where}escapes that are no valid text")
    if len(value) > limit:
        raise BadLine(field, f"{where}{len(value):,} characters, the limit is {limit:,}")
    return value.strip()


def _label(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool | int | float) and math.isfinite(value) and 0 <= value <= 1:
        return float(value)
    raise BadLine("label", f"a number from 0 to 1 is needed, not {repr(value)[:40]}")
