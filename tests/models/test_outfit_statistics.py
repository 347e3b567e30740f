"""Statistics of looks: against loops, and what every scorer of outfits must keep to."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Sequence
from math import log
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.data.outfits import Look, OutfitData
from modiste.models.outfit_statistics import (
    STATISTICS,
    Constant,
    CoOccurrence,
    MeanCosine,
    Mixture,
    Popularity,
    colour_of,
    family_of,
    fit_statistic,
    load_statistic,
    save_statistic,
)
from modiste.types import Item, OutfitScorer, PairwisePool


def shop() -> OutfitData:
    random = np.random.default_rng(0)
    items = {}
    for number in range(30):
        attributes = {"colour": ("Red", "blue", "")[number % 3], "family": ("Tops", "Skirts", "Shoes")[number // 10]}
        items[f"i{number:02d}"] = Item(f"i{number:02d}", category="x", attributes=attributes)
    ids = sorted(items)[:25]  # the last five are in no look
    looks = [tuple(random.choice(ids, int(random.integers(1, 6)), replace=False)) for _ in range(80)]
    train = tuple(Look(f"l{number}", tuple(map(str, look))) for number, look in enumerate(looks))
    refused = Look("refused", ("i28", "i29"), label=0.0)
    return OutfitData("shop", items, {"train": (*train, refused)})


@pytest.fixture(scope="module")
def data() -> OutfitData:
    return shop()


def vectors(items: Sequence[Item]) -> np.ndarray:
    return np.stack([np.random.default_rng([7, *item.id.encode()]).normal(size=5) for item in items]).astype(np.float32)


def good_looks(data: OutfitData) -> list[tuple[str, ...]]:
    return [look.item_ids for look in data.looks["train"] if look.label is None]


@pytest.mark.parametrize("by", ["item", "family", "colour_family"])
@pytest.mark.parametrize("smoothing", [0.5, 2.0])
def test_co_occurrence_is_the_loop(data: OutfitData, by: str, smoothing: float) -> None:
    def key(one: str) -> str:
        item = data.items[one]
        if by == "item":
            return one
        family = family_of(item)
        return family if by == "family" else f"{colour_of(item)}|{family}" if colour_of(item) else ""

    met: Counter[tuple[str, str]] = Counter()
    ends: Counter[str] = Counter()
    for look in good_looks(data):
        for one, other in itertools.combinations(look, 2):
            pair = tuple(sorted((key(one), key(other))))
            if pair[0]:
                met[pair] += 1
                ends.update(pair)
    total = sum(ends.values())

    def term(one: str, other: str) -> float:
        low, high = sorted((key(one), key(other)))
        if low not in ends or high not in ends:
            return 0.0
        expected = ends[low] * ends[high] / total * (0.5 if low == high else 1)
        return log((met[low, high] + smoothing) / (expected + smoothing))

    ids = sorted(data.items)
    pool = CoOccurrence.fit(data, by, smoothing=smoothing).pool([data.items[one] for one in ids])
    found = pool.pairs(np.arange(30), np.arange(30))
    expected = np.array([[term(one, other) for other in ids] for one in ids])
    assert found == pytest.approx(expected, abs=2**-20)
    assert (found == found.T).all()
    assert np.ptp(found) > 0.2
    unseen = found[25:]
    assert (unseen == 0).all() if by == "item" else (np.abs(unseen).max() > 0.02)


def test_expected_meetings_add_up_to_the_meetings(data: OutfitData) -> None:
    """If nobody had a preference every term would be about 0; with one key all pairs are as expected, exactly."""
    same = CoOccurrence.of([["a", "a", "a"], ["a", "a"]], "family")
    assert same.counts.tolist() == [4]
    pool = same.pool([Item("1", category="a"), Item("2", category="a")])
    assert pool.pairs(np.array([0]), np.array([1])).tolist() == [[0.0]]


def test_popularity_is_the_mean_of_the_items(data: OutfitData) -> None:
    count = Counter(one for look in good_looks(data) for one in look)
    ids = sorted(data.items)
    pool = Popularity.fit(data).pool([data.items[one] for one in ids])
    sets = np.array([[0, 3, 7, -1], [2, 29, -1, -1], [5, 6, 8, 11], [28, 29, -1, -1]])
    expected = []
    for row in sets.tolist():
        mean = np.mean([np.log1p(count[ids[at]]) for at in row if at >= 0])
        expected.append(0.5 + 0.5 * mean / (1 + mean))
    assert pool.score(sets) == pytest.approx(expected, abs=1e-5)
    assert pool.score(sets)[3] == 0.5  # both never seen: the refused look does not count


def test_mean_cosine_is_the_loop(data: OutfitData) -> None:
    items = list(data.items.values())
    table = vectors(items)
    unit = table / np.linalg.norm(table, axis=1, keepdims=True)
    pool = MeanCosine().pool(items, table)
    row = [3, 9, 14]
    mean = np.mean([unit[one] @ unit[other] for one, other in itertools.combinations(row, 2)])
    assert pool.score(np.array([row])) == pytest.approx([(1 + mean) / 2], abs=1e-5)
    opposite = MeanCosine().pool(items[:2], np.array([[1, 0], [-1, 0]], np.float32))
    assert 0 < opposite.score(np.array([[0, 1]]))[0] < 1e-5


@pytest.mark.parametrize("name", STATISTICS)
def test_every_statistic_keeps_to_the_contract(data: OutfitData, name: str) -> None:
    """Order, padding and batch change nothing, to the last bit; pairs and link give the score."""
    scorer = fit_statistic(name, data)
    items = list(data.items.values())
    pool = scorer.pool(items, vectors(items))
    assert isinstance(scorer, OutfitScorer)
    assert isinstance(pool, PairwisePool)
    random = np.random.default_rng(1)
    sets = np.full((60, 8), -1, dtype=np.int64)
    for row in sets:
        size = int(random.integers(1, 7))
        row[:size] = random.choice(len(items), size, replace=False)
    scores = pool.score(sets)
    assert scores.shape == (60,)
    assert scores.dtype == np.float32
    assert ((scores > 0) & (scores <= 1)).all()
    assert (
        pool.score(np.take_along_axis(sets, random.permuted(np.tile(np.arange(8), (60, 1)), axis=1), 1)) == scores
    ).all()
    assert (pool.score(np.hstack([np.full((60, 3), -1), sets])) == scores).all()
    assert (np.concatenate([pool.score(row[None]) for row in sets]) == scores).all()
    for row, score in zip(sets, scores, strict=True):
        there = row[row >= 0]
        terms = pool.pairs(there, there)
        upper = terms[np.triu_indices(len(there), 1)]
        mean = np.float32(upper.astype(np.float64).mean()) if len(upper) else np.float32(0)
        assert pool.link(np.array([mean]))[0] == pytest.approx(score, abs=1e-6)
        if len(there) == 1:
            assert score == 0.5
    steps = pool.link(np.linspace(-20, 20, 401, dtype=np.float32))
    assert (np.diff(steps) >= 0).all()
    assert ((steps > 0) & (steps <= 1)).all()
    if name != "mean-cosine":
        outfits = [[items[at] for at in row if at >= 0] for row in sets]
        assert (scorer.score(outfits) == scores).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-3, 32), min_size=3, max_size=3), min_size=1, max_size=4))
def test_sets_that_are_none_are_refused(rows: list[list[int]]) -> None:
    pool = Constant().pool([Item(f"{number}") for number in range(30)])
    sets = np.array(rows)
    if (sets < -1).any() or (sets >= 30).any() or (sets < 0).all(axis=1).any():
        with pytest.raises(ValueError, match=r"has no item|positions must lie"):
            pool.score(sets)
    else:
        assert (pool.score(sets) == 0.5).all()


def test_sets_of_the_wrong_kind_are_refused() -> None:
    pool = Constant().pool([Item("1")])
    for sets in (np.zeros(2, np.int64), np.zeros((1, 2))):
        with pytest.raises(ValueError, match="whole numbers of shape"):
            pool.score(sets)


def test_a_mixture_is_the_weighted_sum_of_terms(data: OutfitData) -> None:
    items = list(data.items.values())
    one, other = fit_statistic("co-occurrence", data), fit_statistic("popularity", data)
    rows = np.arange(30)
    mixed = Mixture(((2.0, one), (0.25, other))).pool(items).pairs(rows, rows)
    parts = 2 * one.pool(items).pairs(rows, rows) + 0.25 * other.pool(items).pairs(rows, rows)
    assert mixed == pytest.approx(parts, abs=2**-19)
    for parts_given in ((), ((-1.0, one),), ((float("nan"), one),)):
        with pytest.raises(ValueError, match="weights that are not negative"):
            Mixture(parts_given)


@pytest.mark.parametrize("name", STATISTICS)
def test_saved_and_loaded_is_the_same(data: OutfitData, name: str, tmp_path: Path) -> None:
    scorer = fit_statistic(name, data)
    path = save_statistic(scorer, tmp_path / "s.json")
    again = load_statistic(path)
    items = list(data.items.values())
    rows = np.arange(30)
    assert type(again) is type(scorer)
    assert (
        again.pool(items, vectors(items)).pairs(rows, rows) == scorer.pool(items, vectors(items)).pairs(rows, rows)
    ).all()
    assert save_statistic(again, tmp_path / "t.json").read_bytes() == path.read_bytes()


GOOD = {"statistic": "co-occurrence", "by": "item", "smoothing": 2, "keys": ["a", "b"], "met": [[0, 1, 3]]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "else"}, "is not an outfit statistic"),
        ({"statistic": "guess"}, "unknown statistic 'guess'"),
        ({"by": "year"}, "unknown key 'year'"),
        ({"smoothing": 0}, "smoothing must be positive"),
        ({"keys": ["b", "a"]}, "must be sorted"),
        ({"met": [[1, 0, 3]]}, "must be sorted"),
        ({"met": [[0, 2, 3]]}, "must be sorted"),
        ({"met": [[0, 1, -3]]}, "must be sorted"),
        ({"met": [[0, 1]]}, "s.json: "),
        ({"keys": None}, "field is missing or of the wrong kind"),
        ({"statistic": "popularity"}, "field is missing"),
        ({"statistic": "popularity", "counts": {"a": -1}}, "must not be negative"),
    ],
)
def test_a_damaged_file_is_named(change: dict[str, object], words: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps({"format": "modiste outfit statistic 1", **GOOD, **change}))
    with pytest.raises(ValueError, match=words) as caught:
        load_statistic(path)
    assert "s.json" in str(caught.value)


def test_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.json: no such file"):
        load_statistic(tmp_path / "none.json")
    (tmp_path / "torn.json").write_text('{"format": "mod')
    with pytest.raises(ValueError, match=r"torn\.json is not JSON"):
        load_statistic(tmp_path / "torn.json")


def test_what_cannot_be_fitted(data: OutfitData) -> None:
    with pytest.raises(ValueError, match="no statistic 'luck'; choose one of popularity"):
        fit_statistic("luck", data)
    bare = OutfitData("bare", data.items, {"test": data.looks["train"]})
    with pytest.raises(ValueError, match="bare: no training look to count; there is test"):
        fit_statistic("popularity", bare)
    with pytest.raises(ValueError, match="smoothing must be positive"):
        CoOccurrence.fit(data, "item", smoothing=0)
    items = list(data.items.values())
    for table, words in (
        (None, "give those of an encoder"),
        (np.ones((2, 3), np.float32), "for 30 items"),
        (np.zeros((30, 3), np.float32), "item 'i00': its vector is zero"),
    ):
        with pytest.raises(ValueError, match=words):
            MeanCosine().pool(items, table)


def test_nothing_learned_is_neutral() -> None:
    alone = OutfitData("alone", {"a": Item("a"), "b": Item("b")}, {"train": (Look("l", ("a",)),)})
    for name in ("co-occurrence", "colour-family", "category", "mixture"):
        assert fit_statistic(name, alone).pool([Item("a"), Item("b")]).score(np.array([[0, 1]])).tolist() == [0.5]


def test_what_is_read_off_an_item() -> None:
    item = Item("1", category="Ankle boots", attributes={"colour": "Navy blue", "family": "Shoes"})
    assert (family_of(item), colour_of(item)) == ("shoe", "navy blue")
    item = Item("2", category="Ankle boots", attributes={"colour": "navy", "colour_group": "BLUE"})
    assert (family_of(item), colour_of(item)) == ("ankle boot", "blue")
    assert colour_of(Item("3")) == ""
