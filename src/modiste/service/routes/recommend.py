"""Outfits for a person, and what people took."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from modiste.engine.answers import FoundLook
from modiste.engine.recommend import Person, Reason, Recommended, Recommender
from modiste.service.photos import from_base64
from modiste.service.problems import Problem
from modiste.service.routes.shared import TheShop, answer, problems
from modiste.service.schemas import ClickBody, ClickOut, RecommendBody, RecommendOut
from modiste.service.shop import Shop
from modiste.service.values import look_values, rounded
from modiste.types import FloatArray

router = APIRouter(tags=["people"])


@router.post(
    "/v1/recommend",
    response_model=RecommendOut,
    responses=problems(404, 415),
    summary="Outfits for a person, with reasons",
)
async def recommend(shop: TheShop, body: RecommendBody) -> JSONResponse:
    """Stored looks by a trained taste where one is attached, else those nearest to what she likes; also looks made anew.

    Nothing of a request is remembered: what is to be known the next time is sent to `/v1/clicks`.
    """
    started = time.perf_counter()
    if not (body.user or body.likes or body.looks or body.photos):
        raise Problem(422, "who is it for? Say user, or what she likes with likes, looks or photos", kind="invalid")
    photos = [
        (f"photo {at}", await shop.vector("", await shop.pixels(from_base64(one))))
        for at, one in enumerate(body.photos, 1)
    ]
    return answer(await shop.outfits.run(lambda: _recommended(shop, body, photos)), started)


def _recommended(shop: Shop, body: RecommendBody, photos: list[tuple[str, FloatArray]]) -> dict[str, Any]:
    recommender = shop.recommender()
    likes = [recommender.liked_items((one,) if isinstance(one, str) else one) for one in body.likes]
    likes += [recommender.liked_look(one) for one in body.looks]
    person = recommender.person(body.user, likes, photos)
    found = recommender.recommend(person, body.k, again=body.again)
    made = _made(shop, recommender, person, body) if body.generate else ()
    return {
        "looks": [_look(shop, one) for one in found.looks],
        "generated": [_made_look(shop, look, why) for look, why in made],
        "method": found.method,
        "trained": found.trained,
        "notes": list(found.notes),
        "scorer": shop.scorer_values,
    }


def _made(
    shop: Shop, recommender: Recommender, person: Person, body: RecommendBody
) -> tuple[tuple[FoundLook, tuple[Reason, ...]], ...]:
    return recommender.generate(
        person, shop.engine, body.n, text=body.text, beta=body.beta, again=body.again, size=body.size, alpha=body.alpha,
        filters=body.filters, effort=replace(shop.engine.effort, deadline=body.deadline),
    )  # fmt: skip


def _look(shop: Shop, one: Recommended) -> dict[str, Any]:
    return {
        "id": one.look.id,
        "items": [shop.item(shop.store.get(name)) for name in one.look.item_ids],
        "similarity": rounded(one.similarity),
        "taste": rounded(one.taste),
        "reasons": [_reason(why) for why in one.reasons],
    }


def _made_look(shop: Shop, look: FoundLook, why: tuple[Reason, ...]) -> dict[str, Any]:
    values = look_values(look, [shop.item(one) for one in look.items])
    return {**values, "taste": rounded(look.taste), "reasons": [_reason(one) for one in why]}


def _reason(why: Reason) -> dict[str, Any]:
    return {**why.as_dict(), "similarity": rounded(why.similarity)}


@router.post("/v1/clicks", response_model=ClickOut, responses=problems(404), summary="Somebody took a look or an item")
async def click(shop: TheShop, body: ClickBody) -> JSONResponse:
    """Durable when it is answered; the next recommendation for her knows. The same click twice is one."""
    started = time.perf_counter()
    if bool(body.look) == bool(body.item):
        raise Problem(422, "what did she take? Say look or item, one of the two", kind="invalid")

    def taken() -> dict[str, Any]:
        recommender = shop.recommender()
        if body.look:
            recommender.liked_look(body.look)
        else:
            recommender.liked_items((body.item,))
        shop.clicks.add(body.user, look=body.look, item=body.item)
        return {"known": len(shop.clicks.of(body.user))}

    return answer(await shop.lookups.run(taken), started)
