"""A garment without its plain background, trimmed to what is left: so that collages lie on one ground.

The background is what looks like the photo's border and is connected to it. A photo without a plain border (a person in a
street) stays as it is. Pale patches that lie apart from the garment are shadows, and go too; a white garment on white, into
which the background seems to run, gets back what its outline holds, or stays in its photo where too little of that is left.

Shapes: H, W of the photo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modiste.types import ImageLike

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

_NEAR = 18  # of 255: colours that differ less in every channel are alike
_PLAIN = 0.85  # share of the border that has to be alike
_LEAST, _MOST = 0.03, 0.97  # share of the photo that may be garment
_PALE = 2.5  # times _NEAR: a patch apart from the garment that differs less from the ground is a shadow on it
_REACH = 0.06  # of the shorter side: how far an outline is closed to tell what it holds
_THIN = 0.5  # share of its box under which what is left may be the mere outline of a white garment
_SHADED = 3.0  # of 255: cloth differs so much more from the ground than the ground itself does


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
        apart = np.abs(pixels.astype(np.int16) - ground).max(axis=2)
        parts, _ = ndimage.label(apart < _NEAR)
        edge = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
        garment = _completed(_without_shadows(~np.isin(parts, edge[edge > 0]), apart), apart)
        if _LEAST <= garment.mean() <= _MOST and not _eaten(garment, apart):
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


def _without_shadows(garment: NDArray[np.bool_], apart: NDArray[np.int16]) -> NDArray[np.bool_]:
    """(H, W) without the pale pieces; the largest stays. `apart` (H, W): the difference of each pixel from the ground."""
    import numpy as np
    from scipy import ndimage

    parts, count = ndimage.label(garment)
    if count < 2:
        return garment
    places = np.arange(1, count + 1)
    sizes = ndimage.sum_labels(garment, parts, places)
    pale = ndimage.mean(apart, parts, places) < _PALE * _NEAR
    pale[int(sizes.argmax())] = False
    return garment & ~np.isin(parts, places[pale])


def _completed(garment: NDArray[np.bool_], apart: NDArray[np.int16]) -> NDArray[np.bool_]:
    """(H, W) with what its outline holds, where that is shaded as cloth is and the ground around is not.

    Through a necklace or the straps of a sandal the ground is seen as it is elsewhere, and stays out.
    """
    import numpy as np
    from scipy import ndimage

    if not garment.any() or garment.all():
        return garment
    reach = _REACH * min(garment.shape)
    wide = np.pad(garment, int(reach) + 1)
    near = ndimage.distance_transform_edt(~wide) <= reach
    closed = (ndimage.distance_transform_edt(near) > reach)[
        int(reach) + 1 : -int(reach) - 1, int(reach) + 1 : -int(reach) - 1
    ]
    held = ndimage.binary_fill_holes(closed | garment) & ~garment
    around = ~garment & ~held
    if not held.any() or not around.any():
        return garment
    shaded = float(apart[held].mean()) > float(apart[around].mean()) + _SHADED
    completed: NDArray[np.bool_] = garment | held if shaded else garment
    return completed


def _eaten(garment: NDArray[np.bool_], apart: NDArray[np.int16]) -> bool:
    """Whether little is left in the garment's box, and the rest there is shaded as cloth is."""
    import numpy as np

    rows, columns = np.flatnonzero(garment.any(axis=1)), np.flatnonzero(garment.any(axis=0))
    inside = np.zeros_like(garment)
    inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    rest = inside & ~garment
    if garment.sum() >= _THIN * inside.sum() or inside.all():
        return False
    return float(apart[rest].mean()) > float(apart[~inside].mean()) + _SHADED
