"""The captioning protocol: values worked by hand, what is identical at the top, what is disjoint at nothing."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence

import numpy as np
import pytest

from modiste.evaluation import captioning
from modiste.evaluation.captioning import (
    PERFECT,
    evaluate_captioning,
    most_typical,
    references,
    score_captions,
    words,
)
from modiste.types import Caption, ImageLike, Item

TITLES = (
    "Red cotton shirt for men",
    "Blue denim jeans with a zip",
    "Black steel watch with leather strap",
    "White canvas shoes for women",
)


@pytest.fixture(autouse=True)
def without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    """What every machine measures; METEOR has a test of its own."""
    monkeypatch.setattr(captioning.shutil, "which", lambda name: None)


def shop() -> list[Item]:
    return [
        Item(id=str(n), title=title, image=bytes([n]), category="Things", attributes={"colour": title.split()[0]})
        for n, title in enumerate(TITLES)
    ]


class Writer:
    """Writes what is given for the photo's number."""

    def __init__(self, captions: Sequence[str]) -> None:
        self.captions = captions
        self.beams: list[int] = []

    def caption(self, images: Sequence[ImageLike], *, beams: int = 1, max_words: int | None = None) -> list[Caption]:
        self.beams.append(beams)
        return [Caption(self.captions[image[0]], -1.0) for image in images if isinstance(image, bytes)]


def test_the_same_words_are_perfect_and_others_are_nothing() -> None:
    told = [[title] for title in TITLES]
    same = score_captions([title.upper() + "!" for title in TITLES], told, resamples=20)
    assert set(same) == {"BLEU-4", "ROUGE-L", "CIDEr"}
    for key, estimate in same.items():
        assert estimate.mean == pytest.approx(PERFECT[key], rel=1e-6)
        assert estimate.low <= estimate.mean <= estimate.high
    other = score_captions(["something else entirely here now"] * 4, told, resamples=20)
    for estimate in other.values():
        assert estimate.mean == pytest.approx(0, abs=1e-3)


def test_bleu_by_hand() -> None:
    # "a b c d e" for "a b c d f": 4/5, 3/4, 2/3, 1/2 n-grams right; the other caption is right: sums over both
    found = score_captions(["a b c d e", "k l m n"], [["a b c d f"], ["k l m n"]], resamples=0)["BLEU-4"]
    precisions = (8 / 9, 6 / 7, 4 / 5, 2 / 3)
    assert found.mean == pytest.approx(100 * math.prod(precisions) ** 0.25, rel=1e-6)
    # too short by two words of eight: the penalty of brevity
    short = score_captions(["a b c d", "k l"], [["a b c d"], ["k l m n"]], resamples=0)["BLEU-4"]
    assert short.mean == pytest.approx(100 * math.exp(1 - 8 / 6), rel=1e-6)


def test_rouge_by_hand() -> None:
    # the longest common subsequence of "a x b c" and "a b c d e" is "a b c": precision 3/4, recall 3/5, beta 1.2
    found = score_captions(["a x b c", "q"], [["a b c d e"], ["r"]], resamples=0)["ROUGE-L"]
    precision, recall, beta = 3 / 4, 3 / 5, 1.2
    f = (1 + beta**2) * precision * recall / (recall + beta**2 * precision)
    assert found.mean == pytest.approx(100 * f / 2)


def test_cider_weighs_words_by_the_references_they_are_in() -> None:
    # "shirt" is in every reference and so weighs nothing; a rare word weighs all
    told = [["red shirt"], ["blue shirt"], ["green shirt"]]
    frequent = score_captions(["shirt", "shirt", "shirt"], told, resamples=0)["CIDEr"]
    rare = score_captions(["red", "blue", "green"], told, resamples=0)["CIDEr"]
    assert frequent.mean == pytest.approx(0)
    # only single words can match: cosine 1 of them in one of four orders of n-grams, a length of 1 instead of 2
    assert rare.mean == pytest.approx(100 * 10 / 4 * math.exp(-1 / (2 * 6**2)), rel=1e-6)


def test_several_references_count_each_caption_once_by_the_best() -> None:
    told = [["a b c d", "w x y z"], ["k l m n"]]
    found = score_captions(["w x y z", "k l m n"], told, resamples=0)
    assert found["BLEU-4"].mean == pytest.approx(100, rel=1e-6)
    assert found["ROUGE-L"].mean == pytest.approx(100)


def test_products_share_their_titles_once_each() -> None:
    items = [
        Item(id="1", title="Red Shirt", group="g"),
        Item(id="2", title="red shirt!", group="g"),
        Item(id="3", title="Crimson Shirt", group="g", description="Of cotton."),
        Item(id="4", title="Bag"),
    ]
    assert references(items) == {"g": ["red shirt", "crimson shirt"], "4": ["bag"]}
    assert references(items[2:], "text") == {"g": ["crimson shirt of cotton"], "4": ["bag"]}
    assert words("Women's Navy-Blue T-Shirt, 2nd!") == ["women's", "navy", "blue", "t", "shirt", "2nd"]


def test_the_report_beside_its_controls() -> None:
    perfect = evaluate_captioning(shop(), Writer(TITLES), beams=3, resamples=30)
    assert perfect.metrics["CIDEr"].mean == pytest.approx(1000, rel=1e-6)
    assert perfect.left_out == ("METEOR",)
    assert perfect.distinct == 4
    assert perfect.captions["2"] == TITLES[2]
    labels, constant = (perfect.controls[name]["ROUGE-L"].mean for name in ("labels", "constant"))
    assert 0 < labels < 100
    assert 0 < constant < 100
    told = perfect.as_dict()
    assert (told["beams"], told["num_items"], told["num_references"]) == (3, 4, 4)
    assert told["labels_CIDEr"] == perfect.controls["labels"]["CIDEr"].mean
    row = next(row for row in perfect.table() if row[0] == "METEOR")
    assert row[1:3] == ["–", "needs Java"]
    backwards = evaluate_captioning(shop()[::-1], Writer(TITLES[::-1]), resamples=30)
    shuffled = evaluate_captioning(shop(), Writer(TITLES[::-1]), resamples=30)
    assert backwards.metrics == shuffled.metrics
    assert backwards.metrics["CIDEr"].mean < 200


def test_the_interval_of_bleu_covers_its_value_and_narrows_with_more_captions() -> None:
    random = np.random.default_rng(0)
    vocabulary = [f"w{n}" for n in range(12)]

    def drawn(count: int) -> tuple[list[str], list[list[str]]]:
        told = [" ".join(random.choice(vocabulary, 8)) for _ in range(count)]
        said = [" ".join(w if random.random() < 0.8 else "x" for w in one.split()) for one in told]
        return said, [[one] for one in told]

    few, many = (score_captions(*drawn(count), resamples=300)["BLEU-4"] for count in (30, 480))
    assert few.low < few.mean < few.high
    assert many.high - many.low < 0.5 * (few.high - few.low)


def test_the_typical_text_is_the_one_that_agrees_with_the_others() -> None:
    assert most_typical(["nike men blue shirt", "puma men blue shirt", "nike men blue cap", "gold ring"]) == (
        "nike men blue shirt"
    )


def test_what_cannot_be_measured_is_named() -> None:
    with pytest.raises(ValueError, match="at least two"):
        evaluate_captioning([Item(id="1", title="x")], Writer(TITLES))
    with pytest.raises(ValueError, match="between 2 and the 4"):
        evaluate_captioning(shop(), Writer(TITLES), num_queries=9)
    with pytest.raises(ValueError, match="title, text"):
        evaluate_captioning(shop(), Writer(TITLES), reference="name")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="two captions"):
        score_captions(["a"], [["a"]])
    with pytest.raises(ValueError, match="caption 1 has no reference"):
        score_captions(["a", "b"], [["a"], ["!"]])

    class Silent(Writer):
        def caption(
            self, images: Sequence[ImageLike], *, beams: int = 1, max_words: int | None = None
        ) -> list[Caption]:
            return []

    with pytest.raises(ValueError, match="0 captions for 4 photos"):
        evaluate_captioning(shop(), Silent(TITLES))


@pytest.mark.slow
def test_meteor_where_there_is_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if not shutil.which("java"):
        pytest.skip("METEOR needs Java")
    said = [*TITLES[:3], "nothing of it"]
    found = score_captions(said, [[title] for title in TITLES], resamples=20)["METEOR"]
    assert 50 < found.mean < 100
    assert found.low <= found.mean <= found.high
