"""Blazers, coats, trenches, jackets, parkas."""

from __future__ import annotations

from modiste.data.atelier.design import Design
from modiste.data.atelier.garments.shapes import (
    Torso,
    back_of_neck,
    body_outline,
    colour_block,
    cuff_band,
    hem_rib,
    lapels,
    neckline,
    patch_pocket,
    shirt_collar,
    sleeve,
    torso_folds,
    zipper,
)
from modiste.data.atelier.garments.tops import torso_for
from modiste.data.atelier.sketch import Sketch, path, symmetric


def _shell(
    s: Sketch,
    d: Design,
    length: float,
    *,
    top: float = 66.0,
    flare: float = 0.0,
    cuff: float = 18.0,
    arm: float = 200.0,
    neck: str = "collar",
) -> tuple[Torso, str]:
    base = torso_for(s, d, neck, length=length, top=top)
    t = Torso(
        base.neck,
        base.shoulder,
        base.chest + 1,
        base.waist - 2,
        base.hem + flare,
        top,
        base.slope,
        base.armpit,
        top + min(length * 0.62, 150),
        base.hem_y,
    )
    start, neckway = neckline(neck, t.top, 0.7)
    back_of_neck(s, t, 16)
    if d.get("sleeve_length", "long") != "sleeveless":
        with s.mirrored():
            end = sleeve(s, t, arm, cuff, angle=13)
            if d.article in ("denim jacket", "puffer jacket", "parka"):
                cuff_band(s, end, 12)
            elif d.article == "blazer":
                for k in range(3):
                    s.button(end.outer[0] - 7, end.outer[1] - 8 - k * 7, 1.9)
            elif d.article == "trench coat":
                s.line(
                    path((end.outer[0] - 1, end.outer[1] - 22), ((end.inner[0] - 4, end.inner[1] - 22),), close=False),
                    s.main.outline,
                    5,
                )
    outline = body_outline(t, start, neckway)
    s.panel(outline)
    torso_folds(s, t)
    return t, outline


def _front(s: Sketch, t: Torso, depth: float, rows: int, count: int, spacing: float = 24.0) -> None:
    low = t.top + depth
    s.line(
        path((0 if rows == 1 else 16, low), ((0 if rows == 1 else 16, t.hem_y + 4),), close=False), s.main.outline, 1.5
    )
    for k in range(count):
        y = low + 8 + k * spacing
        for x in (3.0,) if rows == 1 else (-19.0, 19.0):
            s.button(x, y, 3.8)


def _opening(s: Sketch, t: Torso, depth: float) -> None:
    s.shape(symmetric((0, t.top + 4), ((t.neck * 0.9, t.top),), ((1, t.top + depth),)), s.main.inside)


def blazer(s: Sketch, d: Design) -> None:
    t, _ = _shell(s, d, 186 if d.get("length") == "cropped" else s.vary(226, 240), flare=3)
    double = d.get("closure") == "double-breasted"
    depth = s.vary(92, 112)
    _opening(s, t, depth)
    _front(s, t, depth, 2 if double else 1, 2, 30)
    lapels(s, t, depth, width=s.vary(30, 38))
    with s.mirrored():
        y = t.hem_y - 62
        s.panel(path((22, y), ((t.hem - 8, y - 3),), ((t.hem - 7, y + 10),), ((22, y + 13),)), shadow=False, line=1.1)
    s.line(path((-44, t.armpit + 4), ((-24, t.armpit + 1),), close=False), s.main.outline, 2.6)


def coat(s: Sketch, d: Design) -> None:
    length = {"knee": 276.0, "long": 312.0}[d.get("length", "knee")]
    t, outline = _shell(s, d, length, top=48, flare=s.vary(8, 16), cuff=20)
    depth = s.vary(84, 104)
    _opening(s, t, depth)
    closure = d.get("closure")
    if closure != "belted":
        _front(s, t, depth, 2 if closure == "double-breasted" else 1, 3, 32)
    else:
        s.line(path((6, t.top + depth), ((10, t.hem_y + 4),), close=False), s.main.outline, 1.5)
    lapels(s, t, depth, width=s.vary(34, 44))
    with s.mirrored():
        y = t.waist_y + 46
        s.panel(
            path((24, y), ((t.waist - 6, y + 4),), ((t.waist - 4, y + 18),), ((24, y + 14),)), shadow=False, line=1.1
        )
    if closure == "belted":
        _belt(s, t, outline)


def _belt(s: Sketch, t: Torso, outline: str) -> None:
    y = t.waist_y
    with s.clipped(outline):
        s.panel(
            path((-110, y - 8), ((0, y - 3), (110, y - 8)), ((110, y + 8),), ((0, y + 13), (-110, y + 8))), shadow=False
        )
    s.panel(
        path((-4, y + 6), ((-16, y + 40), (-12, y + 74)), ((-1, y + 72),), ((-2, y + 40), (6, y + 8))), shadow=False
    )
    s.shape(
        path((-11, y - 6), ((11, y - 6),), ((11, y + 13),), ((-11, y + 13),)), "none", stroke=s.main.outline, width=3
    )


def trench_coat(s: Sketch, d: Design) -> None:
    length = {"knee": 272.0, "long": 310.0}[d.get("length", "knee")]
    t, outline = _shell(s, d, length, top=50, flare=s.vary(14, 22), cuff=19)
    depth = s.vary(58, 70)
    _opening(s, t, depth)
    _front(s, t, depth, 2, 3, 27)
    with s.mirrored():  # storm flap and shoulder straps
        s.line(
            path((10, t.armpit + 6), ((40, t.armpit + 18), (t.chest - 2, t.armpit)), close=False), s.main.outline, 1.3
        )
        s.panel(
            path(
                (t.neck + 16, t.top + 5),
                ((t.shoulder + 1, t.top + t.slope - 1),),
                ((t.shoulder - 1, t.top + t.slope + 9),),
                ((t.neck + 15, t.top + 15),),
            ),
            shadow=False,
        )
        s.line(path((t.waist - 8, t.waist_y + 30), ((t.waist - 22, t.waist_y + 66),), close=False), s.main.outline, 4.5)
    lapels(s, t, depth, width=42, notch=0.5)
    _belt(s, t, outline)


def denim_jacket(s: Sketch, d: Design) -> None:
    t, _ = _shell(s, d, 150 if d.get("length") == "cropped" else s.vary(184, 196), top=82)
    thread = "#dda45a"
    yoke = t.armpit - 16
    s.stitch(path((-t.chest + 8, yoke), ((t.chest - 8, yoke),), close=False), thread)
    with s.mirrored():
        s.stitch(path((22, yoke), ((12, t.hem_y - 6),), close=False), thread)
        s.stitch(path((46, yoke), ((34, t.hem_y - 6),), close=False), thread)
        patch_pocket(s, 17, yoke + 2, 30, 34, flap=True)
    s.line(path((-6, t.top + 18), ((-6, t.hem_y + 4),), close=False), s.main.outline, 1.3)
    s.line(path((6, t.top + 18), ((6, t.hem_y + 4),), close=False), s.main.outline, 1.3)
    for k in range(5):
        s.button(0, t.top + 34 + (t.hem_y - t.top - 46) * k / 4, 3.2, "#cf9a57")
    s.panel(
        symmetric(
            (0, t.hem_y + 3),
            ((t.hem * 0.5, t.hem_y + 3), (t.hem, t.hem_y - 2)),
            ((t.hem - 2, t.hem_y + 13),),
            ((t.hem * 0.5, t.hem_y + 18), (0, t.hem_y + 18)),
        )
    )
    s.button(0, t.hem_y + 11, 3.2, "#cf9a57")
    shirt_collar(s, t, 24, spread=32)


def leather_jacket(s: Sketch, d: Design) -> None:
    t, _ = _shell(s, d, 156 if d.get("length") == "cropped" else s.vary(188, 200), top=80)
    if d.get("closure") == "biker zip":
        _opening(s, t, 70)
        zipper(s, t.top + 64, t.hem_y + 3, 8, 14)
        lapels(s, t, 76, width=46, notch=0.42)
        with s.mirrored():
            s.line(path((30, t.waist_y + 12), ((48, t.waist_y - 14),), close=False), "#cfcfd3", 2.8)
        s.panel(
            path(
                (-t.hem, t.hem_y - 12),
                ((0, t.hem_y - 7), (t.hem, t.hem_y - 12)),
                ((t.hem, t.hem_y + 2),),
                ((0, t.hem_y + 7), (-t.hem, t.hem_y + 2)),
            ),
            shadow=False,
        )
        s.shape(
            path((-30, t.hem_y - 10), ((-16, t.hem_y - 10),), ((-16, t.hem_y + 5),), ((-30, t.hem_y + 5),)),
            "none",
            stroke="#d0d0d4",
            width=2.4,
        )
    else:
        zipper(s, t.top + 16, t.hem_y + 4)
        hem_rib(s, t, 12)
        with s.mirrored():
            s.line(path((30, t.waist_y + 22), ((46, t.waist_y - 4),), close=False), s.main.outline, 3)
        s.panel(
            symmetric(
                (0, t.top - 4),
                ((t.neck * 0.6, t.top - 6), (t.neck, t.top - 12)),
                ((t.neck + 4, t.top + 6),),
                ((t.neck * 0.5, t.top + 18), (0, t.top + 20)),
            ),
            shadow=False,
        )


def puffer_jacket(s: Sketch, d: Design) -> None:
    length = {"cropped": 160.0, "regular": 204.0, "knee": 270.0}[d.get("length", "regular")]
    top = 84.0 if length < 250 else 62.0
    hood = d.get("neckline") == "hood"
    if hood:
        _hood(s, top, fur=False)
    t, outline = _shell(s, d, length, top=top, flare=3, cuff=22, arm=190, neck="stand collar")
    colour_block(s, d, outline, t.top - 10, t.armpit + 4)
    y, step = t.top + 34.0, s.vary(21, 27)
    while y < t.hem_y - 6:
        with s.clipped(outline):
            s.line(path((-100, y), ((0, y + 8), (100, y)), close=False), s.main.outline, 1.6, opacity=0.8)
            s.line(path((-100, y + 3), ((0, y + 11), (100, y + 3)), close=False), "#ffffff", 3.4, opacity=0.28)
            s.line(path((-100, y - 4), ((0, y + 4), (100, y - 4)), close=False), "#000000", 4.5, opacity=0.14)
        y += step
    zipper(s, t.top + 6, t.hem_y + 4)
    if not hood:
        s.panel(
            symmetric(
                (0, t.top - 12),
                ((t.neck * 0.7, t.top - 13), (t.neck, t.top - 20)),
                ((t.neck + 6, t.top + 8),),
                ((t.neck * 0.5, t.top + 18), (0, t.top + 18)),
            ),
            shadow=False,
        )


def _hood(s: Sketch, y: float, *, fur: bool) -> None:
    n = 29.0
    s.panel(
        symmetric((0, y - 50), ((n + 4, y - 50), (n + 19, y - 24), (n + 13, y + 8)), ((n * 0.6, y + 28), (0, y + 28)))
    )
    if fur:
        s.line(
            symmetric(
                (0, y - 46), ((n + 4, y - 46), (n + 14, y - 22), (n + 6, y + 6)), ((n * 0.5, y + 22), (0, y + 24))
            ),
            "#b89a78",
            13,
        )
        s.line(
            symmetric(
                (0, y - 46), ((n + 4, y - 46), (n + 14, y - 22), (n + 6, y + 6)), ((n * 0.5, y + 22), (0, y + 24))
            ),
            "#e0cbb0",
            8,
            dash="2 3",
        )
    s.shape(
        symmetric((0, y - 38), ((n - 4, y - 38), (n + 4, y - 20), (n - 4, y + 6)), ((n * 0.5, y + 26), (0, y + 24))),
        s.main.inside,
    )


def parka(s: Sketch, d: Design) -> None:
    top = 72.0
    _hood(s, top, fur=s.chance(0.7))
    t, outline = _shell(s, d, s.vary(252, 266), top=top, flare=8, cuff=20, neck="stand collar")
    colour_block(s, d, outline, t.top - 10, t.armpit + 10)
    s.line(path((-8, t.top + 12), ((-8, t.hem_y + 4),), close=False), s.main.outline, 1.3)
    zipper(s, t.top + 12, t.hem_y + 2, 2)
    for k in range(5):
        s.button(-15, t.top + 40 + k * 42, 2.6)
    with s.mirrored():
        s.line(path((14, t.waist_y + 2), ((t.waist, t.waist_y - 2),), close=False), s.main.outline, 1.4)
        s.panel(
            path((22, t.waist_y + 20), ((56, t.waist_y + 20),), ((58, t.waist_y + 62),), ((22, t.waist_y + 62),)),
            shadow=False,
            line=1.1,
        )
        s.panel(
            path((20, t.waist_y + 16), ((58, t.waist_y + 16),), ((58, t.waist_y + 32),), ((20, t.waist_y + 32),)),
            shadow=False,
            line=1.1,
        )


DRAW = {
    "blazer": blazer,
    "coat": coat,
    "trench coat": trench_coat,
    "denim jacket": denim_jacket,
    "leather jacket": leather_jacket,
    "puffer jacket": puffer_jacket,
    "parka": parka,
}
