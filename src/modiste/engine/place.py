"""Where a catalogue is: a folder, or a prefix of a bucket on S3-compatible object storage, behind one small interface.

    shop                 a folder of this machine
    s3://bucket/shop     object storage; see object_storage.py

Items, vectors and their description are in the place itself, and so is what keeps writers apart. What belongs to one machine is
kept in a folder either way, `Place.folder`: clicks, attached tastes, features of photos, keys, jobs, the list of refused rows.
For a folder that is the folder itself.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from modiste.engine.errors import CatalogueError, CatalogueLocked
from modiste.files import write_atomically

LOCK_NAME = ".modiste.lock"
WRITER_NAME = ".modiste.writer"  # who holds the lock: a process id, for the message; on object storage the lease itself
ALLOW_HTTP = "MODISTE_ALLOW_HTTP"

# A path type that a command line made of the address has lost one of its slashes.
_OBJECTS = re.compile(r"s3:/{1,2}(?P<bucket>[^/]*)(?:/(?P<prefix>.*))?", re.S)

Check = Callable[[], None]  # raises `CatalogueLocked` when this process is the writer no longer


class Place(Protocol):
    """Reads and writes small files by name, keeps writers apart, and says what the store is opened with."""

    name: str
    """As people write it."""
    folder: Path
    """Of this machine, for what is kept beside the items."""
    uri: str

    @property
    def options(self) -> Mapping[str, str] | None:
        """What LanceDB opens the store with."""
        ...

    def make(self) -> None:
        """Get ready for a first file. Raises `CatalogueError` when that cannot be."""
        ...

    def exists(self) -> bool:
        """Whether there is anything that could hold a catalogue."""
        ...

    def read(self, name: str) -> bytes | None:
        """A file's content; None when there is none."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Replace a file in one step."""
        ...

    def writing(self) -> AbstractContextManager[Check]:
        """Be the only writer for as long as the block lasts. Raises `CatalogueLocked` at once when another is."""
        ...


class Folder:
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = self.uri = str(folder)
        self.options: Mapping[str, str] | None = None

    def make(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogueError(f"{self.folder} cannot be made: {error}") from error

    def exists(self) -> bool:
        return self.folder.is_dir()

    def read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        write_atomically(self.folder / name, data)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Check]:
        """The lock belongs to the operating system, so it ends with the process that holds it, however that ends."""
        lock = FileLock(str(self.folder / LOCK_NAME), timeout=0, thread_local=False)
        try:
            lock.acquire()
        except Timeout as error:
            try:
                process = (self.folder / WRITER_NAME).read_text(encoding="ascii").strip()[:20] or "unknown"
            except (OSError, ValueError):
                process = "unknown"
            raise CatalogueLocked(
                f"another process is indexing into {self.folder} (pid {process}); wait for it to end, or stop it"
            ) from error
        except OSError as error:
            raise CatalogueError(f"{self.folder} cannot be written to: {error}") from error
        try:
            with contextlib.suppress(OSError):
                (self.folder / WRITER_NAME).write_text(f"{os.getpid()}\n", encoding="ascii")
            yield lambda: None
        finally:
            lock.release()


def place_of(given: str | Path | Place) -> Place:
    """The place that a path or an address names. Raises `ValueError` for an address that is none."""
    if not isinstance(given, str | Path):
        return given
    if (match := _OBJECTS.fullmatch(str(given))) is None:
        return Folder(Path(given))
    from modiste.engine.object_storage import Bucket

    return Bucket(match["bucket"], match["prefix"] or "")


def is_on_object_storage(given: str | Path) -> bool:
    return _OBJECTS.fullmatch(str(given)) is not None


def own_folder(given: str | Path) -> Path:
    """The folder of this machine for what is kept beside a catalogue's items."""
    return place_of(given).folder


def absolute(given: Path) -> Path:
    """A path that means the same in another working folder; an address is that as it is."""
    return given if is_on_object_storage(given) else given.resolve()


def crosses_the_network(url: str) -> bool:
    """Whether a plain-text connection to a URL could be overheard: not on this machine, and not allowed in so many words."""
    host = (urlsplit(url).hostname or "").lower()
    if host == "localhost" or os.environ.get(ALLOW_HTTP) == "1":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True
