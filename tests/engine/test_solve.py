"""The solver against brute force: exact where it says so, bounds that hold, and nothing that breaks a rule."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outfit_fakes import ComplementTestPool, NetworkTestPool, brute_force, random_problem

from modiste.engine.bound import BranchAndBound, PairTables
from modiste.engine.exact import choices_above, text_threshold
from modiste.engine.problem import Memory, Problem
from modiste.engine.solve import Apart, Effort, Solved, solve

FOREVER = float("inf")
ENUMERATE = Effort(deadline=FOREVER)
SEARCH = Effort(exact_below=0, deadline=FOREVER)  # (b) for pairs, (c) for all others
KINDS = st.sampled_from(["pairs", "network", "saturated"])
SEEDS = st.integers(0, 100_000)
ALPHAS = st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0])


def check_looks(problem: Problem, found: Solved) -> None:
    """Every answer is valid, worth what it says, and no better than its bound."""
    for look in found.looks:
        sets = problem.sets(look.picks[None])
        assert problem.constraints.valid(sets)[0]
        np.testing.assert_array_equal(problem.rows(look.picks[None])[0], look.rows)
        assert look.value == pytest.approx(float(problem.values(look.picks[None])[0]), abs=1e-6)
        assert look.value <= look.upper_bound + 1e-6


@settings(max_examples=60, deadline=None)
@given(SEEDS, KINDS, ALPHAS, st.integers(0, 3), st.integers(0, 2), st.booleans(), st.sampled_from([ENUMERATE, SEARCH]))
def test_bounds_hold_and_exact_is_exact(
    seed: int, kind: str, alpha: float, wishes: int, given_items: int, rules: bool, effort: Effort
) -> None:
    problem = random_problem(seed, kind, sizes=(5, 4, 6), given=given_items, alpha=alpha, wishes=wishes, rules=rules)
    found = solve([problem], 1, effort)
    best, _ = brute_force(problem)
    check_looks(problem, found)
    if not np.isfinite(best):
        assert not found.looks
        return
    if effort is ENUMERATE or kind == "pairs":
        assert found.looks
        assert found.looks[0].exact
    if found.looks:
        look = found.looks[0]
        assert look.value <= best + 1e-6 <= look.upper_bound + 2e-6
        if look.exact:
            assert look.value == pytest.approx(best, abs=2e-6)


@settings(max_examples=25, deadline=None)
@given(SEEDS, KINDS, st.sampled_from([0.3, 0.7]))
def test_bounds_hold_when_candidates_are_left_out(seed: int, kind: str, alpha: float) -> None:
    """Searches see a part of each slot only; the bound is about all of it."""
    whole = random_problem(seed, kind, sizes=(8, 8, 8), alpha=alpha)
    best, _ = brute_force(whole)
    half = replace(
        whole,
        slots=tuple(
            replace(
                slot,
                rows=slot.rows[::2],
                text=slot.text[::2],
                similarity=slot.similarity[::2],
                shortlist=np.arange(len(slot.rows[::2])),
                outside=float(slot.text[1::2].max()),
            )
            for slot in whole.slots
        ),
    )
    for effort in (ENUMERATE, SEARCH):
        look = solve([half], 1, effort).looks[0]
        assert best <= look.upper_bound + 1e-6
        if look.exact:
            assert look.value == pytest.approx(best, abs=2e-6)
    few = replace(whole, slots=tuple(replace(slot, shortlist=np.arange(0, 8, 3)) for slot in whole.slots))
    look = solve([few], 1, replace(SEARCH, pair_terms=0)).looks[0]  # shortlists of a pairwise pool too
    assert best <= look.upper_bound + 1e-6


@settings(max_examples=25, deadline=None)
@given(SEEDS, KINDS, st.booleans())
def test_looks_are_apart_and_the_next_best(seed: int, kind: str, rules: bool) -> None:
    problem = random_problem(seed, kind, sizes=(5, 4, 6), rules=rules)
    vectors = np.random.default_rng(seed).normal(size=(16, 8)).astype(np.float32)
    apart = Apart(vectors, vectors.mean(axis=0), 0.6)
    for effort in (ENUMERATE, SEARCH):
        found = solve([problem], 4, effort, apart)
        check_looks(problem, found)
        taken: list[np.ndarray] = []
        for look in found.looks:
            assert apart.mask(look.rows[None], taken).all()
            if look.exact:  # the best of what is apart from those before it
                choices = choices_above(problem, -np.inf, 10_000)
                assert choices is not None
                values = problem.values(choices)
                values[~apart.mask(problem.rows(choices), taken)] = -np.inf
                assert look.value == pytest.approx(float(values.max()), abs=2e-6)
            taken.append(look.rows)
        scores = [look.value for look in found.looks]
        assert scores == sorted(scores, reverse=True)


@settings(max_examples=15, deadline=None)
@given(SEEDS, KINDS)
def test_looks_by_text_alone_are_exact_or_say_so(seed: int, kind: str) -> None:
    """Only the upper end of the choices is looked at, which may hold no look that is apart."""
    plans = [random_problem(seed + at, kind, sizes=(9, 9, 9), alpha=0.0) for at in range(2)]
    found = solve(plans, 3, ENUMERATE)
    assert found.scored == 0
    taken: list[np.ndarray] = []
    for look in found.looks:
        best = -np.inf
        for problem in plans:
            choices = choices_above(problem, -np.inf, 10_000)
            assert choices is not None
            fits = Apart().mask(problem.rows(choices), taken)
            best = max(best, float(problem.text(choices)[fits].max()))
        assert look.value <= best + 1e-9 <= look.upper_bound + 2e-9
        if look.exact:
            assert look.value == pytest.approx(best, abs=2e-6)
        taken.append(look.rows)


def test_apart_by_hand() -> None:
    vectors = np.array([[1, 0], [1, 0.01], [0, 1], [-1, 0], [0, -1]], np.float32)
    apart = Apart(vectors, None, 0.9)
    rows = np.array([[0, 2], [1, 2], [0, 3], [3, 4]])
    assert apart.mask(rows, [np.array([0, 2])]).tolist() == [False, False, True, True]
    assert apart.mask(np.array([[0], [1]]), [np.array([0])]).tolist() == [False, True]  # one item each: by identity
    assert Apart().mask(rows, [np.array([0, 2])]).tolist() == [False, True, True, True]


@settings(max_examples=15, deadline=None)
@given(SEEDS, KINDS)
def test_alpha_trades_text_for_compatibility(seed: int, kind: str) -> None:
    """Of exact answers S never falls and the match never rises when alpha does."""
    s, texts = [], []
    for alpha in (0.0, 0.15, 0.3, 0.5, 0.7, 0.9, 1.0):
        problem = random_problem(seed, kind, alpha=alpha)
        look = solve([problem], 1, ENUMERATE).looks[0]
        assert look.exact
        s.append(float(problem.compatibility(problem.sets(look.picks[None]))[0]))
        texts.append(float(problem.similarities(look.picks[None])[0]))
    assert (np.diff(s[1:]) >= -1e-6).all()
    assert (np.diff(texts[:-1]) <= 1e-6).all()


@pytest.mark.parametrize("kind", ["pairs", "network", "saturated"])
def test_the_same_question_has_the_same_answer(kind: str) -> None:
    answers = []
    for _ in range(2):
        plans = [random_problem(7, kind, sizes=(30, 30, 30), rules=True), random_problem(8, kind, sizes=(30, 30))]
        answers.append(solve(plans, 3, SEARCH))
    for one, other in zip(*(found.looks for found in answers), strict=True):
        assert (one.plan, one.value, one.upper_bound) == (other.plan, other.value, other.upper_bound)
        np.testing.assert_array_equal(one.rows, other.rows)
    assert answers[0].scored == answers[1].scored


def test_the_best_of_several_plans() -> None:
    plans = [
        random_problem(seed, "network", sizes=sizes) for seed, sizes in enumerate([(5, 4), (6,), (3, 4, 3), (2, 2)])
    ]
    best = max(brute_force(problem)[0] for problem in plans)
    for effort in (ENUMERATE, replace(SEARCH, plans=2)):
        look = solve(plans, 1, effort).looks[0]
        assert look.value <= best + 1e-6 <= look.upper_bound + 2e-6
    assert solve(plans, 1, ENUMERATE).looks[0].value == pytest.approx(best, abs=1e-6)


class Slow:
    """A scorer that takes 3 ms whatever it is asked."""

    def __init__(self, pool: object) -> None:
        self.pool = pool

    def score(self, sets: np.ndarray) -> np.ndarray:
        time.sleep(0.003)
        return self.pool.score(sets)  # type: ignore[attr-defined]


def test_branch_and_bound_that_is_stopped_has_a_bound_that_holds() -> None:
    problem = random_problem(2, "pairs", sizes=(9, 9, 9, 9), alpha=1.0)
    best, _ = brute_force(problem)
    problem.tally.deadline = 0.0
    search = BranchAndBound(problem, [np.arange(9)] * 4)
    picks, value, upper = search.run(-np.inf)
    assert problem.tally.stopped
    assert picks is None
    assert value <= best <= upper + 1e-6
    problem.tally.deadline = FOREVER
    assert search.run(-np.inf)[1] == pytest.approx(best, abs=1e-6)


def test_plans_that_share_slots_share_their_tables() -> None:
    """As generation's shapes do: each pair of slots is asked about once, and the answer is that of brute force."""
    problem = random_problem(4, "pairs", sizes=(6, 5, 7, 4), alpha=0.7)
    plans = [replace(problem, slots=tuple(problem.slots[at] for at in some)) for some in combinations(range(4), 3)]
    best = max(brute_force(plan)[0] for plan in plans)
    asked: list[tuple[bytes, bytes]] = []

    class Counted(type(problem.pool)):  # type: ignore[misc]
        def pairs(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
            asked.append((rows.tobytes(), columns.tobytes()))
            return super().pairs(rows, columns)

    pool = copy.copy(problem.pool)
    pool.__class__ = Counted
    tables = PairTables()
    found = []
    for plan in plans:
        counted = replace(plan, pool=pool)
        found.append(BranchAndBound(counted, [np.arange(len(slot)) for slot in plan.slots], tables).run(-np.inf)[1])
    assert max(found) == pytest.approx(best, abs=1e-6)
    big = [one for one in asked if len(one[0]) > 8 * len(problem.have)]  # without those about what is given
    assert len(big) == len(set(big)) == 6


def test_a_deadline_leaves_an_answer_with_a_gap() -> None:
    for kind in ("network", "pairs"):
        problem = random_problem(5, kind, sizes=(60, 60, 60, 60), alpha=0.9)
        slow = Slow(problem.pool) if kind == "network" else problem.pool
        # The pairs are quick, but a busy machine may take its time.
        found = solve([replace(problem, pool=slow)], 1, Effort(deadline=0.02 if kind == "network" else 60.0))
        assert found.stopped == (kind == "network")
        if kind == "pairs":
            continue
        assert len(found.looks) == 1
        check_looks(problem, found)
        for look in found.looks:
            assert not look.exact
            assert look.gap > 0


@pytest.mark.parametrize("seed", range(4))
def test_words_alone_find_the_best_where_many_choices_are_invalid(seed: int) -> None:
    """However low the threshold, fewer choices than hoped for are valid: what was found is taken, not thrown away."""
    problem = random_problem(seed, "network", sizes=(300, 300, 300, 300), alpha=0.0, rules=True)
    found = solve([problem], 1, ENUMERATE)
    check_looks(problem, found)
    assert found.looks[0].exact
    better = choices_above(problem, found.looks[0].value + 1e-9, 1_000_000)
    assert better is not None
    assert len(better) == 0


def test_a_set_is_scored_once_whatever_its_order_and_whichever_plan_asks() -> None:
    pool, memory = NetworkTestPool(np.random.default_rng(0).normal(size=(9, 4))), Memory(limit=3)
    sets = np.array([[0, 1, 2], [2, 0, 1], [3, 4, -1], [0, 1, 2]])
    scores, asked = memory.scores(pool, sets)
    np.testing.assert_allclose(scores, pool.score(sets[[0, 0, 2, 0]]), rtol=1e-5)
    assert len(set(scores[[0, 1, 3]].tolist())) == 1
    assert asked == 2
    again, asked = memory.scores(pool, sets[::-1])
    np.testing.assert_array_equal(again, scores[::-1])
    assert asked == 0
    other = NetworkTestPool(np.random.default_rng(1).normal(size=(9, 4)))
    np.testing.assert_array_equal(
        memory.scores(other, sets[:1])[0], other.score(sets[:1])
    )  # its own, not the first pool's
    memory.scores(other, np.array([[0, 1], [0, 2], [0, 3]]))
    assert memory.scores(other, sets[:1])[1] == 1  # more than the limit were known, and forgotten


def test_a_lone_item_is_ranked_by_text_alone_and_needs_no_scorer() -> None:
    problem = random_problem(3, "network", sizes=(40,), given=0)
    found = solve([problem], 40, SEARCH)
    order = np.lexsort((np.arange(40), -problem.slots[0].similarity))
    assert [int(look.rows[0]) for look in found.looks] == order.tolist()
    assert found.scored == 0
    assert all(look.exact for look in found.looks)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(0, 60), st.booleans())
def test_few_choices_exceed_the_text_threshold(seed: int, limit: int, rules: bool) -> None:
    problem = random_problem(seed, sizes=(4, 5, 3), rules=rules)
    if not all(len(slot) for slot in problem.slots):
        return
    threshold = text_threshold(problem, limit)
    every = choices_above(problem, -np.inf, 1_000)
    some = choices_above(problem, threshold, 1_000)
    assert every is not None
    assert some is not None
    assert len(some) <= limit
    wanted = np.sort(problem.text(every)[problem.text(every) > threshold + 1e-12])
    np.testing.assert_allclose(np.sort(problem.text(some))[-len(wanted) :] if len(wanted) else [], wanted)


def test_retrieval_by_complement_brings_in_what_no_shortlist_has() -> None:
    problem = random_problem(11, "network", sizes=(200, 200), given=1, wishes=0)
    vectors = np.random.default_rng(11).normal(size=(401, 12)).astype(np.float32)
    blind = replace(
        problem,
        pool=ComplementTestPool(vectors, 4),
        slots=tuple(replace(slot, shortlist=np.arange(3)) for slot in problem.slots),
    )
    with_help = solve([blind], 1, replace(SEARCH, certify=0)).looks[0]
    alone = solve([replace(blind, pool=super_pool(blind.pool))], 1, replace(SEARCH, certify=0)).looks[0]
    assert max(with_help.picks) > 2
    assert max(alone.picks) <= 2
    assert with_help.value > alone.value


def super_pool(pool: ComplementTestPool) -> object:
    class Plain:
        def score(self, sets: np.ndarray) -> np.ndarray:
            return pool.score(sets)

    return Plain()


def test_bad_requests() -> None:
    problem = random_problem(0)
    with pytest.raises(ValueError, match="n must be"):
        solve([problem], 0)
    with pytest.raises(ValueError, match="no plan"):
        solve([])
    for name, value in {"deadline": 0, "beam_width": 0, "exact_below": -1}.items():
        with pytest.raises(ValueError, match=name):
            Effort(**{name: value})
