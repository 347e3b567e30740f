"""Looks that a house has stored, as JSON lines beside its catalogue: what recommending and similar looks choose from."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import overload

from modiste.data.feed import FeedReport
from modiste.data.outfit_table import read_looks
from modiste.data.outfits import Look
from modiste.engine.look_index import LookIndex
from modiste.engine.objective import Values
from modiste.engine.snapshot import Snapshot
from modiste.types import FloatArray

_log = logging.getLogger(__name__)
FILE_NAME = "looks.jsonl"
MAX_LOOKS = 50_000


def read_stored_looks(path: Path) -> tuple[Look, ...]:
    """The looks of a file, those that are none (label below 0.5) left out; none where there is no file.

    Bad lines are counted in a warning. Raises `ValueError` for a file that cannot be read, of which no line is a look, or that
    holds more than `MAX_LOOKS`.
    """
    if not path.is_file():
        return ()
    report = FeedReport()
    read = read_looks(path, report=report)
    if report.rejected:
        if not read:
            first = report.first_rejected[0]
            raise ValueError(
                f"{path}: none of {report.rows_read:,} lines is a look (line {first.get('line', first['row'])}, "
                f"{first['field']}: {first['reason']}); one is written "
                '{"outfit_id": "l-1", "items": [{"item_id": "a-7"}, {"item_id": "a-9"}]}'
            )
        _log.warning("%s: %s", path, report)
    found = [look for some in read.values() for look in some if look.label is None or look.label >= 0.5]
    if len(found) > MAX_LOOKS:
        raise ValueError(f"{path}: {len(found):,} looks, and at most {MAX_LOOKS:,} are kept")
    return tuple(sorted(found, key=lambda look: look.id))


class StoredLooks(Sequence[Look]):
    """Those of some looks whose items a snapshot has, ready to be compared."""

    def __init__(self, looks: Sequence[Look], snapshot: Snapshot) -> None:
        self._looks = [look for look in looks if all(snapshot.find(one) is not None for one in look.item_ids)]
        self._index = LookIndex(snapshot, [look.item_ids for look in self._looks])
        self._places = {look.id: at for at, look in enumerate(self._looks)}

    def __len__(self) -> int:
        return len(self._looks)

    @overload
    def __getitem__(self, place: int) -> Look: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Look]: ...
    def __getitem__(self, place: int | slice) -> Look | Sequence[Look]:
        return self._looks[place]

    def place(self, look_id: str) -> int | None:
        """Where a look of this id is; None if there is none."""
        return self._places.get(look_id)

    def similarities(self, means: FloatArray) -> Values:
        """(M, D) mean item vectors -> (L, M) how near each look is to each."""
        return self._index.similarities(means)

    def similarities_of(self, item_ids: Sequence[str], means: FloatArray) -> Values:
        """The same of a look that is not stored: (M,)."""
        return self._index.similarities_of(item_ids, means)

    def nearest(self, means: FloatArray, k: int) -> list[tuple[Look, float]]:
        """The k looks nearest to any of some mean item vectors (M, D), and how near; best first."""
        rows, similarity = self._index.nearest(means, k)
        return [(self._looks[row], float(one)) for row, one in zip(rows.tolist(), similarity, strict=True)]
