"""A file is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modiste.files import write_atomically, writing_atomically


def test_it_replaces_the_old_file_and_makes_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b.txt"
    assert write_atomically(path, b"one") == path
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert [one.name for one in path.parent.iterdir()] == ["b.txt"]


def test_a_failed_write_leaves_the_old_file_and_no_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_atomically(tmp_path / "b.txt", b"old")

    def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [one.name for one in tmp_path.iterdir()] == ["b.txt"]


def test_a_stream_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "b.txt"
    with writing_atomically(path) as file:
        file.write(b"one ")
        file.write(b"two")
        assert not path.exists()
    assert path.read_bytes() == b"one two"
    with pytest.raises(KeyboardInterrupt), writing_atomically(path) as file:  # noqa: PT012
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"one two"
    assert [one.name for one in path.parent.iterdir()] == ["b.txt"]
