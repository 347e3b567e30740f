"""Table files as a stream of rows, whatever the format: CSV and its kin, JSON lines, Parquet, Google's XML.

Nothing here knows what a column means. A row that cannot be read comes out with its problem, so that the rest of the file
is read all the same; only a file that cannot be read on raises. No format is ever held in memory whole.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO

from modiste.data.feed.google_xml import xml_rows
from modiste.data.feed.report import FeedError, FeedReport

Warn = Callable[[str], None]

TEXT_SUFFIXES = (".csv", ".tsv", ".txt")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
PARQUET_SUFFIXES = (".parquet", ".pq")
SUFFIXES: tuple[str, ...] = (*TEXT_SUFFIXES, *JSON_SUFFIXES, *PARQUET_SUFFIXES, ".xml")

MAX_LINE = 4_000_000  # characters; a longer line is one bad row
_MAX_BATCH_BYTES = 16_000_000
_DELIMITERS = ",\t;|"
_LOOK_AHEAD = 20  # rows whose keys make up the columns where a format has no header


@dataclass(frozen=True, slots=True)
class Row:
    """One data row: its number from 1, the line it ends on (text formats), its cells, or why there are none."""

    number: int
    cells: dict[str, object]
    line: int | None = None
    problem: tuple[str, str] | None = None  # (field, reason)


@dataclass(slots=True)
class Table:
    """A table being read: the columns as the file writes them, and the rows still to come."""

    columns: list[str]
    rows: Iterator[Row]
    path: Path = field(default_factory=Path)


def find_table(path: Path) -> Path:
    """The table file meant by a path: itself, or the one that a folder holds.

    Raises `FeedError` when there is none, when a folder holds several that are not named `catalogue.csv` or `metadata.csv`,
    or when the ending is not one of `SUFFIXES`.
    """
    if path.is_dir():
        tables = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file())
        for stem in ("catalogue", "catalog", "metadata"):
            if named := [file for file in tables if file.stem.lower() == stem]:
                tables = named
                break
        if len(tables) == 1:
            return tables[0]
        if not tables:
            raise FeedError(f"{path}: no table in this folder; one of {', '.join(SUFFIXES)} is needed")
        raise FeedError(f"{path}: which of these tables? {', '.join(file.name for file in tables[:20])}; give its path")
    if not path.is_file():
        raise FeedError(f"{path}: no such file")
    if path.suffix.lower() not in SUFFIXES:
        raise FeedError(f"{path}: unknown kind of table {path.suffix!r}; one of {', '.join(SUFFIXES)} is needed")
    return path


def open_table(path: Path, report: FeedReport) -> Table:
    """A table file's columns and rows. Raises `FeedError` when it has neither."""
    suffix = path.suffix.lower()
    if suffix in TEXT_SUFFIXES:
        table = _open_text(path, report.warn)
    elif suffix in JSON_SUFFIXES:
        table = _peeked(json_rows(path, report.warn))
    elif suffix in PARQUET_SUFFIXES:
        table = _open_parquet(path)
    else:
        table = _peeked(Row(number, cells, line) for number, line, cells in xml_rows(path))
    table.path = path
    if not table.columns:
        raise FeedError(f"{path}: no columns found; the file is empty or is not what its ending says")
    return table


def count_rows(path: str | Path) -> int:
    """About how many rows a table has, for a progress bar: exact for Parquet, the number of lines or tags elsewhere."""
    file = find_table(Path(path))
    suffix = file.suffix.lower()
    if suffix in PARQUET_SUFFIXES:
        with _parquet(file) as parquet:
            return int(parquet.metadata.num_rows)
    mark = re.compile(rb"<(?:item|entry)[\s>]") if suffix == ".xml" else re.compile(rb"\n")
    found, ends_in_newline = 0, True
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            found += len(mark.findall(block))
            ends_in_newline = block.endswith((b"\n", b"\n\0"))
    if suffix == ".xml":
        return found
    return max(0, found + (not ends_in_newline) - (suffix in TEXT_SUFFIXES))


def _peeked(rows: Iterator[Row]) -> Table:
    first = list(islice(rows, _LOOK_AHEAD))
    columns = dict.fromkeys(name for row in first for name in row.cells)
    return Table(list(columns), chain(first, rows))


# --- text ------------------------------------------------------------------------------------------------------------


def _encoding(path: Path, warn: Warn) -> tuple[str, str]:
    """(codec, error handler). One pass over the bytes: a stray byte in a UTF-8 file is a bad row, not another encoding."""
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16", "replace"
        if head and head[1::2].count(0) > 0.4 * len(head) / 2:
            return "utf-16-le", "replace"
        if head and head[0::2].count(0) > 0.4 * len(head) / 2:
            return "utf-16-be", "replace"
        decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        good = bad = 0
        block = head
        while block:
            if not block.isascii() or decoder.getstate()[0]:
                text = decoder.decode(block)
                wrong = len(re.findall("[\udc80-\udcff]", text))
                good, bad = good + len(re.findall("[^\x00-\x7f]", text)) - wrong, bad + wrong
            block = stream.read(1 << 20)
    if bad > good:
        warn("not UTF-8, read as Windows-1252")
        return "cp1252", "surrogateescape"
    return "utf-8-sig", "surrogateescape"


class _Lines:
    """The lines of a text file, each at most `MAX_LINE` long; a longer one is cut and marked."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream
        self.number = 0
        self.cut = False

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.stream.readline(MAX_LINE)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) == MAX_LINE and not line.endswith("\n"):
            self.cut = True
            while (rest := self.stream.readline(MAX_LINE)) and not rest.endswith("\n"):
                pass
            return line[:80].replace('"', "'") + "\n"  # without an open quote, or it would swallow the next line
        return line


def _open_text(path: Path, warn: Warn) -> Table:
    codec, errors = _encoding(path, warn)
    with path.open(encoding=codec, errors=errors, newline="") as stream:
        sample = stream.read(1 << 16)
    delimiter = _delimiter(sample, path.suffix.lower())
    rows = _text_rows(path, codec, errors, delimiter)
    header = next(rows, None)
    columns = [] if header is None else [name.strip() for name in header[1]]
    return Table([name for name in columns if name], _cells(columns, rows, utf16=codec.startswith("utf-16")))


def _delimiter(sample: str, suffix: str) -> str:
    """The delimiter that splits the header into most columns; of equal ones the usual one for the ending."""
    order = ("\t" + _DELIMITERS) if suffix == ".tsv" else _DELIMITERS
    best, most = order[0], 0
    for delimiter in order:
        try:
            header = next((row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row), [])
        except csv.Error:
            continue
        if len(header) > most:
            best, most = delimiter, len(header)
    return best


def _text_rows(path: Path, codec: str, errors: str, delimiter: str) -> Iterator[tuple[int, list[str], str]]:
    """(line, cells, problem) of each row that is not blank; the header first."""
    with path.open(encoding=codec, errors=errors, newline="") as stream:
        lines = _Lines(stream)
        reader = csv.reader(lines, delimiter=delimiter)
        while True:
            before, problem, cells = lines.number, "", []
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                problem = f"not CSV from line {before + 1} on: {error}"
            if lines.cut:
                problem, lines.cut = f"a line of more than {MAX_LINE:,} characters", False
            if problem or any(cell and not cell.isspace() for cell in cells):
                yield lines.number, cells, problem


def _cells(columns: list[str], rows: Iterator[tuple[int, list[str], str]], *, utf16: bool) -> Iterator[Row]:
    for number, (line, values, problem) in enumerate(rows, 1):
        cells: dict[str, object] = {}
        for name, value in zip(columns, values, strict=False):
            if name and not cells.get(name):  # a column written twice: the first that is not empty counts
                cells[name] = value
        if not problem and len(values) != len(columns):
            problem = f"{len(values)} fields where the header has {len(columns)}"
        if not problem and utf16 and any("\ufffd" in value for value in values):
            problem = "bytes that are not UTF-16"
        yield Row(number, cells, line, ("row", problem) if problem else None)


# --- JSON lines --------------------------------------------------------------------------------------------------------


def json_rows(path: Path, warn: Warn) -> Iterator[Row]:
    """The lines of a JSON-lines file, blank ones skipped; what is no JSON object comes out as a row with its problem."""
    codec, errors = _encoding(path, warn)
    number = 0
    with path.open(encoding=codec, errors=errors, newline="\n") as stream:
        lines = _Lines(stream)
        for line in lines:
            text = line.strip()
            if not text:
                continue
            if number == 0 and text.startswith("["):
                raise FeedError(f"{path}: a JSON list; one object per line is needed (JSON lines)")
            number += 1
            if lines.cut:
                lines.cut = False
                problem = f"a line of more than {MAX_LINE:,} characters"
                yield Row(number, {}, lines.number, ("row", problem))
                continue
            try:
                # NaN and Infinity are no JSON but common in what pandas writes: an empty cell.
                cells = json.loads(text, parse_constant=lambda _: None)
            except (ValueError, RecursionError) as error:
                reason = (
                    error.msg if isinstance(error, json.JSONDecodeError) else "nested too deep or a number too long"
                )
                yield Row(number, {}, lines.number, ("row", f"not JSON: {reason}"))
                continue
            if isinstance(cells, dict):
                yield Row(number, cells, lines.number)
            else:
                yield Row(number, {}, lines.number, ("row", f"a JSON object is needed, not {type(cells).__name__}"))


# --- Parquet -----------------------------------------------------------------------------------------------------------


def _parquet(path: Path):  # type: ignore[no-untyped-def]  # pyarrow has no types
    import pyarrow.parquet as pq

    from modiste.data.parquet import DAMAGE, told

    try:
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except DAMAGE as error:
        raise FeedError(f"{path}: not a readable Parquet file ({told(error)})") from error


def _open_parquet(path: Path) -> Table:
    from modiste.data.parquet import DAMAGE, told

    try:
        with _parquet(path) as parquet:
            metadata = parquet.metadata
            groups = [metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups)]
            columns = list(dict.fromkeys(field.name for field in parquet.schema_arrow if _is_wanted(field.type)))
    except DAMAGE as error:
        raise FeedError(f"{path}: not a readable Parquet file ({told(error)})") from error
    mean_bytes = sum(groups) / max(1, metadata.num_rows)
    batch_size = max(1, min(1024, int(_MAX_BATCH_BYTES / max(1.0, mean_bytes))))
    return Table(columns, _parquet_rows(path, columns, batch_size))


def _is_wanted(kind: object) -> bool:
    """Whether a column can hold a scalar or a picture; vectors and tables in cells are not even read."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = kind.value_type  # type: ignore[attr-defined]
        return bool(pa.types.is_struct(inner) or pa.types.is_string(inner) or pa.types.is_large_string(inner))
    return not (pa.types.is_fixed_size_list(kind) or pa.types.is_map(kind) or pa.types.is_union(kind))


def _parquet_rows(path: Path, columns: list[str], batch_size: int) -> Iterator[Row]:
    from modiste.data.parquet import DAMAGE, told

    number = 0
    try:
        with _parquet(path) as parquet:
            for batch in parquet.iter_batches(batch_size=batch_size, columns=columns):
                values, broken = {}, dict[int, str]()
                for index, name in enumerate(batch.schema.names):
                    if name not in values:
                        values[name] = _column(batch.column(index), name, broken)
                for index in range(batch.num_rows):
                    number += 1
                    bad = broken.get(index)
                    problem = None if bad is None else (bad, "bytes that are not valid for the column's type")
                    yield Row(number, {name: column[index] for name, column in values.items()}, None, problem)
    except DAMAGE as error:
        raise FeedError(f"{path}: damaged after row {number} ({told(error)})") from error


def _column(column: object, name: str, broken: dict[int, str]) -> list[object]:
    """The cells of a batch's column; of one that cannot be converted as a whole (bad UTF-8), each that can."""
    try:
        return column.to_pylist()  # type: ignore[attr-defined]
    except (ValueError, OverflowError):
        cells: list[object] = []
        for index in range(len(column)):  # type: ignore[arg-type]
            try:
                cells.append(column[index].as_py())  # type: ignore[index]
            except (ValueError, OverflowError):
                cells.append(None)
                broken.setdefault(index, name)
        return cells
