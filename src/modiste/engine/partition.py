"""How the rows of a large catalogue are parted into lists of near ones, and how many of them a search has to look at.

A search ranks the lists by their centroids and looks into the nearest until it has met a *fraction* of the rows that pass its
filter; lists without such a row do not count. The fraction is measured on the vectors themselves, for filters that have
nothing to do with the vectors and for filters that do (a category, which is a region of lists that most queries lie outside
of), and grows as fewer rows pass: the ten best of a tenth of the rows lie as far out as the hundred best of all.

A partition is small (twelve bytes a row and the centroids), so that it is kept beside the catalogue: whoever opens that again
has the lists after encoding the rows, without k-means. It is a safetensors file in which a row is known by its vector's
checksum, so that it serves later versions too: only rows that it does not know are compared with the centroids.

Shapes: N rows, L lists, D width, S shares.
"""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from modiste.engine.beside import Ending, Stopped
from modiste.files import write_atomically
from modiste.types import FloatArray

FILE_NAME = "lists.safetensors"
SHARES = (1.0, 0.9, 0.5, 0.25, 0.1, 0.05, 0.02)  # of the rows that pass, for which the fraction to be met is measured

Sums = NDArray[np.uint64]  # checksums of vectors, as `rows.vector_sums` makes them

_FORMAT = "1"
_TENSORS = ("centroids", "sums", "list_of", "fractions")
_ROWS_A_LIST = 39  # at least: faiss's own minimum
_SAMPLE_A_LIST = 32  # rows that k-means looks at
_ROUNDS = 10
_CHUNK = 16_384
_BLOCKS, _BLOCK = 6, 8  # of queries that the fractions are measured with
_K = 10
_MOST_NEW = 0.5  # share of the rows that may be new to a partition
_MOST_GROWN = 1.5  # times the lists that there are: so many more rows are better parted anew
_WORTH_WRITING = 0.01  # share of the rows that were new, from which on what is kept is replaced
_RESERVE = 2.0  # for queries unlike the rows, such as words of a model with a gap between words and photos


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Lists of near rows."""

    centroids: FloatArray  # (L, D) of unit length
    list_of: NDArray[np.int32]  # (N,)
    fractions: NDArray[np.float64]  # (S,) of the rows that pass: how many to meet for the wanted recall of the ten best

    def fraction(self, share: float, k: int) -> float:
        """How much of what passes to meet for the k best where `share` of the rows pass; 1 where that is not known."""
        share *= min(1.0, _K / k)  # the hundred best of all rows lie where the ten best of a tenth do
        fitting = [at for at, known in enumerate(SHARES) if known <= share + 1e-12]
        return float(self.fractions[fitting[0]]) if fitting else 1.0

    def of_others(
        self, sums: Sums, vectors: FloatArray, others: Sums, stopped: Stopped = lambda: False
    ) -> tuple[Partition, int] | None:
        """The same lists for other rows (N, D), and how many of these are new to it; None where most are.

        A row is known by its checksum: `sums` of the rows here, `others` (N,) of the others.
        """
        order = np.argsort(sums)
        at = order[np.minimum(np.searchsorted(sums[order], others), len(sums) - 1)] if len(sums) else None
        if at is None or self.centroids.shape[1] != vectors.shape[1]:
            return None
        new = sums[at] != others
        if new.mean() > _MOST_NEW or num_lists(len(vectors)) > _MOST_GROWN * len(self.centroids):
            return None
        list_of = self.list_of[at]
        list_of[new] = nearest_lists(vectors[new], self.centroids, stopped)
        return Partition(self.centroids, list_of, self.fractions), int(np.count_nonzero(new))


def num_lists(num_rows: int) -> int:
    """How many lists so many rows are parted into."""
    return max(1, min(int(2 * math.sqrt(num_rows)), num_rows // _ROWS_A_LIST))


def make_partition(
    vectors: FloatArray, *, target_recall: float = 0.995, seed: int = 0, stopped: Stopped = lambda: False
) -> Partition:
    """K-means of a seeded sample by inner product, every row in its list, and the fractions measured.

    Raises `Ending` when `stopped()` says so on the way.
    """
    rng = np.random.default_rng(seed)
    num_rows = len(vectors)
    count = num_lists(num_rows)
    sample = vectors[np.sort(rng.choice(num_rows, min(num_rows, _SAMPLE_A_LIST * count), replace=False))]
    centroids = _unit(sample[rng.choice(len(sample), count, replace=False)])
    for _ in range(_ROUNDS):
        centroids = _moved(centroids, sample, nearest_lists(sample, centroids, stopped), rng)
    list_of = nearest_lists(vectors, centroids, stopped)
    return Partition(centroids, list_of, _fractions(vectors, centroids, list_of, target_recall, rng, stopped))


def nearest_lists(vectors: FloatArray, centroids: FloatArray, stopped: Stopped = lambda: False) -> NDArray[np.int32]:
    """(N,) the list of each row."""
    import faiss

    quantizer = faiss.IndexFlatIP(centroids.shape[1])
    quantizer.add(centroids)
    found = np.empty(len(vectors), dtype=np.int32)
    for start in range(0, len(vectors), _CHUNK):
        if stopped():
            raise Ending
        part = slice(start, start + _CHUNK)
        found[part] = quantizer.search(np.ascontiguousarray(vectors[part]), 1)[1][:, 0]
    return found


def _moved(
    centroids: FloatArray, sample: FloatArray, list_of: NDArray[np.int32], rng: np.random.Generator
) -> FloatArray:
    """Each centroid in the middle of its rows; one without rows begins again at a random one."""
    order = np.argsort(list_of, kind="stable")
    filled, starts = np.unique(list_of[order], return_index=True)
    moved = sample[rng.choice(len(sample), len(centroids))]
    moved[filled] = np.add.reduceat(sample[order], starts, axis=0)
    return _unit(moved)


def _unit(vectors: FloatArray) -> FloatArray:
    found: FloatArray = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return found


def _fractions(
    vectors: FloatArray,
    centroids: FloatArray,
    list_of: NDArray[np.int32],
    target_recall: float,
    rng: np.random.Generator,
    stopped: Stopped,
) -> NDArray[np.float64]:
    """(S,) the part of what passes that has to be met until the wanted share of the ten best is among it.

    Of the queries half are rows and half lie between two rows, where lists are hardest to choose. A filter by region is
    of the lists nearest to one of the queries, so that the others lie outside of it.
    """
    num_rows, count = len(vectors), len(centroids)
    needed: list[list[NDArray[np.float64]]] = [[] for _ in range(2 * len(SHARES))]
    for _ in range(_BLOCKS):
        queries = vectors[rng.choice(num_rows, _BLOCK)]
        queries[::2] = _unit(queries[::2] + vectors[rng.choice(num_rows, len(queries[::2]))])
        scores = queries @ vectors.T  # (Q, N)
        near = np.argsort(-(queries @ centroids.T), axis=1, kind="stable")  # (Q, L)
        sizes = np.bincount(list_of, minlength=count)
        region = np.empty(count, dtype=np.int64)
        region[near[0]] = np.cumsum(sizes[near[0]]) - sizes[near[0]]  # rows in lists nearer to the first query
        chance = rng.random(num_rows)
        for at, share in enumerate(SHARES):
            masks = [chance < share, (region < share * num_rows)[list_of]] if share < 1 else [np.ones(num_rows, bool)]
            for kind, mask in enumerate(masks):
                if stopped():
                    raise Ending
                needed[2 * at + kind].append(_met(scores, near, mask, list_of, count))
    quantile = [
        float(np.quantile(np.concatenate(one), target_recall, method="higher")) if one else 0.0 for one in needed
    ]
    worst = np.maximum.accumulate(np.maximum(quantile[::2], quantile[1::2]))  # fewer that pass never ask for less
    return np.minimum(1.0, _RESERVE * worst)


def _met(
    scores: FloatArray,
    near: NDArray[np.int64],
    mask: NDArray[np.bool_],
    list_of: NDArray[np.int32],
    count: int,
) -> NDArray[np.float64]:
    """The fraction of what passes that each true neighbour of each query is reached with."""
    rows = np.flatnonzero(mask)
    passing = np.bincount(list_of[rows], minlength=count)
    met = []
    for query_scores, order in zip(scores, near, strict=True):
        here = query_scores[rows]
        best = rows[np.argpartition(-here, _K - 1)[:_K]] if len(rows) > _K else rows
        reached = np.empty(count)
        reached[order] = np.cumsum(passing[order])
        met.append(reached[list_of[best]] / max(1, len(rows)))
    return np.concatenate(met)


@dataclass(frozen=True, slots=True, eq=False)
class Partitions:
    """Where the partition of a catalogue is kept, and the checksums (N,) of the rows that one is wanted for."""

    path: Path | None
    sums: Sums
    earlier: tuple[Partition, Sums] | None = None  # one that is at hand, and the checksums of its rows

    def read(self, vectors: FloatArray, stopped: Stopped = lambda: False) -> Partition | None:
        """The earlier one or what is kept, for these rows (N, D); None where there is none, or it knows too few of them."""
        for partition, sums in (one for one in (self.earlier, self._kept()) if one is not None):
            found = partition.of_others(sums, vectors, self.sums, stopped)
            if found is not None:
                if found[1] > _WORTH_WRITING * len(vectors):
                    self.write(found[0])
                return found[0]
        return None

    def _kept(self) -> tuple[Partition, Sums] | None:
        if self.path is None:
            return None
        try:
            with safe_open(self.path, framework="numpy") as file:
                if (file.metadata() or {}).get("format") != _FORMAT:
                    return None
                centroids, sums, list_of, fractions = map(file.get_tensor, _TENSORS)
        except (OSError, SafetensorError, ValueError, KeyError):
            return None
        fits = (
            (centroids.ndim, centroids.dtype) == (2, np.float32)
            and (sums.ndim, sums.dtype) == (1, np.uint64)
            and (list_of.shape, list_of.dtype) == (sums.shape, np.int32)
            and (fractions.shape, fractions.dtype) == ((len(SHARES),), np.float64)
            and bool(np.isfinite(centroids).all() and (fractions >= 0).all() and (fractions <= 1).all())
            and int(list_of.min(initial=0)) >= 0
            and int(list_of.max(initial=0)) < len(centroids)
        )
        return (Partition(centroids, list_of, fractions), sums) if fits else None

    def write(self, partition: Partition) -> None:
        """Keep a partition of these rows; where the folder cannot be written, it is made again the next time."""
        if self.path is None:
            return
        values = (partition.centroids, self.sums, partition.list_of, partition.fractions)
        data = save(dict(zip(_TENSORS, values, strict=True)), {"format": _FORMAT})
        with contextlib.suppress(OSError):
            write_atomically(self.path, data)
