"""Polyvore Outfits in its official layout: a small folder of that layout, and every way in which its files can be wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modiste.data.feed import FeedReport
from modiste.data.images import decode, encode_jpeg
from modiste.data.outfits import CpQuestion, FitbQuestion, Look
from modiste.data.overlap import overlaps
from modiste.data.polyvore import read_polyvore
from modiste.data.polyvore_files import (
    read_compatibility,
    read_fill_in_blank,
    read_polyvore_looks,
    write_polyvore_looks,
)

JPEG = encode_jpeg(np.zeros((8, 6, 3), np.uint8))
# Sets of items; the index in a token counts from 1 here, but not from 1 to n: real files have gaps.
SETS = {
    "train": {"s1": {1: "11", 2: "12", 3: "13"}, "s2": {1: "21", 2: "12"}, "s3": {1: "31", 2: "99"}},
    "test": {"s4": {1: "41", 2: "42", 5: "43"}, "s5": {1: "51", 2: "52", 3: "53"}, "s6": {1: "21", 2: "62"}},
}
IDS = sorted({item_id for sets in SETS.values() for items in sets.values() for item_id in items.values()} - {"99"})


def looks_json(sets: dict[str, dict[int, str]]) -> str:
    return json.dumps(
        [
            {"set_id": set_id, "items": [{"item_id": item_id, "index": index} for index, item_id in items.items()]}
            for set_id, items in sets.items()
        ]
    )


def question(partial: list[str], answers: list[str]) -> dict[str, Any]:
    return {"question": partial, "answers": answers, "blank_position": 5}


FITB = [
    question(["s4_1", "s4_2"], ["s5_1", "s4_5", "s6_2", "s5_3"]),
    question(["s5_1", "s5_2"], ["s5_3", "s4_5", "s4_1", "s6_1"]),
]
CP = "1 s4_1 s4_2 s4_5\n0 s4_1 s5_2 s6_2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "polyvore_outfits"
    for version in ("disjoint", "nondisjoint"):
        (root / version).mkdir(parents=True)
        for split, sets in SETS.items():
            (root / version / f"{split}.json").write_text(looks_json(sets))
        (root / version / "compatibility_test.txt").write_text(CP)
        (root / version / "fill_in_blank_test.json").write_text(json.dumps(FITB))
    (root / "nondisjoint" / "compatibility_train.txt").write_text("1 s1_1 s1_2\n0 s1_1 s2_1\n")
    metadata = {
        item_id: {"title": f"item {item_id}", "category_id": "3", "semantic_category": "tops"} for item_id in IDS
    }
    metadata["11"] = {
        "url_name": "red  silk\ndress",
        "title": "",
        "description": "<p>long &amp; red</p>",
        "categories": ["Women"],
        "related": ["x"],
        "category_id": "4",
        "semantic_category": "all-body",
    }
    metadata["12"] = {"category_id": "77", "semantic_category": "scarves", "title": "scarf"}
    metadata["13"] = {"category_id": "5", "semantic_category": "sunglasses", "title": ["odd"]}
    (root / "polyvore_item_metadata.json").write_text(json.dumps(metadata))
    (root / "categories.csv").write_text("3,blouse,tops\n4,gown,all-body\n5,frobnicator,sunglasses\n\nx\n")
    (root / "images").mkdir()
    for item_id in IDS[:-2]:
        (root / "images" / f"{item_id}.jpg").write_bytes(JPEG)
    return root


def test_items_looks_and_questions(folder: Path) -> None:
    report = FeedReport()
    data = read_polyvore(folder, report=report)
    assert data.name == "polyvore:nondisjoint"
    assert [look.id for look in data.looks["train"]] == ["s1", "s2"]  # s3 names an item without metadata
    assert data.missing == {"train": 1, "test": 0}
    assert data.looks["test"][0] == Look("s4", ("41", "42", "43"))
    assert data.cp == {
        "train": (CpQuestion(("11", "12"), 1), CpQuestion(("11", "21"), 0)),
        "test": (CpQuestion(("41", "42", "43"), 1), CpQuestion(("41", "52", "62"), 0)),
    }
    assert data.fitb["test"] == (
        FitbQuestion(("41", "42"), ("51", "43", "62", "53"), "43"),
        FitbQuestion(("51", "52"), ("53", "43", "41", "21"), "53"),
    )
    assert len(data.items) == len(IDS)
    gown = data.items["11"]
    assert (gown.title, gown.category, gown.description) == ("red silk dress", "gown", "long & red")
    assert dict(gown.attributes) == {"semantic_category": "all-body", "fine_category": "gown", "category_id": "4"}
    assert decode(gown.image).shape == (8, 6, 3)
    assert data.items["12"].category == "scarves"  # its fine category is not in the table
    assert data.items["13"].category == "sunglasses"  # its fine category is no word for a garment
    assert data.items["13"].title == ""
    assert data.items[IDS[-1]].image is None
    assert report.warning_counts == {"photo not there, item kept without it": 2}
    assert report.rejected == 0


def test_right_answer_is_never_a_position(folder: Path) -> None:
    """Whatever the order of the answers, the right one is that of the question's set."""
    for shift in range(4):
        answers = FITB[0]["answers"]
        turned = [question(FITB[0]["question"], answers[shift:] + answers[:shift])]
        (folder / "disjoint" / "fill_in_blank_test.json").write_text(json.dumps(turned))
        (one,) = read_polyvore(folder, "disjoint").fitb["test"]
        assert one.correct == "43"
        assert one.candidates.index("43") == (1 - shift) % 4


def test_overlap_and_purge(folder: Path) -> None:
    (one,) = overlaps(read_polyvore(folder))
    assert str(one) == "test shares 1 of its 8 items (12.5 %) and 0 of its 3 looks with train"
    clean = read_polyvore(folder, purge=True)
    assert [look.id for look in clean.looks["train"]] == ["s1"]
    assert clean.cp["train"] == (CpQuestion(("11", "12"), 1),)
    assert overlaps(clean)[0].items == 0


def test_photos_cannot_be_had_from_elsewhere(folder: Path) -> None:
    (folder / "secret.jpg").write_bytes(JPEG)
    (folder / "nondisjoint" / "train.json").write_text(looks_json({"s1": {1: "../secret", 2: "11"}}))
    metadata = json.loads((folder / "polyvore_item_metadata.json").read_text())
    (folder / "polyvore_item_metadata.json").write_text(json.dumps(metadata | {"../secret": {"title": "x"}}))
    assert read_polyvore(folder).items["../secret"].image is None


def test_folders_that_are_none(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no polyvore_item_metadata\.json there; Polyvore Outfits is a folder with"
    ):
        read_polyvore(tmp_path)
    with pytest.raises(ValueError, match=r"unknown version 'both'.*choose one of nondisjoint, disjoint"):
        read_polyvore(folder, "both")
    for split in SETS:
        (folder / "disjoint" / f"{split}.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"disjoint: no \{train,valid,test\}"):
        read_polyvore(folder, "disjoint")
    (folder / "categories.csv").unlink()
    assert read_polyvore(folder).items["11"].category == "all-body"
    (folder / "images" / "41.jpg").unlink()
    (folder / "polyvore_item_metadata.json").write_text("[]")
    with pytest.raises(ValueError, match=r"polyvore_item_metadata\.json: a JSON object.*not list"):
        read_polyvore(folder)
    (folder / "polyvore_item_metadata.json").write_text('{"11": {')
    with pytest.raises(ValueError, match=r"polyvore_item_metadata\.json: not JSON, or cut off"):
        read_polyvore(folder)


LOOK = {"set_id": "s1", "items": [{"item_id": "11", "index": 1}]}


@pytest.mark.parametrize(
    ("entry", "field", "reason"),
    [
        (LOOK, "set_id", "duplicate id"),
        ({**LOOK, "set_id": None}, "set_id", "empty or no text"),
        ({**LOOK, "set_id": "\ud800"}, "set_id", "empty or no text"),
        ({"set_id": "s2"}, "items", "a list with at least one item"),
        ({"set_id": "s2", "items": []}, "items", "a list with at least one item"),
        ({"set_id": "s2", "items": ["11"]}, "items", "item 1 has no item_id"),
        ({"set_id": "s2", "items": [{"index": 1}]}, "items", "item 1 has no item_id"),
        ({"set_id": "s2", "items": [{"item_id": "11"}]}, "items", "index must be a number, not 'None'"),
        ({"set_id": "s2", "items": [{"item_id": "11", "index": "1"}]}, "items", "index must be a number, not '1'"),
        ({"set_id": "s2", "items": [{"item_id": "11", "index": 1}] * 2}, "items", "two items have index 1"),
        ("s2", "items", "a list with at least one item"),
    ],
)
def test_bad_looks(tmp_path: Path, entry: object, field: str, reason: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps([LOOK, entry, {**LOOK, "set_id": 3}]))
    report = FeedReport()
    found = read_polyvore_looks(path, report=report)
    assert [look.id for look in found.looks] == ["s1", "3"]
    assert found.tokens == {"s1_1": "11", "3_1": "11"}
    (refused,) = report.first_rejected
    assert (refused["row"], refused["field"]) == (2, field)
    assert str(refused["reason"]).startswith("train.json: ")
    assert reason in str(refused["reason"])


TOKENS = {f"{set_id}_{index}": item for set_id, items in SETS["test"].items() for index, item in items.items()}


def test_bad_lines_of_compatibility(tmp_path: Path) -> None:
    path = tmp_path / "compatibility_test.txt"
    path.write_bytes(b"\xef\xbb\xbf\r\n1 s4_1  s4_2\r\n\n   \n0\n2 s4_1\n1 s4_1 s4_3\nyes s4_1\n0\ts4_1\ts5_1\n1 41 42")
    report = FeedReport()
    assert read_compatibility(path, TOKENS, report=report) == (
        CpQuestion(("41", "42"), 1),
        CpQuestion(("41", "51"), 0),
    )
    assert [(entry["line"], entry["field"]) for entry in report.first_rejected] == [
        *((5, "items"), (6, "label"), (7, "tokens"), (8, "label"), (10, "tokens")),
    ]
    assert "unknown token 's4_3'" in str(report.first_rejected[2]["reason"])
    path.write_bytes(b"1 \xff\xfe")
    with pytest.raises(ValueError, match=r"compatibility_test\.txt: not a text file"):
        read_compatibility(path, TOKENS)
    with pytest.raises(ValueError, match="cannot be read"):
        read_compatibility(tmp_path, TOKENS)


@pytest.mark.parametrize(
    ("entry", "field", "reason"),
    [
        (question(["s4_1"], ["s4_2", "s5_1", "s5_2"]), "answers", "4 answers are needed, not 3"),
        (question(["s4_1"], ["s4_2", "s5_1", "s5_2", "s5_3", "s6_1"]), "answers", "4 answers are needed, not 5"),
        ({"question": ["s4_1"], "answers": "s4_2"}, "answers", "4 answers are needed, not str"),
        ({"answers": ["s4_2", "s5_1", "s5_2", "s5_3"]}, "question", "at least one token"),
        (question([], ["s4_2", "s5_1", "s5_2", "s5_3"]), "question", "at least one token"),
        (question(["s4_1"], ["s6_2", "s5_1", "s5_2", "s5_3"]), "answers", "0 answers are of the question's set"),
        (question(["s4_1"], ["s4_2", "s4_5", "s5_2", "s5_3"]), "answers", "2 answers are of the question's set"),
        (question(["s4_1", "s5_1"], ["s4_2", "s6_1", "s5_2", "s5_3"]), "question", "tokens of 2 sets"),
        (question(["s4_9"], ["s4_2", "s5_1", "s5_2", "s5_3"]), "tokens", "unknown token 's4_9'"),
        (question(["s4_1"], ["s4_2", "s5_1", "s5_2", "s1_1"]), "tokens", "unknown token 's1_1'"),
        (question(["s4_1"], ["s4_2", "s5_1", "s5_2", 7]), "tokens", "unknown token '7'"),  # type: ignore[list-item]
        (
            question(["twin_1"], ["twin_2", "s5_1", "s4_2", "s5_3"]),
            "answers",
            "the right item '42' is a wrong answer too",
        ),
        (None, "question", "at least one token"),
    ],
)
def test_bad_questions(tmp_path: Path, entry: object, field: str, reason: str) -> None:
    path = tmp_path / "fill_in_blank_test.json"
    path.write_text(json.dumps([entry, FITB[0]]))
    report = FeedReport()
    tokens = TOKENS | {"twin_1": "41", "twin_2": "42"}  # another set with an item of s4
    assert len(read_fill_in_blank(path, tokens, report=report)) == 1
    (refused,) = report.first_rejected
    assert (refused["row"], refused["field"]) == (1, field)
    assert reason in str(refused["reason"])


def test_a_set_id_may_hold_an_underscore(tmp_path: Path) -> None:
    path = tmp_path / "fill_in_blank_test.json"
    path.write_text(json.dumps([question(["a_b_1"], ["a_c_1", "a_b_2", "a_1", "a_c_2"])]))
    tokens = {"a_b_1": "1", "a_b_2": "2", "a_c_1": "3", "a_c_2": "4", "a_1": "5"}
    assert read_fill_in_blank(path, tokens) == (FitbQuestion(("1",), ("3", "2", "5", "4"), "2"),)


@pytest.mark.parametrize("content", ["", "{", '{"set_id": "s1"}', "7", "[" * 100_000])
def test_files_that_are_no_list(tmp_path: Path, content: str) -> None:
    path = tmp_path / "train.json"
    path.write_text(content)
    for read in (read_polyvore_looks, lambda file: read_fill_in_blank(file, {})):
        with pytest.raises(ValueError, match=r"train\.json: (not JSON, or cut off|a JSON list is needed)"):
            read(path)


LOOKS = st.lists(
    st.builds(
        Look,
        st.text("abc_019", min_size=1, max_size=5),
        st.lists(st.text("019", min_size=1, max_size=3), min_size=1, max_size=4).map(tuple),
    ),
    max_size=5,
    unique_by=lambda look: look.id,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(LOOKS)
def test_looks_to_the_official_json_and_back(tmp_path: Path, looks: list[Look]) -> None:
    path = write_polyvore_looks(tmp_path / "valid.json", looks)
    found = read_polyvore_looks(path)
    assert list(found.looks) == looks
    for look in looks:
        assert tuple(found.tokens[f"{look.id}_{index}"] for index in range(1, len(look.item_ids) + 1)) == look.item_ids


def test_official_json_holds_only_looks(tmp_path: Path) -> None:
    for looks, message in [
        ([Look("a", ("1",), label=0)], "look 'a' has label 0"),
        ([Look("a", ())], "look 'a' has no items"),
        ([Look("a", ("1",)), Look("a", ("2",))], "look 'a' is there twice"),
    ]:
        with pytest.raises(ValueError, match=message):
            write_polyvore_looks(tmp_path / "valid.json", looks)
    assert not list(tmp_path.iterdir())
    write_polyvore_looks(tmp_path / "valid.json", [Look("a", ("1", "2"), label=1.0, group="g", user="u", text="t")])
    assert read_polyvore_looks(tmp_path / "valid.json").looks == (Look("a", ("1", "2")),)
