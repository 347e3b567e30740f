"""Consumer-to-shop protocols: a customer's photo finds the item in the shop, or at least its kind.

consumer-to-shop
    Reproduces: top-k accuracy of DeepFashion Consumer-to-Shop (GRNet, specification 3.4) on whatever photos are given;
    `data/consumer_to_shop.py` says which there are. FindFashion's subsets are slices here.
    Queries: every customer's photo, or `num_queries` drawn by the seed.
    Gallery: all shop photos given, and distractors if asked for. Photos only: the shop's words are blanked unless `words`.
    Relevant: every shop photo of the query's product (`Item.group`), so near-duplicates of one group are all right.
    Re-ranking: the first `shortlist` by vectors are ordered anew by the judge's score alone; the others stay behind them in
    their order. What ties at the shortlist's edge gets in by lot (the seed's). `gain` is what that changes, by query.
    Do not compare with: other galleries. Top-k depends on their size, on how alike the products are, and on how many photos
    a product has; shop photos photographed again are not customers' photos of the real thing (no other side, no body).

photo-classes
    Queries: `clothing_photos`, ordinary people's photos of ten classes; there are no products in them.
    Gallery: a catalogue with article types, its photos only unless `words`.
    Relevant: every item whose article type belongs to the class (`data/clothing_photos.py`). Metric: precision@10, by class;
    `macro` counts classes alike, `micro` photos.
    Do not compare with: other catalogues; how often a type occurs is both chance and ceiling (a class of fewer than 10
    items cannot reach 100: `best`).

Both: ties at chance (metrics.py); 95 % bootstrap intervals, of consumer-to-shop clustered by product. Reports are in percent,
MRR too.

Shapes: Q queries, G gallery, D embedding width, K shortlist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from modiste.data.conditions import LEVELS
from modiste.data.consumer_to_shop import ShopPhotos
from modiste.evaluation.metrics import (
    BestTie,
    Estimate,
    average,
    best_tie,
    expected_ranks_from,
    mean_with_interval,
    precision_at_k,
    recall_from,
    reciprocal_rank_from,
)
from modiste.taxonomy import normalise
from modiste.types import Embeddings, FloatArray, ImageLike, Item, ItemEncoder, PairScorer

KS = (1, 20, 50)
METRICS = (*(f"top-{k}" for k in KS), "MRR")
SHORTLIST = 100  # candidates that get a second look
PRECISION_K = 10
_CHUNK = 1 << 22  # scores of one chunk of queries
_QUERY_DRAW, _EDGE = 71, 72  # random streams

Scores = NDArray[np.float64]


@runtime_checkable
class _QueriesEncoder(Protocol):
    """An encoder that takes several queries at once; the answers are those of `encode_query`."""

    def encode_queries(self, queries: Sequence[tuple[str, ImageLike | None]]) -> Embeddings: ...


@runtime_checkable
class _Preparing(Protocol):
    """A judge that looks at items once, before it compares any."""

    def prepare(self, items: Sequence[Item]) -> None: ...


@dataclass(frozen=True, slots=True)
class ConsumerToShopReport:
    """The numbers of one run of consumer-to-shop, in percent.

    Keys of `metrics`: "top-1", ... of all queries, "view=strong/top-1", ... of a slice. With a re-ranker they are of its order,
    "first/..." of the order by vectors, and "gain/..." of the difference.
    """

    metrics: Mapping[str, Estimate]
    chance: Mapping[str, float]  # the keys without "first/" and "gain/": exactly what a constant scorer gets
    num_queries: int
    num_products: int  # of the queries
    gallery: int
    distractors: int
    shortlist: int | None
    words: bool
    seed: int
    resamples: int
    query_ids: tuple[str, ...] = field(default=(), repr=False)
    ranks: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    """(Q,) expected rank of the first right photo, in the order of `query_ids`."""

    def as_dict(self) -> dict[str, Any]:
        """JSON values. Keys: each metric with `_low` and `_high`, `_chance` and (of slices) `_count` beside it."""
        found: dict[str, Any] = {"protocol": "consumer-to-shop", "units": "percent"}
        for key, estimate in self.metrics.items():
            found |= estimate.spelled(key)
            if key in self.chance:
                found[f"{key}_chance"] = self.chance[key]
                if "=" in key:
                    found[f"{key}_count"] = estimate.count
        return found | {
            "num_queries": self.num_queries,
            "num_products": self.num_products,
            "gallery": self.gallery,
            "distractors": self.distractors,
            "shortlist": self.shortlist,
            "words": self.words,
            "seed": self.seed,
            "resamples": self.resamples,
        }

    def table(self) -> list[list[str]]:
        """Rows of words, the header first: all metrics of all queries, then top-1 of each slice."""
        again = self.shortlist is not None
        rows = [["metric", "value", "95 % interval", "chance", "queries", *(["before", "gain"] if again else [])]]
        for key in self.chance:
            if "=" in key and not key.endswith("/top-1"):
                continue
            estimate = self.metrics[key]
            interval = f"{estimate.low:.1f} to {estimate.high:.1f}"
            row = [key, f"{estimate.mean:.1f}", interval, f"{self.chance[key]:.1f}", f"{estimate.count:,}"]
            if again:
                gain = self.metrics[f"gain/{key}"]
                row += [
                    f"{self.metrics[f'first/{key}'].mean:.1f}",
                    f"{gain.mean:+.1f} ({gain.low:+.1f} to {gain.high:+.1f})",
                ]
            rows.append(row)
        return rows


def evaluate_consumer_to_shop(
    photos: ShopPhotos,
    encoder: ItemEncoder,
    reranker: PairScorer | None = None,
    *,
    shortlist: int = SHORTLIST,
    distractors: Sequence[Item] = (),
    words: bool = False,
    num_queries: int | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> ConsumerToShopReport:
    """Run consumer-to-shop with an encoder's vectors, and a second look at the first hits if there is a re-ranker.

    Parameters
    ----------
    distractors
        Further shop photos for the gallery, of other products.
    words
        Let encoder and re-ranker read the shop's words. That is another protocol; the report says so.
    num_queries
        Only so many queries, drawn by the seed; None for all.

    Raises
    ------
    ValueError
        If a distractor is of a product or has the id of a shop photo, a number is out of range, or a score is not finite
        (the query is named).
    """
    queries, gallery = _drawn(photos, num_queries, seed), [*photos.shop, *distractors]
    _check_distractors(photos, distractors)
    asked, told = [photos.customer[place] for place in queries], _told(gallery, words)
    first, second = vector_scores(encoder, asked, told), None
    if reranker is not None:
        second = rerank_scores(first, reranker, asked, told, shortlist=shortlist, seed=seed)
    report = evaluate_scores(photos, first, second, gallery=gallery, queries=queries, seed=seed, resamples=resamples)
    return replace(
        report,
        distractors=len(distractors),
        shortlist=None if reranker is None else min(shortlist, len(gallery)),
        words=words,
    )


def evaluate_scores(
    photos: ShopPhotos,
    scores: Scores | FloatArray,
    rescored: Scores | FloatArray | None = None,
    *,
    gallery: Sequence[Item] | None = None,
    queries: NDArray[np.int64] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> ConsumerToShopReport:
    """The same of scores from anywhere.

    Parameters
    ----------
    scores
        (Q, G), higher is better: of the customers' photos, or of those at `queries`, and the shop photos, or `gallery`.
    rescored
        (Q, G) of the order that is measured, if `scores` is only what it is compared with.

    Raises
    ------
    ValueError
        If a shape is wrong, a score is NaN (the row is named), or there is no query.
    """
    gallery = photos.shop if gallery is None else gallery
    queries = np.arange(len(photos.customer)) if queries is None else queries
    asked = [photos.customer[place] for place in queries]
    products = np.unique([item.product for item in (*asked, *gallery)], return_inverse=True)[1].reshape(-1)
    wanted, offered = products[: len(asked)], products[len(asked) :]
    for what in (scores, rescored):
        if what is not None and what.shape != (len(asked), len(gallery)):
            raise ValueError(f"scores of shape {what.shape} for {len(asked)} queries and {len(gallery)} shop photos")
    counts = np.bincount(offered, minlength=int(products.max(initial=0)) + 1)[wanted]
    blind = BestTie(np.zeros_like(counts), np.full_like(counts, len(gallery)), counts)
    by_chance = _values(blind)
    tie = _tie(scores, wanted, offered)
    first = values = _values(tie)
    if rescored is not None:
        tie = _tie(rescored, wanted, offered)
        values = _values(tie)

    metrics: dict[str, Estimate] = {}
    chance: dict[str, float] = {}
    for prefix, rows in _slices(photos.slices, queries):
        for name in METRICS:
            key = f"{prefix}{name}"

            def estimate(of: NDArray[np.float64], rows: NDArray[np.int64] = rows) -> Estimate:
                return mean_with_interval(of[rows], seed=seed, resamples=resamples, clusters=wanted[rows]).scaled(100)

            metrics[key] = estimate(values[name])
            chance[key] = 100 * float(by_chance[name][rows].mean())
            if rescored is not None:
                metrics[f"first/{key}"] = estimate(first[name])
                metrics[f"gain/{key}"] = estimate(values[name] - first[name])
    return ConsumerToShopReport(
        metrics=metrics,
        chance=chance,
        num_queries=len(asked),
        num_products=len(np.unique(wanted)),
        gallery=len(gallery),
        distractors=0,
        shortlist=None if rescored is None else len(gallery),
        words=False,
        seed=seed,
        resamples=resamples,
        query_ids=tuple(item.id for item in asked),
        ranks=expected_ranks_from(tie),
    )


def vector_scores(encoder: ItemEncoder, queries: Sequence[Item], gallery: Sequence[Item]) -> FloatArray:
    """(Q, G) inner products of the queries' photos with the gallery's items.

    Computed in double and rounded to single precision, so that equal vectors tie whatever their place in a matrix product.
    """
    if isinstance(encoder, _QueriesEncoder):
        asked = encoder.encode_queries([("", item.image) for item in queries])
    else:
        vectors = [encoder.encode_query(image=item.image).vectors for item in queries]
        asked = Embeddings(
            np.concatenate(vectors) if vectors else np.zeros((0, encoder.id.dim), np.float32), encoder.id
        )
    offered = encoder.encode(gallery)
    asked.encoder.require(offered.encoder)
    columns = offered.vectors.astype(np.float64).T
    scores = np.empty((len(asked), len(offered)), np.float32)
    step = max(1, _CHUNK // max(1, len(offered)))
    for start in range(0, len(asked), step):
        scores[start : start + step] = asked.vectors[start : start + step].astype(np.float64) @ columns
    return scores


def rerank_scores(
    scores: Scores | FloatArray,
    reranker: PairScorer,
    queries: Sequence[Item],
    gallery: Sequence[Item],
    *,
    shortlist: int = SHORTLIST,
    seed: int = 0,
) -> Scores:
    """(Q, G) numbers that order the gallery as a second look does: the shortlist by the judge, then the others as they were.

    A judge with a method `prepare` is given the gallery first.

    Raises
    ------
    ValueError
        For a shortlist below 1, or when the judge's answer has another shape or is not finite; the query is named.
    """
    if shortlist < 1:
        raise ValueError(f"the shortlist must hold at least 1 candidate, not {shortlist}")
    count = min(shortlist, len(gallery))
    if isinstance(reranker, _Preparing):
        reranker.prepare(gallery)
    random = np.random.default_rng([seed, _EDGE])
    found = np.empty(scores.shape, np.float64)
    for row, query in enumerate(queries):
        lot = random.permutation(len(gallery))
        chosen = lot[np.argsort(-scores[row][lot], kind="stable")[:count]]
        judged = np.asarray(reranker.score(query, [gallery[place] for place in chosen]))
        if judged.shape != (count,) or not np.isfinite(judged).all():
            raise ValueError(
                f"query {query.id!r}: the re-ranker gave {judged.shape} scores, all finite ones are needed"
            )
        found[row] = np.unique(scores[row], return_inverse=True)[1].reshape(-1)
        found[row, chosen] = len(gallery) + np.unique(judged, return_inverse=True)[1].reshape(-1)
    return found


def _check_distractors(photos: ShopPhotos, distractors: Sequence[Item]) -> None:
    products, ids = {item.product for item in photos.shop}, {item.id for item in photos.shop}
    for item in distractors:
        if item.image is None:
            raise ValueError(f"distractor {item.id!r} has no image")
        if item.product in products or item.id in ids:
            raise ValueError(f"distractor {item.id!r} is of a product, or has the id, of a shop photo")


def _drawn(photos: ShopPhotos, num_queries: int | None, seed: int) -> NDArray[np.int64]:
    """(Q,) places of the customers' photos that are asked."""
    total = len(photos.customer)
    if num_queries is None:
        return np.arange(total)
    if not 1 <= num_queries <= total:
        raise ValueError(f"num_queries must lie between 1 and the {total} customers' photos, not {num_queries}")
    return np.sort(np.random.default_rng([seed, _QUERY_DRAW]).choice(total, num_queries, replace=False))


def _told(gallery: Sequence[Item], words: bool) -> list[Item]:
    """The gallery with its words, or with its photos alone."""
    return list(gallery) if words else [replace(item, title="", description="") for item in gallery]


def _tie(scores: Scores | FloatArray, wanted: NDArray[np.int64], offered: NDArray[np.int64]) -> BestTie:
    step = max(1, _CHUNK // max(1, len(offered)))
    parts = [
        best_tie(scores[start : start + step], wanted[start : start + step, None] == offered[None, :])
        for start in range(0, len(wanted), step)
    ]
    if not parts:
        raise ValueError("there is no query")
    return BestTie.concatenate(parts)


def _values(tie: BestTie) -> dict[str, NDArray[np.float64]]:
    """Metric -> (Q,) values in [0, 1]."""
    return {**{f"top-{k}": recall_from(tie, k) for k in KS}, "MRR": reciprocal_rank_from(tie)}


def _slices(slices: Mapping[str, Sequence[str]], queries: NDArray[np.int64]) -> list[tuple[str, NDArray[np.int64]]]:
    """How keys begin, and which rows of the queries are meant: all first, then each value of each slice, in order of values."""
    found = [("", np.arange(len(queries)))]
    order = {str(level): place for place, level in enumerate(LEVELS)}
    for name, values in slices.items():
        told = np.array(values, dtype=object)[queries]
        for value in sorted(set(told.tolist()), key=lambda one: (order.get(one, len(order)), one)):
            found.append((f"{name}={value}/", np.flatnonzero(told == value)))
    return found


@dataclass(frozen=True, slots=True)
class PhotoClassesReport:
    """The numbers of one run of photo-classes, in percent. Keys: "micro", "macro" and the classes, each "/precision@10"."""

    metrics: Mapping[str, Estimate]
    chance: Mapping[str, float]
    best: Mapping[str, float]  # what a perfect scorer gets
    num_queries: int
    gallery: int
    shortlist: int | None
    words: bool
    seed: int
    resamples: int

    def as_dict(self) -> dict[str, Any]:
        """JSON values. Keys: each metric with `_low`, `_high`, `_chance`, `_best` and `_count` beside it."""
        found: dict[str, Any] = {"protocol": "photo-classes", "units": "percent"}
        for key, one in self.metrics.items():
            found |= one.spelled(key) | {f"{key}_chance": self.chance[key], f"{key}_best": self.best[key]}
            found[f"{key}_count"] = one.count
        return found | {
            "num_queries": self.num_queries,
            "gallery": self.gallery,
            "shortlist": self.shortlist,
            "words": self.words,
            "seed": self.seed,
            "resamples": self.resamples,
        }

    def table(self) -> list[list[str]]:
        """Rows of words, the header first."""
        rows = [["metric", "value", "95 % interval", "chance", "best", "photos"]]
        for key, one in self.metrics.items():
            interval = f"{one.low:.1f} to {one.high:.1f}"
            numbers = [f"{self.chance[key]:.1f}", f"{self.best[key]:.1f}", f"{one.count:,}"]
            rows.append([key, f"{one.mean:.1f}", interval, *numbers])
        return rows


def evaluate_photo_classes(
    queries: Sequence[Item],
    catalogue: Sequence[Item],
    article_types: Mapping[str, Sequence[str]],
    encoder: ItemEncoder,
    reranker: PairScorer | None = None,
    *,
    shortlist: int = SHORTLIST,
    words: bool = False,
    seed: int = 0,
    resamples: int = 1000,
) -> PhotoClassesReport:
    """Run photo-classes: queries' `category` is their class, the catalogue's is an article type.

    Parameters
    ----------
    article_types
        Class -> article types that are of it.

    Raises
    ------
    ValueError
        If there is no query, a query's class is not in `article_types` (it is named), the catalogue has fewer than ten items or
        none of any class, or as `rerank_scores`.
    """
    if not queries:
        raise ValueError("there is no query")
    for item in queries:
        if item.category not in article_types:
            raise ValueError(f"photo {item.id!r}: no article types are known for {item.category!r}")
    offered = [item for item in catalogue if item.image is not None]
    if len(offered) < PRECISION_K:
        raise ValueError(f"{len(offered)} items with a photo; precision@{PRECISION_K} needs at least as many as that")
    types = np.array([normalise(item.category) for item in offered], dtype=object)
    classes = sorted({item.category for item in queries})
    of_class = {name: np.isin(types, [normalise(one) for one in article_types[name]]) for name in classes}
    if not any(mask.any() for mask in of_class.values()):
        raise ValueError(f"the catalogue has no item of {', '.join(classes)}: its categories must be article types")
    told = _told(offered, words)
    scores: Scores | FloatArray = vector_scores(encoder, queries, told)
    if reranker is not None:
        scores = rerank_scores(scores, reranker, queries, told, shortlist=shortlist, seed=seed)
    relevant = np.stack([of_class[item.category] for item in queries])
    values = precision_at_k(scores, relevant, PRECISION_K)
    per_query = {
        "chance": relevant.mean(axis=1),
        "best": np.minimum(relevant.sum(axis=1), PRECISION_K) / PRECISION_K,
    }
    rows = {name: np.array([item.category == name for item in queries]) for name in classes}
    # Each class draws its own resamples, or the mean over classes would move as if they were one.
    by_class = {
        name: mean_with_interval(values[chosen], seed=seed + 1 + place, resamples=resamples)
        for place, (name, chosen) in enumerate(rows.items())
    }
    found = {
        "micro": mean_with_interval(values, seed=seed, resamples=resamples),
        "macro": average(list(by_class.values())),
        **by_class,
    }

    def bound(kind: str) -> dict[str, float]:
        single = {name: float(per_query[kind][chosen].mean()) for name, chosen in rows.items()}
        every = {"micro": float(per_query[kind].mean()), "macro": float(np.mean(list(single.values()))), **single}
        return {f"{name}/precision@{PRECISION_K}": 100 * value for name, value in every.items()}

    return PhotoClassesReport(
        metrics={f"{name}/precision@{PRECISION_K}": one.scaled(100) for name, one in found.items()},
        chance=bound("chance"),
        best=bound("best"),
        num_queries=len(queries),
        gallery=len(offered),
        shortlist=None if reranker is None else min(shortlist, len(offered)),
        words=words,
        seed=seed,
        resamples=resamples,
    )
