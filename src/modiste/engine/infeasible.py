"""When a search found nothing: an exact look for any outfit at all, or the reason why there is none, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from modiste.engine.conflicts import NoFeasibleOutfit, TooHard, find_outfit, minimal_conflict
from modiste.engine.constraints import Rows
from modiste.engine.plans import Wanted
from modiste.engine.problem import Problem
from modiste.engine.rules import Rule
from modiste.engine.solve import Solution, Solved
from modiste.engine.world import World


def last_resort(
    plans: Sequence[Problem],
    solved: Solved,
    world: World,
    given: Rows,
    wants: Sequence[Sequence[Wanted]],
    rules: Sequence[Rule],
    own: bool,
) -> Solved:
    """The search with the one outfit that there is after all; raises `NoFeasibleOutfit` where there is none.

    `own`: all items given are the catalogue's, so that the rules to blame can be told.
    """
    undecided = False
    for at, problem in enumerate(plans):
        try:
            rows = find_outfit(problem.constraints, problem.have, [slot.rows for slot in problem.slots])
        except TooHard:
            undecided = True
            continue
        if rows is not None:
            picks = np.array([np.searchsorted(slot.rows, row) for slot, row in zip(problem.slots, rows, strict=True)])
            value = float(problem.values(picks[None])[0])
            bound = max(value, *(one.trivial_bound for one in plans))
            look = Solution(at, np.array(rows, dtype=np.int64), picks, value, bound)
            return replace(solved, looks=(look,), upper_bound=bound)
    if undecided:
        raise NoFeasibleOutfit("no outfit was found that satisfies the rules; whether there is one is not known")
    if not own:
        raise NoFeasibleOutfit("no outfit with the items given satisfies the rules")
    raise infeasible(world, given, wants, rules)


def infeasible(world: World, given: Rows, wants: Sequence[Sequence[Wanted]], rules: Sequence[Rule]) -> NoFeasibleOutfit:
    """Which rules are in conflict, or which slots nothing can fill; `wants` are the slots of each shape that was tried."""

    def feasible(some: tuple[Rule, ...]) -> bool:
        constraints = world.constraints(some)
        for slots in wants:
            try:
                if find_outfit(constraints, given, [one.rows for one in slots]) is not None:
                    return True
            except TooHard:
                return True
        return False

    if feasible(tuple(rules)):
        return NoFeasibleOutfit("no outfit was found that satisfies the rules; whether there is one is not known")
    blamed = minimal_conflict(rules, feasible)
    if blamed:
        words = "; ".join(f"({number}) {rule}" for number, rule in enumerate(blamed, 1))
        return NoFeasibleOutfit(f"no outfit satisfies these rules together: {words}", blamed)
    empty = [
        f"slot {number} ({'/'.join(sorted(one.slot.categories)) or 'any item'})"
        for slots in wants
        for number, one in enumerate(slots, 1)
        if not len(one.rows)
    ]
    if empty:
        return NoFeasibleOutfit(f"nothing in the catalogue can fill {', '.join(dict.fromkeys(empty))}")
    return NoFeasibleOutfit("there are fewer items than slots to fill")
