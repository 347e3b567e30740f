"""Simple scorers of outfits: what counting the training looks gives. Controls for a trained model, and fallbacks.

    popularity       how often each item is in a training look
    co-occurrence    how much more often two items meet than chance has it; nothing to say of an item it never saw
    colour-family    the same of (colour, family) pairs: speaks of unseen items too, sees no pixel
    category         the same of families alone: says which kinds go together, ties among candidates of one kind
    mixture          co-occurrence and half of colour-family: the most that we get out of counting, and the control to beat
    mean-cosine      how alike the items' vectors are; nothing learned from looks
    constant         nothing

All are pairwise: the score of k items rises with the mean of a term over their k(k-1)/2 pairs, so exact search can bound
them (`types.PairwisePool`). Popularity is too, since the mean over pairs of the two ends' mean is the mean over items. A
single item has no pair and is neutral (0.5) whatever the statistic.

Scores order sets and are no probabilities. Terms are whole multiples of 2^-20, whose sums are exact in double precision:
sets with the same terms tie exactly, whatever the order of their items, the padding and the batch.

Shapes: N items of a pool, B sets, O places in a set, K keys (items, families...), P pairs of keys that occurred.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from modiste.data.outfits import Look, OutfitData
from modiste.files import parse_json, require_unchanged, signed, write_atomically
from modiste.taxonomy import normalise
from modiste.types import FloatArray, Item, OutfitScorer

Indices = NDArray[np.int64]
# Positions in the pool, broadcast together -> the terms of those pairs, elementwise.
Terms = Callable[[Indices, Indices], NDArray[np.float64]]
KeyName = Literal["item", "colour_family", "family"]

_GRAIN = 2.0**20  # terms are multiples of its inverse
_LARGEST = 15.0  # and no larger than this, so that single precision holds them exactly
_GATHER = 1 << 22  # numbers of vectors gathered at once
_FORMAT = "modiste outfit statistic 1"


def family_of(item: Item) -> str:
    """What an item is exchanged within: the attribute `family` where the data has one, else its category."""
    return normalise(str(item.attributes.get("family", "")) or item.category)


def colour_of(item: Item) -> str:
    """The attribute `colour_group` (few, coarse) where the data has one, else `colour`; empty when it says neither."""
    return normalise(str(item.attributes.get("colour_group", "") or item.attributes.get("colour", "")))


def training_looks(data: OutfitData) -> list[Look]:
    """The training looks that are put together on purpose; those with label 0 are not.

    Raises
    ------
    ValueError
        If there are none.
    """
    looks = [look for look in data.looks.get("train", ()) if look.label is None or look.label >= 0.5]
    if not looks:
        raise ValueError(
            f"{data.name}: no training look to count; there is {', '.join(data.looks) or 'no split at all'}"
        )
    return looks


class TermPool:
    """A `PairwisePool` made of a function of pairs of positions."""

    def __init__(self, size: int, terms: Terms, link: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> None:
        self._size = size
        self._terms = terms
        self._link = link

    def pairs(self, rows: Indices, columns: Indices) -> FloatArray:
        """(R,), (C,) -> (R, C)."""
        return self.terms(np.asarray(rows)[:, None], np.asarray(columns)[None, :]).astype(np.float32)

    def terms(self, rows: Indices, columns: Indices) -> NDArray[np.float64]:
        """The terms of pairs of positions, which are broadcast together."""
        return _grained(self._terms(rows, columns))

    def link(self, mean: FloatArray) -> FloatArray:
        return self._link(np.asarray(mean, dtype=np.float64)).astype(np.float32)

    def score(self, sets: Indices) -> FloatArray:
        """(B, O) -> (B,); raises `ValueError` for a set without an item or a position outside the pool."""
        sets = np.asarray(sets)
        if sets.ndim != 2 or sets.dtype.kind != "i":
            raise ValueError(f"sets must be whole numbers of shape (B, O), not {sets.dtype} {sets.shape}")
        there = sets >= 0
        if (empty := ~there.any(axis=1)).any():
            raise ValueError(f"set {int(np.argmax(empty))} has no item")
        if sets.size and (sets.max() >= self._size or sets.min() < -1):
            raise ValueError(f"positions must lie between 0 and {self._size - 1}, or be -1 for no item")
        total = np.zeros(len(sets))
        for one, other in combinations(range(sets.shape[1]), 2):
            both = np.flatnonzero(there[:, one] & there[:, other])
            total[both] += self.terms(sets[both, one], sets[both, other])
        sizes = np.count_nonzero(there, axis=1)
        mean = total / np.maximum(sizes * (sizes - 1) // 2, 1)  # no pair: 0, which links to neutral
        return self._link(mean).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Popularity(OutfitScorer):
    """Items that are in many training looks: the mean over items of log(1 + number of looks)."""

    counts: Mapping[str, int]  # item id -> training looks

    @classmethod
    def fit(cls, data: OutfitData) -> Popularity:
        """Raises `ValueError` when there is no training look."""
        return cls(dict(Counter(one for look in training_looks(data) for one in dict.fromkeys(look.item_ids))))

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> TermPool:
        # Halves of whole grains, so that the sum of two is whole.
        half = _grained(np.log1p([self.counts.get(item.id, 0) for item in items]) / 2)
        return TermPool(len(items), lambda rows, columns: half[rows] + half[columns], _softsign)

    def to_json(self) -> dict[str, Any]:
        return {"statistic": "popularity", "counts": dict(sorted(self.counts.items()))}


@dataclass(frozen=True, eq=False)
class CoOccurrence(OutfitScorer):
    """How much more often two keys meet in a training look than if looks were mixed at random.

    A term is log((n + s) / (e + s)): n how often the two met, e how often they would have met had all the ends of all pairs
    been dealt anew, s the smoothing, which keeps one chance meeting of two rare things small and makes a pair of keys that
    nobody saw neutral (0). With s = 0 it would be pointwise mutual information.
    """

    by: KeyName
    keys: tuple[str, ...]  # (K,) sorted
    met: Indices  # (P, 2) positions in `keys`, first <= second, sorted
    counts: Indices  # (P,)
    smoothing: float

    @classmethod
    def fit(cls, data: OutfitData, by: KeyName, *, smoothing: float = 2.0) -> CoOccurrence:
        """Raises `ValueError` when there is no training look or the smoothing is not positive."""
        key = _KEYS[by]
        items = data.bare
        looks = ([key(items[one]) for one in dict.fromkeys(look.item_ids)] for look in training_looks(data))
        return cls.of(looks, by, smoothing=smoothing)

    @classmethod
    def of(cls, looks: Iterable[Sequence[str]], by: KeyName, *, smoothing: float = 2.0) -> CoOccurrence:
        """From looks as lists of keys; an empty key is not known and not counted."""
        if not (math.isfinite(smoothing) and smoothing > 0):
            raise ValueError(f"the smoothing must be positive, not {smoothing}")
        pairs: Counter[tuple[str, str]] = Counter()
        for look in looks:
            pairs.update(combinations(sorted(one for one in look if one), 2))
        keys = tuple(sorted({key for pair in pairs for key in pair}))
        place = {key: number for number, key in enumerate(keys)}
        ordered = sorted(pairs)
        met = np.array([[place[one], place[other]] for one, other in ordered], dtype=np.int64).reshape(-1, 2)
        return cls(by, keys, met, np.array([pairs[pair] for pair in ordered], dtype=np.int64), smoothing)

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> TermPool:
        place = {key: number for number, key in enumerate(self.keys)}
        key = _KEYS[self.by]
        codes = np.array([place.get(key(item), -1) for item in items], dtype=np.int64)
        if not len(self.counts):
            return Constant().pool(items)
        size = len(self.keys)
        flat = self.met[:, 0] * size + self.met[:, 1]
        ends = np.bincount(self.met.reshape(-1), weights=np.repeat(self.counts, 2), minlength=size)

        def terms(rows: Indices, columns: Indices) -> NDArray[np.float64]:
            one, other = codes[rows], codes[columns]
            low, high = np.minimum(one, other), np.maximum(one, other)
            known = low >= 0
            wanted = np.where(known, low * size + high, -1)
            at = np.minimum(np.searchsorted(flat, wanted), len(flat) - 1)
            count = np.where(flat[at] == wanted, self.counts[at], 0)
            # (a, b) and (b, a) are one pair, (a, a) is one anyway.
            expected = ends[low] * ends[high] / ends.sum() / np.where(low == high, 2, 1)
            found: NDArray[np.float64] = np.log((count + self.smoothing) / (expected + self.smoothing))
            return np.where(known, found, 0.0)

        return TermPool(len(items), terms, _softsign)

    def to_json(self) -> dict[str, Any]:
        return {
            "statistic": "co-occurrence",
            "by": self.by,
            "smoothing": self.smoothing,
            "keys": list(self.keys),
            "met": [[*pair, count] for pair, count in zip(self.met.tolist(), self.counts.tolist(), strict=True)],
        }


class MeanCosine(OutfitScorer):
    """The mean cosine of the items' vectors: whether alike means compatible. Needs `vectors`."""

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> TermPool:
        """Raises `ValueError` without vectors, or for one that is zero or not finite (the item is named)."""
        if vectors is None:
            raise ValueError("mean-cosine scores items by their vectors; give those of an encoder")
        table = np.asarray(vectors, dtype=np.float64)
        if table.ndim != 2 or len(table) != len(items):
            raise ValueError(f"vectors of shape {table.shape} for {len(items)} items; (N, D) is needed")
        lengths = np.linalg.norm(table, axis=1, keepdims=True)
        if (bad := ~np.isfinite(lengths[:, 0]) | (lengths[:, 0] == 0)).any():
            raise ValueError(f"item {items[int(np.argmax(bad))].id!r}: its vector is zero or not finite")
        table = table / lengths

        def terms(rows: Indices, columns: Indices) -> NDArray[np.float64]:
            if rows.ndim == 2 and rows.shape[1] == 1 and columns.shape[0] == 1:  # every row with every column
                return cast("NDArray[np.float64]", table[rows[:, 0]] @ table[columns[0]].T)
            found = np.empty(len(rows))
            step = max(1, _GATHER // table.shape[1])
            for start in range(0, len(rows), step):
                some = slice(start, start + step)
                found[some] = np.einsum("bd,bd->b", table[rows[some]], table[columns[some]])
            return found

        return TermPool(len(items), terms, lambda mean: np.clip((1 + mean) / 2, 1e-6, 1))

    def to_json(self) -> dict[str, Any]:
        return {"statistic": "mean-cosine"}


class Constant(OutfitScorer):
    """No opinion: every set scores 0.5. A protocol must put it exactly at chance."""

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> TermPool:
        return TermPool(len(items), lambda rows, columns: np.zeros(np.broadcast(rows, columns).shape), _softsign)

    def to_json(self) -> dict[str, Any]:
        return {"statistic": "constant"}


@dataclass(frozen=True, eq=False)
class Mixture(OutfitScorer):
    """A weighted sum of pair terms, say of what items did together and of what their colours and families tell."""

    parts: tuple[tuple[float, Statistic], ...]  # weight >= 0, scorer

    @classmethod
    def fit(cls, data: OutfitData) -> Mixture:
        """The weight of a half was chosen on a validation split of real looks; raises as `CoOccurrence.fit`."""
        return cls(((1.0, CoOccurrence.fit(data, "item")), (0.5, CoOccurrence.fit(data, "colour_family"))))

    def __post_init__(self) -> None:
        if not self.parts or any(not math.isfinite(weight) or weight < 0 for weight, _ in self.parts):
            raise ValueError("a mixture needs scorers with weights that are not negative")

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> TermPool:
        pools = [(weight, scorer.pool(items, vectors)) for weight, scorer in self.parts]

        def terms(rows: Indices, columns: Indices) -> NDArray[np.float64]:
            found = np.zeros(np.broadcast(rows, columns).shape)
            for weight, pool in pools:
                found += weight * pool.terms(rows, columns)
            return found

        return TermPool(len(items), terms, _softsign)

    def to_json(self) -> dict[str, Any]:
        return {"statistic": "mixture", "parts": [[weight, scorer.to_json()] for weight, scorer in self.parts]}


Statistic = Popularity | CoOccurrence | MeanCosine | Constant | Mixture

_KEYS: Mapping[KeyName, Callable[[Item], str]] = MappingProxyType(
    {
        "item": lambda item: item.id,
        "family": family_of,
        "colour_family": lambda item: f"{colour_of(item)}|{family_of(item)}" if colour_of(item) else "",
    }
)

STATISTICS: Mapping[str, Callable[[OutfitData], Statistic]] = MappingProxyType(
    {
        "popularity": Popularity.fit,
        "co-occurrence": lambda data: CoOccurrence.fit(data, "item"),
        "colour-family": lambda data: CoOccurrence.fit(data, "colour_family"),
        "category": lambda data: CoOccurrence.fit(data, "family"),
        "mixture": Mixture.fit,
        "mean-cosine": lambda data: MeanCosine(),
        "constant": lambda data: Constant(),
    }
)


def fit_statistic(name: str, data: OutfitData) -> Statistic:
    """The statistic of that name, fitted on the training looks.

    Raises
    ------
    ValueError
        For an unknown name, or when there is no training look to count.
    """
    if name not in STATISTICS:
        raise ValueError(f"no statistic {name!r}; choose one of {', '.join(STATISTICS)}")
    return STATISTICS[name](data)


def save_statistic(statistic: Statistic, path: str | Path) -> Path:
    """Write a fitted statistic as one JSON file; raises `OSError` if it cannot be written."""
    text = json.dumps(signed({"format": _FORMAT, **statistic.to_json()}), ensure_ascii=False, separators=(",", ":"))
    return write_atomically(Path(path), (text + "\n").encode())


def load_statistic(path: str | Path) -> Statistic:
    """What `save_statistic` wrote; raises `ValueError` naming the file and what is wrong with it."""
    try:
        written = parse_json(Path(path).read_bytes())
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error
    if not isinstance(written, dict) or written.get("format") != _FORMAT:
        raise ValueError(f"{path} is not an outfit statistic (its format should be {_FORMAT!r})")
    try:
        return _from_json(require_unchanged(written))
    except (KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise ValueError(f"{path}: a field is missing or of the wrong kind: {error!r}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _from_json(written: Mapping[str, Any]) -> Statistic:
    name = written["statistic"]
    if name == "popularity":
        looks = {str(key): int(count) for key, count in written["counts"].items()}
        if any(count < 0 for count in looks.values()):
            raise ValueError("counts must not be negative")
        return Popularity(looks)
    if name == "co-occurrence":
        if written["by"] not in get_args(KeyName):
            raise ValueError(f"unknown key {written['by']!r}")
        keys = tuple(str(key) for key in written["keys"])
        table = np.array(written["met"], dtype=np.int64).reshape(-1, 3)
        low, high, counts = table.T
        flat = low * len(keys) + high
        if (
            list(keys) != sorted(set(keys))
            or (table < 0).any()
            or (high >= len(keys)).any()
            or (low > high).any()
            or (np.diff(flat) <= 0).any()
        ):
            raise ValueError("keys and pairs must be sorted, different and within each other's range")
        smoothing = float(written["smoothing"])
        if not (math.isfinite(smoothing) and smoothing > 0):
            raise ValueError(f"the smoothing must be positive, not {smoothing}")
        return CoOccurrence(written["by"], keys, table[:, :2].copy(), counts.copy(), smoothing)
    if name == "mixture":
        return Mixture(tuple((float(weight), _from_json(part)) for weight, part in written["parts"]))
    if name == "mean-cosine":
        return MeanCosine()
    if name == "constant":
        return Constant()
    raise ValueError(f"unknown statistic {name!r}")


def _grained(terms: Any) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.clip(np.rint(np.asarray(terms) * _GRAIN) / _GRAIN, -_LARGEST, _LARGEST)
    return found


def _softsign(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reals to (0, 1), 0 to 0.5; flattens slowly, so that single precision keeps high scores apart where a sigmoid ties."""
    found: NDArray[np.float64] = 0.5 + 0.5 * mean / (1 + np.abs(mean))
    return found
