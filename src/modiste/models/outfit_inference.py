"""Items in, scores out: trained outfit models as `modiste.types.OutfitScorer`, with the encoder whose vectors they read.

Vectors may be handed over instead of encoding again: those of `ImageTextEncoder.encode`, (N, 2E), which hold photo and words
side by side (`data/outfit_features.py`). Whoever hands them over vouches for the encoder; `encoder` says which it must be.

Shapes: N items of a pool, B sets, O places, D width, E embedding width.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modiste.data.outfit_features import ItemFeatures, features_of, tag_numbers
from modiste.models.inference import ImageTextEncoder
from modiste.models.outfit_transformer import OutfitTransformer
from modiste.models.pairwise import PairwiseModel, masked_pair_mean
from modiste.models.set_reader import read_sets
from modiste.types import (
    ComplementPool,
    EncoderId,
    FloatArray,
    Item,
    JoinablePool,
    OutfitPool,
    OutfitScorer,
    PairwisePool,
    Slot,
    checked_rows,
)

PoolT = TypeVar("PoolT", bound=OutfitPool)

_SETS = 4096  # embedded in one go: bounds memory
_READ = 1024  # scored in one go: what lies between two layers stays in the cache
_PAIRS = 1 << 16


class OutfitModelScorer(OutfitScorer):
    """A trained outfit model with its encoder: compatibility S, and what goes with an outfit where the model can say.

    `encoder` None: only pools with `vectors` can be made, and a wish in words cannot be read.
    """

    def __init__(
        self,
        model: OutfitTransformer | PairwiseModel,
        encoder: ImageTextEncoder | None,
        *,
        name: str = "",
        sha256: str = "",
        encoder_id: EncoderId | None = None,
    ) -> None:
        self.model = model.eval()
        self.encoder = encoder
        self.name, self.sha256 = name, sha256
        self.encoder_id = encoder.id if encoder is not None else encoder_id

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> OutfitPool:
        """Items made ready. `vectors` (N, 2E): theirs by the encoder `encoder_id`, in their order.

        An item with neither photo nor words is judged by its tags and the learned nulls. Raises `ValueError` for vectors of
        another shape, without an encoder and without vectors, and for a photo that cannot be decoded, naming the item.
        """
        config = self.model.config
        tower_dim = config.image_dim or config.text_dim
        given = self._vectors(items) if vectors is None else vectors
        features = features_of(items, given, config.tags, tower_dim)
        dim = features.images.shape[1]
        for wanted in (self.model.config.image_dim, self.model.config.text_dim):
            if wanted not in (0, dim):
                raise ValueError(
                    f"the vectors hold {dim} numbers for the photo and as many for the words, this model reads {wanted}: "
                    f"they must come from {self.encoder_id or 'its encoder'}"
                )
        if isinstance(self.model, OutfitTransformer):
            return TransformerPool(self.model, features, self.encoder)
        return PairPool(self.model, features)

    def _vectors(self, items: Sequence[Item]) -> FloatArray:
        if self.encoder is None:
            raise ValueError(
                f"this scorer has no encoder: hand over vectors made by {self.encoder_id or 'its encoder'}"
            )
        return encoded_items(items, self.encoder)


def encoded_items(items: Sequence[Item], encoder: ImageTextEncoder) -> FloatArray:
    """(N, D) item vectors, zeros for an item with neither photo nor words."""
    vectors = np.zeros((len(items), encoder.id.dim), np.float32)
    if rows := [n for n, item in enumerate(items) if item.image is not None or item.text]:
        vectors[rows] = encoder.encode([items[n] for n in rows]).vectors
    return vectors


class TransformerPool(ComplementPool, JoinablePool):
    """Items embedded once by an `OutfitTransformer`."""

    def __init__(self, model: OutfitTransformer, features: ItemFeatures, encoder: ImageTextEncoder | None) -> None:
        self.model, self.encoder = model, encoder
        with torch.inference_mode():
            self._items = embedded(model.items, features, model.device)  # (N, D)
            vectors = model.candidates(self._items).cpu().numpy()
        # |t - f|^2 = |t|^2 - 2 (t f - |f|^2 / 2): one more number makes the nearest the greatest inner product.
        norms = np.square(vectors).sum(axis=1, keepdims=True)
        self._candidates = np.concatenate([vectors, -norms / 2], axis=1).astype(np.float32)
        self._tags = features.tags
        self._wishes: dict[str, FloatArray] = {}

    def joined(self, fresh: OutfitPool | None, rows: NDArray[np.int64]) -> TransformerPool:
        found = copy.copy(self)
        found._items = _joined(self, fresh, rows, lambda pool: pool._items)
        found._candidates = _joined(self, fresh, rows, lambda pool: torch.from_numpy(pool._candidates)).numpy()
        found._tags = _joined(self, fresh, rows, lambda pool: torch.from_numpy(pool._tags)).numpy()
        found._wishes = {}
        return found

    def score(self, sets: NDArray[np.int64]) -> FloatArray:
        sets = checked_sets(sets, len(self._items))
        return positive(torch.sigmoid(torch.from_numpy(self._by_sets(sets, self.model.judge)[:, 0]).double()))

    def looks(self, sets: NDArray[np.int64]) -> FloatArray:
        """(B, O) -> unit vectors (B, E) of whole outfits: their products are S_O, and find similar looks."""
        return self._by_sets(checked_sets(sets, len(self._items)), lambda read, items, mask: self.model.look(read))

    @property
    def candidates(self) -> FloatArray:
        """(N, E + 1): the vector of each item, and minus half its square."""
        return self._candidates

    def queries(self, sets: NDArray[np.int64], slots: Sequence[Slot]) -> FloatArray:
        """(B, O) partial outfits, an empty one allowed, and the slot wanted of each -> (B, E + 1), the last entry 1.

        A slot's wish is read if it has one, else the names of its categories; without either nothing is said. Raises
        `ValueError` where words are to be read but the scorer has no encoder.
        """
        sets = checked_sets(sets, len(self._items), empty=True)
        if len(sets) != len(slots):
            raise ValueError(f"{len(sets)} outfits need a slot each, not {len(slots)} slots")
        texts, has_text = self._texts(slots)
        tags = np.zeros((len(slots), self._tags.shape[1]), np.int64)
        if "category" in self.model.config.tags:
            column = list(self.model.config.tags).index("category")
            known = {"category": self.model.config.tags["category"]}
            for row, slot in enumerate(slots):
                if len(slot.categories) == 1:
                    tags[row, column] = tag_numbers([Item("wanted", category=next(iter(slot.categories)))], known)[0, 0]
        device = self.model.device
        with torch.inference_mode():
            target = self.model.target(*(torch.from_numpy(x).to(device) for x in (texts, has_text, tags)))  # (B, D)
            found = []
            for start in range(0, len(sets), _SETS):
                rows = torch.from_numpy(sets[start : start + _SETS]).to(device)
                found.append(
                    self.model.queries(target[start : start + _SETS], self._items[rows.clamp(min=0)], rows >= 0)
                )
            vectors = torch.cat(found).cpu().numpy() if found else np.zeros((0, self._candidates.shape[1] - 1))
        return np.concatenate([vectors, np.ones((len(vectors), 1))], axis=1).astype(np.float32)

    def _texts(self, slots: Sequence[Slot]) -> tuple[FloatArray, NDArray[np.bool_]]:
        words = [slot.wish.strip() or ", ".join(sorted(slot.categories)) for slot in slots]
        texts = np.zeros((len(words), self.model.config.text_dim), np.float32)
        has_text = np.array([bool(one) for one in words], dtype=bool)
        if not self.model.config.text_dim or not has_text.any():
            return texts, has_text
        if new := sorted({one for one in words if one} - self._wishes.keys()):
            if self.encoder is None:
                raise ValueError("a wish in words needs the scorer's encoder; it was made without one")
            self._wishes.update(zip(new, self.encoder.encode_texts(new).vectors, strict=True))
        for row, one in enumerate(words):
            if one:
                texts[row] = self._wishes[one]
        return texts, has_text

    def _by_sets(self, sets: NDArray[np.int64], function: Callable[[Tensor, Tensor, Tensor], Tensor]) -> FloatArray:
        """`function` of what the outfit token has read (B, D), of the items (B, O, D) and their mask (B, O)."""
        found, model = [], self.model
        with torch.inference_mode():
            for start in range(0, len(sets), _READ):
                rows = torch.from_numpy(sets[start : start + _READ]).to(model.device)
                read = read_sets(model.sets, model.outfit_token, self._items, rows)
                out = function(read, self._items[rows.clamp(min=0)], rows >= 0)
                found.append(out.view(len(rows), -1).float().cpu().numpy())
        return np.concatenate(found) if found else np.zeros((0, 1), np.float32)


class PairPool(PairwisePool, JoinablePool):
    """Items embedded once by a model of pairs."""

    def __init__(self, model: PairwiseModel, features: ItemFeatures) -> None:
        self.model = model
        with torch.inference_mode():
            self._items = embedded(model.embed, features, model.device)
        self._types = torch.from_numpy(features.tags[:, 0]).to(model.device)

    def joined(self, fresh: OutfitPool | None, rows: NDArray[np.int64]) -> PairPool:
        found = copy.copy(self)
        found._items = _joined(self, fresh, rows, lambda pool: pool._items)
        found._types = _joined(self, fresh, rows, lambda pool: pool._types)
        return found

    def score(self, sets: NDArray[np.int64]) -> FloatArray:
        """A set of one item has no pair, and is neither compatible nor not: 0.5."""
        sets = checked_sets(sets, len(self._items))
        scores = np.full(len(sets), 0.5, np.float32)
        step = max(1, _PAIRS // max(1, sets.shape[1]) ** 2)
        with torch.inference_mode():
            for start in range(0, len(sets), step):
                rows = torch.from_numpy(sets[start : start + step]).to(self.model.device)
                at = rows.clamp(min=0)
                items, types = self._items[at], self._types[at]
                mean, there = masked_pair_mean(self.model.pair_terms(items, types, items, types), rows >= 0)
                values = self._link(mean)
                scores[start : start + step] = np.where(there.cpu().numpy(), values, 0.5)
        return scores

    def pairs(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> FloatArray:
        rows, columns = (checked_rows(one, len(self._items)) for one in (rows, columns))
        terms = np.zeros((len(rows), len(columns)), np.float32)
        step = max(1, _PAIRS // max(1, len(columns)))
        others = torch.from_numpy(columns).to(self.model.device)
        with torch.inference_mode():
            for start in range(0, len(rows), step):
                some = torch.from_numpy(rows[start : start + step]).to(self.model.device)
                found = self.model.pair_terms(
                    self._items[some], self._types[some], self._items[others], self._types[others]
                )
                terms[start : start + step] = found.cpu().numpy()
        return terms

    def link(self, mean: FloatArray) -> FloatArray:
        with torch.inference_mode():
            return self._link(torch.from_numpy(np.asarray(mean, dtype=np.float32)).to(self.model.device))

    def _link(self, mean: Tensor) -> FloatArray:
        return positive(torch.sigmoid(self.model.link(mean).double()))


def _joined(pool: PoolT, fresh: OutfitPool | None, rows: NDArray[np.int64], part: Callable[[PoolT], Tensor]) -> Tensor:
    """Rows of what a pool keeps of each item, and behind them of another pool's of the same kind."""
    kept = part(pool)
    if fresh is not None:
        if not isinstance(fresh, type(pool)):
            raise ValueError(f"a {type(pool).__name__} cannot be joined with a {type(fresh).__name__}")
        kept = torch.cat([kept, part(fresh)])
    return kept[torch.from_numpy(checked_rows(rows, len(kept))).to(kept.device)]


def positive(scores: Tensor) -> FloatArray:
    """Scores as float32, never 0: that is kept for what is no outfit at all."""
    found: FloatArray = np.maximum(scores.float().cpu().numpy(), np.finfo(np.float32).tiny)
    return found


def embedded(embed: Callable[..., Tensor], features: ItemFeatures, device: torch.device) -> Tensor:
    """Every item through an embedder in chunks: (N, D)."""
    arrays = (features.images, features.has_image, features.texts, features.has_text, features.tags)
    parts = []
    for start in range(0, max(len(features), 1), _SETS):
        parts.append(embed(*(torch.from_numpy(one[start : start + _SETS]).to(device) for one in arrays)))
    return torch.cat(parts)


def checked_sets(sets: NDArray[np.int64], num_items: int, *, empty: bool = False) -> NDArray[np.int64]:
    """Sets as (B, O) int64; raises `ValueError` naming a row without an item, or with a position outside the pool."""
    sets = np.ascontiguousarray(sets, dtype=np.int64)  # torch takes no reversed views
    if sets.ndim != 2:
        raise ValueError(f"sets must be (B, O), not {sets.shape}")
    if not empty and not (has := (sets >= 0).any(axis=1)).all():
        raise ValueError(f"set {int(np.argmin(has))} has no item")
    if (bad := ((sets < -1) | (sets >= num_items)).any(axis=1)).any():
        row = int(np.argmax(bad))
        raise ValueError(f"set {row} names a position outside the pool of {num_items} items: {sets[row].tolist()}")
    return sets
