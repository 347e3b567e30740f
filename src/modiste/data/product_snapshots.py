"""Real shop photos photographed again: the recipe that makes customers' photos where there are none.

The garment is cut out of its plain background (`cutout.py`; a photo without one is used whole, as if of a page), and
`snapshots.py` photographs it. What it lies on is white (clutter none), a corner of somebody's photo of their clothes (some:
mostly floor and wall), or such a photo whole, with a garment in it (strong); what covers it is a piece of such a photo too.
Those come from the training split of `clothing_photos`, of which training, validation and test each have their own photos.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modiste.data.clothing_photos import read_clothing_photos
from modiste.data.conditions import Conditions, Level, draw_conditions
from modiste.data.cutout import cut_out
from modiste.data.images import decode, fit
from modiste.data.snapshots import Snapshot, snapshot
from modiste.data.sources import split_by_hash
from modiste.types import Item

_STREAM = 63
_WHITE = (236, 256)  # grey levels of a plain ground


class ProductSnapshots:
    """Makes customers' photos of shop photos; photo `number` of an item depends on (seed, item, number, grounds) alone.

    Parameters
    ----------
    grounds
        Photos that things lie on and that cover them; at least one, each with an image.

    Raises `ValueError` when there are none.
    """

    def __init__(self, grounds: Sequence[Item], seed: int = 0) -> None:
        if not grounds:
            raise ValueError("customers' photos need at least one photo for things to lie on")
        self.grounds = tuple(grounds)
        self.seed = seed

    def photo(self, item: Item, number: int = 0, conditions: Conditions | None = None) -> tuple[Snapshot, Conditions]:
        """A photo of the item under these conditions, or under drawn ones, and which they are; as large as its shop photo.

        Raises `ValueError` for an item without an image, `ImageError` for one that cannot be decoded.
        """
        if item.image is None:
            raise ValueError(f"item {item.id!r} has no photo to photograph")
        digest = hashlib.sha256(item.id.encode()).digest()
        rng = np.random.default_rng([self.seed, int.from_bytes(digest[:8], "big"), number, _STREAM])
        drawn = draw_conditions(rng)
        asked = conditions or drawn
        pixels = decode(item.image)
        size = (pixels.shape[1], pixels.shape[0])
        garment = np.asarray(cut_out(pixels, size))
        ground, cover = self._ground(asked.clutter, size, rng), self._corner(size, rng)
        return snapshot(garment, ground, cover, asked, rng), asked

    def customer_item(self, item: Item, number: int = 0) -> tuple[Item, Conditions]:
        """`photo` as a query of the item's product, without words; what came of the conditions as attributes."""
        taken, conditions = self.photo(item, number)
        return taken.query(item.id, number, item.category, item.product), conditions

    def _ground(self, clutter: Level, size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
        if clutter == "none":
            return np.full((size[1], size[0], 3), int(rng.integers(*_WHITE)), np.uint8)
        return self._corner(size, rng) if clutter == "some" else fit(self._any(rng), size, mode="crop")

    def _corner(self, size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.uint8]:
        """A corner of a photo, a third of it each way, blown up: the garment is usually in the middle."""
        pixels = self._any(rng)
        height, width = (max(1, side // 3) for side in pixels.shape[:2])
        top, left = (
            int(rng.integers(2)) * (side - part) for side, part in zip(pixels.shape, (height, width), strict=False)
        )
        return fit(pixels[top : top + height, left : left + width], size, mode="crop")

    def _any(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        image = self.grounds[int(rng.integers(len(self.grounds)))].image
        assert image is not None  # grounds have one
        return decode(image)


def read_grounds(split: str, root: str | Path | None = None) -> list[Item]:
    """The photos of `clothing_photos`' training split that things lie on in this split of ours, by hash of their ids."""
    return [item for item in read_clothing_photos("train", root) if split_by_hash(item.id) == split]
