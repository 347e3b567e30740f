"""What an answer says of its looks: their worth, how near the best possible it is, and wishes that nothing fulfils."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from modiste.engine.answers import Chosen, FoundLook
from modiste.engine.objective import NEUTRAL, Objective
from modiste.engine.plans import Wanted
from modiste.engine.problem import Problem
from modiste.engine.solve import Effort, Solution, Solved
from modiste.engine.world import World


def found_look(
    world: World,
    problem: Problem,
    look: Solution,
    solved: Solved,
    effort: Effort,
    percentile: Callable[[float | None], float | None],
) -> FoundLook:
    """A solution in words and items. `percentile`: S as the scorer gives it -> the share of reference looks that it beats."""
    rows = np.concatenate([problem.have, look.rows])
    several = len(rows) > 1
    raw = float(problem.pool.score(rows[None])[0]) if several else None
    if look.exact:
        claim = "exact"
    else:
        claim = f"within {look.gap:.3f} of the best possible"
        if solved.stopped:
            claim = f"best found in {effort.deadline:g} s ({claim})"
    chosen = []
    for at, slot in enumerate(problem.slots):
        match = float(problem.objective.match(slot.similarity[look.picks[at]])) if slot.wish else None
        liked = None if slot.liked is None else float(slot.liked[look.picks[at]])
        kinds = "/".join(sorted(slot.slot.categories))
        chosen.append(Chosen(world.items[int(look.rows[at])], kinds, slot.wish, match, liked))
    return FoundLook(
        tuple(world.items[int(row)] for row in problem.have),
        tuple(chosen),
        look.value,
        float(problem.objective.compatibility(raw)) if raw is not None else NEUTRAL,
        percentile(raw),
        look.exact,
        0.0 if look.exact else look.gap,
        claim,
        problem.name,
    )


def missing_wishes(plans: Sequence[Problem], wants: Sequence[Sequence[Wanted]], objective: Objective) -> list[str]:
    """Wishes that nothing in their slot fulfils, by the calibrated threshold; each once."""
    threshold = objective.match_threshold
    if threshold is None:
        return []
    best: dict[str, float] = {}
    for problem, slots in zip(plans, wants, strict=True):
        for slot, one in zip(problem.slots, slots, strict=True):
            if one.wish and len(slot):
                match = float(objective.match(slot.similarity.max(initial=-1.0)))
                best[one.wish] = max(match, best.get(one.wish, 0.0))
    return [
        f"not in this catalogue: {wish!r}; the nearest that may be chosen matches with probability {match:.2f}"
        for wish, match in best.items()
        if match < threshold
    ]
