"""A world of six users, seven outfits and nine items, small enough to go through by loops."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from modiste.data.interactions import Interactions

CLICKS = {
    "train": [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 1),
        (1, 3),
        (2, 2),
        (2, 4),
        (2, 5),
        (3, 0),
        (3, 3),
        (4, 6),
        (4, 1),
        (5, 5),
        (5, 6),
    ],
    "valid": [(0, 3), (2, 0)],
    "test": [(0, 4), (1, 0), (3, 6)],
}
OUTFITS = [(0, 1, 2), (2, 3), (4, 5, 6, 7), (0, 8), (1, 4), (3, 6, 8), (2, 5, 7)]
CATEGORIES = [0, 1, 2, 1, 0, 1, 0, 2, 2]  # of the items
NUM_USERS, NUM_ITEMS, FEATURES = 6, 9, 5


def ones(pairs: list[tuple[int, int]], shape: tuple[int, int]) -> csr_array:
    rows, columns = zip(*pairs, strict=True)
    return csr_array((np.ones(len(pairs), np.float32), (rows, columns)), shape=shape)


def clicks(*, categories: bool = True, features: bool = False, splits: tuple[str, ...] = ("train",)) -> Interactions:
    shape = (NUM_USERS, len(OUTFITS))
    return Interactions(
        tuple(f"u{number}" for number in range(NUM_USERS)),
        tuple(f"o{number}" for number in range(len(OUTFITS))),
        tuple(f"i{number}" for number in range(NUM_ITEMS)),
        {split: ones(CLICKS[split], shape) for split in splits},
        ones([(row, item) for row, look in enumerate(OUTFITS) for item in look], (len(OUTFITS), NUM_ITEMS)),
        np.array(CATEGORIES) if categories else None,
        ("top", "bottom", "shoes") if categories else (),
        np.random.default_rng(3).normal(size=(NUM_ITEMS, FEATURES)).astype(np.float32) if features else None,
    )


def liked(user: int) -> list[int]:
    """The outfits of a user's training clicks."""
    return [outfit for one, outfit in CLICKS["train"] if one == user]


def fans(outfit: int) -> list[int]:
    """The users of an outfit's training clicks."""
    return [user for user, one in CLICKS["train"] if one == outfit]
