"""The grid of ablations: a tiny one through its front door, gone on with; its table against scipy's paired test."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats


@pytest.fixture(scope="session")
def ablation(bench_module: Callable[[str], Any]) -> Any:
    return bench_module("mvlt_ablation")


@pytest.fixture
def catalogue(photo_tables: Callable[..., Path]) -> Path:
    return photo_tables(train=136, test=104)


def test_a_grid_is_run_once_and_collected(
    ablation: Any, catalogue: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, table = tmp_path / "runs", tmp_path / "table.json"

    def grid(*more: str) -> list[dict[str, Any]]:
        words = ["--runs", str(runs), "--data", str(catalogue), "--budget", "32", "--reading", "64", "--queries", "2"]
        monkeypatch.setattr(sys, "argv", ["mvlt_ablation.py", *words, "--batch-size", "16", *more])
        ablation.main()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    # "no start" needs no other training than its own; "ITM" starts from MIR alone.
    first = grid("--only", "ITM", "--seeds", "0") + grid("--only", "no start", "--seeds", "0")
    assert [(one["row"], one["seed"]) for one in first] == [("ITM", 0), ("no start", 0)]
    assert "psnr" not in first[0], "nothing is painted where MIR was not learned"
    assert first[1]["psnr"] > 0
    before = (runs / "itm-0" / "result.json").stat().st_mtime_ns
    assert grid("--only", "ITM", "--seeds", "0") == first[:1]
    assert (runs / "itm-0" / "result.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="--runs"):
        grid("--only", "ITM", "--seeds", "0", "--reading", "32")
    assert not grid("--collect", str(table))
    found = json.loads(table.read_text(encoding="utf-8"))
    assert {row["row"]: row["seeds"] for row in found["rows"]} == {"ITM": 1, "no start": 1}
    assert found["rows"][0]["vectors_sum"] == first[0]["vectors_sum"]


def test_differences_are_paired_and_their_interval_is_students(ablation: Any) -> None:
    random = np.random.default_rng(1)
    values = {name: random.normal(size=3) + 10 for name in (ablation.FINAL, "ITM", "ITM + MIR", "unit 4")}

    def cell(name: str, seed: int) -> dict[str, Any]:
        return {"row": name, "seed": seed, "settings": {}, "vectors": {"sum": float(values[name][seed])}}

    cells = [cell(name, seed) for name in (ablation.FINAL, "ITM") for seed in range(3)]
    row = {one["row"]: one for one in ablation.collect(cells)["rows"]}["ITM"]
    expected = stats.ttest_rel(values["ITM"], values[ablation.FINAL]).confidence_interval()
    apart = (values["ITM"] - values[ablation.FINAL]).mean()
    np.testing.assert_allclose(row["vectors_sum_difference"], [apart, *expected], atol=1e-3)

    cells += [*(cell("ITM + MIR", seed) for seed in range(3)), cell("unit 4", 2)]
    rows = {one["row"]: one for one in ablation.collect(cells)["rows"]}
    assert rows[ablation.FINAL]["vectors_sum"] == pytest.approx(values[ablation.FINAL].mean(), abs=1e-3)
    spread = np.sqrt(
        sum(np.var(values[name] - values[ablation.FINAL], ddof=1) for name in ("ITM", "ITM + MIR")) / 2
    )  # pooled over rows with several seeds: 4 degrees of freedom, which a row with one seed has too
    mean, low, high = rows["unit 4"]["vectors_sum_difference"]
    assert mean == pytest.approx(values["unit 4"][2] - values[ablation.FINAL][2], abs=1e-3)
    assert (high - low) / 2 == pytest.approx(stats.t.ppf(0.975, 4) * spread, abs=2e-3)
    with pytest.raises(ValueError, match="same settings"):
        ablation.collect([*cells, cell("ITM", 0) | {"settings": {"budget": 1}}])
