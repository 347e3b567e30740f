"""Which regions of two photos matched, drawn on both: what spoke for a match is bright, the strongest windows numbered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from modiste.models.grnet_inference import Region
    from modiste.types import FloatArray, ImageLike

COLOURS = ((0, 122, 94), (178, 84, 0), (52, 86, 176), (150, 40, 120))
SIDE = 240  # pixels of a drawn photo's longer side
_GAP = 12
_DIMMED = 0.55  # of the brightness where nothing spoke for a match


def matched_pair(
    query: ImageLike,
    item: ImageLike,
    image_size: tuple[int, int],
    heat: tuple[FloatArray, FloatArray],
    regions: Sequence[Region],
) -> NDArray[np.uint8]:
    """Both photos side by side, (H, W, 3), each as the model sees it: padded to `image_size` = (width, height)'s shape."""
    from PIL import Image, ImageDraw, ImageFont

    from modiste.data.images import decode, fit

    scale = SIDE / max(image_size)
    size = (round(image_size[0] * scale), round(image_size[1] * scale))
    sheet = Image.new("RGB", (2 * size[0] + _GAP, size[1]), (255, 255, 255))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (photo, glow) in enumerate(zip((query, item), heat, strict=True)):
        pixels = fit(decode(photo, draft_to=(2 * size[0], 2 * size[1])), size, mode="pad").astype(np.float32)
        left = number * (size[0] + _GAP)
        sheet.paste(Image.fromarray((pixels * _light(glow, size)[..., None]).astype(np.uint8)), (left, 0))
        for at, region in enumerate(regions):
            box = region.item if number else region.query
            corners = _corners(box, size, left, inset=at)
            colour = COLOURS[at % len(COLOURS)]
            draw.rectangle(corners, outline=colour, width=2)
            draw.rectangle((corners[0], corners[1], corners[0] + 12, corners[1] + 14), fill=colour)
            draw.text((corners[0] + 3, corners[1]), str(at + 1), fill=(255, 255, 255), font=font)
    return np.asarray(sheet)


def _light(heat: FloatArray, size: tuple[int, int]) -> Any:
    """Brightness (H, W): 1 where the heat is greatest."""
    from PIL import Image

    image = Image.fromarray((heat.clip(0, 1) * 255).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    return _DIMMED + (1 - _DIMMED) * np.asarray(image, dtype=np.float32) / 255


def _corners(box: tuple[float, ...], size: tuple[int, int], left: int, inset: int) -> tuple[int, int, int, int]:
    """A box in pixels, a little inside so that neighbours' edges do not lie on each other."""
    margin = 1 + inset
    return (
        left + round(box[0] * size[0]) + margin,
        round(box[1] * size[1]) + margin,
        left + round(box[2] * size[0]) - 1 - margin,
        round(box[3] * size[1]) - 1 - margin,
    )
