"""The outfit solver: how often it finds the optimum, whether its bounds hold, and how long it takes in a large catalogue.

python bench/solver.py                       brute force as truth, then 100,000 items
python bench/solver.py --part optimum        only the first; --part speed only the second

The scorers are test scorers of different character (pair terms, a small random network that stands in for a trained
transformer, one that is saturated near 1): figures are about the solver, not about a model.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modiste.engine.calibration import Calibration, Calibrator
from modiste.engine.catalogue import Catalogue
from modiste.engine.objective import Objective
from modiste.engine.outfits import OutfitEngine
from modiste.engine.problem import OpenSlot, Problem
from modiste.engine.solve import Effort, solve
from modiste.types import Embeddings, EncoderId, ImageLike, Item, Slot
from report import show

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "engine"))
from outfit_fakes import POOLS, ComplementTestPool, TestScorer, no_rules, unit

CALIBRATION = Calibration(match=Calibrator("logistic", 18.0, -5.0))  # cosines of sd 0.06 around 0.27, as CLIP's are
KINDS = {**POOLS, "network that retrieves": ComplementTestPool}


def instance(kind: str, seed: int, slots: int, pool_size: int, alpha: float, calibrated: bool) -> Problem:
    """One item given, `slots` to fill out of `pool_size` candidates each, a wish for every slot."""
    rng = np.random.default_rng(seed)
    count = 1 + slots * pool_size
    objective = Objective(alpha, calibration=CALIBRATION if calibrated else "none")
    weight, of_match = objective.weights(slots)
    made = []
    for at in range(slots):
        rows = np.arange(1 + at * pool_size, 1 + (at + 1) * pool_size)
        similarity = rng.normal(0.27, 0.06, pool_size)
        made.append(OpenSlot(Slot(), rows, of_match * objective.match(similarity), similarity, np.arange(pool_size)))
    pool = KINDS[kind](unit(rng, count, 16), seed=seed)
    return Problem(pool, np.arange(1), tuple(made), objective, weight, no_rules(count))


def brute_force(problem: Problem) -> float:
    """The best value over all choices, in slices of the first slot."""
    best = -np.inf
    rest = np.indices([len(slot) for slot in problem.slots[1:]]).reshape(len(problem.slots) - 1, -1).T
    for first in range(len(problem.slots[0])):
        picks = np.concatenate([np.full((len(rest), 1), first), rest], axis=1)
        best = max(best, float(problem.values(picks).max()))
    return best


def optimum(options: argparse.Namespace) -> list[dict[str, Any]]:
    # No exact enumeration, and branch and bound only where it is what is measured.
    effort = Effort(exact_below=0, deadline=float("inf"))
    rows = []
    for kind in options.scorers or KINDS:
        for calibrated in (False, True):
            found, gaps, proven, violated, closed, seconds, scored = 0, [], [], 0, 0, [], 0
            for number in range(options.instances):
                alpha = (0.3, 0.5, 0.7, 0.9)[number % 4]
                size = 40 + 10 * (number % 3)
                problem = instance(kind, options.seed + number, 3, size, alpha, calibrated)
                best = brute_force(problem)
                answer = solve([problem], 1, effort)
                look = answer.looks[0]
                found += look.value >= best - 1e-6
                gaps.append(max(0.0, best - look.value) / best)
                proven.append(look.gap)
                violated += look.upper_bound < best - 1e-6 or (look.exact and look.value < best - 2e-6)
                closed += look.exact
                seconds.append(answer.seconds)
                scored += answer.scored
            rows.append(
                {
                    "scorer": kind,
                    "text": "calibrated" if calibrated else "raw",
                    "method": answer.method,
                    "instances": options.instances,
                    "optimum found %": round(100 * found / options.instances, 1),
                    "mean gap %": round(100 * float(np.mean(gaps)), 4),
                    "bounds violated": violated,
                    "proven exact %": round(100 * closed / options.instances, 1),
                    "mean proven gap": round(float(np.mean(proven)), 3),
                    "p95 ms": round(1000 * float(np.percentile(seconds, 95)), 1),
                    "scored/s": round(scored / sum(seconds)),
                }
            )
    return rows


CATEGORIES = ("Shirts", "Jeans", "Dresses", "Jackets", "Sneakers", "Handbags", "Caps", "Belts", "Earrings")


class Given:
    """An encoder that looks vectors up: the benchmark is about the engine alone."""

    def __init__(self, vectors: np.ndarray, queries: np.ndarray) -> None:
        self.id = EncoderId("given", "0" * 64, vectors.shape[1])
        self._vectors, self._queries = vectors, queries

    def encode(self, items: Sequence[Item]) -> Embeddings:
        return Embeddings(self._vectors[[int(item.id) for item in items]], self.id)

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        return Embeddings(self._queries[[int(text)]], self.id)


def speed(options: argparse.Namespace) -> list[dict[str, Any]]:
    rng = np.random.default_rng(options.seed)
    encoder = Given(unit(rng, options.rows, options.dim), unit(rng, options.queries, options.dim))

    def feed() -> Iterator[Item]:
        for row in range(options.rows):
            yield Item(f"{row:09d}", title="garment", category=CATEGORIES[row % len(CATEGORIES)])

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue.create(Path(folder) / "shop", encoder.id)
        catalogue.ingest(feed(), encoder, batch_size=2_000, commit_rows=20_000)
        for kind in options.scorers or ("pairs", "network", "network that retrieves"):
            engine = OutfitEngine(catalogue, TestScorer(KINDS[kind]), encoder, calibration=CALIBRATION)
            start = time.perf_counter()
            engine.generate("0", size=4)
            first = time.perf_counter() - start
            for verb in ("complete 2 slots", "generate 4 items"):
                seconds, busy, scored, exact, took = [], [], 0, 0, 0.0
                for number in range(options.queries):
                    start, start_cpu = time.perf_counter(), time.process_time()
                    if verb.startswith("complete"):
                        slots = [Slot(frozenset({"shoes"}), str(number)), Slot(frozenset({"bag"}))]
                        have = [f"{9 * number:09d}", f"{9 * number + 1:09d}"]
                        answer = engine.complete(engine.query(have, slots))
                    else:
                        answer = engine.generate(str(number), size=4)
                    seconds.append(time.perf_counter() - start)
                    busy.append(time.process_time() - start_cpu)
                    scored += answer.scored
                    took += answer.seconds
                    exact += answer.looks[0].exact
                rows.append(
                    {
                        "scorer": kind,
                        "verb": verb,
                        "requests": options.queries,
                        "p50 ms": round(1000 * float(np.percentile(seconds, 50))),
                        "p95 ms": round(1000 * float(np.percentile(seconds, 95))),
                        "p95 CPU ms": round(
                            1000 * float(np.percentile(busy, 95))
                        ),  # all cores; what a busy machine leaves alone
                        "proven exact %": round(100 * exact / options.queries, 1),
                        "scored per request": round(scored / options.queries),
                        "scored/s": round(scored / max(took, 1e-9)),
                        "first request s": round(first, 2),
                    }
                )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["optimum", "speed", "both"], default="both")
    parser.add_argument("--instances", type=int, default=200, help="random instances for each scorer and text")
    parser.add_argument("--scorers", nargs="*", choices=list(KINDS), help="all unless named")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.part != "speed":
        settings = {
            "open slots": 3,
            "candidates per slot": "40, 50, 60",
            "alpha": "0.3, 0.5, 0.7, 0.9",
            "seed": options.seed,
        }
        show("Solver against brute force", settings, optimum(options), as_json=options.json)
    if options.part != "optimum":
        settings = {"rows": options.rows, "dim": options.dim, "seed": options.seed}
        show("Outfits in a large catalogue", settings, speed(options), as_json=options.json)


if __name__ == "__main__":
    main()
