"""Descriptions for items that have none: a captioner writes them from the photo, on the way into the catalogue.

What a retailer wrote is never touched. A written description says so in the item's attributes (`description_source`), and one
that is stored is used again as long as photo and title are the same, so a job that was killed goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from modiste.engine.catalogue import Catalogue
from modiste.engine.rows import hashed
from modiste.types import Captioner, Item

SOURCE, GENERATED = "description_source", "generated"
BATCH = 32


class Describer:
    """Fills empty descriptions of a feed; `written` and `kept` count those that were made and those used again."""

    def __init__(self, captioner: Captioner, store: Catalogue, *, beams: int = 1) -> None:
        self._captioner, self._beams = captioner, beams
        self._stored = _stored(store)
        self.written = self.kept = 0

    def described(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items in their order; those without description, but with a photo, have one now where it can be read."""
        waiting = iter(items)
        while batch := list(islice(waiting, BATCH)):
            known = [self._kept(item) for item in batch]
            bare = [
                at
                for at, item in enumerate(batch)
                if known[at] is None and item.image is not None and not item.description.strip()
            ]
            captions = self._captions([batch[at] for at in bare])
            for at, caption in zip(bare, captions, strict=True):
                if caption:
                    known[at] = _with(batch[at], caption)
                    self.written += 1
            yield from (item if found is None else found for item, found in zip(batch, known, strict=True))

    def _kept(self, item: Item) -> Item | None:
        """The item with the description that was written for this very photo and title before."""
        if item.id not in self._stored or item.description.strip():
            return None
        description, vector_hash = self._stored[item.id]
        found = _with(item, description)
        try:
            if hashed(found).vector_hash != vector_hash:
                return None
        except ValueError:  # what cannot be stored is the job's to refuse
            return None
        self.kept += 1
        return found

    def _captions(self, items: Sequence[Item]) -> list[str]:
        """One for each item, "" where the photo cannot be read: a batch that is refused is halved."""
        if not items:
            return []
        try:
            written = self._captioner.caption([item.image for item in items], beams=self._beams)  # type: ignore[misc]
            return [one.text.strip() for one in written]
        except ValueError:
            if len(items) == 1:
                return [""]
        middle = len(items) // 2
        return self._captions(items[:middle]) + self._captions(items[middle:])


def _with(item: Item, description: str) -> Item:
    return replace(item, description=description, attributes={**item.attributes, SOURCE: GENERATED})


def _stored(store: Catalogue) -> dict[str, tuple[str, bytes]]:
    """Id -> description and vector hash of the items whose description was written."""
    found: dict[str, tuple[str, bytes]] = {}
    for batch in store.snapshot().pinned.scan(("id", "description", "attributes", "vector_hash")):
        for row in batch.to_pylist():
            if GENERATED in (row["attributes"] or "") and json.loads(row["attributes"]).get(SOURCE) == GENERATED:
                found[row["id"]] = (row["description"] or "", row["vector_hash"])
    return found
