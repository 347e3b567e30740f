"""What a worker holds: the catalogue, its encoder, scorer and rules, loaded once, and the threads that work with them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np

from modiste.engine.attached import Attached, attached_tastes, stamp
from modiste.engine.catalogue import SearchResult
from modiste.engine.clicks import ClickBook
from modiste.engine.errors import CatalogueError
from modiste.engine.recommend import Recommender
from modiste.engine.snapshot import Snapshot
from modiste.engine.stored_looks import StoredLooks, read_stored_looks
from modiste.engine.vocabulary import knowledge_of
from modiste.models.inference import ImageTextEncoder
from modiste.models.mvlt_inference import Recogniser, Reranker
from modiste.models.outfit_scorers import NamedScorer
from modiste.models.pretrained import PretrainedError, load_recogniser, reranker_of
from modiste.service import limits, metrics
from modiste.service.batching import Busy
from modiste.service.finder import BatchedEncoder, BatchedSearch, Search
from modiste.service.following import FollowedCatalogue, Follower
from modiste.service.keys import KeyRing
from modiste.service.photos import read_photo
from modiste.service.pictures import Pictures
from modiste.service.problems import busy
from modiste.service.settings import Settings
from modiste.service.values import filter_values, item_values
from modiste.service.workbench import Workbench, load_encoder, open_workbench
from modiste.types import ImageLike, Item

AnswerT = TypeVar("AnswerT")
log = logging.getLogger("modiste.service")
_KINDS = {"rules": "rules", "statistic": "counted", "trained": "trained"}


class Gate:
    """Work of one kind in its own threads: so many at once, so many more may wait, the rest is told to come back."""

    def __init__(self, name: str, *, at_once: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix=name)
        self._room = threading.BoundedSemaphore(at_once + waiting)

    async def run(self, work: Callable[[], AnswerT]) -> AnswerT:
        """The work's answer. Raises a 429 `Problem` when too many are waiting."""
        if not self._room.acquire(blocking=False):
            raise busy()
        try:
            future = self._pool.submit(work)
        except BaseException:
            self._room.release()
            raise
        # Work goes on when whoever asked has gone, so its place is free when the work ends, not when the wait does.
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _done(self, _: Future[Any]) -> None:
        self._room.release()


class Shop:
    """Everything that routes use. Raises `ValueError` for whatever does not fit together."""

    def __init__(self, settings: Settings, keys: KeyRing | None = None) -> None:
        self.settings = settings
        self._keys = keys
        self.store = FollowedCatalogue.open(settings.catalogue)
        self.bench: Workbench = open_workbench(settings.setup, store=self.store)
        encoder = self.bench.encoder or load_encoder(self.store, settings.setup)
        sizes = (limits.ENCODE_BATCH, limits.SEARCH_BATCH) if settings.batching else (1, 1)
        self.encoder = BatchedEncoder(encoder, size=sizes[0], observe=metrics.BATCHES.labels("encode").observe)
        self._searches = BatchedSearch(self.store, size=sizes[1], observe=metrics.BATCHES.labels("search").observe)
        self.engine = self.bench.engine
        self.engine.encoder = self.encoder
        self.judge: Reranker | None = reranker_of(encoder)
        self.recogniser = _recogniser(self.bench, encoder)
        self.pictures = Pictures(self.store)
        self._all_looks = read_stored_looks(settings.looks_file)
        self.clicks = ClickBook(self.store.folder)
        self._tastes_stamp = stamp(self.store.folder)
        self._attached: Attached | None = attached_tastes(self.store.folder)
        self._attaching = threading.Lock()
        self.outfits = Gate("outfits", at_once=limits.OUTFITS_AT_ONCE, waiting=limits.MAX_WAITING_OUTFITS)
        self.photos = Gate("photos", at_once=limits.PHOTOS_AT_ONCE, waiting=limits.MAX_WAITING_PHOTOS)
        self.lookups = Gate("lookups", at_once=2, waiting=limits.MAX_WAITING_QUERIES)
        self.follower = Follower(self.store, self._take)
        self._take(self.store.snapshot())
        self.follower.start()

    def _take(self, snapshot: Snapshot) -> None:
        """Make all that answers need of a version, then put it in place."""
        world = self.engine.prepared(snapshot)
        looks = StoredLooks(self._all_looks, snapshot)
        recommender = Recommender(snapshot, looks, self._attached, self.clicks)
        fields = filter_values(snapshot)
        without_photo = snapshot.without_photo()
        knowledge_of(snapshot)  # what the first question of a plan would wait for
        self.engine.adopt(world, snapshot, lambda: self.store.publish(snapshot))
        self.looks, self.fields, self._without_photo = looks, fields, without_photo
        self._recommender = recommender
        metrics.LOADS.inc()
        metrics.ITEMS.set(len(snapshot))
        metrics.VERSION.set(snapshot.version)

    @property
    def scorer(self) -> NamedScorer:
        return self.bench.scorer

    @property
    def scorer_values(self) -> dict[str, str]:
        return {"name": self.scorer.name, "kind": _KINDS[self.scorer.kind], "label": self.bench.label}

    def recommender(self) -> Recommender:
        """Over the version that is served and the tastes that are attached by now; damaged ones leave the old in place."""
        with self._attaching:
            now = stamp(self.store.folder)
            if now != self._tastes_stamp:
                self._tastes_stamp = now
                try:
                    self._attached = attached_tastes(self.store.folder)
                except CatalogueError:
                    log.exception("the tastes that were attached cannot be used")
            one = self._recommender
            if one.attached is not self._attached:
                one = self._recommender = Recommender(one.snapshot, one.looks, self._attached, self.clicks)
            return one

    @property
    def tastes_name(self) -> str | None:
        """The trained tastes by which this shop recommends; None without any."""
        return None if self._attached is None else self._attached.tastes.name or self._attached.sha256[:16]

    @property
    def model_values(self) -> dict[str, str]:
        return {"name": self.store.encoder_id.name, "sha256": self.store.encoder_id.sha256}

    def item(self, item: Item, *, own: bool = False) -> dict[str, Any]:
        """An item as answers give it, with the address of its photo."""
        return item_values(
            item, None if own or item.id in self._without_photo else self._photo_address(item.id), own=own
        )

    def _photo_address(self, item_id: str) -> str:
        address = f"/v1/items/{quote(item_id, safe='')}/image"
        signature = self._keys.sign(item_id) if self._keys is not None else ""
        return f"{address}?t={signature}" if signature else address

    async def vector(self, text: str, photo: ImageLike | None = None) -> np.ndarray:
        """The query vector (D,) of words, a photo, or both."""
        try:
            return await asyncio.wrap_future(self.encoder.submit(text, photo))
        except Busy:
            raise busy() from None

    async def find(self, search: Search) -> SearchResult:
        try:
            return await asyncio.wrap_future(self._searches.submit(search))
        except Busy:
            raise busy() from None

    async def pixels(self, data: bytes) -> np.ndarray:
        """A stranger's photo, checked and decoded."""
        return await self.photos.run(lambda: read_photo(data))

    def close(self) -> None:
        """End the threads; what they are working on is finished first."""
        self.follower.stop()
        for one in (self.outfits, self.photos, self.lookups):
            one.close()
        self.encoder.close()
        self.clicks.close()
        self._searches.close()


def _recogniser(bench: Workbench, encoder: ImageTextEncoder) -> Recogniser | None:
    """What tells kinds and labels: the catalogue's own model if it can, else the shipped one."""
    for name in (bench.setup.model or bench.store.model or encoder.id.name, None):
        try:
            return load_recogniser(name)
        except PretrainedError:
            continue
    return None
