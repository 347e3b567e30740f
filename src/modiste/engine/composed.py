"""Search by a plan: what the encoder finds near, less what is excluded, and first of the rest what the plan asks for.

The encoder's query (photo and the positive words) gives every item a cosine. It is compared in units of the candidates' own
standard deviation, so that the weights below do not depend on the encoder:

    z(query) + change * (changes that hold) - excluded * (exclusions that hold)
             + category * (the category is kept) + kept * (share of the other kept values that hold)

Whether something holds of an item is known from the catalogue's columns and titles; then an exclusion is a filter. Where the
catalogue does not say, the encoder judges: a phrase ("stripes") holds the likelier, the further the item's cosine to it lies
above that of the other candidates. The weights were chosen on one generated world and measured on another
(bench/modifications.py, docs/composed-search.md).

Shapes: N rows, C candidates, P phrases, D width.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modiste.data.style.vocabulary import Meaning, satisfies
from modiste.engine.catalogue import Catalogue, SearchResult
from modiste.engine.filters import filter_mask
from modiste.engine.index import EXACT_LIMIT
from modiste.engine.modification import Change, Excluded, ModificationPlan, Price
from modiste.engine.vocabulary import Knowledge, knowledge_of
from modiste.types import Embeddings, FloatArray

POOL = 20_000  # candidates that are judged when the catalogue is too large to judge all
_NEUTRAL = 0.5  # how far a kept value holds of an item of which it is not known

Hear = Callable[[Sequence[str]], FloatArray]  # phrases -> (P, D) query vectors


@dataclass(frozen=True, slots=True)
class Weights:
    """In standard deviations of the query's cosines; `shift` and `slope` say how a phrase's are read as "it holds"."""

    change: float = 3.0
    category: float = 5.0
    kept: float = 1.0
    excluded: float = 5.0
    shift: float = 1.5
    slope: float = 2.0


WEIGHTS = Weights()


def composed_search(
    store: Catalogue,
    query: Embeddings,
    plan: ModificationPlan,
    hear: Hear,
    k: int = 10,
    filters: Sequence[str] = (),
    *,
    exclude: Collection[str] = (),
    collapse: Literal["group"] | None = None,
    images: bool = False,
    weights: Weights = WEIGHTS,
) -> SearchResult:
    """The k best items by query (1, D) and plan; the other arguments are those of `Catalogue.search`.

    Hits keep their cosine to the query, whose order is not theirs. Raises as `Catalogue.search` does.
    """
    store.require(query.encoder)
    if len(query) != 1 or k < 1:
        raise ValueError(f"a plan needs one query and k >= 1, not {len(query)} and {k}")
    start = time.perf_counter()
    snapshot = store.snapshot()
    knowledge = knowledge_of(snapshot)
    mask = filter_mask(filters, snapshot.columns, len(snapshot)) if filters else np.ones(len(snapshot), dtype=bool)
    mask[snapshot.rows(sorted(set(exclude)))] = False
    nearest = None
    if len(snapshot) > EXACT_LIMIT:
        nearest = lambda left: snapshot.index.search(query.vectors, POOL, left)[0][0]  # noqa: E731
    rows, scores, cosines = judged(
        snapshot.vectors, knowledge, query.vectors[0], plan, hear, mask, weights, nearest=nearest
    )
    order = np.lexsort((rows, -scores))
    chosen: list[int] = []
    seen: set[str] = set()
    for at in order.tolist():
        if len(chosen) == k:
            break
        if collapse is not None:
            product = snapshot.product(int(rows[at]))
            if product in seen:
                continue
            seen.add(product)
        chosen.append(at)
    hits = tuple(store.hit(snapshot, int(rows[at]), float(cosines[at]), images=images) for at in chosen)
    return SearchResult(hits, int(mask.sum()), time.perf_counter() - start)


def judged(
    vectors: FloatArray,
    knowledge: Knowledge,
    query: FloatArray,
    plan: ModificationPlan,
    hear: Hear,
    mask: NDArray[np.bool_],
    weights: Weights = WEIGHTS,
    *,
    nearest: Callable[[NDArray[np.bool_]], NDArray[np.int64]] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], FloatArray]:
    """The candidates' rows (C,), their scores (C,) by query (D,) and plan, and their cosines (C,).

    `vectors` (N, D). `mask` (N,): the rows that may be found; what the catalogue knows to be excluded is taken out of it.
    `nearest`: chooses among them the candidates that are judged; all are without it.
    """
    if plan.price is not None:
        mask &= _affordable(plan.price, knowledge)
    excluded = [denials(one, plan.changes, knowledge) for one in plan.excluded]
    for truth in excluded:
        mask &= truth != 1.0
    changes = [(holds(one, knowledge), " ".join(one.values)) for one in plan.changes if one.known]
    kept = [(knowledge.holds(one.attribute, one.fits, ("kept", one.known.value)), one) for one in plan.kept]
    kinds = [(truth, one.known.value) for truth, one in kept if one.attribute == "category"]

    rows = np.flatnonzero(mask)
    if nearest is not None and len(rows) > POOL:
        found = nearest(mask)
        rows = np.sort(found[found >= 0])
    if not len(rows):
        return rows, np.zeros(0), np.zeros(0, np.float32)

    phrases: dict[str, int] = {}  # what only the encoder can tell of some candidate
    denied = [(truth, one.name) for truth, one in zip(excluded, plan.excluded, strict=True)]
    for truth, words in (*denied, *changes, *kinds):
        if np.isnan(truth[rows]).any() and words:
            phrases.setdefault(words, len(phrases))
    asked = np.concatenate([query[None], hear(list(phrases))]) if phrases else query[None]
    cosines = (vectors @ asked.T)[rows] if len(rows) > len(vectors) // 4 else vectors[rows] @ asked.T
    deviations = _standardised(cosines)  # (C, 1 + P)
    likely = 1 / (1 + np.exp(-weights.slope * (deviations[:, 1:] - weights.shift)))

    def filled(truth: FloatArray, words: str) -> NDArray[np.float64]:
        here = truth[rows].astype(np.float64)
        return np.where(np.isnan(here), likely[:, phrases[words]] if words in phrases else 0.0, here)

    scores = deviations[:, 0].copy()
    for truth, words in changes:
        scores += weights.change * filled(truth, words)
    for truth, words in denied:
        scores -= weights.excluded * filled(truth, words)
    total = sum(one.known.confidence for _, one in kept if not one.asked and one.attribute != "category")
    for truth, one in kept:
        if one.attribute == "category":
            scores += weights.category * one.known.confidence * filled(truth, one.known.value)
            continue
        here = np.nan_to_num(truth[rows].astype(np.float64), nan=_NEUTRAL)
        scores += here * one.known.confidence * (weights.change if one.asked else weights.kept / total)
    return rows, scores, cosines[:, 0]


def _affordable(price: Price, knowledge: Knowledge) -> NDArray[np.bool_]:
    prices = knowledge.numbers("price")
    if prices is None:
        return np.ones(knowledge.num_rows, dtype=bool)
    found = np.isfinite(prices)
    with np.errstate(invalid="ignore"):
        if price.at_most is not None:
            found &= prices <= price.at_most
        if price.at_least is not None:
            found &= prices >= price.at_least
        if price.below is not None:
            found &= prices < price.below
        if price.above is not None:
            found &= prices > price.above
    return found


def holds(change: Change, knowledge: Knowledge) -> FloatArray:
    key = (change.values, change.direction, change.old.value if change.old is not None else None)
    return knowledge.holds(change.attribute, change.fits, ("change", *key))


def denials(excluded: Excluded, changes: Sequence[Change], knowledge: Knowledge) -> FloatArray:
    """(N,) whether all meanings hold of a row; NaN where one is not known and none is known not to."""
    truths = [_denied(one, changes, knowledge) for one in excluded.meanings]
    if not truths:
        return np.full(knowledge.num_rows, np.nan, dtype=np.float32)
    stacked = np.stack(truths)
    found = stacked.min(axis=0)  # NaN where any is
    found[(stacked == 0.0).any(axis=0)] = 0.0
    return found


def _denied(meaning: Meaning, changes: Sequence[Change], knowledge: Knowledge) -> FloatArray:
    """Broadly, but never what is asked for in the same breath: "not leather but suede"."""
    wanted = [one for one in changes if one.attribute == meaning.attribute and one.values]

    def fits(label: str) -> bool:
        return satisfies(meaning.attribute, label, meaning.value, broadly=True) and not any(
            one.fits(label) for one in wanted
        )

    key = ("without", meaning.value, *(one.values for one in wanted))
    return knowledge.holds(meaning.attribute, fits, key)


def _standardised(cosines: FloatArray) -> NDArray[np.float64]:
    """Each column less its mean, in its own standard deviations."""
    wide = cosines.astype(np.float64)
    return (wide - wide.mean(axis=0)) / np.maximum(wide.std(axis=0), 1e-9)
