"""What the loop carries: a batch is a frozen dataclass of tensors that share their first dimension.

A new kind of batch is a subclass that lists its fields with their shapes; moving, pinning and cutting come with
`TensorBatch`. Shape letters: B batch, L text length, H and W image height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TensorBatch:
    """Tensors with one row per example. Raises `ValueError` when the fields do not have the same number of rows."""

    def __post_init__(self) -> None:
        rows = {one.name: len(getattr(self, one.name)) for one in fields(self)}
        if len(set(rows.values())) != 1:
            raise ValueError(f"the fields of a {type(self).__name__} must have equally many rows, not {rows}")

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same batch with `function` applied to every tensor."""
        return type(self)(**{one.name: function(getattr(self, one.name)) for one in fields(self)})

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return self.map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """In page-locked memory, from which copies to a GPU run beside the computation."""
        return self.map(lambda tensor: tensor.pin_memory())

    def split(self, parts: int) -> list[Self]:
        """Consecutive pieces whose sizes differ by at most one row; raises `ValueError` for fewer rows than pieces."""
        rows = len(self)
        if not 1 <= parts <= rows:
            raise ValueError(f"a batch of {rows} rows cannot be cut into {parts} pieces")
        edges = [rows * part // parts for part in range(parts + 1)]
        return [self.rows(slice(*edge)) for edge in pairwise(edges)]

    def rows(self, chosen: slice) -> Self:
        return self.map(lambda tensor: tensor[chosen])


@dataclass(frozen=True, eq=False)
class ImageTextBatch(TensorBatch):
    """Items with a picture and a passage each: row i of every field is the same item."""

    images: Tensor
    """(B, 3, H, W), RGB: uint8 in 0..255, or float as the model's transform left it."""
    token_ids: Tensor
    """(B, L) long, padded at the end."""
    attention_mask: Tensor
    """(B, L) bool: True = attend, False = padding."""
    item_ids: Tensor
    """(B,) int64 product numbers: equal means the same product."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images.ndim != 4 or self.images.shape[1] != 3:
            raise ValueError(f"images must be (B, 3, H, W), not {tuple(self.images.shape)}")
        if self.token_ids.ndim != 2 or self.token_ids.shape != self.attention_mask.shape:
            raise ValueError(
                f"token_ids {tuple(self.token_ids.shape)} and attention_mask {tuple(self.attention_mask.shape)} "
                "must both be (B, L)"
            )
        if self.attention_mask.dtype != torch.bool:
            raise ValueError(f"attention_mask must be bool (True = attend), not {self.attention_mask.dtype}")
        if self.item_ids.ndim != 1 or self.item_ids.dtype != torch.int64:
            raise ValueError(f"item_ids must be (B,) int64, not {tuple(self.item_ids.shape)} {self.item_ids.dtype}")


@dataclass(frozen=True, eq=False)
class LabelledBatch(ImageTextBatch):
    """Items with labels too, one column for each kind (article type, colour...)."""

    labels: Tensor
    """(B, kinds) int64 class numbers, -100 where an item has none of the kind."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels.ndim != 2 or self.labels.dtype != torch.int64:
            raise ValueError(f"labels must be (B, kinds) int64, not {tuple(self.labels.shape)} {self.labels.dtype}")
