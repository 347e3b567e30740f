"""Photos of the catalogue as browsers get them, the last ones kept: a page of hits asks for the same few again and again."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from modiste.data.images import image_format, thumbnail
from modiste.engine.catalogue import Catalogue
from modiste.service import limits
from modiste.service.problems import Problem

SMALL, LARGE = (256, 256), (1024, 1024)
_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo's bytes, its media type, and the tag that changes with it."""

    data: bytes
    kind: str
    tag: str


class Pictures:
    """The photos of a catalogue; safe to share between threads."""

    def __init__(self, store: Catalogue) -> None:
        self._store = store
        self._kept: OrderedDict[tuple[int, str, bool], Picture] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, item_id: str, *, small: bool) -> Picture:
        """An item's photo as it is stored, or at most `SMALL`. Raises `UnknownItem`, and a 404 `Problem` for no photo."""
        place = (self._store.snapshot().version, item_id, small)
        with self._lock:
            if (found := self._kept.get(place)) is not None:
                self._kept.move_to_end(place)
                return found
        made = self._made(item_id, small)
        with self._lock:
            if place not in self._kept:
                self._kept[place] = made
                self._bytes += len(made.data)
            while len(self._kept) > limits.CACHED_PICTURES or self._bytes > limits.CACHED_PICTURE_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1].data)
        return made

    def _made(self, item_id: str, small: bool) -> Picture:
        data = self._store.image(item_id)
        if data is None:
            raise Problem(404, f"item {item_id!r} has no photo", kind="unknown-item")
        kind = _TYPES.get(image_format(data) or "")
        if small or kind is None:  # what browsers do not show is turned into a JPEG
            data, kind = thumbnail(data, SMALL if small else LARGE), "image/jpeg"
        return Picture(data, kind, f'"{hashlib.blake2b(data, digest_size=16).hexdigest()}"')
