"""Cross-modal retrieval: text to image (t2i, TIR in MVLT) and image to text (i2t, ITR).

retrieval-1of101
    MVLT (Ji et al. 2023), section 4.1, tables 2, 3 and 5. Each query has 101 candidates of the other kind: the item itself
    and 100 negatives of the same article type (`Item.category`) and another product (`Item.product`). Where a type has
    fewer, the pool is filled from the same sub-category (the attribute, else the super-category), then from anything;
    filled queries and negatives are counted, since they are easier. The two directions draw their own negatives.
    MVLT fixed 1,000 queries; here every item is a query unless `num_queries` says otherwise. Not comparable with numbers
    on other data, with other negatives, or with full galleries.

retrieval-full
    Each query ranks the whole split. Relevant is every item of the query's product, so rows that share a photo or a title
    are not each other's mistakes. Depends on the size of the split: never compare across data sets.

Items without photo or text are left out and counted. Ties are at chance (metrics.py); intervals are 95 % bootstrap over
products. All values are in percent, MRR too.

Shapes: N items, E embedding width, Q queries, C candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from modiste.evaluation.metrics import Estimate, mean_with_interval, recall_at_k, reciprocal_rank
from modiste.evaluation.protocols import PROTOCOLS
from modiste.taxonomy import super_category
from modiste.types import Embeddings, ImageLike, Item

Indices = NDArray[np.int64]
# Queries (B,) and their candidates (B, C), both row numbers of the items -> scores (B, C), higher is better.
Scorer = Callable[[Indices, Indices], NDArray[np.floating]]

KS = (1, 5, 10)
NUM_NEGATIVES = 100
DIRECTIONS = ("t2i", "i2t")
_CHUNK = 256  # queries scored at once: a full gallery needs memory for that many rows only


class DualEncoderLike(Protocol):
    """What `evaluate_encoder` needs of a model."""

    def encode_images(self, images: Sequence[ImageLike]) -> Embeddings: ...

    def encode_texts(self, texts: Sequence[str]) -> Embeddings: ...


@dataclass(frozen=True)
class RetrievalReport:
    """The numbers of one protocol run; `as_dict` has the documented JSON keys."""

    protocol: str
    metrics: dict[str, Estimate]  # "t2i_R@1" -> fractions
    chance: dict[str, float]
    num_queries: int
    num_items: int
    gallery: int
    seed: int
    counts: dict[str, int] = field(default_factory=dict)
    control: dict[str, Estimate] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON values; metrics in percent with `_low` and `_high` beside them, `_chance`, and `control_...` where run."""
        found: dict[str, Any] = {"protocol": self.protocol, "units": "percent"}
        for prefix, metrics in (("", self.metrics), ("control_", self.control)):
            for key, estimate in metrics.items():
                found[prefix + key] = round(100 * estimate.mean, 3)
                found[f"{prefix}{key}_low"] = round(100 * estimate.low, 3)
                found[f"{prefix}{key}_high"] = round(100 * estimate.high, 3)
        found |= {f"{key}_chance": round(100 * value, 3) for key, value in self.chance.items()}
        sizes = {
            "num_queries": self.num_queries,
            "num_items": self.num_items,
            "gallery": self.gallery,
            "seed": self.seed,
        }
        return found | sizes | self.counts

    def table(self) -> list[list[str]]:
        """Rows of words for a table, the header first."""
        header = ["metric", "value", "95 % interval", "chance"] + (["metadata only"] if self.control else [])
        rows = [header]
        for key, estimate in self.metrics.items():
            row = [
                key,
                f"{100 * estimate.mean:.1f}",
                f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}",
                f"{100 * self.chance[key]:.1f}",
            ]
            rows.append(row + ([f"{100 * self.control[key].mean:.1f}"] if self.control else []))
        return rows


def evaluate_encoder(
    protocol: str,
    items: Sequence[Item],
    encoder: DualEncoderLike,
    *,
    seed: int = 0,
    num_queries: int | None = None,
    resamples: int = 1000,
) -> RetrievalReport:
    """Run a protocol with an encoder's image and text embeddings; raises `ValueError` when no item has both."""
    usable = [item for item in items if item.image is not None and item.text]
    if not usable:
        raise ValueError("no item has both a photo and a text, so there is nothing to retrieve")
    images = encoder.encode_images([item.image for item in usable if item.image is not None])
    texts = encoder.encode_texts([item.title or item.description for item in usable])
    images.encoder.require(texts.encoder)
    report = evaluate_retrieval(
        protocol, usable, images.vectors, texts.vectors, seed=seed, num_queries=num_queries, resamples=resamples
    )
    return replace(report, counts=report.counts | {"left_out": len(items) - len(usable)})


def evaluate_retrieval(
    protocol: str,
    items: Sequence[Item],
    image_vectors: NDArray[np.floating],
    text_vectors: NDArray[np.floating],
    *,
    seed: int = 0,
    num_queries: int | None = None,
    resamples: int = 1000,
) -> RetrievalReport:
    """Run a protocol with inner products of (N, E) vectors, row i of both being `items[i]`."""

    def inner(queries: NDArray[np.floating], gallery: NDArray[np.floating]) -> Scorer:
        def score(rows: Indices, candidates: Indices) -> NDArray[np.floating]:
            if candidates.strides[0] == 0:  # all queries share their candidates: one product of matrices
                return queries[rows] @ gallery[candidates[0]].T
            return np.einsum("be,bce->bc", queries[rows], gallery[candidates])

        return score

    if not len(items) == len(image_vectors) == len(text_vectors):
        raise ValueError(f"{len(items)} items, {len(image_vectors)} image and {len(text_vectors)} text vectors")
    scorers = {"t2i": inner(text_vectors, image_vectors), "i2t": inner(image_vectors, text_vectors)}
    return evaluate_scorers(protocol, items, scorers, seed=seed, num_queries=num_queries, resamples=resamples)


def evaluate_scorers(
    protocol: str,
    items: Sequence[Item],
    scorers: dict[str, Scorer],
    *,
    seed: int = 0,
    num_queries: int | None = None,
    resamples: int = 1000,
) -> RetrievalReport:
    """Run a protocol with one scorer per direction: also for models that judge pairs (ITM heads, re-rankers).

    Neither the order of the items nor the chunking changes the result.

    Raises
    ------
    ValueError
        For an unknown protocol, a scorer that returns nan, or fewer than 101 products in 1-of-101.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"no protocol {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    order = np.array(sorted(range(len(items)), key=lambda row: items[row].id))  # everything below is in this order
    ordered = [items[row] for row in order]
    products = np.unique([item.product for item in ordered], return_inverse=True)[1]
    queries = np.arange(len(ordered))
    if num_queries is not None and num_queries < len(queries):
        queries = np.sort(np.random.default_rng([seed, 2]).choice(queries, num_queries, replace=False))
    metrics: dict[str, Estimate] = {}
    chance: dict[str, float] = {}
    counts: dict[str, int] = {}
    for number, direction in enumerate(DIRECTIONS):
        if protocol == "retrieval-1of101":
            candidates, filled = draw_candidates(ordered, queries, np.random.default_rng([seed, number]))
            counts[f"{direction}_filled_queries"] = int((filled > 0).sum())
            counts[f"{direction}_filled_negatives"] = int(filled.sum())
            counts[f"{direction}_same_text_negatives"] = _same_text(ordered, queries, candidates)
        else:
            candidates = None
        values = _values(scorers[direction], queries, candidates, products, order)
        for name, per_query in values.items():
            if name.endswith("_chance"):
                chance[f"{direction}_{name.removesuffix('_chance')}"] = float(per_query.mean())
            else:
                metrics[f"{direction}_{name}"] = mean_with_interval(
                    per_query, seed=seed, resamples=resamples, clusters=products[queries]
                )
    gallery = NUM_NEGATIVES + 1 if protocol == "retrieval-1of101" else len(ordered)
    return RetrievalReport(protocol, metrics, chance, len(queries), len(ordered), gallery, seed, counts)


def draw_candidates(items: Sequence[Item], queries: Indices, random: np.random.Generator) -> tuple[Indices, Indices]:
    """Candidates (Q, 101) of each query, the positive in a random column, and (Q,) how many negatives are of another type.

    Raises
    ------
    ValueError
        If there are not 100 items of other products.
    """
    types = np.unique([item.category for item in items], return_inverse=True)[1]
    kinds = np.unique(
        [str(item.attributes.get("sub_category", super_category(item.category))) for item in items], return_inverse=True
    )[1]
    products = np.unique([item.product for item in items], return_inverse=True)[1]
    everything = np.arange(len(items))
    of_type = [everything[types == number] for number in range(types.max() + 1)]
    of_kind = [everything[kinds == number] for number in range(kinds.max() + 1)]
    candidates = np.empty((len(queries), NUM_NEGATIVES + 1), dtype=np.int64)
    filled = np.zeros(len(queries), dtype=np.int64)
    for at, query in enumerate(queries):
        chosen = np.empty(0, dtype=np.int64)
        for level, pool in enumerate((of_type[types[query]], of_kind[kinds[query]], everything)):
            pool = np.setdiff1d(pool[products[pool] != products[query]], chosen, assume_unique=True)
            missing = NUM_NEGATIVES - len(chosen)
            drawn = random.choice(pool, min(missing, len(pool)), replace=False)
            filled[at] += len(drawn) if level else 0
            chosen = np.concatenate([chosen, drawn])
            if len(chosen) == NUM_NEGATIVES:
                break
        if len(chosen) < NUM_NEGATIVES:
            raise ValueError(
                f"1-of-101 needs {NUM_NEGATIVES} items of other products than {items[query].id!r}, there are {len(chosen)}; "
                "use retrieval-full for so small a set"
            )
        candidates[at] = np.insert(chosen, random.integers(NUM_NEGATIVES + 1), query)
    return candidates, filled


def _values(
    scorer: Scorer, queries: Indices, candidates: Indices | None, products: Indices, order: Indices
) -> dict[str, NDArray[np.float64]]:
    """Metric -> (Q,) values, and the exact chance of each; candidates None: the whole gallery, product-mates relevant."""
    found: dict[str, list[NDArray[np.float64]]] = {}
    for start in range(0, len(queries), _CHUNK):
        rows = queries[start : start + _CHUNK]
        if candidates is None:
            those = np.broadcast_to(order, (len(rows), len(order)))
            relevant = products[None, :] == products[rows][:, None]
        else:
            relevant = candidates[start : start + _CHUNK] == rows[:, None]
            those = order[candidates[start : start + _CHUNK]]
        scores = np.asarray(scorer(order[rows], those))
        for k in KS:
            found.setdefault(f"R@{k}", []).append(recall_at_k(scores, relevant, k))
            found.setdefault(f"R@{k}_chance", []).append(recall_at_k(np.zeros(scores.shape), relevant, k))
        found.setdefault("MRR", []).append(reciprocal_rank(scores, relevant))
        found.setdefault("MRR_chance", []).append(reciprocal_rank(np.zeros(scores.shape), relevant))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _same_text(items: Sequence[Item], queries: Indices, candidates: Indices) -> int:
    """How many negatives read exactly as the positive does: no model can tell those apart by words."""
    texts = np.unique(
        [" ".join((item.title or item.description).casefold().split()) for item in items], return_inverse=True
    )[1]
    return int((texts[candidates] == texts[queries][:, None]).sum() - len(queries))
