"""`modiste evaluate consumer-to-shop` and `photo-classes`, with a small encoder that nobody trained."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modiste.data.images import encode_jpeg

DATA = "atelier:50:3"


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small GRNet with the weights that it was born with."""
    import torch

    from modiste.models.grnet import SIZES, Grnet
    from modiste.models.grnet_pretrained import save_grnet

    torch.manual_seed(3)
    return save_grnet(tmp_path_factory.mktemp("models") / "grnet", Grnet(SIZES["debug"]), name="grnet_debug.born")


def test_the_generated_world_by_vectors(modiste, dual: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "r.json"
    command = ["evaluate", "consumer-to-shop", "--data", DATA, "--model", dual, "--seed", 2]
    done = modiste(*command, "--json", "--out", out)
    assert done.code == 0, done.err
    found = done.json
    assert found == json.loads(out.read_text())
    assert (found["model"], found["split"], found["protocol"]) == (
        "dual_encoder_debug.born",
        "test",
        "consumer-to-shop",
    )
    assert (found["shortlist"], found["distractors"], found["words"], found["seed"]) == (None, 0, False, 2)
    assert found["gallery"] > found["num_products"]  # the siblings
    assert found["num_queries"] == 4 * found["num_products"]
    for condition in ("view", "occlusion", "cropping", "light", "clutter", "quality"):
        counts = [found.get(f"{condition}={level}/top-1_count", 0) for level in ("none", "some", "strong")]
        assert sum(counts) == found["num_queries"]
    for key in ("top-1", "top-20", "top-50", "MRR"):
        assert found[f"{key}_low"] <= found[key] <= found[f"{key}_high"]
    table = modiste(*command, "--num-queries", 4)
    assert table.code == 0, table.err
    assert "4 photos of" in table.out
    assert "chance" in table.out


def test_a_second_look_by_a_graph_and_distractors(modiste, graph: Path, dual: Path) -> None:  # type: ignore[no-untyped-def]
    command = ["evaluate", "consumer-to-shop", "--data", DATA, "--rerank", graph, "--shortlist", 5, "--num-queries", 4]
    found = modiste(*command, "--model", dual, "--distractors", 7, "--json").json
    assert (found["rerank"], found["shortlist"], found["distractors"]) == ("grnet_debug.born", 5, 7)
    assert len(found["rerank_sha256"]) == 64
    assert found["gain/top-1"] == pytest.approx(found["top-1"] - found["first/top-1"])
    assert found["top-50"] == found["first/top-50"]  # five cannot leave the first fifty
    alone = modiste("evaluate", "consumer-to-shop", "--data", DATA, "--model", graph, "--num-queries", 4, "--json").json
    assert (alone["model"], alone["shortlist"]) == ("grnet_debug.born", None)  # its embedding
    done = modiste(*command, "--model", dual)
    assert "before" in done.out
    assert "gain" in done.out


def test_a_second_look_by_words(modiste, mvlt: Path) -> None:  # type: ignore[no-untyped-def]
    command = ["evaluate", "consumer-to-shop", "--data", DATA, "--model", mvlt, "--rerank", mvlt, "--num-queries", 4]
    found = modiste(*command, "--words", "--shortlist", 3, "--json").json
    assert (found["rerank"], found["words"]) == ("mvlt_debug.born", True)
    done = modiste(*command, "--json")
    assert done.code == 1
    assert "judges a photo against words; give --words" in done.err


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve dark caps and twelve bright shirts in a shop, and people's photos of both."""
    rows, photos = [], []
    for number in range(24):
        kind = ("Caps", "Shirts")[number % 2]
        picture = encode_jpeg(np.full((80, 60, 3), 40 if kind == "Caps" else 220, np.uint8))
        rows.append(
            {"id": f"{number}", "title": f"{kind} {number}", "image": picture, "article_type": kind, "group": ""}
        )
        photos.append({"id": f"c{number}", "category": "hat" if kind == "Caps" else "shirt", "image": picture})
    labels = dict.fromkeys(("gender", "category", "sub_category", "colour", "season", "usage"), "x")
    for name, split, table in (
        ("fashion_products", "test", [row | labels for row in rows]),
        ("clothing_photos", "valid", photos[:6]),
        ("clothing_photos", "train", photos),
    ):
        (tmp_path / name).mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(table), tmp_path / name / f"{split}.parquet")
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path))
    return tmp_path


def test_the_right_kind_of_garment(modiste, sets: Path, dual: Path) -> None:  # type: ignore[no-untyped-def]
    command = ["evaluate", "photo-classes", "--data", "fashion_products", "--model", dual]
    done = modiste(*command, "--json")
    assert done.code == 0, done.err
    found = done.json
    assert (found["protocol"], found["num_queries"], found["gallery"]) == ("photo-classes", 6, 24)
    # A photo's own vectors are nearest: all ten are of its kind, whatever the encoder.
    assert found["hat/precision@10"] == found["shirt/precision@10"] == found["macro/precision@10"] == 100
    assert (found["hat/precision@10_chance"], found["hat/precision@10_best"]) == (50, 100)
    everything = modiste(*command, "--split", "all", "--num-queries", 3, "--json").json
    assert (everything["split"], everything["num_queries"]) == ("all", 3)
    assert "macro/precision@10" in modiste(*command).out


def test_real_shop_photos_from_the_front_door(modiste, sets: Path, dual: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("evaluate", "consumer-to-shop", "--data", "fashion_products", "--model", dual, "--json")
    assert done.code == 0, done.err
    assert (done.json["num_queries"], done.json["gallery"], done.json["split"]) == (24, 24, "test")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["retrieval-full", "--rerank", "x"], "--rerank, --shortlist and --words are options of consumer-to-shop"),
        (["recognition", "--words"], "--rerank, --shortlist and --words are options of consumer-to-shop"),
        (["photo-classes", "--distractors", "3"], "--distractors is an option of consumer-to-shop"),
        (["consumer-to-shop", "--by", "s"], "--by is an option of retrieval and outfits"),
        (["consumer-to-shop", "--model", "nothing/at/all"], "no model"),
    ],
)
def test_options_that_do_not_fit(modiste, arguments: list[str], words: str) -> None:  # type: ignore[no-untyped-def]
    done = modiste("evaluate", *arguments, "--data", DATA)
    assert done.code == 1
    assert words in " ".join(done.err.split())


def test_data_that_is_not_there(modiste, dual: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("evaluate", "consumer-to-shop", "--data", "nowhere", "--model", dual)
    assert done.code == 1
    assert "not a folder with DeepFashion Consumer-to-Shop's files" in " ".join(done.err.split())
