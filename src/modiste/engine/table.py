"""The LanceDB table under a catalogue: commits, scans, reads by row id, and its errors put into words.

Every commit is one new version of the table, visible to readers in one step or not at all. Writers are kept apart by the
catalogue's lock, not here; a commit that still meets a conflict (a writer that does not know the lock) is retried.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import lancedb
import pyarrow as pa

from modiste.engine.errors import CatalogueError, rebuild_advice
from modiste.engine.rows import schema
from modiste.engine.seal import Seal
from modiste.files import no_room

TABLE_NAME = "items"
_FULL = ("No space left on device", "os error 28", "quota exceeded", "File too large", "os error 27")
_FORBIDDEN = ("Read-only file system", "Permission denied")
_IDS_PER_QUERY = 2_000
_COMMIT_ATTEMPTS = 6


class ItemTable:
    """One table of items in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / f"{TABLE_NAME}.lance"
        # Interval 0: a handle looks for a newer version at each use, so another process's commit is seen at once.
        self._database = lancedb.connect(str(folder), read_consistency_interval=timedelta(0))
        self._table: Any = None
        self.seal = Seal(folder, self.path)

    def create(self, dim: int) -> None:
        """An empty table; an existing one of the same schema is kept if it is empty (a creation cut short)."""
        with self._explained():
            self._table = self._database.create_table(TABLE_NAME, schema=schema(dim), exist_ok=True)
            kept = self._table.schema == schema(dim) and self._table.count_rows() == 0
        if not kept:
            raise CatalogueError(
                f"{self.folder} holds items but no usable description of their encoder. {rebuild_advice(self.folder)}"
            )
        self.sealed()

    def open(self, dim: int) -> None:
        sealed = self.seal.check()  # before the library reads what might end the process
        with self._explained():
            self._table = self._database.open_table(TABLE_NAME)
            found = self._table.schema
        if found not in (schema(dim), schema(dim, text_sum=False)):
            raise CatalogueError(
                f"{self.path} does not have the columns of a {dim}-d catalogue. {rebuild_advice(self.folder)}"
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
        sealed = self.seal.check()
        return self._require(sealed)  # read after the seal, which is never ahead of it

    def _require(self, sealed: int) -> int:
        version = self.version
        if version < sealed:
            raise self.damaged(f"version {sealed} was committed, but the latest that is found is {version}")
        return version

    def verify_files(self) -> int:
        """Read every file of rows and compare it with the seal. Raises `CatalogueError` naming it; returns how many."""
        with self._explained():
            return self.seal.verify_files()

    def sealed(self) -> None:
        """Flush and seal what is committed. The caller holds the writer's lock."""
        with self._explained():
            self.seal.write(self.version)

    def damaged(self, what: str) -> CatalogueError:
        """The error to raise when what was read contradicts itself."""
        return CatalogueError(f"{self.path}: {what}. {rebuild_advice(self.folder)}")

    def _retried(self, commit: Any) -> Any:
        for attempt in range(1, _COMMIT_ATTEMPTS + 1):
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
            return CatalogueError(f"{self.path}: {no_room(self.folder)}")
        if (isinstance(error, OSError) and error.errno is not None) or any(told in words for told in _FORBIDDEN):
            return CatalogueError(f"{self.path} cannot be written to ({words}); nothing of it is damaged")
        return CatalogueError(f"{self.path} cannot be read or written ({words}). {rebuild_advice(self.folder)}")


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

    def take(self, row_ids: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """The rows of these row ids, in the order in which storage gives them (compare their `id`)."""
        with self.owner._explained():
            return self._handle.take_row_ids(list(row_ids)).select(list(columns)).to_arrow()


def any_id(ids: Sequence[str]) -> str:
    """The predicate "id is one of these"; quotes inside an id are doubled, so no id can be read as anything else."""
    return "id IN ({})".format(", ".join("'{}'".format(one.replace("'", "''")) for one in ids))
