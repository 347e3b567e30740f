"""Polyvore Outfits (Vasileva et al. 2018, arXiv:1803.09196): 68,306 looks that users of polyvore.com put together.

Read from a folder in the official layout: `polyvore_item_metadata.json`, `categories.csv`, `images/{item_id}.jpg`, and the two
versions `disjoint/` and `nondisjoint/` with the files of `polyvore_files.py` for each split. `typespaces.p` is a pickle and is
not read. The photos are large and many mirrors lack some: an item whose photo is missing stays, without one.

The name "disjoint" is not to be believed: `overlaps(data)` says what the splits share, `purge=True` leaves it out of training.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from modiste.data.feed.reader import MAX_DESCRIPTION, MAX_TITLE
from modiste.data.feed.report import FeedReport
from modiste.data.feed.text import is_unicode, plain_text
from modiste.data.outfits import OutfitData, known
from modiste.data.overlap import purged
from modiste.data.photos import PhotoItems
from modiste.data.polyvore_files import (
    PolyvoreLooks,
    read_compatibility,
    read_fill_in_blank,
    read_json,
    read_polyvore_looks,
)
from modiste.data.roots import split_files
from modiste.taxonomy import UNKNOWN, super_category
from modiste.types import Item

VERSIONS = ("nondisjoint", "disjoint")
METADATA = "polyvore_item_metadata.json"
NO_PHOTO_WARNING = "photo not there, item kept without it"
_log = logging.getLogger(__name__)

_WHERE_FROM = (
    f"Polyvore Outfits is a folder with {METADATA}, categories.csv, images/, and disjoint/ and nondisjoint/ with "
    "{train,valid,test}.json, compatibility_{split}.txt and fill_in_blank_{split}.json; ask its authors "
    "(github.com/mvasil/fashion-compatibility) or take a mirror"
)


def read_polyvore(
    folder: str | Path, version: str = "nondisjoint", *, purge: bool = False, report: FeedReport | None = None
) -> OutfitData:
    """Items, looks and official questions of one version; the items are those of its looks, as `PhotoItems`.

    An item's category is its fine one of `categories.csv`; where that is absent, or of no known kind, the semantic one (11).
    Attributes: `semantic_category`, `fine_category`, `category_id`. Title: the item's, else the words of its address.

    Parameters
    ----------
    purge
        Leave out the training looks and questions that name an item of a test look.
    report
        Collects looks and questions that were refused, and counts missing photos.

    Raises
    ------
    FileNotFoundError
        If the folder has no metadata or the version no `{split}.json`.
    ValueError
        If the version is unknown, or a file is not what its name says.
    """
    folder = Path(folder)
    if version not in VERSIONS:
        raise ValueError(f"unknown version {version!r} of Polyvore Outfits; choose one of {', '.join(VERSIONS)}")
    if not (folder / METADATA).is_file():
        raise FileNotFoundError(f"{folder}: no {METADATA} there; {_WHERE_FROM}")
    report = FeedReport() if report is None else report
    of_split = {
        split: read_polyvore_looks(file, report=report)
        for split, file in split_files(folder / version, "{}.json").items()
    }
    if not of_split:
        raise FileNotFoundError(f"{folder / version}: no {{train,valid,test}}.json there; {_WHERE_FROM}")
    wanted = {item_id for found in of_split.values() for item_id in found.tokens.values()}
    items = PhotoItems(_items(folder, wanted), folder / "images")
    if items.missing:
        report.warn(NO_PHOTO_WARNING, len(items.missing))
        _log.warning("%s: %s of %s items have no photo", folder, f"{len(items.missing):,}", f"{len(items):,}")
    looks, missing = known({split: found.looks for split, found in of_split.items()}, items)
    cp, fitb = {}, {}
    for split, found in of_split.items():
        tokens = _usable(found, items)
        if (file := folder / version / f"compatibility_{split}.txt").is_file():
            cp[split] = read_compatibility(file, tokens, report=report)
        if (file := folder / version / f"fill_in_blank_{split}.json").is_file():
            fitb[split] = read_fill_in_blank(file, tokens, report=report)
    data = OutfitData(f"polyvore:{version}", items, looks, missing, cp, fitb)
    return purged(data) if purge and {"train", "test"} <= of_split.keys() else data


def _usable(found: PolyvoreLooks, items: Mapping[str, Item]) -> dict[str, str]:
    """The tokens whose item is known: a question with another is refused like one with a token of no look."""
    return {token: item_id for token, item_id in found.tokens.items() if item_id in items}


def _items(folder: Path, wanted: Iterable[str]) -> dict[str, Item]:
    path = folder / METADATA
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: a JSON object, item id -> its data, is needed, not {type(content).__name__}")
    fine = _fine_categories(folder / "categories.csv")
    return {
        item_id: _item(item_id, entry, fine)
        for item_id in sorted(wanted)
        if isinstance(entry := content.get(item_id), dict)
    }


def _item(item_id: str, entry: Mapping[str, Any], fine: Mapping[str, str]) -> Item:
    def words(name: str) -> str:
        value = entry.get(name)
        text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
        return plain_text(text) if is_unicode(text) else ""

    labels = {
        "semantic_category": words("semantic_category"),
        "fine_category": fine.get(words("category_id"), ""),
        "category_id": words("category_id"),
    }
    known_kind = super_category(labels["fine_category"]) != UNKNOWN
    return Item(
        id=item_id,
        title=(words("title") or words("url_name"))[:MAX_TITLE],
        category=labels["fine_category"] if known_kind else labels["semantic_category"] or labels["fine_category"],
        description=words("description")[:MAX_DESCRIPTION],
        attributes={name: value for name, value in labels.items() if value},
    )


def _fine_categories(path: Path) -> dict[str, str]:
    """Category id -> fine name, of lines `id,fine,semantic`; empty when there is no such file."""
    if not path.is_file():
        return {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = [[cell.strip() for cell in row] for row in csv.reader(stream)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a readable CSV file ({error})") from error
    return {row[0]: row[1] for row in rows if len(row) > 1 and row[0].isdecimal()}
