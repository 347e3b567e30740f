"""What a recipe trains on: items with their captions, and generated items with customer photos, drawn once and kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modiste.data.examples import PhotoTextExample
    from modiste.types import Item

CAPTION_ATTRIBUTES = ("gender", "colour", "material", "pattern", "article_type", "season", "usage")


def attribute_caption(item: Item) -> str:
    """What the item's attributes say, as the words of a search: "Women Red Tops Summer Casual"."""
    values = [str(item.attributes[name]) for name in CAPTION_ATTRIBUTES if name in item.attributes]
    return " ".join(values if "article_type" in item.attributes else [*values, item.category]).strip()


def examples_of(
    items: Iterable[Item], attribute_share: float, *, photos_alone: bool = False
) -> Iterator[PhotoTextExample]:
    """Training examples of a data set's items: title, else description, and the attributes' caption.

    Items without a photo or words are left out; with `photos_alone` words are neither needed nor used.
    """
    from modiste.data.examples import PhotoTextExample

    for item in items:
        if item.image is None or not (item.text or photos_alone):
            continue
        if photos_alone:
            yield PhotoTextExample(item, (("", 1.0),))
            continue
        captions = [(item.title or item.description, 1 - attribute_share)]
        if attribute_share and (caption := attribute_caption(item)):
            captions.append((caption, attribute_share))
        yield PhotoTextExample(item, tuple(captions))


def atelier_examples(
    count: int, photos: int, size: tuple[int, int], *, seed: int = 1, cache: Path | None = None
) -> Iterator[PhotoTextExample]:
    """Generated items with title, description, search words, and customer photos, drawn by all cores.

    Seed 1 keeps them apart from the demo's catalogue (seed 0): what is shown there was never trained on. Drawn at twice
    the model's size, as a real photo would be scaled down. Drawing takes minutes, so the examples are kept in a file of
    the folder `cache`, and a resumed run begins at once.
    """
    from modiste.data.atelier.catalogue import DRAWING_VERSION
    from modiste.data.examples import read_examples, write_examples

    drawn = (2 * size[0], 2 * size[1])
    if cache is None:
        yield from _draw(count, photos, drawn, seed)
        return
    file = cache / f"atelier-v{DRAWING_VERSION}-seed{seed}-{count}x{photos}-{drawn[0]}x{drawn[1]}.parquet"
    if not file.exists():
        write_examples(file, _draw(count, photos, drawn, seed))
    yield from read_examples(file)


def _draw(count: int, photos: int, size: tuple[int, int], seed: int) -> Iterator[PhotoTextExample]:
    import multiprocessing
    import os
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial

    draw = partial(_atelier_example, photos=photos, size=size, seed=seed)
    # spawn: forking a process that already runs torch's threads can hang
    with ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(draw, range(count), chunksize=16)


def _atelier_example(index: int, *, photos: int, size: tuple[int, int], seed: int) -> PhotoTextExample:
    from modiste.data.atelier import Atelier
    from modiste.data.examples import PhotoTextExample

    world = Atelier(seed=seed, image_size=size)
    item = world.item(index)
    captions = (
        (item.title, 0.4),
        (item.description, 0.2),
        (world.query(index), 0.2),
        (world.query(index, seed=1), 0.2),
    )
    views = tuple(world.customer_photo(index, view_seed=view, size=size) for view in range(photos))
    return PhotoTextExample(item, tuple((text, weight) for text, weight in captions if text), views)
