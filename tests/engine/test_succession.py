"""A version taken up by what is new in it equals the same version read as a whole."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_fakes import FakeEncoder, item, items
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from modiste.engine import catalogue as module
from modiste.engine import changes, snapshot
from modiste.engine.catalogue import Catalogue
from modiste.engine.filters import Column, NumberColumn, TextColumn
from modiste.engine.ivf import IVFIndex
from modiste.engine.partition import FILE_NAME
from modiste.engine.snapshot import Snapshot
from modiste.types import Item

ENCODER = FakeEncoder()
QUERIES = ENCODER.encode(items(4, 3)).vectors


def same_column(one: Column, other: Column) -> bool:
    if isinstance(one, NumberColumn) and isinstance(other, NumberColumn):
        return bool(np.array_equal(one.values, other.values, equal_nan=True))
    assert isinstance(one, TextColumn)
    assert isinstance(other, TextColumn)
    return one.codes.tolist() == other.codes.tolist() and one.vocabulary == other.vocabulary


def assert_same(found: Snapshot, wanted: Snapshot) -> None:
    """Rows, columns and rankings, masks or not."""
    assert found.ids.to_pylist() == wanted.ids.to_pylist()
    assert found.row_ids.tolist() == wanted.row_ids.tolist()
    assert [found.item(row) for row in range(len(found))] == [wanted.item(row) for row in range(len(wanted))]
    assert [found.product(row) for row in range(len(found))] == [wanted.product(row) for row in range(len(wanted))]
    assert list(found.columns) == list(wanted.columns)
    for name, column in wanted.columns.items():
        assert same_column(found.columns[name], column), name
    some = np.arange(len(found)) % 3 != 0
    for candidates in (None, some, np.flatnonzero(~some)):
        for one, other in zip(
            found.index.search(QUERIES, 7, candidates), wanted.index.search(QUERIES, 7, candidates), strict=True
        ):
            assert one.tobytes() == other.tobytes()
    assert found.vectors.tobytes() == wanted.vectors.tobytes()


def reread(shop: Catalogue) -> Snapshot:
    return Catalogue.open(shop.folder).snapshot()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("upsert"), st.lists(st.integers(0, 45), min_size=1, max_size=8), st.integers(0, 3)),
        st.tuples(st.just("delete"), st.lists(st.integers(0, 45), min_size=1, max_size=8), st.just(0)),
        st.tuples(st.just("price"), st.lists(st.integers(0, 45), min_size=1, max_size=8), st.integers(1, 90)),
        st.tuples(st.just("compact"), st.just([]), st.just(0)),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes
@given(steps=STEPS, look=st.booleans())
def test_after_any_changes(
    steps: list[tuple[str, list[int], int]], look: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shop = Catalogue.create(tmp_path_factory.mktemp("shop"), ENCODER.id, store_images="none")
    shop.ingest(items(30), ENCODER)
    _ = shop.snapshot().columns
    for what, numbers, value in steps:
        if what == "upsert":
            shop.upsert([item(one, version=value) for one in sorted(set(numbers))], ENCODER)
        elif what == "price":
            shop.upsert([item(one, price=float(value)) for one in sorted(set(numbers))], ENCODER)
        elif what == "delete":
            shop.delete(f"sku-{one:05d}" for one in numbers)
        else:
            shop.compact(keep_versions=timedelta(0))
        if look:  # every version taken up from the one before, or the last from the first
            _ = shop.snapshot().columns
    assert_same(shop.snapshot(), reread(shop))


def test_only_what_is_new_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Catalogue.create(tmp_path / "shop", ENCODER.id, store_images="none")
    shop.ingest(items(60), ENCODER)
    first = shop.snapshot()
    read: list[int] = []
    monkeypatch.setattr(Snapshot, "load", lambda *_, **__: pytest.fail("the version was read as a whole"))
    kept = changes._read
    monkeypatch.setattr(changes, "_read", lambda *given: read.append(len(given[2])) or kept(*given))
    shop.upsert(items(3, 100), ENCODER)
    shop.delete(["sku-00004", "sku-00101"])
    second = shop.snapshot()
    assert read == [2]
    assert second._base is first._base
    assert second.num_amended == 3
    monkeypatch.setattr(changes, "_FEW", 1)
    shop.compact(keep_versions=timedelta(0))  # every row has another address
    third = shop.snapshot()
    assert third.version != second.version
    assert set(third.row_ids.tolist()).isdisjoint(second.row_ids.tolist())
    assert read == [2, 0]
    monkeypatch.undo()
    assert_same(third, reread(shop))


@pytest.mark.parametrize(
    "attributes",
    [
        {"price": "on request"},
        {"sale": "perhaps"},
        {"size": 3},
        {"slot": "top"},
        {"colour": ""},
        {"super_category": "x"},
    ],
)
def test_fields_that_change_their_kind(tmp_path: Path, attributes: dict[str, Any]) -> None:
    shop = Catalogue.create(tmp_path / "shop", ENCODER.id, store_images="none")
    shop.ingest(items(20), ENCODER)
    _ = shop.snapshot().columns
    shop.upsert([Item("sku-00007x", "odd one", category="Hats", attributes=attributes)], ENCODER)
    assert_same(shop.snapshot(), reread(shop))
    shop.delete(["sku-00007x"])
    assert_same(shop.snapshot(), reread(shop))


def test_a_damaged_row_is_not_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Catalogue.create(tmp_path / "shop", ENCODER.id, store_images="none")
    shop.ingest(items(20), ENCODER)
    shop.snapshot()
    shop.upsert(items(1, 50), ENCODER)
    monkeypatch.setattr(changes, "vector_sums", lambda vectors: np.zeros(len(vectors), dtype=np.uint64))
    with pytest.raises(module.CatalogueError, match="checksum"):
        shop.snapshot()


def test_lists_of_an_outgrown_version_are_made_beside_the_searches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "_FEW_AMENDED", 20)
    Catalogue.create(tmp_path / "shop", ENCODER.id, store_images="none").ingest(items(400), ENCODER)
    shop = Catalogue.open(tmp_path / "shop", exact_limit=100)
    index = shop.snapshot().index
    assert isinstance(index, IVFIndex)
    index.build()
    assert (tmp_path / "shop" / FILE_NAME).exists()
    shop.upsert(items(30, 400), ENCODER)
    grown = shop.snapshot()
    assert grown.outgrown
    assert grown._base is index
    found = shop.search(ENCODER.encode_query("model 429"), 5)  # what was added is found at once
    assert "sku-00429" in found.ids
    assert shop._rebasing is not None
    shop._rebasing.join(60)
    shop.upsert(items(1, 500), ENCODER)
    later = shop.snapshot()
    assert later._base is not index
    assert isinstance(later._base, IVFIndex)
    assert later._base.partition is not None  # its lists were there before it was put in place
    assert later.num_amended == 1
    assert "sku-00500" in shop.search(ENCODER.encode_query("model 500"), 5).ids
    exact = Catalogue.open(tmp_path / "shop")
    for words in ("red dress", "model 12", "black bag v1"):
        query = ENCODER.encode_query(words)
        assert shop.search(query, 10, ["colour=red"]).ids == exact.search(query, 10, ["colour=red"]).ids


def test_a_small_outgrown_version_is_put_in_order_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_FEW_AMENDED", 5)
    shop = Catalogue.create(tmp_path / "shop", ENCODER.id, store_images="none")
    shop.ingest(items(60), ENCODER)
    _ = shop.snapshot().columns
    shop.upsert([item(one, version=1) for one in range(4)], ENCODER)
    assert shop.snapshot().num_amended == 0
    assert_same(shop.snapshot(), reread(shop))


def test_what_follows_while_the_lists_are_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions that come while the rebase runs stand on the old lists; the first after it on the new ones."""
    monkeypatch.setattr(snapshot, "_FEW_AMENDED", 5)
    Catalogue.create(tmp_path / "shop", ENCODER.id, store_images="none").ingest(items(300), ENCODER)
    shop = Catalogue.open(tmp_path / "shop", exact_limit=100)
    shop.snapshot().index.build()  # type: ignore[attr-defined]
    for number in range(8):
        shop.upsert(items(4, 300 + 4 * number), ENCODER)
        shop.delete([f"sku-{number:05d}"])
        found = shop.snapshot()
        exact = reread(shop)
        few = np.arange(len(found)) % 4 == 0  # few enough to be compared exactly
        for one, other in zip(found.index.search(QUERIES, 9, few), exact.index.search(QUERIES, 9, few), strict=True):
            assert one.tobytes() == other.tobytes()
