"""Draw the figures of the systems' pages: docs/images/NAME.svg, one function for each.

python scripts/figures.py            # write them all
python scripts/figures.py --check    # exit 1 when one differs (tests/test_site.py does this)

Plain SVG on a ground of its own, so that they can be read on light and dark pages; no font, script or picture from elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path

from kept import keep

IMAGES = Path(__file__).parents[1] / "docs" / "images"
# what a box is about: fill, edge
COLOURS = {
    "photo": ("#dbe7f5", "#3f6fa5"),
    "words": ("#fbe9c8", "#a8771c"),
    "both": ("#dcefe0", "#3f7f50"),
    "loss": ("#f7dde1", "#a8434f"),
    "plain": ("#ffffff", "#7d7a74"),
    "none": ("none", "#b6b2a9"),
}
INK = "#24221f"


class Figure:
    """Boxes, arrows and words on a ground of `width` x `height`; `str` of it is the SVG."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.parts: list[str] = []
        self.head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" font-family="system-ui, Helvetica, Arial, sans-serif" font-size="14" fill="{INK}">\n'
            f"<title>{escape(title)}</title>\n"
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            f'<path d="M0 0 L8 4 L0 8 z" fill="{INK}"/></marker></defs>\n'
            f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="10" fill="#fbfaf7" stroke="#d5d1c8"/>'
        )

    def box(self, x: float, y: float, w: float, h: float, text: str = "", kind: str = "plain", *, size: int = 14,
            dashed: bool = False, top: bool = False) -> Figure:  # fmt: skip
        """A rectangle with its text in the middle, or at its top; lines end with a newline."""
        fill, edge = COLOURS[kind]
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="5" fill="{fill}" stroke="{edge}" stroke-width="1.4"{dash}/>'
        )
        lines = text.split("\n")
        start = y + size + 6 if top else y + h / 2 - (len(lines) - 1) * size * 0.62 + size * 0.36
        return self.words(x + w / 2, start, text, size=size) if text else self

    def words(self, x: float, y: float, text: str, *, size: int = 14, anchor: str = "middle", bold: bool = False,
              soft: bool = False) -> Figure:  # fmt: skip
        """Lines of text from a baseline at `y` on."""
        more = (' font-weight="600"' if bold else "") + (' fill="#5d5a54"' if soft else "")
        for number, line in enumerate(text.split("\n")):
            self.parts.append(
                f'<text x="{x:g}" y="{y + number * size * 1.24:g}" text-anchor="{anchor}" font-size="{size}"{more}>'
                f"{escape(line)}</text>"
            )
        return self

    def arrow(self, *points: tuple[float, float], dashed: bool = False, tip: bool = True) -> Figure:
        """A line through `points`, with a tip at the last."""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        end = ' marker-end="url(#tip)"' if tip else ""
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{INK}" stroke-width="1.3"{dash}{end}/>')
        return self

    def grid(
        self, x: float, y: float, size: float, number: int, kind: str = "photo", *, marked: Sequence[int] = ()
    ) -> Figure:
        """A square of number x number cells; `marked` ones are filled with ink."""
        step = size / number
        fill, edge = COLOURS[kind]
        for cell in range(number * number):
            colour = "#5d5a54" if cell in marked else fill
            self.parts.append(
                f'<rect x="{x + cell % number * step:g}" y="{y + cell // number * step:g}" width="{step:g}" height="{step:g}" '
                f'fill="{colour}" stroke="{edge}" stroke-width="1"/>'
            )
        return self

    def dot(self, x: float, y: float, text: str = "", kind: str = "plain", radius: float = 17) -> Figure:
        """A circle with its text."""
        fill, edge = COLOURS[kind]
        self.parts.append(
            f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}" stroke="{edge}" stroke-width="1.4"/>'
        )
        return self.words(x, y + 5, text, size=13) if text else self

    def __str__(self) -> str:
        return "\n".join([self.head, *self.parts, "</svg>\n"])


def mvlt() -> Figure:
    """The pyramid of four stages, and what its losses read."""
    f = Figure(980, 430, "MVLT: four stages see photo and words together; three losses read what comes out")
    f.words(70, 36, "photo, units hidden", size=13)
    f.grid(26, 48, 88, 8, marked=(9, 10, 17, 18, 37, 38, 45, 46))
    f.words(70, 262, "words, some hidden", size=13)
    f.box(20, 272, 100, 40, "[CLS] red ▢\ndress ▢ dots", "words", size=13)
    sides, x = (84, 66, 48, 32), 158
    for stage, side in enumerate(sides, 1):
        f.box(x, 22, 116, 308, dashed=True, kind="none")
        f.words(x + 58, 42, f"stage {stage}", bold=True, size=13)
        f.grid(x + 58 - side / 2, 96 - side / 2 + 4, side, 2 ** (5 - stage))
        f.words(x + 78, 160, f"V{'¹²³⁴'[stage - 1]}", size=13)
        f.box(x + 10, 178, 96, 62, "n | m together:\nSRA + MLP\n× M" + "₁₂₃₄"[stage - 1], "both", size=12)
        f.box(x + 18, 276, 80, 32, f"T{'¹²³⁴'[stage - 1]}", "words")
        f.arrow((x + 58, 177), (x + 58, 98 + side / 2 + 4)).arrow((x + 58, 241), (x + 58, 275))
        before = 43 if stage == 1 else 78 - sides[stage - 2] / 2
        f.arrow((x - before, 100), (x - 10, 100), (x - 10, 196), (x + 9, 196))
        f.arrow((x - 38, 292), (x - 10, 292), (x - 10, 222), (x + 9, 222))
        x += 136
    f.words(428, 356, "each stage: half the grid's side, wider vectors; keys and values of the photo come from a coarser grid "
            "(SRA)", size=12, soft=True)  # fmt: skip
    f.box(730, 60, 100, 72, "decoder\non V¹…V⁴", "photo", size=13)
    f.arrow((642, 100), (712, 100), tip=False).arrow((712, 100), (729, 100))
    f.box(862, 60, 98, 72, "MIR\nthe whole\nphoto again", "loss", size=13).arrow((831, 96), (861, 96))
    f.box(730, 196, 100, 48, "[CLS] of T⁴", "words", size=13)
    f.box(862, 196, 98, 48, "ITM\none pair?", "loss", size=13).arrow((831, 220), (861, 220))
    f.box(730, 268, 100, 48, "words of T⁴", "words", size=13)
    f.box(862, 268, 98, 48, "MLM\nwhich word?", "loss", size=13).arrow((831, 292), (861, 292))
    f.arrow((684, 292), (716, 292), tip=False).arrow((716, 292), (716, 220), (729, 220)).arrow((716, 292), (729, 292))
    f.box(20, 372, 940, 46, "what ships: convolutions in the first stages, photo and words together in the last alone,\n"
          "and ITC, a contrastive head on what each side knows by itself: the vectors of the index", size=13)  # fmt: skip
    return f


def outfit_transformer() -> Figure:
    """The two questions: compatibility with the outfit token, retrieval with the target token."""
    f = Figure(
        980, 470, "OutfitTransformer: the outfit token reads a whole outfit, the target token asks for what is missing"
    )
    f.words(245, 34, "Is it an outfit?  (CP)", bold=True, size=16).words(
        735, 34, "What is missing?  (CIR)", bold=True, size=16
    )
    f.arrow((490, 20), (490, 450), dashed=True, tip=False)
    for number, name in enumerate(("shirt", "skirt", "shoes")):
        x = 124 + number * 116
        f.box(x, 388, 48, 40, "photo", "photo", size=12).box(x + 52, 388, 48, 40, "words", "words", size=12)
        f.box(x, 308, 48, 34, "linear", "photo", size=12).box(x + 52, 308, 48, 34, "linear", "words", size=12)
        f.arrow((x + 24, 387), (x + 24, 343)).arrow((x + 76, 387), (x + 76, 343))
        f.box(x, 248, 100, 34, f"item: {name}", "both", size=13)
        f.arrow((x + 24, 307), (x + 40, 283)).arrow((x + 76, 307), (x + 60, 283)).arrow((x + 50, 247), (x + 50, 201))
    f.words(62, 366, "a frozen\nencoder's\nvectors", size=12, soft=True)
    f.box(20, 248, 92, 34, "outfit token", "loss", size=13).arrow((66, 247), (66, 201))
    f.box(20, 150, 452, 50, "set encoder: self-attention, no positions", "both")
    f.arrow((66, 149), (66, 117)).box(20, 82, 92, 34, "MLP", "plain").arrow((113, 99), (146, 99))
    f.box(148, 76, 176, 46, "S, of being an outfit\nfocal loss", "loss", size=13)
    f.words(336, 92, "+ how well items\n   go in pairs (ours)", size=12, anchor="start", soft=True)
    for number, name in enumerate(("shirt", "skirt")):
        x = 640 + number * 92
        f.box(x, 248, 84, 34, f"item: {name}", "both", size=13).arrow((x + 42, 247), (x + 42, 201))
    f.box(510, 248, 116, 34, "target token", "loss", size=13).arrow((568, 247), (568, 201))
    f.box(510, 318, 56, 44, "no\nphoto", "photo", size=12, dashed=True).box(
        570, 318, 56, 44, "“white\nshoes”", "words", size=12
    )
    f.arrow((538, 317), (556, 283)).arrow((598, 317), (580, 283))
    f.box(510, 150, 306, 50, "the same set encoder", "both")
    f.arrow((568, 149), (568, 117)).box(522, 82, 92, 34, "MLP", "plain").arrow((615, 99), (660, 99))
    f.box(662, 82, 86, 34, "query t", "loss", size=13)
    for number, y in enumerate((248, 300, 352)):
        f.box(850, y, 106, 34, ("right shoes", "other shoes", "other shoes")[number], "both", size=13)
    f.words(903, 406, "candidates, each by\nitself, from an index", size=12, soft=True)
    f.arrow((903, 247), (903, 117)).box(850, 82, 106, 34, "vectors f", "plain", size=13)
    f.arrow((749, 99), (849, 99)).words(799, 90, "d(t, f)", size=13)
    f.words(735, 450, "set-wise ranking: the right one is nearer than each wrong one", size=12, soft=True)
    return f


def fame_vil() -> Figure:
    """One layer of both towers with its adapters, and the three modes."""
    f = Figure(980, 430, "FAME-ViL: two towers with task-specific and cross-attention adapters, used in three ways")
    f.words(275, 32, "one layer of both towers", bold=True, size=16)
    for x, kind, name in ((60, "photo", "photo's tower"), (370, "words", "words' tower")):
        f.box(x - 20, 48, 160, 330, dashed=True, kind="none").words(x + 60, 398, name, size=13)
        f.box(x, 322, 120, 40, "z", kind).arrow((x + 60, 321), (x + 60, 291))
        f.box(x, 250, 120, 40, "MHSA(LN(z)) + z", kind, size=13)
        f.arrow((x + 60, 249), (x + 60, 197)).words(x + 40, 240, "z′", anchor="start")
        f.box(x, 156, 60, 40, "MLP", kind, size=13)
        f.box(x + 66, 156, 54, 40, "TSA", "loss", size=13)
        f.arrow((x + 60, 214), (x + 93, 214), (x + 93, 197))
        f.arrow((x + 30, 155), (x + 30, 113)).arrow((x + 93, 155), (x + 93, 113))
        f.box(x, 72, 120, 40, "+", kind, size=18)
    f.box(220, 108, 110, 50, "XAA\nshared by tasks", "both", size=12)
    f.arrow((120, 232), (245, 232), (245, 159), dashed=True).arrow((430, 232), (305, 232), (305, 159), dashed=True)
    f.arrow((240, 107), (240, 88), (181, 88)).arrow((310, 107), (310, 88), (369, 88)).words(
        275, 78, "+ ε · XAA(z′, y)", size=12
    )
    f.words(
        275,
        418,
        "TSA: one for each task; XAA: the same on what attention to the other stream finds",
        size=12,
        soft=True,
    )
    x = 580
    f.words(770, 32, "three ways to use it", bold=True, size=16)
    rows = (
        ("contrastive", "XAA off", "f(photo) · f(words)", "XMR: find by words or photo"),
        ("fusion", "XAA on both ways", "f(photo) + f(words)", "TGIR: “like this, but red”; SCR: which category?"),
        ("generative", "XAA photo → words", "next word of the text", "FIC: describe the photo"),
    )
    for number, (name, adapter, out, task) in enumerate(rows):
        y = 52 + number * 118
        f.box(x, y, 380, 106, dashed=True, kind="none").words(x + 12, y + 24, name, anchor="start", bold=True)
        f.box(x + 14, y + 40, 62, 32, "photo", "photo", size=13).box(x + 130, y + 40, 62, 32, "words", "words", size=13)
        if number:
            f.arrow((x + 77, y + 56), (x + 129, y + 56))
        if number == 1:
            f.arrow((x + 129, y + 62), (x + 77, y + 62))
        f.arrow((x + 193, y + 56), (x + 218, y + 56)).box(x + 220, y + 40, 148, 32, out, "loss", size=13)
        f.words(x + 366, y + 24, adapter, anchor="end", size=12, soft=True).words(
            x + 14, y + 94, task, anchor="start", size=12
        )
    return f


def hfgn() -> Figure:
    """Items, outfits and users: three levels of messages and two scores."""
    f = Figure(980, 440, "HFGN: items tell outfits, outfits tell users; two scores are read")
    f.words(22, 76, "users", anchor="start", bold=True).words(22, 212, "outfits", anchor="start", bold=True)
    f.words(22, 352, "items", anchor="start", bold=True)
    users, outfits, items = (190, 420), (130, 300, 470), tuple(110 + 60 * n for n in range(8))
    clicks = ((0, 0), (0, 1), (1, 1), (1, 2))
    parts = ((0, 0), (0, 1), (0, 2), (1, 2), (1, 3), (1, 4), (2, 5), (2, 6), (2, 7))
    for user, outfit in clicks:
        f.arrow((outfits[outfit], 187), (users[user], 96))
    for outfit, item in parts:
        f.arrow((items[item], 329), (outfits[outfit], 232))
    for left, right in ((0, 1), (1, 2), (3, 4), (5, 6), (6, 7)):
        f.arrow(
            (items[left] + 16, 358),
            ((items[left] + items[right]) / 2, 372),
            (items[right] - 16, 358),
            tip=False,
            dashed=True,
        )
    for number, x in enumerate(users):
        f.dot(x, 72, f"u{'₁₂'[number]}", "loss", 22)
    for number, x in enumerate(outfits):
        f.dot(x, 208, f"o{'₁₂₃'[number]}", "both", 22)
    for number, x in enumerate(items):
        f.dot(x, 346, f"i{'₁₂₃₄₅₆₇₈'[number]}", "photo")
    legend = "dashed: items of one outfit hear each other, weighed\nby how often their categories share an outfit"
    f.words(320, 398, legend, size=12, soft=True)
    f.box(
        580,
        316,
        380,
        62,
        "item level: i* = σ(W_ego i) + σ(W_mess(i ⊙ Σⱼ wᵢⱼ j))\nwhat an item is in its company",
        "photo",
        size=13,
    )
    f.box(
        580,
        184,
        380,
        62,
        "outfit level: o* = o_id + unit(σ(W_o Σ i*))\nan outfit is the sum of its items",
        "both",
        size=13,
    )
    f.box(
        580, 48, 380, 62, "user level: u* = u_id + unit(σ(W_u Σ o* / √n))\na user is what she clicked", "loss", size=13
    )
    f.arrow((770, 315), (770, 247)).arrow((770, 183), (770, 111))
    f.box(580, 124, 176, 46, "for whom? ŷ = u*ᵀ o*", "plain", size=13).box(
        580, 258, 176, 46, "an outfit? R views of i*", "plain", size=13
    )
    f.words(776, 425, "σ: LeakyReLU, with a bias before it", size=12, soft=True)
    return f


def grnet() -> Figure:
    """Windows of two photos at several scales, a node for each pair, and reasoning over them."""
    f = Figure(
        980,
        400,
        "GRNet: windows of two photos are compared at several scales, and a graph reasons over the comparisons",
    )
    for y, name, kind in ((40, "customer's photo", "photo"), (222, "shop's photo", "words")):
        f.words(120, y - 10, name, size=13)
        for number, cells in enumerate((1, 2, 4)):
            f.grid(22 + number * 78, y, 62, cells, kind)
            f.words(53 + number * 78, y + 80, f"{cells}×{cells}", size=12, soft=True)
    f.words(135, 330, "windows of the backbone's map\nat scales l = 1, 2, 3", size=12, soft=True)
    f.box(
        290, 96, 196, 110, "a node for each pair\nof windows of one scale\nsˡᵢⱼ = unit(P |xᵢ − yⱼ|²)", "both", size=13
    )
    f.arrow((256, 72), (289, 130)).arrow((256, 254), (289, 176))
    f.words(388, 230, "1 + 16 + 256 nodes", size=12, soft=True)
    f.box(290, 276, 196, 54, "global node:\naverages compared", "loss", size=13)
    f.arrow((120, 126), (120, 148), (270, 148), (270, 303), (289, 303), dashed=True)
    f.box(536, 40, 258, 292, dashed=True, kind="none").words(665, 62, "T steps: every node hears every node", size=13)
    nodes = [(584, 112), (640, 92), (700, 100), (752, 124), (596, 184), (740, 196), (660, 168)]
    centre = (664, 262)
    for one in range(len(nodes)):
        for other in range(one):
            f.arrow(nodes[one], nodes[other], tip=False, dashed=True)
    for node in nodes:
        f.arrow(node, (centre[0] + (node[0] - centre[0]) * 0.16, centre[1] - 26))
    for x, y in nodes:
        f.dot(x, y, "", "both", 11)
    f.dot(*centre, "global", "loss", 27)
    f.words(665, 318, "h = ReLU(W Σ w(n ← m) s_m)", size=13)
    f.arrow((487, 150), (535, 150)).arrow((487, 303), (600, 290), (636, 270))
    f.arrow((692, 262), (838, 262)).box(840, 232, 118, 60, "log-odds of\nthe same item", "loss", size=13)
    f.words(899, 326, "(ours: + the cosine\nof both photos)", size=12, soft=True)
    f.words(
        490, 380, "w(n ← m): softmax over the nodes that n hears, within a scale and across scales", size=12, soft=True
    )
    return f


FIGURES = {one.__name__: one for one in (mvlt, outfit_transformer, fame_vil, hfgn, grnet)}


def main() -> int:
    return keep({IMAGES / f"{name}.svg": str(draw()) for name, draw in FIGURES.items()})


if __name__ == "__main__":
    sys.exit(main())
