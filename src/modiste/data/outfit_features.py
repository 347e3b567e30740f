"""What an outfit model knows of items: image and text vectors of a frozen encoder, and tags; each may be missing.

Shapes: N items, E width of an encoder's tower, K kinds of tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modiste.taxonomy import normalise
from modiste.types import FloatArray, Item

Tags = Mapping[str, Sequence[str]]  # kind -> the values that are known, numbered from 1


@dataclass(frozen=True, eq=False)
class ItemFeatures:
    """Items as arrays, row by row."""

    images: FloatArray  # (N, E) unit rows; zeros where there is no photo
    has_image: NDArray[np.bool_]  # (N,)
    texts: FloatArray  # (N, E)
    has_text: NDArray[np.bool_]
    tags: NDArray[np.int64]  # (N, K), 0 = none or unknown

    def __len__(self) -> int:
        return len(self.has_image)

    def __getitem__(self, rows: Sequence[int]) -> ItemFeatures:
        """Those of some items, in the order given."""
        at = np.asarray(rows, dtype=np.int64)
        return ItemFeatures(self.images[at], self.has_image[at], self.texts[at], self.has_text[at], self.tags[at])


def tag_value(item: Item, kind: str) -> str:
    """An item's value for a kind of tag; empty when it has none.

    Kinds: `category` (normalised), `id`, `id:N` (its first N characters: the codes of many shops begin with season and line),
    `product` (the group, else the id), or the name of any attribute.
    """
    if kind == "category":
        return normalise(item.category)
    if kind in ("id", "product"):
        return item.id if kind == "id" else item.product
    if kind.startswith("id:") and kind[3:].isdigit():
        return item.id[: int(kind[3:])]
    value = item.attributes.get(kind)
    return "" if value is None else str(value)


def known_tags(items: Sequence[Item], kinds: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The values of each kind among the items, sorted: what a model is built with."""
    return {kind: tuple(sorted({tag_value(item, kind) for item in items} - {""})) for kind in kinds}


def tag_numbers(items: Sequence[Item], tags: Tags) -> NDArray[np.int64]:
    """(N, K): the number of each item's value from 1 on, 0 where it has none or the model knows it not."""
    numbers = np.zeros((len(items), len(tags)), dtype=np.int64)
    for column, (kind, values) in enumerate(tags.items()):
        place = {value: number for number, value in enumerate(values, 1)}
        numbers[:, column] = [place.get(tag_value(item, kind), 0) for item in items]
    return numbers


def features_of(items: Sequence[Item], vectors: FloatArray, tags: Tags, tower_dim: int = 0) -> ItemFeatures:
    """Features from item vectors [image ; text ; ...] as `ImageTextEncoder.encode` makes them: (N, 2E), or (N, 2E + 2).

    `tower_dim`: E; 0 where nothing follows the two halves. There a missing half is filled with the other one. So two equal
    halves are one that is missing, which is the text where the item has no words and else the image; a row of zeros has
    neither. Whether `item.image` is at hand does not matter: stored items come without their photos. Raises `ValueError` for
    vectors of another shape.
    """
    if vectors.ndim != 2 or len(vectors) != len(items) or vectors.shape[1] % 2:
        raise ValueError(f"{len(items)} items need vectors of shape ({len(items)}, 2E), not {vectors.shape}")
    if tower_dim and vectors.shape[1] - 2 * tower_dim in (0, 2):
        vectors = vectors[:, : 2 * tower_dim]
    length = np.linalg.norm(vectors.astype(np.float32), axis=1, keepdims=True)
    halves = vectors.astype(np.float32) * np.float32(np.sqrt(2)) / np.where(length > 0, length, 1)
    images, texts = np.split(halves, 2, axis=1)
    equal = np.abs(images - texts).max(axis=1, initial=0) < 1e-5
    nothing = np.abs(halves).max(axis=1, initial=0) == 0
    wordless = np.array([not item.text for item in items], dtype=bool)
    has_image, has_text = ~nothing & ~(equal & ~wordless), ~nothing & ~(equal & wordless)
    return ItemFeatures(
        images=np.where(has_image[:, None], images, 0), has_image=has_image, texts=np.where(has_text[:, None], texts, 0),
        has_text=has_text, tags=tag_numbers(items, tags),
    )  # fmt: skip
