"""A garment without its plain background, trimmed to what is left: so that collages lie on one ground.

The background is what looks like the photo's border and is connected to it. A photo without a plain border (a person in a
street) stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modiste.types import ImageLike

if TYPE_CHECKING:
    from PIL.Image import Image

_NEAR = 18  # of 255: colours that differ less in every channel are alike
_PLAIN = 0.85  # share of the border that has to be alike
_LEAST, _MOST = 0.03, 0.97  # share of the photo that may be garment


def cut_out(photo: ImageLike, size: tuple[int, int]) -> Image:
    """The garment as RGBA, at most `size` = (width, height). Raises `ImageError` for a photo that cannot be decoded."""
    import numpy as np
    from PIL import Image
    from scipy import ndimage

    from modiste.data.images import decode

    pixels = decode(photo, draft_to=size)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]).astype(np.int16)
    ground = np.median(border, axis=0)
    plain = (np.abs(border - ground).max(axis=1) < _NEAR).mean() >= _PLAIN
    alpha = np.full(pixels.shape[:2], 255, np.uint8)
    if plain:
        like = np.abs(pixels.astype(np.int16) - ground).max(axis=2) < _NEAR
        parts, _ = ndimage.label(like)
        edge = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
        garment = ~np.isin(parts, edge[edge > 0])
        if _LEAST <= garment.mean() <= _MOST:
            # A soft edge, half a pixel inside the outline, which is mixed with the ground.
            alpha = (255 * np.clip(2 * ndimage.gaussian_filter(garment.astype(np.float32), 0.8) - 0.8, 0, 1)).astype(
                np.uint8
            )
    picture = Image.fromarray(np.dstack([pixels, alpha]), "RGBA")
    box = picture.getchannel("A").getbbox()
    if box is not None:
        picture = picture.crop(box)
    scale = min(size[0] / picture.width, size[1] / picture.height, 1.0)
    fitted = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.resize(fitted, Image.Resampling.LANCZOS) if fitted != picture.size else picture
