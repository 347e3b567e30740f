"""Filters on any field of a catalogue: words such as "colour=Red" and "price<50" become one boolean mask.

    field = value      equal; text ignores case; `colour=Red|Blue` means either
    field != value     everything that `=` does not match, so a row where the field is missing does match
    field < <= > >=    order, for numbers (also for numbers kept as text, when every value of the field is one)
    field ~ value      contains, ignoring case
    field in a,b       the same as `=` with `|`; a value in double quotes may hold the separator: in "Black, matt",Navy

Several filters are joined by AND. A missing value (absent, empty or NaN) matches no operator but `!=`: whoever writes
`brand!=Acme` wants to keep Acme out, not to lose the unbranded half of the shop. Truth values are written true and false.
"""

from __future__ import annotations

import difflib
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modiste.types import Scalar

BoolArray = NDArray[np.bool_]

_MANY_WORDS = 4_096  # distinct values from which on Arrow looks through them

OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~", "in")

# The first operator in the text is the one: `title ~ a<b` is a contains. `==` is what programmers type for `=`.
_SYNTAX = re.compile(
    r"\s*(?P<field>\S.*?)\s*(?:(?P<symbol>!=|<=|>=|==?|<|>|~)|(?<=\s)(?P<word>in)(?=\s))(?P<value>.*)\Z", re.S
)
_ORDER: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class FilterError(ValueError):
    """A filter that cannot be understood or does not fit the catalogue; the message says why and what would."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition: `field operator (any of) values`."""

    field: str
    operator: str  # one of OPERATORS, but "in" has become "="
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{'|'.join(self.values)}"


def parse_filter(text: str) -> Filter:
    """Read one filter; raises `FilterError` naming the text and the operators there are."""
    match = _SYNTAX.match(text)
    if match is None:
        raise FilterError(f"filter {text!r}: expected FIELD OPERATOR VALUE, with one of {' '.join(OPERATORS)}")
    symbol = match["symbol"] or match["word"]
    separator = {"=": "|", "==": "|", "!=": "|", "in": ","}.get(symbol)
    raw = match["value"].strip()
    values = _split(raw, separator) if separator else [_unquote(raw)]
    if not values or not all(values):
        raise FilterError(f"filter {text!r}: a value is missing after {symbol!r}")
    return Filter(match["field"], {"==": "=", "in": "="}.get(symbol, symbol), tuple(values))


def _unquote(value: str) -> str:
    return value[1:-1] if len(value) >= 2 and value[0] == value[-1] == '"' else value


def _split(text: str, separator: str) -> list[str]:
    """Cut at the separator, except inside double quotes that open a value."""
    parts, start, quoted = [], 0, False
    for position, character in enumerate(text):
        if character == '"' and (quoted or not text[start:position].strip()):
            quoted = not quoted
        elif character == separator and not quoted:
            parts.append(text[start:position])
            start = position + 1
    parts.append(text[start:])
    return [_unquote(part.strip()) for part in parts]


class NumberColumn:
    """A field whose values are all numbers: (N,) float64, NaN where missing."""

    def __init__(self, values: NDArray[np.float64]) -> None:
        self.values = values

    def matches(self, one: Filter) -> BoolArray:
        if one.operator == "~":
            raise FilterError(f"filter {str(one)!r}: {one.field!r} holds numbers; '~' (contains) is for text")
        wanted = [_number(one, value) for value in one.values]
        if one.operator in _ORDER:
            with np.errstate(invalid="ignore"):
                found: BoolArray = _ORDER[one.operator](self.values, wanted[0])
            return found
        equal = np.isin(self.values, wanted)
        return ~equal if one.operator == "!=" else equal


class TextColumn:
    """A field of words: (N,) codes into the distinct values, -1 where missing.

    `mixed`: some of the values were numbers or truth values before they became words.
    """

    def __init__(self, codes: NDArray[np.int32], vocabulary: Sequence[str], *, mixed: bool = False) -> None:
        self.codes = codes
        self.vocabulary = tuple(vocabulary)
        self.mixed = mixed

    @cached_property
    def _folded(self) -> tuple[str, ...]:
        return tuple(value.casefold() for value in self.vocabulary)

    @cached_property
    def _folded_array(self) -> pa.Array:
        """The same for Arrow, which looks through a million titles while Python looks through ten thousand."""
        return pa.array(self._folded, pa.string())

    @cached_property
    def numbers(self) -> NDArray[np.float64] | None:
        """The distinct values as numbers, or None when one of them is not."""
        try:
            numbers = np.array([float(value) for value in self.vocabulary])
        except ValueError:
            return None
        return numbers if np.isfinite(numbers).all() else None

    def matches(self, one: Filter) -> BoolArray:
        if one.operator in _ORDER:
            if self.numbers is None:
                example = next(value for value in self.vocabulary if not _is_number(value))
                raise FilterError(
                    f"filter {str(one)!r}: {one.field!r} holds text such as {example!r}; "
                    f"{one.operator!r} needs a field of numbers"
                )
            chosen = np.asarray(_ORDER[one.operator](self.numbers, _number(one, one.values[0])), dtype=bool)
            return self._rows(chosen)
        wanted = [value.casefold() for value in one.values]
        if len(self.vocabulary) > _MANY_WORDS:
            texts = self._folded_array
            looked = (
                pc.match_substring(texts, wanted[0])
                if one.operator == "~"
                else pc.is_in(texts, value_set=pa.array(wanted, pa.string()))
            )
            chosen = looked.to_numpy(zero_copy_only=False).astype(bool)
        elif one.operator == "~":
            chosen = np.array([wanted[0] in value for value in self._folded], dtype=bool)
        else:
            chosen = np.array([value in wanted for value in self._folded], dtype=bool)
        found = self._rows(chosen)
        return ~found if one.operator == "!=" else found

    def _rows(self, chosen: BoolArray) -> BoolArray:
        # One more entry than there are words: code -1 (missing) indexes it, and it never matches.
        return np.take(np.append(chosen, False), self.codes, mode="wrap")  # twice as fast as [...]


Column = NumberColumn | TextColumn


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _number(one: Filter, value: str) -> float:
    if not _is_number(value):
        raise FilterError(f"filter {str(one)!r}: {one.field!r} holds numbers, and {value!r} is not one")
    return float(value)


def is_missing(value: Scalar | None) -> bool:
    """Absent, empty or NaN: what no operator but `!=` matches."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def column(values: Iterable[Scalar | None]) -> Column:
    """The column of these values, one per row: of numbers if all that are there are numbers, else of text."""
    kept = [None if is_missing(value) else value for value in values]
    present = [value for value in kept if value is not None]
    if present and all(isinstance(value, int | float) and not isinstance(value, bool) for value in present):
        return NumberColumn(np.array([math.nan if value is None else float(value) for value in kept]))
    position: dict[str, int] = {}
    codes = np.full(len(kept), -1, dtype=np.int32)
    for row, value in enumerate(kept):
        if value is not None:
            codes[row] = position.setdefault(as_text(value), len(position))
    return TextColumn(codes, tuple(position), mixed=any(not isinstance(value, str) for value in present))


def as_text(value: Scalar) -> str:
    """A value as the word that a column of text has for it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def filter_mask(filters: Sequence[Filter | str], columns: Mapping[str, Column], num_rows: int) -> BoolArray:
    """(N,) bool: the rows that pass every filter. Raises `FilterError` for unknown fields and unfit values."""
    mask = np.ones(num_rows, dtype=bool)
    for given in filters:
        one = parse_filter(given) if isinstance(given, str) else given
        mask &= _field(one, columns).matches(one)
    return mask


def _field(one: Filter, columns: Mapping[str, Column]) -> Column:
    if one.field in columns:
        return columns[one.field]
    folded = [name for name in columns if name.casefold() == one.field.casefold()]
    if len(folded) == 1:
        return columns[folded[0]]
    names = sorted(columns)
    near = difflib.get_close_matches(one.field, names, n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
    raise FilterError(f"filter {str(one)!r}: no field {one.field!r}{hint} Known fields: {', '.join(names)}")
