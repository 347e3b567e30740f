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


@dataclass(frozen=True, eq=False)
class OutfitData:
    """Items and looks of one data set. Looks may break the outfit rules: real ones do."""

    name: str
    items: Mapping[str, Item]
    looks: Mapping[str, tuple[Look, ...]]  # split -> looks
    missing: Mapping[str, int] = field(default_factory=dict)  # split -> looks left out, as they name unknown items

    def outfit(self, look: Look) -> Outfit:
        """Raises `KeyError` for an item that is not there."""
        return Outfit(tuple(self.items[one] for one in look.item_ids), id=look.id)

    @cached_property
    def seen(self) -> frozenset[str]:
        """Ids of the items that are in a training look."""
        return frozenset(one for look in self.looks.get("train", ()) for one in look.item_ids)
