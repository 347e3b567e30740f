"""Search by an item or a photo and words, with the plan that the service tells."""

from __future__ import annotations

from typing import Any

import pytest

from modiste.service.schemas import SearchOut


@pytest.fixture(scope="module")
def striped(client: Any) -> dict[str, Any]:
    """An item with stripes."""
    found: dict[str, Any] = client.get("/v1/items", params={"filter": "pattern=stripes", "k": 1}).json()["items"][0]
    return found


def ids(found: dict[str, Any]) -> list[str]:
    return [hit["item"]["id"] for hit in found["hits"]]


def test_more_like_an_item_but_without(client: Any, striped: dict[str, Any]) -> None:
    asked = {"q": "without stripes, in red", "like": striped["id"], "k": 120}
    found = client.get("/v1/search", params=asked).json()
    SearchOut.model_validate(found)
    assert found["plan"]["reference"] == striped["id"]
    assert found["plan"]["line"].startswith(
        f"colour: red <- {striped['attributes']['colour']}; without: stripes; kept: "
    )
    hits = [hit["item"] for hit in found["hits"]]
    assert striped["id"] not in ids(found)
    assert {item["attributes"]["pattern"] for item in hits}.isdisjoint({"stripes", "pinstripes"})
    assert hits[0]["attributes"]["colour"] == "red"
    assert found["total"] == len(hits)
    posted = client.post("/v1/search", data=asked).json()
    assert (posted["plan"], ids(posted)) == (found["plan"], ids(found))


def test_parts_can_be_dropped_and_the_plan_left_out(client: Any, striped: dict[str, Any]) -> None:
    asked = {"q": "without stripes, in red", "like": striped["id"], "k": 120}
    less = client.get("/v1/search", params={**asked, "drop": ["without:stripes", "change:colour"]}).json()
    assert (less["plan"]["excluded"], less["plan"]["changes"]) == ([], [])
    assert "stripes" in {hit["item"]["attributes"]["pattern"] for hit in less["hits"]}
    plain = client.get("/v1/search", params={**asked, "plan": False}).json()
    assert plain["plan"] is None
    assert plain["total"] == 119


def test_a_photo_and_words(client: Any, photo: bytes) -> None:
    asked = {"q": "in red with long sleeves", "k": 5}
    found = client.post("/v1/search", files={"image": ("me.jpg", photo, "image/jpeg")}, data=asked).json()
    SearchOut.model_validate(found)
    assert found["plan"]["reference"] == ""
    assert found["query"]["photo"] is True
    assert all(one["source"] == "photo" for one in found["plan"]["kept"])
    assert found["hits"][0]["item"]["attributes"]["colour"] == "red"


def test_words_alone_that_deny(client: Any) -> None:
    found = client.get("/v1/search", params={"q": "boots, not leather, under 150", "k": 50}).json()
    hits = [hit["item"]["attributes"] for hit in found["hits"]]
    assert hits
    assert all(one["material"] not in ("leather", "patent leather", "suede") and one["price"] <= 150 for one in hits)
    assert client.get("/v1/search", params={"q": "black boots"}).json()["plan"] is None


def test_pages_of_a_planned_search_are_one_ranking(client: Any, striped: dict[str, Any]) -> None:
    asked = {"q": "no stripes", "like": striped["id"]}
    whole = ids(client.get("/v1/search", params={**asked, "k": 60}).json())
    pages = [client.get("/v1/search", params={**asked, "k": 20, "offset": at}).json() for at in (0, 20, 40)]
    assert [one for page in pages for one in ids(page)] == whole
    assert pages[0]["next"] == 20


def test_a_second_look_decides_alone(client: Any, striped: dict[str, Any]) -> None:
    found = client.get("/v1/search", params={"q": "no stripes", "like": striped["id"], "rerank": 5}).json()
    assert found["plan"] is None
    assert sum(hit["match"] is not None for hit in found["hits"]) == 5


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"q": ""}, 422),
        ({"q": "red", "like": "nobody"}, 404),
        ({"q": "red", "drop": [""]}, 422),
        ({"q": "red", "drop": ["x"] * 17}, 422),
    ],
)
def test_problems(client: Any, params: dict[str, Any], status: int) -> None:
    assert client.get("/v1/search", params=params).status_code == status
