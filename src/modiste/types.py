"""What Modiste talks about: items, outfits, queries, rankings, and what a model must offer to be used.

The definitions are specification 1's, with its inconsistencies resolved (table 1.7): an item is X = (image?, text?) in
exactly one category; an outfit is a non-empty set of at most K items whose categories do not repeat. Frozen, NumPy only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from modiste.taxonomy import GRANULARITIES, Granularity, at_granularity

FloatArray = NDArray[np.float32]
ImageLike = bytes | NDArray[np.uint8]  # an encoded file (JPEG, PNG, WebP), or pixels (height, width, 3)
Scalar = str | int | float | bool

_NO_ATTRIBUTES: Mapping[str, Scalar] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One garment or accessory: X = (image?, text?) in one category (specification 1.1).

    Two items are the same item when their ids are equal.
    """

    id: str
    title: str = ""
    image: ImageLike | None = None
    category: str = ""  # fine label as in the data set; taxonomy.py maps it to super-category and slot
    description: str = ""
    attributes: Mapping[str, Scalar] = field(default_factory=lambda: _NO_ATTRIBUTES)  # colour, gender, brand, price...
    group: str = ""  # rows of one product (colourways, sizes, near duplicates) share it; empty means the item alone

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id:
            raise ValueError(f"an item's id must be a non-empty string, not {self.id!r}")
        if isinstance(self.image, np.ndarray) and (
            self.image.dtype != np.uint8 or self.image.ndim != 3 or self.image.shape[2] != 3
        ):
            raise ValueError(
                f"item {self.id!r}: an image array must be uint8 of shape (height, width, 3), "
                f"not {self.image.dtype} {self.image.shape}"
            )
        object.__setattr__(self, "attributes", MappingProxyType(dict(self.attributes)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __reduce__(self) -> tuple[type[Item], tuple[object, ...]]:
        # read-only views of dicts cannot be pickled, and items travel between processes
        fields = (self.id, self.title, self.image, self.category, self.description, dict(self.attributes), self.group)
        return Item, fields

    @property
    def text(self) -> str:
        """Title and description as one passage; empty when the item has neither."""
        return ". ".join(part for part in (self.title.strip().rstrip("."), self.description.strip()) if part)

    @property
    def product(self) -> str:
        """The group if there is one, else the id: what must not be counted twice."""
        return self.group or self.id


@dataclass(frozen=True, slots=True)
class OutfitRules:
    """When a set of items is an outfit (specification 1.1, conditions 1-3)."""

    max_items: int = 8  # K
    granularity: Granularity = "category"  # what must not repeat
    strict: bool = True  # False lets categories repeat, as some real looks do (table 1.7, row 15)

    def __post_init__(self) -> None:
        if self.max_items < 1:
            raise ValueError(f"max_items must be at least 1, not {self.max_items}")
        if self.granularity not in GRANULARITIES:
            raise ValueError(f"unknown granularity {self.granularity!r}; choose one of {', '.join(GRANULARITIES)}")

    def violations(self, items: Sequence[Item]) -> list[str]:
        """What keeps these items from being an outfit, in words; empty when they are one."""
        found = []
        if not items:
            found.append("an outfit needs at least one item")
        if len(items) > self.max_items:
            found.append(f"{len(items)} items, but an outfit has at most {self.max_items}")
        for item_id, count in Counter(item.id for item in items).items():
            if count > 1:
                found.append(f"item {item_id!r} appears {count} times")
        if self.strict:
            distinct = {item.id: item for item in items}.values()
            keys = Counter(at_granularity(item.category, self.granularity) for item in distinct)
            for key, count in keys.items():
                if count > 1:
                    found.append(f"{count} items share the {self.granularity.replace('_', '-')} {key!r}")
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Outfit:
    """A set of items: equality, hash and iteration ignore the order they were given in.

    An `Outfit` object may break the rules (real data does); `is_valid` and `check` say whether it does. Compatibility of
    what is not valid is 0 by definition, which the objective enforces with a mask, not the model (table 1.7, row 14).
    """

    items: tuple[Item, ...]
    id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(sorted(self.items, key=lambda item: item.id)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outfit) and self.items == other.items

    def __hash__(self) -> int:
        return hash(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def is_valid(self, rules: OutfitRules | None = None) -> bool:
        return not (rules or OutfitRules()).violations(self.items)

    def check(self, rules: OutfitRules | None = None) -> None:
        """Raise `ValueError` naming everything that keeps this from being an outfit."""
        if problems := (rules or OutfitRules()).violations(self.items):
            raise ValueError(f"not an outfit: {'; '.join(problems)}")


@dataclass(frozen=True, slots=True)
class Slot:
    """One place to fill: the categories allowed in it (empty: any) and a wish in words (empty: none)."""

    categories: frozenset[str] = frozenset()
    wish: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class OutfitQuery:
    """A partial outfit and what is wanted: search, completion and generation are this one question (specification 1.3-1.4).

    No slots and a text: generation, where the number of items is free up to K. No items and one slot: retrieval.
    """

    have: tuple[Item, ...] = ()
    slots: tuple[Slot, ...] = ()  # ordered: slot i carries its own categories and wish (table 1.7, row 7)
    text: str = ""  # for the whole outfit; a slot without a wish of its own takes it
    alpha: float = 0.5  # α·S + (1-α)·text match
    rules: OutfitRules = field(default_factory=OutfitRules)

    def __post_init__(self) -> None:
        if not 0.0 <= self.alpha <= 1.0:
            raise ValueError(f"alpha must lie in [0, 1], not {self.alpha}")
        if not self.have and not self.slots and not self.text.strip():
            raise ValueError("an outfit query needs items to complete, slots to fill, or a text")
        if self.have and (problems := self.rules.violations(self.have)):
            raise ValueError(f"the items given are not an outfit: {'; '.join(problems)}")
        if (size := len(self.have) + len(self.slots)) > self.rules.max_items:
            raise ValueError(f"{size} items wanted, but an outfit has at most {self.rules.max_items}")
        if self.rules.strict:
            taken = {at_granularity(item.category, self.rules.granularity) for item in self.have}
            for number, one in enumerate(self.slots, 1):
                allowed = {at_granularity(category, self.rules.granularity) for category in one.categories}
                if allowed and allowed <= taken:
                    raise ValueError(f"slot {number}: {', '.join(sorted(one.categories))} is already in the outfit")

    def wish(self, slot_number: int) -> str:
        """The text that slot `slot_number` (from 0) should match; empty when nothing was wished."""
        return self.slots[slot_number].wish or self.text


@dataclass(frozen=True, slots=True)
class Interaction:
    """A user met an item or an outfit, and how positive that was."""

    user_id: str
    target_id: str
    weight: float = 1.0
    time: float = 0.0  # seconds since the epoch; 0 when unknown


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Ids and scores, best first; of equal scores the smaller id comes first, so a ranking is deterministic."""

    ids: tuple[str, ...]
    scores: FloatArray  # (K,)

    def __post_init__(self) -> None:
        scores = np.asarray(self.scores, dtype=np.float32)
        if scores.shape != (len(self.ids),):
            raise ValueError(f"{len(self.ids)} ids but scores of shape {scores.shape}")
        if np.any(np.diff(scores) > 0):
            raise ValueError("scores of a ranking must not increase")
        object.__setattr__(self, "scores", scores)

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return iter(zip(self.ids, self.scores.tolist(), strict=True))


class EncoderMismatch(ValueError):
    """Vectors of two different encoders were about to be compared or mixed."""


@dataclass(frozen=True, slots=True)
class EncoderId:
    """Which encoder made a vector: its public name and the sha256 of weights and preprocessing together."""

    name: str
    sha256: str
    dim: int

    def __str__(self) -> str:
        return f"{self.name} ({self.sha256[:12]}, {self.dim}-d)"

    def require(self, other: EncoderId) -> None:
        """Raise `EncoderMismatch` unless `other` is this very encoder."""
        if (self.sha256, self.dim) != (other.sha256, other.dim):
            raise EncoderMismatch(
                f"vectors of {self} cannot be compared with vectors of {other}; index the catalogue again with one of them"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """Unit vectors and who made them: (N, D) float32. A row of NaN never occurs; encoders raise instead."""

    vectors: FloatArray
    encoder: EncoderId

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.vectors.shape[1] != self.encoder.dim:
            raise ValueError(f"vectors of shape {self.vectors.shape} are not (N, {self.encoder.dim})")

    def __len__(self) -> int:
        return len(self.vectors)

    def similarity(self, other: Embeddings) -> FloatArray:
        """Cosine similarities (N, M) with `other`; raises `EncoderMismatch` across encoders."""
        self.encoder.require(other.encoder)
        result: FloatArray = self.vectors @ other.vectors.T
        return result


@dataclass(frozen=True, slots=True)
class Reading:
    """The words of a text by what an encoder can make of them, each group in the order of the text."""

    read: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()  # made of pieces that no training text had
    unread: tuple[str, ...] = ()  # of letters or a language that the encoder has not learned

    @property
    def nothing(self) -> bool:
        """Whether there are words that cannot be read, and none beside them but numbers and single letters ("V", "42")."""
        return bool(self.unread) and not any(sum(map(str.isalpha, word)) > 1 for word in (*self.read, *self.doubtful))


@runtime_checkable
class WordReader(Protocol):
    """An encoder that says which words it can read, and in which languages (codes; empty: it does not say)."""

    languages: tuple[str, ...]

    def reading(self, text: str) -> Reading: ...


@runtime_checkable
class ItemEncoder(Protocol):
    """Turns items and queries into unit vectors of one space, in input order, independent of batching."""

    @property
    def id(self) -> EncoderId: ...

    def encode(self, items: Sequence[Item]) -> Embeddings:
        """(N, D): one vector per item. Raises `ValueError` naming an item that has neither image nor text."""
        ...

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        """(1, D): words, a photo, or both ("like this, but red"); inner product with `encode(items)` ranks the items."""
        ...


@dataclass(frozen=True, slots=True)
class Caption:
    """A description written from a photo, and how likely the writer takes it to be."""

    text: str
    log_prob: float  # of all its words and its end, natural logarithm


@runtime_checkable
class Captioner(Protocol):
    """Describes photos in words."""

    def caption(self, images: Sequence[ImageLike], *, beams: int = 1, max_words: int | None = None) -> list[Caption]:
        """One caption per photo, in order; more `beams` search more widely. Raises `ValueError` for an unreadable photo."""
        ...


def as_sets(rows: Sequence[Sequence[int] | NDArray[np.int64]], size: int | None = None) -> NDArray[np.int64]:
    """Positions in a pool, a row per outfit -> (B, O) as `OutfitPool.score` takes them: -1 fills the shorter rows.

    O is the longest row's length, or `size` if given. Raises `ValueError` for a row longer than that.
    """
    sets = np.full((len(rows), max(map(len, rows), default=0) if size is None else size), -1, dtype=np.int64)
    for place, row in zip(sets, rows, strict=True):
        place[: len(row)] = row
    return sets


def checked_rows(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Rows (N,) of a pool of `count` items; raises `ValueError` for another shape and for a row that it does not have."""
    rows = np.asarray(rows, dtype=np.int64)
    if rows.ndim != 1 or (len(rows) and not 0 <= rows.min() <= rows.max() < count):
        raise ValueError(f"positions must be (R,) within 0..{count - 1}")
    return rows


class OutfitPool(Protocol):
    """Items made ready for one scorer, so that many sets of them are scored without looking at the items again.

    Shapes: N items of the pool, B sets, O places in a set. A set is a row of positions in the pool; -1 is no item.
    """

    def score(self, sets: NDArray[np.int64]) -> FloatArray:
        """(B, O) -> (B,) compatibility in (0, 1]; independent of order, of -1s and of the other sets.

        Raises `ValueError` for a set without an item or a position outside the pool. Whether a set is an outfit is not
        asked here: that is the rules' to say (specification 1.7, row 14).
        """
        ...


@runtime_checkable
class PairwisePool(OutfitPool, Protocol):
    """A pool whose score of k items rises with the mean over their pairs, which exact search can bound (k = 1: neutral)."""

    def pairs(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> FloatArray:
        """(R,), (C,) -> (R, C) symmetric pair terms of any sign."""
        ...

    def link(self, mean: FloatArray) -> FloatArray:
        """Means over pairs -> compatibility in (0, 1]; never falls when its argument rises."""
        ...


@runtime_checkable
class JoinablePool(OutfitPool, Protocol):
    """A pool that keeps what it made of each item alone, so that a catalogue's next version looks at new items only."""

    def joined(self, fresh: OutfitPool | None, rows: NDArray[np.int64]) -> OutfitPool:
        """The pool of `rows` (N,): of this pool, and from its length on of `fresh`, a pool of the same scorer.

        Raises `ValueError` for a row that neither has, and a pool of another kind.
        """
        ...


@runtime_checkable
class ComplementPool(OutfitPool, Protocol):
    """A pool that also proposes: complementary item retrieval by inner product (specification 5.1)."""

    @property
    def candidates(self) -> FloatArray:
        """(N, E): one vector per item of the pool, which depends on that item alone, so a catalogue can be indexed."""
        ...

    def queries(self, sets: NDArray[np.int64], slots: Sequence[Slot]) -> FloatArray:
        """(B, O) partial outfits and the slot wanted of each -> (B, E); the greater the inner product the better."""
        ...


@runtime_checkable
class OutfitScorer(Protocol):
    """Compatibility S of whole outfits."""

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> OutfitPool:
        """Make items ready. `vectors` (N, D): their embeddings, if the caller has them from the encoder the scorer names."""
        ...

    def score(self, outfits: Sequence[Sequence[Item]]) -> FloatArray:
        """(N,) in (0, 1]; does not depend on the order of items, on padding or on the other outfits of the call."""
        place: dict[str, int] = {}
        items: list[Item] = []
        for item in (item for outfit in outfits for item in outfit):
            if item.id not in place:
                place[item.id] = len(items)
                items.append(item)
        return self.pool(items).score(as_sets([[place[item.id] for item in outfit] for outfit in outfits]))


@runtime_checkable
class PairScorer(Protocol):
    """A slower, finer judge of (query, item) pairs: re-ranks a shortlist."""

    def score(self, query: Item, items: Sequence[Item]) -> FloatArray:
        """(N,), higher is better, in the order of `items`."""
        ...


@runtime_checkable
class PhotoComparer(Protocol):
    """Compares two photos by what each of them is described by alone, so that a catalogue's photos are described once.

    Shapes: N photos, F numbers that describe one.
    """

    @property
    def id(self) -> EncoderId:
        """Who describes: features of another are not compared."""
        ...

    def features(self, photos: Sequence[ImageLike]) -> NDArray[np.float16]:
        """(N, F). Raises `ValueError` naming the position of a photo that cannot be decoded."""
        ...

    def compare(self, query: NDArray[np.float16], features: NDArray[np.float16]) -> FloatArray:
        """(F,), (N, F) -> (N,) log-odds that both photos show the same item."""
        ...


@runtime_checkable
class OutfitRecommender(Protocol):
    """How much users want the outfits of an `Interactions`, learned from its training clicks.

    Shapes: B users asked about, O outfits of the data.
    """

    def scores(self, users: NDArray[np.int64]) -> FloatArray:
        """Rows of users (B,) -> (B, O) finite, in the order of `outfit_ids`, higher is better; independent of the other users.

        Nothing is left out: not showing what a user has clicked already is the caller's to do. Raises `ValueError` for a row
        outside the data.
        """
        ...
