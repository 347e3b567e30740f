"""Which items make which batch: a pure function of (seed, epoch), so a run can stop and go on anywhere.

A batch here is the whole batch of one optimiser step. Process r of W takes its rows r, r+W, r+2W..., so one process and
eight processes train on the same batches in the same order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from modiste.data.batches import TensorBatch

Indices = NDArray[np.int64]
BatchT_co = TypeVar("BatchT_co", bound=TensorBatch, covariant=True)


class Loader(Protocol[BatchT_co]):
    """What the loop asks of data: the batches of an epoch, the same ones whenever they are asked for."""

    @property
    def steps_per_epoch(self) -> int:
        """Batches, that is optimiser steps, in one epoch; the same for any number of processes."""
        ...

    def batches(self, epoch: int, start: int, rank: int, world_size: int) -> Iterator[BatchT_co]:
        """This process's share of batches `start`, `start` + 1, ... of the epoch (all counted from 0)."""
        ...


def epoch_permutation(num_items: int, seed: int, epoch: int) -> Indices:
    """(num_items,): the order of epoch `epoch`."""
    return np.random.default_rng([seed, epoch]).permutation(num_items).astype(np.int64)


def rank_share(batch: Indices, rank: int, world_size: int) -> Indices:
    """The rows of a batch that process `rank` works on. Raises `ValueError` when they cannot be shared out evenly."""
    if len(batch) % world_size:
        raise ValueError(f"a batch of {len(batch)} items cannot be shared evenly by {world_size} processes")
    return batch[rank::world_size]


def shuffled_batches(num_items: int, batch_size: int, seed: int, epoch: int) -> list[Indices]:
    """The epoch's permutation cut into batches of (batch_size,); the incomplete last one is dropped."""
    _require_a_batch(num_items, batch_size)
    order = epoch_permutation(num_items, seed, epoch)
    return np.split(order[: num_items // batch_size * batch_size], num_items // batch_size)


def grouped_batches(
    labels: Sequence[str] | NDArray[np.generic], batch_size: int, group_size: int, seed: int, epoch: int
) -> list[Indices]:
    """Batches of (batch_size,) made of chunks of `group_size` items with the same label: hard in-batch negatives.

    Every item occurs at most once in an epoch; only the incomplete last batch is dropped. Each label's items are
    shuffled and cut into chunks, chunks are shuffled, and what is left of a label (fewer than `group_size`) fills the
    batches up as smaller chunks. Items of one product may share a batch: the losses mask them.
    """
    names = np.asarray(labels)
    _require_a_batch(len(names), batch_size)
    if group_size < 1 or batch_size % group_size:
        raise ValueError(f"batch_size {batch_size} must be a multiple of group_size {group_size}")
    random = np.random.default_rng([seed, epoch])
    _, numbers = np.unique(names, return_inverse=True)
    order = random.permutation(len(names))
    order = order[np.argsort(numbers[order], kind="stable")]  # by label, shuffled within
    edges = np.flatnonzero(np.diff(numbers[order])) + 1
    full: list[Indices] = []
    rest: list[Indices] = []
    for of_label in np.split(order, edges):
        # The remainder comes from a random place of the shuffled items, so no item is favoured by its position.
        whole = len(of_label) // group_size * group_size
        full += np.split(of_label[:whole], whole // group_size) if whole else []
        rest += [of_label[whole:]] if whole < len(of_label) else []
    # Remainders are strung together and cut to the same size, so that every batch takes whole chunks.
    strung = np.concatenate([rest[at] for at in random.permutation(len(rest))]) if rest else np.empty(0, np.int64)
    whole = len(strung) // group_size * group_size
    full += np.split(strung[:whole], whole // group_size) if whole else []
    chunks = [full[at] for at in random.permutation(len(full))] + [strung[whole:]]
    flat = np.concatenate(chunks).astype(np.int64)
    return np.split(flat[: len(flat) // batch_size * batch_size], len(flat) // batch_size)


def _require_a_batch(num_items: int, batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    if num_items < batch_size:
        raise ValueError(f"{num_items} items do not fill one batch of {batch_size}; choose a smaller batch_size")


@dataclass(frozen=True, slots=True)
class IndexLoader:
    """A `Loader` over items that are known by number: chooses them, and lets `collate` make the tensors.

    `collate(indices, random)` gets the row numbers of one process's share of a batch and the generator that all of its
    augmentation must come from; the generator is a function of (seed, epoch, step, rank) alone.
    """

    collate: Callable[[Indices, np.random.Generator], TensorBatch]
    num_items: int
    batch_size: int  # items of one optimiser step, over all processes
    seed: int = 0
    labels: Sequence[str] | NDArray[np.generic] | None = field(default=None, repr=False)  # given: grouped_batches
    group_size: int = 32  # of items with the same label, when there are labels
    num_workers: int = 0  # threads that prepare batches ahead; the batches do not depend on it

    def __post_init__(self) -> None:
        _require_a_batch(self.num_items, self.batch_size)
        if self.labels is not None and len(self.labels) != self.num_items:
            raise ValueError(f"{len(self.labels)} labels for {self.num_items} items")

    @property
    def steps_per_epoch(self) -> int:
        return self.num_items // self.batch_size

    def batches(self, epoch: int, start: int, rank: int, world_size: int) -> Iterator[TensorBatch]:
        if self.labels is None:
            chosen = shuffled_batches(self.num_items, self.batch_size, self.seed, epoch)
        else:
            chosen = grouped_batches(self.labels, self.batch_size, self.group_size, self.seed, epoch)

        def make(step: int) -> TensorBatch:
            random = np.random.default_rng([self.seed, epoch, step, rank])
            return self.collate(rank_share(chosen[step], rank, world_size), random)

        if self.num_workers == 0:
            yield from map(make, range(start, len(chosen)))
            return
        waiting: deque[Future[TensorBatch]] = deque()
        pool = ThreadPoolExecutor(self.num_workers, thread_name_prefix="batches")
        try:
            for step in range(start, len(chosen)):
                waiting.append(pool.submit(make, step))
                if len(waiting) > self.num_workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
