"""What stands around every route: access, limits on bodies and time, a request's id, its log line, its metrics.

Pure ASGI, so that a body is refused before anything reads it, and so that whatever goes wrong inside ends as a problem
document with the security headers.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from modiste.service import limits, metrics
from modiste.service.access import Access, Asked, body_limit
from modiste.service.headers import PREFLIGHT, Header, cross_origin, secured
from modiste.service.problems import Problem, as_problem, busy

log = logging.getLogger("modiste.service")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LINGER_SECONDS = 2.0  # how long a refused body is read on, so that the refusal reaches a client that is still sending
_LINGER_BYTES = 32_000_000


@dataclass(slots=True)
class Passage:
    """One request on its way through."""

    scope: Scope
    receive: Receive
    send: Send
    id: str
    headers: dict[str, str]
    started: float = field(default_factory=time.perf_counter)
    status: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    limit: int = limits.MAX_JSON_BYTES
    has_body: bool = False
    whole: bool = False  # all of the body has come
    key: str = ""
    origin: str = ""
    failed: Problem | None = None  # found while the body was read: what the route makes of it does not count
    closing: bool = False

    @property
    def route(self) -> str:
        """The route's template, which has no ids in it; never the address itself."""
        found = getattr(self.scope.get("route"), "path", None)
        if isinstance(found, str) and found:
            return found
        return "/page" if self.scope["path"].startswith("/page/") else "other"


class Guard:
    """Wraps the routes. While `app.state.stopping` is true every answer is the last of its connection."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        one = Passage(scope, receive, send, "", _headers(scope))
        one.id = _request_id(one.headers)
        scope["request_id"] = one.id
        self._inside += 1
        metrics.IN_FLIGHT.inc()
        try:
            await self._pass(one)
        finally:
            self._inside -= 1
            metrics.IN_FLIGHT.dec()
            _tell(one)

    async def _pass(self, one: Passage) -> None:
        try:
            if not self._admit(one):
                await self._preflight(one)
                return
            await self._run(one)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            problem = one.failed or as_problem(error)
            if problem.status >= 500 and not isinstance(error, Problem):
                log.error("failed", exc_info=error, extra={"request_id": one.id})
            if one.status:  # half an answer is out: the connection must break, or it would look whole
                raise
            await self._refuse(one, problem)

    def _admit(self, one: Passage) -> bool:
        """Everything that the head of a request tells. False: a preflight, to be answered without a route."""
        scope = one.scope
        query = scope.get("query_string", b"")
        path_bytes = len(scope.get("raw_path") or scope["path"].encode()) + len(query)
        self.access.check_host(one.headers)
        if path_bytes > limits.MAX_URL_BYTES:
            raise Problem(414, f"an address of {path_bytes:,} bytes, the limit is {limits.MAX_URL_BYTES:,}")
        pairs = dict(parse_qsl(query.decode("latin-1"), max_num_fields=200)) if b"t=" in query else {}
        asked = Asked(scope["method"], scope["path"], one.headers, pairs)
        one.origin = self.access.origin(asked)
        if asked.method == "OPTIONS" and one.origin:
            return False
        key = self.access.key(asked)
        one.key = key.name if key else ""
        if self._inside > limits.MAX_IN_FLIGHT:
            raise busy()
        one.limit = body_limit(scope["path"], one.headers.get("content-type", ""))
        one.has_body = "transfer-encoding" in one.headers or one.headers.get("content-length", "0") != "0"
        length = one.headers.get("content-length", "")
        if length.isdigit() and int(length) > one.limit:
            raise _too_long(one.limit)
        return True

    async def _run(self, one: Passage) -> None:
        """The application, with bodies and time held to their limits."""
        of_body = limits.TABLE_SECONDS if one.limit >= limits.MAX_TABLE_BYTES else limits.BODY_SECONDS
        first = of_body if one.has_body else limits.REQUEST_SECONDS
        try:
            async with asyncio.timeout(first) as timer:

                async def receive() -> Message:
                    message = await one.receive()
                    if message["type"] == "http.request":
                        one.bytes_in += len(message.get("body", b""))
                        if one.bytes_in > one.limit:
                            one.failed = _too_long(one.limit)
                            raise one.failed
                        if not message.get("more_body", False) and not one.whole:
                            one.whole = True
                            if one.has_body:
                                timer.reschedule(asyncio.get_running_loop().time() + limits.REQUEST_SECONDS)
                    return message

                async def send(message: Message) -> None:
                    if one.failed is not None and not one.status:
                        raise one.failed  # a parser has made a vague error of it
                    if message["type"] == "http.response.start":
                        timer.reschedule(None)  # a slow reader is the connection's business
                    await self._send(one, message)

                await self.app(one.scope, receive, send)
        except TimeoutError:
            if one.status:
                raise
            if one.has_body and not one.whole:
                one.failed = Problem(408, f"the body did not arrive within {of_body:g} seconds")
            else:
                one.failed = Problem(504, f"no answer within {limits.REQUEST_SECONDS:g} seconds", kind="too-slow")
            raise one.failed from None

    async def _send(self, one: Passage, message: Message) -> None:
        if message["type"] == "http.response.start":
            one.status = message["status"]
            headers: list[Header] = secured(list(message.get("headers", [])), one.id)
            if one.origin:
                headers += cross_origin(one.origin)
            if one.closing or getattr(one.scope["app"].state, "stopping", False):
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            one.bytes_out += len(message.get("body", b""))
        await one.send(message)

    async def _refuse(self, one: Passage, problem: Problem) -> None:
        """Answer with a problem; a client that is still sending is heard out for a moment, or it would see only a reset."""
        if one.status == 0 and problem.status in (401, 403, 408, 413, 429):
            metrics.REFUSED.labels(problem.kind or str(problem.status)).inc()
        unread = one.has_body and not one.whole
        one.closing = one.closing or unread
        response = problem.response(one.id)
        head: Message = {"type": "http.response.start", "status": problem.status, "headers": response.raw_headers}
        await self._send(one, head)
        await self._send(one, {"type": "http.response.body", "body": bytes(response.body), "more_body": unread})
        if unread:
            if problem.status != 408:
                await _linger(one)
            await self._send(one, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _preflight(self, one: Passage) -> None:
        await self._send(one, {"type": "http.response.start", "status": 204, "headers": list(PREFLIGHT)})
        await self._send(one, {"type": "http.response.body", "body": b""})


async def _linger(one: Passage) -> None:
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            while one.bytes_in < _LINGER_BYTES:
                message = await one.receive()
                one.bytes_in += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return


def _too_long(limit: int) -> Problem:
    return Problem(413, f"the body has more than {limit:,} bytes, which is the limit here", kind="too-large")


def _headers(scope: Scope) -> dict[str, str]:
    """Header -> value; of one that comes twice the first, but of Host none, for servers do not agree on which counts."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        text = name.decode("latin-1").lower()
        if text == "host" and text in found:
            found[text] = ""
        found.setdefault(text, value.decode("latin-1"))
    return found


def _request_id(headers: dict[str, str]) -> str:
    """The caller's, if it is harmless, else a new one."""
    given = headers.get("x-request-id", "")
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def _tell(one: Passage) -> None:
    seconds = time.perf_counter() - one.started
    method = one.scope["method"] if one.scope["method"] in _METHODS else "other"
    metrics.REQUESTS.labels(method, one.route, str(one.status)).inc()
    metrics.SECONDS.labels(one.route).observe(seconds)
    client = one.scope.get("client")
    log.info(
        "request",
        extra={
            "request_id": one.id, "method": method, "route": one.route, "status": one.status, "seconds": round(seconds, 6),
            "bytes_in": one.bytes_in, "bytes_out": one.bytes_out,
            "client": client[0] if client else None, "key": one.key or None,
        },
    )  # fmt: skip


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
