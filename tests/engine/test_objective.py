"""The one formula, term by term."""

from __future__ import annotations

import numpy as np
import pytest

from modiste.engine.calibration import Calibration, Calibrator
from modiste.engine.objective import Objective

CURVES = Calibration(Calibrator("logistic", 2.0, -1.0), Calibrator("logistic", 30.0, -8.0))


def test_the_literal_formula() -> None:
    literal = Objective(0.3, reduction="sum", calibration="none")
    matches = literal.match([[0.2, -0.1], [0.5, 0.0]])
    found = literal.value(literal.compatibility([0.9, 0.4]), matches)
    np.testing.assert_allclose(found, [0.3 * 0.9 + 0.7 * 0.1, 0.3 * 0.4 + 0.7 * 0.5])


def test_the_default_is_a_mean_over_the_slots_with_a_wish() -> None:
    objective = Objective(0.5)
    np.testing.assert_allclose(objective.match([-1.0, 0.0, 1.0]), [0, 0.5, 1])
    np.testing.assert_allclose(objective.value([0.8], objective.match([[0.2, 0.6]])), [0.5 * 0.8 + 0.5 * 0.7])
    assert objective.value([0.8], np.zeros((1, 0))) == pytest.approx(0.8)  # no wish: S alone
    assert Objective(0.5, reduction="sum").value([0.8], np.zeros((1, 0))) == pytest.approx(0.4)


def test_calibration_applies_to_both_terms() -> None:
    objective = Objective(0.25, calibration=CURVES)
    s, m = 1 / (1 + np.exp(-(2 * 0.7 - 1))), 1 / (1 + np.exp(-(30 * 0.3 - 8)))
    found = objective.value(objective.compatibility([0.7]), objective.match([[0.3]]))
    np.testing.assert_allclose(found, [0.25 * s + 0.75 * m])
    assert objective.match_threshold == 0.5
    assert Objective().match_threshold is None
    assert objective.best_match >= objective.match(0.99)


def test_a_wish_counts_beside_the_nearest() -> None:
    nearness = Calibrator("logistic", 40.0, 0.5)
    objective = Objective(calibration=Calibration(match=Calibrator("logistic", 30.0, -8.0), nearness=nearness))
    found = objective.fulfilment([0.3, 0.28, 0.1], 0.3)
    np.testing.assert_allclose(found, nearness([0.0, -0.02, -0.2]) / nearness(0.0))
    assert found[0] == objective.best_match == 1.0
    # Words that are near to everything, or to nothing, weigh the same.
    np.testing.assert_allclose(objective.fulfilment([0.7, 0.68, 0.5], 0.7), found)
    # Without that curve, and for a mode of other cosines, the match itself counts.
    np.testing.assert_array_equal(Objective(calibration=CURVES).fulfilment([0.3], 0.3), CURVES.match([0.3]))  # type: ignore[misc]
    swapped = Objective(mode="text_swap", calibration=objective.calibration)
    np.testing.assert_array_equal(swapped.fulfilment([0.3], 0.3), swapped.match([0.3]))


def test_what_is_not_valid_is_worth_nothing() -> None:
    objective = Objective()
    np.testing.assert_array_equal(objective.value([0.9, 0.9], [[1.0], [1.0]], [False, True]) > 0, [False, True])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"alpha": 1.1}, "alpha"),
        ({"mode": "swap"}, "text_swap"),
        ({"reduction": "max"}, "mean, sum"),
        ({"calibration": "some"}, "Calibration or 'none'"),
    ],
)
def test_bad_settings(values: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Objective(**values)  # type: ignore[arg-type]
