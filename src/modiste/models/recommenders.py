"""Recommenders that count: what a trained one has to beat. Both are `OutfitRecommender`s, fitted on training clicks alone.

Shapes: U users, O outfits, B users asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from modiste.data.interactions import Interactions
from modiste.types import FloatArray, OutfitRecommender


class Popularity:
    """The number of training clicks on an outfit, the same for everyone."""

    def __init__(self, data: Interactions) -> None:
        self._num_users = data.num_users
        self._counts = np.asarray(data.clicks["train"].sum(axis=0), dtype=np.float32).reshape(-1)

    def scores(self, users: NDArray[np.int64]) -> FloatArray:
        users = checked_users(users, self._num_users)
        return np.repeat(self._counts[None], len(users), axis=0)


class OutfitNeighbours:
    """Outfits that the same people clicked: the sum of cosines between an outfit and those of the user (item-based kNN).

    The cosine of two outfits is that of their columns of training clicks; all neighbours count, none is cut off. Sarwar et al.
    2001, with Deshpande and Karypis 2004's normalisation left out.
    """

    def __init__(self, data: Interactions) -> None:
        self._clicks = data.clicks["train"]
        counts = np.asarray(self._clicks.sum(axis=0), dtype=np.float64).reshape(-1)
        scale = (1 / np.sqrt(np.maximum(counts, 1))).astype(np.float32)
        scaled = self._clicks * scale  # columns of length 1
        self._cosines: csr_array = (scaled.T @ scaled).tocsr()
        self._cosines.setdiag(0)  # that an outfit resembles itself says nothing of others
        self._cosines.eliminate_zeros()

    def scores(self, users: NDArray[np.int64]) -> FloatArray:
        users = checked_users(users, self._clicks.shape[0])
        found: FloatArray = (self._clicks[users] @ self._cosines).toarray()
        return found


# Name -> how it is fitted.
COUNTED: Mapping[str, Callable[[Interactions], OutfitRecommender]] = MappingProxyType(
    {"popularity": Popularity, "knn": OutfitNeighbours}
)


def checked_users(users: NDArray[np.int64], num_users: int) -> NDArray[np.int64]:
    """Rows of users (B,), all of them in the data. Raises `ValueError` otherwise."""
    users = np.asarray(users, dtype=np.int64)
    if users.ndim != 1 or (len(users) and not 0 <= int(users.min()) <= int(users.max()) < num_users):
        raise ValueError(f"users must be rows (B,) from 0 to {num_users - 1}")
    return users
