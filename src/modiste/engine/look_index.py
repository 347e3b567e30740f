"""Stored looks, to be asked which are most like others: by the cosine of mean item vectors, what all items share taken off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modiste.engine.snapshot import Snapshot
from modiste.types import FloatArray


class LookIndex:
    """L looks of a snapshot's items. Raises `UnknownItem` for an item that the snapshot does not have."""

    def __init__(self, snapshot: Snapshot, looks: Sequence[Sequence[str]]) -> None:
        self._snapshot = snapshot
        self._centre = snapshot.vectors.mean(axis=0, dtype=np.float64) if len(snapshot) else np.zeros(1)
        self._looks = self._directions(looks)

    def __len__(self) -> int:
        return len(self._looks)

    def similarities(self, means: FloatArray) -> NDArray[np.float64]:
        """(M, D) mean item vectors -> (L, M) the similarity of every look with each of them."""
        return self._compared(self._looks, means)

    def similarities_of(self, look: Sequence[str], means: FloatArray) -> NDArray[np.float64]:
        """(M, D) mean item vectors -> (M,) the similarity of another look of the snapshot's items with each of them."""
        found: NDArray[np.float64] = self._compared(self._directions([look]), means)[0]
        return found

    def nearest(self, means: FloatArray, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The k looks nearest to any of some mean item vectors (M, D): their places and similarities, best first.

        Of equal similarities the earlier look comes first.
        """
        if not len(self):
            return np.zeros(0, np.int64), np.zeros(0)
        similarity = self.similarities(means).max(axis=1)  # (L,)
        order = np.argsort(-similarity, kind="stable")[:k]
        return order.astype(np.int64), similarity[order]

    def _directions(self, looks: Sequence[Sequence[str]]) -> NDArray[np.float64]:
        """(L, D)."""
        means = np.zeros((len(looks), self._snapshot.vectors.shape[1]))
        for at, look in enumerate(looks):
            rows = [self._snapshot.row(one) for one in look]
            means[at] = self._snapshot.vectors[rows].mean(axis=0, dtype=np.float64)
        return _unit(means - self._centre)

    def _compared(self, looks: NDArray[np.float64], means: FloatArray) -> NDArray[np.float64]:
        found: NDArray[np.float64] = looks @ _unit(means.astype(np.float64) - self._centre).T
        return found


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return found
