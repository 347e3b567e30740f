"""Polyvore-T (Wang et al. 2019, MCN, arXiv:1907.11496): real looks with the items' names in words and their slots; MIT.

Read from `polyvore_t/polyvore_t_{train,valid,test}.jsonl.gz`; a line: `{"set_id": "119704139", "items": [{"item":
"119704139_1", "slot": "upper", "name": "dolce gabbana silk shirt"}, ...]}`. The slots are upper, bottom, shoe, bag and
accessory. There are no photos, and an item's id belongs to its look, so nothing can be known of an item but its name and
slot: what a scorer of words can do out of the shop it was trained on. Items of the same name share a group, for nothing
tells them apart. An item without a name (140 of 15,082) is called by its slot, so that it can be encoded at all, and has
the attribute `named` False: who asks for one of these asks for what cannot be known.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from modiste.data.outfits import Look, OutfitData
from modiste.data.roots import folder_of, split_files
from modiste.types import Item

NAME = "polyvore_t"
SLOTS = ("upper", "bottom", "shoe", "bag", "accessory")
_LOOKS = f"{NAME}_{{}}.jsonl.gz"
_MAX_LINE = 1_000_000  # bytes; a look takes less than a thousand

_WHERE_FROM = (
    f"{NAME}/ needs {NAME}_{{train,valid,test}}.jsonl.gz (any of them), made from the Polyvore-T data of Wang et al.'s MCN "
    "(github.com/WangXin93/fashion_compatibility_mcn); then set MODISTE_DATA to the folder that holds it"
)


def read_polyvore_t(root: str | Path | None = None) -> OutfitData:
    """Looks with their slots; an item's title is its name, its category its slot.

    Parameters
    ----------
    root
        The folder of all data sets, or the folder with the files; by default `roots.default_root`.

    Raises
    ------
    FileNotFoundError
        If none of the files is there.
    ValueError
        If a file is damaged or a line is not usable, naming file and line.
    """
    folder = folder_of(NAME, root, _LOOKS, _WHERE_FROM)
    items: dict[str, Item] = {}
    looks = {split: tuple(_looks(file, items)) for split, file in split_files(folder, _LOOKS).items()}
    return OutfitData(NAME, items, looks)


def _looks(path: Path, items: dict[str, Item]) -> Iterator[Look]:
    seen: set[str] = set()
    for number, line in _lines(path):
        where = f"{path}: line {number}"
        try:
            entry = json.loads(line)
            set_id = entry["set_id"]
            found = [(one["item"], one["slot"], one["name"]) for one in entry["items"]]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(
                f'{where}: {{"set_id", "items": [{{"item", "slot", "name"}}]}} is needed ({error!r})'
            ) from error
        ids = (set_id, *(one[0] for one in found))
        if not found or not all(isinstance(one, str) and one for one in ids):
            raise ValueError(f"{where}: no items, or an id that is empty or no text")
        if not all(isinstance(slot, str) and isinstance(name, str) for _, slot, name in found):
            raise ValueError(f"{where}: a slot or a name that is no text")
        if set_id in seen:
            raise ValueError(f"{where}: look {set_id!r} is there already")
        seen.add(set_id)
        for item_id, slot, name in found:
            if slot not in SLOTS:
                raise ValueError(f"{where}: unknown slot {slot[:40]!r} of item {item_id!r}; known: {', '.join(SLOTS)}")
            if item_id in items:
                raise ValueError(f"{where}: item {item_id!r} is there already; an item belongs to one look")
            title = " ".join(name.split()) or slot
            items[item_id] = Item(item_id, title, category=slot, attributes={"named": bool(name.strip())}, group=title)
        yield Look(set_id, tuple(item_id for item_id, _, _ in found), slots=tuple(slot for _, slot, _ in found))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number from 1 and text of the lines that are not blank."""
    number = 0
    try:
        with gzip.open(path, "rb") as stream:
            while line := stream.readline(_MAX_LINE):
                number += 1
                if len(line) == _MAX_LINE:
                    raise ValueError(f"{path}: line {number} is longer than {_MAX_LINE:,} bytes")
                if line.strip():
                    yield number, line.decode()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: damaged after line {number} ({error})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: line {number} is not UTF-8") from error
