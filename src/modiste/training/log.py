"""What a run writes and shows while it goes: `log.jsonl`, TensorBoard, and a progress line with the time left."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

Value = int | float


class RunLog:
    """One line of `log.jsonl` for each step that is logged or evaluated, the same to TensorBoard, and progress.

    Opening it drops what an earlier session logged after step `start`: those steps are about to happen again.
    """

    def __init__(self, folder: Path, start: int, total: int, progress: bool, console: Console | None = None) -> None:
        self._path = folder / "log.jsonl"
        truncate(self._path, start)
        self._file = self._path.open("a", encoding="utf-8")
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1)
        self.console = console or Console(stderr=True, highlight=False)
        self._total = total
        self._progress = progress
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[shown]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=not (progress and self.console.is_terminal),
        )
        self._task = self._bar.add_task(folder.name, total=total, completed=start, shown="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._file.close()
        self._board.close()

    def step(self, step: int) -> None:
        """The bar moves at every step."""
        self._bar.update(self._task, completed=step)

    def write(self, record: Mapping[str, Value]) -> None:
        """`record` must have "step"; numbers that JSON cannot say (nan, inf) are written as null."""
        step = int(record["step"])
        finite = {key: value if math.isfinite(value) else None for key, value in record.items()}
        self._file.write(json.dumps(finite) + "\n")
        self._file.flush()
        for key, value in record.items():
            if key not in ("step", "epoch", "seconds"):
                self._board.add_scalar(key if "/" in key else f"train/{key}", value, step)
        shown = "  ".join(
            f"{name} {record[key]:.4g}"
            for key, name in (("loss", "loss"), ("images_per_second", "img/s"))
            if key in record
        )
        self._bar.update(self._task, shown=shown)
        if self._progress and not self.console.is_terminal:
            self.console.print(f"step {step}/{self._total}  {shown}", markup=False)


def truncate(path: Path, last_step: int) -> None:
    """Keep only the whole lines of a log up to and including `last_step`; atomic. No file is an empty log."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            step = json.loads(line)["step"]
        except (ValueError, KeyError, TypeError):  # the line being written when the machine stopped
            continue
        if line.endswith("\n") and step <= last_step:
            kept.append(line)
    unfinished = path.with_name(f".unfinished_{path.name}")
    unfinished.write_text("".join(kept), encoding="utf-8")
    os.replace(unfinished, path)


def read_log(folder: Path) -> list[dict[str, float]]:
    """The lines of a run's log, in order of steps; raises `ValueError` when `folder` holds no log."""
    path = folder / "log.jsonl"
    if not path.is_file():
        raise ValueError(f"{folder} holds no log.jsonl; is it the folder of a run?")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
