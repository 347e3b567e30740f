"""Data sets of outfits: items by id, and looks that are lists of ids. Readers make it, protocols and recipes use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from modiste.types import Item, Outfit


@dataclass(frozen=True, slots=True)
class Look:
    """One outfit of a data set as it is written there: ids in their order, and what is known about it."""

    id: str
    item_ids: tuple[str, ...]
    label: float | None = None  # 1 compatible, 0 not; None where all are compatible
    group: str = ""  # near-identical looks share it; empty means the look alone
    user: str = ""
    text: str = ""  # a description in words, where there is one


@dataclass(frozen=True, slots=True)
class CpQuestion:
    """Is this a look? One line of a data set's own compatibility questions."""

    item_ids: tuple[str, ...]
    label: int  # 1 yes, 0 no


@dataclass(frozen=True, slots=True)
class FitbQuestion:
    """Which candidate completes the look? One of a data set's own fill-in-the-blank questions.

    The right answer is named, never a position: official files put it first, and a scorer of ties would seem perfect.
    """

    partial: tuple[str, ...]  # the look without the blank
    candidates: tuple[str, ...]  # in the order of the file
    correct: str  # one of the candidates


@dataclass(frozen=True, eq=False)
class OutfitData:
    """Items and looks of one data set. Looks may break the outfit rules: real ones do."""

    name: str
    items: Mapping[str, Item]
    looks: Mapping[str, tuple[Look, ...]]  # split -> looks
    missing: Mapping[str, int] = field(default_factory=dict)  # split -> looks left out, as they name unknown items
    cp: Mapping[str, tuple[CpQuestion, ...]] = field(default_factory=dict)  # split -> the data set's own questions
    fitb: Mapping[str, tuple[FitbQuestion, ...]] = field(default_factory=dict)

    def outfit(self, look: Look) -> Outfit:
        """Raises `KeyError` for an item that is not there."""
        return Outfit(tuple(self.items[one] for one in look.item_ids), id=look.id)

    @property
    def bare(self) -> Mapping[str, Item]:
        """The items without photos where these stay on the disk until asked for: all that labels and words need."""
        return self.items

    @cached_property
    def seen(self) -> frozenset[str]:
        """Ids of the items that are in a training look."""
        return frozenset(one for look in self.looks.get("train", ()) for one in look.item_ids)
