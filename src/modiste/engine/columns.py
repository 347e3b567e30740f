"""The columns of a catalogue's version, for filters and rules: read from its rows, or taken over from the version before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from modiste.engine.filters import Column, NumberColumn, TextColumn, column
from modiste.engine.rows import TEXT_FIELDS
from modiste.taxonomy import slot, super_category

Rows = NDArray[np.int64]


def read_columns(table: pa.Table) -> dict[str, Column]:
    """Every field of (N,) rows that a filter may name: the attributes, id and texts, super_category and slot."""
    num_rows = table.num_rows
    attributes: dict[str, list[Any]] = {}
    for row, text in enumerate(table.column("attributes").to_pylist()):
        for name, value in json.loads(text or "{}").items():
            if name not in attributes:
                attributes[name] = [None] * num_rows
            attributes[name][row] = value
    found = {name: column(attributes[name]) for name in sorted(attributes)}
    for name in ("id", *TEXT_FIELDS):
        found[name] = _text_column(table.column(name))
    return _with_kinds(found)


def taken_over(
    earlier: Mapping[str, Column], fresh: Mapping[str, Column], source: Rows, ids: pa.ChunkedArray
) -> dict[str, Column] | None:
    """The columns of a version of which most rows are an earlier one's; equal to what `read_columns` makes of all rows.

    `source` (N,): the row of the earlier version that each is; -1 - i for the i-th of the fresh ones. None where a field was
    of numbers in the one and of words in the other, so that all has to be read.
    """
    found: dict[str, Column] = {}
    fields = ("id", *TEXT_FIELDS)
    derived = ("super_category", "slot")
    for name in sorted({*earlier, *fresh} - set(fields)):
        if name in derived and all(isinstance(one.get(name), _Derived | None) for one in (earlier, fresh)):
            continue
        one = _joined(earlier.get(name), fresh.get(name), source)
        if one is None:
            return None
        if isinstance(one, NumberColumn) and np.isnan(one.values).all():
            continue
        if isinstance(one, TextColumn) and not one.vocabulary:
            continue
        found[name] = one
    found["id"] = TextColumn(np.arange(len(source), dtype=np.int32), ids.to_pylist())
    for name in TEXT_FIELDS:
        one = _joined(earlier[name], fresh[name], source)
        assert isinstance(one, TextColumn)
        found[name] = one
    return _with_kinds(found)


def _joined(earlier: Column | None, fresh: Column | None, source: Rows) -> Column | None:
    """One field of all rows; None where it is of numbers here and of words there. A version without the field lacks values."""
    if isinstance(earlier, NumberColumn | None) and isinstance(fresh, NumberColumn | None):
        before = np.zeros(0) if earlier is None else earlier.values
        after = np.zeros(0) if fresh is None else fresh.values
        return NumberColumn(_picked(before, after, source, np.nan))
    if isinstance(earlier, NumberColumn) or isinstance(fresh, NumberColumn):
        return None
    if (earlier is not None and earlier.mixed) or (fresh is not None and fresh.mixed):
        return None
    none = TextColumn(np.zeros(0, dtype=np.int32), ())
    earlier, fresh = earlier or none, fresh or none
    place = {value: at for at, value in enumerate(earlier.vocabulary)} if fresh.vocabulary else {}
    lookup = [place.setdefault(value, len(place)) for value in fresh.vocabulary]
    vocabulary = list(place) if place else list(earlier.vocabulary)
    return _in_order(
        _picked(earlier.codes, np.array([*lookup, -1], dtype=np.int32)[fresh.codes], source, -1), vocabulary
    )


def _picked(before: Any, after: Any, source: Rows, missing: float) -> Any:
    """The values of all rows, out of the earlier ones and the fresh ones; of a field that one side lacks: missing."""
    found = np.full(len(source), missing, dtype=after.dtype if len(after) else before.dtype)
    kept = source >= 0
    if len(before):
        found[kept] = before[source[kept]]
    if len(after):
        found[~kept] = after[-1 - source[~kept]]
    return found


def _in_order(codes: NDArray[np.int32], vocabulary: list[str]) -> TextColumn:
    """The column with its words in the order in which the rows have them, without those that none has."""
    rows = np.flatnonzero(codes >= 0)[::-1]
    first = np.full(len(vocabulary), len(codes), dtype=np.int64)
    first[codes[rows]] = rows  # of several rows the last that is assigned, which is the first of them
    order = np.argsort(first, kind="stable")[: np.count_nonzero(first < len(codes))]
    lookup = np.full(len(vocabulary) + 1, -1, dtype=np.int32)
    lookup[order] = np.arange(len(order), dtype=np.int32)
    return TextColumn(lookup[codes], [vocabulary[at] for at in order.tolist()])


class _Derived(TextColumn):
    """A column that was made of the categories."""


def _with_kinds(found: dict[str, Column]) -> dict[str, Column]:
    category = found["category"]
    assert isinstance(category, TextColumn)
    found.setdefault("super_category", _derived(category, super_category))
    found.setdefault("slot", _derived(category, slot))
    return found


def _derived(source: TextColumn, function: Callable[[str], str]) -> TextColumn:
    """The column of f(value): made once per distinct value."""
    names = [function(value) for value in source.vocabulary]
    distinct = sorted(set(names))
    lookup = np.array([*(distinct.index(name) for name in names), -1], dtype=np.int32)
    return _Derived(lookup[source.codes], distinct)


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
