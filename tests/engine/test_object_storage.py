"""A catalogue on S3-compatible object storage: moto over HTTP on loopback, and no shortcut past it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from engine_fakes import FakeEncoder, item, items

from modiste.engine import object_storage
from modiste.engine.catalogue import Catalogue
from modiste.engine.errors import CatalogueError, CatalogueLocked
from modiste.engine.object_storage import Bucket
from modiste.engine.place import Folder, absolute, own_folder, place_of

ENCODER = FakeEncoder()
STORE = "s3://shops/fashion/shop"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket `shops`, the credentials for it, and a home of one's own; returns the endpoint."""
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    values = {
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true", "MODISTE_HOME": str(tmp_path / "home"),
        "AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
    client = boto3.client("s3", endpoint_url=endpoint, region_name="eu-west-1")
    client.create_bucket(Bucket="shops", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return endpoint


def keys(endpoint: str) -> set[str]:
    found = boto3.client("s3", endpoint_url=endpoint).list_objects_v2(Bucket="shops")
    return {one["Key"] for one in found.get("Contents", [])}


def ask_for_credentials(endpoint: str, after: bytes) -> None:
    """Let moto look at credentials after so many requests."""
    kind = {"Content-Type": "text/plain"}
    urllib.request.urlopen(
        urllib.request.Request(f"{endpoint}/moto-api/reset-auth", data=after, method="POST", headers=kind)
    ).close()


def test_what_goes_in_comes_out_and_leaves_nothing_on_this_machine(bucket: str, tmp_path: Path) -> None:
    made = Catalogue.create(STORE, ENCODER.id)
    assert made.ingest(items(40), ENCODER, commit_rows=20).added == 40
    assert made.ingest(iter(items(40)), ENCODER, commit_rows=20).unchanged == 40
    local = Catalogue.create(tmp_path / "local", ENCODER.id)
    local.ingest(items(40), ENCODER)
    again = Catalogue.open(STORE)
    query = ENCODER.encode_query("red dress")
    for filters in ([], ["price<20"]):
        assert [(hit.item.id, hit.score) for hit in again.search(query, 5, filters)] == [
            (hit.item.id, hit.score) for hit in local.search(query, 5, filters)
        ]
    assert again.get("sku-00003", image=True).image == local.get("sku-00003", image=True).image
    assert again.verify() == 40
    made.upsert([item(3, version=1)], ENCODER)
    assert made.delete(["sku-00000"]) == 1
    assert again.get("sku-00003").title.endswith("v1")  # another reader sees it at once
    assert len(again) == 39
    made.compact()
    assert len(again) == 39
    assert {one.split("/")[2] for one in keys(bucket)} == {"modiste.json", "items.lance"}, "no lease, no probe is left"
    assert [one for one in (tmp_path / "home").rglob("*") if one.is_file()] == []
    assert again.folder.stat().st_mode & 0o77 == 0


def test_one_writer_at_a_time_also_across_machines(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Catalogue.create(STORE, ENCODER.id)
    with shop.writing():
        with pytest.raises(CatalogueLocked, match=rf"another process is indexing into {STORE} \(pid {os.getpid()} on "):
            Catalogue.open(STORE).upsert(items(1), ENCODER)
        with pytest.raises(CatalogueLocked):
            Catalogue.create(STORE, ENCODER.id)
    assert Catalogue.open(STORE).upsert(items(1), ENCODER).added == 1
    # A writer of another machine that was killed: its lease runs out.
    place = Bucket("shops", "fashion/shop")
    holder = {"owner": "x", "host": "elsewhere", "pid": 1, "until": time.time() + 50.0}
    place.write(".modiste.writer", json.dumps(holder).encode())
    with pytest.raises(CatalogueLocked, match="pid 1 on elsewhere"):
        shop.delete(["sku-00000"])
    place.write(".modiste.writer", json.dumps({**holder, "until": time.time() - 0.1}).encode())
    assert shop.delete(["sku-00000"]) == 1


def test_a_writer_that_lost_its_lease_commits_nothing_more(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Catalogue.create(STORE, ENCODER.id)

    def feed() -> Iterator[object]:
        yield from items(20)
        place = Bucket("shops", "fashion/shop")
        holder = {"owner": "another", "host": "elsewhere", "pid": 1, "until": time.time() + 60.0}
        place.write(".modiste.writer", json.dumps(holder).encode())
        lease.append(1)
        yield from items(20, start=20)

    lease: list[int] = []
    monkeypatch.setattr(object_storage._Lease, "check", _seen_as_lost(object_storage._Lease.check, lease))
    with pytest.raises(CatalogueLocked, match="has run out"):
        shop.ingest(feed(), ENCODER, batch_size=20, commit_rows=20)  # type: ignore[arg-type]
    assert len(shop) in (0, 20)
    assert json.loads(Bucket("shops", "fashion/shop").read(".modiste.writer") or b"{}")["owner"] == "another"


def _seen_as_lost(check, lease: list[int]):  # type: ignore[no-untyped-def]
    """The renewal would notice within a quarter of a minute; the test does not wait for it."""

    def checked(self) -> None:  # type: ignore[no-untyped-def]
        if lease and self._put(IfMatch=self._tag) is None:
            self._until = 0.0
        check(self)

    return checked


def test_the_lease_is_renewed_while_the_writer_lives(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_storage, "LEASE_SECONDS", 8.0)
    shop = Catalogue.create(STORE, ENCODER.id)
    place = Bucket("shops", "fashion/shop")
    with shop.writing():
        first = json.loads(place.read(".modiste.writer") or b"")["until"]
        deadline = time.monotonic() + 30
        while json.loads(place.read(".modiste.writer") or b"")["until"] == first:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert place.read(".modiste.writer") is None


CHILD = """
import sys, time
sys.path.insert(0, sys.argv[1])
from engine_fakes import FakeEncoder, item
from modiste.engine.catalogue import Catalogue
encoder = FakeEncoder()
def slowly():
    for number in range(60):
        if number == 40:
            print("halfway", flush=True)
            time.sleep(600)
        yield item(number)
Catalogue.open_or_create(sys.argv[2], encoder.id).ingest(slowly(), encoder, batch_size=10, commit_rows=10)
"""


@pytest.mark.slow
def test_a_killed_job_is_gone_on_with_at_once_on_its_own_machine(bucket: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(Path(__file__).parent), STORE],
        env={**os.environ, "PYTHONPATH": str(Path(object_storage.__file__).parents[2]), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "halfway\n"
    shop, deadline = Catalogue.open(STORE), time.monotonic() + 60
    while len(shop) < 30:  # another process reads what is committed meanwhile
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with pytest.raises(CatalogueLocked, match=f"pid {child.pid}"):
        shop.upsert(items(1), ENCODER)
    child.send_signal(signal.SIGKILL)
    child.wait()
    report = shop.ingest((item(number) for number in range(60)), ENCODER)
    assert report.unchanged >= 30
    assert report.unchanged + report.added == len(shop) == 60


def test_a_bucket_that_is_not_there(bucket: str) -> None:
    for call in (
        lambda: Catalogue.open("s3://elsewhere/shop"),
        lambda: Catalogue.create("s3://elsewhere/shop", ENCODER.id),
    ):
        with pytest.raises(CatalogueError, match="there is no bucket 'elsewhere' at http://127"):
            call()
    with pytest.raises(
        CatalogueError, match=rf"no catalogue at {STORE}; make one with `modiste index TABLE --into {STORE}`"
    ):
        Catalogue.open(STORE)
    assert not Catalogue.is_at(STORE)


def test_credentials_that_are_absent_or_wrong(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(CatalogueError, match="no credentials for s3://shops/fashion/shop: set AWS_ACCESS_KEY_ID"):
        Catalogue.open(STORE)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    ask_for_credentials(bucket, b"0")
    try:
        with pytest.raises(CatalogueError, match=r"refuses the credentials \((InvalidAccessKeyId|403)\)"):
            Catalogue.create(STORE, ENCODER.id)
        with pytest.raises(CatalogueError, match="refuses the credentials"):
            Catalogue.open(STORE)
    finally:
        ask_for_credentials(bucket, b"inf")


def test_an_endpoint_that_is_away_is_told_soon(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(CatalogueError, match=r"http://127\.0\.0\.1:9 does not answer"):
        Catalogue.open(STORE)
    assert time.monotonic() - start < 30


def test_a_storage_without_conditional_writes_is_refused(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put = Bucket._put
    monkeypatch.setattr(Bucket, "_put", lambda self, name, data, **_: put(self, name, data))
    with pytest.raises(CatalogueError, match="ignores If-None-Match"):
        Catalogue.create(STORE, ENCODER.id)
    assert keys(bucket) == set()


def test_places(bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert place_of(Path("s3://shops/a/b")).name == "s3://shops/a/b"  # a path has lost a slash
    assert isinstance(place_of("shop"), Folder)
    assert own_folder("s3://shops/a/b").relative_to(tmp_path / "home").parts[1:] == ("shops", "a", "b")
    assert absolute(Path("s3://shops/a")) == Path("s3:/shops/a")
    here = own_folder("s3://shops/a")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert own_folder("s3://shops/a") == tmp_path / "home" / "s3" / "shops" / "a" != here
    for address in (
        "s3://shops",
        "s3://shops/",
        "s3://shops/../x",
        "s3://shops/a//b",
        "s3://Shops/a",
        "s3://shops/a b",
        "s3:///a",
    ):
        with pytest.raises(ValueError, match="write s3://BUCKET/NAME"):
            place_of(address)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://storage.example")
    with pytest.raises(ValueError, match="unencrypted"):
        place_of("s3://shops/a")
    monkeypatch.setenv("MODISTE_ALLOW_HTTP", "1")
    assert place_of("s3://shops/a").name == "s3://shops/a"


def test_without_boto3_the_way_to_have_it_is_told(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(CatalogueError, match="pip install"):
        Catalogue.open(STORE)
