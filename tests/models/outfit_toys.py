"""A tiny world of outfits for tests: items with random vectors, looks, batches of them. No encoder, no photo."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from modiste.data.batches import OutfitBatch
from modiste.data.outfit_batches import OutfitExamples
from modiste.data.outfit_features import ItemFeatures, known_tags, tag_numbers
from modiste.data.outfits import Look, OutfitData
from modiste.types import EncoderId, Item

FAMILIES = ("shirt", "trousers", "shoes", "bag")
DIM = 6
ENCODER = EncoderId("toy.encoder", "0" * 64, 2 * DIM)


def items(per_family: int = 6) -> list[Item]:
    return [
        Item(f"{family}{number}", f"a {family}", category=family, attributes={"family": family, "shoot_year": "2020"})
        for family in FAMILIES
        for number in range(per_family)
    ]


def data(num_looks: int = 40, seed: int = 0) -> OutfitData:
    """Looks of two to four families, where the items of one look have the same number: that is what goes together."""
    random = np.random.default_rng(seed)
    every = items()
    looks = []
    for number in range(num_looks):
        families = random.permutation(len(FAMILIES))[: random.integers(2, 5)]
        style = random.integers(6)
        looks.append(Look(f"look{number}", tuple(f"{FAMILIES[one]}{style}" for one in families)))
    return OutfitData("toy", {item.id: item for item in every}, {"train": tuple(looks), "valid": tuple(looks[:10])})


def features(of: OutfitData, tags: tuple[str, ...] = (), seed: int = 1) -> ItemFeatures:
    """Random unit vectors; a sixth of the photos and of the texts are missing, never both."""
    random = np.random.default_rng(seed)
    every = list(of.items.values())
    images, texts = (random.normal(size=(len(every), DIM)).astype(np.float32) for _ in range(2))
    chance = random.random(len(every))
    has_image, has_text = chance > 1 / 6, chance < 5 / 6
    images, texts = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (images, texts))
    known = known_tags(every, tags)
    return ItemFeatures(
        images * has_image[:, None], has_image, texts * has_text[:, None], has_text, tag_numbers(every, known)
    )


def examples(of: OutfitData | None = None, tags: tuple[str, ...] = (), **options: object) -> OutfitExamples:
    of = of or data()
    given = features(of, tags)
    kinds = {family: row for row, family in enumerate(FAMILIES)}
    names = np.random.default_rng(3).normal(size=(len(FAMILIES), DIM)).astype(np.float32)
    texts = names[[kinds[item.category] for item in of.items.values()]]
    return OutfitExamples(of, given, texts, **{"num_negatives": 3, "max_items": 4, **options})  # type: ignore[arg-type]


def batch(rows: int = 8, tags: tuple[str, ...] = (), **options: object) -> OutfitBatch:
    return examples(tags=tags, **options).collate(np.arange(rows), epoch=0)


def random_items(rows: int, places: int, dim: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, places, dim, generator=torch.Generator().manual_seed(seed))
