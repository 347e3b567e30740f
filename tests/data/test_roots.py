"""Where data sets are looked for, and what is said when they are not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from modiste.data import roots
from modiste.data.fashion_products import FashionProducts
from modiste.data.roots import default_root, folder_of


def test_default_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path))
    assert default_root("here") == tmp_path
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="which is no folder; get it there"):
        default_root("get it there")
    monkeypatch.delenv("MODISTE_DATA")
    monkeypatch.setattr(roots, "__file__", str(tmp_path / "a" / "b" / "src" / "modiste" / "data" / "f.py"))
    (tmp_path / "checkout").mkdir()
    monkeypatch.chdir(tmp_path / "checkout")
    with pytest.raises(FileNotFoundError, match="no real data found; get "):
        FashionProducts()
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert default_root("here") == tmp_path / "shared" / "data"


def test_a_set_is_its_folder_or_within_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "looks"
    own.mkdir()
    with pytest.raises(FileNotFoundError, match=r"no looks/looks_\{train,valid,test\}\.txt there; get it"):
        folder_of("looks", tmp_path, "looks_{}.txt", "get it")
    (own / "looks_test.txt").touch()
    (own / "looks_test.csv").mkdir()
    for root in (tmp_path, own, str(own)):
        assert folder_of("looks", root, "looks_{}.txt", "get it") == own
        assert folder_of("looks", root, "looks_*.txt", "get it") == own
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path))
    assert folder_of("looks", None, "looks_test.txt", "get it") == own
    for needs in ("looks_test.csv", "*.csv", "looks_{}.csv"):  # a folder of that name is no file
        with pytest.raises(FileNotFoundError):
            folder_of("looks", tmp_path, needs, "get it")
