"""The embedding job: a table's contents through the encoder, shared by any number of workers and machines.

A worker claims shards and reads the table once; what belongs to other shards it passes over, what is there already it does
not encode again. Vectors are written down every half minute, whole shards at the end of the reading. Then it looks for
shards that nobody has finished and nobody is working on: those of workers that have died, or never started.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from modiste.data.feed.report import FeedReport
from modiste.engine.embedded import FILE_NAME, Contents, EmbeddingError, EmbeddingFolder, EmbeddingManifest, shard_of
from modiste.engine.encoding import encode_or_refuse
from modiste.engine.leases import Leases
from modiste.engine.rows import hashed
from modiste.types import EncoderMismatch, FloatArray, Item, ItemEncoder

PART_ROWS = 4_096
PART_SECONDS = 30.0
_IDLE_ITEMS = 2_000  # of other shards or unchanged, after which progress is told all the same
_LOOK_SECONDS = 1.0  # between two looks at what others are doing

Read = Callable[[FeedReport], Iterable[tuple[int, Item]]]
"""Reads the table anew: (row number, item), what it refuses to the report."""


@dataclass(frozen=True, slots=True)
class EmbeddingProgress:
    """Where a worker stands. `read`: rows of the current reading."""

    read: int
    encoded: int
    unchanged: int
    waiting_for: int
    seconds: float


@dataclass(frozen=True, slots=True)
class EmbeddingReport:
    """What a worker did. `encoded`, `unchanged`, `duplicates`, `rejected` count contents and rows of its own shards.

    `finished`: all shards of all workers are complete; `waiting_for` else says how many are not.
    """

    encoded: int
    unchanged: int
    duplicates: int
    rejected: int
    shards: int
    taken_over: int
    waiting_for: int
    seconds: float
    all_rejected: int = 0  # rows in rejected.jsonl, once all is finished

    @property
    def finished(self) -> bool:
        return self.waiting_for == 0


def open_folder(folder: Path, wanted: EmbeddingManifest, leases: Leases) -> EmbeddingFolder:
    """The folder with what `wanted` says, made if there is none.

    Raises `EncoderMismatch` for another encoder; `EmbeddingError` for another number of shards or precision, or for another
    table while a worker is at one.
    """
    for _ in range(100):
        if (folder / FILE_NAME).exists():
            break
        if leases.claim("manifest"):
            if not (folder / FILE_NAME).exists():
                wanted.write(folder)
            leases.release("manifest")
        time.sleep(0.05)  # another one is about to write it
    found = EmbeddingManifest.read(folder)
    if (found.encoder.sha256, found.encoder.dim) != (wanted.encoder.sha256, wanted.encoder.dim):
        raise EncoderMismatch(
            f"{folder} holds vectors of {found.encoder}, not of {wanted.encoder}; choose another folder"
        )
    for name in ("num_shards", "precision"):
        if getattr(found, name) != getattr(wanted, name):
            raise EmbeddingError(
                f"{folder} was begun with {name} {getattr(found, name)}, not {getattr(wanted, name)}; leave the option out, or "
                "choose another folder"
            )
    opened = EmbeddingFolder(folder, found)
    if found.table != wanted.table:
        if busy := leases.others(opened.names):
            raise EmbeddingError(
                f"{folder} is being filled from another table or another state of it ({len(busy)} shards are claimed); all "
                "workers must read the same one"
            )
        opened = EmbeddingFolder(folder, replace(found, table=wanted.table))
        opened.manifest.write(folder)
    return opened


@dataclass(slots=True)
class _Shard:
    """What one reading of the table tells of a claimed shard. Vectors are not kept: they go to the disk, and come from it."""

    known: set[bytes]  # contents whose vectors there are
    owners: dict[bytes, list[tuple[int, str]]] = field(default_factory=dict)  # content -> rows and ids that have it
    reasons: dict[bytes, str] = field(default_factory=dict)  # contents that the encoder refuses
    bad_rows: list[dict[str, object]] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)  # encoded, and not yet written
    vectors: list[FloatArray] = field(default_factory=list)


@dataclass(slots=True)
class _Piece:
    items: list[tuple[int, bytes, Item]] = field(default_factory=list)  # (shard, content, item) to be encoded
    read: int = 0
    unchanged: int = 0
    duplicates: int = 0


class _Refused(FeedReport):
    """Gives each row that the reader refuses to the shard of its id, if that is claimed."""

    def __init__(self, shards: dict[int, _Shard], num_shards: int) -> None:
        super().__init__()
        self._shards, self._num_shards = shards, num_shards

    def reject(self, row: int, id: str, field: str, reason: str, *, line: int | None = None) -> None:
        super().reject(row, id, field, reason, line=line)
        digest = hashlib.blake2b(id.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if (shard := self._shards.get(shard_of(digest, self._num_shards))) is not None:
            at = {"row": row} if line is None else {"row": row, "line": line}
            shard.bad_rows.append({**at, "id": id, "field": field, "reason": reason})


class EmbeddingJob:
    """One worker's work on a folder. The caller has entered `leases`, which are in `folder`/claims."""

    def __init__(
        self,
        folder: EmbeddingFolder,
        encoder: ItemEncoder,
        leases: Leases,
        read: Read,
        *,
        batch_size: int = 256,
        prune: bool = False,
        progress: Callable[[EmbeddingProgress], None] | None = None,
        part_rows: int = PART_ROWS,
        part_seconds: float | None = None,
    ) -> None:
        if batch_size < 1 or part_rows < 1:
            raise ValueError(f"batch_size and part_rows must be at least 1, not {batch_size} and {part_rows}")
        folder.manifest.encoder.require(encoder.id)
        self._folder, self._encoder, self._leases, self._read = folder, encoder, leases, read
        self._batch_size, self._prune, self._progress = batch_size, prune, progress
        self._part_rows = part_rows
        self._part_seconds = PART_SECONDS if part_seconds is None else part_seconds
        self._num_shards = folder.manifest.num_shards
        self._state = str(folder.manifest.table["sha256"])
        self._began = time.monotonic()
        self._read_rows = self._encoded = self._unchanged = self._duplicates = self._rejected = 0

    def run(self, shards: Sequence[int], *, wait: bool = True, take_over: bool = True) -> EmbeddingReport:
        """Do `shards`; then, if `take_over`, those that nobody does; then, if `wait`, wait until all are finished.

        Own shards are read again even when they are finished: a picture may have changed under its name. An exception, Ctrl-C
        among them, ends the job with everything encoded so far written down.
        """
        own, taken = self._reading(shards, len(shards)), 0
        unfinished = list(range(self._num_shards))
        while unfinished := [shard for shard in unfinished if not self._folder.is_finished(shard, self._state)]:
            done = self._reading(unfinished, (len(unfinished) + 1) // 2) if take_over else 0
            taken += done
            if done:
                continue
            if not wait:
                break
            self._tell(waiting_for=len(unfinished))
            time.sleep(_LOOK_SECONDS)
        return EmbeddingReport(
            encoded=self._encoded,
            unchanged=self._unchanged,
            duplicates=self._duplicates,
            rejected=self._rejected,
            shards=own + taken,
            taken_over=taken,
            waiting_for=len(unfinished),
            seconds=time.monotonic() - self._began,
            all_rejected=0 if unfinished else self._folder.merge_rejected(),
        )

    def _reading(self, shards: Iterable[int], most: int) -> int:
        """Claim up to `most` of `shards` and read the table once for them; returns how many were finished."""
        claimed: dict[int, _Shard] = {}
        for number in shards:
            if len(claimed) < most and self._leases.claim(self._folder.names[number]):
                claimed[number] = _Shard(set(self._folder.found(number).hashes))
        if not claimed:
            return 0
        self._read_rows = 0
        pool = ThreadPoolExecutor(1, thread_name_prefix="modiste-reader")
        due = time.monotonic() + self._part_seconds
        try:
            pieces = self._pieces(claimed)
            ahead = pool.submit(next, pieces, None)
            while (piece := ahead.result()) is not None:
                ahead = pool.submit(next, pieces, None)  # read while this one is encoded
                self._handle(piece, claimed)
                late = time.monotonic() >= due
                for number, shard in claimed.items():
                    if late or len(shard.hashes) >= self._part_rows:
                        self._write(number, shard)
                if late:
                    due = time.monotonic() + self._part_seconds
            return sum([self._finish(number, shard) for number, shard in claimed.items()])
        finally:
            pool.shutdown(cancel_futures=True)
            for number, shard in claimed.items():
                self._write(number, shard)
                self._leases.release(self._folder.names[number])

    # -- reader thread ------------------------------------------------------------------------------------------------

    def _pieces(self, claimed: dict[int, _Shard]) -> Iterator[_Piece]:
        report = _Refused(claimed, self._num_shards)
        piece = _Piece()
        for row, item in self._read(report):
            piece.read += 1
            self._sort(row, item, claimed, piece, report)
            if len(piece.items) >= self._batch_size or piece.read >= _IDLE_ITEMS:
                yield piece
                piece = _Piece()
        yield piece

    def _sort(self, row: int, item: Item, claimed: dict[int, _Shard], piece: _Piece, report: FeedReport) -> None:
        try:
            content = hashed(item).vector_hash
        except ValueError as error:
            report.reject(row, item.id, "row", str(error))
            return
        number = shard_of(content, self._num_shards)
        if (shard := claimed.get(number)) is None:
            return
        if (owners := shard.owners.get(content)) is not None:
            owners.append((row, item.id))
            piece.duplicates += 1
            return
        shard.owners[content] = [(row, item.id)]
        if content in shard.known:
            piece.unchanged += 1
        else:
            piece.items.append((number, content, item))

    # -- calling thread -----------------------------------------------------------------------------------------------

    def _handle(self, piece: _Piece, claimed: dict[int, _Shard]) -> None:
        self._read_rows += piece.read
        self._unchanged += piece.unchanged
        self._duplicates += piece.duplicates

        def refuse(at: int, reason: str) -> None:
            number, content, _ = piece.items[at]
            claimed[number].reasons[content] = reason

        if piece.items:
            taken, vectors = encode_or_refuse(self._encoder, [item for _, _, item in piece.items], refuse)
            self._encoded += len(taken)
            for at, vector in zip(taken, vectors, strict=True):
                number, content, _ = piece.items[at]
                claimed[number].hashes.append(content)
                claimed[number].vectors.append(vector)
        self._tell()

    def _write(self, number: int, shard: _Shard) -> None:
        if shard.hashes:
            self._folder.write_part(number, shard.hashes, np.stack(shard.vectors))
            shard.hashes, shard.vectors = [], []

    def _finish(self, number: int, shard: _Shard) -> bool:
        """Publish the shard, unless the claim to it was lost or a file has gone meanwhile: then it stays unfinished."""
        found = self._folder.found(number)
        there = set(found.hashes)
        if new := [at for at, content in enumerate(shard.hashes) if content not in there]:
            vectors = np.stack([shard.vectors[at] for at in new]).astype(found.vectors.dtype)
            hashes = found.hashes + [shard.hashes[at] for at in new]
            found = Contents(hashes, found.ids + [[] for _ in new], np.concatenate([found.vectors, vectors]))
        wanted = shard.owners.keys() - shard.reasons.keys()
        if wanted - set(found.hashes) or not self._leases.holds(self._folder.names[number]):
            return False
        kept = [at for at, content in enumerate(found.hashes) if not self._prune or content in wanted]
        hashes = [found.hashes[at] for at in kept]
        ids = [sorted(id for _, id in shard.owners.get(content, ())) for content in hashes]
        bad_rows = shard.bad_rows + [
            {"row": row, "id": id, "field": "image", "reason": reason}
            for content, reason in shard.reasons.items()
            for row, id in shard.owners[content]
        ]
        self._rejected += len(bad_rows)
        bad_rows.sort(key=lambda entry: int(str(entry["row"])))
        self._folder.finish(number, Contents(hashes, ids, found.vectors[kept]), bad_rows, self._state)
        shard.hashes, shard.vectors = [], []
        self._leases.release(self._folder.names[number])
        return True

    def _tell(self, *, waiting_for: int = 0) -> None:
        if self._progress is not None:
            seconds = time.monotonic() - self._began
            self._progress(EmbeddingProgress(self._read_rows, self._encoded, self._unchanged, waiting_for, seconds))
