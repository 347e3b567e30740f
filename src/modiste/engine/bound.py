"""Branch and bound for scorers whose S rises with the mean over pairs (`PairwisePool`): exact, without looking at every choice.

A node has chosen items for the first slots. Its bound replaces, for every slot that is still open, what the items there can
add by the most that any single candidate could: its pair terms with what is chosen, plus half of its largest pair term with
each other open slot (each pair of open slots is thus counted once, half from either end), and separately the largest text
term. S never falls when the mean of the pairs rises, so the bound is never too low (it is *admissible*). The last two slots are
looked at together, as one matrix.

Shapes: n candidates of a slot, k slots.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from modiste.engine.constraints import Rows
from modiste.engine.objective import Values
from modiste.engine.problem import Problem
from modiste.types import PairwisePool

Picks = NDArray[np.int64]
Allowed = Callable[[Picks], NDArray[np.bool_]]

_BATCH = 256


class PairTables:
    """The pair terms of two slots' candidates, -inf where a rule forbids the pair; made once for all plans that need them.

    Shapes of outfits differ in few of their slots: sixty of them share some thirty tables.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[int, int, bytes, bytes], Values] = {}

    def of(self, problem: Problem, one: Rows, other: Rows) -> Values:
        """(n,) and (m,) rows -> (n, m), not to be written to."""
        pool, rules = problem.pool, problem.constraints
        assert isinstance(pool, PairwisePool)
        key = id(pool), id(rules), one.tobytes(), other.tobytes()
        if key not in self._made:
            back = self._made.get((id(pool), id(rules), key[3], key[2]))
            if back is not None:
                return back.T
            terms = _wide(pool.pairs(one, other))
            terms[rules.conflict(one[:, None], other[None, :])] = -np.inf
            self._made[key] = terms
        return self._made[key]


class BranchAndBound:
    """The best choice out of some places of each slot; made once for a plan, run once for each look that is wanted."""

    def __init__(self, problem: Problem, places: Sequence[NDArray[np.int64]], tables: PairTables | None = None) -> None:
        """`tables`: of the other plans of the same request, if there are any."""
        if not isinstance(problem.pool, PairwisePool) or not problem.slots:
            raise ValueError("branch and bound needs a PairwisePool and at least one slot")
        self.problem, self.places = problem, places
        tables = tables or PairTables()
        rules, pool = problem.constraints, problem.pool
        self.rows = [slot.rows[place] for slot, place in zip(problem.slots, places, strict=True)]
        self.text = [slot.text[place] for slot, place in zip(problem.slots, places, strict=True)]
        self.prices = [rules.prices[rows] for rows in self.rows]
        self.num_pairs = problem.size * (problem.size - 1) / 2
        have, count = problem.have, len(self.rows)
        self.given = float(np.triu(_wide(pool.pairs(have, have)), 1).sum()) if len(have) > 1 else 0.0
        self.with_given = [
            _wide(pool.pairs(have, rows)).sum(axis=0) if len(have) else np.zeros(len(rows)) for rows in self.rows
        ]
        self.pairs: dict[tuple[int, int], Values] = {}
        for one in range(count):
            for other in range(one + 1, count):
                terms = tables.of(problem, self.rows[one], self.rows[other])
                self.pairs[one, other], self.pairs[other, one] = terms, terms.T
        # half[depth][slot]: half of the largest pair terms of each candidate with the other slots from `depth` on
        self.half = [
            [
                sum(
                    (
                        self.pairs[slot, other].max(axis=1, initial=-np.inf) / 2
                        for other in range(depth, count)
                        if other != slot
                    ),
                    np.zeros(len(self.rows[slot])),
                )
                for slot in range(count)
            ]
            for depth in range(count + 1)
        ]
        self.most_text = np.append(np.cumsum([text.max(initial=-np.inf) for text in self.text][::-1])[::-1], 0.0)
        self.least_cost = np.append(np.cumsum([one.min(initial=np.inf) for one in self.prices][::-1])[::-1], 0.0)

    def run(self, best: float, allowed: Allowed | None = None) -> tuple[Picks | None, float, float]:
        """A choice of value above `best` that no other beats, or None; its value; and an upper bound of all choices looked at.

        The bound equals the larger of `best` and the value unless the deadline of the problem's tally stopped the search.
        `allowed` may refuse whole choices, (B, k) places in the slots. Values are exact to the scorer's float32.
        """
        self.best, self.found, self.left_open = best, None, -np.inf
        self.allowed = allowed
        cost = float(self.problem.constraints.cost(self.problem.have))
        self._search(0, [], self.given, list(self.with_given), 0.0, cost)
        found: Picks | None = self.found
        return found, self.best, max(self.best, self.left_open)

    def value(self, sums: Values) -> Values:
        """weight · S from sums over all pairs; -inf stays -inf."""
        pool = self.problem.pool
        assert isinstance(pool, PairwisePool)
        found = np.full(sums.shape, -np.inf)
        finite = np.isfinite(sums)
        link = pool.link((sums[finite] / self.num_pairs).astype(np.float32))
        found[finite] = self.problem.weight * self.problem.objective.compatibility(link)
        return found

    def _search(
        self, depth: int, chosen: list[int], known: float, cross: list[Values], text: float, cost: float
    ) -> None:
        count = len(self.rows)
        if depth >= count - 2:
            self._finish(depth, chosen, known, cross, text, cost)
            return
        # The bound of every child at once, (n,)
        sums = known + cross[depth]
        for slot in range(depth + 1, count):
            sums = sums + (self.pairs[depth, slot] + (cross[slot] + self.half[depth + 1][slot])[None, :]).max(axis=1)
        bounds = self.value(sums) + text + self.text[depth] + self.most_text[depth + 1]
        affordable = self.problem.constraints.within_budget(cost + self.prices[depth] + self.least_cost[depth + 1])
        bounds[~affordable] = -np.inf
        for child in np.argsort(-bounds, kind="stable").tolist():
            if bounds[child] <= self.best:
                return
            if time.perf_counter() > self.problem.tally.deadline:
                self.problem.tally.stopped = True
                self.left_open = max(self.left_open, float(bounds[child]))  # children come in the order of their bounds
                return
            deeper = [
                cross[slot] if slot <= depth else cross[slot] + self.pairs[depth, slot][child] for slot in range(count)
            ]
            self._search(
                depth + 1,
                [*chosen, child],
                known + float(cross[depth][child]),
                deeper,
                text + float(self.text[depth][child]),
                cost + float(self.prices[depth][child]),
            )

    def _finish(
        self, depth: int, chosen: list[int], known: float, cross: list[Values], text: float, cost: float
    ) -> None:
        """Look at every choice for the last slot or the last two."""
        if depth == len(self.rows) - 1:
            sums, texts, costs = known + cross[depth][:, None], self.text[depth][:, None], self.prices[depth][:, None]
        else:
            last = depth + 1
            sums = known + cross[depth][:, None] + cross[last][None, :] + self.pairs[depth, last]
            texts = self.text[depth][:, None] + self.text[last][None, :]
            costs = self.prices[depth][:, None] + self.prices[last][None, :]
        values = self.value(sums) + text + texts
        values[~self.problem.constraints.within_budget(cost + costs)] = -np.inf
        flat = values.ravel()
        better = np.flatnonzero(flat > self.best)
        better = better[np.argsort(-flat[better], kind="stable")]
        for start in range(0, len(better), _BATCH):
            part = better[start : start + _BATCH]
            tail = np.stack(np.unravel_index(part, values.shape), axis=1)[:, : len(self.rows) - depth]
            picks = np.concatenate(
                [np.broadcast_to(np.array(chosen, dtype=np.int64), (len(part), depth)), tail], axis=1
            )
            picks = np.stack([self.places[at][picks[:, at]] for at in range(picks.shape[1])], axis=1)
            fits = self.problem.constraints.valid(self.problem.sets(picks))
            if self.allowed is not None:
                fits &= self.allowed(picks)
            if fits.any():
                first = int(np.flatnonzero(fits)[0])
                self.best, self.found = float(flat[part[first]]), picks[first]
                return


def _wide(values: NDArray[np.float32]) -> Values:
    return np.array(values, dtype=np.float64)
