"""A catalogue's next version makes of its scorer's pool only what is new."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from engine_fakes import FakeEncoder
from outfit_fakes import PairTestPool, TestScorer

from modiste.engine.catalogue import Catalogue
from modiste.engine.outfits import OutfitEngine
from modiste.engine.world import World
from modiste.models.stylist import Stylist, StylistPool
from modiste.types import FloatArray, Item, JoinablePool

ENCODER = FakeEncoder()
KINDS = {"Shirts": "shirt", "Jeans": "jeans", "Sneakers": "sneakers", "Handbags": "bag"}
COLOURS = ("red", "navy", "black", "white")


class CountingStylist(Stylist):
    """The rules, and how many items they were asked to look at."""

    looked_at: tuple[int, ...] = ()

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> StylistPool:
        object.__setattr__(self, "looked_at", (*self.looked_at, len(items)))
        return super().pool(items, vectors)


def item(kind: str, number: int, colour: str = "") -> Item:
    colour = colour or COLOURS[number % 4]
    pixels = np.full((6, 6, 3), (10 * number, 90, 90), dtype=np.uint8)
    return Item(f"{KINDS[kind]}-{number:02d}", f"{colour} {KINDS[kind]}", pixels, kind, attributes={"colour": colour})


@pytest.fixture
def shop(tmp_path: Path) -> Catalogue:
    store = Catalogue.create(tmp_path / "shop", ENCODER.id)
    store.upsert([item(kind, number) for kind in KINDS for number in range(6)], ENCODER)
    return store


def assert_whole(world: World) -> None:
    """The pool is what the scorer makes of all items."""
    whole = Stylist().pool(world.items)
    assert isinstance(world.pool, StylistPool)
    assert world.pool.traits == whole.traits
    sets = np.array(list(combinations(range(len(world)), 2)))
    assert world.pool.score(sets).tolist() == whole.score(sets).tolist()


def test_only_new_items_are_looked_at(shop: Catalogue) -> None:
    scorer = CountingStylist()
    engine = OutfitEngine(shop, scorer, ENCODER)
    assert_whole(engine._latest()[0])
    shop.upsert([item("Shirts", 2, "green"), item("Shirts", 50), item("Jeans", 0)], ENCODER)  # the last as it is
    shop.delete(["bag-03"])
    assert_whole(engine._latest()[0])
    assert scorer.looked_at == (24, 2)
    shop.delete(["bag-04", "sneakers-01"])
    assert_whole(engine._latest()[0])
    assert scorer.looked_at == (24, 2), "nothing was new"
    shop.compact()  # rows have other addresses
    assert_whole(engine._latest()[0])
    assert scorer.looked_at == (24, 2)


def test_versions_that_nobody_asked_a_pool_of_are_passed_over(shop: Catalogue) -> None:
    scorer = CountingStylist()
    engine = OutfitEngine(shop, scorer, ENCODER)
    first = engine._latest()[0]
    _ = first.pool
    for number in (60, 61, 62):
        shop.upsert([item("Jeans", number)], ENCODER)
        world = engine._latest()[0]
    assert world._earlier is not None
    assert world._earlier[0] is first.pool, "not the worlds between"
    assert_whole(world)
    assert scorer.looked_at == (24, 3)
    assert world._earlier is None, "an earlier version is not kept in memory"


def test_another_scorer_looks_at_everything(shop: Catalogue) -> None:
    snapshot = shop.snapshot()
    before = World.of_snapshot(snapshot, Stylist())
    _ = before.pool
    other = CountingStylist()
    assert_whole(World.of_snapshot(snapshot, other, before))
    assert other.looked_at == (24,)
    tests = World.of_snapshot(snapshot, TestScorer(PairTestPool))
    _ = tests.pool  # keeps nothing of single items
    assert not isinstance(tests.pool, JoinablePool)
    assert World.of_snapshot(snapshot, tests.scorer, tests)._earlier is None


def test_pools_of_other_kinds_and_rows_that_are_not_there_are_refused() -> None:
    pool = Stylist().pool([item("Shirts", 1)])
    with pytest.raises(ValueError, match="cannot be joined"):
        pool.joined(PairTestPool(np.eye(3, dtype=np.float32)), np.array([0]))
    with pytest.raises(ValueError, match="positions"):
        pool.joined(None, np.array([1]))
