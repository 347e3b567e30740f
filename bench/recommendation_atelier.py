"""Recommenders among users whose tastes are known: how much of what can be known is found, and after how many likes.

    python bench/recommendation_atelier.py --runs runs/recommendation --out docs/results/recommendation_atelier.json
    python bench/recommendation_atelier.py --table docs/results/recommendation_atelier.json

Two numbers of each recommender on the recipe's own world (`--recipe`, by default hfgn_atelier, and its seeds):

ndcg@20     `modiste evaluate recommendation` on `test`.
clicks@20   how many of the 20 outfits put first the user would click, were she shown them: the sum of their true
            probabilities. It has no noise of clicks, and of all rankings the one by true probability has most.

Beside them `anyone`, who ranks by the mean probability over all users and so is the best that knows nobody; `guess`, who knows
how tastes are distributed and all that the clicks say (data/atelier/guesses.py); and `best`, who knows every taste. `share` is
(found - anyone) / (best - anyone). New users are users of whom only the first k training clicks are known, to be folded in.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from known_tastes import LIKES, PLACES, expected_clicks, trained_tastes
from modiste.data.atelier.clicks import BestRecommender, atelier_interactions, atelier_source
from modiste.data.atelier.guesses import BestGuess
from modiste.engine.tastes import TasteRecommender
from modiste.evaluation.recommendation import evaluate_recommender
from modiste.models.recommenders import COUNTED
from modiste.recipes.registry import build_run
from report import kept_table, machine


class Anyone:
    """The same scores for everybody."""

    def __init__(self, scores: np.ndarray) -> None:
        self._scores = scores

    def scores(self, users: np.ndarray) -> np.ndarray:
        return np.repeat(self._scores[None], len(users), axis=0)


def shares(rows: dict[str, float]) -> dict[str, dict[str, float]]:
    """Each with its share of the way from `anyone` to `best`."""
    low, high = rows["anyone"], rows["best"]
    return {name: {"value": value, "share": (value - low) / (high - low)} for name, value in rows.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="hfgn_atelier")
    parser.add_argument("--fields", nargs="*", default=[], help="of the recipe, to change")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--users", type=int, default=400, help="so many are asked about")
    parser.add_argument("--draws", type=int, default=20_000, help="of tastes, for the guess")
    parser.add_argument("--runs", type=Path, default=Path("runs/recommendation"))
    kept_table(parser, arguments, measured, table)


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """What --out keeps: both numbers of every recommender, and of new users after their first likes."""
    source = str(build_run(options.recipe, options.fields).config["data"])
    world, users = atelier_source(source)
    data = atelier_interactions(world, users)
    clicks = data.clicks["train"]
    everyone = users.probability(np.arange(data.num_users))
    anyone = everyone.mean(axis=0)
    fixed: dict[str, Any] = {"anyone": Anyone(anyone), "best": BestRecommender(users)}
    fixed |= {name: make(data.only("train")) for name, make in COUNTED.items()}
    guess = BestGuess(users, clicks, options.draws)
    trained = [trained_tastes(options, seed) for seed in options.seeds]
    name = options.recipe

    # ---- ndcg@20 on test: all users, but the guess, which takes long, is asked about some
    def ndcg(recommender: Any) -> float:
        return evaluate_recommender(data, recommender, ks=(PLACES,), resamples=0).metrics[f"ndcg@{PLACES}"].mean

    ranked = {key: ndcg(one) for key, one in fixed.items()}
    of_seeds = [ndcg(TasteRecommender(one, data.user_ids, data.outfit_ids)) for one in trained]
    ranked[name] = float(np.mean(of_seeds))

    # ---- clicks@20, of the same users for everyone
    order = np.random.default_rng(0).permutation(np.flatnonzero(np.diff(clicks.indptr) >= 3))
    asked = np.sort(order[: options.users])

    def liked(user: int) -> np.ndarray:
        return clicks.indices[clicks.indptr[user] : clicks.indptr[user + 1]]

    def mean_clicks(score: Any, likes: dict[int, np.ndarray]) -> float:
        return float(
            np.mean([expected_clicks(score(user, likes[user]), likes[user], everyone[user]) for user in likes])
        )

    def all_of(likes: dict[int, np.ndarray]) -> dict[str, float]:
        found = {
            "anyone": mean_clicks(lambda user, known: anyone, likes),
            "best": mean_clicks(lambda user, known: everyone[user], likes),
            "guess": mean_clicks(lambda user, known: guess.of_likes(known), likes),
        }
        folded = [mean_clicks(lambda user, known, one=one: one.scores(one.fold_in(known)), likes) for one in trained]
        return found | {name: float(np.mean(folded))}

    known = {int(user): liked(user) for user in asked}
    clicked = all_of(known)
    clicked |= {
        key: mean_clicks(lambda user, _, one=one: one.scores(np.array([user]))[0], known)
        for key, one in fixed.items()
        if key in COUNTED
    }
    random = np.random.default_rng(1)
    mixed = {user: random.permutation(likes) for user, likes in known.items()}
    cold = {k: all_of({user: likes[:k] for user, likes in mixed.items() if len(likes) >= k}) for k in LIKES}
    return {
        "title": "Outfits for users whose tastes are known",
        "data": source,
        "recipe": name,
        "seeds": options.seeds,
        "users": len(known),
        "machine": machine(),
        "ndcg@20": shares(ranked),
        "ndcg@20_seeds": of_seeds,
        "clicks@20": shares(clicked),
        "cold": {str(k): shares(rows) for k, rows in cold.items()},
    }


def table(found: dict[str, Any]) -> str:
    """Both numbers of all who know all clicks, then what is found of new users, as Markdown."""
    name = found["recipe"]
    lines = ["| recommender | ndcg@20 | share | clicks@20 | share |", "|---|---:|---:|---:|---:|"]
    for one in ("popularity", "knn", "anyone", name, "guess", "best"):
        cells = [found[key].get(one) for key in ("ndcg@20", "clicks@20")]
        words = [
            word
            for cell in cells
            for word in ((f"{cell['value']:.4g}", f"{cell['share']:.2f}") if cell else ("–", "–"))
        ]
        lines.append(f"| `{one}` | " + " | ".join(words) + " |")
    lines += [
        "",
        "| likes | anyone | found | guess | best | share found | share guess | found / guess |",
        "|---:|" + "---:|" * 7,
    ]
    for k, rows in found["cold"].items():
        values = [f"{rows[one]['value']:.2f}" for one in ("anyone", name, "guess", "best")]
        mine, most = rows[name]["share"], rows["guess"]["share"]
        lines.append(f"| {k} | " + " | ".join(values) + f" | {mine:.2f} | {most:.2f} | {mine / most:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
