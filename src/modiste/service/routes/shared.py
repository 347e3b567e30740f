"""What routes share: the shop of the running worker, pages, the problems that each may answer with, and own photos."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse

from modiste.own import recognised
from modiste.service import limits
from modiste.service.photos import from_base64
from modiste.service.problems import MEDIA_TYPE, Problem
from modiste.service.schemas import ById, Filter, OwnPhoto, ProblemOut, Reference
from modiste.service.shop import Shop
from modiste.service.values import OWN
from modiste.types import Item

_SAID = {
    400: "The request is no HTTP or JSON as it should be",
    401: "A key is needed, and none or an unknown one was given",
    403: "The key, the origin or the host is not allowed this",
    404: "No such item, job or address",
    405: "The address does not take this method",
    408: "The request did not arrive in time",
    409: "Another process writes to the catalogue",
    413: "Too many bytes or pixels",
    414: "An address that is too long",
    415: "Not a JPEG, PNG or WebP photo, or not the content type that is asked for",
    422: "The request does not fit the description, or cannot be fulfilled as it stands",
    429: "Too many requests, at once or with this key; Retry-After says when to come back",
    503: "Not ready, or stopping",
    504: "The answer took too long",
}
ProblemResponse = {
    "model": ProblemOut,
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}}},
}


def problems(*more: int) -> dict[int | str, dict[str, Any]]:
    """Problem documents for `responses=` of a route: those that any may answer with, and `more`."""
    return {
        status: {**ProblemResponse, "description": _SAID[status]}
        for status in sorted({400, 401, 403, 405, 408, 413, 414, 422, 429, 503, 504, *more})
    }


def shop_of(request: Request) -> Shop:
    """The worker's shop. Raises a 503 `Problem` before it is open."""
    found = getattr(request.app.state, "shop", None)
    if found is None:
        raise Problem(503, "the catalogue is being loaded", headers={"Retry-After": str(limits.RETRY_SECONDS)})
    assert isinstance(found, Shop)
    return found


TheShop = Annotated[Shop, Depends(shop_of)]
Filters = Annotated[
    list[Filter],
    Query(
        alias="filter",
        max_length=limits.MAX_FILTERS,
        description="FIELD OP VALUE, joined by and: colour=Red|Blue, price<50",
    ),
]
NO_FILTERS: list[str] = []  # never changed
K = Annotated[int, Query(ge=1, le=limits.MAX_K, description="How many")]
Offset = Annotated[int, Query(ge=0, lt=limits.MAX_DEPTH, description="How many to skip: `next` of the page before")]


def answer(values: Mapping[str, Any], started: float) -> JSONResponse:
    """Values as they are, with how long they took; the schema is held by tests, not by a second pass over every answer."""
    return JSONResponse({**values, "seconds": round(time.perf_counter() - started, 6)})


@dataclass(frozen=True, slots=True)
class Given:
    """Items of a request: ids, and people's own photos as items; notes about what the latter were taken for."""

    items: tuple[str | Item, ...]
    own: tuple[str, ...]
    notes: tuple[str, ...]


async def given(shop: Shop, references: Sequence[Reference]) -> Given:
    """References as the engine takes them. Raises `Problem` for a photo that cannot be used."""
    found: list[str | Item] = []
    own: list[str] = []
    notes: list[str] = []
    taken = {one if isinstance(one, str) else one.id for one in references if not isinstance(one, OwnPhoto)}
    for one in references:
        if isinstance(one, OwnPhoto):
            name = _free_name(len(own) + 1, taken)
            item, note = await _own_item(shop, one, name)
            found.append(item)
            own.append(name)
            notes += note
        else:
            found.append(one.id if isinstance(one, ById) else one)
    return Given(tuple(found), tuple(own), tuple(notes))


def _free_name(number: int, taken: set[str]) -> str:
    while f"{OWN}{number}" in taken:
        number += 1
    taken.add(f"{OWN}{number}")
    return f"{OWN}{number}"


async def _own_item(shop: Shop, photo: OwnPhoto, name: str) -> tuple[Item, list[str]]:
    pixels = await shop.pixels(from_base64(photo.image))
    item = Item(name, photo.title, pixels, category=photo.kind.strip())
    if item.category:
        return item, []
    recogniser = shop.recogniser
    if recogniser is None:
        raise Problem(422, f"{name}: say what it is with `kind`; this service does not tell kinds", kind="invalid")
    item, probability = await shop.photos.run(lambda: recognised(item, recogniser))
    return item, [
        f"{name} is taken for {item.category} ({100 * probability:.0f} %); give its kind if it is something else"
    ]
