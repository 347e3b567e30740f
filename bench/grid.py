"""What grids of short trainings share: cells are folders, finished when their result is there; options; the table's cells."""

from __future__ import annotations

import argparse
import fnmatch
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

from filelock import FileLock

RESULT = "result.json"


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


def said(settings: Any) -> dict[str, Any]:
    """Settings, a dataclass, as they are when a result is read again."""
    found: dict[str, Any] = json.loads(json.dumps(asdict(settings)))
    return found


def alone(folder: Path) -> FileLock:
    """Held while a cell is run, as several processes may work on one grid; raises `Timeout` when another one holds it."""
    return FileLock(folder.with_name(f"{folder.name}.lock"), timeout=0)


def finished(folder: Path, settings: Any) -> dict[str, Any] | None:
    """A cell's result; None where it is not there yet. Raises `ValueError` for one of other settings."""
    if not (file := folder / RESULT).exists():
        return None
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if found["settings"] != said(settings):
        raise ValueError(f"{file} is of {found['settings']}; give another folder by --runs")
    return found


def all_finished(runs: Path) -> list[dict[str, Any]]:
    """The results of all cells, by folder. Raises `SystemExit` where there is none."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(runs.glob(f"*/{RESULT}"))]
    if not found:
        raise SystemExit(f"{runs} has no finished cell")
    return found


def common_settings(cells: list[dict[str, Any]]) -> Any:
    """What all cells were run with. Raises `ValueError` when that is not the same."""
    if any(cell["settings"] != cells[0]["settings"] for cell in cells):
        raise ValueError("these cells were not run with the same settings, so they do not make one table")
    return cells[0]["settings"]
