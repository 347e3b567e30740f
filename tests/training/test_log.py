"""What is written is JSON line by line; what is shown fits the terminal, or the file, that it goes to."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from modiste.training.log import RunLog, read_log


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_says_the_loss_the_speed_and_where_it_is(tmp_path: Path, is_terminal: bool) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=is_terminal, width=120)
    with RunLog(tmp_path, start=2, total=5, progress=True, console=console) as log:
        for step in (3, 4):
            log.step(step)
            log.write({"step": step, "epoch": 0, "loss": 1.25, "images_per_second": 321.0, "a/R@1": 0.5})
    for text in ("4/5", "loss 1.25", "img/s 321"):
        assert text in shown.getvalue()
    assert [line["a/R@1"] for line in read_log(tmp_path)] == [0.5, 0.5]


def test_nothing_is_shown_when_not_wanted(tmp_path: Path) -> None:
    shown = io.StringIO()
    with RunLog(tmp_path, 0, 5, progress=False, console=Console(file=shown, force_terminal=True)) as log:
        log.step(1)
        log.write({"step": 1, "loss": 1.0})
    assert shown.getvalue() == ""


def test_lines_are_json_even_for_what_json_cannot_say(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0, 5, progress=False) as log:
        log.write({"step": 1, "a/mrr": float("nan"), "b/auc": float("inf")})

    def refuse(word: str) -> None:
        raise AssertionError(word)

    line = (tmp_path / "log.jsonl").read_text()
    assert json.loads(line, parse_constant=refuse) == {"step": 1, "a/mrr": None, "b/auc": None}


def test_reopening_drops_what_is_about_to_happen_again(tmp_path: Path) -> None:
    with RunLog(tmp_path, 0, 5, progress=False) as log:
        for step in (1, 2, 3):
            log.write({"step": step, "loss": 0.0})
    with RunLog(tmp_path, 1, 5, progress=False) as log:
        log.write({"step": 2, "loss": 9.0})
    assert [(line["step"], line["loss"]) for line in read_log(tmp_path)] == [(1, 0.0), (2, 9.0)]
