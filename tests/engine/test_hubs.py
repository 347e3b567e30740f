"""An item that was made to be near to every question is named after indexing; a catalogue without one names nobody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modiste.engine.catalogue import Catalogue
from modiste.engine.hubs import FEWEST_ITEMS, find_hubs
from modiste.types import Embeddings, EncoderId, ImageLike, Item

DIM = 24


class Gapped:
    """Items are random directions by their number; questions are those, moved together towards one corner."""

    id = EncoderId("gapped", "8" * 64, DIM)
    corner = np.full(DIM, DIM**-0.5, np.float32)

    def _vector(self, title: str) -> np.ndarray:
        vector = np.random.default_rng(int(title.split()[-1])).normal(size=DIM).astype(np.float32)
        vector -= (vector @ self.corner) * self.corner
        return vector / np.linalg.norm(vector)

    def encode(self, items: Sequence[Item]) -> Embeddings:
        rows = [self.corner if one.id == "poison" else self._vector(one.title) for one in items]
        return Embeddings(np.stack(rows), self.id)

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        if text == "poison":
            return Embeddings(self.corner[None], self.id)
        asked = self._vector(text) + 2 * self.corner
        return Embeddings((asked / np.linalg.norm(asked))[None], self.id)


def test_a_poisoned_item_is_named_and_nobody_else(tmp_path: Path) -> None:
    encoder = Gapped()
    store = Catalogue.create(tmp_path / "shop", encoder.id)
    store.ingest([Item(f"i-{n}", f"item {n}") for n in range(FEWEST_ITEMS - 1)], encoder, batch_size=1_000)
    assert find_hubs(store, encoder) == ()  # too few to tell
    store.ingest([Item("i-last", "item 5000")], encoder)
    assert find_hubs(store, encoder, questions=100) == ()
    store.ingest([Item("poison", "poison")], encoder)
    (hub,) = find_hubs(store, encoder, questions=100)
    assert (hub.item_id, hub.title) == ("poison", "poison")
    assert hub.share > 0.9
    assert find_hubs(store, encoder, questions=100) == (hub,)  # the same seed, the same answer
