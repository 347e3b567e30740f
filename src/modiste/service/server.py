"""Running the application: the socket, the workers, and stopping without dropping anybody."""

from __future__ import annotations

import uvicorn

from modiste.service import limits
from modiste.service.app import create_app
from modiste.service.settings import Settings


def serve(settings: Settings) -> None:
    """Serve until a signal says stop."""
    config = uvicorn.Config(
        create_app(settings), host=settings.host, port=settings.port, log_level="warning", access_log=False,
        server_header=False, timeout_keep_alive=int(limits.KEEP_ALIVE_SECONDS),
        timeout_graceful_shutdown=limits.DRAIN_SECONDS,
    )  # fmt: skip
    uvicorn.Server(config).run()
