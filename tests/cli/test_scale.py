"""A shop on object storage, its vectors on Milvus: told once, at `modiste index`, and every verb works."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

STORE = "s3://shops/shop"


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    file = tmp_path_factory.mktemp("milvus") / "vectors.db"
    yield file
    from milvus_lite.server_manager import server_manager_instance

    server_manager_instance.release_server(str(file))


@pytest.fixture(scope="module")
def store(shop: Path, vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The shop's table, indexed into a bucket and a collection through the command line."""
    from moto.server import ThreadedMotoServer

    from modiste.cli import run

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [one for one in os.environ if one.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true", "MODISTE_HOME": str(home),
            "AWS_CONFIG_FILE": str(home / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(home / "none"),
        }.items():  # fmt: skip
            patch.setenv(name, value)
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")).close()
        boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1").create_bucket(Bucket="shops")
        assert run(["index", str(shop), "--into", STORE, "--vectors", str(vectors)]) == 0
        yield STORE
    server.stop()


def hits(modiste, place: object, *arguments: object) -> list[tuple[str, float]]:  # type: ignore[no-untyped-def]
    done = modiste("search", place, *arguments, "-k", 5, "--json")
    assert done.code == 0, done.err
    return [(hit["id"], hit["score"]) for hit in done.json["hits"]]


def test_search_finds_what_the_folder_finds(modiste, store: str, indexed: Path) -> None:  # type: ignore[no-untyped-def]
    for arguments in (["red dress"], ["black boots", "--filter", "price<80"], ["bag", "--filter", "slot=bag"]):
        assert hits(modiste, store, *arguments) == hits(modiste, indexed, *arguments)


def test_a_second_run_has_nothing_to_do_and_says_where(modiste, store: str, shop: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("index", shop, "--into", store)
    assert done.code == 0, done.err
    assert f"indexed into {store}: 60 unchanged" in done.out
    assert f'next: modiste search {store} "red dress"' in done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["complete", STORE, "{first}", "--want", "shoes"],
        ["generate", STORE, "a red dress for a party"],
        ["recommend", STORE, "--like", "{first}"],
        ["tastes", "show", STORE],
        ["keys", "list", STORE],
    ],
    ids=lambda arguments: arguments[0],
)
def test_the_other_verbs(modiste, store: str, indexed: Path, arguments: list[str]) -> None:  # type: ignore[no-untyped-def]
    first = hits(modiste, store, "red dress")[0][0]
    told = [one.format(first=first) for one in arguments]
    there, here = (modiste(*(place if one == STORE else one for one in told), "--json") for place in (store, indexed))
    assert there.code == here.code == 0, there.err
    answers = [done.json for done in (there, here)]
    for answer in answers:
        answer.pop("seconds", None)
        answer.pop("notes", None)  # they name the catalogue
    assert answers[0] == answers[1]


def test_the_service(store: str) -> None:
    """As `modiste serve` opens it: the address has become a path on the way."""
    from fastapi.testclient import TestClient

    from modiste.engine.milvus_index import MilvusIndex
    from modiste.service.app import create_app
    from modiste.service.server import check
    from modiste.service.settings import Settings
    from modiste.service.shop import Shop

    settings = Settings.from_json(Settings(Path(store)).to_json())
    check(settings)
    shop = Shop(settings)
    try:
        assert isinstance(shop.store.snapshot().index, MilvusIndex)
        with TestClient(create_app(settings, shop), base_url="http://localhost:8000") as client:
            found = client.post("/v1/search", data={"q": "red dress", "k": "3"}).json()["hits"]
            assert len(found) == 3
            first = found[0]["item"]["id"]
            assert client.get(f"/v1/items/{first}/image").content[:2] == b"\xff\xd8"
            assert client.get("/").status_code == 200
            wanted = {"have": [first], "want": [{"slot": "shoes"}]}
            assert client.post("/v1/complete", json=wanted).json()["looks"]
    finally:
        shop.close()


def test_check_reads_it_and_backup_is_left_to_the_storage(modiste, store: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("check", store)
    assert done.code == 0, done.err
    assert "items: sound" in done.out
    assert "the object storage's to check" in done.out
    done = modiste("backup", store, "--to", tmp_path / "shop.tar")
    assert done.code == 1
    assert "is on object storage" in done.err
    assert not list(tmp_path.iterdir())


def test_errors_are_one_line(modiste, store: str, shop: Path, indexed: Path) -> None:  # type: ignore[no-untyped-def]
    for arguments, words in (
        (["search", "s3://elsewhere/shop", "dress"], "there is no bucket 'elsewhere'"),
        (["search", "s3://shops/other", "dress"], "no catalogue at s3://shops/other"),
        (["search", "s3://shops", "dress"], "write s3://BUCKET/NAME"),
        (["search", store, "--image", shop / "images" / "none.jpg", "--exact"], "none.jpg"),
        (["index", shop, "--into", indexed, "--vectors", "milvus://me:secret@host/shop"], "MODISTE_MILVUS_TOKEN"),
        (["keys", "list", "s3://shops/other"], "no catalogue at s3://shops/other"),
    ):
        done = modiste(*arguments)
        assert done.code == 1
        assert words in done.err
        assert done.err.count("\n") == 1
        assert "secret" not in done.err
