"""The protocol of text-guided retrieval: chance, perfection, controls, and the slow obvious way of counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from modiste.data.composed import ANY, ComposedData, ComposedExample
from modiste.evaluation.composed import (
    KS,
    evaluate_composed,
    evaluate_composed_scorer,
    kind_of_change,
    label_controls,
)
from modiste.types import Embeddings, EncoderId, ImageLike, Item

COLOURS = ("red", "blue", "green", "black", "white")
KINDS = ("shirt", "skirt", "boot", "bag", "hat", "belt", "coat", "sock")


def world(copies: int = 4) -> ComposedData:
    """Every kind in every colour `copies` times; a photo is the pair of numbers that it shows."""
    gallery = [
        Item(
            id=f"{kind}-{colour}-{copy}",
            image=bytes([KINDS.index(kind), COLOURS.index(colour)]),
            category=kind,
            title=f"{colour} {kind}",
            attributes={"colour": colour},
        )
        for kind in KINDS
        for colour in COLOURS
        for copy in range(copies)
    ]
    by_id = {item.id: item for item in gallery}
    examples = []
    for number, item in enumerate(gallery):
        old = str(item.attributes["colour"])
        new = COLOURS[(COLOURS.index(old) + 1 + number % 4) % 5]
        target = by_id[f"{item.category}-{new}-{number % copies}"]
        negated = number % 7 == 0
        text = f"not in {old}" if negated else f"in {new}"
        changed = {"colour": (old, ANY if negated else new)}
        examples.append(ComposedExample(item, target, text, changed, {"article_type": item.category}))
    return ComposedData(tuple(examples), {"": tuple(gallery)})


class Reader:
    """Sees kind and colour in a photo, reads a colour in words: an encoder of one-hot vectors (kinds, colours)."""

    def __init__(self, *, fuses: bool = True) -> None:
        self.fuses = fuses
        self.id = EncoderId("reader", "0" * 64, len(KINDS) + len(COLOURS))
        self.seen: list[Item] = []

    def encode(self, items: Sequence[Item]) -> Embeddings:
        self.seen += items
        return Embeddings(np.stack([self._photo(item.image) for item in items]), self.id)

    def encode_queries(self, queries: Sequence[tuple[str, ImageLike | None]]) -> Embeddings:
        rows = []
        for text, image in queries:
            row = np.zeros(self.id.dim, np.float32) if image is None else self._photo(image)
            if said := [colour for colour in COLOURS if colour in text.split()]:
                row[len(KINDS) :] = 0 if self.fuses else row[len(KINDS) :]
                row[len(KINDS) + COLOURS.index(said[0])] = -1 if "not" in text.split() else 1
            rows.append(row)
        return Embeddings(np.stack(rows), self.id)

    def _photo(self, image: ImageLike | None) -> np.ndarray:
        assert isinstance(image, bytes)
        row = np.zeros(self.id.dim, np.float32)
        row[[image[0], len(KINDS) + image[1]]] = 1
        return row


def constant(examples: Sequence[ComposedExample], gallery: Sequence[Item]) -> np.ndarray:
    return np.full((len(examples), len(gallery)), 0.5)


def targets(examples: Sequence[ComposedExample], gallery: Sequence[Item]) -> np.ndarray:
    return np.array([[item.id == one.target.id for item in gallery] for one in examples], dtype=float)


def test_a_constant_scorer_is_at_chance_and_a_perfect_one_at_100() -> None:
    data = world()
    report = evaluate_composed_scorer(data, constant, resamples=20)
    candidates = len(data.galleries[""]) - 1  # the reference is none
    for k in KS:
        assert report.metrics[f"R@{k}"].mean == pytest.approx(100 * k / candidates)
    for key, estimate in report.metrics.items():
        assert estimate.mean == pytest.approx(report.chance[key])
    perfect = evaluate_composed_scorer(data, targets, resamples=20)
    assert {one.mean for one in perfect.metrics.values()} == {100.0}
    assert all(low <= 100 for low in (one.low for one in perfect.metrics.values()))


def test_counts_are_those_of_the_slow_way() -> None:
    data = world()
    random = np.random.default_rng(5)
    gallery = sorted(data.galleries[""], key=lambda item: item.id)
    given = {one.reference.id: random.permutation(len(gallery)) for one in data.examples}

    def score(examples: Sequence[ComposedExample], items: Sequence[Item]) -> np.ndarray:
        assert [item.id for item in items] == [item.id for item in gallery]
        return np.stack([given[one.reference.id] for one in examples])

    report = evaluate_composed_scorer(data, score, resamples=0)
    for k in KS:
        exact = right = 0
        for one in data.examples:
            ranked = sorted(zip(given[one.reference.id], gallery, strict=True), key=lambda pair: -pair[0])
            first = [item for _, item in ranked if item.product != one.reference.product][:k]
            exact += one.target.id in {item.id for item in first}
            right += any(one.is_answered_by(item) for item in first)
        assert report.metrics[f"R@{k}"].mean == pytest.approx(100 * exact / len(data.examples))
        assert report.metrics[f"right_R@{k}"].mean == pytest.approx(100 * right / len(data.examples))


def test_both_halves_are_needed_and_the_controls_show_it() -> None:
    reader = Reader()
    report = evaluate_composed(world(), reader, resamples=200)
    assert report.metrics["right_R@1"].mean == 100
    # four of a kind look the same: the best that anyone can do for the one that is meant
    plain = [one for one in world().examples if not kind_of_change(one).startswith("not")]
    assert report.by_change["colour_right_R@10"].count == len(plain)
    assert report.controls["text"]["right_R@1"].mean < 30
    assert report.controls["image"]["right_R@1"].mean < 5
    assert report.controls["ceiling"]["right_R@1"].mean == 100
    assert report.controls["ceiling"]["R@1"].mean == pytest.approx(report.metrics["R@1"].mean)
    gain = report.gains["text_right_R@1"]
    assert gain.low > 60
    assert gain.mean == pytest.approx(report.metrics["right_R@1"].mean - report.controls["text"]["right_R@1"].mean)
    assert all(not item.text and not item.category and not item.attributes for item in reader.seen)
    told = report.as_dict()
    assert told["text_R@10"] == report.controls["text"]["R@10"].mean
    assert told["by_change"]["not_colour_R@10"]["queries"] == len(world().examples) - len(plain)
    assert "gallery" not in told
    assert report.table()[0] == ["metric", "value", "95 % interval", "chance", "text", "image", "metadata", "ceiling"]


def test_the_metadata_control_reads_labels_and_words() -> None:
    data = world()
    control = label_controls(data)["metadata"]
    gallery = data.galleries[""]
    one = next(one for one in data.examples if one.text == "in blue" and one.reference.category == "boot")
    scores = control([one], gallery)[0]
    best = gallery[int(np.argmax(scores))]
    assert best.category == "boot"
    labels = {item.id: score for item, score in zip(gallery, scores, strict=True)}
    assert labels["boot-blue-0"] > labels["boot-green-0"]
    assert not label_controls(ComposedData((replace(one, changed={}, kept={}),), {"": gallery}))


def test_a_gallery_each_is_averaged_and_its_reference_stays() -> None:
    data = world()
    parts = ("dress", "shirt")
    examples = tuple(replace(one, part=parts[n % 2], changed={}, kept={}) for n, one in enumerate(data.examples))
    both = ComposedData(examples, dict.fromkeys(parts, data.galleries[""]), "val", reference_stays=True)

    def likes_the_reference(asked: Sequence[ComposedExample], gallery: Sequence[Item]) -> np.ndarray:
        return np.array(
            [[2.0 * (i.id == one.reference.id) + (i.id == one.target.id) for i in gallery] for one in asked]
        )

    report = evaluate_composed_scorer(both, likes_the_reference, resamples=50)
    assert report.metrics["dress_R@1"].mean == 0  # beaten by the reference
    assert report.metrics["shirt_R@10"].mean == 100
    assert report.metrics["mean"].mean == 100
    assert set(report.metrics) == {f"{part}_R@{k}" for part in parts for k in KS} | {"mean"}
    told = report.as_dict()
    assert (told["gallery"], told["models"]) == ("val", 1)
    two = evaluate_composed(both, {"dress": Reader(), "shirt": Reader()}, resamples=0)
    assert two.models == 2
    expected = np.mean([two.metrics[f"{part}_R@{k}"].mean for part in parts for k in (10, 50)])
    assert two.metrics["mean"].mean == pytest.approx(expected)
    with pytest.raises(ValueError, match="no model for shirt"):
        evaluate_composed(both, {"dress": Reader()})


def test_what_cannot_be_measured_is_named() -> None:
    data = world()

    def wrong(examples: Sequence[ComposedExample], gallery: Sequence[Item]) -> Any:
        return np.zeros((len(examples), 2))

    def broken(examples: Sequence[ComposedExample], gallery: Sequence[Item]) -> Any:
        return np.full((len(examples), len(gallery)), np.nan)

    with pytest.raises(ValueError, match=r"returned \(160, 2\)"):
        evaluate_composed_scorer(data, wrong)
    with pytest.raises(ValueError, match="NaN"):
        evaluate_composed_scorer(data, constant, controls={"x": broken})
    with pytest.raises(ValueError, match="between 1 and the 160"):
        evaluate_composed_scorer(data, constant, num_queries=161)
    with pytest.raises(ValueError, match="no questions"):
        evaluate_composed_scorer(ComposedData((), data.galleries), constant)
    absent = ComposedData(data.examples, {"": data.galleries[""][:80]})
    with pytest.raises(ValueError, match="is not in its gallery"):
        evaluate_composed_scorer(absent, constant)


def test_some_questions_are_drawn_by_the_seed() -> None:
    drawn = [evaluate_composed_scorer(world(), targets, num_queries=30, seed=seed, resamples=0) for seed in (0, 1)]
    assert [one.num_queries for one in drawn] == [30, 30]
