"""Which task a step of multi-task training learns from: a pure function of (seed, epoch), as all sampling here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modiste.data.batches import TaskGroup, TensorBatch
from modiste.training.sampling import Loader

Sampling = Literal["proportional", "uniform", "round_robin", "all"]
SAMPLINGS: tuple[Sampling, ...] = ("proportional", "uniform", "round_robin", "all")


@dataclass(frozen=True, slots=True)
class TaskLoader:
    """One task's batch a step, drawn from the tasks' own loaders; each goes through its epochs at its own pace.

    "proportional" draws a task as often as it has batches (the paper's: by the size of its data), "uniform" all alike,
    "round_robin" takes turns, and "all" gives every step one batch of each task (`TaskGroup`).
    """

    loaders: Mapping[str, Loader[TensorBatch]]
    steps_per_epoch: int  # of the mixture; any number
    sampling: Sampling = "proportional"
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.loaders:
            raise ValueError("a TaskLoader needs at least one task's loader")
        if self.sampling not in SAMPLINGS:
            raise ValueError(f"unknown sampling {self.sampling!r}; choose one of {', '.join(SAMPLINGS)}")
        if self.steps_per_epoch < 1:
            raise ValueError(f"steps_per_epoch must be at least 1, not {self.steps_per_epoch}")

    def order(self, epoch: int) -> NDArray[np.int64]:
        """(steps_per_epoch,): the number of each step's task."""
        tasks, steps = len(self.loaders), self.steps_per_epoch
        if self.sampling == "round_robin":
            return (np.arange(epoch * steps, (epoch + 1) * steps) % tasks).astype(np.int64)
        sizes = np.array([one.steps_per_epoch for one in self.loaders.values()], float)
        shares = sizes / sizes.sum() if self.sampling == "proportional" else np.full(tasks, 1 / tasks)
        return np.random.default_rng([self.seed, epoch, tasks]).choice(tasks, size=steps, p=shares).astype(np.int64)

    def batches(self, epoch: int, start: int, rank: int, world_size: int) -> Iterator[TensorBatch]:
        """This process's share of the epoch's batches from step `start` on."""
        if self.sampling == "all":
            first = epoch * self.steps_per_epoch + start
            streams = [_endless(one, first, rank, world_size) for one in self.loaders.values()]
            for _ in range(start, self.steps_per_epoch):
                yield TaskGroup(tuple(next(stream) for stream in streams))  # type: ignore[misc]
            return
        taken = np.zeros(len(self.loaders), np.int64)  # batches of each task before this step
        for earlier in range(epoch):
            taken += np.bincount(self.order(earlier), minlength=len(taken))
        order = self.order(epoch)
        taken += np.bincount(order[:start], minlength=len(taken))
        streams = [
            _endless(one, int(before), rank, world_size)
            for one, before in zip(self.loaders.values(), taken, strict=True)
        ]
        for task in order[start:]:
            yield next(streams[task])


def _endless(loader: Loader[TensorBatch], taken: int, rank: int, world_size: int) -> Iterator[TensorBatch]:
    """A loader's batches from number `taken` on, epoch after epoch."""
    epoch, start = divmod(taken, loader.steps_per_epoch)
    while True:
        yield from loader.batches(epoch, start, rank, world_size)
        epoch, start = epoch + 1, 0
