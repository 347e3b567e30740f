"""A collection of vectors on a Milvus cluster: where it is, what a row of it holds, and its errors put into words.

    milvus://host:19530/shop           a cluster; the last part is the collection, one before it a database
    https://host:443/shop              the same, encrypted
    vectors.db, vectors.db/shop        Milvus Lite, a file for trying it out (one process at a time, no index: small things)

`MODISTE_MILVUS_TOKEN` holds "user:password" or an API key; an address never does, so no manifest and no message can tell it.
pymilvus repeats a call that the cluster could not take, with pauses that grow, until the time given here is over.

A row is (key, vector, fields). Rows are never changed: the key is made of the item, its content and its vector (milvus_feed.py
says why), and `fields` are the values by which a filter may be narrowed (narrowing.py).
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from modiste.engine.errors import CatalogueError
from modiste.engine.place import crosses_the_network
from modiste.types import EncoderId, FloatArray

Keys = NDArray[np.int64]
Answer = TypeVar("Answer")

TOKEN = "MODISTE_MILVUS_TOKEN"
MOST_RESULTS = 16_384  # Milvus returns no more rows than these at once

_READ_SECONDS = 10.0
_PAUSES = (0.5, 1.5)  # seconds between calls that failed at once
_AT_ONCE_SECONDS = 2.0
_WRITE_SECONDS = 60.0  # a cluster that restarts is waited for
_ROWS_A_CALL = 1_000
_ROWS_A_PAGE = 8_000  # of keys alone
_FIELD_BYTES = 60_000  # of a JSON field; Milvus takes 65,536
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_FILE = re.compile(r"(?P<file>.*[^/]\.db)(?:/(?P<name>[^/]+))?")
_REMOTE = re.compile(
    r"(?P<scheme>milvus|http|https)://(?P<host>[^/@?#]+)/(?:(?P<database>[^/?#]+)/)?(?P<name>[^/?#]+)/?"
)
_OWNER = "modiste"
_INSTALL = "the vectors are on Milvus, and pymilvus is not installed: pip install 'modiste[scale]'"


@dataclass(frozen=True, slots=True)
class Address:
    """A collection, as pymilvus wants it. `text` is how people write it and a manifest keeps it."""

    text: str
    uri: str
    collection: str
    database: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises `ValueError` saying how an address is written; a file's path becomes absolute."""
        if "@" in text.split("//", 1)[-1].split("/", 1)[0] and "://" in text:
            raise ValueError(f"the address of the vectors must hold no name or password: put them into {TOKEN}")
        if match := _REMOTE.fullmatch(text):
            host = match["host"] if ":" in match["host"] or match["scheme"] != "milvus" else f"{match['host']}:19530"
            uri = f"{'https' if match['scheme'] == 'https' else 'http'}://{host}"
            found = cls(text, uri, match["name"], match["database"] or "")
        elif "://" not in text and (match := _FILE.fullmatch(text)):
            file = str(Path(match["file"]).resolve())
            found = cls(f"{file}/{match['name']}" if match["name"] else file, file, match["name"] or "modiste")
        else:
            raise ValueError(
                f"vectors {text!r}: write milvus://HOST:19530/COLLECTION, https://HOST/COLLECTION, or FILE.db for Milvus Lite"
            )
        if not _NAME.fullmatch(found.collection):
            raise ValueError(f"vectors {text!r}: a collection is named by letters, digits and _, as in shop_2026")
        return found


class MilvusCollection:
    """The collection of one catalogue; connects at the first use. Safe to share between threads.

    `owner` is what the collection knows its catalogue by: two that share a name by mistake would delete each other's rows.
    """

    def __init__(self, address: Address, owner: str, encoder: EncoderId) -> None:
        self.address = address
        self._owner, self._encoder = owner, encoder
        self._connecting = threading.Lock()
        self._connected: Any = None
        # Milvus Lite compares with every row.
        self._patience = _READ_SECONDS if "://" in address.uri else _WRITE_SECONDS
        self._checked = False

    def __str__(self) -> str:
        return self.address.text

    # -- the collection -----------------------------------------------------------------------------------------------

    def make(self) -> None:
        """Make the collection unless it is there. Raises as `check`."""
        if not self.exists():
            self._ask("make the collection", self._make)
        self.check()

    def _make(self, client: Any) -> None:
        from pymilvus import DataType

        encoder = self._encoder
        rows = client.create_schema(auto_id=False, enable_dynamic_field=False)
        rows.add_field("key", DataType.INT64, is_primary=True)
        rows.add_field("vector", DataType.FLOAT_VECTOR, dim=encoder.dim)
        rows.add_field("fields", DataType.JSON)
        index = client.prepare_index_params()
        index.add_index("vector", index_type="AUTOINDEX", metric_type="IP")
        about = {"owner": self._owner, "encoder": encoder.name, "sha256": encoder.sha256, "dim": encoder.dim}
        client.create_collection(
            self.address.collection, schema=rows, index_params=index, consistency_level="Strong",
            properties={_OWNER: json.dumps(about, sort_keys=True)}, timeout=_WRITE_SECONDS,
        )  # fmt: skip

    def exists(self) -> bool:
        name, seconds = self.address.collection, self._patience
        return bool(self._ask("look for the collection", lambda client: client.has_collection(name, timeout=seconds)))

    def check(self) -> None:
        """Raise `CatalogueError` unless this is the collection of this catalogue, for vectors of its encoder."""
        encoder, name, seconds = self._encoder, self.address.collection, self._patience
        found = self._ask("read the collection", lambda client: client.describe_collection(name, timeout=seconds))
        widths = [int(one["params"]["dim"]) for one in found["fields"] if one["name"] == "vector"]
        try:
            about = json.loads(found.get("properties", {}).get(_OWNER, ""))
        except ValueError:
            about = {}
        if not widths or not about:
            raise CatalogueError(f"{self} was not made by Modiste; name another collection")
        if widths != [encoder.dim]:
            raise CatalogueError(f"{self} holds vectors of {widths[0]} numbers, {encoder.name} makes {encoder.dim}")
        if about.get("sha256") != encoder.sha256:
            raise CatalogueError(
                f"{self} holds vectors of {about.get('encoder')}, not of {encoder.name}; name another collection"
            )
        if about.get("owner") != self._owner:
            raise CatalogueError(f"{self} holds the vectors of another catalogue; name another collection, or drop it")
        # A server that was started again may have it on disk only.
        self._ask("load the collection", lambda client: client.load_collection(name, timeout=_WRITE_SECONDS))
        self._checked = True

    # -- rows ---------------------------------------------------------------------------------------------------------

    def upsert(self, keys: Keys, vectors: FloatArray, fields: Sequence[Mapping[str, Any]]) -> None:
        """Write rows, in calls of a thousand; each is found by every search that begins later."""
        for start in range(0, len(keys), _ROWS_A_CALL):
            part = slice(start, start + _ROWS_A_CALL)
            rows = [
                {"key": key, "vector": vector, "fields": _fitting(values)}
                for key, vector, values in zip(
                    keys[part].tolist(), vectors[part].astype(np.float32), fields[part], strict=True
                )
            ]
            self._ask("write", partial(_upsert, self.address.collection, rows))

    def delete(self, keys: Keys) -> None:
        for start in range(0, len(keys), _ROWS_A_CALL):
            part = keys[start : start + _ROWS_A_CALL].tolist()
            self._ask("delete", partial(_delete, self.address.collection, part))

    def count(self) -> int:
        options = {"output_fields": ["count(*)"], "consistency_level": "Strong", "timeout": self._patience}
        found = self._ask("count", lambda client: client.query(self.address.collection, filter="", **options))
        return int(found[0]["count(*)"])

    def keys(self) -> Keys:
        """(N,) all keys there are, ascending."""
        parts = 1 + self.count() // _ROWS_A_PAGE  # keys are hashes, so equal ranges hold about equally many
        bounds = [(1 << 63) * part // parts for part in range(parts + 1)]
        ranges = list(itertools.pairwise(bounds))
        found = [np.empty(0, dtype=np.int64)]
        while ranges:
            low, high = ranges.pop()
            page = self._ask("list", partial(_page, self.address.collection, low, high - 1))
            if len(page) < MOST_RESULTS:
                found.append(np.array([row["key"] for row in page], dtype=np.int64))
            else:
                ranges += [(low, (low + high) // 2), ((low + high) // 2, high)]
        return np.unique(np.concatenate(found))

    def search(
        self, queries: FloatArray, limit: int, expression: str = "", *, settled: bool = False
    ) -> list[tuple[Keys, FloatArray]]:
        """For each of (Q, D) queries the keys (C,) and vectors (C, D) of its nearest `limit` rows, best first.

        `settled`: what is looked for was written long ago, so no node of the cluster need be waited for.
        """
        if not self._checked:
            self.check()
        options = {
            "anns_field": "vector", "limit": limit, "filter": expression, "output_fields": ["vector"],
            "search_params": {"metric_type": "IP"}, "consistency_level": "Bounded" if settled else "Strong",
            "timeout": self._patience,
        }  # fmt: skip
        data = queries.tolist()
        found = self._ask("search", lambda client: client.search(self.address.collection, data=data, **options))
        dim = queries.shape[1]
        return [
            (
                np.array([hit["key"] for hit in hits], dtype=np.int64),
                np.array([hit["entity"]["vector"] for hit in hits], dtype=np.float32).reshape(-1, dim),
            )
            for hits in found
        ]

    # -- the connection -----------------------------------------------------------------------------------------------

    @property
    def _client(self) -> Any:
        with self._connecting:
            if self._connected is None:
                self._connected = _connect(self.address, self._patience)
            return self._connected

    def _ask(self, what: str, call: Callable[[Any], Answer]) -> Answer:
        """What a call answers. It is made again when it failed at once, as on a connection that has just been cut."""
        for pause in (*_PAUSES, None):
            start = time.monotonic()
            try:
                return call(self._client)
            except CatalogueError:
                raise
            except ImportError as error:
                raise CatalogueError(_INSTALL) from error
            except Exception as error:  # gRPC's errors and pymilvus's have no common ancestor
                self._checked = False
                if type(error).__module__.split(".")[0] not in ("pymilvus", "grpc", "milvus_lite"):
                    raise
                if pause is None or not _is_away(error) or time.monotonic() - start > _AT_ONCE_SECONDS:
                    raise CatalogueError(_worded(self.address, what, error)) from error
                time.sleep(pause)
        raise AssertionError("unreachable")


def _upsert(name: str, rows: Sequence[Mapping[str, Any]], client: Any) -> None:
    client.upsert(name, list(rows), timeout=_WRITE_SECONDS)


def _delete(name: str, keys: list[int], client: Any) -> None:
    client.delete(name, ids=keys, timeout=_WRITE_SECONDS)


def _page(name: str, low: int, high: int, client: Any) -> Any:
    return client.query(
        name, filter=f"key >= {low} and key <= {high}", output_fields=["key"], limit=MOST_RESULTS,
        consistency_level="Strong", timeout=_WRITE_SECONDS,
    )  # fmt: skip


def _is_away(error: Exception) -> bool:
    words = str(error).lower()
    return any(one in words for one in ("unavailable", "deadline", "timeout", "connect", "refused", "not ready"))


def _connect(address: Address, seconds: float) -> Any:
    """A client. Raises what pymilvus raises, `ImportError` without it, `CatalogueError` for a token that would be overheard."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # errors are raised and worded here, not also logged
    from pymilvus import MilvusClient

    logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
    token = os.environ.get(TOKEN, "") if "://" in address.uri else ""
    if token and address.uri.startswith("http://") and crosses_the_network(address.uri):
        raise CatalogueError(
            f"{TOKEN} would cross the network unencrypted: write https://HOST/{address.collection}, "
            "or set MODISTE_ALLOW_HTTP=1 in a network that you trust"
        )
    return MilvusClient(address.uri, token=token, db_name=address.database, timeout=seconds)


def _fitting(values: Mapping[str, Any]) -> Mapping[str, Any]:
    size = len(json.dumps(values))
    if size > _FIELD_BYTES:
        raise CatalogueError(f"an item has {size:,} bytes of attributes; a row on Milvus takes {_FIELD_BYTES:,}")
    return values


def _worded(address: Address, what: str, error: Exception) -> str:
    words = " ".join(str(getattr(error, "message", "") or error).split())
    if token := os.environ.get(TOKEN):
        words = words.replace(token, "***")
    lower = words.lower()
    if "collection not found" in lower or "can't find collection" in lower:
        return f"{address.text}: there is no such collection any more; `modiste index TABLE --into CATALOGUE` makes it anew"
    if "auth" in lower or "permission" in lower:
        return f"{address.text} refuses the credentials; check {TOKEN} ({words[:200]})"
    if _is_away(error):
        return f"{address.text} does not answer; is the cluster up? The catalogue itself is whole ({words[:200]})"
    return f"{address.text}: cannot {what} ({words[:300]})"
