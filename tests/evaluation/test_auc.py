"""The area under the ROC curve and its interval, against loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from modiste.evaluation import metrics
from modiste.evaluation.metrics import auc_with_interval, mean_with_interval, roc_auc


def naive_auc(scores: np.ndarray, positive: np.ndarray) -> float:
    wins = [
        1.0 if good > poor else 0.5 if good == poor else 0.0
        for good in scores[positive].tolist()
        for poor in scores[~positive].tolist()
    ]
    return sum(wins) / len(wins)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
def test_auc_is_the_loop_and_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    if positive.all() or not positive.any():
        with pytest.raises(ValueError, match="at least one positive and one negative"):
            roc_auc(scores, positive)
        return
    assert roc_auc(scores, positive) == pytest.approx(naive_auc(scores, positive))
    assert roc_auc(scores, positive) == pytest.approx(roc_auc_score(positive, scores))


def test_infinities_order_and_a_constant_is_one_half() -> None:
    assert roc_auc(np.array([-np.inf, 0.0, np.inf]), np.array([False, False, True])) == 1
    assert roc_auc(np.zeros(7), np.arange(7) < 2) == 0.5


def test_the_interval_is_the_bootstrap_of_clusters() -> None:
    """Each resample taken apart and measured by itself."""
    random = np.random.default_rng(0)
    positive = random.random(60) < 0.5
    scores = np.round(random.normal(size=60) + positive, 1)
    clusters = np.array([f"c{number}" for number in random.integers(0, 15, 60)])
    found = auc_with_interval(scores, positive, seed=3, resamples=200, clusters=clusters)
    members = [np.flatnonzero(clusters == name) for name in np.unique(clusters)]
    again = np.random.default_rng(3).integers(len(members), size=(200, len(members)))
    values = []
    for drawn in again:
        rows = np.concatenate([members[at] for at in drawn])
        values.append(naive_auc(scores[rows], positive[rows]))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert found.mean == pytest.approx(naive_auc(scores, positive))
    assert found.count == 60


def test_resamples_that_say_nothing_are_passed_over() -> None:
    found = auc_with_interval(np.array([0.0, 1.0]), np.array([False, True]), resamples=50)
    assert (found.low, found.mean, found.high) == (1, 1, 1)


@pytest.mark.parametrize(
    ("scores", "positive", "words"),
    [
        ([0.0, np.nan], [True, False], "row 1: a score is NaN"),
        ([0.0, 1.0], [True], "one shape"),
        ([0.0, 1.0], [1, 0], "one shape"),
    ],
)
def test_what_is_no_question(scores: list[float], positive: list[object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        roc_auc(np.array(scores), np.array(positive))


def test_the_interval_of_a_ratio_is_of_resamples_of_the_same_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a loop that draws once for both; one scorer has few levels, so that the two are cut into other chunks."""
    random = np.random.default_rng(3)
    positive, clusters = np.arange(60) % 2 == 0, np.arange(60) // 4
    fine = random.normal(size=60) + positive
    coarse = np.sign(fine + random.normal(size=60))
    monkeypatch.setattr(metrics, "_CHUNK", 700)
    one, other = (auc_with_interval(x, positive, seed=5, resamples=150, clusters=clusters) for x in (coarse, fine))
    drawn = np.random.default_rng(5).integers(15, size=(150, 15))
    ratios = []
    for places in drawn:
        rows = np.concatenate([np.flatnonzero(clusters == place) for place in places])
        ratios.append(roc_auc(coarse[rows], positive[rows]) / roc_auc(fine[rows], positive[rows]))
    found = one.relative_to(other)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(ratios, [0.025, 0.975])))
    assert found.mean == pytest.approx(one.mean / other.mean)
    assert found.high - found.low < (one.high - one.low) / other.mean  # what is hard for both cancels out
    itself = one.relative_to(one)
    assert (itself.mean, itself.low, itself.high) == (1, 1, 1)


def test_a_ratio_needs_something_to_be_set_beside() -> None:
    one, none = (mean_with_interval(np.full(9, value), resamples=20) for value in (0.5, 0.0))
    percent = one.scaled(100).relative_to(one.scaled(50))
    assert (percent.mean, percent.low, percent.high) == pytest.approx((2, 2, 2))
    with pytest.raises(ValueError, match=r"no ratio to 0\.0"):
        one.relative_to(none)
    for other in (mean_with_interval(np.ones(8), resamples=20), mean_with_interval(np.ones(9), resamples=0)):
        with pytest.raises(ValueError, match="cannot be set beside"):
            one.relative_to(other)
    bare = mean_with_interval(np.ones(9), resamples=0)
    assert (bare.relative_to(bare).low, bare.relative_to(bare).high) == (1, 1)
