"""What text-guided retrieval asks: a reference photo, a sentence that changes it, and the item that is meant.

"fashion_products", or any catalogue with labels    pairs of one split (`composed_products`)
"atelier:N", "atelier:N:SEED"                       drawn pairs, all right answers known (`composed_atelier`)
a folder with FashionIQ's annotations               people's own sentences (`fashioniq`)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from modiste.types import Item

ANY = ""  # as a new value: anything but the old one ("without stripes")


@dataclass(frozen=True, eq=False)
class ComposedExample:
    """One question: `reference` and `text` ask for `target`.

    `changed` maps an attribute to (old, new), where a new value of `ANY` is anything but the old one; `kept` are the attributes
    that an answer must share with the reference. The article type goes by the name `article_type`. Both are empty where
    nobody noted attributes (FashionIQ).
    """

    reference: Item
    target: Item
    text: str
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    part: str = ""  # which gallery it is asked of: FashionIQ's category, else empty
    family: str = ""  # examples of one family are not independent: bootstrap intervals draw it as a whole

    def __post_init__(self) -> None:
        object.__setattr__(self, "changed", MappingProxyType(dict(self.changed)))
        object.__setattr__(self, "kept", MappingProxyType(dict(self.kept)))

    def is_answered_by(self, item: Item) -> bool:
        """Whether an item has every wanted attribute; the target's product always counts, the reference's never."""
        if item.product == self.target.product:
            return True
        if item.product == self.reference.product or not self.changed:
            return False
        known = attributes_of(item)
        return all(known.get(name) == value for name, value in self.kept.items()) and all(
            known.get(name, old) != old if new == ANY else known.get(name) == new
            for name, (old, new) in self.changed.items()
        )


@dataclass(frozen=True, eq=False)
class ComposedData:
    """The questions of one split and the galleries that they are asked of."""

    examples: tuple[ComposedExample, ...]
    galleries: Mapping[str, tuple[Item, ...]]  # `ComposedExample.part` -> its gallery, targets included
    name: str = ""  # of the gallery protocol, where a set has several ("original", "val")
    reference_stays: bool = False  # whether the reference's own product is among the candidates
    without_photo: int = 0  # questions left out because a photo is missing
    missing_photos: int = 0  # of the galleries

    def __post_init__(self) -> None:
        object.__setattr__(self, "galleries", MappingProxyType(dict(self.galleries)))


def attributes_of(item: Item) -> dict[str, str]:
    """An item's attributes in words, its category under `article_type`."""
    found = {name: str(value) for name, value in item.attributes.items()}
    return {**found, "article_type": item.category} if item.category else found


def load_composed(
    source: str | Path,
    split: str | None = None,
    seed: int = 0,
    *,
    per_reference: int = 1,
    gallery: str = "original",
    images: str | Path | None = None,
) -> ComposedData:
    """The questions of a source and what they are asked of; the same for the same arguments.

    Parameters
    ----------
    source
        See the head of this module.
    split
        "train", "valid" or "test"; None for all there is (of FashionIQ its `val`).
    per_reference
        Of generated questions: up to so many for each reference.
    gallery, images
        Of FashionIQ: "original" or "val", and the folder of its photos; see `fashioniq`.

    Raises
    ------
    ValueError
        If the source is not understood, or yields no question.
    """
    from modiste.data import composed_atelier, composed_products, fashioniq

    if per_reference < 1:
        raise ValueError(f"per_reference must be at least 1, not {per_reference}")
    if str(source).startswith("atelier"):
        data = composed_atelier.drawn(str(source), split, seed, per_reference=per_reference)
    elif fashioniq.is_fashioniq(source):
        data = fashioniq.FashionIq(source, images).composed(split or "valid", gallery=gallery)
    else:
        from modiste.data.sources import load_items

        data = composed_products.paired(load_items(source, split), seed, per_reference=per_reference)
    if not data.examples:
        missing = f"; {data.without_photo:,} questions lack a photo" if data.without_photo else ""
        raise ValueError(f"{source}: no question of text-guided retrieval in split {split or 'all'!r}{missing}")
    return data


def composed_examples(
    source: str | Path, split: str | None = None, seed: int = 0, *, per_reference: int = 1
) -> Sequence[ComposedExample]:
    """The questions alone, for training; see `load_composed`."""
    return load_composed(source, split, seed, per_reference=per_reference).examples
