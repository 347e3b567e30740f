"""A model small enough to train in a test, with dropout, and data made of nothing but a seed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from modiste.data.batches import ImageTextBatch
from modiste.training.loop import Run
from modiste.training.sampling import IndexLoader

NUM_ITEMS, BATCH_SIZE = 24, 8


def make_batch(indices: NDArray[np.int64], random: np.random.Generator, noise: float = 0.1) -> ImageTextBatch:
    """Item i's picture is drawn by generator i, and augmented with noise from `random`."""
    images = np.stack([np.random.default_rng(int(at)).normal(size=(3, 4, 4)) for at in indices])
    images += noise * random.normal(size=images.shape)
    tokens = torch.from_numpy(indices[:, None] % 7 + np.arange(5))
    return ImageTextBatch(
        images=torch.from_numpy(images).float(),
        token_ids=tokens,
        attention_mask=torch.ones_like(tokens, dtype=torch.bool),
        item_ids=torch.from_numpy(indices),
    )


class Toy(nn.Module):
    """Tells an item's remainder from its picture; two losses that are means over rows, one metric."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(16, 8)
        self.norm = nn.BatchNorm1d(48)
        self.hidden = nn.Linear(48, 8)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(8, 3)
        self.logit_scale = nn.Parameter(torch.tensor(1.0))

    def losses(self, batch: ImageTextBatch) -> dict[str, Tensor]:
        pixels = self.norm(batch.images.flatten(1)) if self.training else batch.images.flatten(1)
        x = self.dropout(torch.tanh(self.hidden(pixels)))  # (B, 8)
        words = self.embedding(batch.token_ids).mean(dim=1)
        logits = self.head(x) * self.logit_scale
        targets = batch.item_ids % 3
        return {
            "kind_loss": nn.functional.cross_entropy(logits, targets),
            "word_loss": (x - words).square().mean(),
            "accuracy": (logits.argmax(dim=1) == targets).float().mean(),
        }


class ToyWithoutStatistics(Toy):
    """No batch norm and no dropout: the losses of a batch are the means of the losses of its rows."""

    def __init__(self) -> None:
        super().__init__(dropout=0.0)
        self.norm = nn.Identity()  # type: ignore[assignment]


def toy_run(**fields: Any) -> Run:
    """Three steps an epoch."""
    standard: Mapping[str, Any] = {
        "name": "toy",
        "model": Toy,
        "loader": IndexLoader(make_batch, NUM_ITEMS, BATCH_SIZE),
        "learning_rate": 1e-2,
        "epochs": 4,
        "warmup_steps": 2,
        "log_every": 1,
        "precision": "fp32",
        "checkpoint_every_seconds": None,
    }
    return Run(**{**standard, **fields})
