"""Terms that add up, against the definitions written out."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outfit_fakes import NetworkTestPool, PairTestPool, unit

from modiste.engine.calibration import Calibration, Calibrator
from modiste.engine.explain import MAX_ITEMS, explain, item_terms, pair_terms, subset_values, without_each
from modiste.engine.objective import Objective


def naive_shapley(values: np.ndarray, count: int) -> np.ndarray:
    terms = np.zeros(count)
    orders = list(permutations(range(count)))
    for order in orders:
        inside = 0
        for item in order:
            terms[item] += values[inside | 1 << item] - values[inside]
            inside |= 1 << item
    return terms / len(orders)


def naive_taylor(values: np.ndarray, count: int) -> np.ndarray:
    """Over all orders: what a pair adds to those that stand before both of it."""
    terms = np.zeros((count, count))
    orders = list(permutations(range(count)))
    for order in orders:
        place = {item: at for at, item in enumerate(order)}
        for one in range(count):
            for other in range(one + 1, count):
                before = sum(1 << item for item in range(count) if place[item] < min(place[one], place[other]))
                a, b = 1 << one, 1 << other
                delta = values[before | a | b] - values[before | a] - values[before | b] + values[before]
                terms[one, other] += delta / len(orders)
    return terms


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_terms_are_those_of_the_definitions(seed: int, count: int) -> None:
    values = np.random.default_rng(seed).random(1 << count)
    values[[0, *(1 << item for item in range(count))]] = 0.5
    np.testing.assert_allclose(item_terms(values), naive_shapley(values, count), atol=1e-12)
    np.testing.assert_allclose(np.triu(pair_terms(values), 1), naive_taylor(values, count), atol=1e-12)
    assert item_terms(values).sum() == pytest.approx(values[-1] - values[0])
    assert np.triu(pair_terms(values)).sum() == pytest.approx(values[-1] - values[0])


@pytest.mark.parametrize("pool_class", [PairTestPool, NetworkTestPool])
@pytest.mark.parametrize("with_text", [False, True])
@pytest.mark.parametrize(
    "calibration", ["none", Calibration(Calibrator("logistic", 3.0, -1.0), Calibrator("logistic", 9, -2))]
)
def test_they_add_up_to_the_score(pool_class: type, with_text: bool, calibration: object) -> None:
    rng = np.random.default_rng(3)
    pool, rows = pool_class(unit(rng, 9)), np.array([4, 1, 7, 8])
    objective = Objective(0.3, calibration=calibration)  # type: ignore[arg-type]
    matches = objective.match(rng.uniform(0, 0.5, 4)) if with_text else None
    found = explain(pool, objective, rows, [f"i{row}" for row in rows], matches)
    s = objective.compatibility(pool.score(rows[None]))
    score = float(objective.value(s, np.zeros((1, 0)) if matches is None else matches[None])[0])
    assert found.score == pytest.approx(score)
    assert found.base + sum(one.total for one in found.items) == pytest.approx(score)
    pairs = sum(one.compatibility for one in found.pairs)
    assert found.base + pairs + sum(one.match for one in found.items) == pytest.approx(score)
    assert found.items[1].without == pytest.approx(float(objective.compatibility(pool.score(np.array([[4, 7, 8]])))[0]))
    assert found.as_dict()["items"][0]["id"] == "i4"


def test_one_item_has_nothing_to_explain_and_too_many_are_refused() -> None:
    pool = PairTestPool(unit(np.random.default_rng(0), 20))
    alone = explain(pool, Objective(), np.array([3]), ["a"])
    assert (alone.score, alone.base, alone.items[0].total, alone.pairs) == (0.5, 0.5, 0.0, ())
    with pytest.raises(ValueError, match=f"at most {MAX_ITEMS}"):
        subset_values(pool, Objective(), np.arange(MAX_ITEMS + 1))


def test_leaving_one_out() -> None:
    values = np.arange(8.0)
    assert without_each(values).tolist() == [6, 5, 3]
