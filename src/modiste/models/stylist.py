"""A stylist for a shop without outfit data: the documented style rules, applied to what its catalogue says.

Nothing here is learned, and it says so wherever it shows: `Stylist.name` is "rules". It reads an item's attributes (colour
names in English and Spanish, gender, season, usage, pattern), its category and title, and, where no attribute names a
colour, the photo's dominant colours. Facts that are not there leave a rule without an opinion.

S(O) = sigmoid(GAIN * mean over pairs of (sum_r w_r t_r(i, j) - BAR)): pairwise, so exact search works with it.

Shapes: N items of a pool, R rules, B sets of O places (-1: no item).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from modiste.data.images import ImageError
from modiste.data.style import (
    BREAKS,
    RULES,
    Facts,
    Traits,
    mean_over_pairs,
    rule_terms,
    traits,
    weighted_pairs,
    weights_of,
)
from modiste.data.style.photo import dominant_colours
from modiste.data.style.scoring import checked_sets
from modiste.types import FloatArray, Item, JoinablePool, OutfitPool, OutfitScorer, PairwisePool, checked_rows

NAME = "rules"
# Half of the atelier's looks (valid) score above 0.81, half of the sets that its stylists declined below 0.09.
GAIN, BAR = 3.0, 1.0
_SMALLEST = 1e-30
_SAYS_SOMETHING = 0.1  # weighted terms below this are not worth a sentence

# What a rule weighs beside the others, set by hand before any data was looked at: those that make a look unwearable weigh
# most. Nothing here was fitted to real looks.
WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "harmony": 1.0,
        "tonal": 0.8,
        "palette": 0.6,
        "echo": 0.4,
        "pattern": 0.8,
        "formality": 1.2,
        "season": 1.2,
        "occasion": 1.0,
        "silhouette": 0.8,
        "layering": 1.5,
        "metals": 1.2,
        "leathers": 0.8,
        "gender": 4.0,
    }
)


@dataclass(frozen=True, slots=True)
class Reason:
    """What one rule says about two items."""

    rule: str
    term: float  # in [-1, 1]
    weight: float
    words: str

    @property
    def breaks(self) -> bool:
        return self.term <= BREAKS

    def __str__(self) -> str:
        return f"{self.rule} {self.term:+.1f}: {self.words}"


def item_traits(item: Item) -> Traits:
    """What the rules may know of an item: its attributes and words, and its photo's colours where they name none.

    A photo that cannot be decoded says nothing.
    """
    known = traits(item)
    if known.hexadecimal is None and item.image is not None:
        try:
            colours = tuple(colour for colour, _ in dominant_colours(item.image))
        except ImageError:
            return known
        known = traits(item, photo_colours=colours)
    return known


class StylistPool(PairwisePool, JoinablePool):
    """Items made ready for the rules."""

    def __init__(self, traits: tuple[Traits, ...], facts: Facts, weights: FloatArray, gain: float, bar: float) -> None:
        self.traits, self.facts = traits, facts
        self._weights, self._gain, self._bar = weights, gain, bar

    @classmethod
    def of(cls, items: Sequence[Item], weights: FloatArray, gain: float, bar: float) -> StylistPool:
        known = tuple(item_traits(item) for item in items)
        return cls(known, Facts.of(known), weights, gain, bar)

    def joined(self, fresh: OutfitPool | None, rows: NDArray[np.int64]) -> StylistPool:
        traits, facts = self.traits, self.facts
        if fresh is not None:
            if not isinstance(fresh, StylistPool):
                raise ValueError(f"a pool of the rules cannot be joined with {type(fresh).__name__}")
            traits, facts = traits + fresh.traits, facts.joined(fresh.facts)
        rows = checked_rows(rows, len(traits))
        chosen = tuple(map(traits.__getitem__, rows.tolist()))
        return StylistPool(chosen, facts[rows], self._weights, self._gain, self._bar)

    def score(self, sets: NDArray[np.int64]) -> FloatArray:
        sets = checked_sets(sets, len(self.facts))
        means = mean_over_pairs(self.facts, sets, self._weights)
        pairs = (sets >= 0).sum(axis=1) > 1
        return self.link(np.where(pairs, means - np.float32(self._bar), np.float32(0)))

    def pairs(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> FloatArray:
        result: FloatArray = weighted_pairs(self.facts, rows, columns, self._weights) - np.float32(self._bar)
        return result

    def link(self, mean: FloatArray) -> FloatArray:
        half = 0.5 * self._gain * np.asarray(mean, dtype=np.float64)
        result: FloatArray = np.maximum(0.5 * (1.0 + np.tanh(half)), _SMALLEST).astype(np.float32)
        return result

    def explain(self, i: int, j: int) -> tuple[Reason, ...]:
        """What the rules say about items i and j of the pool, the weightiest first; empty when they have no opinion."""
        for one in (i, j):
            if not 0 <= one < len(self.traits):
                raise ValueError(f"position {one} is outside the pool of {len(self.traits)} items")
        terms = rule_terms(self.facts[i], self.facts[j])
        reasons = [
            Reason(rule.name, float(term), float(weight), rule.words(self.traits[i], self.traits[j], float(term)))
            for rule, term, weight in zip(RULES, terms, self._weights, strict=True)
            if abs(term * weight) >= _SAYS_SOMETHING
        ]
        return tuple(sorted(reasons, key=lambda one: -abs(one.term * one.weight)))


@dataclass(frozen=True)
class Stylist(OutfitScorer):
    """The rules as an outfit scorer.

    Parameters
    ----------
    weights
        By rule name; rules left out weigh nothing. Raises `ValueError` for a name that is no rule's.
    """

    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)
    gain: float = GAIN
    bar: float = BAR

    def __post_init__(self) -> None:
        weights_of(self.weights)
        if self.gain <= 0:
            raise ValueError(f"gain must be positive, not {self.gain}")

    @property
    def name(self) -> str:
        return NAME

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> StylistPool:
        """Read the items' facts; `vectors` are not needed."""
        return StylistPool.of(items, weights_of(self.weights), self.gain, self.bar)
