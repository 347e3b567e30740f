"""Where the commands write: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

results = Console()
errors = Console(stderr=True)


def say(text: str, *, markup: bool = False) -> None:
    """A sentence for people on standard output, never broken in mid-path."""
    results.print(text, markup=markup, highlight=False, soft_wrap=True)


def complain(text: str) -> None:
    """An error on standard error, one line however long."""
    errors.print("[bold red]error:[/]", end=" ")
    errors.print(text, markup=False, highlight=False, soft_wrap=True)


def print_json(value: Mapping[str, Any] | list[Any]) -> None:
    """The result as JSON on standard output and nothing else there."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def progress_bar(unit: str = "items") -> Progress:
    """A bar on standard error with count, rate and time left; silent where nobody watches."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", justify="right"),
        TextColumn(unit),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
