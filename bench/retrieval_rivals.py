"""Several ways to retrieve on the same questions, with the interval of each one's difference to the first.

python bench/retrieval_rivals.py "dual encoder=runs/dual_encoder_fine" "MVLT=runs/mvlt_judge" --out rivals.json
python bench/retrieval_rivals.py vectors=mvlt_small.products_v1 "judged again=mvlt_small.products_v1:rerank"

Each rival is NAME=MODEL[:WAY]: a registered name or a folder, ranking by its vectors, or with an MVLT by "itm" or "rerank".
1-of-101, both directions; the sum is that of R@1, R@5 and R@10 of both, and intervals are bootstraps over products, of the same
products for every rival.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from modiste.data.sources import load_items
from modiste.evaluation.metrics import Estimate
from modiste.evaluation.retrieval import evaluate_encoder, evaluate_scorers, with_image_and_text
from modiste.models.mvlt_pairs import mvlt_scorers
from modiste.models.pretrained import judge_of, load, load_reranker
from modiste.training.checkpoint import write_json
from modiste.types import Item
from report import machine

PROTOCOL, RESAMPLES = "retrieval-1of101", 2000
KEYS = [f"{way}_R@{k}" for way in ("t2i", "i2t") for k in (1, 5, 10)]


def measured(model: str, way: str, items: Sequence[Item], num_queries: int | None) -> dict[str, Estimate]:
    """Metric -> its estimate in percent. All rivals are resampled alike, so that their resampled means can be subtracted."""
    settings: dict[str, Any] = {"num_queries": num_queries, "resamples": RESAMPLES}
    if way == "vectors":
        report = evaluate_encoder(PROTOCOL, items, load(model), **settings)
    else:
        first = load_reranker(model)
        judge = judge_of(first) if way == "rerank" else None
        ways = mvlt_scorers(first.pairs.model, first.pairs.tokenizer, items, bank=first.bank, judge=judge)
        report = evaluate_scorers(PROTOCOL, items, ways[way], **settings)
    return {key: report.metrics[key] for key in KEYS}


def total(found: Mapping[str, Estimate]) -> np.ndarray:
    """The sum of all metrics, then the same of every resample: (1 + RESAMPLES,)."""
    return np.sum([np.concatenate([[one.mean], one.resampled]) for one in found.values()], axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rivals", nargs="+", metavar="NAME=MODEL[:WAY]")
    parser.add_argument("--data", default="fashion_products")
    parser.add_argument("--split", default="test")
    parser.add_argument("--num-queries", type=int, help="of each direction; all by default")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    items = with_image_and_text(load_items(options.data, options.split))
    rows: list[dict[str, Any]] = []
    base: np.ndarray | None = None
    for rival in options.rivals:
        name, _, model = rival.partition("=")
        model, _, way = model.partition(":")
        found = measured(model, way or "vectors", items, options.num_queries)
        own = total(found)
        base = own if base is None else base
        row: dict[str, Any] = {"name": name, "way": way or "vectors"}
        row |= {key: round(one.mean, 2) for key, one in found.items()}
        for key, (mean, *resampled) in (("sum", own), ("ahead", own - base)):
            low, high = np.quantile(resampled, [0.025, 0.975])
            row |= {key: round(mean, 1), f"{key}_low": round(low, 1), f"{key}_high": round(high, 1)}
        rows.append(row)
        print(json.dumps(row), flush=True)
    if options.out:
        same = {
            "questions": PROTOCOL,
            "data": options.data,
            "split": options.split,
            "seed": 0,
            "num_queries": options.num_queries or len(items),
        }
        write_json(options.out, {**machine(), **same, "units": "percent", "rows": rows})


if __name__ == "__main__":
    main()
