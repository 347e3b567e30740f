"""Polyvore Outfits as ids and categories: questions rebuilt from positives and negatives."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modiste.data.feed import FeedReport
from modiste.data.outfits import CpQuestion, FitbQuestion, Look
from modiste.data.overlap import overlaps
from modiste.data.polyvore_ids import read_polyvore_ids
from modiste.taxonomy import unknown_labels

KIND = {"b": "bags", "s": "shoes", "t": "tops"}
RIGHT = ["b1 s1 t1", "s2 t2", "b3 s3"]
WRONG = ["b2 s2 t2", "s3 t1", "b1 s2"]
# Three rows each: the second item of the first look, the second of the second, the first of the third.
EXCHANGED = ["b1 s2 t1", "b1 s3 t1", "b1 s4 t1", "s2 t1", "s2 t2", "s2 t3", "b1 s3", "b2 s3", "b2 s3"]


def written(root: Path, **files: list[str]) -> Path:
    folder = root / "polyvore_outfits_ids"
    folder.mkdir(parents=True, exist_ok=True)
    for name, looks in files.items():
        rows = [{"item_ids": look.split(), "categories": [KIND[one[0]] for one in look.split()]} for look in looks]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet")
    return folder


def test_looks_and_questions(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        nondisjoint_test_pos=RIGHT,
        nondisjoint_test_neg=WRONG,
        nondisjoint_test_neg_fitb=EXCHANGED,
        disjoint_train_pos=["b9 t9"],
    )
    for root in (tmp_path, folder):
        report = FeedReport()
        data = read_polyvore_ids(root=root, report=report)
        assert data.name == "polyvore_ids:nondisjoint"
        assert data.looks == {
            "test": (Look("test-1", ("b1", "s1", "t1")), Look("test-2", ("s2", "t2")), Look("test-3", ("b3", "s3")))
        }
        assert data.cp["test"] == (
            *(CpQuestion(tuple(look.split()), 1) for look in RIGHT),
            *(CpQuestion(tuple(look.split()), 0) for look in WRONG),
        )
        # The second question offers its right item twice and has no answer; the third offers a wrong one twice.
        assert data.fitb["test"] == (
            FitbQuestion(("b1", "t1"), ("s1", "s2", "s3", "s4"), "s1"),
            FitbQuestion(("s3",), ("b3", "b1", "b2", "b2"), "b3"),
        )
        assert (report.rows_read, report.rejected) == (3, 1)
        assert "the right item 't2' is a wrong candidate too" in str(report.first_rejected[0]["reason"])
        assert data.items["s4"].category == "shoes"
        assert "t9" not in data.items
    assert list(read_polyvore_ids("disjoint", tmp_path).looks) == ["train"]


def test_errors_say_where(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no polyvore_outfits_ids/disjoint_\*_pos\.parquet.*lzcn/outfit-datasets"
    ):
        read_polyvore_ids("disjoint", tmp_path)
    with pytest.raises(ValueError, match="unknown version 'x'"):
        read_polyvore_ids("x", tmp_path)
    for number, (files, message) in enumerate(
        [
            ({"nondisjoint_test_neg_fitb": EXCHANGED[:8]}, "8 rows, 3 for each of the 3 looks are needed"),
            ({"nondisjoint_test_neg_fitb": ["b1 s2 t2", *EXCHANGED[1:]]}, "rows 1 to 3 are not look 1 with one item"),
            ({"nondisjoint_test_neg_fitb": ["b1 s2", *EXCHANGED[1:]]}, "rows 1 to 3 are not look 1 with one item"),
            ({"nondisjoint_test_neg_fitb": ["b1 s1 t2", *EXCHANGED[1:]]}, "rows 1 to 3 are not look 1 with one item"),
        ]
    ):
        written(tmp_path / str(number), nondisjoint_test_pos=RIGHT, **files)
        with pytest.raises(ValueError, match=message):
            read_polyvore_ids(root=tmp_path / str(number))
    folder = written(tmp_path / "rows")
    file = folder / "nondisjoint_test_pos.parquet"
    for rows, message in [
        ([{"item_ids": ["a", "b"], "categories": ["tops"]}], "row 1: as many item_ids as categories"),
        ([{"item_ids": [], "categories": []}], "row 1: as many item_ids as categories"),
        ([{"item_ids": ["a", ""], "categories": ["tops", "bags"]}], "row 1: as many item_ids as categories"),
        (
            [{"item_ids": ["a"], "categories": ["tops"]}, {"item_ids": ["a"], "categories": ["bags"]}],
            "row 2: item 'a' is bags, elsewhere tops",
        ),
        ([{"item_ids": ["a"]}], "no readable table of item_ids and categories"),
    ]:
        pq.write_table(pa.Table.from_pylist(rows), file)
        with pytest.raises(ValueError, match=message):
            read_polyvore_ids(root=folder)
    file.write_bytes(b"no")
    with pytest.raises(ValueError, match=r"nondisjoint_test_pos\.parquet: no readable table"):
        read_polyvore_ids(root=folder)


@pytest.mark.data
def test_the_real_files(real_data: Path) -> None:
    report = FeedReport()
    data = read_polyvore_ids(root=real_data, report=report)
    assert {split: len(some) for split, some in data.looks.items()} == {"valid": 5_000, "test": 10_000}
    assert (len(data.cp["test"]), len(data.fitb["test"]), report.rejected) == (20_000, 9_990, 10)
    by_id = {frozenset(look.item_ids) for look in data.looks["test"]}
    for one in data.fitb["test"]:
        assert frozenset((*one.partial, one.correct)) in by_id
    kinds = [{data.items[candidate].category for candidate in one.candidates} for one in data.fitb["test"]]
    assert (
        0 < sum(len(some) > 1 for some in kinds) <= 21
    )  # the official wrong candidates are of one category but for these
    assert unknown_labels({item.category for item in data.items.values()}) == []


@pytest.mark.data
def test_disjoint_is_not_disjoint(real_data: Path) -> None:
    """The figures others have published about these files."""
    data = read_polyvore_ids("disjoint", real_data)
    found = {(one.earlier, one.later): one for one in overlaps(data)}
    assert (found["train", "test"].items, found["train", "test"].num_items) == (84, 70_035)
    assert found["train", "valid"].items / found["train", "valid"].num_items == pytest.approx(0.258, abs=0.0005)
    assert len(data.items) == 152_785
