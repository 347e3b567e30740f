"""Who took what: the clicks of a catalogue, kept beside it in one SQLite file.

A click is durable when `add` returns: a process killed at any moment loses none that was acknowledged, and a table is read in
whole or not at all. Writers of several processes take turns. Only names are kept, those of people as the shop writes them
(pseudonyms, if it is wise); the file is its owner's alone, and `forget` leaves nothing of a person in it.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
import zlib
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modiste.engine.errors import CatalogueError
from modiste.files import flush_folder, no_room

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_NAME = "clicks.sqlite"
MAX_NAME = 200  # characters of a person's, a look's or an item's id
MAX_OF_PERSON = 10_000  # clicks kept of one person: beyond these the oldest are dropped
_BUSY_SECONDS = 10
_CHECKED_BYTES = (
    8_000_000  # some fifty thousand clicks: up to this size a file is compared with itself when it is opened
)
_AT_ONCE = 10_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS clicks (
    number INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, look TEXT NOT NULL, item TEXT NOT NULL,
    sum INTEGER, UNIQUE (user, look, item)
)"""
_ADD = "INSERT INTO clicks (user, look, item, sum) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_COLUMNS = "number, user, look, item, sum"
_DROP_OLDEST = """
DELETE FROM clicks WHERE user = ? AND number <= (
    SELECT number FROM clicks WHERE user = ? ORDER BY number DESC LIMIT 1 OFFSET ?
)"""


@dataclass(frozen=True, slots=True)
class Click:
    """Somebody took a stored look, or an item: one of the two is "". Numbers rise with time."""

    number: int
    user: str
    look: str = ""
    item: str = ""


class ClickBook:
    """The clicks in a catalogue's folder; safe to share between threads. Raises `CatalogueError` for a file that is none."""

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / FILE_NAME
        self._lock = threading.Lock()
        self._database: sqlite3.Connection | None = None

    def add(self, user: str, *, look: str = "", item: str = "") -> int:
        """Write down a click and return its number once it is on the disk; one that is there already keeps its number.

        Raises `ValueError` unless a person and one of look and item are named.
        """
        click = _checked(user, look, item)
        with self._transaction() as database:
            database.execute(_ADD, (*click, _sum(*click)))
            database.execute(_DROP_OLDEST, (user, user, MAX_OF_PERSON))
            query = "SELECT number FROM clicks WHERE user = ? AND look = ? AND item = ?"
            return int(database.execute(query, click).fetchone()[0])

    def add_all(self, clicks: Iterable[tuple[str, str, str]]) -> int:
        """Write down many clicks (user, look, item), all or none; returns how many were new. Raises as `add`."""
        with self._transaction() as database:
            before = database.total_changes
            checked = (_checked(*one) for one in clicks)
            database.executemany(_ADD, ((*one, _sum(*one)) for one in checked))
            return database.total_changes - before

    def of(self, user: str) -> tuple[Click, ...]:
        """What one person took, the oldest first."""
        query = f"SELECT {_COLUMNS} FROM clicks WHERE user = ? ORDER BY number"
        return tuple(self._click(*row) for row in self._read(query, user))

    def every(self) -> Iterator[Click]:
        """All clicks, the oldest first, some thousand at a time."""
        query = f"SELECT {_COLUMNS} FROM clicks WHERE number > ? ORDER BY number LIMIT ?"
        last = 0
        while rows := self._read(query, last, _AT_ONCE):
            yield from (self._click(*row) for row in rows)
            last = int(rows[-1][0])

    def most_taken(self, k: int) -> tuple[tuple[str, int], ...]:
        """The k looks that most people took, and how many did; of equally many the one with the smaller id first."""
        query = "SELECT look, COUNT(*) FROM clicks WHERE look != '' GROUP BY look ORDER BY COUNT(*) DESC, look LIMIT ?"
        return tuple((str(look), int(count)) for look, count in self._read(query, k))

    def counts(self) -> tuple[int, int]:
        """How many people, and how many clicks."""
        found = self._read("SELECT COUNT(DISTINCT user), COUNT(*) FROM clicks")
        return (int(found[0][0]), int(found[0][1])) if found else (0, 0)

    @property
    def last(self) -> int:
        """The number of the latest click; 0 before the first."""
        found = self._read("SELECT COALESCE(MAX(number), 0) FROM clicks")
        return int(found[0][0]) if found else 0

    def forget(self, user: str) -> int:
        """Delete all that is known of a person, overwritten in the file; returns how many clicks that was."""
        if not self.path.is_file():
            return 0
        with self._transaction() as database:
            deleted = database.execute("DELETE FROM clicks WHERE user = ?", (user,)).rowcount
        with self._lock, self._explained():
            self._open().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nor in the file of what is about to be written
        return int(deleted)

    def verify(self) -> int:
        """Read everything and compare it with its checksums; returns how many clicks there are. Raises `CatalogueError`."""
        for (found,) in self._read("PRAGMA integrity_check(1)"):
            if found != "ok":
                raise self._damaged(str(found))
        return sum(1 for _ in self.every())

    def close(self) -> None:
        with self._lock:
            if self._database is not None:
                self._database.close()
                self._database = None

    def _click(self, number: int, user: str, look: str, item: str, wanted: int | None) -> Click:
        """The click of a row; those of earlier versions have no checksum."""
        if wanted is not None and wanted != _sum(user, look, item):
            raise self._damaged(f"click {number} fails its checksum")
        return Click(number, user, look, item)

    def _damaged(self, why: str) -> CatalogueError:
        return CatalogueError(
            f"{self.path} is damaged ({why}). Take it from a backup (`modiste restore`), or delete it and take the shop's "
            f"clicks in again: `modiste tastes ingest {self.path.parent} TABLE`"
        )

    def _read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        if not self.path.is_file():
            return []
        with self._lock, self._explained():
            return self._open().execute(query, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained():
            database = self._open()
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        if self._database is not None and not self.path.is_file():  # deleted under us: nothing may go to a ghost
            self._database.close()
            self._database = None
        if self._database is None:
            if not self.path.exists():
                self._create()
            found = self._connected(self.path)
            try:
                self._check(found)
            except BaseException:
                found.close()
                raise
            self._database = found
        return self._database

    def _create(self) -> None:
        """A file that is empty but whole from the moment it is there: one of no bytes at all is a damaged one."""
        handle, scratch = tempfile.mkstemp(prefix=f".{FILE_NAME}-", dir=self.path.parent)  # its owner's alone
        os.close(handle)
        try:
            made = self._connected(Path(scratch))
            made.execute(_SCHEMA)
            made.close()
            with suppress(FileExistsError):  # another process was faster
                os.link(scratch, self.path)
            flush_folder(self.path.parent)
        finally:
            for suffix in ("", "-wal", "-shm"):
                Path(scratch + suffix).unlink(missing_ok=True)

    def _connected(self, path: Path) -> sqlite3.Connection:
        os.close(os.open(path, os.O_RDWR))  # told apart from a file that is none
        found = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        found.execute("PRAGMA journal_mode=WAL")
        found.execute("PRAGMA synchronous=FULL")  # a commit is on the disk before it is acknowledged
        found.execute("PRAGMA secure_delete=ON")
        return found

    def _check(self, database: sqlite3.Connection) -> None:
        """Whether it is a book of clicks; where that takes no time, whether table and index say the same of every click."""
        columns = {column[1] for column in database.execute("PRAGMA table_info(clicks)")}
        if not columns:
            raise self._damaged("there is no table of clicks in it")
        if self.path.stat().st_size <= _CHECKED_BYTES:
            (answer,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            if answer != "ok":
                raise self._damaged(str(answer))
        if "sum" not in columns:
            with suppress(sqlite3.OperationalError):  # of an earlier version; another process may be faster
                database.execute("ALTER TABLE clicks ADD COLUMN sum INTEGER")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError):  # that is a full disk, a lock: nothing is damaged
                raise self._damaged(str(error)) from error
            what = no_room(self.path.parent) if "full" in str(error) else f"it cannot be read or written: {error}"
            raise CatalogueError(f"{self.path}: {what}") from error
        except (
            sqlite3.Error,
            OSError,
            UnicodeDecodeError,
        ) as error:  # of a damaged file even its complaint may be no text
            raise CatalogueError(f"{self.path} cannot be read or written: {error}") from error


def _checked(user: str, look: str, item: str) -> tuple[str, str, str]:
    if not user or bool(look) == bool(item):
        raise ValueError("a click is of a person, and on a look or an item")
    for one in (user, look, item):
        if len(one) > MAX_NAME or not one.isprintable():
            raise ValueError(f"an id has at most {MAX_NAME} printable characters, not {one[:40]!r}")
    return user, look, item


def _sum(user: str, look: str, item: str) -> int:
    """CRC-32 of a click. Ids hold no control character, so what lies between them cannot be one of theirs."""
    return zlib.crc32("\n".join((user, look, item)).encode())
