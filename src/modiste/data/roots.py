"""Where the published data sets lie on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

SPLITS = ("train", "valid", "test")


def default_root(where_from: str) -> Path:
    """The folder of the real data sets: `MODISTE_DATA`, else `shared/data` beside the checkout or the current folder.

    Raises `FileNotFoundError` when there is none, ending with `where_from`: where to get the set that was asked for.
    """
    if named := os.environ.get("MODISTE_DATA"):
        if Path(named).is_dir():
            return Path(named)
        raise FileNotFoundError(f"MODISTE_DATA is {named!r}, which is no folder; {where_from}")
    checkout = Path(__file__).resolve().parents[3]
    for base in (checkout, Path.cwd()):
        if (folder := base.parent / "shared" / "data").is_dir():
            return folder
    raise FileNotFoundError(f"no real data found; {where_from}")


def folder_of(
    name: str, root: str | Path | None, needs: str, where_from: str, *, one_of: Sequence[str] = SPLITS
) -> Path:
    """The folder of the data set `name`: that folder of `root`, or `root` itself, where one of its files is.

    Parameters
    ----------
    root
        The folder of all data sets, or the folder with the files; None: `default_root`.
    needs
        A file of the set, perhaps with `{}` for a split (or what else is given as `one_of`), or with wildcards.

    Raises
    ------
    FileNotFoundError
        If no such file is there, ending with `where_from`.
    """
    base = default_root(where_from) if root is None else Path(root)
    for folder in (base / name, base):
        if any(file.is_file() for one in one_of for file in folder.glob(needs.format(one))):
            return folder
    said = needs.format("{" + ",".join(one_of) + "}")
    raise FileNotFoundError(f"{base}: no {name}/{said} there; {where_from}")


def split_files(folder: Path, named: str) -> dict[str, Path]:
    """Split -> its file, `named` with the split in place of `{}`, of those that are in the folder."""
    return {split: file for split in SPLITS if (file := folder / named.format(split)).is_file()}
