"""What stands before every route: a request id, security headers, and a problem document for whatever escapes."""

from __future__ import annotations

import logging
import re
import uuid

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modiste.service.problems import as_problem
from modiste.service.settings import Settings

log = logging.getLogger("modiste.service")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
SECURITY_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)


class Guard:
    """Pure ASGI, so that it sees bodies before anything reads them."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope["request_id"] = request_id
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message["headers"] = [
                    *message.get("headers", []), *SECURITY_HEADERS, (b"x-request-id", request_id.encode()),
                ]  # fmt: skip
            await send(message)

        try:
            await self.app(scope, receive, sending)
        except Exception as error:
            log.error("%s", type(error).__name__, exc_info=error, extra={"request_id": request_id})
            if begun:
                raise
            await as_problem(error).response(request_id)(scope, receive, sending)


def _request_id(scope: Scope) -> str:
    """The caller's, if it is harmless, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            given = value.decode("latin-1")
            if _ID.fullmatch(given):
                return str(given)
    return uuid.uuid4().hex
