"""Several ways to retrieve on the same questions, with the interval of each one's difference to the first.

python bench/retrieval_rivals.py "dual encoder=runs/dual_encoder_fine" "MVLT=runs/mvlt_judge" --out docs/results/rivals.json
python bench/retrieval_rivals.py vectors=mvlt_small.products_v1 "judged again=mvlt_small.products_v1:rerank"

Each rival is NAME=MODEL[:WAY]: a registered name or a folder, ranking by its vectors, or with an MVLT by "itm" or "rerank".
1-of-101, both directions; the sum is that of R@1, R@5 and R@10 of both, the difference is taken item by item, and intervals are
bootstraps over products.
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
from modiste.evaluation.metrics import best_tie, mean_with_interval, recall_from
from modiste.evaluation.retrieval import ranking_task, with_image_and_text
from modiste.models.mvlt_pairs import mvlt_scorers
from modiste.models.pretrained import judge_of, load, load_reranker
from modiste.training.checkpoint import write_json
from modiste.types import Item
from report import machine

PROTOCOL, KS, CHUNK = "retrieval-1of101", (1, 5, 10), 500


def scorers_of(model: str, way: str, items: Sequence[Item]) -> Mapping[Any, Any]:
    """Direction -> scorer of queries (B,) and candidates (B, C)."""
    if way == "vectors":
        images, texts = load(model).encode_pairs(items)
        sides = {"t2i": (texts, images), "i2t": (images, texts)}
        return {
            direction: lambda queries, candidates, a=a, b=b: np.einsum("bd,bcd->bc", a[queries], b[candidates])
            for direction, (a, b) in sides.items()
        }
    first = load_reranker(model)
    pairs, judge = first.pairs, judge_of(first) if way == "rerank" else None
    return mvlt_scorers(pairs.model, pairs.tokenizer, items, bank=first.bank, judge=judge)[way]


def hits(
    scorers: Mapping[Any, Any], items: Sequence[Item], num_queries: int | None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Metric -> (Q,) in percent, and the products asked for (Q,)."""
    products = np.unique([item.product for item in items], return_inverse=True)[1]
    found: dict[str, np.ndarray] = {}
    for direction in ("t2i", "i2t"):
        task = ranking_task(PROTOCOL, items, direction, seed=0, num_queries=num_queries)
        parts: dict[int, list[np.ndarray]] = {k: [] for k in KS}
        for start in range(0, len(task.queries), CHUNK):
            queries, candidates = task.queries[start : start + CHUNK], task.candidates[start : start + CHUNK]
            scores = np.asarray(scorers[direction](queries, candidates)).astype(np.float32)
            tie = best_tie(scores, products[candidates] == products[queries][:, None])
            for k in KS:
                parts[k].append(100 * recall_from(tie, k))
        found |= {f"{direction}_R@{k}": np.concatenate(parts[k]) for k in KS}
    return found, products[task.queries]


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
        found, clusters = hits(scorers_of(model, way or "vectors", items), items, options.num_queries)
        total = np.sum(list(found.values()), axis=0)
        base = total if base is None else base
        row: dict[str, Any] = {"name": name, "way": way or "vectors"}
        row |= {key: round(float(values.mean()), 2) for key, values in found.items()}
        for key, values in (("sum", total), ("ahead", total - base)):
            estimate = mean_with_interval(values, seed=0, resamples=2000, clusters=clusters)
            row |= {
                key: round(estimate.mean, 1),
                f"{key}_low": round(estimate.low, 1),
                f"{key}_high": round(estimate.high, 1),
            }
        rows.append(row)
        print(json.dumps(row), flush=True)
    if options.out:
        same = {
            "protocol": PROTOCOL,
            "data": options.data,
            "split": options.split,
            "seed": 0,
            "num_queries": len(clusters),
        }
        write_json(options.out, {**machine(), **same, "units": "percent", "rows": rows})


if __name__ == "__main__":
    main()
