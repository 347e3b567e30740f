"""What a worker holds: the catalogue, its encoder, scorer and rules, loaded once, and the threads that work with them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from modiste.engine.catalogue import Catalogue, SearchResult
from modiste.models.mvlt_inference import Recogniser, Reranker
from modiste.models.outfit_scorers import NamedScorer
from modiste.models.pretrained import PretrainedError, load_recogniser, recogniser_of, reranker_of
from modiste.service import limits
from modiste.service.batching import Busy
from modiste.service.finder import BatchedEncoder, BatchedSearch, Search
from modiste.service.looks import StoredLooks, read_stored_looks
from modiste.service.photos import read_photo
from modiste.service.problems import busy
from modiste.service.settings import Settings
from modiste.service.workbench import Workbench, load_encoder, open_workbench
from modiste.types import ImageLike

AnswerT = TypeVar("AnswerT")
_KINDS = {"rules": "rules", "statistic": "counted", "trained": "trained"}


class Gate:
    """Work of one kind in its own threads: so many at once, so many more may wait, the rest is told to come back."""

    def __init__(self, name: str, *, at_once: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix=name)
        self._room = at_once + waiting
        self._inside = 0

    async def run(self, work: Callable[[], AnswerT]) -> AnswerT:
        """The work's answer. Raises a 429 `Problem` when too many are waiting."""
        if self._inside >= self._room:
            raise busy()
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._inside -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


class Shop:
    """Everything that routes use. Raises `ValueError` for whatever does not fit together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.store = Catalogue.open(settings.catalogue)
        self.bench: Workbench = open_workbench(settings.setup, store=self.store)
        encoder = self.bench.encoder or load_encoder(self.store, settings.setup)
        sizes = (limits.ENCODE_BATCH, limits.SEARCH_BATCH) if settings.batching else (1, 1)
        self.encoder = BatchedEncoder(encoder, size=sizes[0])
        self.search_batches = BatchedSearch(self.store, size=sizes[1])
        self.engine = self.bench.engine
        self.engine.encoder = self.encoder
        self.judge: Reranker | None = reranker_of(encoder)
        self.recogniser = _recogniser(self.bench, encoder)
        self._all_looks = read_stored_looks(settings.looks_file)
        self._looks: StoredLooks | None = None
        self._looks_lock = threading.Lock()
        self.outfits = Gate("outfits", at_once=limits.OUTFITS_AT_ONCE, waiting=limits.MAX_WAITING_OUTFITS)
        self.photos = Gate("photos", at_once=limits.PHOTOS_AT_ONCE, waiting=limits.MAX_WAITING_PHOTOS)
        self.lookups = Gate("lookups", at_once=2, waiting=limits.MAX_WAITING_QUERIES)

    def looks(self) -> StoredLooks:
        """The stored looks whose items the catalogue has, as of its latest version."""
        snapshot = self.store.snapshot()
        with self._looks_lock:
            if self._looks is None or self._looks.version != snapshot.version:
                self._looks = StoredLooks(self._all_looks, snapshot)
            return self._looks

    @property
    def num_looks(self) -> int:
        return len(self.looks())

    @property
    def scorer(self) -> NamedScorer:
        return self.bench.scorer

    @property
    def scorer_values(self) -> dict[str, str]:
        return {"name": self.scorer.name, "kind": _KINDS[self.scorer.kind], "label": self.bench.label}

    @property
    def model_values(self) -> dict[str, str]:
        return {"name": self.store.encoder_id.name, "sha256": self.store.encoder_id.sha256}

    async def vector(self, text: str, photo: ImageLike | None = None) -> np.ndarray:
        """The query vector (D,) of words, a photo, or both."""
        try:
            return await asyncio.wrap_future(self.encoder.submit(text, photo))
        except Busy:
            raise busy() from None

    async def find(self, search: Search) -> SearchResult:
        try:
            return await asyncio.wrap_future(self.search_batches.submit(search))
        except Busy:
            raise busy() from None

    async def pixels(self, data: bytes) -> np.ndarray:
        """A stranger's photo, checked and decoded."""
        return await self.photos.run(lambda: read_photo(data))

    async def many_pixels(self, photos: Sequence[bytes]) -> list[np.ndarray]:
        return [await self.pixels(one) for one in photos]

    def close(self) -> None:
        """End the threads; what they are working on is finished first."""
        for one in (self.outfits, self.photos, self.lookups):
            one.close()
        self.encoder.close()
        self.search_batches.close()


def _recogniser(bench: Workbench, encoder) -> Recogniser | None:  # type: ignore[no-untyped-def]
    """What tells kinds: the encoder's own label heads with the words' say, else the shipped model's."""
    for name in (bench.setup.model or bench.store.model or bench.store.encoder_id.name, None):
        try:
            return load_recogniser(name)
        except PretrainedError:
            continue
    return recogniser_of(encoder)
