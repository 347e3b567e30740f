"""Cloth: a colour, the print on it, and what it is made of, as SVG fills.

A `Fabric` is declared once per drawing and used by every panel cut from it. Prints and weaves are `<pattern>` tiles in
drawing units (the canvas is 300 x 400), so they stay crisp at any resolution. They turn with the panel (`angle`), save
for the finest grains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from modiste.data.atelier.palette import lightness, mix

BLACK, WHITE = "#000000", "#ffffff"


@dataclass(frozen=True, slots=True)
class Tile:
    """One repeat of a print or weave."""

    width: float
    height: float
    body: str
    angle: float = 0.0
    turns: bool = True  # with the panel; the finest grains do not: a turned tile takes five times as long to fill


@dataclass(frozen=True, slots=True)
class Fabric:
    """A cloth to cut panels from; `name` is its prefix among the drawing's definitions."""

    name: str
    colour: str
    second: str
    print: Tile | None = None
    weave: Tile | None = None
    sheen: float = 0.0  # 0 matt ... 1 patent leather

    @property
    def dark(self) -> bool:
        return lightness(self.colour) < 0.30

    @property
    def outline(self) -> str:
        return mix(self.colour, BLACK, 0.62 if lightness(self.colour) > 0.8 else 0.5)

    @property
    def seam(self) -> str:
        """Lines drawn on the cloth: lighter than a dark one, darker than any other."""
        return mix(self.colour, WHITE, 0.30) if self.dark else mix(self.colour, BLACK, 0.36)

    @property
    def inside(self) -> str:
        """The same cloth in its own shadow: the inner back of a neckline."""
        return mix(self.colour, BLACK, 0.42)

    def shade(self, share: float) -> str:
        return mix(self.colour, BLACK, share)

    def tint(self, share: float) -> str:
        return mix(self.colour, WHITE, share)


def _stripes(second: str, scale: float, rng: np.random.Generator) -> Tile:
    period = rng.uniform(13, 20) * scale
    width = period * rng.uniform(0.34, 0.44)
    return Tile(40, period, f'<rect width="40" height="{width:.2f}" fill="{second}"/>')


def _pinstripes(second: str, scale: float, rng: np.random.Generator) -> Tile:
    period = rng.uniform(9, 12) * max(scale, 0.8)
    return Tile(period, 40, f'<rect width="1.3" height="40" fill="{second}" opacity=".9"/>')


def _polka_dots(second: str, scale: float, rng: np.random.Generator) -> Tile:
    period = rng.uniform(20, 26) * scale
    radius = period * rng.uniform(0.17, 0.22)
    half = period / 2
    dots = "".join(
        f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius:.2f}"/>'
        for x, y in ((half / 2, half / 2), (half * 1.5, half * 1.5))
    )
    return Tile(period, period, f'<g fill="{second}">{dots}</g>')


def _checks(second: str, scale: float, rng: np.random.Generator) -> Tile:
    period = rng.uniform(26, 36) * scale
    band = period * 0.36
    fine = period * 0.05
    offset = period * 0.66
    return Tile(
        period,
        period,
        f'<g fill="{second}"><rect width="{band:.2f}" height="{period:.2f}" opacity=".55"/>'
        f'<rect width="{period:.2f}" height="{band:.2f}" opacity=".55"/>'
        f'<rect x="{offset:.2f}" width="{fine:.2f}" height="{period:.2f}" opacity=".8"/>'
        f'<rect y="{offset:.2f}" width="{period:.2f}" height="{fine:.2f}" opacity=".8"/></g>',
    )


def _floral(second: str, scale: float, rng: np.random.Generator) -> Tile:
    size = rng.uniform(48, 58) * scale
    centre = "#f0c541" if lightness(second) < 0.72 or lightness(second) > 0.9 else "#a8552e"
    leaf = "#4d8256" if lightness(second) < 0.75 else "#7fa57a"

    def flower(x: float, y: float, radius: float, turn: float) -> str:
        petals = []
        for k in range(5):
            angle = turn + k * 2 * np.pi / 5
            px, py = x + radius * 0.62 * np.cos(angle), y + radius * 0.62 * np.sin(angle)
            petals.append(f'<circle cx="{px:.2f}" cy="{py:.2f}" r="{radius * 0.5:.2f}"/>')
        leaves = []
        for side in (-1, 1):
            angle = turn + side * 1.9
            lx, ly = x + radius * 1.35 * np.cos(angle), y + radius * 1.35 * np.sin(angle)
            leaves.append(
                f'<ellipse cx="{lx:.2f}" cy="{ly:.2f}" rx="{radius * 0.5:.2f}" ry="{radius * 0.22:.2f}" '
                f'fill="{leaf}" transform="rotate({np.degrees(angle):.1f} {lx:.2f} {ly:.2f})"/>'
            )
        return (
            f'{"".join(leaves)}<g fill="{second}">{"".join(petals)}</g>'
            f'<circle cx="{x:.2f}" cy="{y:.2f}" r="{radius * 0.34:.2f}" fill="{centre}"/>'
        )

    # Kept inside the tile: a print that is cut at the tile's edge would show its repeat.
    body = (
        flower(size * 0.27, size * 0.27, size * 0.145, rng.uniform(0, 1))
        + flower(size * 0.73, size * 0.74, size * 0.155, rng.uniform(0, 1))
        + flower(size * 0.76, size * 0.26, size * 0.095, rng.uniform(0, 1))
        + flower(size * 0.25, size * 0.76, size * 0.09, rng.uniform(0, 1))
    )
    return Tile(size, size, body, rng.uniform(-12, 12))


def _animal_print(second: str, scale: float, rng: np.random.Generator) -> Tile:
    size = 46 * scale
    heart = mix(second, "#c98a4b", 0.5)
    spots = []
    for x, y in (
        (0.18, 0.2),
        (0.52, 0.14),
        (0.84, 0.26),
        (0.3, 0.52),
        (0.66, 0.5),
        (0.14, 0.82),
        (0.48, 0.84),
        (0.82, 0.8),
    ):
        cx, cy = (x + rng.uniform(-0.03, 0.03)) * size, (y + rng.uniform(-0.03, 0.03)) * size
        r, turn = size * rng.uniform(0.075, 0.10), rng.uniform(0, 360)
        spots.append(
            f'<g transform="translate({cx:.2f} {cy:.2f}) rotate({turn:.0f})"><ellipse rx="{r * 0.8:.2f}" ry="{r * 0.6:.2f}" '
            f'fill="{heart}" opacity=".6"/>'
            f'<path d="M{-r:.2f} {-r * 0.2:.2f}A{r:.2f} {r * 0.8:.2f} 0 0 1 {r * 0.7:.2f} {-r * 0.6:.2f}'
            f'M{r:.2f} {r * 0.1:.2f}A{r:.2f} {r * 0.8:.2f} 0 0 1 {-r * 0.6:.2f} {r * 0.65:.2f}" fill="none" stroke="{second}" '
            f'stroke-width="{r * 0.62:.2f}" stroke-linecap="round"/></g>'
        )
    return Tile(size, size, "".join(spots), rng.uniform(-20, 20))


def _houndstooth(second: str, scale: float, rng: np.random.Generator) -> Tile:
    unit = rng.uniform(4.0, 5.2) * scale
    # On a 4 x 4 grid: the square, its neighbour's two diagonal teeth.
    tooth = "M0 0H2V2H0ZM2 0H4L2 2ZM0 2H2L0 4Z"
    return Tile(unit * 4, unit * 4, f'<path transform="scale({unit:.3f})" d="{tooth}" fill="{second}"/>')


def _herringbone(second: str, scale: float, rng: np.random.Generator) -> Tile:
    w, h = 9.0 * max(scale, 0.8), 6.0 * max(scale, 0.8)
    lines = f"M0 {h}L{w} 0M{w} 0L{2 * w} {h}M0 {2 * h}L{w} {h}L{2 * w} {2 * h}M0 0L{w} {-h}L{2 * w} 0"
    return Tile(
        2 * w, h, f'<path d="{lines}" fill="none" stroke="{second}" stroke-width="{h * 0.36:.2f}" opacity=".85"/>'
    )


PRINTS: Mapping[str, Callable[[str, float, np.random.Generator], Tile]] = MappingProxyType(
    {
        "stripes": _stripes,
        "pinstripes": _pinstripes,
        "polka dots": _polka_dots,
        "checks": _checks,
        "floral": _floral,
        "animal print": _animal_print,
        "houndstooth": _houndstooth,
        "herringbone": _herringbone,
    }
)
# Colour block is cut, not printed: garments draw a part of themselves in the second colour.
PATTERNS: tuple[str, ...] = ("solid", *PRINTS, "colour block")


def _lines(
    path: str,
    width: float,
    height: float,
    colour: str,
    stroke: float,
    opacity: float,
    angle: float = 0,
    turns: bool = False,
) -> Tile:
    return Tile(
        width,
        height,
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{stroke}" stroke-opacity="{opacity}" '
        'stroke-linecap="round"/>',
        angle,
        turns,
    )


def weave(material: str, colour: str) -> Tile | None:
    """The surface of a material, drawn in lighter and darker shades of its own colour."""
    dark = lightness(colour) < 0.30
    ink, strength = (WHITE, 0.85) if dark else (BLACK, 1.0)
    if material == "denim":
        return _lines("M-1 4L4 -1M1.5 6.5L6.5 1.5", 5, 5, WHITE, 0.9, 0.17 if not dark else 0.22)
    if material in ("wool", "knit", "cashmere"):
        return _lines("M0 1.5L3 4.5L6 1.5", 6, 4.5, ink, 1.0, 0.17 * strength)
    if material == "corduroy":
        return Tile(
            5,
            20,
            f'<rect width="1.7" height="20" fill="{BLACK}" opacity=".22"/>'
            f'<rect x="2.6" width="1" height="20" fill="{WHITE}" opacity=".16"/>',
        )
    if material == "linen":
        return _lines("M0 1H7M3 4.5H10M1.5 0V6M6.5 3V9M0 7.5H5", 9, 9, ink, 0.6, 0.16 * strength)
    if material == "canvas":
        return _lines("M0 1H2M2 3H4M1 2V4M3 0V2", 4, 4, ink, 0.6, 0.16 * strength)
    if material == "suede":
        dots = "".join(
            f'<circle cx="{x}" cy="{y}" r=".7"/>'
            for x, y in ((1, 1), (5, 2.4), (3, 4.6), (7.4, 5.4), (1.2, 7), (5.4, 7.6))
        )
        return Tile(8.5, 8.5, f'<g fill="{ink}" fill-opacity="{0.17 * strength:.2f}">{dots}</g>', turns=False)
    if material == "leather":
        return _lines("M1 2Q3 3 5 1.6M6 6Q8 4.6 10 6.4M2 8.6Q4 7.4 5 9", 11, 11, ink, 0.5, 0.13 * strength)
    if material == "straw":
        return _lines(
            "M0 2Q2.5 0 5 2M2.5 4.4Q5 2.4 7.5 4.4M-2.5 4.4Q0 2.4 2.5 4.4", 5, 5, "#6b4a1f", 0.8, 0.42, turns=True
        )
    return None


# How strongly light slides over a material.
SHEEN: Mapping[str, float] = MappingProxyType(
    {"silk": 0.85, "satin": 0.95, "leather": 0.7, "patent leather": 1.0, "nylon": 0.45, "metal": 0.8, "polyester": 0.3}
)


def fabric(
    name: str,
    colour: str,
    second: str,
    pattern: str,
    material: str,
    rng: np.random.Generator,
    *,
    scale: float = 1.0,
) -> Fabric:
    """The cloth of a garment; `scale` shrinks a print for small things."""
    draw = PRINTS.get(pattern)
    return Fabric(
        name=name,
        colour=colour,
        second=second,
        print=draw(second, scale, rng) if draw else None,
        weave=weave(material, colour),
        sheen=SHEEN.get(material, 0.0),
    )
