"""The ASGI application: one route per verb, errors in one shape, the page at /."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from modiste import __version__
from modiste.service.guard import Guard
from modiste.service.problems import handle_problems
from modiste.service.routes import health, items, outfits, search, tag
from modiste.service.settings import Settings
from modiste.service.shop import Shop

PAGE = Path(__file__).parent / "page"
DESCRIPTION = """Search a fashion catalogue by words and photos, tell what a garment is, put outfits together.

`/v1` is stable: fields may be added, none is renamed or removed. Errors are RFC 9457 problem documents."""


def create_app(settings: Settings, shop: Shop | None = None) -> FastAPI:
    """The application of one worker; it opens the shop when it starts, unless one is given."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.shop = shop or Shop(settings)
        yield
        app.state.shop.close()

    app = FastAPI(
        title="Modiste", version=__version__, description=DESCRIPTION, docs_url=None, redoc_url=None, lifespan=lifespan,
    )  # fmt: skip
    handle_problems(app)
    for part in (search, items, tag, outfits, health):
        app.include_router(part.router)
    _serve_page(app)
    app.add_middleware(Guard, settings=settings)
    return app


def _serve_page(app: FastAPI) -> None:
    app.mount("/page", StaticFiles(directory=PAGE), name="page")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})
