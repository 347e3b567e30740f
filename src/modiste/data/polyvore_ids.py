"""Polyvore Outfits without photos or text: item ids, one of 11 semantic categories each, and the official questions.

Read from `polyvore_outfits_ids/{disjoint,nondisjoint}_{split}_{pos,neg}.parquet` (github.com/lzcn/outfit-datasets, MIT): a row
has `item_ids` and `categories`. Rows of `_pos` are looks. Rows of `_neg` are sampled negatives, as many, so that the two are
the compatibility questions. `nondisjoint_test_neg_fitb` has three rows per row of `nondisjoint_test_pos`, in its order: the
look with one item exchanged, which tells the blank and the wrong candidates. What can be learned here is which categories go
together, how many, how often one repeats, and which ids appear together: scorers of content have nothing to look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from modiste.data.feed.report import FeedReport
from modiste.data.outfits import CpQuestion, FitbQuestion, Look, OutfitData
from modiste.data.parquet import DAMAGE, told
from modiste.data.polyvore import VERSIONS
from modiste.data.roots import SPLITS, folder_of
from modiste.types import Item

NAME = "polyvore_outfits_ids"
COLUMNS = ("item_ids", "categories")
_WRONG = 3  # wrong candidates of a question

_WHERE_FROM = (
    f"{NAME}/ needs {{disjoint,nondisjoint}}_{{train,valid,test}}_{{pos,neg}}.parquet with the columns "
    f"{' and '.join(COLUMNS)}, made from github.com/lzcn/outfit-datasets; then set MODISTE_DATA to the folder that holds it"
)
_Rows = list[tuple[tuple[str, ...], tuple[str, ...]]]  # item ids and their categories


def read_polyvore_ids(
    version: str = "nondisjoint", root: str | Path | None = None, *, report: FeedReport | None = None
) -> OutfitData:
    """Looks and questions of one version; a look's id is its split and its row.

    Of the non-disjoint version there are no training looks, of the disjoint one no blanks to fill in.

    Parameters
    ----------
    root
        The folder of all data sets, or the folder with the files; by default `roots.default_root`.
    report
        Collects questions that have no answer: the right item is a wrong candidate too (10 of 10,000).

    Raises
    ------
    FileNotFoundError
        If there is no file of looks of that version.
    ValueError
        If the version is unknown, a file is not readable or lacks a column, or a row is not usable, naming file and row.
    """
    if version not in VERSIONS:
        raise ValueError(f"unknown version {version!r} of Polyvore Outfits; choose one of {', '.join(VERSIONS)}")
    report = FeedReport() if report is None else report
    folder = folder_of(NAME, root, f"{version}_*_pos.parquet", _WHERE_FROM)
    category: dict[str, str] = {}
    looks, cp, fitb = {}, {}, {}
    for split in SPLITS:
        if not (file := folder / f"{version}_{split}_pos.parquet").is_file():
            continue
        right = _rows(file, category)
        looks[split] = tuple(Look(f"{split}-{number}", item_ids) for number, (item_ids, _) in enumerate(right, 1))
        if (file := folder / f"{version}_{split}_neg.parquet").is_file():
            wrong = _rows(file, category)
            cp[split] = tuple(CpQuestion(ids, 1) for ids, _ in right) + tuple(CpQuestion(ids, 0) for ids, _ in wrong)
        if (file := folder / f"{version}_{split}_neg_fitb.parquet").is_file():
            fitb[split] = _fitb(file, right, _rows(file, category), report)
    items = {
        item_id: Item(item_id, category=kind, attributes={"semantic_category": kind})
        for item_id, kind in category.items()
    }
    return OutfitData(f"polyvore_ids:{version}", items, looks, cp=cp, fitb=fitb)


def _fitb(path: Path, right: _Rows, wrong: _Rows, report: FeedReport) -> tuple[FitbQuestion, ...]:
    if len(wrong) != _WRONG * len(right):
        raise ValueError(f"{path}: {len(wrong):,} rows, {_WRONG} for each of the {len(right):,} looks are needed")
    questions = []
    for number, (look, _) in enumerate(right, 1):
        report.rows_read += 1
        rows = [ids for ids, _ in wrong[_WRONG * (number - 1) : _WRONG * number]]
        blanks = {place for ids in rows for place, one in enumerate(ids) if place >= len(look) or one != look[place]}
        if len(blanks) != 1 or any(len(ids) != len(look) for ids in rows):
            first = _WRONG * (number - 1) + 1
            raise ValueError(
                f"{path}: rows {first} to {first + _WRONG - 1} are not look {number} with one item exchanged"
            )
        (blank,) = blanks
        candidates = (look[blank], *(ids[blank] for ids in rows))
        if candidates.count(look[blank]) > 1:
            reason = f"{path.name}: the right item {look[blank]!r} is a wrong candidate too"
            report.reject(number, "", "item_ids", reason)
            continue
        questions.append(FitbQuestion(look[:blank] + look[blank + 1 :], candidates, look[blank]))
    return tuple(questions)


def _rows(path: Path, category: dict[str, str]) -> _Rows:
    """The rows of a file; every item's category is noted, and must be the same throughout."""
    try:
        table: Mapping[str, list[list[str]]] = pq.read_table(path, columns=list(COLUMNS)).to_pydict()
    except (*DAMAGE, KeyError) as error:
        raise ValueError(f"{path}: no readable table of {' and '.join(COLUMNS)} ({told(error)})") from error
    rows = []
    for row, (item_ids, kinds) in enumerate(zip(table["item_ids"], table["categories"], strict=True), 1):
        if not item_ids or not kinds or len(item_ids) != len(kinds) or not all(item_ids):
            raise ValueError(f"{path}: row {row}: as many item_ids as categories are needed, at least one, none empty")
        for item_id, kind in zip(item_ids, kinds, strict=True):
            if category.setdefault(item_id, kind) != kind:
                raise ValueError(f"{path}: row {row}: item {item_id!r} is {kind}, elsewhere {category[item_id]}")
        rows.append((tuple(item_ids), tuple(kinds)))
    return rows
