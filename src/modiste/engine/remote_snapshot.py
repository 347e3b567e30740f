"""One version of a catalogue whose vectors are searched on Milvus: as `Snapshot`, but no vector is read to search it.

Verbs that compare many items with each other (outfits, tastes, recommendations) still ask for `vectors`; these are then read
from the store, once.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from modiste.engine.changes import Heads, changes_since, heads_of, stored, table_of
from modiste.engine.index import RowArray
from modiste.engine.milvus import Keys, MilvusCollection
from modiste.engine.milvus_feed import row_keys
from modiste.engine.milvus_index import MilvusIndex
from modiste.engine.rows import vectors_in
from modiste.engine.snapshot import Snapshot, _order_by_id
from modiste.engine.table import PinnedTable
from modiste.types import FloatArray


class RemoteSnapshot(Snapshot):
    """All rows of one version, pictures and vectors excepted; immutable."""

    def __init__(
        self,
        pinned: PinnedTable,
        version: int,
        heads: Heads,
        table: pa.Table,
        keys: Keys,
        dim: int,
        collection: MilvusCollection,
    ) -> None:
        self._keys, self._collection = keys, collection
        index = MilvusIndex(collection, keys, heads.sums, dim, self.vectors_of, lambda: self.columns)
        super().__init__(pinned, version, heads, table, index, np.zeros((0, dim), dtype=np.float32))

    @classmethod
    def read(cls, pinned: PinnedTable, version: int, dim: int, collection: MilvusCollection) -> RemoteSnapshot:
        batches = list(pinned.scan((*stored(pinned), "content_hash", "vector_sum")))
        order, _ = _order_by_id(batches)
        heads = heads_of(batches).take(order)
        table = table_of(batches).take(pa.array(order)).combine_chunks()
        keys = _keys_of(table.column("id").to_pylist(), heads)
        return cls(pinned, version, heads, table, keys, dim, collection)

    def succeeded(self, pinned: PinnedTable, version: int) -> Snapshot | None:
        changes = changes_since(self, pinned)
        if changes is None:
            return None
        source = changes.source
        place = np.where(source >= 0, source, len(self) - 1 - source)
        fresh = np.empty(changes.fresh.num_rows, dtype=np.int64)
        fresh[-1 - source[source < 0]] = np.flatnonzero(source < 0)
        keys = np.concatenate(
            [self._keys, _keys_of(changes.fresh.column("id").to_pylist(), changes.heads.take(fresh))]
        )[place]
        table = pa.concat_tables([self._table, changes.fresh]).take(pa.array(place)).combine_chunks()
        found = RemoteSnapshot(pinned, version, changes.heads, table, keys, self.dim, self._collection)
        known = self.__dict__.get("_columns")
        found._earlier_columns = None if known is None else (known, changes)
        return found

    def rebased(self, **_: object) -> Snapshot:
        return self  # there is no index of this process to be made anew

    @cached_property
    def vectors(self) -> FloatArray:
        """(N, D) in the order of the rows, read from the store at the first use."""
        batches = list(self.pinned.scan(("id", "vector_sum", "vector")))
        order, num_rows = _order_by_id(batches)
        found = np.empty((num_rows, self.dim), dtype=np.float32)
        start = 0
        for batch in batches:
            stop = start + batch.num_rows
            found[start:stop] = vectors_in(batch, self.dim)
            self._check(self.pinned, batch, found[start:stop])
            start = stop
        return found[order]

    def vectors_of(self, rows: RowArray) -> FloatArray:
        """(C, D) the vectors of some rows: from memory when all are there, else read from the store."""
        if "vectors" in self.__dict__ or 4 * len(rows) > len(self):
            return self.vectors[rows]
        read = self.pinned.take(self.row_ids[rows].tolist(), ("id", "vector_sum", "vector")).combine_chunks()
        found = vectors_in(read, self.dim)
        self._check(self.pinned, read, found)
        place = pc.index_in(self.ids.take(pa.array(rows)), value_set=read.column("id"))
        if place.null_count:
            raise self.pinned.owner.damaged("a row that was listed is not there")
        return found[place.to_numpy(zero_copy_only=False)]


def _keys_of(ids: list[str], heads: Heads) -> Keys:
    return row_keys(ids, [one.tobytes() for one in heads.hashes], heads.sums.tolist())
