"""Metrics against every order of the candidates, one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.evaluation.metrics import mean_with_interval, recall_at_k, reciprocal_rank


def every_order(scores: list[float], relevant: list[bool], k: int) -> tuple[float, float]:
    """Recall at k and reciprocal rank averaged over all orders that a sort of tied scores could give."""
    recalls, ranks = [], []
    for order in itertools.permutations(range(len(scores))):
        if any(scores[a] < scores[b] for a, b in itertools.pairwise(order)):
            continue
        first = next(place for place, at in enumerate(order, 1) if relevant[at])
        recalls.append(first <= k)
        ranks.append(1 / first)
    return float(np.mean(recalls)), float(np.mean(ranks))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.booleans()), min_size=1, max_size=6).filter(
        lambda pairs: any(good for _, good in pairs)
    ),
    st.integers(1, 7),
)
def test_ties_are_at_chance_exactly(pairs: list[tuple[float, bool]], k: int) -> None:
    scores, relevant = [score for score, _ in pairs], [good for _, good in pairs]
    recall, rank = every_order(scores, relevant, k)
    arrays = np.array([scores]), np.array([relevant])
    assert recall_at_k(*arrays, k)[0] == pytest.approx(recall)
    assert reciprocal_rank(*arrays)[0] == pytest.approx(rank)


@pytest.mark.parametrize("column", [0, 50, 100])
def test_a_constant_scorer_is_at_chance_wherever_the_positive_is(column: int) -> None:
    relevant = np.zeros((1, 101), bool)
    relevant[0, column] = True
    for k in (1, 5, 10):
        assert recall_at_k(np.full((1, 101), 0.7), relevant, k)[0] == pytest.approx(k / 101)
    assert reciprocal_rank(np.full((1, 101), 0.7), relevant)[0] == pytest.approx(
        sum(1 / n for n in range(1, 102)) / 101
    )


def test_without_ties_it_is_the_sorted_rank() -> None:
    random = np.random.default_rng(0)
    scores = random.standard_normal((50, 30))
    relevant = np.arange(30)[None, :] == random.integers(0, 30, 50)[:, None]
    ranks = np.array(
        [sorted(row, reverse=True).index(row[good]) + 1 for row, good in zip(scores, relevant, strict=True)]
    )
    for k in (1, 3, 30, 99):
        np.testing.assert_array_equal(recall_at_k(scores, relevant, k), (ranks <= k).astype(float))
    np.testing.assert_allclose(reciprocal_rank(scores, relevant), 1 / ranks)


def test_bad_input_names_the_query() -> None:
    relevant = np.eye(3, dtype=bool)
    scores = np.zeros((3, 3))
    scores[1, 2] = np.nan
    with pytest.raises(ValueError, match="query 1 has a score that is nan"):
        recall_at_k(scores, relevant, 1)
    relevant[2] = False
    with pytest.raises(ValueError, match="query 2 has no relevant"):
        reciprocal_rank(np.zeros((3, 3)), relevant)
    with pytest.raises(ValueError, match="k must"):
        recall_at_k(np.zeros((3, 3)), np.eye(3, dtype=bool), 0)
    with pytest.raises(ValueError, match="both be"):
        recall_at_k(np.zeros((3, 2)), np.eye(3, dtype=bool), 1)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        estimate = mean_with_interval((random.random(150) < 0.3).astype(float), seed=seed, resamples=300)
        covered += estimate.low <= 0.3 <= estimate.high
    assert 0.90 <= covered / 200 <= 0.99


def test_clusters_widen_the_interval() -> None:
    values = np.repeat((np.random.default_rng(2).random(40) < 0.5).astype(float), 10)
    alone = mean_with_interval(values)
    together = mean_with_interval(values, clusters=np.repeat(np.arange(40), 10))
    assert together.mean == alone.mean
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert mean_with_interval(values, resamples=0).low == alone.mean
    with pytest.raises(ValueError, match="nothing to average"):
        mean_with_interval(np.array([]))
