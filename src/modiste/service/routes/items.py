"""The catalogue itself: what it holds, its items, and their photos by opaque ids."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from modiste.engine.filters import TextColumn, filter_mask
from modiste.service import limits
from modiste.service.routes.shared import NO_FILTERS, Filters, K, TheShop, problems
from modiste.service.schemas import CatalogueOut, Id, ItemDetail, ItemPage
from modiste.service.shop import Shop
from modiste.service.values import as_pairs, counts
from modiste.taxonomy import slot as slot_of

router = APIRouter(tags=["catalogue"])
_SIBLINGS = 24


@router.get(
    "/v1/catalogue", response_model=CatalogueOut, responses=problems(), summary="What this service knows and can do"
)
async def catalogue(shop: TheShop, request: Request) -> JSONResponse:
    values = await shop.lookups.run(lambda: _described(shop))
    keys = getattr(request.app.state, "keys", None)
    return JSONResponse({**values, "keys_required": bool(keys and keys.required)})


def _described(shop: Shop) -> dict[str, Any]:
    snapshot = shop.store.snapshot()
    category, slot = snapshot.columns["category"], snapshot.columns["slot"]
    assert isinstance(category, TextColumn)
    assert isinstance(slot, TextColumn)
    rules = shop.engine.rules
    return {
        "name": shop.settings.name,
        "items": len(snapshot),
        "version": snapshot.version,
        "encoder": shop.model_values,
        "languages": list(shop.encoder.languages),
        "scorer": shop.scorer_values,
        "calibrated": shop.bench.is_calibrated,
        "reranker": shop.judge is not None,
        "exact": shop.exact is not None,
        "taggable": shop.recogniser is not None,
        "captionable": False,
        "categories": [{**one, "slot": slot_of(one["name"])} for one in as_pairs(counts(category))],
        "slots": as_pairs(counts(slot)),
        "filters": shop.fields,
        "templates": [{"name": t.name, "slots": list(t.slots), "optional": list(t.optional)} for t in rules.templates],
        "limits": {
            "max_items": rules.max_items,
            "max_slots": limits.MAX_SLOTS,
            "max_wish": limits.MAX_TEXT,
            "max_looks": limits.MAX_LOOKS,
            "max_k": limits.MAX_K,
            "max_image_bytes": limits.MAX_IMAGE_BYTES,
        },
        "looks": len(shop.looks),
        "tastes": shop.tastes_name,
    }


@router.get("/v1/items", response_model=ItemPage, responses=problems(), summary="Items in the order of their ids")
async def items(
    shop: TheShop, filters: Filters = NO_FILTERS, k: K = 24, offset: Annotated[int, Query(ge=0, le=10**9)] = 0
) -> JSONResponse:
    def page() -> dict[str, Any]:
        snapshot = shop.store.snapshot()
        rows = np.arange(len(snapshot))
        if filters:
            rows = np.flatnonzero(filter_mask(filters, snapshot.columns, len(snapshot)))
        shown = [shop.item(snapshot.item(int(row))) for row in rows[offset : offset + k]]
        return {"total": len(rows), "items": shown, "next": offset + k if offset + k < len(rows) else None}

    return JSONResponse(await shop.lookups.run(page))


# An id may hold a slash, so the longer addresses are tried first.
@router.get(
    "/v1/items/{item_id:path}/image",
    response_class=Response,
    responses={
        200: {
            "content": {"image/jpeg": {}, "image/png": {}, "image/webp": {}, "image/gif": {}},
            "description": "The photo",
        },
        304: {"description": "The photo that the caller has is still the one"},
        **problems(404),
    },
    summary="An item's photo",
)
async def image(
    shop: TheShop, request: Request, item_id: Id, size: Annotated[Literal["full", "small"], Query()] = "full"
) -> Response:
    found = await shop.lookups.run(lambda: shop.pictures.get(item_id, small=size == "small"))
    headers = {"ETag": found.tag, "Cache-Control": "private, max-age=3600", "Content-Disposition": "inline"}
    if found.tag in (one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    return Response(found.data, media_type=found.kind, headers=headers)


@router.get("/v1/items/{item_id:path}", response_model=ItemDetail, responses=problems(404), summary="One item")
async def item(shop: TheShop, item_id: Id) -> JSONResponse:
    def detail() -> dict[str, Any]:
        snapshot = shop.store.snapshot()
        found = snapshot.item(snapshot.row(item_id))
        siblings = []
        if found.group:
            group = snapshot.columns["group"]
            assert isinstance(group, TextColumn)
            rows = np.flatnonzero(group.codes == group.vocabulary.index(found.group))[: _SIBLINGS + 1]
            siblings = [one for one in (snapshot.item(int(row)) for row in rows) if one.id != item_id][:_SIBLINGS]
        return {
            **shop.item(found),
            "description": found.description,
            "product_siblings": [shop.item(one) for one in siblings],
        }

    return JSONResponse(await shop.lookups.run(detail))
