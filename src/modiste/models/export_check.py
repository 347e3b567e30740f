"""The gate of an export: the same photos and words through the torch model and through its graphs, from raw files on.

Vectors of items and of queries are compared number by number, and by what they find: the first ten hits of every query in the
gallery of all items. The items are drawn garments, and besides them what goes wrong first: noise, odd shapes, one word, more
words than fit, photo alone, words alone; batches of one, of a few and of many, since a graph may have taken a size for a
constant.

Shapes: N items, Q queries, D item vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from modiste.data.atelier import Atelier
from modiste.models.exported import SAME, ExportedDescriber
from modiste.types import Embeddings, EncoderId, FloatArray, ImageLike, Item

TOP = 10
_SIZES = (1, 2, 7)  # of the first batches; the rest goes in one call
Query = tuple[str, ImageLike | None]


class AnyEncoder(Protocol):
    """What the check compares."""

    @property
    def id(self) -> EncoderId: ...

    def encode(self, items: Sequence[Item]) -> Embeddings: ...

    def encode_queries(self, queries: Sequence[Query]) -> Embeddings: ...


@dataclass(frozen=True)
class Gate:
    """What an export must reach to be kept."""

    largest_difference: float  # of any number of a unit vector
    worst_cosine: float
    overlap: float  # mean share of the first ten hits that stay


GATES: dict[str, Gate] = {
    "fp32": Gate(largest_difference=SAME, worst_cosine=0.99999, overlap=1.0),
    "fp16": Gate(largest_difference=0.01, worst_cosine=0.999, overlap=0.95),
    "bf16": Gate(largest_difference=0.05, worst_cosine=0.99, overlap=0.85),
    "int8": Gate(largest_difference=2.0, worst_cosine=0.9, overlap=0.75),
}


@dataclass(frozen=True)
class Parity:
    """What the check found."""

    num_items: int
    num_queries: int
    largest_difference: float
    worst_cosine: float
    mean_cosine: float
    overlap: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def problem(self, gate: Gate) -> str:
        """What keeps the export from being kept, and by how much; empty where nothing does."""
        found = []
        if not self.largest_difference <= gate.largest_difference:
            found.append(
                f"vectors differ by up to {self.largest_difference:.3g}, at most {gate.largest_difference:g} is let through"
            )
        if not self.worst_cosine >= gate.worst_cosine:
            found.append(f"the worst cosine is {self.worst_cosine:.5f}, at least {gate.worst_cosine:g} is needed")
        if not self.overlap >= gate.overlap:
            found.append(
                f"{100 * self.overlap:.1f} % of the first {TOP} hits stay, at least {100 * gate.overlap:g} % is needed"
            )
        return "; ".join(found)


def drawn_items(count: int, seed: int = 0) -> list[Item]:
    """Drawn garments, and what is unlike them."""
    return [*odd_items(seed), *Atelier(seed, image_size=(120, 160)).items(max(count, TOP + 1))]


def odd_items(seed: int = 0) -> list[Item]:
    """Noise, slivers, one word, more words than any model reads, a photo alone, words alone."""
    rng = np.random.default_rng(seed)
    noise = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in ((90, 70), (31, 200), (240, 9), (64, 64))]
    words = " ".join(f"word{number} & more" for number in range(200))
    texts = ["red", words, "", "blue denim jacket, women's"]
    found = [Item(f"odd-{n}", title, image) for n, (title, image) in enumerate(zip(texts, noise, strict=True))]
    return [*found, Item("odd-words", "black leather ankle boots")]


def check_export(reference: AnyEncoder, exported: AnyEncoder, items: Sequence[Item], *, seed: int = 0) -> Parity:
    """Compare an export with what it was made of, on these items and on queries made of them.

    Raises `ValueError` for fewer than eleven items, whose first ten say nothing.
    """
    photos_alone = isinstance(exported, ExportedDescriber)
    if photos_alone:
        items = [item for item in items if item.image is not None]
    if len(items) <= TOP:
        raise ValueError(f"an export is checked with more than {TOP} items, not {len(items)}")
    queries = _queries(items, np.random.default_rng(seed), photos_alone)
    theirs = reference.encode(items).vectors
    ours = np.concatenate([exported.encode(some).vectors for some in _batches(items)])
    asked = reference.encode_queries(queries).vectors
    asked_ours = np.concatenate([exported.encode_queries(some).vectors for some in _batches(queries)])
    cosines = np.concatenate([(theirs * ours).sum(axis=1), (asked * asked_ours).sum(axis=1)])
    difference = max(float(np.abs(theirs - ours).max()), float(np.abs(asked - asked_ours).max()))
    return Parity(
        num_items=len(items),
        num_queries=len(queries),
        largest_difference=difference,
        worst_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        overlap=kept_hits(asked @ theirs.T, asked_ours @ ours.T),
    )


def kept_hits(scores: FloatArray, other: FloatArray) -> float:
    """Mean share of each query's ten best by `other` (Q, N) that are also among the ten best by `scores`.

    Items that are as good as the tenth within `SAME` are as good as it: which of two alike comes first says nothing.
    """
    tenth = np.partition(scores, -TOP, axis=1)[:, -TOP]
    best = np.argpartition(-other, TOP - 1, axis=1)[:, :TOP]
    return float((np.take_along_axis(scores, best, axis=1) >= tenth[:, None] - SAME).mean())


def _queries(items: Sequence[Item], rng: np.random.Generator, photos_alone: bool) -> list[Query]:
    """Photos, titles, and photos with another item's title: a third each, at most 30 of a kind."""
    chosen = [items[row] for row in rng.permutation(len(items))[:30]]
    photos: list[Query] = [("", item.image) for item in chosen if item.image is not None]
    if photos_alone:
        return photos
    words: list[Query] = [(item.title, None) for item in chosen if item.title]
    mixed: list[Query] = [
        (title, image) for (title, _), (_, image) in zip(words[1:], photos, strict=False) if image is not None
    ]
    return [*photos, *words, *mixed]


def _batches(rows: Sequence[Any]) -> list[Sequence[Any]]:
    found, start = [], 0
    for size in _SIZES:
        found.append(rows[start : start + size])
        start += size
    return [some for some in [*found, rows[start:]] if some]
