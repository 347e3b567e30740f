"""An encoder whose nearest neighbours are known by eye, and items for it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from modiste.types import Embeddings, EncoderId, ImageLike, Item

DIM = 128
COLOURS = {"red": (220, 30, 30), "green": (30, 180, 40), "blue": (30, 40, 200), "black": (20, 20, 20)}
KINDS = ("dress", "shirt", "boot", "bag", "skirt")


class FakeEncoder:
    """Words hashed into 125 bins beside the mean colour: what shares words and colour is near."""

    def __init__(self, name: str = "fake", dim: int = DIM) -> None:
        self.id = EncoderId(name, "0" * 60 + f"{zlib.crc32(name.encode()) % 10_000:04d}", dim)
        self.num_calls = 0
        self.num_items = 0

    def encode(self, items: Sequence[Item]) -> Embeddings:
        self.num_calls += 1
        self.num_items += len(items)
        for item in items:
            if not item.text and item.image is None:
                raise ValueError(f"item {item.id!r} has neither image nor text")
        return Embeddings(np.stack([self._vector(item.text, item.image) for item in items]), self.id)

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        return Embeddings(self._vector(text, image)[None], self.id)

    def _vector(self, text: str, image: ImageLike | None) -> np.ndarray:
        vector = np.zeros(self.id.dim, dtype=np.float32)
        for word in text.lower().replace(".", " ").split():
            vector[3 + zlib.crc32(word.encode()) % (self.id.dim - 3)] += 1
        if isinstance(image, np.ndarray):
            vector[:3] = image.mean(axis=(0, 1)) / 255
        return vector / max(1e-6, float(np.linalg.norm(vector)))


def item(number: int, *, price: float | None = None, version: int = 0) -> Item:
    """Item `number` of a made-up feed: the same number and version, the same item."""
    colour = list(COLOURS)[number % 4]
    kind = KINDS[number % 5]
    pixels = np.full((8, 6, 3), COLOURS[colour], dtype=np.uint8)
    pixels[0, 0] = (number % 256, number // 256 % 256, version % 256)  # so that every picture is its own
    attributes = {"colour": colour, "price": float(number % 97) if price is None else price, "sale": number % 3 == 0}
    return Item(
        id=f"sku-{number:05d}",
        title=f"{colour} {kind}" + (f" v{version}" if version else ""),
        image=pixels,
        category=kind.title(),
        description=f"model {number}",
        attributes=attributes,
        group=f"product-{number // 4}",
    )


def items(count: int, start: int = 0) -> list[Item]:
    return [item(number) for number in range(start, start + count)]
