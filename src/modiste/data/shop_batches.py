"""Photos of products from both sides of the counter: the shop's and its customers', decoded once and held in memory.

P x K batches: P products with K photos each, the first of them the shop's. So that a batch holds hard cases, products are chosen
in families: an anchor and some of its nearest neighbours in an index, given by number.

Shapes: N products, V customers' photos, M neighbours, P products of a batch, K photos of each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modiste.data.augment import augment_photos, as_customers
from modiste.data.batches import TensorBatch
from modiste.data.images import decode
from modiste.types import Item

Indices = NDArray[np.int64]
Transform = Callable[[NDArray[np.uint8]], Tensor]  # (H, W, 3) pixels -> (3, height, width) uint8


@dataclass(frozen=True, eq=False)
class ShopBatch(TensorBatch):
    """P products with K photos each; photo 0 is the shop's, the others are customers'."""

    images: Tensor
    """(P, K, 3, H, W): uint8 in 0..255, or float in [0, 1]."""
    products: Tensor
    """(P,) int64: equal means the same product."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images.ndim != 5 or self.images.shape[2] != 3 or self.images.shape[1] < 2:
            raise ValueError(f"images must be (P, K, 3, H, W) with K of 2 or more, not {tuple(self.images.shape)}")
        if self.products.ndim != 1 or self.products.dtype != torch.int64:
            raise ValueError(f"products must be (P,) int64, not {tuple(self.products.shape)} {self.products.dtype}")

    @property
    def shop_rows(self) -> Tensor:
        """(P,): which of all P * K photos in a row are the shop's."""
        return torch.arange(len(self), device=self.products.device) * self.images.shape[1]

    @property
    def customer_rows(self) -> Tensor:
        """(P * (K - 1),): which of them are customers'."""
        every = torch.arange(len(self) * self.images.shape[1], device=self.products.device)
        return every[every % self.images.shape[1] != 0]


@dataclass(frozen=True, eq=False)
class ShopData:
    """The photos as tensors; `collate` chooses a batch of products, `augment` changes it on the device."""

    shop: Tensor  # (N, 3, H, W) uint8: one shop photo of each product
    customer: Tensor  # (V, 3, H, W) uint8
    customers_of: tuple[Indices, ...]  # for each product the rows of its customers' photos
    products: tuple[str, ...]
    num_photos: int = 2  # K
    augmentation: float = 0.7  # strength, of all photos
    customer_augmentation: float = 0.5  # how often a customer's photo is cropped, covered and relit further

    def __len__(self) -> int:
        return len(self.shop)

    def collate(self, indices: Indices, random: np.random.Generator) -> ShopBatch:
        """These products, each with its shop photo and K - 1 of its customers', with repetition where it has fewer."""
        chosen = []
        for n in indices:
            own, count = self.customers_of[n], self.num_photos - 1
            rows = random.choice(own, count, replace=len(own) < count)
            chosen.append(torch.cat([self.shop[n][None], self.customer[torch.from_numpy(rows)]]))
        return ShopBatch(torch.stack(chosen), torch.from_numpy(indices))

    def augment(self, batch: ShopBatch) -> ShopBatch:
        """A collated batch with photos changed, float32 in [0, 1]."""
        photos = batch.images.flatten(0, 1)
        changed = augment_photos(photos, strength=self.augmentation)
        rows = batch.customer_rows
        harder = as_customers(changed[rows])
        taken = torch.rand(len(rows), device=photos.device) < self.customer_augmentation
        changed[rows] = torch.where(taken[:, None, None, None], harder, changed[rows])
        return replace(batch, images=changed.unflatten(0, batch.images.shape[:2]))


def build_shop_data(
    shop: Sequence[Item], customer: Sequence[Item], transform: Transform, *, num_photos: int = 2, augmentation: float = 0.7,
    customer_augmentation: float = 0.5,
) -> ShopData:  # fmt: skip
    """Decode every photo once. Products without a customer's photo are left out; of several shop photos the first counts.

    Raises `ImageError` for a photo that cannot be decoded, `ValueError` when no product has photos of both sides.
    """
    first: dict[str, Item] = {}
    for item in shop:
        if item.image is not None:
            first.setdefault(item.product, item)
    taken = [item for item in customer if item.image is not None and item.product in first]
    products = sorted({item.product for item in taken})
    if not products:
        raise ValueError("no product has both a shop photo and a customer's: nothing to learn from")

    def decoded(item: Item) -> Tensor:
        assert item.image is not None
        return transform(decode(item.image))

    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode") as pool:
        shop_photos = list(pool.map(decoded, [first[one] for one in products]))
        customer_photos = list(pool.map(decoded, taken))
    rows: dict[str, list[int]] = {one: [] for one in products}
    for row, item in enumerate(taken):
        rows[item.product].append(row)
    return ShopData(
        torch.stack(shop_photos), torch.stack(customer_photos),
        tuple(np.array(rows[one], dtype=np.int64) for one in products), tuple(products), num_photos, augmentation,
        customer_augmentation,
    )  # fmt: skip


def families(neighbours: Indices, batch_size: int, family: int, random: np.random.Generator) -> list[Indices]:
    """An epoch of batches (batch_size,) made of families: an anchor and `family` - 1 of its neighbours (N, M).

    Every product is an anchor once every `family` epochs on average; none stands twice in a batch. Raises `ValueError` when the
    sizes do not fit.
    """
    count = len(neighbours)
    if family < 1 or batch_size % family or count < batch_size or family - 1 > neighbours.shape[1]:
        raise ValueError(
            f"batches of {batch_size} cannot be made of families of {family} from {count} products with "
            f"{neighbours.shape[1]} neighbours each"
        )
    anchors = iter(np.resize(random.permutation(count), 2 * count))
    batches: list[Indices] = []
    while len(batches) < count // batch_size:
        batch: dict[int, None] = {}
        while len(batch) < batch_size:
            anchor = int(next(anchors, random.integers(count)))
            if anchor in batch:
                continue
            batch[anchor] = None
            room = min(family - 1, batch_size - len(batch))
            near = [int(one) for one in random.permutation(neighbours[anchor]) if int(one) not in batch]
            batch.update(dict.fromkeys(near[:room]))
        batches.append(np.fromiter(batch, dtype=np.int64))
    return batches
