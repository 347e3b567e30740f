"""The best guess of a taste, against sums written out and against what it cannot beat."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse import csr_array

from modiste.data.atelier.clicks import BestRecommender, atelier_interactions, atelier_with_users
from modiste.data.atelier.design import generator
from modiste.data.atelier.guesses import BestGuess
from modiste.data.atelier.users import drawn_tastes
from modiste.evaluation.recommendation import evaluate_recommender


@pytest.fixture(scope="module")
def world():  # type: ignore[no-untyped-def]
    built, users = atelier_with_users(150, 0, num_looks=120, num_users=150)
    return users, atelier_interactions(built, users)


def test_it_is_the_posterior_mean(world) -> None:  # type: ignore[no-untyped-def]
    users, data = world
    guess = BestGuess(users, data.clicks["train"], num_draws=40)
    tastes = drawn_tastes(generator(0, 67), 40)
    assert len({taste.colours for taste in tastes}) > 20
    likes = [3, 17, 90]
    total, weights = np.zeros(120), 0.0
    for row in guess._probability:
        weight = math.prod(row[like] / row.sum() for like in likes)
        total += weight * row
        weights += weight
    np.testing.assert_allclose(guess.of_likes(likes), total / weights, rtol=1e-4)
    np.testing.assert_allclose(guess.of_likes([]), guess._probability.mean(axis=0), rtol=1e-4)


def test_likes_bring_it_from_what_anyone_likes_toward_what_she_likes(world) -> None:  # type: ignore[no-untyped-def]
    users, data = world
    clicks = data.clicks["train"]
    guess = BestGuess(users, clicks, num_draws=4000)
    best = evaluate_recommender(data, BestRecommender(users), resamples=0).metrics["ndcg@20"].mean
    found = evaluate_recommender(data, guess, resamples=0).metrics["ndcg@20"].mean
    anyone = (
        evaluate_recommender(data, BestGuess(users, csr_array(clicks.shape), 4000), resamples=0).metrics["ndcg@20"].mean
    )
    assert anyone < found < best * 1.05
    truth = users.probability(np.arange(150))
    errors = [np.abs(guess.scores(np.arange(150)) - truth).mean(), np.abs(guess.of_likes([]) - truth).mean()]
    assert errors[0] < 0.8 * errors[1]
