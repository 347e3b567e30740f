"""Blanks: chance, perfection, and the rule by which a constant scorer was perfect."""

from __future__ import annotations

import numpy as np
import pytest

from modiste.data.fltb import FltbQuestions, fltb_questions
from modiste.data.interactions import Interactions, pair_matrix
from modiste.evaluation.fltb import answered, evaluate_fltb
from modiste.types import FloatArray


@pytest.fixture(scope="module")
def data() -> Interactions:
    """Outfits of items with one number in common modulo 7."""
    random = np.random.default_rng(0)
    pairs = [
        (outfit, int(item))
        for outfit in range(400)
        for item in 7 * random.choice(20, size=random.integers(2, 5), replace=False) + outfit % 7
    ]
    rows, columns = zip(*pairs, strict=True)
    return Interactions(
        ("u",), tuple(f"o{n}" for n in range(400)), tuple(f"i{n}" for n in range(140)),
        {"train": pair_matrix([0], [0], (1, 400))}, pair_matrix(rows, columns, (400, 140)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def questions(data: Interactions) -> FltbQuestions:
    return fltb_questions(data, share=0.25)


def agreeing(sets: np.ndarray) -> FloatArray:
    """The world's own rule."""
    classes = np.where(sets >= 0, sets % 7, (sets[:, :1]) % 7)
    return -(classes != classes[:, :1]).sum(axis=1).astype(np.float32)


def test_chance_and_perfection(data: Interactions, questions: FltbQuestions) -> None:
    constant = evaluate_fltb(data, questions, lambda sets: np.ones(len(sets), np.float32))
    assert constant.accuracy.mean == constant.chance == 25
    knowing = evaluate_fltb(data, questions, agreeing)
    assert 75 < knowing.accuracy.mean <= 100  # one wrong item in seven fits as well
    assert knowing.accuracy.low < knowing.accuracy.high
    real = {
        tuple(sorted(row[row >= 0].tolist())) for row in questions.sets[np.arange(len(questions)), questions.correct]
    }

    def perfect(sets: np.ndarray) -> FloatArray:
        return np.array([tuple(sorted(row[row >= 0].tolist())) in real for row in sets], np.float32)

    assert evaluate_fltb(data, questions, perfect).accuracy.mean == 100


def test_ties_are_no_hits(data: Interactions, questions: FltbQuestions) -> None:
    """Known mistake: the released rule counts whatever ties with the best as right."""
    released = evaluate_fltb(data, questions, lambda sets: np.ones(len(sets), np.float32), ties="optimistic")
    assert released.accuracy.mean == 100


def test_popularity_is_beside_it(data: Interactions, questions: FltbQuestions) -> None:
    report = evaluate_fltb(data, questions, agreeing).as_dict()
    counts = np.asarray(data.outfit_items[questions.training].sum(axis=0)).ravel()
    right = 0.0
    for candidates, correct in zip(questions.sets, questions.correct, strict=True):
        sums = [counts[row[row >= 0]].sum() for row in candidates]
        right += (sums[correct] == max(sums)) / sums.count(max(sums))
    assert report["control_popularity_fltb_accuracy"] == pytest.approx(100 * right / len(questions))
    assert (report["num_questions"], report["num_candidates"], report["negatives"]) == (len(questions), 4, "uniform")
    assert report["fltb_accuracy_low"] <= report["fltb_accuracy"] <= report["fltb_accuracy_high"]


def test_scores_that_are_wrong(questions: FltbQuestions) -> None:
    with pytest.raises(ValueError, match="scores of 400 sets must be"):
        answered(questions, lambda sets: np.ones(3, np.float32))
    with pytest.raises(ValueError, match="NaN"):
        answered(questions, lambda sets: np.full(len(sets), np.nan, np.float32))
