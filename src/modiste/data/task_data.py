"""What the four tasks of a multi-task model learn from: rows of token ids over one store of photos.

Every task names photos by number in the same tensor, so a photo is decoded and held once however many tasks use it.

Shapes: N photos, M rows of a task, L text length, B batch, E width of another encoder's vectors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modiste.data.augment import augment_photos, drop_tokens
from modiste.data.batches import CaptionBatch, ComposedBatch, ImageTextBatch, LabelledBatch, MatchedBatch, TaskGroup

Kind = Literal["xmr", "scr", "tgir", "fic"]


@dataclass(frozen=True, eq=False)
class TaskData:
    """One task's rows; `collate` makes a batch of the kind that its task learns from."""

    kind: Kind
    images: Tensor  # (N, 3, H, W) uint8
    photos: NDArray[np.int64]  # (M,) number of each row's photo
    token_ids: Tensor  # (M, L) int32
    lengths: Tensor  # (M,) int64, start and end of a text counted
    products: Tensor  # (M,) int64: equal means the same product
    classes: Tensor | None = None  # (M, 1) int64, of SCR
    targets: NDArray[np.int64] | None = None  # (M,) number of the photo asked for, of TGIR
    target_products: Tensor | None = None  # (M,) int64
    image_vectors: Tensor | None = None  # (M, E) float32: another encoder's, of the photo
    text_vectors: Tensor | None = None  # (M, E) float32

    def __len__(self) -> int:
        return len(self.photos)

    def collate(self, indices: NDArray[np.int64], random: np.random.Generator) -> ImageTextBatch:
        """The batch of these rows, cut to its longest text."""
        at = torch.from_numpy(indices)
        lengths = self.lengths[at]
        ids = self.token_ids[at, : int(lengths.max())].long()
        mask = torch.arange(ids.shape[1])[None] < lengths[:, None]
        images = self.images[torch.from_numpy(self.photos[indices])]
        products = self.products[at]
        if self.kind == "scr":
            assert self.classes is not None
            return LabelledBatch(images, ids, mask, products, self.classes[at])
        if self.kind == "tgir":
            assert self.targets is not None
            assert self.target_products is not None
            wanted = self.images[torch.from_numpy(self.targets[indices])]
            return ComposedBatch(images, ids, mask, products, wanted, self.target_products[at])
        if self.kind == "fic":
            return CaptionBatch(images, ids, mask, products)
        if self.image_vectors is not None and self.text_vectors is not None:
            return MatchedBatch(images, ids, mask, products, self.image_vectors[at], self.text_vectors[at])
        return ImageTextBatch(images, ids, mask, products)


@dataclass(frozen=True)
class TaskAugment:
    """A collated batch with photos changed, float32 in [0, 1], and words dropped; words to be written stay whole."""

    unknown_id: int  # what a dropped word becomes
    augmentation: float = 0.9
    drop_token_rate: float = 0.15

    def __call__(self, batch: ImageTextBatch | TaskGroup) -> ImageTextBatch | TaskGroup:
        if isinstance(batch, TaskGroup):
            return TaskGroup(tuple(self._one(one) for one in batch.parts))  # type: ignore[arg-type]
        return self._one(batch)

    def _one(self, batch: ImageTextBatch) -> ImageTextBatch:
        images = augment_photos(batch.images, strength=self.augmentation)
        ids = batch.token_ids
        if self.drop_token_rate and not isinstance(batch, CaptionBatch):
            dropped = drop_tokens(ids, rate=self.drop_token_rate, replacement_id=self.unknown_id)
            last = batch.attention_mask.sum(dim=1, keepdim=True) - 1  # the end of the text stays
            places = torch.arange(ids.shape[1], device=ids.device)[None]
            ids = torch.where(places < last, dropped, ids)
        if isinstance(batch, ComposedBatch):
            wanted = augment_photos(batch.target_images, strength=self.augmentation)
            return replace(batch, images=images, token_ids=ids, target_images=wanted)
        return replace(batch, images=images, token_ids=ids)
