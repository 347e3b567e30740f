"""A catalogue whose vectors are searched on Milvus: what is committed is found, whatever happens between store and cluster.

Milvus Lite is the cluster, in a process of its own on loopback where one has to be taken away.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from engine_fakes import DIM, FakeEncoder, item, items

from modiste.engine import milvus, milvus_feed, milvus_index
from modiste.engine.catalogue import EMBEDDED, Catalogue
from modiste.engine.errors import CatalogueError
from modiste.engine.filters import column
from modiste.engine.milvus import Address, MilvusCollection
from modiste.engine.milvus_index import MilvusIndex
from modiste.engine.narrowing import narrowing, stored_fields
from modiste.engine.remote_snapshot import RemoteSnapshot
from modiste.engine.table import ItemTable
from modiste.types import EncoderId

ENCODER = FakeEncoder()
QUERY = ENCODER.encode_query("red dress model 7")
COUNT = 60


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One Milvus Lite for all tests here; each has a collection of its own."""
    file = tmp_path_factory.mktemp("milvus") / "vectors.db"
    yield file
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(str(file))


@pytest.fixture
def address(cluster: Path, request: pytest.FixtureRequest) -> str:
    return f"{cluster}/{request.node.name.split('[')[0]}"


@pytest.fixture
def shop(tmp_path: Path, address: str) -> Catalogue:
    made = Catalogue.create(tmp_path / "shop", ENCODER.id)
    made.move_vectors(address)
    made.ingest(items(COUNT), ENCODER, commit_rows=20)
    return made


@pytest.fixture
def no_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows are left to Milvus, too."""
    monkeypatch.setattr(milvus_index, "EXACT_ROWS", 0)


def collection_of(shop: Catalogue) -> MilvusCollection:
    index = shop.snapshot().index
    assert isinstance(index, MilvusIndex)
    return index.collection


def found(shop: Catalogue, *filters: str, k: int = 8) -> list[tuple[str, float]]:
    return [(hit.item.id, hit.score) for hit in shop.search(QUERY, k, filters)]


def test_answers_are_those_of_the_embedded_index(shop: Catalogue, tmp_path: Path) -> None:
    embedded = Catalogue.create(tmp_path / "embedded", ENCODER.id)
    embedded.ingest(items(COUNT), ENCODER)
    assert shop.vectors_at != embedded.vectors_at == EMBEDDED
    assert isinstance(shop.snapshot().index, MilvusIndex)
    for filters in (
        (),
        ("colour=red",),
        ("price<30", "colour=red|blue"),
        ("slot=shoes",),
        ("title~dress", "colour!=red"),
    ):
        assert found(shop, *filters) == found(embedded, *filters), filters
    assert "vectors" not in shop.snapshot().__dict__, "searching read all vectors"
    assert np.array_equal(shop.snapshot().vectors, embedded.snapshot().vectors)


def test_another_process_and_day_needs_not_be_told_again(shop: Catalogue) -> None:
    again = Catalogue.open(shop.folder)
    assert again.vectors_at == shop.vectors_at
    assert found(again) == found(shop)
    assert "token" not in (shop.folder / "modiste.json").read_text()


def test_upserts_and_deletes_show_at_once(shop: Catalogue) -> None:
    best = found(shop)[0][0]
    shop.delete([best])
    assert best not in [one for one, _ in found(shop, k=COUNT // 3)]
    shop.upsert([item(7, version=3), item(COUNT + 7)], ENCODER)
    titles = [hit.item.title for hit in shop.search(ENCODER.encode_query("v3 model 7"), 3)]
    assert titles[0].endswith("v3")
    assert len(shop) == COUNT + 1 - (best != "sku-00007")
    shop.upsert([item(8, price=1234.0)], ENCODER)
    assert [one for one, _ in found(shop, "price>1000")] == ["sku-00008"]


def test_a_version_is_taken_up_by_what_is_new_in_it(shop: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(shop, "colour=red")
    monkeypatch.setattr(RemoteSnapshot, "read", None)  # reading it as a whole would fail
    shop.upsert([item(7, version=3), item(COUNT + 7), item(9, price=1234.0)], ENCODER)
    shop.delete(["sku-00000", "sku-00030"])
    monkeypatch.undo()
    for filters in ((), ("colour=red|blue",), ("price>50",)):
        assert found(shop, *filters) == found(Catalogue.open(shop.folder), *filters)
    assert len(shop) == COUNT - 1


def test_a_reader_of_an_older_version_still_finds_its_own(shop: Catalogue) -> None:
    old, before = shop.snapshot(), found(shop)
    shop.upsert([item(number, version=1) for number in range(COUNT)], ENCODER)
    rows, scores = old.index.search(QUERY.vectors, 8)
    assert [(old.id(row), score) for row, score in zip(rows[0], scores[0].tolist(), strict=True)] == before


def test_a_job_that_dies_between_milvus_and_the_store_changes_nothing(
    shop: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, stored = found(shop), collection_of(shop).count()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ItemTable, "commit", die)
        with pytest.raises(KeyboardInterrupt):
            shop.ingest([item(number, version=2) for number in range(COUNT)], ENCODER)
    assert collection_of(shop).count() == stored + COUNT
    assert found(Catalogue.open(shop.folder)) == before
    monkeypatch.setattr(milvus_feed, "SWEEP_SECONDS", 0.0)
    shop.ingest(iter(items(COUNT)), ENCODER)
    assert collection_of(shop).count() == stored, "rows that were never committed are swept away"
    assert found(shop) == before


def test_what_the_cluster_lost_is_told_and_put_back_without_the_encoder(shop: Catalogue) -> None:
    before, collection = found(shop), collection_of(shop)
    collection.delete(collection.keys()[::2])
    with pytest.raises(CatalogueError, match=r"holds 30 rows of 60: run `modiste index`"):
        found(Catalogue.open(shop.folder))
    assert shop.ingest(iter(items(COUNT)), ENCODER).encoded == 0
    assert found(Catalogue.open(shop.folder)) == before


def test_a_catalogue_moves_there_and_back_and_goes_on_after_a_kill(
    tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Catalogue.create(tmp_path / "shop", ENCODER.id)
    shop.ingest(items(COUNT), ENCODER)
    before, upsert = found(shop), MilvusCollection.upsert

    def half(self: MilvusCollection, keys: np.ndarray, vectors: np.ndarray, fields: list) -> None:
        upsert(self, keys[:25], vectors[:25], fields[:25])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MilvusCollection, "upsert", half)
        with pytest.raises(KeyboardInterrupt):
            shop.move_vectors(address)
    assert found(Catalogue.open(shop.folder)) == before, "the embedded index until the collection is whole"
    shop = Catalogue.open(shop.folder)
    shop.upsert([item(0)], ENCODER)  # any next job finishes the move
    assert collection_of(shop).count() == COUNT
    assert found(shop) == before
    shop.move_vectors(EMBEDDED)
    assert not isinstance(shop.snapshot().index, MilvusIndex)
    assert found(Catalogue.open(shop.folder)) == before


def test_collections_of_others_are_refused(shop: Catalogue, tmp_path: Path, address: str) -> None:
    other = Catalogue.create(tmp_path / "other", ENCODER.id)
    with pytest.raises(CatalogueError, match="another catalogue"):
        other.move_vectors(address)
    narrow = FakeEncoder("narrow", 64)
    with pytest.raises(CatalogueError, match=rf"holds vectors of {DIM} numbers, narrow makes 64"):
        Catalogue.create(tmp_path / "narrow", narrow.id).move_vectors(address)
    with pytest.raises(CatalogueError, match="not of other"):
        Catalogue.create(tmp_path / "else", FakeEncoder("other").id).move_vectors(address)
    assert len(found(shop)) == 8


def test_narrowing_lets_every_row_through_and_few_others(shop: Catalogue, no_exact: None) -> None:
    """The expression is run by Milvus itself, and what it lets through compared with the mask."""
    snapshot, collection = shop.snapshot(), collection_of(shop)
    generator = np.random.default_rng(0)
    sets = [np.flatnonzero(snapshot.columns["colour"].codes == code) for code in range(4)]  # type: ignore[union-attr]
    sets += [np.sort(generator.choice(COUNT, size, replace=False)) for size in (1, 5)]
    for rows in sets:
        expression = narrowing(rows, snapshot.columns)
        assert expression
        answers = collection.search(QUERY.vectors, 1_000, expression)[0][0]
        nothing = np.zeros((len(answers), DIM), np.float32)
        through = {snapshot.id(row) for row in snapshot.index._of_this_version(answers, nothing, None)[0]}  # type: ignore[attr-defined]
        assert through >= {snapshot.id(row) for row in rows}
    assert len(collection.search(QUERY.vectors, 1_000, narrowing(sets[0], snapshot.columns))[0][0]) == len(sets[0])
    assert narrowing(np.arange(COUNT), snapshot.columns) == ""


def test_narrowing_quotes_what_a_feed_may_hold() -> None:
    nasty = 'a" or key > 0 or "b\\'
    columns = {"colour": column([nasty, "red", None, "blue"]), "size": column([1, 2.5, None, 9])}
    assert narrowing(np.array([0]), columns) == (
        '(fields["n:size"] >= 1.0 and fields["n:size"] <= 1.0) and (fields["t:colour"] == "a\\" or key > 0 or \\"b\\\\")'
    )
    assert narrowing(np.array([1, 2]), columns) == "", "a row without the value is let through by nothing"
    assert stored_fields("Dress", {"title": "x", "size": 2, "sale": True}) == {
        "t:size": "2",
        "n:size": 2.0,
        "t:sale": "true",
        "t:category": "Dress",
    }


@pytest.mark.parametrize(
    ("text", "uri", "collection", "database"),
    [
        ("milvus://vectors.example/shop", "http://vectors.example:19530", "shop", ""),
        ("milvus://10.0.0.1:1953/fashion/shop", "http://10.0.0.1:1953", "shop", "fashion"),
        ("https://c1.example/shop", "https://c1.example", "shop", ""),
    ],
)
def test_addresses(text: str, uri: str, collection: str, database: str) -> None:
    assert Address.parse(text) == Address(text, uri, collection, database)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("milvus://root:secret@host/shop", "MODISTE_MILVUS_TOKEN"),
        ("milvus://host", "milvus://HOST"),
        ("ftp://host/shop", "milvus://HOST"),
        ("shop", "FILE.db"),
        ("milvus://host/a-b", "letters, digits"),
    ],
)
def test_addresses_that_are_none(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        Address.parse(text)
    assert "secret" not in str(refused.value)


def test_a_token_is_not_sent_in_the_clear_nor_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(milvus.TOKEN, "root:secret")
    far = MilvusCollection(Address.parse("milvus://192.0.2.1/shop"), "me", EncoderId("toy", "0" * 64, 4))
    with pytest.raises(CatalogueError, match="unencrypted") as refused:
        far.exists()
    assert "secret" not in str(refused.value)


def test_without_pymilvus_the_way_to_have_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Catalogue.create(tmp_path / "shop", ENCODER.id)
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(CatalogueError, match=r"pip install 'modiste\[scale\]'"):
        shop.move_vectors("milvus://127.0.0.1:1/shop")
    assert shop.ingest is not None
    assert len(shop) == 0


SERVER = """
import sys
from milvus_lite.adapter.grpc.server import start_server_in_thread
server, _, port = start_server_in_thread(data_dir=sys.argv[1], host="127.0.0.1", port=int(sys.argv[2]))
print(port, flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_cluster_that_goes_away_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server over TCP: searches fail in words and in time while it is away, and go on when it is there again."""
    monkeypatch.setattr(milvus, "_READ_SECONDS", 2.0)

    def started(port: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(tmp_path / "vectors.db"), str(port)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().strip() == str(port)
        return process

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = started(port)
    try:
        shop = Catalogue.create(tmp_path / "shop", ENCODER.id)
        shop.move_vectors(f"milvus://127.0.0.1:{port}/shop")
        shop.ingest(items(COUNT), ENCODER)
        before = found(shop)
        server.kill()
        server.wait()
        start = time.monotonic()
        with pytest.raises(CatalogueError, match="does not answer"):
            found(shop)
        assert time.monotonic() - start < 60
        assert shop.get("sku-00001").title  # what needs no vectors goes on
        assert shop.delete(["sku-00059"]) == 1
        server = started(port)
        deadline = time.monotonic() + 60
        while True:  # the connection finds its way back by itself
            try:
                after = found(shop)
                break
            except CatalogueError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        assert [one for one in before if one in after] == [one for one in before if one[0] != "sku-00059"]
    finally:
        server.kill()
        server.wait()
