"""Recognition: which category, sub-category, colour... an item is of ("M-CR" and "S-CR" in MVLT, specification 2.5).

recognition
    Reproduces: MVLT (Ji et al. 2023) Tables 2 and 3: accuracy and macro-F1. The paper has 48 categories and 122
    sub-categories of Fashion-Gen; fashion_products has 23 for M-CR (`attributes["sub_category"]`) and 86 for S-CR
    (`Item.category`, there called article type). Any other label that a recogniser offers is reported by its own name.
    Inputs: `both`; `image`, the text blanked; `text`, the image removed. What is handed to the recogniser is stripped of
    category and attributes, so that it cannot read the answer. An item with nothing left is left out (`left_out`).
    Labels: an item without a label is left out of that label's numbers (`<key>_unlabelled`); one whose label the recogniser
    does not know counts as wrong (`<key>_unknown`).
    Accuracy (percent): of classes that tie for the maximum each is as good a guess, so a row counts with the probability
    that a guess among them is right. A constant recogniser gets exactly 100 / C, wherever the right class is stored.
    Macro-F1 (0 to 1): the mean over classes that occur among the labels or the predictions, scikit-learn's convention. An
    expectation over guesses has no closed form there: ties go to the class that is first in the alphabet, and `<key>_tied`
    counts the rows.
    Chance: what the best constant answer gets, the most frequent class of the items measured.
    Intervals: 95 % bootstrap over products. A class of a single product is missing from 37 % of the resamples, and its F1
    from their means: with many rare classes the interval of a macro-F1 is rough.
    Do not compare with: other data sets, whatever their names for classes; nor read a number without the control beside it
    (`controls.add_text_control`), since titles of products name what they are.

Shapes: N items, C classes of a label, P products, R resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Protocol, cast, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from modiste.evaluation.metrics import Estimate, mean_with_interval
from modiste.types import FloatArray, Item

Inputs = Literal["both", "image", "text"]
INPUTS: tuple[Inputs, ...] = get_args(Inputs)
Indices = NDArray[np.int64]

KEYS = {"sub_category": "mcr", "article_type": "scr"}  # a label's prefix in reports; others go by their name
ACCURACY, MACRO_F1 = "accuracy", "macro_f1"
_SCALE = {ACCURACY: 100.0, MACRO_F1: 1.0}
_CHUNK = 1 << 22  # numbers that a chunk of resamples may hold


@runtime_checkable
class Recogniser(Protocol):
    """Tells the labels of items; needs no taxonomy but its own."""

    def recognise(self, items: Sequence[Item]) -> Mapping[str, tuple[tuple[str, ...], FloatArray]]:
        """Label name -> its classes (C,) and their probabilities (N, C), rows in the order of `items`.

        An item may lack its image or its text, never both.
        """
        ...


class Predicted(NamedTuple):
    """One label of N items as classes 0..M-1: those that the recogniser knows first, then the others that occur."""

    true: Indices  # (N,)
    first: Indices  # (N,) of the classes that tie for the maximum the first in the alphabet
    right: NDArray[np.float64]  # (N,) the probability that a guess among the tied classes is right
    tied: int  # rows where more than one class has the maximum
    unknown: int  # rows whose label the recogniser does not know


@dataclass(frozen=True, slots=True)
class RecognitionReport:
    """The numbers of one run: accuracies in percent, macro-F1 from 0 to 1."""

    inputs: Inputs
    labels: tuple[str, ...]  # those that were measured: "sub_category", ...
    metrics: Mapping[str, Estimate]  # "mcr_accuracy", "mcr_macro_f1", ...
    chance: Mapping[str, float]  # the same keys: the best constant answer
    counts: Mapping[str, int]  # "mcr_items", "mcr_classes", "mcr_unlabelled", "mcr_unknown", "mcr_tied", ...
    num_items: int
    left_out: int  # items with nothing left of them in this kind of input
    seed: int
    resamples: int
    control: Mapping[str, Estimate] = field(default_factory=dict)  # what words alone get on the same items
    item_ids: tuple[str, ...] = field(default=(), repr=False)  # sorted: what the numbers are of
    protocol: str = "recognition"

    def as_dict(self) -> dict[str, Any]:
        """JSON values. Keys: each metric with `_low`, `_high` and `_chance` beside it, `control_` before the control's."""
        found: dict[str, Any] = {
            "protocol": self.protocol,
            "units": {ACCURACY: "percent", MACRO_F1: "0 to 1"},
            "inputs": self.inputs,
        }
        for key, estimate in self.metrics.items():
            found |= estimate.spelled(key) | {f"{key}_chance": self.chance[key]}
        for key, estimate in self.control.items():
            found |= estimate.spelled(f"control_{key}")
        counts = {**self.counts, "num_items": self.num_items, "left_out": self.left_out}
        return {**found, **counts, "seed": self.seed, "resamples": self.resamples}

    def table(self) -> list[list[str]]:
        """Rows of words, the header first; percent with one decimal, macro-F1 with three."""
        rows = [["metric", "value", "95 % interval", "chance", *(["text only"] if self.control else [])]]
        for key, estimate in self.metrics.items():
            places = 1 if key.endswith(ACCURACY) else 3
            interval = f"{estimate.low:.{places}f} to {estimate.high:.{places}f}"
            row = [key, f"{estimate.mean:.{places}f}", interval, f"{self.chance[key]:.{places}f}"]
            control = f"{self.control[key].mean:.{places}f}" if key in self.control else "–"
            rows.append([*row, *([control] if self.control else [])])
        return rows


def evaluate_recognition(
    items: Sequence[Item],
    recogniser: Recogniser,
    *,
    inputs: Inputs = "both",
    seed: int = 0,
    resamples: int = 1000,
) -> RecognitionReport:
    """Run the protocol; the order of the items does not change the result.

    Raises
    ------
    ValueError
        For unknown `inputs`, items that share an id or that all lack what `inputs` asks for, a recogniser that offers no
        label the items have, or an answer with a wrong shape, a class twice or a value that is not finite (the item is
        named).
    """
    usable = sorted(with_inputs(items, inputs), key=lambda item: item.id)
    if len({item.id for item in usable}) < len(usable):
        raise ValueError("two items have the same id; ids must be unique")
    if not usable:
        raise ValueError(f"none of the {len(items)} items has what inputs={inputs!r} needs")
    measured: list[str] = []
    offered = recogniser.recognise([_without_answers(item, inputs) for item in usable])
    metrics: dict[str, Estimate] = {}
    chance: dict[str, float] = {}
    counts: dict[str, int] = {}
    for label in sorted(offered, key=_reported_order):
        classes, probabilities = offered[label]
        _check_answer(label, usable, classes, probabilities)
        truth = [label_of(item, label) for item in usable]
        rows = [row for row, name in enumerate(truth) if name]
        if not rows:
            continue
        measured.append(label)
        key = KEYS.get(label, label)
        labels = [truth[row] for row in rows]
        predicted = predictions(labels, classes, np.asarray(probabilities)[rows])
        clusters = [usable[row].product for row in rows]
        accuracy = mean_with_interval(predicted.right, seed=seed, resamples=resamples, clusters=clusters)
        metrics[f"{key}_{ACCURACY}"] = accuracy.scaled(_SCALE[ACCURACY])
        metrics[f"{key}_{MACRO_F1}"] = macro_f1_with_interval(
            predicted.true, predicted.first, seed=seed, resamples=resamples, clusters=clusters
        )
        sizes = np.unique(np.array(labels), return_counts=True)[1]
        share = sizes.max() / sizes.sum()
        chance[f"{key}_{ACCURACY}"] = float(_SCALE[ACCURACY] * share)
        chance[f"{key}_{MACRO_F1}"] = float(2 * share / (1 + share) / len(sizes))  # all other classes have an F1 of 0
        counts |= {
            f"{key}_items": len(rows),
            f"{key}_classes": len(sizes),
            f"{key}_unlabelled": len(usable) - len(rows),
            f"{key}_unknown": predicted.unknown,
            f"{key}_tied": predicted.tied,
        }
    if not metrics:
        raise ValueError(f"no item has a label that the recogniser offers: {', '.join(offered) or 'it offers none'}")
    return RecognitionReport(
        inputs=inputs,
        labels=tuple(measured),
        metrics=metrics,
        chance=chance,
        counts=counts,
        num_items=len(usable),
        left_out=len(items) - len(usable),
        seed=seed,
        resamples=resamples,
        item_ids=tuple(item.id for item in usable),
    )


def with_inputs(items: Sequence[Item], inputs: Inputs) -> list[Item]:
    """The items that have something left: an image, a text, or for "both" at least one of them."""
    if inputs not in INPUTS:
        raise ValueError(f"unknown inputs {inputs!r}; choose one of {', '.join(INPUTS)}")
    return [
        item for item in items if (inputs != "text" and item.image is not None) or (inputs != "image" and item.text)
    ]


def label_of(item: Item, label: str) -> str:
    """What is right; empty when nobody said. The article type is the item's category, all else an attribute."""
    return (item.category if label == "article_type" else str(item.attributes.get(label, ""))).strip()


def predictions(labels: Sequence[str], classes: Sequence[str], probabilities: NDArray[Any]) -> Predicted:
    """What a recogniser said about N items of known labels; only the order of the (N, C) probabilities counts."""
    known = {name: number for number, name in enumerate(classes)}
    others = {name: number for number, name in enumerate(sorted(set(labels) - set(classes)), len(classes))}
    true = np.array([(known | others)[name] for name in labels], dtype=np.int64)
    best = probabilities == probabilities.max(axis=1, keepdims=True)
    level = np.count_nonzero(best, axis=1)
    among = np.flatnonzero(true < len(classes))
    right = np.zeros(len(labels))
    right[among] = best[among, true[among]] / level[among]
    alphabet = np.array(sorted(range(len(classes)), key=lambda number: classes[number]), dtype=np.int64)
    first = alphabet[np.argmax(best[:, alphabet], axis=1)]
    return Predicted(true, first, right, int(np.count_nonzero(level > 1)), len(labels) - len(among))


def macro_f1_with_interval(
    true: Indices,
    predicted: Indices,
    *,
    seed: int = 0,
    resamples: int = 1000,
    level: float = 0.95,
    clusters: Sequence[Any] | None = None,
) -> Estimate:
    """Macro-F1 in [0, 1] over the classes that occur in `true` or `predicted`, (N,) each, and its bootstrap interval.

    Resampled as in `mean_with_interval`. Each product's contribution to what an F1 needs of the confusion
    matrix (diagonal, sums of rows, sums of columns) is counted once; a resample is then a product of matrices.

    Raises
    ------
    ValueError
        If there are no rows, or the lengths differ.
    """
    if not len(true) or len(true) != len(predicted) or (clusters is not None and len(clusters) != len(true)):
        raise ValueError(f"macro-F1 needs as many labels as predictions, not {len(true)} and {len(predicted)}, or none")
    size = int(max(true.max(), predicted.max())) + 1
    products = np.arange(len(true))
    if clusters is not None:
        products = np.unique(np.asarray(clusters), return_inverse=True)[1].reshape(-1)
    num_products = int(products.max()) + 1
    hit = true == predicted
    parts = np.stack(  # (P, 2, C): twice the hits, and how often a class occurs among labels and predictions together
        [
            2 * _counts(products[hit], true[hit], num_products, size),
            _counts(products, true, num_products, size) + _counts(products, predicted, num_products, size),
        ],
        axis=1,
    ).reshape(num_products, 2 * size)
    mean = float(_macro_f1(parts.sum(axis=0, keepdims=True))[0])
    if not resamples:
        return Estimate(mean, mean, mean, len(true))
    random = np.random.default_rng(seed)
    values = np.empty(resamples)
    step = max(1, _CHUNK // num_products)
    for start in range(0, resamples, step):
        drawn = random.integers(num_products, size=(min(step, resamples - start), num_products))
        times = _counts(np.repeat(np.arange(len(drawn)), num_products), drawn.reshape(-1), len(drawn), num_products)
        values[start : start + step] = _macro_f1(times @ parts)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(mean, min(float(low), mean), max(float(high), mean), len(true))


def _counts(rows: Indices, columns: Indices, num_rows: int, num_columns: int) -> NDArray[np.float32]:
    """How often each pair occurs, (num_rows, num_columns); whole numbers, exact in single precision below 2^24."""
    flat = np.bincount(rows * num_columns + columns, minlength=num_rows * num_columns)
    return cast(NDArray[np.float32], flat.reshape(num_rows, num_columns).astype(np.float32))


def _macro_f1(parts: NDArray[np.float32]) -> NDArray[np.float64]:
    """(R, 2C): twice the hits, occurrences -> (R,)."""
    hits, occurs = np.split(parts.astype(np.float64), 2, axis=1)
    f1 = np.divide(hits, occurs, out=np.zeros_like(hits), where=occurs > 0)
    return cast(NDArray[np.float64], f1.sum(axis=1) / np.count_nonzero(occurs, axis=1))


def _reported_order(label: str) -> tuple[int, str]:
    return (list(KEYS).index(label), "") if label in KEYS else (len(KEYS), label)


def _without_answers(item: Item, inputs: Inputs) -> Item:
    bare = replace(item, category="", attributes={})
    if inputs == "image":
        return replace(bare, title="", description="")
    return replace(bare, image=None) if inputs == "text" else bare


def _check_answer(label: str, items: Sequence[Item], classes: Sequence[str], probabilities: NDArray[Any]) -> None:
    if not classes or len(set(classes)) < len(classes):
        raise ValueError(f"{label}: the recogniser's classes must be different, and at least one: {classes}")
    if np.shape(probabilities) != (len(items), len(classes)):
        raise ValueError(
            f"{label}: the recogniser returned {np.shape(probabilities)} for {len(items)} items and {len(classes)} classes"
        )
    if not (finite := np.isfinite(probabilities).all(axis=1)).all():
        raise ValueError(f"{label}: item {items[int(np.argmin(finite))].id!r} has a probability that is not finite")
