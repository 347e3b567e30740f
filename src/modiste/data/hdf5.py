"""HDF5 files as tables: opened with a message that helps, read in blocks, a damaged part never taking its neighbours along.

h5py is an optional dependency and imported where a file is opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NO_H5PY = "HDF5 files need h5py: pip install 'modiste[datasets]'"


@contextmanager
def open_hdf5(path: Path) -> Iterator[Any]:
    """The file as an `h5py.File`, closed at the end of the block.

    Raises
    ------
    ValueError
        If h5py is not installed, or the file is no HDF5 file or truncated.
    """
    try:
        import h5py
    except ImportError as error:
        raise ValueError(_NO_H5PY) from error
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path}: not a readable HDF5 file ({first_line(error)})") from error
    with file:
        yield file


def is_column(data: Any, kinds: str) -> bool:
    """Whether this is a data set of shape (N,) or (N, 1) with values of one of these NumPy kinds ("iu", "SO")."""
    shape = getattr(data, "shape", ())
    return len(shape) in (1, 2) and shape[1:] in ((), (1,)) and data.dtype.kind in kinds


def read_rows(column: Any, start: int, stop: int) -> list[Any]:
    """The values of rows [start, stop), one of each row, arrays where a row is one; None for a row that cannot be read.

    Byte strings are decoded as latin-1, which never fails, unless the file says that they are UTF-8.
    """
    try:
        values = column[start:stop]
    except (OSError, RuntimeError, ValueError, TypeError, KeyError):
        if stop - start == 1:
            return [None]
        middle = (start + stop) // 2  # find the rows behind the damage, and lose no others
        return read_rows(column, start, middle) + read_rows(column, middle, stop)
    if values.ndim > 2:
        return list(values)
    cells: list[Any] = values.reshape(stop - start).tolist()
    return [_decoded(cell, column) for cell in cells] if values.dtype.kind in "SO" else cells


def first_line(error: Exception) -> str:
    """What an error of the HDF5 library says, without the trace that follows."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _decoded(cell: object, column: Any) -> str | None:
    if not isinstance(cell, bytes):
        return cell if isinstance(cell, str) else None
    import h5py

    declared = h5py.check_string_dtype(column.dtype)
    try:
        return cell.decode("utf-8" if declared is not None and declared.encoding == "utf-8" else "latin-1")
    except UnicodeDecodeError:
        return cell.decode("latin-1")
