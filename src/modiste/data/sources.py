"""One front door to items for training and evaluation: a table, a folder of splits, or the generated world."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable
from pathlib import Path

from modiste.data.fashion_products import NAME, SPLITS, FashionProducts, is_fashion_products
from modiste.data.feed import SUFFIXES, FeedReport, find_table, read_feed
from modiste.types import Item

_log = logging.getLogger(__name__)
_ATELIER = re.compile(r"atelier:(\d{1,9})(?::(\d{1,9}))?")
# Of ten parts of the products, those that belong to each split when the source itself does not say.
_TENTHS = {"train": range(8), "valid": range(8, 9), "test": range(9, 10)}


def load_items(source: str | Path, split: str | None = None, *, report: FeedReport | None = None) -> list[Item]:
    """The items of a source, or of one split of it.

    Parameters
    ----------
    source
        - `atelier:SIZE` or `atelier:SIZE:SEED`: that many items of the generated world;
        - `fashion_products`: the real set where `MODISTE_DATA` says, or beside the checkout;
        - a folder with `train`, `valid`, `test` files in any feed format, or with `fashion_products/` in it;
        - a table in any format that `modiste.data.feed` reads, or a folder with one.
    split
        "train", "valid" or "test"; None for all there is. Where the source has no files per split, the attribute (column)
        `split` of each item decides; where there is no such attribute either, a hash of the product does (80/10/10), so
        the rows of one product are never on both sides and adding rows moves none.
    report
        Collects a feed's refused rows, which are skipped; their number is logged as a warning in any case.

    Raises
    ------
    ValueError
        If the source or split is not understood, cannot be read, or holds no item; it says what would be.
    """
    if split is not None and split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    text = str(source)
    report = FeedReport() if report is None else report
    if text == NAME:
        source = text = str(FashionProducts().root)
    if text.startswith("atelier"):
        items = _select(_atelier(text), split)
    else:
        path = Path(source)
        if not path.exists():
            raise ValueError(f"{text}: no such file or folder, and not atelier:SIZE[:SEED] either")
        files = _split_files(path)
        if not files:
            items = _select(_table(find_table(path), report), split)
        elif split is None:
            items = [item for file in files.values() for item in _table(file, report)]
        elif split in files:
            items = _table(files[split], report)
        else:
            raise ValueError(f"{text}: no split {split!r}; there is {', '.join(files)}")
    if not items:
        why = f"; {report}" if report.rejected else ""
        raise ValueError(f"{text}: no item" + (f" in split {split!r}" if split else "") + why)
    if report.rejected or report.warnings:
        _log.warning("%s: %s", text, report)
    return items


def has_split(source: str | Path, split: str) -> bool:
    """Whether `load_items(source, split)` has files or rows of that split to offer; reads no items."""
    root = FashionProducts().root if str(source) == NAME else Path(source)
    files = _split_files(root) if root.is_dir() else {}
    return split in files if files else not str(source).startswith("atelier")


def default_split(source: str | Path) -> str | None:
    """What to evaluate when nothing is said: the test split of a source that has splits, else everything."""
    return "test" if str(source) == NAME or (Path(source).is_dir() and _split_files(Path(source))) else None


def _atelier(text: str) -> list[Item]:
    match = _ATELIER.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(f"{text!r}: write atelier:SIZE or atelier:SIZE:SEED, for example atelier:2000:7")
    from modiste.data.atelier import Atelier  # draws garments: only those who ask for it wait for its imports

    return list(Atelier(seed=int(match[2] or 0)).items(int(match[1])))


def _split_files(folder: Path) -> dict[str, Path]:
    """A folder's file per split, looking into `fashion_products/` too; empty when the path is no such folder."""
    for place in (folder, folder / NAME):
        if not place.is_dir():
            continue
        files = {}
        for name in SPLITS:
            found = [file for suffix in SUFFIXES if (file := place / f"{name}{suffix}").is_file()]
            if len(found) > 1:
                raise ValueError(f"{place}: which is the split {name}? {', '.join(file.name for file in found)}")
            if found:
                files[name] = found[0]
        if files:
            return files
    return {}


def _table(path: Path, report: FeedReport) -> list[Item]:
    if path.suffix == ".parquet" and is_fashion_products(path):
        return FashionProducts(path).split(path.stem)
    return list(read_feed(path, report=report))


def _select(items: Iterable[Item], split: str | None) -> list[Item]:
    found = list(items)
    if split is None:
        return found
    if any("split" in item.attributes for item in found):
        names = {"validation": "valid", "val": "valid", "dev": "valid"}
        labels = [str(item.attributes.get("split", "")).lower() for item in found]
        return [item for item, label in zip(found, labels, strict=True) if names.get(label, label) == split]
    return [item for item in found if _tenth(item.product) in _TENTHS[split]]


def _tenth(product: str) -> int:
    return int.from_bytes(hashlib.sha256(product.encode()).digest()[:8], "big") % 10
