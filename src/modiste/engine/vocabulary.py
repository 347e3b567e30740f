"""What a catalogue can be asked for in words, and what is known of its rows: its columns, and what its titles say.

The house's words (`data/style/vocabulary.py`) and the values that occur in the catalogue's own columns make one vocabulary, so
a retailer's own values ("crepe", "Acme") are read as well as "red".

Shapes: N rows.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from modiste.data.style.vocabulary import ANY, COLUMNS, Meaning, Phrase, attribute_of, folded, means, parts, phrases
from modiste.engine.filters import Column, NumberColumn, TextColumn
from modiste.engine.snapshot import Snapshot
from modiste.types import FloatArray

MOST_VALUES = 3_000  # of a column that has words to offer; more are names or texts
SAID_IN_PASSING = 0.9  # how far a mention in a description is believed; a title or a column is believed
_NO_VALUES = frozenset({"id", "title", "description", "group", "super_category", "slot", "description_source"})
_BY_TITLE_ALONE = ("colour", "category")  # a description also names the print's colour, and what goes with the item
KEEP = 64  # answers of `Knowledge` that are kept, 4 bytes a row each


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Phrases and what they can mean here, the likeliest first; `columns`: attribute -> the catalogue's columns of it."""

    phrases: Mapping[Phrase, tuple[Meaning, ...]]
    columns: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, columns: Mapping[str, Column]) -> Vocabulary:
        """The vocabulary of a catalogue with these columns."""
        named: dict[str, tuple[str, ...]] = {}
        for name in columns:
            if name not in _NO_VALUES:
                attribute = attribute_of(name)
                named[attribute] = (*named.get(attribute, ()), name)
        house = phrases()
        own: dict[Phrase, dict[Meaning, None]] = {}
        for attribute in dict.fromkeys((*COLUMNS, *named)):
            if attribute == "secondary_colour":
                continue  # a colour is the main one unless a print has it
            for name in named.get(attribute, ()):
                for label in _labels(columns[name]):
                    for part in (label, *(parts(label) if attribute in COLUMNS else ())):
                        key = folded(part)
                        # What the house knows is not also a brand; of the house's attributes the shop knows its own words.
                        if _says_something(key) and (attribute in COLUMNS or key not in house):
                            own.setdefault(key, {})[Meaning(attribute, means(attribute, part))] = None
        found = {key: tuple(meanings) for key, meanings in own.items()}
        for key, meanings in house.items():
            others = [one for one in meanings if one not in found.get(key, ())]
            # What this catalogue has comes before what it does not.
            found[key] = (*found.get(key, ()), *sorted(others, key=lambda one: one.attribute not in named))
        return cls(found, named)

    @cached_property
    def longest(self) -> int:
        """Words of the longest phrase."""
        return max(map(len, self.phrases), default=0)

    def meanings(self, words: Sequence[str]) -> tuple[Meaning, ...]:
        """What these folded words can mean together; () for what is not in the vocabulary."""
        return self.phrases.get(tuple(words), ())


def _labels(column: Column) -> Sequence[str]:
    if not isinstance(column, TextColumn) or len(column.vocabulary) > MOST_VALUES or column.numbers is not None:
        return ()
    return column.vocabulary


_TRUTH = frozenset(
    {"true", "false", "yes", "no", "none", "na", "nan", "null", "unknown", "other", "all", "new", "multi"}
)


def _says_something(key: Phrase) -> bool:
    return (
        0 < len(key) <= 5
        and any(len(word) > 1 and not word[0].isdigit() for word in key)
        and not _TRUTH.issuperset(key)
    )


class Knowledge:
    """What is known of each row: by the columns, else by the title, else by a mention in the description."""

    def __init__(self, columns: Mapping[str, Column], num_rows: int, *, keep: int = KEEP) -> None:
        self._columns, self.num_rows, self._keep = columns, num_rows, keep
        self.vocabulary = Vocabulary.of(columns)
        self._kept: OrderedDict[tuple[object, ...], FloatArray] = OrderedDict()
        self._lock = Lock()

    def holds(self, attribute: str, fits: Callable[[str], bool], key: tuple[object, ...]) -> FloatArray:
        """(N,): 1 where a row has a value that `fits`, 0 where it has another, between where its text says so, NaN unknown.

        `key` names what `fits` asks, so that the answer can be kept.
        """
        with self._lock:
            if (known := self._kept.get((attribute, *key))) is not None:
                self._kept.move_to_end((attribute, *key))
                return known
        found = self._by_columns(attribute, fits)
        self._by_words(attribute, fits, found)
        found.setflags(write=False)
        with self._lock:
            self._kept[(attribute, *key)] = found
            while len(self._kept) > self._keep:
                self._kept.popitem(last=False)
        return found

    def numbers(self, attribute: str) -> NDArray[np.float64] | None:
        """(N,) an attribute that is a number (the price), NaN where missing; None when no column holds one."""
        for name in self.vocabulary.columns.get(attribute, ()):
            column = self._columns[name]
            if isinstance(column, NumberColumn):
                return column.values
            if column.numbers is not None and len(column.numbers):
                return np.append(column.numbers, np.nan)[column.codes]
        return None

    def _by_columns(self, attribute: str, fits: Callable[[str], bool]) -> FloatArray:
        found = np.full(self.num_rows, np.nan, dtype=np.float32)
        for name in self.vocabulary.columns.get(attribute, ()):
            column = self._columns[name]
            if isinstance(column, TextColumn):
                values = np.array([*(float(fits(label)) for label in column.vocabulary), np.nan], dtype=np.float32)
                found = np.fmax(found, values[column.codes])  # of several columns one that fits is enough
        return found

    def _by_words(self, attribute: str, fits: Callable[[str], bool], found: FloatArray) -> None:
        """Fill in what titles and descriptions say of the rows that no column tells of."""
        right: list[Phrase] = []
        others: list[Phrase] = []
        for key, meanings in self.vocabulary.phrases.items():
            for one in meanings:
                if one.attribute == attribute and one.value != ANY:
                    (right if fits(one.value) else others).append(key)
                    break
        for field, yes, no in (("title", 1.0, 0.0), ("description", SAID_IN_PASSING, 1 - SAID_IN_PASSING)):
            open_rows = np.isnan(found)
            column = self._columns.get(field)
            if (
                not open_rows.any()
                or not isinstance(column, TextColumn)
                or (field != "title" and attribute in _BY_TITLE_ALONE)
            ):
                continue
            texts = pa.array(column.vocabulary, pa.string())
            said = np.where(_mention(texts, others), np.float32(no), np.float32(np.nan))
            said[_mention(texts, right)] = yes
            said = np.append(said, np.float32(np.nan))[column.codes]
            found[open_rows] = said[open_rows]


def _mention(texts: pa.Array, keys: Sequence[Phrase]) -> NDArray[np.bool_]:
    """(T,) the texts in which one of the phrases stands as words."""
    if not keys or not len(texts):
        return np.zeros(len(texts), dtype=bool)
    # The longest first; RE2 has no look-behind, so the ends are matched.
    said = "|".join(r"[\s\-]+".join(re.escape(word) for word in key) for key in sorted(keys, key=len, reverse=True))
    pattern = rf"(?:^|[^\pL])(?:{said})(?:[^\pL]|$)"
    found: NDArray[np.bool_] = pc.match_substring_regex(texts, pattern, ignore_case=True).to_numpy(zero_copy_only=False)
    return found.astype(bool)


_OF_SNAPSHOTS: WeakKeyDictionary[Snapshot, Knowledge] = WeakKeyDictionary()
_MAKING = Lock()


def knowledge_of(snapshot: Snapshot) -> Knowledge:
    """What is known of a version of a catalogue, made once for each."""
    with _MAKING:
        found = _OF_SNAPSHOTS.get(snapshot)
        if found is None:
            found = _OF_SNAPSHOTS[snapshot] = Knowledge(snapshot.columns, len(snapshot))
        return found
