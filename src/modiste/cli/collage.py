"""Looks drawn as collages, as a PNG and as a page that needs nothing from elsewhere.

One layout serves both: clothes in a column as they are worn (outerwear and top above, then the bottom, then the shoes), and
bag, hat, jewellery and accessories beside them.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modiste.files import write_atomically
from modiste.taxonomy import slot as slot_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

    from modiste.types import ImageLike, Item

BOARD = (640, 760)  # pixels of a collage
_ROWS = (("outerwear", "top", "one_piece", "set"), ("bottom",), ("hosiery",), ("shoes",))
_HEIGHTS = {"outerwear": 1.15, "top": 1.0, "one_piece": 1.75, "set": 1.7, "bottom": 1.2, "hosiery": 0.5, "shoes": 0.7}
_BESIDE = ("hat", "jewellery", "accessory", "bag", "other")
_BESIDE_HEIGHTS = {"bag": 1.3, "hat": 0.9}
_SIDE = 0.34  # of the width, for what lies beside
_GAP, _MARGIN = 0.025, 0.05  # of the width
_PHOTO = (420, 520)  # pixels of a photo on a page

_INK, _SOFT, _LINE, _PAPER, _GROUND = (35, 33, 31), (119, 113, 106), (231, 226, 218), (255, 255, 255), (250, 248, 245)
_GOOD, _BAD = (62, 122, 84), (178, 80, 66)
_CAPTION, _COLUMNS = 26, 3  # pixels of a line of text; looks beside each other


@dataclass(frozen=True, slots=True)
class Piece:
    """An item of a look as it is shown. `photo` None: there is none."""

    item: Item
    photo: ImageLike | None
    given: bool = False  # the customer brought it
    wish: str = ""  # of its own; empty where the whole look's text is meant
    match: float | None = None

    @property
    def name(self) -> str:
        return self.item.title or self.item.id

    @property
    def slot(self) -> str:
        return slot_of(self.item.category)


@dataclass(frozen=True, slots=True)
class Pair:
    """What two items add to the score together, and why, where the scorer can say."""

    names: tuple[str, str]
    term: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class LookCard:
    """A look with everything that is said about it."""

    heading: str
    pieces: tuple[Piece, ...]
    facts: tuple[str, ...]  # score, proof, percentile: in words
    pairs: tuple[Pair, ...] = ()  # the weightiest first
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Box:
    """Where a piece lies, in shares of the board's width and height."""

    left: float
    top: float
    width: float
    height: float


def layout(slots: Sequence[str]) -> tuple[Box, ...]:
    """A box for each piece from its slot, in the order given; boxes do not overlap and stay on the board."""
    worn = [[at for kind in row for at, slot in enumerate(slots) if slot == kind] for row in _ROWS]
    worn = [row for row in worn if row]
    placed = {at for row in worn for at in row}
    beside = sorted(
        (at for at in range(len(slots)) if at not in placed),
        key=lambda at: (_BESIDE.index(slots[at]) if slots[at] in _BESIDE else len(_BESIDE), at),
    )
    side = _SIDE if worn and beside else float(bool(beside))
    aspect = BOARD[0] / BOARD[1]
    boxes: dict[int, Box] = {}
    inner = 1 - 2 * _MARGIN
    column = inner * (1 - side) - (_GAP if 0 < side < 1 else 0)
    heights = [max(_HEIGHTS[slots[at]] for at in row) for row in worn]
    for row, top, height in zip(worn, *_stacked(heights, aspect), strict=True):
        width = (column - _GAP * (len(row) - 1)) / len(row)
        for place, at in enumerate(row):
            boxes[at] = Box(_MARGIN + place * (width + _GAP), top, width, height)
    heights = [_BESIDE_HEIGHTS.get(slots[at], 0.8) for at in beside]
    for at, top, height in zip(beside, *_stacked(heights, aspect), strict=True):
        boxes[at] = Box(1 - _MARGIN - inner * side, top, inner * side, height)
    return tuple(boxes[at] for at in range(len(slots)))


def _stacked(heights: Sequence[float], aspect: float) -> tuple[list[float], list[float]]:
    """Tops and heights of rows that fill the board from top to bottom."""
    room = 1 - 2 * _MARGIN * aspect - _GAP * aspect * max(0, len(heights) - 1)
    scale = room / sum(heights) if heights else 0.0
    tops, at = [], _MARGIN * aspect
    for height in heights:
        tops.append(at)
        at += height * scale + _GAP * aspect
    return tops, [height * scale for height in heights]


def draw_board(pieces: Sequence[Piece], size: tuple[int, int] = BOARD) -> Image:
    """One collage as RGB pixels. Raises `ImageError` for a photo that cannot be decoded."""
    from PIL import Image, ImageDraw

    from modiste.data.cutout import cut_out

    board = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(board)
    for piece, box in zip(pieces, layout([piece.slot for piece in pieces]), strict=True):
        width, height = round(box.width * size[0]), round(box.height * size[1])
        left, top = round(box.left * size[0]), round(box.top * size[1])
        if piece.photo is None:
            draw.rounded_rectangle((left, top, left + width, top + height), 12, outline=_LINE, width=2)
            font = _font(15)
            for number, line in enumerate(_wrapped(draw, font, piece.name, width - 24, 3)):
                draw.text((left + 12, top + 12 + 20 * number), line, fill=_SOFT, font=font)
            continue
        picture = cut_out(piece.photo, (2 * width, 2 * height))
        scale = min(width / picture.width, height / picture.height, 3.0)
        picture = picture.resize(
            (max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.LANCZOS
        )
        board.paste(picture, (left + (width - picture.width) // 2, top + (height - picture.height) // 2), picture)
    return board


def write_collages(path: Path, title: str, cards: Sequence[LookCard]) -> Path:
    """Write the looks as one PNG, side by side, with their items and facts below each."""
    from PIL import Image, ImageDraw

    columns = max(1, min(_COLUMNS, len(cards)))
    width, margin = BOARD[0], 28
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    texts = [_lines(probe, card, width - 2) for card in cards]
    rows = [range(start, min(start + columns, len(cards))) for start in range(0, len(cards), columns)]
    heights = [BOARD[1] + 14 + _CAPTION * max(len(texts[at]) for at in row) + margin for row in rows]
    sheet = Image.new("RGB", (columns * (width + margin) + margin, 70 + sum(heights) + margin), _GROUND)
    draw = ImageDraw.Draw(sheet)
    draw.text((margin, 22), _fitting(draw, _font(26), title, sheet.width - 2 * margin), fill=_INK, font=_font(26))
    top = 70
    for row, height in zip(rows, heights, strict=True):
        for place, at in enumerate(row):
            left = margin + place * (width + margin)
            sheet.paste(draw_board(cards[at].pieces), (left, top))
            draw.rectangle((left - 1, top - 1, left + width, top + BOARD[1]), outline=_LINE)
            for number, (line, size, colour) in enumerate(texts[at]):
                draw.text((left, top + BOARD[1] + 14 + _CAPTION * number), line, fill=colour, font=_font(size))
        top += height
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return write_atomically(path, buffer.getvalue())


_Line = tuple[str, int, tuple[int, int, int]]


def _lines(draw, card: LookCard, width: int) -> list[_Line]:  # type: ignore[no-untyped-def]
    """A card's caption: text, size and colour of each line, none wider than the board."""
    lines: list[_Line] = [(_fitting(draw, _font(20), card.heading, width), 20, _INK)]
    for fact in card.facts:
        lines += [(line, 16, _SOFT) for line in _wrapped(draw, _font(16), fact, width, 2)]
    for piece in card.pieces:
        lines.append((_fitting(draw, _font(16), f"{piece.slot.replace('_', ' ')}: {piece.name}", width), 16, _INK))
    for pair in card.pairs[:3]:
        words = f"{pair.term:+.2f}  {pair.names[0]} + {pair.names[1]}"
        lines.append((_fitting(draw, _font(15), words, width), 15, _GOOD if pair.term >= 0 else _BAD))
    for note in card.notes:
        lines += [(line, 15, _BAD) for line in _wrapped(draw, _font(15), note, width, 3)]
    return lines


def _font(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _one_line(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _fitting(draw, font, text: str, width: int) -> str:  # type: ignore[no-untyped-def]
    """The text on one line, its end replaced by dots where it would be wider."""
    text = _one_line(text)[:400]
    if draw.textlength(text, font=font) <= width:
        return text
    while text and draw.textlength(text + "...", font=font) > width:
        text = text[:-1]
    return text.rstrip() + "..."


def _wrapped(draw, font, text: str, width: int, most: int) -> list[str]:  # type: ignore[no-untyped-def]
    """The text on up to `most` lines."""
    lines: list[str] = []
    words = _one_line(text)[:800].split(" ")
    while words:
        line = words.pop(0)
        while words and draw.textlength(f"{line} {words[0]}", font=font) <= width:
            line += " " + words.pop(0)
        if len(lines) == most - 1 and words:
            line = " ".join([line, *words])
            words = []
        lines.append(_fitting(draw, font, line, width))
    return lines


def write_looks_page(path: Path, title: str, note: str, cards: Sequence[LookCard]) -> Path:
    """Write the page atomically; its photos travel inside it."""
    from modiste.cli.contact_sheet import write_page

    return write_page(path, "looks.html", title=title, note=note, looks=look_values(cards))


def look_values(cards: Sequence[LookCard]) -> list[dict[str, object]]:
    """The cards as `_looks.html` wants them."""
    return [
        {
            "card": card,
            "aspect": f"{BOARD[0]} / {BOARD[1]}",
            "most": max((abs(pair.term) for pair in card.pairs), default=1.0) or 1.0,
            "pieces": [
                {"piece": piece, "photo": _cut_out_source(piece.photo), "box": box}
                for piece, box in zip(card.pieces, layout([piece.slot for piece in card.pieces]), strict=True)
            ],
        }
        for card in cards
    ]


def _cut_out_source(photo: ImageLike | None) -> str:
    """A cut-out as an address that carries it; empty for no photo."""
    from modiste.data.cutout import cut_out

    if photo is None:
        return ""
    buffer = io.BytesIO()
    cut_out(photo, _PHOTO).save(buffer, "WEBP", quality=86, method=4)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
