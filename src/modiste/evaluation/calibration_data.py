"""Held-out questions with known answers, for calibration: is this a look, and is this item what a wish says?

Compatibility: looks of a split and, beside each, a look in which every item is replaced (`outfit_questions.py`), half and half.

Match: a wish is made of what the catalogue says of an item: its colour and category, and its pattern or material where that is
known ("navy jeans", "linen white shirt"). It is asked of the items of that slot, as a search asks it; right is an item of all
of it. Right ones are thus as rare as they are for a search, and the probability is that of a candidate in its slot: with right
and wrong ones half and half, what is merely near would seem likely, and alpha would give up a wish for a little of S.

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
from modiste.taxonomy import normalise, slot, super_category
from modiste.types import FloatArray, Item, OutfitScorer, as_sets

_DETAILS = ("pattern", "material")  # what a wish may name beside colour and kind
_PLAIN = ("", "solid", "plain")
VectorsOf = Callable[[Sequence[Item]], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Scores (N,), what is true of each (N,): 1 or 0, and the group of questions that are not independent (N,)."""

    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    groups: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def below_best(self) -> NDArray[np.float64]:
        """(N,) how far each score is below the best of its group: 0 or less."""
        _, place = np.unique(np.array(self.groups), return_inverse=True)
        best = np.full(len(self), -np.inf)
        np.maximum.at(best, place, self.scores)
        return self.scores - best[place]

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
    num_candidates: int = 2_000,
    seed: int = 0,
) -> Scored:
    """Cosines of wishes with candidates that are, and are not, what they say; empty where the items name no two colours.

    `vectors` (N, D) are the items'; `encode` turns a wish into (D,). For each of `num_wishes` wishes, drawn by the seed, the
    items of its slot, of a large one the `num_candidates` nearest: right ones are as rare as a search meets them.
    """
    rng = np.random.default_rng(seed)
    names = ("colour", *_DETAILS)
    said = {name: np.array([_said(item, name) for item in items]) for name in names}
    kinds = np.array([normalise(item.category) for item in items])
    rough = np.array([super_category(item.category) for item in items])
    slots = np.array([slot(item.category) for item in items])
    found: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for kind, *values in zip(kinds.tolist(), *(said[name].tolist() for name in names), strict=True):
        own = [pair for pair in zip(names, values, strict=True) if pair[1]]
        if kind and own and own[0][0] == "colour":
            found |= {(kind, (own[0],)), *((kind, (own[0], detail)) for detail in own[1:])}
    wishes = sorted(found)
    if len({asked[0] for _, asked in wishes}) < 2:
        return Scored(np.zeros(0), np.zeros(0, dtype=np.int64), ())
    if len(wishes) > num_wishes:
        wishes = [wishes[at] for at in sorted(rng.choice(len(wishes), num_wishes, replace=False))]
    scores: list[NDArray[np.float64]] = []
    labels: list[NDArray[np.bool_]] = []
    groups: list[str] = []
    for kind, asked in wishes:
        like = np.logical_and.reduce([said[name] == value for name, value in asked])
        unknown = np.logical_or.reduce([said[name] == "" for name, _ in asked])
        # Shoes of another name that are like it otherwise may well be what was meant: neither right nor wrong.
        doubtful = like & (rough == super_category(kind)) & (kinds != kind)
        rows = np.flatnonzero((slots == slot(kind)) & ~unknown & ~doubtful)
        wish = " ".join([*(value for _, value in reversed(asked)), kind])
        cosines = vectors[rows].astype(np.float64) @ encode(wish).astype(np.float64)
        nearest = np.sort(np.argsort(-cosines, kind="stable")[:num_candidates])
        rows = rows[nearest]
        scores.append(cosines[nearest])
        labels.append(like[rows] & (kinds[rows] == kind))
        groups += [wish] * len(rows)
    return Scored(np.concatenate(scores), np.concatenate(labels).astype(np.int64), tuple(groups))


def _said(item: Item, name: str) -> str:
    """What the catalogue says, as a wish would; empty for nothing, and for a plain pattern, which nobody asks for."""
    value = colour_of(item) if name == "colour" else normalise(str(item.attributes.get(name, "")))
    return "" if value in _PLAIN else value
