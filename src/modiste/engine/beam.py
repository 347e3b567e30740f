"""Beam search and local search: for scorers that can only be asked, and pools too large to look at every choice.

The beam fills the slots in turn and keeps the best partial outfits, judged by S of what is there and the text so far. From its
results a local search exchanges one item at a time, for the best candidate, until nothing improves; then two at a time in the
best one. In between, the pool is asked what goes with the best look so far (complementary retrieval, or pair terms), which
brings in candidates that no shortlist by text holds. Nothing here is random, and nothing it finds is called optimal.

Shapes: B choices, k slots, m candidates of a shortlist.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import combinations
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from modiste.engine.exact import Picks, evaluate, scored
from modiste.engine.objective import Values
from modiste.engine.problem import Problem

Places = NDArray[np.int64]
Propose = Callable[[Problem, Picks, int], Places]  # a whole choice (k,) and a slot -> more places for that slot

_SWEEPS = 6
_ROUNDS = 3
_PAIR_CANDIDATES = 32  # of a slot, when two items are exchanged at once
_PAIR_CHOICES = 3_072  # of two items at once, tried in a round: of more slots fewer candidates each
_KEPT = 4_096
_LAST_CHANCE = 32  # choices scored although it is too late, when there is nothing else to answer


class Archive:
    """Whole, valid choices that were scored, best first, without repetition."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._picks: list[Picks] = [np.zeros((0, len(problem.slots)), dtype=np.int64)]
        self._values: list[Values] = [np.zeros(0)]
        self.best = -np.inf

    def add(self, picks: Picks, values: Values) -> None:
        if len(values):
            self._picks.append(picks)
            self._values.append(values)
            self.best = max(self.best, float(values.max()))

    def top(self, count: int = _KEPT) -> tuple[Picks, Values]:
        """The best `count` choices and their values."""
        if len(self._picks) > 1:  # merged only when asked for
            picks, values = np.concatenate(self._picks), np.concatenate(self._values)
            order = best_first(self.problem, picks, values)
            picks, values = picks[order], values[order]
            # Repetitions of a choice have one value and are neighbours in this order.
            fresh = np.append(True, (picks[1:] != picks[:-1]).any(axis=1)) if len(picks) else np.zeros(0, dtype=bool)
            self._picks, self._values = [picks[fresh][:_KEPT]], [values[fresh][:_KEPT]]
        return self._picks[0][:count], self._values[0][:count]


def best_first(problem: Problem, picks: Picks, values: Values) -> NDArray[np.int64]:
    """An order of (B, k) choices: by value, then by similarity to the wishes, then by the items' places in the pool.

    Values are compared to 12 digits, so that a difference in how a sum was rounded decides nothing.
    """
    rows = problem.rows(picks) if problem.slots else picks
    keys = [rows[:, at] for at in range(rows.shape[1] - 1, -1, -1)]
    return np.lexsort((*keys, -np.round(problem.similarities(picks), 12), -np.round(values, 12)))


def beam(
    problem: Problem, shortlists: Sequence[Places], width: int, archive: Archive, *, must_finish: bool = False
) -> None:
    """Fill the slots in turn out of their shortlists; what is complete and valid goes to the archive.

    With `must_finish` a deadline that passes on the way does not leave it empty-handed: the rest is chosen by text.
    """
    rules = problem.constraints
    able = np.array([rules.answers[slot.rows].any(axis=0) for slot in problem.slots])  # (k, R)
    cheapest = [float(rules.prices[slot.rows].min(initial=np.inf)) for slot in problem.slots]
    picks = np.zeros((1, 0), dtype=np.int64)
    for at in range(len(problem.slots)):
        late = _late(problem)
        if len(picks) == 0 or (late and not must_finish):
            return
        places = shortlists[at]
        grown = np.concatenate([np.repeat(picks, len(places), axis=0), np.tile(places, len(picks))[:, None]], axis=1)
        rows = np.stack([problem.slots[one].rows[grown[:, one]] for one in range(at + 1)], axis=1)
        keep = np.ones(len(grown), dtype=bool)
        for earlier in range(at):
            keep &= ~rules.conflict(rows[:, earlier], rows[:, at])
        cost = float(rules.cost(problem.have)) + rules.cost(rows)
        keep &= rules.within_budget(cost + sum(cheapest[at + 1 :]))
        sets = np.concatenate([np.broadcast_to(problem.have, (len(rows), len(problem.have))), rows], axis=1)
        if rules.always.size:
            keep &= ~(rules.unmet(sets) & ~able[at + 1 :].any(axis=0)).any(axis=1)
        grown, sets = grown[keep], sets[keep]
        if at == len(problem.slots) - 1:
            if late:
                grown = grown[np.argsort(-problem.text(grown), kind="stable")[:_LAST_CHANCE]]
                archive.add(grown, problem.values(grown))
            else:
                archive.add(*evaluate(problem, grown))
            return
        worth = problem.text(grown)
        if problem.needs_scorer and not late:
            worth = worth + problem.weight * problem.compatibility(sets)
        # A lone item has no S yet: nothing to choose by but text, so all of them stay.
        room = max(width, len(places)) if sets.shape[1] == 1 else width
        rank = np.lexsort((*(grown[:, one] for one in range(at, -1, -1)), -np.round(worth, 12)))
        picks = grown[rank[:room]]


def local_search(
    problem: Problem, shortlists: Sequence[Places], starts: int, archive: Archive, propose: Propose | None = None
) -> list[Places]:
    """Improve the archive's best choices until no exchange of one item, nor of two in the best, improves.

    Returns the shortlists with the candidates that were added on the way.
    """
    shortlists = list(shortlists)
    for _ in range(_ROUNDS):
        before = archive.best
        _exchange_one(problem, shortlists, starts, archive)
        best = archive.top(1)[0]
        if propose is not None and len(best) and not _late(problem):
            for at in range(len(problem.slots)):
                added = propose(problem, best[0], at)
                shortlists[at] = np.concatenate([shortlists[at], np.setdiff1d(added, shortlists[at])])
            _exchange_one(problem, shortlists, starts, archive)
        _exchange_two(problem, shortlists, archive)
        if archive.best <= before + 1e-12 or _late(problem):
            break
    return shortlists


def _exchange_one(problem: Problem, shortlists: Sequence[Places], starts: int, archive: Archive) -> None:
    current, worth = archive.top(starts)
    for _ in range(_SWEEPS):
        improved = False
        for at, places in enumerate(shortlists):
            if len(current) == 0 or _late(problem):
                return
            trial = np.repeat(current, len(places), axis=0)
            trial[:, at] = np.tile(places, len(current))
            there = trial[:, at] != np.repeat(current[:, at], len(places))
            fits = np.flatnonzero(there)
            fits = fits[problem.constraints.valid(problem.sets(trial[fits]))]
            values = scored(problem, trial[fits])
            archive.add(trial[fits[: len(values)]], values)
            worths = np.full(len(trial), -np.inf)
            worths[fits[: len(values)]] = values
            table = worths.reshape(len(current), len(places))
            chosen = table.argmax(axis=1)
            better = table[np.arange(len(current)), chosen] > worth + 1e-12
            if better.any():
                improved = True
                current, worth = current.copy(), np.where(better, table.max(axis=1), worth)
                current[better, at] = places[chosen[better]]
                distinct = np.sort(np.unique(current, axis=0, return_index=True)[1])  # two starts may have met
                current, worth = current[distinct], worth[distinct]
        if not improved:
            return


def _exchange_two(problem: Problem, shortlists: Sequence[Places], archive: Archive) -> None:
    """Two items of the best choice at once, each of the candidates that would do best alone in its place."""
    found, _ = archive.top(1)
    if len(found) == 0 or len(shortlists) < 2:
        return
    pairs = len(shortlists) * (len(shortlists) - 1) // 2
    candidates = min(_PAIR_CANDIDATES, max(2, isqrt(_PAIR_CHOICES // pairs)))
    best, promising = found[0], []
    for at, places in enumerate(shortlists):
        if _late(problem):
            return
        trial = np.repeat(best[None], len(places), axis=0)
        trial[:, at] = places
        # A candidate that conflicts with another item may fit once that is exchanged too: judged all the same, unless it
        # is that very item.
        rows = problem.sets(trial)
        own = rows[:, len(problem.have) + at, None]
        single = (rows == own).sum(axis=1) == 1
        values = np.full(len(trial), -np.inf)
        values[single] = problem.values(trial[single])
        promising.append(places[np.lexsort((places, -np.round(values, 12)))[:candidates]])
    for one, other in combinations(range(len(shortlists)), 2):
        if _late(problem):
            return
        trial = np.repeat(best[None], len(promising[one]) * len(promising[other]), axis=0)
        trial[:, one] = np.repeat(promising[one], len(promising[other]))
        trial[:, other] = np.tile(promising[other], len(promising[one]))
        fits = problem.constraints.valid(problem.sets(trial))
        archive.add(*evaluate(problem, trial[fits]))


def _late(problem: Problem) -> bool:
    if problem.needs_scorer and time.perf_counter() > problem.tally.deadline:
        problem.tally.stopped = True
    return problem.tally.stopped
