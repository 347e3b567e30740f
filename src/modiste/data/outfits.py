"""Data sets of outfits: items by id, and looks that are lists of ids. Readers make it, protocols and recipes use it."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from modiste.taxonomy import GRANULARITIES, Granularity
from modiste.types import Item, Outfit, OutfitRules


@dataclass(frozen=True, slots=True)
class Look:
    """One outfit of a data set as it is written there: ids in their order, and what is known about it."""

    id: str
    item_ids: tuple[str, ...]
    label: float | None = None  # 1 compatible, 0 not; None where all are compatible
    group: str = ""  # near-identical looks share it; empty means the look alone
    user: str = ""
    text: str = ""  # a description in words, where there is one
    slots: tuple[str, ...] = ()  # the role of each item where the data set says it, else empty


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
    candidates: tuple[str, ...]  # in the order of the file; a wrong one may appear twice, as in some official questions
    correct: str  # one of the candidates


@dataclass(frozen=True, eq=False)
class OutfitData:
    """Items and looks of one data set. Looks may break the outfit rules: real ones do (see `violations`)."""

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
        found: Mapping[str, Item] = getattr(self.items, "bare", self.items)  # of a PhotoItems
        return found

    @cached_property
    def seen(self) -> frozenset[str]:
        """Ids of the items that are in a training look."""
        return frozenset(one for look in self.looks.get("train", ()) for one in look.item_ids)


def violations(data: OutfitData, split: str, rules: OutfitRules | None = None) -> dict[Granularity, float]:
    """The fraction of a split's looks that break the rules (default: `OutfitRules()`), read at each granularity.

    What row 15 of specification 1.7 asks to be reported of a real data set. Looks with label 0 are not counted.

    Raises
    ------
    ValueError
        If the split has no look to count.
    """
    rules = OutfitRules() if rules is None else rules
    looks = [look for look in data.looks.get(split, ()) if look.label != 0]
    if not looks:
        raise ValueError(f"{data.name}: no look in split {split!r}; there is {', '.join(data.looks) or 'none'}")
    bare = data.bare
    items = [[bare[one] for one in look.item_ids] for look in looks]
    return {
        granularity: sum(bool(replace(rules, granularity=granularity).violations(look)) for look in items) / len(items)
        for granularity in GRANULARITIES
    }


def known(
    looks: Mapping[str, Sequence[Look]], items: Container[str]
) -> tuple[dict[str, tuple[Look, ...]], dict[str, int]]:
    """The looks all of whose items are there, and the number of the others per split: what a reader ends with."""
    kept = {
        split: tuple(look for look in found if all(one in items for one in look.item_ids))
        for split, found in looks.items()
    }
    return kept, {split: len(found) - len(kept[split]) for split, found in looks.items()}
