"""Retrieval metrics as functions of arrays: exact under ties, with bootstrap intervals.

Ties are at chance: where candidates score the same, a metric is its expected value over all orders of them. A constant
scorer therefore lands exactly at chance wherever the positive is stored. (MVLT's released evaluation reads the rank from a
sort of a list whose first element is the positive.)

Shapes: Q queries, C candidates.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Relevant = NDArray[np.bool_]
Values = NDArray[np.float64]


def recall_at_k(scores: Scores, relevant: Relevant, k: int) -> Values:
    """(Q,): the probability that at least one relevant candidate is among the first `k` ("R@k" of the literature).

    Parameters
    ----------
    scores
        (Q, C), higher is better.
    relevant
        (Q, C); every query needs at least one relevant candidate.

    Raises
    ------
    ValueError
        For a score that is nan, a query without a relevant candidate, shapes that differ, or k < 1.
    """
    _check(scores, relevant)
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if k >= scores.shape[1]:
        return np.ones(len(scores))
    threshold = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]  # the k-th best score
    above, level = scores > threshold, scores == threshold
    values: Values = np.asarray((above & relevant).any(axis=1), dtype=np.float64)
    # Among `tied` candidates at the threshold, `good` of them relevant, `places` are still free.
    places, tied, good = k - above.sum(axis=1), level.sum(axis=1), (level & relevant).sum(axis=1)
    for row in np.flatnonzero((values == 0) & (good > 0)):
        values[row] = 1 - comb(int(tied[row] - good[row]), int(places[row])) / comb(int(tied[row]), int(places[row]))
    return values


def reciprocal_rank(scores: Scores, relevant: Relevant) -> Values:
    """(Q,): the expectation of 1 / rank of the first relevant candidate; raises as `recall_at_k` does."""
    _check(scores, relevant)
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    above = (scores > best).sum(axis=1)
    level = scores == best
    tied, good = level.sum(axis=1), (level & relevant).sum(axis=1)
    values = 1.0 / (above + 1)
    for row in np.flatnonzero(tied > good):
        before, size, positives = int(above[row]), int(tied[row]), int(good[row])
        # P(the first of `positives` among `size` tied ones stands at place j) = C(size-j, positives-1) / C(size, positives).
        ways = comb(size, positives)
        values[row] = sum(
            comb(size - place, positives - 1) / ways / (before + place) for place in range(1, size - positives + 2)
        )
    return values


@dataclass(frozen=True)
class Estimate:
    """A mean with its bootstrap interval."""

    mean: float
    low: float
    high: float
    count: int


def mean_with_interval(
    values: Values, *, seed: int = 0, resamples: int = 1000, level: float = 0.95, clusters: NDArray | None = None
) -> Estimate:
    """The mean and its percentile bootstrap interval; `clusters` (Q,) are drawn whole (rows of one product belong together).

    Without resamples the interval is the mean itself. Raises `ValueError` when there are no values.
    """
    if len(values) == 0:
        raise ValueError("there is nothing to average")
    mean = float(np.mean(values))
    if resamples == 0:
        return Estimate(mean, mean, mean, len(values))
    numbers = np.arange(len(values)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    sums, sizes = np.bincount(numbers, weights=values), np.bincount(numbers)
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    for start in range(0, resamples, 100):  # a hundred at a time keeps memory flat
        drawn = random.integers(0, len(sums), (min(100, resamples - start), len(sums)))
        means[start : start + len(drawn)] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(mean, float(low), float(high), len(values))


def _check(scores: Scores, relevant: Relevant) -> None:
    if scores.ndim != 2 or scores.shape != relevant.shape:
        raise ValueError(f"scores {scores.shape} and relevant {relevant.shape} must both be (Q, C)")
    if (bad := np.isnan(scores).any(axis=1)).any():
        raise ValueError(f"query {int(np.argmax(bad))} has a score that is nan")
    if (empty := ~relevant.any(axis=1)).any():
        raise ValueError(f"query {int(np.argmax(empty))} has no relevant candidate")
