"""The grid of GRNet and its baseline: a tiny one through its front door, gone on with; its intervals against plain loops."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def ablation(bench_module: Callable[[str], Any]) -> Any:
    return bench_module("grnet_ablation")


def test_a_grid_is_run_once_and_collected(
    ablation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, table = tmp_path / "runs", tmp_path / "table.json"

    def grid(*more: str) -> list[dict[str, Any]]:
        words = [
            "--runs",
            str(runs),
            "--data",
            "atelier",
            "--source",
            "atelier:24",
            "--size",
            "debug",
            "--start",
            "none",
        ]
        words += ["--products", "10", "--photos", "2", "--batch-size", "5", "--shortlist", "5", "--seeds", "0"]
        monkeypatch.setattr(sys, "argv", ["grnet_ablation.py", *words, *more])
        ablation.main()
        return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]

    found = grid("--steps", "2", "--only", "G*") + grid("--steps", "2", "--only", "*embedding")
    assert [one["row"] for one in found] == ["GRNet", "global embedding"]
    assert "first/top-1" in found[0]
    assert "first/top-1" not in found[1], "the baseline is not judged again"
    before = (runs / "atelier-grnet-0" / "result.json").stat().st_mtime_ns
    assert grid("--steps", "2", "--only", "G*") == found[:1]
    assert (runs / "atelier-grnet-0" / "result.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="--runs"):
        grid("--steps", "3", "--only", "G*")
    assert not grid("--steps", "2", "--collect", str(table))
    told = json.loads(table.read_text(encoding="utf-8"))
    rows = {row["row"]: row for row in told["rows"]}
    assert rows["GRNet"]["top"]["all"]["top-1"] == pytest.approx(found[0]["top-1"], abs=0.01)
    gain = rows["GRNet"]["top"]["all"]["top-1 - global embedding"]
    assert gain["mean"] == pytest.approx(found[0]["top-1"] - found[1]["top-1"], abs=0.02)
    assert gain["by_seed"] == [gain["mean"]]
    assert gain["low"] <= gain["mean"] <= gain["high"]


def test_every_row_is_a_recipe_that_can_be_built(ablation: Any, tmp_path: Path) -> None:
    from modiste.recipes.grnet import model_config

    grid = ablation.Grid(tmp_path, ablation.Settings())
    configs = {row.name: model_config(grid.recipe(row, "atelier", 0)) for row in ablation.ROWS}
    assert configs["one scale"].pyramid == (3,)
    assert [configs[name].steps for name in ("no reasoning", "one step", "GRNet", "three steps")] == [0, 1, 2, 3]
    assert not configs["no edges between scales"].cross_scale
    alone = configs["graph alone, as published"]
    assert (alone.cosine_term, alone.window_term, alone.node_bias) == (False, False, False)
    assert configs["graph alone"].node_bias
    assert not configs["no constant in nodes"].node_bias
    assert configs["windows count alike"].node_bias
    assert [configs[name].window_weights for name in ("GRNet", "windows count alike")] == [True, False]
    assert {config.image_size for config in configs.values()} == {(60, 80)}
    assert model_config(grid.recipe(ablation.ROWS[0], "products", 0)).image_size == (80, 80)


def test_intervals_draw_products_and_seeds(ablation: Any) -> None:
    random = np.random.default_rng(3)
    products = np.repeat(np.arange(50), 4)
    apart = (random.random((3, 50)) < 0.3).astype(float).repeat(4, axis=1) - (random.random((3, 200)) < 0.1)
    found = ablation.interval(apart, products, 2_000)
    assert found["mean"] == round(100 * apart.mean(), 2)
    # The slow, obvious version, with other draws.
    means = []
    for _ in range(2_000):
        drawn = np.concatenate([np.flatnonzero(products == one) for one in random.integers(50, size=50)])
        means.append(np.mean([apart[seed][drawn].mean() for seed in random.integers(3, size=3)]))
    low, high = np.quantile(means, [0.025, 0.975])
    assert found["low"] == pytest.approx(100 * low, abs=1)
    assert found["high"] == pytest.approx(100 * high, abs=1)
    same = ablation.interval(np.ones((2, 200)), products, 200)
    assert same == {"mean": 100.0, "low": 100.0, "high": 100.0}


def test_hard_slices_are_those_of_the_photos(ablation: Any) -> None:
    from modiste.data.consumer_to_shop import ShopPhotos
    from modiste.types import Item

    photo = np.zeros((4, 4, 3), np.uint8)
    shop = tuple(Item(f"s{n}", image=photo, group=f"p{n}") for n in range(4))
    customer = tuple(Item(f"c{n}", image=photo, group=f"p{n}") for n in range(4))
    levels = {"view": ("strong", "none", "none", "some"), "occlusion": ("none", "none", "strong", "none"),
              "cropping": ("strong", "none", "none", "none")}  # fmt: skip
    found = ablation.rows_of_slices(ShopPhotos(shop, customer, levels))
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "all": [0, 1, 2, 3], "view=strong": [0], "occlusion=strong": [2], "cropping=strong": [0], "hard": [0, 2],
    }  # fmt: skip
