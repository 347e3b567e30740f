"""Every item once an epoch, the same order every time, the same batches for any number of processes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from modiste.data.batches import ImageTextBatch
from modiste.training.sampling import IndexLoader, epoch_permutation, grouped_batches, rank_share, shuffled_batches


def test_permutations_are_complete_repeatable_and_differ_by_epoch_and_seed() -> None:
    first = epoch_permutation(100, seed=3, epoch=1)
    assert sorted(first) == list(range(100))
    assert np.array_equal(first, epoch_permutation(100, seed=3, epoch=1))
    assert not np.array_equal(first, epoch_permutation(100, seed=3, epoch=2))
    assert not np.array_equal(first, epoch_permutation(100, seed=4, epoch=1))


@settings(max_examples=30, deadline=None)
@given(
    labels=st.lists(st.sampled_from("abcdef"), min_size=8, max_size=120),
    groups=st.integers(1, 4),
    size=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_grouped_batches_have_every_item_once(labels: list[str], groups: int, size: int, seed: int) -> None:
    batch_size = groups * size
    if len(labels) < batch_size:
        with pytest.raises(ValueError, match="smaller batch_size"):
            grouped_batches(labels, batch_size, size, seed, epoch=0)
        return
    batches = grouped_batches(labels, batch_size, size, seed, epoch=0)
    assert {len(batch) for batch in batches} == {batch_size}
    assert len(batches) == len(labels) // batch_size
    items = np.concatenate(batches)
    assert len(set(items.tolist())) == len(items)
    assert all(0 <= item < len(labels) for item in items)
    again = grouped_batches(labels, batch_size, size, seed, epoch=0)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again, strict=True))


def test_grouped_batches_are_chunks_of_one_label() -> None:
    labels = np.array(["shirt"] * 64 + ["shoe"] * 96 + ["bag"] * 33)
    batches = grouped_batches(labels, 32, 16, seed=0, epoch=0)
    chunks = [Counter(labels[batch[at : at + 16]]) for batch in batches for at in (0, 16)]
    assert sum(len(chunk) > 1 for chunk in chunks) <= 1  # only one can hold leftovers
    assert len({tuple(sorted(Counter(labels[batch]))) for batch in batches}) > 1  # mixed, not always the same pair
    left_out = [set(range(193)) - set(np.concatenate(grouped_batches(labels, 32, 16, 0, epoch))) for epoch in range(8)]
    assert len({tuple(sorted(one)) for one in left_out}) > 1  # not always the same item


def test_a_batch_is_shared_out_evenly_or_not_at_all() -> None:
    batch = np.arange(12)
    shares = [rank_share(batch, rank, 3) for rank in range(3)]
    assert sorted(np.concatenate(shares)) == list(range(12))
    # the consecutive pieces of all shares are the consecutive pieces of the batch: accumulation sees the same rows
    assert sorted(np.concatenate([share[:2] for share in shares])) == list(range(6))
    with pytest.raises(ValueError, match="12 items cannot be shared evenly by 5"):
        rank_share(batch, 0, 5)


def collate(indices: NDArray[np.int64], random: np.random.Generator) -> ImageTextBatch:
    rows = len(indices)
    return ImageTextBatch(
        images=torch.from_numpy(random.normal(size=(rows, 3, 1, 1))),
        token_ids=torch.zeros(rows, 1, dtype=torch.long),
        attention_mask=torch.ones(rows, 1, dtype=torch.bool),
        item_ids=torch.from_numpy(indices),
    )


@pytest.mark.parametrize("num_workers", [0, 3])
def test_a_loader_can_be_entered_anywhere(num_workers: int) -> None:
    loader = IndexLoader(collate, num_items=50, batch_size=6, seed=1, num_workers=num_workers)
    assert loader.steps_per_epoch == 8
    whole = list(IndexLoader(collate, num_items=50, batch_size=6, seed=1).batches(2, 0, 0, 1))
    tail = list(loader.batches(2, 5, 0, 1))
    assert [len(whole), len(tail)] == [8, 3]
    for a, b in zip(whole[5:], tail, strict=True):
        assert torch.equal(a.item_ids, b.item_ids)
        assert torch.equal(a.images, b.images)


def test_processes_share_the_batches_of_one() -> None:
    loader = IndexLoader(collate, num_items=50, batch_size=6, labels=["a", "b"] * 25, group_size=2)
    alone = [set(batch.item_ids.tolist()) for batch in loader.batches(0, 0, 0, 1)]
    halves = zip(loader.batches(0, 0, 0, 2), loader.batches(0, 0, 1, 2), strict=True)
    assert [set(a.item_ids.tolist()) | set(b.item_ids.tolist()) for a, b in halves] == alone


def test_an_error_in_a_worker_reaches_the_loop() -> None:
    def broken(indices: NDArray[np.int64], random: np.random.Generator) -> ImageTextBatch:
        raise ValueError("picture 3.jpg is damaged")

    with pytest.raises(ValueError, match=r"3\.jpg"):
        list(IndexLoader(broken, num_items=8, batch_size=2, num_workers=2).batches(0, 0, 0, 1))


def test_misfits_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple of group_size"):
        grouped_batches(["a"] * 10, 6, 4, 0, 0)
    with pytest.raises(ValueError, match="do not fill"):
        shuffled_batches(3, 4, 0, 0)
    with pytest.raises(ValueError, match="2 labels for 8 items"):
        IndexLoader(collate, num_items=8, batch_size=2, labels=["a", "b"])
