"""Tables indexed in the background: submit, poll, see what was refused, cancel."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import JSONResponse
from pydantic import Field

from modiste.service import limits
from modiste.service.jobs import JobOptions, JobStore
from modiste.service.problems import Problem
from modiste.service.routes.shared import NO_FILTERS, problems
from modiste.service.schemas import JobId, JobOut, JobsOut, RejectedOut

router = APIRouter(tags=["jobs"])


def _store(request: Request) -> JobStore:
    store = request.app.state.jobs
    assert isinstance(store, JobStore)
    return store


@router.post(
    "/v1/jobs",
    status_code=202,
    response_model=JobOut,
    responses={202: {"headers": {"Location": {"schema": {"type": "string"}}}}, **problems(415)},
    summary="Index a table",
)
async def submit(
    request: Request,
    table: Annotated[
        UploadFile, File(description="CSV, TSV, JSON lines, Parquet or Google XML, told by the file's ending")
    ],
    dialect: Annotated[str, Form(max_length=40, description="auto, plain, google, shopify")] = "auto",
    mapping: Annotated[
        list[Annotated[str, Field(max_length=limits.MAX_TEXT)]],
        Form(max_length=limits.MAX_FIELDS, description="FIELD=COLUMN, for names that are not understood: title=name"),
    ] = NO_FILTERS,
    prune: Annotated[bool, Form(description="Also delete items that the table does not have")] = False,
) -> JSONResponse:
    """The table is stored, then read row by row; what the catalogue has unchanged is skipped, bad rows are reported."""
    options = JobOptions(_plain_name(table.filename), dialect, dict(map(_pair, mapping)), prune)
    store = _store(request)
    job = await asyncio.to_thread(store.add, table.file, options)
    return JSONResponse(job.as_dict(), 202, {"Location": f"/v1/jobs/{job.id}"})


@router.get("/v1/jobs", response_model=JobsOut, responses=problems(), summary="Jobs, the newest first")
async def jobs(request: Request) -> JSONResponse:
    found = await asyncio.to_thread(lambda: [one.as_dict() for one in reversed(_store(request).all())])
    return JSONResponse({"jobs": found})


@router.get("/v1/jobs/{job_id}", response_model=JobOut, responses=problems(404), summary="How a job goes")
async def job(request: Request, job_id: JobId) -> JSONResponse:
    return JSONResponse(await asyncio.to_thread(lambda: _store(request).get(job_id).as_dict()))


@router.get("/v1/jobs/{job_id}/rejected", response_model=RejectedOut, responses=problems(404), summary="Rows refused")
async def rejected(
    request: Request,
    job_id: JobId,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    k: Annotated[int, Query(ge=1, le=limits.MAX_DEPTH)] = 100,
) -> JSONResponse:
    rows, following = await asyncio.to_thread(lambda: _store(request).get(job_id).rejected(offset, k))
    return JSONResponse({"rows": rows, "next": following})


@router.delete(
    "/v1/jobs/{job_id}", status_code=202, response_model=JobOut, responses=problems(404, 409), summary="Cancel a job"
)
async def cancel(request: Request, job_id: JobId) -> JSONResponse:
    """What the job has committed by then stays."""

    def cancelled() -> JSONResponse:
        found = _store(request).get(job_id)
        found.cancel()
        return JSONResponse(found.as_dict(), 202)

    return await asyncio.to_thread(cancelled)


def _plain_name(name: str | None) -> str:
    """The last part of a file's name, for people; it names no file here."""
    return "".join(one for one in (name or "").replace("\\", "/").rpartition("/")[2] if one.isprintable())[
        : limits.MAX_ID
    ]


def _pair(text: str) -> tuple[str, str]:
    field, sign, column = text.partition("=")
    if not sign or not field or not column:
        raise Problem(422, "mapping: write FIELD=COLUMN, such as title=product_name", kind="invalid")
    return field, column
