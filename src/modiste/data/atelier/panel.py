"""The stylists' opinions of sets of items, all of them at once.

Shapes: N items, B sets of O places (-1: no item), S stylists.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modiste.data.atelier.styles import GAIN, LIKING, NEVER, STYLES, Style
from modiste.data.style import Facts, mean_over_pairs, traits, weighted_pairs
from modiste.data.style.colour import Array
from modiste.data.style.scoring import places
from modiste.types import Item


def sigmoid(x: NDArray[np.floating]) -> Array:
    result: Array = (0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64)))).astype(np.float32)
    return result


class Panel:
    """Items made ready for some stylists, by default all of them."""

    def __init__(self, items: Sequence[Item], styles: Sequence[Style] = STYLES) -> None:
        self.styles = tuple(styles)
        self.facts = Facts.of([traits(item) for item in items])
        self.articles = np.unique([item.category for item in items], return_inverse=True)[1].astype(np.int64)
        self.weights = np.stack([style.weights for style in styles], axis=1)  # (R, S)
        self.affinity = np.stack([style.affinity(self.facts) for style in styles], axis=1)  # (N, S)
        self.bars = np.array([style.bar for style in styles], dtype=np.float32)
        self.shares = np.array([style.share for style in styles], dtype=np.float32)

    def __len__(self) -> int:
        return len(self.facts)

    def opinions(self, sets: NDArray[np.int64]) -> Array:
        """(B, O) -> (B, S): f_s of every set. A set of one item has no pairs: neither for nor against, 0."""
        there = sets >= 0
        count = there.sum(axis=1)
        liked = np.where(there[..., None], self.affinity[sets], np.float32(0)).astype(np.float64)
        liked = np.sort(liked, axis=1).sum(axis=1) / np.maximum(count, 1)[:, None]  # sorted: order cannot change a sum
        first, second = places(sets.shape[1])
        twice = (there[:, first] & there[:, second]) & (self.articles[sets[:, first]] == self.articles[sets[:, second]])
        never = NEVER * twice.sum(axis=1) / np.maximum(count * (count - 1) / 2, 1)
        mean = mean_over_pairs(self.facts, sets, self.weights) + LIKING * liked + never[:, None] - self.bars
        result: Array = np.where(count[:, None] > 1, GAIN * mean, 0.0).astype(np.float32)
        return result

    def pairs(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Array:
        """(R,), (C,) -> (R, C, S): the terms whose mean over a set's pairs, times GAIN, is its opinion."""
        terms = weighted_pairs(self.facts, rows, columns, self.weights)
        terms += LIKING / 2 * (self.affinity[rows][:, None] + self.affinity[columns][None, :])
        terms += NEVER * (self.articles[rows][:, None] == self.articles[columns][None, :])[..., None]
        result: Array = terms - self.bars
        return result

    def probability(self, sets: NDArray[np.int64]) -> Array:
        """(B, O) -> (B,): P(compatible | set) = sum_s share_s sigmoid(f_s(set))."""
        result: Array = sigmoid(self.opinions(sets)) @ (self.shares / self.shares.sum())
        return result
