"""One contract for every backend, against a sort in float64."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.engine.amended import AmendedIndex
from modiste.engine.index import ExactIndex, VectorIndex, build_index
from modiste.engine.ivf import IVFIndex
from modiste.engine.milvus import Address, MilvusCollection
from modiste.engine.milvus_index import MilvusIndex
from modiste.engine.partition import SHARES, Partition, Partitions, make_partition
from modiste.engine.rows import vector_sums
from modiste.types import EncoderId

N, D = 3000, 24


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def clustered(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(60, D))
    return unit(centres[rng.integers(60, size=count)] + 0.4 * rng.normal(size=(count, D)))


VECTORS = clustered(N, 0)
VECTORS[100:110] = VECTORS[50]  # ten rows that tie
QUERIES = clustered(20, 1)


def naive(query: np.ndarray, k: int, rows: np.ndarray) -> list[int]:
    scores = {row: np.float32((VECTORS[row] * query.astype(np.float64)).sum()) for row in rows.tolist()}
    return sorted(scores, key=lambda row: (-scores[row], row))[:k]


def on_milvus(folder: Path) -> VectorIndex:
    """The vectors in a collection of Milvus Lite, under keys whose order is not that of the rows."""
    collection = MilvusCollection(
        Address.parse(str(folder / "vectors.db/contract")), "me", EncoderId("toy", "0" * 64, D)
    )
    collection.make()
    keys = np.arange(N) * 7_919 % N
    collection.upsert(keys, VECTORS, [{}] * N)
    return MilvusIndex(collection, keys, vector_sums(VECTORS), D, lambda rows: VECTORS[rows], exact_rows=20)


def built(**options: Any) -> IVFIndex:
    index = IVFIndex(VECTORS, **options)
    index.build()
    return index


def amended() -> AmendedIndex:
    """Of every fifth row added since the base was made, 300 rows of which were removed."""
    added = np.arange(N) % 5 == 0
    kept = np.flatnonzero(~added)
    base = clustered(len(kept) + 300, 7)
    place = len(base) + np.cumsum(added) - 1
    place[kept] = np.sort(np.random.default_rng(0).choice(len(base), len(kept), replace=False))
    base[place[kept]] = VECTORS[kept]
    return AmendedIndex(ExactIndex(base), VECTORS[added], place)


BACKENDS: dict[str, Callable[[Path], VectorIndex]] = {
    "exact": lambda _: ExactIndex(VECTORS),
    "ivf": lambda _: built(exact_limit=500),
    "amended": lambda _: amended(),
    "milvus": on_milvus,
}


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VectorIndex:
    return BACKENDS[request.param](tmp_path_factory.mktemp("index"))


def test_unfiltered_recall(index: VectorIndex) -> None:
    rows, scores = index.search(QUERIES, 10)
    wanted = [naive(query, 10, np.arange(N)) for query in QUERIES]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows.tolist(), wanted, strict=True)])
    assert recall >= (0.99 if isinstance(index, IVFIndex) else 1.0)
    assert rows.shape == scores.shape == (20, 10)
    assert rows.dtype == np.int64
    assert scores.dtype == np.float32
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("share", [0.99, 0.5, 0.2, 0.02, 0.001, 1 / N])
@pytest.mark.parametrize("as_rows", [False, True])
def test_filtered_recall_is_complete(index: VectorIndex, share: float, as_rows: bool) -> None:
    hits = possible = 0
    allowed = np.sort(np.random.default_rng(3).choice(N, max(1, round(share * N)), replace=False))
    mask = np.zeros(N, dtype=bool)
    mask[allowed] = True
    rows, scores = index.search(QUERIES[:8], 10, allowed if as_rows else mask)
    for query, found, row_scores in zip(QUERIES, rows, scores, strict=False):
        count = min(10, len(allowed))
        wanted = naive(query, 10, allowed)
        if not isinstance(index, IVFIndex) or len(allowed) <= 500:
            assert found[:count].tolist() == wanted
        hits, possible = hits + len(set(found.tolist()) & set(wanted)), possible + count
        assert mask[found[:count]].all()
        assert (found[count:] == -1).all()
        assert np.isneginf(row_scores[count:]).all()
    assert hits >= 0.97 * possible


def test_equal_scores_come_by_row(index: VectorIndex) -> None:
    rows, scores = index.search(VECTORS[50][None], 8)
    assert rows[0].tolist() == [50, *range(100, 107)]
    assert len(set(scores[0].tolist())) == 1


def test_ranking_does_not_depend_on_the_call(index: VectorIndex) -> None:
    together = index.search(QUERIES, 20)
    for number, query in enumerate(QUERIES):
        alone = index.search(query[None], 20)
        assert alone[0][0].tolist() == together[0][number].tolist()
        assert alone[1][0].tobytes() == together[1][number].tobytes()


def test_more_than_there_is(index: VectorIndex) -> None:
    rows, _ = index.search(QUERIES[:1], N + 5)
    assert sorted(rows[0].tolist()) == [-1] * 5 + list(range(N))
    rows, _ = index.search(QUERIES[:1], 3, np.zeros(N, dtype=bool))
    assert rows.tolist() == [[-1, -1, -1]]


@pytest.mark.parametrize(
    ("queries", "k", "candidates"),
    [
        (QUERIES[:, :3], 5, None),
        (QUERIES[0], 5, None),
        (QUERIES, 0, None),
        (QUERIES * np.nan, 5, None),
        (QUERIES, 5, np.ones(3, dtype=bool)),
        (QUERIES, 5, np.array([N])),
        (QUERIES, 5, np.array([-1])),
        (QUERIES, 5, np.array([[1]])),
    ],
)
def test_refusals(index: VectorIndex, queries: np.ndarray, k: int, candidates: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must|finite"):
        index.search(queries, k, candidates)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_exact_is_a_sort(count: int, k: int, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 2, (count, 3)).astype(np.float32)  # coarse: many ties
    query, mask = rng.integers(-1, 2, (1, 3)).astype(np.float32), rng.random(count) < share
    rows, _ = ExactIndex(vectors).search(query, k, mask)
    wanted = sorted(np.flatnonzero(mask).tolist(), key=lambda row: (-float(vectors[row] @ query[0]), row))[:k]
    assert rows[0].tolist() == wanted + [-1] * (k - len(wanted))


def test_no_rows_and_the_choice_of_backend() -> None:
    rows, scores = ExactIndex(np.empty((0, D), np.float32)).search(QUERIES[:2], 3)
    assert (rows == -1).all()
    assert np.isneginf(scores).all()
    assert isinstance(build_index(VECTORS), ExactIndex)
    assert isinstance(build_index(VECTORS, exact_limit=100), IVFIndex)
    with pytest.raises(ValueError, match="N, D"):
        ExactIndex(QUERIES[0])


def test_ivf_is_deterministic_and_finds_enough_when_lists_run_dry() -> None:
    first, second = built(exact_limit=10), built(exact_limit=10)
    assert [a.tolist() for a in first.search(QUERIES, 10)] == [a.tolist() for a in second.search(QUERIES, 10)]
    assert first.partition is not None
    assert second.partition is not None
    assert first.partition.fractions.tolist() == second.partition.fractions.tolist()
    few = np.zeros_like(first.partition.fractions)  # the nearest list alone, whatever it holds
    bare = built(exact_limit=10, partition=Partition(first.partition.centroids, first.partition.list_of, few))
    rows, _ = bare.search(QUERIES[:2], 400)
    assert (rows >= 0).all()
    assert len(set(rows[0].tolist()) & set(naive(QUERIES[0], 400, np.arange(N)))) > 300


REGION = np.argsort(-(VECTORS @ VECTORS[7]), kind="stable")


@settings(max_examples=25, deadline=None)
@given(st.floats(0.5 / N, 0.5), st.booleans(), st.integers(0, 2**32 - 1), st.sampled_from([1, 5, 10, 40]))
def test_lists_find_nearly_all_at_any_selectivity(share: float, region: bool, seed: int, k: int) -> None:
    """From a half of the rows down to one, chosen by chance or as a category that is a region of the vectors."""
    index = _kept_ivf()
    count = max(1, round(share * N))
    allowed = np.sort(REGION[:count] if region else np.random.default_rng(seed).choice(N, count, replace=False))
    queries = clustered(24, seed % 1000)
    rows, _ = index.search(queries, k, allowed)
    hits = possible = 0
    for query, found in zip(queries, rows.tolist(), strict=True):
        wanted = naive(query, k, allowed)
        assert len(set(found) - {-1}) == len(wanted)  # never fewer than there are
        hits, possible = hits + len(set(found) & set(wanted)), possible + len(wanted)
    assert hits >= (1.0 if count <= 100 else 0.99) * possible


_KEPT: list[IVFIndex] = []


def _kept_ivf() -> IVFIndex:
    if not _KEPT:
        _KEPT.append(built(exact_limit=100))
    return _KEPT[0]


def test_searches_are_exact_until_the_lists_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*given: Any, **options: Any) -> Partition:
        begun.set()
        assert go_on.wait(60)
        return make_partition(*given, **options)

    monkeypatch.setattr("modiste.engine.ivf.make_partition", slowly)
    index = IVFIndex(VECTORS, exact_limit=100)
    rows, _ = index.search(QUERIES, 10)  # begins the build and does not wait for it
    assert begun.wait(60)
    assert index.partition is None
    assert rows.tolist() == [naive(query, 10, np.arange(N)) for query in QUERIES]
    go_on.set()
    assert index.wait(60)
    assert index.partition is not None
    later, _ = index.search(QUERIES, 10)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows.tolist(), later.tolist(), strict=True)]) >= 0.97


def test_a_build_that_fails_leaves_searches_exact(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*given: Any, **options: Any) -> Partition:
        raise MemoryError("no room")

    monkeypatch.setattr("modiste.engine.ivf.make_partition", fails)
    index = IVFIndex(VECTORS, exact_limit=100)
    for _ in range(2):
        assert index.search(QUERIES[:1], 5)[0][0].tolist() == naive(QUERIES[0], 5, np.arange(N))
        assert not index.wait(60)
    assert "modiste-lists failed" in caplog.text


def test_a_partition_is_kept_and_serves_later_rows(tmp_path: Path) -> None:
    sums = vector_sums(VECTORS)
    kept = Partitions(tmp_path / "lists.safetensors", sums)
    assert kept.read(VECTORS) is None
    made = make_partition(VECTORS)
    kept.write(made)
    again = kept.read(VECTORS)
    assert again is not None
    assert again.list_of.tolist() == made.list_of.tolist()
    order = np.random.default_rng(0).permutation(N)[: N - 200]
    later = np.concatenate([VECTORS[order], clustered(150, 5)])
    others = Partitions(tmp_path / "lists.safetensors", vector_sums(later)).read(later)
    assert others is not None
    assert others.list_of[: len(order)].tolist() == made.list_of[order].tolist()
    assert others.list_of[len(order) :].tolist() == (later[len(order) :] @ made.centroids.T).argmax(axis=1).tolist()
    strange = clustered(N, 6)
    assert Partitions(tmp_path / "lists.safetensors", vector_sums(strange)).read(strange) is None
    wide = np.zeros((N, D + 1), np.float32)
    assert Partitions(tmp_path / "lists.safetensors", sums).read(wide) is None


@pytest.mark.parametrize("damage", [b"", b"not a file of tensors" * 40, None])
def test_a_partition_that_is_damaged_is_made_anew(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "lists.safetensors"
    kept = Partitions(path, vector_sums(VECTORS))
    made = make_partition(VECTORS)
    if damage is None:  # a list that does not exist
        kept.write(Partition(made.centroids, made.list_of + np.int32(len(made.centroids)), made.fractions))
    else:
        path.write_bytes(damage)
    index = built(exact_limit=100, partitions=kept)
    assert index.partition is not None
    assert index.partition.list_of.max() < len(made.centroids)
    assert kept.read(VECTORS) is not None


def test_fewer_that_pass_never_ask_for_less() -> None:
    partition = make_partition(VECTORS)
    assert (np.diff(partition.fractions) >= 0).all()
    assert partition.fraction(1.0, 10) == partition.fractions[0]
    assert partition.fraction(0.6, 10) == partition.fractions[SHARES.index(0.5)]
    assert partition.fraction(1.0, 100) == partition.fractions[SHARES.index(0.1)]
    assert partition.fraction(1e-6, 10) == 1.0
