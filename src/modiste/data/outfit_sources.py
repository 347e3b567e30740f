"""One front door to looks, as `sources.py` is to items: a published set, a folder of one's own, or the generated world."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from modiste.data import mango, polyvore_t
from modiste.data.feed import SUFFIXES as TABLE_SUFFIXES
from modiste.data.feed import FeedReport, find_table, read_feed
from modiste.data.outfit_table import read_looks
from modiste.data.outfits import Look, OutfitData, known
from modiste.data.polyvore import VERSIONS, read_polyvore
from modiste.data.polyvore_ids import read_polyvore_ids
from modiste.data.sources import split_by_hash

_log = logging.getLogger(__name__)
_ATELIER = re.compile(r"atelier:(\d{1,9})(?::(\d{1,9})(?::(\d{1,9}))?)?")
_LOOKS = re.compile(r"outfits(?:_([a-z][a-z0-9_]{0,39}))?(?:\.jsonl|\.ndjson)")
NO_SPLIT_WARNING = "look without a split in a file where others have one, left out"
UNKNOWN_ITEM_WARNING = "look that names an item the table does not have, left out"
SOURCES = (
    *("mango_outfits", "polyvore:FOLDER[:disjoint|nondisjoint]", "polyvore_t", "polyvore_ids[:disjoint|nondisjoint]"),
    *("atelier:N[:SEED[:LOOKS]]", "a folder with a table of items and outfits.jsonl"),
)


def load_outfits(source: str | Path, *, report: FeedReport | None = None) -> OutfitData:
    """The items, looks and official questions of a source.

    Parameters
    ----------
    source
        - `mango_outfits`: real photographed looks where `MODISTE_DATA` says, or beside the checkout;
        - `polyvore:FOLDER`, `polyvore:FOLDER:disjoint`: Polyvore Outfits in its official layout;
        - `polyvore_ids`, `polyvore_ids:disjoint`: the same without photos and words, found as `mango_outfits` is;
        - `polyvore_t`: looks whose items are names, found in the same way;
        - `atelier:N`, `atelier:N:SEED`, `atelier:N:SEED:LOOKS`: looks of N items of the generated world, by default
          2 N; whatever their number, the items are the same and are divided in the same way;
        - a folder with one table of items in any format that `modiste.data.feed` reads, and `outfits.jsonl`, or
          `outfits_train.jsonl` and so on: see `outfit_table.py`. When no look of `outfits.jsonl` names a split, a hash of its
          group, or else of its id, decides (80/10/10).
    report
        Collects rows, looks and questions that were refused, which are skipped; a warning is logged in any case.

    Raises
    ------
    ValueError
        If the source is not understood, is not there, cannot be read, or has no look; it says what would do.
    """
    text = str(source)
    report = FeedReport() if report is None else report
    try:
        data = _load(text, report)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    if report.rejected or report.warnings:
        _log.warning("%s: %s", text, report)
    if not any(data.looks.values()):
        why = (
            f"; {sum(data.missing.values()):,} look(s) name items that are not there"
            if any(data.missing.values())
            else ""
        )
        raise ValueError(f"{text}: no look{why}" + (f"; {report}" if report.rejected else ""))
    return data


def _load(text: str, report: FeedReport) -> OutfitData:
    if text == mango.NAME:
        return mango.read_mango()
    if text == polyvore_t.NAME:
        return polyvore_t.read_polyvore_t()
    kind, _, rest = text.partition(":")
    if kind == "polyvore_ids":
        return read_polyvore_ids(rest or VERSIONS[0], report=report)
    if kind == "polyvore":
        folder, _, version = rest.rpartition(":")  # a path may hold colons too: only a version's name is cut off
        folder, version = (folder, version) if version in VERSIONS else (rest, VERSIONS[0])
        if not folder:
            raise ValueError(f"{text!r}: write polyvore:FOLDER or polyvore:FOLDER:disjoint")
        return read_polyvore(folder, version, report=report)
    if kind == "atelier":
        match = _ATELIER.fullmatch(text)
        if match is None or not int(match[1]):
            raise ValueError(
                f"{text!r}: write atelier:N, atelier:N:SEED or atelier:N:SEED:LOOKS, as atelier:2000:7:8000"
            )
        from modiste.data.atelier.looks import (  # type: ignore[import-not-found, unused-ignore]
            atelier_outfits,  # draws garments: only those who ask for it wait
        )

        looks = int(match[3]) if match[3] else None
        found: OutfitData = atelier_outfits(int(match[1]), int(match[2] or 0), num_looks=looks)
        return found
    folder_path = Path(text)
    if not folder_path.is_dir():
        raise ValueError(f"{text}: no such folder, and no known source; there is {', '.join(SOURCES)}")
    return _folder(folder_path, report)


def _folder(folder: Path, report: FeedReport) -> OutfitData:
    files = {match[1] or "": file for file in sorted(folder.iterdir()) if (match := _LOOKS.fullmatch(file.name))}
    if not files:
        raise ValueError(
            f"{folder}: no outfits.jsonl and no outfits_{{split}}.jsonl there; one look per line is needed"
        )
    if "" in files and len(files) > 1:
        raise ValueError(
            f"{folder}: outfits.jsonl or {', '.join(file.name for key, file in files.items() if key)}? keep one"
        )
    items = {item.id: item for item in read_feed(_table(folder), report=report, require_title=False)}
    looks: dict[str, tuple[Look, ...]] = {}
    for split, file in files.items():
        found = read_looks(file, report=report)
        if split:  # the file's name decides
            looks[split] = tuple(look for some in found.values() for look in some)
        elif found.keys() == {""}:
            looks = _by_hash(found[""])
        else:
            if unsaid := len(found.pop("", ())):
                report.warn(NO_SPLIT_WARNING, unsaid)
            looks = found
    kept, missing = known(looks, items)
    if lost := sum(missing.values()):
        report.warn(UNKNOWN_ITEM_WARNING, lost)
    return OutfitData(folder.name or str(folder), items, _in_order(kept), missing)


def _table(folder: Path) -> Path:
    """The folder's table of items: as `find_table`, which would take the looks for one more table."""
    tables = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in TABLE_SUFFIXES and file.is_file() and not _LOOKS.fullmatch(file.name)
    )
    named = [file for file in tables if file.stem.lower() in ("items", "catalogue", "catalog", "metadata")]
    for some in (named, tables):
        if len(some) == 1:
            return find_table(some[0])
    if not tables:
        raise ValueError(f"{folder}: no table of items beside the looks; one of {', '.join(TABLE_SUFFIXES)} is needed")
    raise ValueError(
        f"{folder}: which is the table of items? {', '.join(file.name for file in tables[:20])}; name it items"
    )


def _by_hash(looks: tuple[Look, ...]) -> dict[str, tuple[Look, ...]]:
    found: dict[str, list[Look]] = {}
    for look in looks:
        found.setdefault(split_by_hash(look.group or look.id), []).append(look)
    return {split: tuple(some) for split, some in found.items()}


def _in_order(looks: dict[str, tuple[Look, ...]]) -> dict[str, tuple[Look, ...]]:
    """Train, valid, test first, whatever the order in the file."""
    usual = ("train", "valid", "test")
    return {split: looks[split] for split in (*usual, *sorted(looks.keys() - set(usual))) if split in looks}
