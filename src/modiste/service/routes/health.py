"""Whether the service lives, and whether it can be sent requests."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from modiste.service.metrics import exposition
from modiste.service.problems import Problem
from modiste.service.routes.shared import problems, shop_of

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="The process lives", responses=problems())
async def healthz() -> JSONResponse:
    return JSONResponse({"status": "ok"})


@router.get("/readyz", summary="The catalogue is open, and requests are welcome", responses=problems())
async def readyz(request: Request) -> JSONResponse:
    if getattr(request.app.state, "stopping", False):
        raise Problem(503, "the service is stopping")
    shop = shop_of(request)
    return JSONResponse({"status": "ready", "version": shop.store.snapshot().version})


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems()},
)
async def metrics() -> Response:
    body, kind = exposition()
    return Response(body, headers={"content-type": kind})
