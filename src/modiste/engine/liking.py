"""How much one person likes each item of a catalogue, in [0, 1]: the term that a taste adds to the objective.

A trained taste scores items on a scale of its own, and scores whole kinds apart: who likes shoes would get shoes for
everything. So an item counts for the share of the catalogue's items *of its slot* that she likes less, half of those she likes
equally: 1 for what she likes best, 0.5 for the middle, whatever the slot and whatever the model. It is the reading that the
match has too, where a wish counts beside the nearest item of its slot.

An item that the taste has never seen (it came after the training) has the mean score of the five items nearest to it that the
taste knows, by the catalogue's own vectors.

Shapes: N items of a snapshot, K of them known to the taste, D width of the catalogue's vectors, W width of the taste.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modiste.engine.filters import TextColumn
from modiste.engine.objective import Values
from modiste.engine.snapshot import Snapshot
from modiste.engine.tastes import Tastes
from modiste.types import FloatArray

NEIGHBOURS = 5  # known items whose scores an unknown one borrows
_CHUNK = 1_024


class KnownItems:
    """Which items of a snapshot a taste knows, and what it may say of the others; made once for a snapshot."""

    def __init__(self, tastes: Tastes, snapshot: Snapshot) -> None:
        self.tastes, self.snapshot = tastes, snapshot
        places = tastes.item_rows
        found = np.array([places.get(one, -1) for one in snapshot.ids.to_pylist()], dtype=np.int64)
        self.rows: NDArray[np.int64] = np.flatnonzero(found >= 0)  # (K,)
        self.places: NDArray[np.int64] = found[self.rows]  # (K,) in the taste
        self.strangers: NDArray[np.int64] = np.flatnonzero(found < 0)  # (N - K,)

    @cached_property
    def neighbours(self) -> NDArray[np.int64]:
        """(N - K, up to 5) places in `rows` of the known items nearest to each unknown one."""
        known, count = self.snapshot.vectors[self.rows], min(NEIGHBOURS, len(self.rows))
        found = np.zeros((len(self.strangers), count), dtype=np.int64)
        for start in range(0, len(self.strangers), _CHUNK):
            part = self.strangers[start : start + _CHUNK]
            similarity = self.snapshot.vectors[part] @ known.T
            found[start : start + len(part)] = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
        return found

    @cached_property
    def vectors(self) -> FloatArray:
        """(N, W) of every item, as the taste has it or as its neighbours' mean."""
        found = np.zeros((len(self.snapshot), self.tastes.items.shape[1]), dtype=np.float32)
        if len(self.rows):
            known = self.tastes.items[self.places]
            found[self.rows] = known
            found[self.strangers] = known[self.neighbours].mean(axis=1)
        return found

    def nearest(self, vectors: FloatArray) -> NDArray[np.int64]:
        """(M, D) -> (M,) places in the taste of the known items nearest to some vectors; (0,) if it knows none."""
        if not len(self.rows):
            return np.zeros(0, dtype=np.int64)
        rows, _ = self.snapshot.index.search(np.ascontiguousarray(vectors, dtype=np.float32), 1, self.rows)
        found: NDArray[np.int64] = self.places[np.searchsorted(self.rows, rows[:, 0])]
        return found

    def nearest_of(self, rows: Sequence[int]) -> NDArray[np.int64]:
        """(M,) rows of the snapshot -> places in the taste: of the items themselves where it knows them, else the nearest."""
        wanted = np.asarray(rows, dtype=np.int64)
        own = np.isin(wanted, self.rows)
        found = self.places[np.searchsorted(self.rows, wanted[own])]
        return np.concatenate([found, self.nearest(self.snapshot.vectors[wanted[~own]])])

    def values(self, user: FloatArray) -> Values:
        """(W,) -> (N,) how much she likes each item, in [0, 1]; 0.5 for all where the taste knows none of them."""
        return shares_below((self.vectors @ user).astype(np.float64), slots_of(self.snapshot))


class Liking:
    """One person's liking, for `OutfitEngine.with_taste`: (N,) values of whichever version of the catalogue asks."""

    def __init__(self, user: FloatArray, known: KnownItems) -> None:
        self._user, self._known = user, known

    def values(self, snapshot: Snapshot) -> Values:
        known = self._known if snapshot is self._known.snapshot else KnownItems(self._known.tastes, snapshot)
        return known.values(self._user)


class NearLiking:
    """The liking of somebody of whom only likes are known and no taste is trained: nearness to them, whatever they are.

    An item counts for the share of its slot that is less near to the nearest of her likes, by the cosine after the catalogue's
    mean vector was taken off.
    """

    def __init__(self, likes: FloatArray) -> None:
        """`likes`: (M, D) mean item vectors."""
        self._likes = likes

    def values(self, snapshot: Snapshot) -> Values:
        centre = snapshot.vectors.mean(axis=0, dtype=np.float64)
        likes = self._likes - centre
        likes /= np.maximum(np.linalg.norm(likes, axis=1, keepdims=True), 1e-12)
        items = snapshot.vectors - centre.astype(np.float32)
        scores = (items @ likes.T.astype(np.float32)).max(axis=1) / np.maximum(np.linalg.norm(items, axis=1), 1e-12)
        return shares_below(scores.astype(np.float64), slots_of(snapshot))


def slots_of(snapshot: Snapshot) -> NDArray[np.int32]:
    """(N,) a number for the slot of each item; -1 where the taxonomy knows none."""
    column = snapshot.columns["slot"]
    assert isinstance(column, TextColumn)
    return column.codes


def shares_below(scores: Values, kinds: NDArray[np.int32]) -> Values:
    """(N,) the share of the items of its kind that score less than each, half of the equal ones counted; in (0, 1)."""
    order = np.lexsort((scores, kinds))
    kind, score = kinds[order], scores[order]
    new_kind = np.append(True, kind[1:] != kind[:-1]) if len(kind) else np.zeros(0, dtype=bool)
    new_score = new_kind | np.append(True, score[1:] != score[:-1]) if len(kind) else new_kind
    first_of_kind, first_of_score = np.flatnonzero(new_kind), np.flatnonzero(new_score)
    of_kind, of_score = np.cumsum(new_kind) - 1, np.cumsum(new_score) - 1
    sizes = np.diff(np.append(first_of_kind, len(kind)))
    equal = np.diff(np.append(first_of_score, len(kind)))
    below = first_of_score[of_score] - first_of_kind[of_kind]
    found = np.empty(len(scores))
    found[order] = (below + equal[of_score] / 2) / sizes[of_kind]
    return found
