"""A second look at the first hits: a slower, finer judge of (query, item) pairs re-orders what the index found.

The judge is any `modiste.types.PairScorer`; nothing here knows what it is made of. ALBEF (Li et al. 2021, arXiv 2107.07651,
section 4) ranks so: contrastive scores choose a shortlist, image-text matching orders it. Here both have their say, in units
of log-odds:

    share * (log-odds of the judge) + (1 - share) * scale * (score of the first search)

`scale` turns the first search's inner products into log-odds: the learned temperature of the model that made them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modiste.engine.catalogue import Hit
from modiste.types import FloatArray, Item, PairScorer

SHORTLIST = 25  # hits that get a second look: the shortlist of `modiste evaluate --by rerank`
SHARE = 0.5  # of the judge's word


@dataclass(frozen=True, slots=True)
class SecondLook:
    """All hits in their new order, what the judge said, and how long it took."""

    hits: tuple[Hit, ...]
    log_odds: Mapping[str, float]  # by item id; items that could not be judged are missing
    seconds: float


def rerank(
    hits: Sequence[Hit], scores: FloatArray | Sequence[float], share: float = SHARE, scale: float = 1.0
) -> tuple[Hit, ...]:
    """The hits by the blend of `scores` (N,) and their own scores, best first; of equal blends the earlier hit first.

    A hit whose score is not finite has not been judged: those come after the judged ones, in the order that they had. Hits
    keep the score of the first search. Raises `ValueError` when the numbers of hits and scores differ, or the share does
    not lie in [0, 1].
    """
    if len(hits) != len(scores):
        raise ValueError(f"{len(hits)} hits, but {len(scores)} scores")
    if not 0 <= share <= 1:
        raise ValueError(f"share must lie in [0, 1], not {share}")
    judged = [(hit, float(score)) for hit, score in zip(hits, scores, strict=True) if math.isfinite(score)]
    others = [hit for hit, score in zip(hits, scores, strict=True) if not math.isfinite(score)]
    judged.sort(key=lambda pair: -(share * pair[1] + (1 - share) * scale * pair[0].score))
    return (*(hit for hit, _ in judged), *others)


def look_again(
    query: Item,
    hits: Sequence[Hit],
    scorer: PairScorer,
    *,
    shortlist: int = SHORTLIST,
    share: float = SHARE,
    scale: float = 1.0,
) -> SecondLook:
    """Have the first `shortlist` hits judged and re-ordered; the others follow as they were.

    The hits' items need what the judge looks at, so search with `images=True`. A query without words and photo leaves the
    order alone. Raises `ValueError` for a shortlist below 1, and whatever the judge raises.
    """
    if shortlist < 1:
        raise ValueError(f"the shortlist must hold at least 1 hit, not {shortlist}")
    start = time.perf_counter()
    first = hits[:shortlist]
    if not first or (query.image is None and not query.text):
        return SecondLook(tuple(hits), {}, time.perf_counter() - start)
    scores = scorer.score(query, [hit.item for hit in first])
    ranked = rerank(first, scores, share, scale)
    log_odds = {hit.item.id: float(score) for hit, score in zip(first, scores, strict=True) if math.isfinite(score)}
    return SecondLook((*ranked, *hits[shortlist:]), log_odds, time.perf_counter() - start)
