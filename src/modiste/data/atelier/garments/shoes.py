"""Shoes in profile, the toe to the left, as a pair: one behind the other."""

from __future__ import annotations

from collections.abc import Callable

from modiste.data.atelier.design import Design
from modiste.data.atelier.garments.shapes import colour_block
from modiste.data.atelier.sketch import Point, Segment, Sketch, path

_RISE = {"flat": 9.0, "block": 44.0, "stiletto": 62.0, "kitten": 30.0, "wedge": 46.0}
_GROUND = 250.0


def _pair(
    s: Sketch, one: Callable[[], None], back: tuple[float, float], front: tuple[float, float], scale: float = 1.0
) -> None:
    for x, y in (back, front):
        with s.moved(f"translate({x} {y + _GROUND * (1 - scale):.1f}) scale({scale})"):
            one()


def _on_curve(start: Point, one: Point, two: Point, end: Point, share: float) -> Point:
    """The point of a cubic curve at the parameter `share`."""
    a, b, c, e = (1 - share) ** 3, 3 * share * (1 - share) ** 2, 3 * share**2 * (1 - share), share**3
    return (
        a * start[0] + b * one[0] + c * two[0] + e * end[0],
        a * start[1] + b * one[1] + c * two[1] + e * end[1],
    )


def _sole(rise: float, toe: str, tip: float | None = None) -> tuple[float, list[Segment]]:
    """The underside of the upper: x of the toe, and the way from there to the heel's back."""
    g = _GROUND
    if tip is None:
        tip = -112.0 if toe == "pointed" else -102.0
    lift = rise - 6 if rise > 15 else 3.0
    return tip, [
        ((-80, g - 1), (-44, g - 2)),
        ((-10, g - 3), (16, g - lift * 0.94 - 4), (52, g - lift - 4)),
        ((94, g - lift - 9),),
    ]


def _heel(s: Sketch, kind: str, rise: float, colour: str) -> None:
    g, y = _GROUND, _GROUND - rise
    edge = s.main.outline
    if kind == "flat":
        s.shape(path((52, y), ((94, y - 3),), ((94, g),), ((52, g),)), colour, stroke=edge, width=1.1)
        s.shape(
            path((-98, g - 5), ((-44, g - 4),), ((54, g - 6),), ((54, g - 2),), ((-44, g + 1),), ((-94, g),)),
            colour,
            stroke=edge,
            width=0.9,
        )
        return
    if kind == "wedge":
        s.shape(
            path(
                (-100, g - 9),
                ((-62, g - 12), (-40, g - 9)),
                ((-6, g - 10), (16, y + 2), (54, y)),
                ((95, y - 4),),
                ((97, g - 20), (92, g)),
                ((-90, g),),
                ((-98, g - 1), (-100, g - 9)),
            ),
            "#c9a16c",
            stroke="#8a6636",
            width=1.1,
        )
        for k in range(3):
            low = g - 6 - k * (rise - 12) / 3
            s.line(path((-34 + k * 28, low + 1), ((92, low - 2),), close=False), "#9c7642", 1.1)
        return
    if kind == "block":
        outline = path((53, y + 2), ((95, y - 5),), ((97, y + 16), (94, g)), ((61, g),), ((60, y + 18), (53, y + 2)))
    elif kind == "kitten":
        outline = path(
            (54, y + 2), ((95, y - 5),), ((97, y + 8), (86, g - 12), (89, g)), ((79, g),), ((78, y + 12), (54, y + 2))
        )
    else:
        outline = path(
            (53, y + 2),
            ((95, y - 5),),
            ((98, y + 14), (91, y + 30), (91, g)),
            ((84, g),),
            ((83, y + 30), (80, y + 9), (53, y + 2)),
        )
    s.shape(outline, colour, stroke=edge, width=1.1)
    left, right = {"block": (61, 94), "kitten": (79, 89)}.get(kind, (84, 91))
    s.shape(path((left, g - 3), ((right, g - 3),), ((right, g + 1),), ((left, g + 1),)), s.main.shade(0.6))


def _outsole(s: Sketch, tip: float, sole: list[Segment], colour: str, width: float) -> None:
    """The thin sole under a heeled shoe, from the toe to where the heel begins."""
    s.line(path((tip + 3, _GROUND - 4), *sole[:2], close=False), colour, width)


def _ankle_strap(s: Sketch, back: Point, front: Point, width: float) -> None:
    """A loop around the ankle: its far half, its near half, and a buckle."""
    (bx, by), (fx, fy) = back, front
    reach, sag = bx - fx, width * 1.6
    far = path(back, ((bx - reach * 0.2, by - sag), (fx + reach * 0.2, fy - sag), front), close=False)
    bend: tuple[Point, Point] = ((bx - reach * 0.2, by + sag), (fx + reach * 0.2, fy + sag))
    near = path(back, (*bend, front), close=False)
    s.line(far, s.main.outline, width)
    s.line(far, s.main.shade(0.35), width - 2)
    s.line(near, s.main.outline, width + 2)
    s.line(near, s.main.colour, width)
    x, y = _on_curve(back, *bend, front, 0.42)
    half = width * 0.62
    s.shape(
        path((x - half, y - half), ((x + half, y - half),), ((x + half, y + half),), ((x - half, y + half),)),
        "none",
        stroke="#d0a85a",
        width=1.8,
    )


def pumps(s: Sketch, d: Design) -> None:
    kind, toe = d.get("heel", "stiletto"), d.get("toe", "pointed")
    rise = _RISE[kind] * s.vary(0.94, 1.1)
    cut, strap, bow = s.vary(-52, -38), s.chance(0.3), s.chance(0.2)
    _pair(s, lambda: _pump(s, d, kind, toe, rise, cut, strap, bow), (22, -84), (-8, 10), 1.1)


def _pump(s: Sketch, d: Design, kind: str, toe: str, rise: float, cut: float, strap: bool, bow: bool) -> None:
    g = _GROUND
    tip, sole = _sole(rise, toe)
    counter: Point = (89, g - rise - 50)
    throat: Point = (cut, g - 37)
    # The far edge of the opening lies a little above the near one: between them the lining shows.
    s.shape(
        path(
            counter,
            ((56, g - rise - 34), (cut + 46, g - rise * 0.3 - 44), (cut - 6, g - 38)),
            ((10, g - 20), (60, g - rise - 14)),
        ),
        s.main.shade(0.45),
        stroke=s.main.outline,
    )
    _outsole(s, tip, sole, s.main.shade(0.6), 4)
    _heel(s, kind, rise, s.main.shade(0.12))
    nose: list[Segment] = (
        [((cut - 22, g - 31), (tip + 22, g - 19), (tip, g - 6))]
        if toe == "pointed"
        else [((cut - 22, g - 34), (tip - 2, g - 34), (tip + 1, g - 5))]
    )
    outline = path(
        counter,
        ((78, g - rise - 26), (46, g - rise - 20), (16, g - rise * 0.66 - 20)),
        ((-8, g - rise * 0.34 - 20), (cut + 22, g - 27), throat),
        *nose,
        *sole,
        ((101, g - rise - 20), (94, g - rise - 38), counter),
    )
    s.panel(outline)
    if d.get("pattern") == "colour block":
        with s.clipped(outline):
            s.panel(
                path((-130, g - 60), ((cut - 16, g - 60),), ((cut - 12, g - 20), (cut - 26, g + 9)), ((-130, g + 9),)),
                s.trim,
                shadow=False,
            )
        s.line(outline, s.main.outline, 1.3)
    s.glint((tip + 20, g - 13), (-78, g - 26), (cut + 2, g - 30), 5, 0.3)
    if strap:
        y = counter[1]
        s.panel(
            path((79, y + 14), ((84, y + 6), (84, y - 16)), ((92, y - 16),), ((91, y - 6), (94, y + 14))), shadow=False
        )
        _ankle_strap(s, (88, y - 15), (24, y - 20), 4.6)
    if bow:
        for side in (-1, 1):
            s.panel(
                path(
                    (cut, g - 37),
                    ((cut + side * 8, g - 50), (cut + side * 20, g - 50), (cut + side * 19, g - 38)),
                    ((cut + side * 18, g - 27), (cut + side * 8, g - 28), (cut, g - 37)),
                ),
                shadow=False,
            )
        s.disc(cut, g - 37, 3.4, s.main.shade(0.2), stroke=s.main.outline)


def ballet_flats(s: Sketch, d: Design) -> None:
    toe, bow = d.get("toe", "round"), s.chance(0.6)
    cut = s.vary(-62, -48)
    _pair(s, lambda: _flat(s, d, toe, cut, bow), (18, -82), (-8, 0), 1.12)


def _flat(s: Sketch, d: Design, toe: str, cut: float, bow: bool) -> None:
    g = _GROUND
    tip, sole = _sole(9, toe)
    s.shape(path((90, g - 46), ((20, g - 38), (cut, g - 30)), ((20, g - 10), (88, g - 12))), s.main.shade(0.45))
    nose: Segment = (
        ((cut - 20, g - 28), (tip + 24, g - 17), (tip + 2, g - 5))
        if toe == "pointed"
        else ((tip + 8, g - 34), (tip - 4, g - 16), (tip + 2, g - 5))
    )
    _heel(s, "flat", 9, s.main.shade(0.5))
    outline = path(
        (91, g - 48),
        ((80, g - 26), (44, g - 24)),
        ((-10, g - 22), (cut, g - 31)),
        nose,
        *sole,
        ((99, g - 28), (91, g - 48)),
    )
    s.panel(outline)
    if d.get("pattern") == "colour block":
        with s.clipped(outline):
            s.panel(
                path((-130, g - 60), ((cut - 16, g - 60),), ((cut - 22, g + 9),), ((-130, g + 9),)),
                s.trim,
                shadow=False,
            )
    s.line(
        path((91, g - 46), ((80, g - 24), (44, g - 22)), ((-10, g - 20), (cut, g - 29)), close=False),
        s.main.outline,
        2.4,
    )
    if bow:
        for side in (-1, 1):
            s.panel(
                path(
                    (cut, g - 31),
                    ((cut + side * 16, g - 48), (cut + side * 17, g - 32)),
                    ((cut + side * 14, g - 22), (cut, g - 30)),
                ),
                shadow=False,
            )


def loafers(s: Sketch, d: Design) -> None:
    detail, tongue = d.get("detail"), s.vary(-30, -22)
    _pair(s, lambda: _loafer(s, d, detail, tongue), (18, -88), (-8, 4), 1.12)


def _loafer(s: Sketch, d: Design, detail: str, tongue: float) -> None:
    g = _GROUND
    tip, sole = _sole(12, "round")
    s.shape(path((90, g - 58), ((40, g - 52), (0, g - 62)), ((20, g - 20), (88, g - 20))), s.main.shade(0.45))
    _heel(s, "flat", 13, "#3a2b22")
    outline = path(
        (91, g - 60),
        ((60, g - 44), (20, g - 48)),
        ((0, g - 60), (tongue + 8, g - 67)),
        ((tongue - 6, g - 60), (-50, g - 42)),
        ((tip + 6, g - 44), (tip - 6, g - 22), (tip + 2, g - 5)),
        *sole,
        ((99, g - 34), (91, g - 60)),
    )
    s.panel(outline)
    if d.get("pattern") == "colour block":
        with s.clipped(outline):
            s.panel(path((46, g - 90), ((120, g - 90),), ((120, g),), ((52, g),)), s.trim, shadow=False)
    s.line(
        path((-52, g - 42), ((-96, g - 40), (-92, g - 20)), ((-60, g - 18), (-8, g - 46)), close=False),
        s.main.outline,
        1.5,
    )
    s.panel(
        path(
            (-46, g - 46), ((-26, g - 60),), ((8, g - 26), (6, g - 10)), ((-14, g - 9),), ((-20, g - 28), (-46, g - 46))
        ),
        shadow=False,
    )
    if detail == "horsebit":
        s.line(path((-40, g - 44), ((-18, g - 38), (-4, g - 26)), close=False), "#d8b25a", 4)
    elif detail == "tassel":
        for dx in (0, 9):
            s.shape(
                path((-28 + dx, g - 44), ((-36 + dx, g - 24),), ((-26 + dx, g - 22),)),
                s.main.shade(0.3),
                stroke=s.main.outline,
                width=0.8,
            )
    else:
        s.line(path((-24, g - 42), ((-14, g - 32),), close=False), s.main.outline, 4)


def sneakers(s: Sketch, d: Design) -> None:
    high, stripes = d.get("shaft") == "high", s.chance(0.5)
    thick = s.vary(17, 23)
    white = "#f7f5f0" if d.get("colour") != "white" or s.chance(0.5) else "#e6dccb"
    _pair(
        s,
        lambda: _sneaker(s, d, high, stripes, thick, white),
        (20, -96 if not high else -92),
        (-8, 8 if not high else 46),
        1.08 if not high else 0.98,
    )


def _sneaker(s: Sketch, d: Design, high: bool, stripes: bool, thick: float, white: str) -> None:
    g, top = _GROUND, _GROUND - (138 if high else 84)
    base = g - thick + 3
    # The lacing runs up this edge; a high shaft stands upright above the instep.
    collar: Point = (20, top + 3) if high else (12, top + 2)
    instep: tuple[Point, Point, Point] = (
        ((16, top + 46), (6, g - 76), (-36, g - 58)) if high else ((4, top + 8), (-12, g - 69), (-34, g - 58))
    )
    x, y = collar
    s.panel(
        path((x - 2, y + 6), ((x + 4, y - 14), (x + 12, y - 16)), ((x + 30, y - 13), (x + 32, y + 8)), ((x, y + 36),)),
        s.main,
        shadow=False,
    )
    heel: tuple[Point, ...] = ((103, g - 42), (82, g - 66), (90, top + 3)) if high else ((104, g - 50), (90, top + 4))
    outline = path(
        heel[-1],
        ((70, top + (11 if high else 18)), (42, top + (10 if high else 6)), collar),
        instep,
        ((-72, g - 54), (-108, g - 48), (-108, base)),
        ((94, base),),
        heel,
    )
    s.panel(outline)
    if d.get("pattern") == "colour block":
        with s.clipped(outline):
            s.panel(path((54, top - 20), ((120, top - 20),), ((120, g),), ((34, g),)), s.trim, shadow=False)
            s.panel(
                path((-130, g - 80), ((-66, g - 80),), ((-84, g - 30), (-60, g)), ((-130, g),)), s.trim, shadow=False
            )
    s.line(path((-62, base), ((-70, g - 42), (-42, g - 56)), close=False), s.main.outline, 1.5)
    s.line(path((50, base), ((46, g - 52), (66, top + 11)), close=False), s.main.outline, 1.4)
    eyelets = path(
        (x + 17, top + 9),
        ((instep[0][0] + 17, instep[0][1]), (instep[1][0] + 17, instep[1][1] + 8), (-24, g - 40)),
        ((-40, g - 38), (-44, g - 55)),
        close=False,
    )
    s.line(eyelets, s.main.outline, 1.3)
    if stripes:
        for k in range(3):
            s.line(path((4 + k * 14, g - 26), ((16 + k * 12, g - 52),), close=False), s.main.seam, 4)
    if high:
        s.disc(58, top + 44, 12, white, stroke=s.main.outline, width=1.1)
        s.disc(58, top + 44, 8.4, "none", stroke=s.main.outline, width=0.9)
    rows = 7 if high else 4
    for k in range(rows):
        lx, ly = _on_curve(collar, *instep, 0.06 + 0.82 * k / (rows - 1))
        lace = path((lx - 3, ly - 1), ((lx + 18, ly + 7),), close=False)
        s.line(lace, "#8b8780", 5.2)
        s.line(lace, "#fbfaf6", 3.6)
    s.shape(
        path(
            (-112, base - 6),
            ((-60, base + 3), (0, base)),
            ((98, base - 3),),
            ((102, g - 6), (94, g)),
            ((-96, g),),
            ((-116, g - 4), (-112, base - 6)),
        ),
        white,
        stroke="#8a847c",
        width=1.2,
    )
    s.line(
        path((-108, g - thick * 0.45), ((98, g - thick * 0.5),), close=False),
        s.main.colour if white != "#e6dccb" else "#b9b0a0",
        2,
    )


def ankle_boots(s: Sketch, d: Design) -> None:
    _pair(s, _boot(s, d, s.vary(106, 122)), (30, -34), (-14, 40), 1.04)


def knee_boots(s: Sketch, d: Design) -> None:
    _pair(s, _boot(s, d, s.vary(228, 246)), (46, 44), (-34, 84), 0.92)


def _boot(s: Sketch, d: Design, height: float) -> Callable[[], None]:
    kind, toe, closure = d.get("heel", "flat"), d.get("toe", "round"), d.get("closure")
    rise = {"flat": 14.0}.get(kind, _RISE[kind] * 0.92)
    g, top = _GROUND, _GROUND - rise - height
    tall = height > 200
    width = s.vary(0, 8)
    strap = s.chance(0.35)

    def one() -> None:
        tip, sole = _sole(rise, toe, -106.0 if toe == "pointed" else -94.0)
        leather = "#2d2623" if s.main.dark else "#5a4030"
        if kind != "flat":
            _outsole(s, tip, sole, leather, 5)
        _heel(s, kind, rise, leather)
        ankle = g - rise - 64
        shaft = ankle - top
        near = min(34.0, shaft * 0.4)  # how far above the ankle the leg still follows it
        bend: Point = (12, ankle)  # where the leg meets the instep
        front, back = (-14 - width, 100 + width) if tall else (8, 92)
        nose: Segment = (
            ((tip + 4, g - 14), (tip + 22, g - 30), (-52, g - 40))
            if toe == "pointed"
            else ((tip - 5, g - 24), (tip + 8, g - 40), (-54, g - 44))
        )
        instep: tuple[Point, Point, Point] = ((-26, nose[-1][1] - 7), (4, ankle + 30), bend)
        shin: tuple[Point, Point, Point] = (
            (15, ankle - near),
            (front + (6 if tall else 2), top + shaft * 0.5),
            (front, top + 2),
        )
        outline = path(
            (back, top),
            ((back + (2 if tall else -2), top + shaft * 0.45), (84, ankle - near), (85, ankle)),
            ((87, ankle + 22), (101, g - rise - 26), (94, g - max(rise - 6, 3) - 9)),
            *_reversed(sole, tip),
            nose,
            instep,
            shin,
            (((front + back) / 2, top + 12), (back, top)),
        )
        middle = (front + back) / 2
        s.shape(
            path((front, top + 2), ((middle, top - 8), (back, top)), ((middle, top + 14), (front, top + 2))),
            s.main.inside,
            stroke=s.main.outline,
        )
        s.panel(outline)
        colour_block(s, d, outline, top, top + 30)
        s.fold((20, ankle + 14), (44, ankle + 24), (82, ankle + 6), 4, 0.18)
        s.fold((16, ankle), (40, ankle + 9), (78, ankle - 7), 3, 0.14)
        s.glint((tip + 16, g - 24), (-74, g - 38), (-44, g - 44), 5, 0.22)
        s.glint((front + 20, top + 14), (front + 22, top + height * 0.4), (32, ankle - 10), 7, 0.16)
        if closure == "chelsea":
            s.shape(
                path(
                    (38, top + 6),
                    ((70, top + 5),),
                    ((68, ankle + 4), (58, ankle + 10)),
                    ((50, ankle + 10),),
                    ((42, ankle + 4), (38, top + 6)),
                ),
                s.main.shade(0.5),
                stroke=s.main.outline,
            )
            for k in range(5):
                s.line(path((43 + k * 5.5, top + 9), ((50 + k * 2.4, ankle + 4),), close=False), s.main.seam, 0.8)
            s.line(
                path(
                    (back - 3, top + 8), ((back + 1, top - 16), (back - 9, top - 10), (back - 9, top + 6)), close=False
                ),
                s.main.outline,
                3.4,
            )
        elif closure == "laces":
            facing = path(
                (front + 26, top + 8),
                ((36, ankle - near), (36, ankle + 26), (-14, g - 36)),
                ((-32, g - 34), (-38, g - 46)),
                close=False,
            )
            s.line(facing, s.main.outline, 1.3)
            lace = "#efe6d2" if s.main.dark else "#4a3a2e"
            marks = [_on_curve(nose[-1], *instep, t) for t in (0.5, 0.68, 0.86)]
            marks += [_on_curve(bend, *shin, t) for t in ((0.1, 0.42, 0.78) if not tall else (0.1, 0.3, 0.5, 0.7, 0.9))]
            for x, y in marks:
                s.line(path((x, y), ((x + 19, y + 6),), close=False), lace, 3.2)
                s.disc(x + 21, y + 7, 1.8, "#d0a85a")
        else:
            s.line(path((62, top + 8), ((60, g - rise - 16),), close=False), "#c9c9cc", 2.2, dash="1.6 1.2")
        if strap and closure != "laces":
            band = path((8, ankle + 16), ((46, ankle + 32), (89, ankle + 14)), close=False)
            s.line(band, s.main.outline, 8)
            s.line(band, s.main.colour, 6)
            s.shape(
                path((38, ankle + 17), ((53, ankle + 17),), ((53, ankle + 30),), ((38, ankle + 30),)),
                "none",
                stroke="#d0a85a",
                width=2.2,
            )

    return one


def _reversed(sole: list[Segment], tip: float) -> list[Segment]:
    """The sole from heel to toe, starting at its last point."""
    points = [(tip + 2, _GROUND - 4), *(segment[-1] for segment in sole)]
    return [
        (*reversed(segment[:-1]), begin) for begin, segment in zip(reversed(points[:-1]), reversed(sole), strict=True)
    ]


def sandals(s: Sketch, d: Design) -> None:
    kind = d.get("heel", "flat")
    rise = _RISE[kind] * 0.95
    crossed, bands = s.chance(0.4), int(s.vary(1, 3.99))
    _pair(s, lambda: _sandal(s, kind, rise, crossed, bands), (20, -88), (-8, 10), 1.1)


def _sandal(s: Sketch, kind: str, rise: float, crossed: bool, bands: int) -> None:
    g = _GROUND
    _heel(s, kind, rise, "#b98a58" if kind == "flat" else s.main.shade(0.2))
    lift = max(rise - 4, 4)
    y = g - lift - 10  # the foot bed under the heel
    # The far halves of the straps, seen through the opening.
    first, width, step = {1: (-82, 38, 0), 2: (-88, 24, 33)}.get(bands, (-92, 17, 26))
    straps = [(first + k * step, 27 + k * 21 / bands) for k in range(bands)]
    for x, tall in straps:
        s.shape(
            path((x - 1, g - 12), ((x - 4, g - 9 - tall), (x + 14, g - 9 - tall)), ((x + width + 10, g - 12 - tall),)),
            s.main.shade(0.45),
            stroke=s.main.outline,
        )
    s.shape(
        path(
            (-100, g - 12),
            ((-62, g - 15), (-40, g - 11)),
            ((-6, g - 11), (16, g - lift - 8), (54, g - lift - 9)),
            ((90, g - lift - 13),),
            ((97, g - lift - 13), (96, g - lift - 4)),
            ((54, g - lift),),
            ((16, g - lift + 2), (-6, g - 2), (-40, g - 1)),
            ((-98, g + 1),),
            ((-112, g - 2), (-100, g - 12)),
        ),
        "#c79b66",
        stroke="#7f5a34",
        width=1.1,
    )
    for x, tall in straps:
        s.panel(
            path(
                (x, g - 8),
                ((x - 2, g - 8 - tall * 0.7), (x + 14, g - 9 - tall)),
                ((x + 14 + width * 0.5, g - 14 - tall), (x + 12 + width, g - 12 - tall)),
                ((x + width + 4, g - 8 - tall * 0.6), (x + width + 2, g - 8)),
            )
        )
    s.panel(
        path(
            (54, y + 3),
            ((70, y - 14), (84, y - 34), (85, y - 56)),
            ((93, y - 56),),
            ((94, y - 36), (101, y - 22), (95, y - 1)),
        )
    )
    if crossed:
        x, tall = straps[-1]
        s.panel(
            path(
                (20, y - 64),
                ((6, y - 34), (-8, g - 30 - tall * 0.6), (x + width + 6, g - 10 - tall)),
                ((x + width - 2, g - 4 - tall),),
                ((0, g - 20 - tall * 0.6), (16, y - 26), (27, y - 58)),
            )
        )
    _ankle_strap(s, (89, y - 54), (24, y - 60), 6.4)


DRAW = {
    "sneakers": sneakers,
    "ankle boots": ankle_boots,
    "knee boots": knee_boots,
    "pumps": pumps,
    "loafers": loafers,
    "sandals": sandals,
    "ballet flats": ballet_flats,
}
