"""One's own tables of clicks: what is good is read, and what is bad costs its row alone."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modiste.data.feed import FeedReport
from modiste.data.interaction_tables import read_tables, with_test_clicks
from modiste.data.interactions import Interactions, load_interactions

OUTFITS = "outfit_id,item_id,category\no1,a,top\no1,b,jeans\no2,a,top\no2,c,shoes\no3,c,shoes\n"
CLICKS = "user_id,outfit_id\nu1,o1\nu1,o2\nu2,o2\n"


def write(folder: Path, outfits: str = OUTFITS, **clicks: str) -> Path:
    (folder / "outfits.csv").write_text(outfits, "utf-8")
    for name, text in (clicks or {"interactions": CLICKS}).items():
        (folder / f"{name}.csv").write_text(text, "utf-8")
    return folder


def pairs(data: Interactions, split: str = "train") -> set[tuple[str, str]]:
    rows, columns = data.clicks[split].nonzero()
    return {(data.user_ids[row], data.outfit_ids[column]) for row, column in zip(rows, columns, strict=True)}


def test_the_tables(tmp_path: Path) -> None:
    data = load_interactions(write(tmp_path))
    assert data.outfit_ids == ("o1", "o2", "o3")  # o3: nobody clicked it, and it can be recommended
    assert pairs(data) == {("u1", "o1"), ("u1", "o2"), ("u2", "o2")}
    np.testing.assert_array_equal(data.outfit_items.toarray(), [[1, 1, 0], [1, 0, 1], [0, 0, 1]])
    assert data.item_categories is not None
    assert [data.category_names[kind] for kind in data.item_categories] == ["top", "jeans", "shoes"]
    assert data.name == tmp_path.name


def test_parquet_and_other_names(tmp_path: Path) -> None:
    pq.write_table(pa.table({"look_id": [1, 1, 2], "Item": [7, 8, 7]}), tmp_path / "outfits.parquet")
    users = pa.array([10.0, 9.0, None])  # whole numbers, as a column with an empty cell keeps them
    pq.write_table(pa.table({"user": users, "outfit": [1, 2, 2]}), tmp_path / "interactions.parquet")
    report = FeedReport()
    data = read_tables(tmp_path, report=report)
    assert data.user_ids == ("9", "10")
    assert pairs(data) == {("10", "1"), ("9", "2")}
    assert report.first_rejected == [
        {"row": 3, "id": "", "field": "user_id", "reason": "interactions.parquet: empty id"}
    ]


def test_looks_as_json_lines(tmp_path: Path) -> None:
    lines = ['{"outfit_id": "o1", "items": [{"item_id": "a"}, {"item_id": "a"}, {"item_id": "b"}]}']
    lines += ['{"outfit_id": "o2", "items": [{"item_id": "b"}], "label": 0}', '{"outfit_id": "o3"}']
    (tmp_path / "outfits.jsonl").write_text("\n".join(lines), "utf-8")
    (tmp_path / "interactions.jsonl").write_text('{"user_id": 3, "outfit_id": "o1"}\n', "utf-8")
    report = FeedReport()
    data = read_tables(tmp_path, report=report)
    assert (data.user_ids, data.outfit_ids, data.item_ids) == (("3",), ("o1",), ("a", "b"))  # label 0: no look
    assert report.rejected == 1


def test_bad_rows_are_reported(tmp_path: Path) -> None:
    outfits = OUTFITS + "o3,c,shoes\n,x,top\no3,,top\no3,a,hat\no3\n"
    rows = [
        *("user_id,outfit_id,weight,time,split", "u1,o1,,,train", "u1,o9,,,train", ",o1,,,train", "u1,o1,,,train"),
        *("u2,o1,0,,train", "u2,o1,-1,,train", "u2,o2,much,,train", "u2,o2,1,soon,train", "u2,o2,inf,,train"),
        *("u2,o2,0.5,2026-11-27,later", "u2,o2,0.5,2026-11-27,", "u2,o2,0.5,2026-11-27,validation", "u3,o1"),
    ]
    report = FeedReport()
    data = read_tables(write(tmp_path, outfits, interactions="\n".join(rows)), report=report)
    assert pairs(data) == {("u1", "o1")}
    assert pairs(data, "valid") == {("u2", "o2")}
    assert report.rows_read == 10 + 13
    assert report.folded == 2  # weights that say there was no click
    found = [(one["row"], one["field"], one["reason"]) for one in report.first_rejected]
    assert found == [
        (6, "item_id", "outfits.csv: duplicate: 'c' is in the outfit already"),
        (7, "outfit_id", "outfits.csv: empty id"),
        (8, "item_id", "outfits.csv: empty id"),
        (9, "category", "outfits.csv: item 'a' is 'top' elsewhere"),
        (10, "row", "outfits.csv: 1 fields where the header has 3"),
        (2, "outfit_id", "interactions.csv: unknown outfit"),
        (3, "user_id", "interactions.csv: empty id"),
        (7, "weight", "interactions.csv: a number is needed, not 'much'"),
        (8, "time", "interactions.csv: seconds or a date are needed, not 'soon'"),
        (9, "weight", "interactions.csv: a number is needed, not 'inf'"),
    ]
    assert report.rejected == 14
    assert report.rejected_fields["split"] == 2  # an unknown one, and none where other rows have one


def test_a_file_for_each_split(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        interactions_train=CLICKS,
        interactions_test="user_id,outfit_id\nu1,o3\nu1,o1\n",
    )
    report = FeedReport()
    data = read_tables(folder, report=report)
    assert pairs(data, "test") == {("u1", "o3")}  # u1, o1 is a training click: it is no test of anything
    assert report.rejected == 1
    (folder / "interactions.csv").write_text(CLICKS, "utf-8")
    with pytest.raises(ValueError, match="keep one table, or one for each split"):
        read_tables(folder)
    for name in ("interactions", "interactions_train"):
        (folder / f"{name}.csv").unlink()
    with pytest.raises(ValueError, match="but no interactions_train"):
        read_tables(folder)


def test_times_divide(tmp_path: Path) -> None:
    outfits = "outfit_id,item_id\n" + "".join(f"o{number},i\n" for number in range(10))
    days = [f"u,o{number},2026-01-{20 - number:02d}" for number in range(10)]
    data = read_tables(write(tmp_path, outfits, interactions="user_id,outfit_id,time\n" + "\n".join(days)))
    assert pairs(data, "test") == {("u", "o0")}
    assert pairs(data, "valid") == {("u", "o1")}
    days[3] = "u,o3,"  # a time is missing: drawn by lot, and again by the seed
    folder = write(tmp_path, outfits, interactions="user_id,outfit_id,time\n" + "\n".join(days))
    tests = {frozenset(pairs(read_tables(folder, seed), "test")) for seed in range(10)}
    assert len(tests) > 3


@pytest.mark.parametrize("time", ["1767225600", "2026-01-01", "2026-01-01T01:00:00+01:00", "1767225600.0"])
def test_times_as_people_write_them(tmp_path: Path, time: str) -> None:
    from modiste.data.interaction_tables import _time

    assert _time({"time": time}) == datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def test_a_core(tmp_path: Path) -> None:
    folder = write(tmp_path, interactions=CLICKS + "u3,o3\nu2,o1\n")
    data = load_interactions(folder, min_user_clicks=2, min_outfit_clicks=2)
    assert (data.user_ids, data.outfit_ids, data.item_ids) == (("u1", "u2"), ("o1", "o2"), ("a", "b", "c"))
    with pytest.raises(ValueError, match="no interaction left with 9 clicks of each user"):
        read_tables(folder, min_user_clicks=9)


@pytest.mark.parametrize(
    ("outfits", "clicks", "message"),
    [
        ("outfit,name\n1,2\n", CLICKS, "no column item_id; there is outfit, name"),
        (OUTFITS, "person,outfit_id\nu,o1\n", "no column user_id"),
        (OUTFITS, "user_id,outfit_id\nu,o7\n", "no interaction left; 6 rows read"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, outfits: str, clicks: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_tables(write(tmp_path, outfits, interactions=clicks))


def test_two_tables_of_one_name(tmp_path: Path) -> None:
    (write(tmp_path) / "outfits.tsv").write_text("x", "utf-8")
    with pytest.raises(ValueError, match=r"which of outfits.csv, outfits.tsv\?"):
        read_tables(tmp_path)


def test_held_out_clicks(tmp_path: Path) -> None:
    data = read_tables(write(tmp_path))
    file = tmp_path / "held.csv"
    file.write_text("user,outfit\nu1,o3\nu2,o1\nu1,o1\nu9,o1\nu1,o9\nu1,o3\n", "utf-8")
    report = FeedReport()
    replaced = with_test_clicks(data, file, report=report)
    assert pairs(replaced, "test") == {("u1", "o3"), ("u2", "o1")}
    assert pairs(replaced) == pairs(data)
    assert [(one["row"], one["reason"]) for one in report.first_rejected] == [
        (3, "held.csv: already a click of train: it is not ranked"),
        (4, "held.csv: unknown user"),
        (5, "held.csv: unknown outfit"),
        (6, "held.csv: duplicate: this user and this outfit are there already"),
    ]
    file.write_text("user,outfit\nu1,o1\n", "utf-8")
    with pytest.raises(ValueError, match="no click that could be tested"):
        with_test_clicks(data, file)


CELLS = st.text(max_size=8) | st.sampled_from(["u1", "o1", "o2", "0", "-1", "1e400", "nan", "train", "\x00", '"'])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.lists(CELLS, max_size=6), max_size=12))
def test_any_rows_are_counted(tmp_path: Path, rows: list[list[str]]) -> None:
    """Whatever a table holds: it is read or refused in words, and every row is accounted for."""
    stream = io.StringIO()
    writer = csv.writer(stream)
    writer.writerow(["user_id", "outfit_id", "weight", "time", "split"])
    writer.writerows([["u1", "o1", "", "", "train"], *rows])
    write(tmp_path)
    (tmp_path / "interactions.csv").write_text(stream.getvalue(), "utf-8", errors="surrogatepass", newline="")
    report = FeedReport()
    try:
        data = read_tables(tmp_path, report=report)
    except ValueError as error:
        assert str(tmp_path) in str(error)  # noqa: PT017
        return
    clicks = sum(matrix.nnz for matrix in data.clicks.values())
    assert clicks + 5 == report.accepted  # 5 rows of outfits
