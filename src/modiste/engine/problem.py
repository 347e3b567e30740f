"""One plan to be solved, all in numbers: items given, slots with their candidates, and what a choice is worth.

A plan has a fixed number of slots. Completion has one plan; generation has one for each shape that the templates allow.
The value of a choice is  weight · S(have + choice) + sum of the slots' text terms:  the objective with everything that does
not depend on the choice worked out (see objective.py). A person's taste, where it counts, is part of the text terms: it too
says what an item is worth by itself.

Shapes: n candidates of a slot, k slots, h items given, B choices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modiste.engine.constraints import Constraints, Rows
from modiste.engine.objective import NEUTRAL, Objective, Values
from modiste.types import FloatArray, OutfitPool, Slot

_BATCH = 2_048  # sets handed to the scorer at once: bounds its memory, and how late a deadline is noticed


@dataclass(frozen=True, slots=True, eq=False)
class OpenSlot:
    """A slot and everything that may go into it. `outside` bounds the text term of candidates that were left out."""

    slot: Slot
    rows: Rows  # (n,) positions in the pool, ascending
    text: Values  # (n,) what the item adds to the value by itself: by its match, and by how much it is liked
    similarity: Values  # (n,) the cosine itself: of equal values the more similar comes first; 0 without a wish
    shortlist: NDArray[np.int64]  # (m,) places in `rows` that a search looks at first
    outside: float = -np.inf  # no candidate is missing
    wish: str = ""  # the slot's own, or that of the whole outfit
    liked: Values | None = None  # (n,) how much each is liked, in [0, 1]; None where no taste counts

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def most(self) -> float:
        """The largest text term of any candidate, known or left out."""
        return max(float(self.text.max()) if len(self.text) else -np.inf, self.outside)


@dataclass(slots=True, eq=False)
class Tally:
    """How many sets the scorer has scored, how long it may go on, and whether it was stopped."""

    deadline: float = np.inf  # by time.perf_counter
    scored: int = 0
    stopped: bool = False


class Memory:
    """Scores of a pool's sets, each asked for once: searches come back to the same sets, and plans share many.

    What is remembered is forgotten when another pool asks, and when it is more than `limit` sets.
    """

    def __init__(self, limit: int = 500_000) -> None:
        self._limit, self._pool = limit, None  # type: tuple[int, OutfitPool | None]
        self._known: dict[bytes, float] = {}

    def scores(self, pool: OutfitPool, sets: Rows) -> tuple[FloatArray, int]:
        """(B, O) -> (B,) S as the pool gives it, and how many sets it was asked about."""
        if pool is not self._pool or len(self._known) > self._limit:
            self._pool, self._known = pool, {}
        # A set has no order, so its sorted rows name it.
        ordered = np.sort(sets, axis=1)
        width = ordered.itemsize * ordered.shape[1]
        names: list[Any] = ordered.view(np.dtype((np.void, width))).ravel().tolist()  # of bytes
        known = self._known
        new = {name: at for at, name in enumerate(names) if name not in known}
        if new:
            found = pool.score(sets[list(new.values())])
            known.update(zip(new, found.tolist(), strict=True))
        return np.array([known[name] for name in names], dtype=np.float32), len(new)


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """A plan: see the module's head. `weight` is that of S in the value."""

    pool: OutfitPool
    have: Rows  # (h,)
    slots: tuple[OpenSlot, ...]
    objective: Objective
    weight: float
    constraints: Constraints
    name: str = ""
    tally: Tally = field(default_factory=Tally)
    memory: Memory = field(default_factory=Memory)

    @property
    def size(self) -> int:
        return len(self.have) + len(self.slots)

    @property
    def may_be_solved(self) -> bool:
        """False if no choice can be valid: a slot without candidates, too many items, or items given that do not go."""
        fits = 0 < self.size <= self.constraints.max_items and self.constraints.may_be_given(self.have)
        return bool(self.slots) and fits and all(len(slot) for slot in self.slots)

    @property
    def needs_scorer(self) -> bool:
        """Whether values depend on the scorer: S of a single item is neutral, and a weight of 0 makes S irrelevant."""
        return self.size > 1 and self.weight > 0

    @property
    def combinations(self) -> int:
        """How many choices there are, valid or not, before anything is ruled out; the candidates left out not counted."""
        return prod(len(slot) for slot in self.slots)

    @property
    def best_compatibility(self) -> float:
        """The largest S that is possible: S <= 1, and neutral for one item."""
        return float(self.objective.compatibility(np.array([1.0]))[0]) if self.size > 1 else NEUTRAL

    @property
    def trivial_bound(self) -> float:
        """weight · (largest S) + the largest text term of each slot."""
        return self.weight * self.best_compatibility + sum(slot.most for slot in self.slots)

    @property
    def outside_bound(self) -> float:
        """No choice with a candidate that was left out of some slot is worth more; -inf when none was."""
        best = [slot.most for slot in self.slots]
        found = [slot.outside + sum(best) - best[at] for at, slot in enumerate(self.slots)]
        return self.weight * self.best_compatibility + max(found) if found else -np.inf

    def rows(self, picks: NDArray[np.int64]) -> Rows:
        """(B, k) places in the slots -> (B, k) positions in the pool."""
        return np.stack([slot.rows[picks[:, at]] for at, slot in enumerate(self.slots)], axis=1)

    def sets(self, picks: NDArray[np.int64]) -> Rows:
        """(B, k) -> (B, h + k): the whole outfits, items given first."""
        chosen = self.rows(picks)
        return np.concatenate([np.broadcast_to(self.have, (len(picks), len(self.have))), chosen], axis=1)

    def text(self, picks: NDArray[np.int64]) -> Values:
        """(B, k) -> (B,) the summed text terms of the first k slots."""
        total = np.zeros(len(picks))
        for at in range(picks.shape[1]):
            total += self.slots[at].text[picks[:, at]]
        return total

    def compatibility(self, sets: Rows) -> Values:
        """(B, O) -> (B,) S as the objective takes it, a set of one item being neutral; sets may be partial outfits."""
        found = np.full(len(sets), NEUTRAL)
        several = np.flatnonzero((sets >= 0).sum(axis=1) > 1)
        for start in range(0, len(several), _BATCH):
            part = several[start : start + _BATCH]
            scores, asked = self.memory.scores(self.pool, sets[part])
            found[part] = self.objective.compatibility(scores)
            self.tally.scored += asked
        return found

    def values(self, picks: NDArray[np.int64]) -> Values:
        """(B, k) valid, whole choices -> (B,)."""
        if not self.needs_scorer:
            return self.weight * NEUTRAL + self.text(picks)
        return self.weight * self.compatibility(self.sets(picks)) + self.text(picks)

    def similarities(self, picks: NDArray[np.int64]) -> Values:
        """(B, k) -> (B,) summed cosines, by which equal values are ordered."""
        total = np.zeros(len(picks))
        for at, slot in enumerate(self.slots):
            total += slot.similarity[picks[:, at]]
        return total
