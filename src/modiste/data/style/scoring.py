"""Rules over many pairs and sets: terms, weighted means, and which rules a look breaks.

Shapes: N items, R rules, B sets of O places (-1: no item), P = O (O - 1) / 2 pairs of places.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from modiste.data.style.colour import Array
from modiste.data.style.rules import BY_NAME, RULE_NAMES, RULES
from modiste.data.style.traits import Facts

_BLOCK = 1 << 14  # pairs at a time, so that their terms stay in the processor's cache


def weights_of(named: Mapping[str, float]) -> Array:
    """(R,) weights in the order of `RULES`; rules that are not named weigh 0.

    Raises `ValueError` for a name that is no rule's, or a negative or non-finite weight.
    """
    if unknown := sorted(set(named) - set(BY_NAME)):
        raise ValueError(f"there is no style rule {unknown[0]!r}; the rules are {', '.join(RULE_NAMES)}")
    weights = np.array([named.get(name, 0.0) for name in RULE_NAMES], dtype=np.float32)
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("weights of style rules must be finite and not negative")
    return weights


def rule_terms(a: Facts, b: Facts) -> Array:
    """Broadcast shape (...) -> (..., R): every rule's term for every pair, in the order of `RULES`."""
    return np.stack([rule.pair(a, b) for rule in RULES], axis=-1)


def weighted_pairs(facts: Facts, rows: NDArray[np.int64], columns: NDArray[np.int64], weights: Array) -> Array:
    """(R',) and (C,) positions, weights (R,) or (R, S) -> (R', C) or (R', C, S): weighted sums of the rules' terms."""
    result = np.empty((len(rows), len(columns), *weights.shape[1:]), dtype=np.float32)
    step = max(1, _BLOCK // max(1, len(columns)))
    across = facts[columns][None, :]
    for start in range(0, len(rows), step):
        result[start : start + step] = rule_terms(facts[rows[start : start + step]][:, None], across) @ weights
    return result


@lru_cache(maxsize=64)
def places(size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The P pairs of places of a set of `size`: two arrays (P,), the first place smaller than the second."""
    first, second = np.triu_indices(size, k=1)
    return first.astype(np.int64), second.astype(np.int64)


def mean_over_pairs(facts: Facts, sets: NDArray[np.int64], weights: Array) -> Array:
    """Sets (B, O), weights (R,) or (R, S) -> (B,) or (B, S): the mean over a set's pairs of the weighted sum of terms.

    0 for a set of one item. Does not depend on the order of items, on -1s or on the other sets.
    """
    first, second = places(sets.shape[1])
    result = np.zeros((len(sets), *weights.shape[1:]), dtype=np.float64)
    step = max(1, _BLOCK // max(1, len(first)))
    for start in range(0, len(sets), step):
        # Sorted, so that the order of items cannot change a sum's last digit.
        block = np.sort(sets[start : start + step], axis=1)
        one, other = block[:, first], block[:, second]
        there = (one >= 0) & (other >= 0)
        sums = (rule_terms(facts[one], facts[other]) @ weights).astype(np.float64)
        sums[~there] = 0.0
        count = np.maximum(there.sum(axis=1), 1)
        result[start : start + step] = sums.sum(axis=1) / count.reshape(-1, *(1,) * (sums.ndim - 2))
    return result.astype(np.float32)


def checked_sets(sets: NDArray[np.int64], num_items: int) -> NDArray[np.int64]:
    """The sets, if every one has an item and every position is one of the pool; else `ValueError` naming the row."""
    sets = np.asarray(sets, dtype=np.int64)
    if sets.ndim != 2:
        raise ValueError(f"sets have the shape (sets, places), not {sets.shape}")
    wrong = ((sets < -1) | (sets >= num_items)).any(axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"set {row} names a position outside the pool of {num_items} items: {sets[row].tolist()}")
    empty = (sets < 0).all(axis=1)
    if empty.any():
        raise ValueError(f"set {int(np.flatnonzero(empty)[0])} has no item; a set needs at least one")
    return sets


def broken_rules(facts: Facts) -> tuple[str, ...]:
    """The names of the rules that these items, taken as one look, break; in the order of `RULES`."""
    terms = rule_terms(facts[:, None], facts[None, :])
    return tuple(rule.name for at, rule in enumerate(RULES) if rule.broken_by(terms[..., at]))
