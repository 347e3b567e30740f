"""How near a scorer comes to the best possible one in the generated world, where that is known: CP AUC and FITB.

python bench/atelier_bayes.py --items 3000 --scorer rules --scorer runs/outfits_atelier --out docs/results/atelier_bayes.json
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from sklearn.metrics import roc_auc_score

from modiste.data.atelier.bayes import bayes_scorer
from modiste.data.atelier.looks import atelier_outfits, labelled_looks
from modiste.data.outfits import Look
from modiste.models.stylist import Stylist
from modiste.types import FloatArray, Item, OutfitScorer, as_sets


def sets_of(looks: list[tuple[str, ...]], place: dict[str, int]) -> np.ndarray:
    return as_sets([[place[one] for one in ids] for ids in looks])


def blanks(world, split: str, seed: int) -> tuple[list[tuple[str, ...]], int]:  # type: ignore[no-untyped-def]
    """Completed looks, four in a row of which the first is right: one question per look, wrong ones of the same category."""
    random, pool = np.random.default_rng(seed), sorted(world.pools[split])
    of_kind: dict[str, list[str]] = {}
    for one in pool:
        of_kind.setdefault(world.items[one].category, []).append(one)
    completed: list[tuple[str, ...]] = []
    for look in world.looks[split]:
        at = int(random.integers(len(look.item_ids)))
        others = [one for one in of_kind[world.items[look.item_ids[at]].category] if one not in look.item_ids]
        if len(others) < 3:
            continue
        rest = look.item_ids[:at] + look.item_ids[at + 1 :]
        wrong = random.choice(others, 3, replace=False).tolist()
        completed += [(*rest, one) for one in (look.item_ids[at], *wrong)]
    return completed, len(completed) // 4


def right(scores: FloatArray) -> float:
    """The share of questions answered right, ties at chance; (4 Q,) with the right candidate first."""
    rows = scores.reshape(-1, 4)
    best = rows == rows.max(axis=1, keepdims=True)
    return float((best[:, 0] / best.sum(axis=1)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--looks", type=int, default=2000, help="questions of compatibility")
    parser.add_argument("--split", default="test")
    parser.add_argument("--seeds", type=int, default=3, help="worlds")
    parser.add_argument("--scorer", action="append", default=[], help="rules, or a trained model's folder")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    rows = []
    for seed in range(options.seeds):
        world = atelier_outfits(options.items, seed)
        items: list[Item] = list(world.items.values())
        place = {item.id: at for at, item in enumerate(items)}
        asked: list[Look] = list(labelled_looks(world, options.split, options.looks, seed=seed))
        labels = np.array([look.label for look in asked])
        compatibility = sets_of([look.item_ids for look in asked], place)
        completed, count = blanks(world, options.split, seed)
        fill_in = sets_of(completed, place)
        best = bayes_scorer(world, split=options.split), bayes_scorer(world, against="category", split=options.split)
        scorers: list[tuple[str, OutfitScorer, OutfitScorer]] = [("best possible", *best)]
        for name in options.scorer or ["rules"]:
            scorers.append((name, *2 * (_scorer(name),)))
        for name, judge, filler in scorers:
            row = {
                "scorer": name,
                "seed": seed,
                "cp_auc": round(float(roc_auc_score(labels, judge.pool(items).score(compatibility))), 4),
                "fitb_accuracy": round(100 * right(filler.pool(items).score(fill_in)), 2),
                "compatibility_questions": len(asked),
                "fitb_questions": count,
            }
            rows.append(row)
            print(json.dumps(row), flush=True)
    if options.out:
        head = {"items": options.items, "split": options.split, "date": time.strftime("%Y-%m-%d", time.gmtime())}
        options.out.write_text(json.dumps({**head, "rows": rows}, indent=2) + "\n", encoding="utf-8")


def _scorer(name: str) -> OutfitScorer:
    if name == "rules":
        return Stylist()
    from modiste.models.outfit_pretrained import load_outfit_scorer

    return load_outfit_scorer(name)


if __name__ == "__main__":
    main()
