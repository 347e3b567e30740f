"""The shapes of outfits that generation chooses among: which kinds of items are still open, by the rules' templates."""

from __future__ import annotations

from collections.abc import Sequence

from modiste.engine.conflicts import NoFeasibleOutfit
from modiste.engine.constraints import is_kind
from modiste.engine.rules import Rules
from modiste.types import Item

MAX_PLANS = 256  # shapes that are compared


def open_shapes(rules: Rules, have: Sequence[Item], size: int | None) -> list[tuple[str, tuple[str, ...]]]:
    """(template, open kinds) of every shape of `size` items, of any size if None, around what is given; each shape once.

    A single item and nothing given is any item: the kind "". Raises `ValueError` for a size that cannot be and for more than
    `MAX_PLANS` shapes, `NoFeasibleOutfit` where there is none.
    """
    if size is not None and size < max(1, len(have)):
        raise ValueError(f"an outfit of {size} items cannot be made with {len(have)} items given")
    if size is not None and size > rules.max_items:
        raise ValueError(f"{size} items wanted, but an outfit has at most {rules.max_items}")
    shapes: dict[tuple[str, ...], str] = {}
    if size == 1 and not have:
        shapes[("",)] = "any item"
    for template in rules.templates:
        for shape in template.shapes(size, rules.max_items):
            open_kinds = _without_given(shape, have)
            if open_kinds and size != 1:
                shapes.setdefault(open_kinds, template.name)
    if not shapes:
        words = "of any size" if size is None else f"of {size} items"
        raise NoFeasibleOutfit(f"no template makes an outfit {words} with {len(have)} items given")
    if len(shapes) > MAX_PLANS:
        raise ValueError(f"the templates allow {len(shapes)} shapes, and at most {MAX_PLANS} are compared; give a size")
    return [(name, shape) for shape, name in shapes.items()]


def _without_given(shape: Sequence[str], have: Sequence[Item]) -> tuple[str, ...]:
    """The kinds of a shape that the items given leave open; () if one of them has no place in it."""
    left = list(shape)
    for item in have:
        kind = next((one for one in left if is_kind(item.category, one)), None)
        if kind is None:
            return ()
        left.remove(kind)
    return tuple(left)
