"""The index part of the bench of growth, in small: figures of every filter, and the tables made of them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modiste.types import EncoderId, Item


def test_the_index_is_measured_at_every_share(
    bench_module: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = bench_module("scale")
    vectors = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    items = [Item(str(row), "hat") for row in range(300)]
    made = scale.World(items, vectors, vectors[:20].copy(), EncoderId("x", "0" * 64, 16), np.arange(300) / 300)
    monkeypatch.setattr(scale, "world", lambda options: made)
    found = scale.index(Namespace(rows=1_200, dim=16, noise=0.3, seed=1))
    assert [one["candidates"] for one in found["searches"]][::2][1:] == [600, 360, 120, 24, 4]
    for one in found["searches"]:  # so few rows are compared exactly
        assert one["recall@10"] == (1.0 if one["candidates"] else 0.0)
    jittered = made.jittered(np.arange(300), 0.3, 0)
    assert 0.9 < (jittered * vectors).sum(axis=1).mean() < 0.99
