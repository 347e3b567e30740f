"""Why an outfit scores as it does: terms of its items and of its pairs, which add up to the score.

S of a set is not a sum, so its terms are those of cooperative game theory, computed from S of every subset (the set ablation):

- an item's term is its Shapley value (Shapley, 1953): how much it adds on average, over all orders of putting the outfit on;
- a pair's term is its Shapley-Taylor interaction of order 2 (Sundararajan, Dhamdhere and Agarwal, ICML 2020): how much the two
  add together beyond what each adds alone. Single items are neutral here, so pair terms alone make up the whole.

With v(∅) the neutral S of an empty or lone set:  S = v(∅) + sum of the item terms = v(∅) + sum of the pair terms.

Shapes: n items, 2^n subsets; bit i of a subset's number says whether item i is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, factorial
from typing import Any

import numpy as np

from modiste.engine.constraints import Rows
from modiste.engine.objective import NEUTRAL, Objective, Values
from modiste.types import OutfitPool

MAX_ITEMS = 12  # 4,096 subsets


def subset_values(pool: OutfitPool, objective: Objective, rows: Rows) -> Values:
    """(n,) -> (2^n,) S of every subset as the objective takes it; neutral for fewer than two items.

    Raises `ValueError` for more than `MAX_ITEMS` items.
    """
    count = len(rows)
    if count > MAX_ITEMS:
        raise ValueError(f"an explanation looks at every subset, so of at most {MAX_ITEMS} items, not {count}")
    inside = (np.arange(1 << count)[:, None] >> np.arange(count)) & 1
    sets = np.where(inside == 1, rows[None, :], -1)
    found = np.full(1 << count, NEUTRAL)
    several = np.flatnonzero(inside.sum(axis=1) > 1)
    for start in range(0, len(several), 1_024):
        part = several[start : start + 1_024]
        found[part] = objective.compatibility(pool.score(sets[part]))
    return found


def item_terms(values: Values) -> Values:
    """(2^n,) -> (n,) Shapley values; they sum to values[-1] - values[0]."""
    count = _count(values)
    subsets = np.arange(len(values))
    size = _sizes(subsets, count)
    weight = np.array([factorial(s) * factorial(count - s - 1) / factorial(count) for s in range(count)])
    terms = np.zeros(count)
    for item in range(count):
        without = subsets[(subsets >> item) & 1 == 0]
        terms[item] = np.sum(weight[size[without]] * (values[without | 1 << item] - values[without]))
    return terms


def pair_terms(values: Values) -> Values:
    """(2^n,) -> (n, n) Shapley-Taylor interactions of order 2, symmetric, single items on the diagonal.

    The diagonal and the upper triangle sum to values[-1] - values[0].
    """
    count = _count(values)
    subsets = np.arange(len(values))
    size = _sizes(subsets, count)
    terms = np.zeros((count, count))
    for one in range(count):
        terms[one, one] = values[1 << one] - values[0]
        for other in range(one + 1, count):
            both = 1 << one | 1 << other
            without = subsets[subsets & both == 0]
            delta = values[without | both] - values[without | 1 << one] - values[without | 1 << other] + values[without]
            weight = np.array([2 / count / comb(count - 1, s) for s in range(count - 1)])
            terms[one, other] = terms[other, one] = np.sum(weight[size[without]] * delta)
    return terms


def without_each(values: Values) -> Values:
    """(2^n,) -> (n,) S of the outfit without each item: leave one out."""
    count = _count(values)
    full = len(values) - 1
    return np.array([values[full & ~(1 << item)] for item in range(count)])


def _count(values: Values) -> int:
    return len(values).bit_length() - 1


def _sizes(subsets: np.ndarray, count: int) -> np.ndarray:
    found: np.ndarray = ((subsets[:, None] >> np.arange(count)) & 1).sum(axis=1)
    return found


@dataclass(frozen=True, slots=True)
class ItemTerm:
    """What one item adds to the score, through S, its match, and how much it is liked, and the score without it."""

    item_id: str
    compatibility: float
    match: float
    without: float  # S of the outfit without the item, calibrated if the objective is
    taste: float | None = None  # None where no taste counts

    @property
    def total(self) -> float:
        return self.compatibility + self.match + (self.taste or 0.0)

    def as_dict(self) -> dict[str, Any]:
        found = {
            "id": self.item_id,
            "compatibility": self.compatibility,
            "match": self.match,
            "total": self.total,
            "without": self.without,
        }
        return found if self.taste is None else {**found, "taste": self.taste}


@dataclass(frozen=True, slots=True)
class PairTerm:
    """What two items add together; positive: they go well."""

    item_ids: tuple[str, str]
    compatibility: float


@dataclass(frozen=True, slots=True)
class BestSwap:
    """The exchange of one item that improves the score most, in words: "replace the bag: 0.41 → 0.78"."""

    item_id: str
    kind: str
    replacement_id: str
    before: float
    after: float

    def __str__(self) -> str:
        return f"replace the {self.kind.replace('_', ' ')}: {self.before:.2f} → {self.after:.2f}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """score = base + sum of the items' totals = base + sum of the pairs' terms + sum of the items' matches and tastes."""

    score: float
    base: float
    items: tuple[ItemTerm, ...]
    pairs: tuple[PairTerm, ...]
    best_swap: BestSwap | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "score": self.score,
            "base": self.base,
            "items": [one.as_dict() for one in self.items],
            "pairs": [{"ids": list(one.item_ids), "compatibility": one.compatibility} for one in self.pairs],
            "best_swap": None
            if self.best_swap is None
            else {
                "replace": self.best_swap.item_id,
                "kind": self.best_swap.kind,
                "by": self.best_swap.replacement_id,
                "before": self.best_swap.before,
                "after": self.best_swap.after,
                "words": str(self.best_swap),
            },
        }


def explain(
    pool: OutfitPool,
    objective: Objective,
    rows: Rows,
    ids: Sequence[str],
    matches: Values | None = None,
    liked: Values | None = None,
) -> Explanation:
    """Explain an outfit of (n,) rows; `matches` (n,) are its items' matches with a wish, or None when there was none.

    `liked` (n,): how much each item is liked, where a taste counts.
    """
    values = subset_values(pool, objective, rows)
    weight, of_match = objective.weights(0 if matches is None else len(rows))
    texts = np.zeros(len(rows)) if matches is None else of_match * matches
    tastes = np.zeros(len(rows)) if liked is None else objective.taste_weight(len(rows)) * liked
    singles, pairs = item_terms(values), pair_terms(values)
    return Explanation(
        float(weight * values[-1] + texts.sum() + tastes.sum()),
        float(weight * values[0]),
        tuple(
            ItemTerm(one, float(weight * term), float(text), float(without), None if liked is None else float(taste))
            for one, term, text, without, taste in zip(ids, singles, texts, without_each(values), tastes, strict=True)
        ),
        tuple(
            PairTerm((ids[one], ids[other]), float(weight * pairs[one, other]))
            for one in range(len(rows))
            for other in range(one + 1, len(rows))
        ),
    )
