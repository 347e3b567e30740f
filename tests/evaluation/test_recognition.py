"""Recognition: scikit-learn as the oracle, guesses counted by hand, nothing to read the answer from."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from modiste.evaluation.controls import TextRecogniser, add_text_control
from modiste.evaluation.recognition import (
    INPUTS,
    Recogniser,
    RecognitionReport,
    evaluate_recognition,
    label_of,
    macro_f1_with_interval,
    predictions,
)
from modiste.types import FloatArray, Item

TYPES = ("Shirts", "Tops", "Heels", "Flats", "Belts")
KINDS = {"Shirts": "Topwear", "Tops": "Topwear", "Heels": "Shoes", "Flats": "Shoes", "Belts": "Belts"}


def catalogue(count: int = 200, seed: int = 0) -> list[Item]:
    """Types of different frequency; the colour is missing from every tenth item; titles name the type, mostly."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        category = str(random.choice(TYPES, p=[0.4, 0.25, 0.2, 0.1, 0.05]))
        attributes = {"sub_category": KINDS[category], "colour": str(random.choice(["Red", "Blue", "Green"]))}
        if number % 10 == 0:
            del attributes["colour"]
        title = f"Brand{number % 7} {category if number % 4 else 'thing'}"
        item = Item(f"{number:04d}", title, b"photo", category, attributes=attributes, group=f"g{number // 2}")
        found.append(item)
    return found


class Fake:
    """Answers by id with given (N, C) probabilities, and remembers what it was shown."""

    def __init__(self, items: Sequence[Item], answers: dict[str, tuple[tuple[str, ...], FloatArray]]) -> None:
        self._rows = {item.id: row for row, item in enumerate(items)}
        self._answers = answers
        self.shown: list[Item] = []

    def recognise(self, items: Sequence[Item]) -> dict[str, tuple[tuple[str, ...], FloatArray]]:
        self.shown = list(items)
        rows = [self._rows[item.id] for item in items]
        return {label: (classes, values[rows]) for label, (classes, values) in self._answers.items()}


def perfect(items: Sequence[Item], labels: Sequence[str] = ("sub_category", "article_type")) -> Fake:
    answers = {}
    for label in labels:
        classes = tuple(sorted({label_of(item, label) for item in items} - {""}))
        right = [[label_of(item, label) == name for name in classes] for item in items]
        answers[label] = classes, np.array(right, np.float32)
    return Fake(items, answers)


def constant(items: Sequence[Item], values: FloatArray, classes: tuple[str, ...] = TYPES) -> Fake:
    return Fake(items, {"article_type": (classes, np.tile(values.astype(np.float32), (len(items), 1)))})


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return catalogue()


def test_a_perfect_recogniser_gets_everything(items: list[Item]) -> None:
    fake = perfect(items, ["article_type", "colour", "sub_category"])
    assert isinstance(fake, Recogniser)
    report = evaluate_recognition(items, fake, resamples=50)
    assert list(report.metrics) == [
        f"{key}_{metric}" for key in ("mcr", "scr", "colour") for metric in ("accuracy", "macro_f1")
    ]
    for key, estimate in report.metrics.items():
        assert (estimate.mean, estimate.low, estimate.high) == ((100,) * 3 if key.endswith("accuracy") else (1,) * 3)
    assert report.labels == ("sub_category", "article_type", "colour")
    assert (report.counts["colour_items"], report.counts["colour_unlabelled"]) == (180, 20)
    assert (report.counts["mcr_classes"], report.counts["scr_classes"]) == (3, 5)


def test_a_recogniser_without_an_opinion_is_a_guess_among_the_classes(items: list[Item]) -> None:
    """Exactly 100 / C, whatever the order of the classes and wherever the right one is stored."""
    for classes in (TYPES, TYPES[::-1], (*TYPES, "Scarves", "Watches")):
        report = evaluate_recognition(items, constant(items, np.full(len(classes), 0.3), classes), resamples=20)
        assert report.metrics["scr_accuracy"].mean == pytest.approx(100 / len(classes))
        assert report.counts["scr_tied"] == len(items)
        # Ties are Belts, first in the alphabet: rare, so this flatters nobody.
        truth = [item.category for item in items]
        slow = f1_score(truth, ["Belts"] * len(items), average="macro")
        assert report.metrics["scr_macro_f1"].mean == pytest.approx(slow)
        assert slow < report.chance["scr_macro_f1"]


def test_chance_is_the_best_constant_answer(items: list[Item]) -> None:
    results = []
    for number in range(len(TYPES)):
        report = evaluate_recognition(items, constant(items, np.eye(len(TYPES))[number]), resamples=0)
        results.append([report.metrics[key].mean for key in ("scr_accuracy", "scr_macro_f1")])
    best = np.max(results, axis=0)
    assert best[0] == pytest.approx(report.chance["scr_accuracy"])
    assert best[1] == pytest.approx(report.chance["scr_macro_f1"])


def test_half_known_is_half_right() -> None:
    probabilities = np.array([[0.4, 0.4, 0.2], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [1, 1, 1]], np.float32)
    found = predictions(["b", "c", "c", "d"], ("c", "b", "a"), probabilities)
    assert found.right.tolist() == [0.5, 0.5, 0, 0]
    assert found.first.tolist() == [1, 1, 2, 2]  # b before c, a before b
    assert found.true.tolist() == [1, 0, 0, 3]
    assert (found.tied, found.unknown) == (4, 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_macro_f1_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    true, predicted = (np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True))
    slow = f1_score(true, predicted, average="macro", zero_division=0)
    assert macro_f1_with_interval(true, predicted, resamples=0).mean == pytest.approx(slow, abs=1e-12)


def test_the_interval_is_that_of_the_slow_bootstrap() -> None:
    """Products drawn one by one, their rows put together, scikit-learn asked each time."""
    random = np.random.default_rng(1)
    true = random.integers(0, 4, 60)
    predicted = np.where(random.random(60) < 0.6, true, random.integers(0, 5, 60))
    clusters = [f"product {number}" for number in random.integers(0, 25, 60)]
    names = sorted(set(clusters))
    draws = np.random.default_rng(7).integers(len(names), size=(200, len(names)))
    slow = []
    for draw in draws:
        rows = [row for number in draw for row, name in enumerate(clusters) if name == names[number]]
        slow.append(f1_score(true[rows], predicted[rows], average="macro", zero_division=0))
    found = macro_f1_with_interval(true, predicted, seed=7, resamples=200, clusters=clusters)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])))
    assert found.low < found.mean < found.high


def test_intervals_take_seconds_and_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    true = random.integers(0, 86, 2723)
    predicted = np.where(random.random(2723) < 0.9, true, random.integers(0, 86, 2723))
    began = time.perf_counter()
    whole = macro_f1_with_interval(true, predicted)
    assert time.perf_counter() - began < 20  # about 0.3 s; generous on a busy machine
    monkeypatch.setattr("modiste.evaluation.recognition._CHUNK", 70 * 2723)
    assert macro_f1_with_interval(true, predicted) == whole


def test_the_whole_is_scikit_learns(items: list[Item]) -> None:
    """Random probabilities over classes of which one never occurs and one that occurs is not known."""
    classes = ("Tops", "Scarves", "Shirts", "Flats", "Heels")
    values = np.random.default_rng(3).random((len(items), len(classes))).astype(np.float32)
    report = evaluate_recognition(items, Fake(items, {"article_type": (classes, values)}), resamples=0)
    truth = [item.category for item in items]
    guessed = [classes[number] for number in values.argmax(axis=1)]
    assert report.metrics["scr_accuracy"].mean == pytest.approx(100 * accuracy_score(truth, guessed))
    assert report.metrics["scr_macro_f1"].mean == pytest.approx(f1_score(truth, guessed, average="macro"))
    assert report.counts["scr_unknown"] == truth.count("Belts") > 0


@pytest.mark.parametrize("inputs", INPUTS)
def test_a_recogniser_is_shown_what_the_inputs_say_and_no_answer(inputs: str, items: list[Item]) -> None:
    lacking = [
        Item("x", title="No photo", description="at all", category="Tops"),
        Item("y", image=b"no words", category="Tops"),
        Item("z", title=" ", category="Tops"),
    ]
    everything = [*items, *lacking]
    fake = perfect(everything)
    report = evaluate_recognition(everything, fake, inputs=inputs, resamples=0)  # type: ignore[arg-type]
    assert report.left_out == {"both": 1, "image": 2, "text": 2}[inputs]
    assert report.num_items == len(fake.shown) == len(everything) - report.left_out
    assert not any(item.category or item.attributes for item in fake.shown)
    assert any(item.text for item in fake.shown) == (inputs != "image")
    assert any(item.image for item in fake.shown) == (inputs != "text")
    assert report.counts["mcr_unlabelled"] == len(fake.shown) - len(items)
    assert report.metrics["mcr_accuracy"].mean == 100


def test_the_order_of_items_does_not_matter(items: list[Item]) -> None:
    values = np.random.default_rng(4).random((len(items), 5)).astype(np.float32)
    fake = Fake(items, {"article_type": (TYPES, values)})
    shuffled = [items[at] for at in np.random.default_rng(5).permutation(len(items))]
    assert evaluate_recognition(shuffled, fake, resamples=30) == evaluate_recognition(items, fake, resamples=30)


def test_the_report_is_json_and_a_table(items: list[Item]) -> None:
    values = np.random.default_rng(6).random((len(items), 5)).astype(np.float32)
    report = evaluate_recognition(items, Fake(items, {"article_type": (TYPES, values)}), seed=3, resamples=30)
    report = add_text_control(report, items, [Item(f"t{item.id}", item.title, None, item.category) for item in items])
    found = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert found == report.as_dict()
    assert found["units"] == {"accuracy": "percent", "macro_f1": "0 to 1"}
    for key in ("scr_accuracy", "scr_macro_f1", "control_scr_accuracy", "control_scr_macro_f1"):
        assert found[f"{key}_low"] <= found[key] <= found[f"{key}_high"]
    assert 0 < found["scr_accuracy_chance"] < 100
    assert 0 < found["scr_macro_f1_chance"] < 1
    assert (found["protocol"], found["inputs"], found["seed"], found["num_items"]) == ("recognition", "both", 3, 200)
    assert [row[0] for row in report.table()] == ["metric", *report.metrics]
    assert {len(row) for row in report.table()} == {5}
    assert report.table()[0][-1] == "text only"
    assert report.table()[2][1] == f"{report.metrics['scr_macro_f1'].mean:.3f}"


def test_the_control_reads_titles_whatever_the_model_was_given(items: list[Item]) -> None:
    learned = [Item(f"t{item.id}", item.title, item.image, item.category) for item in catalogue(300, seed=9)]
    for inputs in INPUTS:
        report = evaluate_recognition(items, perfect(items), inputs=inputs, resamples=10)
        told = add_text_control(report, items, learned)
        assert set(told.control) == {"scr_accuracy", "scr_macro_f1"}  # nobody taught it sub-categories
        assert told.metrics == report.metrics
        assert 75 <= told.control["scr_accuracy"].mean < 100  # three titles of four name the type
        assert told.table()[1][-1] == "–"
    with pytest.raises(ValueError, match="item '0000' is both measured and learned from"):
        add_text_control(report, items, items)
    with pytest.raises(ValueError, match="item '0199' of the report is not among the items given"):
        add_text_control(report, items[:-1], learned)


def test_a_control_with_little_to_learn_from_answers_the_most_frequent() -> None:
    items = [Item(str(number), "Red shirt", None, "Shirts") for number in range(4)]
    silent = [Item(f"t{number}", "!", b"photo", ("Shirts", "Shirts", "Tops")[number]) for number in range(3)]
    for learned, expected in ((silent, ("Shirts", "Tops")), (silent[:1], ("Shirts",))):
        classes, scores = TextRecogniser(learned, ["article_type", "colour"]).recognise(items)["article_type"]
        assert classes == expected
        assert scores.shape == (4, len(classes))
        assert (scores.argmax(axis=1) == 0).all()
    two = [Item("a", "red", None, "Shirts"), Item("b", "blue", None, "Tops"), Item("c", "green")]
    classes, scores = TextRecogniser(two, ["article_type"]).recognise(two[:2])["article_type"]
    assert [classes[number] for number in scores.argmax(axis=1)] == ["Shirts", "Tops"]


def run(items: list[Item], classes: tuple[str, ...], values: FloatArray, label: str = "article_type") -> None:
    evaluate_recognition(items, Fake(items, {label: (classes, values)}), resamples=0)


def test_errors_say_what_is_wrong(items: list[Item]) -> None:
    values = np.zeros((len(items), 5), np.float32)
    with pytest.raises(ValueError, match="unknown inputs 'photo'; choose one of both, image, text"):
        evaluate_recognition(items, perfect(items), inputs="photo")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="none of the 1 items has what inputs='image' needs"):
        evaluate_recognition([Item("a", "words")], perfect(items), inputs="image")
    with pytest.raises(ValueError, match="ids must be unique"):
        evaluate_recognition([*items, items[0]], perfect(items))
    with pytest.raises(ValueError, match="no item has a label that the recogniser offers: season"):
        run(items, TYPES, values, "season")
    with pytest.raises(ValueError, match="it offers none"):
        evaluate_recognition(items, Fake(items, {}))
    with pytest.raises(ValueError, match="classes must be different"):
        run(items, ("Tops", "Tops"), values[:, :2])
    with pytest.raises(
        ValueError, match=r"article_type: the recogniser returned \(200, 5\) for 200 items and 2 classes"
    ):
        run(items, TYPES[:2], values)
    values[7, 1] = np.nan
    with pytest.raises(ValueError, match="article_type: item '0007' has a probability that is not finite"):
        run(items, TYPES, values)
    with pytest.raises(ValueError, match="as many labels as predictions"):
        macro_f1_with_interval(np.zeros(2, np.int64), np.zeros(3, np.int64))


@pytest.mark.data
def test_what_titles_tell_on_real_products(real_data: Path) -> None:
    """The control alone: nearly all of it, as a published-style classifier of titles gets."""
    from modiste.data.fashion_products import FashionProducts

    if not (real_data / "fashion_products" / "test.parquet").is_file():
        pytest.skip("no fashion_products here")
    products = FashionProducts(real_data)
    items, learned = products.split("test"), products.split("train")
    report: RecognitionReport = evaluate_recognition(
        items, TextRecogniser(learned, ["sub_category", "article_type"]), inputs="text", resamples=200
    )
    assert report.metrics["mcr_accuracy"].mean == pytest.approx(99.5, abs=0.3)
    assert report.metrics["mcr_macro_f1"].mean == pytest.approx(0.984, abs=0.01)
    assert report.metrics["scr_accuracy"].mean == pytest.approx(96.1, abs=0.5)
    assert report.metrics["scr_macro_f1"].mean == pytest.approx(0.941, abs=0.015)
    assert report.counts["scr_unknown"] == 0
