"""Photos of products from both sides of the counter: the shop's and its customers', decoded once and held in memory.

P x K batches: P products with K photos each, the first of them the shop's. Beside them stand J shop photos of other products
for each, drawn from those that an index found nearest to it: hard negatives.

Shapes: N products, G shop photos, V customers' photos, M neighbours, P products of a batch, K photos and J look-alikes of each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modiste.data.augment import as_customers, augment_photos
from modiste.data.batches import TensorBatch
from modiste.data.images import decode
from modiste.types import Item

Indices = NDArray[np.int64]
Transform = Callable[[NDArray[np.uint8]], Tensor]  # (H, W, 3) pixels -> (3, height, width) uint8


@dataclass(frozen=True, eq=False)
class ShopBatch(TensorBatch):
    """P products with K photos each, of which photo 0 is the shop's and the others are customers', and J look-alikes."""

    images: Tensor
    """(P, K, 3, H, W): uint8 in 0..255, or float in [0, 1]."""
    products: Tensor
    """(P,) int64: equal means the same product."""
    look_alikes: Tensor
    """(P, J, 3, H, W): shop photos, most of them of other products."""
    look_alike_products: Tensor
    """(P, J) int64: what each of them shows."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images.ndim != 5 or self.images.shape[2] != 3 or self.images.shape[1] < 2:
            raise ValueError(f"images must be (P, K, 3, H, W) with K of 2 or more, not {tuple(self.images.shape)}")
        if self.look_alikes.ndim != 5 or self.look_alikes.shape[2:] != self.images.shape[2:]:
            raise ValueError(
                f"look_alikes must be (P, J, 3, H, W) as large as the images, not {tuple(self.look_alikes.shape)}"
            )
        for name, shape in {"products": (len(self),), "look_alike_products": tuple(self.look_alikes.shape[:2])}.items():
            found = getattr(self, name)
            if found.shape != shape or found.dtype != torch.int64:
                raise ValueError(f"{name} must be {shape} int64, not {tuple(found.shape)} {found.dtype}")

    @property
    def photos(self) -> Tensor:
        """(P * K + P * J, 3, H, W): all of them in a row, the look-alikes last."""
        return torch.cat([self.images.flatten(0, 1), self.look_alikes.flatten(0, 1)])

    @property
    def photo_products(self) -> Tensor:
        """(P * K + P * J,): what each of `photos` shows."""
        return torch.cat([self.products.repeat_interleave(self.images.shape[1]), self.look_alike_products.flatten()])

    @property
    def shop_rows(self) -> Tensor:
        """(P + P * J,): which of `photos` are the shop's; the first P are the products' own, in order."""
        every, count = self._rows()
        return torch.cat([every[:count][:: self.images.shape[1]], every[count:]])

    @property
    def customer_rows(self) -> Tensor:
        """(P * (K - 1),): which of `photos` are customers', product by product."""
        every, count = self._rows()
        own = every[:count]
        return own[own % self.images.shape[1] != 0]

    def _rows(self) -> tuple[Tensor, int]:
        count = len(self) * self.images.shape[1]
        return torch.arange(count + self.look_alike_products.numel(), device=self.products.device), count


@dataclass(frozen=True, eq=False)
class ShopData:
    """The photos as tensors; `collate` chooses a batch of products, `augment` changes it on the device."""

    gallery: Tensor  # (G, 3, H, W) uint8: the shop photos, those of products without a customer's photo too
    gallery_products: Tensor  # (G,) int64
    customer: Tensor  # (V, 3, H, W) uint8
    shop_of: Indices  # (N,): the row of each product's shop photo
    customers_of: tuple[Indices, ...]  # for each product the rows of its customers' photos
    neighbours: Indices | None = None  # (N, M): rows of the gallery that an index found near; None: any other row
    num_photos: int = 2  # K
    num_look_alikes: int = 1  # J
    augmentation: float = 0.7  # strength, of all photos
    customer_augmentation: float = 0.5  # how often a customer's photo is cropped, covered and relit further

    def __len__(self) -> int:
        return len(self.shop_of)

    def collate(self, indices: Indices, random: np.random.Generator) -> ShopBatch:
        """Of each product its shop photo, K - 1 of its customers' (with repetition where it has fewer) and its look-alikes."""
        photos, near = [], []
        for n in indices:
            own, count = self.customers_of[n], self.num_photos - 1
            rows = random.choice(own, count, replace=len(own) < count)
            photos.append(torch.cat([self.gallery[self.shop_of[n]][None], self.customer[torch.from_numpy(rows)]]))
            pool = np.arange(len(self.gallery)) if self.neighbours is None else self.neighbours[n]
            near.append(random.choice(pool, self.num_look_alikes, replace=len(pool) < self.num_look_alikes))
        look_alikes = torch.from_numpy(np.stack(near).astype(np.int64))  # (P, J)
        return ShopBatch(
            torch.stack(photos), self.gallery_products[torch.from_numpy(self.shop_of[indices])], self.gallery[look_alikes],
            self.gallery_products[look_alikes],
        )  # fmt: skip

    def augment(self, batch: ShopBatch) -> ShopBatch:
        """A collated batch with photos changed, float32 in [0, 1]."""
        count, own = len(batch), batch.images.shape[1]
        changed = augment_photos(batch.photos, strength=self.augmentation)
        rows = batch.customer_rows
        harder = as_customers(changed[rows])
        taken = torch.rand(len(rows), device=changed.device) < self.customer_augmentation
        changed[rows] = torch.where(taken[:, None, None, None], harder, changed[rows])
        images, look_alikes = changed.split([count * own, len(changed) - count * own])
        return replace(
            batch, images=images.unflatten(0, (count, own)),
            look_alikes=look_alikes.unflatten(0, batch.look_alikes.shape[:2]),
        )  # fmt: skip


def decoded_photos(items: Sequence[Item], transform: Transform) -> Tensor:
    """(N, 3, H, W) uint8 of items that all have a photo. Raises `ImageError` for one that cannot be decoded."""

    def decoded(item: Item) -> Tensor:
        assert item.image is not None
        return transform(decode(item.image))

    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode") as pool:
        return torch.stack(list(pool.map(decoded, items)))


def shop_data(
    gallery: Tensor, gallery_names: Sequence[str], customer: Tensor, customer_names: Sequence[str], **settings: Any
) -> ShopData:
    """Photos with the name of the product that each shows, as data to train on; `settings` are further fields of `ShopData`.

    Products without a customer's photo are looked-alike, never asked for; of several shop photos of a product the first is its
    own. Raises `ValueError` when no product has photos of both sides.
    """
    number: dict[str, int] = {}
    for name in gallery_names:
        number.setdefault(name, len(number))
    first: dict[str, int] = {}
    for row, name in enumerate(gallery_names):
        first.setdefault(name, row)
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(customer_names):
        if name in first:
            rows.setdefault(name, []).append(row)
    if not rows:
        raise ValueError("no product has both a shop photo and a customer's: nothing to learn from")
    products = sorted(rows)
    return ShopData(
        gallery, torch.tensor([number[name] for name in gallery_names]), customer,
        np.array([first[name] for name in products], dtype=np.int64),
        tuple(np.array(rows[name], dtype=np.int64) for name in products), **settings,
    )  # fmt: skip


def mined(neighbours: Indices, data: ShopData, count: int) -> Indices:
    """The first `count` of each product's neighbours (N, M), rows of the gallery nearest first, that show another product.

    Raises `ValueError` when a product has fewer.
    """
    products = data.gallery_products.numpy()
    found = []
    for row, own in zip(neighbours, data.shop_of, strict=True):
        others = row[products[row] != products[own]][:count]
        if len(others) < count:
            raise ValueError(f"{len(others)} neighbours of other products, {count} are needed: ask the index for more")
        found.append(others)
    return np.stack(found)
