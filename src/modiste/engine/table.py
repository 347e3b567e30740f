"""The LanceDB table under a catalogue: commits, scans, reads by row id, and its errors put into words.

Every commit is one new version of the table, visible to readers in one step or not at all. Writers are kept apart by the
catalogue's lock, not here; a commit that still meets a conflict (a writer that does not know the lock) is retried.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import lancedb
import pyarrow as pa

from modiste.engine.errors import CatalogueError, rebuild_advice
from modiste.engine.place import Check, Folder, Place
from modiste.engine.rows import schema
from modiste.engine.seal import Seal, SealedFile
from modiste.files import no_room

TABLE_NAME = "items"
_FULL = ("No space left on device", "os error 28", "quota exceeded", "File too large", "os error 27")
_FORBIDDEN = ("Read-only file system", "Permission denied")
_IDS_PER_QUERY = 2_000
_COMMIT_ATTEMPTS = 6


class ItemTable:
    """One table of items in a place."""

    def __init__(self, place: Place) -> None:
        self.path = f"{place.name}/{TABLE_NAME}.lance"
        self._place = place.name
        self._table: Any = None
        self._check: Check = lambda: None
        with self._explained():
            # Interval 0: a handle looks for a newer version at each use, so another process's commit is seen at once.
            self._database = lancedb.connect(
                place.uri,
                read_consistency_interval=timedelta(0),
                storage_options=None if place.options is None else dict(place.options),
            )
        # Object storage keeps its own checksums, and what it has acknowledged is durable.
        self._seal = Seal(place.folder, place.folder / f"{TABLE_NAME}.lance") if isinstance(place, Folder) else None

    def create(self, dim: int) -> None:
        """An empty table; an existing one of the same schema is kept if it is empty (a creation cut short)."""
        with self._explained():
            self._table = self._database.create_table(TABLE_NAME, schema=schema(dim), exist_ok=True)
            kept = self._table.schema == schema(dim) and self._table.count_rows() == 0
        if not kept:
            raise CatalogueError(
                f"{self._place} holds items but no usable description of their encoder. {rebuild_advice(self._place)}"
            )
        self.sealed()

    def open(self, dim: int) -> None:
        sealed = 0 if self._seal is None else self._seal.check()  # before the library reads what might end the process
        with self._explained():
            self._table = self._database.open_table(TABLE_NAME)
            found = self._table.schema
        if found not in (schema(dim), schema(dim, text_sum=False)):
            raise CatalogueError(
                f"{self.path} does not have the columns of a {dim}-d catalogue. {rebuild_advice(self._place)}"
            )
        self._require(sealed)

    @property
    def version(self) -> int:
        with self._explained():
            return int(self._table.version)

    def pinned(self, version: int | None = None) -> PinnedTable:
        """A reader of one version, the latest unless named, whatever is committed meanwhile."""
        with self._explained():
            handle = self._database.open_table(TABLE_NAME)
            handle.checkout(self.version if version is None else version)
        return PinnedTable(self, handle)

    @contextlib.contextmanager
    def guarded(self, check: Check) -> Iterator[None]:
        """Ask `check` before every commit whether this process may still write."""
        self._check = check
        try:
            yield
        finally:
            self._check = lambda: None

    def commit(self, rows: pa.Table) -> None:
        """Insert or replace by id, all rows or none; durable when it returns."""
        rows = rows.select(self._table.schema.names)  # a table from before words had a checksum goes on without
        self._retried(
            lambda: self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all().execute(rows)
        )
        self.sealed()

    def delete(self, ids: Sequence[str]) -> int:
        """Delete by id, in commits of some thousand; returns how many rows there were."""
        deleted = 0
        for start in range(0, len(ids), _IDS_PER_QUERY):
            predicate = any_id(ids[start : start + _IDS_PER_QUERY])
            deleted += int(self._retried(lambda predicate=predicate: self._table.delete(predicate)).num_deleted_rows)
        self.sealed()
        return deleted

    def age(self) -> float:
        """Seconds since the last commit."""
        with self._explained():
            return (datetime.now() - max(one["timestamp"] for one in self._table.list_versions())).total_seconds()

    def num_fragments(self) -> int:
        with self._explained():
            return int(self._table.stats()["fragment_stats"]["num_fragments"])

    def optimize(self, keep_versions: timedelta) -> None:
        """Merge small files and drop versions older than `keep_versions`, which readers of those need no longer."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="optimize")  # that 0 drops all of them is what was asked for
            self._retried(lambda: self._table.optimize(cleanup_older_than=keep_versions))
        self.sealed()

    def checked_version(self) -> int:
        """The latest version, its small files compared with the seal. Raises `CatalogueError` if a commit is lost."""
        sealed = 0 if self._seal is None else self._seal.check()
        return self._require(sealed)  # read after the seal, which is never ahead of it

    def _require(self, sealed: int) -> int:
        version = self.version
        if version < sealed:
            raise self.damaged(f"version {sealed} was committed, but the latest that is found is {version}")
        return version

    def verify_files(self) -> int:
        """Read every file of rows and compare it with the seal. Raises `CatalogueError` naming it; returns how many."""
        with self._explained():
            return 0 if self._seal is None else self._seal.verify_files()

    def seal(self) -> tuple[int, Mapping[str, SealedFile]]:
        """The version that was sealed last, and its files; (0, {}) where there is no seal."""
        return (0, {}) if self._seal is None else self._seal.read()

    def sealed(self) -> None:
        """Flush and seal what is committed. The caller holds the writer's lock."""
        if self._seal is not None:
            with self._explained():
                self._seal.write(self.version)

    def damaged(self, what: str) -> CatalogueError:
        """The error to raise when what was read contradicts itself."""
        return CatalogueError(f"{self.path}: {what}. {rebuild_advice(self._place)}")

    def _retried(self, commit: Any) -> Any:
        for attempt in range(1, _COMMIT_ATTEMPTS + 1):
            self._check()
            try:
                return commit()
            except Exception as error:
                words = str(error).lower()
                if "conflict" not in words and "concurrent" not in words:
                    raise self._worded(error) from error
                if attempt == _COMMIT_ATTEMPTS:
                    raise CatalogueError(
                        f"{self.path}: another program keeps writing to this table; {attempt} commits were refused"
                    ) from error
                time.sleep(0.05 * 2**attempt)
                self._table.checkout_latest()
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except CatalogueError:
            raise
        except Exception as error:
            raise self._worded(error) from error

    def _worded(self, error: Exception) -> CatalogueError:
        words = " ".join(str(error).split())[:300]
        if any(told in words for told in _FULL):
            return CatalogueError(f"{self.path}: {no_room(self._place)}")
        if (isinstance(error, OSError) and error.errno is not None) or any(told in words for told in _FORBIDDEN):
            return CatalogueError(f"{self.path} cannot be written to ({words}); nothing of it is damaged")
        return CatalogueError(f"{self.path} cannot be read or written ({words}). {rebuild_advice(self._place)}")


class PinnedTable:
    """One version of the table, for reading."""

    def __init__(self, table: ItemTable, handle: Any) -> None:
        self.owner = table
        self._handle = handle

    def has(self, column: str) -> bool:
        with self.owner._explained():
            return column in self._handle.schema.names

    def scan(self, columns: Sequence[str], where: str | None = None) -> Iterator[pa.RecordBatch]:
        """All rows in storage order, with `_rowid`."""
        with self.owner._explained():
            query = self._handle.search()
            if where is not None:
                query = query.where(where)
            yield from query.select(list(columns)).with_row_id(True).to_batches()

    def count(self) -> int:
        with self.owner._explained():
            return int(self._handle.count_rows())

    def take(self, row_ids: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The rows of these row ids, in the order in which storage gives them (compare their `id`)."""
        with self.owner._explained():
            return self._handle.take_row_ids(list(row_ids)).select(list(columns)).to_arrow()


def any_id(ids: Sequence[str]) -> str:
    """The predicate "id is one of these"; quotes inside an id are doubled, so no id can be read as anything else."""
    return "id IN ({})".format(", ".join("'{}'".format(one.replace("'", "''")) for one in ids))
