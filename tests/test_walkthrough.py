"""The script of a new user's walk: what it types, where it stops, what it writes down."""

from __future__ import annotations

import os
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]
WALK = runpy.run_path(str(ROOT / "scripts" / "walkthrough.py"))


def test_commands_are_timed_and_a_failed_one_is_the_last(tmp_path: Path) -> None:
    steps = WALK["run"](["echo one; echo two", "echo no >&2; exit 3", "echo never"], tmp_path, dict(os.environ))
    assert [(step.code, step.last) for step in steps] == [(0, "two"), (3, "no")]
    assert all(step.seconds >= 0 for step in steps)


def test_the_log_is_a_page_with_every_step() -> None:
    step = WALK["Step"]
    parts = {"First": [step("a | b", 1.26, 0, "said `x` | y")], "Second": [step("bad", 59, 2, "oh")]}
    text = WALK["page"](parts, "abc, 2026-11-27", tests=False)
    assert "scripts/walkthrough.py --no-tests" in text
    assert "| `a \\| b` | 1.3 | said 'x' \\| y |" in text
    assert "**exit code 2**" in text
    assert "**1 minutes** in all" in text
    assert "Commit abc, 2026-11-27; cores " in text


def test_tutorials_are_walked_as_they_are_written() -> None:
    pages = runpy.run_path(str(ROOT / "tests" / "test_documented_commands.py"))
    typed = [
        line
        for page in (pages["CATALOGUE"], pages["OUTFITS"])
        for language, block, _ in pages["blocks"](page)
        if language == "sh"
        for line in pages["lines"](block)
    ]
    assert "python docs/tutorials/draw_shop.py my-shop" in typed
    assert sum(line.startswith("modiste") for line in typed) > 15
