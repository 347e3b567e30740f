"""Ranking metrics: functions of arrays, exact under ties, with bootstrap intervals. Which arrays is a protocol's business.

Candidates with equal scores have no order, so a metric here is its *expected value* over all orders of them. A constant
scorer then lands exactly at chance, wherever its positive is stored. (MVLT's released evaluation reads the rank from a sort
of a list whose first element is the positive, specification 2.5: there a constant scorer can look perfect.)

Everything follows from three counts per query (`BestTie`): how many candidates beat the best relevant one, how many tie with
it (itself included), and how many of those are relevant. No sort is needed and a gallery is read in chunks of rows.

Shapes: Q queries, C candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

Scores = NDArray[Any]  # real numbers, higher is better; infinities are allowed, NaN is not
Relevant = NDArray[np.bool_]
Values = NDArray[np.float64]
Counts = NDArray[np.int64]
Ties = Literal["chance", "optimistic", "pessimistic"]
TIES: tuple[Ties, ...] = ("chance", "optimistic", "pessimistic")

_CHUNK = 1 << 20  # scores looked at in one go: bounds the memory of temporaries


class BestTie(NamedTuple):
    """Where the best relevant candidate of each query stands, (Q,) each."""

    above: Counts  # candidates that score higher than every relevant one
    tied: Counts  # candidates that score the same as the best relevant one, itself included
    relevant: Counts  # relevant ones among the tied

    @classmethod
    def concatenate(cls, parts: Sequence[BestTie]) -> BestTie:
        """The queries of several chunks, one after the other."""
        return cls(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    @property
    def first(self) -> Counts:
        """The best rank (from 1) that any order of the tied candidates gives."""
        return self.above + 1

    @property
    def last(self) -> Counts:
        """The worst rank of the first relevant candidate over all orders of the tied."""
        return self.above + self.tied - self.relevant + 1


def best_tie(scores: Scores, relevant: Relevant) -> BestTie:
    """Count, for each query, what beats and what ties with its best relevant candidate.

    Parameters
    ----------
    scores
        (Q, C), higher is better; may be a memory map, only a few rows are looked at together.
    relevant
        (Q, C) bool; every query needs at least one relevant candidate.

    Raises
    ------
    ValueError
        If the shapes differ or are not (Q, C), a score is NaN, or a query has no relevant candidate; the row is named.
    """
    if scores.ndim != 2 or relevant.shape != scores.shape:
        raise ValueError(f"scores {scores.shape} and relevant {relevant.shape} must have one shape (Q, C)")
    if relevant.dtype != np.bool_:
        raise ValueError(f"relevant must be bool, not {relevant.dtype}")
    num_queries, num_candidates = scores.shape
    if num_queries and not num_candidates:
        raise ValueError("row 0: no candidates")
    found = BestTie(*(np.empty(num_queries, dtype=np.int64) for _ in BestTie._fields))
    step = max(1, _CHUNK // max(1, num_candidates))
    for start in range(0, num_queries, step):
        rows = slice(start, start + step)
        some, good = np.asarray(scores[rows]), np.asarray(relevant[rows])
        # Integers are compared as they are: as floats, large different ones could become equal.
        floating = some.dtype.kind == "f"
        if floating and (bad := np.isnan(some).any(axis=1)).any():
            raise ValueError(f"row {start + int(np.argmax(bad))}: a score is NaN")
        if not (has := good.any(axis=1)).all():
            raise ValueError(f"row {start + int(np.argmin(has))}: no candidate is relevant")
        lowest = -np.inf if floating else some.min()
        best = np.max(some, axis=1, keepdims=True, where=good, initial=lowest)
        level = some == best
        found.above[rows] = np.count_nonzero(some > best, axis=1)
        found.tied[rows] = np.count_nonzero(level, axis=1)
        found.relevant[rows] = np.count_nonzero(level & good, axis=1)
    return found


def recall_from(tie: BestTie, k: int, ties: Ties = "chance") -> Values:
    """(Q,) `recall_at_k` from the counts of `best_tie`: one pass over the scores serves every k."""
    _check_ties(ties)
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if ties != "chance":
        return ((tie.first if ties == "optimistic" else tie.last) <= k).astype(np.float64)
    # The tied candidates have k - above places among the first k. All those places go to irrelevant ones with the
    # hypergeometric probability C(tied - relevant, places) / C(tied, places), a product over the places.
    places = np.clip(k - tie.above, 0, tie.tied)
    irrelevant = tie.tied - tie.relevant
    missed = np.ones(len(places))
    for place in range(int(places.max(initial=0))):
        open_ = (place < places) & (missed > 0)
        if not open_.any():
            break
        left = np.maximum(irrelevant[open_] - place, 0)
        missed[open_] *= left / (tie.tied[open_] - place)
    return 1.0 - missed


def reciprocal_rank_from(tie: BestTie, ties: Ties = "chance") -> Values:
    """(Q,) `reciprocal_rank` from the counts of `best_tie`."""
    _check_ties(ties)
    if ties != "chance":
        return 1.0 / (tie.first if ties == "optimistic" else tie.last)
    values = 1.0 / tie.first
    open_ = np.flatnonzero(tie.tied > tie.relevant)  # only there does the order matter
    if not len(open_):
        return values
    cases, where = np.unique(np.stack([part[open_] for part in tie], axis=1), axis=0, return_inverse=True)
    expected = np.empty(len(cases))
    for number, (above, tied, relevant) in enumerate(cases.tolist()):
        # P(first relevant at place j) = P(places before j all irrelevant) · relevant / (tied - j)
        places = np.arange(tied - relevant + 1)
        before = np.cumprod(np.concatenate([[1.0], (tied - relevant - places[:-1]) / (tied - places[:-1])]))
        expected[number] = np.sum(before * relevant / (tied - places) / (above + places + 1))
    values[open_] = expected[where.reshape(-1)]
    return values


def expected_ranks_from(tie: BestTie, ties: Ties = "chance") -> Values:
    """(Q,) from 1, as `expected_ranks`; raises as `recall_from`."""
    _check_ties(ties)
    if ties != "chance":
        return (tie.first if ties == "optimistic" else tie.last).astype(np.float64)
    return tie.above + (tie.tied + 1) / (tie.relevant + 1)  # the mean of the least of `relevant` draws from 1..tied


def recall_at_k(scores: Scores, relevant: Relevant, k: int, ties: Ties = "chance") -> Values:
    """(Q,) in [0, 1]: the probability that at least one relevant candidate is among the first `k`.

    This is "R@k" of the cross-modal retrieval literature (a hit rate when a query has several relevant candidates).

    Parameters
    ----------
    scores
        (Q, C), higher is better.
    relevant
        (Q, C) bool.
    k
        At least 1; more than C counts as C.
    ties
        `"chance"`: the exact expectation over all orders of equal scores. `"optimistic"` and `"pessimistic"` put relevant
        candidates before or behind the others they tie with: bounds, for seeing how much of a number is ties.

    Raises
    ------
    ValueError
        As `best_tie`, or for k < 1 or unknown `ties`.
    """
    return recall_from(best_tie(scores, relevant), k, ties)


def reciprocal_rank(scores: Scores, relevant: Relevant, ties: Ties = "chance") -> Values:
    """(Q,) in (0, 1]: the expectation of 1 / rank of the first relevant candidate; raises as `recall_at_k`."""
    return reciprocal_rank_from(best_tie(scores, relevant), ties)


def expected_ranks(scores: Scores, relevant: Relevant, ties: Ties = "chance") -> Values:
    """(Q,) from 1: the expected rank of the first relevant candidate; raises as `recall_at_k`."""
    return expected_ranks_from(best_tie(scores, relevant), ties)


def precision_at_k(scores: Scores, relevant: Relevant, k: int) -> Values:
    """(Q,) in [0, 1]: the share of relevant candidates among the first `k`, expected over all orders of equal scores.

    Parameters
    ----------
    scores
        (Q, C), higher is better, not NaN.
    relevant
        (Q, C) bool; a query without any has a precision of 0.
    k
        From 1 to C: a gallery of fewer candidates has no first `k`.

    Raises
    ------
    ValueError
        If the shapes differ or are not (Q, C), `k` is out of range, or a score is NaN (the row is named).
    """
    if scores.ndim != 2 or relevant.shape != scores.shape or relevant.dtype != np.bool_:
        raise ValueError(f"scores {scores.shape} and bools {relevant.shape} must have one shape (Q, C)")
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(f"k must lie between 1 and the {scores.shape[1]} candidates, not {k}")
    found = np.empty(len(scores))
    step = max(1, _CHUNK // scores.shape[1])
    for start in range(0, len(scores), step):
        some, good = np.asarray(scores[start : start + step]), np.asarray(relevant[start : start + step])
        if some.dtype.kind == "f" and (bad := np.isnan(some).any(axis=1)).any():
            raise ValueError(f"row {start + int(np.argmax(bad))}: a score is NaN")
        last = np.partition(some, -k, axis=1)[:, -k][:, None]  # the least score that is among the first k
        above, level = some > last, some == last
        places = k - np.count_nonzero(above, axis=1)  # left for those that tie
        share = np.count_nonzero(level & good, axis=1) / np.count_nonzero(level, axis=1)
        found[start : start + step] = (np.count_nonzero(above & good, axis=1) + places * share) / k
    return found


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `count` values and its bootstrap interval [low, high]."""

    mean: float
    low: float
    high: float
    count: int
    resampled: Values | None = field(default=None, compare=False, repr=False)  # the means that the interval comes from

    def scaled(self, factor: float) -> Estimate:
        """The same estimate in another unit, e.g. `scaled(100)` for percent; `factor` is positive."""
        resampled = None if self.resampled is None else self.resampled * factor
        return Estimate(self.mean * factor, self.low * factor, self.high * factor, self.count, resampled)

    def relative_to(self, other: Estimate) -> Estimate:
        """The ratio to another scorer's estimate on the same questions, with an interval for the ratio itself.

        Both must come of the same function, seed, resamples and clusters: then the k-th resample of one is of the questions of
        the k-th of the other, and what makes questions hard for both cancels out.

        Raises
        ------
        ValueError
            If the two are not of as many questions and resamples, or the other is not positive.
        """
        if other.mean <= 0:
            raise ValueError(f"there is no ratio to {other.mean}")
        drawn, of = (np.zeros(0) if one.resampled is None else one.resampled for one in (self, other))
        if self.count != other.count or drawn.shape != of.shape:
            raise ValueError(
                f"{self.count} questions and {len(drawn)} resamples cannot be set beside {other.count} and {len(of)}"
            )
        ratios = np.divide(drawn, of, out=np.full(len(drawn), np.nan), where=of > 0)
        return _estimate(self.mean / other.mean, ratios, self.count)

    def spelled(self, key: str) -> dict[str, float]:
        """As reports write it in JSON: the mean under `key`, the interval under `key_low` and `key_high`."""
        return {key: self.mean, f"{key}_low": self.low, f"{key}_high": self.high}


def mean_with_interval(
    values: NDArray[Any],
    *,
    seed: int = 0,
    resamples: int = 1000,
    level: float = 0.95,
    clusters: NDArray[Any] | Sequence[Any] | None = None,
) -> Estimate:
    """The mean of `values` and its percentile bootstrap interval.

    The interval speaks of other queries from the same source, not of other training runs. It has no width when all values
    are equal (a perfect score on few queries is not certainty), and is too narrow below a few dozen values or clusters.

    Parameters
    ----------
    values
        (Q,) finite numbers.
    resamples
        0: no bootstrap, low = high = mean.
    clusters
        (Q,) labels; rows with the same label are drawn together, since rows of one product are not independent.

    Raises
    ------
    ValueError
        If there are no values, one is not finite (named), or shapes, `resamples` or `level` are wrong.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"the mean needs values of shape (Q,) with Q > 0, not {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"row {int(np.argmin(np.isfinite(values)))}: the value is not finite")
    if resamples < 0 or not 0 < level < 1:
        raise ValueError(f"resamples must not be negative and level lie in (0, 1), not {resamples} and {level}")
    if clusters is None:
        sums, sizes = values, np.ones(len(values))
    else:
        if len(clusters) != len(values):
            raise ValueError(f"{len(clusters)} cluster labels for {len(values)} values")
        numbers = np.unique(np.asarray(clusters), return_inverse=True)[1].reshape(-1)
        sums = np.bincount(numbers, weights=values)
        sizes = np.bincount(numbers).astype(np.float64)
    random = np.random.default_rng(seed)
    means = np.empty(resamples)
    step = max(1, _CHUNK // len(sums))
    for start in range(0, resamples, step):
        drawn = random.integers(len(sums), size=(min(step, resamples - start), len(sums)))
        means[start : start + step] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return _estimate(float(values.mean()), means, len(values), level)


def average(estimates: Sequence[Estimate], level: float = 0.95) -> Estimate:
    """The mean of several means, each counting alike, of queries that were drawn independently (give each its own seed).

    Raises `ValueError` when there are none, or their numbers of resamples differ.
    """
    drawn = [np.zeros(0) if one.resampled is None else one.resampled for one in estimates]
    if not drawn or len({len(one) for one in drawn}) > 1:
        raise ValueError(f"{len(drawn)} estimates of {sorted({len(one) for one in drawn})} resamples have no mean")
    mean = sum(one.mean for one in estimates) / len(estimates)
    return _estimate(mean, np.mean(drawn, axis=0), sum(one.count for one in estimates), level)


def means_with_intervals(
    values: NDArray[Any], *, seed: int = 0, resamples: int = 1000, level: float = 0.95
) -> list[Estimate]:
    """The means of several metrics of the same queries, with percentile bootstrap intervals from the same resamples.

    As `mean_with_interval` of each column, which for many queries and columns would draw again and again; the draws are
    others than its own. Estimates of equal seed and count may be set beside each other (`Estimate.relative_to`).

    Parameters
    ----------
    values
        (Q, M) finite numbers.

    Raises
    ------
    ValueError
        As `mean_with_interval`.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or not len(values):
        raise ValueError(f"means need values of shape (Q, M) with Q > 0, not {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"row {int(np.argmin(np.isfinite(values).all(axis=1)))}: a value is not finite")
    if resamples < 0 or not 0 < level < 1:
        raise ValueError(f"resamples must not be negative and level lie in (0, 1), not {resamples} and {level}")
    random = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    for number in range(resamples):
        times = np.bincount(random.integers(len(values), size=len(values)), minlength=len(values))
        means[number] = times @ values / len(values)
    return [
        _estimate(float(column.mean()), means[:, number].copy(), len(values), level)
        for number, column in enumerate(values.T)
    ]


def roc_auc(scores: Scores, positive: Relevant) -> float:
    """The probability that a positive scores higher than a negative, ties counting one half; in [0, 1].

    Parameters
    ----------
    scores
        (Q,), higher is better.
    positive
        (Q,) bool; at least one of each.

    Raises
    ------
    ValueError
        If the shapes differ or are not (Q,), a score is NaN (the row is named), or one of the two is missing.
    """
    return auc_with_interval(scores, positive, resamples=0).mean


def auc_with_interval(
    scores: Scores,
    positive: Relevant,
    *,
    seed: int = 0,
    resamples: int = 1000,
    level: float = 0.95,
    clusters: NDArray[Any] | Sequence[Any] | None = None,
) -> Estimate:
    """`roc_auc` and its percentile bootstrap interval; rows are drawn by cluster, as in `mean_with_interval`.

    Resamples without a positive or without a negative say nothing and are passed over.
    """
    scores, positive = np.asarray(scores), np.asarray(positive)
    if scores.ndim != 1 or positive.shape != scores.shape or positive.dtype != np.bool_:
        raise ValueError(f"the AUC needs scores and bools of one shape (Q,), not {scores.shape} and {positive.shape}")
    if scores.dtype.kind == "f" and (bad := np.isnan(scores)).any():
        raise ValueError(f"row {int(np.argmax(bad))}: a score is NaN")
    if not positive.any() or positive.all():
        raise ValueError("the AUC needs at least one positive and one negative")
    if resamples < 0 or not 0 < level < 1:
        raise ValueError(f"resamples must not be negative and level lie in (0, 1), not {resamples} and {level}")
    if clusters is not None and len(clusters) != len(scores):
        raise ValueError(f"{len(clusters)} cluster labels for {len(scores)} scores")
    levels, place = np.unique(scores, return_inverse=True)
    numbers = np.arange(len(scores))
    if clusters is not None:
        numbers = np.unique(np.asarray(clusters), return_inverse=True)[1]
    place, numbers = place.reshape(-1), numbers.reshape(-1)
    shape = (int(numbers.max()) + 1, len(levels))
    # How many positives and negatives each cluster has at each level.
    good, poor = (
        csr_array((np.ones(np.count_nonzero(rows)), (numbers[rows], place[rows])), shape=shape)
        for rows in (positive, ~positive)
    )

    def areas(times: NDArray[Any]) -> Values:
        """(R, clusters) how often each was drawn -> (R,)."""
        above, below = times @ good, times @ poor
        beaten = np.cumsum(below, axis=1) - below / 2
        pairs = above.sum(axis=1) * below.sum(axis=1)
        return np.divide((above * beaten).sum(axis=1), pairs, out=np.full(len(times), np.nan), where=pairs > 0)

    random = np.random.default_rng(seed)
    values = np.empty(resamples)
    step = max(1, _CHUNK // max(shape))
    for start in range(0, resamples, step):
        drawn = random.integers(shape[0], size=(min(step, resamples - start), shape[0]))
        rows = np.repeat(np.arange(len(drawn)), shape[0])
        times = np.bincount(rows * shape[0] + drawn.reshape(-1), minlength=len(drawn) * shape[0])
        values[start : start + step] = areas(times.reshape(len(drawn), shape[0]).astype(np.float64))
    return _estimate(float(areas(np.ones((1, shape[0])))[0]), values, len(scores), level)


def _estimate(mean: float, resampled: Values, count: int, level: float = 0.95) -> Estimate:
    """The percentile interval of resampled means; those that are NaN say nothing, and without any it has no width."""
    if not len(resampled):
        return Estimate(mean, mean, mean, count)
    told = resampled[~np.isnan(resampled)]
    low, high = np.quantile(told, [(1 - level) / 2, (1 + level) / 2]) if len(told) else (mean, mean)
    # Rounding may put the mean of equal values outside by 1e-16.
    return Estimate(mean, min(float(low), mean), max(float(high), mean), count, resampled)


def _check_ties(ties: str) -> None:
    if ties not in TIES:
        raise ValueError(f"unknown ties {ties!r}; choose one of {', '.join(TIES)}")
