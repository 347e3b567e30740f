"""A trained GRNet in use: photos in, NumPy out. Its embedding as an encoder, its graph as a judge of pairs, and what matched.

What describes a photo, its windows and its embedding, is one row of fp16 numbers: a store keeps it without knowing what it is.

Shapes: N photos or items, W windows of C numbers, E the embedding's width, F = W * C + E.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modiste.data.images import ImageError, decode
from modiste.models.grnet import Described, Grnet
from modiste.models.inference import named_after_item, photo_at, photo_tensor
from modiste.types import Embeddings, EncoderId, FloatArray, ImageLike, Item

Box = tuple[float, float, float, float]  # left, top, right, bottom, as shares of the photo as the model sees it
Features = NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Region:
    """Two windows of one scale that spoke for a match: of the query and of the item, and what they add to the log-odds."""

    query: Box
    item: Box
    relevance: float


class GrnetScorer:
    """The graph as `modiste.types.PairScorer` and `PhotoComparer`; `encoder` is its first search alone."""

    def __init__(
        self, model: Grnet, *, name: str = "", sha256: str = "", device: str | torch.device = "cpu", batch_size: int = 64,
        max_bytes: int = 64_000_000,
    ) -> None:  # fmt: skip
        self.model = model.eval().to(device)
        self.device = torch.device(device)
        self.batch_size = batch_size
        self.max_bytes = max_bytes  # of memory while pairs are scored, beside their features
        config = model.config
        self._split = config.num_windows * config.window_dim
        self.id = EncoderId(name, sha256, self._split + config.embed_dim)
        self.name, self.sha256 = name, sha256
        self._kept: dict[str, Features] = {}
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="decode")

    @property
    def encoder(self) -> GrnetEncoder:
        """The global embedding of the same model."""
        return GrnetEncoder(self)

    # ---- photos -------------------------------------------------------------------------------------------------------

    def features(self, photos: Sequence[ImageLike]) -> Features:
        """Photos, encoded files or (H, W, 3) uint8 arrays -> (N, F). Raises `ImageError` naming a photo by its position."""
        parts = [
            torch.cat([one.windows.flatten(1), one.embedding], dim=1).half().cpu().numpy()
            for one in self._described(photos)
        ]
        found = np.concatenate(parts) if parts else np.zeros((0, self.id.dim), np.float16)
        if not np.isfinite(found).all():
            raise ValueError("the model produced features that are not finite; its weights are broken")
        return found

    def embeddings(self, photos: Sequence[ImageLike]) -> FloatArray:
        """Photos -> (N, E) unit vectors."""
        parts = [one.embedding.cpu().numpy() for one in self._described(photos)]
        found: FloatArray = np.concatenate(parts) if parts else np.zeros((0, self.model.config.embed_dim), np.float32)
        return found

    def _described(self, photos: Sequence[ImageLike]) -> Iterator[Described]:
        for start in range(0, len(photos), self.batch_size):
            batch = photos[start : start + self.batch_size]
            prepared = list(self._pool.map(self._prepared, range(start, start + len(batch)), batch))
            with torch.inference_mode():
                yield self.model.describe(torch.stack(prepared).to(self.device))

    def _prepared(self, position: int, photo: ImageLike) -> Tensor:
        width, height = self.model.config.image_size
        factor = self.model.config.draft_factor
        with photo_at(position):
            return photo_tensor(decode(photo, draft_to=(factor * width, factor * height)), (width, height))

    # ---- pairs --------------------------------------------------------------------------------------------------------

    def compare(self, query: Features, features: Features) -> FloatArray:
        """(F,), (N, F) -> (N,) log-odds that the photos show the same item; in pieces that keep to `max_bytes`."""
        if features.ndim != 2 or features.shape[1] != self.id.dim or query.shape != (self.id.dim,):
            raise ValueError(
                f"features of shape {query.shape} and {features.shape} are not (F,) and (N, F={self.id.dim})"
            )
        step = max(1, self.max_bytes // (8 * self.id.dim))  # fp16 becomes fp32 a piece at a time, too
        asked = self._restored(query[None])
        parts = []
        with torch.inference_mode():
            for start in range(0, len(features), step):
                some = self._restored(features[start : start + step])
                parts.append(self.model.score(asked, some, max_bytes=self.max_bytes).cpu().numpy())
        return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)

    def _restored(self, features: Features) -> Described:
        config = self.model.config
        rows = torch.from_numpy(np.ascontiguousarray(features)).to(self.device).float()
        return Described(
            rows[:, : self._split].unflatten(1, (config.num_windows, config.window_dim)), rows[:, self._split :]
        )

    def prepare(self, items: Sequence[Item]) -> None:
        """Describe these items now and remember them by id: `score` then looks at none of their photos again."""
        with_photo = [item for item in items if item.image is not None]
        rows = self.features([item.image for item in with_photo])  # type: ignore[misc]
        self._kept |= {item.id: row for item, row in zip(with_photo, rows, strict=True)}

    def score(self, query: Item, items: Sequence[Item]) -> FloatArray:
        """(N,) log-odds in the order of `items`; nan where there is no photo. Raises `ValueError` for a query without one."""
        if query.image is None:
            raise ValueError("only a photo can be compared with photos: the query has none")
        found = np.full(len(items), np.nan, np.float32)
        rows = [n for n, item in enumerate(items) if item.id in self._kept or item.image is not None]
        fresh = [n for n in rows if items[n].id not in self._kept]
        made = dict(zip(fresh, self.features([items[n].image for n in fresh]), strict=True))  # type: ignore[misc]
        if rows:
            features = np.stack([made[n] if n in made else self._kept[items[n].id] for n in rows])
            found[rows] = self.compare(self.features([query.image])[0], features)
        return found

    # ---- what matched -------------------------------------------------------------------------------------------------

    def regions(self, query: Features, item: Features, count: int = 4) -> tuple[Region, ...]:
        """The `count` pairs of windows that spoke most for a match, those of the whole photos aside; fewer where fewer did.

        No window is named twice, so that what is shown is not one place over and over.
        """
        boxes = [(side, _box(n, side)) for side in self.model.config.pyramid for n in range(side**2)]
        found = [
            (float(relevance), boxes[mine][1], boxes[other][1])
            for (mine, other), relevance in np.ndenumerate(self._relevance(query, item))
            if min(boxes[mine][0], boxes[other][0]) > 1
        ]
        chosen: list[Region] = []
        taken: set[tuple[str, Box]] = set()
        for relevance, mine_box, other_box in sorted(found, key=lambda one: -one[0]):
            if relevance <= 0 or len(chosen) == count:
                break
            if ("query", mine_box) not in taken and ("item", other_box) not in taken:
                taken |= {("query", mine_box), ("item", other_box)}
                chosen.append(Region(mine_box, other_box, relevance))
        return tuple(chosen)

    def heat(self, query: Features, item: Features, side: int = 8) -> tuple[FloatArray, FloatArray]:
        """How much each place of the query and of the item spoke for a match: two maps (side, side) in [0, 1]."""
        maps = np.zeros((2, side, side), np.float32)
        pyramid = self.model.config.pyramid
        spoke_for = self._relevance(query, item).clip(min=0)
        for which, sums in enumerate((spoke_for.sum(axis=1), spoke_for.sum(axis=0))):
            scales = np.split(sums, np.cumsum([windows**2 for windows in pyramid])[:-1])
            for windows, of_scale in zip(pyramid, scales, strict=True):
                place = (np.arange(side) * windows) // side
                maps[which] += of_scale.reshape(windows, windows)[np.ix_(place, place)]
        largest = maps.max(axis=(1, 2), keepdims=True)
        scaled = np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)
        return scaled[0], scaled[1]

    def _relevance(self, query: Features, item: Features) -> FloatArray:
        """(W, W): what each of the query's windows with each of the item's adds to the log-odds."""
        with torch.inference_mode():
            pairs, _ = self.model.relevance(self._restored(query[None]), self._restored(item[None]))
        found: FloatArray = pairs[0].cpu().numpy()
        return found


class PhotoEncoder(ABC):
    """What embeds photos, as `modiste.types.ItemEncoder`: photos alone, no words."""

    id: EncoderId

    @abstractmethod
    def embeddings(self, photos: Sequence[ImageLike]) -> FloatArray:
        """Photos -> (N, E) unit vectors. Raises `ImageError` naming a photo by its position."""

    def encode(self, items: Sequence[Item]) -> Embeddings:
        """(N, E); raises `ValueError` naming an item without a photo, or whose photo cannot be decoded."""
        for item in items:
            if item.image is None:
                raise ValueError(
                    f"item {item.id!r} has no photo, and {self.id.name or 'this model'} reads nothing else"
                )
        try:
            return Embeddings(self.embeddings([item.image for item in items]), self.id)  # type: ignore[misc]
        except ImageError as error:
            raise named_after_item(error, items) from error

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        """(1, E) of a photo; raises `ValueError` for words, which it does not read."""
        return self.encode_queries([(text, image)])

    def encode_queries(self, queries: Sequence[tuple[str, ImageLike | None]]) -> Embeddings:
        """(Q, E) of photos; raises `ValueError` as `encode_query` does."""
        if any(text.strip() or image is None for text, image in queries):
            raise ValueError("this model compares photos and reads no words: give photos alone")
        return Embeddings(self.embeddings([image for _, image in queries]), self.id)  # type: ignore[misc]


class GrnetEncoder(PhotoEncoder):
    """GRNet's global embedding."""

    def __init__(self, scorer: GrnetScorer) -> None:
        self._scorer = scorer
        self.id = EncoderId(scorer.id.name, scorer.id.sha256, scorer.model.config.embed_dim)

    def embeddings(self, photos: Sequence[ImageLike]) -> FloatArray:
        """As the scorer's own."""
        return self._scorer.embeddings(photos)


def _box(window: int, side: int) -> Box:
    row, column = divmod(window, side)
    return column / side, row / side, (column + 1) / side, (row + 1) / side
