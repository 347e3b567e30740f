"""A folder of vectors made ahead: what is in it, how it is written by many and read by one.

    folder/  embedding.json              the encoder, the table's fingerprint, the number of shards
             shards/00003-9f0c….parquet  a finished shard: its contents in the order of their hashes
             shards/00003.json           says which file that is, and for which state of the table it is complete
             shards/00003.rejected.jsonl
             parts/00003/….parquet       what is finished of a shard that is not
             claims/                     who is working on what
             rejected.jsonl              all shards' bad rows, by row number, when all are finished

A content is what an encoder looks at of an item: title, description and picture; its hash is the catalogue's `vector_hash`.
It belongs to the shard that the first bits of its hash say, however many workers there are, and is stored once, with the
ids of all items that have it. Every file appears whole or not at all, and every vector carries a checksum.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from modiste.engine.rows import hashed, vector_sums
from modiste.files import parse_json, whole_object, write_atomically, writing_atomically
from modiste.types import Embeddings, EncoderId, FloatArray, ImageLike, Item, ItemEncoder

FILE_NAME = "embedding.json"
FORMAT = 1
MAX_SHARDS = 65_536
GROUP_ROWS = 8_192  # rows of a row group: what a reader must hold of a file at once
Precision = Literal["float32", "float16"]
_HASH_BYTES = 16
_SORTABLE = f"S{_HASH_BYTES}"  # NumPy compares these byte by byte; all being of one length, zeros at the end do no harm
_IN_MEMORY = 2_000_000_000  # bytes of vectors; more of them are kept in a scratch file


class EmbeddingError(ValueError):
    """A folder of vectors that is missing, damaged or used wrongly; the message says what to do."""


@dataclass(frozen=True, slots=True)
class EmbeddingManifest:
    """What all vectors of a folder have in common."""

    encoder: EncoderId
    num_shards: int
    precision: Precision = "float32"
    model: str = ""
    """Where the encoder was loaded from (a folder, a hub name), when its name alone does not say."""
    table: Mapping[str, Any] = field(default_factory=dict)
    """The fingerprint of the table that is being embedded, or was last."""

    def write(self, folder: Path) -> None:
        text = json.dumps({"format": FORMAT, **asdict(self)}, indent=2) + "\n"
        write_atomically(folder / FILE_NAME, text.encode("utf-8"))

    @classmethod
    def read(cls, folder: Path) -> EmbeddingManifest:
        """Raises `EmbeddingError` naming the file when it is missing, garbled or of a later version."""
        path = folder / FILE_NAME
        advice = f"make one with `modiste embed TABLE --out {folder}`"
        try:
            data = parse_json(path.read_text(encoding="utf-8"))
            number = data["format"]
            if number == FORMAT:
                encoder = EncoderId(
                    str(data["encoder"]["name"]), str(data["encoder"]["sha256"]), int(data["encoder"]["dim"])
                )
                found = cls(
                    encoder, int(data["num_shards"]), data["precision"], str(data["model"]), dict(data["table"])
                )
                if encoder.dim < 1 or not 1 <= found.num_shards <= MAX_SHARDS:
                    raise ValueError("a value is out of range")
                if found.precision not in ("float32", "float16"):
                    raise ValueError(f"precision {found.precision!r}")
                return found
        except FileNotFoundError as error:
            raise EmbeddingError(f"{folder} holds no vectors: {FILE_NAME} is missing; {advice}") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise EmbeddingError(f"{path} is damaged ({error}); delete {folder} and {advice}") from error
        raise EmbeddingError(f"{path} has format {number}, this version of Modiste reads {FORMAT}: upgrade Modiste")


def shard_of(content_hash: bytes, num_shards: int) -> int:
    """The shard of a content: shards are equal ranges of hashes, so shard after shard the hashes ascend."""
    return int.from_bytes(content_hash[:8], "big") * num_shards >> 64


def fingerprint(table: Path, options: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Name, size and sha256 of a table, and of how its columns are read; what makes two workers' tables the same."""
    with table.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    read_as = json.dumps(dict(options or {}), sort_keys=True, default=str)
    digest.update(read_as.encode("utf-8"))
    return {"name": table.name, "bytes": table.stat().st_size, "sha256": digest.hexdigest()}


@dataclass(frozen=True, slots=True)
class Contents:
    """Some contents of one shard: N hashes, of each the ids that have it, and vectors (N, D)."""

    hashes: list[bytes]
    ids: list[list[str]]
    vectors: FloatArray | NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.hashes)


class EmbeddingFolder:
    """The files of a folder; knows nothing of encoders and claims."""

    def __init__(self, folder: Path, manifest: EmbeddingManifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self.names = [_name(number) for number in range(manifest.num_shards)]
        """Of all shards, as files and claims are called."""
        self._dtype = np.dtype(manifest.precision)

    # -- parts: what a worker has finished of a shard -----------------------------------------------------------------

    def write_part(self, shard: int, hashes: Sequence[bytes], vectors: FloatArray) -> Path:
        """Keep vectors of a shard; the same contents make the same file, so writing twice harms nothing."""
        name = hashlib.blake2b(b"".join(hashes), digest_size=8).hexdigest()
        contents = Contents(list(hashes), [[] for _ in hashes], vectors.astype(self._dtype))
        return self._write(self.folder / "parts" / _name(shard) / f"{name}.parquet", contents)

    def parts(self, shard: int) -> list[Path]:
        return sorted((self.folder / "parts" / _name(shard)).glob("*.parquet"))

    def finished_file(self, shard: int) -> Path | None:
        """The file of a shard that is or was complete; None before that."""
        marker = self._marker(shard)
        name = "" if marker is None else str(marker.get("file", ""))
        if not re.fullmatch(r"\d{5}-[0-9a-f]{16}\.parquet", name):
            return None
        path = self.folder / "shards" / name
        return path if path.is_file() else None

    def files(self, shard: int) -> list[Path]:
        """All that hold vectors of a shard."""
        finished = self.finished_file(shard)
        return [*([finished] if finished else []), *self.parts(shard)]

    def found(self, shard: int) -> Contents:
        """All vectors there are of a shard, finished or in parts, each once; a damaged file is passed over."""
        hashes: list[bytes] = []
        ids: list[list[str]] = []
        blocks = [np.empty((0, self.manifest.encoder.dim), self._dtype)]
        known: set[bytes] = set()
        for path in self.files(shard):
            try:
                one = self.read(path)
            except (FileNotFoundError, EmbeddingError):  # merged a moment ago by another worker, or damaged
                continue
            new = [at for at, content in enumerate(one.hashes) if content not in known]
            known.update(one.hashes[at] for at in new)
            hashes += [one.hashes[at] for at in new]
            ids += [one.ids[at] for at in new]
            blocks.append(one.vectors[new])
        return Contents(hashes, ids, np.concatenate(blocks))

    # -- whole shards -------------------------------------------------------------------------------------------------

    def finish(self, shard: int, contents: Contents, refused: Sequence[Mapping[str, object]], state: str) -> None:
        """Publish a shard that is complete for one `state` of the table, and drop what it was made of.

        The order matters: the new file, the bad rows, then the marker that names them, and only then the old files go.
        """
        order = sorted(range(len(contents)), key=contents.hashes.__getitem__)
        ordered = Contents(
            [contents.hashes[at] for at in order], [contents.ids[at] for at in order], contents.vectors[order]
        )
        old = self.files(shard)
        digest = hashlib.blake2b(digest_size=8)
        for content, ids in zip(ordered.hashes, ordered.ids, strict=True):
            digest.update(content + json.dumps(ids).encode())
        digest.update(np.ascontiguousarray(ordered.vectors).tobytes())
        path = self.folder / "shards" / f"{_name(shard)}-{digest.hexdigest()}.parquet"
        if path not in old or not self._is_intact(path):
            self._write(path, ordered)
        lines = "".join(json.dumps(entry) + "\n" for entry in refused)
        _write_if_new(self.folder / "shards" / f"{_name(shard)}.rejected.jsonl", lines)
        marker = {"file": path.name, "rows": len(ordered), "rejected": len(refused), "state": state}
        _write_if_new(self._marker_path(shard), json.dumps(marker) + "\n")
        scratch = [*(self.folder / "parts" / _name(shard)).glob(".*"), *path.parent.glob(f".{_name(shard)}*")]
        for file in [*old, *scratch]:  # scratch: what killed workers were about to write
            if file != path:
                file.unlink(missing_ok=True)

    def is_finished(self, shard: int, state: str) -> bool:
        """Whether a shard is complete for this state of the table."""
        marker = self._marker(shard)
        return marker is not None and marker.get("state") == state and self.finished_file(shard) is not None

    def merge_rejected(self) -> int:
        """`rejected.jsonl` of all shards' bad rows, in the order of the table; returns how many."""
        entries: list[dict[str, Any]] = []
        for shard in range(self.manifest.num_shards):
            path = self.folder / "shards" / f"{_name(shard)}.rejected.jsonl"
            if path.is_file():
                entries += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        entries.sort(key=lambda entry: int(entry["row"]))
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        write_atomically(self.folder / "rejected.jsonl", lines.encode("ascii"))
        return len(entries)

    def _is_intact(self, path: Path) -> bool:
        try:
            return len(self.read(path)) >= 0
        except (EmbeddingError, FileNotFoundError):
            return False

    # -- files --------------------------------------------------------------------------------------------------------

    def read(self, path: Path) -> Contents:
        """The contents of one file, each vector compared with its checksum. Raises `EmbeddingError`, `FileNotFoundError`."""
        try:
            table = pq.read_table(path, columns=["content_hash", "ids", "vector", "vector_sum"], partitioning=None)
            flat = table.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
            vectors = flat.reshape(-1, self.manifest.encoder.dim)
            hashes, ids = table.column("content_hash").to_pylist(), table.column("ids").to_pylist()
            sums = np.asarray(table.column("vector_sum"), dtype=np.uint64)
        except FileNotFoundError:
            raise
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise EmbeddingError(f"{path} is damaged ({str(error).splitlines()[0][:200]})") from error
        if vectors.dtype != self._dtype or len(vectors) != len(hashes):
            raise EmbeddingError(f"{path} does not hold {self.manifest.precision} vectors of {self.manifest.encoder}")
        if not np.array_equal(vector_sums(vectors.astype(np.float32)), sums):
            raise EmbeddingError(f"{path} is damaged: a vector fails its checksum")
        return Contents(hashes, ids, vectors)

    def _write(self, path: Path, contents: Contents) -> Path:
        dim, kind = self.manifest.encoder.dim, pa.from_numpy_dtype(self._dtype)
        flat = pa.array(np.ascontiguousarray(contents.vectors).reshape(-1), kind)
        columns = {
            "content_hash": pa.array(contents.hashes, pa.binary(_HASH_BYTES)),
            "ids": pa.array(contents.ids, pa.list_(pa.string())),
            "vector": pa.FixedSizeListArray.from_arrays(flat, dim),
            "vector_sum": vector_sums(contents.vectors.astype(np.float32)),
        }
        encoder = json.dumps(asdict(self.manifest.encoder))
        table = pa.table(columns).replace_schema_metadata({"modiste.encoder": encoder})
        with writing_atomically(path) as file:  # vectors do not compress
            pq.write_table(table, file, row_group_size=GROUP_ROWS, compression="none", use_dictionary=False)
        return path

    def _marker_path(self, shard: int) -> Path:
        return self.folder / "shards" / f"{_name(shard)}.json"

    def _marker(self, shard: int) -> dict[str, Any] | None:
        return whole_object(self._marker_path(shard))


def _write_if_new(path: Path, text: str) -> None:
    """Nothing is written for what is there already, or for an empty file where none is."""
    if (path.read_text(encoding="ascii") if path.is_file() else "") != text:
        write_atomically(path, text.encode("ascii"))


def _name(shard: int) -> str:
    return f"{shard:05d}"


class ReadyVectors:
    """An `ItemEncoder` that takes vectors from a folder, and asks the encoder that made them only for what is missing.

    Raises `EncoderMismatch` when the folder's vectors are another encoder's, `EmbeddingError` for a damaged folder.
    """

    def __init__(self, folder: str | Path, encoder: ItemEncoder) -> None:
        manifest = EmbeddingManifest.read(Path(folder))
        manifest.encoder.require(encoder.id)
        self.id = encoder.id
        self.taken = 0
        self.encoded = 0
        self._encoder = encoder
        self._hashes, self._vectors = _all_vectors(EmbeddingFolder(Path(folder), manifest))

    def __len__(self) -> int:
        return len(self._hashes)

    def encode(self, items: Sequence[Item]) -> Embeddings:
        """(N, D): the stored vector of each item whose title, description and picture are those it was made of."""
        vectors = np.empty((len(items), self.id.dim), dtype=np.float32)
        missing = []
        wanted = np.array([hashed(item).vector_hash for item in items], dtype=_SORTABLE)
        for at, place in enumerate(np.searchsorted(self._hashes, wanted)):
            if place < len(self._hashes) and self._hashes[place] == wanted[at]:
                vectors[at] = self._vectors[place]
            else:
                missing.append(at)
        if missing:
            made = self._encoder.encode([items[at] for at in missing])
            self.id.require(made.encoder)
            vectors[missing] = made.vectors
        self.taken += len(items) - len(missing)
        self.encoded += len(missing)
        return Embeddings(vectors, self.id)

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        """As the encoder's own."""
        return self._encoder.encode_query(text, image)


def _all_vectors(folder: EmbeddingFolder) -> tuple[NDArray[np.bytes_], FloatArray]:
    """All hashes, ascending, and their vectors (N, D); many vectors are kept in a scratch file instead of in memory."""
    shards = range(folder.manifest.num_shards)
    most = sum(_num_rows(path) for shard in shards for path in folder.files(shard))
    shape = (most, folder.manifest.encoder.dim)
    vectors: FloatArray
    if most * shape[1] * 4 > _IN_MEMORY:
        with tempfile.TemporaryFile() as scratch:  # without a name: it goes when the array does
            vectors = np.memmap(scratch, np.float32, "w+", shape=shape)
    else:
        vectors = np.empty(shape, dtype=np.float32)
    hashes = np.empty(most, dtype=_SORTABLE)
    end = 0
    for shard in shards:
        found = folder.found(shard)
        start, end = end, end + len(found)
        order = np.argsort(np.array(found.hashes, dtype=_SORTABLE))
        hashes[start:end] = np.array(found.hashes, dtype=_SORTABLE)[order]
        vectors[start:end] = found.vectors[order]
        if folder.manifest.precision == "float16":  # rounding has moved the lengths a little
            vectors[start:end] /= np.linalg.norm(vectors[start:end], axis=1, keepdims=True)
    return hashes[:end], vectors[:end]


def _num_rows(path: Path) -> int:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return 0
