"""Run by test_processes.py, under torchrun and without it: two steps of each system that the one loop trains.

What is drawn anew in each process is drawn once here, or left out: batches are made whole and then shared, dropout and
augmentation are off, running statistics stand still. What is left is the arithmetic, which must not depend on the number of
processes.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from modiste.data.batches import TensorBatch
from modiste.recipes.registry import build_run
from modiste.training.loop import train

SYSTEMS: Mapping[str, tuple[str, ...]] = {
    "dual_encoder_debug": ("data=atelier:64", "extra_rows=0"),
    "mvlt_debug": ("data=atelier:64",),
    "outfit_transformer_debug": ("tag_dropout=0", "modality_dropout=0"),
    "fame_vil_debug": (),
    "grnet_debug": ("data=atelier:24",),
    "hfgn_debug": ("shape=feature_dropout=0,edge_dropout=0",),
}


@dataclass(frozen=True)
class Shared:
    """Batches as one process makes them, of which each process gets its rows."""

    loader: Any

    @property
    def steps_per_epoch(self) -> int:
        return int(self.loader.steps_per_epoch)

    def batches(self, epoch: int, start: int, rank: int, world_size: int) -> Iterator[TensorBatch]:
        for batch in self.loader.batches(epoch, start, 0, 1):
            yield batch.split(world_size)[rank]


def calm(build: Callable[[], nn.Module]) -> nn.Module:
    """The model, its dropout off and its running statistics at rest, whatever mode it is put into."""
    model = build()
    for module in model.modules():
        if isinstance(module, nn.Dropout | nn.modules.batchnorm._BatchNorm):
            module.eval()
            module.train = lambda mode=True, module=module: module  # type: ignore[method-assign]
    return model


def main(folder: Path, names: list[str]) -> None:
    torch.nn.functional.dropout = lambda x, *_, **__: x  # type: ignore[assignment]
    for name in names or SYSTEMS:
        run = build_run(name, SYSTEMS[name])
        run = dataclasses.replace(
            run, max_steps=2, epochs=None, evals={}, select=None, patience=None, publish=None, precision="fp32", log_every=1,
            loader=Shared(run.loader), augment=None, model=lambda run=run: calm(run.model), ema_decay=0.0,
        )  # fmt: skip
        train(run, folder / name, device="cpu", progress=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
