"""`modiste evaluate recommendation`, through the front door."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from modiste.cli.app import run
from modiste.engine.tastes import FoldIn, Tastes, save_tastes


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two kinds of people, who click two kinds of outfits."""
    random = np.random.default_rng(0)
    outfits = "".join(f"o{number},i{number % 5}\no{number},i{5 + number % 3}\n" for number in range(40))
    (tmp_path / "outfits.csv").write_text("outfit_id,item_id\n" + outfits)
    clicks = [
        f"u{user},o{2 * outfit + user % 2},{'test' if at > 9 else 'valid' if at > 8 else 'train'}"
        for user in range(30)
        for at, outfit in enumerate(random.choice(20, size=12, replace=False))
    ]
    (tmp_path / "interactions.csv").write_text("user_id,outfit_id,split\n" + "\n".join(clicks))
    return tmp_path


def measured(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, float]:
    assert run(["evaluate", "recommendation", *map(str, arguments), "--json"]) == 0
    found: dict[str, float] = json.loads(capsys.readouterr().out)
    return found


def test_counted(shop: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    knn = measured(capsys, "--data", shop, "--model", "knn", "--out", tmp_path / "out.json")
    assert knn["protocol"] == "recommendation"
    assert knn["model"] == "knn"
    assert knn["split"] == "test"
    assert knn["num_users"] == 30
    assert knn["control_popularity_ndcg@20"] < knn["ndcg@20"] <= 1
    assert knn["recall@20"] > 0.9  # of her kind there are 20 outfits, of which she has clicked 10
    assert knn["hr@10"] > 0.9
    assert json.loads((tmp_path / "out.json").read_text()) == knn
    popularity = measured(capsys, "--data", shop, "--model", "popularity")
    assert popularity["control_knn_ndcg@20"] == knn["ndcg@20"]
    alone = measured(capsys, "--data", shop, "--model", "popularity", "--no-control", "--split", "valid")
    assert not any(key.startswith("control_") for key in alone)
    assert alone["num_positives"] == 30
    assert run(["evaluate", "recommendation", "--data", str(shop), "--model", "knn"]) == 0
    assert "ndcg@20" in capsys.readouterr().out


def test_held_out_clicks(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    held = shop / "held.csv"
    train = (shop / "interactions.csv").read_text().splitlines()[1].split(",")
    held.write_text(f"user_id,outfit_id\nu0,o1\nu1,o0\nu1,o99\n{train[0]},{train[1]}\n")
    found = measured(capsys, "--data", shop, "--model", "knn", "--test", held)
    assert (found["num_users"], found["num_positives"]) == (2, 2)
    assert found["test"] == str(held)
    assert found["recall@10"] < 0.5  # people of one kind do not click outfits of the other
    assert run(["evaluate", "recommendation", "--data", str(shop), "--model", "knn", "--test", str(held)]) == 0
    said = capsys.readouterr().err
    assert "2 rejected" in said
    assert run(["evaluate", "recommendation", "--data", str(shop), "--model", "knn", "--test", "no.csv"]) == 1
    assert "no.csv" in capsys.readouterr().err


def test_trained(shop: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    users, outfits = [f"u{n}" for n in range(29, -1, -1)], [f"o{n}" for n in range(40)]
    items = [f"i{n}" for n in range(8)]
    of_user = np.eye(2, dtype=np.float32)[[int(user[1:]) % 2 for user in users]]
    of_outfit = np.eye(2, dtype=np.float32)[[int(outfit[1:]) % 2 for outfit in outfits]]
    of_item = np.zeros((8, 2), np.float32)
    fold = FoldIn(of_outfit, of_item, np.zeros(2, np.float32))
    tastes = Tastes(tuple(users), tuple(outfits), tuple(items), of_user, of_outfit, of_item, fold, name="by-kind")
    folder = tmp_path / "run"
    folder.mkdir()
    save_tastes(folder, tastes)
    found = measured(capsys, "--data", shop, "--model", folder)
    assert found["model"] == "by-kind"
    assert len(str(found["sha256"])) == 64
    assert found["recall@10"] == pytest.approx(1)  # ten outfits of her kind are left, the two among them
    assert {"control_popularity_ndcg@20", "control_knn_ndcg@20"} <= found.keys()


def test_generated(capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(capsys, "--data", "atelier:400:0:200:60", "--model", "popularity", "--num-queries", 20)
    assert found["num_users"] == 20
    assert 0 < found["ndcg@20_chance"] < found["reference_ndcg@20"] < 1
    assert found["ratio_ndcg@20"] == pytest.approx(found["ndcg@20"] / found["reference_ndcg@20"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "best"], "'best' is neither: popularity or knn, or the folder of a trained recommender"),
        ([], "--model: popularity or knn"),
        (["--model", "knn", "--split", "train"], "no click in split 'train' to rank by"),
        (["--model", "knn", "--by", "cir"], "--by is an option of retrieval and outfits"),
        (["--model", "."], "give the folder of a trained recommender"),
    ],
)
def test_what_is_wrong_is_said(
    shop: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    assert run(["evaluate", "recommendation", "--data", str(shop), *arguments]) == 1
    assert message in capsys.readouterr().err
