"""What benchmarks that are grids of short trainings have in common: options, cells that are done, differences between rows."""

from __future__ import annotations

import argparse
import fnmatch
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from scipy import stats

RESULT = "result.json"  # of a cell, in its folder
Differences = NDArray[np.float64]  # (S,) of a row to the one that it is compared with, seed by seed


class Named(Protocol):
    @property
    def name(self) -> str: ...


RowT = TypeVar("RowT", bound=Named)


def grid_parser(doc: str | None, runs: str) -> argparse.ArgumentParser:
    """Where cells lie, which of them to run, and whether to collect them instead."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path(runs))
    parser.add_argument("--only", default="*", help="rows whose name fits this pattern")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--collect", type=Path, help="write the finished cells' table here and run nothing")
    return parser


def chosen(rows: Iterable[RowT], only: str) -> list[RowT]:
    """The rows whose name fits the pattern."""
    return [row for row in rows if fnmatch.fnmatch(row.name, only)]


def slug(name: str) -> str:
    """A row's name as a part of a folder's."""
    return re.sub(r"[^a-z0-9.]+", "_", name.lower()).strip("_")


def alone(folder: Path) -> FileLock:
    """Held while a cell is run, as several processes may work on one grid; raises `Timeout` when another one holds it."""
    return FileLock(folder.with_name(f"{folder.name}.lock"), timeout=0)


def finished(folder: Path, settings: Any) -> dict[str, Any] | None:
    """A cell's result, if it is there; raises `ValueError` where it was run with other settings (a dataclass)."""
    if not (file := folder / RESULT).exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if found["settings"] != asdict(settings):
        raise ValueError(f"{file} is of {found['settings']}; give another folder by --runs")
    return found


def all_finished(runs: Path) -> list[dict[str, Any]]:
    """The results of all cells, in order of their folders. Raises `SystemExit` where there is none."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(runs.glob(f"*/{RESULT}"))]
    if not found:
        raise SystemExit(f"{runs} has no finished cell")
    return found


def common_settings(cells: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The settings that all cells were run with; raises `ValueError` where they differ."""
    settings: dict[str, Any] = cells[0]["settings"]
    if any(cell["settings"] != settings for cell in cells):
        raise ValueError("these cells were not run with the same settings, so they do not make one table")
    return settings


def pooled(rows: Iterable[Differences]) -> tuple[float, int]:
    """The spread of one difference, pooled over all rows with two seeds and more, and its degrees of freedom."""
    several = [one for one in rows if len(one) > 1]
    freedom = sum(len(one) - 1 for one in several)
    squares = sum(float(((one - one.mean()) ** 2).sum()) for one in several)
    return float(np.sqrt(squares / freedom)) if freedom else float("nan"), freedom


def with_interval(apart: Differences, spread: float, freedom: int, places: int) -> list[float]:
    """[mean, low, high]: Student's interval of a row's mean difference, so rows with one seed have one too."""
    half = stats.t.ppf(0.975, freedom) * spread / np.sqrt(len(apart))
    return [round(float(apart.mean() + by), places) for by in (0, -half, half)]
