"""A catalogue: items, pictures and vectors in one embedded store that survives crashes, and the search over it.

    catalogue = Catalogue.create("shop", encoder.id)
    report = catalogue.ingest(items, encoder, prune=True)
    result = catalogue.search(encoder.encode_query("red summer dress"), k=10, filters=["price<50", "gender=Women"])

One process writes at a time, any number read, and a reader sees a batch whole or not at all.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from modiste.engine.beside import Stopped, begin
from modiste.engine.errors import CatalogueError
from modiste.engine.filters import filter_mask
from modiste.engine.index import EXACT_LIMIT
from modiste.engine.ingest import (
    COMMIT_ROWS,
    COMMIT_SECONDS,
    IngestJob,
    IngestProgress,
    IngestReport,
    OnError,
    known_items,
)
from modiste.engine.manifest import FILE_NAME, Manifest, RemoteVectors
from modiste.engine.partition import FILE_NAME as LISTS_NAME
from modiste.engine.place import Place, place_of
from modiste.engine.rows import PAYLOAD, STORE_IMAGES, StoreImages, hashed, row_sum, vector_sums, vectors_in
from modiste.engine.seal import SealedFile
from modiste.engine.snapshot import Snapshot
from modiste.engine.table import ItemTable
from modiste.types import Embeddings, EncoderId, EncoderMismatch, FloatArray, Item, ItemEncoder

if TYPE_CHECKING:
    from modiste.engine.milvus import MilvusCollection
    from modiste.engine.milvus_feed import MilvusFeed

EMBEDDED = "embedded"  # the index of this process, as `move_vectors` takes it
KEEP_VERSIONS = timedelta(minutes=10)

_COMPACT_FRAGMENTS = 16  # files of rows above which merging them is worth rewriting them
_OVERFETCH_EXCLUDED = (
    1_000  # excluded ids up to which asking for more rows beats a mask (which rules out the fast index)
)


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that was found and its cosine similarity to the query."""

    item: Item
    score: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits, best first (of equal scores the smaller id first), out of how many that passed filters and exclusions."""

    hits: tuple[Hit, ...]
    total_candidates: int
    seconds: float

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(hit.item.id for hit in self.hits)


class Catalogue:
    """An opened collection; safe to share between threads. Make one with `create`, `open` or `open_or_create`."""

    def __init__(self, place: Place, manifest: Manifest, table: ItemTable, *, exact_limit: int = EXACT_LIMIT) -> None:
        self.place = place
        self.encoder_id = manifest.encoder
        self.store_images: StoreImages = manifest.store_images
        self.model = manifest.model
        self._manifest = manifest
        self._table = table
        self._exact_limit = exact_limit
        self._snapshot: Snapshot | None = None
        self._rebased: Snapshot | None = None  # a version with an index of all its rows, for the next one to begin from
        self._rebasing: threading.Thread | None = None
        self._collection: MilvusCollection | None = None
        self._loading = threading.Lock()

    @property
    def name(self) -> str:
        """Where it is, as people write it: `shop`, `s3://bucket/shop`."""
        return self.place.name

    @property
    def folder(self) -> Path:
        """The folder of this machine for what is kept beside the items; where these are, too, unless they are elsewhere."""
        return self.place.folder

    @property
    def vectors_at(self) -> str:
        """The address of the Milvus collection that finds the vectors, or `embedded`."""
        return EMBEDDED if self._manifest.vectors is None else self._manifest.vectors.address

    # -- opening ------------------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls, folder: str | Path, encoder_id: EncoderId, *, store_images: StoreImages = "thumbnail", model: str = ""
    ) -> Self:
        """A new, empty catalogue for the vectors of one encoder; `model` says where that was loaded from.

        `folder`: or `s3://bucket/name`, see object_storage.py.
        `store_images`: "thumbnail" keeps a picture for display, of at most 512 pixels where the file is larger than a web
        page would want (1024 pixels or 256 kB, or with private metadata), "original" the file as it came,
        "none" nothing. Raises `CatalogueError` when the folder already holds one.
        """
        if store_images not in STORE_IMAGES:
            raise ValueError(f"store_images must be one of {', '.join(STORE_IMAGES)}, not {store_images!r}")
        place = place_of(folder)
        place.make()
        with place.writing():
            if place.read(FILE_NAME) is not None:
                raise CatalogueError(f"{place.name} already holds a catalogue; open it, or choose another folder")
            table = ItemTable(place)
            table.create(encoder_id.dim)
            manifest = Manifest(encoder_id, store_images, model)
            manifest.write(place)  # last: a creation cut short before this line is simply begun again
        return cls(place, manifest, table)

    @classmethod
    def open(cls, folder: str | Path, encoder_id: EncoderId | None = None, *, exact_limit: int = EXACT_LIMIT) -> Self:
        """An existing catalogue; with `encoder_id` only if that encoder made its vectors.

        Raises `CatalogueError` naming the file that is missing or damaged and how to rebuild, `EncoderMismatch`.
        """
        place = place_of(folder)
        if not place.exists():
            raise CatalogueError(
                f"no catalogue at {place.name}; make one with `modiste index TABLE --into {place.name}`"
            )
        manifest = Manifest.read(place)
        table = ItemTable(place)
        table.open(manifest.encoder.dim)
        catalogue = cls(place, manifest, table, exact_limit=exact_limit)
        if encoder_id is not None:
            catalogue.require(encoder_id)
        return catalogue

    @classmethod
    def open_or_create(
        cls, folder: str | Path, encoder_id: EncoderId, *, store_images: StoreImages = "thumbnail", model: str = ""
    ) -> Self:
        """The catalogue in `folder`, made if there is none (`store_images` and `model` then apply)."""
        if cls.is_at(folder):
            return cls.open(folder, encoder_id)
        return cls.create(folder, encoder_id, store_images=store_images, model=model)

    @staticmethod
    def is_at(folder: str | Path) -> bool:
        """Whether there is a catalogue in `folder`."""
        place = place_of(folder)
        return place.exists() and place.read(FILE_NAME) is not None

    def require(self, encoder_id: EncoderId) -> None:
        """Raise `EncoderMismatch` unless this catalogue's vectors come from that encoder."""
        try:
            self.encoder_id.require(encoder_id)
        except EncoderMismatch as error:
            raise EncoderMismatch(
                f"{self.name} was indexed with {self.encoder_id}, not with {encoder_id}. Load that encoder, or index "
                f"again into a new folder: `modiste index TABLE --into NEW_FOLDER`"
            ) from error

    # -- writing ------------------------------------------------------------------------------------------------------

    def ingest(
        self,
        items: Iterable[Item],
        encoder: ItemEncoder,
        *,
        batch_size: int = 256,
        on_error: OnError | None = None,
        progress: Callable[[IngestProgress], None] | None = None,
        prune: bool = False,
        commit_rows: int = COMMIT_ROWS,
        commit_seconds: float = COMMIT_SECONDS,
        keep_versions: timedelta = KEEP_VERSIONS,
    ) -> IngestReport:
        """Bring the catalogue up to date with a feed; run again after a crash, it goes on where it stopped.

        Unchanged items are skipped, items of which only metadata changed are rewritten without the encoder. The encoder
        may look at title, description and picture only. Up to `commit_rows` rows, or those of `commit_seconds`, become
        visible and durable in one step.

        Parameters
        ----------
        on_error
            Called with an item that was refused and why: unreadable picture, nothing to encode, an id for the second
            time. The job goes on, and a row that the item has from an earlier feed stays.
        progress
            Called after each batch and at the end; `IngestProgress.committed` names what has become durable. Callbacks
            run in the calling thread; an exception in one ends the job, what was encoded is committed.
        prune
            Delete the items that this feed did not contain, after all of it was read.

        Raises
        ------
        EncoderMismatch, CatalogueLocked (another process writes), CatalogueError (damage), and whatever the feed raises;
        `ValueError` for `prune` with an empty feed.
        """
        self.require(encoder.id)
        with self.writing():
            whole = prune or not isinstance(items, Sequence) or len(items) > COMMIT_ROWS
            feed = self._feed(whole)
            job = IngestJob(
                self._table,
                encoder,
                self.store_images,
                batch_size=batch_size,
                on_error=on_error,
                progress=progress,
                commit_rows=commit_rows,
                commit_seconds=commit_seconds,
                before_commit=None if feed is None else feed.write,
            )
            report = job.run(items, prune=prune)
            if self._table.num_fragments() > _COMPACT_FRAGMENTS:
                self._table.optimize(keep_versions)
        return report

    def upsert(self, items: Sequence[Item], encoder: ItemEncoder) -> IngestReport:
        """Insert or replace a few items; raises `ValueError` naming those refused, after the others were stored."""
        refused: list[str] = []
        report = self.ingest(
            items, encoder, on_error=lambda item, reason: refused.append(f"item {item.id!r}: {reason}")
        )
        if refused:
            raise ValueError("; ".join(refused))
        return report

    def delete(self, ids: Iterable[str]) -> int:
        """Remove items by id; returns how many there were. Unknown ids are passed over."""
        with self.writing():
            return self._table.delete(sorted(set(ids)))

    def move_vectors(self, address: str) -> None:
        """Let a collection on Milvus find the vectors from now on, filled before it is used; `embedded`: this process again.

        What was a collection before is left as it is. Run again after a crash, it goes on where it stopped.
        Raises `ValueError` for an address that is none, `CatalogueError` when the cluster is away or the collection taken.
        """
        if address != EMBEDDED:
            from modiste.engine.milvus import Address

            address = Address.parse(address).text
        with self.writing():
            if address == self.vectors_at and (self._manifest.vectors is None or self._manifest.vectors.ready):
                return
            if address == EMBEDDED:
                self._write_manifest(replace(self._manifest, vectors=None))
            elif self.vectors_at != address:
                from modiste.engine.milvus_feed import new_owner

                self._write_manifest(replace(self._manifest, vectors=RemoteVectors(address, new_owner())))
            self._feed(whole=True)

    def _feed(self, whole: bool) -> MilvusFeed | None:
        """What writes to the collection, which then has all that is committed; None without one. The lock is held."""
        remote = self._manifest.vectors
        if remote is None:
            return None
        from modiste.engine.milvus import Address, MilvusCollection
        from modiste.engine.milvus_feed import MilvusFeed

        feed = MilvusFeed(MilvusCollection(Address.parse(remote.address), remote.owner, self.encoder_id))
        feed.catch_up(self._table.pinned(), whole=whole or not remote.ready, age=self._table.age())
        if not remote.ready:
            self._write_manifest(replace(self._manifest, vectors=replace(remote, ready=True)))
        return feed

    def _write_manifest(self, manifest: Manifest) -> None:
        manifest.write(self.place)
        self._manifest = manifest
        self._forget()

    def _forget(self) -> None:
        """Read the next version as a whole: its vectors are found by another index from now on."""
        with self._loading:
            self._snapshot = self._rebased = self._collection = None

    def compact(self, *, keep_versions: timedelta = KEEP_VERSIONS) -> None:
        """Merge small files and drop old versions. Readers that still use a dropped version reload by themselves."""
        with self.writing():
            self._table.optimize(keep_versions)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lock. Raises `CatalogueLocked` when another has it, also when it was lost meanwhile."""
        with self.place.writing() as check, self._table.guarded(check):
            found = Manifest.read(self.place)  # another process may have moved the vectors
            if found != self._manifest:
                self._manifest = found
                self._forget()
            yield

    def seal(self) -> None:
        """Seal the latest version, where a writer was killed before it could. The caller holds the lock (`writing`)."""
        if self._table.seal()[0] != self._table.version:
            self._table.sealed()

    def sealed(self) -> tuple[int, Mapping[str, SealedFile]]:
        """The version that was sealed last, and its files under items.lance; (0, {}) before the first."""
        return self._table.seal()

    # -- reading ------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.snapshot())

    def snapshot(self) -> Snapshot:
        """The latest version in memory, loaded once per version and shared."""
        with self._loading:
            self._snapshot = self._load(self._snapshot)
            return self._snapshot

    def _load(self, known: Snapshot | None) -> Snapshot:
        """The latest version: `known` if it is that one."""
        for attempt in (1, 2, 3):
            version = self._table.checked_version()
            if known is not None and known.version == version:
                return known
            try:
                return self._taken_up(known, version)
            except CatalogueError:
                # A writer may have dropped the version between the two lines; damage stays when tried again.
                if attempt == 3:
                    raise
        raise AssertionError("unreachable")

    def _taken_up(self, known: Snapshot | None, version: int) -> Snapshot:
        """A version read, of which only what is new where another is known.

        When much has changed since the vector index was made, it is made anew: at once where that is quick, else in a thread
        of its own, after which the next version is taken up from there.
        """
        pinned = self._table.pinned(version)
        if (manifest := Manifest.read(self.place)) != self._manifest:  # another process may have moved the vectors
            self._manifest, self._collection, self._rebased, known = manifest, None, None, None
        ground = known if self._rebased is None else self._rebased
        found = ground.succeeded(pinned, version) if ground is not None else None
        if found is None:
            self._rebased = None
            if (collection := self._collected()) is not None:
                from modiste.engine.remote_snapshot import RemoteSnapshot

                return RemoteSnapshot.read(pinned, version, self.encoder_id.dim, collection)
            return Snapshot.load(
                pinned,
                version,
                self.encoder_id.dim,
                exact_limit=self._exact_limit,
                lists=self.folder / LISTS_NAME,
            )
        if ground is self._rebased:
            self._rebased = None
        if found.outgrown and len(found) <= self._exact_limit:
            return found.rebased()
        if found.outgrown and (self._rebasing is None or not self._rebasing.is_alive()) and self._rebased is None:
            self._rebasing = begin("modiste-rebase", lambda stopped: self._rebase(found, stopped))
        return found

    def _rebase(self, snapshot: Snapshot, stopped: Stopped) -> None:
        self._rebased = snapshot.rebased(lists=self.folder / LISTS_NAME, stopped=stopped)

    def _collected(self) -> MilvusCollection | None:
        """The collection that finds the vectors, once it holds them all; None: the embedded index does."""
        remote = self._manifest.vectors
        if self._collection is None and remote is not None and remote.ready:
            from modiste.engine.milvus import Address, MilvusCollection

            self._collection = MilvusCollection(Address.parse(remote.address), remote.owner, self.encoder_id)
        return self._collection

    def get(self, item_id: str, *, image: bool = False) -> Item:
        """One item, with its stored picture if asked. Raises `UnknownItem` with near ids."""
        snapshot = self.snapshot()
        row = snapshot.row(item_id)
        return snapshot.item(row, self._image(snapshot, row) if image else None)

    def hit(self, snapshot: Snapshot, row: int, score: float, *, images: bool = False) -> Hit:
        """What a search of a version found in a row, with that version's picture if asked."""
        return Hit(snapshot.item(row, self._image(snapshot, row) if images else None), score)

    def image(self, item_id: str) -> bytes | None:
        """The stored picture of an item, encoded; None when it has none. Raises `UnknownItem`, `CatalogueError`."""
        snapshot = self.snapshot()
        return self._image(snapshot, snapshot.row(item_id))

    def _image(self, snapshot: Snapshot, row: int) -> bytes | None:
        try:
            stored = snapshot.pinned.take([int(snapshot.row_ids[row])], (*PAYLOAD, "row_sum")).to_pylist()
        except CatalogueError:
            latest = self.snapshot()  # the pinned version may have been cleaned up under a newer one
            if latest.version == snapshot.version:
                raise
            return self._image(latest, latest.row(snapshot.id(row)))
        if len(stored) != 1 or stored[0]["id"] != snapshot.id(row) or row_sum(stored[0]) != stored[0]["row_sum"]:
            raise self._table.damaged(f"item {snapshot.id(row)!r} fails its checksum")
        image: bytes | None = stored[0]["image"]
        return image

    def vectors_of(self, items: Sequence[Item], encoder: ItemEncoder) -> FloatArray:
        """(N, D) of any items: those stored with the same words and photo are not encoded again.

        Raises `EncoderMismatch` for an encoder other than the catalogue's, and what that raises for the others.
        """
        self.require(encoder.id)
        snapshot = self.snapshot()
        known = known_items(snapshot.pinned)
        found = np.empty((len(items), self.encoder_id.dim), dtype=np.float32)
        others = []
        for at, item in enumerate(items):
            kept = known.get(item.id)
            if kept is not None and kept.vector_hash == hashed(item).vector_hash:
                found[at] = snapshot.vectors[snapshot.row(item.id)]
            else:
                others.append(at)
        if others:
            found[others] = encoder.encode([items[at] for at in others]).vectors
        return found

    def verify(self) -> int:
        """Read everything and compare it with its checksums; returns the number of rows. Raises `CatalogueError`."""
        self._table.verify_files()  # first: what it names need not be parsed any more
        count, seen = 0, set()
        for batch in self._table.pinned().scan((*PAYLOAD, "row_sum", "vector_sum", "vector")):
            vectors = vectors_in(batch, self.encoder_id.dim)
            sums = vector_sums(vectors)
            for number, values in enumerate(batch.select([*PAYLOAD, "row_sum", "vector_sum"]).to_pylist()):
                if row_sum(values) != values["row_sum"] or int(sums[number]) != values["vector_sum"]:
                    raise self._table.damaged(f"item {values['id']!r} fails its checksum")
                if values["id"] in seen:
                    raise self._table.damaged(f"item {values['id']!r} is stored twice")
                seen.add(values["id"])
                count += 1
        return count

    def search(
        self,
        query: Embeddings,
        k: int = 10,
        filters: Sequence[str] = (),
        *,
        exclude: Collection[str] = (),
        collapse: Literal["group"] | None = None,
        images: bool = False,
    ) -> SearchResult:
        """The k items nearest to one query (1, D) among those that pass every filter (filters.py has the language).

        `exclude` leaves out ids; `collapse="group"` keeps only the best item of each product; `images` adds pictures.
        Raises `EncoderMismatch` for a query of another encoder, `FilterError` for a filter that does not fit.
        """
        if len(query) != 1:
            raise ValueError(f"search takes one query, not {len(query)}; use search_many")
        return self.search_many(query, k, filters, exclude=exclude, collapse=collapse, images=images)[0]

    def search_many(
        self,
        queries: Embeddings,
        k: int = 10,
        filters: Sequence[str] = (),
        *,
        exclude: Collection[str] = (),
        collapse: Literal["group"] | None = None,
        images: bool = False,
    ) -> list[SearchResult]:
        """`search` for each of (Q, D) queries, on one version of the catalogue; `seconds` is that of the whole call."""
        self.require(queries.encoder)
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        if collapse not in (None, "group"):
            raise ValueError(f"collapse must be 'group' or None, not {collapse!r}")
        start = time.perf_counter()
        snapshot = self.snapshot()
        mask: NDArray[np.bool_] | None = None
        if filters:
            mask = filter_mask(filters, snapshot.columns, len(snapshot))
        excluded = snapshot.rows(sorted(set(exclude)))
        if mask is not None or len(excluded) > _OVERFETCH_EXCLUDED:
            mask = np.ones(len(snapshot), dtype=bool) if mask is None else mask
            mask[excluded] = False
            total, dropped = int(np.count_nonzero(mask)), frozenset[int]()
        else:
            total, dropped = len(snapshot) - len(excluded), frozenset(excluded.tolist())
        if collapse is None:
            found = _search(snapshot, queries.vectors, k, mask, dropped, total)
        else:
            found = [
                _search_products(snapshot, queries.vectors[at : at + 1], k, mask, dropped, total)
                for at in range(len(queries))
            ]
        hits = [tuple(self.hit(snapshot, row, score, images=images) for row, score in ranking) for ranking in found]
        seconds = time.perf_counter() - start
        return [SearchResult(one, total, seconds) for one in hits]


_Ranking = list[tuple[int, float]]


def _search(
    snapshot: Snapshot, queries: np.ndarray, k: int, mask: NDArray[np.bool_] | None, dropped: frozenset[int], total: int
) -> list[_Ranking]:
    """(row, score) of the k best of each query, the dropped rows left out."""
    if total == 0:
        return [[] for _ in queries]
    rows, scores = snapshot.index.search(queries, min(k, total) + len(dropped), mask)
    return [
        [(row, score) for row, score in zip(row_list, score_list, strict=True) if row >= 0 and row not in dropped][:k]
        for row_list, score_list in zip(rows.tolist(), scores.tolist(), strict=True)
    ]


def _search_products(
    snapshot: Snapshot, query: np.ndarray, k: int, mask: NDArray[np.bool_] | None, dropped: frozenset[int], total: int
) -> _Ranking:
    """The best row of each of the k best products: as many rows are asked for as that takes."""
    wanted = 4 * k
    while True:
        ranking = _search(snapshot, query, wanted, mask, dropped, total)[0]
        best: dict[str, tuple[int, float]] = {}
        for row, score in ranking:
            best.setdefault(snapshot.product(row), (row, score))
        if len(best) >= k or wanted >= total:
            return list(best.values())[:k]
        wanted *= 4
