"""The bench of recommenders: a tiny grid through its front door, gone on with; its ranking against sorting."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modiste.data.interactions import load_interactions
from modiste.models.recommenders import Popularity


@pytest.fixture(scope="session")
def bench(bench_module: Callable[[str], Any]) -> Any:
    return bench_module("recommendation")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two kinds of people, who click two kinds of outfits."""
    folder = tmp_path / "shop"
    folder.mkdir()
    random = np.random.default_rng(0)
    outfits = "".join(f"o{number},i{number % 5}\no{number},i{5 + number % 3}\n" for number in range(80))
    (folder / "outfits.csv").write_text("outfit_id,item_id\n" + outfits)
    clicks = [
        f"u{user},o{2 * outfit + user % 2}"
        for user in range(60)
        for outfit in random.choice(40, size=random.integers(4, 16), replace=False)
    ]
    (folder / "interactions.csv").write_text("user_id,outfit_id\n" + "\n".join(clicks))
    return folder


def test_a_grid(bench: Any, shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["popularity", "knn", "bpr_mf_ifashion size=debug epochs=2 batch_size=64 warmup_steps=2"]
    if peer := importlib.util.find_spec("implicit") is not None:
        rows.append("implicit-als")
    arguments = ["--data", str(shop), "--runs", str(tmp_path / "runs"), "--resamples", "50", "--beside", "knn"]
    arguments += ["--rows", *rows, "--seeds", "0", "1", "--out", str(tmp_path / "out.json")]
    bench.main(arguments)
    found = json.loads((tmp_path / "out.json").read_text())
    assert list(found["rows"]) == rows
    assert found["data"] == "shop"  # no place of this machine
    knn, trained = found["rows"]["knn"], found["rows"][rows[2]]
    assert knn["seeds"] == [0]
    assert trained["seeds"] == [0, 1]
    assert trained["epochs"] == 2
    assert trained["seconds_per_epoch"] > 0
    assert trained["metrics"]["ndcg@20"]["mean"] == pytest.approx(np.mean(trained["metrics"]["ndcg@20"]["seeds"]))
    popularity = found["rows"]["popularity"]["metrics"]["ndcg@20"]
    assert popularity["low"] < popularity["mean"] < popularity["high"]
    assert popularity["ratio"]["mean"] == pytest.approx(popularity["mean"] / knn["metrics"]["ndcg@20"]["mean"])
    assert popularity["ratio"]["mean"] < 1
    if peer:
        assert found["rows"]["implicit-als"]["setting"].keys() == {"alpha", "regularization"}
        assert found["rows"]["implicit-als"]["own_ranking_seconds"] > 0
    printed = capsys.readouterr().out
    assert f"| `{rows[2]}` | 2 |" in printed
    cells = sorted((tmp_path / "runs").glob("*.test.json"))
    times = [cell.stat().st_mtime_ns for cell in cells]
    bench.main(arguments)
    assert [cell.stat().st_mtime_ns for cell in cells] == times  # what is finished is not run again
    assert capsys.readouterr().out == printed
    bench.main(["--table", str(tmp_path / "out.json")])
    assert capsys.readouterr().out == printed


def test_ranking(bench: Any, shop: Path) -> None:
    data = load_interactions(shop)
    known = (data.clicks["train"] + data.clicks["valid"]).toarray() > 0

    class Drawn:
        table = np.random.default_rng(0).normal(size=(data.num_users, data.num_outfits)).astype(np.float32)

        def scores(self, users: np.ndarray) -> np.ndarray:
            return self.table[users]

    found = bench.rank_all(data, Drawn(), 7)
    for user in range(data.num_users):
        order = [outfit for outfit in np.argsort(-Drawn.table[user]) if not known[user, outfit]]
        assert found[user].tolist() == order[:7]
    assert bench.rank_all(data, Popularity(data)).shape == (data.num_users, 50)
