"""Questions for calibration: a constant scorer learns nothing from them, a perfect one everything, and labels are true."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from modiste.data.outfits import OutfitData
from modiste.evaluation.calibration_data import judged_looks, judged_wishes
from modiste.models.outfit_statistics import Constant
from modiste.types import Item

sys.path.insert(0, str(Path(__file__).parent))
from outfit_protocol_toys import knows, toy_data

ITEMS = [
    Item(f"{colour}-{kind}-{n}", category=kind, attributes={"colour": colour})
    for colour in ("red", "blue", "green")
    for kind in ("shirt", "jeans", "boots", "sneakers")
    for n in range(4)
]


@pytest.fixture(scope="module")
def data() -> OutfitData:
    return toy_data()


def test_half_are_looks_and_a_constant_scorer_ties(data: OutfitData) -> None:
    found = judged_looks(data, "test", Constant(), negatives="random")
    assert found.labels.mean() == 0.5
    assert len(set(found.scores.tolist())) == 1


def test_a_perfect_scorer_is_right_about_all(data: OutfitData) -> None:
    found = judged_looks(data, "test", knows(data), negatives="random")
    assert found.scores[found.labels == 1].min() > found.scores[found.labels == 0].max()


def test_halves_share_no_group_and_lose_nothing(data: OutfitData) -> None:
    found = judged_looks(data, "test", Constant(), negatives="random", seed=3)
    one, other = found.halves()
    assert len(one) + len(other) == len(found)
    assert min(len(one), len(other)) > 0
    assert not set(one.groups) & set(other.groups)


def test_a_wish_is_right_of_its_colour_and_kind_alone() -> None:
    names = sorted({(str(item.attributes["colour"]), item.category) for item in ITEMS})
    place = {f"{colour} {kind.rstrip('s') if kind != 'jeans' else kind}": at for at, (colour, kind) in enumerate(names)}
    vectors = np.eye(len(names), dtype=np.float32)[
        [names.index((str(i.attributes["colour"]), i.category)) for i in ITEMS]
    ]

    def encode(wish: str) -> np.ndarray:
        from modiste.taxonomy import normalise

        colour, kind = wish.split(" ", 1)
        at = next(n for n, (c, k) in enumerate(names) if c == colour and normalise(k) == kind)
        return np.eye(len(names), dtype=np.float32)[at]

    found = judged_wishes(ITEMS, vectors, encode)
    assert len(place) == len(names)
    assert (found.scores == found.labels).all()
    # Of a slot with one kind every third item has the colour. Of the shoes two kinds share each colour: of 24 candidates 4 are
    # right, and 4 are of that colour but of the other kind, which may be what was meant.
    shares = {group: found.labels[[one == group for one in found.groups]].mean() for group in set(found.groups)}
    assert len(shares) == len(names)
    assert {round(float(share), 6) for share in shares.values()} == {round(1 / 3, 6), 0.2}
    again = judged_wishes(ITEMS, vectors, encode)
    assert again.groups == found.groups


def test_a_wish_names_pattern_and_material_where_they_are_known() -> None:
    items = [
        Item(f"{colour}-{pattern}-{material}", category="shirt", attributes={"colour": colour} | more)
        for colour in ("red", "blue")
        for pattern, material, more in (
            ("solid", "linen", {"pattern": "solid", "material": "linen"}),
            ("striped", "", {"pattern": "striped"}),
        )
    ]
    asked: list[str] = []

    def encode(wish: str) -> np.ndarray:
        asked.append(wish)
        return np.ones(2, np.float32)

    found = judged_wishes(items, np.ones((len(items), 2), np.float32), encode)
    assert asked == [
        "blue shirt",
        "linen blue shirt",
        "striped blue shirt",
        "red shirt",
        "linen red shirt",
        "striped red shirt",
    ]
    # Asked for linen, an item of which no material is known is neither right nor wrong.
    assert [found.groups.count(wish) for wish in asked[:3]] == [4, 2, 2]
    assert found.labels[: len(items)].sum() == 2


def test_candidates_are_drawn_where_there_are_many() -> None:
    found = judged_wishes(
        ITEMS, np.ones((len(ITEMS), 2), np.float32), lambda _: np.ones(2), num_candidates=5, num_wishes=4
    )
    assert len(found) == 20


def test_nothing_can_be_asked_of_items_without_colours() -> None:
    bare = [Item(f"i{n}", category="shirt") for n in range(5)]
    assert len(judged_wishes(bare, np.zeros((5, 2), np.float32), lambda _: np.zeros(2, np.float32))) == 0
