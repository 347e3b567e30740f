"""The reader of the real product set, on files of the same shape and, where there is one, on the set itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modiste.data.fashion_products import FashionProducts, is_fashion_products
from modiste.data.feed import read_feed
from modiste.data.images import decode, encode_jpeg
from modiste.data.roots import SPLITS
from modiste.taxonomy import super_category
from modiste.types import Item

JPEG = encode_jpeg(np.zeros((8, 6, 3), np.uint8))


def rows(*groups: str, struct: bool = False) -> pa.Table:
    size = len(groups)
    return pa.table(
        {
            "id": [f"{group}-{number}" for number, group in enumerate(groups)],
            "title": ["Nike  Men Blue Tshirt"] * size,
            "gender": ["Men"] * size,
            "category": ["Apparel"] * size,
            "sub_category": ["Topwear"] * size,
            "article_type": ["Tshirts"] * size,
            "colour": ["Blue"] * size,
            "season": ["Fall"] * size,
            "usage": pa.array([None] * size, pa.string()),
            "group": list(groups),
            "image": [{"bytes": JPEG, "path": None}] * size if struct else [JPEG] * size,
        }
    )


def written(folder: Path, **splits: pa.Table) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in splits.items():
        pq.write_table(table, folder / f"{name}.parquet")
    return folder


def everything(item: Item) -> tuple[object, ...]:
    return item.id, item.title, item.image, item.category, item.description, dict(item.attributes), item.group


@pytest.mark.parametrize("struct", [False, True])
def test_root_may_be_any_level(tmp_path: Path, struct: bool) -> None:
    folder = written(tmp_path / "fashion_products", train=rows("a", "b", struct=struct), test=rows("c"))
    for root in (tmp_path, folder):
        data = FashionProducts(root)
        assert data.splits == ("train", "test")
        assert [item.id for item in data.split("train")] == ["a-0", "b-1"]
    single = FashionProducts(folder / "test.parquet")
    (item,) = single.split("test")
    assert everything(item) == (
        *("c-0", "Nike Men Blue Tshirt", JPEG, "Tshirts", ""),
        {
            "gender": "Men",
            "category": "Apparel",
            "sub_category": "Topwear",
            "article_type": "Tshirts",
            "colour": "Blue",
            "season": "Fall",
        },
        "c",
    )
    assert "test" in repr(single)


def test_both_readers_agree(tmp_path: Path) -> None:
    folder = written(tmp_path, test=rows("a", "b"))
    assert list(map(everything, FashionProducts(folder).split("test"))) == list(
        map(everything, read_feed(folder / "test.parquet"))
    )


def test_overlap_names_groups_that_cross_splits(tmp_path: Path) -> None:
    written(tmp_path, train=rows("a", "b", ""), valid=rows("c", ""), test=rows("b", "d"))
    assert FashionProducts(tmp_path).overlap() == {("train", "test"): {"b"}}


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Param Aggarwal from Kaggle.*columns id, title, image, gender"):
        FashionProducts(tmp_path)
    written(tmp_path, train=rows("a").drop_columns(["article_type"]), valid=rows("a"))
    data = FashionProducts(tmp_path)
    with pytest.raises(ValueError, match="no split 'test'; there is train, valid"):
        data.split("test")
    with pytest.raises(ValueError, match=r"train\.parquet: no column article_type; found id, title"):
        data.split("train")
    nameless = rows("a").set_column(0, "id", pa.array([""]))
    with pytest.raises(ValueError, match="row 1: empty id"):
        FashionProducts(written(tmp_path, test=nameless)).split("test")
    assert is_fashion_products(tmp_path / "valid.parquet")
    assert not is_fashion_products(tmp_path / "train.parquet")
    (tmp_path / "x.parquet").write_bytes(b"no")
    assert not is_fashion_products(tmp_path / "x.parquet")


@pytest.mark.data
def test_the_real_set(real_data: Path) -> None:
    data = FashionProducts(real_data)
    assert data.splits == SPLITS
    assert data.overlap() == {}
    items = data.split("valid")
    assert len(items) == 2_025
    assert len({item.id for item in items}) == len(items)
    assert all(item.title and item.category and item.group for item in items)
    assert decode(items[0].image).shape == (80, 60, 3)
    assert sum(super_category(item.category) == "other" for item in items) < 0.1 * len(items)
    feed = list(read_feed(real_data / "fashion_products" / "valid.parquet"))
    assert list(map(everything, items)) == list(map(everything, feed))
