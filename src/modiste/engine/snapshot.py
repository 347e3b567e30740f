"""One version of a catalogue in memory: ids, metadata, vectors and their index. What a search runs on.

Rows are in the order of their ids, so "of equal scores the smaller row first" is "the smaller id first", and a ranking
does not depend on the order in which items were stored.
"""

from __future__ import annotations

import difflib
import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modiste.engine.amended import AmendedIndex
from modiste.engine.beside import Stopped
from modiste.engine.changes import TABLE_COLUMNS, Changes, Heads, changes_since, heads_of, stored, table_of
from modiste.engine.columns import read_columns, taken_over
from modiste.engine.errors import UnknownItem
from modiste.engine.filters import Column
from modiste.engine.index import EXACT_LIMIT, ExactIndex, RowArray, VectorIndex, build_index
from modiste.engine.partition import Partition, Partitions
from modiste.engine.rows import WORDS, as_item, text_sum, vector_sums, vectors_in
from modiste.engine.table import PinnedTable
from modiste.types import FloatArray, Item

_HEAD = ("content_hash", "vector_sum", "vector")
_CHECKED_AT_ONCE = 65_536  # rows whose words are Python's at a time
_SUGGESTION_POOL = 5_000
_MANY_AMENDED = 0.05  # share of the rows that were added or removed since the index was made, for which it is made anew
_FEW_AMENDED = 2_000


class Snapshot:
    """All rows of one version, the pictures excepted; immutable.

    Attributes: `version`; `vectors` (N, D) float32; `ids`, a sorted Arrow array of N; `index`, their `VectorIndex`.

    Made by `load`, or from an earlier version by `succeeded`, which reads only what is new. Rows of the latter stand in
    memory where they stood, the fresh ones behind them; `_place` says where each row is, None that all are in order.
    """

    def __init__(
        self,
        pinned: PinnedTable,
        version: int,
        heads: Heads,
        table: pa.Table,
        base: VectorIndex,
        vectors: FloatArray,
        *,
        added: FloatArray | None = None,
        place: RowArray | None = None,
        exact_limit: int = EXACT_LIMIT,
    ) -> None:
        self.version = version
        self.pinned = pinned
        self.heads = heads
        self._table, self._place = table, place
        self._base, self._base_vectors = base, vectors
        self._added = np.zeros((0, vectors.shape[1]), dtype=np.float32) if added is None else added
        self._exact_limit = exact_limit
        ids = table.column("id") if place is None else table.column("id").take(pa.array(place))
        self.ids: pa.ChunkedArray = ids
        self.sorted_ids: Sequence[str] = _Ids(ids)
        self.index: VectorIndex = base if place is None else AmendedIndex(base, self._added, place)
        self._columns_lock = threading.Lock()
        self._earlier_columns: tuple[Mapping[str, Column], Changes] | None = None

    @classmethod
    def load(
        cls,
        pinned: PinnedTable,
        version: int,
        dim: int,
        *,
        exact_limit: int = EXACT_LIMIT,
        lists: Path | None = None,
    ) -> Snapshot:
        """A version read as a whole. `lists`: the file in which a large catalogue's partition is kept (partition.py)."""
        batches = list(pinned.scan((*stored(pinned), *_HEAD)))
        order, num_rows = _order_by_id(batches)
        vectors: FloatArray = np.empty((num_rows, dim), dtype=np.float32)
        place = np.empty(num_rows, dtype=np.int64)
        place[order] = np.arange(num_rows)
        start = 0
        for batch in batches:
            stop = start + batch.num_rows
            part = vectors_in(batch, dim)
            cls._check(pinned, batch, part)
            vectors[place[start:stop]] = part
            start = stop
        table = table_of(batches)
        heads = heads_of(batches).take(order)
        del batches
        table = table.take(pa.array(order)).combine_chunks()
        index = build_index(vectors, exact_limit=exact_limit, partitions=Partitions(lists, heads.sums))
        return cls(pinned, version, heads, table, index, vectors, exact_limit=exact_limit)

    def succeeded(self, pinned: PinnedTable, version: int) -> Snapshot | None:
        """A later version, of which only the rows that are new are read; None where it is better read as a whole.

        Raises `CatalogueError` for a row that fails its checksum.
        """
        changes = changes_since(self, pinned)
        if changes is None:
            return None
        where = np.arange(len(self), dtype=np.int64) if self._place is None else self._place
        source = changes.source
        place = np.where(source >= 0, np.append(where, 0)[np.maximum(source, 0)], self._table.num_rows - 1 - source)
        found = Snapshot(
            pinned,
            version,
            changes.heads,
            pa.concat_tables([self._table, changes.fresh]),
            self._base,
            self._base_vectors,
            added=np.concatenate([self._added, changes.vectors]),
            place=place,
            exact_limit=self._exact_limit,
        )
        known = self.__dict__.get("_columns")
        found._earlier_columns = None if known is None else (known, changes)
        return found

    @property
    def num_amended(self) -> int:
        """The rows that were added or removed since the index was made."""
        return 0 if self._place is None else 2 * self._table.num_rows - len(self._base) - len(self)

    @property
    def outgrown(self) -> bool:
        """Whether so much has changed that the index is better made anew; see `rebased`."""
        return self.num_amended > max(_FEW_AMENDED, _MANY_AMENDED * len(self))

    def rebased(self, *, lists: Path | None = None, stopped: Stopped = lambda: False) -> Snapshot:
        """The same version with all rows in order and an index of them, its lists made; takes seconds for a million rows.

        Raises `Ending` when `stopped()` holds.
        """
        vectors = self.vectors
        earlier = None
        if isinstance(partition := getattr(self._base, "partition", None), Partition):
            rows = np.full(len(self._base), -1, dtype=np.int64)
            assert self._place is not None
            kept = self._place < len(rows)
            rows[self._place[kept]] = np.flatnonzero(kept)
            there = rows >= 0
            known = Partition(partition.centroids, partition.list_of[there], partition.fractions)
            earlier = known, self.heads.sums[rows[there]]
        partitions = Partitions(lists, self.heads.sums, earlier)
        index = build_index(vectors, exact_limit=self._exact_limit, partitions=partitions)
        if not isinstance(index, ExactIndex):
            index.build(stopped)  # type: ignore[attr-defined]
        table = self._table if self._place is None else self._table.take(pa.array(self._place)).combine_chunks()
        found = Snapshot(self.pinned, self.version, self.heads, table, index, vectors, exact_limit=self._exact_limit)
        if (columns := self.__dict__.get("_columns")) is not None:
            found.__dict__["_columns"] = columns
        return found

    @cached_property
    def vectors(self) -> FloatArray:
        """(N, D) in the order of the rows; of a version that succeeded another they are copied at the first use."""
        if self._place is None:
            return self._base_vectors
        found = np.empty((len(self), self.dim), dtype=np.float32)
        for start in range(0, len(self), 65_536):
            place = self._place[start : start + 65_536]
            part, old = found[start : start + 65_536], place < len(self._base)
            part[old] = self._base_vectors[place[old]]
            part[~old] = self._added[place[~old] - len(self._base)]
        return found

    @property
    def dim(self) -> int:
        return int(self._base_vectors.shape[1])

    @property
    def row_ids(self) -> NDArray[np.uint64]:
        """(N,) the rows' addresses in the store."""
        return self.heads.row_ids

    @cached_property
    def by_address(self) -> RowArray:
        """(N,) the rows in the order of their addresses."""
        return np.argsort(self.heads.row_ids, kind="stable")

    @staticmethod
    def _check(pinned: PinnedTable, batch: pa.RecordBatch | pa.Table, vectors: FloatArray) -> None:
        if len(vectors) != batch.num_rows or not np.array_equal(
            vector_sums(vectors), np.asarray(batch.column("vector_sum"), dtype=np.uint64)
        ):
            raise pinned.owner.damaged("a vector fails its checksum")

    def __len__(self) -> int:
        return len(self.heads)

    def _value(self, name: str, row: int) -> Any:
        return self._table.column(name)[row if self._place is None else int(self._place[row])].as_py()

    def id(self, row: int) -> str:
        return str(self.ids[row].as_py())

    def item(self, row: int, image: bytes | None = None) -> Item:
        """The item of a row, with the picture given or none. Raises `CatalogueError` for words that fail their checksum."""
        values = {name: self._value(name, row) for name in TABLE_COLUMNS}
        self._check_words(values)
        return as_item({name: values[name] for name in WORDS}, image)

    def _check_words(self, values: Mapping[str, Any]) -> None:
        if values["text_sum"] is not None and text_sum(values) != values["text_sum"]:
            raise self.pinned.owner.damaged(f"item {values['id']!r} fails its checksum")

    def _checked(self, table: pa.Table) -> pa.Table:
        """The same rows, their words compared with their checksums. Raises `CatalogueError` naming an item."""
        for batch in table.to_batches(_CHECKED_AT_ONCE):
            columns = [batch.column(name).to_pylist() for name in TABLE_COLUMNS]
            for cells in zip(*columns, strict=True):
                self._check_words(dict(zip(TABLE_COLUMNS, cells, strict=True)))
        return table

    def row(self, item_id: str) -> int:
        """The row of an id; raises `UnknownItem` with near ids."""
        row = self.find(item_id)
        if row is None:
            near = self._near(item_id)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else f" among {len(self)} items"
            raise UnknownItem(f"no item {item_id!r}{hint}")
        return row

    def find(self, item_id: str) -> int | None:
        """The row of an id, or None."""
        row = bisect_left(self.sorted_ids, item_id)
        return row if row < len(self) and self.id(row) == item_id else None

    def rows(self, ids: Sequence[str]) -> RowArray:
        """The rows of those ids that exist."""
        if len(ids) < 100:  # Arrow would hash all ids of the catalogue first
            found_rows = [row for row in map(self.find, ids) if row is not None]
            return np.array(found_rows, dtype=np.int64)
        found = pc.index_in(pa.array(list(ids), pa.string()), value_set=self.ids).drop_null()
        return found.to_numpy(zero_copy_only=False).astype(np.int64)

    def without_photo(self) -> frozenset[str]:
        """The ids of items that no picture is stored of. Reads the store."""
        found: set[str] = set()
        for batch in self.pinned.scan(("id",), "image IS NULL"):
            found.update(batch.column("id").to_pylist())
        return frozenset(found)

    def product(self, row: int) -> str:
        """`Item.product` of a row: its group, or its id when it has none."""
        return self._value("group", row) or self.id(row)

    @cached_property
    def _columns(self) -> Mapping[str, Column]:
        if self._earlier_columns is not None:
            earlier, changes = self._earlier_columns
            self._earlier_columns = None  # which held them in memory
            found = taken_over(earlier, read_columns(self._checked(changes.fresh)), changes.source, self.ids)
            if found is not None:
                return found
        table = self._table if self._place is None else self._table.take(pa.array(self._place))
        return read_columns(self._checked(table))

    @property
    def columns(self) -> Mapping[str, Column]:
        """Every field a filter may name: id, title, description, category, group, the attributes, super_category, slot.

        Made at the first use, about a second for 100,000 rows, or from the columns of the version before; a server may ask
        for it before the first request.
        """
        with self._columns_lock:
            return self._columns

    def _near(self, item_id: str) -> list[str]:
        """Ids that look like this one, from those that stand near it in the order when there are many."""
        if len(self) <= _SUGGESTION_POOL:
            pool = self.ids.to_pylist()
        else:
            centre = bisect_left(self.sorted_ids, item_id)
            pool = self.ids.slice(max(0, centre - _SUGGESTION_POOL // 2), _SUGGESTION_POOL).to_pylist()
        folded = [one for one in pool if one.casefold() == item_id.casefold()]
        return folded[:3] or difflib.get_close_matches(item_id, pool, n=3, cutoff=0.7)


class _Ids(Sequence[str]):
    """An Arrow column as the sequence that bisect wants."""

    def __init__(self, ids: pa.ChunkedArray) -> None:
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, row: Any) -> Any:
        return self._ids[row].as_py()


def _order_by_id(batches: Sequence[pa.RecordBatch]) -> tuple[NDArray[np.int64], int]:
    ids = pa.chunked_array([batch.column("id") for batch in batches], type=pa.string())
    return pc.sort_indices(ids).to_numpy(zero_copy_only=False).astype(np.int64), len(ids)
