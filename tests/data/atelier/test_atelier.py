"""The atelier: the same everywhere, drawn as it says, described without contradiction, searchable."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modiste.data.atelier import ARTICLE_TYPES, Atelier, describe_constraints, matches, write_catalogue
from modiste.data.atelier.catalogue import rendered, shop_svg
from modiste.data.atelier.design import ARTICLES, Design, compose, generator
from modiste.data.atelier.palette import COLOUR_WORDS, COLOURS, rgb
from modiste.data.atelier.wording import PATTERN_WORDS
from modiste.taxonomy import super_category

ATELIER = Atelier(seed=3, image_size=(96, 128))
SUPER = {
    "tops": "t-shirt, shirt, blouse, sweater, cardigan, hoodie, tank top, polo shirt",
    "bottoms": "jeans, trousers, skirt, pleated skirt, shorts, leggings, joggers",
    "dresses": "dress, shirt dress, evening gown, jumpsuit",
    "outerwear": "blazer, coat, trench coat, denim jacket, leather jacket, puffer jacket, parka",
    "shoes": "sneakers, ankle boots, knee boots, pumps, loafers, sandals, ballet flats",
    "bags": "tote bag, handbag, clutch, backpack, crossbody bag",
    "hats": "cap, beanie, sun hat, fedora",
    "accessories": "belt, scarf, sunglasses, watch, tie, gloves",
    "jewellery": "necklace, earrings, bracelet, ring",
}


def _design(article: str, index: int = 7, **fixed: str) -> Design:
    return compose(3, index, index, article, generator(3, index, 1), fixed)


def _drawn(d: Design) -> np.ndarray:
    return rendered(shop_svg(d), 72, 96)


def _digest(atelier: Atelier, indices: list[int]) -> str:
    total = hashlib.sha256()
    for index in sorted(indices):
        item = atelier.item(index)
        total.update(f"{item.title}|{item.description}|{item.group}|{dict(item.attributes)}".encode())
        total.update(atelier.render(index).tobytes())
        total.update(atelier.render(index, view="customer", view_seed=2).tobytes())
    return total.hexdigest()


def test_item_is_the_same_in_any_order_and_process() -> None:
    indices = [0, 5, 17, 240]
    here = _digest(ATELIER, indices)
    list(ATELIER.items(20, image=False))
    program = (
        "from modiste.data.atelier import Atelier\nimport hashlib\n"
        "a = Atelier(seed=3, image_size=(96, 128)); t = hashlib.sha256()\n"
        "[a.svg(i) for i in (240, 9, 5)]\n"
        "for i in (0, 5, 17, 240):\n"
        "    m = a.item(i); t.update(f'{m.title}|{m.description}|{m.group}|{dict(m.attributes)}'.encode())\n"
        "    t.update(a.render(i).tobytes()); t.update(a.render(i, view='customer', view_seed=2).tobytes())\n"
        "print(t.hexdigest())"
    )
    there = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "99"},
    )
    assert there.stdout.strip() == here
    assert _digest(Atelier(seed=4, image_size=(96, 128)), indices) != here


def test_article_types_map_to_their_super_category() -> None:
    expected = {name.strip(): kind for kind, names in SUPER.items() for name in names.split(",")}
    assert {name: super_category(name) for name in ARTICLE_TYPES} == expected
    assert len(ARTICLE_TYPES) >= 30


@pytest.mark.parametrize("article", ARTICLE_TYPES)
def test_every_pattern_and_colour_is_visible(article: str) -> None:
    spec = ARTICLES[article]
    material = next(iter(spec.materials))
    ground = "red" if "red" in spec.colours else next(iter(spec.colours))
    seen = [_drawn(_design(article, pattern=p, colour=ground, material=material)) for p in spec.patterns]
    for i, one in enumerate(seen):
        for other in seen[:i]:
            assert np.mean(np.any(np.abs(one.astype(int) - other) > 24, axis=2)) > 0.003
    names = list(spec.colours)
    first, second = (
        _drawn(_design(article, pattern="solid", colour=c, material=material)) for c in (names[0], names[-1])
    )
    assert np.mean(np.any(np.abs(first.astype(int) - second) > 24, axis=2)) > 0.005


@pytest.mark.parametrize("article", ARTICLE_TYPES)
def test_every_visible_attribute_changes_the_drawing(article: str) -> None:
    for attribute, values in ARTICLES[article].choices.items():
        drawn = {_drawn(_design(article, pattern="solid", **{attribute: value})).tobytes() for value in values}
        assert len(drawn) == len(values), attribute


def test_solid_items_show_their_named_colour() -> None:
    for article in ARTICLE_TYPES:
        for colour in list(ARTICLES[article].colours)[:6]:
            pixels = _drawn(_design(article, pattern="solid", colour=colour)).reshape(-1, 3).astype(int)
            ground = pixels[0]
            item = pixels[np.abs(pixels - ground).max(axis=1) > 12]
            if colour in ("white", "cream", "silver"):
                continue  # too near the ground to be told from it by a threshold
            nearby = np.abs(item - np.array(rgb(COLOURS[colour]))).max(axis=1) < 60
            assert nearby.mean() > 0.2, (article, colour, nearby.mean())


def test_queries_have_answers_in_a_small_catalogue() -> None:
    items = list(Atelier(0).items(2000, image=False))
    for constraints in (
        {"category": "dress", "colour": "red", "pattern": "polka dots"},
        {"category": "ankle boots", "colour": "black", "material": "leather"},
        {"category": "skirt", "colour": "yellow", "pattern": "floral"},
        {"category": "t-shirt", "colour": "navy", "pattern": "stripes"},
    ):
        assert sum(matches(item, constraints) for item in items) >= 3, describe_constraints(constraints)
    assert {item.category for item in items} == set(ARTICLE_TYPES)
    shared = len(items) - len({item.group for item in items})
    assert 0.06 < shared / len(items) < 0.14
    for one, other in pairwise(items):
        if one.group == other.group:
            assert one.category == other.category
            assert one.attributes["colour"] != other.attributes["colour"]
            assert one.attributes["material"] == other.attributes["material"]


def _named(text: str, words: dict[str, tuple[str, ...]]) -> set[str]:
    """Which values a text names; the longest phrase wins, so "wine red" is not red."""
    text = f" {text.lower().replace(',', ' ').replace('.', ' ').replace(':', ' ')} "
    found = set()
    for phrase, value in sorted(((p, v) for v, ps in words.items() for p in ps), key=lambda pair: -len(pair[0])):
        if f" {phrase} " in text:
            found.add(value)
            text = text.replace(f" {phrase} ", "  ")
    return found


def test_texts_never_contradict_the_attributes() -> None:
    patterns = {name: (*front, *back) for name, (front, back) in PATTERN_WORDS.items()}
    for index, item in enumerate(ATELIER.items(400, image=False)):
        own = {item.attributes["colour"], item.attributes.get("secondary_colour")}
        for text in (item.title, item.description, ATELIER.query(index)):
            assert _named(text, dict(COLOUR_WORDS)) <= own, text
            assert _named(text, patterns) <= {item.attributes["pattern"]}, text
            for length in ("long", "short", "three-quarter"):
                if f"{length} sleeves" in text.lower():
                    assert item.attributes["sleeve_length"] == length


def test_constraints_in_words_and_their_meaning() -> None:
    assert (
        describe_constraints({"category": "dress", "colour": "red", "pattern": "polka dots"})
        == "red dress with polka dots"
    )
    assert (
        describe_constraints({"category": "ankle boots", "colour": "black", "material": "leather"})
        == "black leather ankle boots"
    )
    with pytest.raises(ValueError, match="no constraints"):
        describe_constraints({})
    item = next(item for item in ATELIER.items(200, image=False) if item.category == "ankle boots")
    assert matches(item, {"category": "boots"})
    assert matches(item, {"category": "shoes", "max_price": "100000"})
    assert not matches(item, {"category": "bag"})
    assert not matches(item, {"max_price": "1"})
    assert not matches(item, {"neckline": "crew"})


def test_customer_photo_is_another_picture_of_the_same_colour() -> None:
    for index in range(12):
        shop, one, other = ATELIER.render(index), *(ATELIER.render(index, view="customer", view_seed=v) for v in (0, 1))
        assert shop.shape == one.shape == (128, 96, 3)
        assert np.abs(one.astype(int) - other).mean() > 8
        assert np.abs(one.astype(int) - shop).mean() > 8
    d = _design("dress", pattern="solid", colour="red", length="midi")
    assert d.paint.startswith("#")
    red = next(
        i
        for i in range(2000)
        if (d := ATELIER.design(i)).article in ("dress", "skirt", "coat")
        and d.get("colour") == "red"
        and d.get("pattern") == "solid"
    )
    middle = ATELIER.render(red, view="customer")[40:90, 30:66].reshape(-1, 3).astype(int)
    assert np.median(middle[:, 0] - middle[:, 1]) > 50
    assert ATELIER.customer_photo(red)[:2] == b"\xff\xd8"


def test_write_catalogue_is_complete_and_done_once(tmp_path: Path) -> None:
    seen: list[int] = []
    table = write_catalogue(ATELIER, 6, tmp_path / "shop", progress=seen.append)
    assert seen == [1, 2, 3, 4, 5, 6]
    with table.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["id"] for row in rows] == [f"atelier-{i:06d}" for i in range(6)]
    with Image.open(table.parent / rows[3]["image"]) as image:
        assert image.size == (96, 128)
    before = {path: path.stat().st_mtime_ns for path in sorted(table.parent.rglob("*"))}
    assert write_catalogue(ATELIER, 6, tmp_path / "shop", progress=seen.append) == table
    assert len(seen) == 6
    assert {path: path.stat().st_mtime_ns for path in sorted(table.parent.rglob("*"))} == before


def test_write_catalogue_leaves_nothing_half_done(tmp_path: Path) -> None:
    def interrupt(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_catalogue(ATELIER, 3, tmp_path / "shop", progress=interrupt)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(ValueError, match="not empty"):
        write_catalogue(ATELIER, 3, tmp_path)
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "keep"


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="seed"):
        Atelier(seed=-1)
    with pytest.raises(ValueError, match="pixels"):
        ATELIER.render(0, size=(5, 5))
    with pytest.raises(ValueError, match="view"):
        ATELIER.render(0, view="side")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="negative"):
        ATELIER.item(-1)
