"""A trained outfit model in a large catalogue: how long answers take, and what the shortlist loses.

    python bench/trained_search.py --shops runs/shops --scorer runs/outfits --part speed       100,000 items
    python bench/trained_search.py --shops runs/shops --scorer runs/outfits --part shortlist   a slot's items all looked at

Speed: the vectors of drawn items, each with many near ones (`--noise` is the length of what is added to a unit half), so that
they lie as a shop's do. Wishes and looks in words are encoded anew in every request, as in a shop; the catalogue is in memory.

Shortlist: two open slots beside a given item in a catalogue of some thousand drawn items, every pair of candidates scored as
truth. Found is what `complete` gives, which looks at shortlists first.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch

from drawn_shop import drawn_shop
from modiste.data.atelier import describe_constraints
from modiste.engine.calibration import Calibration, Calibrator
from modiste.engine.catalogue import Catalogue
from modiste.engine.objective import Objective
from modiste.engine.outfits import OutfitEngine
from modiste.engine.plans import make_plan, wanted
from modiste.engine.problem import Problem
from modiste.engine.solve import Effort, solve
from modiste.models.inference import ImageTextEncoder
from modiste.models.outfit_inference import OutfitModelScorer
from modiste.models.outfit_pretrained import load_outfit_scorer
from modiste.models.pretrained import load
from modiste.taxonomy import slot as slot_of
from modiste.types import Embeddings, FloatArray, Item, Slot
from report import show

# As `modiste calibrate` fits it for a drawn shop; S is left as the model gives it.
CALIBRATION = Calibration(match=Calibrator("logistic", 35.4, -25.2), nearness=Calibrator("logistic", 56.6, 0.26))
STYLES = ("smart casual summer office look", "formal evening look", "casual winter weekend look", "look for sports")
COLOURS = ("navy and white", "beige", "black and red", "olive and cream", "grey", "pink and white")


class Stored:
    """An encoder whose item vectors are made already; words are read by the encoder itself."""

    def __init__(self, encoder: ImageTextEncoder, vectors: FloatArray) -> None:
        self.id, self.vectors = encoder.id, vectors

    def encode(self, items: Sequence[Item]) -> Embeddings:
        return Embeddings(self.vectors[[int(item.id) for item in items]], self.id)

    def encode_query(self, text: str = "", image: Any = None) -> Embeddings:
        raise NotImplementedError("only items are stored")


def crowded(shop: Catalogue, encoder: ImageTextEncoder, rows: int, noise: float, seed: int, folder: Path) -> Catalogue:
    """A catalogue of `rows` items near those of a shop; made once."""
    here = folder / f"crowded-{len(shop)}-{rows}-{noise}-{seed}-{encoder.id.sha256[:8]}"
    made = Catalogue.open_or_create(here, encoder.id, store_images="none")
    if len(made) == rows:
        return made
    random, snapshot, width = np.random.default_rng(seed), shop.snapshot(), encoder.tower_id.dim
    vectors = snapshot.vectors[np.arange(rows) % len(snapshot)].copy()
    for half in (slice(0, width), slice(width, 2 * width)):
        length = np.linalg.norm(vectors[:, half], axis=1, keepdims=True)
        moved = vectors[:, half] / length + random.normal(0, noise / np.sqrt(width), (rows, width))
        vectors[:, half] = moved / np.linalg.norm(moved, axis=1, keepdims=True) * length

    def feed() -> Iterator[Item]:
        for row in range(rows):
            like = snapshot.item(row % len(snapshot))
            yield Item(f"{row:09d}", like.title, category=like.category, attributes=like.attributes)

    made.ingest(feed(), Stored(encoder, vectors), batch_size=2_000, commit_rows=50_000)
    return made


def wish_for(item: Item) -> str:
    return describe_constraints({"category": item.category, "colour": str(item.attributes["colour"])})


def speed(engine: OutfitEngine, options: argparse.Namespace) -> list[dict[str, Any]]:
    snapshot, rows = engine.catalogue.snapshot(), []
    random = np.random.default_rng(options.seed)
    slots = np.array([slot_of(snapshot.item(row).category) for row in range(len(snapshot))])
    of_slot = {name: np.flatnonzero(slots == name) for name in set(slots.tolist())}

    def one_of(slot: str) -> Item:
        return snapshot.item(int(random.choice(of_slot[slot])))

    start = time.perf_counter()
    engine.generate("navy office look", size=4)
    first = time.perf_counter() - start
    for verb in ("complete 2 slots", "generate 4 items"):
        took, busy, asked, scored, exact = [], [], [], [], []
        for number in range(options.requests):
            start, start_busy = time.perf_counter(), time.process_time()
            if verb == "complete 2 slots":
                have = [one_of("top").id, one_of("bottom").id]
                open_slots = [Slot(frozenset({"shoes"}), wish_for(one_of("shoes"))), Slot(frozenset({"bag"}))]
                answer = engine.complete(engine.query(have, open_slots))
            else:
                text = f"{STYLES[number % len(STYLES)]} in {COLOURS[number % len(COLOURS)]}"
                answer = engine.generate(text, size=4)
            took.append(time.perf_counter() - start)
            busy.append(time.process_time() - start_busy)
            asked.append(answer.seconds)
            scored.append(answer.scored)
            exact.append(answer.looks[0].gap)
        rows.append(
            {
                "verb": verb,
                "requests": options.requests,
                "p50 ms": round(1000 * float(np.percentile(took, 50))),
                "p95 ms": round(1000 * float(np.percentile(took, 95))),
                "p50 CPU ms": round(1000 * float(np.percentile(busy, 50))),
                "p95 CPU ms": round(1000 * float(np.percentile(busy, 95))),
                "sets scored per request": round(float(np.mean(scored))),
                "scored per CPU second": round(sum(scored) / sum(busy)),
                "mean gap": round(float(np.mean(exact)), 3),
                "first request s": round(first, 1),
            }
        )
    return rows


def shortlist(engine: OutfitEngine, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Against every pair of candidates, how often the best is found and what is lost of its value: by `complete`, which also
    proposes candidates on the way; by every pair of the two shortlists; and by every pair of as many nearest to the wishes.
    """
    world, snapshot = engine._latest()
    encoder = engine.encoder
    assert encoder is not None
    random = np.random.default_rng(options.seed)
    slots = np.array([slot_of(snapshot.item(row).category) for row in range(len(snapshot))])
    allowed = np.ones(len(snapshot), dtype=bool)
    rules = world.constraints(engine.rules.split())

    def similarities(wish: str, rows: np.ndarray) -> np.ndarray:
        return world.similarities(encoder.encode_query(wish).vectors[0], rows)

    def best_of_all(problem: Problem) -> tuple[float, np.ndarray, np.ndarray]:
        first, second = (np.arange(len(slot)) for slot in problem.slots)
        picks = np.stack([np.repeat(first, len(second)), np.tile(second, len(first))], axis=1)
        picks = picks[problem.constraints.valid(problem.sets(picks))]
        values = problem.values(picks)
        return float(values.max()), picks[values.argmax()], values

    rows = []
    for alpha in options.alphas:
        found: dict[str, list[tuple[float, float]]] = {"complete": [], "shortlists": [], "text alone": []}
        outside, sizes = [], []
        for _ in range(options.instances):
            have = random.choice(np.flatnonzero(slots == "top"), 1).astype(np.int64)
            pair = [str(one) for one in random.choice(["bottom", "shoes", "bag", "outerwear"], 2, replace=False)]
            wants = [
                wanted(world, Slot(frozenset({name}), wish), wish, allowed)
                for name in pair
                for wish in (wish_for(snapshot.item(int(random.choice(np.flatnonzero(slots == name))))),)
            ]
            objective = Objective(alpha, calibration=engine.calibration)
            problem = make_plan(world, have, wants, objective, rules, similarities, size=engine.effort.shortlist)
            best, winner, values = best_of_all(problem)
            sizes.append(len(values))
            outside.append(any(int(at) not in slot.shortlist for at, slot in zip(winner, problem.slots, strict=True)))
            effort = Effort(exact_below=0, deadline=float("inf"))
            answer = solve([problem], 1, effort)
            found["complete"].append((best, answer.looks[0].value))
            for name, lists in (
                ("shortlists", [slot.shortlist for slot in problem.slots]),
                (
                    "text alone",
                    [np.argsort(-slot.text, kind="stable")[: engine.effort.shortlist] for slot in problem.slots],
                ),
            ):
                picks = np.stack(np.meshgrid(*lists, indexing="ij"), axis=-1).reshape(-1, 2)
                picks = picks[problem.constraints.valid(problem.sets(picks))]
                found[name].append((best, float(problem.values(picks).max())))
        for name, pairs in found.items():
            worth = np.array(pairs)
            rows.append(
                {
                    "alpha": alpha,
                    "candidates": name,
                    "instances": len(worth),
                    "mean choices": round(float(np.mean(sizes))),
                    "optimum found %": round(100 * float((worth[:, 1] >= worth[:, 0] - 1e-5).mean()), 1),
                    "mean loss %": round(100 * float(((worth[:, 0] - worth[:, 1]) / worth[:, 0]).mean()), 3),
                    "most lost %": round(100 * float(((worth[:, 0] - worth[:, 1]) / worth[:, 0]).max()), 2),
                    "optimum outside the shortlist %": round(100 * float(np.mean(outside)), 1),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", type=Path, required=True, help="folder where drawn catalogues are kept")
    parser.add_argument("--scorer", required=True, help="a trained outfit model")
    parser.add_argument("--part", choices=["speed", "shortlist"], required=True)
    parser.add_argument("--items", type=int, default=3000, help="drawn")
    parser.add_argument("--rows", type=int, default=100_000, help="of the large catalogue")
    parser.add_argument("--noise", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--words", action="store_true", help="items without photos")
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--instances", type=int, default=40, help="for each alpha")
    parser.add_argument("--alphas", type=float, nargs="+", default=[0.3, 0.5, 0.7])
    parser.add_argument(
        "--deadline", type=float, default=float("inf"), help="seconds; none, so that all work is counted"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    encoder = load()
    scorer = load_outfit_scorer(options.scorer, encoder=encoder)
    assert isinstance(scorer, OutfitModelScorer)
    shop = drawn_shop(options.shops, encoder, options.items, options.seed, photos=not options.words)
    if options.part == "speed":
        shop = crowded(shop, encoder, options.rows, options.noise, options.seed, options.shops)
    engine = OutfitEngine(shop, scorer, encoder, calibration=CALIBRATION, effort=Effort(deadline=options.deadline))
    rows = speed(engine, options) if options.part == "speed" else shortlist(engine, options)
    settings = {
        "items": len(shop),
        "scorer": scorer.name,
        "threads": torch.get_num_threads(),
        "deadline": str(options.deadline),
        "seed": options.seed,
        "photos": not options.words,
    }
    title = "Outfits by a trained model"
    show(title, settings, rows, as_json=False)
    if options.json:
        options.json.write_text(
            json.dumps({"title": title, **settings, "rows": rows}, indent=2) + "\n", encoding="utf-8"
        )


if __name__ == "__main__":
    main()
