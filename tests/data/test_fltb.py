"""Blanks: one item exchanged, never by one that the outfit has, and the right one anywhere."""

from __future__ import annotations

import numpy as np
import pytest

from modiste.data.fltb import NEGATIVES, FltbQuestions, fltb_questions, item_popularity
from modiste.data.interactions import Interactions, pair_matrix


def world(num_outfits: int = 300, num_items: int = 120, categories: bool = True) -> Interactions:
    """Outfits of two to five items, of which small numbers are popular."""
    random = np.random.default_rng(0)
    pairs = [
        (outfit, int(item))
        for outfit in range(num_outfits)
        for item in set((num_items * random.random(random.integers(2, 6)) ** 2).astype(int).tolist())
    ]
    rows, columns = zip(*pairs, strict=True)
    return Interactions(
        ("u",),
        tuple(f"o{number}" for number in range(num_outfits)),
        tuple(f"i{number}" for number in range(num_items)),
        {"train": pair_matrix([0], [0], (1, num_outfits))},
        pair_matrix(rows, columns, (num_outfits, num_items)),
        np.arange(num_items) % 3 if categories else None,
        ("top", "shoes", "bag") if categories else (),
    )


@pytest.mark.parametrize("negatives", NEGATIVES)
def test_questions(negatives: str) -> None:
    data = world()
    questions = fltb_questions(data, share=0.3, negatives=negatives, seed=3)
    held = np.setdiff1d(np.arange(data.num_outfits), questions.training)
    there = {tuple(sorted(data.outfit_items[[row]].indices.tolist())) for row in held}
    seen = set(np.flatnonzero(item_popularity(data, questions.training)).tolist())
    assert data.item_categories is not None
    for candidates, correct in zip(questions.sets, questions.correct, strict=True):
        lists = [[item for item in one if item >= 0] for one in candidates.tolist()]
        right = lists[correct]
        assert tuple(sorted(right)) in there
        for number, one in enumerate(lists):
            if number == correct:
                continue
            changed = [(old, new) for old, new in zip(right, one, strict=True) if old != new]
            assert len(changed) == 1
            ((old, new),) = changed
            assert new not in right
            assert new in seen
            if negatives == "category":
                assert data.item_categories[old] == data.item_categories[new]
    assert set(questions.correct.tolist()) == {0, 1, 2, 3}
    again = fltb_questions(data, share=0.3, negatives=negatives, seed=3)
    np.testing.assert_array_equal(again.sets, questions.sets)
    other = fltb_questions(data, share=0.3, negatives=negatives, seed=4)
    assert not np.array_equal(other.training, questions.training)


def test_popular_negatives_are_as_popular() -> None:
    data = world(3_000, 2_000)
    questions = fltb_questions(data, share=0.3, negatives="popularity")
    counts = item_popularity(data, questions.training)
    sums = np.where(questions.sets >= 0, counts[questions.sets], 0).sum(axis=2)
    right = sums[np.arange(len(questions)), questions.correct]
    assert np.median(np.abs(right - sums.mean(axis=1))) <= 1
    best = sums == sums.max(axis=1, keepdims=True)
    by_popularity = (best[np.arange(len(questions)), questions.correct] / best.sum(axis=1)).mean()
    assert 0.22 < by_popularity < 0.32  # chance is 0.25; of the few most popular items none is as popular


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negatives": "hard"}, "unknown negatives 'hard'"),
        ({"share": 0}, "share must lie in"),
        ({"wrong": 0}, "wrong be at least 1"),
        ({"wrong": 119}, "too few items to draw 119 wrong ones"),
    ],
)
def test_options_that_are_wrong(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fltb_questions(world(), **options)  # type: ignore[arg-type]


def test_data_that_cannot_be_asked() -> None:
    with pytest.raises(ValueError, match="categories of items are not known"):
        fltb_questions(world(categories=False), negatives="category")
    data = Interactions(("u",), ("o",), ("i",), {"train": pair_matrix([0], [0], (1, 1))}, pair_matrix([0], [0], (1, 1)))
    with pytest.raises(ValueError, match="no two outfits have two items"):
        fltb_questions(data)


@pytest.mark.parametrize(
    ("sets", "correct", "message"),
    [
        ([[[0, 1], [1, 0]]], [0], "question 0: two candidates are the same outfit"),
        ([[[0, 1], [-1, -1]]], [0], "a candidate has no item"),
        ([[[0, 1], [2, -1]]], [2], r"correct must lie in \[0, 2\)"),
        ([[[0, 1], [2, -1]]], [0, 1], r"must be \(Q, C, L\) and \(Q,\)"),
        (np.zeros((0, 4, 2)), [], "there is no question"),
    ],
)
def test_questions_that_are_none(sets: object, correct: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FltbQuestions(np.array(sets, dtype=np.int64), np.array(correct, dtype=np.int64), np.arange(1))
