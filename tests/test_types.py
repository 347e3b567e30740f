"""The core types against specification 1: what an item, an outfit, a query and a ranking may be."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.types import (
    Embeddings,
    EncoderId,
    EncoderMismatch,
    Item,
    Outfit,
    OutfitQuery,
    OutfitRules,
    Ranked,
    Slot,
    as_sets,
)

TOP, JEANS, SHOES, DRESS = (
    Item("t", "T-shirt", category="T-shirt"),
    Item("j", "Jeans", category="Jeans"),
    Item("s", "Sneakers", category="Sneakers"),
    Item("d", "Dress", category="Dress"),
)
BOOTS = Item("b", "Boots", category="Boots")


def test_an_item_may_lack_photo_or_text_but_not_an_id() -> None:
    assert Item("a").text == ""
    assert Item("a", image=b"...").image == b"..."
    for bad in ("", None, 3):
        with pytest.raises(ValueError, match="id"):
            Item(bad)  # type: ignore[arg-type]


def test_text_joins_title_and_description_without_doubling_the_stop() -> None:
    assert Item("a", "Red dress.", description="Made of silk.").text == "Red dress. Made of silk."
    assert Item("a", description="Made of silk.").text == "Made of silk."


def test_pixels_must_be_rgb_bytes() -> None:
    Item("a", image=np.zeros((2, 3, 3), np.uint8))
    for wrong in (np.zeros((2, 3), np.uint8), np.zeros((2, 3, 3)), np.zeros((3, 2, 4), np.uint8)):
        with pytest.raises(ValueError, match="uint8 of shape"):
            Item("a", image=wrong)  # type: ignore[arg-type]


def test_items_are_frozen_and_compare_by_id() -> None:
    attributes = {"colour": "red"}
    item = Item("a", attributes=attributes)
    attributes["colour"] = "blue"
    assert item.attributes["colour"] == "red"
    with pytest.raises((AttributeError, TypeError)):
        item.title = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        item.attributes["colour"] = "blue"  # type: ignore[index]
    assert Item("a", "x") == Item("a", "y")
    assert len({Item("a"), Item("a"), Item("b")}) == 2


def test_items_travel_between_processes_whole() -> None:
    item = Item("a", "t", np.ones((2, 2, 3), np.uint8), "dress", "d", {"price": 3.0}, "g")
    copy = pickle.loads(pickle.dumps(item))
    for name in ("id", "title", "category", "description", "group", "attributes"):
        assert getattr(copy, name) == getattr(item, name)
    np.testing.assert_array_equal(copy.image, item.image)


def test_an_outfit_is_not_empty() -> None:
    assert not Outfit(()).is_valid()
    with pytest.raises(ValueError, match="at least one item"):
        Outfit(()).check()


def test_an_outfit_has_at_most_k_items() -> None:
    rules = OutfitRules(max_items=2)
    assert Outfit((TOP, JEANS)).is_valid(rules)
    with pytest.raises(ValueError, match="3 items, but an outfit has at most 2"):
        Outfit((TOP, JEANS, SHOES)).check(rules)


def test_categories_do_not_repeat_at_the_chosen_granularity() -> None:
    both = Outfit((SHOES, BOOTS))
    assert both.is_valid(OutfitRules(granularity="category"))
    assert not both.is_valid(OutfitRules(granularity="super_category"))
    assert not both.is_valid(OutfitRules(granularity="slot"))
    assert both.is_valid(OutfitRules(granularity="slot", strict=False))
    with pytest.raises(ValueError, match="2 items share the super-category 'shoes'"):
        both.check(OutfitRules(granularity="super_category"))


def test_the_same_item_twice_is_named() -> None:
    with pytest.raises(ValueError, match="'t' appears 2 times"):
        Outfit((TOP, TOP)).check(OutfitRules(strict=False))


def test_an_outfit_is_a_set() -> None:
    outfits = {Outfit(order) for order in itertools.permutations((TOP, JEANS, SHOES))}
    assert len(outfits) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([TOP, JEANS, SHOES, DRESS, BOOTS]), max_size=6),
    st.sampled_from(["category", "super_category", "slot"]),
    st.integers(1, 5),
    st.booleans(),
)
def test_non_empty_subsets_of_an_outfit_are_outfits(items, granularity, max_items, strict) -> None:  # type: ignore[no-untyped-def]
    """Specification 1.1's stated consequence, with table 1.7, row 2."""
    rules = OutfitRules(max_items=max_items, granularity=granularity, strict=strict)
    if not Outfit(tuple(items)).is_valid(rules):
        return
    for size in range(1, len(items) + 1):
        for subset in itertools.combinations(items, size):
            assert Outfit(subset).is_valid(rules)


@pytest.mark.parametrize("arguments", [{"max_items": 0}, {"granularity": "colour"}])
def test_rules_that_mean_nothing_are_refused(arguments: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments)).split("_")[0]):
        OutfitRules(**arguments)


def test_queries_that_cannot_be_answered_are_refused() -> None:
    with pytest.raises(ValueError, match="needs items to complete"):
        OutfitQuery()
    with pytest.raises(ValueError, match="alpha"):
        OutfitQuery(text="x", alpha=1.1)
    with pytest.raises(ValueError, match="not an outfit"):
        OutfitQuery(have=(TOP, TOP), slots=(Slot(),))
    with pytest.raises(ValueError, match="at most 2"):
        OutfitQuery(have=(TOP, JEANS), slots=(Slot(),), rules=OutfitRules(max_items=2))
    with pytest.raises(ValueError, match="already in the outfit"):
        OutfitQuery(have=(SHOES,), slots=(Slot(frozenset({"Boots"})),), rules=OutfitRules(granularity="slot"))


def test_a_slot_without_a_wish_takes_the_outfits_text() -> None:
    query = OutfitQuery(have=(TOP,), slots=(Slot(wish="white sneakers"), Slot()), text="summer")
    assert [query.wish(0), query.wish(1)] == ["white sneakers", "summer"]


def test_a_ranking_is_sorted_and_as_long_as_its_scores() -> None:
    ranked = Ranked(("a", "b"), np.array([0.5, 0.25]))
    assert list(ranked) == [("a", 0.5), ("b", 0.25)]
    with pytest.raises(ValueError, match="must not increase"):
        Ranked(("a", "b"), np.array([0.1, 0.2]))
    with pytest.raises(ValueError, match="2 ids"):
        Ranked(("a", "b"), np.array([0.1]))


def test_vectors_of_two_encoders_do_not_mix() -> None:
    one, other = EncoderId("one", "aa", 2), EncoderId("one", "bb", 2)
    first = Embeddings(np.eye(2, dtype=np.float32), one)
    np.testing.assert_array_equal(first.similarity(first), np.eye(2))
    with pytest.raises(EncoderMismatch, match="index the catalogue again"):
        first.similarity(Embeddings(np.eye(2, dtype=np.float32), other))
    with pytest.raises(ValueError, match="are not"):
        Embeddings(np.zeros((3, 4), np.float32), one)


def test_sets_of_positions_are_padded() -> None:
    assert as_sets([[3, 1], [2], []]).tolist() == [[3, 1], [2, -1], [-1, -1]]
    assert as_sets([np.array([4])], 3).tolist() == [[4, -1, -1]]
    assert as_sets([]).shape == (0, 0)
    assert as_sets([[1]]).dtype == np.int64
    with pytest.raises(ValueError, match="broadcast"):
        as_sets([[1, 2, 3]], 2)
