"""Shoes in profile, the toe to the left, as a pair: one behind the other."""

from __future__ import annotations

from collections.abc import Callable

from modiste.data.atelier.design import Design
from modiste.data.atelier.garments.shapes import colour_block
from modiste.data.atelier.sketch import Segment, Sketch, path

_RISE = {"flat": 9.0, "block": 44.0, "stiletto": 62.0, "kitten": 30.0, "wedge": 46.0}
_GROUND = 250.0


def _pair(
    s: Sketch, one: Callable[[], None], back: tuple[float, float], front: tuple[float, float], scale: float = 1.0
) -> None:
    for x, y in (back, front):
        with s.moved(f"translate({x} {y + _GROUND * (1 - scale):.1f}) scale({scale})"):
            one()


def _sole(rise: float, toe: str) -> tuple[float, list[Segment]]:
    """The underside of the upper: x of the toe, and the way from there to the heel's back."""
    tip, g = (-112.0 if toe == "pointed" else -102.0), _GROUND
    lift = rise - 6 if rise > 15 else 3.0
    return tip, [
        ((-80, g - 1), (-44, g - 2)),
        ((-14, g - 3), (24, g - lift * 0.92 - 4), (50, g - lift - 5)),
        ((94, g - lift - 8),),
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
    if kind == "block":
        s.shape(path((54, y + 2), ((95, y - 4),), ((93, g),), ((60, g),)), colour, stroke=edge, width=1.1)
    elif kind == "wedge":
        s.shape(
            path((-96, g - 7), ((-30, g - 7), (40, y)), ((95, y - 4),), ((92, g),), ((-90, g),)),
            "#c9a16c",
            stroke="#8a6636",
            width=1.1,
        )
        for k in range(4):
            s.line(path((-20 + k * 24, g - 3 - k * 9), ((92, g - 4 - k * 10),), close=False), "#9c7642", 1.2)
    else:
        s.shape(
            path((56, y + 1), ((95, y - 5),), ((94, y + 16), (88, g)), ((82, g),), ((82, y + 18), (56, y + 1))),
            colour,
            stroke=edge,
            width=1.1,
        )
    s.shape(
        path((-100, g - 4), ((-44, g - 1), (-30, g - 5)), ((-36, g + 1),), ((-90, g + 1),)),
        s.main.shade(0.6),
        stroke=edge,
        width=0.7,
    )


def pumps(s: Sketch, d: Design) -> None:
    kind, toe = d.get("heel", "stiletto"), d.get("toe", "pointed")
    rise = _RISE[kind] * s.vary(0.94, 1.1)
    cut, strap, bow = s.vary(-52, -38), s.chance(0.3), s.chance(0.2)
    _pair(s, lambda: _pump(s, d, kind, toe, rise, cut, strap, bow), (22, -84), (-8, 10), 1.1)


def _pump(s: Sketch, d: Design, kind: str, toe: str, rise: float, cut: float, strap: bool, bow: bool) -> None:
    g = _GROUND
    tip, sole = _sole(rise, toe)
    if strap:
        s.line(
            path((84, g - rise - 54), ((50, g - rise - 66), (22, g - rise * 0.72 - 38)), close=False), s.main.outline, 7
        )
        s.line(
            path((84, g - rise - 54), ((50, g - rise - 66), (22, g - rise * 0.72 - 38)), close=False), s.main.colour, 5
        )
    s.shape(
        path(
            (90, g - rise - 46),
            ((50, g - rise - 34), (20, g - rise * 0.6 - 28)),
            ((-20, g - 50), (cut, g - 33)),
            ((0, g - 24), (60, g - rise - 8)),
        ),
        s.main.shade(0.45),
    )
    _heel(s, kind, rise, s.main.shade(0.12))
    nose: list[Segment] = (
        [((tip + 16, g - 24), (tip, g - 6))]
        if toe == "pointed"
        else [((tip + 8, g - 32), (tip - 4, g - 18), (tip + 2, g - 4))]
    )
    outline = path(
        (92, g - rise - 48),
        ((84, g - rise - 24), (60, g - rise - 14)),
        ((14, g - rise * 0.7 - 6), (cut, g - 33)),
        *nose,
        *sole,
        ((101, g - rise - 24), (92, g - rise - 48)),
    )
    s.panel(outline)
    if d.get("pattern") == "colour block":
        with s.clipped(outline):
            s.panel(
                path((-130, g - 60), ((cut - 22, g - 60),), ((cut - 32, g + 9),), ((-130, g + 9),)),
                s.trim,
                shadow=False,
            )
    s.glint((tip + 18, g - 16), (-70, g - 28), (cut - 4, g - 26), 5, 0.3)
    if bow:
        s.panel(
            path(
                (cut - 4, g - 33),
                ((cut - 22, g - 48), (cut - 24, g - 32)),
                ((cut - 20, g - 22), (cut - 4, g - 30)),
                ((cut + 12, g - 50), (cut + 16, g - 36)),
                ((cut + 12, g - 24), (cut - 4, g - 33)),
            ),
            shadow=False,
        )


def ballet_flats(s: Sketch, d: Design) -> None:
    toe, bow = d.get("toe", "round"), s.chance(0.6)
    cut = s.vary(-62, -48)
    _pair(s, lambda: _flat(s, d, toe, cut, bow), (18, -82), (-8, 0), 1.12)


def _flat(s: Sketch, d: Design, toe: str, cut: float, bow: bool) -> None:
    g = _GROUND
    tip, sole = _sole(9, toe)
    s.shape(path((90, g - 46), ((20, g - 38), (cut, g - 30)), ((20, g - 10), (88, g - 12))), s.main.shade(0.45))
    _heel(s, "flat", 9, s.main.shade(0.5))
    outline = path(
        (91, g - 48),
        ((80, g - 26), (44, g - 24)),
        ((-10, g - 22), (cut, g - 31)),
        ((tip + 8, g - 34), (tip - 4, g - 16), (tip + 2, g - 5)),
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
        (20, -96 if not high else -84),
        (-8, 8 if not high else 40),
        1.08 if not high else 1.0,
    )


def _sneaker(s: Sketch, d: Design, high: bool, stripes: bool, thick: float, white: str) -> None:
    g, top = _GROUND, _GROUND - (126 if high else 84)
    base = g - thick + 3
    s.panel(
        path((10, top + 6), ((24, top - 16),), ((44, top - 12), (50, top + 12)), ((10, top + 40),)),
        s.main,
        shadow=False,
    )
    outline = path(
        (90, top + 4),
        ((70, top + 18), (42, top + 6)),
        ((12, top + 2),),
        ((-8, g - 72), (-34, g - 58)),
        ((-72, g - 52), (-108, g - 44), (-108, base)),
        ((94, base),),
        ((104, g - 50), (90, top + 4)),
    )
    s.panel(outline)
    if d.get("pattern") == "colour block":
        with s.clipped(outline):
            s.panel(path((54, top - 20), ((120, top - 20),), ((120, g),), ((34, g),)), s.trim, shadow=False)
            s.panel(
                path((-130, g - 80), ((-66, g - 80),), ((-84, g - 30), (-60, g)), ((-130, g),)), s.trim, shadow=False
            )
    s.line(path((-60, base), ((-66, g - 42), (-40, g - 56)), close=False), s.main.outline, 1.5)
    s.line(path((46, base), ((44, g - 52), (70, top + 14)), close=False), s.main.outline, 1.4)
    if stripes:
        for k in range(3):
            s.line(path((2 + k * 14, g - 30), ((14 + k * 12, g - 58),), close=False), s.main.seam, 4)
    for k in range(6 if high else 4):
        share = k / (5 if high else 3)
        x, y = -30 + 40 * share, g - 62 + (top + 14 - g + 62) * share
        s.line(path((x - 7, y - 2), ((x + 17, y + 9),), close=False), "#8b8780", 5.4)
        s.line(path((x - 7, y - 2), ((x + 17, y + 9),), close=False), "#fbfaf6", 3.8)
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
    _pair(s, _boot(s, d, s.vary(100, 116)), (30, -34), (-14, 40), 1.04)


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
        tip, sole = _sole(rise, toe)
        _heel(s, kind, rise, "#2d2623" if s.main.dark else "#5a4030")
        instep = g - rise * 0.62 - 56
        front, back = (-10 - width, 104 + width) if tall else (6, 98)
        nose: list[Segment] = (
            [((tip + 24, g - 30), (tip, g - 6))]
            if toe == "pointed"
            else [((tip + 4, g - 40), (tip - 6, g - 22), (tip + 2, g - 4))]
        )
        ankle = g - rise - 62
        outline = path(
            (back, top),
            ((back - 4, top + height * 0.5), (86, ankle - 10), (88, ankle)),
            ((97, g - rise - 32), (95, g - rise - 6)),
            ((94, g - max(rise - 6, 3) - 8),),
            *_reversed(sole, tip),
            *_back(nose, instep),
            ((6, instep - 16), (8 if not tall else 2, ankle - 26), (front, top + 2)),
            ((front + 40, top + 6), (back, top)),
        )
        s.shape(
            path((front, top + 2), ((40, top - 8), (back, top)), ((40, top + 14), (front, top + 2))),
            s.main.inside,
            stroke=s.main.outline,
        )
        s.panel(outline)
        colour_block(s, d, outline, top, top + 30)
        s.fold((20, ankle + 14), (44, ankle + 22), (84, ankle + 4), 4, 0.18)
        s.fold((14, ankle), (40, ankle + 8), (80, ankle - 8), 3, 0.14)
        s.glint((tip + 20, g - 18), (-72, g - 38), (-44, instep + 14), 5, 0.22)
        s.glint((front + 22, top + 12), (front + 24, top + height * 0.4), (34, ankle - 14), 7, 0.16)
        if closure == "chelsea":
            s.shape(
                path(
                    (42, top + 4),
                    ((74, top + 3),),
                    ((70, ankle + 8), (58, ankle + 12)),
                    ((46, ankle + 8), (42, top + 4)),
                ),
                s.main.shade(0.5),
                stroke=s.main.outline,
            )
            for k in range(5):
                s.line(path((46 + k * 5.5, top + 8), ((52 + k * 3, ankle + 4),), close=False), s.main.seam, 0.8)
            s.line(path((back - 2, top), ((back + 9, top - 14), (back - 10, top - 2)), close=False), s.main.outline, 4)
        elif closure == "laces":
            for k in range(5):
                y = top + 12 + k * (instep - top) / 5
                s.line(path((6, y), ((32, y + 7),), close=False), "#efe6d2" if s.main.dark else "#4a3a2e", 3.2)
        else:
            s.line(path((62, top + 6), ((60, g - rise - 16),), close=False), "#c9c9cc", 2.2, dash="1.6 1.2")
        if strap and closure != "laces":
            s.line(path((10, ankle + 2), ((50, ankle + 20), (90, ankle)), close=False), s.main.outline, 8)
            s.line(path((10, ankle + 2), ((50, ankle + 20), (90, ankle)), close=False), s.main.colour, 6)
            s.shape(
                path((36, ankle + 4), ((52, ankle + 6),), ((52, ankle + 19),), ((36, ankle + 17),)),
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


def _back(nose: list[Segment], instep: float) -> list[Segment]:
    """From the toe up to the instep."""
    tipward = nose[0]
    return [(*reversed(tipward[:-1]), (-46.0, _GROUND - 44)), ((-16, instep + 8), (0, instep))]


def sandals(s: Sketch, d: Design) -> None:
    kind = d.get("heel", "flat")
    rise = _RISE[kind] * 0.95
    crossed, bands = s.chance(0.4), int(s.vary(1, 3.99))
    _pair(s, lambda: _sandal(s, kind, rise, crossed, bands), (20, -88), (-8, 10), 1.1)


def _sandal(s: Sketch, kind: str, rise: float, crossed: bool, bands: int) -> None:
    g = _GROUND
    _heel(s, kind, rise, "#b98a58" if kind == "flat" else s.main.shade(0.2))
    lift = max(rise - 4, 4)
    s.shape(
        path(
            (-104, g - 6),
            ((-60, g - 12), (-40, g - 8)),
            ((-6, g - 9), (24, g - lift - 8), (52, g - lift - 8)),
            ((94, g - lift - 12),),
            ((95, g - lift - 3),),
            ((50, g - lift),),
            ((20, g - lift + 2), (-10, g - 2), (-40, g - 1)),
            ((-100, g + 1), (-104, g - 6)),
        ),
        "#c79b66",
        stroke="#7f5a34",
        width=1.1,
    )
    for k in range(bands):
        x = -84 + k * 24
        s.panel(
            path(
                (x, g - 9),
                ((x + 6, g - 36 - k * 3), (x + 30, g - 36 - k * 4)),
                ((x + 44, g - 30 - k * 4), (x + 38, g - 9)),
                ((x + 26, g - 9),),
                ((x + 26, g - 24), (x + 16, g - 9)),
            )
        )
    y = g - lift
    s.panel(path((86, y - 12), ((100, y - 30), (94, y - 66)), ((84, y - 66),), ((86, y - 40), (74, y - 12))))
    s.panel(path((92, y - 66), ((50, y - 46), (16, y - 66)), ((18, y - 54),), ((50, y - 34), (92, y - 54))))
    if crossed:
        s.panel(path((18, y - 64), ((-10, g - 50), (-34, g - 30)), ((-26, g - 24),), ((0, g - 42), (22, y - 54))))
    s.shape(path((44, y - 56), ((58, y - 56),), ((58, y - 39),), ((44, y - 39),)), "none", stroke="#d0a85a", width=2.4)


DRAW = {
    "sneakers": sneakers,
    "ankle boots": ankle_boots,
    "knee boots": knee_boots,
    "pumps": pumps,
    "loafers": loafers,
    "sandals": sandals,
    "ballet flats": ballet_flats,
}
