"""Search of one version of a catalogue over its Milvus collection: the third backend of `VectorIndex`.

The collection proposes, the version disposes. Milvus returns the nearest rows with their vectors; those whose key is not of
this version (written ahead of a commit, or superseded) are left out, as are those that are no candidates, and the rest is
ranked anew in float64 by the rule of the embedded backends: equal vectors, equal scores, equal order. When too few are left,
more are asked for; when candidates are few, or Milvus cannot return enough, the vectors are taken from the store and compared
exactly, without Milvus.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from modiste.engine.errors import CatalogueError
from modiste.engine.filters import Column
from modiste.engine.index import (
    Candidates,
    ExactIndex,
    RowArray,
    as_mask,
    checked_queries,
    empty_result,
    merged,
    rank_exactly,
)
from modiste.engine.milvus import MOST_RESULTS, Keys, MilvusCollection
from modiste.engine.narrowing import narrowing
from modiste.types import FloatArray

EXACT_ROWS = 2_000  # candidates up to which their vectors are fetched and compared here
SETTLE_SECONDS = 60.0  # after which every node of a cluster has what was written before; Milvus's own bound is 5 s

_CHUNK = 16_384  # rows whose vectors are held at once when all are compared
_ANSWER_BYTES = 32_000_000  # of one answer of Milvus; gRPC takes 64 MB


class MilvusIndex:
    """Rows of one version, found in a collection.

    Parameters
    ----------
    keys
        (N,) the key of each row.
    sums
        (N,) `vector_sums` of the rows: what comes over the network is compared with them.
    vectors_of
        Rows -> (C, D), from the store.
    columns
        The fields of the rows, asked for at the first filtered search.
    """

    def __init__(
        self,
        collection: MilvusCollection,
        keys: Keys,
        sums: np.ndarray,
        dim: int,
        vectors_of: Callable[[RowArray], FloatArray],
        columns: Callable[[], Mapping[str, Column]] = dict,
        *,
        exact_rows: int = EXACT_ROWS,
    ) -> None:
        self.collection = collection
        self._dim, self._sums, self._vectors_of, self._columns = dim, sums, vectors_of, columns
        self._exact_rows = exact_rows
        self._by_key = np.argsort(keys, kind="stable")
        self._keys = keys[self._by_key]
        self._made = time.monotonic()
        self._complete = False

    def __len__(self) -> int:
        return len(self._keys)

    def search(self, queries: FloatArray, k: int, candidates: Candidates = None) -> tuple[RowArray, FloatArray]:
        queries = checked_queries(queries, k, self._dim)
        mask = as_mask(candidates, len(self))
        rows = None if mask is None else np.flatnonzero(mask).astype(np.int64)
        count = len(self) if rows is None else len(rows)
        wanted = min(k, count)
        # Without a filter Milvus is asked however few the rows are: that it has them all is looked at on the way.
        if (rows is not None and count <= self._exact_rows) or 2 * wanted >= count or 2 * wanted > MOST_RESULTS:
            return self._exact(queries, k, rows)
        self._require_all()
        expression = "" if rows is None else narrowing(rows, self._columns())
        found, scores = empty_result(len(queries), k)
        left = self._proposed(queries, wanted, mask, expression, found, scores)
        if len(left):
            found[left], scores[left] = self._exact(queries[left], k, rows)
        return found, scores

    def _require_all(self) -> None:
        """Raise `CatalogueError` when the collection has lost rows: what it then found could not be trusted."""
        if not self._complete:
            there = self.collection.count()
            if there < len(self):
                raise CatalogueError(
                    f"{self.collection} holds {there:,} rows of {len(self):,}: run `modiste index` with the whole table again, "
                    "which puts back what is missing without encoding anything"
                )
            self._complete = True

    def _proposed(
        self,
        queries: FloatArray,
        wanted: int,
        allowed: np.ndarray | None,
        expression: str,
        found: RowArray,
        scores: FloatArray,
    ) -> RowArray:
        """Fill in the rankings that Milvus has enough for; returns the numbers of the queries that it has not."""
        left, dry = np.arange(len(queries)), list[int]()
        limit = min(max(4 * wanted, wanted + 64), MOST_RESULTS)
        while len(left):
            short: list[int] = []
            at_once = max(1, _ANSWER_BYTES // (limit * self._dim * 4))
            for start in range(0, len(left), at_once):
                part = left[start : start + at_once]
                settled = time.monotonic() - self._made > SETTLE_SECONDS
                answers = self.collection.search(queries[part], limit, expression, settled=settled)
                for query, (keys, vectors) in zip(part.tolist(), answers, strict=True):
                    rows, near = self._of_this_version(keys, vectors, allowed)
                    if len(rows) >= wanted:
                        best, exact = _ranked(near, rows, queries[query], wanted)
                        found[query, :wanted], scores[query, :wanted] = best, exact
                    elif len(keys) < limit:
                        dry.append(query)  # Milvus has no more to give
                    else:
                        short.append(query)
            if limit == MOST_RESULTS:
                dry += short
                break
            left, limit = np.array(short, dtype=np.int64), min(4 * limit, MOST_RESULTS)
        return np.array(sorted(dry), dtype=np.int64)

    def _of_this_version(
        self, keys: Keys, vectors: FloatArray, allowed: np.ndarray | None
    ) -> tuple[RowArray, FloatArray]:
        """The rows among the keys that belong to this version and to the candidates, and their vectors as stored."""
        from modiste.engine.rows import vector_sums

        place = np.minimum(np.searchsorted(self._keys, keys), len(self) - 1)
        known = self._keys[place] == keys
        rows = self._by_key[place[known]].astype(np.int64)
        vectors = vectors[known]
        if allowed is not None:
            rows, vectors = rows[allowed[rows]], vectors[allowed[rows]]
        damaged = vector_sums(vectors) != self._sums[rows]
        if damaged.any():
            vectors[damaged] = self._vectors_of(rows[damaged])
        return rows, vectors

    def _exact(self, queries: FloatArray, k: int, rows: RowArray | None) -> tuple[RowArray, FloatArray]:
        """Every candidate compared, some thousand at a time."""
        found, scores = empty_result(len(queries), k)
        rows = np.arange(len(self), dtype=np.int64) if rows is None else rows
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            near, near_scores = ExactIndex(self._vectors_of(part)).search(queries, k)
            found, scores = merged([(found, scores), (np.where(near >= 0, part[near], -1), near_scores)], k)
        return found, scores


def _ranked(vectors: FloatArray, rows: RowArray, query: FloatArray, k: int) -> tuple[RowArray, FloatArray]:
    """`rank_exactly` of rows whose vectors are at hand."""
    order = np.argsort(rows)
    best, scores = rank_exactly(vectors[order], query, np.arange(len(rows)), k)
    return rows[order][best], scores
