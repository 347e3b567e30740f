"""Errors in one shape: RFC 9457 problem details, whatever went wrong and wherever."""

from __future__ import annotations

import http
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from modiste.data.images import ImageError
from modiste.engine.conflicts import NoFeasibleOutfit
from modiste.engine.errors import CatalogueError, CatalogueLocked, NotUnderstood, UnknownItem
from modiste.engine.filters import FilterError
from modiste.service.limits import MAX_TEXT, RETRY_SECONDS

MEDIA_TYPE = "application/problem+json"
_LONGEST_DETAIL = 1_000  # a message may quote what was sent

log = logging.getLogger("modiste.service")


class Problem(Exception):
    """An answer that is an error; becomes a problem document."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        kind: str = "",
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.kind = status, detail, kind
        self.errors, self.headers = errors, dict(headers or {})

    def document(self, request_id: str) -> dict[str, Any]:
        """The JSON object. `type` names the kind of problem where the status alone does not."""
        found: dict[str, Any] = {
            "type": f"urn:modiste:problem:{self.kind}" if self.kind else "about:blank",
            "title": _TITLES.get(self.kind) or http.HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail[:_LONGEST_DETAIL],
        }
        if self.errors:
            found["errors"] = list(self.errors)
        return {**found, "request_id": request_id}

    def response(self, request_id: str) -> Response:
        body = json.dumps(self.document(request_id), ensure_ascii=True, allow_nan=False).encode()
        return Response(body, self.status, self.headers, MEDIA_TYPE)


_TITLES = {
    "no-outfit": "No outfit satisfies the request",
    "unknown-item": "No such item",
    "bad-filter": "A filter cannot be used",
    "bad-photo": "A photo cannot be used",
    "too-large": "The request is too large",
    "busy": "Too many requests at once",
    "rate": "Too many requests with this key",
    "quota": "The key's quota is used up",
    "locked": "Another process writes to the catalogue",
    "catalogue": "The catalogue cannot be read",
    "too-slow": "The answer took too long",
    "invalid": "The request cannot be understood",
    "not-understood": "The encoder cannot read these words",
}


def busy(detail: str = "too many requests are waiting; try again in a moment") -> Problem:
    return Problem(429, detail, kind="busy", headers={"Retry-After": str(RETRY_SECONDS)})


def as_problem(error: Exception) -> Problem:
    """What an exception is to whoever asked: his mistake where it is one, else a 500 that tells nothing of the inside."""
    match error:
        case Problem():
            return error
        case HTTPException():
            return Problem(error.status_code, str(error.detail), headers=error.headers)
        case RequestValidationError():
            found = [_field_error(one) for one in error.errors()]
            first = (
                f"{found[0]['field']}: {found[0]['reason']}" if found else "the request does not fit the description"
            )
            return Problem(422, first, kind="invalid", errors=found[:20])
        case UnknownItem():
            return Problem(404, str(error), kind="unknown-item")
        case NoFeasibleOutfit():
            rules = [{"rule": one.kind, "reason": str(one)} for one in error.rules]
            return Problem(422, str(error), kind="no-outfit", errors=rules)
        case FilterError():
            return Problem(422, str(error), kind="bad-filter")
        case ImageError():
            return Problem(415, str(error), kind="bad-photo")
        case CatalogueLocked():
            return Problem(409, str(error), kind="locked")
        case CatalogueError():
            return Problem(503, "the catalogue cannot be read; the log says why", kind="catalogue")
        case NotUnderstood():
            return Problem(422, str(error), kind="not-understood")
        case ValueError():
            return Problem(422, str(error), kind="invalid")
    return Problem(500, "something went wrong here; the log has it under the request's id")


def _field_error(error: Mapping[str, Any]) -> dict[str, Any]:
    """Pydantic's error without the input it quotes, which may be a photo."""
    where = [str(part)[:80] for part in error.get("loc", ()) if part not in ("body", "query", "path", "header")]
    return {"field": ".".join(where)[:200] or "body", "reason": str(error.get("msg", ""))[:MAX_TEXT]}


def handle_problems(app: FastAPI) -> None:
    """Make every error of the routes a problem document."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = as_problem(error)
        request_id = request.scope.get("request_id", "")
        if problem.status >= 500:
            log.error("%s", type(error).__name__, exc_info=error, extra={"request_id": request_id})
        return problem.response(request_id)

    for kind in (Problem, HTTPException, RequestValidationError, ValueError):
        app.add_exception_handler(kind, answer)
