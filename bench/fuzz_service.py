"""The two front doors: every route of the service, in this process, and the command line."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from fuzz_files import picture, pictures
from fuzz_inputs import NUMBERS, TEXTS, as_json, mutated, mutated_json, mutated_text, mutated_value
from fuzz_parsers import FILTERS, SENTENCES, WORDS
from fuzz_target import Ready, Target, Unnamed

ITEMS = 60
_IDS = tuple(f"atelier-{number:06d}" for number in (3, 7, 12, 20))
_LAW = {"deadline": 0.2, "n": 1, "filters": ["price<900"], "alpha": 0.5}
_PHOTO = {"image": "", "kind": "shoes", "title": "mine"}  # the photo is put in when a case is made
BODIES: dict[str, dict[str, Any]] = {
    "/v1/score": {"items": [_IDS[0], {"id": _IDS[1]}, _PHOTO], "text": "office"},
    "/v1/complete": {
        "have": [_IDS[0]],
        "want": [{"slot": "shoes", "wish": "white sneakers"}, {"slot": "bag"}],
        "budget": 900.0,
        "required": [],
        "forbidden": [_IDS[1]],
        "avoid": [],
        "text": "",
        **_LAW,
    },
    "/v1/generate": {"text": "navy and white office look", "size": 3, "have": [], "budget": None, **_LAW},
    "/v1/swap": {"items": [_IDS[0], _IDS[1]], "which": _IDS[1], "wish": "red", **_LAW},
    "/v1/explain": {"items": [_IDS[0], _IDS[1]], "text": "office", "swaps": False},
    "/v1/similar-looks": {"items": [_IDS[0], _IDS[1]], "k": 3},
    "/v1/recommend": {
        "user": "anna",
        "likes": [[_IDS[0], _IDS[1]], _IDS[2]],
        "looks": ["look-1"],
        "photos": [],
        "k": 3,
        "again": False,
        "generate": False,
        "text": "office",
        "size": 3,
        "beta": 0.3,
        **_LAW,
    },
    "/v1/clicks": {"user": "anna", "look": "look-1"},
    "/v1/tag": {"id": _IDS[0]},
}
QUERIES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "GET",
        "/v1/search",
        {
            "q": "red dress",
            "filter": "price<80",
            "k": 3,
            "offset": 0,
            "per_product": "true",
            "rerank": 2,
            "plan": "true",
        },
    ),
    (
        "GET",
        "/v1/search",
        {"q": "the same, but red and without stripes", "like": _IDS[0], "k": 3, "drop": "change:colour"},
    ),
    ("GET", "/v1/items", {"filter": "colour=Red|Blue", "k": 3, "offset": 2}),
    ("GET", f"/v1/items/{_IDS[0]}", {}),
    ("GET", f"/v1/items/{_IDS[0]}/similar", {"k": 3, "filter": "price>1", "offset": 1}),
    ("GET", f"/v1/items/{_IDS[0]}/image", {"key": "0" * 32, "size": 80}),
    ("GET", "/v1/catalogue", {}),
    ("GET", "/v1/jobs", {}),
    ("GET", "/v1/jobs/20261127-0000-abcdef/rejected", {"offset": 0, "k": 10}),
    ("DELETE", "/v1/jobs/20261127-0000-abcdef", {}),
    ("DELETE", "/v1/clicks/anna", {}),
    ("GET", "/page/app.js", {}),
    ("GET", "/healthz", {}),
    ("GET", "/openapi.json", {}),
)
HEADERS = (
    (
        "content-type",
        ("application/json", "text/plain", "multipart/form-data", "application/json; charset=utf-16", "x" * 300, ""),
    ),
    ("host", ("localhost", "evil.example", "127.0.0.1:1", "[::1]", "localhost:99999999", "")),
    ("origin", ("null", "http://evil.example", "http://localhost:8000", "\x7f")),
    ("authorization", ("Bearer ", "Bearer x", "Basic eA==", "Bearer " + "k" * 5_000, "bearer \u00e9")),
    ("content-length", ("0", "-1", "999999999999", "1e3", "")),
    ("accept-encoding", ("gzip, br;q=9", "*")),
    ("if-none-match", ('W/"x"', "*", '"')),
    ("range", ("bytes=0-", "bytes=-1,-1,-1", "bytes=9999999999-0")),
    ("x-request-id", ("\u00ff" * 100, "a" * 4_000)),
)


def _shop(folder: Path) -> Path:
    """A drawn catalogue with stored looks; its folder."""
    from modiste.cli import run
    from modiste.data.atelier import Atelier, write_catalogue
    from modiste.data.outfit_table import write_looks
    from modiste.data.outfits import Look

    table = write_catalogue(Atelier(seed=4, image_size=(60, 80)), ITEMS, folder / "drawn")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        if run(["index", str(table), "--into", str(folder / "shop")]):
            raise SystemExit("the catalogue could not be made")
    ids = [f"atelier-{number:06d}" for number in range(ITEMS)]
    write_looks(folder / "shop" / "looks.jsonl", [Look(f"look-{n}", tuple(ids[3 * n : 3 * n + 3])) for n in range(10)])
    return folder / "shop"


def _http(folder: Path) -> Ready:
    """Requests to the application, called in this process; whatever is no problem document of the description is a crash."""
    from dataclasses import dataclass

    from fastapi.testclient import TestClient

    from modiste.service.app import create_app
    from modiste.service.settings import Settings
    from modiste.service.shop import Shop

    settings = Settings(_shop(folder))
    client = TestClient(create_app(settings, Shop(settings)), base_url="http://localhost:8000")
    client.__enter__()
    photos = pictures()

    @dataclass(frozen=True)
    class Request:
        method: str
        url: str
        body: bytes
        headers: tuple[tuple[bytes, bytes], ...]

    def make(luck: Random) -> Request:
        headers: dict[str, str] = {}
        kind = luck.randrange(10)
        if kind < 5:
            path = luck.choice(list(BODIES))
            value = json.loads(json.dumps(BODIES[path]))
            if luck.random() < 0.3:
                photo = picture(luck.choice(photos), luck) if luck.random() < 0.5 else luck.choice(photos)
                for one in value.get("items", ()):
                    if isinstance(one, dict) and "image" in one:
                        one["image"] = base64.b64encode(photo).decode()
            method, url, body = "POST", path, mutated_json(value, luck) if luck.random() < 0.95 else as_json(value)
            headers["content-type"] = "application/json"
        elif kind < 8:
            method, path, query = luck.choice(QUERIES)
            query = mutated_value(query, luck)
            query = query if isinstance(query, dict) else {"q": query}
            if "q" in query and luck.random() < 0.5:
                query["q"] = mutated_text(luck.choice(SENTENCES), luck, WORDS)
            if "filter" in query and luck.random() < 0.5:
                query["filter"] = mutated_text(luck.choice(FILTERS), luck, FILTERS)
            if luck.random() < 0.2:
                path = path.replace(_IDS[0], quote(luck.choice(TEXTS).encode("utf-8", "replace"), safe="/."))
            told = urlencode([(str(name), str(one)) for name, one in query.items()], errors="replace")
            method = luck.choice(("GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH")) if luck.random() < 0.05 else method
            url, body = f"{path}?{told}", b""
        else:
            method, url = "POST", luck.choice(("/v1/tag", "/v1/search"))
            boundary = luck.choice(("b0undary", "x", "-" * 60))
            parts = [("q", b"", b"red dress"), ("k", b"", b"3"), ("filter", b"", b"price<900"), ("text", b"", b"shirt")]
            photo = luck.choice(photos)
            parts.append(("image", b'; filename="photo.jpg"', picture(photo, luck) if luck.random() < 0.7 else photo))
            luck.shuffle(parts)
            if luck.random() < 0.5:
                name, more, _ = parts[luck.randrange(len(parts))]
                parts.append((name, more, str(luck.choice((*TEXTS, *NUMBERS))).encode("utf-8", "replace")))
            body = (
                b"".join(
                    f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode()
                    + more
                    + b"\r\n\r\n"
                    + data
                    + b"\r\n"
                    for name, more, data in parts
                )
                + f"--{boundary}--\r\n".encode()
            )
            if luck.random() < 0.3:
                body = mutated(
                    body,
                    luck,
                    (
                        b"\r\n",
                        b"--" + boundary.encode(),
                        b"Content-Disposition:",
                        b'name="image"',
                        b"charset=utf-16",
                        b'filename="../x"',
                    ),
                )
            headers["content-type"] = f"multipart/form-data; boundary={boundary}"
        if luck.random() < 0.15:
            name, values = luck.choice(HEADERS)
            headers[name] = luck.choice(values)
        told_headers = tuple((name.encode(), one.encode("latin-1", "replace")) for name, one in headers.items())
        return Request(method, url[:9_000], body, told_headers)

    def read(request: Request) -> bool:
        answer = client.request(
            request.method, request.url, content=request.body, headers=list(request.headers), follow_redirects=False
        )
        status = answer.status_code
        assert status < 500 or status == 504, f"status {status}"
        if status >= 400 and request.method != "HEAD" and not request.url.startswith("/page"):
            if "problem+json" not in answer.headers.get("content-type", ""):
                raise Unnamed(f"status {status} without a problem document: {answer.text[:200]}")
            problem = answer.json()
            assert problem["status"] == status
            if not (problem.get("detail") or problem.get("title")):
                raise Unnamed(f"status {status} says nothing")
        return status < 400

    return Ready(make, read)


def _commands(shop: str) -> tuple[tuple[str, ...], ...]:
    return (
        ("search", shop, "red dress", "-k", "3", "--filter", "price<900", "--no-rerank"),
        ("search", shop, "the same but red", "--like", _IDS[0], "--json"),
        ("search", shop, "--image", "photo.jpg", "--per-product", "--html", "out.html"),
        ("score", shop, _IDS[0], _IDS[1], "--text", "office", "--alpha", "0.5", "--json"),
        (
            "complete",
            shop,
            "--have",
            _IDS[0],
            "--want",
            "shoes: white",
            "--want",
            "bag",
            "--deadline",
            "0.2",
            "-n",
            "1",
        ),
        ("generate", shop, "navy office look", "--size", "3", "--deadline", "0.2", "--rules", "rules.toml"),
        ("swap", shop, _IDS[0], _IDS[1], "--deadline", "0.2"),
        ("explain", shop, _IDS[0], _IDS[1], "--calibration", "none"),
        ("similar-looks", shop, _IDS[0], "-k", "2"),
        ("recommend", shop, "--like", _IDS[0], "-n", "2", "--user", "anna", "--beta", "0.3"),
        ("tag", "photo.jpg", "--json"),
        ("caption", "photo.jpg"),
        ("imagine", shop, _IDS[0]),
        ("index", "table.csv", "--into", "new", "--map", "title=name", "--dialect", "plain", "--strict"),
        ("keys", "add", shop, "name", "--scope", "read", "--rate", "2"),
        ("keys", "list", shop),
        ("keys", "revoke", shop, "name"),
        ("tastes", "show", shop),
        ("calibrate", "outfits", shop, "--data", "looks.jsonl"),
        ("evaluate", "outfits", "atelier:30:1", "--scorer", "rules"),
        ("models",),
    )


# These begin what does not end in a case's time: only command lines that cannot be read are tried.
_LONG = (("serve", "shop", "--port", "0"), ("demo", "--items", "10"), ("train", "dual_encoder_debug", "--into", "run"))


def _cli(folder: Path) -> Ready:
    """Command lines, run in this process in a folder of their own; anything but an exit status of 0, 1, 2 or 130 is a crash."""
    from modiste.cli import run

    shop = _shop(folder)
    (folder / "photo.jpg").write_bytes(pictures()[0])
    (folder / "rules.toml").write_text("max_items = 4\n")
    (folder / "table.csv").write_text("id,name,price\n1,Red shirt,9\n")
    (folder / "looks.jsonl").write_bytes((shop / "looks.jsonl").read_bytes())
    commands = _commands(str(shop))
    words = (
        *TEXTS,
        *map(str, NUMBERS),
        "--help",
        "--",
        "--json",
        "-k",
        "-n",
        "--filter",
        "--unknown",
        "-",
        "=",
        "photo.jpg",
        "shoes=photo.jpg",
        "none",
        "nan",
        "inf",
    )

    def make(luck: Random) -> list[str]:
        if luck.random() < 0.1:
            return [*luck.choice(_LONG), f"--{luck.choice(('nothing', 'no-such', 'x'))}", luck.choice(words)]
        found = list(luck.choice(commands))
        for _ in range(luck.choice((1, 1, 2, 3))):
            at = luck.randrange(len(found))
            match luck.randrange(5):
                case 0 if len(found) > 1 and at:
                    del found[at]
                case 1 if at:
                    found[at] = luck.choice(words)
                case 2:
                    found.insert(at + 1, luck.choice(words))
                case 3 if at:
                    found[at] = mutated_text(found[at], luck, words)
                case _:
                    found.append(found[at])
        return [
            one.replace("/etc", "etc").replace("../", "./") for one in found
        ]  # nothing outside the folder is touched

    def read(arguments: Sequence[str]) -> bool:
        out, told = io.StringIO(), io.StringIO()
        with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(told):
            status = run(list(arguments))
        assert status in (0, 1, 2, 130), f"exit status {status}"
        if status in (1, 2) and not told.getvalue().strip():
            raise Unnamed(f"exit status {status} without a word: {arguments}")
        return status == 0

    return Ready(make, read)


SERVICE = (Target("http", 20, _http, growth_mb=600), Target("command line", 1, _cli, growth_mb=1_500))
