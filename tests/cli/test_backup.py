"""`modiste check`, `backup` and `restore` through the front door."""

from __future__ import annotations

import json
import shutil
from pathlib import Path


def test_a_catalogue_is_checked_saved_and_comes_back(modiste, indexed: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    result = modiste("check", indexed)
    assert result.code == 0
    assert "items: sound" in result.out
    result = modiste("backup", indexed, "--to", tmp_path / "shop.tar", "--json")
    assert result.code == 0
    assert json.loads(result.out)["bytes"] == (tmp_path / "shop.tar").stat().st_size
    result = modiste("restore", tmp_path / "shop.tar", "--into", tmp_path / "again")
    assert result.code == 0
    assert "next: modiste check" in result.out
    asked = [modiste("search", folder, "red dress", "--json").out for folder in (indexed, tmp_path / "again")]
    found = [[(hit["id"], hit["score"]) for hit in json.loads(one)["hits"]] for one in asked]
    assert found[0] == found[1]
    assert found[0]
    assert modiste("restore", tmp_path / "shop.tar", "--into", tmp_path / "again").code == 1


def test_damage_is_told_with_the_file_and_the_way_out(modiste, indexed: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "shop"
    shutil.copytree(indexed, folder)
    victim = max((folder / "items.lance" / "data").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    result = modiste("check", folder)
    assert result.code == 1
    assert victim.name in result.err
    assert "modiste restore" in result.err
    assert "modiste index TABLE --into" in result.err
    result = modiste("check", folder, "--json")
    assert result.code == 1
    assert json.loads(result.out)["sound"] is False
    assert modiste("backup", folder, "--to", tmp_path / "bad.tar").code == 1
    assert modiste("check", tmp_path / "nowhere").code == 1
