"""Outfits for a person over HTTP: by name, likes and photos; clicks that outlive a kill; tastes attached while serving."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import open_client

from modiste.engine.attached import attach_tastes
from modiste.engine.clicks import ClickBook
from modiste.engine.tastes import FoldIn, Tastes, save_tastes
from modiste.service.keys import KeyFile

IDS = [f"atelier-{number:06d}" for number in range(60)]  # look-0 is of the first three, and so on


def toy_tastes(folder: Path, best: int = 0) -> Path:
    """anna and bea like look-`best` best, then the looks after it; an item is liked as its look is."""
    axes = np.eye(20, dtype=np.float32)
    items = np.repeat(axes, 3, axis=0)
    likes = np.tile(np.roll(np.arange(20, 0, -1), best).astype(np.float32), (2, 1))
    fold = FoldIn(axes, items, np.full(20, 0.001, np.float32))
    looks = tuple(f"look-{at}" for at in range(20))
    return save_tastes(folder, Tastes(("anna", "bea"), looks, tuple(IDS), likes, axes, items, fold, name="toy"))


@pytest.fixture(scope="module")
def own(catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the catalogue with tastes of its own."""
    folder = tmp_path_factory.mktemp("people") / "shop"
    shutil.copytree(catalogue, folder, ignore=shutil.ignore_patterns("clicks.sqlite*"))  # what other tests clicked
    attach_tastes(folder, toy_tastes(folder.parent / "toy"))
    return folder


@pytest.fixture(scope="module")
def people(own: Path) -> Iterator[Any]:
    from modiste.service.settings import Settings
    from modiste.service.shop import Shop

    shop = Shop(Settings(own))
    with open_client(shop) as client:
        yield client
    shop.close()


def names(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["looks"]]


def test_somebody_known_and_what_she_takes(people: Any) -> None:
    assert people.get("/v1/catalogue").json()["tastes"] == "toy"
    first = people.post("/v1/recommend", json={"user": "anna", "k": 3})
    assert names(first) == ["look-0", "look-1", "look-2"]
    assert first.json()["trained"]
    assert first.json()["method"] == "her trained taste"
    assert first.json()["looks"][0]["taste"] == pytest.approx(0.975)
    assert first.json()["generated"] == []
    done = people.post("/v1/clicks", json={"user": "anna", "look": "look-1"})
    assert (done.status_code, done.json()["known"]) == (200, 1)
    assert people.post("/v1/clicks", json={"user": "anna", "item": IDS[59]}).json()["known"] == 2
    assert people.post("/v1/clicks", json={"user": "anna", "look": "look-1"}).json()["known"] == 2
    after = people.post("/v1/recommend", json={"user": "anna", "k": 20})
    assert "look-1" not in names(after)
    assert after.json()["method"] == "her trained taste and 2 newer likes"
    assert all(one["reasons"][0]["words"].startswith("because you liked ") for one in after.json()["looks"])
    assert "look-1" in names(people.post("/v1/recommend", json={"user": "anna", "k": 20, "again": True}))


def test_a_new_person_by_likes_looks_and_photos(people: Any, photo: bytes) -> None:
    by_looks = people.post("/v1/recommend", json={"looks": ["look-7"], "likes": [IDS[15], IDS[24:27]], "k": 1}).json()
    assert by_looks["method"] == "a taste made from 3 likes"
    assert by_looks["looks"][0]["id"] == "look-5"  # one of its items is liked; look-7 and look-8 are hers
    body = {"photos": [base64.b64encode(photo).decode(), "data:image/jpeg;base64," + base64.b64encode(photo).decode()]}
    by_photo = people.post("/v1/recommend", json=body).json()
    assert by_photo["method"] == "a taste made from 2 likes"
    assert by_photo["looks"][0]["reasons"][0]["liked"] in ("photo 1", "photo 2")
    nobody = people.post("/v1/recommend", json={"user": "stranger"}).json()
    assert nobody["method"].startswith("what everybody likes")
    assert nobody["looks"][0]["reasons"] == []


def test_looks_made_for_her(people: Any) -> None:
    body = {"looks": ["look-3"], "generate": True, "n": 2, "size": 3, "beta": 0.9, "deadline": 10.0, "k": 1}
    found = people.post("/v1/recommend", json=body).json()
    assert len(found["generated"]) == 2
    for look in found["generated"]:
        assert look["taste"] > 0.5
        assert look["reasons"][0]["liked"] == "look-3"
        assert len(look["items"]) == 3
        assert look["exact"] or look["gap"] > 0
    plain = people.post("/v1/generate", json={"text": "office", "size": 3, "deadline": 10.0}).json()["looks"][0]
    weightless = people.post("/v1/recommend", json={**body, "text": "office", "beta": 0, "n": 1}).json()["generated"][0]
    assert {name: weightless[name] for name in plain} == plain


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("recommend", {}, 422, "who is it for"),
        ("recommend", {"likes": ["nobody"]}, 404, "no item"),
        ("recommend", {"looks": ["look-99"]}, 422, "no stored look"),
        ("recommend", {"photos": ["????"]}, 422, "base64"),
        ("recommend", {"photos": ["bm8gcGhvdG8="]}, 415, ""),
        ("recommend", {"photos": ["YQ=="] * 5}, 422, "photos"),
        ("recommend", {"user": "a", "beta": 2}, 422, "beta"),
        ("recommend", {"user": "a", "colour": "red"}, 422, "colour"),
        ("clicks", {"user": "a"}, 422, "look or item"),
        ("clicks", {"user": "a", "look": "look-1", "item": IDS[0]}, 422, "look or item"),
        ("clicks", {"user": "", "look": "look-1"}, 422, "user"),
        ("clicks", {"user": "a\n", "look": "look-1"}, 422, "printable"),
        ("clicks", {"user": "a", "look": "look-99"}, 422, "no stored look"),
        ("clicks", {"user": "a", "item": "nobody"}, 404, "no item"),
    ],
)
def test_what_cannot_be_is_said(people: Any, path: str, body: dict[str, Any], status: int, words: str) -> None:
    answer = people.post(f"/v1/{path}", json=body)
    assert answer.status_code == status
    assert words in answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_keys_and_quotas_hold_for_people_too(people: Any, own: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key = KeyFile(file).add("storefront", quota=3)
    with open_client(people.app.state.shop, keys=file) as client:
        body = {"user": "kim", "look": "look-2"}
        assert client.post("/v1/clicks", json=body).status_code == 401
        head = {"x-api-key": key}
        assert [client.post("/v1/clicks", json=body, headers=head).status_code for _ in range(4)] == [
            200,
            200,
            200,
            429,
        ]
        cross = {"origin": "https://elsewhere.example", **head}
        assert client.post("/v1/recommend", json={"user": "kim"}, headers=cross).status_code == 403


def test_tastes_attached_while_serving_count_from_the_next_request(people: Any, own: Path) -> None:
    assert names(people.post("/v1/recommend", json={"user": "bea", "k": 1})) == ["look-0"]
    attach_tastes(own, toy_tastes(own.parent / "second", best=9))
    assert names(people.post("/v1/recommend", json={"user": "bea", "k": 1})) == ["look-9"]
    pointer = (own / "tastes.json").read_text()
    (own / "tastes.json").write_text("{")  # damaged: what there was goes on
    assert names(people.post("/v1/recommend", json={"user": "bea", "k": 1})) == ["look-9"]
    (own / "tastes.json").write_text(pointer)
    os.utime(own / "tastes.json", ns=(1, 1))
    assert names(people.post("/v1/recommend", json={"user": "bea", "k": 1})) == ["look-9"]


def test_a_killed_service_loses_no_answered_click(serve: Any, catalogue: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(catalogue, folder)
    served = serve(folder)
    answered: list[str] = []

    def click(user: str) -> None:
        for number in range(20):
            body = json.dumps({"user": user, "look": f"look-{number}"}).encode()
            request = urllib.request.Request(served.address + "/v1/clicks", body, {"content-type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    json.load(answer)
            except OSError:
                return
            answered.append(f"{user} look-{number}")
            if len(answered) == 12:
                os.killpg(served.process.pid, signal.SIGKILL)

    threads = [threading.Thread(target=click, args=(f"user-{at}",)) for at in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    served.process.wait(60)
    assert len(answered) >= 12
    kept = {f"{one.user} {one.look}" for one in ClickBook(folder).every()}
    assert set(answered) <= kept
