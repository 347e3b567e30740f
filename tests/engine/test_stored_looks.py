"""Looks beside a catalogue: what is read, and what is said of lines that are none."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from modiste.engine.stored_looks import read_stored_looks

GOOD = '{"outfit_id": "l-%d", "items": [{"item_id": "a"}, {"item_id": "b"}]%s}\n'


def test_what_is_a_look_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "looks.jsonl"
    assert read_stored_looks(path) == ()
    path.write_text(GOOD % (2, "") + GOOD % (1, ', "label": 1') + GOOD % (3, ', "label": 0') + "{}\n")
    with caplog.at_level(logging.WARNING):
        assert [look.id for look in read_stored_looks(path)] == ["l-1", "l-2"]
    assert "1 rejected" in caplog.text


def test_a_file_of_something_else_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "looks.jsonl"
    path.write_text('{"outfit": "l-1", "item_ids": ["a", "b"]}\n' * 3)
    with pytest.raises(ValueError, match=r"none of 3 lines is a look \(line 1, .*one is written .*outfit_id"):
        read_stored_looks(path)
