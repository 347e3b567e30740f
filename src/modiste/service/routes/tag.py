"""What a photo shows, with probabilities."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from modiste.models.mvlt_inference import Recogniser
from modiste.service import limits
from modiste.service.problems import Problem
from modiste.service.routes.shared import TheShop, answer, problems
from modiste.service.schemas import TagBody, TagOut
from modiste.service.values import rounded
from modiste.types import Item

router = APIRouter(tags=["search"])
_TOP = 5
_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["image"],
                "properties": {
                    "image": {"type": "string", "format": "binary", "description": "JPEG, PNG or WebP"},
                    "text": {
                        "type": "string",
                        "maxLength": limits.MAX_TEXT,
                        "description": "The photo's title, which helps",
                    },
                },
            }
        },
        "application/json": {"schema": TagBody.model_json_schema()},
    },
}


@router.post(
    "/v1/tag",
    response_model=TagOut,
    responses=problems(404, 415),
    openapi_extra={"requestBody": _BODY},
    summary="Category, colour and other labels of a photo",
)
async def tag(shop: TheShop, request: Request) -> JSONResponse:
    started = time.perf_counter()
    recogniser = shop.recogniser
    if recogniser is None:
        raise Problem(422, "this service has no model that tells labels", kind="invalid")
    item = await _item(shop, request)
    labels = await shop.photos.run(lambda: _labels(recogniser, item))
    model = {"name": recogniser.name, "sha256": recogniser.sha256}
    return answer({"labels": labels, "model": model}, started)


async def _item(shop: TheShop, request: Request) -> Item:
    """The item that a request is about: one of the catalogue, or a photo of a person's own with words or none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            asked = TagBody.model_validate_json(await request.body())
        except ValidationError as error:
            raise Problem(422, f"id: {error.errors()[0]['msg']}", kind="invalid") from None
        return await shop.lookups.run(lambda: shop.store.get(asked.id, image=True))
    if kind != "multipart/form-data":
        raise Problem(415, "send a photo as multipart/form-data, or an item's id as application/json")
    async with request.form(max_files=1, max_fields=limits.MAX_PARTS) as form:
        image, text = form.get("image"), form.get("text") or ""
        if not isinstance(image, UploadFile):
            raise Problem(422, "image: a photo is missing", kind="invalid")
        if not isinstance(text, str) or len(text) > limits.MAX_TEXT:
            raise Problem(422, f"text: at most {limits.MAX_TEXT} characters", kind="invalid")
        return Item("photo", text, await shop.pixels(await image.read()))


def _labels(recogniser: Recogniser, item: Item) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name, (classes, rows) in recogniser.recognise([item]).items():
        best = np.argsort(-rows[0], kind="stable")[:_TOP]
        found[name] = [{"value": classes[at], "probability": rounded(float(rows[0][at]))} for at in best]
    return found
