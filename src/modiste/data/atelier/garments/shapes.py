"""The parametric shapes that garments share: torso, necklines, sleeves, collars, legs, skirts, closures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from modiste.data.atelier.design import Design
from modiste.data.atelier.patterns import Fabric
from modiste.data.atelier.sketch import Point, Segment, Sketch, between, path, symmetric


@dataclass(frozen=True, slots=True)
class Torso:
    """Half widths and heights of an upper body, centred on x = 0."""

    neck: float
    shoulder: float
    chest: float
    waist: float
    hem: float
    top: float  # y of the neck point
    slope: float  # how far the shoulder lies below it
    armpit: float
    waist_y: float
    hem_y: float
    dip: float = 5.0  # how far the hem sags in the middle

    @property
    def shoulder_point(self) -> Point:
        return self.shoulder, self.top + self.slope

    @property
    def armpit_point(self) -> Point:
        return self.chest, self.armpit


# neckline -> (half width, depth)
NECKS = {
    "crew": (29.0, 22.0),
    "round": (29.0, 20.0),
    "v-neck": (27.0, 66.0),
    "scoop": (36.0, 50.0),
    "boat": (50.0, 12.0),
    "square": (36.0, 44.0),
    "turtleneck": (25.0, 10.0),
    "collar": (25.0, 30.0),
    "polo collar": (26.0, 30.0),
    "tie-neck": (26.0, 30.0),
    "hood": (30.0, 24.0),
    "stand collar": (27.0, 14.0),
    "straps": (38.0, 40.0),
}


def neckline(kind: str, top: float, scale: float = 1.0) -> tuple[Point, list[Segment]]:
    """Where the front neckline starts on the centre line, and its way up to the neck point."""
    width, depth = NECKS[kind]
    depth *= scale
    start = (0.0, top + depth)
    if kind in ("v-neck", "collar", "polo collar", "tie-neck"):
        return start, [((width * 0.72, top + depth * 0.36), (width, top))]
    if kind == "square":
        return start, [((width - 3, top + depth),), ((width, top),)]
    if kind == "straps":
        return start, [((width * 0.3, top + depth - 2), (width * 0.55, top + depth * 0.86), (width, top))]
    return start, [((width * 0.62, top + depth), (width * 0.96, top + depth * 0.55), (width, top))]


def body_outline(t: Torso, start: Point, neck: list[Segment], *, armhole: float = 9.0) -> str:
    """Front of a torso from the neckline to the hem."""
    sx, sy = t.shoulder_point
    ax, ay = t.armpit_point
    return symmetric(
        start,
        *neck,
        ((sx, sy),),
        ((sx - armhole, sy + (ay - sy) * 0.45), (sx - armhole, ay - 10), (ax, ay)),
        ((ax - 1, ay + (t.waist_y - ay) * 0.4), (t.waist, t.waist_y - 30), (t.waist, t.waist_y)),
        ((t.waist, t.waist_y + (t.hem_y - t.waist_y) * 0.4), (t.hem, t.hem_y - 25), (t.hem, t.hem_y)),
        ((t.hem * 0.55, t.hem_y + t.dip), (0, t.hem_y + t.dip)),
    )


def back_of_neck(s: Sketch, t: Torso, depth: float) -> None:
    """The inner back seen through the neckline, with its label-sized loop."""
    s.shape(
        symmetric(
            (0, t.top + 7),
            ((t.neck * 0.6, t.top + 7), (t.neck, t.top)),
            ((t.neck, t.top + depth + 14),),
            ((0, t.top + depth + 14),),
        ),
        s.main.inside,
    )


def neck_band(s: Sketch, start: Point, neck: list[Segment], width: float = 5.5, cloth: Fabric | None = None) -> None:
    """A rib or facing that follows the neckline."""
    cloth = cloth or s.main
    points = [start, *(segment[-1] for segment in neck)]
    back: list[Segment] = [
        tuple((-x, y) for x, y in (*reversed(segment[:-1]), begin))
        for begin, segment in zip(reversed(points[:-1]), reversed(neck), strict=True)
    ]
    x, y = points[-1]
    mirrored = path((-x, y), *back, *neck, close=False)
    s.line(mirrored, cloth.outline, width + 1.8)
    s.line(mirrored, cloth.shade(0.10) if not cloth.dark else cloth.tint(0.08), width)


@dataclass(frozen=True, slots=True)
class Sleeve:
    """Where a right sleeve ended."""

    outer: Point
    inner: Point
    outline: str


SLEEVE_LENGTHS = {"short": 66.0, "three-quarter": 132.0, "long": 196.0}


def sleeve(
    s: Sketch,
    t: Torso,
    length: float,
    cuff: float,
    *,
    angle: float = 16.0,
    puff: float = 6.0,
    cloth: Fabric | None = None,
) -> Sleeve:
    """The right sleeve; drawn before the body, which covers its seam."""
    (sx, sy), (ax, ay) = t.shoulder_point, t.armpit_point
    a = math.radians(angle)
    along, across = (math.sin(a), math.cos(a)), (math.cos(a), -math.sin(a))
    half = (ay - sy) / 2
    mx, my = (sx + ax) / 2 - 2, sy + half * 0.75
    ex, ey = mx + along[0] * length, my + along[1] * length
    outer = (ex + across[0] * cuff, ey + across[1] * cuff)
    inner = (ex - across[0] * cuff, ey - across[1] * cuff)
    outline = path(
        (sx - 18, sy + half * 0.2),
        ((sx, sy),),
        (
            (sx + 9 + puff, sy + 6),
            (outer[0] - along[0] * length * 0.5 + puff, outer[1] - along[1] * length * 0.55),
            outer,
        ),
        (between(outer, inner, 0.5), inner) if length < 90 else (inner,),
        ((inner[0] - along[0] * length * 0.5, inner[1] - along[1] * length * 0.5), (ax + 3, ay + 14), (ax, ay)),
        ((sx - 24, my),),
    )
    s.panel(outline, cloth, angle=-angle)
    if length > 100:  # the bend of the elbow
        bend = between((mx, my), (ex, ey), 0.5)
        s.fold(
            (bend[0] - cuff * 0.9, bend[1] - 8),
            (bend[0] + 2, bend[1] + 2),
            (bend[0] + cuff * 0.5, bend[1] - 8),
            3,
            0.14,
        )
        s.fold(
            (bend[0] - cuff * 0.9, bend[1] + 10), (bend[0], bend[1] + 16), (bend[0] + cuff * 0.3, bend[1] + 8), 3, 0.12
        )
    s.fold((ax + 2, ay + 4), (ax - 2, ay - 18), (sx - 2, sy + 26), 4, 0.12)
    return Sleeve(outer, inner, outline)


def cuff_band(s: Sketch, end: Sleeve, height: float, cloth: Fabric | None = None, *, ribbed: bool = False) -> None:
    """A band around the sleeve's end."""
    (ox, oy), (ix, iy) = end.outer, end.inner
    dx, dy = ox - ix, oy - iy
    length = math.hypot(dx, dy)
    down = (-dy / length * height, dx / length * height)
    s.panel(
        path((ox, oy), ((ox + down[0], oy + down[1]),), ((ix + down[0], iy + down[1]),), ((ix, iy),)),
        cloth,
        angle=90,
        shadow=False,
    )
    if ribbed:
        for share in (0.2, 0.4, 0.6, 0.8):
            x, y = between((ix, iy), (ox, oy), share)
            s.line(path((x, y), ((x + down[0], y + down[1]),), close=False), width=0.8, opacity=0.6)


def hem_rib(s: Sketch, t: Torso, height: float = 14.0) -> None:
    """A ribbed band at the hem of knitwear."""
    y, half = t.hem_y - 2, t.hem
    s.panel(
        symmetric(
            (0, y + t.dip),
            ((half * 0.55, y + t.dip), (half, y)),
            ((half - 4, y + height),),
            ((half * 0.5, y + height + t.dip), (0, y + height + t.dip)),
        ),
        shadow=True,
    )
    steps = 13
    for k in range(-steps, steps + 1):
        x = half * k / (steps + 1)
        sag = t.dip * (1 - (k / steps) ** 2)
        s.line(path((x, y + sag + 2), ((x * 0.97, y + height + sag - 2),), close=False), width=0.8, opacity=0.55)


def torso_folds(s: Sketch, t: Torso) -> None:
    """Creases that a hanging garment shows."""
    with s.mirrored():
        s.fold((t.chest - 4, t.armpit + 6), (t.chest - 26, t.armpit + 30), (t.chest - 34, t.armpit + 62), 7, 0.10)
        s.fold((t.hem - 10, t.hem_y - 4), (t.hem - 24, t.hem_y - 40), (t.waist - 22, t.waist_y - 10), 6, 0.10)
    s.glint((-t.waist * 0.45, t.armpit + 6), (-t.waist * 0.55, t.waist_y), (-t.hem * 0.4, t.hem_y - 18), 9, 0.10)


def colour_block(s: Sketch, d: Design, outline: str, top: float, bottom: float) -> None:
    """The second colour of a colour-blocked garment, from `top` to `bottom` of a panel."""
    if d.get("pattern") != "colour block":
        return
    with s.clipped(outline):
        s.panel(path((-150, top), ((150, top),), ((150, bottom),), ((-150, bottom),)), s.trim, shadow=False, line=1.0)
    s.line(outline, s.main.outline, 1.3)


def shirt_collar(s: Sketch, t: Torso, depth: float, *, spread: float = 30.0, cloth: Fabric | None = None) -> None:
    """A stand and two pointed leaves."""
    n, y = t.neck, t.top
    s.panel(
        symmetric((0, y - 4), ((n * 0.6, y - 6), (n - 3, y - 9)), ((n + 1, y + 2),), ((n * 0.5, y + 11), (0, y + 12))),
        cloth,
        shadow=False,
    )
    with s.mirrored():
        s.panel(
            path(
                (n - 3, y - 10),
                ((n + 7, y + 4), (n + 8, y + 12)),
                ((spread, y + depth + 12),),
                ((1, y + depth - 4),),
                ((n * 0.6, y + 10), (n - 3, y - 10)),
            ),
            cloth,
            angle=45,
            shadow=False,
        )


def placket(
    s: Sketch, top: float, bottom: float, *, width: float = 6.0, buttons: int = 6, colour: str | None = None
) -> None:
    """A strip of cloth with buttons down the middle."""
    s.line(path((-width, top), ((-width, bottom),), close=False), width=1.0)
    s.line(path((width, top), ((width, bottom),), close=False), width=1.0)
    for k in range(buttons):
        s.button(0, top + (bottom - top) * (k + 0.5) / buttons, 2.5, colour)


def zipper(s: Sketch, top: float, bottom: float, x: float = 0.0, lean: float = 0.0) -> None:
    """A metal zip with its slider."""
    run = path((x, top), ((x + lean, bottom),), close=False)
    s.line(run, s.main.outline, 5.5)
    s.line(run, "#c9c9cc", 2.6, dash="1.4 1.2")
    s.disc(x, top + 5, 3.0, "#d9d9dc", stroke="#66666a", width=0.8)
    s.shape(
        path((x - 1.8, top + 7), ((x + 1.8, top + 7),), ((x + 1.4, top + 17),), ((x - 1.4, top + 17),)),
        "#d2d2d6",
        stroke="#6a6a70",
        width=0.7,
    )


def lapels(
    s: Sketch, t: Torso, depth: float, *, width: float = 34.0, notch: float = 0.38, cloth: Fabric | None = None
) -> None:
    """Notched lapels and a collar above an inner shirt-less dark."""
    n, y = t.neck, t.top
    with s.mirrored():
        corner = (n + width * 0.75, y + depth * notch)
        s.panel(
            path(
                (n * 0.95, y - 2),
                (corner,),
                ((n + width * 0.62, y + depth * (notch + 0.1)),),
                ((n + width * 0.75, y + depth * 0.66), (1, y + depth)),
                ((n * 0.62, y + depth * 0.45), (n * 0.95, y - 2)),
            ),
            cloth,
            angle=24,
            shadow=False,
        )
        s.panel(
            path(
                (n - 3, y - 9),
                ((n + 9, y), (n + 14, y + 10)),
                (corner,),
                ((n * 0.8 + 2, y + depth * (notch + 0.02)),),
                ((n - 6, y + 14), (n - 10, y - 4)),
            ),
            cloth,
            angle=-30,
            shadow=False,
        )


def patch_pocket(s: Sketch, x: float, y: float, width: float, height: float, *, flap: bool = False) -> None:
    """A sewn-on pocket whose top left corner is (x, y)."""
    s.panel(
        path(
            (x, y),
            ((x + width, y),),
            ((x + width, y + height * 0.78),),
            ((x + width / 2, y + height),),
            ((x, y + height * 0.78),),
        ),
        shaded=False,
        shadow=False,
        line=1.1,
    )
    if flap:
        s.panel(
            path(
                (x - 1, y - 2),
                ((x + width + 1, y - 2),),
                ((x + width + 1, y + height * 0.22),),
                ((x + width / 2, y + height * 0.42),),
                ((x - 1, y + height * 0.22),),
            ),
            shadow=False,
            line=1.1,
        )
        s.button(x + width / 2, y + height * 0.24, 2)


@dataclass(frozen=True, slots=True)
class Legs:
    """Half widths and heights of a pair of legs."""

    waist: float
    hip: float
    top: float
    hip_y: float
    crotch: float
    hem_y: float
    outer: float  # x of the hem's outer corner
    inner: float  # and of its inner one
    knee: float = 0.0  # how far the leg narrows (+) at the knee


def legs_outline(g: Legs) -> str:
    knee_y = (g.crotch + g.hem_y) / 2
    outer_knee = (g.hip + g.outer) / 2 - g.knee
    inner_knee = (g.inner + 3) / 2 + g.knee * 0.5
    reach = min(40.0, (g.hem_y - knee_y) * 0.4)  # of the curves below the knee: short legs bend less
    above = min(30.0, max(0.0, knee_y - g.hip_y) * 0.4)
    return symmetric(
        (0, g.top + 3),
        ((g.waist * 0.6, g.top + 3), (g.waist, g.top)),
        ((g.waist + 3, g.top + 24), (g.hip, g.hip_y - 20), (g.hip, g.hip_y)),
        ((g.hip + 1, g.hip_y + above), (outer_knee, knee_y - above), (outer_knee, knee_y)),
        ((outer_knee, knee_y + reach), (g.outer, g.hem_y - reach * 0.75), (g.outer, g.hem_y)),
        ((g.inner, g.hem_y + 2),),
        ((g.inner, g.hem_y - reach), (inner_knee, knee_y + reach * 0.75), (inner_knee, knee_y)),
        ((inner_knee - 1, knee_y - reach), (4, g.crotch + reach * 0.55), (0, g.crotch)),
    )


def legs_folds(s: Sketch, g: Legs) -> None:
    """The fly, creases at the crotch, and light along the thighs."""
    s.line(path((0, g.top + 4), ((0, g.crotch),), close=False), width=1.2)
    with s.mirrored():
        s.fold((2, g.crotch - 2), (16, g.crotch - 8), (g.hip * 0.55, g.crotch - 24), 3, 0.14)
        s.fold((3, g.crotch + 6), (18, g.crotch + 6), (g.hip * 0.6, g.crotch - 4), 3, 0.12)
        knee_y = (g.crotch + g.hem_y) / 2
        if g.hem_y - g.crotch > 90:
            middle = (g.inner + g.outer) / 2
            s.fold((middle - 14, knee_y), (middle, knee_y + 9), (middle + 14, knee_y - 3), 3, 0.12)
            s.glint((middle - 4, g.crotch + 14), (middle - 5, knee_y), (middle, g.hem_y - 14), 7, 0.12)


def skirt_outline(
    top: float, waist: float, hip: float, hip_y: float, hem: float, hem_y: float, dip: float = 8.0
) -> str:
    return symmetric(
        (0, top + 4),
        ((waist * 0.6, top + 4), (waist, top)),
        ((waist + 4, top + (hip_y - top) * 0.4), (hip, hip_y - 20), (hip, hip_y)),
        ((hip + (hem - hip) * 0.35, hip_y + (hem_y - hip_y) * 0.4), (hem, hem_y)),
        ((hem * 0.55, hem_y + dip), (0, hem_y + dip)),
    )


def drape(s: Sketch, top: float, waist: float, hem: float, hem_y: float, folds: int = 4, start: float = 20.0) -> None:
    """Folds that fan out from the waist to the hem."""
    for k in range(folds):
        share = (k + 0.5) / folds * 2 - 1
        x0, x1 = waist * share * 0.85, hem * share * 0.92
        s.fold(
            (x0, top + start + 26 * abs(share)),
            ((x0 + x1) / 2 - 4 * share, (top + hem_y) / 2),
            (x1, hem_y + 2),
            9,
            0.13,
        )
        if k % 2 == 0:
            s.glint((x0 + 9, top + start + 40), ((x0 + x1) / 2 + 12, (top + hem_y) / 2), (x1 + 14, hem_y - 6), 7, 0.13)
