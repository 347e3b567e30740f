"""How closely label lines should follow their training titles, and how much rare classes should weigh: cross-validation.

    python bench/label_lines.py --out docs/results/label_lines_cv.json

Macro-F1 of a validation split hangs on a few items of rare classes. Here every training title is told once by planes fitted on
the other folds, so that all classes of the whole split count. Neither the validation nor the test split is looked at.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from modiste.data.pairs import class_numbers
from modiste.data.sources import load_items
from modiste.data.text import tokenize, train_wordpiece
from modiste.evaluation.recognition import macro_f1_with_interval
from modiste.models.label_lines import fit_lines
from modiste.recipes.mvlt import class_names
from report import machine

CONTEXT = 32
SETTINGS = ((1.0, 0.0), (3.0, 0.0), (10.0, 0.0), (1.0, 0.25), (3.0, 0.25), (10.0, 0.25), (1.0, 0.5), (1.0, 1.0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="fashion_products")
    parser.add_argument("--label", default="article_type")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write everything here, as JSON")
    options = parser.parse_args()
    items = [item for item in load_items(options.data, "train") if item.text and item.attributes.get(options.label)]
    labels = class_names(items, [options.label])
    tokenizer = train_wordpiece([item.title or item.description for item in items])
    token_ids = tokenize(tokenizer, [item.title or item.description for item in items], CONTEXT)[0].astype(np.int64)
    classes = class_numbers(items, labels).numpy()
    # Rows of one product stay together. The n-th product of a class goes into fold n mod folds.
    names = np.array([item.product for item in items])
    _, first, products = np.unique(names, return_index=True, return_inverse=True)
    random = np.random.default_rng(options.seed)
    fold_of = np.empty(len(first), np.int64)
    for number in range(len(labels[options.label])):
        rows = random.permutation(np.flatnonzero(classes[first, 0] == number))
        fold_of[rows] = (np.arange(len(rows)) + random.integers(options.folds)) % options.folds
    fold = fold_of[products]
    result: dict[str, Any] = {
        **machine(), "data": options.data, "items": len(items), "products": len(first), "folds": options.folds,
        "label": options.label, "rows": [],
    }  # fmt: skip
    for regularisation, rarity in SETTINGS:
        told = np.empty(len(items), np.int64)
        for held in range(options.folds):
            lines = fit_lines(
                token_ids[fold != held], classes[fold != held], labels, vocab_size=tokenizer.get_vocab_size(),
                regularisation=regularisation, rarity=rarity,
            )  # fmt: skip
            told[fold == held] = lines.margins(token_ids[fold == held])[options.label].argmax(axis=1)
        macro_f1 = macro_f1_with_interval(classes[:, 0], told, clusters=products, resamples=500)
        row = {
            "regularisation": regularisation, "rarity": rarity,
            "accuracy": round(100 * float((told == classes[:, 0]).mean()), 2),
            **{key: round(value, 4) for key, value in macro_f1.spelled("macro_f1").items()},
        }  # fmt: skip
        print(json.dumps(row), flush=True)
        result["rows"].append(row)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
