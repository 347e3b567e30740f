"""MVLT's three ways to rank photos and texts, as candidate scorers for the retrieval protocols.

"itc": inner products of the contrastive head, each photo and text encoded alone. "itm": the matching head on every pair, the
paper's zero-shot protocol (section 4). "rerank": itc everywhere, and on each query's `shortlist` best by itc the log-odds of
itm added: what a search engine can afford.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from modiste.models.mvlt import Mvlt
from modiste.models.mvlt_inference import MvltTowers, PairModel, Reranker, prepared_photos
from modiste.models.query_bank import QueryBank, comparable
from modiste.types import Item

Direction = Literal["t2i", "i2t"]
Indices = NDArray[np.int64]
Scorer = Callable[[Indices, Indices], NDArray[Any]]


def mvlt_scorers(
    model: Mvlt,
    tokenizer: Tokenizer,
    items: Sequence[Item],
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 1024,
    shortlist: int = 25,
    itm_share: float | None = None,
    bank: QueryBank | None = None,
    judge: Reranker | None = None,
) -> dict[str, Mapping[Direction, Scorer]]:
    """Way -> direction -> scorer over `items`, each with photo and text: "itm", and with a contrastive head the others.

    `itm_share`: weight of ITM's log-odds in "rerank", the model's own by default; the rest is on ITC's logits (cosine times
    the learned scale), both in units of log-odds. `bank`: ITC's scores are normalised by it. `judge`: whose matching head
    judges in "rerank" in place of the model's own, which stays what "itm" is.
    """
    photos = prepared_photos(items, model.config)
    texts = [item.text for item in items]
    pairs = _PairScores(PairModel(model, tokenizer, device=device, batch_size=batch_size), photos, texts)
    ways: dict[str, Mapping[Direction, Scorer]] = {}
    if model.config.embed_dim:
        vectors = comparable(*_vectors(MvltTowers(model, tokenizer, device=device), photos, texts, batch_size), bank)
        ways["itc"] = {"t2i": _Cosine(vectors[1], vectors[0]), "i2t": _Cosine(vectors[0], vectors[1])}
    ways["itm"] = {"t2i": pairs.for_direction("t2i"), "i2t": pairs.for_direction("i2t")}
    if "itc" in ways:
        scale = float(model.logit_scale.detach())
        share = (judge.share if judge else model.config.itm_share) if itm_share is None else itm_share
        judging = _PairScores(judge.pairs, prepared_photos(items, judge.pairs.model.config), texts) if judge else pairs
        ways["rerank"] = {
            direction: _Reranked(ways["itc"][direction], judging.for_direction(direction), scale, shortlist, share)
            for direction in ("t2i", "i2t")
        }
    return ways


class _PairScores:
    def __init__(self, pairs: PairModel, photos: torch.Tensor, texts: Sequence[str]) -> None:
        self._pairs = pairs
        self._images = pairs.begin_images(photos)
        self._texts = pairs.begin_texts(texts)

    def for_direction(self, direction: Direction) -> Scorer:
        def score(queries: Indices, candidates: Indices) -> NDArray[Any]:
            asked = torch.from_numpy(np.repeat(queries, candidates.shape[1])).to(self._pairs.device)
            offered = torch.from_numpy(np.ascontiguousarray(candidates).reshape(-1)).to(self._pairs.device)
            image_rows, text_rows = (offered, asked) if direction == "t2i" else (asked, offered)
            scores = self._pairs.score(self._images, self._texts, image_rows, text_rows)
            # A pair's last digits depend on the batch it is in: rounded, equal pairs tie again.
            return scores.float().cpu().numpy().reshape(candidates.shape).round(4)

        return score


class _Cosine:
    def __init__(self, queries: NDArray[Any], gallery: NDArray[Any]) -> None:
        self._queries, self._gallery = queries, gallery

    def __call__(self, queries: Indices, candidates: Indices) -> NDArray[Any]:
        if candidates.strides[0] == 0:
            return (self._queries[queries] @ self._gallery[candidates[0]].T).astype(np.float32)
        return np.einsum("bd,bcd->bc", self._queries[queries], self._gallery[candidates]).astype(np.float32)


class _Reranked:
    """The shortlist by ITC before all others, ordered by the blend of both."""

    def __init__(self, itc: Scorer, itm: Scorer, scale: float, shortlist: int, itm_share: float) -> None:
        self._itc, self._itm, self._scale, self._shortlist, self._share = itc, itm, scale, shortlist, itm_share

    def __call__(self, queries: Indices, candidates: Indices) -> NDArray[Any]:
        first = self._scale * self._itc(queries, candidates)
        kept = min(self._shortlist, candidates.shape[1])
        # What ties with the last of the shortlist is on it too: no sort decides between equals.
        listed = first >= np.partition(first, -kept, axis=1)[:, -kept, None]
        kept = int(listed.sum(axis=1).max())
        best = np.argpartition(-first, kept - 1, axis=1)[:, :kept]
        listed = np.take_along_axis(listed, best, axis=1)
        again = self._itm(queries, np.take_along_axis(candidates, best, axis=1))
        blend = self._share * again + (1 - self._share) * np.take_along_axis(first, best, axis=1)
        # All of the shortlist stands before the rest, whose own order is ITC's.
        lowest = np.where(listed, blend, np.inf).min(axis=1, keepdims=True)
        scores = first + (lowest - 1 - first.max(axis=1, keepdims=True))
        np.put_along_axis(scores, best, np.where(listed, blend, np.take_along_axis(scores, best, axis=1)), axis=1)
        return scores.astype(np.float32)


def _vectors(
    towers: MvltTowers, photos: torch.Tensor, texts: Sequence[str], batch_size: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Photos and texts as double-precision unit vectors, so that equal ones tie."""
    with torch.inference_mode():
        images = [towers.embed_images(list(part)).cpu().double() for part in photos.split(batch_size)]
        words = [
            towers.embed_texts(texts[at : at + batch_size]).cpu().double() for at in range(0, len(texts), batch_size)
        ]
    return torch.cat(images).numpy(), torch.cat(words).numpy()
