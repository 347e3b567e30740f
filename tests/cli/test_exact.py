"""`modiste index --exact` and `modiste search --exact`: the very item on a photo, and where it matched."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from modiste.engine.catalogue import Catalogue
from modiste.engine.photo_features import PhotoFeatures
from modiste.models.grnet_pretrained import load_grnet, save_grnet
from modiste.types import Item


@pytest.fixture(scope="session")
def grnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small GRNet with the weights that it was born with."""
    import torch

    from modiste.models.grnet import SIZES, Grnet

    torch.manual_seed(0)
    return save_grnet(tmp_path_factory.mktemp("models") / "grnet", Grnet(SIZES["debug"]), name="grnet_debug.born")


@pytest.fixture(scope="session")
def described(indexed: Path, shop: Path, grnet: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The indexed shop, its photos described too: nothing is encoded again."""
    from modiste.cli import run

    folder = tmp_path_factory.mktemp("described") / "shop"
    shutil.copytree(indexed, folder)
    assert run(["index", str(shop), "--into", str(folder), "--exact", str(grnet)]) == 0
    return folder


def test_hits_are_in_the_order_of_the_models_scores(modiste, described: Path, grnet: Path, photo: Path) -> None:  # type: ignore[no-untyped-def]
    found = modiste("search", described, "--image", photo, "--exact", "-k", 60, "--json").json
    assert (found["exact"], found["reranker"], found["reranked"]) == (True, "grnet_debug.born", 60)
    odds = [hit["match"] for hit in found["hits"]]
    assert odds == sorted(odds, reverse=True)
    # The slow, obvious version: the model loaded apart, asked about each stored picture alone.
    scorer, store = load_grnet(grnet), Catalogue.open(described)
    for hit in found["hits"][:10]:
        alone = scorer.score(Item("q", image=photo.read_bytes()), [store.get(hit["id"], image=True)])[0]
        assert hit["match"] == pytest.approx(float(alone), abs=2e-2)  # stored in fp16
    few = modiste("search", described, "--image", photo, "--exact", "--rerank", 5, "-k", 60, "--json").json
    assert few["reranked"] == 5
    plain = modiste("search", described, "--image", photo, "-k", 60, "--json").json
    assert not plain["exact"]
    assert [hit["id"] for hit in few["hits"][5:]] == [hit["id"] for hit in plain["hits"][5:]]


def test_the_very_photo_is_found(modiste, described: Path, shop: Path) -> None:  # type: ignore[no-untyped-def]
    picture = shop.parent / "images" / "atelier-000011.jpg"
    table = modiste("search", described, "--image", picture, "--exact", "-k", 3)
    assert table.code == 0
    assert "match" in table.out
    assert "were judged again" in table.err + table.out


def test_the_page_draws_where_it_matched(modiste, described: Path, photo: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    page = tmp_path / "found.html"
    assert modiste("search", described, "--image", photo, "--exact", "-k", 3, "--html", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<section>") == 2
    assert "what matched" in text
    assert text.count("data:image/jpeg") == 1 + 3 + 3  # the photo, the hits, the pairs


def test_matched_regions_are_drawn_on_both_photos() -> None:
    from modiste.cli.matched_regions import COLOURS, matched_pair
    from modiste.models.grnet_inference import Region

    grey = np.full((80, 60, 3), 200, np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[:4] = 1
    region = Region((0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0), 1.0)
    sheet = matched_pair(grey, grey, (60, 80), (heat, heat), [region])
    assert sheet.shape == (240, 2 * 180 + 12, 3)
    outlined = (sheet == COLOURS[0]).all(axis=2)
    left, right = outlined[:, :180], outlined[:, 192:]
    assert left[:120, :90].any()
    assert not left[125:].any()
    assert not left[:, 95:].any()
    assert right[120:, 90:].any()
    assert not right[:115].any()
    assert not right[:, :85].any()
    assert int(sheet[30, 150].mean()) > int(sheet[200, 30].mean()) + 40  # bright where it spoke for a match


def test_indexing_again_describes_only_what_is_new(modiste, described: Path, shop: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "shop"
    shutil.copytree(described, folder)
    rows = list(csv.reader(shop.open(encoding="utf-8")))
    name = rows[0].index("image")
    rows[1][name] = rows[5][name]  # another photo
    table = shop.parent / "changed.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows[:-3])
    try:
        found = modiste("index", table, "--into", folder, "--prune", "--json").json
    finally:
        table.unlink()
    assert (found["updated"], found["deleted"], found["described"]) == (1, 3, 1)
    # Of the four photos that come back, three were of items that are gone, and what was kept of them still holds.
    assert modiste("index", shop, "--into", folder, "--json").json["described"] == 1
    assert (
        len(PhotoFeatures.open(folder).find(Catalogue.open(folder).snapshot(), [row[0] for row in rows[1:]])[1]) == 60
    )


def test_what_does_not_fit_is_one_line(
    modiste, indexed: Path, described: Path, mvlt: Path, shop: Path, photo: Path
) -> None:  # type: ignore[no-untyped-def]
    for arguments, said in (
        (("search", indexed, "--image", photo, "--exact"), "keeps no features of its photos"),
        (("search", described, "red", "--image", photo, "--exact"), "no words"),
        (("search", described, "red", "--exact"), "--image FILE"),
        (("search", described, "--image", photo, "--exact", "--no-rerank"), "not --no-rerank"),
        (("index", shop, "--into", described, "--exact", mvlt), "is no GRNet"),
    ):
        result = modiste(*arguments)
        assert result.code == 1
        assert said in " ".join(result.err.split())


def test_a_model_that_is_gone_is_named(modiste, described: Path, grnet: Path, photo: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder, model = tmp_path / "shop", tmp_path / "model"
    shutil.copytree(described, folder)
    shutil.copytree(grnet, model)
    index = folder / "exact" / "exact.json"
    values = json.loads(index.read_text().replace(str(grnet.resolve()), str(model)))
    del values["sum"]
    index.write_text(json.dumps(values))
    assert modiste("search", folder, "--image", photo, "--exact").code == 0
    shutil.rmtree(model)
    result = modiste("search", folder, "--image", photo, "--exact")
    assert result.code == 1
    assert "no GRNet at" in " ".join(result.err.split())
