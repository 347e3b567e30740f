"""Items whose photos stay on the disk until an item is asked for: hundreds of thousands of them do not fit in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from modiste.data.feed.pictures import inside, read_picture
from modiste.data.images import ImageError, decode
from modiste.types import Item


class PhotoItems(Mapping[str, Item]):
    """Items by id; each look-up reads the photo `{id}.jpg` anew, and no path leads out of its folder.

    An item whose photo is not there, or cannot be decoded, comes without one: `missing` and `broken` keep account.

    Parameters
    ----------
    bare
        The items by id, without photos.
    folder
        Where the photos are; a folder that does not exist is one without photos.
    suffix
        What follows the id in a photo's file name.
    """

    def __init__(self, bare: Mapping[str, Item], folder: Path, suffix: str = ".jpg") -> None:
        self.bare = bare
        self.folder = folder
        self.suffix = suffix
        # One listing instead of a question per item. It is also why an id like "../x" finds nothing.
        there = frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()
        self.missing: tuple[str, ...] = tuple(one for one in bare if one + suffix not in there)
        self.broken: dict[str, str] = {}  # id -> what was wrong with its photo, of those looked at so far
        self._missing = frozenset(self.missing)

    def __getitem__(self, item_id: str) -> Item:
        item = self.bare[item_id]
        if item_id in self._missing or item_id in self.broken:
            return item
        try:
            image = read_picture(inside(self.folder, item_id + self.suffix))
            decode(image, draft_to=(64, 64))  # small: only to find damage
        except ImageError as error:
            self.broken[item_id] = str(error)
            return item
        return replace(item, image=image)

    def __contains__(self, item_id: object) -> bool:  # without reading a photo, unlike Mapping's own
        return item_id in self.bare

    def __iter__(self) -> Iterator[str]:
        return iter(self.bare)

    def __len__(self) -> int:
        return len(self.bare)

    def __repr__(self) -> str:
        return f"PhotoItems({len(self):,} items, {len(self.missing):,} without photo in {str(self.folder)!r})"
