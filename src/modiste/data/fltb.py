"""Fill in the blank as HFGN asks it ("FLTB", Li et al. 2020): one outfit is real, in three others one item is exchanged.

Questions are asked of outfits that no scorer has learned from. The wrong items are drawn from the items of the training outfits
only, uniformly or, so that being popular is no hint, close to the right one in the number of training outfits.

Shapes: Q questions, C candidates (the right one among them), L places of the longest outfit, O outfits, I items.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modiste.data.interactions import Interactions
from modiste.types import as_sets

Negatives = str  # one of NEGATIVES
NEGATIVES = ("uniform", "category", "popularity")
WRONG = 3
_NEAREST = 20  # items as popular as the right one, or nearly, from which wrong ones are drawn


@dataclass(frozen=True, eq=False)
class FltbQuestions:
    """Candidates in an order drawn by lot: official files put the right one first, and ties would then seem right.

    Raises
    ------
    ValueError
        If shapes do not belong together, a candidate has no item, or two candidates of a question are the same set.
    """

    sets: NDArray[np.int64]  # (Q, C, L) rows of items, -1 where an outfit is shorter
    correct: NDArray[np.int64]  # (Q,) which candidate is the real outfit
    training: NDArray[np.int64]  # rows of the outfits that a scorer may learn from
    negatives: Negatives = "uniform"

    def __post_init__(self) -> None:
        if self.sets.ndim != 3 or self.correct.shape != self.sets.shape[:1]:
            raise ValueError(f"sets {self.sets.shape} and correct {self.correct.shape} must be (Q, C, L) and (Q,)")
        if not len(self.correct):
            raise ValueError("there is no question")
        if not ((self.correct >= 0) & (self.correct < self.sets.shape[1])).all():
            raise ValueError(f"correct must lie in [0, {self.sets.shape[1]})")
        if not (self.sets >= 0).any(axis=2).all():
            raise ValueError("a candidate has no item")
        ordered = np.sort(self.sets, axis=2)
        for first in range(self.sets.shape[1]):
            for second in range(first):
                if (same := (ordered[:, first] == ordered[:, second]).all(axis=1)).any():
                    raise ValueError(f"question {int(np.argmax(same))}: two candidates are the same outfit")

    def __len__(self) -> int:
        return len(self.correct)


def fltb_questions(
    data: Interactions,
    *,
    share: float = 0.1,
    negatives: Negatives = "uniform",
    wrong: int = WRONG,
    seed: int = 0,
) -> FltbQuestions:
    """One question for each of a share of the outfits, the rest of which are for training.

    Parameters
    ----------
    share
        Of the outfits with two items or more that are held out, at least one.
    negatives
        "uniform": any item of a training outfit; "category": of the category of the right one; "popularity": one of the
        20 and more that come nearest in the number of training outfits, and the right one is in some, too.

    Raises
    ------
    ValueError
        If the options are unknown or out of range, categories are not known, or no question can be asked.
    """
    if negatives not in NEGATIVES:
        raise ValueError(f"unknown negatives {negatives!r}; choose one of {', '.join(NEGATIVES)}")
    if not 0 < share < 1 or wrong < 1:
        raise ValueError(f"share must lie in (0, 1) and wrong be at least 1, not {share} and {wrong}")
    if negatives == "category" and data.item_categories is None:
        raise ValueError(f"{data.name or 'this data'}: categories of items are not known; take other negatives")
    rng = np.random.default_rng(seed)
    members = np.split(data.outfit_items.indices, data.outfit_items.indptr[1:-1])
    askable = np.array([row for row, items in enumerate(members) if len(items) > 1], dtype=np.int64)
    if len(askable) < 2:
        raise ValueError(f"{data.name or 'this data'}: no two outfits have two items; there is nothing to ask")
    held = np.sort(rng.choice(askable, size=max(1, round(share * len(askable))), replace=False))
    training = np.setdiff1d(np.arange(data.num_outfits), held)
    popularity = item_popularity(data, training)
    known = np.flatnonzero(popularity)
    sets: list[NDArray[np.int64]] = []
    correct: list[int] = []
    for row in held:
        items = members[row].astype(np.int64)
        places = np.flatnonzero(popularity[items]) if negatives == "popularity" else np.arange(len(items))
        if not len(places):
            continue  # that no training outfit has an item of it would tell it from the wrong ones
        blank = int(rng.choice(places))
        right = int(items[blank])
        if negatives == "category":
            assert data.item_categories is not None
            pool = known[data.item_categories[known] == data.item_categories[right]]
        elif negatives == "popularity":
            distance = np.abs(popularity[known] - popularity[right])
            near = min(len(known), _NEAREST + len(items)) - 1
            pool = known[distance <= np.partition(distance, near)[near]]  # all that are level with the last of them
        else:
            pool = known
        pool = pool[~np.isin(pool, items)]
        if len(pool) < wrong:
            continue
        drawn = rng.choice(pool, size=wrong, replace=False)
        candidates = np.repeat(items[None], wrong + 1, axis=0)
        candidates[1:, blank] = drawn
        order = rng.permutation(wrong + 1)
        sets.append(candidates[order])
        correct.append(int(np.flatnonzero(order == 0)[0]))
    if not sets:
        raise ValueError(f"{data.name or 'this data'}: too few items to draw {wrong} wrong ones from")
    return FltbQuestions(stacked(sets), np.array(correct, dtype=np.int64), training, negatives)


def item_popularity(data: Interactions, outfits: NDArray[np.int64]) -> NDArray[np.int64]:
    """(I,) how many of these outfits (rows) each item is in."""
    return np.asarray(data.outfit_items[outfits].sum(axis=0)).reshape(-1).astype(np.int64)


def stacked(sets: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Candidates of each question (C, length of the outfit) -> (Q, C, L)."""
    flat = as_sets([row for question in sets for row in question])
    return flat.reshape(len(sets), -1, flat.shape[1])
