"""The best valid outfits of some plans, and what can honestly be said about them.

(a) Few choices in all: every one is scored. Exact.
(b) A scorer of pairs (`PairwisePool`): branch and bound. Exact, unless the deadline stops it, then with a proven gap.
(c) Otherwise: beam, local search, and an upper bound from the text terms (S is at most 1). The answer is exact only if that
    bound proves it; else it is the best that was found, with its gap. It is never called optimal.

Nothing is random, so the same plans give the same answer, as long as the deadline does not cut the work short.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from modiste.engine.beam import Archive, beam, best_first, local_search
from modiste.engine.bound import BranchAndBound, PairTables
from modiste.engine.constraints import Rows
from modiste.engine.exact import Picks, certify, choices_above, evaluate, text_threshold
from modiste.engine.objective import NEUTRAL, Values
from modiste.engine.problem import Problem, Tally
from modiste.engine.shortlist import propose
from modiste.types import FloatArray, PairwisePool

_TEXT_CHOICES = 1_000_000  # choices held at most where only the text counts
TOLERANCE = 1e-6  # values that differ by less are equal: scorers are float32


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work an answer may cost."""

    exact_below: int = 8_000  # (a): choices that are all scored
    pair_terms: int = 2_000_000  # (b): pair terms held for a plan; larger plans are searched on their shortlists
    shortlist: int = 64  # (c): candidates of a slot looked at first
    beam_width: int = 16
    certify: int = 5_000  # (c): choices scored to lower the bound
    plans: int = 3  # (c): plans searched in full, the most promising ones
    deadline: float = 2.0  # seconds; infinite for answers that never depend on the machine's speed

    def __post_init__(self) -> None:
        for name in ("exact_below", "pair_terms", "certify"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        for name in ("shortlist", "beam_width", "plans"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not self.deadline > 0:
            raise ValueError(f"deadline must be a positive number of seconds, not {self.deadline}")


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """When two looks count as different: what a list of looks is kept apart by.

    Of the items that were chosen (those given are in every look) at most half are shared, and S_O, the cosine between the means
    of the two looks' item vectors after the catalogue's mean vector was taken off, is at most `max_similarity`. Two looks
    of one chosen item each differ if the items do.
    """

    vectors: FloatArray | None = None  # (N, D) of the pool
    centre: FloatArray | None = None  # (D,)
    max_similarity: float = 0.9

    def similarity(self, rows: Rows, other: Rows) -> Values:
        """S_O of (B, k) looks with one look (k',); 0 without vectors."""
        if self.vectors is None:
            return np.zeros(len(rows))
        return cosine(self._mean(rows), self._mean(other[None]))

    def _mean(self, rows: Rows) -> Values:
        assert self.vectors is not None
        mean = self.vectors[rows].astype(np.float64).mean(axis=1)
        return mean if self.centre is None else mean - self.centre

    def mask(self, rows: Rows, others: Sequence[Rows]) -> NDArray[np.bool_]:
        """(B, k) -> (B,) whether each look is apart from all others."""
        found = np.ones(len(rows), dtype=bool)
        for other in others:
            shared = np.isin(rows, other).sum(axis=1)
            found &= shared <= min(rows.shape[1], len(other)) // 2
            if rows.shape[1] > 1 and len(other) > 1:
                left = np.flatnonzero(found)
                found[left] = self.similarity(rows[left], other) <= self.max_similarity
        return found


def cosine(one: Values, other: Values) -> Values:
    """(B, D), (1, D) -> (B,)."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    found: Values = (one * other).sum(axis=1) / np.maximum(lengths, 1e-12)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """One look: its plan, the rows chosen for the plan's slots, its value, and the bound no look can pass in its place."""

    plan: int
    rows: Rows  # (k,)
    picks: Picks  # (k,)
    value: float
    upper_bound: float

    @property
    def exact(self) -> bool:
        """Whether nothing better is possible in its place, to the scorer's precision."""
        return self.gap <= TOLERANCE

    @property
    def gap(self) -> float:
        """How much better a look in its place could be at most."""
        return max(0.0, self.upper_bound - self.value)


@dataclass(frozen=True, slots=True, eq=False)
class Solved:
    """The looks, best first, and how they were found."""

    looks: tuple[Solution, ...]
    upper_bound: float
    method: str  # "enumeration", "branch and bound", "beam"
    scored: int
    seconds: float
    stopped: bool  # by the deadline


def solve(plans: Sequence[Problem], n: int = 1, effort: Effort | None = None, apart: Apart | None = None) -> Solved:
    """The best n looks, kept apart, of one or several plans. No looks: nothing valid was found (and see `method`).

    Raises `ValueError` for n < 1 or no plans.
    """
    effort, apart = effort or Effort(), apart or Apart()
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}")
    if not plans:
        raise ValueError("nothing to solve: no plan")
    start = time.perf_counter()
    tally = Tally(deadline=start + effort.deadline)
    for problem in plans:
        problem.tally.deadline, problem.tally.scored, problem.tally.stopped = tally.deadline, 0, False
    able = [at for at, problem in enumerate(plans) if problem.may_be_solved]
    run = _Run(plans, able, n, effort, apart)
    whole = all(problem.outside_bound == -np.inf for problem in plans)
    if whole and sum(plans[at].combinations for at in able if plans[at].needs_scorer) <= effort.exact_below:
        method, looks = "enumeration", run.enumerate()
    elif all(isinstance(plans[at].pool, PairwisePool) for at in able):
        method, looks = "branch and bound", run.branch_and_bound()
    else:
        method, looks = "beam", run.beam()
    return Solved(
        tuple(looks),
        max((look.upper_bound for look in looks), default=-np.inf),
        method,
        sum(problem.tally.scored for problem in plans),
        time.perf_counter() - start,
        any(problem.tally.stopped for problem in plans),
    )


class _Run:
    """One call of `solve`."""

    def __init__(self, plans: Sequence[Problem], able: Sequence[int], n: int, effort: Effort, apart: Apart) -> None:
        self.plans, self.able, self.n, self.effort, self.apart = plans, able, n, effort, apart
        # Plans of which nothing is known that could be chosen, but something was left out that might be.
        hidden = [problem for at, problem in enumerate(plans) if at not in able and problem.outside_bound > -np.inf]
        self.unseen = max((problem.trivial_bound for problem in hidden), default=-np.inf)

    # (a) -------------------------------------------------------------------------------------------------------------

    def enumerate(self) -> list[Solution]:
        found: dict[int, tuple[Picks, Values]] = {}
        bounds = {}
        for at in self.able:
            problem = self.plans[at]
            if problem.needs_scorer:
                choices = choices_above(problem, -np.inf, 1 << 62)
                assert choices is not None
                picks, values = evaluate(problem, choices)
                # Choices that the deadline left out are bounded by the text of the last one that was scored.
                bounds[at] = -np.inf
                if len(picks) < len(choices):
                    left = float(problem.text(picks[-1:] if len(picks) else choices).max())
                    bounds[at] = problem.weight * problem.best_compatibility + left
            else:
                picks, values, bounds[at] = self._without_scorer(problem)
            order = best_first(problem, picks, values)
            found[at] = picks[order], values[order]
        looks = self._greedy(found)
        left = max(bounds.values(), default=-np.inf)
        # Every choice above that bound was looked at, so a look that reaches it is the best of those apart from the looks
        # before it.
        return [Solution(*look, max(look[3], left)) for look in looks]

    def _without_scorer(self, problem: Problem) -> tuple[Picks, Values, float]:
        """Only the text counts: the best choices, as many as it may take to find n looks that are apart, their values, and
        an upper bound of all others.
        """
        enough, threshold = 50 * self.n, -np.inf
        if len(problem.slots) == 1:
            picks = np.arange(len(problem.slots[0]), dtype=np.int64)[:, None]
            picks = picks[problem.constraints.valid(problem.sets(picks))]
            return picks, problem.values(picks), -np.inf
        kept, limit, bound = None, enough, problem.trivial_bound
        while kept is None or len(kept) < min(enough, problem.combinations):
            threshold = text_threshold(problem, limit) if limit < problem.combinations else -np.inf
            choices = choices_above(problem, threshold, _TEXT_CHOICES)
            if choices is None:  # too many on the way: what was found with a higher threshold has to do
                break
            kept, bound = choices, problem.weight * NEUTRAL + threshold
            if threshold == -np.inf:
                break
            limit *= 8
        if kept is None or not len(kept):
            archive = Archive(problem)
            beam(problem, [slot.shortlist for slot in problem.slots], self.effort.beam_width, archive)
            return *archive.top(), bound
        return kept, problem.values(kept), bound

    # (b) -------------------------------------------------------------------------------------------------------------

    def branch_and_bound(self) -> list[Solution]:
        searched, tables, outside = {}, PairTables(), -np.inf
        archives = self._quick(self.able)
        order = sorted(self.able, key=lambda at: (-archives[at].best, at))
        # Of plans too large to be searched whole, only the most promising are; the others keep their trivial bound.
        large = [at for at in order if self.plans[at].needs_scorer and not self._fits(self.plans[at])]
        left = set(large[self.effort.plans :])
        looks: list[Solution] = []
        for _ in range(self.n):
            chosen = [look.rows for look in looks]
            best, winner, bound = -np.inf, None, self.unseen
            for at in order:
                problem = self.plans[at]
                first = self._greedy({at: archives[at].top()}, chosen, 1)
                if first and first[0][3] > best:
                    best, winner = first[0][3], (at, first[0][2])
            for at in order:
                problem = self.plans[at]
                bound = max(bound, problem.outside_bound)
                if problem.trivial_bound <= best:
                    continue
                if at in left:
                    bound = max(bound, problem.trivial_bound)
                    continue
                if not problem.needs_scorer or problem.size < 2:
                    some, worth, rest = self._without_scorer(problem)
                    ranked = best_first(problem, some, worth)
                    bound = max(bound, rest)
                    first = self._greedy({at: (some[ranked], worth[ranked])}, chosen, 1)
                    if first and first[0][3] > best:
                        best, winner = first[0][3], (at, first[0][2])
                    continue
                if at not in searched and winner is not None and time.perf_counter() > problem.tally.deadline:
                    problem.tally.stopped = True
                    bound = max(bound, problem.trivial_bound)
                    continue
                if at not in searched:
                    places = self._places(problem, archives[at])
                    if any(len(one) < len(slot) for one, slot in zip(places, problem.slots, strict=True)):
                        outside = max(outside, _beyond(problem, places))
                    searched[at] = BranchAndBound(problem, places, tables)
                picks, value, upper = searched[at].run(best, partial(self._apart, problem, chosen))
                bound = max(bound, upper)
                if picks is not None:
                    best, winner = value, (at, picks)
            if winner is None:
                break
            at, picks = winner
            value = float(self.plans[at].values(picks[None])[0])
            upper = max(value, bound, outside)
            looks.append(Solution(at, self.plans[at].rows(picks[None])[0], picks, value, upper))
        return looks

    def _apart(self, problem: Problem, chosen: Sequence[Rows], picks: Picks) -> NDArray[np.bool_]:
        return self.apart.mask(problem.rows(picks), chosen)

    def _fits(self, problem: Problem) -> bool:
        counts = [len(slot) for slot in problem.slots]
        terms = sum(one * other for at, one in enumerate(counts) for other in counts[at + 1 :])
        return terms <= self.effort.pair_terms

    def _places(self, problem: Problem, archive: Archive) -> list[NDArray[np.int64]]:
        """All candidates if their pair terms fit, else the shortlists, after a local search has added to them."""
        if self._fits(problem):
            return [np.arange(len(slot), dtype=np.int64) for slot in problem.slots]
        shortlists = [slot.shortlist for slot in problem.slots]
        beam(problem, shortlists, self.effort.beam_width, archive)
        return local_search(problem, shortlists, self.effort.beam_width // 2 + 1, archive, propose)

    # (c) -------------------------------------------------------------------------------------------------------------

    def beam(self) -> list[Solution]:
        archives = self._quick(self.able) if len(self.able) > self.effort.plans else {}
        order = sorted(self.able, key=lambda at: (-archives[at].best if at in archives else 0.0, at))
        searched = order[: self.effort.plans]
        for at in searched:
            problem = self.plans[at]
            archive = archives.setdefault(at, Archive(problem))
            shortlists = [slot.shortlist for slot in problem.slots]
            nothing = all(other.best == -np.inf for other in archives.values())
            beam(problem, shortlists, self.effort.beam_width, archive, must_finish=nothing)
            local_search(problem, shortlists, self.effort.beam_width // 2 + 1, archive, propose)
        best = max((archive.best for archive in archives.values()), default=-np.inf)
        bound = self.unseen
        for at in self.able:
            problem = self.plans[at]
            if at in searched:
                picks, values, upper = certify(problem, best, self.effort.certify // len(searched))
                archives[at].add(picks, values)
                best = max(best, archives[at].best)
            else:
                upper = problem.trivial_bound
            bound = max(bound, upper)
        looks = self._greedy({at: archive.top() for at, archive in archives.items()})
        # A look after the first stands in a smaller field, so the bound of all holds for it too.
        return [Solution(*look, max(look[3], bound)) for look in looks]

    # shared ----------------------------------------------------------------------------------------------------------

    def _quick(self, plans: Sequence[int]) -> dict[int, Archive]:
        """A narrow beam on short shortlists for each plan: which are promising."""
        width, room = max(2, self.effort.beam_width // 4), max(4, self.effort.shortlist // 4)
        archives = {}
        for at in plans:
            problem = self.plans[at]
            archives[at] = Archive(problem)
            short = [_shorter(slot.shortlist, slot.text, room) for slot in problem.slots]
            nothing = all(archive.best == -np.inf for archive in archives.values())
            beam(problem, short, width, archives[at], must_finish=nothing)
        return archives

    def _greedy(
        self, found: dict[int, tuple[Picks, Values]], chosen: Sequence[Rows] = (), n: int | None = None
    ) -> list[tuple[int, Rows, Picks, float]]:
        """The best n of ranked choices of several plans, each apart from those before it."""
        looks: list[tuple[int, Rows, Picks, float]] = []
        taken, step = list(chosen), 512
        for _ in range(self.n if n is None else n):
            best: tuple[int, Rows, Picks, float] | None = None
            for at, (picks, values) in found.items():
                for start in range(0, len(picks), step):
                    part = slice(start, start + step)
                    if best is not None and values[start] <= best[3]:
                        break
                    rows = self.plans[at].rows(picks[part])
                    fits = np.flatnonzero(self.apart.mask(rows, taken))
                    if len(fits):
                        first = int(fits[0])
                        if best is None or values[start + first] > best[3]:
                            best = at, rows[first], picks[start + first], float(values[start + first])
                        break
            if best is None:
                break
            looks.append(best)
            taken.append(best[1])
        return looks


def _shorter(places: NDArray[np.int64], text: Values, room: int) -> NDArray[np.int64]:
    """Half by text, half evenly spaced."""
    if len(places) <= room:
        return places
    by_text = places[np.argsort(-text[places], kind="stable")[: room // 2]]
    evenly = places[np.linspace(0, len(places) - 1, room - len(by_text)).astype(np.int64)]
    return np.unique(np.concatenate([by_text, evenly]))


def _beyond(problem: Problem, places: Sequence[NDArray[np.int64]]) -> float:
    """No choice with a candidate outside of `places` is worth more."""
    most = [slot.most for slot in problem.slots]
    found = -np.inf
    for at, (slot, inside) in enumerate(zip(problem.slots, places, strict=True)):
        left = np.ones(len(slot), dtype=bool)
        left[inside] = False
        if left.any():
            found = max(found, float(slot.text[left].max()) + sum(most) - most[at])
    return problem.weight * problem.best_compatibility + found
