"""Colours as the eye orders them: OKLab and its polar form OKLCH.

Björn Ottosson, "A perceptual color space for image processing" (2020). Lightness L runs from 0 to 1, chroma C from 0
(grey) to about 0.3, hue h in degrees (red 29, yellow 110, green 142, blue 264). Equal distances look about equally large;
a distance of 0.02 is just seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_GREY_UNTIL, _CLEAR_RANGE = 0.035, 0.05  # chroma at which a colour begins to count, and how far until it counts fully
_NEUTRAL_BONUS = 0.04  # earth tones and very dark colours are worn as neutrals up to a higher chroma
_EARTH_HUES, _DARK_BELOW = (45.0, 112.0), 0.35


def oklab(rgb: NDArray[np.generic]) -> Array:
    """(..., 3) sRGB in 0-255 -> (..., 3) OKLab (L, a, b)."""
    share = np.asarray(rgb, dtype=np.float64) / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    result: Array = (np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T).astype(np.float32)
    return result


def oklab_of(hexadecimal: str) -> Array:
    """`"#rrggbb"` -> (3,) OKLab. Raises `ValueError` for anything else."""
    digits = hexadecimal.removeprefix("#")
    if len(digits) != 6:
        raise ValueError(f"a colour is written #rrggbb, not {hexadecimal!r}")
    return oklab(np.frombuffer(bytes.fromhex(digits), dtype=np.uint8))


def chroma(lab: Array) -> Array:
    """(..., 3) -> (...): how colourful."""
    result: Array = np.hypot(lab[..., 1], lab[..., 2])
    return result


def hue(lab: Array) -> Array:
    """(..., 3) -> (...) degrees in [0, 360); meaningless for greys."""
    result: Array = np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % np.float32(360)
    return result


def hue_difference(one: Array, other: Array) -> Array:
    """Degrees in [0, 180] between two hues, elementwise."""
    apart = np.abs(one - other) % np.float32(360)
    result: Array = np.minimum(apart, 360 - apart)
    return result


def colourfulness(lab: Array) -> Array:
    """(..., 3) -> (...) in [0, 1]: 0 for what is worn as a neutral, 1 for a clear colour.

    Neutrals of a wardrobe are more than greys: navy and other very dark colours, brown, beige, olive (shops call them
    "basics" because they go with everything).
    """
    angle = hue(lab)
    earth = (angle > _EARTH_HUES[0]) & (angle < _EARTH_HUES[1])
    start = _GREY_UNTIL + _NEUTRAL_BONUS * (earth | (lab[..., 0] < _DARK_BELOW))
    result: Array = np.clip((chroma(lab) - start) / _CLEAR_RANGE, 0, 1).astype(np.float32)
    return result


def distance(one: Array, other: Array) -> Array:
    """(..., 3), (..., 3) -> (...): Euclidean distance in OKLab."""
    result: Array = np.sqrt(((one - other) ** 2).sum(axis=-1))
    return result
