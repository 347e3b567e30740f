"""One version of a catalogue in memory: ids, metadata, vectors and their index. What a search runs on.

Rows are in the order of their ids, so "of equal scores the smaller row first" is "the smaller id first", and a ranking
does not depend on the order in which items were stored.
"""

from __future__ import annotations

import difflib
import json
import threading
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modiste.engine.errors import UnknownItem
from modiste.engine.filters import Column, TextColumn, column
from modiste.engine.index import EXACT_LIMIT, RowArray, VectorIndex, build_index
from modiste.engine.rows import TEXT_FIELDS, WORDS, as_item, text_sum, vector_sums
from modiste.engine.table import PinnedTable
from modiste.taxonomy import slot, super_category
from modiste.types import FloatArray, Item

_COLUMNS = ("id", *TEXT_FIELDS, "attributes", "vector_sum", "vector")
_SUGGESTION_POOL = 5_000


class Snapshot:
    """All rows of one version, the pictures excepted; immutable.

    Attributes: `version`; `vectors` (N, D) float32; `ids`, a sorted Arrow array of N; `index`, their `VectorIndex`.
    """

    def __init__(self, pinned: PinnedTable, version: int, dim: int, *, exact_limit: int = EXACT_LIMIT) -> None:
        self.version = version
        self.pinned = pinned
        summed = ("text_sum",) if pinned.has("text_sum") else ()
        batches = list(pinned.scan((*_COLUMNS, *summed)))
        order, num_rows = _order_by_id(batches)
        self.vectors: FloatArray = np.empty((num_rows, dim), dtype=np.float32)
        place = np.empty(num_rows, dtype=np.int64)
        place[order] = np.arange(num_rows)
        start = 0
        for batch in batches:
            stop = start + batch.num_rows
            part = np.asarray(batch.column("vector").flatten(), dtype=np.float32).reshape(-1, dim)
            self._check(pinned, batch, part)
            self.vectors[place[start:stop]] = part
            start = stop
        names = (*WORDS, *summed, "_rowid")
        if batches:
            table = pa.Table.from_batches([batch.select(list(names)) for batch in batches])
        else:
            kinds = {"_rowid": pa.uint64(), "text_sum": pa.uint32()}
            table = pa.table({name: pa.array([], kinds.get(name, pa.string())) for name in names})
        self._table = table.take(pa.array(order)).combine_chunks()
        self.ids: pa.ChunkedArray = self._table.column("id")
        self.row_ids: NDArray[np.uint64] = self._table.column("_rowid").to_numpy()
        self.index: VectorIndex = build_index(self.vectors, exact_limit=exact_limit)
        self._text_sums = self._table.column("text_sum").to_numpy() if summed else None
        self._columns_lock = threading.Lock()

    @staticmethod
    def _check(pinned: PinnedTable, batch: pa.RecordBatch, vectors: FloatArray) -> None:
        if len(vectors) != batch.num_rows or not np.array_equal(
            vector_sums(vectors), np.asarray(batch.column("vector_sum"), dtype=np.uint64)
        ):
            raise pinned.owner.damaged("a vector fails its checksum")

    def __len__(self) -> int:
        return len(self.vectors)

    def id(self, row: int) -> str:
        return str(self.ids[row].as_py())

    def item(self, row: int, image: bytes | None = None) -> Item:
        """The item of a row, with the picture given or none. Raises `CatalogueError` for words that fail their checksum."""
        values = {name: self._table.column(name)[row].as_py() for name in WORDS}
        self._check_words(row, values)
        return as_item(values, image)

    def _check_words(self, row: int, values: Mapping[str, Any]) -> None:
        if self._text_sums is not None and text_sum(values) != self._text_sums[row]:
            raise self.pinned.owner.damaged(f"item {values['id']!r} fails its checksum")

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
        row = bisect_left(_Ids(self.ids), item_id)
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
        return self._table.column("group")[row].as_py() or self.id(row)

    @cached_property
    def _columns(self) -> Mapping[str, Column]:
        found: dict[str, Column] = {}
        attributes: dict[str, list[Any]] = {}
        columns = [self._table.column(name).to_pylist() for name in WORDS]
        for row, cells in enumerate(zip(*columns, strict=True)):
            values = dict(zip(WORDS, cells, strict=True))
            self._check_words(row, values)
            text = values["attributes"]
            for name, value in json.loads(text or "{}").items():
                if name not in attributes:
                    attributes[name] = [None] * len(self)
                attributes[name][row] = value
        for name, cells_of in attributes.items():
            found[name] = column(cells_of)
        for name in ("id", *TEXT_FIELDS):
            found[name] = _text_column(self._table.column(name))
        category = found["category"]
        assert isinstance(category, TextColumn)
        found.setdefault("super_category", _derived(category, super_category))
        found.setdefault("slot", _derived(category, slot))
        return found

    @property
    def columns(self) -> Mapping[str, Column]:
        """Every field a filter may name: id, title, description, category, group, the attributes, super_category, slot.

        Made at the first use (about a second for 100,000 rows); a server may ask for it before the first request.
        """
        with self._columns_lock:
            return self._columns

    def _near(self, item_id: str) -> list[str]:
        """Ids that look like this one, from those that stand near it in the order when there are many."""
        if len(self) <= _SUGGESTION_POOL:
            pool = self.ids.to_pylist()
        else:
            centre = bisect_left(_Ids(self.ids), item_id)
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


def _text_column(values: pa.ChunkedArray) -> TextColumn:
    encoded = values.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    vocabulary = encoded.dictionary.to_pylist()
    if "" in vocabulary:  # empty is missing
        empty = vocabulary.index("")
        codes = np.where(codes == empty, -1, codes - (codes > empty)).astype(np.int32)
        del vocabulary[empty]
    return TextColumn(codes, vocabulary)


def _derived(source: TextColumn, function: Any) -> TextColumn:
    """The column of f(value): made once per distinct value."""
    names = [function(value) for value in source.vocabulary]
    distinct = sorted(set(names))
    lookup = np.array([*(distinct.index(name) for name in names), -1], dtype=np.int32)
    return TextColumn(lookup[source.codes], distinct)
