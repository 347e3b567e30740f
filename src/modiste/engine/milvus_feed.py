"""How a collection on Milvus is kept at one with the catalogue: written ahead, under keys that say what they hold.

The store decides what is committed; Milvus knows no transaction with it. So a row's key is made of the item's id, its content
and its vector, and rows are written to Milvus *before* the store commits them. A version of the catalogue looks only for its
own keys, therefore

- whatever is committed is found, from the moment of the commit;
- what was written and then not committed (a killed job) is found by nobody, and the next job commits it or sweeps it away;
- a reader of an older version goes on finding the old rows: they are superseded, not overwritten.

Superseded rows stay until a job over the whole feed sweeps them, when the last commit is a minute old and no reader is left
behind. The same look at all keys puts back what a cluster has lost.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from modiste.engine.milvus import Keys, MilvusCollection
from modiste.engine.narrowing import stored_fields
from modiste.engine.rows import vectors_in

if TYPE_CHECKING:
    from modiste.engine.table import PinnedTable

SWEEP_SECONDS = 60.0

_COLUMNS = ("id", "category", "attributes", "content_hash", "vector_sum", "vector")
_KEPT_SHARE = 0.05  # of the rows: superseded ones that a job over few items leaves lying
_KEPT_ROWS = 1_000


def new_owner() -> str:
    """A name by which a collection knows its catalogue."""
    return secrets.token_hex(16)


def row_keys(ids: Sequence[str], content_hashes: Sequence[bytes], sums: Sequence[int]) -> Keys:
    """(N,) non-negative keys: 63 bits of a hash, so that two of ten million rows share one with odds of 1 in 180,000."""
    found = np.empty(len(ids), dtype=np.int64)
    for row, (item_id, content, total) in enumerate(zip(ids, content_hashes, sums, strict=True)):
        parts = b"".join((content, int(total).to_bytes(8, "little"), item_id.encode()))
        found[row] = int.from_bytes(hashlib.blake2b(parts, digest_size=8).digest(), "little") >> 1
    return found


class MilvusFeed:
    """The writing side of a catalogue's collection. The caller holds the catalogue's lock."""

    def __init__(self, collection: MilvusCollection) -> None:
        self.collection = collection

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Rows of the store (all of `_COLUMNS`) that are about to be committed."""
        if not rows.num_rows:
            return
        vectors = vectors_in(rows, rows.schema.field("vector").type.list_size)
        fields = [
            stored_fields(category or "", json.loads(attributes or "{}"))
            for category, attributes in zip(
                rows.column("category").to_pylist(), rows.column("attributes").to_pylist(), strict=True
            )
        ]
        self.collection.upsert(keys_of(rows), vectors, fields)

    def catch_up(self, pinned: PinnedTable, *, whole: bool, age: float) -> tuple[int, int]:
        """Make the collection if it is not there, write what it lacks, sweep what nobody looks for any more.

        `whole`: look at all keys, not only when their number is wrong. `age`: seconds since the last commit.
        Returns how many rows were written and swept away. Raises `CatalogueError`.
        """
        self.collection.make()
        num_rows, num_stored = pinned.count(), self.collection.count()
        if not whole and num_rows <= num_stored <= num_rows * (1 + _KEPT_SHARE) + _KEPT_ROWS:
            return 0, 0
        there = self.collection.keys()
        wanted, written = [np.empty(0, dtype=np.int64)], 0
        missing = list[Keys]()
        for batch in pinned.scan(("id", "content_hash", "vector_sum")):
            wanted.append(keys_of(batch))
            missing.append(np.asarray(batch.column("_rowid"))[~np.isin(wanted[-1], there, assume_unique=True)])
        for lost in missing:
            for start in range(0, len(lost), 2_000):
                rows = pinned.take(lost[start : start + 2_000].tolist(), _COLUMNS)
                self.write(rows)
                written += rows.num_rows
        superseded = np.setdiff1d(there, np.concatenate(wanted))
        if age < SWEEP_SECONDS:
            return written, 0
        self.collection.delete(superseded)
        return written, len(superseded)


def keys_of(rows: pa.Table | pa.RecordBatch) -> Keys:
    """The keys of rows of the store: id, content_hash and vector_sum."""
    return row_keys(*(rows.column(name).to_pylist() for name in ("id", "content_hash", "vector_sum")))
