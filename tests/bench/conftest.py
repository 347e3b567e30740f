"""What tests of benchmarks share: their modules, scripts in a folder of their own, and a catalogue of small photos."""

from __future__ import annotations

import csv
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(scope="session")
def bench_module() -> Callable[[str], Any]:
    """The module of a script in bench/ by its name."""

    def imported(name: str) -> Any:
        sys.path.insert(0, str(BENCH))
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove(str(BENCH))

    return imported


@pytest.fixture
def photo_tables(tmp_path: Path) -> Callable[..., Path]:
    """A folder with a table per split: so many small plain photos of two kinds in three colours."""

    def written(**counts: int) -> Path:
        folder = tmp_path / "catalogue"
        folder.mkdir()
        random = np.random.default_rng(0)
        for split, count in counts.items():
            with (folder / f"{split}.csv").open("w", newline="", encoding="utf-8") as file:
                table = csv.writer(file)
                table.writerow(["id", "title", "category", "image", "article_type", "sub_category", "colour"])
                for number in range(count):
                    name, kind = f"{split}{number}", ("shirt", "shoe")[number % 2]
                    colour = ("red", "green", "blue")[number % 3]
                    pixels = random.integers(0, 60, (40, 32, 3), dtype=np.uint8)
                    pixels[..., number % 3] += 190
                    Image.fromarray(pixels).save(folder / f"{name}.png")
                    table.writerow(
                        [name, f"{colour} {kind} number {number}", kind, f"{name}.png", kind, f"{kind}s", colour]
                    )
        return folder

    return written
