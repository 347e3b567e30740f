"""Jeans, trousers, skirts, shorts, leggings, joggers."""

from __future__ import annotations

from modiste.data.atelier.design import Design
from modiste.data.atelier.garments.shapes import Legs, drape, legs_folds, legs_outline, skirt_outline
from modiste.data.atelier.sketch import Sketch, path, symmetric

# fit -> (outer hem x, inner hem x, narrowing at the knee)
_LEG = {
    "skinny": (52.0, 21.0, 1.0),
    "slim": (55.0, 17.0, 0.0),
    "straight": (62.0, 15.0, 0.0),
    "regular": (62.0, 14.0, 0.0),
    "wide-leg": (84.0, 7.0, -3.0),
    "loose": (72.0, 10.0, 0.0),
    "flared": (80.0, 12.0, 13.0),
}


def legs_for(s: Sketch, d: Design, *, top: float = 52.0, hem: float = 352.0) -> Legs:
    outer, inner, knee = _LEG[d.get("fit", "straight")]
    slim = d.get("fit") in ("skinny", "slim")
    if d.get("length") == "cropped":
        hem -= 46
    return Legs(
        waist=s.vary(43, 47) - 2 * slim,
        hip=s.vary(60, 64) - 4 * slim,
        top=top,
        hip_y=top + 66,
        crotch=top + s.vary(98, 106),
        hem_y=hem + s.vary(-6, 4),
        outer=outer + s.vary(-2, 3),
        inner=inner + s.vary(-1, 2),
        knee=knee,
    )


def _side(waist: float, top: float, bend: float, hip: float, hip_y: float, y: float) -> float:
    """x of the side seam at height `y`; the seam bends at height `bend` on its way from the waist to the hip."""
    low, high = 0.0, 1.0
    for _ in range(12):
        t = (low + high) / 2
        at = (1 - t) ** 3 * top + 3 * t * (1 - t) ** 2 * bend + 3 * t**2 * (1 - t) * (hip_y - 20) + t**3 * hip_y
        low, high = (t, high) if at < y else (low, t)
    return (1 - t) ** 3 * waist + 3 * t * (1 - t) ** 2 * (waist + 3) + (3 * t**2 * (1 - t) + t**3) * hip


def _leg_side(g: Legs, drop: float) -> float:
    """x of the side seam of legs, `drop` below the waist."""
    return _side(g.waist, g.top, g.top + 24, g.hip, g.hip_y, g.top + drop)


def waistband(
    s: Sketch, g: Legs, *, height: float = 13.0, loops: bool = True, stitch: str | None = None, ribbed: bool = False
) -> None:
    """The band around the waist, above `g.top`."""
    w, y = g.waist, g.top
    s.shape(
        symmetric(
            (0, y - height + 6),
            ((w * 0.6, y - height + 6), (w - 1, y - height)),
            ((w * 0.6, y - height - 4), (0, y - height - 4)),
        ),
        s.main.inside,
    )
    s.panel(
        symmetric(
            (0, y - height + 5),
            ((w * 0.6, y - height + 5), (w - 1, y - height)),
            ((w + 1, y + 1),),
            ((w * 0.6, y + 5), (0, y + 5)),
        ),
        shadow=True,
    )
    if ribbed:
        for k in range(-8, 9):
            x = w * k / 9
            s.line(path((x, y - height + 4), ((x, y + 3),), close=False), width=0.9, opacity=0.6)
    if loops:
        for x in (-w * 0.62, w * 0.62):
            s.panel(
                path((x - 2.5, y - height), ((x + 2.5, y - height),), ((x + 2.5, y + 7),), ((x - 2.5, y + 7),)),
                shadow=False,
                line=0.9,
            )
    if stitch:
        s.stitch(path((-w, y - 1), ((0, y + 4), (w, y - 1)), close=False), stitch)


def jeans(s: Sketch, d: Design) -> None:
    g = legs_for(s, d, top=58)
    outline = legs_outline(g)
    s.panel(outline)
    thread = "#dda45a" if d.get("colour") not in ("white", "light blue") else "#b98a4e"
    fade = s.chance(0.55) and d.get("colour") in ("blue", "navy", "light blue", "grey")
    if fade:
        with s.mirrored():
            middle = (g.inner + g.outer) / 2
            for rx, alpha in ((17, 0.10), (11, 0.10), (6, 0.10)):
                s.add(
                    f'<ellipse cx="{middle:.1f}" cy="{g.crotch + 34:.1f}" rx="{rx}" ry="{rx * 3.3:.1f}" '
                    f'fill="#fff" fill-opacity="{alpha}"/>'
                )
    legs_folds(s, g)
    with s.mirrored():
        pocket = path(
            (g.waist * 0.42, g.top + 3),
            ((g.waist * 0.55, g.top + 26), (_leg_side(g, 32) - 0.6, g.top + 32)),
            close=False,
        )
        s.line(pocket, s.main.outline, 1.2)
        s.stitch(
            path(
                (g.waist * 0.36, g.top + 4),
                ((g.waist * 0.5, g.top + 31), (_leg_side(g, 37) - 1, g.top + 37)),
                close=False,
            ),
            thread,
        )
        s.stitch(path((g.outer - 1, g.hem_y - 7), ((g.inner + 1, g.hem_y - 5),), close=False), thread)
        s.disc(g.waist * 0.52, g.top + 10, 1.4, "#d7a25c")
    s.stitch(path((9, g.top + 5), ((10, g.crotch - 24), (2, g.crotch - 10)), close=False), thread)
    waistband(s, g, stitch=thread)
    s.button(0, g.top - 2, 3.6, "#c98f4a")
    if s.chance(0.2):
        for y in (g.crotch + 74, g.crotch + 86):
            x = (g.inner + g.outer) / 2
            s.shape(
                path((x - 12, y), ((x, y - 4), (x + 12, y)), ((x, y + 5), (x - 12, y))),
                "#efece6",
                stroke=s.main.outline,
                width=0.6,
            )


def trousers(s: Sketch, d: Design) -> None:
    g = legs_for(s, d, top=56)
    outline = legs_outline(g)
    s.panel(outline)
    legs_folds(s, g)
    middle = (g.inner + g.outer) / 2
    with s.mirrored():
        s.line(
            path((middle - 7, g.top + 40), ((middle, g.hem_y - 60), (middle, g.hem_y - 2)), close=False),
            width=1.3,
            opacity=0.85,
        )
        s.line(
            path((g.waist * 0.72, g.top + 4), ((_leg_side(g, 44) - 0.6, g.top + 44),), close=False), s.main.outline, 1.3
        )
        if d.get("fit") in ("wide-leg", "straight"):
            s.fold((middle - 10, g.top + 6), (middle - 9, g.top + 26), (middle - 7, g.top + 44), 4, 0.16)
    waistband(s, g)
    s.button(0, g.top - 2, 2.5)


def shorts(s: Sketch, d: Design) -> None:
    bermuda = d.get("length") == "bermuda"
    outer, inner, _ = _LEG[d.get("fit", "regular")]
    y = 122.0
    g = Legs(
        s.vary(58, 62),
        s.vary(80, 84),
        y,
        y + 62,
        y + s.vary(92, 98),
        y + (190 if bermuda else 136) + s.vary(-4, 6),
        outer + 33,
        inner - 3 if inner > 10 else inner,
    )
    outline = legs_outline(g)
    s.panel(outline)
    legs_folds(s, g)
    denim = d.get("material") == "denim"
    thread = "#dda45a" if denim else s.main.seam
    with s.mirrored():
        s.line(
            path(
                (g.waist * 0.5, g.top + 4),
                ((g.waist * 0.65, g.top + 34), (_leg_side(g, 42) - 0.6, g.top + 42)),
                close=False,
            ),
            s.main.outline,
            1.4,
        )
        s.stitch(path((g.outer - 2, g.hem_y - 9), ((g.inner + 2, g.hem_y - 7),), close=False), thread)
    if d.get("material") == "linen" or s.chance(0.35):
        waistband(s, g, loops=False, ribbed=True)
        with s.mirrored():
            s.cord(path((3, g.top), ((9, g.top + 20), (7, g.top + 40)), close=False), "#f2efe8", 2.4)
    else:
        waistband(s, g, stitch=thread if denim else None)
        s.button(0, g.top - 2, 3.4, "#c98f4a" if denim else None)


def _side_panels(
    s: Sketch, d: Design, g: Legs, outline: str, *, far: float, hem: float, knee: float, top: float
) -> None:
    """The second colour down both sides of a colour-blocked leg; the last three are distances in from its outer edge."""
    if d.get("pattern") != "colour block":
        return
    panel = path(
        (g.hip - top, 50),
        ((far, 50),),
        ((far, 380),),
        ((g.outer - hem, 380),),
        ((g.hip - knee, 200), (g.hip - top, 50)),
    )
    with s.clipped(outline), s.mirrored():
        s.panel(panel, s.trim, shadow=False)
    s.line(outline, s.main.outline, 1.3)


def leggings(s: Sketch, d: Design) -> None:
    hem = 356.0 - (52 if d.get("length") == "cropped" else 0)
    g = Legs(
        s.vary(40, 43), s.vary(53, 56), 56, 116, s.vary(146, 152), hem, s.vary(38, 41), s.vary(19, 22), s.vary(-5, -2)
    )
    outline = legs_outline(g)
    s.panel(outline)
    _side_panels(s, d, g, outline, far=80, hem=9, knee=20, top=20)
    legs_folds(s, g)
    w = g.waist
    s.panel(symmetric((0, 38), ((w * 0.7, 38), (w + 1, 35)), ((w + 3, 60),), ((w * 0.5, 67), (0, 67))), shadow=False)
    with s.mirrored():
        s.fold((g.inner + 2, g.hem_y - 26), (g.inner + 10, g.hem_y - 20), (g.outer - 4, g.hem_y - 28), 3, 0.12)


def joggers(s: Sketch, d: Design) -> None:
    g = Legs(
        s.vary(46, 49),
        s.vary(62, 66),
        60,
        128,
        s.vary(160, 168),
        334,
        s.vary(48, 52),
        21,
        -7 if d.get("fit") == "regular" else -2,
    )
    outline = legs_outline(g)
    s.panel(outline)
    _side_panels(s, d, g, outline, far=90, hem=10, knee=12, top=16)
    legs_folds(s, g)
    with s.mirrored():
        s.panel(
            path(
                (g.outer - 1, g.hem_y - 2),
                ((g.outer - 7, g.hem_y + 20),),
                ((g.inner + 6, g.hem_y + 21),),
                ((g.inner, g.hem_y),),
            ),
            shadow=True,
        )
        for k in range(1, 7):
            x = g.inner + (g.outer - g.inner) * k / 7
            s.line(path((x, g.hem_y), ((x, g.hem_y + 19),), close=False), width=0.8, opacity=0.6)
            s.fold((x, g.hem_y - 1), (x + 1, g.hem_y - 14), (x + 2, g.hem_y - 26), 3, 0.1)
        s.line(
            path((g.waist * 0.7, g.top + 6), ((_leg_side(g, 50) - 0.6, g.top + 50),), close=False), s.main.outline, 1.4
        )
    waistband(s, g, height=16, loops=False, ribbed=True)
    with s.mirrored():
        s.cord(path((3, g.top), ((10, g.top + 24), (7, g.top + 46)), close=False), "#f2efe8", 2.4)


_SKIRT_HEM = {"mini": 226.0, "knee": 282.0, "midi": 326.0, "maxi": 364.0}


def skirt(s: Sketch, d: Design) -> None:
    length, fit = d.get("length", "knee"), d.get("fit", "a-line")
    short = length == "mini"
    top = 104.0 if short else 74.0 if length != "maxi" else 52.0
    drop = _SKIRT_HEM[length] - 58
    hem_y = top + drop * (1.0 if not short else 0.92) if length != "maxi" else 366.0
    waist = s.vary(43, 48) + (7 if short else 0)
    hip = waist + s.vary(19, 24)
    hem = {"a-line": hip + 24, "pencil": hip - 7, "flared": hip + 46}[fit] + s.vary(-4, 5)
    hip_y = top + (74 if fit == "pencil" else 50)
    outline = skirt_outline(top, waist, hip, hip_y, hem, hem_y, 4 if fit == "pencil" else 11)
    s.panel(outline)
    if fit == "pencil":
        s.fold((-waist * 0.5, top + 16), (-hip * 0.4, top + 40), (-hip * 0.44, top + 62), 4)
        s.fold((waist * 0.5, top + 16), (hip * 0.4, top + 40), (hip * 0.44, top + 62), 4)
        s.line(path((hem * 0.3, hem_y), ((hem * 0.3, hem_y - 46),), close=False), s.main.outline, 1.6)
    else:
        drape(s, top, waist, hem, hem_y + 6, 4 if fit == "a-line" else 7)
    denim = d.get("material") == "denim"
    if denim or (fit == "a-line" and s.chance(0.3)):
        s.line(path((0, top + 6), ((0, hem_y + 9),), close=False), width=1.4)
        count = 5 if short else 7
        for k in range(count):
            s.button(0, top + 16 + (hem_y - top - 18) * k / (count - 1), 3, "#c98f4a" if denim else None)
        with s.mirrored():
            s.line(
                path(
                    (waist * 0.5, top + 5),
                    (
                        (waist * 0.66, top + 30),
                        (_side(waist, top, top + (hip_y - top) * 0.4, hip, hip_y, top + 34) - 0.8, top + 34),
                    ),
                    close=False,
                ),
                "#d9a25c" if denim else s.main.outline,
                1.4,
            )
    s.stitch(
        path(
            (-hem + 2, hem_y - 5),
            ((-hem * 0.55, hem_y + 5), (0, hem_y + 5)),
            ((hem * 0.55, hem_y + 5), (hem - 2, hem_y - 5)),
            close=False,
        ),
        s.main.seam,
    )
    _skirt_band(s, top, waist)


def _skirt_band(s: Sketch, top: float, waist: float) -> None:
    s.shape(
        symmetric(
            (0, top - 4), ((waist * 0.6, top - 4), (waist - 1, top - 11)), ((waist * 0.6, top - 15), (0, top - 15))
        ),
        s.main.inside,
    )
    s.panel(
        symmetric(
            (0, top - 6),
            ((waist * 0.6, top - 6), (waist - 1, top - 11)),
            ((waist + 1, top + 2),),
            ((waist * 0.6, top + 7), (0, top + 7)),
        ),
        shadow=False,
    )


def pleated_skirt(s: Sketch, d: Design) -> None:
    length = d.get("length", "knee")
    top = {"mini": 116.0, "knee": 84.0, "midi": 60.0}[length]
    hem_y = {"mini": 262.0, "knee": 312.0, "midi": 352.0}[length] + s.vary(-5, 5)
    waist = s.vary(46, 50) + (10 if length == "mini" else 0)
    hem = waist + s.vary(50, 62)
    pleats = int(s.vary(6, 9))
    points = []
    for k in range(pleats + 1):
        share = k / pleats
        sag = 13 * (1 - share**2)
        points.append((hem * share, hem_y + sag))
    zigzag = [
        segment
        for k in range(pleats, 0, -1)
        for segment in (((points[k][0] * 0.5 + points[k - 1][0] * 0.5 + 3, points[k][1] + 5),), (points[k - 1],))
    ]
    outline = symmetric(
        (0, top + 4), ((waist * 0.6, top + 4), (waist, top)), ((waist + 12, (top + hem_y) / 2), (hem, hem_y)), *zigzag
    )
    s.panel(outline)
    with s.mirrored():
        for k in range(pleats):
            share = (k + 0.5) / pleats
            x0, x1 = waist * share, hem * share
            y1 = hem_y + 13 * (1 - share**2)
            s.line(
                path((x0, top + 4), ((x0 + (x1 - x0) * 0.25, (top + hem_y) / 2), (x1, y1)), close=False),
                s.main.seam,
                1.3,
                opacity=0.9,
            )
            s.fold((x0, top + 6), ((x0 + x1) / 2 - 3, (top + hem_y) / 2), (x1 - 1, y1 + 2), -9, 0.17)
    _skirt_band(s, top, waist)


DRAW = {
    "jeans": jeans,
    "trousers": trousers,
    "skirt": skirt,
    "pleated skirt": pleated_skirt,
    "shorts": shorts,
    "leggings": leggings,
    "joggers": joggers,
}
