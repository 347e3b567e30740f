"""Reading all that a catalogue's folder holds and comparing it with its checksums: what is sound, what is not, what to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modiste.engine import clicks
from modiste.engine.attached import FILE_NAME as TASTES
from modiste.engine.attached import attached_tastes
from modiste.engine.calibration import FILE_NAME as CALIBRATION
from modiste.engine.calibration import Calibration
from modiste.engine.catalogue import Catalogue
from modiste.engine.clicks import ClickBook
from modiste.engine.photo_features import FOLDER as EXACT
from modiste.engine.photo_features import PhotoFeatures
from modiste.engine.place import is_on_object_storage, own_folder
from modiste.engine.stored_looks import FILE_NAME as LOOKS
from modiste.engine.stored_looks import read_stored_looks


@dataclass(frozen=True, slots=True)
class Checked:
    """One part of a catalogue: what was read of it, or what is wrong with it and what to do."""

    part: str
    found: str
    error: str
    seconds: float

    @property
    def sound(self) -> bool:
        return not self.error


def check(catalogue: Path) -> Iterator[Checked]:
    """Every part that is there, one after the other; a damaged one does not end it. Writers and readers may go on.

    Of a catalogue on object storage the parts that this machine keeps beside it are looked at.
    """
    folder = own_folder(catalogue)
    parts: list[tuple[str, Path, Callable[[Path], str]]] = [
        ("items", folder, lambda _: _items(catalogue)),
        (EXACT, folder / EXACT, _exact),
        (clicks.FILE_NAME, folder / clicks.FILE_NAME, _clicks),
        (TASTES, folder / TASTES, _tastes),
        (LOOKS, folder / LOOKS, _looks),
        (CALIBRATION, folder / CALIBRATION, _calibration),
    ]
    for name, path, read in parts:
        if name == "items" or path.exists():
            yield checked(name, lambda read=read: read(folder))  # type: ignore[misc]


def checked(part: str, read: Callable[[], str]) -> Checked:
    """What reading a part finds, or the error that it ends with."""
    start = time.monotonic()
    try:
        found, error = read(), ""
    except (ValueError, OSError) as raised:
        found, error = "", str(raised)
    return Checked(part, found, error, time.monotonic() - start)


def _items(folder: Path) -> str:
    store = Catalogue.open(folder)
    rows = store.verify()
    version, files = store.sealed()
    if is_on_object_storage(folder):
        return f"{rows:,} items; their files are the object storage's to check"
    if not version:
        return f"{rows:,} items; their files have no checksums until the next `modiste index`"
    return f"{rows:,} items in {len(files):,} files"


def _exact(folder: Path) -> str:
    return f"features of {PhotoFeatures.open(folder).verify():,} photos"


def _clicks(folder: Path) -> str:
    book = ClickBook(folder)
    try:
        return f"{book.verify():,} clicks"
    finally:
        book.close()


def _tastes(folder: Path) -> str:
    found = attached_tastes(folder)
    return "none" if found is None else f"tastes of {len(found.tastes.user_ids):,} people"


def _looks(folder: Path) -> str:
    return f"{len(read_stored_looks(folder / LOOKS)):,} looks; a table of yours, which carries no checksum"


def _calibration(folder: Path) -> str:
    return f"of {Calibration.load(folder / CALIBRATION).scorer or 'any scorer'}"
