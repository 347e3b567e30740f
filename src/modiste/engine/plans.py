"""From a request to plans: which items may go into which slot, what they are worth by text, and where to look first."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from modiste.engine.constraints import Constraints, Rows
from modiste.engine.filters import BoolArray
from modiste.engine.objective import Objective, Values
from modiste.engine.problem import Memory, OpenSlot, Problem
from modiste.engine.shortlist import Places, best_with_given, goes_with, mixed, top
from modiste.engine.world import World
from modiste.taxonomy import normalise, set_apart
from modiste.types import ComplementPool, Item, PairwisePool, Slot

Similarities = Callable[["Wanted", Rows], Values]  # a slot with its wish, (n,) rows of the world -> (n,) cosines
Retrieve = Callable[[Slot, Rows, int], Places]  # a slot, (n,) rows and how many -> places in the rows, best first
_SEEDS = 2  # items nearest to the wish of every other slot that a slot's candidates should go with


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """A slot and its candidates before any rule: of its kind, and through the request's own filters."""

    slot: Slot
    wish: str
    rows: Rows


def wanted(world: World, slot: Slot, wish: str, allowed: BoolArray, have: Sequence[Item] = ()) -> Wanted:
    """The candidates of a slot among `allowed` (N,).

    What is set apart (a bikini top, pyjama trousers, a wallet) fills the place of a top, of trousers or of a bag only where
    slot or wish name it, where something of the kind is given, or where there is nothing else.
    """
    mask = allowed
    if slot.categories:
        mask = allowed & np.logical_or.reduce([world.kind(label) for label in sorted(slot.categories)])
        if world.set_apart.any() and not any(set_apart(item.category) for item in have):
            named = {normalise(label) for label in (*slot.categories, *re.findall(r"[\w-]+", wish))}
            meant = mask & (~world.set_apart | world.apart_but_meant(named))
            mask = meant if meant.any() else mask
    return Wanted(slot, wish, world.rows(mask))


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What plans of one request share: slots with their candidates, rows to look at first, and scores."""

    # by the Wanted and the weights of its match and of the taste
    slots: dict[tuple[int, float, float], OpenSlot] = field(default_factory=dict)
    shortlists: dict[int, Rows] = field(default_factory=dict)  # by the Wanted
    memory: Memory = field(default_factory=Memory)


def make_plan(
    world: World,
    have: Rows,
    slots: Sequence[Wanted],
    objective: Objective,
    constraints: Constraints,
    similarities: Similarities,
    *,
    size: int,
    name: str = "",
    known: Known | None = None,
    retrieve: Retrieve | None = None,
    liked: Values | None = None,
) -> Problem:
    """The plan of these slots in this world, candidates reduced to what the rules and the items given leave.

    `known` must be of this request. `retrieve` proposes candidates for items that are not in this world. `liked` (N,): how much
    a person likes each item of the world.
    """
    known = known or Known()
    weight, of_match = objective.weights(sum(bool(one.wish) for one in slots))
    of_taste = 0.0 if liked is None else objective.taste_weight(len(slots))
    bare = []
    for one in slots:
        key = id(one), of_match, of_taste
        if key not in known.slots:
            rows = one.rows[constraints.open_to[one.rows]]
            for given in have.tolist():
                rows = rows[~constraints.conflict(np.array([given]), rows)]
            similarity = similarities(one, rows) if one.wish else np.zeros(len(rows))
            nearest = similarity.max(initial=-1.0)
            text = of_match * objective.fulfilment(similarity, nearest) if one.wish else np.zeros(len(rows))
            likings = liked[rows] if liked is not None and of_taste > 0 else None
            text = text if likings is None else text + of_taste * likings
            nowhere = np.zeros(0, dtype=np.int64)
            known.slots[key] = OpenSlot(one.slot, rows, text, similarity, nowhere, wish=one.wish, liked=likings)
        bare.append(known.slots[key])
    complete = []
    for at, (slot, one) in enumerate(zip(bare, slots, strict=True)):
        if id(one) not in known.shortlists:
            extra = [] if retrieve is None else [retrieve(slot.slot, slot.rows, size)]
            known.shortlists[id(one)] = slot.rows[shortlist(world, have, bare, at, constraints, size, extra)]
        complete.append(replace(slot, shortlist=np.searchsorted(slot.rows, known.shortlists[id(one)])))
    return Problem(world.pool, have, tuple(complete), objective, weight, constraints, name, memory=known.memory)


def shortlist(
    world: World,
    have: Rows,
    slots: Sequence[OpenSlot],
    at: int,
    constraints: Constraints,
    size: int,
    extra: Sequence[Places] = (),
) -> Places:
    """Places of slot `at` to look at first: see shortlist.py."""
    slot, pool = slots[at], world.pool
    if len(slot.rows) <= size:
        return np.arange(len(slot.rows), dtype=np.int64)
    by_text = top(_worth(slot), size) if _has_text(slot) else np.zeros(0, dtype=np.int64)
    lists = [by_text, *extra]
    if isinstance(pool, ComplementPool | PairwisePool):
        sets = [have] if len(have) else []
        for other, one in enumerate(slots):
            if other != at and len(one.rows) and (_has_text(one) or not len(have)):
                sets += [np.append(have, row) for row in one.rows[top(_worth(one), _SEEDS)]]
        lists.append(goes_with(pool, sets, slot.slot, slot.rows, size))
    if len(have) and not isinstance(pool, PairwisePool):
        # Also where the pool retrieves: that finds what is near to a query, and S may prefer other things.
        lists.append(best_with_given(pool, have, slot.rows, by_text, size))
    if constraints.always.size:  # whoever may answer a demand has to be there when it is raised
        lists.append(np.flatnonzero(constraints.answers[slot.rows].any(axis=1))[:size])
    return mixed(lists, size, len(slot.rows))


def _has_text(slot: OpenSlot) -> bool:
    """Whether its candidates differ by themselves, before anything is put together."""
    return bool(slot.wish) or slot.liked is not None


def _worth(slot: OpenSlot) -> Values:
    """(n,) by which candidates are ordered by themselves: the cosine, until a taste joins it."""
    return slot.similarity if slot.liked is None else slot.text


def narrowed(problem: Problem) -> Problem:
    """The plan with only its shortlists, and what was left out bounded by its best text."""
    slots = []
    for slot in problem.slots:
        left = np.ones(len(slot), dtype=bool)
        left[slot.shortlist] = False
        outside = float(slot.text[left].max()) if left.any() else -np.inf
        slots.append(
            replace(
                slot,
                rows=slot.rows[slot.shortlist],
                text=slot.text[slot.shortlist],
                similarity=slot.similarity[slot.shortlist],
                shortlist=np.arange(len(slot.shortlist), dtype=np.int64),
                outside=max(outside, slot.outside),
                liked=None if slot.liked is None else slot.liked[slot.shortlist],
            )
        )
    return replace(problem, slots=tuple(slots))


def with_similarity(
    slot: OpenSlot, similarity: Values, of_match: float, objective: Objective, of_taste: float = 0.0
) -> OpenSlot:
    """The slot with other cosines (n,) for its candidates; those left out could match and be liked perfectly."""
    outside = slot.outside if slot.outside == -np.inf else of_match * objective.best_match + of_taste
    text = of_match * objective.fulfilment(similarity, similarity.max(initial=-1.0))
    if slot.liked is not None:
        text = text + of_taste * slot.liked
    return replace(slot, similarity=similarity, text=text, outside=outside)
