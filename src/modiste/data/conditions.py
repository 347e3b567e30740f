"""What can be wrong with a customer's photo, each thing none, some or strong: so that a score can say where it breaks.

FindFashion (Kuang et al., ICCV 2019, arXiv 1908.11754) labels photos by view, occlusion and cropping; light, clutter and
quality are ours. Levels are drawn independently of each other, so the photos of one level of one condition have the same
mixture of all others as those of its other levels: two slices of a condition may be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal, cast

import numpy as np

Level = Literal["none", "some", "strong"]
LEVELS: tuple[Level, ...] = ("none", "some", "strong")
SHARES = (0.4, 0.3, 0.3)  # how often each level is drawn


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a photo was taken. Raises `ValueError` for a level that is none."""

    view: Level = "none"  # turned, seen at a slant, lying crooked
    occlusion: Level = "none"  # something lies on it
    cropping: Level = "none"  # a part is outside the picture
    light: Level = "none"  # too dark or bright, uneven, warm or cold, a shadow across
    clutter: Level = "none"  # what it lies on and among
    quality: Level = "none"  # blur, noise, compression

    def __post_init__(self) -> None:
        for name, level in zip(CONDITIONS, self.levels, strict=True):
            if level not in LEVELS:
                raise ValueError(f"{name} is none, some or strong, not {level!r}")

    @property
    def levels(self) -> tuple[Level, ...]:
        """In the order of `CONDITIONS`."""
        return cast("tuple[Level, ...]", astuple(self))

    @property
    def num_strong(self) -> int:
        return self.levels.count("strong")


CONDITIONS: tuple[str, ...] = tuple(field.name for field in fields(Conditions))


def draw_conditions(rng: np.random.Generator, shares: Sequence[float] = SHARES) -> Conditions:
    """A level for each condition, independently; `shares`: how often none, some and strong are drawn."""
    edges = np.cumsum(shares) / np.sum(shares)
    places = np.minimum(np.searchsorted(edges, rng.random(len(CONDITIONS)), side="right"), len(LEVELS) - 1)
    return Conditions(*(LEVELS[place] for place in places))


def slices_of(taken: Sequence[Conditions]) -> dict[str, tuple[str, ...]]:
    """Slice name -> its value for each photo: the level of every condition, and how many are strong ("0", "1", "2 or more")."""
    found = {name: tuple(getattr(one, name) for one in taken) for name in CONDITIONS}
    return {**found, "strong": tuple(("0", "1", "2 or more")[min(one.num_strong, 2)] for one in taken)}
