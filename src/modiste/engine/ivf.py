"""Approximate search over many rows: inverted lists of 8-bit vectors (faiss IVF-SQ8), re-ranked exactly.

Few candidates are compared exactly, whatever the filter. Of many, a search looks into the lists nearest to the query that hold
any, until it has met the fraction of them that finds the wanted share of the ten best (partition.py). What the lists propose
is compared again with the float32 vectors, so that scores and order are those of an exact search.

The lists are made in a thread of their own, begun by the first search that would use them. No search waits for it: all are
exact until the lists are there, and then they are put in place in one step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modiste.engine.beside import Ending, Stopped, begin
from modiste.engine.index import (
    EXACT_LIMIT,
    Candidates,
    ExactIndex,
    RowArray,
    as_mask,
    checked_queries,
    empty_result,
    rank_exactly,
)
from modiste.engine.partition import Partition, Partitions, make_partition
from modiste.types import FloatArray

GATHERED_VALUES = 1 << 24  # candidates of so many values (64 MB) are compared faster one by one than found in the lists
_SCANNED_AT_ONCE = 1 << 16  # rows that one thread looks through
_MOST_PARTS = 4
_TRAINING_ROWS = 16_384  # that the range of the 8 bits is taken from
_CHUNK = 65_536


class IVFIndex:
    """Exact where that is cheap or needed, approximate lists for the rest.

    `partitions`: where an earlier partition of these vectors may be had. `partition`: one that is at hand.
    """

    def __init__(
        self,
        vectors: FloatArray,
        *,
        exact_limit: int = EXACT_LIMIT,
        target_recall: float = 0.995,
        seed: int = 0,
        partitions: Partitions | None = None,
        partition: Partition | None = None,
    ) -> None:
        self._exact = ExactIndex(vectors)
        self._exact_limit = min(exact_limit, max(1, GATHERED_VALUES // max(1, vectors.shape[1])))
        self._target_recall = target_recall
        self._seed = seed
        self._partitions = partitions
        self._partition = partition
        self._lists: Lists | None = None
        self._building, self._starting = threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None

    def __len__(self) -> int:
        return len(self._exact)

    @property
    def vectors(self) -> FloatArray:
        return self._exact.vectors

    @property
    def partition(self) -> Partition | None:
        """The lists' partition, once it is made."""
        return self._partition if self._lists is not None else None

    def search(self, queries: FloatArray, k: int, candidates: Candidates = None) -> tuple[RowArray, FloatArray]:
        queries = checked_queries(queries, k, self._exact.vectors.shape[1])
        mask = as_mask(candidates, len(self))
        count = len(self) if mask is None else int(np.count_nonzero(mask))
        lists = None if count <= self._exact_limit or 4 * k > count else self._ready()
        if lists is None:
            return self._exact.search(queries, k, mask)
        found, scores = empty_result(len(queries), k)
        share = lists.partition.fraction(count / len(self), k)
        for query, shortlist in enumerate(lists.shortlists(queries, max(4 * k, k + 64), mask, share)):
            if len(shortlist) < k:  # the lists held too few: what exists must be found
                found[query], scores[query] = (
                    part[0] for part in self._exact.search(queries[query : query + 1], k, mask)
                )
            else:
                found[query], scores[query] = rank_exactly(self._exact.vectors, queries[query], shortlist, k)
        return found, scores

    def build(self, stopped: Stopped = lambda: False) -> None:
        """Make the lists unless that is done, and return when they are there. Raises `Ending` when `stopped()` holds."""
        with self._building:
            if self._lists is None:
                self._lists = self._made(stopped)

    def begin(self) -> None:
        """Make the lists in a thread of its own unless that is done or under way."""
        with self._starting:
            if self._thread is None and self._lists is None:
                self._thread = begin("modiste-lists", self.build)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for a build that is under way; whether the lists are there."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self._lists is not None

    def _ready(self) -> Lists | None:
        if self._lists is None:
            self.begin()
        return self._lists

    def _made(self, stopped: Stopped) -> Lists:
        vectors = self._exact.vectors
        partition = self._partition
        if partition is None and self._partitions is not None:
            partition = self._partitions.read(vectors, stopped)
        if partition is None:
            partition = make_partition(vectors, target_recall=self._target_recall, seed=self._seed, stopped=stopped)
            if self._partitions is not None:
                self._partitions.write(partition)
        lists = Lists(vectors, partition, stopped)
        self._partition = partition
        return lists


class Lists:
    """The rows of a partition, 8 bits a value, in faiss's inverted lists. Immutable once made."""

    def __init__(self, vectors: FloatArray, partition: Partition, stopped: Stopped = lambda: False) -> None:
        import faiss

        self.partition = partition
        num_rows, dim = vectors.shape
        num_lists = len(partition.centroids)
        self._sizes = np.bincount(partition.list_of, minlength=num_lists)
        self._order = np.argsort(partition.list_of, kind="stable")
        self._filled = np.flatnonzero(self._sizes)
        self._starts = (np.cumsum(self._sizes) - self._sizes)[self._filled]
        self._quantizer = faiss.IndexFlatIP(dim)  # faiss borrows it
        self._quantizer.add(partition.centroids)
        self._lists: Any = faiss.IndexIVFScalarQuantizer(
            self._quantizer, dim, num_lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
        )
        self._lists.train(vectors[np.linspace(0, num_rows - 1, min(num_rows, _TRAINING_ROWS)).astype(np.int64)])
        list_of = partition.list_of.astype(np.int64)
        for start in range(0, num_rows, _CHUNK):
            if stopped():
                raise Ending
            part = np.ascontiguousarray(vectors[start : start + _CHUNK])
            rows = np.arange(start, start + len(part), dtype=np.int64)
            into = list_of[start : start + len(part)]
            self._lists.add_core(len(part), faiss.swig_ptr(part), faiss.swig_ptr(rows), faiss.swig_ptr(into))

    def shortlists(
        self, queries: FloatArray, count: int, mask: NDArray[np.bool_] | None, fraction: float
    ) -> list[RowArray]:
        """For each query `count` rows or more, ascending, that may be its nearest among those of the mask.

        Lists without a row of the mask are passed over; the others are looked through, nearest first, until `fraction` of
        the mask's rows (and `4 * count` of them) were met. How the work is cut into parts depends on its size alone, so
        that what is found does not depend on the number of threads.
        """
        passing = self._sizes if mask is None else self._passing(mask)
        filled = np.flatnonzero(passing)
        total = int(passing.sum())
        enough = min(total, max(fraction * total, 4 * count))
        bits = None if mask is None else np.packbits(mask, bitorder="little")
        jobs: list[tuple[int, RowArray, FloatArray]] = []
        for number, query in enumerate(queries):
            nearness = np.vecdot(
                self.partition.centroids, query
            )  # one query at a time: a batch is summed in another order
            order = filled[np.argsort(-nearness[filled], kind="stable")]
            chosen = order[: int(np.searchsorted(np.cumsum(passing[order]), enough)) + 1].astype(np.int64)
            parts = min(_MOST_PARTS, 1 + int(self._sizes[chosen].sum()) // _SCANNED_AT_ONCE)
            jobs += [(number, part, nearness[part]) for part in (chosen[at::parts] for at in range(parts))]

        def look(job: tuple[int, RowArray, FloatArray]) -> RowArray:
            number, lists, nearness = job
            return self._look(queries[number : number + 1], count, lists, nearness, mask, bits)

        found: list[list[RowArray]] = [[] for _ in queries]
        for (number, _, _), rows in zip(jobs, _spread(look, jobs), strict=True):
            found[number].append(rows)
        return [np.sort(np.concatenate(one)) for one in found]

    def _passing(self, mask: NDArray[np.bool_]) -> RowArray:
        """(L,) the rows of the mask in each list."""
        found = np.zeros(len(self._sizes), dtype=np.int64)
        found[self._filled] = np.add.reduceat(mask[self._order], self._starts, dtype=np.int32)
        return found

    def _look(
        self,
        query: FloatArray,
        count: int,
        lists: RowArray,
        nearness: FloatArray,
        mask: NDArray[np.bool_] | None,
        bits: NDArray[np.uint8] | None,
    ) -> RowArray:
        """The `count` rows of some lists that are nearest by their 8 bits."""
        import faiss

        parameters: Any = faiss.SearchParametersIVF()
        parameters.nprobe = len(lists)
        if mask is not None and bits is not None:  # faiss borrows the bits: they live until the search has returned
            selector = faiss.IDSelectorBitmap(len(mask), faiss.swig_ptr(bits))
            parameters.sel = selector
        lists, nearness = np.ascontiguousarray(lists), np.ascontiguousarray(nearness, dtype=np.float32)
        scores, rows = np.empty((1, count), dtype=np.float32), np.empty((1, count), dtype=np.int64)
        self._lists.search_preassigned_c(
            1, faiss.swig_ptr(query), count, faiss.swig_ptr(lists), faiss.swig_ptr(nearness), faiss.swig_ptr(scores),
            faiss.swig_ptr(rows), False, parameters,
        )  # fmt: skip
        found: RowArray = rows[0][rows[0] >= 0]
        return found


def _spread(look: Callable[[Any], RowArray], jobs: Sequence[Any]) -> Sequence[RowArray]:
    """The answers of all jobs, by the threads that OpenMP would use."""
    import faiss

    threads = int(faiss.omp_get_max_threads())
    if len(jobs) == 1 or threads == 1:
        return [look(job) for job in jobs]
    return list(_threads(threads).map(look, jobs))


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="modiste-look")
