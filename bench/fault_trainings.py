"""Training and its checkpoints as jobs to be killed; see fault_jobs.py. Apart, because torch takes seconds to import."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "training"))

from toys import toy_run

from killing import Log
from modiste.training.checkpoint import latest_checkpoint, load_checkpoint, load_tensors, save_checkpoint
from modiste.training.log import read_log
from modiste.training.loop import train


class Training:
    """A toy that trains for twelve steps with a checkpoint after every third."""

    name = "training"
    _train = staticmethod(partial(train, device="cpu", progress=False))

    def run(self) -> Any:
        return toy_run(ema_decay=0.9, checkpoint_every_steps=3)

    def prepare(self, folder: Path) -> None:
        self._train(self.run(), folder / "uninterrupted")

    def work(self, folder: Path, turn: int, log: Log) -> None:
        self._train(self.run(), folder / f"run-{turn}")

    def held(self, folder: Path, turn: int, acknowledged: Sequence[str]) -> None:
        run = folder / f"run-{turn}"
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a damaged checkpoint would be passed over with a warning
            found = latest_checkpoint(run / "checkpoints")
        if found is not None:
            load_checkpoint(found)
        if (run / "model.safetensors").exists():
            load_tensors(run / "model.safetensors")

    def done(self, folder: Path, turn: int) -> None:
        run, whole = folder / f"run-{turn}", folder / "uninterrupted"
        mine, theirs = (load_tensors(one / "model.safetensors") for one in (run, whole))
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items()), "other weights"
        steps = [[(line["step"], line["loss"]) for line in read_log(one)] for one in (run, whole)]
        assert steps[0] == steps[1], "another log"


class Checkpoints:
    """Checkpoints one after the other, the last two kept."""

    name = "checkpoints"

    def prepare(self, folder: Path) -> None:
        pass

    def _tensors(self, step: int) -> dict[str, dict[str, torch.Tensor]]:
        return {part: {"w": torch.full((64, 64), float(step))} for part in ("model", "optimizer", "ema")}

    def work(self, folder: Path, turn: int, log: Log) -> None:
        for step in range(10 * turn + 1, 10 * turn + 5):
            save_checkpoint(folder / "checkpoints", step, self._tensors(step), {"step": step}, keep=2)
            log.add(str(step))

    def held(self, folder: Path, turn: int, acknowledged: Sequence[str]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = latest_checkpoint(folder / "checkpoints")
        if found is None:
            assert not acknowledged
            assert turn == 0
            return
        read = load_checkpoint(found)
        assert read.step >= max([int(one) for one in acknowledged], default=10 * turn - 6)
        assert read.state == {"step": read.step}
        assert all(bool((named["w"] == read.step).all()) for named in read.tensors.values())
        assert read.tensors.keys() == {"model", "optimizer", "ema"}

    def done(self, folder: Path, turn: int) -> None:
        self.held(folder, turn, [str(10 * turn + 4)])


JOBS = (Training(), Checkpoints())
