"""What the splits of a data set of outfits share, and how to leave it out: a "disjoint" split may not be disjoint."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations

from modiste.data.outfits import Look, OutfitData


@dataclass(frozen=True, slots=True)
class Overlap:
    """What the later of two splits has in common with the earlier. Prints as a sentence."""

    earlier: str
    later: str
    items: int  # items of the later split that are in a look of the earlier
    num_items: int  # items of the later split
    looks: int  # looks of the later split whose set of items is a look of the earlier
    num_looks: int
    groups: int  # groups of near-identical looks with a look in both

    def __str__(self) -> str:
        share = 100 * self.items / self.num_items if self.num_items else 0.0
        groups = f" and {self.groups:,} groups of near-identical looks" if self.groups else ""
        return (
            f"{self.later} shares {self.items:,} of its {self.num_items:,} items ({share:.1f} %) and {self.looks:,} of its "
            f"{self.num_looks:,} looks{groups} with {self.earlier}"
        )


def overlaps(data: OutfitData) -> tuple[Overlap, ...]:
    """One `Overlap` per pair of splits, in the order in which the data set has them."""
    return tuple(_overlap(a, data.looks[a], b, data.looks[b]) for a, b in combinations(data.looks, 2))


def _overlap(earlier: str, before: tuple[Look, ...], later: str, after: tuple[Look, ...]) -> Overlap:
    items = _items(after)
    sets = {frozenset(look.item_ids) for look in before}
    groups = {look.group for look in before} & {look.group for look in after} - {""}
    return Overlap(
        earlier,
        later,
        items=len(items & _items(before)),
        num_items=len(items),
        looks=sum(frozenset(look.item_ids) in sets for look in after),
        num_looks=len(after),
        groups=len(groups),
    )


def purged(data: OutfitData, split: str = "train", against: str = "test") -> OutfitData:
    """The data set without the looks and questions of `split` that name an item of a look of `against`.

    Raises `ValueError` if one of the two splits is not there.
    """
    if absent := [name for name in (split, against) if name not in data.looks]:
        raise ValueError(f"{data.name}: no split {absent[0]!r}; there is {', '.join(data.looks)}")
    held_out = _items(data.looks[against])
    looks = tuple(look for look in data.looks[split] if held_out.isdisjoint(look.item_ids))
    cp, fitb = dict(data.cp), dict(data.fitb)
    if split in cp:
        cp[split] = tuple(one for one in cp[split] if held_out.isdisjoint(one.item_ids))
    if split in fitb:
        fitb[split] = tuple(one for one in fitb[split] if held_out.isdisjoint((*one.partial, *one.candidates)))
    return replace(data, looks={**data.looks, split: looks}, cp=cp, fitb=fitb)


def _items(looks: Iterable[Look]) -> frozenset[str]:
    return frozenset(one for look in looks for one in look.item_ids)
