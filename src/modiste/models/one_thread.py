"""Small work on one thread.

A layer of a small model takes less time than waking a thread that sleeps, and what comes after a pause, as a query does, finds
them all asleep: with two threads a single query takes two to four times as long as with one, and keeps a core from the next.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController
from torch import nn

LIMIT = 40_000_000  # rows times parameters: up to six photos of the model that ships, not one of a published CLIP


def weight_of(model: object) -> int:
    """Parameters of a model; 0 for what is none of torch's, and brings threads of its own."""
    return sum(one.numel() for one in model.parameters()) if isinstance(model, nn.Module) else 0


def threads_for(rows: int, weight: int) -> AbstractContextManager[Any]:
    """Inside, this thread computes alone if so many rows through a model of that `weight_of` are small work."""
    return _openmp().limit(limits=1) if 0 < rows * weight <= LIMIT else nullcontext()


@lru_cache(maxsize=1)
def _openmp() -> ThreadpoolController:
    """The OpenMP runtimes of this process; what is set by them counts for the calling thread alone."""
    return ThreadpoolController().select(user_api="openmp")
