"""What describes the catalogue's photos to a judge of pairs, kept beside the catalogue so that re-ranking decodes no picture.

    CATALOGUE/exact/  exact.json  part-….safetensors …

A part holds some thousand rows: ids, the hash of what each row was made from (the catalogue's `vector_hash`), checksums, and
features in fp16, which are mapped into memory and read where they are needed. Parts are only ever added; `exact.json`, replaced
atomically, says which of them count, and of two rows of one item the later one does. So a job that dies leaves whole parts, the
next one goes on behind them, and a reader sees a part whole or not at all. Who writes holds the catalogue's lock.

Shapes: N items, F numbers that describe a photo.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from modiste.engine.catalogue import Catalogue
from modiste.engine.errors import CatalogueError
from modiste.engine.ingest import known_items
from modiste.engine.snapshot import Snapshot
from modiste.files import parse_json, require_unchanged, signed, write_atomically
from modiste.types import EncoderId, EncoderMismatch, FloatArray, Item, PhotoComparer

FOLDER, INDEX = "exact", "exact.json"
FORMAT = 1
COMMIT_ROWS = 2_000
PART_ROWS = 16_384  # of a part that merges others
MAX_PARTS = 32
MAX_HEADER_BYTES = 1_000_000
HASH_BYTES = 16
_PART = re.compile(r"part-[0-9a-f]{32}\.safetensors")  # what `_write_part` gives: no path leads out of the folder

Features = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class FeatureReport:
    """What an update did: photos described, rows of items that are gone or have another photo, photos refused, seconds."""

    described: int
    dropped: int
    refused: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One file, its features mapped."""

    file: str
    ids: tuple[str, ...]
    hashes: tuple[bytes, ...]
    sums: NDArray[np.uint32]
    features: Features  # (N, F), in the file


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """The parts that one `exact.json` names, and where each item's row is."""

    stamp: tuple[int, int]
    parts: tuple[_Part, ...]
    place: Mapping[str, tuple[int, int]]  # id -> part, row


class PhotoFeatures:
    """The features of one catalogue's photos; safe to share between threads."""

    def __init__(self, folder: Path, maker: EncoderId, model: str) -> None:
        self.folder = folder  # CATALOGUE/exact
        self.maker = maker
        self.model = model
        self._lock = threading.Lock()
        self._state: _State | None = None
        self._hashes: tuple[int, Mapping[str, bytes]] | None = None  # version of the catalogue, id -> hash

    # -- opening ------------------------------------------------------------------------------------------------------

    @staticmethod
    def is_at(catalogue: str | Path) -> bool:
        """Whether features are kept beside this catalogue."""
        return (Path(catalogue) / FOLDER / INDEX).is_file()

    @classmethod
    def create(cls, catalogue: Catalogue, maker: EncoderId, model: str) -> PhotoFeatures:
        """None yet, to be made by `maker`, which `model` loads; those of another maker are deleted."""
        folder = catalogue.folder / FOLDER
        with catalogue.writing():
            if folder.exists():
                shutil.rmtree(folder)
            found = cls(folder, maker, model)
            found._write_index([])
        return found

    @classmethod
    def open(cls, catalogue: str | Path) -> PhotoFeatures:
        """Those beside a catalogue. Raises `CatalogueError` when there are none, or they are damaged."""
        folder = Path(catalogue) / FOLDER
        if not cls.is_at(catalogue):
            raise CatalogueError(f"{catalogue} keeps no features of its photos; make them with {_made_by(folder)}")
        values = _read_index(folder)
        made = values["maker"]
        found = cls(folder, EncoderId(made["name"], made["sha256"], made["dim"]), values["model"])
        found._load()
        return found

    def require(self, maker: EncoderId) -> None:
        """Raise `EncoderMismatch` unless these features are of that maker."""
        if (self.maker.sha256, self.maker.dim) != (maker.sha256, maker.dim):
            raise EncoderMismatch(
                f"the features in {self.folder} were made by {self.maker}, not by {maker}; make them anew: "
                f"{_made_by(self.folder)}"
            )

    # -- reading ------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._load().place)

    def find(self, snapshot: Snapshot, ids: Sequence[str]) -> tuple[NDArray[np.bool_], Features]:
        """Which of the items have features of the photo that this version of the catalogue has: (N,), and those (M, F).

        Raises `CatalogueError` for a row that fails its checksum.
        """
        state, hashes = self._load(), self._current(snapshot)
        known = np.zeros(len(ids), dtype=bool)
        rows = []
        for at, item_id in enumerate(ids):
            place = state.place.get(item_id)
            if place is None:
                continue
            part, row = state.parts[place[0]], place[1]
            if part.hashes[row] != hashes.get(item_id):
                continue  # of an earlier photo
            values = np.array(part.features[row])
            if zlib.crc32(values.tobytes()) != part.sums[row]:
                raise _damaged(self.folder, part.file, f"item {item_id!r} fails its checksum")
            known[at] = True
            rows.append(values)
        return known, np.stack(rows) if rows else np.zeros((0, self.maker.dim), np.float16)

    def verify(self) -> int:
        """Read every row and compare it with its checksum; returns how many count. Raises `CatalogueError`."""
        state = self._load()
        for part in state.parts:
            for item_id, row, wanted in zip(part.ids, part.features, part.sums, strict=True):
                if zlib.crc32(np.array(row).tobytes()) != wanted:
                    raise _damaged(self.folder, part.file, f"item {item_id!r} fails its checksum")
        return len(state.place)

    def warm(self, snapshot: Snapshot) -> None:
        """Read now what `find` needs to know of this version of the catalogue."""
        self._load()
        self._current(snapshot)

    def _current(self, snapshot: Snapshot) -> Mapping[str, bytes]:
        with self._lock:
            if self._hashes is None or self._hashes[0] != snapshot.version:
                known = known_items(snapshot.pinned)
                self._hashes = snapshot.version, {item_id: one.vector_hash for item_id, one in known.items()}
            return self._hashes[1]

    def _load(self) -> _State:
        """The parts as `exact.json` names them now."""
        with self._lock:
            for attempt in (1, 2, 3):
                stamp = _stamp(self.folder / INDEX)
                if self._state is not None and self._state.stamp == stamp:
                    return self._state
                kept = {part.file: part for part in self._state.parts} if self._state else {}
                try:
                    values = _read_index(self.folder)
                    if values["maker"]["sha256"] != self.maker.sha256:
                        raise CatalogueError(
                            f"the features in {self.folder} were made anew by another model: open them again"
                        )
                    files = values["parts"]
                    parts = tuple(kept.get(file) or self._read_part(file) for file in files)
                except FileNotFoundError as error:  # a writer merged parts between the two lines
                    if attempt == 3:
                        raise _damaged(self.folder, INDEX, f"a part is missing: {error.filename}") from error
                    continue
                place = {one: (at, row) for at, part in enumerate(parts) for row, one in enumerate(part.ids)}
                self._state = _State(stamp, parts, place)
                return self._state
        raise AssertionError("unreachable")

    def _read_part(self, file: str) -> _Part:
        """Raises `CatalogueError` for a file that is not what `_write_part` wrote, `FileNotFoundError`."""
        path = self.folder / file
        try:
            with path.open("rb") as stream:
                length = int.from_bytes(stream.read(8), "little")
                if not 2 <= length <= MAX_HEADER_BYTES:
                    raise ValueError("its header is too long")
                header = parse_json(stream.read(length))
            arrays = {name: _mapped(path, 8 + length, header[name]) for name in ("features", "hashes", "sums", "ids")}
            ids = tuple(parse_json(arrays["ids"].tobytes()))
            features, hashes, sums = arrays["features"], arrays["hashes"], np.array(arrays["sums"])
            if (
                features.shape != (len(ids), self.maker.dim)
                or hashes.shape != (len(ids), HASH_BYTES)
                or sums.shape != (len(ids),)
            ):
                raise ValueError("its arrays do not fit each other")
            if "names_sum" in header:  # those of earlier versions have none
                wanted = _mapped(path, 8 + length, header["names_sum"])
                if _names_sum(arrays["ids"], hashes, sums) != int(wanted[0]):
                    raise ValueError("what its rows belong to fails its checksum")
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise _damaged(self.folder, file, str(error)) from error
        return _Part(file, ids, tuple(row.tobytes() for row in np.array(hashes)), sums, features)

    # -- writing ------------------------------------------------------------------------------------------------------

    def update(
        self,
        catalogue: Catalogue,
        comparer: PhotoComparer,
        *,
        batch_size: int = 128,
        commit_rows: int = COMMIT_ROWS,
        progress: Callable[[int, int], None] | None = None,
    ) -> FeatureReport:
        """Describe the photos that are new or have changed, as the catalogue stores them, and forget those that are gone.

        Run again after a crash, it goes on where it stopped. `progress` gets the photos done and their number after each
        batch; an exception in it ends the job, what was committed stays. Raises `EncoderMismatch`, `CatalogueLocked`,
        `CatalogueError`.
        """
        self.require(comparer.id)
        start = time.monotonic()
        with catalogue.writing():
            snapshot = catalogue.snapshot()
            hashes, state = self._current(snapshot), self._load()
            without = snapshot.without_photo()
            have = {one: state.parts[at].hashes[row] for one, (at, row) in state.place.items()}
            todo = [one for one in sorted(hashes) if one not in without and have.get(one) != hashes[one]]
            gone = sum(1 for one in have if have[one] != hashes.get(one))
            described = refused = 0
            pending: list[tuple[list[str], Features]] = []
            for at in range(0, len(todo), batch_size):
                ids, rows = self._described(catalogue, comparer, todo[at : at + batch_size])
                refused += len(todo[at : at + batch_size]) - len(ids)
                described += len(ids)
                pending.append((ids, rows))
                last = at + batch_size >= len(todo)
                if last or sum(len(names) for names, _ in pending) >= commit_rows:
                    self._commit(pending, hashes)
                    pending = []
                if progress is not None:
                    progress(min(at + batch_size, len(todo)), len(todo))
            self._tidy(hashes)
        return FeatureReport(described, gone, refused, time.monotonic() - start)

    def _described(
        self, catalogue: Catalogue, comparer: PhotoComparer, ids: Sequence[str]
    ) -> tuple[list[str], Features]:
        """Features of the stored photos of these items, those aside whose photo cannot be decoded."""
        photos = [catalogue.image(one) for one in ids]
        named = [(one, photo) for one, photo in zip(ids, photos, strict=True) if photo is not None]
        try:
            return [one for one, _ in named], comparer.features([photo for _, photo in named])
        except ValueError:
            if len(named) == 1:
                return [], np.zeros((0, self.maker.dim), np.float16)
        middle = len(named) // 2
        first, rows = self._described(catalogue, comparer, [one for one, _ in named[:middle]])
        second, more = self._described(catalogue, comparer, [one for one, _ in named[middle:]])
        return first + second, np.concatenate([rows, more])

    def _commit(self, pending: Sequence[tuple[list[str], Features]], hashes: Mapping[str, bytes]) -> None:
        ids = [one for names, _ in pending for one in names]
        if ids:
            file = self._write_part(ids, [hashes[one] for one in ids], np.concatenate([rows for _, rows in pending]))
            self._write_index([*(part.file for part in self._load().parts), file])

    def _tidy(self, hashes: Mapping[str, bytes]) -> None:
        """Merge the parts when there are many, or much in them no longer counts."""
        state = self._load()
        live = [
            (at, row)
            for one, (at, row) in sorted(state.place.items())
            if state.parts[at].hashes[row] == hashes.get(one)
        ]
        total = sum(len(part.ids) for part in state.parts)
        if len(state.parts) <= MAX_PARTS and total <= 2 * len(live) + COMMIT_ROWS:
            return
        files = []
        for start in range(0, len(live), PART_ROWS):
            rows = live[start : start + PART_ROWS]
            ids = [state.parts[at].ids[row] for at, row in rows]
            features = np.stack([state.parts[at].features[row] for at, row in rows])
            sums = np.array([state.parts[at].sums[row] for at, row in rows], dtype=np.uint32)  # carried, not made anew
            files.append(self._write_part(ids, [state.parts[at].hashes[row] for at, row in rows], features, sums))
        self._write_index(files)
        for part in state.parts:
            (self.folder / part.file).unlink(missing_ok=True)  # who has it mapped keeps it

    def _write_part(
        self, ids: Sequence[str], hashes: Sequence[bytes], features: Features, sums: NDArray[np.uint32] | None = None
    ) -> str:
        rows = np.ascontiguousarray(features, dtype=np.float16)
        if sums is None:
            sums = np.array([zlib.crc32(row.tobytes()) for row in rows], dtype=np.uint32)
        arrays: dict[str, NDArray[Any]] = {
            "features": rows,
            "hashes": np.frombuffer(b"".join(hashes), dtype=np.uint8).reshape(len(ids), HASH_BYTES),
            "ids": np.frombuffer(json.dumps(list(ids)).encode(), dtype=np.uint8),
            "sums": sums,
        }
        arrays["names_sum"] = np.array([_names_sum(arrays["ids"], arrays["hashes"], sums)], dtype=np.uint32)
        file = f"part-{uuid.uuid4().hex}.safetensors"
        write_atomically(self.folder / file, save(arrays))
        return file

    def _write_index(self, parts: Sequence[str]) -> None:
        made = {"name": self.maker.name, "sha256": self.maker.sha256, "dim": self.maker.dim}
        values = {"format": FORMAT, "maker": made, "model": self.model, "parts": list(parts)}
        write_atomically(self.folder / INDEX, (json.dumps(signed(values), indent=2) + "\n").encode())


class ExactJudge:
    """`modiste.types.PairScorer` of a catalogue's items: the query's photo against the features that are kept of theirs."""

    share = 1.0  # of its word in `look_again`: the first search has chosen the shortlist, and has no further say
    logit_scale = 1.0

    def __init__(self, catalogue: Catalogue, features: PhotoFeatures, comparer: PhotoComparer) -> None:
        features.require(comparer.id)
        self.catalogue, self.features, self.comparer = catalogue, features, comparer

    @property
    def name(self) -> str:
        return self.comparer.id.name

    def score(self, query: Item, items: Sequence[Item]) -> FloatArray:
        """(N,) log-odds; nan for an item of which no features are kept. Raises `ValueError` for a query without a photo."""
        if query.image is None:
            raise ValueError("only a photo can be compared with photos: the query has none")
        known, features = self.features.find(self.catalogue.snapshot(), [item.id for item in items])
        found = np.full(len(items), np.nan, np.float32)
        if known.any():
            found[known] = self.comparer.compare(self.comparer.features([query.image])[0], features)
        return found


def _names_sum(ids: NDArray[Any], hashes: NDArray[Any], sums: NDArray[Any]) -> int:
    """CRC-32 of whose features a part holds, and of the checksums of those."""
    return zlib.crc32(sums.tobytes(), zlib.crc32(hashes.tobytes(), zlib.crc32(ids.tobytes())))


def _stamp(path: Path) -> tuple[int, int]:
    """Changes whenever the file is replaced."""
    found = path.stat()
    return found.st_mtime_ns, found.st_ino


def _read_index(folder: Path) -> dict[str, Any]:
    """exact.json, checked. Raises `CatalogueError` naming the file."""
    path = folder / INDEX
    try:
        values = require_unchanged(parse_json(path.read_text(encoding="utf-8")))
        made = values["maker"]
        fits = (
            values["format"] == FORMAT
            and isinstance(values["model"], str)
            and isinstance(made["name"], str)
            and isinstance(made["sha256"], str)
            and isinstance(made["dim"], int)
            and made["dim"] >= 1
            and all(isinstance(one, str) and _PART.fullmatch(one) for one in values["parts"])
        )
        if not fits:
            raise ValueError("a value is out of range, or of a later version")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, INDEX, str(error)) from error
    found: dict[str, Any] = values
    return found


def _damaged(folder: Path, file: str, why: str) -> CatalogueError:
    return CatalogueError(f"{folder / file} is damaged ({why}). Delete {folder} and make it again: {_made_by(folder)}")


def _made_by(folder: Path) -> str:
    """What makes the features in a folder."""
    return f"`modiste index TABLE --into {folder.parent} --exact MODEL`"


_TYPES = {"F16": np.float16, "U8": np.uint8, "U32": np.uint32}


def _mapped(path: Path, start: int, described: Mapping[str, Any]) -> NDArray[Any]:
    """One array of a safetensors file, in the file. Raises `ValueError` where it does not fit."""
    kind, shape = _TYPES[described["dtype"]], tuple(int(one) for one in described["shape"])
    first, end = (int(one) for one in described["data_offsets"])
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
    if min(shape, default=0) < 0 or end - first != size or not 0 <= first <= end <= path.stat().st_size - start:
        raise ValueError("an array does not fit the file")
    if size == 0:
        return np.zeros(shape, kind)
    return np.memmap(path, kind, mode="r", offset=start + first, shape=shape)
