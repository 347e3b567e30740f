"""FashionIQ's annotation files: read as they are, two galleries apart, missing photos said."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modiste.data.composed import load_composed
from modiste.data.fashioniq import CATEGORIES, FashionIq, is_fashioniq


def write(root: Path, *, photos: bool = True) -> Path:
    """Two triplets of each category among five photos, of which the last one is in no triplet."""
    for folder in ("captions", "image_splits", *(["images"] if photos else [])):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for kind, category in enumerate(CATEGORIES):
        names = [f"B{kind}{number}" for number in range(5)]
        rows = [
            {"candidate": names[0], "target": names[1], "captions": ["is red ", "has long sleeves"]},
            {"candidate": names[2], "target": names[3], "captions": ["is blue", "more formal"]},
        ]
        (root / "captions" / f"cap.{category}.val.json").write_text(json.dumps(rows))
        (root / "image_splits" / f"split.{category}.val.json").write_text(json.dumps(names))
        if photos:
            for shade, name in enumerate(names):
                Image.fromarray(np.full((8, 6, 3), 40 * shade, np.uint8)).save(root / "images" / f"{name}.png")
    return root


def test_questions_are_joined_captions_and_galleries_are_named(tmp_path: Path) -> None:
    root = write(tmp_path)
    original, val = (load_composed(root, gallery=name) for name in ("original", "val"))
    assert is_fashioniq(root)
    assert [one.text for one in original.examples[:2]] == ["is red, has long sleeves", "is blue, more formal"]
    assert [one.part for one in original.examples] == [category for category in CATEGORIES for _ in range(2)]
    assert {part: len(items) for part, items in original.galleries.items()} == dict.fromkeys(CATEGORIES, 5)
    assert {part: len(items) for part, items in val.galleries.items()} == dict.fromkeys(CATEGORIES, 4)
    assert (original.name, val.name) == ("original", "val")
    assert original.reference_stays
    assert all(item.image for items in original.galleries.values() for item in items)
    with pytest.raises(ValueError, match="original, val"):
        load_composed(root, gallery="both")


def test_what_lacks_a_photo_is_left_out_and_counted(tmp_path: Path) -> None:
    root = write(tmp_path)
    (root / "images" / "B03.png").unlink()
    (root / "images" / "B14.png").unlink()
    data = load_composed(root)
    assert (len(data.examples), data.without_photo, data.missing_photos) == (5, 1, 2)
    assert len(data.galleries["dress"]) == 4


def test_without_any_photo_it_says_where_they_belong(tmp_path: Path) -> None:
    root = write(tmp_path / "iq", photos=False)
    with pytest.raises(ValueError, match=r"no photo .*images.*ASIN\.jpg"):
        load_composed(root)
    words_alone = FashionIq(root).composed(photos=False)
    assert len(words_alone.examples) == 6
    elsewhere = write(tmp_path / "other") / "images"
    assert len(load_composed(root, images=elsewhere).examples) == 6
    with pytest.raises(FileNotFoundError, match="no such folder"):
        FashionIq(root, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "not JSON"),
        ('{"a": 1}', "must be a list"),
        ('[{"candidate": "B1", "target": "B2", "captions": []}]', "row 0"),
        ('[{"candidate": "B1", "target": "B2", "captions": ["x"]}, {"target": "B2", "captions": ["x"]}]', "row 1"),
        ("[3]", "row 0"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, text: str, match: str) -> None:
    root = write(tmp_path)
    (root / "captions" / "cap.dress.val.json").write_text(text)
    with pytest.raises(ValueError, match=match) as caught:
        FashionIq(root).triplets("dress", "valid")
    assert "cap.dress.val.json" in str(caught.value)


def test_a_name_that_is_a_path_finds_no_photo(tmp_path: Path) -> None:
    root = write(tmp_path)
    (tmp_path / "secret.png").write_bytes(b"x")
    data = FashionIq(root)
    assert data.photo("B00") is not None
    assert data.photo("../secret") is None
    assert data.photo("") is None


@pytest.mark.data
def test_the_official_files(real_data: Path) -> None:
    if not (real_data / "fashion_iq" / "captions").is_dir():
        pytest.skip("no FashionIQ")
    data = FashionIq(real_data)
    found = {name: (len(data.triplets(name, "valid")), len(data.gallery_ids(name, "valid"))) for name in CATEGORIES}
    assert found == {"dress": (2017, 3817), "shirt": (2038, 6346), "toptee": (1961, 5373)}
    assert {name: len(data.gallery_ids(name, "valid", "val")) for name in CATEGORIES} == {
        "dress": 2628, "shirt": 3089, "toptee": 2902,
    }  # fmt: skip
    assert sum(len(data.triplets(name, "train")) for name in CATEGORIES) == 18_000
