"""A generated catalogue to measure in: drawn, encoded once, and opened again by the next benchmark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from modiste.data.atelier import Atelier
from modiste.engine.catalogue import Catalogue
from modiste.models.inference import ImageTextEncoder
from modiste.types import Item


def drawn_shop(folder: Path, encoder: ImageTextEncoder, num_items: int, seed: int, *, photos: bool = True) -> Catalogue:
    """The first `num_items` of `Atelier(seed)` in a catalogue of `folder`; some minutes, once for each encoder."""
    kind = "photos" if photos else "words"
    here = folder / f"atelier-{seed}-{num_items}-{kind}-{encoder.id.sha256[:8]}"
    shop = Catalogue.open_or_create(here, encoder.id, store_images="none")
    if len(shop) != num_items:
        world = Atelier(seed)

        def feed() -> Iterator[Item]:
            return world.items(num_items, image=photos)

        shop.ingest(feed(), encoder)
    return shop
