"""The atelier's users as data for recommenders."""

from __future__ import annotations

import numpy as np
import pytest

from modiste.data.atelier.clicks import BestRecommender, atelier_interactions, atelier_source, one_hot
from modiste.data.interactions import load_interactions
from modiste.types import Item

SOURCE = "atelier:400:3:60:40"


def test_rows_are_the_users_and_looks() -> None:
    world, users = atelier_source(SOURCE)
    data = atelier_interactions(world, users)
    assert data.user_ids == tuple(taste.user_id for taste in users.tastes)
    assert len(data.user_ids) == 40
    assert data.outfit_ids == tuple(look.id for look in users.looks)
    assert len(data.outfit_ids) == 60
    for split, clicks in users.interactions.items():
        rows, columns = data.clicks[split].nonzero()
        found = {(data.user_ids[row], data.outfit_ids[column]) for row, column in zip(rows, columns, strict=True)}
        assert found == {(one.user_id, one.target_id) for one in clicks}
    look = users.looks[7]
    assert {data.item_ids[row] for row in data.outfit_items[[7]].indices} == set(look.item_ids)
    assert data.item_categories is not None
    assert data.item_features is not None
    row = data.item_ids.index(look.item_ids[0])
    assert data.category_names[data.item_categories[row]] == world.items[look.item_ids[0]].category
    assert data.item_features[row].sum() >= 5
    best = BestRecommender(users).scores(np.array([3, 0]))
    np.testing.assert_array_equal(best, users.probability([3, 0]))
    again = load_interactions(SOURCE)
    assert (again.clicks["train"] != data.clicks["train"]).nnz == 0
    other = load_interactions(SOURCE, seed=1)
    assert (other.clicks["train"] != data.clicks["train"]).nnz > 0
    assert (other.outfit_items != data.outfit_items).nnz == 0  # the world is the source's own


def test_one_hot() -> None:
    items = [
        Item("a", "x", category="Jeans", attributes={"colour": "red", "price": 5.0}),
        Item("b", "y", category="boots", attributes={"colour": "blue"}),
        Item("c", "z", attributes={"colour": "red"}),
    ]
    # columns: category boots, category jeans, colour blue, colour red
    np.testing.assert_array_equal(one_hot(items), [[0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize("source", ["atelier:", "atelier:5:", "atelier:5:1:2:3:4", "atelier:-1"])
def test_sources_that_are_none(source: str) -> None:
    with pytest.raises(ValueError, match="write atelier:N"):
        atelier_source(source)
