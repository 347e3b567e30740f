"""Search by words, by photo, by both; and what is like an item."""

from __future__ import annotations

import time
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, File, Form, Query, UploadFile
from fastapi.responses import JSONResponse

from modiste.engine.catalogue import Hit
from modiste.engine.rerank import look_again
from modiste.service import limits
from modiste.service.finder import Search
from modiste.service.problems import Problem
from modiste.service.routes.shared import NO_FILTERS, Filters, K, Offset, TheShop, answer, problems
from modiste.service.schemas import Filter, Id, SearchOut, Text
from modiste.service.shop import Shop
from modiste.service.values import rounded
from modiste.types import Item

router = APIRouter(tags=["search"])
Words = Annotated[Text, Query(description="What to look for: red dress with polka dots")]
Rerank = Annotated[
    int | None, Query(ge=1, le=limits.MAX_RERANK, description="Judge the first N hits again, pair by pair")
]


@router.get("/v1/search", response_model=SearchOut, responses=problems(), summary="Search by words")
async def search(
    shop: TheShop,
    q: Words,
    filters: Filters = NO_FILTERS,
    k: K = 24,
    offset: Offset = 0,
    per_product: Annotated[bool, Query(description="Show one item of each product (group)")] = False,
    rerank: Rerank = None,
) -> JSONResponse:
    if not q.strip():
        raise Problem(422, 'q: nothing to search for: give words, such as "red dress"', kind="invalid")
    return await find(shop, q, None, None, filters, k, offset, per_product, rerank)


@router.post(
    "/v1/search",
    response_model=SearchOut,
    responses=problems(404, 415),
    summary="Search by photo, or photo and words",
)
async def search_by_photo(
    shop: TheShop,
    filters: Annotated[list[Filter], Form(alias="filter", max_length=limits.MAX_FILTERS)] = NO_FILTERS,
    image: Annotated[UploadFile | None, File(description="JPEG, PNG or WebP")] = None,
    q: Annotated[Text, Form()] = "",
    k: Annotated[int, Form(ge=1, le=limits.MAX_K)] = 24,
    offset: Annotated[int, Form(ge=0, lt=limits.MAX_DEPTH)] = 0,
    per_product: Annotated[bool, Form()] = False,
    rerank: Annotated[int | None, Form(ge=1, le=limits.MAX_RERANK)] = None,
    like: Annotated[Id | None, Form(description="An item of the catalogue whose photo is the query")] = None,
    exact: Annotated[bool, Form(description="Find the very item on the photo: regions are compared")] = False,
) -> JSONResponse:
    photo: Any = None
    exclude: str | None = None
    if image is not None:
        photo = await shop.pixels(await image.read())
    elif like is not None:
        stored = await shop.lookups.run(lambda: shop.store.image(like))
        if stored is None:
            raise Problem(422, f"item {like!r} has no photo to search with", kind="invalid")
        photo, exclude = stored, like
    elif not q.strip():
        raise Problem(422, "nothing to search for: give words, a photo, or an item", kind="invalid")
    if exact and (photo is None or q.strip() or rerank):
        raise Problem(422, "exact: the very item is looked for by a photo alone, without q and rerank", kind="invalid")
    return await find(shop, q, photo, exclude, filters, k, offset, per_product, rerank, exact)


@router.get(
    "/v1/items/{item_id:path}/similar", response_model=SearchOut, responses=problems(404), summary="Items like an item"
)
async def similar(
    shop: TheShop, item_id: Id, filters: Filters = NO_FILTERS, k: K = 12, offset: Offset = 0
) -> JSONResponse:
    started = time.perf_counter()
    snapshot = shop.store.snapshot()
    vector = np.ascontiguousarray(snapshot.vectors[snapshot.row(item_id)])
    return await _page(shop, vector, "", None, item_id, filters, k, offset, False, None, started)


async def find(
    shop: Shop, text: str, photo: Any, like: str | None, filters: list[str], k: int, offset: int, per_product: bool,
    rerank: int | None, exact: bool = False,
) -> JSONResponse:  # fmt: skip
    started = time.perf_counter()
    if exact and shop.exact is None:
        raise Problem(422, "exact: no features of the photos are kept; index with --exact", kind="invalid")
    vector = await shop.vector(text, photo)
    return await _page(shop, vector, text, photo, like, filters, k, offset, per_product, rerank, started, exact)


async def _page(
    shop: Shop, vector: np.ndarray, text: str, photo: Any, like: str | None, filters: list[str], k: int, offset: int,
    per_product: bool, rerank: int | None, started: float, exact: bool = False,
) -> JSONResponse:  # fmt: skip
    depth = min(offset + k, limits.MAX_DEPTH)
    judge = shop.exact if exact else shop.judge if rerank else None
    rerank = limits.MAX_RERANK if exact else rerank
    if rerank and judge is None:
        raise Problem(422, f"rerank: {shop.store.encoder_id.name} has no matching head", kind="invalid")
    wanted = max(depth, rerank or 0)
    search = Search(
        vector, wanted, tuple(filters), per_product, (like,) if like else (), images=judge is not None and not exact
    )
    found = await shop.find(search)
    hits, match = found.hits, {}
    if judge is not None and (text.strip() or photo is not None):
        query = Item("query", text, photo)
        seen = await shop.outfits.run(
            lambda: look_again(query, hits, judge, shortlist=rerank or 1, share=judge.share, scale=judge.logit_scale)
        )
        hits, match = seen.hits, dict(seen.log_odds)
    more = found.total_candidates > offset + k and len(hits) >= offset + k and offset + k < limits.MAX_DEPTH
    return answer(
        {
            "query": {"text": text, "photo": photo is not None and like is None, "like": like, "filters": filters},
            "total": found.total_candidates,
            "hits": [_hit(shop, hit, match) for hit in hits[offset:depth]],
            "next": offset + k if more else None,
            "model": shop.model_values,
        },
        started,
    )


def _hit(shop: Shop, hit: Hit, match: dict[str, float]) -> dict[str, Any]:
    return {"item": shop.item(hit.item), "score": rounded(hit.score), "match": rounded(match.get(hit.item.id))}
