"""Batches check their shapes and move as one."""

from __future__ import annotations

import pytest
import torch

from modiste.data.batches import ImageTextBatch


def batch(rows: int = 5, **fields: torch.Tensor) -> ImageTextBatch:
    standard = {
        "images": torch.arange(rows * 12, dtype=torch.uint8).view(rows, 3, 2, 2),
        "token_ids": torch.zeros(rows, 4, dtype=torch.long),
        "attention_mask": torch.ones(rows, 4, dtype=torch.bool),
        "item_ids": torch.arange(rows),
    }
    return ImageTextBatch(**(standard | fields))


def test_pieces_join_to_the_whole_and_differ_by_one_row() -> None:
    pieces = batch(7).split(3)
    assert [len(piece) for piece in pieces] == [2, 2, 3]
    assert torch.equal(torch.cat([piece.images for piece in pieces]), batch(7).images)
    assert torch.cat([piece.item_ids for piece in pieces]).tolist() == list(range(7))
    with pytest.raises(ValueError, match="3 rows cannot be cut into 4"):
        batch(3).split(4)


def test_moves_every_field() -> None:
    moved = batch().to("meta", non_blocking=True)
    assert {getattr(moved, name).device.type for name in vars(moved)} == {"meta"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"item_ids": torch.arange(4)}, "equally many rows"),
        ({"images": torch.zeros(5, 1, 2, 2)}, r"\(B, 3, H, W\)"),
        ({"attention_mask": torch.ones(5, 3, dtype=torch.bool)}, r"\(B, L\)"),
        ({"attention_mask": torch.ones(5, 4)}, "True = attend"),
        ({"item_ids": torch.zeros(5)}, "int64"),
    ],
)
def test_wrong_shapes_are_refused(fields: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        batch(**fields)
