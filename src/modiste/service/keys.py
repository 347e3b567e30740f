"""API keys: who may ask, for what, how often. Kept as hashes; a key itself is shown once, when it is made.

A key holds 256 random bits, so a plain SHA-256 of it cannot be guessed back, and checking one costs no time that an attacker
could use up. Keys are looked for in constant time. The file is read again when it changes, so revoking needs no restart.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from modiste.files import parse_json, require_unchanged, signed, write_atomically
from modiste.service.quota import today

Scope = Literal["read", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "admin")
PREFIX = "mk_"
RATE, BURST = 20.0, 40
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LOOK_AGAIN = 1.0  # seconds between looks at whether the file has changed

log = logging.getLogger("modiste.service")


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key. `admin` may also ingest and see metrics."""

    name: str
    scope: Scope
    sha256: str
    rate: float = RATE  # requests a second, over all workers
    burst: int = BURST
    quota: int = 0  # requests a day (UTC); 0: as many as one likes
    created: str = ""

    def may(self, scope: Scope) -> bool:
        return scope == "read" or self.scope == "admin"


class KeyFile:
    """The keys of a service, in a JSON file that its owner alone may read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[tuple[Key, ...], str]:
        """The keys, and the secret that signs addresses of photos. Raises `ValueError` for a damaged file."""
        try:
            values = require_unchanged(parse_json(self.path.read_text(encoding="utf-8")))
            keys = tuple(_checked(Key(**one)) for one in values["keys"])
            secret = str(values["photo_secret"])
            if not secret.isascii():  # it signs, so it must be bytes
                raise ValueError("photo_secret is no ASCII text")
            return keys, secret
        except FileNotFoundError:
            return (), ""
        except (OSError, TypeError, KeyError, ValueError, AttributeError) as error:
            raise ValueError(f"{self.path}: the file of API keys cannot be read: {error}") from error

    def add(
        self,
        name: str,
        scope: Scope = "read",
        *,
        rate: float = RATE,
        burst: int = BURST,
        quota: int = 0,
    ) -> str:
        """Make a key and return it; it cannot be shown again. Raises `ValueError` for a name that is taken or unfit."""
        key = PREFIX + secrets.token_urlsafe(32)
        made = Key(name, scope, digest(key), rate, burst, quota, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        _checked(made)
        with self._writing():
            keys, secret = self.read()
            if any(one.name == name for one in keys):
                raise ValueError(f"there is a key {name!r} already; revoke it first, or choose another name")
            self._write((*keys, made), secret)
        return key

    def revoke(self, name: str) -> None:
        """Take a key away. Raises `ValueError` if there is none of this name."""
        with self._writing():
            keys, secret = self.read()
            left = tuple(one for one in keys if one.name != name)
            if len(left) == len(keys):
                names = ", ".join(one.name for one in keys) or "none at all"
                raise ValueError(f"no key {name!r} in {self.path}; there is {names}")
            self._write(left, secret)

    def _writing(self) -> FileLock:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(str(self.path.with_name(f".{self.path.name}.lock")), timeout=10)

    def _write(self, keys: tuple[Key, ...], secret: str) -> None:
        values = {"photo_secret": secret or secrets.token_hex(32), "keys": [asdict(one) for one in keys]}
        write_atomically(self.path, json.dumps(signed(values), indent=2).encode() + b"\n", mode=0o600)


def digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _checked(key: Key) -> Key:
    if not _NAME.fullmatch(key.name):
        raise ValueError(f"a key's name is letters, digits, dots and dashes, at most 64, not {key.name!r}")
    if key.scope not in SCOPES:
        raise ValueError(f"a key's scope is one of {', '.join(SCOPES)}, not {key.scope!r}")
    if not (0 < key.rate <= 1e6 and 1 <= key.burst <= 1_000_000 and 0 <= key.quota <= 10**12):
        raise ValueError("a key's rate and burst must be positive, and its quota not negative")
    if not re.fullmatch(r"[0-9a-f]{64}", key.sha256):
        raise ValueError("a key's sha256 must be 64 hexadecimal digits")
    return key


class KeyRing:
    """The keys as a worker uses them: found, limited, counted."""

    def __init__(self, path: Path, *, workers: int = 1, always: bool = False) -> None:
        """`always`: a key is needed even when there is none (left), as on an address that others reach."""
        self._file, self._workers, self._always = KeyFile(path), workers, always
        self._lock = threading.Lock()
        self._keys, self._secret = self._file.read()
        self._stamp = self._stat()
        self._looked = time.monotonic()
        self._buckets: dict[str, Bucket] = {}

    @property
    def required(self) -> bool:
        """Whether a request needs a key: as soon as there is one, or always."""
        self._look_again()
        return self._always or bool(self._keys)

    def find(self, presented: str) -> Key | None:
        """The key of this text, or None. Every key is compared, so that time tells nothing."""
        self._look_again()
        given, found = digest(presented), None
        for key in self._keys:
            if hmac.compare_digest(given, key.sha256):
                found = key
        return found

    def wait(self, key: Key) -> float:
        """Take one request from a key's rate; the seconds until it has one again, 0 if it had."""
        with self._lock:
            bucket = self._buckets.get(key.sha256)
            share = max(1, self._workers)
            if bucket is None or bucket.rate != key.rate / share:
                bucket = self._buckets[key.sha256] = Bucket(key.rate / share, max(1.0, key.burst / share))
            return bucket.take()

    def sign(self, item_id: str, *, days_ago: int = 0) -> str:
        """What makes the address of an item's photo valid today and tomorrow without a key; empty where none is needed."""
        if not self._keys:
            return ""
        day = today() - days_ago
        return hmac.new(self._secret.encode(), f"{day} {item_id}".encode(), hashlib.sha256).hexdigest()[:32]

    def signed(self, item_id: str, signature: str) -> bool:
        return any(hmac.compare_digest(self.sign(item_id, days_ago=ago), signature) for ago in (0, 1))

    def _look_again(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_AGAIN:
            return
        with self._lock:
            self._looked = now
            stamp = self._stat()
            if stamp == self._stamp:
                return
            self._stamp = stamp
            try:
                keys, self._secret = self._file.read()
            except ValueError:  # the keys that were known stay, until the file is mended
                log.exception("the file of API keys cannot be read")
                return
            self._always = self._always or bool(self._keys)  # who takes the last key away does not mean to let all in
            self._keys = keys

    def _stat(self) -> tuple[int, int, int]:
        try:
            found = self._file.path.stat()
        except OSError:
            return 0, 0, 0
        return found.st_mtime_ns, found.st_size, found.st_ino


@dataclass(slots=True)
class Bucket:
    """`rate` tokens a second flow in, at most `burst` are kept."""

    rate: float
    burst: float
    _tokens: float = -1.0
    _time: float = 0.0

    def take(self) -> float:
        """Take a token: 0, or the seconds until there is one."""
        now = time.monotonic()
        if self._tokens < 0:
            self._tokens = self.burst
        else:
            self._tokens = min(self.burst, self._tokens + (now - self._time) * self.rate)
        self._time = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self.rate


def presented_key(headers: Mapping[str, str]) -> str:
    """The key that a request brings, as `Authorization: Bearer KEY` or `x-api-key: KEY`; empty for none."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "").strip()


def described(key: Key) -> dict[str, Any]:
    """A key for listings, without its hash."""
    return {name: value for name, value in asdict(key).items() if name != "sha256"}
