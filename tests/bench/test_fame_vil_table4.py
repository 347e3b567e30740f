"""Table 4 in small: a tiny grid through its front door, gone on with, and its table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modiste.cli import run


@pytest.fixture(scope="session")
def table4(bench_module: Callable[[str], Any]) -> Any:
    return bench_module("fame_vil_table4")


@pytest.fixture
def catalogue(photo_tables: Callable[..., Path]) -> Path:
    return photo_tables(train=24, test=18)


def test_a_grid_is_run_once_and_collected(
    table4: Any, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start, runs, table = tmp_path / "start", tmp_path / "runs", tmp_path / "table.json"
    assert (
        run(["train", "fame_vil_clip_debug", f"data={catalogue}", "batch_size=8", "epochs=1", "--out", str(start)]) == 0
    )
    capsys.readouterr()

    def grid(*more: str) -> list[dict[str, Any]]:
        words = ["--runs", str(runs), "--data", str(catalogue), "--start", str(start / "model"), "--steps", "1"]
        monkeypatch.setattr(sys, "argv", ["fame_vil_table4.py", *words, "--batch-size", "4", *more])
        table4.main()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    first = grid("--only", table4.FULL, "--seeds", "0")
    assert [one["cell"] for one in first] == ["all-tsa-xaa-distil"]
    cells = {file.parent.name for file in runs.glob("*/result.json")}
    assert cells == {"all-tsa-xaa-distil-0", "xmr-tsa-0", "tgir-tsa-xaa-0", "scr-tsa-xaa-0", "fic-tsa-xaa-0"}
    before = (runs / "xmr-tsa-0" / "result.json").stat().st_mtime_ns
    assert len(grid("--only", table4.SINGLE, "--seeds", "0")) == 4  # the teachers are this row
    assert (runs / "xmr-tsa-0" / "result.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="--runs"):
        grid("--only", table4.SINGLE, "--seeds", "0", "--steps", "2")
    assert not grid("--collect", str(table))
    found = json.loads(table.read_text(encoding="utf-8"))
    by_row = {row["row"]: row for row in found["rows"]}
    assert set(by_row) == {table4.SINGLE, table4.FULL}
    full = by_row[table4.FULL]
    assert full["mean"] == pytest.approx(sum(full[task] for task in ("xmr", "tgir", "scr", "fic")) / 4, abs=0.02)
    assert 0 < full["parameters_share"] < 0.45


def test_rows_share_cells_and_every_row_has_its_own_way(table4: Any) -> None:
    cells = {row.name: [cell.slug for cell in row.cells()] for row in table4.ROWS}
    assert cells["STL"][0] == cells["STL + XAA"][0] == "xmr"
    assert cells["STL + TSA"][0] == cells[table4.SINGLE][0] == "xmr-tsa"
    assert all(len(slugs) == (1 if "STL" not in name else 4 if "XAA" in name else 3) for name, slugs in cells.items())
    shared = [slugs[0] for name, slugs in cells.items() if "STL" not in name]
    assert len(set(shared)) == len(shared)
    scores = table4.task_scores(
        {
            "xmr": {"t2i_R@1": 10.0, "i2t_R@1": 20.0}, "tgir": {"R@1": 1.0, "R@10": 30.0, "R@50": 50.0},
            "scr": {"scr_accuracy": 90.0, "scr_macro_f1": 0.7},
        },
        {"BLEU-4": 10.0, "CIDEr": 50.0},
    )  # fmt: skip
    assert scores == pytest.approx({"xmr": 15, "tgir": 40, "scr": 80, "fic": 30})
