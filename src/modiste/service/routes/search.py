"""Search by words, by photo or item, by these and words that say what shall be different; and what is like an item."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, File, Form, Query, UploadFile
from fastapi.responses import JSONResponse

from modiste.engine.catalogue import Hit, SearchResult
from modiste.engine.composed import composed_search
from modiste.engine.modification import ModificationPlan
from modiste.engine.photo_features import ExactJudge
from modiste.engine.rerank import look_again
from modiste.models.mvlt_inference import Reranker
from modiste.service import limits
from modiste.service.batching import Busy
from modiste.service.composing import encoded_query, heard, hearing, plan_of, query_words, tags_of
from modiste.service.finder import Search
from modiste.service.problems import Problem, busy
from modiste.service.routes.shared import NO_FILTERS, Filters, K, Offset, TheShop, answer, problems
from modiste.service.schemas import Drop, Filter, Id, SearchOut, Text
from modiste.service.shop import Shop
from modiste.service.values import rounded
from modiste.types import ImageLike, Item

router = APIRouter(tags=["search"])
Words = Annotated[Text, Query(description="What to look for: red dress with polka dots")]
Rerank = Annotated[
    int | None, Query(ge=1, le=limits.MAX_RERANK, description="Judge the first N hits again, pair by pair")
]


PLANNED = (
    "Read words that deny, compare or stand beside a photo or an item into a plan; false: the encoder's query alone"
)
DROPPED = "Keys of parts of the plan that shall not be meant"


@router.get(
    "/v1/search", response_model=SearchOut, responses=problems(404), summary="Search by words, or by an item and words"
)
async def search(
    shop: TheShop,
    q: Words = "",
    like: Annotated[Id | None, Query(description="An item of the catalogue to start from")] = None,
    filters: Filters = NO_FILTERS,
    k: K = 24,
    offset: Offset = 0,
    per_product: Annotated[bool, Query(description="Show one item of each product (group)")] = False,
    rerank: Rerank = None,
    plan: Annotated[bool, Query(description=PLANNED)] = True,
    drop: Annotated[list[Drop], Query(max_length=limits.MAX_FILTERS, description=DROPPED)] = NO_FILTERS,
) -> JSONResponse:
    if not q.strip() and like is None:
        raise Problem(422, 'q: nothing to search for: give words, such as "red dress"', kind="invalid")
    where = _Where(tuple(filters), k, offset, per_product, rerank)
    return await find(shop, _Asked(q, None, like, plan, tuple(drop)), where)


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
    like: Annotated[Id | None, Form(description="An item of the catalogue to start from")] = None,
    plan: Annotated[bool, Form(description=PLANNED)] = True,
    drop: Annotated[list[Drop], Form(max_length=limits.MAX_FILTERS, description=DROPPED)] = NO_FILTERS,
    exact: Annotated[bool, Form(description="Find the very item on the photo: regions are compared")] = False,
) -> JSONResponse:
    photo: Any = None
    if image is not None:
        photo, like = await shop.pixels(await image.read()), None
    elif like is None and not q.strip():
        raise Problem(422, "nothing to search for: give words, a photo, or an item", kind="invalid")
    if exact and ((photo is None and like is None) or q.strip() or rerank):
        raise Problem(422, "exact: the very item is looked for by a photo alone, without q and rerank", kind="invalid")
    where = _Where(tuple(filters), k, offset, per_product, limits.MAX_RERANK if exact else rerank, exact)
    return await find(shop, _Asked(q, photo, like, plan, tuple(drop)), where)


@router.get(
    "/v1/items/{item_id:path}/similar", response_model=SearchOut, responses=problems(404), summary="Items like an item"
)
async def similar(
    shop: TheShop, item_id: Id, filters: Filters = NO_FILTERS, k: K = 12, offset: Offset = 0
) -> JSONResponse:
    started = time.perf_counter()
    snapshot = shop.store.snapshot()
    vector = np.ascontiguousarray(snapshot.vectors[snapshot.row(item_id)])
    where = _Where(tuple(filters), k, offset, False, None)
    found = await shop.find(where.search(vector, exclude=item_id))
    return _page(shop, _Asked("", None, item_id), where, found, found.hits, {}, None, started)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What is searched for: words, a photo or an item to start from, and what is to become of a plan."""

    text: str
    photo: ImageLike | None
    like: str | None
    plan: bool = True
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Where:
    """Among which items, and which page of them."""

    filters: tuple[str, ...]
    k: int
    offset: int
    per_product: bool
    rerank: int | None
    exact: bool = False

    @property
    def depth(self) -> int:
        return min(self.offset + self.k, limits.MAX_DEPTH)

    def search(self, vector: np.ndarray, *, exclude: str | None, images: bool = False) -> Search:
        wanted = max(self.depth, self.rerank or 0)
        return Search(vector, wanted, self.filters, self.per_product, (exclude,) if exclude else (), images)


async def find(shop: Shop, asked: _Asked, where: _Where) -> JSONResponse:
    """By the plan of the words where there is one and no second look is wanted, else by the encoder's query."""
    started = time.perf_counter()
    if where.exact and shop.exact is None:
        raise Problem(422, "exact: no features of the photos are kept; index with --exact", kind="invalid")
    judge: Reranker | ExactJudge | None = shop.exact if where.exact else shop.judge if where.rerank else None
    if where.rerank and judge is None:
        raise Problem(422, f"rerank: {shop.store.encoder_id.name} has no matching head", kind="invalid")
    item, photo = None, asked.photo
    if asked.like is not None:
        item_id = asked.like
        item = await shop.lookups.run(lambda: shop.store.get(item_id, image=True))
        photo = item.image
    if where.exact and photo is None:
        raise Problem(422, f"exact: item {asked.like!r} has no photo to compare", kind="invalid")
    plan = None
    if asked.plan and judge is None and asked.text.strip():
        gate = shop.lookups if asked.photo is None else shop.photos  # words alone do not wait behind photos
        plan = await gate.run(lambda: _plan(shop, asked, item))
    words, plan = heard(shop.encoder, asked.text, plan, alone=photo is None and item is None)
    if plan is not None:
        return await _by_plan(shop, asked, where, plan, item, photo, words.warnings, started)
    text = query_words(words.words, item, photo)
    vector = await shop.vector(text, photo)
    found = await shop.find(where.search(vector, exclude=asked.like, images=judge is not None and not where.exact))
    hits, match = found.hits, {}
    if judge is not None:
        query = Item("query", text, photo)
        share, scale = judge.share, judge.logit_scale
        seen = await shop.outfits.run(
            lambda: look_again(query, hits, judge, shortlist=where.rerank or 1, share=share, scale=scale)
        )
        hits, match = seen.hits, dict(seen.log_odds)
    return _page(shop, asked, where, found, hits, match, None, started, words.warnings)


def _plan(shop: Shop, asked: _Asked, item: Item | None) -> ModificationPlan | None:
    tags = tags_of(shop.recogniser, asked.photo) if asked.photo is not None else None
    return plan_of(shop.store.snapshot(), asked.text, like=item, tags=tags, dropped=asked.drop)


async def _by_plan(
    shop: Shop, asked: _Asked, where: _Where, plan: ModificationPlan, item: Item | None, photo: ImageLike | None,
    warnings: Sequence[str], started: float,
) -> JSONResponse:  # fmt: skip
    words = query_words(plan.words, item, photo)

    def search() -> SearchResult:
        return composed_search(
            shop.store, encoded_query(shop.encoder, words, photo), plan, hearing(shop.encoder), k=where.depth,
            filters=where.filters, exclude=[asked.like] if asked.like else [],
            collapse="group" if where.per_product else None,
        )  # fmt: skip

    try:
        found = await shop.lookups.run(search)
    except Busy:
        raise busy() from None
    return _page(shop, asked, where, found, found.hits, {}, plan, started, warnings)


def _page(
    shop: Shop, asked: _Asked, where: _Where, found: SearchResult, hits: Sequence[Hit], match: dict[str, float],
    plan: ModificationPlan | None, started: float, warnings: Sequence[str] = (),
) -> JSONResponse:  # fmt: skip
    end = where.offset + where.k
    more = found.total_candidates > end and len(hits) >= end and end < limits.MAX_DEPTH
    return answer(
        {
            "query": {
                "text": asked.text,
                "photo": asked.photo is not None,
                "like": asked.like,
                "filters": list(where.filters),
            },
            "plan": plan.as_dict() if plan is not None else None,
            "warnings": list(warnings),
            "total": found.total_candidates,
            "hits": [_hit(shop, hit, match) for hit in hits[where.offset : where.depth]],
            "next": end if more else None,
            "model": shop.model_values,
        },
        started,
    )


def _hit(shop: Shop, hit: Hit, match: dict[str, float]) -> dict[str, Any]:
    return {"item": shop.item(hit.item), "score": rounded(hit.score), "match": rounded(match.get(hit.item.id))}
