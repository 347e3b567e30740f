"""One's own tables of clicks: what a shop exports, turned into `Interactions`.

A folder holds a table of outfits and one of interactions, in any format that `modiste.data.feed` reads (CSV, TSV, JSON lines,
Parquet):

    outfits.csv         outfit_id,item_id[,category]             a row for each item of an outfit
    outfits.jsonl       or looks as `outfit_table.py` has them   a line for each outfit
    interactions.csv    user_id,outfit_id[,weight][,time][,split]

or interactions_train, interactions_valid, interactions_test, each a table of its own. Columns may also be called `user`,
`outfit`, `look_id`, `item`, `timestamp`; others are ignored.

A click is a row whose weight is above 0, or that has none: a weight says that there was a click and not how strong it was.
`split` is train, valid or test. Where nothing names splits, `interaction_splits.divide` makes them, by `time` when every row
has one (seconds since 1970, or a date as 2026-11-27 or 2026-11-27T10:30:00+00:00). All outfits of the table can be
recommended, clicked or not, unless a k-core is asked for.

Bad rows are skipped and reported with file and row: an empty id, an unknown outfit, the same click or item twice, a weight,
time or split that is none.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from modiste.data.feed.report import FeedError, FeedReport
from modiste.data.feed.tables import SUFFIXES, Row, open_table
from modiste.data.feed.text import snake_case
from modiste.data.interaction_splits import divide, k_core
from modiste.data.interactions import Interactions, in_id_order, pair_matrix
from modiste.data.outfit_table import MAX_ITEMS, BadLine, id_of, read_looks
from modiste.data.outfit_table import SUFFIXES as LOOK_SUFFIXES
from modiste.data.roots import SPLITS
from modiste.data.sources import SPLIT_NAMES

_ALIASES = {"user": "user_id", "outfit": "outfit_id", "look_id": "outfit_id", "item": "item_id", "timestamp": "time"}
_TWICE = "duplicate: this user and this outfit are there already"
NO_CLICK_WARNING = "weight of 0 or below: no click, left out"
_TABLES = tuple(suffix for suffix in SUFFIXES if suffix != ".xml")


@dataclass(frozen=True, slots=True)
class Click:
    """One good row of a table of interactions."""

    user: str
    outfit: str
    time: float | None = None
    split: str = ""


def is_tables(folder: Path) -> bool:
    """Whether a folder holds such tables."""
    return bool(_files(folder, "outfits")) and any(_files(folder, name) for name in _interaction_names())


def read_tables(
    folder: str | Path,
    seed: int = 0,
    *,
    report: FeedReport | None = None,
    min_user_clicks: int = 0,
    min_outfit_clicks: int = 0,
) -> Interactions:
    """The tables of a folder; ids are numbered in the order of `in_id_order`, whatever the order of rows.

    Parameters
    ----------
    seed
        Of the division, where rows name no split.
    report
        Collects refused rows, which are skipped.
    min_user_clicks, min_outfit_clicks
        Keep the k-core alone (`k_core`), before dividing; where a table names splits it is taken of all of them together.

    Raises
    ------
    ValueError
        If a table is missing, twice there or not readable, a column is missing, or nothing good is left of it.
    """
    folder, report = Path(folder), FeedReport() if report is None else report
    contents, category = _outfits(_the_file(folder, "outfits"), report)
    clicks = _clicks(folder, contents, report)
    if min_user_clicks or min_outfit_clicks:
        kept = k_core([one.user for one in clicks], [one.outfit for one in clicks], min_user_clicks, min_outfit_clicks)
        clicks = [one for one, keep in zip(clicks, kept.tolist(), strict=True) if keep]
        if min_outfit_clicks:
            used = {one.outfit for one in clicks}
            contents = {outfit: items for outfit, items in contents.items() if outfit in used}
    if not clicks:
        core = f" with {min_user_clicks} clicks of each user and {min_outfit_clicks} of each outfit"
        why = core if min_user_clicks or min_outfit_clicks else ""
        raise ValueError(f"{folder}: no interaction left{why}" + (f"; {report}" if report.rejected else ""))
    splits = [one.split for one in clicks]
    if not any(splits):
        times = [one.time for one in clicks]
        known = [time for time in times if time is not None]
        splits = divide(
            [one.user for one in clicks],
            [one.outfit for one in clicks],
            seed,
            known if len(known) == len(times) else None,
        )
    return _built(folder, clicks, splits, contents, category)


def with_test_clicks(data: Interactions, path: str | Path, *, report: FeedReport | None = None) -> Interactions:
    """The data with the clicks of a table (`user_id`, `outfit_id`) in place of its test split.

    Rows of an unknown user or outfit are refused and reported, as are those that are training or validation clicks: they are
    not ranked. Raises `ValueError` if the file is no such table or has no good row.
    """
    path, report = Path(path), FeedReport() if report is None else report
    user_row = {one: row for row, one in enumerate(data.user_ids)}
    outfit_row = {one: row for row, one in enumerate(data.outfit_ids)}
    known = {
        split: set(zip(*(part.tolist() for part in data.clicks[split].nonzero()), strict=True))
        for split in ("train", "valid")
        if split in data.clicks
    }
    seen: set[tuple[int, int]] = set()
    for row, cells, one in _good_clicks(path, outfit_row, report):
        try:
            if one.user not in user_row:
                raise BadLine("user_id", "unknown user")
            pair = user_row[one.user], outfit_row[one.outfit]
            for split, clicks in known.items():
                if pair in clicks:
                    raise BadLine("outfit_id", f"already a click of {split}: it is not ranked")
            if pair in seen:
                raise BadLine("outfit_id", _TWICE)
        except BadLine as error:
            _refuse(report, path, row, cells, "user_id", error)
            continue
        seen.add(pair)
    if not seen:
        raise ValueError(f"{path}: no click that could be tested; {report}")
    rows, columns = zip(*sorted(seen), strict=True)
    test = pair_matrix(rows, columns, (data.num_users, data.num_outfits))
    return replace(data, clicks={**data.clicks, "test": test})


def read_clicks(path: str | Path, outfits: Collection[str], *, report: FeedReport | None = None) -> list[Click]:
    """The clicks of one table (`user_id`, `outfit_id`) on outfits that are known already, in the order of its rows.

    Bad rows are refused and reported. Raises `ValueError` if the file is no such table.
    """
    path, report = Path(path), FeedReport() if report is None else report
    found: dict[tuple[str, str], Click] = {}
    for row, cells, one in _good_clicks(path, outfits, report):
        if (one.user, one.outfit) in found:
            _refuse(report, path, row, cells, "user_id", BadLine("outfit_id", _TWICE))
        else:
            found[one.user, one.outfit] = one
    return list(found.values())


# --- rows --------------------------------------------------------------------------------------------------------------


def _outfits(path: Path, report: FeedReport) -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Outfit -> its items, and item -> its category where a column says it."""
    if path.suffix.lower() in LOOK_SUFFIXES:
        looks = [look for some in read_looks(path, report=report).values() for look in some if look.label != 0]
        return {look.id: tuple(dict.fromkeys(look.item_ids)) for look in looks}, {}
    contents: dict[str, dict[str, None]] = {}
    category: dict[str, str] = {}
    for row, cells in _good_rows(path, ("outfit_id", "item_id"), report):
        try:
            outfit, item = id_of(cells, "outfit_id"), id_of(cells, "item_id")
            if item in (there := contents.get(outfit, {})):
                raise BadLine("item_id", f"duplicate: {item!r} is in the outfit already")
            if len(there) == MAX_ITEMS:
                raise BadLine("item_id", f"more than {MAX_ITEMS:,} items in one outfit")
            kind = id_of(cells, "category") if cells.get("category") not in (None, "") else ""
            if kind and category.setdefault(item, kind) != kind:
                raise BadLine("category", f"item {item!r} is {category[item]!r} elsewhere")
        except BadLine as error:
            _refuse(report, path, row, cells, "outfit_id", error)
            continue
        contents.setdefault(outfit, {})[item] = None
    return {outfit: tuple(items) for outfit, items in contents.items()}, category


def _clicks(folder: Path, outfits: Mapping[str, object], report: FeedReport) -> list[Click]:
    names = [name for name in _interaction_names() if _files(folder, name)]
    if not names:
        raise ValueError(f"{folder}: no table named interactions; one of {', '.join(_TABLES)} is needed")
    if "interactions" in names and len(names) > 1:
        raise ValueError(f"{folder}: {' or '.join(names)}? keep one table, or one for each split")
    if names[0] not in ("interactions", "interactions_train"):
        raise ValueError(f"{folder}: {', '.join(names)}, but no interactions_train")
    found: list[Click] = []
    seen: set[tuple[str, str]] = set()
    for name in names:
        path, said = _the_file(folder, name), name.removeprefix("interactions").removeprefix("_")
        rows = [
            (row, cells, one if not said else replace(one, split=said))
            for row, cells, one in _good_clicks(path, outfits, report)
        ]
        some_say = any(one.split for _, _, one in rows)
        for row, cells, one in rows:
            if some_say and not one.split:
                _refuse(report, path, row, cells, "user_id", BadLine("split", "empty, where other rows have one"))
            elif (one.user, one.outfit) in seen:
                _refuse(report, path, row, cells, "user_id", BadLine("outfit_id", _TWICE))
            else:
                seen.add((one.user, one.outfit))
                found.append(one)
    return found


def _good_clicks(
    path: Path, outfits: Collection[str], report: FeedReport
) -> Iterator[tuple[Row, dict[str, object], Click]]:
    """Rows that are a click on one of these outfits, with their cells; the others are reported."""
    for row, cells in _good_rows(path, ("user_id", "outfit_id"), report):
        try:
            one = _click(cells, outfits)
        except BadLine as error:
            _refuse(report, path, row, cells, "user_id", error)
            continue
        if one is None:
            report.folded += 1
            report.warn(NO_CLICK_WARNING)
        else:
            yield row, cells, one


def _click(cells: Mapping[str, object], outfits: Collection[str]) -> Click | None:
    """The click of a row; None when its weight says that it is none."""
    user, outfit = id_of(cells, "user_id"), id_of(cells, "outfit_id")
    if outfit not in outfits:
        raise BadLine("outfit_id", "unknown outfit")
    weight, time, split = _number(cells, "weight"), _time(cells), str(cells.get("split") or "").strip().lower()
    split = SPLIT_NAMES.get(split, split)
    if split and split not in SPLITS:
        raise BadLine("split", f"{split[:40]!r} is none of {', '.join(SPLITS)}")
    return None if weight is not None and weight <= 0 else Click(user, outfit, time, split)


def _good_rows(path: Path, needed: tuple[str, ...], report: FeedReport) -> Iterator[tuple[Row, dict[str, object]]]:
    """Rows that could be read, their cells under our names; the others are reported."""
    table = open_table(path, report)
    ours: dict[str, str] = {}  # our name -> the table's column; a name of ours before an alias
    for column in table.columns:
        name = snake_case(column)
        if name not in _ALIASES:
            ours[name] = column
        else:
            ours.setdefault(_ALIASES[name], column)
    if missing := [name for name in needed if name not in ours]:
        raise FeedError(f"{path}: no column {missing[0]}; there is {', '.join(table.columns[:20])}")
    for row in table.rows:
        report.rows_read += 1
        cells = {name: _plain(row.cells.get(column)) for name, column in ours.items()}
        if row.problem is not None:
            _refuse(report, path, row, cells, needed[0], BadLine(*row.problem))
            continue
        yield row, cells


def _plain(value: object) -> object:
    """A whole number that a table keeps as a float, as columns with empty cells are written, is that whole number."""
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value


def _number(cells: Mapping[str, object], field: str) -> float | None:
    value = cells.get(field)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise BadLine(field, f"a number is needed, not {str(value)[:40]!r}")
    return number


def _time(cells: Mapping[str, object]) -> float | None:
    """Seconds since 1970, from a number or a date; without a time zone it is UTC."""
    value = cells.get("time")
    try:
        if isinstance(value, str) and value.strip() and not _is_number(value):
            value = datetime.fromisoformat(value.strip())
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day)
        if isinstance(value, datetime):
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadLine("time", f"seconds or a date are needed, not {str(value)[:40]!r}") from None
    return _number(cells, "time")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _refuse(
    report: FeedReport, path: Path, row: Row, cells: Mapping[str, object], id_field: str, error: BadLine
) -> None:
    written = cells.get(id_field)
    shown = str(written)[:200] if isinstance(written, str | int) else ""
    report.reject(row.number, shown, error.field, f"{path.name}: {error.reason}", line=row.line)


# --- files and arrays --------------------------------------------------------------------------------------------------


def _interaction_names() -> tuple[str, ...]:
    return ("interactions", *(f"interactions_{split}" for split in SPLITS))


def _files(folder: Path, stem: str) -> list[Path]:
    return [file for suffix in _TABLES if (file := folder / f"{stem}{suffix}").is_file()] if folder.is_dir() else []


def _the_file(folder: Path, stem: str) -> Path:
    files = _files(folder, stem)
    if len(files) != 1:
        there = f"which of {', '.join(file.name for file in files)}?" if files else f"no table named {stem}"
        raise ValueError(f"{folder}: {there}; one of {', '.join(_TABLES)} is needed")
    return files[0]


def _built(
    folder: Path,
    clicks: list[Click],
    splits: list[str],
    contents: Mapping[str, tuple[str, ...]],
    category: Mapping[str, str],
) -> Interactions:
    users, outfits = in_id_order(one.user for one in clicks), in_id_order(contents)
    items = in_id_order(item for some in contents.values() for item in some)
    user_row, outfit_row, item_row = ({one: row for row, one in enumerate(ids)} for ids in (users, outfits, items))
    matrices = {}
    for split in SPLITS:
        mine = [one for one, its in zip(clicks, splits, strict=True) if its == split]
        if mine or split == "train":
            rows, columns = [user_row[one.user] for one in mine], [outfit_row[one.outfit] for one in mine]
            matrices[split] = pair_matrix(rows, columns, (len(users), len(outfits)))
    pairs = [(outfit_row[outfit], item_row[item]) for outfit, some in contents.items() for item in some]
    kinds = sorted({category.get(item, "") for item in items})
    known = kinds != [""]
    return Interactions(
        users,
        outfits,
        items,
        matrices,
        pair_matrix([row for row, _ in pairs], [column for _, column in pairs], (len(outfits), len(items))),
        np.array([kinds.index(category.get(item, "")) for item in items], dtype=np.int64) if known else None,
        tuple(kinds) if known else (),
        name=folder.resolve().name,
    )
