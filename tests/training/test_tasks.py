"""Which task a step trains: shares as promised, a pure function of (seed, epoch), and resumable anywhere."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from modiste.data.batches import CaptionBatch, ComposedBatch, ImageTextBatch, LabelledBatch, MatchedBatch, TaskGroup
from modiste.data.task_data import TaskAugment, TaskData
from modiste.training.sampling import IndexLoader
from modiste.training.tasks import TaskLoader


def numbered(offset: int) -> object:
    def collate(indices: NDArray[np.int64], random: np.random.Generator) -> ImageTextBatch:
        rows = torch.from_numpy(indices) + offset
        ids = rows[:, None] + 1
        return ImageTextBatch(torch.zeros(len(rows), 3, 2, 2), ids, ids > 0, rows)

    return collate


def loader(sampling: str, seed: int = 0, steps: int = 40) -> TaskLoader:
    loaders = {
        name: IndexLoader(numbered(offset), size, 4, seed=seed)  # type: ignore[arg-type]
        for name, offset, size in (("large", 0, 48), ("middle", 1000, 24), ("small", 2000, 9))
    }
    return TaskLoader(loaders, steps, sampling, seed)  # type: ignore[arg-type]


def seen(loader: TaskLoader, epoch: int, start: int = 0) -> list[list[int]]:
    return [batch.item_ids.tolist() for batch in loader.batches(epoch, start, 0, 1)]  # type: ignore[attr-defined]


def test_shares_of_the_samplings() -> None:
    steps = np.concatenate([loader("proportional", steps=500).order(epoch) for epoch in range(6)])
    shares = np.bincount(steps) / len(steps)
    assert np.allclose(shares, np.array([12, 6, 2]) / 20, atol=0.03)
    steps = np.concatenate([loader("uniform", steps=500).order(epoch) for epoch in range(6)])
    assert np.allclose(np.bincount(steps) / len(steps), 1 / 3, atol=0.03)
    turns = loader("round_robin", steps=4)
    assert np.concatenate([turns.order(epoch) for epoch in range(3)]).tolist() == [0, 1, 2] * 4
    assert not np.array_equal(loader("uniform").order(0), loader("uniform").order(1))
    assert not np.array_equal(loader("uniform").order(0), loader("uniform", seed=1).order(0))


@pytest.mark.parametrize("sampling", ["proportional", "uniform", "round_robin"])
def test_each_task_goes_through_its_own_epochs(sampling: str) -> None:
    mixed = loader(sampling)
    batches = [batch for epoch in range(3) for batch in seen(mixed, epoch)]
    assert len(batches) == 120
    for offset, size in ((0, 48), (1000, 24), (2000, 9)):
        own = [batch for batch in batches if offset <= batch[0] < offset + 1000]
        alone = IndexLoader(numbered(offset), size, 4)  # type: ignore[arg-type]
        expected = [b.item_ids.tolist() for epoch in range(70) for b in alone.batches(epoch, 0, 0, 1)]  # type: ignore[attr-defined]
        assert own == expected[: len(own)]
        assert own
    for epoch, start in ((0, 7), (2, 0), (2, 33)):
        assert seen(mixed, epoch, start) == seen(mixed, epoch)[start:]


def test_a_batch_of_each_task_at_once() -> None:
    mixed = loader("all", steps=5)
    groups = list(mixed.batches(1, 2, 0, 1))
    assert len(groups) == 3
    assert all(isinstance(group, TaskGroup) and len(group) == 12 for group in groups)
    again = list(mixed.batches(1, 0, 0, 1))[2:]
    for one, other in zip(groups, again, strict=True):
        for a, b in zip(one.parts, other.parts, strict=True):  # type: ignore[attr-defined]
            assert torch.equal(a.item_ids, b.item_ids)
    shares = [list(mixed.batches(0, 0, rank, 2)) for rank in (0, 1)]
    whole = next(iter(mixed.batches(0, 0, 0, 1))).parts[0].item_ids.tolist()  # type: ignore[attr-defined]
    halves = [share[0].parts[0].item_ids.tolist() for share in shares]  # type: ignore[attr-defined]
    assert Counter(halves[0] + halves[1]) == Counter(whole)


def test_what_a_task_loader_refuses() -> None:
    with pytest.raises(ValueError, match="unknown sampling"):
        loader("sometimes")
    with pytest.raises(ValueError, match="at least one"):
        TaskLoader({}, 3)
    with pytest.raises(ValueError, match="steps_per_epoch"):
        loader("uniform", steps=0)


def rows(kind: str, **more: object) -> TaskData:
    lengths = torch.tensor([3, 6, 4, 5])
    ids = torch.arange(24).reshape(4, 6).int() + 5
    images = torch.arange(3, dtype=torch.uint8)[:, None, None, None].expand(3, 3, 4, 4).contiguous()
    photos = np.array([2, 0, 1, 2])
    return TaskData(kind, images, photos, ids, lengths, torch.tensor([9, 8, 7, 9]), **more)  # type: ignore[arg-type]


def test_batches_of_every_task() -> None:
    at = np.array([2, 0])
    random = np.random.default_rng(0)
    targets = {"targets": np.array([1, 1, 0, 0]), "target_products": torch.tensor([7, 7, 8, 8])}
    classes = torch.tensor([[0], [1], [2], [3]])
    vectors = {"image_vectors": torch.eye(4), "text_vectors": torch.eye(4)}
    kinds = {
        ImageTextBatch: rows("xmr"), LabelledBatch: rows("scr", classes=classes), ComposedBatch: rows("tgir", **targets),
        CaptionBatch: rows("fic"), MatchedBatch: rows("xmr", **vectors),
    }  # fmt: skip
    for kind, data in kinds.items():
        batch = data.collate(at, random)
        assert type(batch) is kind
        assert len(data) == 4
        assert batch.images[:, 0, 0, 0].tolist() == [1, 2]
        assert batch.item_ids.tolist() == [7, 9]
        assert batch.token_ids.shape == (2, 4)
        assert batch.attention_mask.sum(dim=1).tolist() == [4, 3]
        if isinstance(batch, LabelledBatch):
            assert batch.labels.tolist() == [[2], [0]]
        if isinstance(batch, ComposedBatch):
            assert batch.target_images[:, 0, 0, 0].tolist() == [0, 1]
            assert batch.target_ids.tolist() == [8, 7]
        changed = TaskAugment(1, augmentation=0.0, drop_token_rate=1.0)(batch)
        assert isinstance(changed, kind)
        assert changed.images.dtype == torch.float32
        ends = batch.attention_mask.sum(dim=1) - 1
        kept = torch.arange(4)[None] >= ends[:, None]
        kept[:, 0] = True  # the start stays, the end stays, padding is not looked at
        expected = batch.token_ids if kind is CaptionBatch else torch.where(kept, batch.token_ids, 1)
        assert torch.equal(changed.token_ids, expected)
    group = TaskGroup((rows("xmr").collate(at, random), rows("fic").collate(at, random)))
    assert isinstance(TaskAugment(1)(group), TaskGroup)
