"""People's own photos: the reader on files of the same shape, the classes against the real catalogue."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modiste.data.clothing_photos import ARTICLE_TYPES, CLASSES, read_clothing_photos
from modiste.data.fashion_products import FashionProducts
from modiste.data.images import encode_jpeg
from modiste.taxonomy import super_category

JPEG = encode_jpeg(np.zeros((8, 6, 3), np.uint8))


def written(folder: Path, split: str, rows: list[dict[str, object]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / f"{split}.parquet")
    return folder


def test_photos_have_a_class_and_no_words(tmp_path: Path) -> None:
    rows = [{"id": "a", "category": "hat", "image": JPEG}, {"id": "b", "category": "skirt", "image": {"bytes": JPEG}}]
    written(tmp_path / "clothing_photos", "train", rows[:1])
    written(tmp_path / "clothing_photos", "valid", rows[1:])
    for root in (tmp_path, tmp_path / "clothing_photos"):
        train, valid = read_clothing_photos("train", root), read_clothing_photos("valid", root)
        assert [(item.id, item.category, item.image, item.text) for item in train + valid] == [
            ("a", "hat", JPEG, ""),
            ("b", "skirt", JPEG, ""),
        ]


@pytest.mark.parametrize(
    ("rows", "split", "words"),
    [
        ([{"id": "a", "category": "hat", "image": JPEG}], "valid", "no split 'valid'; there is train"),
        ([{"id": "a", "image": JPEG}], "train", "no column category; found id, image"),
        (
            [{"id": "a", "category": "hat", "image": JPEG}, {"id": "b", "category": "", "image": b""}],
            "train",
            "row 2: no category, image",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, rows: list[dict[str, object]], split: str, words: str) -> None:
    written(tmp_path / "clothing_photos", "train", rows)
    with pytest.raises(ValueError, match=words):
        read_clothing_photos(split, tmp_path)


def test_without_the_set_it_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="clothing-dataset-small"):
        read_clothing_photos("train", tmp_path)


def test_no_article_type_is_of_two_classes_and_each_is_of_the_right_kind() -> None:
    every = [one for types in ARTICLE_TYPES.values() for one in types]
    assert len(set(every)) == len(every)
    kinds = {
        "dress": "dresses", "hat": "hats", "longsleeve": "tops", "outwear": "outerwear", "pants": "bottoms", "shirt": "tops",
        "shoes": "shoes", "shorts": "bottoms", "skirt": "bottoms", "t-shirt": "tops",
    }  # fmt: skip
    assert set(kinds) == set(CLASSES)
    for name, types in ARTICLE_TYPES.items():
        assert {super_category(one) for one in types} == {kinds[name]}


@pytest.mark.data
def test_classes_and_article_types_are_those_of_the_real_sets(real_data: Path) -> None:
    photos = {split: read_clothing_photos(split, real_data) for split in ("train", "valid")}
    assert {split: len(items) for split, items in photos.items()} == {"train": 3068, "valid": 341}
    for items in photos.values():
        assert {item.category for item in items} == set(CLASSES)
    assert not {item.id for item in photos["train"]} & {item.id for item in photos["valid"]}
    products = FashionProducts(real_data)
    there = Counter(item.category for split in products.splits for item in products.stream(split))
    for types in ARTICLE_TYPES.values():
        assert sum(there[one] for one in types) >= 100  # enough of each class in the catalogue
    # What is of no class: accessories, Indian wear, and tops that are neither.
    assert not {"Shirts", "Tshirts", "Caps", "Heels"} - {one for types in ARTICLE_TYPES.values() for one in types}
