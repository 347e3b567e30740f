"""A person's taste in the value of an outfit: the formula, the solver against brute force, and nothing changed without it."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from engine_fakes import FakeEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from outfit_fakes import NetworkTestPool, PairTestPool, TestScorer, random_problem

from modiste.engine.catalogue import Catalogue
from modiste.engine.liking import shares_below
from modiste.engine.objective import Objective
from modiste.engine.outfits import OutfitEngine
from modiste.engine.problem import Problem
from modiste.engine.snapshot import Snapshot
from modiste.engine.solve import Effort, solve
from modiste.types import Item, Slot

FOREVER = float("inf")
ENUMERATE = Effort(deadline=FOREVER)
SEARCH = Effort(exact_below=0, deadline=FOREVER)
SEEDS = st.integers(0, 100_000)
KINDS = st.sampled_from(["pairs", "network", "saturated"])
ENCODER = FakeEncoder()


def by_the_formula(problem: Problem, wishes: int) -> tuple[float, float]:
    """The best value, and the mean liking of the best choice, by the formula written out, over all valid choices."""
    alpha, beta = problem.objective.alpha, problem.objective.beta
    best, liking = -np.inf, np.nan
    for choice in product(*(range(len(slot)) for slot in problem.slots)):
        rows = [int(slot.rows[at]) for slot, at in zip(problem.slots, choice, strict=True)]
        outfit = np.array([[*problem.have, *rows]])
        if not problem.constraints.valid(outfit)[0]:
            continue
        s = float(problem.pool.score(outfit)[0]) if outfit.shape[1] > 1 else 0.5
        matches = [(1 + slot.similarity[at]) / 2 for slot, at in zip(problem.slots, choice, strict=True)][:wishes]
        value = alpha * s + (1 - alpha) * float(np.mean(matches)) if matches else s
        if beta:
            liked = [slot.liked[at] for slot, at in zip(problem.slots, choice, strict=True) if slot.liked is not None]
            value = (1 - beta) * value + beta * float(np.mean(liked))
        if value > best:
            best, liking = value, float(np.mean(liked)) if beta else np.nan
    return best, liking


@settings(max_examples=50, deadline=None)
@given(
    SEEDS, KINDS, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
    st.integers(0, 3), st.integers(0, 2), st.booleans(), st.sampled_from([ENUMERATE, SEARCH]),
)  # fmt: skip
def test_exact_is_exact_and_bounds_hold_with_a_taste(
    seed: int, kind: str, alpha: float, beta: float, wishes: int, given_items: int, rules: bool, effort: Effort
) -> None:
    problem = random_problem(
        seed, kind, sizes=(4, 3, 5), given=given_items, alpha=alpha, wishes=wishes, rules=rules, beta=beta
    )
    best, _ = by_the_formula(problem, wishes)
    found = solve([problem], 1, effort)
    if not np.isfinite(best):
        assert not found.looks
        return
    if effort is ENUMERATE or kind == "pairs":
        assert found.looks[0].exact
    for look in found.looks:
        assert problem.constraints.valid(problem.sets(look.picks[None]))[0]
        assert look.value <= best + 1e-6 <= look.upper_bound + 2e-6
        if look.exact:
            assert look.value == pytest.approx(best, abs=2e-6)


@settings(max_examples=20, deadline=None)
@given(SEEDS, KINDS)
def test_the_bound_holds_when_candidates_are_left_out(seed: int, kind: str) -> None:
    from modiste.engine.plans import narrowed

    whole = random_problem(seed, kind, sizes=(8, 8, 8), beta=0.5, wishes=1)
    best, _ = by_the_formula(whole, 1)
    few = replace(whole, slots=tuple(replace(slot, shortlist=np.arange(0, 8, 3)) for slot in whole.slots))
    for problem in (narrowed(few), few):
        for effort in (ENUMERATE, replace(SEARCH, pair_terms=0)):
            look = solve([problem], 1, effort).looks[0]
            assert best <= look.upper_bound + 1e-6


@settings(max_examples=15, deadline=None)
@given(SEEDS, KINDS, st.booleans())
def test_more_weight_for_her_taste_never_finds_what_she_likes_less(seed: int, kind: str, rules: bool) -> None:
    liked, rest = [], []
    for beta in (1e-9, 0.05, 0.2, 0.5, 0.8, 1.0):
        problem = random_problem(seed, kind, sizes=(5, 4, 6), rules=rules, beta=beta)
        looks = solve([problem], 1, ENUMERATE).looks
        if not looks:
            return
        picks = looks[0].picks
        liking = float(np.mean([slot.liked[at] for slot, at in zip(problem.slots, picks, strict=True)]))  # type: ignore[index]
        liked.append(liking)
        if beta < 1:
            rest.append((looks[0].value - beta * liking) / (1 - beta))
    assert all(one <= other + 1e-6 for one, other in pairwise(liked))
    assert all(one >= other - 1e-6 for one, other in pairwise(rest))


def test_the_objective_with_its_third_term() -> None:
    objective = Objective(0.5, beta=0.25)
    found = objective.value([0.8], [[0.2, 0.6]], True, [[1.0, 0.4, 0.4]])
    np.testing.assert_allclose(found, 0.75 * (0.5 * 0.8 + 0.5 * 0.4) + 0.25 * 0.6)
    np.testing.assert_allclose(objective.value([0.8], np.zeros((1, 0)), True, [[1.0]]), 0.75 * 0.8 + 0.25)
    assert objective.value([1.0], [[1.0]], False, [[1.0]]) == 0
    with pytest.raises(ValueError, match="nothing says how much"):
        objective.value([0.8], [[0.2]])
    with pytest.raises(ValueError, match="beta must lie"):
        Objective(beta=1.5)
    for num in (0, 1, 3):  # to the last bit
        assert Objective(0.3).weights(num) == ((1.0, 0.0) if num == 0 else (0.3, 0.7 / num))


def test_an_item_counts_for_the_share_of_its_kind_that_is_liked_less() -> None:
    scores = np.array([3.0, 1.0, 2.0, 2.0, 9.0, -5.0])
    kinds = np.array([0, 0, 0, 0, 1, 1], dtype=np.int32)
    slow = [
        np.mean([(other < one) + (other == one) / 2 for other, same in zip(scores, kinds, strict=True) if same == kind])
        for one, kind in zip(scores, kinds, strict=True)
    ]
    np.testing.assert_allclose(shares_below(scores, kinds), slow)
    np.testing.assert_allclose(shares_below(scores * 7 + 3, kinds), slow)  # whatever the taste's scale
    assert len(shares_below(np.zeros(0), np.zeros(0, dtype=np.int32))) == 0


class Likes:
    """Somebody who likes what ends in one number."""

    def __init__(self, ending: str) -> None:
        self.ending = ending

    def values(self, snapshot: Snapshot) -> np.ndarray:
        return np.array([0.9 if one.endswith(self.ending) else 0.2 for one in snapshot.ids.to_pylist()])


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    kinds = {"Shirts": "shirt", "Jeans": "jeans", "Sneakers": "sneakers", "Bags": "bag"}
    store = Catalogue.create(tmp_path_factory.mktemp("taste") / "shop", ENCODER.id)
    store.upsert(
        [
            Item(f"{noun}-{at}", f"{('red', 'blue')[at % 2]} {noun} {at}", np.full((6, 6, 3), 20 * at, np.uint8), kind)
            for kind, noun in kinds.items()
            for at in range(7)
        ],
        ENCODER,
    )
    return store


@pytest.mark.parametrize("kind", [PairTestPool, NetworkTestPool])
def test_the_engine_for_a_person(shop: Catalogue, kind: type) -> None:
    engine = OutfitEngine(shop, TestScorer(kind), ENCODER, effort=ENUMERATE)
    hers = engine.with_taste(Likes("-3"), 0.9)
    (look,) = hers.generate("red", size=4).looks
    assert {one.item.id for one in look.chosen} == {"shirt-3", "jeans-3", "sneakers-3", "bag-3"}
    assert look.exact
    assert look.taste == pytest.approx(0.9)
    assert look.as_dict()["taste"] == look.taste
    # What is said of the outfit afterwards is of the same formula.
    assert hers.score(look.ids, "red").score == pytest.approx(look.score, abs=1e-6)
    told = hers.explain(look.ids, "red", swaps=True)
    assert told.score == pytest.approx(look.score, abs=1e-6)
    assert told.base + sum(one.total for one in told.items) == pytest.approx(told.score, abs=1e-6)
    assert [one.taste for one in told.items] == pytest.approx([0.9 * 0.9 / 4] * 4)
    # Items given, the catalogue's or not: the taste is of what is chosen.
    for given_item in ("shirt-0", Item("mine", "my shirt", np.full((6, 6, 3), 9, np.uint8), "Shirts")):
        (around,) = hers.generate(have=[given_item], size=3).looks
        assert [one.liked for one in around.chosen] == [0.9, 0.9]
    swapped = hers.swap(["shirt-0", "jeans-3"], "shirt-0", 1).looks[0]
    assert swapped.chosen[0].item.id == "shirt-3"
    literal = OutfitEngine(
        shop, TestScorer(kind), ENCODER, effort=ENUMERATE, objective=Objective(mode="text_swap")
    ).with_taste(Likes("-3"), 0.9)
    query = literal.query(["shirt-3"], [Slot(frozenset({"bag"}), "red bag")])
    assert literal.complete(query).looks[0].chosen[0].item.id == "bag-3"


@pytest.mark.parametrize("kind", [PairTestPool, NetworkTestPool])
def test_without_weight_every_answer_is_the_same_to_the_last_byte(shop: Catalogue, kind: type) -> None:
    engine = OutfitEngine(shop, TestScorer(kind), ENCODER, effort=ENUMERATE)
    for hers in (engine.with_taste(Likes("-3"), 0.0), engine.with_taste(None, 0.7)):
        for asked in ({"text": "red", "n": 3}, {"have": ["shirt-2"], "n": 2, "size": 3}):
            told = [json.dumps(one.generate(**asked).as_dict(seconds=False)) for one in (engine, hers)]
            assert told[0] == told[1]
            assert "liked" not in told[0]
            assert "taste" not in told[0]
        assert hers.explain(["shirt-1", "bag-2"]).as_dict() == engine.explain(["shirt-1", "bag-2"]).as_dict()
    with pytest.raises(ValueError, match="say whose"):
        OutfitEngine(shop, TestScorer(kind), ENCODER, objective=Objective(beta=0.2))


def test_a_shortlist_holds_what_she_likes(tmp_path: Path) -> None:
    """Of hundreds of shoes a search looks at some first; what she likes best must be among them."""
    store = Catalogue.create(tmp_path / "large", ENCODER.id)
    store.upsert(
        [
            Item(f"{noun}-{at:03d}", f"{noun} {at}", np.full((4, 4, 3), at % 250, np.uint8), kind)
            for kind, noun in {"Dresses": "dress", "Sneakers": "sneakers"}.items()
            for at in range(300)
        ],
        ENCODER,
    )
    effort = Effort(exact_below=0, certify=0, deadline=FOREVER, shortlist=16)
    engine = OutfitEngine(store, TestScorer(NetworkTestPool), ENCODER, effort=effort)
    for text in ("", "dress"):
        look = engine.with_taste(Likes("-137"), 0.95).generate(text, size=2).looks[0]
        assert set(look.ids) == {"dress-137", "sneakers-137"}
