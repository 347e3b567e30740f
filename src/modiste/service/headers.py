"""Headers that every answer carries: what a browser may do with it, and nothing more."""

from __future__ import annotations

Header = tuple[bytes, bytes]

SECURITY: tuple[Header, ...] = (
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
_CACHED = b"cache-control"


def secured(headers: list[Header], request_id: str) -> list[Header]:
    """An answer's headers with the security headers and the request's id; what says nothing of caches is kept by none."""
    more = [*SECURITY, (b"x-request-id", request_id.encode())]
    if not any(name.lower() == _CACHED for name, _ in headers):
        more.append((_CACHED, b"no-store"))
    return [*headers, *more]


def cross_origin(origin: str) -> list[Header]:
    """What lets a page of another origin, which is allowed, read an answer."""
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", b"x-request-id, retry-after, location"),
        (b"vary", b"Origin"),
    ]


PREFLIGHT: tuple[Header, ...] = (
    (b"access-control-allow-methods", b"GET, POST, DELETE"),
    (b"access-control-allow-headers", b"authorization, content-type, x-api-key, x-request-id"),
    (b"access-control-max-age", b"600"),
)
