"""The drawing board: panels of cloth, seams, folds and fittings, collected into one SVG.

Coordinates: the canvas is 300 wide and 400 high; x is measured from the vertical centre line (-150 ... 150), so that a
symmetric garment is drawn once and mirrored. Points are (x, y).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from modiste.data.atelier.patterns import BLACK, WHITE, Fabric, Tile

Point = tuple[float, float]
Segment = tuple[Point, ...]  # one point: line; two: quadratic curve; three: cubic curve; the last one is where it ends

WIDTH, HEIGHT = 300, 400
_COMMANDS = " LQC"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _segment(segment: Segment) -> str:
    return _COMMANDS[len(segment)] + " ".join(f"{_number(x)} {_number(y)}" for x, y in segment)


def path(start: Point, *segments: Segment, close: bool = True) -> str:
    """Path data through lines and curves."""
    return f"M{_number(start[0])} {_number(start[1])}" + "".join(map(_segment, segments)) + ("Z" if close else "")


def symmetric(start: Point, *segments: Segment) -> str:
    """A closed outline from its right half, given from the top of the centre line to its bottom."""
    points = [start, *(segment[-1] for segment in segments)]
    back = [
        tuple((-x, y) for x, y in (*reversed(segment[:-1]), begin))
        for begin, segment in zip(reversed(points[:-1]), reversed(segments), strict=True)
    ]
    x, y = points[-1]
    bridge: list[Segment] = [((-x, y),)] if x else []
    return path(start, *segments, *bridge, *back)


def smooth(points: Sequence[Point], *, close: bool = True, tension: float = 1.0) -> str:
    """A soft curve through all points (Catmull-Rom as cubic curves)."""
    count = len(points)
    segments: list[Segment] = []
    for i in range(count if close else count - 1):
        if close:
            p0, p1, p2, p3 = (points[(i + k) % count] for k in (-1, 0, 1, 2))
        else:
            p0, p1, p2, p3 = (points[min(max(i + k, 0), count - 1)] for k in (-1, 0, 1, 2))
        k = tension / 6
        segments.append(
            (
                (p1[0] + (p2[0] - p0[0]) * k, p1[1] + (p2[1] - p0[1]) * k),
                (p2[0] - (p3[0] - p1[0]) * k, p2[1] - (p3[1] - p1[1]) * k),
                p2,
            )
        )
    return path(points[0], *segments, close=close)


def between(one: Point, other: Point, share: float) -> Point:
    return one[0] + (other[0] - one[0]) * share, one[1] + (other[1] - one[1]) * share


class Sketch:
    """One drawing in progress. `main` is the garment's cloth, `trim` its second colour, plain."""

    def __init__(self, main: Fabric, trim: Fabric, rng: np.random.Generator) -> None:
        self.main, self.trim = main, trim
        self._rng = rng
        self._definitions: dict[str, str] = {}
        self._body: list[str] = []
        self._shadow: list[str] = []
        self._mirrored = 0

    # What varies between two items of one type. Drawn in a fixed order, so equal seeds give equal drawings.
    def vary(self, low: float, high: float) -> float:
        return float(self._rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        return bool(self._rng.random() < probability)

    def pick(self, *choices: str) -> str:
        return choices[int(self._rng.integers(len(choices)))]

    # Definitions
    def _pattern(self, key: str, tile: Tile, angle: float) -> str:
        turn = tile.angle + (angle if tile.turns else 0.0)
        name = f"{key}{turn:.0f}".replace("-", "m")
        if name not in self._definitions:
            turned = f' patternTransform="rotate({turn:.1f})"' if turn else ""
            self._definitions[name] = (
                f'<pattern id="{name}" patternUnits="userSpaceOnUse" width="{tile.width:.3f}" height="{tile.height:.3f}"'
                f"{turned}>{tile.body}</pattern>"
            )
        return name

    def gradient(
        self, name: str, stops: Sequence[tuple[float, str, float]], axis: tuple[float, ...] = (0, 0, 1, 0)
    ) -> str:
        """Declare a linear gradient over the bounding box; returns its name."""
        if name not in self._definitions:
            x1, y1, x2, y2 = axis
            marks = "".join(f'<stop offset="{o}" stop-color="{c}" stop-opacity="{a:.3f}"/>' for o, c, a in stops)
            self._definitions[name] = (
                f'<linearGradient id="{name}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}">{marks}</linearGradient>'
            )
        return name

    def _roundness(self, cloth: Fabric) -> str:
        dark = 0.30 if cloth.dark else 0.16
        light = 0.13 if cloth.dark else 0.16
        stops = [(0, BLACK, dark), (0.22, BLACK, 0.0), (0.42, WHITE, light), (0.6, WHITE, 0.0), (1, BLACK, dark * 1.2)]
        return self.gradient(f"round{int(cloth.dark)}", [(o, c, a) for o, c, a in stops])

    def _shine(self, cloth: Fabric) -> str:
        peak = cloth.sheen * (0.34 if cloth.dark else 0.42)
        stops = [
            (0.05, WHITE, 0.0),
            (0.2, WHITE, peak),
            (0.3, WHITE, 0.03),
            (0.5, BLACK, 0.10 * cloth.sheen),
            (0.62, WHITE, peak * 0.75),
            (0.72, WHITE, 0.0),
            (1, BLACK, 0.12 * cloth.sheen),
        ]
        return self.gradient(f"shine{cloth.name}", stops, (0, 0, 1, 0.55))

    # Marks
    def add(self, markup: str) -> None:
        self._body.append(markup)

    def panel(
        self,
        outline: str,
        cloth: Fabric | None = None,
        *,
        angle: float = 0.0,
        line: float = 1.3,
        shaded: bool = True,
        shadow: bool = True,
        extra: str = "",
    ) -> None:
        """A piece of cloth: colour, print, weave, light, and an outline. `extra`: attributes for its group."""
        cloth = cloth or self.main
        parts = [f'<path d="{outline}" fill="{cloth.colour}"/>']
        if cloth.print is not None:
            parts.append(f'<path d="{outline}" fill="url(#{self._pattern("p" + cloth.name, cloth.print, angle)})"/>')
        if cloth.weave is not None:
            parts.append(f'<path d="{outline}" fill="url(#{self._pattern("w" + cloth.name, cloth.weave, angle)})"/>')
        if shaded:
            parts.append(f'<path d="{outline}" fill="url(#{self._roundness(cloth)})"/>')
            if cloth.sheen:
                parts.append(f'<path d="{outline}" fill="url(#{self._shine(cloth)})"/>')
        if line:
            parts.append(
                f'<path d="{outline}" fill="none" stroke="{cloth.outline}" stroke-width="{line}" stroke-linejoin="round"/>'
            )
        markup = "".join(parts)
        self.add(f"<g {extra}>{markup}</g>" if extra else markup)
        if shadow and not extra:
            self._shadow.append(outline if not self._mirrored else f"|{outline}")

    def shape(self, outline: str, fill: str, *, stroke: str = "none", width: float = 1.0, opacity: float = 1.0) -> None:
        """A plain coloured shape."""
        edge = f' stroke="{stroke}" stroke-width="{width:.2f}" stroke-linejoin="round"' if stroke != "none" else ""
        # Not `opacity`: it would make the renderer draw a layer of its own, ten times as slow.
        faint = f' fill-opacity="{opacity:.2f}" stroke-opacity="{opacity:.2f}"' if opacity < 1 else ""
        self.add(f'<path d="{outline}" fill="{fill}"{edge}{faint}/>')

    def line(
        self, outline: str, colour: str | None = None, width: float = 1.0, *, dash: str = "", opacity: float = 1.0
    ) -> None:
        """A seam, a strap, a lace."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        # Not `opacity`: it would make the renderer draw a layer of its own, ten times as slow.
        faint = f' fill-opacity="{opacity:.2f}" stroke-opacity="{opacity:.2f}"' if opacity < 1 else ""
        self.add(
            f'<path d="{outline}" fill="none" stroke="{colour or self.main.seam}" stroke-width="{width:.2f}" '
            f'stroke-linecap="round" stroke-linejoin="round"{dashes}{faint}/>'
        )

    def stitch(self, outline: str, colour: str | None = None) -> None:
        """Visible stitching."""
        self.line(outline, colour, 0.9, dash="2.6 1.8", opacity=0.85)

    def cord(self, outline: str, colour: str, width: float, edge: str | None = None) -> None:
        """A strap or cord with an outline of its own, casting a shadow."""
        self.line(outline, edge or "#00000080", width + 1.6)
        self.line(outline, colour, width)

    def fold(self, start: Point, bend: Point, end: Point, width: float = 5.0, opacity: float = 0.16) -> None:
        """A soft crease that tapers at both ends."""
        far = (bend[0] + width, bend[1])
        self.shape(path(start, (bend, end), (far, start)), BLACK, opacity=opacity + (0.14 if self.main.dark else 0.0))

    def glint(self, start: Point, bend: Point, end: Point, width: float = 4.0, opacity: float = 0.3) -> None:
        """A tapered streak of light."""
        far = (bend[0] + width, bend[1])
        self.shape(path(start, (bend, end), (far, start)), WHITE, opacity=opacity)

    def button(self, x: float, y: float, radius: float = 2.6, colour: str | None = None) -> None:
        fill = colour or (self.main.tint(0.55) if self.main.dark else self.main.shade(0.5))
        self.add(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" stroke="#00000066" stroke-width=".7"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius * 0.35:.1f}" fill="#00000055"/>'
        )

    def disc(
        self,
        x: float,
        y: float,
        radius: float,
        fill: str,
        *,
        ry: float | None = None,
        stroke: str = "none",
        width: float = 1,
    ) -> None:
        self.add(
            f'<ellipse cx="{x:.1f}" cy="{y:.1f}" rx="{radius:.1f}" ry="{radius if ry is None else ry:.1f}" fill="{fill}" '
            f'stroke="{stroke}" stroke-width="{width:.1f}"/>'
        )

    def metal(self, name: str = "gold") -> str:
        """A paint (`url(#…)`) of polished metal."""
        from modiste.data.atelier.palette import COLOURS, mix

        base = COLOURS.get(name, name)
        stops = [
            (0, mix(base, BLACK, 0.22), 1.0),
            (0.3, mix(base, WHITE, 0.55), 1.0),
            (0.5, base, 1.0),
            (0.75, mix(base, BLACK, 0.18), 1.0),
            (1, mix(base, WHITE, 0.3), 1.0),
        ]
        key = "metal" + base.strip("#").replace(" ", "")
        return f"url(#{self.gradient(key, stops, (0, 0, 1, 1))})"

    @contextmanager
    def mirrored(self) -> Iterator[None]:
        """Everything drawn inside appears on both sides of the centre line."""
        outer, self._body = self._body, []
        self._mirrored += 1
        try:
            yield
        finally:
            self._mirrored -= 1
            inner = "".join(self._body)
            self._body = outer
            self.add(f'{inner}<g transform="scale(-1 1)">{inner}</g>')

    @contextmanager
    def moved(self, transform: str) -> Iterator[None]:
        """Everything drawn inside is transformed together; its shadow too."""
        outer, self._body = self._body, []
        outer_shadow, self._shadow = self._shadow, []
        try:
            yield
        finally:
            inner, cast = "".join(self._body), self._shadow_path()
            self._body, self._shadow = outer, outer_shadow
            self.add(f'<g transform="{transform}">{_soft(cast) if cast else ""}{inner}</g>')

    @contextmanager
    def clipped(self, outline: str) -> Iterator[None]:
        """Everything drawn inside is cut to an outline."""
        outer, self._body = self._body, []
        try:
            yield
        finally:
            name = f"clip{len(self._definitions)}"
            self._definitions[name] = f'<clipPath id="{name}"><path d="{outline}"/></clipPath>'
            inner, self._body = "".join(self._body), outer
            self.add(f'<g clip-path="url(#{name})">{inner}</g>')

    def _shadow_path(self) -> str:
        return " ".join(part for part in self._shadow if not part.startswith("|"))

    # Result
    def definitions(self) -> str:
        return "".join(self._definitions.values())

    def drawing(self) -> str:
        """The item and its shadow, without background, in centred coordinates."""
        plain = self._shadow_path()
        sides = " ".join(part[1:] for part in self._shadow if part.startswith("|"))
        cast = _soft(plain) if plain else ""
        if sides:
            cast += _soft(sides) + f'<g transform="scale(-1 1)">{_soft(sides, -1)}</g>'
        return cast + "".join(self._body)


def _soft(outline: str, side: int = 1) -> str:
    """A blurred shadow without a filter (filters cost more than the drawing): widening, ever fainter strokes."""
    return (
        f'<g transform="translate({3 * side} 6)" stroke="#3a3035" stroke-linejoin="round">'
        f'<path d="{outline}" fill="none" stroke-opacity=".045" stroke-width="13"/>'
        f'<path d="{outline}" fill="#3a3035" fill-opacity=".10" stroke-opacity=".05" stroke-width="6"/></g>'
    )
