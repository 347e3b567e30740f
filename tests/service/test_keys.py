"""API keys: made, listed and revoked on the command line; scopes, rates, quotas and signed photo addresses over HTTP."""

from __future__ import annotations

import json
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import open_client

from modiste.service.keys import Bucket, KeyFile, KeyRing
from modiste.service.quota import Usage

A = "atelier-000000"


@pytest.fixture
def modiste(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    from modiste.cli import run

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run([str(one) for one in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def keyed(shop: Any, tmp_path: Path) -> Iterator[tuple[Any, dict[str, str], Path]]:
    """A client of a service with a read key and an admin key, the keys, and their file."""
    file = tmp_path / "keys.json"
    made = {"read": KeyFile(file).add("reader"), "admin": KeyFile(file).add("owner", "admin", rate=1_000, burst=1_000)}
    with open_client(shop, keys=file) as client:
        yield client, made, file


def test_a_key_is_shown_once_and_kept_as_a_hash(modiste: Any, catalogue: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(catalogue, folder)
    code, out, err = modiste("keys", "add", folder, "storefront", "--rate", 5, "--quota", 100)
    assert code == 0
    key = out.strip()
    assert key.startswith("mk_")
    assert "not shown again" in err
    file = folder / "keys.json"
    assert key not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert modiste("keys", "add", folder, "storefront")[0] == 1
    assert modiste("keys", "add", folder, "a b")[0] == 1
    assert modiste("keys", "add", folder, "x", "--scope", "root")[0] == 1
    code, out, _ = modiste("keys", "list", folder, "--json")
    (found,) = json.loads(out)["keys"]
    assert (found["name"], found["scope"], found["rate"], found["quota"]) == ("storefront", "read", 5, 100)
    assert "sha256" not in found
    assert "storefront" in modiste("keys", "list", folder)[1]
    assert modiste("keys", "revoke", folder, "nobody")[0] == 1
    assert modiste("keys", "revoke", folder, "storefront")[0] == 0
    assert "no keys" in modiste("keys", "list", folder)[1]


def test_without_a_key_only_the_page_and_health_are_open(keyed: Any) -> None:
    client, _, _ = keyed
    for path in ("/", "/healthz", "/readyz", "/openapi.json"):
        assert client.get(path).status_code == 200
    for path in (
        "/v1/catalogue",
        "/v1/search?q=x",
        f"/v1/items/{A}",
        f"/v1/items/{A}/image",
        "/metrics",
        "/v1/jobs",
        "/v1/x",
    ):
        answer = client.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_opens_what_its_scope_allows(keyed: Any) -> None:
    client, keys, _ = keyed
    for headers in ({"authorization": f"Bearer {keys['read']}"}, {"x-api-key": keys["read"]}):
        assert client.get("/v1/catalogue", headers=headers).json()["keys_required"] is True
        assert client.post("/v1/score", json={"items": [A]}, headers=headers).status_code == 200
        assert client.get("/metrics", headers=headers).status_code == 403
        assert client.get("/v1/jobs", headers=headers).status_code == 403
        assert client.post("/v1/jobs", files={"table": ("a.csv", b"id\n")}, headers=headers).status_code == 403
    admin = {"x-api-key": keys["admin"]}
    assert client.get("/metrics", headers=admin).status_code == 200
    assert client.get("/v1/jobs", headers=admin).status_code == 200


@pytest.mark.parametrize("wrong", ["", "x", "mk_", "mk_" + 43 * "A", "é" * 40, "Bearer"])
def test_wrong_keys_are_refused(keyed: Any, wrong: str) -> None:
    client, keys, _ = keyed
    for value in (wrong, keys["read"][:-1], keys["read"] + "A", keys["read"].upper()):
        assert client.get("/v1/catalogue", headers={"x-api-key": value.encode("utf-8")}).status_code == 401


def test_revoking_needs_no_restart(keyed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client, keys, file = keyed
    monkeypatch.setattr("modiste.service.keys._LOOK_AGAIN", 0.0)
    headers = {"x-api-key": keys["read"]}
    assert client.get("/v1/catalogue", headers=headers).status_code == 200
    KeyFile(file).revoke("reader")
    assert client.get("/v1/catalogue", headers=headers).status_code == 401
    added = KeyFile(file).add("another")
    assert client.get("/v1/catalogue", headers={"x-api-key": added}).status_code == 200


def test_the_last_key_taken_away_or_a_damaged_file_lets_nobody_in(keyed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client, keys, file = keyed
    monkeypatch.setattr("modiste.service.keys._LOOK_AGAIN", 0.0)
    headers = {"x-api-key": keys["admin"]}
    good = file.read_bytes()
    file.write_bytes(b"{ torn")
    assert client.get("/v1/catalogue").status_code == 401
    assert client.get("/v1/catalogue", headers=headers).status_code == 200  # what was known before holds
    file.write_bytes(good)
    for name in ("reader", "owner"):
        KeyFile(file).revoke(name)
    assert client.get("/v1/catalogue").status_code == 401
    assert client.get("/v1/catalogue", headers=headers).status_code == 401


def test_an_address_that_others_reach_needs_keys_whatever_the_file_says(shop: Any, tmp_path: Path) -> None:
    with open_client(shop, host="0.0.0.0", keys=tmp_path / "keys.json") as client:
        assert client.get("/v1/catalogue").status_code == 401
        assert client.get("/healthz").status_code == 200


def test_a_key_has_a_rate_of_its_own(shop: Any, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    slow, fast = KeyFile(file).add("slow", rate=0.01, burst=3), KeyFile(file).add("fast", rate=1_000, burst=1_000)
    with open_client(shop, keys=file) as client:
        answers = [client.get("/v1/items", headers={"x-api-key": slow}) for _ in range(5)]
        assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
        assert answers[-1].json()["type"] == "urn:modiste:problem:rate"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 100
        assert client.get("/v1/items", headers={"x-api-key": fast}).status_code == 200


def test_a_key_has_a_quota_that_outlives_the_service(shop: Any, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = KeyFile(file).add("few", quota=4)
    for wanted in ([200, 200, 200], [200, 429]):
        with open_client(shop, keys=file) as client:
            answers = [client.get("/v1/items", headers={"x-api-key": key}) for _ in wanted]
        assert [one.status_code for one in answers] == wanted
    assert answers[-1].json()["type"] == "urn:modiste:problem:quota"
    assert int(answers[-1].headers["retry-after"]) <= 86_400


def test_two_workers_count_one_quota(tmp_path: Path) -> None:
    one, other = Usage(tmp_path / "usage.sqlite3"), Usage(tmp_path / "usage.sqlite3")
    for _ in range(3):
        assert one.count("a", 5)
    one.flush()
    other.flush()
    assert other.count("a", 5)
    assert other.count("a", 5)
    assert not other.count("a", 5)
    other.flush()
    one.flush()
    assert one.used("a") == 5
    assert not one.count("a", 5)
    assert one.count("b", 5)


def test_photos_are_shown_by_signed_addresses(shop: Any, tmp_path: Path) -> None:
    """A browser sends no key with an image: its address carries a proof, of this item alone."""
    from dataclasses import replace

    from modiste.service.shop import Shop

    file = tmp_path / "keys.json"
    key = KeyFile(file).add("reader")
    settings = replace(shop.settings, keys=file)
    own = Shop(settings, KeyRing(file))
    try:
        with open_client(own) as client:
            items = client.get("/v1/items", headers={"x-api-key": key}).json()["items"]
            address = items[0]["image"]
            assert client.get(address).status_code == 200
            assert client.get(address + "&size=small").status_code == 200
            assert client.get(address.replace(items[0]["id"], items[1]["id"])).status_code == 401
            assert client.get(address[:-1] + ("0" if address[-1] != "0" else "1")).status_code == 401
            assert client.get(address.replace("/image", "")).status_code == 401
    finally:
        own.close()


def test_a_damaged_key_file_is_named(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"keys": [{"name": "a"}], "photo_secret": ""}', '{"keys": []}'):
        (tmp_path / "keys.json").write_text(text)
        with pytest.raises(ValueError, match=r"keys\.json: the file of API keys cannot be read"):
            KeyFile(tmp_path / "keys.json").read()


def test_a_bucket_fills_at_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("modiste.service.keys.time.monotonic", lambda: now[0])
    bucket = Bucket(rate=2.0, burst=3.0)
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 0.5]
    now[0] += 0.5
    assert [bucket.take(), bucket.take()] == [0, 0.5]
    now[0] += 1_000
    assert [bucket.take() for _ in range(4)][:3] == [0, 0, 0]


def test_other_machines_are_not_served_without_keys(modiste: Any, catalogue: Path) -> None:
    for host in ("0.0.0.0", "::", "192.168.1.7"):
        code, _, err = modiste("serve", catalogue, "--host", host, "--port", 0)
        assert code == 1
        assert "API keys are needed first" in err
