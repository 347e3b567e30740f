"""`modiste search` in a catalogue of an MVLT: the second look, and everything that turns it off."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from modiste.engine.catalogue import Catalogue
from modiste.models.mvlt_inference import Reranker
from modiste.models.pretrained import load, load_reranker, reranker_of
from modiste.types import Item

WORDS = "black leather boots"


@pytest.fixture(scope="session")
def looked_at(shop: Path, mvlt: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop, indexed with the MVLT."""
    from modiste.cli import run

    folder = tmp_path_factory.mktemp("looked_at") / "shop"
    assert run(["index", str(shop), "--into", str(folder), "--model", str(mvlt)]) == 0
    return folder


def ids(found: dict) -> list[str]:
    return [hit["id"] for hit in found["hits"]]


def test_the_first_25_are_judged_again(modiste, looked_at: Path, mvlt: Path) -> None:  # type: ignore[no-untyped-def]
    plain = modiste("search", looked_at, WORDS, "-k", 60, "--no-rerank", "--json").json
    found = modiste("search", looked_at, WORDS, "-k", 60, "--json").json
    assert (plain["reranked"], plain["reranker"], plain["rerank_seconds"]) == (0, None, 0)
    assert (found["reranked"], found["reranker"]) == (25, "mvlt_debug.born")
    assert found["rerank_seconds"] > 0
    assert found["seconds"] > 0
    assert sorted(ids(found)[:25]) == sorted(ids(plain)[:25])
    assert ids(found)[:25] != ids(plain)[:25]
    assert ids(found)[25:] == ids(plain)[25:]
    assert [hit["match"] is None for hit in found["hits"]] == [False] * 25 + [True] * 35
    # The slow, obvious version: load the model apart, ask it about each item alone, sort by the formula.
    judge, store = load_reranker(mvlt), Catalogue.open(looked_at)
    query, first = Item("q", WORDS), plain["hits"][:25]
    odds = [float(judge.score(query, [store.get(hit["id"], image=True)])[0]) for hit in first]
    blend = {
        hit["id"]: 0.5 * one + 0.5 * judge.logit_scale * hit["score"] for hit, one in zip(first, odds, strict=True)
    }
    order = [blend[one] for one in ids(found)[:25]]
    assert all(one >= other - 1e-4 for one, other in pairwise(order))
    said = {hit["id"]: hit["match"] for hit in found["hits"][:25]}
    assert [said[hit["id"]] for hit in first] == pytest.approx(odds, abs=1e-3)


def test_a_longer_list_is_cut_after_the_second_look(modiste, looked_at: Path) -> None:  # type: ignore[no-untyped-def]
    whole = modiste("search", looked_at, WORDS, "-k", 60, "--rerank", 40, "--json").json
    short = modiste("search", looked_at, WORDS, "-k", 3, "--rerank", 40, "--json").json
    assert (whole["reranked"], short["reranked"]) == (40, 40)
    assert ids(short) == ids(whole)[:3]
    one = modiste("search", looked_at, WORDS, "-k", 60, "--rerank", 1, "--json").json
    assert one["reranked"] == 1
    assert ids(one) == ids(modiste("search", looked_at, WORDS, "-k", 60, "--no-rerank", "--json").json)
    everything = modiste("search", looked_at, WORDS, "--rerank", 1000, "--json").json
    assert everything["reranked"] == 60


def test_people_are_told(modiste, looked_at: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("search", looked_at, WORDS, "-k", 5, "--html", tmp_path / "p.html")
    assert "match" in done.out
    assert "the first 25 were judged again" in done.out
    assert (tmp_path / "p.html").read_text(encoding="utf-8").count('<li class="card">') == 5
    plain = modiste("search", looked_at, WORDS, "-k", 5, "--no-rerank").out
    assert "match" not in plain
    assert "judged again" not in plain


def test_filters_products_and_photos_go_along(modiste, looked_at: Path, photo: Path) -> None:  # type: ignore[no-untyped-def]
    found = modiste("search", looked_at, WORDS, "-k", 60, "-f", "price>=60", "--per-product", "--json").json
    assert 0 < found["reranked"] <= 25
    assert all(hit["attributes"]["price"] >= 60 for hit in found["hits"])
    groups = [hit["group"] or hit["id"] for hit in found["hits"]]
    assert len(groups) == len(set(groups))
    mixed = modiste("search", looked_at, "the same, but red", "--image", photo, "--no-plan", "--json").json
    assert (mixed["reranked"], len(mixed["hits"])) == (25, 10)
    alone = ["search", looked_at, "", "--image", photo, "--json"]  # photos are compared with photos, unless asked
    assert modiste(*alone).json["reranked"] == 0
    assert modiste(*alone, "--rerank", 25).json["reranked"] == 25
    assert modiste("search", looked_at, WORDS, "-f", "price<0", "--json").json["reranked"] == 0


def test_a_query_of_nothing_but_dots_is_not_judged(modiste, looked_at: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("search", looked_at, " . ", "--json")
    assert (done.code, done.json["reranked"]) == (0, 0)


def test_items_without_photos_keep_the_first_order(modiste, mvlt: Path, shop: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    rows = list(csv.DictReader(shop.open(encoding="utf-8")))
    table = tmp_path / "words.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [name for name in rows[0] if name != "image"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    assert modiste("index", table, "--into", tmp_path / "index", "--model", mvlt).code == 0
    found = modiste("search", tmp_path / "index", WORDS, "--json").json
    assert (found["reranked"], found["reranker"]) == (0, None)
    assert ids(found) == ids(modiste("search", tmp_path / "index", WORDS, "--no-rerank", "--json").json)


def test_other_encoders_have_no_second_look(modiste, shop: Path, dual: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    indexed = tmp_path / "plain"
    assert modiste("index", shop, "--into", indexed, "--model", dual).code == 0
    found = modiste("search", indexed, WORDS, "--json").json
    assert (found["reranked"], found["reranker"], found["hits"][0]["match"]) == (0, None, None)
    for arguments, expected in (
        (["--rerank", 10], "dual_encoder_debug.born has no matching head"),
        (["--rerank", 10, "--no-rerank"], "opposites"),
    ):
        done = modiste("search", indexed, WORDS, *arguments)
        assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
        assert expected in done.err


def test_the_encoders_own_reranker_is_the_one_of_its_name(mvlt: Path, dual: Path) -> None:
    encoder = load(mvlt)
    own, apart = reranker_of(encoder), load_reranker(mvlt)
    assert own is not None
    assert (own.name, own.sha256, own.logit_scale) == (apart.name, apart.sha256, apart.logit_scale)
    assert own.logit_scale == pytest.approx(1 / 0.07, rel=1e-3)
    assert own.pairs.model is encoder.towers.model  # type: ignore[attr-defined]
    assert reranker_of(load(dual)) is None


def test_photos_are_begun_once_and_forgotten_in_the_end(mvlt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    items = [Item(f"i{n}", f"dress {n}", random.integers(0, 255, (40, 32, 3), np.uint8)) for n in range(12)]
    query = Item("q", WORDS)
    judge = load_reranker(mvlt)
    begun: list[int] = []
    begin = judge.pairs.begin_images
    monkeypatch.setattr(judge.pairs, "begin_images", lambda prepared: begun.append(len(prepared)) or begin(prepared))
    monkeypatch.setattr(type(judge._photos), "KEPT_PHOTOS", 8)
    first = judge.score(query, items[:6])
    again = judge.score(query, items[2:8])
    assert begun == [6, 2]
    np.testing.assert_allclose(again[:4], first[2:], atol=1e-5)
    np.testing.assert_allclose(load_reranker(mvlt).score(query, items[:6]), first, atol=1e-5)
    judge.score(query, items)  # 4 new ones; the oldest go
    assert (begun, len(judge._photos)) == ([6, 2, 4], 8)
    judge.score(query, items[-4:])
    assert begun == [6, 2, 4]
    changed = Item(items[-1].id, items[-1].title, items[0].image)  # a new photo under an old id
    np.testing.assert_allclose(judge.score(query, [changed]), first[:1], atol=1e-5)
    assert begun == [6, 2, 4, 1]
    monkeypatch.setattr(type(judge._photos), "KEPT_BYTES", 1)
    judge.score(query, items[:3])
    assert len(judge._photos) == 0
    assert judge._photos._bytes == 0
    assert isinstance(judge, Reranker)
