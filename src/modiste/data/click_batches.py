"""Batches of clicks: who clicked what, an outfit she did not click, and outfits beside sets that are none.

Negatives leave out what the user clicked in *training* and nothing else. The code released with HFGN also leaves out her test
clicks, which tells the model what they are (specification 4.3).

Shapes: B batch, U users, O outfits, I items, L items in the largest outfit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from modiste.data.batches import TensorBatch
from modiste.data.interactions import Interactions
from modiste.types import as_sets

Indices = NDArray[np.int64]
BROKEN_SIZES = (3, 5)  # of the random sets beside true outfits (specification 4.3)


@dataclass(frozen=True, eq=False)
class UserBatch(TensorBatch):
    """Users, to be asked about their training clicks."""

    users: Tensor
    """(B,) int64 rows of users."""


@dataclass(frozen=True, eq=False)
class ClickBatch(UserBatch):
    """Clicks, each beside an outfit that the user did not click in training."""

    outfits: Tensor
    """(B,) int64 the outfits clicked."""
    negatives: Tensor
    """(B,) int64 outfits not clicked."""


@dataclass(frozen=True, eq=False)
class BrokenBatch(TensorBatch):
    """Outfits, each beside a random set of items: what FLTB's loss compares."""

    looks: Tensor
    """(B,) int64 rows of outfits."""
    broken: Tensor
    """(B, L) int64 rows of items, -1 = no item."""


@dataclass(frozen=True, eq=False)
class JointBatch(ClickBatch):
    """Both at once; row i of the clicks has nothing to do with row i of the sets."""

    looks: Tensor
    broken: Tensor


@dataclass(frozen=True, eq=False)
class ClickExamples:
    """Training clicks by number, in the order of users and outfits; makes the batches of `IndexLoader`.

    Only the split `train` is looked at. Raises `ValueError` when a user clicked every outfit there is: no negative is left.
    """

    data: Interactions

    def __post_init__(self) -> None:
        per_user = np.diff(self.data.clicks["train"].indptr)
        if len(full := np.flatnonzero(per_user == self.data.num_outfits)):
            raise ValueError(f"user {self.data.user_ids[full[0]]!r} clicked every outfit; leave her out")

    @cached_property
    def _users(self) -> Indices:
        clicks = self.data.clicks["train"]
        return np.repeat(np.arange(clicks.shape[0]), np.diff(clicks.indptr)).astype(np.int64)

    @cached_property
    def _outfits(self) -> Indices:
        return self.data.clicks["train"].indices.astype(np.int64)

    @cached_property
    def _keys(self) -> Indices:
        """(user, outfit) as one number, ascending: rows of a CSR matrix are in order and so are its columns."""
        return self._users * self.data.num_outfits + self._outfits

    def __len__(self) -> int:
        return len(self._users)

    def clicked(self, users: Indices, outfits: Indices) -> NDArray[np.bool_]:
        """(B,): whether these pairs are training clicks."""
        keys = users * self.data.num_outfits + outfits
        place = np.searchsorted(self._keys, keys).clip(max=len(self._keys) - 1)
        found: NDArray[np.bool_] = self._keys[place] == keys
        return found

    def negatives(self, users: Indices, random: np.random.Generator) -> Indices:
        """(B,): for each user an outfit drawn uniformly from those she did not click in training."""
        drawn = random.integers(0, self.data.num_outfits, len(users))
        while len(again := np.flatnonzero(self.clicked(users, drawn))):
            drawn[again] = random.integers(0, self.data.num_outfits, len(again))
        return drawn

    def broken_sets(self, number: int, random: np.random.Generator) -> Indices:
        """(number, L): sets of 3 to 5 different items drawn uniformly, -1 fills up; smaller where there are fewer items."""
        low, high = (min(size, self.data.num_items) for size in BROKEN_SIZES)
        drawn = random.integers(0, self.data.num_items, (number, high))
        while len(again := np.flatnonzero((np.diff(np.sort(drawn, axis=1), axis=1) == 0).any(axis=1))):
            drawn[again] = random.integers(0, self.data.num_items, (len(again), high))
        sizes = random.integers(low, high + 1, number)
        drawn[np.arange(high)[None] >= sizes[:, None]] = -1
        return drawn

    def clicks(self, chosen: Indices, random: np.random.Generator) -> ClickBatch:
        """A batch of the clicks of these numbers."""
        users = self._users[chosen]
        return ClickBatch(*map(torch.from_numpy, (users, self._outfits[chosen], self.negatives(users, random))))

    def sets(self, chosen: Indices, random: np.random.Generator) -> BrokenBatch:
        """A batch of the outfits of these rows."""
        return BrokenBatch(torch.from_numpy(chosen), torch.from_numpy(self.broken_sets(len(chosen), random)))

    def joint(self, chosen: Indices, random: np.random.Generator) -> JointBatch:
        """Clicks of these numbers, and as many outfits drawn uniformly."""
        clicks = self.clicks(chosen, random)
        sets = self.sets(random.integers(0, self.data.num_outfits, len(chosen)), random)
        return JointBatch(clicks.users, clicks.outfits, clicks.negatives, sets.looks, sets.broken)


def padded_sets(outfit_items: csr_array) -> Indices:
    """(O, I) of ones -> (O, L): the items of each outfit, -1 where there are fewer than in the largest."""
    return as_sets(np.split(outfit_items.indices.astype(np.int64), outfit_items.indptr[1:-1]))
