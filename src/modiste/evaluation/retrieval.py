"""Cross-modal retrieval protocols: text to image (t2i, "TIR" in MVLT) and image to text (i2t, "ITR").

retrieval-1of101
    Reproduces: MVLT (Ji et al. 2023) Tables 2, 3 and 5, and the random-100 half of FAME-ViL Table 1 (specification 2.5, 6.5).
    Queries: every item, or `num_queries` drawn by the seed (the papers fixed 1,000), the same for both directions.
    Gallery: 101 candidates per query, of the other modality: the item's own, and 100 negatives.
    Negatives: items of the same article type (`Item.category`) and of another product (`Item.product`), without replacement.
    A type with fewer than 100 is filled from the same sub-category (`attributes["sub_category"]`, else the taxonomy's
    super-category), then from anything; `filled_queries` and `filled_negatives` count that, because such negatives are
    easier. Each direction draws its own. A draw depends on the seed, the direction and the query's id, so neither the order
    of the items nor the other queries change it.
    De-duplication: no negative is of the positive's product. A negative of another product whose text reads the same stays,
    as in the published protocol, and is counted in `duplicate_negatives`: nothing can tell it from the positive by words.
    Do not compare with: full galleries, uniformly drawn negatives, other data sets; nor with published code that reads ranks
    from a sort.

retrieval-random100
    Reproduces: FAME-ViL Table 1 as its code has it (`r@k_kaleido`, specification 6.5): 1-of-101 for 1,000 random queries,
    five times with queries and negatives drawn anew, averaged; the seeds are `seed` ... `seed + 4`.
    Gallery: of photos one per row; of texts one per product, since all rows of a product have its one text.
    A sub-category (`Item.category` here) with fewer than 100 others is filled as above and counted, the counts added up over
    the five runs; published code takes whatever a top-k over masked scores happens to give.
    Intervals: the mean of the five runs' bounds: as wide as one run's, since the five share items.

retrieval-full
    Reproduces: the full-database half of FAME-ViL's retrieval (specification 6.5), on whatever split is given.
    Queries: as above. Gallery: the other modality of *all* items, also of those that are not queries.
    Relevant: every item of the query's product, so rows that share a photo or a title are not each other's mistakes.
    De-duplication: none; same-reading texts of other products stay and are counted.
    Do not compare with: splits of another size, a gallery of products instead of rows, 1-of-101.

All: ties at chance (metrics.py), 95 % bootstrap intervals clustered by product. Reports are in percent, MRR too.

Shapes: N items, D embedding width, Q queries, B queries of a chunk, C candidates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Literal, Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from modiste.evaluation.metrics import (
    BestTie,
    Estimate,
    best_tie,
    mean_with_interval,
    recall_from,
    reciprocal_rank_from,
)
from modiste.evaluation.protocols import require_protocol
from modiste.taxonomy import normalise, super_category
from modiste.types import FloatArray, Item

Direction = Literal["t2i", "i2t"]
DIRECTIONS: tuple[Direction, ...] = ("t2i", "i2t")
Indices = NDArray[np.int64]
# Queries (B,) and their candidates (B, C), positions in the items given -> scores (B, C), higher is better. For a full
# gallery all rows of the candidates are the same, and the array has a first stride of zero.
CandidateScorer = Callable[[Indices, Indices], NDArray[Any]]

KS = (1, 5, 10)
METRICS = (*(f"R@{k}" for k in KS), "MRR")
NUM_NEGATIVES = 100
REPEATS, REPEATED_QUERIES = 5, 1000  # of retrieval-random100

_CHUNK = 1 << 21  # scores of one chunk of queries
_GATHER = 1 << 22  # numbers gathered at once when each query has candidates of its own
_QUERY_DRAW = len(DIRECTIONS)  # the random stream that draws queries; 0 and 1 draw each direction's negatives


@runtime_checkable
class ImageTextEncoder(Protocol):
    """A dual encoder: photos and texts as vectors whose inner products rank them for each other."""

    def encode_pairs(self, items: Sequence[Item]) -> tuple[FloatArray, FloatArray]:
        """Items that all have photo and text -> (N, D) of the photos and (N, D) of the texts, in input order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class RankingTask:
    """What one direction of a protocol asks for: positions in the items given, queries and candidates in order of id."""

    queries: Indices  # (Q,)
    candidates: Indices  # (Q, C); a full gallery is one row, broadcast
    filled: Indices  # (Q,) negatives that are not of the query's article type


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """The numbers of one run of a protocol, in percent."""

    protocol: str
    metrics: Mapping[str, Estimate]  # "t2i_R@1", ... -> percent
    chance: Mapping[str, float]  # the same keys: exactly what a constant scorer gets
    num_queries: int
    num_items: int
    gallery: int  # candidates per query
    filled_queries: int  # the same for both directions
    filled_negatives: int
    duplicate_negatives: Mapping[str, int]  # direction -> negatives that read as the positive does
    seed: int
    resamples: int
    left_out: int = 0  # items without photo or text
    repeats: int = 1  # runs that the numbers are the mean of
    control: Mapping[str, Estimate] = field(default_factory=dict)  # what a control gets on the same candidates
    item_ids: tuple[str, ...] = field(default=(), repr=False)  # sorted: what the numbers are of

    def as_dict(self) -> dict[str, Any]:
        """JSON values. Keys: each metric with `_low`, `_high` and `_chance` beside it, `control_` before the control's."""
        found: dict[str, Any] = {"protocol": self.protocol, "units": "percent"}
        for key, estimate in self.metrics.items():
            found |= estimate.spelled(key) | {f"{key}_chance": self.chance[key]}
        for key, estimate in self.control.items():
            found |= estimate.spelled(f"control_{key}")
        return found | {
            "num_queries": self.num_queries,
            "num_items": self.num_items,
            "gallery": self.gallery,
            "filled_queries": self.filled_queries,
            "filled_negatives": self.filled_negatives,
            "duplicate_negatives": sum(self.duplicate_negatives.values()),
            **{f"{direction}_duplicate_negatives": count for direction, count in self.duplicate_negatives.items()},
            "left_out": self.left_out,
            **({"repeats": self.repeats} if self.repeats > 1 else {}),
            "seed": self.seed,
            "resamples": self.resamples,
        }

    def table(self) -> list[list[str]]:
        """Rows of words, the header first; percent with one decimal."""
        rows = [["metric", "value", "95 % interval", "chance", *(["metadata only"] if self.control else [])]]
        for key, estimate in self.metrics.items():
            interval = f"{estimate.low:.1f} to {estimate.high:.1f}"
            row = [key, f"{estimate.mean:.1f}", interval, f"{self.chance[key]:.1f}"]
            rows.append([*row, *([f"{self.control[key].mean:.1f}"] if self.control else [])])
        return rows


def evaluate_encoder(
    protocol: str,
    items: Sequence[Item],
    encoder: ImageTextEncoder,
    *,
    seed: int = 0,
    num_queries: int | None = None,
    resamples: int = 1000,
) -> RetrievalReport:
    """Run a protocol with a dual encoder on `Item.image` and `Item.text`.

    Items that lack one of the two are left out and counted (`left_out`).

    Raises
    ------
    ValueError
        If no item has both, or as `evaluate_scorers`.
    """
    require_protocol(protocol, "retrieval")
    usable = with_image_and_text(items)
    if not usable:
        raise ValueError(
            f"none of the {len(items)} items has both an image and a text, so there is nothing to retrieve"
        )
    images, texts = encoder.encode_pairs(usable)
    report = evaluate_retrieval(
        protocol, usable, images, texts, seed=seed, num_queries=num_queries, resamples=resamples
    )
    return replace(report, left_out=len(items) - len(usable))


def with_image_and_text(items: Sequence[Item]) -> list[Item]:
    """The items that have both halves: those that `evaluate_encoder` uses."""
    return [item for item in items if item.image is not None and item.text]


def evaluate_retrieval(
    protocol: str,
    items: Sequence[Item],
    image_vectors: FloatArray,
    text_vectors: FloatArray,
    *,
    seed: int = 0,
    num_queries: int | None = None,
    resamples: int = 1000,
) -> RetrievalReport:
    """Run a protocol with inner products of vectors; of unit vectors that is the cosine.

    Parameters
    ----------
    image_vectors, text_vectors
        (N, D) each; row i is of `items[i]`.

    Raises
    ------
    ValueError
        If the shapes do not fit or a vector is not finite (the item is named), or as `evaluate_scorers`.
    """
    image_vectors, text_vectors = np.asarray(image_vectors), np.asarray(text_vectors)
    for name, vectors in (("image", image_vectors), ("text", text_vectors)):
        if vectors.ndim != 2 or len(vectors) != len(items):
            raise ValueError(f"{name} vectors of shape {vectors.shape} for {len(items)} items; (N, D) is needed")
        if not (finite := np.isfinite(vectors).all(axis=1)).all():
            raise ValueError(f"item {items[int(np.argmin(finite))].id!r}: its {name} vector is not finite")
    if image_vectors.shape != text_vectors.shape:
        raise ValueError(f"image vectors {image_vectors.shape} and text vectors {text_vectors.shape} differ in width")
    scorers: dict[Direction, CandidateScorer] = {
        "t2i": _InnerProduct(text_vectors, image_vectors),
        "i2t": _InnerProduct(image_vectors, text_vectors),
    }
    return evaluate_scorers(protocol, items, scorers, seed=seed, num_queries=num_queries, resamples=resamples)


def evaluate_scorers(
    protocol: str,
    items: Sequence[Item],
    scorers: Mapping[Direction, CandidateScorer],
    *,
    seed: int = 0,
    num_queries: int | None = None,
    resamples: int = 1000,
) -> RetrievalReport:
    """Run a protocol with a scorer of (query, candidates) per direction: any model, also one that judges pairs jointly.

    The order of the items does not change the result.

    Parameters
    ----------
    scorers
        For `"t2i"` and `"i2t"`, or one of them: takes queries (B,) and candidates (B, C) as positions in `items`, returns
        scores (B, C). In t2i a query position stands for that item's text and a candidate for an image; in i2t the reverse.

    Raises
    ------
    ValueError
        For an unknown protocol or direction, items that share an id, `num_queries` out of range, too few items for
        1-of-101, or a scorer whose answer has a wrong shape or NaN (the query is named).
    """
    require_protocol(protocol, "retrieval")
    if protocol == "retrieval-random100":
        asked = min(REPEATED_QUERIES, len(items)) if num_queries is None else num_queries
        runs = [
            _evaluate_once(protocol, items, scorers, seed=seed + run, num_queries=asked, resamples=resamples)
            for run in range(REPEATS)
        ]
        return _averaged(runs)
    return _evaluate_once(protocol, items, scorers, seed=seed, num_queries=num_queries, resamples=resamples)


def _averaged(runs: Sequence[RetrievalReport]) -> RetrievalReport:
    """The mean of several runs' numbers and bounds, counts added up; the seed is the first one's."""

    def mean(of: Sequence[Estimate]) -> Estimate:
        middle, low, high = (
            float(np.mean(part)) for part in zip(*((one.mean, one.low, one.high) for one in of), strict=True)
        )
        return Estimate(middle, low, high, sum(one.count for one in of))

    first = runs[0]
    return replace(
        first,
        metrics={key: mean([run.metrics[key] for run in runs]) for key in first.metrics},
        chance={key: float(np.mean([run.chance[key] for run in runs])) for key in first.chance},
        filled_queries=sum(run.filled_queries for run in runs),
        filled_negatives=sum(run.filled_negatives for run in runs),
        duplicate_negatives={
            key: sum(run.duplicate_negatives[key] for run in runs) for key in first.duplicate_negatives
        },
        repeats=len(runs),
    )


def _evaluate_once(
    protocol: str,
    items: Sequence[Item],
    scorers: Mapping[Direction, CandidateScorer],
    *,
    seed: int,
    num_queries: int | None,
    resamples: int,
) -> RetrievalReport:
    if not scorers or (unknown := set(scorers) - set(DIRECTIONS)):
        raise ValueError(
            f"scorers are needed for {' or '.join(DIRECTIONS)}, not {sorted(unknown) if scorers else 'none'}"
        )
    products = _codes([item.product for item in items])
    texts = _text_codes(items)
    metrics: dict[str, Estimate] = {}
    chance: dict[str, float] = {}
    duplicates: dict[str, int] = {}
    for direction in (direction for direction in DIRECTIONS if direction in scorers):
        task = ranking_task(protocol, items, direction, seed=seed, num_queries=num_queries)
        ties, blind = [], []
        duplicates[direction] = 0
        for queries, candidates in _chunks(task):
            relevant = products[candidates] == products[queries][:, None]
            scores = np.asarray(scorers[direction](queries, candidates))
            if scores.shape != candidates.shape:
                raise ValueError(f"{direction}: the scorer returned {scores.shape} for candidates {candidates.shape}")
            if scores.dtype.kind == "f" and (bad := np.isnan(scores).any(axis=1)).any():
                raise ValueError(
                    f"{direction}: query {items[queries[int(np.argmax(bad))]].id!r} has a score that is NaN"
                )
            ties.append(best_tie(scores, relevant))
            blind.append(_constant_tie(relevant))
            same = (texts[candidates] == texts[queries][:, None]) & (texts[queries] >= 0)[:, None]
            duplicates[direction] += int(np.count_nonzero(same & ~relevant))
        clusters = products[task.queries]
        by_chance = _values(BestTie.concatenate(blind))
        for name, values in _values(BestTie.concatenate(ties)).items():
            estimate = mean_with_interval(values, seed=seed, resamples=resamples, clusters=clusters)
            metrics[f"{direction}_{name}"] = estimate.scaled(100)
            chance[f"{direction}_{name}"] = 100 * float(by_chance[name].mean())
    return RetrievalReport(
        protocol=protocol,
        metrics=metrics,
        chance=chance,
        num_queries=len(task.queries),
        num_items=len(items),
        gallery=task.candidates.shape[1],
        filled_queries=int(np.count_nonzero(task.filled)),
        filled_negatives=int(task.filled.sum()),
        duplicate_negatives=duplicates,
        seed=seed,
        resamples=resamples,
        item_ids=tuple(sorted(item.id for item in items)),
    )


def ranking_task(
    protocol: str, items: Sequence[Item], direction: Direction, *, seed: int = 0, num_queries: int | None = None
) -> RankingTask:
    """The queries of a protocol and the candidates of each; raises `ValueError` as `evaluate_scorers`."""
    require_protocol(protocol, "retrieval")
    if direction not in DIRECTIONS:
        raise ValueError(f"unknown direction {direction!r}; choose one of {', '.join(DIRECTIONS)}")
    if seed < 0:
        raise ValueError(f"the seed must not be negative, not {seed}")
    order = np.array(sorted(range(len(items)), key=lambda position: items[position].id), dtype=np.int64)
    for one, other in pairwise(order):
        if items[one].id == items[other].id:
            raise ValueError(f"two items have the id {items[one].id!r}; ids must be unique")
    if not len(order):
        raise ValueError("there are no items to evaluate on")
    queries = order
    if num_queries is not None:
        if not 1 <= num_queries <= len(order):
            raise ValueError(f"num_queries must lie between 1 and the {len(order)} items, not {num_queries}")
        drawn = np.random.default_rng([seed, _QUERY_DRAW]).choice(len(order), num_queries, replace=False)
        queries = order[np.sort(drawn)]
    if protocol == "retrieval-full":
        gallery = np.broadcast_to(order, (len(queries), len(order)))
        return RankingTask(queries, gallery, np.zeros(len(queries), dtype=np.int64))
    offered = order
    if protocol == "retrieval-random100" and direction == "i2t":
        first = np.unique(_codes([item.product for item in items])[order], return_index=True)[1]
        offered = order[np.sort(first)]
    return _one_of_101(items, order, offered, queries, DIRECTIONS.index(direction), seed)


def _one_of_101(
    items: Sequence[Item], order: Indices, offered: Indices, queries: Indices, stream: int, seed: int
) -> RankingTask:
    """The positive and 100 negatives (of those offered) of each query, sorted by id so that the positive's place is silent."""
    products = _codes([item.product for item in items])
    # Pools by article type and by the next wider kind; positions within a pool are in order of id.
    types, kinds = _codes([normalise(item.category) for item in items]), _codes([_kind(item) for item in items])
    levels = [(types, _pools(types, offered)), (kinds, _pools(kinds, offered)), (np.zeros_like(types), [offered])]
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    candidates = np.empty((len(queries), NUM_NEGATIVES + 1), dtype=np.int64)
    filled = np.zeros(len(queries), dtype=np.int64)
    for row, query in enumerate(queries):
        digest = hashlib.sha256(items[query].id.encode()).digest()
        random = np.random.default_rng([seed, stream, int.from_bytes(digest[:8], "big")])
        chosen = np.empty(0, dtype=np.int64)
        for level, (codes, pools) in enumerate(levels):
            pool = pools[codes[query]]
            pool = pool[products[pool] != products[query]]
            if level:
                pool = pool[~np.isin(pool, chosen)]
            drawn = random.choice(pool, min(NUM_NEGATIVES - len(chosen), len(pool)), replace=False)
            filled[row] += len(drawn) if level else 0
            chosen = np.concatenate([chosen, drawn])
            if len(chosen) == NUM_NEGATIVES:
                break
        else:
            raise ValueError(
                f"retrieval-1of101 needs {NUM_NEGATIVES} items of other products than item {items[query].id!r}, "
                f"found {len(chosen)}; give more items, or use retrieval-full"
            )
        together = np.append(chosen, query)
        candidates[row] = together[np.argsort(place[together])]
    return RankingTask(queries, candidates, filled)


def _kind(item: Item) -> str:
    """What a short article type is filled from first; the two name spaces must not meet."""
    if "sub_category" in item.attributes:
        return f"sub:{normalise(str(item.attributes['sub_category']))}"
    return f"super:{super_category(item.category)}"


def _pools(codes: Indices, order: Indices) -> list[Indices]:
    """For each code, the positions of `order` that have it, in that order; none for a code that is not there."""
    by_code = order[np.argsort(codes[order], kind="stable")]
    return np.split(by_code, np.cumsum(np.bincount(codes[order], minlength=int(codes.max()) + 1))[:-1])


def _codes(labels: Sequence[str]) -> Indices:
    """(N,) numbers from 0, equal where the labels are equal."""
    return np.unique(np.array(labels, dtype=object), return_inverse=True)[1].reshape(-1).astype(np.int64)


def _text_codes(items: Sequence[Item]) -> Indices:
    """(N,) numbers, equal where the texts read the same whatever their case and spacing; -1 for no text."""
    texts = [" ".join(item.text.casefold().split()) for item in items]
    return np.where(np.array([bool(text) for text in texts], dtype=bool), _codes(texts), -1)


def _chunks(task: RankingTask) -> Iterator[tuple[Indices, Indices]]:
    """Queries and candidates, so many rows at a time that scores and masks stay small."""
    step = max(1, _CHUNK // task.candidates.shape[1])
    for start in range(0, len(task.queries), step):
        yield task.queries[start : start + step], task.candidates[start : start + step]


def _constant_tie(relevant: NDArray[np.bool_]) -> BestTie:
    """What `best_tie` finds for a constant scorer."""
    count = np.count_nonzero(relevant, axis=1).astype(np.int64)
    return BestTie(np.zeros_like(count), np.full_like(count, relevant.shape[1]), count)


def _values(tie: BestTie) -> dict[str, NDArray[np.float64]]:
    """Metric -> (Q,) values in [0, 1]."""
    found = {f"R@{k}": recall_from(tie, k) for k in KS}
    return {**found, "MRR": reciprocal_rank_from(tie)}


class _InnerProduct:
    """Scores by inner product, computed in double and rounded to single precision.

    A matrix product may sum equal rows in different orders; the rounding makes equal vectors tie again, so that they are
    ranked at chance and not by the last bit.
    """

    def __init__(self, queries: FloatArray, gallery: FloatArray) -> None:
        self._queries = queries
        self._gallery = gallery
        self._ordered: tuple[Indices, NDArray[np.float64]] | None = None  # the shared gallery's rows, as last asked for

    def __call__(self, queries: Indices, candidates: Indices) -> FloatArray:
        asked = self._queries[queries].astype(np.float64)  # (B, D)
        if candidates.strides[0] == 0:
            return cast(FloatArray, (asked @ self._shared(candidates[0]).T).astype(np.float32))
        scores = np.empty(candidates.shape, dtype=np.float32)
        step = max(1, _GATHER // max(1, candidates.shape[1] * asked.shape[1]))
        for start in range(0, len(queries), step):
            rows = slice(start, start + step)
            gathered = self._gallery[candidates[rows]].astype(np.float64)  # (b, C, D)
            scores[rows] = np.einsum("bd,bcd->bc", asked[rows], gathered)
        return scores

    def _shared(self, candidates: Indices) -> NDArray[np.float64]:
        if self._ordered is None or not np.array_equal(self._ordered[0], candidates):
            self._ordered = candidates, self._gallery[candidates].astype(np.float64)
        return self._ordered[1]
