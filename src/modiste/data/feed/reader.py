"""From a table file to items: every row either becomes one, folds into one, or is refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from modiste.data.feed.dialects import DIALECTS, LONG_WARNING, Dialect, Draft, Refused, detect, drafts
from modiste.data.feed.pictures import inside, inside_by_address, is_address, read_picture
from modiste.data.feed.report import FeedError, FeedReport
from modiste.data.feed.tables import Row, find_table, open_table
from modiste.data.images import MAX_BYTES, ImageError, decode
from modiste.types import Item

MAX_ID = 200
MAX_TITLE = 1_000
MAX_DESCRIPTION = 20_000

ADDRESS_WARNING = "picture is a web address and is not fetched; indexed without it"


def read_feed(
    path: str | Path,
    *,
    dialect: Literal["auto"] | Dialect = "auto",
    mapping: Mapping[str, str] | None = None,
    image_folder: str | Path | None = None,
    report: FeedReport | None = None,
    strict: bool = False,
    check_images: bool = True,
    require_title: bool = True,
) -> Iterator[Item]:
    """The items of a retailer's table, one at a time, in file order; bad rows are skipped and reported.

    Parameters
    ----------
    path
        A CSV, TSV, JSON-lines, Parquet or Google XML file, or a folder with one (`catalogue.csv` or `metadata.csv` first).
    dialect
        "google" (Merchant product feed), "shopify" (product export; one item per colour, never per size), "plain" (any
        table), or "auto": told from the column names.
    mapping
        Our field or attribute -> the table's column, as `{"title": "product_name", "colour": "farbe"}`, for "plain" and
        "google". The fields are id, title, image, category, description, group; other columns become attributes.
    image_folder
        Where picture paths start; by default the table's own folder. Pictures given as web addresses are never fetched:
        they are looked for here under the last part of their address, if this folder is given.
    report
        Collects counts and refused rows; see `FeedReport`.
    strict
        Stop at the first bad row instead of skipping it.
    check_images
        Decode every picture now, so that a broken one is a bad row. A caller that decodes later sets this to False, reads
        with `read_rows`, and reports a broken picture with `report.reject(row, item.id, "image", str(error))`.
    require_title
        Refuse a row without a title even when it has a picture.

    Items keep the encoded bytes of their picture (at most 16 MB), never pixels or a path. The memory used does not grow
    with the file, but for the ids seen so far. Of rows with the same id the first good one counts.

    Raises
    ------
    FeedError
        When the file cannot be read as a table, has no usable columns, or, if `strict`, at the first bad row, naming file,
        row and field. Whatever the opening and the columns tell is raised by this call; damage further on, where it is met.
    """
    rows = read_rows(
        path,
        dialect=dialect,
        mapping=mapping,
        image_folder=image_folder,
        report=report,
        strict=strict,
        check_images=check_images,
        require_title=require_title,
    )
    return (item for _, item in rows)


def read_rows(
    path: str | Path,
    *,
    dialect: Literal["auto"] | Dialect = "auto",
    mapping: Mapping[str, str] | None = None,
    image_folder: str | Path | None = None,
    report: FeedReport | None = None,
    strict: bool = False,
    check_images: bool = True,
    require_title: bool = True,
) -> Iterator[tuple[int, Item]]:
    """As `read_feed`, with the number of the data row (from 1) before each item."""
    table_path = find_table(Path(path))
    folder = table_path.parent if image_folder is None else Path(image_folder)
    if not folder.is_dir():
        raise FeedError(f"{folder}: the folder for pictures does not exist")
    if dialect not in ("auto", *DIALECTS):
        raise FeedError(f"unknown dialect {dialect!r}; choose one of auto, {', '.join(DIALECTS)}")
    report = FeedReport() if report is None else report
    table = open_table(table_path, report)
    spoken = detect(table.columns) if dialect == "auto" else dialect
    if mapping and spoken == "shopify":
        if dialect == "shopify":
            raise FeedError(f"{table_path}: a Shopify export needs no mapping; give dialect 'plain' to map it by hand")
        spoken = "plain"
    try:
        found = drafts(table.rows, table.columns, spoken, mapping)
    except FeedError as error:
        raise FeedError(f"{table_path}: {error}") from None
    reader = _Reader(
        table_path, report, folder, image_folder is not None, strict=strict, check=check_images, titled=require_title
    )
    return reader.items(found)


class _BadRow(ValueError):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


class _Reader:
    def __init__(
        self, path: Path, report: FeedReport, folder: Path, by_address: bool, *, strict: bool, check: bool, titled: bool
    ) -> None:
        self.path, self.report, self.folder, self.by_address = path, report, folder, by_address
        self.strict, self.check, self.titled = strict, check, titled
        self.seen: set[str] = set()

    def items(self, found: Iterator[Draft | Refused]) -> Iterator[tuple[int, Item]]:
        for one in found:
            self.report.rows_read += one.rows
            self.report.folded += one.rows - 1
            if isinstance(one, Refused):
                if one.field:
                    self.refuse(one.row, one.id, one.field, one.reason)
                else:
                    self.report.folded += 1
                    self.report.warn(one.reason)
                continue
            try:
                item = self.item(one)
            except _BadRow as error:
                self.refuse(one.row, one.id[:MAX_ID], one.columns.get(error.field, error.field), error.reason)
                continue
            self.seen.add(item.id)
            for warning in one.warnings:
                self.report.warn(warning)
            yield one.row.number, item

    def refuse(self, row: Row, id: str, field: str, reason: str) -> None:
        self.report.reject(row.number, id, field, reason, line=row.line)
        if self.strict:
            where = f"row {row.number}" + (f" (line {row.line})" if row.line is not None else "")
            raise FeedError(f"{self.path}: {where}, field {field!r}: {reason}")

    def item(self, draft: Draft) -> Item:
        if not draft.id:
            raise _BadRow("id", "empty id")
        if len(draft.id) > MAX_ID:
            raise _BadRow("id", f"id of {len(draft.id)} characters, the limit is {MAX_ID}")
        if not draft.id.isprintable():
            raise _BadRow("id", "control character in the id")
        if draft.id in self.seen:
            raise _BadRow("id", "duplicate id")
        if len(draft.group) > MAX_ID:
            raise _BadRow("group", f"group of {len(draft.group)} characters, the limit is {MAX_ID}")
        if not draft.title and self.titled:
            raise _BadRow("title", "empty title")
        try:
            image = self.image(draft)
            if image is not None and self.check:
                decode(image)
        except ImageError as error:
            raise _BadRow("image", str(error)) from error
        if image is None and not draft.title:
            raise _BadRow("title", "neither title nor picture")
        if len(draft.title) > MAX_TITLE or len(draft.description) > MAX_DESCRIPTION or len(draft.category) > MAX_ID:
            draft.warnings.append(LONG_WARNING)
        return Item(
            id=draft.id,
            title=draft.title[:MAX_TITLE],
            image=image,
            category=draft.category[:MAX_ID],
            description=draft.description[:MAX_DESCRIPTION],
            attributes=draft.attributes,
            group=draft.group,
        )

    def image(self, draft: Draft) -> bytes | None:
        """The encoded picture of a cell: bytes, `{bytes, path}`, the first of a list of these, a path, or an address."""
        value = draft.image
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, dict):
            value = value.get("bytes") or value.get("path")
        if isinstance(value, bytes):
            if len(value) > MAX_BYTES:
                raise ImageError(f"file of {len(value):,} bytes, the limit is {MAX_BYTES:,}")
            return value or None
        if value is None or (isinstance(value, float) and value != value):
            return None
        if not isinstance(value, str):
            raise ImageError(f"wrong type: bytes or a path is needed, not {type(value).__name__}")
        if not (text := value.strip()):
            return None
        if not is_address(text):
            return read_picture(inside(self.folder, text))
        file = inside_by_address(self.folder, text) if self.by_address else None
        if file is None:
            draft.warnings.append(ADDRESS_WARNING)
            return None
        return read_picture(file)
