"""Fill in the blank as HFGN asks it, beside popularity: HFGN's compatibility, with its mean over items and the released code's.

    python bench/fltb.py --out docs/results/fltb.json
    python bench/fltb.py --table docs/results/fltb.json

A tenth of the outfits is held out and asked about; the model learns from the others by mode=fltb. Ties are at chance. With
negatives drawn uniformly popularity alone answers many questions; `popularity` draws wrong items that are as popular as the
right one, `category` ones of its category.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from modiste.data.fltb import fltb_questions
from modiste.data.interactions import Interactions, load_interactions
from modiste.evaluation.fltb import evaluate_fltb
from modiste.models.hfgn import Hfgn
from modiste.recipes.hfgn import RecommenderRecipe, run_on
from modiste.training.checkpoint import load_tensors
from modiste.training.loop import train
from report import kept_table, machine

ASKED = (
    ("ifashion", "uniform"),
    ("ifashion", "popularity"),
    ("atelier:2000:0:8000:500", "uniform"),
    ("atelier:2000:0:8000:500", "category"),
)


def only_outfits(data: Interactions, rows: np.ndarray) -> Interactions:
    """The same data without the other outfits; users who clicked none of these stay."""
    return replace(
        data,
        outfit_ids=tuple(data.outfit_ids[row] for row in rows),
        outfit_items=data.outfit_items[rows],
        clicks={split: clicks[:, rows] for split, clicks in data.clicks.items()},
    )


def cell(source: str, negatives: str, seed: int, epochs: int) -> dict[str, Any]:
    data = load_interactions(source)
    questions = fltb_questions(data, negatives=negatives, seed=seed)
    known = only_outfits(data, questions.training)
    found: dict[str, Any] = {"data": source, "negatives": negatives, "seed": seed}
    for name, fields in (("hfgn", ()), ("hfgn_legacy_mean", ("legacy_mean=true",))):
        config = RecommenderRecipe(
            data=source, mode="fltb", shape=fields, epochs=epochs, outfit_batch_size=1024, learning_rate=1e-2, seed=seed
        )
        run = run_on(known, config)
        with tempfile.TemporaryDirectory() as folder:
            model = run.model()  # type: ignore[operator]
            model.load_state_dict(load_tensors(train(run, folder, device="cpu", progress=False).weights))
        assert isinstance(model, Hfgn)
        model.eval()

        def scores(sets: np.ndarray, model: Hfgn = model) -> np.ndarray:
            with torch.no_grad():
                return model.compatibility(torch.from_numpy(sets)).numpy()

        report = evaluate_fltb(data, questions, scores, seed=seed)
        found |= {name: vars_of(report.accuracy), "popularity": vars_of(report.popularity), "questions": len(questions)}
    return found


def vars_of(estimate: Any) -> dict[str, float]:
    return {"mean": estimate.mean, "low": estimate.low, "high": estimate.high}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--asked", nargs="+", default=[" ".join(one) for one in ASKED], help='as "ifashion uniform"')
    kept_table(parser, arguments, measured, table)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """What --out keeps: a cell for each kind of question and seed."""
    cells = [cell(*one.split(), seed, options.epochs) for one in options.asked for seed in options.seeds]
    return {"title": "Fill in the blank", "machine": machine(), "epochs": options.epochs, "cells": cells}


def table(found: dict[str, Any]) -> str:
    """Percent with intervals over questions, as Markdown."""
    names = ("popularity", "hfgn", "hfgn_legacy_mean")
    lines = [
        "| data | wrong items | seed | questions | " + " | ".join(names) + " |",
        "|---|---|---:|---:|" + "---:|" * len(names),
    ]
    for one in found["cells"]:
        words = [f"{one[name]['mean']:.1f} ({one[name]['low']:.1f} to {one[name]['high']:.1f})" for name in names]
        head = f"| `{one['data']}` | {one['negatives']} | {one['seed']} | {one['questions']:,} | "
        lines.append(head + " | ".join(words) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
