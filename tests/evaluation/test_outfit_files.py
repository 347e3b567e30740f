"""Files of questions: read, refused with line and field, and written back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modiste.data.outfits import OutfitData
from modiste.evaluation.outfit_files import QuestionFile, read_questions, write_questions
from modiste.evaluation.outfit_questions import Choice, Choices
from modiste.types import Item

DATA = OutfitData("letters", {letter: Item(letter) for letter in "abcdef"}, {})
CP = {"task": "cp", "items": ["a", "b"], "label": 1}
NOT = {"task": "cp", "items": ["a", "c"], "label": 0}
FITB = {"task": "fitb", "partial": ["a"], "candidates": ["d", "b", "c"], "correct": "c"}
CIR = {"task": "cir", "partial": ["b", "a"], "candidates": ["f", "e", "d", "c"], "correct": "f", "kind": "hard"}


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def test_questions_by_task_and_kind(tmp_path: Path) -> None:
    found = read_questions(write(tmp_path / "q.jsonl", CP, "", NOT, FITB, CIR, {**FITB, "group": "g"}), DATA)
    assert [(one.item_ids, one.right) for one in found.cp[""].questions] == [(("a", "b"), True), (("a", "c"), False)]
    assert list(found.fitb) == [""]
    assert list(found.cir) == ["hard"]
    first, second = found.fitb[""].questions
    assert (first.partial, first.candidates, first.correct) == (("a",), ("b", "c", "d"), "c")
    assert (first.group, second.group) == ("line 4", "g")
    assert found.cir["hard"].questions[0].candidates == ("c", "d", "e", "f")
    assert found.cp[""].negatives == "q.jsonl"


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    found = read_questions(write(tmp_path / "q.jsonl", CP, NOT, FITB, CIR), DATA)
    again = read_questions(write_questions(tmp_path / "q.jsonl", found), DATA)
    assert again == found
    barred = QuestionFile({}, {}, {"": Choices((Choice(("a",), ("b", "c", "d"), "c", "g", frozenset("d")),), "csa")})
    again = read_questions(write_questions(tmp_path / "r.jsonl", barred), DATA)
    assert again.cir[""].questions[0].candidates == ("b", "c")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("{", "not JSON"),
        ([1], "a question is a JSON object"),
        ({**CP, "task": "rank"}, "field 'task' must be cp, fitb, cir, not 'rank'"),
        ({**CP, "task": ["cp"]}, "field 'task' must be"),
        ({"task": "cp", "items": ["a", "b"]}, "field 'label' is missing"),
        ({**CP, "answer": 1}, "unknown field 'answer'; a cp question has items, label"),
        ({**CP, "label": 2}, "field 'label' must be 0 or 1, not 2"),
        ({**CP, "label": True}, "field 'label' must be 0 or 1, not True"),
        ({**CP, "label": None}, "field 'label' must be 0 or 1"),
        ({**CP, "items": ["a"]}, "field 'items' needs at least 2 items"),
        ({**CP, "items": ["a", "a"]}, "field 'items': item 'a' is there twice"),
        ({**CP, "items": ["a", "x"]}, "field 'items': no item 'x' in letters"),
        ({**CP, "items": "ab"}, "field 'items' must be a list of item ids"),
        ({**CP, "items": ["a", 1]}, "field 'items' must be a list of item ids"),
        ({**CP, "kind": "Hard!"}, "field 'kind' must be one word in lower case"),
        ({**CP, "group": 3}, "field 'group' must be a word"),
        ({**FITB, "partial": []}, "field 'partial' needs at least 1 item$"),
        ({**FITB, "candidates": ["c"]}, "field 'candidates' needs at least 2 items"),
        ({**FITB, "candidates": ["a", "c"]}, "candidate 'a' is in the partial look already"),
        ({**FITB, "correct": 0}, "field 'correct' must be the id of one of the candidates, not 0"),
        ({**FITB, "correct": ["c"]}, "field 'correct' must be the id"),
    ],
)
def test_bad_lines_are_named(row: object, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        read_questions(write(tmp_path / "q.jsonl", CP, row), DATA)
    assert "q.jsonl, line 2: " in str(caught.value)


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.jsonl: No such file"):
        read_questions(tmp_path / "none.jsonl", DATA)
    with pytest.raises(ValueError, match=r"q\.jsonl: no question in it"):
        read_questions(write(tmp_path / "q.jsonl", ""), DATA)
    with pytest.raises(ValueError, match=r"cp questions need looks \(label 1\) and others"):
        read_questions(write(tmp_path / "q.jsonl", CP), DATA)
    (tmp_path / "q.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="is not UTF-8"):
        read_questions(tmp_path / "q.jsonl", DATA)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["a", "b", "c", "cp", "fitb", "", "x"]),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
)
FIELDS = st.sampled_from(["task", "items", "label", "partial", "candidates", "correct", "kind", "group"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([CP, NOT, FITB, CIR]), st.dictionaries(FIELDS, JSON, max_size=3))
def test_any_line_is_read_or_refused_in_words(
    tmp_path: Path, row: dict[str, object], change: dict[str, object]
) -> None:
    path = write(tmp_path / "q.jsonl", CP, NOT, {**row, **change})
    refused = ""
    try:
        assert read_questions(path, DATA).cp[""].questions
    except ValueError as error:
        refused = str(error)
    assert not refused or "q.jsonl" in refused
