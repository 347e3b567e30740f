"""One front door to items for training and evaluation: a table, a folder of splits, a named set, or the generated world."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable
from pathlib import Path

from modiste.data import fashion_mnist
from modiste.data.coco_captions import CocoCaptions
from modiste.data.fashion_products import NAME, FashionProducts, is_fashion_products
from modiste.data.fashiongen import FashionGen
from modiste.data.feed import SUFFIXES, FeedReport, find_table, read_feed
from modiste.data.roots import SPLITS
from modiste.types import Item

_log = logging.getLogger(__name__)
SPLIT_NAMES = {"validation": "valid", "val": "valid", "dev": "valid"}  # what others call a split -> our name
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
        - `fashion_mnist`: its official split, found in the same way; photos alone, without a text;
        - `fashiongen:FOLDER`: the official HDF5 files in that folder, `train` and `valid`; all photos are held in memory,
          see `FashionGen.split`;
        - `coco:JSON` or `coco:JSON:IMAGE_FOLDER`: COCO's captions, or Karpathy's splits of them; photos are looked for
          beside the JSON file unless their folder is named, see `CocoCaptions`;
        - a folder with `train`, `valid`, `test` files in any feed format, or with `fashion_products/` in it;
        - a table in any format that `modiste.data.feed` reads, or a folder with one.
    split
        "train", "valid" or "test"; None for all there is. Where the source has no files per split, the attribute (column)
        `split` of each item decides; where there is no such attribute either, a hash of the product does (80/10/10), so
        the rows of one product are never on both sides and adding rows moves none.
    report
        Collects a feed's or data set's refused rows, which are skipped; their number is logged as a warning in any case.

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
    if text == fashion_mnist.NAME:
        wanted = fashion_mnist.SPLITS if split is None else (split,)
        items = [item for name in wanted for item in fashion_mnist.as_items(fashion_mnist.FashionMnist(), name)]
    elif text.startswith("atelier"):
        items = _select(_atelier(text), split)
    elif (named := _named(text)) is not None:
        items = _of_named(named, split, report)
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
    if str(source) == fashion_mnist.NAME:
        return split in fashion_mnist.SPLITS
    if (named := _named(str(source))) is not None:
        return split in named.splits or not named.splits
    root = FashionProducts().root if str(source) == NAME else Path(source)
    files = _split_files(root) if root.is_dir() else {}
    return split in files if files else not str(source).startswith("atelier")


def default_split(source: str | Path) -> str | None:
    """What to evaluate when nothing is said: the test split of a source that has splits, else everything.

    Of a data set without a test split the validation split: what Fashion-Gen's published numbers are measured on.
    """
    if (named := _named(str(source))) is not None:
        return next((split for split in ("test", "valid") if split in named.splits), None)
    return (
        "test"
        if str(source) in (NAME, fashion_mnist.NAME) or (Path(source).is_dir() and _split_files(Path(source)))
        else None
    )


def atelier_source(text: str) -> tuple[int, int]:
    """Size and seed that `atelier:SIZE[:SEED]` means. Raises `ValueError` for any other text."""
    match = _ATELIER.fullmatch(text)
    if match is None or not int(match[1]):
        raise ValueError(f"{text!r}: write atelier:SIZE or atelier:SIZE:SEED, for example atelier:2000:7")
    return int(match[1]), int(match[2] or 0)


def _atelier(text: str) -> list[Item]:
    count, seed = atelier_source(text)
    from modiste.data.atelier import Atelier  # draws garments: only those who ask for it wait for its imports

    return list(Atelier(seed=seed).items(count))


def _named(text: str) -> FashionGen | CocoCaptions | None:
    """The data set that `fashiongen:...` or `coco:...` means; None for any other source.

    Raises `ValueError` when it is not where the text says.
    """
    kind, colon, place = text.partition(":")
    if not colon or kind not in ("fashiongen", "coco"):
        return None
    if kind == "fashiongen":
        if not place:
            raise ValueError(f"{text!r}: write fashiongen:FOLDER")
        try:
            return FashionGen(place)
        except FileNotFoundError as error:
            raise ValueError(str(error)) from error
    # A path may hold colons too (a drive, say): the first cut that leaves a file before it counts.
    cuts = [at for at, sign in enumerate(place) if sign == ":"] + [len(place)]
    for at in cuts:
        if Path(place[:at]).is_file():
            return CocoCaptions(place[:at], place[at + 1 :] or None)
    raise ValueError(f"{text!r}: no such file; write coco:JSON or coco:JSON:IMAGE_FOLDER")


def _of_named(named: FashionGen | CocoCaptions, split: str | None, report: FeedReport) -> list[Item]:
    if not named.splits and isinstance(named, CocoCaptions):
        return _select(named.stream(report=report), split)
    wanted = named.splits if split is None else (split,)
    return [item for name in wanted for item in named.split(name, report=report)]


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
        labels = [str(item.attributes.get("split", "")).lower() for item in found]
        return [item for item, label in zip(found, labels, strict=True) if SPLIT_NAMES.get(label, label) == split]
    return [item for item in found if split_by_hash(item.product) == split]


def split_by_hash(key: str) -> str:
    """The split of what belongs to a key (a product, a group of looks) where nothing else says it: 80/10/10 by hash."""
    tenth = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") % 10
    return next(split for split, tenths in _TENTHS.items() if tenth in tenths)
