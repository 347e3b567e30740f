"""Batches of clicks: whose they are, what stands beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from click_toys import CLICKS, OUTFITS, clicks, liked, ones

from modiste.data.click_batches import ClickBatch, ClickExamples, JointBatch, padded_sets


def test_a_batch_holds_the_clicks_of_its_numbers() -> None:
    examples = ClickExamples(clicks())
    assert len(examples) == len(CLICKS["train"])
    batch = examples.clicks(np.arange(len(examples)), np.random.default_rng(0))
    assert type(batch) is ClickBatch
    assert list(zip(batch.users.tolist(), batch.outfits.tolist(), strict=True)) == sorted(CLICKS["train"])
    for user, negative in zip(batch.users.tolist(), batch.negatives.tolist(), strict=True):
        assert negative not in liked(user)


def test_random_sets_have_three_to_five_different_items() -> None:
    examples = ClickExamples(clicks())
    drawn = examples.broken_sets(3000, np.random.default_rng(0))
    assert drawn.shape == (3000, 5)
    sizes = (drawn >= 0).sum(axis=1)
    for size, count in zip(*np.unique(sizes, return_counts=True), strict=True):
        assert size in (3, 4, 5)
        assert 900 < count < 1100
    for row, size in zip(drawn, sizes, strict=True):
        assert len(set(row[:size].tolist())) == size
        assert (row[size:] == -1).all()
    counts = np.bincount(drawn[drawn >= 0])
    assert counts.min() > 0.9 * counts.mean()


def test_a_joint_batch_is_both_and_repeats_itself() -> None:
    examples = ClickExamples(clicks())
    one, other = (examples.joint(np.array([1, 5, 2]), np.random.default_rng(7)) for _ in range(2))
    assert isinstance(one, JointBatch)
    assert torch.equal(one.broken, other.broken)
    assert torch.equal(one.negatives, other.negatives)
    assert len(one.split(2)[0]) == 1


def test_sets_are_padded() -> None:
    found = padded_sets(clicks().outfit_items)
    assert [tuple(row[row >= 0].tolist()) for row in found] == OUTFITS
    assert found.shape == (7, 4)


def test_who_clicked_everything_has_no_negative() -> None:
    data = clicks()
    everything = ones([(2, outfit) for outfit in range(7)], (6, 7))
    full = type(data)(data.user_ids, data.outfit_ids, data.item_ids, {"train": everything}, data.outfit_items)
    with pytest.raises(ValueError, match="'u2' clicked every outfit"):
        ClickExamples(full)
