"""Calibrators against scikit-learn and worlds whose probabilities are known."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.engine.calibration import (
    Calibration,
    Calibrator,
    ece_interval,
    percentile,
    reference_quantiles,
    reliability,
    sigmoid,
)


def world(count: int, seed: int, slope: float = 18.0, intercept: float = -5.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0.27, 0.06, count)
    return scores, (rng.random(count) < sigmoid(slope * scores + intercept)).astype(float)


def test_the_logistic_curve_is_the_one_that_made_the_labels() -> None:
    scores, labels = world(40_000, 0)
    found = Calibrator.fit(scores, labels)
    assert found.slope == pytest.approx(18.0, rel=0.08)
    assert found.intercept == pytest.approx(-5.0, rel=0.08)
    held, truth = world(20_000, 1)
    assert reliability(found(held), truth).ece < 0.015
    assert reliability(np.clip((1 + held) / 2, 0, 1), truth).ece > 0.05  # what it was worth before


def test_the_logistic_curve_is_scikit_learns_on_smoothed_targets() -> None:
    from sklearn.linear_model import LogisticRegression

    scores, labels = world(300, 2)
    positives, negatives = labels.sum(), (1 - labels).sum()
    high, low = (positives + 1) / (positives + 2), 1 / (negatives + 2)
    target = np.where(labels == 1, high, low)
    twice = np.concatenate([scores, scores])[:, None]
    oracle = LogisticRegression(C=1e12, tol=1e-10, max_iter=10_000).fit(
        twice, np.repeat([1, 0], len(scores)), sample_weight=np.concatenate([target, 1 - target])
    )
    found = Calibrator.fit(scores, labels)
    assert found.slope == pytest.approx(float(oracle.coef_[0, 0]), rel=1e-3)
    assert found.intercept == pytest.approx(float(oracle.intercept_[0]), rel=1e-3)


def test_the_isotonic_curve_is_scikit_learns() -> None:
    from sklearn.isotonic import IsotonicRegression

    scores, labels = world(500, 3)
    oracle = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scores, labels)
    points = np.linspace(-1, 1, 999)
    np.testing.assert_allclose(Calibrator.fit(scores, labels, "isotonic")(points), oracle.predict(points), atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["logistic", "isotonic"]))
def test_a_curve_never_falls_and_stays_a_probability(seed: int, method: str) -> None:
    scores, labels = world(60, seed, slope=40, intercept=-11)
    if 0 < labels.sum() < len(labels):
        if method == "logistic" and scores[labels == 1].mean() <= scores[labels == 0].mean():
            return  # refused, which another test looks at
        curve = Calibrator.fit(scores, labels, method)  # type: ignore[arg-type]
        found = curve(np.linspace(-5, 5, 2_001))
        assert (np.diff(found) >= 0).all()
        assert found.min() >= 0
        assert found.max() <= 1


def test_separable_scores_get_a_finite_curve() -> None:
    found = Calibrator.fit([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    assert np.isfinite([found.slope, found.intercept]).all()
    assert found(0.85) > 0.7 > 0.3 > found(0.15)


def test_labels_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="both kinds"):
        Calibrator.fit([0.1, 0.2], [1, 1])
    with pytest.raises(ValueError, match="do not rise"):
        Calibrator.fit([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="0 or 1"):
        Calibrator.fit([0.1, 0.2], [0.5, 1])
    with pytest.raises(ValueError, match="score 1 is not finite"):
        Calibrator.fit([0.1, np.nan], [0, 1])
    with pytest.raises(ValueError, match="one length"):
        Calibrator.fit([0.1], [0, 1])


def test_scores_of_a_sigmoid_are_calibrated_by_their_log_odds() -> None:
    """A scorer that is too unsure by half and biased: over its log-odds the curve is found again, over the scores it is not."""
    rng = np.random.default_rng(2)
    hidden = rng.normal(0, 4, 20_000)
    truth = (rng.random(20_000) < sigmoid(hidden)).astype(float)
    scores = sigmoid(1.5 * hidden - 4)
    curve = Calibrator.fit(scores, truth, "log-odds")
    assert curve.slope == pytest.approx(1 / 1.5, abs=0.03)
    assert curve.intercept == pytest.approx(4 / 1.5, abs=0.1)
    assert reliability(curve(scores), truth).ece < 0.015
    assert reliability(Calibrator.fit(scores, truth)(scores), truth).ece > 0.05
    assert Calibrator.from_dict(curve.as_dict()) == curve
    ends = curve(np.array([-1.0, 0.0, 1e-20, 0.5, 1.0, 2.0]))
    assert np.isfinite(ends).all()
    assert (np.diff(ends) >= 0).all()
    with pytest.raises(ValueError, match="slope must be positive"):
        Calibrator("log-odds", -1.0)


@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_the_interval_of_the_error_covers_it(shift: float) -> None:
    """Twenty samples of a source whose error is known: at least seventeen of their intervals hold it."""
    covered = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        chances = rng.uniform(0.25, 0.75, 800)
        truth = (rng.random(800) < chances).astype(int)
        said = chances + shift
        low, high = ece_interval(said, truth, [str(at) for at in range(800)], seed=seed)
        covered += low <= shift + 0.01 and high >= shift
    assert covered >= 17


def test_the_interval_is_that_of_a_loop_and_resamples_groups_whole() -> None:
    rng = np.random.default_rng(3)
    said, truth = rng.random(60), rng.integers(0, 2, 60)
    groups = [f"g{at % 7}" for at in range(60)]
    names = sorted(set(groups))
    counts = np.random.default_rng(5).multinomial(7, np.full(7, 1 / 7), size=40)
    errors = []
    for row in counts:
        chosen = [
            at
            for name, times in zip(names, row, strict=True)
            for _ in range(times)
            for at in range(60)
            if groups[at] == name
        ]
        errors.append(reliability(said[chosen], truth[chosen]).ece)
    own = reliability(said, truth).ece
    low, high = np.quantile(errors, (0.025, 0.975))
    expected = (max(0.0, 2 * own - high), max(0.0, 2 * own - low))
    assert ece_interval(said, truth, groups, seed=5, resamples=40) == pytest.approx(expected)


def test_reliability_against_a_loop() -> None:
    rng = np.random.default_rng(5)
    values, labels = rng.random(400), (rng.random(400) < 0.4).astype(float)
    values[:3] = 0.0, 1.0, 0.1
    total = 0.0
    for number in range(10):
        inside = [at for at in range(400) if min(int(values[at] * 10), 9) == number]
        total += abs(sum(values[at] for at in inside) - sum(labels[at] for at in inside))
    found = reliability(values, labels)
    assert found.ece == pytest.approx(total / 400)
    assert sum(one.count for one in found.bins) == 400
    assert reliability(labels, labels).ece == 0
    with pytest.raises(ValueError, match="look like scores"):
        reliability([1.5], [1])


def test_percentile_counts_ties_half() -> None:
    assert percentile(0.5, [0.1, 0.5, 0.5, 0.9]) == 50
    assert (percentile(0.0, [0.1]), percentile(0.2, [0.1])) == (0, 100)
    scores = np.random.default_rng(0).random(5_000)
    reference = reference_quantiles(scores)
    assert len(reference) == 201
    assert percentile(0.8, reference) == pytest.approx(100 * np.mean(scores < 0.8), abs=0.6)


def test_json_there_and_back(tmp_path: Path) -> None:
    scores, labels = world(200, 8)
    whole = Calibration(
        Calibrator.fit(scores, labels), Calibrator.fit(scores, labels, "isotonic"), (0.1, 0.4), 0.6, "s", "e"
    )
    assert Calibration.load(whole.save(tmp_path / "c.json")) == whole
    assert Calibration.load(Calibration().save(tmp_path / "empty.json")) == Calibration()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"slop": 1}, "expected an object"),
        ({"format": 9}, "of format 1"),
        ({"match": {"method": "logistic", "slope": 1}}, "intercept"),
        ({"match": {"method": "logistic", "slope": -1, "intercept": 0}}, "slope must be positive"),
        ({"match": {"method": "isotonic", "knots": [2, 1], "values": [0, 1]}}, "must rise"),
        ({"match": {"method": "magic"}}, "unknown method 'magic'"),
        ({"match": {"method": "logistic", "slope": "x", "intercept": 0}}, "could not convert"),
        ({"reference": [2, 1]}, "ascend"),
        ({"match_threshold": 3}, r"lie in \[0, 1\]"),
    ],
)
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, change: dict[str, object], words: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({**Calibration().as_dict(), **change}))
    with pytest.raises(ValueError, match=words) as caught:
        Calibration.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_or_torn_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no calibration at"):
        Calibration.load(tmp_path / "none.json")
    (tmp_path / "torn.json").write_text("{")
    with pytest.raises(ValueError, match="read as JSON"):
        Calibration.load(tmp_path / "torn.json")


def test_using_a_calibration_does_not_load_scikit_learn() -> None:
    code = (
        "import sys; from modiste.engine.calibration import Calibrator; "
        "Calibrator.fit([.1, .2, .8], [0, 0, 1])(.5); print('sklearn' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "False"
