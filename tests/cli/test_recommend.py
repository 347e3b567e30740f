"""Recommending through the front door: clicks ingested, tastes attached, looks for a person, looks made anew."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modiste.engine.catalogue import Catalogue
from modiste.engine.tastes import FoldIn, Tastes, save_tastes

KINDS = (("t-shirt", "shirt", "blouse"), ("jeans", "trousers", "skirt"), ("sneakers", "pumps", "boots", "loafers"))


@pytest.fixture
def stocked(indexed: Path, shop: Path, tmp_path: Path) -> Path:
    """The indexed shop with looks of its own, `look-0` and on."""
    folder = tmp_path / "shop"
    shutil.copytree(indexed, folder)
    with shop.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    parts = [[row["id"] for row in rows if row["category"] in kinds] for kinds in KINDS]
    looks = [
        {"outfit_id": f"look-{at}", "items": [{"item_id": part[at % len(part)]} for part in parts]} for at in range(6)
    ]
    (folder / "looks.jsonl").write_text("\n".join(map(json.dumps, looks)), encoding="utf-8")
    return folder


def looks_of(folder: Path) -> dict[str, list[str]]:
    lines = (folder / "looks.jsonl").read_text(encoding="utf-8").splitlines()
    return {one["outfit_id"]: [item["item_id"] for item in one["items"]] for one in map(json.loads, lines)}


@pytest.fixture
def trained(stocked: Path, tmp_path: Path) -> Path:
    """Tastes of that shop in which anna likes look-0 best, then look-1, and so on."""
    looks = looks_of(stocked)
    items = sorted(Catalogue.open(stocked).snapshot().ids.to_pylist())
    axes = np.eye(6, dtype=np.float32)
    vectors = np.stack([sum((axes[at] for at in range(6) if one in looks[f"look-{at}"]), np.zeros(6)) for one in items])
    vectors = vectors.astype(np.float32)
    users = np.array([[6, 5, 4, 3, 2, 1], [1, 2, 3, 4, 5, 6]], np.float32)
    fold = FoldIn(axes, vectors, np.full(6, 0.01, np.float32))
    tastes = Tastes(("anna", "ben"), tuple(sorted(looks)), tuple(items), users, axes, vectors, fold, name="toy")
    return save_tastes(tmp_path / "trained", tastes)


def test_from_clicks_to_looks_for_a_person(
    modiste: Callable[..., Any], stocked: Path, trained: Path, tmp_path: Path
) -> None:
    table = tmp_path / "clicks.csv"
    table.write_text(
        "user,look_id,weight\nanna,look-2,1\nanna,look-2,1\ncarl,look-9,1\n,look-1,1\ncarl,look-5,often\nben,look-5,0\nben,look-4,1\n"
    )
    done = modiste("tastes", "ingest", stocked, table, "--json")
    assert done.code == 0
    assert {name: done.json[name] for name in ("rows", "rejected", "added", "users", "clicks")} == {
        "rows": 7, "rejected": 4, "added": 2, "users": 2, "clicks": 2,
    }  # fmt: skip
    reasons = [json.loads(line) for line in (stocked / "rejected_clicks.jsonl").read_text().splitlines()]
    assert [(one["row"], one["field"]) for one in reasons] == [
        (2, "outfit_id"),
        (3, "outfit_id"),
        (4, "user_id"),
        (5, "weight"),
    ]
    parquet = tmp_path / "clicks.parquet"
    pq.write_table(pa.table({"user_id": ["ben", "dora"], "outfit_id": ["look-4", "look-1"]}), parquet)
    again = modiste("tastes", "ingest", stocked, parquet)
    assert "1 clicks are new of 2 rows; now 3 of 3 people" in again.out

    before = modiste("recommend", stocked, "--user", "dora", "--json").json
    assert not before["trained"]
    assert before["method"].startswith("nearest stored looks")
    told = modiste("tastes", "attach", stocked, trained)
    assert "toy: 2 people, 6 outfits" in told.out
    assert "of which this catalogue has" in told.out
    found = modiste("recommend", stocked, "--user", "anna", "-n", "3", "--json").json
    assert [one["id"] for one in found["looks"]] == ["look-0", "look-1", "look-3"]  # look-2 is hers already
    assert found["method"] == "her trained taste"
    assert found["looks"][0]["reasons"][0]["liked"] == "look-2"
    assert [one["id"] for one in modiste("recommend", stocked, "-u", "anna", "--again", "--json").json["looks"]][
        2
    ] == "look-2"

    assert (
        "anna took look-0; 2 things are known of her" in modiste("tastes", "click", stocked, "look-0", "-u", "anna").out
    )
    after = modiste("recommend", stocked, "--user", "anna", "--json").json
    assert "look-0" not in [one["id"] for one in after["looks"]]
    assert after["method"] == "her trained taste and 1 newer like"
    shown = modiste("tastes", "show", stocked, "--json").json
    assert (shown["tastes"]["name"], shown["users"], shown["clicks"]) == ("toy", 3, 4)
    assert "toy" in modiste("tastes", "show", stocked).out

    exported = modiste("tastes", "export", stocked, tmp_path / "train")
    assert exported.code == 0, exported.err
    from modiste.data.interactions import load_interactions

    data = load_interactions(str(tmp_path / "train"))
    assert (data.num_users, data.num_outfits) == (3, 6)
    assert sum(one.nnz for one in data.clicks.values()) == 4

    assert "2 clicks of anna are deleted" in modiste("tastes", "forget", stocked, "--user", "anna").out
    assert modiste("tastes", "show", stocked, "--json").json["users"] == 2


def test_a_new_person_by_likes_and_a_photo_and_looks_made_for_her(
    modiste: Callable[..., Any], stocked: Path, trained: Path, photo: Path, tmp_path: Path
) -> None:
    modiste("tastes", "attach", stocked, trained)
    looks = looks_of(stocked)
    liked = looks["look-3"][0]
    page = tmp_path / "for.html"
    done = modiste(
        "recommend", stocked, "--like", "look-3", "--like", liked, "--photo", photo, "--generate", "--size", "3",
        "-n", "2", "--beta", "0.9", "--deadline", "inf", "--json", "--html", page,
    )  # fmt: skip
    assert done.code == 0, done.err
    found = done.json
    assert found["method"] == "a taste made from 3 likes"
    assert "look-3" not in [one["id"] for one in found["looks"]]
    assert all(one["taste"] > 0 for one in found["looks"])
    first = found["generated"][0]
    assert first["exact"] is True
    assert first["taste"] > 0.5
    assert liked in first["items"]
    assert first["reasons"][0]["words"].startswith("because you liked")
    assert "Made for you 1" in page.read_text(encoding="utf-8")
    plain = modiste("recommend", stocked, "--like", "look-3", "--generate", "-n", "1", "--text", "office").out
    assert "because you liked look-3" in plain.lower()
    assert "made for you 1: " in plain
    assert "by a taste made from 1 like" in plain
    # Weighed by nothing, a taste changes nothing.
    asked = ("--size", "3", "--text", "office", "--deadline", "inf", "--json")
    without = modiste("recommend", stocked, "--like", "look-3", "--generate", "--beta", "0", "-n", "1", *asked).json
    anybody = modiste("generate", stocked, "office", "--size", "3", "--deadline", "inf", "--json").json
    for name in ("items", "score", "chosen"):
        assert without["generated"][0][name] == anybody["outfits"][0][name]


def test_what_cannot_be_is_said(modiste: Callable[..., Any], stocked: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("recommend", stocked), "who is it for"),
        (("recommend", stocked, "--like", "nobody"), "no item 'nobody'"),
        (("recommend", stocked, "--photo", tmp_path / "none.jpg"), "no such file"),
        (("recommend", stocked, "--user", "anna", "--generate"), "nothing is known of this person"),
        (("recommend", stocked, "--user", "anna", "--stored", tmp_path / "none.jsonl"), "no such file"),
        (("tastes", "attach", stocked, tmp_path), "tastes.json is missing"),
        (("tastes", "click", stocked, "look-99", "--user", "a"), "no item"),
        (("tastes", "show", tmp_path), "no catalogue"),
        (("tastes", "ingest", stocked, tmp_path / "none.csv"), "none.csv"),
    ):
        done = modiste(*arguments)
        assert done.code == 1
        assert words in done.err
    (stocked / "looks.jsonl").unlink()
    table = tmp_path / "clicks.csv"
    table.write_text("user_id,outfit_id\na,look-1\n")
    assert "has no stored looks" in modiste("tastes", "ingest", stocked, table).err
