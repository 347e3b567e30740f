"""The main colours of a product photo: the background is taken away, the rest is put into a few groups.

Background is what looks like the photo's border and is connected to it, so a white shirt on white keeps what its outline
encloses. Without a uniform border (a model in a street) the middle of the photo stands for the garment.

Shapes: H, W of the shrunk photo, M pixels of the garment, K colours.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from scipy.cluster.vq import kmeans2

from modiste.data.images import decode
from modiste.data.style.colour import oklab
from modiste.types import ImageLike

_SIDE = 56  # pixels of the longer side: colours need no detail
_NEAR = 0.045  # distance in OKLab within which a pixel is like the border
_LEAST_GARMENT = 0.02  # share of the photo below which the background was not told apart
_ONE_COLOUR = 0.06  # centres nearer than this are one colour


def dominant_colours(image: ImageLike, *, num_colours: int = 3) -> tuple[tuple[str, float], ...]:
    """Up to `num_colours` of (`#rrggbb`, share of the garment), the largest share first; about 2 ms at 160 pixels.

    Raises
    ------
    ImageError
        If the photo cannot be decoded.
    ValueError
        If `num_colours` is not positive.
    """
    if num_colours < 1:
        raise ValueError(f"num_colours must be at least 1, not {num_colours}")
    pixels = decode(image)
    height, width = pixels.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    lab = oklab(small)
    kept = _garment(lab)
    colours, rgb = lab[kept], small[kept].astype(np.float64)
    # Started at the quantiles of lightness, so equal photos give equal colours whatever was asked before.
    order = np.argsort(colours[:, 0], kind="stable")
    starts = colours[order[((np.arange(num_colours) + 0.5) / num_colours * len(order)).astype(np.int64)]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # an empty group: the photo has fewer colours, which is fine
        _, labels = kmeans2(colours.astype(np.float64), starts.astype(np.float64), minit="matrix", iter=8)
    groups = [(rgb[labels == one].mean(axis=0), int((labels == one).sum())) for one in np.unique(labels)]
    groups = _merged(sorted(groups, key=lambda group: -group[1]))
    return tuple((_hexadecimal(mean), count / len(colours)) for mean, count in groups)


def _garment(lab: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(H, W): the pixels that are not background; never empty."""
    border = np.concatenate([lab[0], lab[-1], lab[:, 0], lab[:, -1]])
    ground = np.median(border, axis=0)
    like = ((lab - ground) ** 2).sum(axis=-1) < _NEAR**2
    parts, _ = ndimage.label(like)
    touching = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    garment = ~np.isin(parts, touching[touching > 0])
    if garment.mean() >= _LEAST_GARMENT:
        inner = ndimage.binary_erosion(garment)  # the outline mixes with the background
        return inner if inner.mean() >= _LEAST_GARMENT else garment
    height, width = like.shape
    middle = np.zeros_like(like)
    middle[height // 4 : max(height // 4 + 1, 3 * height // 4), width // 4 : max(width // 4 + 1, 3 * width // 4)] = True
    return middle


def _merged(groups: list[tuple[NDArray[np.float64], int]]) -> list[tuple[NDArray[np.float64], int]]:
    """Groups whose colours are alike are one: a shadow is not a second colour of the cloth."""
    result: list[tuple[NDArray[np.float64], int]] = []
    for mean, count in groups:
        for at, (other, size) in enumerate(result):
            if np.linalg.norm(oklab(mean) - oklab(other)) < _ONE_COLOUR:
                result[at] = ((other * size + mean * count) / (size + count), size + count)
                break
        else:
            result.append((mean, count))
    return sorted(result, key=lambda group: -group[1])


def _hexadecimal(rgb: NDArray[np.float64]) -> str:
    red, green, blue = (min(255, max(0, round(float(channel)))) for channel in rgb)
    return f"#{red:02x}{green:02x}{blue:02x}"
