"""Walk the way of a new user, and write down how long each step takes: docs/walkthrough.md.

python scripts/walkthrough.py               a fresh clone, both commands of the README, both tutorials: 15 to 30 minutes
python scripts/walkthrough.py --no-tests    without `make test`, which is most of it

Run by the environment of a checkout that has what tests need. What is committed is cloned; the clone makes an environment of
its own, and nothing of this one is on its path. The commands of the tutorials are read from their pages, as
tests/test_documented_commands.py reads them.
"""

from __future__ import annotations

import argparse
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
OWN = ("PYTHONPATH", "MODISTE_DATA", "VIRTUAL_ENV", "PYTEST_ADDOPTS")  # of this environment, not of a new user's


@dataclass(frozen=True)
class Step:
    """One command as it was typed, what it took, and the last it said."""

    command: str
    seconds: float
    code: int
    last: str


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tests", action=argparse.BooleanOptionalAction, default=True, help="also run make test")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "walkthrough.md")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        parts = walk(Path(folder), tests=options.tests)
    options.out.write_text(page(parts, commit(), tests=options.tests), encoding="utf-8")
    failed = [step for steps in parts.values() for step in steps if step.code]
    for step in failed:
        print(f"{step.command}: exit code {step.code}: {step.last}", file=sys.stderr)
    return 1 if failed else 0


def walk(folder: Path, *, tests: bool) -> dict[str, list[Step]]:
    """Every step by part; a part ends at the first that fails."""
    clone = folder / "modiste"
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    activated = environment | {"PATH": f"{clone / '.venv' / 'bin'}:{environment['PATH']}"}
    readme = ["make demo ARGS=--no-serve", *(["make test"] if tests else [])]
    parts = {
        "A fresh clone": run([f"git clone --quiet {ROOT} modiste"], folder, environment),
        "The README's commands": run(readme, clone, environment),
    }
    pages = runpy.run_path(str(ROOT / "tests" / "test_documented_commands.py"))
    for title, source in (("A catalogue of one's own", pages["CATALOGUE"]), ("Outfits of one's own", pages["OUTFITS"])):
        typed = [
            line
            for language, block, _ in pages["blocks"](source)
            if language == "sh"
            for line in pages["lines"](block)
            if not any(line.startswith(start) for start in pages["NOT_RUN"])
        ]
        parts[title] = run(typed, clone, activated)
    return parts


def run(commands: Sequence[str], folder: Path, environment: dict[str, str]) -> list[Step]:
    steps = []
    for command in commands:
        print(f"$ {command}", flush=True)
        started = time.perf_counter()
        done = subprocess.run(
            command,
            shell=True,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        steps.append(Step(command, time.perf_counter() - started, done.returncode, said[-1] if said else ""))
        print(f"  {steps[-1].seconds:.1f} s, exit code {done.returncode}", flush=True)
        if done.returncode:
            print("\n".join(said[-40:]), file=sys.stderr)
            break
    return steps


def commit() -> str:
    done = subprocess.run(
        ["git", "log", "-1", "--format=%h, %ad", "--date=short"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip()


def page(parts: dict[str, list[Step]], version: str, *, tests: bool) -> str:
    """The log as a page."""
    machine = runpy.run_path(str(ROOT / "bench" / "report.py"))["machine"]()
    total = sum(step.seconds for steps in parts.values() for step in steps)
    typed = "python scripts/walkthrough.py" + ("" if tests else " --no-tests")
    where = ", ".join(f"{name} {machine[name]}" for name in ("cores", "processor", "python", "date", "load"))
    lines = [
        "# A new user's walk",
        "",
        f"What `{typed}` typed, in this order, and how long it took: from a clone of what is",
        "committed to outfits of one's own. Written by the script, not by hand.",
        "",
        f"Commit {version}; {where}. **{total / 60:.0f} minutes** in all, packages fetched and installed.",
    ]
    for title, steps in parts.items():
        lines += ["", f"## {title}", "", "| typed | s | the last it said |", "|---|---:|---|"]
        for step in steps:
            said = step.last.replace("|", "\\|").replace("`", "'")[:110]
            failed = f" **exit code {step.code}**" if step.code else ""
            typed = step.command.replace(str(ROOT), "ADDRESS").replace("|", "\\|")
            lines.append(f"| `{typed}` | {step.seconds:.1f} | {said.replace(str(ROOT), 'ADDRESS')}{failed} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
