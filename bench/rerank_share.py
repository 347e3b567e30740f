"""How much say the matching head should have in a re-ranking: a sweep on validation data, to be set with ship_model.py.

With a judge, also how much of what its query bank says should be taken off.

python bench/rerank_share.py runs/mvlt_small_joint --steps 5
python bench/rerank_share.py src/modiste/weights/mvlt_small.products_v1 --judge src/modiste/weights/mvlt_judge.products_v1 \\
    --bank-shares 0 0.25 1
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from modiste.data.sources import load_items
from modiste.evaluation.retrieval import evaluate_scorers, with_image_and_text
from modiste.models.mvlt_pairs import mvlt_scorers
from modiste.models.pretrained import load_judge, load_model
from report import machine


def remembering(score):  # type: ignore[no-untyped-def]
    """The same pairs come for every share: judged once."""
    found: dict[int, np.ndarray] = {}

    def once(queries, candidates):  # type: ignore[no-untyped-def]
        key = hash((queries.tobytes(), np.ascontiguousarray(candidates).tobytes()))
        if key not in found:
            found[key] = score(queries, candidates)
        return found[key]

    return once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a run's or a model's folder")
    parser.add_argument(
        "--judge", help="the folder of another MVLT whose matching head judges; by default the model's own"
    )
    parser.add_argument("--bank-shares", type=float, nargs="+", metavar="SHARE", help="by default the judge's own")
    parser.add_argument("--data", default="fashion_products")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--num-queries", type=int, default=1000, help="of each direction; 0: all")
    parser.add_argument("--shortlist", type=int, default=25)
    parser.add_argument("--steps", type=int, default=10, help="of the share, from 0 to 1")
    parser.add_argument("--out", type=Path, help="also write everything here, as JSON")
    options = parser.parse_args()
    found = load_model(options.model)
    judge = load_judge(options.judge, found.model) if options.judge else None
    if options.bank_shares and judge is None:
        parser.error("--bank-shares are a judge's: give --judge too")
    items = with_image_and_text(load_items(options.data, options.split))
    num_queries = min(options.num_queries or len(items), len(items))
    ways = mvlt_scorers(found.model, found.tokenizer, items, shortlist=options.shortlist, bank=found.bank, judge=judge)
    scorers: dict = dict(ways["rerank"])
    judging = {direction: scorer._itm for direction, scorer in scorers.items()}
    rows: list[dict[str, float]] = []
    for bank_share in options.bank_shares or [None]:
        if judge is not None and bank_share is not None:
            judge.pairs.bank_share = bank_share
        of_judge = {} if judge is None else {"bank_share": judge.pairs.bank_share}
        for direction, scorer in scorers.items():
            scorer._itm = remembering(judging[direction])
        for step in range(options.steps + 1):
            share = step / options.steps
            for scorer in scorers.values():
                scorer._share = share
            report = evaluate_scorers("retrieval-1of101", items, scorers, num_queries=num_queries, resamples=0)
            values = {key: round(estimate.mean, 2) for key, estimate in report.metrics.items() if "R@" in key}
            rows.append({"itm_share": share, **of_judge, "sum": round(sum(values.values()), 2), **values})
            print(json.dumps(rows[-1]), flush=True)
    if options.out:
        same = {
            "data": options.data,
            "split": options.split,
            "num_queries": num_queries,
            "shortlist": options.shortlist,
        }
        result = {**machine(), "model": found.name, "sha256": found.sha256, **same, "rows": rows}
        result |= {"judge": judge.name, "judge_sha256": judge.sha256} if judge else {}
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
