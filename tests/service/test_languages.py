"""Words that the encoder cannot read, over HTTP: a problem document, or a warning beside the answer."""

from __future__ import annotations

from typing import Any

import pytest

from modiste.service.schemas import ProblemOut, SearchOut


def test_the_catalogue_says_which_languages_its_encoder_learned(client: Any) -> None:
    assert client.get("/v1/catalogue").json()["languages"] == ["en"]


@pytest.mark.parametrize("words", ["красное платье", "红色连衣裙"])
def test_what_cannot_be_read_is_refused(client: Any, words: str) -> None:
    asked = [
        client.get("/v1/search", params={"q": words}),
        client.post("/v1/search", data={"q": words}),
        client.post("/v1/generate", json={"text": words, "size": 2}),
        client.post("/v1/complete", json={"want": [{"slot": "shoes", "wish": words}]}),
    ]
    for answer in asked:
        assert answer.status_code == 422
        ProblemOut.model_validate(answer.json())
        assert answer.json()["type"] == "urn:modiste:problem:not-understood"
        assert words.split()[0] in answer.json()["detail"]


def test_what_can_be_read_of_a_mixed_query_is_answered(client: Any) -> None:
    plain = client.get("/v1/search", params={"q": "dress", "k": 5}).json()
    mixed = client.get("/v1/search", params={"q": "платье dress", "k": 5}).json()
    SearchOut.model_validate(mixed)
    assert mixed["hits"] == plain["hits"]
    assert plain["warnings"] == []
    assert "'платье'" in mixed["warnings"][0]
    looks = client.post("/v1/generate", json={"text": "офис office", "size": 2}).json()
    assert any("'офис'" in note for note in looks["notes"])


def test_a_photo_answers_without_the_words_and_says_so(client: Any, photo: bytes) -> None:
    files = {"image": ("photo.jpg", photo, "image/jpeg")}
    alone = client.post("/v1/search", files=files, data={"k": "5", "plan": "false"}).json()
    beside = client.post("/v1/search", files=files, data={"q": "красное", "k": "5", "plan": "false"}).json()
    assert beside["hits"] == alone["hits"]
    assert "'красное'" in beside["warnings"][0]
    assert alone["warnings"] == []


def test_letters_of_any_script_pass_filters(client: Any) -> None:
    found = client.get("/v1/search", params={"q": "dress", "filter": "title~платье"})
    assert found.status_code == 200
    assert found.json()["total"] == 0
