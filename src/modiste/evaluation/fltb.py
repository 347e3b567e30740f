"""Fill in the blank as HFGN measures it ("FLTB", specification 4.4): how often the best candidate is the real outfit.

Of candidates that tie for the best each is as good a guess, so a constant scorer lands at chance; the released rule counts
every tie as right, by which a constant scorer is perfect. Beside the number stands what popularity gets, the number of training
outfits of a candidate's items: on a public benchmark of this kind that alone answers two questions in three, so that a result
without it says nothing. Percent, with 95 % bootstrap intervals over questions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modiste.data.fltb import FltbQuestions, item_popularity
from modiste.data.interactions import Interactions
from modiste.evaluation.metrics import Estimate, Ties, mean_with_interval, recall_at_k
from modiste.types import FloatArray

SetScorer = Callable[[NDArray[np.int64]], FloatArray]  # (B, L) rows of items, -1 for none -> (B,); `OutfitPool.score`
_SETS = 1 << 16


@dataclass(frozen=True, slots=True)
class FltbReport:
    """Percent."""

    accuracy: Estimate
    popularity: Estimate  # the control
    chance: float
    negatives: str
    num_questions: int
    num_candidates: int

    def as_dict(self) -> dict[str, Any]:
        """JSON values: `fltb_accuracy` with `_low`, `_high`, `_chance`; the control as `control_popularity_fltb_accuracy`."""
        return {
            **self.accuracy.spelled("fltb_accuracy"),
            "fltb_accuracy_chance": self.chance,
            **self.popularity.spelled("control_popularity_fltb_accuracy"),
            "negatives": self.negatives,
            "num_questions": self.num_questions,
            "num_candidates": self.num_candidates,
        }


def evaluate_fltb(
    data: Interactions, questions: FltbQuestions, scorer: SetScorer, *, seed: int = 0, ties: Ties = "chance"
) -> FltbReport:
    """Ask a scorer, which has learned from `questions.training` alone.

    `ties="optimistic"` is the released rule, there to be compared with and never to be quoted. Raises `ValueError` for scores
    that are NaN or too few.
    """
    counts = item_popularity(data, questions.training)

    def popularity(sets: NDArray[np.int64]) -> FloatArray:
        there = sets >= 0
        found: FloatArray = np.where(there, counts[np.where(there, sets, 0)], 0).sum(axis=1).astype(np.float32)
        return found

    measured, control = (
        mean_with_interval(100 * answered(questions, one, ties=ties), seed=seed) for one in (scorer, popularity)
    )
    candidates = questions.sets.shape[1]
    return FltbReport(measured, control, 100 / candidates, questions.negatives, len(questions), candidates)


def answered(questions: FltbQuestions, scorer: SetScorer, *, ties: Ties = "chance") -> NDArray[np.float64]:
    """(Q,) the probability that each question is answered rightly."""
    sets = questions.sets.reshape(-1, questions.sets.shape[2])
    scores = [np.asarray(scorer(sets[start : start + _SETS])) for start in range(0, len(sets), _SETS)]
    found = np.concatenate(scores)
    if found.shape != (len(sets),):
        raise ValueError(f"scores of {len(sets):,} sets must be ({len(sets)},), not {found.shape}")
    right = np.arange(questions.sets.shape[1])[None] == questions.correct[:, None]
    return recall_at_k(found.reshape(right.shape), right, 1, ties)
