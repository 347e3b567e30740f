"""T-shirts, shirts, blouses, knitwear, hoodies, tank tops, polo shirts."""

from __future__ import annotations

from modiste.data.atelier.design import Design
from modiste.data.atelier.garments.shapes import (
    NECKS,
    SLEEVE_LENGTHS,
    Sleeve,
    Torso,
    back_of_neck,
    body_outline,
    colour_block,
    cuff_band,
    hem_rib,
    neck_band,
    neckline,
    patch_pocket,
    placket,
    shirt_collar,
    sleeve,
    torso_folds,
    zipper,
)
from modiste.data.atelier.sketch import Sketch, path, symmetric

_FIT = {"slim": -7.0, "regular": 0.0, "loose": 7.0, "oversized": 13.0, "": 0.0}


def torso_for(s: Sketch, d: Design, neck: str, *, length: float = 232.0, top: float = 72.0) -> Torso:
    """A torso of this item's own proportions."""
    extra = _FIT.get(d.get("fit"), 0.0)
    width = s.vary(62, 67) + extra
    taper = (4.0 if d.get("gender") == "women" else 0.0) + max(0.0, -extra * 0.6)
    return Torso(
        neck=NECKS[neck][0],
        shoulder=s.vary(66, 71) + extra * 0.9,
        chest=width,
        waist=width - taper - 1,
        hem=width + 1,
        top=top,
        slope=s.vary(15, 20),
        armpit=top + s.vary(74, 80) + extra * 0.4,
        waist_y=top + length * 0.66,
        hem_y=top + length + extra * 0.7,
    )


def _sleeves(
    s: Sketch, d: Design, t: Torso, cuff: float = 17.0, *, angle: float = 17.0, puff: float = 6.0
) -> Sleeve | None:
    kind = d.get("sleeve_length", "long")
    if kind == "sleeveless":
        return None
    length = SLEEVE_LENGTHS[kind] * s.vary(0.96, 1.03)
    width = {"short": 27.0, "three-quarter": 21.0}.get(kind, cuff) + _FIT.get(d.get("fit"), 0.0) * 0.3
    lean = {"short": angle + 14, "three-quarter": angle + 3}.get(kind, angle)
    with s.mirrored():
        return sleeve(s, t, length, width, angle=lean, puff=puff)


def t_shirt(s: Sketch, d: Design) -> None:
    kind = d.get("neckline", "crew")
    t = torso_for(s, d, kind, length=s.vary(218, 240))
    start, neck = neckline(kind, t.top, s.vary(0.9, 1.1))
    back_of_neck(s, t, start[1] - t.top)
    end = _sleeves(s, d, t)
    outline = body_outline(t, start, neck)
    s.panel(outline)
    colour_block(s, d, outline, t.armpit + 50, t.hem_y + 20)
    torso_folds(s, t)
    neck_band(s, start, neck)
    if end is not None:
        with s.mirrored():
            (ox, oy), (ix, iy) = end.outer, end.inner
            s.stitch(path((ox - 2, oy - 5), ((ix - 2, iy - 5),), close=False), s.main.seam)
    s.stitch(
        symmetric((0, t.hem_y + t.dip - 6), ((t.hem * 0.55, t.hem_y + t.dip - 6), (t.hem - 1, t.hem_y - 6))),
        s.main.seam,
    )
    if s.chance(0.25) and d.get("pattern") == "solid":
        patch_pocket(s, 16, t.armpit - 18, 27, 30)


def shirt(s: Sketch, d: Design) -> None:
    t = torso_for(s, d, "collar", length=s.vary(238, 254), top=70)
    start, neck = neckline("collar", t.top, 0.6)
    back_of_neck(s, t, 14)
    end = _sleeves(s, d, t, 16)
    long = d.get("sleeve_length") == "long"
    if end is not None and long:
        with s.mirrored():
            cuff_band(s, end, 16)
            s.button(end.inner[0] + 9, end.inner[1] + 8, 2.1)
    outline = body_outline(t, start, neck)
    s.panel(outline)
    torso_folds(s, t)
    placket(s, t.top + 26, t.hem_y + t.dip - 4, buttons=6)
    with s.mirrored():
        s.line(path((t.neck + 4, t.top + 20), ((t.shoulder - 6, t.top + t.slope + 12),), close=False), width=0.9)
    if s.chance(0.65):
        patch_pocket(s, 18, t.armpit - 14, 28, 33, flap=d.get("material") == "denim")
    if d.get("material") == "denim":
        with s.mirrored():
            s.stitch(path((t.hem - 3, t.hem_y - 5), ((6, t.hem_y),), close=False), "#d9a25c")
            s.stitch(path((9, t.top + 40), ((9, t.hem_y - 6),), close=False), "#d9a25c")
    shirt_collar(s, t, s.vary(20, 26), spread=s.vary(24, 32))


def blouse(s: Sketch, d: Design) -> None:
    kind = d.get("neckline", "round")
    t = torso_for(s, d, kind, length=s.vary(206, 226), top=76)
    start, neck = neckline(kind, t.top, 0.9)
    back_of_neck(s, t, start[1] - t.top)
    end = _sleeves(s, d, t, s.vary(20, 27), angle=19, puff=s.vary(12, 20))
    if end is not None:
        with s.mirrored():
            cuff_band(s, end, s.vary(7, 13))
            for share in (0.2, 0.4, 0.6, 0.8):
                x = end.inner[0] + (end.outer[0] - end.inner[0]) * share
                y = end.inner[1] + (end.outer[1] - end.inner[1]) * share
                s.fold((x, y), (x - 5, y - 18), (x - 7, y - 36), 4, 0.14)
    outline = body_outline(t, start, neck)
    s.panel(outline)
    colour_block(s, d, outline, t.armpit + 40, t.hem_y + 20)
    torso_folds(s, t)
    with s.mirrored():
        s.fold((t.neck - 4, start[1] - 4), (t.neck + 6, t.armpit + 20), (t.neck - 2, t.waist_y), 5, 0.10)
    neck_band(s, start, neck, 3.0)
    if kind == "tie-neck":
        _bow(s, start[1] + 2, s.vary(30, 38))
    elif s.chance(0.5):
        placket(s, start[1] + 4, t.hem_y, width=4.5, buttons=7)
    elif kind == "round":
        s.line(path((0, start[1]), ((0, start[1] + 30),), close=False), s.main.outline, 1.6)
        s.button(0, start[1] + 1, 2.4)


def _bow(s: Sketch, y: float, size: float) -> None:
    with s.mirrored():
        s.panel(
            path((2, y + 4), ((8, y + 30), (15, y + size * 2)), ((26, y + size * 2 - 6),), ((18, y + 24), (5, y + 1))),
            angle=20,
            shadow=False,
        )
        s.panel(
            path(
                (0, y),
                ((size * 0.6, y - 20), (size, y - 12)),
                ((size * 1.08, y + 4), (size, y + 14)),
                ((size * 0.5, y + 12), (0, y + 2)),
            ),
            angle=-30,
            shadow=False,
        )
    s.panel(path((-5, y - 5), ((5, y - 5),), ((5, y + 7),), ((-5, y + 7),)), shadow=False)


def sweater(s: Sketch, d: Design) -> None:
    kind = d.get("neckline", "crew")
    t = torso_for(s, d, kind, length=s.vary(206, 222), top=78)
    start, neck = neckline(kind, t.top, 0.85 if kind != "v-neck" else 1.0)
    if kind == "turtleneck":
        _roll_neck(s, t, back=True)
    else:
        back_of_neck(s, t, start[1] - t.top)
    end = _sleeves(s, d, t, 18, puff=10)
    if end is not None:
        with s.mirrored():
            cuff_band(s, end, 15, ribbed=True)
    outline = body_outline(t, start, neck)
    s.panel(outline)
    colour_block(s, d, outline, t.armpit + 44, t.hem_y + 20)
    torso_folds(s, t)
    hem_rib(s, t)
    if d.get("pattern") == "solid" and s.chance(0.4):
        _cables(s, t, start[1])
    if kind == "turtleneck":
        _roll_neck(s, t)
    else:
        neck_band(s, start, neck, 8.0)


def _cables(s: Sketch, t: Torso, top: float) -> None:
    for x in (-28, 0, 28):
        y = max(top + 16, t.armpit - 20 if x else top + 16)
        while y < t.hem_y - 22:
            s.line(path((x - 5, y), ((x + 5, y + 6), (x + 5, y + 10)), close=False), width=1.7, opacity=0.7)
            s.line(path((x + 5, y), ((x - 5, y + 6), (x - 5, y + 10)), close=False), width=1.7, opacity=0.7)
            y += 11


def _roll_neck(s: Sketch, t: Torso, *, back: bool = False) -> None:
    n, y = t.neck, t.top
    if back:
        s.shape(symmetric((0, y - 30), ((n, y - 30), (n - 2, y - 24)), ((n, y + 6),), ((0, y + 12),)), s.main.inside)
        return
    s.panel(
        symmetric(
            (0, y - 20),
            ((n * 0.7, y - 20), (n - 1, y - 26)),
            ((n + 3, y - 8), (n + 4, y + 6)),
            ((n * 0.6, y + 18), (0, y + 18)),
        ),
        shadow=False,
    )
    for k in range(-4, 5):
        s.line(path((k * 5.2, y - 17), ((k * 5.8, y + 14),), close=False), width=0.8, opacity=0.5)


def cardigan(s: Sketch, d: Design) -> None:
    length = {"cropped": 168.0, "regular": 214.0, "long": 258.0}[d.get("length", "regular")]
    t = torso_for(s, d, "v-neck", length=length * s.vary(0.98, 1.03), top=72)
    start, neck = neckline("v-neck", t.top, s.vary(1.1, 1.4))
    back_of_neck(s, t, start[1] - t.top)
    end = _sleeves(s, d, t, 18, puff=10)
    if end is not None:
        with s.mirrored():
            cuff_band(s, end, 14, ribbed=True)
    outline = body_outline(t, start, neck)
    s.panel(outline)
    colour_block(s, d, outline, t.armpit + 36, t.hem_y + 20)
    torso_folds(s, t)
    hem_rib(s, t, 12)
    neck_band(s, start, neck, 8)
    s.line(path((0, start[1]), ((0, t.hem_y + 14),), close=False), s.main.outline, 12.5)
    s.line(
        path((0, start[1]), ((0, t.hem_y + 14),), close=False),
        s.main.shade(0.1) if not s.main.dark else s.main.tint(0.08),
        10.5,
    )
    s.line(path((5, start[1] + 2), ((5, t.hem_y + 16),), close=False), s.main.outline, 1.0)
    count = 5
    for k in range(count):
        s.button(0, start[1] + 6 + (t.hem_y - start[1]) * k / (count - 0.5), 3.4)
    if s.chance(0.55) and d.get("length") != "cropped":
        with s.mirrored():
            patch_pocket(s, 20, t.hem_y - 58, 34, 38)


def hoodie(s: Sketch, d: Design) -> None:
    t = torso_for(s, d, "hood", length=s.vary(206, 220), top=92)
    start, neck = neckline("hood", t.top, 1.0)
    n, y = t.neck, t.top
    height = s.vary(52, 60)
    s.panel(
        symmetric(
            (0, y - height),
            ((n + 4, y - height), (n + 20, y - height * 0.5), (n + 13, y + 6)),
            ((n * 0.6, y + 30), (0, y + 30)),
        )
    )
    s.shape(
        symmetric(
            (0, y - height + 12),
            ((n - 4, y - height + 12), (n + 4, y - height * 0.4), (n - 3, y + 6)),
            ((n * 0.5, y + 28), (0, y + 26)),
        ),
        s.main.inside,
    )
    end = _sleeves(s, d, t, 19, puff=9)
    if end is not None:
        with s.mirrored():
            cuff_band(s, end, 15, ribbed=True)
    outline = body_outline(t, start, neck)
    s.panel(outline)
    colour_block(s, d, outline, t.armpit + 10, t.hem_y + 20)
    torso_folds(s, t)
    hem_rib(s, t)
    low = t.hem_y - 8
    s.panel(
        symmetric((0, low - 62), ((32, low - 62),), ((46, low - 38), (52, low - 22)), ((52, low),), ((0, low + 4),)),
        s.trim if d.get("pattern") == "colour block" else None,
        shadow=False,
        line=1.2,
    )
    if d.get("closure") == "zip":
        zipper(s, start[1] - 2, t.hem_y + 16)
    with s.mirrored():
        s.panel(
            path(
                (n + 11, y - 4),
                ((n + 10, y + 18), (4, start[1] + 10)),
                ((0, start[1] + 3),),
                ((n - 6, y + 18), (n - 2, y - 8)),
            ),
            shadow=False,
        )
        s.line(path((12, start[1] + 2), ((13, start[1] + 30), (10, start[1] + 54)), close=False), s.main.outline, 4.0)
        s.line(path((12, start[1] + 2), ((13, start[1] + 30), (10, start[1] + 54)), close=False), "#f2efe8", 2.6)


def tank_top(s: Sketch, d: Design) -> None:
    kind = d.get("neckline", "scoop")
    base = torso_for(s, d, kind, length=s.vary(214, 232), top=72)
    width = NECKS[kind][0]
    strap = s.vary(8, 16)
    t = Torso(
        width,
        width + strap,
        base.chest - 4,
        base.waist - 5,
        base.hem - 3,
        base.top,
        5,
        base.armpit + 6,
        base.waist_y,
        base.hem_y,
    )
    start, neck = neckline(kind, t.top, 1.15)
    back_of_neck(s, t, min(start[1] - t.top, 34))
    outline = body_outline(t, start, neck, armhole=-1)
    s.panel(outline)
    colour_block(s, d, outline, t.armpit + 44, t.hem_y + 20)
    torso_folds(s, t)
    neck_band(s, start, neck, 4.0)
    sx, sy = t.shoulder_point
    with s.mirrored():
        arm = path(
            (sx, sy), ((sx + 1, sy + (t.armpit - sy) * 0.45), (sx + 1, t.armpit - 10), (t.chest, t.armpit)), close=False
        )
        s.line(arm, s.main.outline, 4.6)
        s.line(arm, s.main.shade(0.1) if not s.main.dark else s.main.tint(0.08), 3.2)
    s.stitch(
        path((-t.hem + 3, t.hem_y - 5), ((0, t.hem_y + t.dip - 1), (t.hem - 3, t.hem_y - 5)), close=False), s.main.seam
    )


def polo_shirt(s: Sketch, d: Design) -> None:
    t = torso_for(s, d, "polo collar", length=s.vary(222, 238), top=72)
    start, neck = neckline("polo collar", t.top, 0.7)
    back_of_neck(s, t, 16)
    end = _sleeves(s, d, t)
    if end is not None:
        with s.mirrored():
            cuff_band(s, end, 7)
    outline = body_outline(t, start, neck)
    s.panel(outline)
    colour_block(s, d, outline, t.armpit + 20, t.hem_y + 20)
    torso_folds(s, t)
    low = t.top + s.vary(70, 84)
    s.panel(
        path((-8, start[1] - 4), ((8, start[1] - 4),), ((8, low),), ((-8, low),)), shadow=False, shaded=False, line=1.1
    )
    for k in range(3):
        s.button(0, start[1] + 10 + (low - start[1] - 18) * k / 2, 2.4)
    s.stitch(
        path((-t.hem + 2, t.hem_y - 5), ((0, t.hem_y + t.dip), (t.hem - 2, t.hem_y - 5)), close=False), s.main.seam
    )
    shirt_collar(s, t, 20, spread=30, cloth=s.trim if d.get("pattern") == "colour block" else None)
    if s.chance(0.5):
        s.disc(36, t.armpit - 4, 3.6, s.main.seam)


DRAW = {
    "t-shirt": t_shirt,
    "shirt": shirt,
    "blouse": blouse,
    "sweater": sweater,
    "cardigan": cardigan,
    "hoodie": hoodie,
    "tank top": tank_top,
    "polo shirt": polo_shirt,
}
