"""Micro-batching changes nothing but the speed: one error is one request's, order and answers are those of single calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from modiste.service.batching import Batcher, Busy
from modiste.service.finder import BatchedEncoder, BatchedSearch, Search

QUERIES = [
    "red dress", "black leather ankle boots", "a", "navy striped t-shirt with long sleeves and a crew neck", "bag", "white",
    "yellow floral skirt for a summer wedding", "blue jeans", "warm winter coat in camel with a belt", "sneakers",
]  # fmt: skip


def test_what_waits_while_a_batch_runs_is_the_next_batch() -> None:
    sizes: list[int] = []
    gate = threading.Event()

    def double(numbers: Sequence[int]) -> list[int | Exception]:
        gate.wait(10)
        return [2 * one for one in numbers]

    batcher: Batcher[int, int] = Batcher(double, size=4, waiting=100, name="t", observe=sizes.append)
    futures = [batcher.submit(0)]
    until = time.monotonic() + 10
    while not sizes and time.monotonic() < until:
        time.sleep(0.001)
    futures += [batcher.submit(n) for n in range(1, 10)]
    gate.set()
    assert [one.result(10) for one in futures] == [2 * n for n in range(10)]
    assert sizes == [1, 4, 4, 1]
    batcher.close()


def test_a_bad_one_spoils_no_other() -> None:
    def fussy(numbers: Sequence[int]) -> list[int | Exception]:
        if any(one == 13 for one in numbers):
            raise ValueError("13")
        return [KeyError(one) if one == 7 else one for one in numbers]

    batcher: Batcher[int, int] = Batcher(fussy, size=32, waiting=100, name="t")
    futures: list[Future[int]] = [batcher.submit(n) for n in range(20)]
    for n, one in enumerate(futures):
        if n in (7, 13):
            with pytest.raises((ValueError, KeyError)):
                one.result(10)
        else:
            assert one.result(10) == n
    batcher.close()


def test_more_than_may_wait_are_told_so() -> None:
    gate = threading.Event()

    def slow(numbers: Sequence[int]) -> list[int | Exception]:
        gate.wait(10)
        return list(numbers)

    batcher: Batcher[int, int] = Batcher(slow, size=1, waiting=3, name="t")
    taken, refused = [], 0
    for n in range(10):
        try:
            taken.append(batcher.submit(n))
        except Busy:
            refused += 1
    assert 3 <= len(taken) <= 4
    assert refused == 10 - len(taken)
    gate.set()
    assert [one.result(10) for one in taken] == list(range(len(taken)))
    batcher.close()
    assert batcher._thread.is_alive() is False


def test_queries_encoded_together_are_those_encoded_alone(shop: Any, photo: bytes) -> None:
    encoder = shop.encoder.encoder
    asked: list[tuple[str, Any]] = [(text, None) for text in QUERIES] + [("", photo), ("red", photo)]
    together = encoder.encode_queries(asked).vectors
    for row, (text, image) in zip(together, asked, strict=True):
        np.testing.assert_allclose(row, encoder.encode_query(text, image).vectors[0], atol=1e-6)
    assert encoder.encode_queries([]).vectors.shape == (0, encoder.id.dim)
    with pytest.raises(ValueError, match="an empty query"):
        encoder.encode_queries([("red", None), (" ", None)])


def test_concurrent_searches_are_single_searches(shop: Any) -> None:
    """The same hits in the same order, whatever was in the batch: other words, other filters, other numbers of hits."""
    encoder, search = BatchedEncoder(shop.encoder.encoder), BatchedSearch(shop.store)
    cases: list[tuple[str, int, tuple[str, ...], bool]] = [
        (text, 3 + 2 * n % 9, ("price<100",) if n % 3 else (), n % 4 == 0) for n, text in enumerate(QUERIES * 3)
    ]

    def ask(case: tuple[str, int, tuple[str, ...], bool]) -> list[tuple[str, float]]:
        text, k, filters, per_product = case
        found = search.submit(Search(encoder.submit(text).result(), k, filters, per_product)).result()
        return [(hit.item.id, hit.score) for hit in found.hits]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, cases))
    for (text, k, filters, per_product), answer in zip(cases, answers, strict=True):
        query = shop.encoder.encoder.encode_query(text)
        right = shop.store.search(query, k=k, filters=filters, collapse="group" if per_product else None)
        assert [name for name, _ in answer] == list(right.ids)
        np.testing.assert_allclose([score for _, score in answer], [hit.score for hit in right.hits], atol=1e-6)
    encoder.close()
    search.close()


def test_a_bad_filter_is_the_fault_of_who_sent_it(shop: Any) -> None:
    from modiste.engine.filters import FilterError

    search = BatchedSearch(shop.store)
    vector = shop.encoder.encoder.encode_query("red").vectors[0]
    good, bad = search.submit(Search(vector, 3)), search.submit(Search(vector, 3, ("nothing=1",)))
    assert len(good.result(30).hits) == 3
    with pytest.raises(FilterError):
        bad.result(30)
    search.close()


def test_a_full_house_says_come_back(client: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise Busy

    monkeypatch.setattr(shop.encoder, "submit", full)
    answer = client.get("/v1/search", params={"q": "red"})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["type"] == "urn:modiste:problem:busy"
