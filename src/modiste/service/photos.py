"""A stranger's photo: bytes in, a small array of pixels out. It is in memory as long as its request, and nowhere else.

Before anything is decoded the file's size, its format and the size that its header claims are looked at, each against
`limits`. Nothing of the file but pixels goes on: no name, no EXIF, no position.
"""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray

from modiste.data.images import UPLOAD_FORMATS, ImageError, decode, fit, image_format
from modiste.service import limits
from modiste.service.problems import Problem

_SCAN, _PROGRESSIVE = b"\xff\xda", b"\xff\xc2"


def read_photo(data: bytes) -> NDArray[np.uint8]:
    """Pixels (H, W, 3) of at most `PHOTO_SIDE` on the longer side.

    Raises `Problem`: 413 for too many bytes or pixels, 415 for what is no whole JPEG, PNG or WebP.
    """
    if len(data) > limits.MAX_IMAGE_BYTES:
        raise too_large(f"a photo of {len(data):,} bytes, the limit is {limits.MAX_IMAGE_BYTES:,}")
    name = image_format(data)
    most = limits.MAX_OTHER_PIXELS
    if name == "JPEG":
        # A marker inside the compressed pixels is always escaped, so counting bytes is counting scans (or more).
        if data.count(_SCAN) > limits.MAX_JPEG_SCANS:
            raise Problem(415, f"a JPEG of more than {limits.MAX_JPEG_SCANS} scans", kind="bad-photo")
        most = limits.MAX_PROGRESSIVE_PIXELS if _PROGRESSIVE in data else limits.MAX_JPEG_PIXELS
    side = limits.PHOTO_SIDE
    try:
        pixels = decode(
            data, max_bytes=limits.MAX_IMAGE_BYTES, max_pixels=most, draft_to=(side, side), formats=UPLOAD_FORMATS
        )
        height, width = pixels.shape[:2]
        scale = min(1.0, side / max(height, width))
        if scale == 1.0:
            return pixels
        return fit(pixels, (max(1, round(width * scale)), max(1, round(height * scale))), resample="bilinear")
    except ImageError as error:
        if "limit is" in str(error):
            raise too_large(str(error)) from None
        raise Problem(415, str(error), kind="bad-photo") from None


def from_base64(text: str) -> bytes:
    """The bytes of a photo in a JSON body, a `data:` address or plain base64. Raises `Problem` 422."""
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise Problem(422, "a photo as a data address must be base64", kind="invalid")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Problem(422, "a photo in JSON must be base64", kind="invalid") from None


def too_large(detail: str) -> Problem:
    return Problem(413, detail, kind="too-large")
