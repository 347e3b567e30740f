"""Alibaba iFashion / POG (Chen et al., KDD 2019, arXiv:1905.01866) as HFGN and CrossCBR use it: real clicks on outfits.

Read from `ifashion/outfit_items.parquet` (`outfit`, `item`) and `user_outfit_{train,valid,test}.parquet` (`user`, `outfit`).
There are ids only, no photo, word or category. The table of items knows more outfits than were clicked; what can be recommended
are those with a training click, as everything else has no way to be learned or ranked by popularity. Splits are final.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from modiste.data.interactions import Interactions, as_ids, pair_matrix
from modiste.data.parquet import DAMAGE, told
from modiste.data.roots import folder_of, split_files

NAME = "ifashion"
_ITEMS = "outfit_items.parquet"
_CLICKS = "user_outfit_{}.parquet"

_WHERE_FROM = (
    f"{NAME}/ needs {_ITEMS} (outfit, item) and user_outfit_{{train,valid,test}}.parquet (user, outfit), made from the files "
    "distributed with github.com/mysbupt/CrossCBR; then set MODISTE_DATA to the folder that holds it"
)


def is_ifashion(folder: Path) -> bool:
    """Whether a folder holds the files."""
    return (folder / _ITEMS).is_file() and (folder / _CLICKS.format("train")).is_file()


def read_ifashion(root: str | Path | None = None) -> Interactions:
    """The set with ids as they are in the files, in the order of their numbers.

    Users and outfits are those with a training click: 48,238 and 8,309, with 18,564 items, in the set described in
    `docs/interactions.md`.

    Parameters
    ----------
    root
        The folder of all data sets, or the folder with the files; by default `roots.default_root`.

    Raises
    ------
    FileNotFoundError
        If the files are not there.
    ValueError
        If a file cannot be read, an outfit that was clicked has no items, or a click of another split is by a user or on an
        outfit without a training click.
    """
    folder = folder_of(NAME, root, _CLICKS, _WHERE_FROM)
    pairs = {split: _pairs(file, ("user", "outfit")) for split, file in split_files(folder, _CLICKS).items()}
    if "train" not in pairs or not (folder / _ITEMS).is_file():
        raise FileNotFoundError(f"{folder}: {_ITEMS} or {_CLICKS.format('train')} is missing; {_WHERE_FROM}")
    users, outfits = (np.unique(pairs["train"][:, column]) for column in (0, 1))
    contents = _pairs(folder / _ITEMS, ("outfit", "item"))
    contents = contents[np.isin(contents[:, 0], outfits)]
    items = np.unique(contents[:, 1])
    clicks = {
        split: pair_matrix(
            _places(users, some[:, 0], f"{folder}: {split}: user"),
            _places(outfits, some[:, 1], f"{folder}: {split}: outfit"),
            (len(users), len(outfits)),
        )
        for split, some in pairs.items()
    }
    rows, columns = np.searchsorted(outfits, contents[:, 0]), np.searchsorted(items, contents[:, 1])
    try:
        return Interactions(
            as_ids(users),
            as_ids(outfits),
            as_ids(items),
            clicks,
            pair_matrix(rows, columns, (len(outfits), len(items))),
            name=NAME,
        )
    except ValueError as error:
        raise ValueError(f"{folder}: {error}") from error


def _pairs(path: Path, columns: tuple[str, str]) -> NDArray[np.int64]:
    """(N, 2) whole numbers."""
    try:
        table = pq.read_table(path, columns=list(columns))
        found = [table[name].cast(pa.int64()) for name in columns]
    except (*DAMAGE, KeyError) as error:
        raise ValueError(f"{path}: no readable table of {' and '.join(columns)} ({told(error)})") from error
    for name, column in zip(columns, found, strict=True):
        if column.null_count:
            raise ValueError(f"{path}: {column.null_count:,} row(s) have no {name}")
    result: NDArray[np.int64] = np.stack([column.to_numpy() for column in found], axis=1)
    return result


def _places(known: NDArray[np.int64], ids: NDArray[np.int64], what: str) -> NDArray[np.int64]:
    places = np.minimum(np.searchsorted(known, ids), len(known) - 1)
    if len(strange := np.flatnonzero(known[places] != ids)):
        raise ValueError(f"{what} {ids[strange[0]]} has no training click ({len(strange):,} row(s))")
    return places
