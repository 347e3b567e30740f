"""A feed's picture cells: bytes, a path inside the feed's folder, or an address that is never fetched."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modiste.data.images import MAX_BYTES, ImageError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")  # also a drive letter, and a Windows alternate stream
ESCAPES = "path escapes the folder"


def is_address(text: str) -> bool:
    """Whether a cell is a web address rather than a path."""
    return text[:8].lower().startswith(("http://", "https://"))


def inside(folder: Path, text: str) -> Path:
    """The existing file that a relative path names, certainly inside `folder`; symbolic links are followed, then checked.

    Backslashes count as separators, for feeds are often made on Windows.

    Raises
    ------
    ImageError
        "path escapes the folder" for an absolute path, any `..`, a drive letter, a scheme, a NUL, or a link that leads
        out; "missing file" for what is not there or not an ordinary file.
    """
    path = text.replace("\\", "/")
    if (
        "\0" in path
        or path.startswith("/")
        or _SCHEME.match(path)
        or ".." in (part.strip() for part in path.split("/"))
    ):
        raise ImageError(ESCAPES)
    try:
        root = folder.resolve(strict=True)
        found = (root / path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:  # absent, a loop of links, too long, lone surrogates
        raise ImageError("missing file") from error
    if not found.is_relative_to(root):
        raise ImageError(ESCAPES)
    if not found.is_file():
        raise ImageError("missing file")
    return found


def inside_by_address(folder: Path, address: str) -> Path | None:
    """The file in `folder` named like the last part of an address, or None; nothing is ever fetched."""
    name = unquote(urlsplit(address).path).rsplit("/", 1)[-1]
    if not name:
        return None
    try:
        return inside(folder, name)
    except ImageError as error:
        if str(error) == ESCAPES:
            raise
        return None


def read_picture(path: Path) -> bytes:
    """The bytes of a picture file; raises `ImageError` when it cannot be read, is empty, or larger than `MAX_BYTES`."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(f"unreadable file ({error.strerror})") from error
    if not data:
        raise ImageError("empty file")
    if len(data) > MAX_BYTES:
        raise ImageError(f"file of more than {MAX_BYTES:,} bytes")
    return data
