"""What a remote engine can be told of a set of rows: a condition on stored fields that every row of the set fulfils.

Filters, exclusions and an outfit's slots all arrive as a set of rows. From the set itself one sees which fields hold it
together: when all its rows are red or green, `colour` is one, when all cost under 50, `price` is. The condition may let other
rows through, never keep one of the set out, so it only saves the engine from ranking what nobody wants; who asked still leaves
out what is not in the set. No second reading of the filter language is needed, and it cannot disagree with the first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from modiste.engine.filters import Column, NumberColumn, TextColumn, as_text
from modiste.engine.index import RowArray

MOST_VALUES = 64  # of a field in one condition
_MOST_DISTINCT = 10_000  # values above which a field holds no set together
_WORTH = 0.9  # share of the rows above which a condition is not worth its price
_MOST_FIELDS = 3
_CUT = 200  # characters of a value
_NOT_STORED = {"id", "title", "description", "group", "super_category", "slot"}


def stored_fields(category: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an item as a remote engine stores them: every value as text, and a number as a number, too."""
    found: dict[str, Any] = {}
    for name, value in {**attributes, "category": category}.items():
        if name in _NOT_STORED or value == "":
            continue
        found[f"t:{name}"] = _text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found[f"n:{name}"] = float(value)
    return found


def narrowing(rows: RowArray, columns: Mapping[str, Column]) -> str:
    """A Milvus expression that every one of the rows fulfils; empty when no field holds them together."""
    found = []
    for name, column in columns.items():
        if name in _NOT_STORED or not len(rows):
            continue
        passing = _by_numbers(name, column, rows) if isinstance(column, NumberColumn) else _by_words(name, column, rows)
        if passing is not None and passing[0] < _WORTH:
            found.append(passing)
    return " and ".join(f"({condition})" for _, condition in sorted(found)[:_MOST_FIELDS])


def _by_words(name: str, column: TextColumn, rows: RowArray) -> tuple[float, str] | None:
    """The share of all rows that the condition lets through, and the condition."""
    if not 0 < len(column.vocabulary) <= _MOST_DISTINCT:
        return None
    codes = column.codes[rows]
    if (codes < 0).any():  # a row without a value: nothing that asks for values would let it through
        return None
    present = np.unique(codes)
    if len(present) > MOST_VALUES or (len(present) == len(column.vocabulary) and (column.codes >= 0).all()):
        return None
    share = float(np.isin(column.codes, present).mean())
    place = _place("t", name)
    words = sorted({_text(column.vocabulary[code]) for code in present.tolist()})
    return share, " or ".join(f"{place} == {json.dumps(word, ensure_ascii=False)}" for word in words)


def _by_numbers(name: str, column: NumberColumn, rows: RowArray) -> tuple[float, str] | None:
    values = column.values[rows]
    least, most = float(values.min()), float(values.max())
    if not np.isfinite([least, most]).all():
        return None
    with np.errstate(invalid="ignore"):
        share = float(((column.values >= least) & (column.values <= most)).mean())
    place = _place("n", name)
    return share, f"{place} >= {least!r} and {place} <= {most!r}"


def _place(kind: str, name: str) -> str:
    return f"fields[{json.dumps(f'{kind}:{name}', ensure_ascii=False)}]"


def _text(value: Any) -> str:
    return as_text(value)[:_CUT]
