"""From a request to plans: which items may go into which slot, what they are worth by text, and where to look first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from modiste.engine.constraints import Constraints, Rows
from modiste.engine.filters import BoolArray
from modiste.engine.objective import Objective, Values
from modiste.engine.problem import OpenSlot, Problem
from modiste.engine.shortlist import Places, best_with_given, goes_with, mixed, top
from modiste.engine.world import World
from modiste.types import ComplementPool, FloatArray, PairwisePool, Slot

Similarities = Callable[[str], FloatArray]  # a wish -> (N,) cosines with every item of the world
_SEEDS = 2  # items nearest to the wish of every other slot that a slot's candidates should go with


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """A slot and its candidates before any rule: of its kind, and through the request's own filters."""

    slot: Slot
    wish: str
    rows: Rows


def wanted(world: World, slot: Slot, wish: str, allowed: BoolArray) -> Wanted:
    """The candidates of a slot among `allowed` (N,)."""
    mask = allowed
    if slot.categories:
        mask = allowed & np.logical_or.reduce([world.kind(label) for label in sorted(slot.categories)])
    return Wanted(slot, wish, world.rows(mask))


def make_plan(
    world: World,
    have: Rows,
    slots: Sequence[Wanted],
    objective: Objective,
    constraints: Constraints,
    similarities: Similarities,
    *,
    size: int,
    partial: Rows | None = None,
    name: str = "",
    shortlists: dict[str, Rows] | None = None,
) -> Problem:
    """The plan of these slots in this world, candidates reduced to what the rules and the items given leave.

    `shortlists` remembers rows to look at first by slot, for plans that share slots. `partial`: rows of the items given when
    they are to be looked up in `world.pool`, `have` unless said.
    """
    weight, of_match = objective.weights(sum(bool(one.wish) for one in slots))
    partial = have if partial is None else partial
    bare = []
    for one in slots:
        rows = one.rows[constraints.open_to[one.rows]]
        for given in have.tolist():
            rows = rows[~constraints.conflict(np.array([given]), rows)]
        similarity = similarities(one.wish)[rows].astype(np.float64) if one.wish else np.zeros(len(rows))
        text = of_match * objective.match(similarity) if one.wish else np.zeros(len(rows))
        bare.append(OpenSlot(one.slot, rows, text, similarity, np.zeros(0, dtype=np.int64)))
    complete = []
    for at, slot in enumerate(bare):
        key = f"{sorted(slot.slot.categories)} {slots[at].wish}"
        if shortlists is not None and key in shortlists:
            places = np.searchsorted(slot.rows, shortlists[key])
        else:
            places = _shortlist(world, partial, bare, at, bool(slots[at].wish), constraints, size)
            if shortlists is not None:
                shortlists[key] = slot.rows[places]
        complete.append(replace(slot, shortlist=places))
    return Problem(world.pool, have, tuple(complete), objective, weight, constraints, name)


def _shortlist(
    world: World, have: Rows, slots: Sequence[OpenSlot], at: int, wished: bool, constraints: Constraints, size: int
) -> Places:
    slot, pool = slots[at], world.pool
    if len(slot.rows) <= size:
        return np.arange(len(slot.rows), dtype=np.int64)
    by_text = top(slot.similarity, size) if wished else np.zeros(0, dtype=np.int64)
    lists = [by_text]
    if isinstance(pool, ComplementPool | PairwisePool):
        sets = [have] if len(have) else []
        for other, one in enumerate(slots):
            if other != at and len(one.rows) and (one.text.any() or not len(have)):
                sets += [np.append(have, row) for row in one.rows[top(one.similarity, _SEEDS)]]
        lists.append(goes_with(pool, sets, slot.slot, slot.rows, size))
    elif len(have):
        lists.append(best_with_given(pool, have, slot.rows, by_text, size))
    if constraints.always.size:  # whoever may answer a demand has to be there when it is raised
        lists.append(np.flatnonzero(constraints.answers[slot.rows].any(axis=1))[:size])
    return mixed(lists, size, len(slot.rows))


def narrowed(problem: Problem) -> Problem:
    """The plan with only its shortlists, and what was left out bounded by its best text."""
    slots = []
    for slot in problem.slots:
        left = np.ones(len(slot), dtype=bool)
        left[slot.shortlist] = False
        outside = float(slot.text[left].max()) if left.any() else -np.inf
        slots.append(
            OpenSlot(
                slot.slot,
                slot.rows[slot.shortlist],
                slot.text[slot.shortlist],
                slot.similarity[slot.shortlist],
                np.arange(len(slot.shortlist), dtype=np.int64),
                max(outside, slot.outside),
            )
        )
    return replace(problem, slots=tuple(slots))


def with_similarity(slot: OpenSlot, similarity: Values, of_match: float, objective: Objective) -> OpenSlot:
    """The slot with other cosines (n,) for its candidates; those left out could match perfectly."""
    outside = slot.outside if slot.outside == -np.inf else of_match * objective.best_match
    return replace(slot, similarity=similarity, text=of_match * objective.match(similarity), outside=outside)
