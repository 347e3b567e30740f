"""Our own file of looks: what is written is read back, and a bad line costs that line alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modiste.data.feed import FeedReport
from modiste.data.outfit_table import MAX_ITEMS, read_looks, write_looks
from modiste.data.outfits import Look

FULL = Look("l-1", ("a", "b"), 0.5, group="g", user="u", text="office, très chic", slots=("top", ""))


def test_a_line_with_everything(tmp_path: Path) -> None:
    path = write_looks(tmp_path / "looks.jsonl", {"train": [FULL], "test": [Look("l-2", ("c",))]})
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == [
        {
            "outfit_id": "l-1",
            "items": [{"item_id": "a", "slot": "top"}, {"item_id": "b"}],
            "label": 0.5,
            "user": "u",
            "split": "train",
            "group": "g",
            "text": "office, très chic",
        },
        {"outfit_id": "l-2", "items": [{"item_id": "c"}], "split": "test"},
    ]
    assert read_looks(path) == {"train": (FULL,), "test": (Look("l-2", ("c",)),)}


WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp", "Cf", "Co", "Cn"]), min_size=1, max_size=8
)
LOOKS = st.builds(
    lambda look_id, ids, label, group, user, text, slot: Look(
        look_id, tuple(ids), label, group, user, text, (slot,) + ("",) * (len(ids) - 1) if slot else ()
    ),
    WORDS,
    st.lists(WORDS, min_size=1, max_size=4),
    st.none() | st.floats(0, 1),
    *(WORDS | st.just("") for _ in range(4)),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(
    st.dictionaries(
        st.sampled_from(["train", "valid", "test", "test_hard", ""]), st.lists(LOOKS, min_size=1, max_size=3)
    )
)
def test_any_looks_come_back(tmp_path: Path, looks: dict[str, list[Look]]) -> None:
    path = tmp_path / "looks.jsonl"
    ids = [look.id for some in looks.values() for look in some]
    if len(set(ids)) < len(ids):
        with pytest.raises(ValueError, match="is there twice"):
            write_looks(path, looks)
        return
    write_looks(path, looks)
    assert read_looks(path) == {split: tuple(some) for split, some in looks.items()}


GOOD = {"outfit_id": "good", "items": [{"item_id": "a"}]}
BAD: list[tuple[object, str, str]] = [
    ({**GOOD, "outfit_id": ""}, "outfit_id", "empty id"),
    ({"items": [{"item_id": "a"}]}, "outfit_id", "empty id"),
    ({**GOOD, "outfit_id": True}, "outfit_id", "text is needed, not bool"),
    ({**GOOD, "outfit_id": "a\u0007"}, "outfit_id", "control character"),
    ({**GOOD, "outfit_id": "x" * 201}, "outfit_id", "201 characters, the limit is 200"),
    ({**GOOD, "outfit_id": "\ud800"}, "outfit_id", "escapes that are no valid text"),
    ({"outfit_id": "x"}, "items", "a list with at least one item"),
    ({**GOOD, "items": []}, "items", "a list with at least one item"),
    ({**GOOD, "items": ["a"]}, "items", "item 1: .* not str"),
    ({**GOOD, "items": [{"item_id": "a"}, {"slot": "top"}]}, "item_id", "item 2: empty id"),
    ({**GOOD, "items": [{"item_id": "a", "slot": ["top"]}]}, "slot", "item 1: text is needed, not list"),
    ({**GOOD, "items": [{"item_id": "a"}] * (MAX_ITEMS + 1)}, "items", "1,001 items, the limit is 1,000"),
    ({**GOOD, "label": 2}, "label", "a number from 0 to 1 is needed, not 2"),
    ({**GOOD, "label": "1"}, "label", "not '1'"),
    ({**GOOD, "split": "my split!"}, "split", "is no name of a split"),
    ({**GOOD, "user": {"id": 1}}, "user", "text is needed, not dict"),
    ([1, 2], "row", "a JSON object is needed, not list"),
    ("word", "row", "a JSON object is needed, not str"),
]


@pytest.mark.parametrize(("line", "field", "reason"), BAD)
def test_a_bad_line_is_skipped_and_reported(tmp_path: Path, line: object, field: str, reason: str) -> None:
    path = tmp_path / "looks.jsonl"
    path.write_text(f"\n{json.dumps(GOOD)}\n{json.dumps(line)}\n" + json.dumps({**GOOD, "outfit_id": "after"}) + "\n")
    report = FeedReport()
    assert [look.id for look in read_looks(path, report=report)[""]] == ["good", "after"]
    (entry,) = report.first_rejected
    assert (entry["row"], entry["line"], entry["field"]) == (2, 3, field)
    assert re.search(reason, str(entry["reason"])), entry
    assert str(entry["reason"]).startswith("looks.jsonl: ")
    assert (report.rows_read, report.rejected) == (3, 1)


def test_other_things_a_line_may_be(tmp_path: Path) -> None:
    path = tmp_path / "looks.ndjson"
    path.write_bytes(
        b'\xef\xbb\xbf{"outfit_id": 7, "items": [{"item_id": 12}], "label": true, "user": 3, "split": "Validation"}\r\n'
        b'{"outfit_id": "7", "items": [{"item_id": "a"}]}\n'
        b'{"outfit_id": "cut off", "items": [{"item_\n'
        b'{"outfit_id": "\xff", "items": [{"item_id": "a"}]}\n'
        b'{"outfit_id": "nan", "items": [{"item_id": "a", "item_id": "b"}], "label": NaN, "more": 1}'
    )
    report = FeedReport()
    assert read_looks(path, report=report) == {
        "valid": (Look("7", ("12",), 1.0, user="3"),),
        "": (Look("nan", ("b",)),),
    }
    assert [(entry["row"], entry["field"]) for entry in report.first_rejected] == [
        (2, "outfit_id"),
        (3, "row"),
        (4, "outfit_id"),
    ]
    assert "duplicate id" in str(report.first_rejected[0]["reason"])


@given(st.lists(st.binary(max_size=60), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
def test_no_bytes_crash_it(tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "looks.jsonl"
    good = json.dumps(GOOD).encode()
    path.write_bytes(b"\n".join([good, *lines]))
    report = FeedReport()
    looks = read_looks(path, report=report)
    assert report.accepted == sum(map(len, looks.values()))
    assert report.rows_read >= report.accepted


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file"):
        read_looks(tmp_path / "absent.jsonl")
    (tmp_path / "a.csv").write_text("outfit_id")
    with pytest.raises(ValueError, match=r"ends in \.jsonl or \.ndjson"):
        read_looks(tmp_path / "a.csv")
    (tmp_path / "a.jsonl").write_text("[\n" + json.dumps(GOOD) + "\n]")
    with pytest.raises(ValueError, match="one object per line is needed"):
        read_looks(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text("")
    assert read_looks(tmp_path / "b.jsonl") == {}


def test_what_cannot_be_read_back_is_not_written(tmp_path: Path) -> None:
    path = write_looks(tmp_path / "looks.jsonl", [Look("old", ("a",))])
    for looks, message in [
        ([Look("x", ())], "look 'x' cannot be written: items"),
        ([Look("x", ("a",), label=3)], "look 'x' cannot be written: label"),
        ([Look("", ("a",))], "look '' cannot be written: outfit_id: empty id"),
        ([Look("x", ("a ",))], "would be read back as"),
        ([Look("x", ("a",), slots=("top", "bag"))], "2 slots for 1 items"),
        ([Look("x", ("a",)), Look("x", ("b",))], "look 'x' is there twice"),
    ]:
        with pytest.raises(ValueError, match=message):
            write_looks(path, looks)
    with pytest.raises(ValueError, match=r"would be read back as|cannot be written: split"):
        write_looks(path, {"Validation": [FULL]})
    with pytest.raises(ValueError, match="name a file of looks with the ending"):
        write_looks(tmp_path / "looks.json", [FULL])
    assert read_looks(path) == {"": (Look("old", ("a",)),)}  # the old file stayed whole
    assert [file.name for file in tmp_path.iterdir()] == ["looks.jsonl"]
