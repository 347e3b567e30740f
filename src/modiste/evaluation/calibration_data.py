"""Held-out questions with known answers, for calibration: is this a look, and is this item what a wish says?

Compatibility: looks of a split and, beside each, a look in which every item is replaced (`outfit_questions.py`), half and half.

Match: a wish is made of what the catalogue says of an item, its colour and category ("navy jeans"). Right is an item of both;
wrong are, in turn, one of that category in another colour, one of that colour in another category, and one of neither. Right
and wrong ones are as many.

Shapes: N questions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modiste.data.outfits import OutfitData
from modiste.evaluation.outfit_questions import Judgement, Negatives, QuestionDraw, hashes_of
from modiste.models.outfit_statistics import colour_of
from modiste.taxonomy import normalise, super_category
from modiste.types import FloatArray, Item, OutfitScorer, as_sets

VectorsOf = Callable[[Sequence[Item]], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Scores (N,), what is true of each (N,): 1 or 0, and the group of questions that are not independent (N,)."""

    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scores)

    def halves(self) -> tuple[Scored, Scored]:
        """Two parts with no group in common, by a hash of it."""
        first = hashes_of(self.groups) % np.uint64(2) == 0
        return self.where(first), self.where(~first)

    def where(self, mask: NDArray[np.bool_]) -> Scored:
        return Scored(
            self.scores[mask],
            self.labels[mask],
            tuple(one for one, kept in zip(self.groups, mask, strict=True) if kept),
        )


def judged_looks(
    data: OutfitData,
    split: str,
    scorer: OutfitScorer,
    *,
    negatives: Negatives = "same_family",
    seed: int = 0,
    num_looks: int = 0,
    vectors: VectorsOf | None = None,
) -> Scored:
    """The scorer's S of a split's looks and of as many that are none. Raises `ValueError` as `QuestionDraw` and for none."""
    questions = QuestionDraw(data, split, seed=seed, num_looks=num_looks).compatibility(negatives).questions
    if not questions:
        raise ValueError(f"{data.name}: no look of {split!r} has a counterpart by {negatives}; try other negatives")
    ids = sorted({one for question in questions for one in question.item_ids})
    # A scorer that takes vectors gets them; the others are told what a catalogue would tell: no photo.
    items = [(data.items if vectors else data.bare)[one] for one in ids]
    pool = scorer.pool(items, vectors(items) if vectors else None)
    place = {one: at for at, one in enumerate(ids)}
    scores = pool.score(_sets(questions, place))
    return Scored(
        scores.astype(np.float64),
        np.array([int(one.right) for one in questions]),
        tuple(one.group for one in questions),
    )


def _sets(questions: Sequence[Judgement], place: dict[str, int]) -> NDArray[np.int64]:
    return as_sets([[place[item] for item in one.item_ids] for one in questions])


def judged_wishes(
    items: Sequence[Item],
    vectors: FloatArray,
    encode: Callable[[str], FloatArray],
    *,
    num_wishes: int = 300,
    seed: int = 0,
) -> Scored:
    """Cosines of wishes with items that are, and are not, what they say; empty where the items name no two colours.

    `vectors` (N, D) are the items'; `encode` turns a wish into (D,). Up to three right and three wrong items for each of
    `num_wishes` wishes, drawn by the seed.
    """
    rng = np.random.default_rng(seed)
    colours = np.array([colour_of(item) for item in items])
    kinds = np.array([normalise(item.category) for item in items])
    rough = np.array([super_category(item.category) for item in items])
    wishes = sorted({(c, k) for c, k in zip(colours.tolist(), kinds.tolist(), strict=True) if c and k})
    if len({colour for colour, _ in wishes}) < 2:
        return Scored(np.zeros(0), np.zeros(0, dtype=np.int64), ())
    if len(wishes) > num_wishes:
        wishes = [wishes[at] for at in sorted(rng.choice(len(wishes), num_wishes, replace=False))]
    scores: list[float] = []
    labels: list[int] = []
    groups: list[str] = []
    for colour, kind in wishes:
        same_colour, same_kind = colours == colour, kinds == kind
        near = rough == super_category(kind)  # shoes of another name may well be what was meant
        named = colours != ""
        wrong = [same_kind & ~same_colour & named, same_colour & ~near, ~same_colour & ~near & named]
        right = np.flatnonzero(same_colour & same_kind)
        right = rng.choice(right, min(len(wrong), len(right)), replace=False)
        others = [int(rng.choice(np.flatnonzero(mask))) for mask in wrong if mask.any()]
        count = min(len(right), len(others))
        # Where few are right the wrong ones take turns, so that no kind of them is rare.
        others = [others[at] for at in rng.permutation(len(others))[:count]]
        if not count:
            continue
        rows = np.array([*right[:count].tolist(), *others])
        found = vectors[rows].astype(np.float64) @ encode(f"{colour} {kind}").astype(np.float64)
        scores += found.tolist()
        labels += [1] * count + [0] * count
        groups += [f"{colour} {kind}"] * (2 * count)
    return Scored(np.array(scores), np.array(labels, dtype=np.int64), tuple(groups))
