"""New people after a handful of likes, in the world whose tastes are known: how far a folded-in taste goes.

    python bench/cold_start.py --recipe hfgn_masked_ifashion --seeds 0 1 2 --out docs/results/cold_start.json
    python bench/cold_start.py --table docs/results/cold_start.json

A recommender is trained on users of `--data`. Then come users of the same world that no training has seen. Of each, all clicks
are put in a random order: the first k (1, 3, 5, 10) are her likes, from which `Tastes.fold_in` makes her vector, as
`modiste recommend --like` does; what comes after the tenth is to be found among all looks but the first ten. The positives are
thus the same whatever k is, and so are the candidates.

ndcg@20 of     popularity   training clicks of each look: the same for everybody
               anyone       mean true probability over the training's users: the best that knows nobody
               k likes      the folded-in taste
               best         her own true probability: no ranking can be expected to do better
share          (found - popularity) / (best - popularity)
of trained     share / the share that users of the training reach by their trained vectors on their test clicks, measured in
               the same way (`evaluation/recommendation.py`)

Intervals are 95 % bootstrap over the new users, all seeds together.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modiste.data.atelier.clicks import BestRecommender, atelier_interactions, atelier_source
from modiste.data.atelier.users import AtelierUsers, atelier_users
from modiste.engine.tastes import TasteRecommender, Tastes, load_tastes
from modiste.evaluation.recommendation import evaluate_recommender
from modiste.files import write_atomically
from modiste.recipes.registry import build_run
from modiste.training.loop import train
from report import machine

LIKES = (1, 3, 5, 10)
PLACES = 20


def ndcg(scores: np.ndarray, hidden: np.ndarray, positives: np.ndarray) -> float:
    """Of one user: scores (O,), rows that are not to be shown, rows that are to be found."""
    scores = np.array(scores, dtype=np.float64)
    scores[hidden] = -np.inf
    order = np.argsort(-scores, kind="stable")[:PLACES]
    discount = 1 / np.log2(np.arange(2, PLACES + 2))
    return float(discount[np.isin(order, positives)].sum() / discount[: min(PLACES, len(positives))].sum())


def new_people(users: AtelierUsers, seed: int) -> dict[int, np.ndarray]:
    """Row of a user -> her clicks in a random order, of those with more than the most likes that are asked about."""
    rng = np.random.default_rng(seed)
    look_of = {look.id: row for row, look in enumerate(users.looks)}
    row_of = {taste.user_id: row for row, taste in enumerate(users.tastes)}
    clicks: dict[int, list[int]] = {}
    for some in users.interactions.values():
        for one in some:
            clicks.setdefault(row_of[one.user_id], []).append(look_of[one.target_id])
    return {row: rng.permutation(some) for row, some in sorted(clicks.items()) if len(some) > max(LIKES)}


def measured(
    tastes: Tastes, users: AtelierUsers, popularity: np.ndarray, anyone: np.ndarray, seed: int
) -> dict[str, Any]:
    """ndcg@20 of every new person by each way of ranking."""
    found: dict[str, list[float]] = {name: [] for name in ("popularity", "anyone", "best", *map(str, LIKES))}
    seconds = []
    for row, clicks in new_people(users, seed).items():
        likes, positives = clicks[: max(LIKES)], clicks[max(LIKES) :]
        rankings = {"popularity": popularity, "anyone": anyone, "best": users.probability([row])[0]}
        for k in LIKES:
            start = time.perf_counter()
            rankings[str(k)] = tastes.scores(tastes.fold_in(likes[:k]))
            seconds.append(time.perf_counter() - start)
        for name, scores in rankings.items():
            found[name].append(ndcg(scores, likes, positives))
    return {**found, "seconds": seconds}


def share(rows: dict[str, np.ndarray], name: str, chosen: np.ndarray | slice = slice(None)) -> float:
    low, high = rows["popularity"][chosen].mean(), rows["best"][chosen].mean()
    return float((rows[name][chosen].mean() - low) / (high - low))


def interval(rows: dict[str, np.ndarray], name: str, resamples: int = 1_000) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    count = len(rows["best"])
    found = [share(rows, name, rng.integers(0, count, count)) for _ in range(resamples)]
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="hfgn_masked_ifashion")
    parser.add_argument("--fields", nargs="*", default=[], help="of the recipe, to change")
    parser.add_argument("--data", default="atelier:1000:0:2000:2000", help="the generated world, its looks and users")
    parser.add_argument("--people", type=int, default=500, help="new users")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/cold_start"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", type=Path, help="print the table of such a file and stop")
    options = parser.parse_args(arguments)
    if options.table:
        print(table(json.loads(options.table.read_text("utf-8"))))
        return
    world, users = atelier_source(options.data)
    data = atelier_interactions(world, users)
    popularity = np.asarray(data.clicks["train"].sum(axis=0), dtype=np.float64).ravel()
    anyone = users.probability(np.arange(data.num_users)).mean(axis=0)
    best = evaluate_recommender(data, BestRecommender(users), ks=(PLACES,), resamples=0)
    parts, trained, training_seconds = [], [], []
    for seed in options.seeds:
        folder = options.runs / f"{options.recipe}-{seed}"
        start = time.perf_counter()
        train(
            build_run(options.recipe, [f"data={options.data}", *options.fields, f"seed={seed}"]), folder, device="cpu",
            progress=False,
        )  # fmt: skip
        training_seconds.append(time.perf_counter() - start)
        tastes = load_tastes(folder)
        known = TasteRecommender(tastes, data.user_ids, data.outfit_ids)
        report = evaluate_recommender(data, known, ks=(PLACES,), resamples=0, controls={"popularity": Same(popularity)})
        low = report.controls["popularity"][f"ndcg@{PLACES}"].mean
        mine, high = (one.metrics[f"ndcg@{PLACES}"].mean for one in (report, best))
        trained.append({"popularity": low, "trained": mine, "best": high, "share": (mine - low) / (high - low)})
        newcomers = atelier_users(world, options.people, 1_000 + seed)
        parts.append(measured(tastes, newcomers, popularity, anyone, seed))
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    of_trained = float(np.mean([one["share"] for one in trained]))
    found = {
        "title": "New people after a handful of likes",
        "data": options.data,
        "recipe": " ".join([options.recipe, *options.fields]),
        "seeds": options.seeds,
        "people": len(rows["best"]),
        "machine": machine(),
        "training_seconds": training_seconds,
        "fold_in_milliseconds": {
            "median": float(1_000 * np.median(rows["seconds"])), "p99": float(1_000 * np.quantile(rows["seconds"], 0.99)),
        },
        "trained_users": trained,
        "rows": {
            name: {
                "ndcg@20": float(rows[name].mean()), "share": share(rows, name), "interval": interval(rows, name),
                "of_trained": share(rows, name) / of_trained,
            }
            for name in ("popularity", "anyone", *map(str, LIKES), "best")
        },
    }  # fmt: skip
    if options.out:
        write_atomically(options.out, (json.dumps(found, indent=1) + "\n").encode())
    print(table(found))


class Same:
    """The same scores for everybody."""

    def __init__(self, scores: np.ndarray) -> None:
        self._scores = scores

    def scores(self, users: np.ndarray) -> np.ndarray:
        return np.repeat(self._scores[None], len(users), axis=0)


def table(found: dict[str, Any]) -> str:
    """As Markdown."""
    lines = ["| known of her | ndcg@20 | share of the margin | of the trained margin |", "|---|---:|---:|---:|"]
    for name, row in found["rows"].items():
        words = f"{name} {'like' if name == '1' else 'likes'}" if name.isdigit() else name
        low, high = row["interval"]
        between = "" if name in ("popularity", "best") else f" ({low:.2f}–{high:.2f})"
        lines.append(f"| {words} | {row['ndcg@20']:.3f} | {row['share']:.2f}{between} | {row['of_trained']:.2f} |")
    shares = ", ".join(f"{one['share']:.2f}" for one in found["trained_users"])
    lines += [
        "",
        f"Users of the training, by their trained vectors, on their test clicks: share {shares} (one a seed).",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
