"""The stylist: rules as a scorer with the contract of every outfit scorer, which says why."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from modiste.data.atelier import Atelier
from modiste.data.atelier.looks import atelier_outfits, labelled_looks
from modiste.models.stylist import Stylist, item_traits
from modiste.types import Item, OutfitScorer, PairwisePool

ITEMS = list(Atelier(4).items(60, image=False))


def _look(*words: str) -> list[Item]:
    return [
        Item(f"{n}-{text}", category=text.split()[-1], attributes={"colour": text.split()[0]})
        for n, text in enumerate(words)
    ]


def test_it_is_a_scorer_with_a_pairwise_pool_and_says_that_it_is_rules() -> None:
    stylist = Stylist()
    assert isinstance(stylist, OutfitScorer)
    assert isinstance(stylist.pool(ITEMS), PairwisePool)
    assert stylist.name == "rules"


def test_score_is_the_link_of_the_mean_over_pairs() -> None:
    pool = Stylist().pool(ITEMS)
    table = pool.pairs(np.arange(60), np.arange(60))
    np.testing.assert_allclose(table, table.T, atol=1e-5)
    rng = np.random.default_rng(0)
    sets = [rng.choice(60, size=rng.integers(2, 7), replace=False) for _ in range(30)]
    padded = np.full((30, 8), -1)
    for row, members in enumerate(sets):
        padded[row, : len(members)] = members
    means = np.array([np.mean([table[a, b] for a, b in combinations(members, 2)]) for members in sets])
    scores = pool.score(padded)
    np.testing.assert_allclose(scores, pool.link(means.astype(np.float32)), atol=1e-5)
    assert (scores > 0).all()
    assert (scores <= 1).all()
    assert np.array_equal(pool.score(rng.permuted(padded, axis=1)), scores)
    assert np.array_equal(pool.score(padded[7:8]), scores[7:8])
    assert np.array_equal(pool.link(np.sort(means)), np.sort(pool.link(means)))


def test_one_item_is_neutral() -> None:
    assert Stylist().score([[ITEMS[0]]])[0] == pytest.approx(0.5)


def test_it_prefers_what_a_stylist_would() -> None:
    good, clash, summer_boots = Stylist().score(
        [
            _look("navy blazer", "white shirt", "beige trousers"),
            _look("turquoise blazer", "mustard shirt", "coral trousers"),
            [*_look("navy blazer", "white shirt"), Item("s", category="sandals", attributes={"season": "summer"}),
             Item("w", category="coat", attributes={"season": "winter"})],
        ]
    )  # fmt: skip
    assert good > 0.5 > clash
    assert good > summer_boots


def test_reasons_are_about_the_pair_and_strongest_first() -> None:
    items = [
        Item("a", category="dress", attributes={"colour": "turquoise", "gender": "women"}),
        Item("b", category="tie", attributes={"colour": "mustard", "gender": "men"}),
    ]
    pool = Stylist().pool(items)
    reasons = pool.explain(0, 1)
    assert {"gender", "harmony"} <= {reason.rule for reason in reasons}
    assert [abs(r.term * r.weight) for r in reasons] == sorted((abs(r.term * r.weight) for r in reasons), reverse=True)
    assert next(r for r in reasons if r.rule == "gender").breaks
    assert "dress is cut for women, tie for men" in " ".join(map(str, reasons))
    with pytest.raises(ValueError, match="outside the pool of 2"):
        pool.explain(0, 2)


def test_photo_colours_are_read_where_attributes_name_none() -> None:
    pixels = np.full((80, 60, 3), 255, dtype=np.uint8)
    pixels[15:65, 15:45] = (203, 39, 48)
    assert item_traits(Item("a", category="dress", image=pixels)).hexadecimal == "#cb2730"
    named = Item("b", category="dress", image=pixels, attributes={"colour": "navy"})
    assert item_traits(named).colour == "navy"
    assert item_traits(Item("c", category="dress", image=b"broken")).hexadecimal is None


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="no style rule 'colour'"):
        Stylist(weights={"colour": 1.0})
    with pytest.raises(ValueError, match="gain must be positive"):
        Stylist(gain=0)
    pool = Stylist().pool(ITEMS[:3])
    with pytest.raises(ValueError, match="set 1 names a position outside the pool of 3"):
        pool.score(np.array([[0, 1], [2, 3]]))
    with pytest.raises(ValueError, match="set 0 has no item"):
        pool.score(np.array([[-1, -1]]))


def test_it_tells_the_ateliers_looks_from_declined_sets() -> None:
    world = atelier_outfits(600, 1, num_looks=30)
    questions = labelled_looks(world, "train", 200)
    scores = Stylist().score([world.outfit(look).items for look in questions])
    labels = np.array([look.label for look in questions])
    higher = (scores[labels == 1][:, None] > scores[labels == 0][None, :]).mean()
    assert higher > 0.75
