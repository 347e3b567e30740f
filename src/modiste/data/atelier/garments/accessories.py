"""Hats, belts, scarves, sunglasses, watches, ties, gloves, and jewellery."""

from __future__ import annotations

import math

from modiste.data.atelier.design import Design
from modiste.data.atelier.garments.shapes import colour_block
from modiste.data.atelier.sketch import Sketch, path, smooth, symmetric


def cap(s: Sketch, d: Design) -> None:
    high = s.vary(104, 116)
    outline = path(
        (-70, 226),
        ((-70, 226 - high), (-20, 222 - high), (14, 222 - high)),
        ((70, 222 - high), (104, 170), (104, 230)),
        ((30, 214), (-70, 226)),
    )
    s.panel(outline)
    for x in (-26, 26, 68):
        s.line(path((14, 222 - high), ((x + (x - 14) * 0.3, 160), (x, 222)), close=False), width=1.3)
    bill = s.trim if d.get("pattern") == "colour block" else None
    s.panel(path((-72, 220), ((-130, 222), (-142, 254)), ((-80, 232), (38, 226)), ((-10, 212), (-72, 220))), bill)
    s.stitch(path((-132, 246), ((-80, 226), (20, 222)), close=False), s.main.seam)
    s.disc(14, 222 - high, 6, (bill or s.main).colour, ry=4, stroke=s.main.outline)


def beanie(s: Sketch, d: Design) -> None:
    top = s.vary(108, 124)
    outline = symmetric((0, top), ((62, top), (88, 176), (88, 240)), ((0, 250),))
    if d.get("detail") == "pompom":
        s.disc(0, top - 14, 29, s.main.shade(0.12))
        for k in range(26):
            a = k * 2.4
            r = 27 * math.sqrt((k + 0.5) / 26)
            s.disc(r * math.cos(a), top - 14 + r * math.sin(a), 5, s.main.tint(0.1) if k % 2 else s.main.shade(0.05))
    s.panel(outline)
    colour_block(s, d, outline, 176, 300)
    for k in range(-6, 7):
        s.line(path((k * 5, top + 3 + abs(k)), ((k * 14, 170), (k * 13.4, 244)), close=False), width=1, opacity=0.5)
    s.panel(symmetric((0, 230), ((92, 224),), ((94, 270),), ((40, 280), (0, 280))))
    for k in range(-8, 9):
        s.line(path((k * 10.5, 234), ((k * 10.6, 274),), close=False), width=1.4, opacity=0.65)


def sun_hat(s: Sketch, d: Design) -> None:
    _brimmed(
        s,
        134,
        s.vary(30, 38),
        s.vary(66, 76),
        s.vary(68, 82),
        dip=0,
        band=s.pick("#7d2f38", "#28324f", "#2a282b", "#f4efe4"),
    )


def fedora(s: Sketch, d: Design) -> None:
    _brimmed(
        s,
        112,
        s.vary(15, 19),
        s.vary(58, 63),
        s.vary(88, 98),
        dip=15,
        band="#1f1d20" if not s.main.dark else s.main.tint(0.25),
    )


def _brimmed(s: Sketch, brim: float, depth: float, crown: float, height: float, dip: float, band: str) -> None:
    y = 234.0
    s.panel(
        smooth(
            [
                (-brim, y + 2),
                (-brim * 0.6, y - depth * 0.65),
                (0, y - depth),
                (brim * 0.6, y - depth * 0.65),
                (brim, y + 2),
                (brim * 0.6, y + depth * 0.7),
                (0, y + depth),
                (-brim * 0.6, y + depth * 0.7),
            ]
        )
    )
    crown_shape = symmetric(
        (0, y - height + dip),
        ((crown * 0.3, y - height - 4), (crown * 0.86, y - height - 6), (crown * 0.86, y - height + 22)),
        ((crown, y - 4),),
        ((crown * 0.6, y + 13), (0, y + 13)),
    )
    s.panel(crown_shape)
    with s.clipped(crown_shape):
        s.shape(path((-120, y - 20), ((0, y - 2), (120, y - 20)), ((120, y),), ((0, y + 18), (-120, y))), band)
    s.line(crown_shape, s.main.outline, 1.2)
    if dip:
        s.fold((0, y - height + dip), (-14, y - height * 0.66), (-6, y - 34), 10, 0.16)


def belt(s: Sketch, d: Design) -> None:
    h = 11.0 if d.get("width") == "slim" else 20.0
    r = s.vary(74, 82)
    ring = path((-r, 214), ((-r, 168), (r, 168), (r, 214)), close=False)
    s.line(ring, s.main.outline, h * 1.7 + 2)
    s.line(ring, s.main.inside, h * 1.7)
    s.panel(
        path(
            (-r - h * 0.9, 204),
            ((-r - h * 0.9, 268), (r + h * 0.9, 268), (r + h * 0.9, 204)),
            ((r + h * 0.9, 204 + h * 2),),
            ((r + h * 0.9, 270 + h * 2), (-r - h * 0.9, 270 + h * 2), (-r - h * 0.9, 204 + h * 2)),
        )
    )
    s.stitch(
        path((-r - h * 0.7, 210), ((-r - h * 0.7, 272), (r + h * 0.7, 272), (r + h * 0.7, 210)), close=False),
        s.main.seam,
    )
    y, w = 252 + h, h * 1.25
    metal = s.metal(s.pick("gold", "silver"))
    s.shape(
        path((-w, y - h * 1.35), ((w, y - h * 1.35),), ((w, y + h * 1.35),), ((-w, y + h * 1.35),)),
        "none",
        stroke="#00000066",
        width=8,
    )
    s.shape(
        path((-w, y - h * 1.35), ((w, y - h * 1.35),), ((w, y + h * 1.35),), ((-w, y + h * 1.35),)),
        "none",
        stroke=metal,
        width=6,
    )
    s.line(path((-w, y), ((w * 0.9, y + 0.5),), close=False), "#d9b765", 4)
    for k in range(4):
        s.disc(w + 14 + k * 13, y - 2 - k * 2.4, 1.9, s.main.inside)


def scarf(s: Sketch, d: Design) -> None:
    low, wide = s.vary(318, 350), s.vary(31, 38)
    fringe = d.get("material") in ("wool", "cashmere") or s.chance(0.2)
    for sign, drop, tilt in ((1, low - 34, 7), (-1, low, -5)):
        x = sign * 24
        end = x + tilt * 2
        if fringe:
            for k in range(9):
                fx = end - wide + 3 + k * (2 * wide - 6) / 8
                s.line(path((fx, drop - 4), ((fx + sign, drop + 22),), close=False), s.main.outline, 3.2)
                s.line(path((fx, drop - 4), ((fx + sign, drop + 21),), close=False), s.main.colour, 2)
        tail = path((x - wide * 0.7, 130), ((x + wide * 0.7, 130),), ((end + wide, drop),), ((end - wide, drop + 2),))
        s.panel(tail, angle=-tilt)
        colour_block(s, d, tail, drop - 70, drop + 9)
        s.fold((x, 160), (end - 6, 230), (end - 4, drop - 6), 8, 0.13)
    s.panel(symmetric((0, 62), ((50, 60), (88, 82), (76, 124)), ((50, 168), (0, 168))))
    s.shape(symmetric((0, 74), ((34, 72), (58, 86), (48, 104)), ((26, 112), (0, 112))), s.main.inside)
    s.fold((-68, 100), (-20, 150), (52, 138), 9, 0.16)
    s.fold((66, 96), (30, 144), (-44, 128), 7, 0.14)


def sunglasses(s: Sketch, d: Design) -> None:
    frame = d.get("frame", "square")
    tint = s.pick("#3b3f45", "#5a4636", "#3d4f47")
    y, c, w, h = 200.0, 58.0, s.vary(47, 51), s.vary(36, 41)
    metal = d.get("material") == "metal"
    lens = {
        "round": smooth([(c - h - 3, y), (c, y - h - 3), (c + h + 3, y), (c, y + h + 3)], tension=1.6),
        "square": path(
            (c - w + 5, y - h),
            ((c + w, y - h),),
            ((c + w + 4, y - h), (c + w, y + h * 0.4)),
            ((c + w - 6, y + h), (c + 4, y + h)),
            ((c - w + 2, y + h), (c - w, y - h * 0.3)),
            ((c - w - 1, y - h), (c - w + 5, y - h)),
        ),
        "cat-eye": path(
            (c - w, y - h * 0.5),
            ((c, y - h * 0.9), (c + w + 18, y - h - 16)),
            ((c + w + 10, y + h), (c, y + h)),
            ((c - w + 2, y + h), (c - w, y - h * 0.5)),
        ),
        "aviator": path(
            (c - w + 2, y - h * 0.8),
            ((c, y - h), (c + w, y - h * 0.7)),
            ((c + w + 8, y + h * 0.9), (c + 10, y + h + 9), (c - 8, y + h)),
            ((c - w - 2, y + h * 0.4), (c - w + 2, y - h * 0.8)),
        ),
    }[frame]
    thick = 4.5 if metal or frame == "aviator" else s.vary(9, 13)
    s.cord(path((0 - 11, y - 8), ((0, y - 20), (11, y - 8)), close=False), s.main.colour, thick)
    with s.mirrored():
        s.cord(
            path((c + w, y - h * 0.7), ((c + w + 22, y - h * 0.7 - 30), (c + w + 10, y - 84)), close=False),
            s.main.colour,
            max(thick * 0.75, 4.5),
        )
        s.line(lens, s.main.outline, thick + 2.4)
        s.shape(lens, tint, opacity=0.93)
        s.shape(lens, f"url(#{s.gradient('lens', [(0, '#ffffff', 0.0), (1, '#f3d9b0', 0.45)], (0, 0, 0, 1))})")
        s.line(lens, s.main.colour, thick)
        if s.main.print is not None:
            s.line(lens, f"url(#{s._pattern('pm', s.main.print, 0)})", thick)
        s.glint((c - 20, y + 14), (c - 16, y - 14), (c + 10, y - 26), 11, 0.22)


def watch(s: Sketch, d: Design) -> None:
    r, w = s.vary(47, 54), s.vary(24, 30)
    metal = d.get("material") == "metal"
    case = s.metal(s.pick("gold", "silver", "rose gold"))
    for lower in (False, True):
        with s.moved("matrix(1 0 0 -1 0 400)" if lower else "translate(0 0)"):
            s.panel(symmetric((0, 38), ((w * 0.7, 38), (w * 0.8, 46)), ((w, 160),), ((0, 170),)))
            if metal:
                for k in range(7):
                    s.line(path((-w, 54 + k * 14), ((w, 54 + k * 14),), close=False), s.main.outline, 1.5)
            else:
                s.stitch(symmetric((0, 44), ((w - 8, 46),), ((w - 4, 150),)), s.main.seam)
    if not metal:
        for k in range(4):
            s.disc(0, 340 - k * 13, 2, s.main.inside)
        s.shape(
            path((-w * 0.9, 46), ((w * 0.9, 46),), ((w * 0.9, 64),), ((-w * 0.9, 64),)), "none", stroke=case, width=4
        )
    s.disc(0, 200, r + 7, case, stroke="#00000077")
    s.disc(0, 200, r - 2, s.pick("#faf8f3", "#faf8f3", "#20242f"), stroke="#00000044")
    for k in range(12):
        a = k * math.pi / 6
        s.line(
            path(
                ((r - 8) * math.cos(a), 200 + (r - 8) * math.sin(a)),
                (((r - 14) * math.cos(a), 200 + (r - 14) * math.sin(a)),),
                close=False,
            ),
            "#a9884c",
            2.4,
        )
    s.line(path((0, 200), ((-16, 182),), close=False), "#a9884c", 3.4)
    s.line(path((0, 200), ((21, 178),), close=False), "#a9884c", 2.4)
    s.disc(0, 200, 3.2, "#a9884c")
    s.shape(path((r + 7, 194), ((r + 14, 194),), ((r + 14, 206),), ((r + 7, 206),)), case, stroke="#00000077")


def tie(s: Sketch, d: Design) -> None:
    w = s.vary(29, 38)
    s.panel(path((8, 88), ((26, 300),), ((14, 318),), ((2, 300),), ((-2, 88),)), angle=40)
    s.panel(symmetric((0, 84), ((11, 84),), ((w * 0.8, 240), (w, 330)), ((0, 368),)), angle=35)
    s.panel(symmetric((0, 38), ((21, 40),), ((12, 88),), ((0, 92),)), angle=-35)
    with s.mirrored():
        s.fold((2, 92), (5, 130), (4, 170), 4, 0.14)


def gloves(s: Sketch, d: Design) -> None:
    cuff, knit = s.vary(36, 52), d.get("material") == "wool"

    def hand() -> None:
        s.panel(
            path(
                (-31, 296),
                ((-32, 240), (-42, 206)),
                ((-46, 178), (-40, 120)),
                ((-34, 106), (-27, 120)),
                ((-25, 168),),
                ((-21, 168),),
                ((-20, 96),),
                ((-13, 80), (-5, 96)),
                ((-5, 166),),
                ((-1, 166),),
                ((2, 102),),
                ((9, 86), (17, 102)),
                ((16, 170),),
                ((20, 172),),
                ((25, 128),),
                ((33, 116), (38, 130)),
                ((38, 190), (32, 214)),
                ((30, 250), (31, 296)),
            )
        )
        s.panel(
            path((-36, 244), ((-72, 214), (-70, 186)), ((-62, 174), (-54, 188)), ((-48, 208), (-28, 220))), line=1.2
        )
        s.panel(path((-34, 270), ((34, 270),), ((36, 270 + cuff),), ((-36, 270 + cuff),)))
        for k in range(-4, 5) if knit else (-1, 0, 1):
            if knit:
                s.line(path((k * 7, 274), ((k * 7.4, 266 + cuff),), close=False), width=1.3, opacity=0.7)
            else:
                s.line(path((k * 13, 190), ((k * 11, 236),), close=False), width=1.3, opacity=0.8)

    with s.moved("translate(58 -4) rotate(7 0 200)"):
        hand()
    with s.moved("matrix(-1 0 0 1 -52 10) rotate(7 0 200)"):
        hand()


def _gem(s: Sketch, x: float, y: float, r: float) -> None:
    colour = s.pick("#cfe8f2", "#2f8a63", "#b3263f", "#2f55a8", "#f2eff8")
    s.disc(x, y, r + 2.4, s.metal(s.main.colour), stroke=s.main.outline)
    s.disc(x, y, r, colour, stroke="#0005")
    s.shape(
        path((x - r * 0.6, y), ((x, y - r * 0.75),), ((x + r * 0.6, y),), ((x, y + r * 0.75),)), "#ffffff", opacity=0.45
    )


def _chain(s: Sketch, outline: str, width: float) -> None:
    s.line(outline, s.main.outline, width + 2)
    s.line(outline, s.main.colour, width)
    s.line(outline, s.main.tint(0.6), width * 0.6, dash=f"{width * 0.9:.1f} {width * 1.2:.1f}")


def necklace(s: Sketch, d: Design) -> None:
    detail, low = d.get("detail"), s.vary(262, 300)
    if detail == "beads":
        for k in range(33):
            a = math.pi * (k + 0.5) / 33
            s.disc(
                -92 * math.cos(a),
                80 + (low - 80) * math.sin(a) ** 0.85,
                7.5 + 3.5 * math.sin(a),
                s.metal(s.main.colour),
                stroke=s.main.outline,
            )
        return
    loop = path((-84, 70), ((-92, low - 50), (-34, low), (0, low)), ((34, low), (92, low - 50), (84, 70)), close=False)
    _chain(s, loop, 3.4 if detail == "pendant" else s.vary(6.5, 10))
    if detail == "pendant":
        s.disc(0, low + 5, 5, "none", stroke=s.main.colour, width=3)
        if s.chance(0.5):
            _gem(s, 0, low + 28, s.vary(13, 18))
        else:
            s.panel(
                symmetric((0, low + 20), ((6, low + 6), (30, low + 8), (24, low + 28)), ((14, low + 42), (0, low + 54)))
            )


def earrings(s: Sketch, d: Design) -> None:
    detail, r = d.get("detail"), s.vary(40, 50)
    with s.mirrored():
        if detail == "hoop":
            s.disc(62, 206, r, "none", stroke=s.main.outline, width=12.5)
            s.disc(62, 206, r, "none", stroke=s.metal(s.main.colour), width=10)
            s.line(path((62, 206 - r), ((66, 206 - r - 16), (76, 206 - r - 8)), close=False), s.main.outline, 3)
        elif detail == "drop":
            s.line(path((62, 108), ((50, 96), (54, 84)), ((66, 74), (74, 92)), close=False), s.main.outline, 3.4)
            s.disc(62, 118, 9, s.metal(s.main.colour), stroke=s.main.outline)
            s.line(path((62, 126), ((62, 160),), close=False), s.main.colour, 3.4)
            s.panel(
                path(
                    (62, 152),
                    ((66, 180), (92, 206), (86, 238)),
                    ((78, 262), (46, 262), (38, 238)),
                    ((32, 206), (58, 180), (62, 152)),
                )
            )
            s.disc(62, 228, 12, s.main.tint(0.5), stroke=s.main.outline)
        else:
            _gem_free(s, 58, 200, r * 0.62)


def _gem_free(s: Sketch, x: float, y: float, r: float) -> None:
    s.disc(x, y, r + 7, s.metal(s.main.colour), stroke=s.main.outline)
    s.disc(x, y, r - 5, s.main.tint(0.72), stroke=s.main.outline)
    for k in range(8):
        a = k * math.pi / 4
        s.line(path((x, y), ((x + (r - 5) * math.cos(a), y + (r - 5) * math.sin(a)),), close=False), s.main.seam, 1)


def bracelet(s: Sketch, d: Design) -> None:
    detail, w = d.get("detail"), s.vary(13, 20)
    oval = smooth([(-90, 200), (0, 138), (90, 200), (0, 262)], tension=1.62)
    if detail == "bangle":
        s.line(oval, s.main.outline, w + 2.4)
        s.line(oval, s.metal(s.main.colour), w)
        return
    _chain(s, oval, w * 0.6)
    if detail == "charm":
        for x in (-52, -18, 18, 52):
            y = 254 - abs(x) * 0.24
            s.line(path((x, y), ((x, y + 14),), close=False), s.main.outline, 2.4)
            s.disc(x, y + 23, 10, s.metal(s.main.colour), stroke=s.main.outline)


def ring(s: Sketch, d: Design) -> None:
    detail, w = d.get("detail"), s.vary(13, 17)
    s.disc(0, 224, 70, "none", ry=76, stroke=s.main.outline, width=w + 2.6)
    s.disc(0, 224, 70, "none", ry=76, stroke=s.metal(s.main.colour), width=w)
    if detail == "solitaire":
        s.shape(
            symmetric((0, 158), ((15, 156),), ((28, 124),), ((0, 128),)), s.metal(s.main.colour), stroke=s.main.outline
        )
        s.shape(
            symmetric((0, 152), ((36, 116),), ((22, 94),), ((0, 94),)),
            s.pick("#dff1f8", "#dff1f8", "#3f9a74", "#c23a52", "#4468bb"),
            stroke="#0006",
            width=1.4,
        )
        s.line(path((-36, 116), ((36, 116),), close=False), "#ffffff", 1.6)
        s.line(path((-12, 116), ((0, 152),), ((12, 116),), ((0, 94),), ((-12, 116),), close=False), "#ffffff", 1.4)
    elif detail == "signet":
        s.disc(0, 148, 36, s.metal(s.main.colour), ry=28, stroke=s.main.outline, width=1.4)
        s.disc(0, 148, 27, "none", ry=20, stroke=s.main.seam, width=1.6)


DRAW = {
    "cap": cap,
    "beanie": beanie,
    "sun hat": sun_hat,
    "fedora": fedora,
    "belt": belt,
    "scarf": scarf,
    "sunglasses": sunglasses,
    "watch": watch,
    "tie": tie,
    "gloves": gloves,
    "necklace": necklace,
    "earrings": earrings,
    "bracelet": bracelet,
    "ring": ring,
}
