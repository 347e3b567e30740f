"""The ASGI application: one route per verb, errors in one shape, the page at /."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from starlette.formparsers import MultiPartParser
from starlette.staticfiles import StaticFiles

from modiste import __version__
from modiste.service import limits
from modiste.service.access import Access, needs_keys
from modiste.service.guard import Guard
from modiste.service.job_runner import JobRunner
from modiste.service.jobs import JobStore
from modiste.service.keys import KeyRing
from modiste.service.problems import handle_problems
from modiste.service.quota import Usage
from modiste.service.routes import health, items, jobs, outfits, recommend, search, tag
from modiste.service.settings import Settings
from modiste.service.shop import Shop

log = logging.getLogger("modiste.service")
# A person's photo must not be written anywhere, so what is as large as a photo may be stays in memory while it is read;
# starlette would put all above a megabyte into a temporary file, as it does with tables.
MultiPartParser.spool_max_size = limits.MAX_UPLOAD_BYTES

PAGE = Path(__file__).parent / "page"
DESCRIPTION = """Search a fashion catalogue by words and photos, tell what a garment is, put outfits together.

`/v1` is stable: fields may be added, none is renamed or removed. Errors are RFC 9457 problem documents."""


def create_app(settings: Settings, shop: Shop | None = None, keys: KeyRing | None = None) -> FastAPI:
    """The application of one worker; it opens the shop when it starts, unless one is given."""
    keys = keys or KeyRing(settings.key_file, workers=settings.workers, always=needs_keys(settings))
    usage = Usage(settings.key_file.with_suffix(".usage.sqlite3"))

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.shop = shop or await asyncio.to_thread(Shop, settings, keys)
        await asyncio.to_thread(usage.flush)
        flushing = asyncio.create_task(_flush_now_and_then(usage))
        runner = JobRunner(settings, app.state.jobs)
        runner.start()
        yield
        flushing.cancel()
        await asyncio.to_thread(runner.stop)
        await asyncio.to_thread(usage.flush)
        if shop is None:
            await asyncio.to_thread(app.state.shop.close)

    app = FastAPI(
        title="Modiste", version=__version__, description=DESCRIPTION, docs_url=None, redoc_url=None, lifespan=lifespan,
    )  # fmt: skip
    app.state.keys, app.state.usage, app.state.stopping = keys, usage, False
    app.state.jobs = JobStore(settings.folder / "jobs")
    handle_problems(app)
    for part in (search, items, tag, outfits, recommend, jobs, health):
        app.include_router(part.router)
    _serve_page(app)
    app.add_middleware(Guard, access=Access(settings, keys, usage))
    return app


async def _flush_now_and_then(usage: Usage) -> None:
    while True:
        await asyncio.sleep(1)
        try:
            await asyncio.to_thread(usage.flush)
        except Exception:  # counting must not end because a disk was full for a moment
            log.exception("the usage of keys could not be written")


class _PageFiles(StaticFiles):
    """The page's files. They are asked for again each time (and seldom sent), or a new page would meet an old script."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _serve_page(app: FastAPI) -> None:
    app.mount("/page", _PageFiles(directory=PAGE), name="page")

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})
