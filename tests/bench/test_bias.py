"""The words that are swapped, and the measures on data whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modiste.types import Item


@pytest.fixture(scope="module")
def bias(bench_module: Callable[[str], Any]) -> Any:
    return bench_module("bias")


@pytest.mark.parametrize(
    ("title", "gender", "age", "bare"),
    [
        ("Puma Men Red T-shirt", "Puma Women Red T-shirt", "Puma Boys Red T-shirt", "Puma Red T-shirt"),
        ("Women's Camel Sneakers", "Men's Camel Sneakers", "Girls's Camel Sneakers", "Camel Sneakers"),
        ("ADIDAS WOMEN Top", "ADIDAS MEN Top", "ADIDAS GIRLS Top", "ADIDAS Top"),
        ("Kids Unisex Brown sandals", "Kids Unisex Brown sandals", "Adult Unisex Brown sandals", "Brown sandals"),
        ("Infant Boys Shorts", "Infant Girls Shorts", "Infant Men Shorts", "Infant Shorts"),
        ("Mentor Womble Menswear", "Mentor Womble Menswear", "Mentor Womble Menswear", "Mentor Womble Menswear"),
    ],
)
def test_words_are_swapped_whole_and_as_they_were_written(
    bias: Any, title: str, gender: str, age: str, bare: str
) -> None:
    assert bias.swapped(title, bias.GENDERS) == gender
    assert bias.swapped(gender, bias.GENDERS) == title
    assert bias.swapped(title, bias.AGES) == age
    assert bias.without(title) == bare


def test_ranks_against_counting(bias: Any) -> None:
    rng = np.random.default_rng(0)
    texts, photos, own = rng.normal(size=(9, 4)), rng.normal(size=(20, 4)), rng.integers(0, 20, 9)
    expected = [
        1 / (1 + sum(text @ photo > text @ photos[mine] for photo in photos))
        for text, mine in zip(texts, own, strict=True)
    ]
    assert bias.reciprocal_ranks(texts, photos, own).tolist() == pytest.approx(expected)
    assert bias.reciprocal_ranks(np.zeros((1, 4)), photos, np.array([3]))[0] == pytest.approx(2 / 21)  # all alike


class Blind:
    """An encoder whose vectors say nothing of the wearer, or nothing else."""

    bank = None

    def __init__(self, vectors: np.ndarray) -> None:
        self._vector = vectors

    def encode_query(self, text: str) -> Any:
        return type("Vectors", (), {"vectors": self._vector[None]})


def test_a_mix_like_the_catalogues_is_no_difference(bias: Any) -> None:
    gallery = [
        Item(f"i{n}", "x", category="Shirts", attributes={"colour": "Red", "gender": ("Women", "Men")[n % 2]})
        for n in range(40)
    ]
    fair = np.stack([np.array([1.0 - n / 100, 0.0]) for n in range(40)])
    found = bias.neutral(Blind(np.array([1.0, 0.0])), gallery, fair)
    assert [row["query"] for row in found["rows"]] == ["red shirt"]
    assert found["difference"]["mean"] == 0
    unfair = np.stack([np.array([float(n % 2 == 0), 0.0]) for n in range(40)])  # women first
    assert bias.neutral(Blind(np.array([1.0, 0.0])), gallery, unfair)["difference"]["mean"] == 0.5


def test_the_rules_judge_a_look_alike_for_all_wearers(bias: Any) -> None:
    rows = {row["way"]: row for row in bias.outfits("atelier:300:7:60", "", 6)}
    assert rows["all, words and labels"]["moved"]["mean"] == pytest.approx(0, abs=1e-6)
    assert rows["one, word and label"]["change_women"]["mean"] < -0.01
    assert rows["all, words alone"]["moved"]["mean"] == 0  # the rules read the label, never the title
    assert rows["no word"]["before"]["count"] > 0
