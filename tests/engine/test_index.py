"""One contract for every backend, against a sort in float64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.engine.index import ExactIndex, VectorIndex, build_index
from modiste.engine.ivf import IVFIndex
from modiste.engine.milvus import Address, MilvusCollection
from modiste.engine.milvus_index import MilvusIndex
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


BACKENDS: dict[str, Callable[[Path], VectorIndex]] = {
    "exact": lambda _: ExactIndex(VECTORS),
    "ivf": lambda _: IVFIndex(VECTORS, exact_limit=500),
    "milvus": on_milvus,
}


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VectorIndex:
    return BACKENDS[request.param](tmp_path_factory.mktemp("index"))


def test_unfiltered_recall(index: VectorIndex) -> None:
    rows, scores = index.search(QUERIES, 10)
    wanted = [naive(query, 10, np.arange(N)) for query in QUERIES]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(rows.tolist(), wanted, strict=True)])
    assert recall >= (1.0 if isinstance(index, ExactIndex) else 0.95)
    assert rows.shape == scores.shape == (20, 10)
    assert rows.dtype == np.int64
    assert scores.dtype == np.float32
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("share", [0.99, 0.5, 0.2, 0.02, 0.001, 1 / N])
@pytest.mark.parametrize("as_rows", [False, True])
def test_filtered_recall_is_complete(index: VectorIndex, share: float, as_rows: bool) -> None:
    allowed = np.sort(np.random.default_rng(3).choice(N, max(1, round(share * N)), replace=False))
    mask = np.zeros(N, dtype=bool)
    mask[allowed] = True
    rows, scores = index.search(QUERIES[:8], 10, allowed if as_rows else mask)
    for query, found, row_scores in zip(QUERIES, rows, scores, strict=False):
        count = min(10, len(allowed))
        wanted = naive(query, 10, allowed)
        if share < 0.9:
            assert found[:count].tolist() == wanted
        else:
            assert len(set(found.tolist()) & set(wanted)) >= 9
        assert mask[found[:count]].all()
        assert (found[count:] == -1).all()
        assert np.isneginf(row_scores[count:]).all()


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
    first, second = IVFIndex(VECTORS, exact_limit=10), IVFIndex(VECTORS, exact_limit=10)
    assert [a.tolist() for a in first.search(QUERIES, 10)] == [a.tolist() for a in second.search(QUERIES, 10)]
    assert first.nprobe == second.nprobe > 0
    first.nprobe = 1  # one list holds a few dozen rows, fewer than are asked for
    rows, _ = first.search(QUERIES[:2], 400)
    assert (rows >= 0).all()
    assert rows[0].tolist() == naive(QUERIES[0], 400, np.arange(N))
