"""Run by test_processes.py under torchrun, and partly without it: embed a table, train each system for two steps, divide a
model among the processes.

What is drawn anew in each process is drawn once here, or left out: batches are made whole and then shared, dropout and
augmentation are off, running statistics stand still. What is left is the arithmetic, which must not depend on the number of
processes.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from modiste.cli import run as modiste
from modiste.data.batches import TensorBatch
from modiste.recipes.registry import build_run
from modiste.training.loop import train

SYSTEMS: Mapping[str, tuple[str, ...]] = {
    "dual_encoder_debug": ("data=atelier:40", "extra_rows=0", "dropout=0"),
    "outfit_transformer_debug": ("tag_dropout=0", "modality_dropout=0"),
    "hfgn_debug": ("shape=feature_dropout=0,edge_dropout=0",),
    "mvlt_debug": ("data=atelier:40", "drop_path=0"),
    "fame_vil_debug": (),
    "grnet_debug": ("data=atelier:24",),
}
QUICK = ("outfit_transformer_debug", "hfgn_debug")


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


def two_steps(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        made = build_run(name, SYSTEMS[name])
        run = dataclasses.replace(
            made, max_steps=2, epochs=None, evals={}, select=None, patience=None, publish=None, precision="fp32", log_every=1,
            loader=Shared(made.loader), augment=None, model=lambda made=made: calm(made.model), ema_decay=0.0,
        )  # fmt: skip
        train(run, folder / name, device="cpu", progress=False)


if __name__ == "__main__":
    folder, table, model, *names = sys.argv[1:]
    torch.set_num_threads(1)
    if modiste(["embed", table, "--out", f"{folder}/vectors", "--model", model, "--shards", "4"]):
        raise SystemExit("embedding failed")
    two_steps(Path(folder), names)
    if len(names) == len(SYSTEMS):
        sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
        import fsdp

        fsdp.main(["--fields", "data=atelier:32", "--steps", "2", "--out", f"{folder}/fsdp.json"])
