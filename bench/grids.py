"""What benchmarks that are grids of short trainings have in common: cells that are done, and differences between rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Differences = NDArray[np.float64]  # (S,) of a row to the one that it is compared with, seed by seed


def finished(file: Path, settings: Any) -> dict[str, Any] | None:
    """A cell's result, if it is there; raises `ValueError` where it was run with other settings (a dataclass)."""
    if not file.exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if found["settings"] != asdict(settings):
        raise ValueError(f"{file} is of {found['settings']}; give another folder by --runs")
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
