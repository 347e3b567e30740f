"""Questions of text-guided retrieval in the generated world, where every right answer is known.

`atelier:N:SEED` here is N items in families of up to 25 (`atelier.variants`): one garment in many versions. A question goes
from one member to another that differs in one attribute or in two; it may be a negation ("without stripes"). All other
members are there to be found by whoever looks at the photo alone, and the other families by whoever reads the words alone.
Right answers are all items that equal the reference but for what changes. The second colour of a print is free where the
print itself changes, for no sentence names it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count as count_up

import numpy as np

from modiste.data.atelier import wording
from modiste.data.atelier.catalogue import shop_photo
from modiste.data.atelier.design import Design, design, generator, root_of
from modiste.data.atelier.variants import CHANGED, VISIBLE, family, visible
from modiste.data.composed import ANY, ComposedData, ComposedExample
from modiste.data.composed_wording import modification
from modiste.types import Item

FAMILY_SIZE = 25
IMAGE_SIZE = (180, 240)  # (width, height): drawn in three quarters of the time that the catalogue's own size takes
_TITLE, _DESCRIPTION, _QUESTION = 11, 12, 62  # random streams
_TWO_SHARE, _NEGATED_SHARE = 0.35, 0.3


def drawn(source: str, split: str | None = None, seed: int = 0, *, per_reference: int = 1) -> ComposedData:
    """The questions of `atelier:N[:SEED]`; a family belongs to one split, by a hash. `seed` draws questions, not garments.

    Raises `ValueError` for another source.
    """
    from modiste.data.sources import atelier_source, split_by_hash

    left, world = atelier_source(source)
    gallery: list[Item] = []
    examples: list[ComposedExample] = []
    for root in _roots(world):
        if not left:
            break
        members = family(design(world, root), min(FAMILY_SIZE, left))
        left -= len(members)
        if split is None or split_by_hash(f"design-{root:06d}") == split:
            items = [_item(world, at, member) for at, member in enumerate(members)]
            gallery += items
            for at, reference in enumerate(items):
                rng = generator(world, root, at, seed, _QUESTION)
                examples += _questions(reference, items, per_reference, rng)
    return ComposedData(tuple(examples), {"": tuple(gallery)})


def _roots(world: int) -> Iterator[int]:
    """Designs that are no colourway of an earlier one: a colourway would make a second family of the same garment."""
    return (index for index in count_up() if root_of(world, index) == index)


def _item(world: int, number: int, member: Design) -> Item:
    streams = (world, member.root, number)
    return Item(
        id=f"design-{member.root:06d}-{number:02d}",
        title=wording.title(member, generator(*streams, _TITLE)),
        description=wording.description(member, generator(*streams, _DESCRIPTION)),
        category=member.article,
        attributes=member.attributes,
        image=shop_photo(member, IMAGE_SIZE),
    )


def differences(one: Item, other: Item) -> dict[str, tuple[str, str]] | None:
    """What one can see to differ, as changes from `one`; None where no sentence says it.

    The second colour of a print is passed over where the print itself differs, and unsayable where it does not.
    """
    old, new = visible(one.attributes), visible(other.attributes)
    found = {name: (old.get(name, ""), new.get(name, "")) for name in VISIBLE if old.get(name) != new.get(name)}
    if "pattern" in found:
        found.pop("secondary_colour", None)
    same = one.category == other.category
    return found if same and all(name in CHANGED for name in found) else None


def _questions(
    reference: Item, members: Sequence[Item], count: int, rng: np.random.Generator
) -> Iterator[ComposedExample]:
    """Up to `count` questions from one member to others, evenly over the attributes that change."""
    by_change: dict[tuple[str, ...], list[tuple[Item, dict[str, tuple[str, str]]]]] = {}
    for other in members:
        changes = differences(reference, other)
        if changes and len(changes) <= 2:
            by_change.setdefault(tuple(changes), []).append((other, changes))
    for _ in range(count):
        wanted = 2 if rng.random() < _TWO_SHARE else 1
        names = sorted(key for key in by_change if len(key) == wanted) or sorted(by_change)
        if not names:
            return
        key = names[int(rng.integers(len(names)))]
        target, changed = by_change[key].pop(int(rng.integers(len(by_change[key]))))
        if not by_change[key]:
            del by_change[key]
        negatable = len(changed) == 1 and (
            "colour" in changed or ("pattern" in changed and changed["pattern"][0] != "solid")
        )
        if negatable and rng.random() < _NEGATED_SHARE:
            changed = {name: (old, ANY) for name, (old, _) in changed.items()}
        free = {*changed, *(("secondary_colour",) if "pattern" in changed else ())}
        kept = {"article_type": reference.category, **visible(reference.attributes)}
        kept = {name: value for name, value in kept.items() if name not in free}
        yield ComposedExample(
            reference, target, modification(changed, rng), changed, kept, family=reference.id.rsplit("-", 1)[0]
        )
