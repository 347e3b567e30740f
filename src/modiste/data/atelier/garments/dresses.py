"""Dresses, shirt dresses, evening gowns, jumpsuits."""

from __future__ import annotations

from modiste.data.atelier.design import Design
from modiste.data.atelier.garments.bottoms import legs_for
from modiste.data.atelier.garments.shapes import (
    NECKS,
    SLEEVE_LENGTHS,
    Torso,
    back_of_neck,
    colour_block,
    cuff_band,
    drape,
    legs_folds,
    legs_outline,
    neck_band,
    neckline,
    placket,
    shirt_collar,
    sleeve,
)
from modiste.data.atelier.sketch import Sketch, path, symmetric

_HEM = {"mini": 262.0, "knee": 306.0, "midi": 342.0, "maxi": 376.0}


def _bodice(s: Sketch, d: Design, kind: str, top: float, waist_y: float, waist: float) -> Torso:
    """Sleeves and upper body down to the waist."""
    sleeves = d.get("sleeve_length", "sleeveless")
    width = NECKS[kind][0]
    shoulder = (
        max(width + 9, s.vary(53, 57))
        if sleeves != "sleeveless"
        else width + (5 if kind == "straps" else s.vary(9, 14))
    )
    t = Torso(
        width,
        shoulder,
        s.vary(48, 51),
        waist,
        waist,
        top,
        13 if sleeves != "sleeveless" else 4,
        top + 60,
        waist_y,
        waist_y,
        3,
    )
    start, neck = neckline(kind, top, 0.85 if kind != "collar" else 0.5)
    back_of_neck(s, t, min(start[1] - top, 30))
    if sleeves != "sleeveless":
        with s.mirrored():
            end = sleeve(
                s,
                t,
                SLEEVE_LENGTHS[sleeves] * 0.86,
                {"short": 21.0, "three-quarter": 16.0, "long": 13.0}[sleeves],
                angle={"short": 32.0}.get(sleeves, 19.0),
            )
            cuff_band(s, end, 6)
    sx, sy = t.shoulder_point
    ax, ay = t.armpit_point
    s.panel(
        symmetric(
            start,
            *neck,
            ((sx, sy),),
            ((sx - 3, sy + (ay - sy) * 0.5), (sx - 3, ay - 10), (ax, ay)),
            ((ax - 1, ay + 20), (waist, waist_y - 20), (waist, waist_y)),
            ((waist * 0.5, waist_y + 3), (0, waist_y + 3)),
        )
    )
    with s.mirrored():
        s.line(
            path((ax * 0.55, waist_y), ((ax * 0.5, ay + 26), (ax * 0.72, ay + 14)), close=False), width=1.0, opacity=0.7
        )
    if kind != "collar":
        neck_band(s, start, neck, 3.0)
    return t


def _skirt(
    s: Sketch, d: Design, waist_y: float, waist: float, hem: float, hem_y: float, folds: int, straight: bool = False
) -> None:
    hip = waist + (13 if straight else 16)
    outline = symmetric(
        (0, waist_y),
        ((waist, waist_y - 2),),
        ((hip, waist_y + 22), (hip + (hem - hip) * 0.4, waist_y + (hem_y - waist_y) * 0.5), (hem, hem_y)),
        ((hem * 0.55, hem_y + 10), (0, hem_y + 10)),
    )
    s.panel(outline)
    colour_block(s, d, outline, hem_y - (hem_y - waist_y) * 0.38, hem_y + 20)
    drape(s, waist_y - 10, waist, hem, hem_y + 6, folds, 16)
    s.stitch(
        path(
            (-hem + 2, hem_y - 5),
            ((-hem * 0.55, hem_y + 4), (0, hem_y + 4)),
            ((hem * 0.55, hem_y + 4), (hem - 2, hem_y - 5)),
            close=False,
        ),
        s.main.seam,
    )


def dress(s: Sketch, d: Design) -> None:
    fit = d.get("fit", "a-line")
    top = 40.0 if d.get("length") == "maxi" else 52.0
    waist_y = top + {"empire": 84, "sheath": 112}.get(fit, 106) + s.vary(-3, 5)
    waist = {"sheath": 41.0, "empire": 44.0}.get(fit, 37.0) + s.vary(-1, 2)
    hem_y = _HEM[d.get("length", "knee")] + s.vary(-5, 5)
    long = (hem_y - 262) * 0.16
    hem = {"sheath": 53.0, "empire": 74.0, "wrap": 78.0, "a-line": 84.0}[fit] + (
        0 if fit == "sheath" else long + s.vary(-4, 10)
    )
    _skirt(s, d, waist_y, waist, hem, hem_y, 2 if fit == "sheath" else 6, fit == "sheath")
    _bodice(s, d, d.get("neckline", "crew"), top, waist_y, waist)
    if fit == "wrap":
        s.line(
            path((NECKS["v-neck"][0] * 0.8, top + 14), ((8, top + 70), (-waist + 3, waist_y)), close=False),
            s.main.outline,
            1.5,
        )
        s.line(
            path((-waist + 6, waist_y), ((8, waist_y + 60), (hem * 0.35, hem_y + 8)), close=False), s.main.outline, 1.5
        )
    if fit != "sheath":
        s.panel(
            path(
                (-waist - 1, waist_y - 5),
                ((0, waist_y), (waist + 1, waist_y - 5)),
                ((waist + 1, waist_y + 5),),
                ((0, waist_y + 10), (-waist - 1, waist_y + 5)),
            ),
            shadow=False,
        )
    if fit == "wrap":
        x = -waist + 9
        s.panel(
            path(
                (x, waist_y),
                ((x - 14, waist_y + 30), (x - 12, waist_y + 60)),
                ((x - 2, waist_y + 58),),
                ((x + 2, waist_y + 28), (x + 5, waist_y)),
            ),
            shadow=False,
        )
        s.panel(
            path(
                (x, waist_y),
                ((x - 26, waist_y - 16), (x - 28, waist_y + 4)),
                ((x - 22, waist_y + 16), (x, waist_y + 3)),
            ),
            shadow=False,
        )
        s.disc(x + 1, waist_y + 2, 5, s.main.colour, stroke=s.main.outline)


def shirt_dress(s: Sketch, d: Design) -> None:
    top, waist = 56.0, s.vary(41, 44)
    waist_y, hem_y = top + 112, _HEM[d.get("length", "knee")] + s.vary(-4, 6)
    _skirt(s, d, waist_y, waist, s.vary(66, 76), hem_y, 4)
    t = _bodice(s, d, "collar", top, waist_y, waist)
    placket(s, top + 20, hem_y + 6, buttons=9)
    shirt_collar(s, t, 20, spread=27)
    s.panel(
        path(
            (-waist - 2, waist_y - 7),
            ((0, waist_y - 2), (waist + 2, waist_y - 7)),
            ((waist + 2, waist_y + 5),),
            ((0, waist_y + 10), (-waist - 2, waist_y + 5)),
        ),
        shadow=False,
    )
    s.shape(
        path((-8, waist_y - 6), ((8, waist_y - 6),), ((8, waist_y + 9),), ((-8, waist_y + 9),)),
        "none",
        stroke="#b98c45",
        width=2.6,
    )


def evening_gown(s: Sketch, d: Design) -> None:
    kind, fit = d.get("neckline", "sweetheart"), d.get("fit", "column")
    top, waist, hem_y = 34.0, s.vary(34, 37), 376.0
    waist_y, chest_y = top + 106, top + 44
    hem = {"mermaid": 82.0, "ball gown": 118.0, "column": 62.0}[fit] + s.vary(-4, 5)
    if fit == "mermaid":
        low = hem_y - 92
        outline = symmetric(
            (0, waist_y),
            ((waist, waist_y - 2),),
            ((waist + 18, waist_y + 36), (waist + 12, low - 30), (waist + 4, low)),
            ((waist + 12, low + 50), (hem, hem_y)),
            ((hem * 0.5, hem_y + 10), (0, hem_y + 10)),
        )
        s.panel(outline)
        colour_block(s, d, outline, low, 400)
        drape(s, low - 20, waist, hem, hem_y + 6, 6, 14)
    else:
        _skirt(s, d, waist_y, waist, hem, hem_y, 9 if fit == "ball gown" else 3, fit == "column")
    side = (
        ((48, chest_y + 36), (waist, waist_y - 20), (waist, waist_y)),
        ((waist * 0.5, waist_y + 3), (0, waist_y + 3)),
    )
    if kind == "sweetheart":
        s.panel(symmetric((0, chest_y + 12), ((16, chest_y - 14), (40, chest_y - 12), (47, chest_y + 6)), *side))
    elif kind == "v-neck":
        s.panel(
            symmetric(
                (0, chest_y + 36),
                ((22, chest_y),),
                ((30, top),),
                ((36, top),),
                ((42, chest_y), (47, chest_y + 10)),
                *side,
            )
        )
    elif kind == "halter":
        s.panel(
            symmetric(
                (0, top + 2),
                ((8, top - 6), (15, top - 12)),
                ((18, top - 6),),
                ((20, chest_y - 8), (47, chest_y + 12)),
                *side,
            )
        )
    else:
        s.panel(
            path(
                (-47, chest_y + 10),
                ((-10, chest_y), (24, top - 6)),
                ((40, top),),
                ((42, chest_y), (47, chest_y + 10)),
                side[0],
                ((0, waist_y + 6), (-waist, waist_y)),
                ((-waist, waist_y - 20), (-48, chest_y + 36), (-47, chest_y + 10)),
            )
        )
    with s.mirrored():
        s.line(path((22, waist_y), ((20, chest_y + 40), (28, chest_y + 16)), close=False), width=1.0, opacity=0.7)
        for k in range(3):
            s.fold((4, waist_y - 8 - k * 12), (22, waist_y - 14 - k * 13), (waist + 3, waist_y - 26 - k * 13), 3, 0.12)
    s.panel(
        path(
            (-waist - 1, waist_y - 4),
            ((0, waist_y + 1), (waist + 1, waist_y - 4)),
            ((waist + 1, waist_y + 6),),
            ((0, waist_y + 11), (-waist - 1, waist_y + 6)),
        ),
        shadow=False,
    )
    if s.chance(0.4):
        for k in range(-2, 3):
            s.disc(k * 7, waist_y + 6, 2.4, s.metal("silver"))


def jumpsuit(s: Sketch, d: Design) -> None:
    kind, top = d.get("neckline", "v-neck"), 34.0
    waist_y, waist = top + 100, s.vary(39, 42)
    g = legs_for(s, d, top=waist_y, hem=376)
    g = type(g)(waist, g.hip - 2, waist_y, waist_y + 52, waist_y + 88, g.hem_y, g.outer, g.inner, g.knee)
    s.panel(legs_outline(g))
    legs_folds(s, g)
    with s.mirrored():
        s.line(path((waist * 0.7, waist_y + 6), ((g.hip - 3, waist_y + 42),), close=False), s.main.outline, 1.3)
    t = _bodice(s, d, kind, top, waist_y, waist)
    if kind == "collar":
        placket(s, top + 16, waist_y, buttons=4)
        shirt_collar(s, t, 18, spread=26)
    s.panel(
        path(
            (-waist - 1, waist_y - 6),
            ((0, waist_y - 1), (waist + 1, waist_y - 6)),
            ((waist + 1, waist_y + 6),),
            ((0, waist_y + 11), (-waist - 1, waist_y + 6)),
        ),
        shadow=False,
    )
    s.shape(
        path((-7, waist_y - 4), ((7, waist_y - 4),), ((7, waist_y + 9),), ((-7, waist_y + 9),)),
        "none",
        stroke="#b98c45",
        width=2.4,
    )


DRAW = {"dress": dress, "shirt dress": shirt_dress, "evening gown": evening_gown, "jumpsuit": jumpsuit}
