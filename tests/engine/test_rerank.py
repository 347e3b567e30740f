"""The second look, with a judge of ten lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from engine_fakes import FakeEncoder, items
from hypothesis import given
from hypothesis import strategies as st

from modiste.engine.catalogue import Catalogue, Hit
from modiste.engine.rerank import look_again, rerank
from modiste.types import Item, PairScorer

QUERY = Item("query", "red dress")


class Judge:
    """Says what it was told to say of each id; `-inf` of the others."""

    def __init__(self, **verdicts: float) -> None:
        self.verdicts, self.asked = verdicts, []

    def score(self, query: Item, items: Sequence[Item]) -> np.ndarray:
        self.asked.append([item.id for item in items])
        return np.array([self.verdicts.get(item.id, -np.inf) for item in items], np.float32)


def hits(*scores: float) -> list[Hit]:
    return [Hit(Item(name, name), score) for name, score in zip("abcdefgh", scores, strict=False)]


def ids(found: Sequence[Hit]) -> str:
    return "".join(hit.item.id for hit in found)


def test_the_blend_is_in_log_odds() -> None:
    first = hits(0.5, 0.4)
    assert ids(rerank(first, [0.0, 3.0], share=0.5, scale=20)) == "ba"  # 3 > 20 * 0.1
    assert ids(rerank(first, [0.0, 1.0], share=0.5, scale=20)) == "ab"  # 1 < 20 * 0.1
    assert ids(rerank(first, [0.0, 1.0], share=0.75, scale=20)) == "ba"
    assert [hit.score for hit in rerank(first, [0.0, 9.0], scale=20)] == [0.4, 0.5]  # scores stay the first search's


def test_what_was_not_judged_follows_in_its_old_order() -> None:
    scores = [-np.inf, -50.0, np.nan, 2.0]
    assert ids(rerank(hits(0.9, 0.8, 0.7, 0.6), scores)) == "dbac"


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), max_size=8), st.sampled_from([0.0, 0.3, 1.0]))
def test_it_is_a_stable_sort_of_the_same_hits(pairs: list[tuple[int, int]], share: float) -> None:
    first = hits(*(float(score) for score, _ in pairs))
    found = rerank(first, [float(odds) for _, odds in pairs], share, scale=2.0)
    blend = {
        hit.item.id: share * odds + (1 - share) * 2.0 * hit.score for hit, (_, odds) in zip(first, pairs, strict=True)
    }
    assert sorted(ids(found)) == sorted(ids(first))
    for one, other in pairwise(ids(found)):
        assert (-blend[one], one) <= (-blend[other], other)


def test_only_the_shortlist_is_judged() -> None:
    judge = Judge(a=1, b=2, c=3, d=9)
    assert isinstance(judge, PairScorer)
    seen = look_again(QUERY, hits(0.4, 0.3, 0.2, 0.1), judge, shortlist=3, share=1.0)
    assert (ids(seen.hits), judge.asked) == ("cbad", [["a", "b", "c"]])
    assert (seen.log_odds, seen.seconds >= 0) == ({"a": 1, "b": 2, "c": 3}, True)


def test_a_constant_judge_changes_nothing_and_nothing_is_asked_about_nothing() -> None:
    first = hits(0.4, 0.4, 0.1)
    assert look_again(QUERY, first, Judge(a=5, b=5, c=5)).hits == tuple(first)
    assert look_again(QUERY, first, Judge()).hits == tuple(first)
    silent = Judge(a=1)
    assert look_again(Item("query", " . "), first, silent).hits == tuple(first)
    assert look_again(QUERY, [], silent).hits == ()
    assert not silent.asked


def test_wrong_numbers_are_refused() -> None:
    for call in (
        lambda: rerank(hits(0.1), [1.0, 2.0]),
        lambda: rerank(hits(0.1), [1.0], share=1.5),
        lambda: look_again(QUERY, hits(0.1), Judge(), shortlist=0),
    ):
        with pytest.raises(ValueError, match=r"1 hits, but 2|must lie|at least 1"):
            call()


def test_the_judge_gets_the_stored_pictures(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    store = Catalogue.create(tmp_path / "shop", encoder.id)
    store.upsert(items(12), encoder)
    found = store.search(encoder.encode_query("red dress"), k=12, images=True)

    class Last:
        """Likes what the search liked least, and must have a picture."""

        def score(self, query: Item, items: Sequence[Item]) -> np.ndarray:
            assert all(isinstance(item.image, bytes) for item in items)
            return np.arange(len(items), dtype=np.float32)

    seen = look_again(QUERY, found.hits, Last(), share=1.0)
    assert [hit.item.id for hit in seen.hits] == [*reversed(found.ids)]
