"""What can be known of the atelier's users from their clicks: the best recommender that does not see their tastes.

`AtelierUsers.probability` knows every taste. Nobody who is told a handful of likes can rank as well, so a share of that margin
says little of a recommender before one knows which share can be had. Here tastes are drawn from the distribution that users
are drawn from, weighed by how probable they make the likes, and averaged:

    P(click on o | likes) = sum_t w_t P(click | t, o),    w_t ~ product over likes of P(click | t, like) / sum_o P(click | t, o)

Shapes: U users, L looks, T draws, B users asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from modiste.data.atelier.design import generator
from modiste.data.atelier.users import AtelierUsers, drawn_tastes
from modiste.types import FloatArray

_STREAM = 67


@dataclass(frozen=True, eq=False)
class BestGuess:
    """The `OutfitRecommender` that knows how tastes are distributed and what `clicks` (U, L) say of each user's."""

    users: AtelierUsers
    clicks: csr_array
    num_draws: int = 20_000
    seed: int = 0

    @cached_property
    def _probability(self) -> FloatArray:
        """(T, L) of the drawn tastes."""
        tastes = drawn_tastes(generator(self.seed, _STREAM), self.num_draws)
        return replace(self.users, tastes=tastes).probability(np.arange(self.num_draws))

    @cached_property
    def _evidence(self) -> FloatArray:
        """(T, L) logarithm of how probable it is that a click of theirs is on this look."""
        found: FloatArray = np.log(self._probability / self._probability.sum(axis=1, keepdims=True))
        return found

    def of_likes(self, looks: Sequence[int] | NDArray[np.int64]) -> FloatArray:
        """(L,): the expected probability of a click by one who likes these looks; of none, by anyone."""
        logs = self._evidence[:, np.asarray(looks, np.int64)].sum(axis=1, dtype=np.float64)
        weights = np.exp(logs - logs.max())
        found: FloatArray = ((weights / weights.sum()).astype(np.float32)) @ self._probability
        return found

    def scores(self, users: NDArray[np.int64]) -> FloatArray:
        """Rows of users (B,) -> (B, L)."""
        ends = self.clicks.indptr
        return np.stack([self.of_likes(self.clicks.indices[ends[user] : ends[user + 1]]) for user in users])
