"""What every benchmark prints above its figures: machine, date, seed; and the table itself."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from modiste.files import write_atomically


def machine() -> dict[str, Any]:
    """Cores this process may use, processor model, Python, the date, and how busy the machine was."""
    model = platform.processor() or "unknown"
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line.split(":", 1)[1].strip() for line in information.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cores": cores,
        "processor": model,
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def show(title: str, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print the figures as a Markdown table below the machine and the settings, or as one JSON object."""
    here = machine()
    if as_json:
        print(
            json.dumps({"title": title, "machine": here, "settings": dict(settings), "rows": [dict(r) for r in rows]})
        )
        return
    print(f"### {title}\n")
    print(", ".join(f"{name} {value}" for name, value in {**here, **settings}.items()) + "\n")
    print(rows_table(rows))


def rows_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of the same fields as a Markdown table."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(str(row[name]) for name in rows[0]) + " |" for row in rows]
    return "\n".join(lines)


def circumstances(found: Mapping[str, Any]) -> str:
    """Machine and settings of a stored result, in one line."""
    return ", ".join(f"{key} {value}" for key, value in {**found["machine"], **found["settings"]}.items())


def write_result(path: Path, found: Any) -> None:
    """Keep what was measured there, as JSON."""
    write_atomically(path, (json.dumps(found, indent=1) + "\n").encode())


def kept_table(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    table: Callable[[dict[str, Any]], str],
) -> None:
    """A benchmark that takes long: print its table and keep in --out what it is made of; --table prints it again."""
    parser.add_argument("--out", type=Path, help="write what was measured there, as JSON")
    parser.add_argument("--table", type=Path, help="print the table of such a file and stop")
    options = parser.parse_args(arguments)
    if options.table:
        print(table(json.loads(options.table.read_text("utf-8"))))
        return
    found = measure(options)
    if options.out:
        write_result(options.out, found)
    print(table(found))


def show_values(result: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one result as JSON, or a line for each of its values."""
    if as_json:
        print(json.dumps(dict(result), indent=2))
        return
    for key, value in result.items():
        print(f"{key}: {value:.4g}" if isinstance(value, float) else f"{key}: {value}")
