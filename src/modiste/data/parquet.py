"""Parquet files of published sets, row by row; what is damaged, or no such file, is one kind of error that names the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

# What Arrow raises for damaged bytes: of its own, of the system, and of Python where texts or dates are none.
DAMAGE = (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError)


def parquet_rows(
    path: Path, columns: Sequence[str], needed: Sequence[str], where_from: str, batch_size: int
) -> Iterator[dict[str, Any]]:
    """The rows as Python values by column, for those of `columns` that are there; a batch at a time is in memory.

    Raises `ValueError` naming the file when it cannot be read, or lacks a column of `needed`; then with `where_from`.
    """
    try:
        with pq.ParquetFile(path) as file:
            found = file.schema_arrow.names
            if missing := [column for column in needed if column not in found]:
                raise ValueError(f"{path}: no column {', '.join(missing)}; found {', '.join(found)}; {where_from}")
            chosen = [column for column in dict.fromkeys(columns) if column in found]
            for batch in file.iter_batches(batch_size=batch_size, columns=chosen):
                yield from batch.to_pylist()
    except DAMAGE as error:
        raise ValueError(f"{path}: not a readable Parquet file ({told(error)})") from error


def told(error: Exception) -> str:
    """The first line of what Arrow says."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
