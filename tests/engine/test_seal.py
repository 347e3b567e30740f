"""The seal: what is committed is flushed and sealed, a lost commit is noticed, and stores from before it go on being read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from engine_fakes import FakeEncoder, item, items

from modiste.engine import table as table_module
from modiste.engine.catalogue import Catalogue
from modiste.engine.errors import CatalogueError
from modiste.engine.rows import schema

ENCODER = FakeEncoder()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    store = Catalogue.create(tmp_path / "shop", ENCODER.id)
    store.ingest(items(30), ENCODER)
    return store.folder


def test_a_commit_is_flushed_before_it_is_acknowledged(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed, told = list[str](), list[int]()
    flush = os.fsync

    def record(descriptor: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    before = {path for path in shop.rglob("*") if path.is_file()}
    Catalogue.open(shop).ingest(
        [item(40)], ENCODER, progress=lambda state: told.append(len(flushed)) if state.committed else None
    )
    new = [
        path
        for path in shop.rglob("*")
        if path.suffix in (".lance", ".manifest") and path not in before and path.is_file()
    ]
    assert len(new) == 2  # rows, and the version that has them
    done = flushed[: told[0]]
    assert {str(path) for path in new} <= set(done)
    assert {str(path.parent) for path in new} <= set(done)
    assert any(Path(path).name.startswith(".items.seal.json") for path in done)


def test_a_commit_that_is_lost_is_noticed(shop: Path) -> None:
    store = Catalogue.open(shop)
    version, files = store.sealed()
    assert version == store.snapshot().version
    assert sum(name.endswith(".lance") for name in files) == 1
    min((shop / "items.lance" / "_versions").glob("*.manifest")).unlink()  # the newest comes first
    for call in (store.snapshot, lambda: Catalogue.open(shop)):
        with pytest.raises(CatalogueError, match=rf"version {version} was committed.*modiste index TABLE --into"):
            call()


def test_a_writer_killed_before_its_seal_leaves_a_whole_store(shop: Path) -> None:
    seal = shop / "items.seal.json"
    before = seal.read_bytes()
    Catalogue.open(shop).upsert([item(40)], ENCODER)
    seal.write_bytes(before)  # as if it had been killed between the two
    store = Catalogue.open(shop)
    assert store.verify() == len(store) == 31
    assert store.sealed()[0] < store.snapshot().version
    store.upsert([item(41)], ENCODER)
    assert store.sealed()[0] == store.snapshot().version
    assert store.verify() == 32


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": 1, "sum": "0"}'])
def test_a_damaged_seal_is_named(shop: Path, text: str) -> None:
    (shop / "items.seal.json").write_text(text)
    with pytest.raises(CatalogueError, match=r"items\.seal\.json is damaged"):
        Catalogue.open(shop)


def test_stores_from_before_the_seal_are_read_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as earlier:
        earlier.setattr(table_module, "schema", lambda dim, **_: schema(dim, text_sum=False))
        store = Catalogue.create(tmp_path / "shop", ENCODER.id)
        store.ingest(items(30), ENCODER)
    (store.folder / "items.seal.json").unlink()
    description = store.folder / "modiste.json"
    values = json.loads(description.read_text())
    del values["sum"]
    description.write_text(json.dumps({**values, "format": 1}))
    again = Catalogue.open(store.folder)
    assert again.verify() == 30
    assert again.get("sku-00003").title == item(3).title
    assert again.search(ENCODER.encode_query("red"), 5, ["price<50"]).total_candidates == 30
    again.ingest([item(3, version=1), item(4, price=7), item(40)], ENCODER)
    assert again.verify() == 31
    assert again.sealed()[0] == again.snapshot().version


def test_wrong_words_are_not_shown(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Catalogue.open(shop)
    monkeypatch.setattr("modiste.engine.rows.text_sum", lambda values: 1)
    store.ingest([item(1, version=9)], ENCODER)  # written with a sum that does not fit
    query = ENCODER.encode_query(item(1, version=9).title)
    for call in (
        lambda: store.get("sku-00001"),
        lambda: store.search(query, 1),
        lambda: store.search(query, 1, ["price<50"]),
    ):
        with pytest.raises(CatalogueError, match="'sku-00001' fails its checksum"):
            call()
    assert store.get("sku-00002").title == item(2).title
