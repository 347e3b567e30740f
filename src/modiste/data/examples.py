"""What one training item of a dual encoder is, before it becomes tensors."""

from __future__ import annotations

from dataclasses import dataclass

from modiste.types import ImageLike, Item


@dataclass(frozen=True)
class PhotoTextExample:
    """One training item: its photo, further photos of it, and captions with the weights they are drawn by."""

    item: Item
    captions: tuple[tuple[str, float], ...]
    more_photos: tuple[ImageLike, ...] = ()
