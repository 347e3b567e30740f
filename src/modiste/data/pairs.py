"""Photos with captions, decoded once and held in memory: what a dual encoder learns from.

A product has one shop photo, any number of further photos (a customer's, say), and several captions of which each step
draws one. At 60x80 a hundred thousand photos take 1.4 GB; a larger set is a reason for shards, not for a cleverer cache.

Shapes: N items, V further photos, C captions of an item, L text length, B batch, H kinds of labels.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from modiste.data.augment import augment_photos, drop_tokens
from modiste.data.batches import ImageTextBatch, LabelledBatch
from modiste.data.examples import PhotoTextExample
from modiste.data.images import decode
from modiste.data.masking import IGNORED
from modiste.data.text import UNK, token_id, tokenize
from modiste.types import Item

Transform = Callable[[NDArray[np.uint8]], torch.Tensor]  # (H, W, 3) pixels -> (3, height, width) uint8


@dataclass(frozen=True, eq=False)
class PairData:
    """The examples as tensors; `collate` chooses a batch of them, `augment` changes it on the device."""

    images: torch.Tensor  # (N, 3, H, W) uint8
    more_images: torch.Tensor  # (V, 3, H, W) uint8
    more_of: tuple[NDArray[np.int64], ...]  # for each item the rows of its further photos
    token_ids: torch.Tensor  # (N, C, L) int32, padded with 0
    caption_weights: NDArray[np.float64]  # (N, C), rows sum to 1
    products: torch.Tensor  # (N,) int64: equal means the same product
    labels: NDArray[np.int64]  # (N,): categories, for batches of hard negatives
    classes: torch.Tensor | None = None  # (N, H) int64 class of each kind of label, -100 where an item has none
    unknown_id: int = 1  # what a dropped token becomes
    drop_token_rate: float = 0.1  # words hidden
    augmentation: float = 1.0  # strength
    extra_rows: int = 0  # rows of a batch that are second photos of its items

    def __len__(self) -> int:
        return len(self.images)

    def collate(self, indices: NDArray[np.int64], random: np.random.Generator) -> ImageTextBatch:
        """The batch of these items, and `extra_rows` second photos of some of them as rows of their own.

        An extra row has its item's product number and a caption drawn anew, so the two photos are positives of each
        other. It is a further photo where an item has one, else the same photo, to be augmented anew. The number of rows
        never varies, as gathering over processes requires.
        """
        # Items with further photos first, else whichever: a stable sort of a random order.
        order = random.permutation(indices)
        order = order[np.argsort([len(self.more_of[n]) == 0 for n in order], kind="stable")]
        extra = order[: self.extra_rows]
        second = [
            self.more_images[random.choice(self.more_of[n])] if len(self.more_of[n]) else self.images[n] for n in extra
        ]
        photos = torch.cat([self.images[torch.from_numpy(indices)], *(photo[None] for photo in second)])
        rows = np.concatenate([indices, extra])
        # Inverse of the cumulative weights: one draw per row picks its caption.
        chosen = (self.caption_weights[rows].cumsum(axis=1) < random.random((len(rows), 1))).sum(axis=1)
        chosen = np.minimum(chosen, self.caption_weights.shape[1] - 1)
        at = torch.from_numpy(rows)
        token_ids = self.token_ids[at, torch.from_numpy(chosen)].long()
        token_ids = token_ids[:, : max(1, int((token_ids != 0).sum(dim=1).max()))]
        if self.classes is None:
            return ImageTextBatch(photos, token_ids, token_ids != 0, self.products[at])
        return LabelledBatch(photos, token_ids, token_ids != 0, self.products[at], self.classes[at])

    def augment(self, batch: ImageTextBatch) -> ImageTextBatch:
        """A collated batch with photos changed, float32 in [0, 1], and words dropped."""
        token_ids = batch.token_ids
        if self.drop_token_rate:
            token_ids = drop_tokens(token_ids, rate=self.drop_token_rate, replacement_id=self.unknown_id)
        return replace(batch, images=augment_photos(batch.images, strength=self.augmentation), token_ids=token_ids)


def class_numbers(items: Sequence[Item], labels: Mapping[str, Sequence[str]]) -> torch.Tensor:
    """(N, H) int64: the class of each item for each kind of label, -100 where it has none that is listed.

    `labels`: attribute -> its classes in the order of their numbers.
    """
    columns = []
    for name, classes in labels.items():
        number = {value: at for at, value in enumerate(classes)}
        columns.append([number.get(str(item.attributes.get(name, "")), IGNORED) for item in items])
    return torch.tensor(columns, dtype=torch.int64).reshape(len(labels), len(items)).T.contiguous()


def build_pairs(
    examples: Sequence[PhotoTextExample],
    tokenizer: Tokenizer,
    transform: Transform,
    *,
    context_length: int,
    progress: Callable[[int], None] | None = None,
    drop_token_rate: float = 0.1,
    augmentation: float = 1.0,
    extra_rows: int = 0,
    labels: Mapping[str, Sequence[str]] | None = None,
) -> PairData:
    """Decode every photo once and tokenize every caption; number the classes of `labels` (attribute -> classes).

    Raises
    ------
    ImageError
        If a photo cannot be decoded: training data is checked when it is read.
    ValueError
        If there are no examples, or one has no photo or no caption.
    """
    if not examples:
        raise ValueError("there are no items with photo and text to train on")

    def decoded(example: PhotoTextExample) -> list[torch.Tensor]:
        if example.item.image is None or not example.captions:
            raise ValueError(f"item {example.item.id!r} has no photo or no caption; leave it out of the training data")
        return [transform(decode(photo)) for photo in (example.item.image, *example.more_photos)]

    images: list[torch.Tensor] = []
    more: list[torch.Tensor] = []
    more_of: list[NDArray[np.int64]] = []
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode") as pool:  # decoding lets other threads run
        for first, *others in pool.map(decoded, examples):
            images.append(first)
            more_of.append(np.arange(len(more), len(more) + len(others), dtype=np.int64))
            more += others
            if progress:
                progress(1)
    num_captions = max(len(example.captions) for example in examples)
    token_ids = np.zeros((len(examples), num_captions, context_length), dtype=np.int32)
    weights = np.zeros((len(examples), num_captions))
    for at in range(num_captions):
        rows = [n for n, example in enumerate(examples) if at < len(example.captions)]
        token_ids[rows, at] = tokenize(tokenizer, [examples[n].captions[at][0] for n in rows], context_length)[0]
        weights[rows, at] = [examples[n].captions[at][1] for n in rows]
    return PairData(
        images=torch.stack(images),
        more_images=torch.stack(more) if more else torch.empty((0, *images[0].shape), dtype=torch.uint8),
        more_of=tuple(more_of),
        token_ids=torch.from_numpy(token_ids),
        caption_weights=weights / weights.sum(axis=1, keepdims=True),
        products=torch.from_numpy(numbers_of([example.item.product for example in examples])),
        labels=numbers_of([example.item.category for example in examples]),
        classes=class_numbers([example.item for example in examples], labels) if labels else None,
        unknown_id=token_id(tokenizer, UNK),
        drop_token_rate=drop_token_rate,
        augmentation=augmentation,
        extra_rows=extra_rows,
    )


def numbers_of(names: Sequence[str]) -> NDArray[np.int64]:
    """(N,): equal names have equal numbers, in the order of the names."""
    return np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)[1].astype(np.int64)
