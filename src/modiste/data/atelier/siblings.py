"""Products that are easily taken for another: what a search for exactly one item has to tell apart.

A *colourway* is the same design in the colour nearest to its own, a *cut* the same description sewn anew (other proportions,
own shade of the same colour), a *detail* the same design but for one attribute that is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from modiste.data.atelier.design import ARTICLES, Design, compose, generator
from modiste.data.atelier.palette import COLOURS, METALS, contrasting, jittered, rgb

KINDS: tuple[str, ...] = ("colourway", "cut", "detail")
_STREAM = 61
_OTHER_SHAPE = 5  # beside the numbers that design.py keys shapes by


def sibling(of: Design, kind: str) -> Design | None:
    """The sibling of that kind; the same for the same design, whatever else is drawn. None where there can be none.

    Raises `ValueError` for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}; choose one of {', '.join(KINDS)}")
    rng = generator(of.shape_seed[0], of.index, KINDS.index(kind), _STREAM)
    if kind == "colourway":
        return _recoloured(of, rng)
    if kind == "cut":
        seed, root, shape = of.shape_seed
        second = of.get("secondary_colour")
        return replace(
            of,
            shape_seed=(seed, root, shape + _OTHER_SHAPE),
            paint=jittered(of.get("colour"), rng),
            second_paint=jittered(second, rng) if second else of.second_paint,
        )
    return _altered(of, rng)


def _recoloured(of: Design, rng: np.random.Generator) -> Design | None:
    colour, second = of.get("colour"), of.get("secondary_colour")
    allowed = [name for name in ARTICLES[of.article].colours if (name in METALS) == (colour in METALS)]
    if second:  # the print has to stay legible on the new ground
        allowed = [name for name in allowed if second in contrasting(name)]
    if not (near := [name for name in _by_distance(colour) if name in allowed]):
        return None
    return replace(of, attributes=_with(of, colour=near[0]), paint=jittered(near[0], rng))


def _altered(of: Design, rng: np.random.Generator) -> Design | None:
    article = ARTICLES[of.article]
    choices = {name: [v for v in weights if v != of.get(name)] for name, weights in article.choices.items()}
    patterns = [one for one in article.patterns if one != of.get("pattern")]
    options = [(name, value) for name, values in choices.items() for value in values]
    options = options or [("pattern", value) for value in patterns]
    if not options:
        return None
    name, value = options[int(rng.integers(len(options)))]
    fixed = {key: str(one) for key, one in of.attributes.items() if key in ("material", *article.choices)}
    fixed |= {"pattern": of.get("pattern"), "colour": of.get("colour"), name: value}
    if name != "pattern" and (second := of.get("secondary_colour")):
        fixed["secondary_colour"] = second
    made = compose(of.shape_seed[0], of.index, of.root, of.article, rng, fixed)
    new = ("pattern", "secondary_colour", name)
    kept = {key: one for key, one in of.attributes.items() if key not in new}
    attributes = {**kept, **{key: made.attributes[key] for key in new if key in made.attributes}}
    second_paint = made.second_paint if name == "pattern" else of.second_paint
    return replace(of, attributes=MappingProxyType(attributes), second_paint=second_paint)


def _with(of: Design, **changed: str) -> Mapping[str, str | float]:
    return MappingProxyType({**of.attributes, **changed})


def _by_distance(colour: str) -> list[str]:
    """The other colours, the nearest first, as the eye sees them (CIE Lab)."""
    own = _lab(COLOURS[colour])
    others = [name for name in COLOURS if name != colour]
    return sorted(others, key=lambda name: float(np.linalg.norm(_lab(COLOURS[name]) - own)))


def _lab(colour: str) -> np.ndarray:
    """CIE L*, a*, b* (white point D65) of "#rrggbb"."""
    channels = np.array(rgb(colour)) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
