"""A batch through an encoder, and out of it the items that the encoder refuses: what indexing and embedding share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from modiste.types import EncoderMismatch, FloatArray, Item, ItemEncoder


def encode_or_refuse(
    encoder: ItemEncoder, items: Sequence[Item], refuse: Callable[[int, str], None]
) -> tuple[list[int], FloatArray]:
    """The positions of the items that the encoder takes, in order, and their vectors (N, D).

    A batch that it refuses is halved until the culprits are alone; `refuse` gets the position and the reason of each.
    Raises `RuntimeError` for an encoder that returns another number of vectors, `EncoderMismatch` for another's vectors.
    """
    return _encode(encoder, items, 0, refuse)


def _encode(
    encoder: ItemEncoder, items: Sequence[Item], first: int, refuse: Callable[[int, str], None]
) -> tuple[list[int], FloatArray]:
    try:
        embeddings = encoder.encode(items)
        vectors = np.asarray(embeddings.vectors, dtype=np.float32)
        encoder.id.require(embeddings.encoder)
        if len(vectors) != len(items):
            raise RuntimeError(f"{encoder.id} returned {len(vectors)} vectors for {len(items)} items")
        if not np.isfinite(vectors).all():
            raise ValueError("the encoder returned a vector that is not finite")
        return list(range(first, first + len(items))), vectors
    except EncoderMismatch:  # the encoder's fault, not an item's
        raise
    except ValueError as error:
        if len(items) == 1:
            refuse(first, str(error))
            return [], np.empty((0, encoder.id.dim), dtype=np.float32)
    middle = len(items) // 2
    left, left_vectors = _encode(encoder, items[:middle], first, refuse)
    right, right_vectors = _encode(encoder, items[middle:], first + middle, refuse)
    return left + right, np.concatenate([left_vectors, right_vectors])
