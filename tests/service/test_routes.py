"""Every route, called as a client calls it, held against what the engine says and against the description."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

A, B, C = "atelier-000000", "atelier-000001", "atelier-000005"


def test_the_catalogue_describes_itself(client: Any, shop: Any) -> None:
    found = client.get("/v1/catalogue").json()
    assert found["items"] == 120
    assert sum(one["count"] for one in found["categories"]) == 120
    assert sum(one["count"] for one in found["slots"]) == 120
    assert found["encoder"]["sha256"] == shop.store.encoder_id.sha256
    assert found["scorer"]["kind"] == "rules"
    assert found["looks"] == 20
    assert found["keys_required"] is False
    fields = {one["name"]: one for one in found["filters"]}
    assert fields["price"]["kind"] == "number"
    assert fields["price"]["min"] < fields["price"]["max"]
    assert {one["value"] for one in fields["gender"]["values"]} <= {"women", "men", "unisex"}
    assert "title" not in fields


def test_words_find_what_the_catalogue_finds(client: Any, shop: Any) -> None:
    found = client.get("/v1/search", params={"q": "red dress", "k": 5, "filter": ["price<100", "gender!=men"]}).json()
    encoder = shop.encoder.encoder
    right = shop.store.search(encoder.encode_query("red dress"), k=5, filters=["price<100", "gender!=men"])
    assert [hit["item"]["id"] for hit in found["hits"]] == list(right.ids)
    assert found["total"] == right.total_candidates
    assert found["hits"][0]["score"] == pytest.approx(right.hits[0].score, abs=1e-6)
    assert found["query"] == {
        "text": "red dress",
        "photo": False,
        "like": None,
        "filters": ["price<100", "gender!=men"],
    }


def test_pages_of_a_search_are_one_ranking(client: Any) -> None:
    whole = client.get("/v1/search", params={"q": "boots", "k": 60}).json()
    seen, offset = [], 0
    while offset is not None:
        page = client.get("/v1/search", params={"q": "boots", "k": 25, "offset": offset}).json()
        seen += [hit["item"]["id"] for hit in page["hits"]]
        offset = page["next"]
    assert len(seen) == len(set(seen)) == 120
    assert seen[:60] == [hit["item"]["id"] for hit in whole["hits"]]


def test_pages_of_products(client: Any) -> None:
    seen, offset = [], 0
    while offset is not None:
        page = client.get("/v1/search", params={"q": "coat", "k": 30, "offset": offset, "per_product": True}).json()
        seen += [hit["item"]["group"] for hit in page["hits"]]
        offset = page["next"]
    assert len(seen) == len(set(seen))


def test_nothing_passes_the_filters(client: Any) -> None:
    found = client.get("/v1/search", params={"q": "boots", "filter": "price<0"}).json()
    assert (found["hits"], found["total"], found["next"]) == ([], 0, None)


def test_a_photo_and_words_find_what_the_catalogue_finds(client: Any, shop: Any, photo: bytes) -> None:
    from modiste.service.photos import read_photo

    files = {"image": ("../../etc/passwd", photo, "image/jpeg")}
    found = client.post(
        "/v1/search", files=files, data={"q": "blue", "k": 4, "filter": ["price<500"], "plan": False}
    ).json()
    right = shop.store.search(shop.encoder.encoder.encode_query("blue", read_photo(photo)), k=4, filters=["price<500"])
    assert [hit["item"]["id"] for hit in found["hits"]] == list(right.ids)
    alone = client.post("/v1/search", files=files, data={"k": "120"}).json()
    assert alone["query"]["photo"] is True
    assert alone["hits"][0]["item"]["id"] == "atelier-000007"  # the customer photographed this very item


def test_more_like_this_leaves_itself_out(client: Any) -> None:
    for found in (
        client.post("/v1/search", data={"like": A, "k": "120"}).json(),
        client.get(f"/v1/items/{A}/similar", params={"k": 120}).json(),
    ):
        assert A not in [hit["item"]["id"] for hit in found["hits"]]
        assert found["total"] == 119
        assert found["query"]["like"] == A


def test_a_second_look_says_what_it_thinks(client: Any) -> None:
    found = client.get("/v1/search", params={"q": "black boots", "k": 12, "rerank": 5}).json()
    assert sum(hit["match"] is not None for hit in found["hits"]) == 5
    assert client.get("/v1/search", params={"q": "black boots", "k": 3}).json()["hits"][0]["match"] is None


def test_the_same_question_gives_the_same_bytes_but_for_the_seconds(client: Any) -> None:
    def ask() -> dict[str, Any]:
        found: dict[str, Any] = client.post(
            "/v1/generate", json={"text": "office", "size": 3, "n": 2, "deadline": 10}
        ).json()
        found.pop("seconds")
        return found

    assert ask() == ask()


def test_items_come_in_order_with_filters(client: Any) -> None:
    first = client.get("/v1/items", params={"k": 50}).json()
    assert [one["id"] for one in first["items"]] == [f"atelier-{n:06d}" for n in range(50)]
    assert (first["total"], first["next"]) == (120, 50)
    last = client.get("/v1/items", params={"k": 50, "offset": 100}).json()
    assert (len(last["items"]), last["next"]) == (20, None)
    assert client.get("/v1/items", params={"offset": 10**6}).json()["items"] == []
    some = client.get("/v1/items", params={"filter": "slot=shoes", "k": 200}).json()
    assert some["total"] == len(some["items"]) > 0
    assert {one["slot"] for one in some["items"]} == {"shoes"}


def test_an_item_with_its_siblings(client: Any, shop: Any) -> None:
    snapshot = shop.store.snapshot()
    groups = [snapshot.product(row) for row in range(len(snapshot))]
    shared = next(group for group in groups if groups.count(group) > 1)
    members = [snapshot.id(row) for row, group in enumerate(groups) if group == shared]
    found = client.get(f"/v1/items/{members[0]}").json()
    assert [one["id"] for one in found["product_siblings"]] == members[1:]
    assert found["description"]


def test_photos_are_cached_by_their_content(client: Any) -> None:
    first = client.get(f"/v1/items/{A}/image")
    assert first.headers["content-type"] == "image/jpeg"
    again = client.get(f"/v1/items/{A}/image", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    small = client.get(f"/v1/items/{A}/image?size=small")
    assert small.content.startswith(b"\xff\xd8\xff")
    assert client.get("/v1/items/nobody/image").status_code == 404


def test_ids_of_any_kind_are_reached_by_their_address(client: Any, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from urllib.parse import quote

    asked: list[str] = []
    monkeypatch.setattr(shop.store, "image", lambda item_id: asked.append(item_id))  # None: no photo
    for strange in ("a/b", "../x", "a b", "ünïcode", "<script>", "a/../../b", "x?y#z", "SKU/1"):
        address = f"/v1/items/{quote(strange, safe='')}"
        found = client.get(address)
        assert found.status_code == 404
        assert found.json()["detail"].startswith(f"no item {strange!r}")
        assert client.get(f"{address}/similar").json()["detail"].startswith(f"no item {strange!r}")
        assert client.get(f"{address}/image").status_code == 404
        assert asked[-1] == strange


def test_labels_of_a_photo_and_of_an_item(client: Any, photo: bytes) -> None:
    found = client.post("/v1/tag", files={"image": ("x.jpg", photo)}, data={"text": "cotton t-shirt"}).json()
    assert {"article_type", "colour"} <= set(found["labels"])
    for guesses in found["labels"].values():
        chances = [one["probability"] for one in guesses]
        assert chances == sorted(chances, reverse=True)
        assert 0 <= sum(chances) <= 1.00001
    assert client.post("/v1/tag", json={"id": A}).json()["labels"]["article_type"]
    assert client.post("/v1/tag", json={"id": "nobody"}).status_code == 404
    assert client.post("/v1/tag", content=b"x", headers={"content-type": "text/plain"}).status_code == 415


def test_a_score_is_the_engines(client: Any, shop: Any) -> None:
    found = client.post("/v1/score", json={"items": [A, {"id": B}], "text": "smart"}).json()
    verdict = shop.engine.score([A, B], "smart")
    assert found["score"] == pytest.approx(verdict.score, abs=1e-6)
    assert found["match"] == pytest.approx(verdict.match, abs=1e-6)
    assert found["valid"] == verdict.valid
    twice = client.post("/v1/score", json={"items": [A, A]}).json()
    assert (twice["valid"], twice["score"]) == (False, 0)
    assert "appears 2 times" in twice["problems"][0]


def test_own_photos_are_items_for_the_moment(client: Any, photo: bytes) -> None:
    picture = base64.b64encode(photo).decode()
    found = client.post(
        "/v1/score",
        json={"items": [{"image": f"data:image/jpeg;base64,{picture}"}, {"image": picture, "kind": "shoes"}, A]},
    ).json()
    first, second, third = found["items"]
    assert (first["id"], first["own"], first["image"]) == ("photo-1", True, None)
    assert (second["id"], second["category"], second["slot"]) == ("photo-2", "shoes", "shoes")
    assert (third["id"], third["own"]) == (A, False)
    assert "photo-1 is taken for" in found["notes"][0]
    looks = client.post(
        "/v1/complete", json={"have": [{"image": picture, "kind": "t-shirt"}], "want": [{"slot": "shoes"}], "n": 2}
    ).json()["looks"]
    assert [one["own"] for one in looks[0]["items"]] == [True, False]


def test_complete_fills_the_slots_with_what_was_wished(client: Any) -> None:
    body = {
        "have": [A],
        "want": [{"slot": "shoes", "wish": "black boots"}, {"slot": "bag"}],
        "n": 2,
        "filters": ["price<900"],
    }
    found = client.post("/v1/complete", json=body).json()
    assert len(found["looks"]) == 2
    for look in found["looks"]:
        assert look["items"][0]["id"] == A
        assert [one["slot"] for one in look["chosen"]] == ["shoes", "bag"]
        assert look["chosen"][0]["wish"] == "black boots"
        assert look["exact"] or look["gap"] > 0
    open_shape = client.post("/v1/complete", json={"have": [A], "text": "weekend"}).json()
    assert len(open_shape["looks"][0]["items"]) >= 2


def test_what_is_avoided_comes_only_where_nothing_else_can(client: Any) -> None:
    shoes = [one["id"] for one in client.get("/v1/items", params={"filter": "slot=shoes", "k": 200}).json()["items"]]
    body = {"have": [A], "want": [{"slot": "shoes"}], "filters": [f"id={'|'.join(shoes[:2])}"]}
    first = client.post("/v1/complete", json=body).json()["looks"][0]["chosen"][0]["id"]
    second = client.post("/v1/complete", json={**body, "avoid": [first]}).json()
    assert {first, second["looks"][0]["chosen"][0]["id"]} == set(shoes[:2])
    assert not second["notes"] or "nothing else fits" not in " ".join(second["notes"])
    only = {**body, "filters": [f"id={first}"], "avoid": [first]}
    third = client.post("/v1/complete", json=only).json()
    assert third["looks"][0]["chosen"][0]["id"] == first
    assert f"nothing else fits in the place of {third['looks'][0]['items'][1]['title']}" in third["notes"]
    assert client.post("/v1/complete", json={**only, "avoid": [], "forbidden": [first]}).status_code == 422


def test_budget_required_and_forbidden_are_kept(client: Any) -> None:
    free = client.post("/v1/generate", json={"text": "office", "size": 3}).json()["looks"][0]
    banned = free["items"][0]["id"]
    found = client.post("/v1/generate", json={"text": "office", "size": 3, "forbidden": [banned]}).json()["looks"][0]
    assert banned not in [one["id"] for one in found["items"]]
    cost = sum(one["attributes"]["price"] for one in free["items"])
    cheap = client.post("/v1/generate", json={"text": "office", "size": 3, "budget": cost - 1}).json()["looks"][0]
    assert sum(one["attributes"]["price"] for one in cheap["items"]) <= cost - 1
    wanted = next(one["id"] for one in client.get("/v1/items", params={"filter": "slot=shoes"}).json()["items"])
    held = client.post("/v1/generate", json={"text": "office", "size": 3, "required": [wanted]}).json()["looks"][0]
    assert wanted in [one["id"] for one in held["items"]]


def test_what_cannot_be_is_told_with_the_rules_that_forbid_it(client: Any) -> None:
    found = client.post("/v1/generate", json={"text": "office", "size": 3, "budget": 0})
    assert found.status_code == 422
    problem = found.json()
    assert problem["type"] == "urn:modiste:problem:no-outfit"
    assert any(one["rule"] == "budget" for one in problem["errors"])


def test_swap_by_id_place_and_kind(client: Any) -> None:
    shoes = client.get("/v1/items", params={"filter": "slot=shoes"}).json()["items"]
    outfit = [A, shoes[0]["id"]]
    answers = [
        client.post("/v1/swap", json={"items": outfit, "which": which, "n": 2}).json()["looks"]
        for which in (outfit[1], 1, "shoes")
    ]
    assert answers[0] == answers[1] == answers[2]
    for look in answers[0]:
        assert look["items"][0]["id"] == A
        assert look["items"][1]["id"] != outfit[1]
        assert look["items"][1]["slot"] == "shoes"


def test_an_explanation_adds_up(client: Any) -> None:
    found = client.post("/v1/explain", json={"items": [A, B, C]}).json()
    assert found["base"] + sum(one["contribution"] for one in found["items"]) == pytest.approx(found["score"], abs=1e-5)
    assert found["base"] + sum(one["term"] for one in found["pairs"]) == pytest.approx(found["score"], abs=1e-5)
    assert len(found["pairs"]) == 3
    assert any(one["reasons"] for one in found["pairs"])
    assert found["swap"]["after"] > found["swap"]["before"]
    assert client.post("/v1/explain", json={"items": [A, B, C], "swaps": False}).json()["swap"] is None


def test_stored_looks_nearest_first(client: Any, shop: Any) -> None:
    snapshot = shop.store.snapshot()
    found = client.post("/v1/similar-looks", json={"items": [A, B], "k": 20}).json()["looks"]
    centre = snapshot.vectors.mean(axis=0)

    def mean(ids: list[str]) -> np.ndarray:
        return snapshot.vectors[[snapshot.row(one) for one in ids]].mean(axis=0) - centre

    def cosine(one: np.ndarray, other: np.ndarray) -> float:
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))

    for look in found:
        right = cosine(mean([A, B]), mean([one["id"] for one in look["items"]]))
        assert look["similarity"] == pytest.approx(right, abs=1e-4)
    assert [one["similarity"] for one in found] == sorted((one["similarity"] for one in found), reverse=True)


def test_recommendation_is_the_nearest_to_any_like_and_says_its_method(client: Any) -> None:
    ids = [f"atelier-{n:06d}" for n in range(6)]
    found = client.post("/v1/recommend", json={"likes": [ids[:3], ids[3]], "k": 5}).json()
    assert "cosine" in found["method"]
    assert "look-0" not in [one["id"] for one in found["looks"]]  # it is one of the likes
    nearest: dict[str, float] = {}
    for like in (ids[:3], [ids[3]]):
        for look in client.post("/v1/similar-looks", json={"items": like, "k": 20}).json()["looks"]:
            nearest[look["id"]] = max(look["similarity"], nearest.get(look["id"], -1.0))
    right = sorted(((one, name) for name, one in nearest.items() if name != "look-0"), reverse=True)[:5]
    assert [one["id"] for one in found["looks"]] == [name for _, name in right]
    assert [one["similarity"] for one in found["looks"]] == [one for one, _ in right]
    assert client.post("/v1/recommend", json={"likes": []}).status_code == 422


def test_health_readiness_metrics_and_description(client: Any) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json()["status"] == "ready"
    client.get("/v1/search", params={"q": "boots"})
    metrics = client.get("/metrics").text
    assert 'modiste_requests_total{method="GET",route="/v1/search",status="200"}' in metrics
    assert "modiste_batch_size_bucket" in metrics
    described = client.get("/openapi.json").json()
    for path, verbs in described["paths"].items():
        for verb, route in verbs.items():
            assert route["summary"], (path, verb)
            errors = [status for status in route["responses"] if status[0] in "45"]
            assert {"400", "401", "403", "422", "429", "503", "504"} <= set(errors), (path, verb)
            for status in errors:
                assert "application/problem+json" in route["responses"][status]["content"], (path, verb, status)
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


def test_the_page_is_served_and_asked_for_again(client: Any) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    for path in ("/page/../app.py", "/page/%2e%2e/app.py", "/page/..%2fapp.py", "/page//etc/passwd", "/page/%00"):
        assert client.get(path).status_code in (400, 404)
