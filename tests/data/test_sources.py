"""The front door: every kind of source, every way to split it, every refusal."""

from __future__ import annotations

import csv
import logging
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from modiste.data.fashion_mnist import CLASSES
from modiste.data.feed import FeedReport
from modiste.data.sources import default_split, has_split, load_items
from modiste.types import Item


def table(path: Path, *rows: tuple[str, ...], header: tuple[str, ...] = ("id", "title", "group")) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def ids(items: list[Item]) -> list[str]:
    return [item.id for item in items]


def test_a_table_without_splits_is_split_by_product(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", *((str(number), "Shirt", f"g{number // 3}") for number in range(900)))
    parts = {split: load_items(path, split) for split in ("train", "valid", "test")}
    assert sorted(one for items in parts.values() for one in ids(items)) == sorted(ids(load_items(path)))
    groups = {split: {item.group for item in items} for split, items in parts.items()}
    assert not groups["train"] & groups["test"]
    assert not groups["train"] & groups["valid"]
    assert not groups["valid"] & groups["test"]
    assert 0.7 < len(parts["train"]) / 900 < 0.9
    grown = table(tmp_path / "u.csv", *((str(number), "Shirt", f"g{number // 3}") for number in range(1_200)))
    assert set(ids(parts["test"])) <= set(ids(load_items(grown, "test")))  # new rows move no old one


def test_a_split_column_decides(tmp_path: Path) -> None:
    rows = (("1", "A", "train"), ("2", "B", "Validation"), ("3", "C", "test"), ("4", "D", ""))
    path = table(tmp_path / "t.csv", *rows, header=("id", "title", "split"))
    assert [ids(load_items(path, split)) for split in ("train", "valid", "test", None)] == [
        *(["1"], ["2"], ["3"], ["1", "2", "3", "4"]),
    ]


def test_a_folder_with_a_file_per_split(tmp_path: Path) -> None:
    table(tmp_path / "train.csv", ("1", "A", ""))
    (tmp_path / "test.jsonl").write_text('{"id": "2", "title": "B"}\n')
    assert ids(load_items(tmp_path, "train")) == ["1"]
    assert ids(load_items(str(tmp_path), "test")) == ["2"]
    assert ids(load_items(tmp_path)) == ["1", "2"]
    with pytest.raises(ValueError, match="no split 'valid'; there is train, test"):
        load_items(tmp_path, "valid")
    table(tmp_path / "train.tsv", ("1", "A", ""))
    with pytest.raises(ValueError, match=r"which is the split train\? train\.csv, train\.tsv"):
        load_items(tmp_path, "train")


def test_fashion_products(real_data: Path) -> None:
    folder = real_data / "fashion_products"
    assert len(load_items(folder, "valid")) == len(load_items(folder / "valid.parquet")) == 2_025


def test_fashion_products_inside_a_data_folder(tmp_path: Path) -> None:
    table(tmp_path / "fashion_products" / "test.csv", ("1", "A", ""))
    assert ids(load_items(tmp_path, "test")) == ["1"]


def test_atelier(monkeypatch: pytest.MonkeyPatch) -> None:
    """The generated world has tests of its own; here only what is asked of it."""

    class Atelier:
        def __init__(self, seed: int) -> None:
            self.seed = seed

        def items(self, count: int) -> list[Item]:
            return [Item(id=f"{self.seed}-{number}", title="drawn") for number in range(count)]

    module = types.ModuleType("modiste.data.atelier")
    module.Atelier = Atelier  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "modiste.data.atelier", module)
    assert ids(load_items("atelier:2:7")) == ["7-0", "7-1"]
    assert len(load_items("atelier:200")) == 200
    assert sum(len(load_items("atelier:200", split)) for split in ("train", "valid", "test")) == 200
    for wrong in ("atelier", "atelier:", "atelier:0", "atelier:2:x", "atelier:-3"):
        with pytest.raises(ValueError, match="write atelier:SIZE or atelier:SIZE:SEED"):
            load_items(wrong)


def test_refusals(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="unknown split 'dev'; choose one of train, valid, test"):
        load_items(tmp_path, "dev")
    with pytest.raises(ValueError, match="no such file or folder, and not atelier"):
        load_items(tmp_path / "absent.csv")
    bad = table(tmp_path / "bad.csv", ("1", "", ""), ("2", "", ""))
    with pytest.raises(ValueError, match=r"no item; 2 rows read, 0 accepted, 2 rejected\n  rejected for title: 2"):
        load_items(bad)
    mixed = table(tmp_path / "mixed.csv", ("1", "", ""), ("2", "B", ""))
    report = FeedReport()
    with caplog.at_level(logging.WARNING):
        assert ids(load_items(mixed, report=report)) == ["2"]
    assert report.rejected == 1
    assert "1 accepted, 1 rejected" in caplog.text
    one = table(tmp_path / "one.csv", ("1", "A", "train"), header=("id", "title", "split"))
    with pytest.raises(ValueError, match="no item in split 'test'"):
        load_items(one, "test")


def test_fashion_mnist_comes_as_photos_without_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        f"{split}_images": rng.integers(0, 256, (n, 28, 28), np.uint8) for split, n in (("train", 12), ("test", 5))
    }
    arrays |= {f"{split}_labels": rng.integers(0, 10, n).astype(np.uint8) for split, n in (("train", 12), ("test", 5))}
    (tmp_path / "fashion_mnist").mkdir()
    np.savez(tmp_path / "fashion_mnist" / "fashion_mnist.npz", **arrays)
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path))
    assert (has_split("fashion_mnist", "train"), has_split("fashion_mnist", "valid")) == (True, False)
    assert default_split("fashion_mnist") == "test"
    items = load_items("fashion_mnist", "test")
    assert [len(items), len(load_items("fashion_mnist"))] == [5, 17]
    for item, image, label in zip(items, arrays["test_images"], arrays["test_labels"], strict=True):
        assert item.text == ""
        assert item.attributes["article_type"] == item.category == CLASSES[label]
        assert isinstance(item.image, np.ndarray)
        assert (item.image == image[:, :, None]).all()
