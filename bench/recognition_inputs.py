"""Which classes make the difference between a model's macro-F1 from photo and title and from the title alone; paired.

    python bench/recognition_inputs.py --data fashion_products --split test --label article_type

Macro-F1 weighs a class of one item like a class of five hundred: the interval of the difference (bootstrap over products, both
answers of an item drawn together) says whether there is one, and the list says whose items changed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

import numpy as np

from modiste.data.sources import load_items
from modiste.evaluation.recognition import label_of, predictions
from modiste.models.pretrained import load_recogniser
from report import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a registered name or a folder; the shipped default without")
    parser.add_argument("--data", default="fashion_products")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--label", default="article_type")
    parser.add_argument("--resamples", type=int, default=1000)
    options = parser.parse_args()
    recogniser = load_recogniser(options.model)
    items = [item for item in load_items(options.data, options.split) if item.image is not None and item.text]
    items = sorted((item for item in items if label_of(item, options.label)), key=lambda item: item.id)
    true = [label_of(item, options.label) for item in items]
    told = {}
    bare = [replace(item, category="", attributes={}) for item in items]  # the answer is not handed over
    for inputs in ("both", "text"):
        shown = bare if inputs == "both" else [replace(item, image=None) for item in bare]
        classes, probabilities = recogniser.recognise(shown)[options.label]
        told[inputs] = predictions(true, classes, probabilities)
    both, text, right = told["both"].first, told["text"].first, told["both"].true
    classes = [*classes, *sorted(set(true) - set(classes))]
    size = len(classes)
    apart = f1_by_class(right, both, size) - f1_by_class(right, text, size)
    changed = [
        {
            "class": classes[at], "items": int((right == at).sum()),
            "both": round(float(f1_by_class(right, both, size)[at]), 3),
            "text": round(float(f1_by_class(right, text, size)[at]), 3),
        }
        for at in np.argsort(np.nan_to_num(apart))
        if abs(np.nan_to_num(apart)[at]) > 0.02
    ]  # fmt: skip
    _, products = np.unique([item.product for item in items], return_inverse=True)
    rows_of = np.split(np.argsort(products, kind="stable"), np.cumsum(np.bincount(products))[:-1])
    random = np.random.default_rng(0)
    differences = []
    for _ in range(options.resamples):
        rows = np.concatenate([rows_of[at] for at in random.integers(len(rows_of), size=len(rows_of))])
        differences.append(macro_f1(right[rows], both[rows], size) - macro_f1(right[rows], text[rows], size))
    low, high = np.quantile(differences, [0.025, 0.975])
    result = {
        **machine(), "model": recogniser.name, "data": options.data, "split": options.split, "label": options.label,
        "items": len(items), "both_macro_f1": round(macro_f1(right, both, size), 4),
        "text_macro_f1": round(macro_f1(right, text, size), 4), "difference_low": round(float(low), 4),
        "difference_high": round(float(high), 4), "answers_differ": int((both != text).sum()),
        "both_alone_right": int(((both == right) & (text != right)).sum()),
        "text_alone_right": int(((text == right) & (both != right)).sum()), "classes": changed,
    }  # fmt: skip
    print(json.dumps(result, indent=1))


def f1_by_class(true: np.ndarray, predicted: np.ndarray, size: int) -> np.ndarray:
    """(C,): F1 of each class; nan where it occurs neither among labels nor predictions."""
    hits = np.bincount(true[true == predicted], minlength=size)
    occurs = np.bincount(true, minlength=size) + np.bincount(predicted, minlength=size)
    return np.divide(2 * hits, occurs, out=np.full(size, np.nan), where=occurs > 0)


def macro_f1(true: np.ndarray, predicted: np.ndarray, size: int) -> float:
    return float(np.nanmean(f1_by_class(true, predicted, size)))


if __name__ == "__main__":
    main()
