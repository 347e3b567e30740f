"""One item as one row of the store: schema, hashes, checksums, and the way back.

Two hashes tell a job what to do with an item it has seen before. `vector_hash` covers what an encoder looks at: title,
description and picture; `content_hash` covers those and everything else. Equal content: nothing to do. Equal vector hash
only (a new price, the stock): the row is written anew around the vector it already has, and no encoder runs.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from modiste.data.images import ImageError, image_format, thumbnail
from modiste.types import FloatArray, Item, Scalar

StoreImages = Literal["original", "thumbnail", "none"]
STORE_IMAGES: tuple[StoreImages, ...] = ("original", "thumbnail", "none")

THUMBNAIL_SIDE = 512  # pixels
_KEPT_SIDE, _KEPT_BYTES = (
    1024,
    256_000,
)  # a picture within both is kept as it came: a thumbnail costs more than it saves
_HASH_BYTES = 16

TEXT_FIELDS = ("title", "description", "category", "group")
WORDS = ("id", *TEXT_FIELDS, "attributes")  # what text_sum covers
PAYLOAD = (*WORDS, "image")  # what row_sum covers


def schema(dim: int, *, text_sum: bool = True) -> pa.Schema:
    """The table of a catalogue whose vectors are `dim` wide; those made before words had a checksum have no `text_sum`."""
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            *(pa.field(name, pa.string()) for name in TEXT_FIELDS),
            pa.field("attributes", pa.string()),  # JSON object
            pa.field("image", pa.binary()),
            pa.field("content_hash", pa.binary(_HASH_BYTES)),
            pa.field("vector_hash", pa.binary(_HASH_BYTES)),
            pa.field("row_sum", pa.uint32()),
            *([pa.field("text_sum", pa.uint32())] if text_sum else []),
            pa.field("vector_sum", pa.uint64()),
            pa.field("vector", pa.list_(pa.float32(), dim)),
        ]
    )


@dataclass(frozen=True, slots=True)
class Row:
    """Everything of an item that is stored except its vector."""

    values: Mapping[str, Any]  # the columns of PAYLOAD, without the picture when `image_kept`
    content_hash: bytes
    vector_hash: bytes


def hashed(item: Item) -> Row:
    """The row of an item, its picture still missing. Raises `ValueError` for text or values that cannot be stored."""
    attributes = _attributes(item)
    texts = {name: getattr(item, name) for name in TEXT_FIELDS}
    try:
        seen = [item.title.encode(), item.description.encode(), *_image_parts(item)]
        rest = [item.category.encode(), item.group.encode(), attributes.encode()]
        item.id.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"text that is not valid Unicode: {error.object!r:.80}") from error
    vector_hash = _digest(seen)
    return Row(
        {"id": item.id, **texts, "attributes": attributes, "image": None}, _digest([vector_hash, *rest]), vector_hash
    )


def with_image(row: Row, item: Item, store: StoreImages) -> Row:
    """The row with the picture to be stored. Raises `ImageError` when there is one and it cannot be used."""
    return Row({**row.values, "image": display_image(item, store)}, row.content_hash, row.vector_hash)


def display_image(item: Item, store: StoreImages) -> bytes | None:
    """What is kept of an item's picture: the file as it came, a JPEG of at most 512 pixels where it is large, or nothing."""
    if item.image is None or store == "none":
        return None
    if isinstance(item.image, bytes) and (store == "original" or _is_small(item.image)):
        if image_format(item.image) is None:
            raise ImageError("not a picture")
        return item.image
    if store == "original":
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(item.image)).save(buffer, "PNG")  # an array is "as it came" only without loss
        return buffer.getvalue()
    return thumbnail(item.image, (THUMBNAIL_SIDE, THUMBNAIL_SIDE))


def _is_small(data: bytes) -> bool:
    """Whether a file may be kept as it is: a web format, small enough, and without a block of private metadata."""
    if (
        len(data) > _KEPT_BYTES
        or image_format(data) not in ("JPEG", "PNG", "WEBP")
        or b"Exif" in data
        or b"EXIF" in data
    ):
        return False
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as header:  # reads no pixels
            return max(header.size) <= _KEPT_SIDE and getattr(header, "n_frames", 1) == 1
    except Exception:  # a broken header is thumbnail()'s to name
        return False


def _image_parts(item: Item) -> list[bytes]:
    if item.image is None:
        return []
    if isinstance(item.image, bytes):
        return [b"file", item.image]
    return [b"pixels", repr(item.image.shape).encode(), np.ascontiguousarray(item.image).tobytes()]


def _digest(parts: Sequence[bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=_HASH_BYTES)
    for part in parts:  # lengths keep ("ab", "c") and ("a", "bc") apart
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


def _attributes(item: Item) -> str:
    """Attributes as JSON with sorted keys; missing values (None, NaN) are left out."""
    kept: dict[str, Scalar] = {}
    for name, value in item.attributes.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if plain is None or (isinstance(plain, float) and math.isnan(plain)):
            continue
        if not isinstance(name, str) or not isinstance(plain, str | int | float | bool):
            raise ValueError(f"attribute {name!r} is {type(plain).__name__}; use text, a number or a truth value")
        if isinstance(plain, float) and math.isinf(plain):
            raise ValueError(f"attribute {name!r} is infinite")
        kept[name] = plain
    return json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def as_item(values: Mapping[str, Any], image: bytes | None = None) -> Item:
    """The item of a row's columns."""
    texts = {name: values[name] or "" for name in TEXT_FIELDS}
    return Item(id=values["id"], image=image, attributes=json.loads(values["attributes"] or "{}"), **texts)


def as_table(rows: Sequence[Row], vectors: FloatArray) -> pa.Table:
    """Rows and their vectors (N, D) as they are written."""
    columns: dict[str, Any] = {name: [row.values[name] for row in rows] for name in PAYLOAD}
    columns["content_hash"] = [row.content_hash for row in rows]
    columns["vector_hash"] = [row.vector_hash for row in rows]
    columns["row_sum"] = [row_sum(row.values) for row in rows]
    columns["text_sum"] = [text_sum(row.values) for row in rows]
    columns["vector_sum"] = vector_sums(vectors)
    columns["vector"] = pa.FixedSizeListArray.from_arrays(
        pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1)), vectors.shape[1]
    )
    wanted = schema(vectors.shape[1])
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in wanted}, schema=wanted)


def row_sum(values: Mapping[str, Any]) -> int:
    """CRC-32 of a row's payload; a changed bit, a lost picture or two swapped fields change it."""
    return _crc(values, PAYLOAD)


def text_sum(values: Mapping[str, Any]) -> int:
    """CRC-32 of what a search shows and filters by: the payload without the picture."""
    return _crc(values, WORDS)


def _crc(values: Mapping[str, Any], names: Sequence[str]) -> int:
    total = 0
    for name in names:
        value = values[name]
        data = value.encode() if isinstance(value, str) else value
        total = zlib.crc32(b"-" if data is None else len(data).to_bytes(8, "little"), total)
        total = zlib.crc32(data or b"", total)
    return total


def vectors_in(rows: pa.Table | pa.RecordBatch, dim: int) -> FloatArray:
    """(N, D) the vectors of rows of the store; fewer where one is null."""
    column = rows.column("vector")
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(whole.flatten(), dtype=np.float32).reshape(-1, dim)


def vector_sums(vectors: FloatArray) -> NDArray[np.uint64]:
    """(N,) checksums of the rows of (N, D), fast enough to be checked whenever vectors are loaded.

    A sum of the words with odd weights modulo 2^64: a change of any single word always shows, of several almost always.
    """
    words = np.ascontiguousarray(vectors, dtype=np.float32).view(np.uint32)
    weights = np.random.default_rng(0).integers(0, 2**63, words.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    sums = np.empty(len(words), dtype=np.uint64)
    for start in range(0, len(words), 4096):
        part = slice(start, start + 4096)
        sums[part] = ((words[part].astype(np.uint64) + np.uint64(1)) * weights).sum(axis=1, dtype=np.uint64)
    return sums
