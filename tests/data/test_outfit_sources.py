"""The front door to looks."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from modiste.data.feed import FeedReport
from modiste.data.images import encode_jpeg
from modiste.data.outfit_sources import NO_SPLIT_WARNING, UNKNOWN_ITEM_WARNING, load_outfits
from modiste.data.outfit_table import write_looks
from modiste.data.outfits import Look
from modiste.data.polyvore_files import read_polyvore_looks, write_polyvore_looks
from modiste.data.sources import split_by_hash


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder of one's own: a table, a photo, no looks yet."""
    folder = tmp_path / "shop"
    (folder / "photos").mkdir(parents=True)
    (folder / "photos" / "a.jpg").write_bytes(encode_jpeg(np.zeros((8, 6, 3), np.uint8)))
    (folder / "catalogue.csv").write_text(
        "id,title,image,category\na,Red dress,photos/a.jpg,Dress\nb,Boots,,Boots\nc,,,Bag\nd,Bag,,Handbag\n"
    )
    return folder


def test_looks_with_their_splits(shop: Path) -> None:
    write_looks(
        shop / "outfits.jsonl", {"test": [Look("2", ("a",))], "train": [Look("1", ("a", "b")), Look("3", ("c", "a"))]}
    )
    report = FeedReport()
    data = load_outfits(shop, report=report)
    assert data.name == "shop"
    assert data.looks == {"train": (Look("1", ("a", "b")),), "test": (Look("2", ("a",)),)}
    assert list(data.looks) == ["train", "test"]
    assert data.missing == {"train": 1, "test": 0}  # c has neither title nor picture, so there is no such item
    assert data.items["a"].image
    assert report.warning_counts == {UNKNOWN_ITEM_WARNING: 1}
    assert report.rejected == 1


def test_a_file_per_split_decides_whatever_the_lines_say(shop: Path) -> None:
    write_looks(shop / "outfits_train.jsonl", {"test": [Look("1", ("a",))], "": [Look("2", ("b",))]})
    write_looks(shop / "outfits_valid.ndjson", [Look("3", ("d",))])
    data = load_outfits(str(shop))
    assert {split: {look.id for look in looks} for split, looks in data.looks.items()} == {
        "train": {"1", "2"},
        "valid": {"3"},
    }
    write_looks(shop / "outfits.jsonl", [Look("3", ("a",))])
    with pytest.raises(ValueError, match=r"outfits\.jsonl or outfits_train\.jsonl, outfits_valid\.ndjson\? keep one"):
        load_outfits(shop)


def test_without_splits_a_hash_of_the_group_decides(shop: Path) -> None:
    looks = [Look(str(number), ("a",), group=f"g{number // 2}" if number % 3 else "") for number in range(400)]
    write_looks(shop / "outfits.jsonl", looks)
    data = load_outfits(shop)
    assert sorted(data.looks) == ["test", "train", "valid"]
    for split, found in data.looks.items():
        assert all(split == split_by_hash(look.group or look.id) for look in found)
    sizes = Counter({split: len(found) for split, found in data.looks.items()})
    assert sizes.total() == 400
    assert 280 < sizes["train"] < 360


def test_where_some_lines_say_a_split_the_others_are_left_out(shop: Path) -> None:
    write_looks(shop / "outfits.jsonl", {"train": [Look("1", ("a",))], "": [Look("2", ("b",))]})
    report = FeedReport()
    assert load_outfits(shop, report=report).looks == {"train": (Look("1", ("a",)),)}
    assert report.warning_counts[NO_SPLIT_WARNING] == 1


def test_bad_lines_are_in_the_same_report(shop: Path) -> None:
    good = json.dumps({"outfit_id": "1", "items": [{"item_id": "a"}], "split": "train"})
    (shop / "outfits.jsonl").write_text(f"{good}\nno json\n")
    report = FeedReport()
    load_outfits(shop, report=report)
    assert [entry["field"] for entry in report.first_rejected] == ["title", "row"]
    assert str(report.first_rejected[1]["reason"]).startswith("outfits.jsonl: not JSON")


def test_which_table(shop: Path) -> None:
    write_looks(shop / "outfits.jsonl", {"train": [Look("1", ("a",))]})
    (shop / "other.csv").write_text("id,title\nz,Z\n")
    assert "z" not in load_outfits(shop).items  # one is called catalogue
    (shop / "catalogue.csv").rename(shop / "things.csv")
    with pytest.raises(ValueError, match=r"which is the table of items\? other\.csv, things\.csv; name it items"):
        load_outfits(shop)
    (shop / "things.csv").rename(shop / "items.csv")
    assert "a" in load_outfits(shop).items
    for file in shop.glob("*.csv"):
        file.unlink()
    with pytest.raises(ValueError, match="no table of items beside the looks"):
        load_outfits(shop)


def test_sources_that_are_none(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"shop: no outfits\.jsonl and no outfits_\{split\}\.jsonl there"):
        load_outfits(shop)
    write_looks(shop / "outfits.jsonl", [])
    with pytest.raises(ValueError, match="shop: no look"):
        load_outfits(shop)
    write_looks(shop / "outfits.jsonl", [Look("1", ("nobody",))])
    with pytest.raises(ValueError, match=r"no look; 1 look\(s\) name items that are not there"):
        load_outfits(shop)
    for source, message in [
        ("fashion", "no such folder, and no known source; there is mango_outfits, polyvore:FOLDER"),
        ("polyvore:", "write polyvore:FOLDER"),
        ("polyvore::disjoint", "write polyvore:FOLDER"),
        (f"polyvore:{tmp_path}", r"no polyvore_item_metadata\.json"),
        ("polyvore_ids:half", "unknown version 'half'"),
        ("polyvore_ids", "MODISTE_DATA"),
        ("mango_outfits", "MODISTE_DATA"),
        ("polyvore_t", "MODISTE_DATA"),
        ("atelier", "write atelier:N, atelier:N:SEED or atelier:N:SEED:LOOKS"),
        ("atelier:0", "write atelier:N"),
        ("atelier:10:x", "write atelier:N"),
        ("atelier:10:0:", "write atelier:N"),
    ]:
        with pytest.raises(ValueError, match=message):
            load_outfits(source)


def test_the_official_layout_even_where_a_path_has_colons(shop: Path, tmp_path: Path) -> None:
    root = tmp_path / "a:b"
    for version in ("nondisjoint", "disjoint"):
        (root / version).mkdir(parents=True)
        write_polyvore_looks(root / version / "test.json", [Look(version, ("1", "2"))])
    (root / "polyvore_item_metadata.json").write_text('{"1": {"title": "x"}, "2": {"title": "y"}}')
    for source, look_id in [("", "nondisjoint"), (":nondisjoint", "nondisjoint"), (":disjoint", "disjoint")]:
        data = load_outfits(f"polyvore:{root}{source}")
        assert data.name == f"polyvore:{look_id}"
        assert [look.id for look in data.looks["test"]] == [look_id]
    # From the official file to our own and back.
    looks = read_polyvore_looks(root / "disjoint" / "test.json").looks
    shutil.copytree(shop, tmp_path / "own")
    write_looks(tmp_path / "own" / "outfits_test.jsonl", looks)
    (tmp_path / "own" / "catalogue.csv").write_text("id,title\n1,x\n2,y\n")
    again = load_outfits(tmp_path / "own").looks["test"]
    assert again == looks


@pytest.mark.data
@pytest.mark.parametrize("source", ["mango_outfits", "polyvore_t"])
def test_the_real_sets(real_data: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.setenv("MODISTE_DATA", str(real_data))
    data = load_outfits(source)
    assert data.looks["test"]
    for look in data.looks["test"]:
        assert set(look.item_ids) <= data.items.keys()


def test_more_looks_of_the_same_generated_items() -> None:
    few, many = load_outfits("atelier:300:1"), load_outfits("atelier:300:1:1000")
    assert list(many.items) == list(few.items)
    assert (sum(map(len, few.looks.values())), sum(map(len, many.looks.values()))) == (600, 1000)
    assert many.pools == few.pools  # type: ignore[attr-defined]
