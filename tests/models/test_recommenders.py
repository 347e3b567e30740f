"""Recommenders that count, beside the slow obvious versions; what every `OutfitRecommender` must do."""

from __future__ import annotations

import numpy as np
import pytest

from modiste.data.interactions import Interactions, pair_matrix
from modiste.models.recommenders import COUNTED, OutfitNeighbours, Popularity
from modiste.types import OutfitRecommender


def world(num_users: int = 30, num_outfits: int = 20) -> Interactions:
    random = np.random.default_rng(0)
    dense = random.random((num_users, num_outfits)) < 0.3 * random.random(num_outfits)
    dense[0] = False  # she has not clicked anything
    rows, columns = dense.nonzero()
    return Interactions(
        tuple(f"u{number}" for number in range(num_users)),
        tuple(f"o{number}" for number in range(num_outfits)),
        ("i",),
        {"train": pair_matrix(rows, columns, (num_users, num_outfits))},
        pair_matrix(range(num_outfits), [0] * num_outfits, (num_outfits, 1)),
    )


def test_popularity() -> None:
    data = world()
    scores = Popularity(data).scores(np.array([3, 0]))
    np.testing.assert_array_equal(scores, np.tile(data.clicks["train"].toarray().sum(axis=0), (2, 1)))


def test_neighbours() -> None:
    data = world()
    clicks = data.clicks["train"].toarray()
    expected = np.zeros_like(clicks)
    for user in range(data.num_users):
        for outfit in range(data.num_outfits):
            for liked in np.flatnonzero(clicks[user]):
                if liked != outfit and clicks[:, outfit].any():
                    length = np.linalg.norm(clicks[:, outfit]) * np.linalg.norm(clicks[:, liked])
                    expected[user, outfit] += clicks[:, outfit] @ clicks[:, liked] / length
    np.testing.assert_allclose(OutfitNeighbours(data).scores(np.arange(data.num_users)), expected, atol=1e-6)


@pytest.mark.parametrize("name", COUNTED)
def test_contract(name: str) -> None:
    data = world()
    recommender = COUNTED[name](data)
    assert isinstance(recommender, OutfitRecommender)
    users = np.array([5, 2, 2, 9])
    scores = recommender.scores(users)
    assert scores.shape == (4, data.num_outfits)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    for row, user in enumerate(users):
        np.testing.assert_array_equal(recommender.scores(np.array([user]))[0], scores[row])
    assert recommender.scores(np.zeros(0, dtype=np.int64)).shape == (0, data.num_outfits)
    before = recommender.scores(users).copy()
    recommender.scores(users)[:] = 7  # a caller may write into what it was given
    np.testing.assert_array_equal(recommender.scores(users), before)
    for wrong in ([-1], [data.num_users], [[0]]):
        with pytest.raises(ValueError, match="users must be rows"):
            recommender.scores(np.array(wrong))
