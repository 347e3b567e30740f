"""Search as the service does it: queries of concurrent requests encoded together and searched together.

Two batchers in a row, so that while one batch of queries is compared with the vectors the next is read by the model. An
embedding of words is kept for the next who asks the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from modiste.engine.catalogue import Catalogue, SearchResult
from modiste.models.inference import ImageTextEncoder
from modiste.service import limits
from modiste.service.batching import Batcher
from modiste.types import Embeddings, EncoderId, FloatArray, ImageLike, Item, Reading


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What one request looks for: a query vector (D,) among the items that pass the filters."""

    vector: FloatArray
    k: int
    filters: tuple[str, ...] = ()
    per_product: bool = False
    exclude: tuple[str, ...] = ()
    images: bool = False

    @property
    def group(self) -> Hashable:
        """Searches with the same may run in one call."""
        return self.filters, self.per_product, self.exclude, self.images


class BatchedEncoder:
    """The catalogue's encoder for many threads at once (`modiste.types.ItemEncoder`): queries are encoded in batches."""

    def __init__(
        self,
        encoder: ImageTextEncoder,
        *,
        size: int = limits.ENCODE_BATCH,
        observe: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.encoder = encoder
        self._kept: OrderedDict[str, FloatArray] = OrderedDict()
        self._lock = threading.Lock()
        self._batcher: Batcher[tuple[str, ImageLike | None], FloatArray] = Batcher(
            self._encode, size=size, waiting=limits.MAX_WAITING_QUERIES, name="encode", observe=observe
        )

    @property
    def id(self) -> EncoderId:
        return self.encoder.id

    @property
    def languages(self) -> tuple[str, ...]:
        return self.encoder.languages

    def reading(self, text: str) -> Reading:
        return self.encoder.reading(text)

    def submit(self, text: str, image: ImageLike | None = None) -> Future[FloatArray]:
        """The query vector (D,) to come. Raises `Busy`."""
        if image is None and (known := self._known(text)) is not None:
            done: Future[FloatArray] = Future()
            done.set_result(known)
            return done
        return self._batcher.submit((text, image))

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        return Embeddings(self.submit(text, image).result()[None], self.id)

    def encode(self, items: Sequence[Item]) -> Embeddings:
        return self.encoder.encode(items)

    def close(self) -> None:
        self._batcher.close()

    def _encode(self, queries: Sequence[tuple[str, ImageLike | None]]) -> list[FloatArray | Exception]:
        vectors = self.encoder.encode_queries(queries).vectors
        for (text, image), vector in zip(queries, vectors, strict=True):
            if image is None:
                self._keep(text, vector)
        return list(vectors)

    def _known(self, text: str) -> FloatArray | None:
        with self._lock:
            found = self._kept.get(text)
            if found is not None:
                self._kept.move_to_end(text)
            return found

    def _keep(self, text: str, vector: FloatArray) -> None:
        with self._lock:
            self._kept[text] = vector
            while len(self._kept) > limits.CACHED_TEXTS:
                self._kept.popitem(last=False)


class BatchedSearch:
    """`Catalogue.search_many` for concurrent requests."""

    def __init__(
        self, store: Catalogue, *, size: int = limits.SEARCH_BATCH, observe: Callable[[int], None] = lambda _: None
    ) -> None:
        self._store = store
        self._batcher: Batcher[Search, SearchResult] = Batcher(
            self._search, size=size, waiting=limits.MAX_WAITING_QUERIES, name="search", observe=observe
        )

    def submit(self, search: Search) -> Future[SearchResult]:
        """The hits to come. Raises `Busy`."""
        return self._batcher.submit(search)

    def close(self) -> None:
        self._batcher.close()

    def _search(self, searches: Sequence[Search]) -> list[SearchResult | Exception]:
        groups: dict[Hashable, list[int]] = {}
        for at, search in enumerate(searches):
            groups.setdefault(search.group, []).append(at)
        found: dict[int, SearchResult | Exception] = {}
        for places in groups.values():
            found |= zip(places, self._together([searches[at] for at in places]), strict=True)
        return [found[at] for at in range(len(searches))]

    def _together(self, searches: Sequence[Search]) -> list[Any]:
        first, most = searches[0], max(one.k for one in searches)
        queries = Embeddings(np.stack([one.vector for one in searches]), self._store.encoder_id)
        try:
            results = self._store.search_many(
                queries, most, first.filters, exclude=first.exclude,
                collapse="group" if first.per_product else None, images=first.images,
            )  # fmt: skip
        except Exception as error:  # a filter that does not fit is the fault of this group alone
            return [error] * len(searches)
        return [
            SearchResult(result.hits[: one.k], result.total_candidates, result.seconds)
            for one, result in zip(searches, results, strict=True)
        ]
