"""What the loop carries: a batch is a frozen dataclass of tensors that share their first dimension.

A new kind of batch is a subclass that lists its fields with their shapes; moving, pinning and cutting come with
`TensorBatch`. Shape letters: B batch, L text length, H and W image height and width; of outfits P items at hand, O places
in a set, V sets, C candidates, K kinds of tags.
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


@dataclass(frozen=True, eq=False)
class CaptionBatch(ImageTextBatch):
    """Items whose passage is to be written, from the photo alone; it begins with a start token and ends with an end token."""


@dataclass(frozen=True, eq=False)
class ComposedBatch(ImageTextBatch):
    """Text-guided retrieval: `images` and the passage ask, as in "the same in red", for the product of `target_images`."""

    target_images: Tensor
    """(B, 3, H, W) as `images`."""
    target_ids: Tensor
    """(B,) int64 product numbers of the targets."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.target_images.shape != self.images.shape:
            raise ValueError(
                f"target_images {tuple(self.target_images.shape)} must have the shape of images {tuple(self.images.shape)}"
            )
        if self.target_ids.ndim != 1 or self.target_ids.dtype != torch.int64:
            raise ValueError(
                f"target_ids must be (B,) int64, not {tuple(self.target_ids.shape)} {self.target_ids.dtype}"
            )


@dataclass(frozen=True, eq=False)
class MatchedBatch(ImageTextBatch):
    """Pairs with the vectors that another encoder gives them, for a student that is to give the same."""

    image_vectors: Tensor
    """(B, E) float32, unit rows."""
    text_vectors: Tensor
    """(B, E) float32, unit rows."""


@dataclass(frozen=True, eq=False)
class TaughtTextBatch(TensorBatch):
    """Texts with the vectors that a teacher gives to what they mean."""

    token_ids: Tensor
    """(B, L) long, padded at the end."""
    attention_mask: Tensor
    """(B, L) bool: True = attend, False = padding."""
    vectors: Tensor
    """(B, E) float32, unit rows."""


@dataclass(frozen=True, eq=False)
class TaskGroup:
    """Batches of several tasks that one step learns from together; equally many rows each."""

    parts: tuple[TensorBatch, ...]

    def __post_init__(self) -> None:
        if len({len(one) for one in self.parts}) != 1:
            raise ValueError(f"a TaskGroup needs batches of equally many rows, not {[len(one) for one in self.parts]}")

    def __len__(self) -> int:
        return sum(len(one) for one in self.parts)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> TaskGroup:
        return TaskGroup(tuple(one.to(device, non_blocking=non_blocking) for one in self.parts))

    def pin_memory(self) -> TaskGroup:
        return TaskGroup(tuple(one.pin_memory() for one in self.parts))

    def split(self, parts: int) -> list[TaskGroup]:
        """Every task's batch cut alike."""
        pieces = [one.split(parts) for one in self.parts]
        return [TaskGroup(of_all) for of_all in zip(*pieces, strict=True)]


@dataclass(frozen=True, eq=False)
class OutfitBatch(TensorBatch):
    """Looks with one item taken out, candidates for its place, and further sets; row i of every field is one look.

    A row has P items at hand, each described once; sets name them by position (0..P-1), -1 is no item. What describes an
    item is what the model's item encoder takes: vectors of a frozen encoder, or pixels and token ids for its towers.
    """

    images: Tensor
    """(B, P, Di) image vectors, or pixels (B, P, 3, H, W); anything where there is none."""
    has_image: Tensor
    """(B, P) bool."""
    texts: Tensor
    """(B, P, Dt) text vectors, or token ids (B, P, L); anything where there is none."""
    has_text: Tensor
    """(B, P) bool."""
    tags: Tensor
    """(B, P, K) int64: number of the item's value for each kind of tag, 0 = none or unknown."""
    partial: Tensor
    """(B, O) int64: the look without one of its items."""
    candidates: Tensor
    """(B, C) int64: the item taken out, then those that might stand in its place; -1 where there are fewer."""
    wanted_text: Tensor
    """(B, Dt) or (B, L): what is said of the item wanted, its category for instance."""
    has_wanted_text: Tensor
    """(B,) bool."""
    wanted_tags: Tensor
    """(B, K) int64: what is known of the item wanted; 0 = nothing."""
    sets: Tensor
    """(B, V, O + 1) int64: further sets to judge, as wide as a whole look; a row of -1 alone is no set."""
    labels: Tensor
    """(B, V) bool: whether each of them is compatible."""

    def __post_init__(self) -> None:
        super().__post_init__()
        rows, places = self.has_image.shape
        for name, shape in {
            "images": (rows, places), "texts": (rows, places), "has_text": (rows, places), "tags": (rows, places),
            "sets": (rows, self.labels.shape[1]),
        }.items():  # fmt: skip
            if (found := getattr(self, name).shape[:2]) != shape:
                raise ValueError(f"{name} must begin with the shape {shape}, not {tuple(found)}")
        if self.sets.shape[2:] != (self.partial.shape[1] + 1,):
            raise ValueError(f"sets must be (B, V, {self.partial.shape[1] + 1}), not {tuple(self.sets.shape)}")
        for name, dims in {"tags": 3, "partial": 2, "candidates": 2, "wanted_tags": 2, "sets": 3}.items():
            tensor = getattr(self, name)
            if tensor.ndim != dims or tensor.dtype != torch.int64:
                raise ValueError(
                    f"{name} must be int64 with {dims} dimensions, not {tensor.dtype} {tuple(tensor.shape)}"
                )
        for name in ("has_image", "has_text", "has_wanted_text", "labels"):
            if (dtype := getattr(self, name).dtype) != torch.bool:
                raise ValueError(f"{name} must be bool, not {dtype}")

    @property
    def completions(self) -> Tensor:
        """(B, C, O + 1) int64: `partial` with each candidate; all -1 where there is no candidate."""
        candidates = self.candidates[:, :, None]  # (B, C, 1)
        rest = self.partial[:, None].expand(-1, candidates.shape[1], -1)
        return torch.cat([candidates, rest.masked_fill(candidates < 0, -1)], dim=2)

    @property
    def judged(self) -> tuple[Tensor, Tensor]:
        """Every set (B, C + V, O + 1) and its label (B, C + V): first the completions, of them the look first, then `sets`."""
        is_look = torch.zeros_like(self.candidates, dtype=torch.bool)
        is_look[:, 0] = True
        return torch.cat([self.completions, self.sets], dim=1), torch.cat([is_look, self.labels], dim=1)
