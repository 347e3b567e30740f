"""Writing a file so that it is there whole or not at all; reading lines and JSON from files that anybody may have written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

_MAX_DIGITS = 300  # a float holds whole numbers up to 309 digits
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def no_room(folder: Path | str) -> str:
    """What to tell whoever has filled a disk: that nothing is lost, and what to do."""
    return (
        f"no space is left on the disk of {folder}; what was there before is whole: free some, and run the same again"
    )


@contextlib.contextmanager
def writing_atomically(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """A binary stream for as long as the block lasts; the file appears at its end, flushed to the disk and whole.

    `mode`: who may read it, from the moment it is there.

    When the block raises nothing appears, and an old file stays. Raises `OSError` if the folder cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(scratch, mode)
            os.replace(scratch, path)
        except OSError as error:
            if error.errno in FULL:
                raise OSError(error.errno, no_room(path.parent), str(path)) from error
            raise
        with contextlib.suppress(OSError):  # not every file system lets a folder be synchronised
            flush_folder(path.parent)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes, *, mode: int = 0o644) -> Path:
    """Write `data` beside `path`, flush it to the disk, and move it into place: a reader sees the old file or the new.

    Raises
    ------
    OSError
        If the folder cannot be written; the old file is then untouched.
    """
    with writing_atomically(path, mode=mode) as file:
        file.write(data)
    return Path(path)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal, read a piece at a time. Raises `OSError`."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def replace_folder(scratch: Path, folder: Path) -> None:
    """Move a finished folder of files, made by `mkdtemp` beside it, into its place; one that is there makes room first."""
    scratch.chmod(0o755)  # mkdtemp's is for its owner alone
    for file in scratch.iterdir():
        file.chmod(0o644)
    if folder.exists():
        old = folder.with_name(f".{folder.name}-old-{os.getpid()}")
        folder.rename(old)
        scratch.rename(folder)
        shutil.rmtree(old)
    else:
        scratch.rename(folder)


def signed(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values with a checksum of themselves as "sum", so that a bit that flips in their file is noticed."""
    return {**values, "sum": _sum(values)}


def require_unchanged(values: dict[str, Any]) -> dict[str, Any]:
    """What `signed` was given; values without a "sum" (an earlier version's, a person's) are taken as they are.

    Raises `ValueError` where the checksum is not that of the rest.
    """
    plain = {name: value for name, value in values.items() if name != "sum"}
    if "sum" in values and values["sum"] != _sum(plain):
        raise ValueError('its contents are not those that were written; whoever changes it by hand leaves out "sum"')
    return plain


def _sum(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file; raises `ValueError` naming it when it cannot be read or is no text."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file (byte {error.start})") from error


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text, with numbers that a float can hold.

    Raises `ValueError` for anything else: no text, no JSON, NaN, 1e999 (which Python takes for infinity), a whole number of 300
    digits, or lists nested so deep that Python gives up. Whoever reads a file this way has one kind of error to explain.
    """
    try:
        return json.loads(text, parse_constant=_refused_number, parse_float=_finite, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deep") from None


def whole_object(path: Path) -> dict[str, Any] | None:
    """The JSON object of a small file that others write; None when there is none, or it is not whole."""
    try:
        found = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refused_number(text)
    return value


def _whole(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        _refused_number(text)
    return int(text)


def _refused_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:40]} is no number that can be used")


def flush_folder(folder: Path) -> None:
    """Make renames in a folder durable; raises `OSError` where the file system does not let a folder be flushed."""
    if os.name == "nt":  # Windows cannot open a folder, and its renames are journalled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
