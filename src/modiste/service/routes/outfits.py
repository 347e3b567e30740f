"""The verbs on outfits: score, complete, generate, swap, explain, and stored looks that are alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from modiste.engine.answers import Answer
from modiste.engine.conflicts import NoFeasibleOutfit
from modiste.engine.outfits import OutfitEngine
from modiste.engine.recommend import NEAREST
from modiste.engine.solve import Effort
from modiste.service.problems import Problem
from modiste.service.routes.shared import Given, TheShop, answer, given, problems
from modiste.service.schemas import (
    CompleteBody,
    ExplainBody,
    ExplainOut,
    GenerateBody,
    House,
    LooksOut,
    ScoreBody,
    ScoreOut,
    Searching,
    SimilarLooksBody,
    SimilarLooksOut,
    SwapBody,
)
from modiste.service.shop import Shop
from modiste.service.values import look_values, rounded
from modiste.types import Item, Slot

router = APIRouter(tags=["outfits"])
_RESPONSES = problems(404, 415)


@router.post("/v1/score", response_model=ScoreOut, responses=_RESPONSES, summary="Do these items go together?")
async def score(shop: TheShop, body: ScoreBody) -> JSONResponse:
    started = time.perf_counter()
    outfit = await given(shop, body.items)

    def judged() -> dict[str, Any]:
        verdict = shop.engine.score(outfit.items, body.text)
        return {
            "score": rounded(verdict.score),
            "compatibility": rounded(verdict.compatibility),
            "match": rounded(verdict.match),
            "percentile": rounded(verdict.percentile),
            "valid": verdict.valid,
            "problems": list(verdict.problems),
            "items": [shop.item(one, own=one.id in outfit.own) for one in verdict.items],
            "notes": list(outfit.notes),
            "scorer": shop.scorer_values,
        }

    return answer(await shop.outfits.run(judged), started)


@router.post("/v1/complete", response_model=LooksOut, responses=_RESPONSES, summary="What goes with what one has")
async def complete(shop: TheShop, body: CompleteBody) -> JSONResponse:
    outfit = await given(shop, body.have)
    if not outfit.items and not body.want:
        raise Problem(422, "nothing to complete: say what you have, or what you want", kind="invalid")

    def work(engine: OutfitEngine) -> Answer:
        slots = [
            shop.bench.slot(one.slot, one.wish.strip(), f"want.{at}.slot") if one.slot.strip() else _any(one.wish)
            for at, one in enumerate(body.want)
        ]
        query = engine.query(outfit.items, slots, body.text, body.alpha)
        return engine.complete(query, body.n, filters=body.filters, effort=_effort(shop, body))

    return await _looks(shop, body, outfit, work)


@router.post("/v1/generate", response_model=LooksOut, responses=_RESPONSES, summary="Whole outfits for a text")
async def generate(shop: TheShop, body: GenerateBody) -> JSONResponse:
    if not body.text.strip() and not body.have:
        raise Problem(422, "nothing to go by: give a text, or an item", kind="invalid")
    outfit = await given(shop, body.have)
    return await _looks(
        shop, body, outfit,
        lambda engine: engine.generate(
            body.text, size=body.size, n=body.n, have=outfit.items, alpha=body.alpha, filters=body.filters,
            effort=_effort(shop, body),
        ),
    )  # fmt: skip


@router.post("/v1/swap", response_model=LooksOut, responses=_RESPONSES, summary="One item exchanged, the rest stays")
async def swap(shop: TheShop, body: SwapBody) -> JSONResponse:
    outfit = await given(shop, body.items)
    return await _looks(
        shop, body, outfit,
        lambda engine: engine.swap(
            outfit.items, body.which, body.n, wish=body.wish, alpha=body.alpha, filters=body.filters,
            effort=_effort(shop, body),
        ),
    )  # fmt: skip


@router.post("/v1/explain", response_model=ExplainOut, responses=_RESPONSES, summary="Why an outfit scores as it does")
async def explain(shop: TheShop, body: ExplainBody) -> JSONResponse:
    started = time.perf_counter()
    outfit = await given(shop, body.items)

    def why() -> dict[str, Any]:
        verdict = shop.engine.score(outfit.items, body.text)
        found = shop.engine.explain(outfit.items, body.text, swaps=body.swaps)
        reasons = shop.bench.reasons(verdict.items)
        best = found.best_swap
        return {
            "score": rounded(found.score),
            "base": rounded(found.base),
            "items": [
                {
                    "id": one.item_id,
                    "contribution": rounded(one.total),
                    "compatibility": rounded(one.compatibility),
                    "match": rounded(one.match),
                    "without": rounded(one.without),
                }
                for one in found.items
            ],
            "pairs": [
                {
                    "ids": list(one.item_ids),
                    "term": rounded(one.compatibility),
                    "reasons": list(reasons.get(frozenset(one.item_ids), ())),
                }
                for one in found.pairs
            ],
            "swap": None
            if best is None
            else {
                "remove": best.item_id,
                "add": shop.item(shop.store.get(best.replacement_id)),
                "before": rounded(best.before),
                "after": rounded(best.after),
                "words": str(best),
            },
            "problems": list(verdict.problems),
            "notes": list(outfit.notes),
            "scorer": shop.scorer_values,
        }

    return answer(await shop.outfits.run(why), started)


@router.post(
    "/v1/similar-looks", response_model=SimilarLooksOut, responses=_RESPONSES, summary="Stored looks like an outfit"
)
async def similar_looks(shop: TheShop, body: SimilarLooksBody) -> JSONResponse:
    started = time.perf_counter()
    outfit = await given(shop, body.items)
    values = await shop.outfits.run(lambda: _stored(shop, outfit.items, body.k))
    return answer({"looks": values, "method": NEAREST}, started)


def _stored(shop: Shop, outfit: Sequence[str | Item], k: int) -> list[dict[str, Any]]:
    """The stored looks nearest to an outfit; one that is that outfit is not told again."""
    looks = shop.looks
    known = frozenset(one if isinstance(one, str) else one.id for one in outfit)
    found = looks.nearest(shop.engine.mean_vector(outfit)[None], k + 1)
    shown = [(look, similarity) for look, similarity in found if frozenset(look.item_ids) != known][:k]
    return [
        {
            "id": look.id,
            "items": [shop.item(shop.store.get(one)) for one in look.item_ids],
            "similarity": rounded(similarity),
        }
        for look, similarity in shown
    ]


async def _looks(shop: Shop, body: Searching, outfit: Given, work: Callable[[OutfitEngine], Answer]) -> JSONResponse:
    started = time.perf_counter()

    def found() -> dict[str, Any]:
        avoid = set(body.avoid) if isinstance(body, House) else set()
        needed: list[str] = []
        while True:
            try:
                done = work(_engine(shop, body, sorted(avoid)))
                break
            except NoFeasibleOutfit as error:
                blamed = avoid & {one.values[0] for one in error.rules if one.kind == "forbidden"} or avoid
                if not blamed:
                    raise
                needed += sorted(blamed)
                avoid = avoid - blamed
        names = [shop.store.get(one).title or one for one in needed]
        again = [f"nothing else fits in the place of {', '.join(names)}"] if names else []
        return {
            "looks": [
                look_values(look, [shop.item(one, own=one.id in outfit.own) for one in look.items])
                for look in done.looks
            ],
            "method": done.method,
            "scored": done.scored,
            "notes": [*outfit.notes, *again, *done.notes],
        }

    values = await shop.outfits.run(found)
    return answer({**values, "scorer": shop.scorer_values}, started)


def _engine(shop: Shop, body: Searching, avoid: Sequence[str]) -> OutfitEngine:
    """The shop's engine, under the rules that the request adds."""
    if not isinstance(body, House) or (body.budget is None and not (body.required or body.forbidden or avoid)):
        return shop.engine
    rules = shop.engine.rules
    budget = min((one for one in (rules.budget, body.budget) if one is not None), default=None)
    snapshot = shop.store.snapshot()
    for one in body.required:
        snapshot.row(one)  # an unknown one is told with near ids
    return shop.engine.with_rules(
        replace(
            rules,
            budget=budget,
            required=(*rules.required, *body.required),
            forbidden=(*rules.forbidden, *body.forbidden, *avoid),
        )
    )


def _effort(shop: Shop, body: Searching) -> Effort:
    return replace(shop.engine.effort, deadline=body.deadline)


def _any(wish: str) -> Slot:
    return Slot(frozenset(), wish.strip())
