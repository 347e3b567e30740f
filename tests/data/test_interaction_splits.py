"""Division by user and the k-core, beside the slow obvious versions."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modiste.data.interaction_splits import FEWEST, divide, k_core

PAIRS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("uvwxyz")), max_size=30, unique=True)


def slow_core(pairs: list[tuple[str, str]], least: tuple[int, int]) -> set[tuple[str, str]]:
    left = set(pairs)
    while True:
        users, outfits = (Counter(pair[side] for pair in left) for side in (0, 1))
        good = {pair for pair in left if users[pair[0]] >= least[0] and outfits[pair[1]] >= least[1]}
        if good == left:
            return left
        left = good


@given(PAIRS, st.integers(0, 4), st.integers(0, 4))
def test_k_core(pairs: list[tuple[str, str]], min_user: int, min_outfit: int) -> None:
    kept = k_core([user for user, _ in pairs], [outfit for _, outfit in pairs], min_user, min_outfit)
    assert {pair for pair, keep in zip(pairs, kept.tolist(), strict=True) if keep} == slow_core(
        pairs, (min_user, min_outfit)
    )


def test_a_core_below_nothing() -> None:
    with pytest.raises(ValueError, match="from 0 on, not -1 and 2"):
        k_core(["u"], ["o"], -1, 2)


@given(PAIRS, st.integers(0, 3), st.randoms())
def test_division(pairs: list[tuple[str, str]], seed: int, random) -> None:  # type: ignore[no-untyped-def]
    splits = divide([user for user, _ in pairs], [outfit for _, outfit in pairs], seed)
    for user in {user for user, _ in pairs}:
        mine = Counter(split for (one, _), split in zip(pairs, splits, strict=True) if one == user)
        held = 0 if mine.total() < FEWEST else 1  # of fewer than 15 one
        assert mine == Counter(train=mine.total() - 2 * held, valid=held, test=held)
    # Neither the order of rows nor other people's clicks move any of hers.
    shuffled = random.sample(pairs, len(pairs))
    again = dict(zip(shuffled, divide([u for u, _ in shuffled], [o for _, o in shuffled], seed), strict=True))
    assert again == dict(zip(pairs, splits, strict=True))
    alone = [pair for pair in pairs if pair[0] == "a"]
    assert divide([u for u, _ in alone], [o for _, o in alone], seed) == [again[pair] for pair in alone]


def test_the_latest_are_test() -> None:
    times = [float(time) for time in (5, 30, 10, 20, 25, 1, 2, 3, 4, 6)]
    splits = divide(["u"] * 10, [str(number) for number in range(10)], 0, times)
    assert splits[1] == "test"
    assert splits[4] == "valid"
    assert splits.count("train") == 8


def test_a_tenth() -> None:
    splits = divide(["u"] * 200, [str(number) for number in range(200)])
    assert (splits.count("test"), splits.count("valid")) == (20, 20)
    other = divide(["u"] * 200, [str(number) for number in range(200)], 1)
    assert other != splits
