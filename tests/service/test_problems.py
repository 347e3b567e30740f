"""Errors in one shape, headers on every answer, request ids, hosts and origins."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from serving import open_client

A = "atelier-000000"
STRANGE_HOSTS = ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "", "a b", "x@localhost", "[::"]


def is_problem(answer: Any, status: int) -> dict[str, Any]:
    """The document, checked: RFC 9457's members, and the request's id."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == status
    assert found["title"]
    assert found["detail"]
    assert found["type"] == "about:blank" or found["type"].startswith("urn:modiste:problem:")
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


@pytest.mark.parametrize(
    ("verb", "path", "options", "status", "words"),
    [
        ("GET", "/v1/nowhere", {}, 404, "Not Found"),
        ("DELETE", "/v1/search", {}, 405, ""),
        ("GET", "/v1/search", {}, 422, "q"),
        ("GET", "/v1/search?q=%20", {}, 422, "nothing to search for"),
        ("GET", "/v1/search?q=x&k=0", {}, 422, "k"),
        ("GET", "/v1/search?q=x&k=100000", {}, 422, "k"),
        ("GET", "/v1/search?q=x&offset=1000", {}, 422, "offset"),
        ("GET", "/v1/search?q=x&offset=99999999999999999999999", {}, 422, "offset"),
        ("GET", "/v1/search?q=x&filter=colour", {}, 422, "expected FIELD"),
        ("GET", "/v1/search?q=x&filter=farbe%3Drot", {}, 422, "no field"),
        ("GET", "/v1/search?q=x&filter=price%3Cnan", {}, 422, "not one"),
        ("GET", "/v1/search?q=" + 600 * "x", {}, 422, "q"),
        ("GET", "/v1/search?q=x" + 17 * "&filter=a%3Db", {}, 422, "filter"),
        ("GET", "/v1/search?q=" + 9_000 * "x", {}, 414, "address"),
        ("GET", "/v1/items/nobody", {}, 404, "no item"),
        ("POST", "/v1/search", {"data": {"like": "atelier-00000"}}, 404, "did you mean"),
        ("POST", "/v1/search", {"data": {}}, 422, "nothing to search for"),
        ("POST", "/v1/score", {"content": b"{", "headers": {"content-type": "application/json"}}, 422, ""),
        ("POST", "/v1/score", {"json": {"items": []}}, 422, "items"),
        ("POST", "/v1/score", {"json": {"items": 13 * [A]}}, 422, "items"),
        ("POST", "/v1/score", {"json": {"items": [A], "txt": "x"}}, 422, "txt"),
        ("POST", "/v1/score", {"json": {"items": ["nobody"]}}, 404, "no item"),
        ("POST", "/v1/score", {"json": {"items": [{"image": "!!!"}]}}, 422, "base64"),
        ("POST", "/v1/score", {"json": {"items": [{"image": "aGVsbG8="}]}}, 415, "not a picture"),
        ("POST", "/v1/complete", {"json": {}}, 422, "nothing to complete"),
        ("POST", "/v1/complete", {"json": {"have": [A], "want": [{"slot": "shoos"}]}}, 422, "did you mean 'shoes'"),
        ("POST", "/v1/generate", {"json": {"text": " "}}, 422, "nothing to go by"),
        ("POST", "/v1/generate", {"json": {"text": "x", "alpha": 2}}, 422, "alpha"),
        ("POST", "/v1/generate", {"json": {"text": "x", "deadline": 1e9}}, 422, "deadline"),
        ("POST", "/v1/generate", {"json": {"text": "x", "required": ["nobody"]}}, 404, "no item"),
        ("POST", "/v1/swap", {"json": {"items": [A], "which": 7}}, 422, "no item 7"),
        ("POST", "/v1/recommend", {"json": {"likes": ["nobody"]}}, 404, "no item"),
        ("GET", "/v1/jobs/1790000000000-0123456789ab", {}, 404, "no such job"),
        ("GET", "/v1/jobs/..%2f..", {}, 404, ""),
    ],
)
def test_every_mistake_is_a_problem_document_that_says_what(
    client: Any, verb: str, path: str, options: dict[str, Any], status: int, words: str
) -> None:
    found = is_problem(client.request(verb, path, **options), status)
    assert words in found["detail"]


def test_bodies_that_are_no_json_as_it_should_be(client: Any) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    for body in (
        b'{"items": NaN}', b'{"items": ["a"], "text": Infinity}', b"\xff\xfe", b"null", b"[]", b'"x"', deep, b"",
        b'{"items": [' + b"9" * 5_000 + b"]}", b'{"text": "\\ud800", "items": ["a"]}', b'{"items": ["\\u0000"]}',
    ):  # fmt: skip
        answer = client.post("/v1/score", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 404, 422), (body[:40], answer.text)
        is_problem(answer, answer.status_code)


def test_a_message_never_repeats_a_photo(client: Any) -> None:
    answer = client.post("/v1/score", json={"items": [{"image": "U0VDUkVU" * 1_000, "unknown": 1}]})
    assert b"U0VDUkVU" not in answer.content
    assert len(answer.content) < 5_000


def test_the_inside_is_not_told(client: Any, shop: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(shop.engine, "score", broken)
    found = is_problem(client.post("/v1/score", json={"items": [A]}), 500)
    assert "swordfish" not in json.dumps(found)
    assert "RuntimeError" not in json.dumps(found)


def test_every_answer_has_the_security_headers(client: Any) -> None:
    for answer in (client.get("/"), client.get("/v1/catalogue"), client.get("/v1/nowhere"), client.get("/v1/search")):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in answer.headers
    assert client.get("/v1/catalogue").headers["cache-control"] == "no-store"


def test_request_ids_come_back_if_they_are_harmless(client: Any) -> None:
    assert client.get("/healthz", headers={"x-request-id": "abc-1.2_3"}).headers["x-request-id"] == "abc-1.2_3"
    for bad in ("a b", "x" * 65, "<script>", ""):
        found = client.get("/healthz", headers={"x-request-id": bad}).headers["x-request-id"]
        assert re.fullmatch(r"[0-9a-f]{32}", found)
    assert client.get("/healthz").headers["x-request-id"] != client.get("/healthz").headers["x-request-id"]


@pytest.mark.parametrize("host", STRANGE_HOSTS)
def test_a_strange_host_is_refused(client: Any, host: str) -> None:
    is_problem(client.get("/v1/catalogue", headers={"host": host}), 400)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
def test_its_own_hosts_are_welcome(client: Any, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


def test_hosts_that_are_allowed(shop: Any) -> None:
    with open_client(shop, allow_host=("shop.example",)) as client:
        assert client.get("/healthz", headers={"host": "shop.example"}).status_code == 200
        assert client.get("/healthz", headers={"host": "other.example"}).status_code == 400


def test_pages_of_other_sites_may_not_send_anything(client: Any) -> None:
    body = {"items": [A]}
    ours = {"origin": "http://localhost:8000"}
    theirs = {"origin": "https://evil.example"}
    assert client.post("/v1/score", json=body, headers=ours).status_code == 200
    assert client.post("/v1/score", json=body).status_code == 200  # no browser
    is_problem(client.post("/v1/score", json=body, headers=theirs), 403)
    is_problem(client.post("/v1/score", json=body, headers={"origin": "null"}), 403)
    is_problem(client.post("/v1/jobs", files={"table": ("a.csv", b"id\n1")}, headers=theirs), 403)
    is_problem(
        client.post("/v1/jobs", files={"table": ("a.csv", b"id\n1")}, headers={"sec-fetch-site": "cross-site"}), 403
    )
    is_problem(client.options("/v1/score", headers=theirs), 403)


def test_an_allowed_origin_gets_what_a_browser_asks_for(shop: Any) -> None:
    with open_client(shop, allow_origin=("https://shop.example",)) as client:
        theirs = {"origin": "https://shop.example"}
        before = client.options("/v1/score", headers={**theirs, "access-control-request-method": "POST"})
        assert before.status_code == 204
        assert before.headers["access-control-allow-origin"] == "https://shop.example"
        assert "x-api-key" in before.headers["access-control-allow-headers"]
        answer = client.post("/v1/score", json={"items": [A]}, headers=theirs)
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        other = client.get("/healthz", headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers
