"""Metrics against slow obvious versions: all orders of tied candidates, nested loops, scikit-learn."""

from __future__ import annotations

import itertools
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score

from modiste.evaluation.metrics import (
    TIES,
    BestTie,
    best_tie,
    expected_ranks,
    mean_with_interval,
    means_with_intervals,
    recall_at_k,
    recall_from,
    reciprocal_rank,
    reciprocal_rank_from,
)


def all_ranks(scores: np.ndarray, relevant: np.ndarray) -> list[int]:
    """The rank of the first relevant candidate for every order of candidates that sorts the scores."""
    found = []
    for order in itertools.permutations(range(len(scores))):
        listed = [scores[position] for position in order]
        if listed == sorted(listed, reverse=True):
            found.append(1 + [bool(relevant[position]) for position in order].index(True))
    return found


@st.composite
def small_cases(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    size = draw(st.integers(1, 6))
    scores = draw(st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0]), min_size=size, max_size=size))
    relevant = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    relevant[draw(st.integers(0, size - 1))] = True
    return np.array([scores]), np.array([relevant])


@settings(max_examples=60, deadline=None)
@given(small_cases(), st.integers(1, 7))
def test_every_metric_is_the_mean_over_all_orders_of_ties(case: tuple[np.ndarray, np.ndarray], k: int) -> None:
    scores, relevant = case
    ranks = np.array(all_ranks(scores[0], relevant[0]))
    assert recall_at_k(scores, relevant, k)[0] == pytest.approx(np.mean(ranks <= k), abs=1e-12)
    assert reciprocal_rank(scores, relevant)[0] == pytest.approx(np.mean(1 / ranks), abs=1e-12)
    assert expected_ranks(scores, relevant)[0] == pytest.approx(np.mean(ranks), abs=1e-12)
    for ties, rank in (("optimistic", ranks.min()), ("pessimistic", ranks.max())):
        assert recall_at_k(scores, relevant, k, ties)[0] == (rank <= k)
        assert reciprocal_rank(scores, relevant, ties)[0] == pytest.approx(1 / rank)
        assert expected_ranks(scores, relevant, ties)[0] == rank


def test_without_ties_the_metrics_are_those_of_a_sorted_list() -> None:
    random = np.random.default_rng(0)
    scores = np.array([random.permutation(30) for _ in range(50)])
    relevant = random.random(scores.shape) < 0.1
    relevant[:, 3] = True
    for row in range(50):
        listed = [relevant[row, at] for at in sorted(range(30), key=lambda at: -scores[row, at])]
        rank = 1 + listed.index(True)
        for k in (1, 5, 10, 30, 99):
            for ties in TIES:
                assert recall_at_k(scores[row : row + 1], relevant[row : row + 1], k, ties)[0] == (rank <= k)
        assert reciprocal_rank(scores, relevant)[row] == pytest.approx(1 / rank)


def test_reciprocal_rank_of_one_relevant_candidate_is_sklearns_ranking_precision() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(size=(40, 25))
    relevant = np.eye(25, dtype=bool)[random.integers(25, size=40)]
    expected = label_ranking_average_precision_score(relevant, scores)
    assert reciprocal_rank(scores, relevant).mean() == pytest.approx(expected)


@pytest.mark.parametrize("place", [0, 50, 100])
@pytest.mark.parametrize("k", [1, 5, 10, 101])
def test_a_constant_scorer_is_at_chance_wherever_the_positive_is_stored(place: int, k: int) -> None:
    """Reading the rank from a sort with the positive at index 0 (MVLT's released evaluation) calls this scorer perfect."""
    scores = np.full((7, 101), 0.25, dtype=np.float32)
    relevant = np.zeros((7, 101), dtype=bool)
    relevant[:, place] = True
    assert recall_at_k(scores, relevant, k) == pytest.approx(np.full(7, k / 101), abs=1e-12)
    harmonic = sum(1 / rank for rank in range(1, 102)) / 101
    assert reciprocal_rank(scores, relevant) == pytest.approx(np.full(7, harmonic))
    assert expected_ranks(scores, relevant) == pytest.approx(np.full(7, 51.0))
    if place == 0:
        stable = np.argsort(-scores, axis=1, kind="stable")
        assert (stable[:, 0] == 0).all()  # what that evaluation would have counted as rank 1


def test_a_perfect_scorer_is_perfect_and_its_opposite_is_last() -> None:
    relevant = np.eye(20, dtype=bool)
    assert (recall_at_k(relevant.astype(float), relevant, 1) == 1).all()
    assert (reciprocal_rank(relevant.astype(float), relevant) == 1).all()
    assert (recall_at_k(-relevant.astype(float), relevant, 19) == 0).all()
    assert expected_ranks(-relevant.astype(float), relevant).tolist() == [20] * 20


def test_large_integers_that_floats_would_confuse_stay_apart() -> None:
    scores = np.array([[2**53 + 1, 2**53]])
    assert recall_at_k(scores, np.array([[False, True]]), 1)[0] == 0


def test_many_ties_stay_exact() -> None:
    """2,000 tied candidates, 3 relevant: against binomial coefficients in whole numbers."""
    from math import comb

    tie = BestTie(np.array([4]), np.array([2000]), np.array([3]))
    for k in (4, 5, 10, 1000, 2001, 2002, 5000):
        places = min(max(k - 4, 0), 2000)
        missed = comb(1997, places) / comb(2000, places)
        assert recall_from(tie, k)[0] == pytest.approx(1 - missed, abs=1e-12)
    ways = comb(2000, 3)
    expected = sum(comb(2000 - place, 2) / ways / (4 + place) for place in range(1, 1999))
    assert reciprocal_rank_from(tie)[0] == pytest.approx(expected, rel=1e-11)


def test_chunking_does_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    scores = random.integers(0, 6, (37, 20)).astype(np.float32)
    relevant = random.random((37, 20)) < 0.2
    relevant[:, 0] = True
    whole = best_tie(scores, relevant)
    parts = BestTie.concatenate([best_tie(scores[:11], relevant[:11]), best_tie(scores[11:], relevant[11:])])
    monkeypatch.setattr("modiste.evaluation.metrics._CHUNK", 45)
    for a, b, c in zip(whole, parts, best_tie(scores, relevant), strict=True):
        assert a.tolist() == b.tolist() == c.tolist()


def test_a_full_gallery_is_quick_and_needs_little_memory() -> None:
    size = 2723
    scores = np.random.default_rng(3).normal(size=(size, size)).astype(np.float32)
    relevant = np.eye(size, dtype=bool)
    start = time.process_time()
    tie = best_tie(scores, relevant)
    values = [recall_from(tie, k) for k in (1, 5, 10)] + [reciprocal_rank_from(tie)]
    assert time.process_time() - start < 2
    assert all(value.shape == (size,) for value in values)
    tracemalloc.start()
    best_tie(scores, relevant)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < scores.nbytes / 2


def test_errors_name_the_row() -> None:
    scores, relevant = np.zeros((3, 4)), np.ones((3, 4), dtype=bool)
    bad = scores.copy()
    bad[1, 2] = np.nan
    with pytest.raises(ValueError, match="row 1: a score is NaN"):
        recall_at_k(bad, relevant, 1)
    none = relevant.copy()
    none[2] = False
    with pytest.raises(ValueError, match="row 2: no candidate is relevant"):
        reciprocal_rank(scores, none)
    with pytest.raises(ValueError, match="one shape"):
        recall_at_k(scores, relevant[:, :3], 1)
    with pytest.raises(ValueError, match="must be bool"):
        recall_at_k(scores, relevant.astype(int), 1)
    with pytest.raises(ValueError, match="k must be at least 1"):
        recall_at_k(scores, relevant, 0)
    with pytest.raises(ValueError, match="unknown ties 'hopeful'"):
        recall_at_k(scores, relevant, 1, "hopeful")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no candidates"):
        recall_at_k(np.zeros((2, 0)), np.zeros((2, 0), dtype=bool), 1)


def test_the_interval_covers_the_truth() -> None:
    random = np.random.default_rng(4)
    covered = 0
    for repeat in range(200):
        estimate = mean_with_interval(random.random(120) < 0.3, seed=repeat, resamples=300)
        covered += estimate.low <= 0.3 <= estimate.high
    assert covered >= 180


def test_clusters_widen_the_interval_to_what_it_should_be() -> None:
    """Four copies of each value are not four observations."""
    random = np.random.default_rng(5)
    clustered = alone = 0
    for repeat in range(200):
        values = np.repeat(random.random(60) < 0.3, 4)
        labels = np.repeat([f"product {number}" for number in range(60)], 4)
        with_clusters = mean_with_interval(values, seed=repeat, resamples=300, clusters=labels)
        without = mean_with_interval(values, seed=repeat, resamples=300)
        clustered += with_clusters.low <= 0.3 <= with_clusters.high
        alone += without.low <= 0.3 <= without.high
    assert clustered >= 180
    assert alone < 160


def test_the_bootstrap_is_that_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(6).random(31)
    labels = np.random.default_rng(7).integers(0, 9, 31)
    groups = [values[labels == label] for label in np.unique(labels)]
    random = np.random.default_rng(8)
    means = [
        np.concatenate([groups[at] for at in random.integers(len(groups), size=len(groups))]).mean() for _ in range(200)
    ]
    estimate = mean_with_interval(values, seed=8, resamples=200, level=0.9, clusters=labels)
    assert estimate.mean == pytest.approx(values.mean())
    assert (estimate.low, estimate.high) == pytest.approx(tuple(np.quantile(means, [0.05, 0.95])))
    monkeypatch.setattr("modiste.evaluation.metrics._CHUNK", 20)
    chunked = mean_with_interval(values, seed=8, resamples=200, level=0.9, clusters=labels)
    assert (chunked.low, chunked.high) == pytest.approx((estimate.low, estimate.high))


def test_intervals_of_odd_input() -> None:
    assert mean_with_interval(np.ones(5)).scaled(100) == mean_with_interval(np.full(5, 100))
    sure = mean_with_interval(np.array([0.0, 1.0]), resamples=0)
    assert (sure.mean, sure.low, sure.high, sure.count) == (0.5, 0.5, 0.5, 2)
    with pytest.raises(ValueError, match="Q > 0"):
        mean_with_interval(np.array([]))
    with pytest.raises(ValueError, match="row 1: the value is not finite"):
        mean_with_interval(np.array([0.0, np.inf]))
    with pytest.raises(ValueError, match="2 cluster labels for 3 values"):
        mean_with_interval(np.zeros(3), clusters=["a", "b"])
    with pytest.raises(ValueError, match="level"):
        mean_with_interval(np.zeros(3), level=1.0)


def test_means_of_several_metrics_share_their_resamples() -> None:
    random = np.random.default_rng(0)
    values = random.random((300, 2)) ** [1, 3]
    values = np.column_stack([values, values[:, 0] * 2])
    found = means_with_intervals(values, seed=4, resamples=2_000)
    for column, one in zip(values.T, found, strict=True):
        alone = mean_with_interval(column, seed=1, resamples=2_000)
        assert one.mean == pytest.approx(alone.mean)
        assert one.count == 300
        assert (one.low, one.high) == pytest.approx((alone.low, alone.high), abs=0.1 * (alone.high - alone.low))
    assert found[2].relative_to(found[0]).low == pytest.approx(2)  # the same users were drawn for both
    assert found[2].relative_to(found[0]).high == pytest.approx(2)
    assert means_with_intervals(values, seed=4, resamples=2_000) == found
    (bare,) = means_with_intervals(values[:, :1], resamples=0)
    assert bare.low == bare.mean == bare.high


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([], {}, r"shape \(Q, M\) with Q > 0"),
        ([1.0, 2.0], {}, r"shape \(Q, M\)"),
        ([[1.0], [np.nan]], {}, "row 1: a value is not finite"),
        ([[1.0]], {"resamples": -1}, "must not be negative"),
        ([[1.0]], {"level": 1.0}, "level lie in"),
    ],
)
def test_means_that_cannot_be_taken(values: list[object], options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        means_with_intervals(np.array(values), **options)  # type: ignore[arg-type]
