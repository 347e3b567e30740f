"""Outfits with items that the catalogue does not have, one's own photos: a small world of these and of some of its rows.

The catalogue's world stays as it is. Its items are shortlisted there, and the plans then move to the small world.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from modiste.engine.constraints import Constraints, Rows
from modiste.engine.plans import Retrieve, shortlist
from modiste.engine.problem import Problem
from modiste.engine.shortlist import Places, top
from modiste.engine.world import World
from modiste.types import ComplementPool, FloatArray, Item, Slot

Encode = Callable[[Sequence[Item]], FloatArray]  # items -> (N, D)


def small_world(
    world: World, items: Sequence[Item], found: Sequence[int | None], rows: Rows, encode: Encode
) -> tuple[World, Rows]:
    """A world of some rows of the catalogue and of items that may be strangers to it, and the rows of those items.

    `found`: of each item its row in the catalogue, None for a stranger, which is encoded.
    """
    strangers = [item for item, row in zip(items, found, strict=True) if row is None]
    own = sorted({row for row in found if row is not None} | set(rows.tolist()))
    vectors = dict(zip((item.id for item in strangers), encode(strangers), strict=True)) if strangers else {}
    members = {item.id: item for item in strangers}
    for row in own:
        item = world.items[row]
        members[item.id], vectors[item.id] = item, world.vectors[row]
    names = sorted(members)
    place = {name: at for at, name in enumerate(names)}
    small = World.of_items([members[name] for name in names], np.stack([vectors[name] for name in names]), world.scorer)
    return small, np.array([place[item.id] for item in items], dtype=np.int64)


def retrieve_for(world: World, have: tuple[Item, ...], found: Sequence[int | None], encode: Encode) -> Retrieve | None:
    """What goes with items that are not in the catalogue: their own pool asks, the catalogue's answers."""
    if not isinstance(world.pool, ComplementPool):
        return None
    small, given = small_world(world, have, found, np.zeros(0, dtype=np.int64), encode)
    pool, catalogue = small.pool, world.pool
    assert isinstance(pool, ComplementPool)

    def retrieve(slot: Slot, rows: Rows, count: int) -> Places:
        return top(catalogue.candidates[rows] @ pool.queries(given[None], [slot])[0], count)

    return retrieve


def moved(
    narrow: Sequence[Problem], world: World, small: World, given: Rows, constraints: Constraints, size: int
) -> list[Problem]:
    """Plans of the catalogue's world in a small one that holds their candidates, shortlisted anew to `size`.

    `narrow` are plans of their shortlists alone; `constraints` and `given` are of the small world. Candidates that cannot be
    with what is given are left out.
    """
    place = {item.id: at for at, item in enumerate(small.items)}
    found = []
    for problem in narrow:
        slots = []
        for slot in problem.slots:
            rows = np.array([place[world.items[int(row)].id] for row in slot.rows], dtype=np.int64)
            fits = np.ones(len(rows), dtype=bool)
            for one in given.tolist():
                fits &= ~constraints.conflict(np.array([one]), rows)
            slots.append(
                replace(
                    slot,
                    rows=rows[fits],
                    text=slot.text[fits],
                    similarity=slot.similarity[fits],
                    shortlist=np.arange(int(fits.sum()), dtype=np.int64),
                    liked=None if slot.liked is None else slot.liked[fits],
                )
            )
        first = [
            replace(slot, shortlist=shortlist(small, given, slots, at, constraints, size))
            for at, slot in enumerate(slots)
        ]
        found.append(replace(problem, pool=small.pool, have=given, slots=tuple(first), constraints=constraints))
    return found
