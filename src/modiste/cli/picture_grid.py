"""Rows of small pictures as one large, labelled PNG: every pixel of the model is a square that one can see."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modiste.files import write_atomically

if TYPE_CHECKING:
    from modiste.types import FloatArray

COLUMNS = ("original", "hidden", "reconstruction", "put into the original")
MIN_WIDTH = 240  # pixels of an enlarged picture
_MARGIN, _LINE = 16, 26  # pixels around pictures, and of a line of text


@dataclass(frozen=True, slots=True)
class Imagined:
    """How well one mask was painted in: PSNR in dB with peak 1, SSIM; `filled` of the painting put into the original."""

    hidden_share: float
    psnr: float
    masked_psnr: float
    ssim: float
    filled_psnr: float
    filled_ssim: float


def write_grid(path: Path, pictures: FloatArray, numbers: Sequence[Imagined]) -> Path:
    """Write R rows of four pictures (R, 4, H, W, 3) in [0, 1], with `COLUMNS` above and each row's numbers below it."""
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    rows, columns, height, width = pictures.shape[:4]
    scale = math.ceil(MIN_WIDTH / width)
    across, down = width * scale + _MARGIN, height * scale + _LINE + _MARGIN
    sheet = Image.new("RGB", (columns * across + _MARGIN, rows * down + _LINE + _MARGIN), (255, 255, 255))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for column, name in enumerate(COLUMNS):
        draw.text((_MARGIN + column * across, _MARGIN // 2), name, fill=(40, 40, 40), font=font)
    for row, one in enumerate(numbers):
        top = _LINE + _MARGIN + row * down
        for column in range(columns):
            pixels = np.rint(pictures[row, column].clip(0, 1) * 255).astype(np.uint8)
            large = Image.fromarray(pixels.repeat(scale, 0).repeat(scale, 1))
            left = _MARGIN + column * across
            draw.rectangle((left - 1, top - 1, left + large.width, top + large.height), outline=(205, 200, 192))
            sheet.paste(large, (left, top))
        below = ("", f"{100 * one.hidden_share:.0f} % hidden", *_scores(one))
        for column, words in enumerate(below):
            draw.text((_MARGIN + column * across, top + height * scale + 4), words, fill=(110, 105, 98), font=font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return write_atomically(path, buffer.getvalue())


def _scores(one: Imagined) -> tuple[str, str]:
    return f"{one.psnr:.1f} dB, SSIM {one.ssim:.3f}", f"{one.filled_psnr:.1f} dB, SSIM {one.filled_ssim:.3f}"
