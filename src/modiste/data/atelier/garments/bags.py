"""Totes, handbags, clutches, backpacks, crossbody bags."""

from __future__ import annotations

from modiste.data.atelier.design import Design
from modiste.data.atelier.garments.shapes import colour_block
from modiste.data.atelier.sketch import Sketch, path, symmetric


def _box(top: float, bottom: float, upper: float, lower: float, radius: float = 14) -> str:
    return symmetric(
        (0, top),
        ((upper - 4, top),),
        ((upper, top), (upper, top + 5)),
        ((lower, bottom - radius),),
        ((lower, bottom), (lower - radius, bottom)),
        ((0, bottom),),
    )


def _handles(s: Sketch, x: float, top: float, height: float, width: float = 7) -> None:
    arc = path((-x, top + 14), ((-x, top - height), (x, top - height), (x, top + 14)), close=False)
    s.line(arc, s.main.outline, width + 2)
    s.line(arc, s.main.shade(0.08), width)
    s.line(arc, s.main.tint(0.25), width * 0.25)


def tote_bag(s: Sketch, d: Design) -> None:
    top, upper, lower = 168.0, s.vary(92, 104), s.vary(80, 96)
    bottom = top + s.vary(156, 176)
    x, high = s.vary(32, 42), s.vary(118, 140)
    with s.moved("translate(5 -7)"):
        _handles(s, x, top, high)
    outline = _box(top, bottom, upper, lower, 10)
    s.panel(outline)
    colour_block(s, d, outline, top + (bottom - top) * 0.62, bottom + 9)
    _handles(s, x, top, high)
    with s.mirrored():
        s.panel(path((x - 7, top + 2), ((x + 7, top + 2),), ((x + 7, top + 34),), ((x - 7, top + 34),)), shadow=False)
        s.disc(x, top + 26, 2, "#c79a4e")
    s.stitch(path((-upper + 4, top + 9), ((upper - 4, top + 9),), close=False), s.main.seam)
    s.stitch(path((-lower + 6, bottom - 6), ((lower - 6, bottom - 6),), close=False), s.main.seam)


def handbag(s: Sketch, d: Design) -> None:
    top, upper, lower = s.vary(172, 184), s.vary(66, 82), s.vary(92, 104)
    bottom = top + s.vary(112, 132)
    _handles(s, s.vary(34, 44), top, s.vary(82, 106), 9)
    outline = _box(top, bottom, upper, lower, 22)
    s.panel(outline)
    colour_block(s, d, outline, top + 62, bottom + 9)
    if s.chance(0.6):
        low = top + s.vary(50, 66)
        s.panel(
            symmetric(
                (0, top - 3), ((upper + 2, top - 2),), ((upper + 8, low - 8), (upper * 0.5, low)), ((0, low + 6),)
            ),
            shadow=False,
        )
        s.shape(
            path((-9, low - 8), ((9, low - 8),), ((9, low + 13),), ((-9, low + 13),)), s.metal("gold"), stroke="#8a6a2c"
        )
    else:
        s.line(path((-upper, top + 14), ((upper, top + 14),), close=False), "#d5b46a", 2.6)
        s.panel(path((-16, top + 4), ((16, top + 4),), ((13, top + 44),), ((-13, top + 44),)), shadow=False)
        s.disc(0, top + 34, 6, s.metal("gold"), stroke="#8a6a2c")
    s.stitch(path((-lower + 10, bottom - 8), ((0, bottom - 4), (lower - 10, bottom - 8)), close=False), s.main.seam)


def clutch(s: Sketch, d: Design) -> None:
    top, w = 166.0, s.vary(104, 116)
    bottom = top + s.vary(76, 96)
    s.panel(_box(top, bottom, w, w, 8))
    low = top + (bottom - top) * s.vary(0.55, 0.8)
    if s.chance(0.6):
        s.panel(symmetric((0, top - 1), ((w, top - 1),), ((w - 4, top + 16),), ((0, low),)), shadow=False)
        s.disc(0, low - 8, 7, s.metal("gold"), stroke="#8a6a2c")
    else:
        s.panel(path((-w - 1, top - 7), ((w + 1, top - 7),), ((w + 1, top + 7),), ((-w - 1, top + 7),)), shadow=False)
        s.line(path((-w, top - 5), ((w, top - 5),), close=False), s.metal("gold"), 4)
        with s.mirrored():
            s.disc(6, top - 12, 6, s.metal("gold"), stroke="#8a6a2c")


def backpack(s: Sketch, d: Design) -> None:
    top, w = 96.0, s.vary(70, 80)
    bottom = top + s.vary(196, 214)
    with s.mirrored():
        s.cord(
            path((w - 12, top + 40), ((w + 26, top + 90), (w + 12, bottom - 34)), close=False), s.main.shade(0.2), 10
        )
    _handles(s, 16, top + 6, 26, 7)
    outline = symmetric(
        (0, top),
        ((w * 0.9, top), (w, top + 34), (w, top + 80)),
        ((w + 6, bottom - 24),),
        ((w + 6, bottom), (w - 14, bottom)),
        ((0, bottom),),
    )
    s.panel(outline)
    colour_block(s, d, outline, bottom - 88, bottom + 9)
    if s.chance(0.5):
        s.line(
            path(
                (-w + 5, top + 72),
                ((-w + 8, top + 14), (0, top + 13)),
                ((w - 8, top + 14), (w - 5, top + 72)),
                close=False,
            ),
            s.main.outline,
            4,
        )
        s.line(
            path(
                (-w + 5, top + 72),
                ((-w + 8, top + 14), (0, top + 13)),
                ((w - 8, top + 14), (w - 5, top + 72)),
                close=False,
            ),
            "#cfcfd2",
            1.8,
        )
    else:
        s.panel(
            symmetric(
                (0, top - 2),
                ((w * 0.95, top), (w + 3, top + 40)),
                ((w + 3, top + 74),),
                ((w * 0.7, top + 92), (0, top + 92)),
            ),
            shadow=False,
        )
        with s.mirrored():
            s.panel(path((26, top + 66), ((38, top + 66),), ((38, top + 122),), ((26, top + 122),)), shadow=False)
            s.shape(
                path((24, top + 100), ((40, top + 100),), ((40, top + 114),), ((24, top + 114),)),
                "none",
                stroke="#d0a85a",
                width=2.4,
            )
    y = bottom - 84
    s.panel(
        symmetric(
            (0, y),
            ((w - 18, y),),
            ((w - 14, y), (w - 12, y + 8)),
            ((w - 10, bottom - 14),),
            ((w - 18, bottom - 9),),
            ((0, bottom - 9),),
        ),
        shadow=False,
    )
    s.line(path((-w + 22, y + 13), ((w - 22, y + 13),), close=False), "#cfcfd2", 2)


def crossbody_bag(s: Sketch, d: Design) -> None:
    top, w = 208.0, s.vary(70, 84)
    bottom = top + s.vary(90, 108)
    strap = path(
        (-w + 6, top + 10), ((-w - 6, 60), (-30, 34), (4, 34)), ((44, 34), (w + 8, 70), (w - 6, top + 10)), close=False
    )
    chain = s.chance(0.35)
    s.line(strap, "#9a7838" if chain else s.main.outline, 6.5)
    s.line(strap, "#e0bd6c" if chain else s.main.shade(0.08), 4.5, dash="6 3" if chain else "")
    round_ = s.vary(14, 40)
    outline = _box(top, bottom, w - 2, w, round_)
    s.panel(outline)
    low = top + (bottom - top) * s.vary(0.5, 0.72)
    s.panel(
        symmetric(
            (0, top - 3), ((w, top - 2),), ((w + 2, low - 20), (w - 12, low - 5)), ((w * 0.5, low), (0, low + 2))
        ),
        s.trim if d.get("pattern") == "colour block" else None,
        shadow=False,
    )
    s.stitch(path((-w + 12, low - 10), ((0, low - 2), (w - 12, low - 10)), close=False), s.main.seam)
    s.disc(0, low - 4, 7, s.metal("gold"), stroke="#8a6a2c")
    with s.mirrored():
        s.disc(w - 6, top + 8, 5, "none", stroke="#c99f4e", width=2.4)


DRAW = {
    "tote bag": tote_bag,
    "handbag": handbag,
    "clutch": clutch,
    "backpack": backpack,
    "crossbody bag": crossbody_bag,
}
