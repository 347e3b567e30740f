"""Who may come in: the host that was asked for, the page that asks, the key it brings. Everything here raises `Problem`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from modiste.service import limits
from modiste.service.keys import Key, KeyRing, Scope, presented_key
from modiste.service.problems import Problem
from modiste.service.quota import Usage, seconds_to_midnight
from modiste.service.settings import Settings, is_loopback

_OPEN = ("/healthz", "/readyz", "/openapi.json", "/")  # and what lies under /page/: no data of the catalogue
_PHOTO = re.compile(r"/v1/items/(?P<id>.+)/image")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """The head of a request, as far as access is concerned."""

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]


class Access:
    """The checks before any route, for one worker."""

    def __init__(self, settings: Settings, keys: KeyRing, usage: Usage) -> None:
        self.keys, self._usage = keys, usage
        self._hosts = {"localhost", "127.0.0.1", "[::1]", *(one.lower() for one in settings.allow_host)}
        if not is_any_address(settings.host):
            self._hosts.add(settings.host.lower())
        self._origins = {one.rstrip("/").lower() for one in settings.allow_origin}
        self._any_host = is_any_address(settings.host) and not settings.allow_host

    def check_host(self, headers: Mapping[str, str]) -> None:
        """Refuse a name that is not this service's: how pages of strangers reach a loopback server (DNS rebinding)."""
        host = headers.get("host", "").lower()
        match = _HOST.fullmatch(host)
        if match is None or not (self._any_host or match["name"] in self._hosts):
            raise Problem(400, "this service does not go by that host name; --allow-host adds one")

    def origin(self, asked: Asked) -> str:
        """The other origin that is allowed to ask, or "" when this one asks or it does not matter.

        Raises 403 for another page's script or form that would change or learn something.
        """
        origin = asked.headers.get("origin", "").lower()
        if not origin:
            if asked.headers.get("sec-fetch-site") == "cross-site" and asked.method not in _SAFE:
                raise Problem(403, "another site may not send this")
            return ""
        if origin in self._origins:
            return asked.headers["origin"]
        if origin.partition("://")[2] == asked.headers.get("host", "").lower():
            return ""
        if asked.method in _SAFE and asked.method != "OPTIONS":
            return ""  # a browser does not show the answer to a page that is not allowed
        raise Problem(403, "pages of this origin may not use the service; --allow-origin lets them")

    def key(self, asked: Asked) -> Key | None:
        """The key of a request that needs one, its rate and quota charged; None where none is needed."""
        if not self.keys.required or _is_open(asked.path):
            return None
        if self._has_signed_address(asked):
            return None
        presented = presented_key(asked.headers)
        if not presented:
            raise _unknown("this service needs an API key: Authorization: Bearer KEY, or x-api-key: KEY")
        key = self.keys.find(presented)
        if key is None:
            raise _unknown("no such API key")
        if not key.may(scope_of(asked.path)):
            raise Problem(403, f"the key {key.name!r} may only read; this needs one of scope admin")
        if (wait := self.keys.wait(key)) > 0:
            raise Problem(
                429, f"more than {key.rate:g} requests a second with the key {key.name!r}", kind="rate",
                headers={"Retry-After": str(math.ceil(wait))},
            )  # fmt: skip
        if not self._usage.count(key.name, key.quota):
            raise Problem(
                429, f"the {key.quota:,} requests a day of the key {key.name!r} are used up", kind="quota",
                headers={"Retry-After": str(seconds_to_midnight())},
            )  # fmt: skip
        return key

    def _has_signed_address(self, asked: Asked) -> bool:
        """A browser shows photos without headers of ours: their addresses are signed for a day."""
        match = _PHOTO.fullmatch(asked.path)
        signature = asked.query.get("t", "")
        return bool(match and asked.method == "GET" and signature and self.keys.signed(match["id"], signature))


def scope_of(path: str) -> Scope:
    """What a key must be good for."""
    return "admin" if path == "/metrics" or path.startswith("/v1/jobs") else "read"


def body_limit(path: str, content_type: str) -> int:
    """How many bytes a body of this address and kind may have."""
    multipart = content_type.partition(";")[0].strip().lower() == "multipart/form-data"
    if path == "/v1/jobs" and multipart:
        return limits.MAX_TABLE_BYTES
    if path in ("/v1/search", "/v1/tag") and multipart:
        return limits.MAX_UPLOAD_BYTES
    if path in (
        "/v1/score",
        "/v1/complete",
        "/v1/generate",
        "/v1/swap",
        "/v1/explain",
        "/v1/similar-looks",
        "/v1/recommend",
    ):
        return limits.MAX_OUTFIT_BYTES
    return limits.MAX_JSON_BYTES


def is_any_address(host: str) -> bool:
    return host in ("0.0.0.0", "::", "[::]", "")


def needs_keys(settings: Settings) -> bool:
    """Whether the service would be open to others than this machine."""
    return not is_loopback(settings.host)


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith("/page/")


def _unknown(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="modiste"'})
