"""Recommendation: chance and perfection, slow obvious versions, leaks, and the mistakes of the released code."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.data.atelier.clicks import BestRecommender, atelier_interactions, atelier_source
from modiste.data.interactions import Interactions, load_interactions, pair_matrix
from modiste.evaluation.recommendation import Places, RecommendationReport, evaluate_recommender, per_user
from modiste.models.recommenders import OutfitNeighbours, Popularity
from modiste.types import FloatArray, OutfitRecommender


class Table:
    """Scores as given, and a note of who was asked about."""

    def __init__(self, scores: np.ndarray) -> None:
        self.table = scores.astype(np.float32)
        self.asked: list[int] = []

    def scores(self, users: np.ndarray) -> FloatArray:
        self.asked += users.tolist()
        return self.table[users]


def world(num_users: int = 40, num_outfits: int = 30, seed: int = 0) -> Interactions:
    random = np.random.default_rng(seed)
    part = random.choice(4, size=(num_users, num_outfits), p=[0.55, 0.25, 0.1, 0.1])
    part[0] = 0
    part[0, :2] = 1  # a user without a test click
    part[1, 5:9] = 3
    return Interactions(
        tuple(f"u{number}" for number in range(num_users)),
        tuple(f"o{number}" for number in range(num_outfits)),
        ("i",),
        {
            split: pair_matrix(*(part == number).nonzero(), part.shape)
            for number, split in enumerate(("train", "valid", "test"), 1)
        },
        pair_matrix(range(num_outfits), [0] * num_outfits, (num_outfits, 1)),
        name="toy",
    )


def run(data: Interactions, recommender: OutfitRecommender, *args: object, **options: object) -> RecommendationReport:
    return evaluate_recommender(data, recommender, *args, **({"resamples": 0} | options))  # type: ignore[arg-type]


def slow(order: list[int], positives: set[int], k: int) -> tuple[float, float, float]:
    """NDCG, recall and hit rate of one ranking."""
    gains = [1 / math.log2(place + 1) for place, outfit in enumerate(order[:k], 1) if outfit in positives]
    ideal = sum(1 / math.log2(place + 1) for place in range(1, min(k, len(positives)) + 1))
    return sum(gains) / ideal, len(gains) / len(positives), float(bool(gains))


@pytest.mark.parametrize("split", ["valid", "test"])
def test_against_sorting(split: str) -> None:
    data = world()
    scores = np.random.default_rng(1).normal(size=(data.num_users, data.num_outfits))
    report = run(data, Table(scores), split, (1, 5, 10))
    dense = {name: matrix.toarray() > 0 for name, matrix in data.clicks.items()}
    known = dense["train"] | (dense["valid"] if split == "test" else False)
    users = [user for user in range(data.num_users) if dense[split][user].any()]
    assert report.num_users == len(users)
    for k in (1, 5, 10):
        rows = []
        for user in users:
            candidates = [outfit for outfit in range(data.num_outfits) if not known[user, outfit]]
            order = sorted(candidates, key=lambda outfit, user=user: -scores[user, outfit])  # type: ignore[misc]
            rows.append(slow(order, set(np.flatnonzero(dense[split][user])), k))
        for name, expected in zip(("ndcg", "recall", "hr"), np.mean(rows, axis=0), strict=True):
            assert report.metrics[f"{name}@{k}"].mean == pytest.approx(expected)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 2), min_size=2, max_size=5), st.data())
def test_ties_are_expected_values(levels: list[int], data: st.DataObject) -> None:
    """Over all orders of equal scores, written out."""
    positives = set(data.draw(st.lists(st.integers(0, len(levels) - 1), min_size=1, unique=True)))
    scores = np.array(levels)
    places = Places(
        np.zeros(len(positives), dtype=np.int64),
        np.array(sorted(positives)),
        np.array([np.sum(scores > scores[one]) for one in sorted(positives)]),
        np.array([np.sum(scores == scores[one]) for one in sorted(positives)]),
    )
    orders = [
        list(order)
        for order in itertools.permutations(range(len(levels)))
        if all(levels[a] >= levels[b] for a, b in itertools.pairwise(order))
    ]
    for k in (1, 2, 3, 10):
        names, values = per_user(places, 1, (k,))
        assert names == [f"ndcg@{k}", f"recall@{k}", f"hr@{k}"]
        np.testing.assert_allclose(values[0], np.mean([slow(order, positives, k) for order in orders], axis=0))


def test_a_constant_scorer_lands_at_chance() -> None:
    data = world()
    report = run(data, Table(np.ones((data.num_users, data.num_outfits))))
    assert {key: one.mean for key, one in report.metrics.items()} == pytest.approx(dict(report.chance))
    # Recall at chance is places / candidates, whatever the positives.
    known = (data.clicks["train"] + data.clicks["valid"]).toarray().sum(axis=1)
    measured = data.clicks["test"].toarray().any(axis=1)
    assert report.chance["recall@10"] == pytest.approx(np.mean(10 / (data.num_outfits - known[measured])))
    drawn = [
        run(data, Table(np.random.default_rng(seed).random((data.num_users, data.num_outfits)))) for seed in range(60)
    ]
    for key in ("ndcg@20", "hr@10", "cold_outfits_recall@20"):
        assert np.mean([one.metrics[key].mean for one in drawn]) == pytest.approx(report.chance[key], rel=0.08)


def test_a_perfect_scorer_is_perfect() -> None:
    data = world()
    report = run(data, Table(data.clicks["test"].toarray()), legacy=True)
    assert all(
        one.mean == pytest.approx(1) for key, one in report.metrics.items() if not key.startswith("cold_outfits")
    )
    worst = run(data, Table(-data.clicks["test"].toarray()), "test", (1,))
    assert worst.metrics["hr@1"].mean == 0


def test_what_is_known_is_no_candidate() -> None:
    """Training and validation clicks at the top change nothing; when valid is measured, test clicks compete like any outfit."""
    data = world()
    scores = np.random.default_rng(1).normal(size=(data.num_users, data.num_outfits))
    known = (data.clicks["train"] + data.clicks["valid"]).toarray()
    one, other = run(data, Table(scores)), run(data, Table(scores + 100 * known))
    assert one.metrics == other.metrics
    train = data.clicks["train"].toarray()
    assert run(data, Table(scores), "valid").metrics == run(data, Table(scores + 100 * train), "valid").metrics
    test = data.clicks["test"].toarray()
    assert run(data, Table(scores), "valid").metrics != run(data, Table(scores + 100 * test), "valid").metrics


def test_no_test_click_reaches_a_recommender() -> None:
    """Counting recommenders say the same whatever is held out, and only users to be measured are asked about."""
    data = world()
    for kind in (Popularity, OutfitNeighbours):
        everyone = np.arange(data.num_users)
        assert np.array_equal(kind(data).scores(everyone), kind(data.only("train")).scores(everyone))
    table = Table(np.zeros((data.num_users, data.num_outfits)))
    run(data, table)
    assert table.asked == np.flatnonzero(data.clicks["test"].toarray().any(axis=1)).tolist()


def test_scores_are_not_written_into() -> None:
    data = world()
    table = np.random.default_rng(0).normal(size=(data.num_users, data.num_outfits)).astype(np.float32)

    class Kept(Table):
        def scores(self, users: np.ndarray) -> FloatArray:
            return self.table[users[0] : users[0] + 1]  # a view of what it keeps

    kept = Kept(table)
    kept.table = table
    before = table.copy()
    run(data, kept, num_users=1)
    np.testing.assert_array_equal(table, before)


def test_the_ideal_is_what_there_was_to_find() -> None:
    """Known mistake: an ideal of the hits there were makes one late hit of four as good as it could be."""
    places = Places(np.zeros(4, int), np.arange(4), np.array([0, 500, 600, 700]), np.ones(4, int))
    names, values = per_user(places, 1, (10,), legacy=True)
    found = dict(zip(names, values[0], strict=True))
    assert found["ndcg_legacy@10"] == pytest.approx(1)
    assert found["ndcg@10"] == pytest.approx(1 / sum(1 / math.log2(place + 1) for place in range(1, 5)))
    late = Places(np.zeros(1, int), np.zeros(1, int), np.array([4]), np.ones(1, int))
    (alone,) = per_user(late, 1, (10,), legacy=True)[1].tolist()
    assert alone == pytest.approx([1 / math.log2(6), 1, 1, 1 / math.log2(6)])  # nothing else to find: no difference


def test_ties_are_no_hits() -> None:
    """Known mistake: with ties counted as hits a constant scorer is perfect."""
    data = world()
    report = run(data, Table(np.zeros((data.num_users, data.num_outfits))), "test", (1,), legacy=True)
    assert report.metrics["hr@1"].mean < 0.2
    assert report.metrics["ndcg_legacy@1"].mean < 0.35


def test_cold_users_and_outfits_stand_apart() -> None:
    """A scorer that finds outfits with many training clicks alone has nothing of the cold ones."""
    data = world(200, 60)
    counts = data.clicks["train"].toarray().sum(axis=0)
    order = np.argsort(-counts)
    cold = pair_matrix(*data.clicks["train"].toarray()[:, order[:40]].nonzero(), (200, 60))
    data = Interactions(
        data.user_ids, data.outfit_ids, data.item_ids, {"train": cold, "test": _apart(data.clicks["test"], cold)},
        data.outfit_items,
    )  # fmt: skip
    report = run(data, Popularity(data))
    assert report.cold_positives > 0
    assert report.metrics["cold_outfits_recall@20"].mean == 0
    assert report.metrics["recall@20"].mean > 0.2
    assert report.cold_users < report.num_users
    few = np.diff(cold.indptr) <= 5
    assert report.cold_users == int((few & data.clicks["test"].toarray().any(axis=1)).sum())


def _apart(test, train):  # type: ignore[no-untyped-def]
    return pair_matrix(*((test.toarray() > 0) & (train.toarray() == 0)).nonzero(), test.shape)


def test_the_report() -> None:
    data = world()
    report = evaluate_recommender(
        data, OutfitNeighbours(data), controls={"popularity": Popularity(data)}, reference=Table(data.clicks["test"].toarray()),
        resamples=200, seed=3,
    )  # fmt: skip
    values = json.loads(json.dumps(report.as_dict()))
    for key in ("ndcg@20", "recall@20", "hr@10"):
        assert values[f"{key}_low"] <= values[key] <= values[f"{key}_high"]
        assert values[f"{key}_low"] < values[f"{key}_high"]
        assert 0 < values[f"{key}_chance"] < 1
        assert values[f"reference_{key}"] == pytest.approx(1)
        assert values[f"ratio_{key}"] == pytest.approx(values[key])
        assert f"control_popularity_{key}" in values
    assert values["protocol"] == "recommendation"
    assert not any(key.startswith("reference_cold_outfits") for key in values)
    rows = report.table()
    assert rows[0] == ["metric", "value", "95 % interval", "chance", "popularity", "best possible", "ratio"]
    assert all(len(row) == len(rows[0]) for row in rows)


def test_some_users_only() -> None:
    data = world()
    table = Table(np.random.default_rng(1).normal(size=(data.num_users, data.num_outfits)))
    assert run(data, table, num_users=7).num_users == 7
    assert len(table.asked) == 7
    with pytest.raises(ValueError, match="must lie between 1 and the"):
        run(data, table, num_users=999)


@pytest.mark.parametrize(
    ("options", "scores", "message"),
    [
        ({"split": "train"}, 0.0, "toy: no click in split 'train' to rank by; there is valid, test"),
        ({"ks": ()}, 0.0, "must be at least 1"),
        ({"ks": (0,)}, 0.0, "must be at least 1"),
        ({}, np.nan, "user 'u1': a score is not finite"),
        ({}, np.inf, "user 'u1': a score is not finite"),
    ],
)
def test_what_is_wrong_is_said(options: dict[str, object], scores: float, message: str) -> None:
    data = world()
    table = np.zeros((data.num_users, data.num_outfits))
    table[1, 3] = scores
    with pytest.raises(ValueError, match=message):
        run(data, Table(table), **options)
    with pytest.raises(ValueError, match=r"must be \(\d+, 30\), not \(\d+, 29\)"):
        run(data, Table(table[:, 1:]))


def test_the_best_is_best() -> None:
    """In the generated world no recommender is expected to rank better than the one that knows the tastes."""
    world_, users = atelier_source("atelier:400:0:300:150")
    data = atelier_interactions(world_, users)
    report = run(data, Popularity(data.only("train")), reference=BestRecommender(users))
    assert report.chance["ndcg@20"] < report.metrics["ndcg@20"].mean < report.reference["ndcg@20"].mean
    assert report.ratios["ndcg@20"].mean < 1


@pytest.mark.data
@pytest.mark.parametrize(
    ("kind", "expected"),
    [(Popularity, (0.0532, 0.0241, 0.0457)), (OutfitNeighbours, (0.1085, 0.0547, 0.1023))],
    ids=["popularity", "knn"],
)
def test_figures_others_measured(real_data: Path, kind: type[Popularity], expected: tuple[float, ...]) -> None:
    """Figures of this division that were measured by other code."""
    data = load_interactions(real_data / "ifashion")
    found = run(data, kind(data.only("train"))).metrics
    assert tuple(round(found[key].mean, 4) for key in ("recall@20", "ndcg@20", "hr@10")) == expected
