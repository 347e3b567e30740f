"""Approximate search over many rows: inverted lists of 8-bit vectors (faiss IVF-SQ8), re-ranked exactly.

Built on the first search that needs it, trained on a seeded sample, and tuned on the vectors it holds: `nprobe` is the
smallest power of two that reaches the wanted recall on queries made from them. Text queries of a model with a modality gap
are harder than those, hence the high target and a factor in reserve.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np

from modiste.engine.index import (
    EXACT_LIMIT,
    Candidates,
    ExactIndex,
    RowArray,
    as_candidates,
    checked_queries,
    empty_result,
    rank_exactly,
)
from modiste.types import FloatArray

_UNSELECTIVE = 0.9  # share of the rows that a filter must leave for the approximate lists to be trusted under it
_NUM_TUNING_QUERIES = 64
_TUNING_K = 10


class IVFIndex:
    """Exact where that is cheap or needed, approximate lists for the rest."""

    def __init__(
        self,
        vectors: FloatArray,
        *,
        exact_limit: int = EXACT_LIMIT,
        target_recall: float = 0.99,
        seed: int = 0,
    ) -> None:
        self._exact = ExactIndex(vectors)
        self._exact_limit = exact_limit
        self._target_recall = target_recall
        self._seed = seed
        self._lists: Any = None  # faiss.IndexIVFScalarQuantizer, once built
        self._building = threading.Lock()
        self.nprobe = 0

    def __len__(self) -> int:
        return len(self._exact)

    def search(self, queries: FloatArray, k: int, candidates: Candidates = None) -> tuple[RowArray, FloatArray]:
        queries = checked_queries(queries, k, self._exact.vectors.shape[1])
        mask, rows = as_candidates(candidates, len(self))
        if rows is not None:
            return self._exact.search(queries, k, rows)
        count = len(self) if mask is None else int(np.count_nonzero(mask))
        if count <= self._exact_limit or count < _UNSELECTIVE * len(self) or 4 * k > count:
            return self._exact.search(queries, k, mask)
        self.build()
        found, scores = empty_result(len(queries), k)
        near = self._approximate(queries, max(4 * k, k + 64), self.nprobe, mask)
        for query, shortlist in enumerate(near):
            shortlist = shortlist[shortlist >= 0]
            if len(shortlist) < k:  # the lists probed held too few: what exists must be found
                found[query], scores[query] = (
                    part[0] for part in self._exact.search(queries[query : query + 1], k, mask)
                )
            else:
                found[query], scores[query] = rank_exactly(self._exact.vectors, queries[query], shortlist, k)
        return found, scores

    def build(self) -> None:
        """Train, fill and tune the lists unless that is done; the first search above the exact limit does it."""
        with self._building:
            if self._lists is None:
                self._build()

    def _build(self) -> None:
        import faiss

        vectors = self._exact.vectors
        num_rows, dim = vectors.shape
        nlist = max(1, min(int(4 * math.sqrt(num_rows)), num_rows // 39))  # 39 points a list: faiss's own minimum
        lists = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dim), dim, nlist, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        lists.cp.seed = 1 + self._seed
        lists.cp.niter = 10
        rng = np.random.default_rng(self._seed)
        sample = np.sort(rng.choice(num_rows, min(num_rows, 64 * nlist), replace=False))
        lists.train(vectors[sample])
        for start in range(0, num_rows, 65_536):
            lists.add(vectors[start : start + 65_536])
        self._lists = lists
        self.nprobe = self._tuned_nprobe(rng, nlist)

    def _tuned_nprobe(self, rng: np.random.Generator, nlist: int) -> int:
        """Half of the queries are rows, half lie between two rows, where lists are hardest to choose."""
        vectors = self._exact.vectors
        queries = vectors[rng.choice(len(self), _NUM_TUNING_QUERIES)]
        between = queries[::2] + vectors[rng.choice(len(self), len(queries[::2]))]
        queries[::2] = between / np.maximum(np.linalg.norm(between, axis=1, keepdims=True), 1e-12)
        wanted, _ = self._exact.search(queries, _TUNING_K)
        nprobe = 1
        while nprobe < nlist:
            near = self._approximate(queries, _TUNING_K + 64, nprobe, None)
            hits = sum(len(np.intersect1d(a[a >= 0], b[b >= 0])) for a, b in zip(near, wanted, strict=True))
            if hits >= self._target_recall * np.count_nonzero(wanted >= 0):
                break
            nprobe *= 2
        return min(2 * nprobe, nlist)  # the reserve for queries unlike the rows

    def _approximate(self, queries: FloatArray, count: int, nprobe: int, mask: Any) -> RowArray:
        import faiss

        parameters: Any = faiss.SearchParametersIVF()
        parameters.nprobe = nprobe
        if mask is not None:
            bits = np.packbits(mask, bitorder="little")  # both live until the search has returned: faiss borrows them
            selector = faiss.IDSelectorBitmap(len(mask), faiss.swig_ptr(bits))
            parameters.sel = selector
        _, rows = self._lists.search(queries, count, params=parameters)
        result: RowArray = rows
        return result
