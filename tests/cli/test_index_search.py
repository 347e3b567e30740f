"""`modiste index` and `modiste search` as a user types them."""

from __future__ import annotations

import csv
import html
import json
import shutil
from pathlib import Path

import pytest

from modiste.data.atelier import Atelier
from modiste.engine.rerank import SHORTLIST
from modiste.models.pretrained import load, reranker_of
from modiste.registry import JUDGE


def test_an_index_is_searched_by_words(modiste, indexed: Path) -> None:  # type: ignore[no-untyped-def]
    found = modiste("search", indexed, "dress", "-k", 5, "--no-rerank", "--json").json
    assert len(found["hits"]) == 5
    assert found["candidates"] == 60
    scores = [hit["score"] for hit in found["hits"]]
    assert scores == sorted(scores, reverse=True)
    table = modiste("search", indexed, "dress", "-k", 5, "--no-rerank")
    assert table.code == 0
    assert all(hit["id"] in table.out.replace("\n", "") for hit in found["hits"])


def test_the_shipped_judge_orders_the_best_hits_anew(modiste, indexed: Path) -> None:  # type: ignore[no-untyped-def]
    found = modiste("search", indexed, "red dress", "-k", 60, "--json").json
    assert (found["reranker"], found["reranked"]) == (JUDGE, SHORTLIST)
    judge = reranker_of(load())
    assert judge is not None
    judged = found["hits"][:SHORTLIST]
    blend = [judge.share * hit["match"] + (1 - judge.share) * judge.logit_scale * hit["score"] for hit in judged]
    assert blend == sorted(blend, reverse=True)
    plain = modiste("search", indexed, "red dress", "-k", 60, "--no-rerank", "--json").json["hits"]
    assert {hit["id"] for hit in judged} == {hit["id"] for hit in plain[:SHORTLIST]}
    assert [hit["id"] for hit in found["hits"][SHORTLIST:]] == [hit["id"] for hit in plain[SHORTLIST:]]


def test_searching_with_an_items_own_photo_finds_it(modiste, indexed: Path, shop: Path) -> None:  # type: ignore[no-untyped-def]
    rows = list(csv.DictReader(shop.open(encoding="utf-8")))
    for row in rows[:5]:
        found = modiste("search", indexed, "--image", shop.parent / row["image"], "-k", 3, "--json").json
        assert row["id"] in [hit["id"] for hit in found["hits"]]


def test_filters_hold_for_every_hit(modiste, indexed: Path) -> None:  # type: ignore[no-untyped-def]
    everything = modiste("search", indexed, "something", "-k", 60, "--json").json["hits"]
    dear = [hit for hit in everything if hit["attributes"]["price"] >= 60]
    assert 0 < len(dear) < 60
    found = modiste("search", indexed, "something", "-k", 60, "--filter", "price>=60", "--json").json
    assert {hit["id"] for hit in found["hits"]} == {hit["id"] for hit in dear}
    category = everything[0]["category"]
    both = modiste("search", indexed, "x", "-k", 60, "-f", f"category={category}", "-f", "price>=60", "--json").json
    assert {hit["id"] for hit in both["hits"]} == {hit["id"] for hit in dear if hit["category"] == category}


def test_one_item_of_each_product(modiste, indexed: Path) -> None:  # type: ignore[no-untyped-def]
    found = modiste("search", indexed, "something", "-k", 60, "--per-product", "--json").json["hits"]
    groups = [hit["group"] or hit["id"] for hit in found]
    assert len(groups) == len(set(groups)) < 60


def test_the_page_of_pictures_is_self_contained_and_escaped(modiste, indexed: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    page = tmp_path / "deep" / "found.html"
    probe = "<script>alert(1)</script>"
    assert modiste("search", indexed, probe, "-k", 4, "--html", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert probe not in text
    assert html.escape(probe) in text
    assert text.count("data:image/jpeg;base64,") == 4
    assert "http:" not in text.replace("http-equiv", "")
    assert "https:" not in text


def test_indexing_again_does_nothing_and_a_changed_table_does_only_that(modiste, shop: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "copy"
    shutil.copytree(shop.parent, folder)
    table, into = folder / shop.name, tmp_path / "index"
    first = modiste("index", table, "--into", into, "--json").json
    assert (first["added"], first["rejected"]) == (60, 0)
    again = modiste("index", table, "--into", into, "--json").json
    assert (again["added"], again["updated"], again["unchanged"]) == (0, 0, 60)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    rows[3]["title"] = "a title that nobody has seen"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows[:50])
    changed = modiste("index", table, "--into", into, "--prune", "--json").json
    assert (changed["added"], changed["updated"], changed["unchanged"], changed["deleted"]) == (0, 1, 49, 10)
    assert modiste("search", into, "anything", "-k", 60, "--json").json["candidates"] == 50


def test_bad_rows_are_listed_and_the_rest_is_indexed(modiste, shop: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "bad"
    shutil.copytree(shop.parent, folder)
    table = folder / shop.name
    rows = list(csv.DictReader(table.open(encoding="utf-8")))[:12]
    photo = folder / rows[1]["image"]
    photo.write_bytes(photo.read_bytes()[:200])
    rows[2]["image"] = "images/not-there.jpg"
    rows[4]["image"] = "../../outside.jpg"
    rows[6]["title"] = ""
    rows[8]["id"] = rows[7]["id"]
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    done = modiste("index", table, "--into", tmp_path / "index", "--report", tmp_path / "report.jsonl", "--json").json
    assert (done["added"], done["rejected"]) == (7, 5)
    lines = [json.loads(line) for line in (tmp_path / "report.jsonl").read_text().splitlines()]
    assert sorted(line["row"] for line in lines) == [2, 3, 5, 7, 9]
    assert all(line["reason"] for line in lines)
    strict = modiste("index", table, "--into", tmp_path / "strict", "--strict")
    assert strict.code == 1
    assert strict.err.count("\n") == 1
    assert strict.err.startswith("error:")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["search", "{nowhere}", "dress"], "nowhere"),
        (["search", "{indexed}"], "nothing to search for"),
        (["search", "{indexed}", "dress", "--filter", "prise<3"], "price"),
        (["search", "{indexed}", "dress", "--filter", "price"], "price"),
        (["search", "{indexed}", "--image", "{nowhere}"], "nowhere"),
        (["index", "{nowhere}", "--into", "{into}"], "nowhere"),
        (["index", "{shop}", "--into", "{into}", "--map", "title"], "FIELD=COLUMN"),
        (["index", "{shop}", "--into", "{into}", "--model", "no-such"], "no-such"),
        (["evaluate", "retrieval", "--data", "atelier:5"], "retrieval-1of101"),
        (["train", "dual_encodr_small"], "dual_encoder_small"),
        (["train", "dual_encoder_small", "epocs=1"], "epochs"),
    ],
)
def test_errors_are_one_line_that_says_what_to_do(  # type: ignore[no-untyped-def]
    modiste, arguments: list[str], expected: str, indexed: Path, shop: Path, tmp_path: Path
) -> None:
    places = {"nowhere": tmp_path / "nowhere", "indexed": indexed, "shop": shop, "into": tmp_path / "into"}
    done = modiste(*(argument.format(**places) for argument in arguments))
    assert done.code == 1
    assert done.err.startswith("error:")
    assert done.err.count("\n") == 1
    assert expected in done.err
    assert done.out == ""


def test_another_encoder_is_refused_with_the_way_out(modiste, indexed: Path, shop: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    import torch

    from modiste.data.text import train_wordpiece
    from modiste.models.clip import SIZES, DualEncoder
    from modiste.models.pretrained import save_pretrained

    torch.manual_seed(0)
    other = save_pretrained(
        tmp_path / "other", DualEncoder(SIZES["debug"]), train_wordpiece(["red dress"] * 3), name="other"
    )
    done = modiste("index", shop, "--into", indexed, "--model", other)
    assert done.code == 1
    assert "mvlt_small" in done.err
    assert "other" in done.err


def test_a_customers_photo_finds_its_item(modiste, indexed: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Among 60 items the drawn item's customer photo should mostly be near the top: the encoder was trained for it."""
    world = Atelier(seed=4, image_size=(60, 80))
    places = []
    for index in range(0, 60, 5):
        photo = tmp_path / f"{index}.jpg"
        photo.write_bytes(world.customer_photo(index))
        hits = modiste("search", indexed, "--image", photo, "-k", 60, "--json").json["hits"]
        places.append([hit["id"] for hit in hits].index(world.item(index, image=False).id) + 1)
    assert sorted(places)[len(places) // 2] <= 5
