"""New people after a handful of likes, in the world whose tastes are known: how far a folded-in taste goes.

    python bench/cold_start.py --seeds 0 1 2 --out docs/results/cold_start.json
    python bench/cold_start.py --table docs/results/cold_start.json

A recommender is trained on the users of the recipe's world. Then come users of the same world that no training has seen.
Of each, all clicks are put in a random order: the first k (1, 3, 5, 10) are her likes, from which `Tastes.fold_in` makes her
vector, as `modiste recommend --like` does. All looks but the first ten clicks are ranked, whatever k is.

ndcg@20        what comes after her tenth click is to be found; noisy, as clicks are
clicks@20      how many of the first 20 she would click, were she shown them: the sum of her true probabilities; without noise

of popularity  training clicks of each look: the same for everybody
   anyone      mean true probability over the training's users: the best that knows nobody
   k likes     the folded-in taste
   guess       the best that can be known from the same likes, by who knows how tastes are distributed (data/atelier/guesses.py)
   best        her own true probabilities: no ranking can be expected to do better

share          (found - anyone) / (best - anyone). 95 % bootstrap intervals over the new users, all seeds together.
of guess       the same share divided by that of the guess
of trained     the same share divided by that of users of the training, by their trained vectors, their training clicks apart
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from known_tastes import LIKES, PLACES, expected_clicks, first_shown, trained_tastes
from modiste.data.atelier.clicks import atelier_interactions, atelier_source
from modiste.data.atelier.guesses import BestGuess
from modiste.data.atelier.users import AtelierUsers, atelier_users
from modiste.engine.tastes import Tastes
from modiste.recipes.registry import build_run
from report import kept_table, machine


def ndcg(shown: np.ndarray, positives: np.ndarray) -> float:
    """Of one user: rows in the order they are shown in (20,), rows that are to be found."""
    discount = 1 / np.log2(np.arange(2, PLACES + 2))
    return float(discount[np.isin(shown, positives)].sum() / discount[: min(PLACES, len(positives))].sum())


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


Rows = dict[str, np.ndarray]  # way of ranking -> (n,) a number of each person


def measured(
    tastes: Tastes, users: AtelierUsers, guess: BestGuess, fixed: Rows, seed: int
) -> tuple[Rows, Rows, list[float]]:
    """ndcg@20 and clicks@20 of every new person by each way of ranking, and the seconds of each fold-in with its ranking."""
    names = (*fixed, *map(str, LIKES), *(f"guess {k}" for k in LIKES), "best")
    found: dict[str, list[float]] = {name: [] for name in names}
    clicked: dict[str, list[float]] = {name: [] for name in names}
    seconds = []
    for row, clicks in new_people(users, seed).items():
        likes, positives = clicks[: max(LIKES)], clicks[max(LIKES) :]
        truth = users.probability([row])[0]
        rankings = {**fixed, "best": truth}
        for k in LIKES:
            start = time.perf_counter()
            rankings[str(k)] = tastes.scores(tastes.fold_in(likes[:k]))
            seconds.append(time.perf_counter() - start)
            rankings[f"guess {k}"] = guess.of_likes(likes[:k])
        for name, scores in rankings.items():
            shown = first_shown(scores, likes)
            found[name].append(ndcg(shown, positives))
            clicked[name].append(float(truth[shown].sum()))
    return *({name: np.array(values) for name, values in one.items()} for one in (found, clicked)), seconds


def known_people(tastes: Tastes, users: AtelierUsers, clicks: Any, anyone: np.ndarray, num: int, seed: int) -> float:
    """The share that users of the training reach by their trained vectors, in clicks@20."""
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(np.diff(clicks.indptr) > 0))[:num]
    rows: dict[str, list[float]] = {"anyone": [], "trained": [], "best": []}
    for row in chosen.tolist():
        hidden = clicks.indices[clicks.indptr[row] : clicks.indptr[row + 1]]
        truth = users.probability([row])[0]
        hers = tastes.scores(tastes.user(users.tastes[row].user_id))
        for name, scores in (("anyone", anyone), ("trained", hers), ("best", truth)):
            rows[name].append(expected_clicks(scores, hidden, truth))
    return share({name: np.array(values) for name, values in rows.items()}, "trained")


def share(rows: Rows, name: str, chosen: np.ndarray | slice = slice(None)) -> float:
    low, high = rows["anyone"][chosen].mean(), rows["best"][chosen].mean()
    return float((rows[name][chosen].mean() - low) / (high - low))


def interval(rows: Rows, name: str, resamples: int = 1_000) -> tuple[float, float]:
    rng = np.random.default_rng(0)
    count = len(rows["best"])
    found = [share(rows, name, rng.integers(0, count, count)) for _ in range(resamples)]
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="hfgn_atelier")
    parser.add_argument(
        "--fields", nargs="*", default=[], help="of the recipe, to change; data=atelier:N:SEED:LOOKS:USERS"
    )
    parser.add_argument("--people", type=int, default=500, help="new users of each seed, and of the training")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/cold_start"))
    kept_table(parser, arguments, of_all_seeds, table)


def of_all_seeds(options: argparse.Namespace) -> dict[str, Any]:
    """What --out keeps: each way of ranking, over the new people of all seeds."""
    source = str(build_run(options.recipe, options.fields).config["data"])
    world, users = atelier_source(source)
    clicks = atelier_interactions(world, users).clicks["train"]
    fixed = {
        "popularity": np.asarray(clicks.sum(axis=0), dtype=np.float64).ravel(),
        "anyone": users.probability(np.arange(len(users.tastes))).mean(axis=0),
    }
    guess = BestGuess(users, clicks, num_draws=10_000)
    ranked, clicked, seconds, trained = [], [], [], []
    for seed in options.seeds:
        tastes = trained_tastes(options, seed)
        trained.append(known_people(tastes, users, clicks, fixed["anyone"], options.people, seed))
        some = measured(tastes, atelier_users(world, options.people, 1_000 + seed), guess, fixed, seed)
        ranked.append(some[0])
        clicked.append(some[1])
        seconds += some[2]
    names = list(ranked[0])
    by_ndcg, by_clicks = (
        {name: np.concatenate([part[name] for part in parts]) for name in names} for parts in (ranked, clicked)
    )
    of_trained = float(np.mean(trained))
    return {
        "title": "New people after a handful of likes",
        "data": source,
        "recipe": " ".join([options.recipe, *options.fields]),
        "seeds": options.seeds,
        "people": len(by_ndcg["best"]),
        "machine": machine(),
        "fold_in_milliseconds": {
            "median": 1_000 * float(np.median(seconds)), "p99": 1_000 * float(np.quantile(seconds, 0.99)),
        },
        "trained_share": trained,
        "rows": {
            name: {
                "ndcg@20": float(by_ndcg[name].mean()), "ndcg_share": share(by_ndcg, name),
                "clicks@20": float(by_clicks[name].mean()), "share": share(by_clicks, name),
                "interval": interval(by_clicks, name), "of_trained": share(by_clicks, name) / of_trained,
            }
            for name in names
        },
    }  # fmt: skip


def table(found: dict[str, Any]) -> str:
    """As Markdown."""
    lines = [
        "| known of her | ndcg@20 | share | clicks@20 | share | guess | of guess | of trained |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in found["rows"].items():
        if name.startswith("guess"):
            continue
        most = found["rows"].get(f"guess {name}")
        of_guess = f"{most['share']:.2f} | {row['share'] / most['share']:.2f}" if most else "– | –"
        words = f"{name} {'like' if name == '1' else 'likes'}" if name.isdigit() else name
        between = " ({:.2f}–{:.2f})".format(*row["interval"]) if name not in ("anyone", "best") else ""
        lines.append(
            f"| {words} | {row['ndcg@20']:.3f} | {row['ndcg_share']:.2f} | {row['clicks@20']:.2f} | "
            f"{row['share']:.2f}{between} | {of_guess} | {row['of_trained']:.2f} |"
        )
    shares = ", ".join(f"{one:.2f}" for one in found["trained_share"])
    lines += ["", f"Users of the training reach a share of {shares} (one a seed)."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
