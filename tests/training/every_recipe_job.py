"""Run by test_processes.py under torchrun and without it: two steps of each system that one loop trains."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from pathlib import Path

from modiste.recipes.registry import build_run
from modiste.training.loop import train

# What would be drawn anew in each process is left out where a field says so: then the losses are the same, not just alike.
SYSTEMS: Mapping[str, tuple[str, ...]] = {
    "dual_encoder_debug": ("data=atelier:64", "extra_rows=0", "dropout=0", "drop_token_rate=0", "augmentation=0"),
    "mvlt_debug": ("data=atelier:64",),
    "outfit_transformer_debug": (),
    "fame_vil_debug": (),
    "fame_vil_clip_debug": (),
    "grnet_debug": (),
    "hfgn_debug": (),
}


def main(folder: Path, names: list[str]) -> None:
    for name in names or SYSTEMS:
        run = build_run(name, SYSTEMS[name])
        run = dataclasses.replace(
            run, max_steps=2, epochs=None, evals={}, select=None, patience=None, publish=None, precision="fp32", log_every=1
        )  # fmt: skip
        train(run, folder / name, device="cpu", progress=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
