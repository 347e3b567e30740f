"""An index of an earlier state and what has changed since: rows that were added are compared exactly, removed ones left out.

So a new version of a large catalogue is searched at once, and the lists of the old one go on serving it. When much has changed,
lists for the new state are made beside the searches (see `Snapshot.rebased`).

Shapes: N rows now, M rows of the base, A rows added since, D width.
"""

from __future__ import annotations

import numpy as np

from modiste.engine.index import (
    Candidates,
    ExactIndex,
    RowArray,
    VectorIndex,
    as_mask,
    checked_queries,
    empty_result,
    merged,
)
from modiste.types import FloatArray


class AmendedIndex:
    """A base index (M rows), the vectors added since (A, D), and where each row of now stands in [base, added] (N,).

    Rows that come from the base are in the base's order among themselves, so that equal scores are ordered as an index of
    all rows would.
    """

    def __init__(self, base: VectorIndex, added: FloatArray, place: RowArray) -> None:
        self.base, self._added, self._width = base, ExactIndex(added), added.shape[1]
        self._len = len(place)
        self._base_rows = np.flatnonzero(place < len(base)).astype(np.int64)
        self._base_places = place[self._base_rows]
        self._added_rows = np.flatnonzero(place >= len(base)).astype(np.int64)
        self._added_places = place[self._added_rows] - len(base)
        self._row_of_base = np.full(len(base), -1, dtype=np.int64)
        self._row_of_base[self._base_places] = self._base_rows
        self._row_of_added = np.full(len(added), -1, dtype=np.int64)
        self._row_of_added[self._added_places] = self._added_rows

    def __len__(self) -> int:
        return self._len

    def search(self, queries: FloatArray, k: int, candidates: Candidates = None) -> tuple[RowArray, FloatArray]:
        queries = checked_queries(queries, k, self._width)
        mask = as_mask(candidates, len(self))
        of_base, of_added = self._row_of_base >= 0, self._row_of_added >= 0
        if mask is not None:
            of_base[self._base_places] = mask[self._base_rows]
            of_added[self._added_places] = mask[self._added_rows]
        parts = []
        for index, those, row_of in (
            (self.base, of_base, self._row_of_base),
            (self._added, of_added, self._row_of_added),
        ):
            if those.any():
                places, scores = index.search(queries, k, those)
                parts.append((np.where(places >= 0, row_of[places], -1), scores))
        return merged(parts, k) if parts else empty_result(len(queries), k)
