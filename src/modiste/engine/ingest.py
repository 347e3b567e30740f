"""The indexing job: a feed of items in, committed batches out, the encoder busy all the while.

Three threads, joined by short bounded queues. A reader pulls the feed, hashes each item, leaves out what the store already
has and prepares the pictures; the calling thread encodes, and runs every callback; a writer commits some thousand rows at
a time. A commit is one version of the table, so a job that dies at any moment leaves whole batches, and the next run finds
their hashes and carries on behind them.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from modiste.engine.encoding import encode_or_refuse
from modiste.engine.rows import PAYLOAD, Row, StoreImages, as_table, hashed, row_sum, vector_sums, with_image
from modiste.engine.table import ItemTable, PinnedTable, any_id
from modiste.types import FloatArray, Item, ItemEncoder

COMMIT_ROWS = 2_000
COMMIT_SECONDS = 5.0
COMMIT_BYTES = 64_000_000  # of pictures: rows held back must not fill the memory
_IDLE_ITEMS = 2_000  # unchanged items after which progress is told all the same

OnError = Callable[[Item, str], None]


@dataclass(frozen=True, slots=True)
class IngestProgress:
    """Where a job stands. `committed` are the ids that became durable since the last call."""

    read: int
    added: int
    updated: int
    unchanged: int
    rejected: int
    seconds: float
    committed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What a job did. `updated` counts items written again; `encoded` those of all that needed the encoder."""

    added: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    encoded: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Items encoded per second of the whole job."""
        return self.encoded / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class _Known:
    row_id: int
    content_hash: bytes
    vector_hash: bytes


@dataclass(slots=True)
class _Work:
    """A piece of the feed: rows to encode, rows to write around a vector there is, and what needs neither."""

    encode: list[tuple[Item, Row]] = field(default_factory=list)
    rewrite: list[tuple[Row, _Known]] = field(default_factory=list)
    rejected: list[tuple[Item, str]] = field(default_factory=list)
    unchanged: int = 0
    read: int = 0


@dataclass(slots=True)
class _Rows:
    """Rows on their way to a commit. No vectors: both vector and picture come from the rows that `known` names."""

    rows: list[Row]
    vectors: FloatArray | None
    known: list[_Known]

    @property
    def num_bytes(self) -> int:
        return sum(len(row.values["image"] or b"") for row in self.rows)


class _Stopped(Exception):
    """The other side of a queue has gone."""


class _Pipe:
    """A bounded queue whose two ends both notice when the job stops."""

    def __init__(self, size: int, stop: threading.Event) -> None:
        self._queue: queue.Queue[Any] = queue.Queue(size)
        self._stop = stop

    def put(self, value: Any) -> None:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                return self._queue.put(value, timeout=0.1)
        raise _Stopped

    def get(self, timeout: float | None = None) -> Any:
        """The next value; raises `queue.Empty` after `timeout` seconds."""
        until = None if timeout is None else time.monotonic() + timeout
        while True:
            with contextlib.suppress(queue.Empty):
                return self._queue.get(timeout=0.1 if until is None else max(0.0, min(0.1, until - time.monotonic())))
            if self._stop.is_set():
                raise _Stopped
            if until is not None and time.monotonic() >= until:
                raise queue.Empty


_END = object()


def known_items(pinned: PinnedTable, ids: Sequence[str] | None = None) -> dict[str, _Known]:
    """Row ids and hashes of all items, or of the named ones."""
    found: dict[str, _Known] = {}
    where = None if ids is None else any_id(ids)
    for batch in pinned.scan(("id", "content_hash", "vector_hash"), where):
        columns = (batch.column(name).to_pylist() for name in ("id", "_rowid", "content_hash", "vector_hash"))
        for item_id, *rest in zip(*columns, strict=True):
            found[item_id] = _Known(*rest)
    return found


class IngestJob:
    """One run over one feed. The caller holds the catalogue's lock."""

    def __init__(
        self,
        table: ItemTable,
        encoder: ItemEncoder,
        store_images: StoreImages,
        *,
        batch_size: int,
        on_error: OnError | None,
        progress: Callable[[IngestProgress], None] | None,
        commit_rows: int = COMMIT_ROWS,
        commit_seconds: float = COMMIT_SECONDS,
        before_commit: Callable[[pa.Table], None] | None = None,
    ) -> None:
        if batch_size < 1 or commit_rows < 1:
            raise ValueError(f"batch_size and commit_rows must be at least 1, not {batch_size} and {commit_rows}")
        self._table = table
        self._encoder = encoder
        self._store_images: StoreImages = store_images
        self._batch_size = batch_size
        self._commit_rows = commit_rows
        self._commit_seconds = commit_seconds
        self._before_commit = before_commit
        self._on_error = on_error
        self._progress = progress
        self._pinned = table.pinned()
        self._known: Mapping[str, _Known] = {}
        self._seen: set[str] = set()
        self._reader_error: BaseException | None = None
        self._writer_error: BaseException | None = None
        self._committed: queue.SimpleQueue[tuple[str, ...]] = queue.SimpleQueue()
        self._read = self._added = self._updated = self._unchanged = self._rejected = self._encoded = 0
        self._start = time.monotonic()

    def run(self, items: Iterable[Item], *, prune: bool) -> IngestReport:
        """Index the feed; see `Catalogue.ingest`."""
        few = not prune and isinstance(items, Sequence) and len(items) <= COMMIT_ROWS
        self._known = known_items(self._pinned, [item.id for item in items] if few else None) if items else {}
        stop_reading, stop_writing = threading.Event(), threading.Event()
        work, rows = _Pipe(2, stop_reading), _Pipe(4, stop_writing)
        reader = threading.Thread(target=self._read_feed, args=(items, work), name="modiste-reader", daemon=True)
        writer = threading.Thread(target=self._write, args=(rows, stop_writing), name="modiste-writer", daemon=True)
        reader.start()
        writer.start()
        try:
            for piece in iter(work.get, _END):
                self._handle(piece, rows)
        except _Stopped:
            pass  # the writer has failed: its error is raised below
        finally:
            # Also after Ctrl-C or a failed callback: what was encoded is committed before the exception goes on.
            stop_reading.set()
            with contextlib.suppress(_Stopped):
                rows.put(_END)
            writer.join()
            reader.join(timeout=5)  # it may hang in the feed's own read
        for error in (self._writer_error, self._reader_error):
            if error is not None:
                raise error
        self._tell()
        deleted = self._prune() if prune else 0
        return IngestReport(
            added=self._added,
            updated=self._updated,
            unchanged=self._unchanged,
            deleted=deleted,
            rejected=self._rejected,
            encoded=self._encoded,
            seconds=time.monotonic() - self._start,
        )

    # -- reader thread ------------------------------------------------------------------------------------------------

    def _read_feed(self, items: Iterable[Item], work: _Pipe) -> None:
        try:
            for piece in self._pieces(items):
                work.put(piece)
        except _Stopped:
            return
        except BaseException as error:
            self._reader_error = error
        with contextlib.suppress(_Stopped):
            work.put(_END)

    def _pieces(self, items: Iterable[Item]) -> Iterator[_Work]:
        piece = _Work()
        for item in items:
            piece.read += 1
            self._sort(item, piece)
            if (
                len(piece.encode) >= self._batch_size
                or len(piece.rewrite) >= self._batch_size
                or piece.read >= _IDLE_ITEMS
            ):
                yield piece
                piece = _Work()
        if piece.read:
            yield piece

    def _sort(self, item: Item, piece: _Work) -> None:
        """Decide what an item needs. A refused item keeps the row it may have from an earlier feed."""
        if item.id in self._seen:
            piece.rejected.append((item, f"duplicate id {item.id!r}: the first row with it was kept"))
            return
        self._seen.add(item.id)
        try:
            row = hashed(item)
            known = self._known.get(item.id)
            if known is not None and known.content_hash == row.content_hash:
                piece.unchanged += 1
            elif known is not None and known.vector_hash == row.vector_hash:
                piece.rewrite.append((row, known))
            else:
                piece.encode.append((item, with_image(row, item, self._store_images)))
        except ValueError as error:
            piece.rejected.append((item, str(error)))

    # -- calling thread -----------------------------------------------------------------------------------------------

    def _handle(self, piece: _Work, rows: _Pipe) -> None:
        self._read += piece.read
        self._unchanged += piece.unchanged
        for item, reason in piece.rejected:
            self._reject(item, reason)
        if piece.rewrite:
            self._updated += len(piece.rewrite)
            rows.put(_Rows([row for row, _ in piece.rewrite], None, [known for _, known in piece.rewrite]))
        if piece.encode:
            accepted, vectors = self._encode(piece.encode)
            self._encoded += len(accepted)
            new = sum(item.id not in self._known for item, _ in accepted)
            self._added += new
            self._updated += len(accepted) - new
            if accepted:
                rows.put(_Rows([row for _, row in accepted], vectors, []))
        self._tell()

    def _encode(self, batch: list[tuple[Item, Row]]) -> tuple[list[tuple[Item, Row]], FloatArray]:
        """The items that the encoder takes, and their vectors; the others are rejected."""
        taken, vectors = encode_or_refuse(
            self._encoder, [item for item, _ in batch], lambda at, reason: self._reject(batch[at][0], reason)
        )
        return [batch[at] for at in taken], vectors

    def _reject(self, item: Item, reason: str) -> None:
        self._rejected += 1
        if self._on_error is not None:
            self._on_error(item, reason)

    def _tell(self) -> None:
        committed: list[str] = []
        with contextlib.suppress(queue.Empty):
            while True:
                committed.extend(self._committed.get_nowait())
        if self._progress is not None:
            elapsed = time.monotonic() - self._start
            self._progress(
                IngestProgress(
                    self._read,
                    self._added,
                    self._updated,
                    self._unchanged,
                    self._rejected,
                    elapsed,
                    tuple(committed),
                )
            )

    def _prune(self) -> int:
        if not self._read:
            raise ValueError("the feed is empty: prune would delete the whole catalogue, so nothing was deleted")
        return self._table.delete(sorted(self._known.keys() - self._seen))

    # -- writer thread ------------------------------------------------------------------------------------------------

    def _write(self, rows: _Pipe, stop: threading.Event) -> None:
        pending: list[_Rows] = []
        due = time.monotonic() + self._commit_seconds
        try:
            while True:
                try:
                    piece = rows.get(timeout=max(0.01, due - time.monotonic()) if pending else None)
                except queue.Empty:
                    piece = None
                if piece is _END:
                    break
                if piece is not None:
                    pending.append(piece)
                if self._is_due(pending, due):
                    self._commit(pending)
                    pending, due = [], time.monotonic() + self._commit_seconds
            self._commit(pending)
        except BaseException as error:
            self._writer_error = error
            stop.set()

    def _is_due(self, pending: list[_Rows], due: float) -> bool:
        return bool(pending) and (
            sum(len(piece.rows) for piece in pending) >= self._commit_rows
            or time.monotonic() >= due
            or sum(piece.num_bytes for piece in pending) >= COMMIT_BYTES
        )

    def _commit(self, pending: list[_Rows]) -> None:
        if not pending:
            return
        tables = [
            as_table(piece.rows, piece.vectors) if piece.vectors is not None else self._rewritten(piece)
            for piece in pending
        ]
        table = pa.concat_tables(tables)
        if self._before_commit is not None:
            self._before_commit(table)
        self._table.commit(table)
        self._committed.put(tuple(table.column("id").to_pylist()))

    def _rewritten(self, piece: _Rows) -> pa.Table:
        """New metadata around the vector and picture that are stored, which are checked on the way."""
        stored = self._pinned.take(
            [known.row_id for known in piece.known],
            (*PAYLOAD, "row_sum", "vector_sum", "vector"),
        )
        vectors = np.asarray(stored.column("vector").combine_chunks().flatten(), dtype=np.float32)
        vectors = vectors.reshape(-1, self._encoder.id.dim)
        payload = stored.drop_columns(["vector"]).to_pylist()
        position = {values["id"]: number for number, values in enumerate(payload)}
        intact = vector_sums(vectors) == np.asarray(stored.column("vector_sum"), dtype=np.uint64)
        rows, order = [], []
        for row in piece.rows:
            number = position[row.values["id"]]
            old = payload[number]
            if not intact[number] or row_sum(old) != old["row_sum"]:
                raise self._table.damaged(f"item {old['id']!r} fails its checksum")
            rows.append(Row({**row.values, "image": old["image"]}, row.content_hash, row.vector_hash))
            order.append(number)
        return as_table(rows, vectors[order])
