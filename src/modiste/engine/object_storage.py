"""A catalogue on S3-compatible object storage: `s3://bucket/shop`.

    shop/modiste.json       what it is made with, replaced in one step
         items.lance/       the items; a commit is one conditional write
         .modiste.writer    the writer's lease, while there is a writer

Credentials, region and endpoint come from where every S3 program looks: AWS_ACCESS_KEY_ID and its companions, the profile, the
machine's role; AWS_REGION; AWS_ENDPOINT_URL for anything but Amazon's. Plain http only to this machine, or with
MODISTE_ALLOW_HTTP=1.

One writer: the lease is an object that is created only if it is not there, and renewed or taken over only if it is the one
that was seen (If-None-Match, If-Match). It runs out after a minute without renewal, so a killed writer keeps others waiting no
longer than that, and its own machine not at all. A writer looks at its lease before each commit. One that sleeps between that
look and the commit for longer than a minute may still commit one batch beside the next writer's: whole, by id, never a mixture.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modiste.engine.errors import CatalogueError, CatalogueLocked
from modiste.engine.leases import is_running
from modiste.engine.place import ALLOW_HTTP, WRITER_NAME, Check, crosses_the_network

HOME = "MODISTE_HOME"
LEASE_SECONDS = 60.0

_CONNECT_SECONDS, _READ_SECONDS, _TRIES = 5, 20, 3
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_INSTALL = "the catalogue is on object storage, and boto3 is not installed: pip install 'modiste[scale]'"
_REFUSED = {
    "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AllAccessDisabled",
    "401", "AuthorizationHeaderMalformed", "InvalidClientTokenId", "UnrecognizedClientException",
}  # fmt: skip


class Bucket:
    """A prefix of a bucket, as a `Place`."""

    def __init__(self, bucket: str, prefix: str) -> None:
        prefix = prefix.strip("/")
        self.name = self.uri = f"s3://{bucket}/{prefix}"
        if not _BUCKET.fullmatch(bucket) or not _PREFIX.fullmatch(prefix):
            raise ValueError(f"{self.name!r}: write s3://BUCKET/NAME, with letters, digits and . _ - in the name")
        self.endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        if self.endpoint.startswith("http://") and crosses_the_network(self.endpoint):
            raise ValueError(
                f"{self.endpoint} would get the items unencrypted: use https, or set {ALLOW_HTTP}=1 in a network you trust"
            )
        self._bucket, self._prefix = bucket, prefix
        # The same bucket name at two endpoints means two buckets.
        host = f"s3-{hashlib.sha256(self.endpoint.encode()).hexdigest()[:8]}" if self.endpoint else "s3"
        self.folder = _home() / host / bucket / prefix
        self._making, self._made = threading.Lock(), dict[str, Any]()

    @property
    def options(self) -> Mapping[str, str]:
        """What LanceDB opens the store with; credentials it finds where this module does."""
        found = {
            "aws_region": self._client.meta.region_name,
            "connect_timeout": f"{_CONNECT_SECONDS}s",
            "timeout": "60s",
            "client_max_retries": str(_TRIES),
            "client_retry_timeout": "30",
        }
        if self.endpoint:
            found |= {"aws_endpoint": self.endpoint, "allow_http": str(self.endpoint.startswith("http://")).lower()}
        return found

    def make(self) -> None:
        """Raises `CatalogueError` without the bucket, or if the storage does not know conditional writes."""
        self._own_folder()
        with self._explained():
            self._client.head_bucket(Bucket=self._bucket)
        probe = f".modiste.probe-{secrets.token_hex(8)}"
        try:
            if self._put(probe, b"1", IfNoneMatch="*") is None or self._put(probe, b"2", IfNoneMatch="*") is not None:
                raise CatalogueError(
                    f"the object storage of {self.name} ignores If-None-Match, so nothing would keep two writers apart; "
                    "use one that knows conditional writes (Amazon S3, MinIO, Ceph, R2)"
                )
        finally:
            with self._explained():
                self._client.delete_object(Bucket=self._bucket, Key=self._key(probe))

    def exists(self) -> bool:
        """Whether the bucket is there and anything is in it at this place."""
        self._own_folder()
        with self._explained():
            found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{self._prefix}/", MaxKeys=1)
        return bool(found.get("KeyCount", 0))

    def read(self, name: str) -> bytes | None:
        found = self._get(name)
        return None if found is None else found[0]

    def write(self, name: str, data: bytes) -> None:
        self._put(name, data)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Check]:
        lease = _Lease(self)
        lease.take()
        try:
            yield lease.check
        finally:
            lease.release()

    # -- objects ------------------------------------------------------------------------------------------------------

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def _get(self, name: str) -> tuple[bytes, str] | None:
        """An object's content and tag; None when there is none."""
        try:
            with self._explained():
                found = self._client.get_object(Bucket=self._bucket, Key=self._key(name))
                return found["Body"].read(), found["ETag"]
        except FileNotFoundError:
            return None

    def _put(self, name: str, data: bytes, **condition: str) -> str | None:
        """Write an object and return its tag; None when the condition does not hold."""
        try:
            with self._explained():
                found = self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=data, **condition)
        except (FileExistsError, FileNotFoundError):
            return None
        return str(found["ETag"])

    def _delete(self, name: str, tag: str) -> None:
        """Delete an object if it is still the one that was seen, where the storage can tell; else unasked."""
        try:
            with self._explained():
                self._client.delete_object(Bucket=self._bucket, Key=self._key(name), IfMatch=tag)
        except (FileExistsError, FileNotFoundError):
            return

    @property
    def _client(self) -> Any:
        with self._making:
            if "client" not in self._made:
                self._made["client"] = self._connected()
            return self._made["client"]

    def _connected(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError as error:
            raise CatalogueError(_INSTALL) from error
        try:
            session = boto3.Session()
            if session.get_credentials() is None:
                raise CatalogueError(
                    f"no credentials for {self.name}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
                )
            region = os.environ.get("AWS_REGION") or session.region_name or "us-east-1"
            config = Config(
                connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, signature_version="s3v4",
                retries={"total_max_attempts": _TRIES, "mode": "standard"},
            )  # fmt: skip
            return session.client("s3", region_name=region, endpoint_url=self.endpoint or None, config=config)
        except (BotoCoreError, ValueError) as error:
            raise error if isinstance(error, CatalogueError) else CatalogueError(f"{self.name}: {error}") from error

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Errors in words; `FileNotFoundError` for an object that is not there, `FileExistsError` for a failed condition."""
        try:
            yield
        except Exception as error:
            if type(error).__module__.split(".")[0] != "botocore":
                raise
            code = str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))
            status = int(getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            where = self.endpoint or "Amazon S3"
            if code in ("PreconditionFailed", "ConditionalRequestConflict") or status == 412:
                raise FileExistsError(self.name) from error
            if code == "NoSuchKey":
                raise FileNotFoundError(self.name) from error
            if code == "NoSuchBucket" or status == 404:
                words = (
                    f"there is no bucket {self._bucket!r} at {where}; make it, or check AWS_ENDPOINT_URL and AWS_REGION"
                )
            elif code in _REFUSED or status in (401, 403):
                words = (
                    f"{where} refuses the credentials ({code or status}); check AWS_ACCESS_KEY_ID and what it may do"
                )
            elif code:
                words = f"{where} answers {code}: {str(error)[:200]}"
            else:
                words = f"{where} does not answer ({type(error).__name__}: {str(error)[:200]})"
            raise CatalogueError(f"{self.name}: {words}") from error

    def _own_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise CatalogueError(f"{self.folder} cannot be made: {error}; name another place with {HOME}") from error


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who writes, and until when unless they renew it."""

    owner: str
    host: str
    pid: int
    until: float

    @property
    def is_over(self) -> bool:
        """Whether the lease has run out, or its process has ended on this very machine."""
        return time.time() >= self.until or (self.host == _host() and not is_running(self.pid))

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}"


class _Lease:
    """The right to write, renewed in a thread of its own."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._owner = secrets.token_hex(16)
        self._tag = ""
        self._until = 0.0
        self._ending = threading.Event()
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._renew, name="modiste-lease", daemon=True)

    def take(self) -> None:
        """Raises `CatalogueLocked` naming the writer there is."""
        for _ in range(3):  # a lease may end, or begin, between two looks
            tag = self._put(IfNoneMatch="*")
            if tag is None and (found := self._bucket._get(WRITER_NAME)) is not None:
                holder = _holder(found[0])
                if holder is not None and not holder.is_over:
                    raise CatalogueLocked(
                        f"another process is indexing into {self._bucket.name} ({holder}); wait for it to end, or stop it: "
                        f"{max(1, round(holder.until - time.time()))} s after its end at the latest the place is free"
                    )
                tag = self._put(IfMatch=found[1])
            if tag is not None:
                self._tag = tag
                self._thread.start()
                return
        raise CatalogueLocked(f"another process has just begun to index into {self._bucket.name}; try again")

    def check(self) -> None:
        if time.time() >= self._until:
            raise CatalogueLocked(
                f"the right to write to {self._bucket.name} has run out: the storage did not answer for a minute, or this "
                "process was asleep. What was committed is kept; run the same command again"
            )

    def release(self) -> None:
        self._ending.set()
        self._thread.join()
        with contextlib.suppress(CatalogueError):
            self._bucket._delete(WRITER_NAME, self._tag)

    def _renew(self) -> None:
        while not self._ending.wait(LEASE_SECONDS / 4):
            with contextlib.suppress(CatalogueError):  # tried again, until it has run out
                tag = self._put(IfMatch=self._tag)
                if tag is None:
                    self._until = 0.0  # another has taken it over
                    return
                self._tag = tag

    def _put(self, **condition: str) -> str | None:
        until = time.time() + LEASE_SECONDS
        holder = _Holder(self._owner, _host(), os.getpid(), until)
        tag = self._bucket._put(WRITER_NAME, json.dumps(asdict(holder)).encode(), **condition)
        if tag is not None:
            self._until = until - 5  # clocks differ a little
        return tag


def _holder(data: bytes) -> _Holder | None:
    """Who holds the lease; None for what nobody can have written."""
    try:
        values = json.loads(data)
        return _Holder(str(values["owner"]), str(values["host"]), int(values["pid"]), float(values["until"]))
    except (ValueError, KeyError, TypeError):
        return None


def _host() -> str:
    """This machine since it was started, and the container: where a process id means one process."""
    name = socket.gethostname()
    with contextlib.suppress(OSError):
        name += "-" + Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8]
        name += "-" + os.readlink("/proc/self/ns/pid").strip("pid:[]")
    return name


def _home() -> Path:
    """Where this machine keeps what belongs to catalogues that are elsewhere."""
    if named := os.environ.get(HOME):
        return Path(named).resolve()
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share").resolve() / "modiste"
