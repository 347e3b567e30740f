"""Words that the shipped encoder cannot read, at the command line: refused, left out and named, or found by a filter."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def russian(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """What indexes a shop of four items, of which two titles are Russian, one of them with a brand in Latin letters."""
    with shop.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))[:4]
    for row, title in zip(rows, ("Красное платье миди", "Чёрные ботинки Acme"), strict=False):
        row["title"] = title
    folder = tmp_path_factory.mktemp("russian")
    with (folder / "table.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return ["index", folder / "table.csv", "--images", shop.parent, "--into", folder / "shop"]


@pytest.mark.parametrize("words", ["красное платье", "红色连衣裙"])
def test_a_query_that_cannot_be_read_is_refused_with_the_way_out(modiste: Any, indexed: Path, words: str) -> None:
    for command in (["search", indexed, words], ["generate", indexed, words, "--size", "2"]):
        done = modiste(*map(str, command))
        assert (done.code, done.out) == (1, "")
        assert done.err.count("\n") == 1
        assert words.split()[0] in done.err
        assert "docs/languages.md" in done.err


def test_a_mixed_query_is_answered_by_what_can_be_read_and_says_so(modiste: Any, indexed: Path) -> None:
    plain = modiste("search", indexed, "dress", "--json").json
    mixed = modiste("search", indexed, "платье dress", "--json").json
    assert [hit["id"] for hit in mixed["hits"]] == [hit["id"] for hit in plain["hits"]]
    assert plain["warnings"] == []
    assert "'платье'" in mixed["warnings"][0]
    assert "note: the encoder" in modiste("search", indexed, "платье dress").out


def test_beside_an_item_the_words_are_left_out_and_named(modiste: Any, indexed: Path) -> None:
    found = modiste("search", indexed, "красное", "--like", "atelier-000003", "--json").json
    assert found["hits"]
    assert "'красное'" in found["warnings"][0]


def test_a_catalogue_in_another_language_is_told_of_and_found_by_its_letters(
    modiste: Any, russian: list[object]
) -> None:
    assert "note: of 25 % of the titles" in modiste(*russian).out
    assert modiste(*russian, "--json").json["unread_titles"] == 0.25
    found = modiste("search", russian[-1], "red dress", "--filter", "title~платье", "--json").json
    assert [hit["title"] for hit in found["hits"]] == ["Красное платье миди"]


def test_wishes_of_outfits_say_what_was_left_out(modiste: Any, indexed: Path) -> None:
    answer = modiste("complete", indexed, "--have", "atelier-000003", "--want", "any: белая white bag", "--json").json
    assert any("'белая'" in note for note in answer["notes"])
