"""Query-bank normalisation: photos (or texts) that are near to everything give way to those that are near to the query.

Bogolin, Croitoru, Jin, Liu, Albanie, "Cross Modal Retrieval with Querybank Normalisation", CVPR 2022 (arXiv 2112.12777);
the form used here is that of the inverted softmax (Smith et al., ICLR 2017, arXiv 1702.03859). In an embedding space some
candidates, *hubs*, are close to most queries. How close is measured against a bank of other queries, here photos and texts
that the model was trained on, and taken off:

    score(t, v) = t.v - bias(v),    bias(v) = log(mean over texts b of the bank of exp(s b.v)) / s - its mean

and with the roles exchanged for texts as candidates. One inner product does it, when a candidate's vector carries its bias
and a query's vector a one. Nothing of the catalogue or of other queries is looked at, so a score never depends on them.

Shapes: N rows, M rows of the bank, E embedding width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from modiste.models.eight_bits import rounded
from modiste.types import FloatArray

SCALE = 26.0  # s: flat between 20 and 32 on validation data
_CHUNK = 1024


@dataclass(frozen=True, eq=False)
class QueryBank:
    """Unit embeddings of photos and of texts, and how sharply they are asked; stored in eight bits (models/eight_bits.py)."""

    images: NDArray[np.float16]  # (M, E)
    texts: NDArray[np.float16]  # (M, E)
    scale: float = SCALE
    image_mean: float = 0.0  # of the bank's own photos' biases before it is taken off
    text_mean: float = 0.0

    def __post_init__(self) -> None:
        for name in ("images", "texts"):
            rows = getattr(self, name)
            if rows.ndim != 2 or not len(rows) or rows.dtype != np.float16 or not np.isfinite(rows).all():
                raise ValueError(f"the {name} of a query bank must be finite float16 rows (M, E), not {rows.shape}")
        if self.images.shape[1] != self.texts.shape[1]:
            raise ValueError(f"photos {self.images.shape} and texts {self.texts.shape} of a query bank differ in width")
        if not self.scale > 0:
            raise ValueError(f"the scale of a query bank must be positive, not {self.scale}")

    @classmethod
    def of(cls, images: FloatArray, texts: FloatArray, *, scale: float = SCALE) -> QueryBank:
        """A bank of these unit embeddings (M, E) each, its biases centred on them."""
        bank = cls(rounded(images), rounded(texts), scale)
        return cls(
            bank.images,
            bank.texts,
            scale,
            float(bank.image_bias(bank._image_queries).mean()),
            float(bank.text_bias(bank._text_queries).mean()),
        )

    @cached_property
    def _image_queries(self) -> FloatArray:
        return self.images.astype(np.float32)

    @cached_property
    def _text_queries(self) -> FloatArray:
        return self.texts.astype(np.float32)

    def image_bias(self, embeddings: FloatArray) -> FloatArray:
        """How readily any text finds these photos: (N, E) -> (N,)."""
        return self._bias(embeddings, self._text_queries) - np.float32(self.image_mean)

    def text_bias(self, embeddings: FloatArray) -> FloatArray:
        """How readily any photo finds these texts: (N, E) -> (N,)."""
        return self._bias(embeddings, self._image_queries) - np.float32(self.text_mean)

    def _bias(self, embeddings: FloatArray, queries: FloatArray) -> FloatArray:
        found = np.empty(len(embeddings), np.float32)
        for start in range(0, len(embeddings), _CHUNK):
            # Cosines are at most 1, so no exponential overflows at any scale that makes sense.
            logits = np.float32(self.scale) * (embeddings[start : start + _CHUNK] @ queries.T)
            top = logits.max(axis=1, keepdims=True)
            mean = np.exp(logits - top).mean(axis=1)
            found[start : start + _CHUNK] = (top[:, 0] + np.log(mean)) / np.float32(self.scale)
        return found


def comparable(images: FloatArray, texts: FloatArray, bank: QueryBank | None) -> tuple[FloatArray, FloatArray]:
    """Photo vectors and text vectors whose inner products rank in both directions: (N, E) each -> (N, E + 2) with a bank.

    A query's own bias is the same for all its candidates, so one product serves text to photo and photo to text.
    """
    if bank is None:
        return images, texts
    ones = np.ones((len(images), 1), np.float32), np.ones((len(texts), 1), np.float32)
    return (
        np.concatenate([images, -bank.image_bias(images)[:, None], ones[0]], axis=1),
        np.concatenate([texts, ones[1], -bank.text_bias(texts)[:, None]], axis=1),
    )


def chosen_rows(count: int, size: int, seed: int = 0) -> Sequence[int]:
    """Which of `count` training examples a bank of `size` rows is made of, in order."""
    if count <= size:
        return range(count)
    return sorted(int(row) for row in np.random.default_rng(seed).choice(count, size, replace=False))
