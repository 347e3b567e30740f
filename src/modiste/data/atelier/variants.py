"""Families of designs: one garment in many versions, each of which differs from another in one attribute one can see.

What nobody changed stays to the last stitch, shape and shade included. Season, formality, price and brand are those of the
first of the family: no picture shows them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from modiste.data.atelier.design import ARTICLES, Design, generator
from modiste.data.atelier.palette import COLOURS, contrasting, jittered
from modiste.data.atelier.patterns import SHEEN, weave
from modiste.types import Scalar

VISIBLE = (
    *("colour", "pattern", "material", "sleeve_length", "neckline", "length", "fit", "heel", "toe", "shaft", "frame"),
    *("width", "detail", "closure", "secondary_colour"),
)
# Of the visible ones those that are changed; a closure is too small to be seen in a small picture.
CHANGED: tuple[str, ...] = VISIBLE[: VISIBLE.index("closure")]
_WEIGHTS: Mapping[str, float] = {"colour": 3.0, "pattern": 2.5, "material": 1.0}  # others weigh 1.5
_UNPRINTED = ("leather", "suede", "patent leather", "denim", "corduroy", "straw")  # as in design.compose
_RARE_PRINTS = ("solid", "animal print", "colour block")
_VARIANT = 61  # random stream
_TRIES = 12  # for each wanted member: some garments have few versions


def visible(attributes: Mapping[str, Scalar]) -> dict[str, str]:
    """Those of a design's or an item's attributes that its picture shows."""
    return {name: str(attributes[name]) for name in VISIBLE if name in attributes}


def family(base: Design, size: int, seed: int = 0) -> tuple[Design, ...]:
    """Up to `size` different versions, `base` first; each of the others is one change away from an earlier one."""
    rng = generator(*base.shape_seed, base.index, seed, _VARIANT)
    members = [base]
    seen = {tuple(visible(base.attributes).items())}
    for _ in range(_TRIES * size):
        if len(members) == size:
            break
        other = _changed(members[int(rng.integers(len(members)))], rng)
        if other is not None and (signature := tuple(visible(other.attributes).items())) not in seen:
            seen.add(signature)
            members.append(other)
    return tuple(members)


def _changed(design: Design, rng: np.random.Generator) -> Design | None:
    """The design with one attribute changed, or None where the one drawn has no other value."""
    article = ARTICLES[design.article]
    names = [name for name in CHANGED if name in design.attributes]
    weights = np.array([_WEIGHTS.get(name, 1.5) for name in names])
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    old, attributes, paint, second_paint = design.get(name), dict(design.attributes), design.paint, design.second_paint
    second = design.get("secondary_colour")
    values: list[str]
    if name == "colour":
        values = [one for one in article.colours if one != second and (not second or second in contrasting(one))]
    elif name == "pattern":
        hide = design.get("material") in _UNPRINTED
        values = [one for one in article.patterns if not hide or one in _RARE_PRINTS]
    elif name == "material":
        printed = design.get("pattern") not in _RARE_PRINTS
        looks = _look(old)
        values = [
            one for one in article.materials if _look(one) != looks and not (printed and one in _UNPRINTED)
        ]  # fmt: skip
    else:
        values = list(article.choices.get(name, ()))
    if not (values := [one for one in values if one != old]):
        return None
    new = attributes[name] = values[int(rng.integers(len(values)))]
    if name == "colour":
        paint = jittered(new, rng)
    if name == "pattern" and new == "solid":
        del attributes["secondary_colour"]
        second_paint = COLOURS["white"]
    elif name == "pattern" and not second:
        legible = contrasting(design.get("colour"))
        second = attributes["secondary_colour"] = legible[int(rng.integers(len(legible)))]
        second_paint = jittered(second, rng)
    return replace(design, attributes=MappingProxyType(attributes), paint=paint, second_paint=second_paint)


def _look(material: str) -> tuple[object, float]:
    return weave(material, COLOURS["grey"]), SHEEN.get(material, 0.0)
