"""`modiste search` with words that say what shall be different: beside a photo, beside an item, alone."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest


def row(shop: Path, **wanted: str) -> dict[str, str]:
    """The first row of the table with these values; `x="a"` means the value, `x="!a"` any other."""
    with shop.open(newline="", encoding="utf-8") as stream:
        for one in csv.DictReader(stream):
            if all(one[k] == v if not v.startswith("!") else one[k] not in (v[1:], "") for k, v in wanted.items()):
                return one
    raise AssertionError(f"no {wanted}")


def test_more_like_an_item_but_different(modiste, indexed: Path, shop: Path) -> None:  # type: ignore[no-untyped-def]
    start = row(shop, pattern="stripes")
    found = modiste(
        "search", indexed, "in red, without stripes, cheaper", "--like", start["id"], "-k", 60, "--json"
    ).json
    plan, hits = found["plan"], found["hits"]
    assert plan["line"].startswith(f"colour: red <- {start['colour']}; price: below ")
    assert [one["attributes"] for one in plan["excluded"]] == [{"pattern": "stripes"}]
    assert start["id"] not in [hit["id"] for hit in hits]
    assert hits
    for hit in hits:
        assert hit["attributes"]["pattern"] not in ("stripes", "pinstripes")
        assert float(hit["attributes"]["price"]) < float(start["price"])
    reds = [hit["attributes"]["colour"] == "red" for hit in hits]
    assert reds[0] or not any(reds)
    table = modiste("search", indexed, "in red, without stripes, cheaper", "--like", start["id"])
    assert plan["line"] in " ".join(table.out.split())


def test_a_photo_and_words_show_what_is_not_known(modiste, indexed: Path, photo: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    page = tmp_path / "found.html"
    found = modiste("search", indexed, "in red with long sleeves", "--image", photo, "--json", "--html", page).json
    assert found["plan"]["reference"] == ""
    assert "sleeves: long (the reference's is not known)" in found["plan"]["line"]
    assert all(one["source"] == "photo" and one["confidence"] >= 0.5 for one in found["plan"]["kept"])
    assert found["hits"][0]["attributes"]["colour"] == "red"
    assert "sleeves: long (the reference&#39;s is not known" in page.read_text(encoding="utf-8")


def test_no_plan_is_the_plain_fused_query(modiste, indexed: Path, photo: Path) -> None:  # type: ignore[no-untyped-def]
    from modiste.engine.catalogue import Catalogue
    from modiste.models.pretrained import load

    asked = ("search", indexed, "without stripes", "--image", photo, "--no-plan", "--no-rerank", "-k", 60, "--json")
    found = modiste(*asked).json
    encoder, store = load(), Catalogue.open(indexed)
    right = store.search(encoder.encode_query("without stripes", photo.read_bytes()), k=60)
    assert found["plan"] is None
    assert [hit["id"] for hit in found["hits"]] == list(right.ids)


@pytest.mark.parametrize(
    ("words", "denied"), [("dress without polka dots", "polka dots"), ("not leather boots", "leather")]
)
def test_words_alone_can_deny(modiste, indexed: Path, words: str, denied: str) -> None:  # type: ignore[no-untyped-def]
    hits = modiste("search", indexed, words, "-k", 60, "--json").json["hits"]
    assert hits
    assert denied not in [hit["attributes"].get(name) for hit in hits for name in ("pattern", "material")]
    plain = modiste("search", indexed, words, "-k", 60, "--no-plan", "--json").json
    assert denied in [hit["attributes"].get(name) for hit in plain["hits"] for name in ("pattern", "material")]
    assert len(plain["hits"]) > len(hits)


def test_words_alone_that_deny_nothing_are_searched_as_ever(modiste, indexed: Path) -> None:  # type: ignore[no-untyped-def]
    first, second = (modiste("search", indexed, "red dress", *more, "--json").json for more in ([], ["--no-plan"]))
    assert first["plan"] is None
    assert first["hits"] == second["hits"]


def test_denying_everything_known_still_answers(modiste, indexed: Path) -> None:  # type: ignore[no-untyped-def]
    found = modiste("search", indexed, "no leather", "-k", 60, "--json").json
    assert found["hits"]
    assert all(hit["score"] == 0 and hit["attributes"].get("material") != "leather" for hit in found["hits"])


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["red", "--like", "nobody"], "no item 'nobody'"),
        (["red", "--like", "atelier-000001", "--image", "{photo}"], "give one of them"),
        (["red", "--like", "atelier-000001", "--rerank", "5"], "--no-plan"),
    ],
)
def test_what_does_not_fit_is_said(modiste, indexed: Path, photo: Path, more: list[str], told: str) -> None:  # type: ignore[no-untyped-def]
    done = modiste("search", indexed, *(str(photo) if one == "{photo}" else one for one in more))
    assert done.code == 1
    assert told in done.err
