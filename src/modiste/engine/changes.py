"""What a new version of a catalogue has of the one in memory: only rows that are new are read.

The store moves rows when it merges its files, so a row is known by its address where it stayed and by its id where it moved,
and in both cases only if the checksums of content and vector are the same. Addresses and checksums of a million rows are read
in a fraction of a second.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modiste.engine.rows import WORDS, schema, vector_sums, vectors_in
from modiste.engine.table import PinnedTable
from modiste.types import FloatArray

if TYPE_CHECKING:
    from modiste.engine.snapshot import Snapshot

TABLE_COLUMNS = (*WORDS, "text_sum")  # the last is null where the store was made before words had a checksum
TABLE_SCHEMA = pa.schema([schema(1).field(name) for name in TABLE_COLUMNS])
_HEAD = ("content_hash", "vector_sum")
_FEW = 1_000  # rows that are rather read again than looked for by id
_MOST_FRESH = 0.2  # share of the rows above which the version is rather read as a whole


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """What tells (N,) rows apart: address in the store, checksum of the vector, hash of the content (N, 2)."""

    row_ids: NDArray[np.uint64]
    sums: NDArray[np.uint64]
    hashes: NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.row_ids)

    def take(self, rows: NDArray[np.int64]) -> Heads:
        return Heads(self.row_ids[rows], self.sums[rows], self.hashes[rows])

    def joined(self, other: Heads) -> Heads:
        return Heads(
            np.concatenate([self.row_ids, other.row_ids]),
            np.concatenate([self.sums, other.sums]),
            np.concatenate([self.hashes, other.hashes]),
        )

    def same(self, rows: NDArray[np.int64], other: Heads) -> NDArray[np.bool_]:
        """Whether content and vector of some rows are those of as many others."""
        found: NDArray[np.bool_] = (self.sums[rows] == other.sums) & (self.hashes[rows] == other.hashes).all(axis=1)
        return found


def rows_of(heads: Heads, earlier: Heads) -> NDArray[np.int64]:
    """(N,) an earlier row with the same content and vector, whatever its id and address; -1 where none is found."""
    if not len(earlier):
        return np.full(len(heads), -1, dtype=np.int64)
    words = earlier.hashes[:, 0]
    order = np.argsort(words, kind="stable")
    at = order[np.minimum(np.searchsorted(words[order], heads.hashes[:, 0]), len(order) - 1)]
    return np.where(earlier.same(at, heads) & heads.hashes.any(axis=1), at, -1)


def heads_of(batches: Sequence[pa.RecordBatch]) -> Heads:
    """Of batches with `content_hash`, `vector_sum` and `_rowid`."""

    def words(name: str) -> NDArray[np.uint64]:
        parts = [np.asarray(batch.column(name), dtype=np.uint64) for batch in batches]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint64)

    hashes = [
        np.frombuffer(b"".join(one or bytes(16) for one in batch.column("content_hash").to_pylist()), dtype=np.uint64)
        if batch.column("content_hash").null_count
        else np.frombuffer(batch.column("content_hash").buffers()[1], dtype=np.uint64)[
            2 * batch.column("content_hash").offset :
        ][: 2 * batch.num_rows]
        for batch in batches
    ]
    joined = np.concatenate(hashes) if hashes else np.zeros(0, dtype=np.uint64)
    return Heads(words("_rowid"), words("vector_sum"), joined.reshape(-1, 2))


@dataclass(frozen=True, slots=True, eq=False)
class Changes:
    """A version as rows of an earlier one and fresh rows, both in the order of their ids."""

    source: NDArray[np.int64]  # (N,) the earlier row that each is; -1 - i for the i-th fresh one
    heads: Heads  # (N,)
    fresh: pa.Table  # TABLE_COLUMNS
    vectors: FloatArray  # (A, D) of the fresh rows


def stored(pinned: PinnedTable) -> tuple[str, ...]:
    """Those of `TABLE_COLUMNS` that the store has."""
    return TABLE_COLUMNS if pinned.has("text_sum") else WORDS


def table_of(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """What is kept in memory of some rows, with the columns of `TABLE_SCHEMA`."""
    if not batches:
        return TABLE_SCHEMA.empty_table()
    summed = "text_sum" in batches[0].schema.names
    table = pa.Table.from_batches([batch.select(list(TABLE_COLUMNS if summed else WORDS)) for batch in batches])
    if not summed:
        table = table.append_column("text_sum", pa.nulls(table.num_rows, pa.uint32()))
    return table.cast(TABLE_SCHEMA)


def changes_since(earlier: Snapshot, pinned: PinnedTable) -> Changes | None:
    """What a version has of an earlier one; None where reading all of it is better.

    Raises `CatalogueError` for a fresh row that fails its checksum.
    """
    heads = heads_of(list(pinned.scan(_HEAD)))
    found = _by_address(earlier, heads)
    missing = np.flatnonzero(found < 0)
    if len(missing) > _FEW and len(earlier):  # the store may have merged its files
        ids = [(batch.column("id"), np.asarray(batch.column("_rowid"))) for batch in pinned.scan(("id",))]
        if not np.array_equal(np.concatenate([rows for _, rows in ids]), heads.row_ids):
            return None
        wanted = pa.chunked_array([one for one, _ in ids]).take(pa.array(missing))
        at = pc.index_in(wanted, value_set=earlier.ids).fill_null(-1).to_numpy().astype(np.int64)
        same = (at >= 0) & earlier.heads.same(np.maximum(at, 0), heads.take(missing))
        found[missing[same]] = at[same]
        missing = np.flatnonzero(found < 0)
    if len(missing) > max(_FEW, _MOST_FRESH * len(heads)):
        return None
    kept = np.flatnonzero(found >= 0)
    kept = kept[np.argsort(found[kept], kind="stable")]
    rows = found[kept]
    if (rows[1:] == rows[:-1]).any():
        return None
    fresh, vectors, fresh_heads = _read(earlier, pinned, heads.take(missing))
    places = []
    for item_id in fresh.column("id").to_pylist():
        at_row = bisect_left(earlier.sorted_ids, item_id)
        place = int(np.searchsorted(rows, at_row))
        if place < len(rows) and rows[place] == at_row and earlier.id(at_row) == item_id:
            return None  # the same id twice: for the whole reading to judge
        places.append(place)
    order = np.insert(np.arange(len(kept)), places, -1 - np.arange(len(places)))
    source = np.where(order >= 0, rows[np.maximum(order, 0)] if len(rows) else -1, order)
    at_heads = np.where(order >= 0, order, len(kept) - 1 - order)
    return Changes(source, heads.take(kept).joined(fresh_heads).take(at_heads), fresh, vectors)


def _by_address(earlier: Snapshot, heads: Heads) -> NDArray[np.int64]:
    """(N,) the earlier row that stands at a row's address with the same content, -1 where none does."""
    known = earlier.heads
    if not len(known):
        return np.full(len(heads), -1, dtype=np.int64)
    order = earlier.by_address
    at = order[np.minimum(np.searchsorted(known.row_ids[order], heads.row_ids), len(known) - 1)]
    return np.where((known.row_ids[at] == heads.row_ids) & known.same(at, heads), at, -1)


def _read(earlier: Snapshot, pinned: PinnedTable, heads: Heads) -> tuple[pa.Table, FloatArray, Heads]:
    """Some rows in the order of their ids: what is kept of them in memory, their vectors, their heads."""
    dim = earlier.dim
    if not len(heads):
        return TABLE_SCHEMA.empty_table(), np.zeros((0, dim), dtype=np.float32), heads
    where = f"_rowid >= {heads.row_ids.min()} AND _rowid <= {heads.row_ids.max()}"
    wanted = pa.array(heads.row_ids)
    batches = [
        batch.filter(pc.is_in(batch.column("_rowid"), value_set=wanted))
        for batch in pinned.scan((*stored(pinned), *_HEAD, "vector"), where)
    ]
    batches = [batch for batch in batches if batch.num_rows]
    found = heads_of(batches)
    vectors = np.concatenate([vectors_in(batch, dim) for batch in batches])
    if len(found) != len(heads) or len(vectors) != len(heads) or not np.array_equal(vector_sums(vectors), found.sums):
        raise pinned.owner.damaged("a vector fails its checksum")
    table = table_of(batches)
    order = pc.sort_indices(table.column("id")).to_numpy().astype(np.int64)
    return table.take(pa.array(order)), vectors[order], found.take(order)
