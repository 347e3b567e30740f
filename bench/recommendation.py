"""Recommenders side by side on one division of clicks: those that count, those we train, and `implicit`'s as the outside peer.

    python bench/recommendation.py --runs runs/recommendation --out docs/results/recommendation.json
    python bench/recommendation.py --runs runs/recommendation --rows knn implicit-als "hfgn_ifashion mode=joint" --seeds 0
    python bench/recommendation.py --table docs/results/recommendation.json

A row is `popularity`, `knn`, `implicit-als`, `implicit-bpr`, or a recipe with fields of its own, as `modiste train` takes them.
A cell is a row and a seed; finished cells are files below --runs and are not run again, so an interrupted grid goes on. All run
in one process, on as many threads as OMP_NUM_THREADS says.

Of each cell: the numbers of `modiste evaluate recommendation` on --split; seconds of one epoch without evaluation, by the clock
and of processor time (which a busy machine does not lengthen); the most memory that was taken while it was fitted, above what
the data and the libraries took before; seconds for the 50 best outfits of every user, counted in the same two ways. What
`implicit` leaves open is chosen on `valid` from a small grid, with the first seed. Of each row the mean over seeds, with an
interval over users of that mean, and the ratio to --beside with an interval of its own.

`implicit` (Frederickson, MIT) is not needed for anything else: pip install -e '.[bench]'.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # implicit divides the work itself

import numpy as np
from scipy.sparse import csr_matrix

from modiste.data.interactions import Interactions, load_interactions
from modiste.evaluation.recommendation import evaluate_recommender, known_and_positive
from modiste.models.recommenders import COUNTED
from modiste.types import OutfitRecommender
from report import kept_table, machine, write_result

ROWS = (
    *("popularity", "knn", "implicit-als", "implicit-bpr"),
    *("bpr_mf_ifashion", "lightgcn_ifashion", "crosscbr_ifashion", "hfgn_ifashion", "hfgn_masked_ifashion"),
)
KEPT = 50  # outfits of each user when all are ranked
BATCH = 4_000_000
ALS_GRID = tuple((alpha, penalty) for alpha in (10.0, 20.0, 40.0) for penalty in (0.1, 1.0))
BPR_GRID = ((0.003, 0.01), (0.01, 0.01), (0.01, 0.1), (0.03, 0.1))  # the second is its default; faster ones are worse
FACTORS = 64
SHOWN = ("recall@20", "ndcg@20", "hr@10", "cold_users_ndcg@20", "cold_outfits_ndcg@20")


class Factors:
    """`implicit`'s vectors as our protocol takes them."""

    def __init__(self, model: Any) -> None:
        self.users, self.outfits = np.asarray(model.user_factors), np.asarray(model.item_factors)

    def scores(self, users: np.ndarray) -> np.ndarray:
        return self.users[users] @ self.outfits.T


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="ifashion")
    parser.add_argument("--split", default="test", choices=("valid", "test"))
    parser.add_argument("--rows", nargs="+", default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs/recommendation"))
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--beside", default="implicit-als", help="the row that ratios are to")
    kept_table(parser, arguments, grid, table)


def grid(options: argparse.Namespace) -> dict[str, Any]:
    """All cells, those that are not there yet run first."""
    data = load_interactions(options.data)
    print(data, file=sys.stderr)
    for row in options.rows:
        for seed in options.seeds[:1] if row in COUNTED else options.seeds:  # those that count have none
            run_cell(data, row, seed, options)
    return collect(options)


# --- one cell ----------------------------------------------------------------------------------------------------------


def cell_path(row: str, seed: int, options: argparse.Namespace, ending: str = "") -> Path:
    """The folder of a row, a seed and the data, or with an ending a file beside it."""
    words = re.sub(r"[^a-z0-9.]+", "-", f"{Path(options.data).name} {row}".lower()).strip("-")
    path: Path = options.runs / f"{words}-{seed}{ending}"
    return path


def run_cell(data: Interactions, row: str, seed: int, options: argparse.Namespace) -> None:
    if (done := cell_path(row, seed, options, f".{options.split}.json")).is_file():
        return
    print(f"{row}, seed {seed}", file=sys.stderr, flush=True)
    with memory() as taken:
        recommender, cost = fit(data, row, seed, options)
    report = evaluate_recommender(data, recommender, options.split, resamples=options.resamples)
    started, cpu = time.perf_counter(), time.process_time()
    rank_all(data, recommender)
    cost |= {"ranking_seconds": time.perf_counter() - started, "cpu_ranking_seconds": time.process_time() - cpu}
    cost["memory_mb"] = taken[0]
    resampled = {key: one.resampled for key, one in report.metrics.items() if one.resampled is not None}
    options.runs.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(done.with_suffix(".npz"), **{key: array.astype(np.float32) for key, array in resampled.items()})
    # After the report, whose seed is the bootstrap's.
    cell = {**report.as_dict(), "row": row, "seed": seed, "machine": machine(), **cost}
    write_result(done, cell)
    print(f"  ndcg@20 {cell['ndcg@20']:.4f}, {cost}", file=sys.stderr, flush=True)


def fit(
    data: Interactions, row: str, seed: int, options: argparse.Namespace
) -> tuple[OutfitRecommender, dict[str, Any]]:
    """A recommender that has seen the training clicks, and what that cost."""
    if row in COUNTED:
        started, cpu = time.perf_counter(), time.process_time()
        recommender = COUNTED[row](data.only("train"))
        return recommender, cost_of(time.perf_counter() - started, time.process_time() - cpu, 1)
    if row.startswith("implicit-"):
        return fit_peer(data, row, seed, options)
    return fit_recipe(data, row, seed, cell_path(row, seed, options), options.data)


def cost_of(seconds: float, cpu_seconds: float, epochs: float) -> dict[str, Any]:
    return {
        "epochs": epochs,
        "seconds": seconds,
        "seconds_per_epoch": seconds / max(epochs, 1e-9),
        "cpu_seconds_per_epoch": cpu_seconds / max(epochs, 1e-9),
    }


def fit_recipe(
    data: Interactions, row: str, seed: int, path: Path, source: str
) -> tuple[OutfitRecommender, dict[str, Any]]:
    """One of ours, trained by its recipe; `valid` chooses the epoch."""
    from modiste.engine.tastes import TasteRecommender, load_tastes
    from modiste.recipes.registry import build_run
    from modiste.training.loop import train

    recipe, *fields = row.split()
    run = build_run(recipe, [f"data={source}", *fields, f"seed={seed}"])
    evaluating = [0.0, 0.0]

    def timed(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def call(model: Any) -> Any:
            started, cpu = time.perf_counter(), time.process_time()
            found = function(model)
            evaluating[0] += time.perf_counter() - started
            evaluating[1] += time.process_time() - cpu
            return found

        return call

    evals = {name: replace(one, function=timed(one.function)) for name, one in run.evals.items()}
    resumed = (path / "checkpoints").is_dir()
    started, cpu = time.perf_counter(), time.process_time()
    done = train(replace(run, evals=evals), path, device="cpu", progress=False)
    epochs = done.steps / run.loader.steps_per_epoch
    seconds, processor = time.perf_counter() - started - evaluating[0], time.process_time() - cpu - evaluating[1]
    cost = cost_of(seconds, processor, epochs)
    if resumed:  # only a part of it was seen
        cost |= {"seconds": None, "seconds_per_epoch": None, "cpu_seconds_per_epoch": None}
    if done.best is not None:
        cost |= {"best_epoch": done.best.step / run.loader.steps_per_epoch, "valid_ndcg@20": done.best.value}
    tastes = load_tastes(path)
    return TasteRecommender(tastes, data.user_ids, data.outfit_ids), cost


def fit_peer(
    data: Interactions, row: str, seed: int, options: argparse.Namespace
) -> tuple[OutfitRecommender, dict[str, Any]]:
    """`implicit` on the same training clicks, with what its documentation leaves to the user chosen on `valid`."""
    try:
        from implicit.als import AlternatingLeastSquares
        from implicit.bpr import BayesianPersonalizedRanking
    except ImportError:
        raise SystemExit("the outside peer is missing: pip install -e '.[bench]', or name other --rows") from None

    clicks = csr_matrix(data.clicks["train"])
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
    threads = min(threads, int(os.environ.get("OMP_NUM_THREADS", threads)))

    def fitted(setting: tuple[float, float], seed: int) -> tuple[Any, dict[str, Any]]:
        common = {"factors": FACTORS, "random_state": seed, "num_threads": threads}
        if row == "implicit-als":
            model = AlternatingLeastSquares(alpha=setting[0], regularization=setting[1], **common)
        elif row == "implicit-bpr":
            model = BayesianPersonalizedRanking(learning_rate=setting[0], regularization=setting[1], **common)
        else:
            raise SystemExit(f"unknown row {row!r}; of the peer there are implicit-als and implicit-bpr")
        started, cpu = time.perf_counter(), time.process_time()
        model.fit(clicks, show_progress=False)
        return model, cost_of(time.perf_counter() - started, time.process_time() - cpu, model.iterations)

    chosen = cell_path(row, options.seeds[0], options, ".setting.json")
    if not chosen.is_file():
        tried = []
        for setting in ALS_GRID if row == "implicit-als" else BPR_GRID:
            found = evaluate_recommender(
                data, Factors(fitted(setting, options.seeds[0])[0]), "valid", (20,), resamples=0
            )
            tried.append((found.metrics["ndcg@20"].mean, *setting))
            print(f"  {setting}: ndcg@20 on valid {tried[-1][0]:.4f}", file=sys.stderr, flush=True)
        options.runs.mkdir(parents=True, exist_ok=True)
        chosen.write_text(json.dumps({"best": max(tried)[1:], "tried": tried}))
    setting = tuple(json.loads(chosen.read_text())["best"])
    model, cost = fitted(setting, seed)
    known, _ = known_and_positive(data, "test")
    started = time.perf_counter()
    model.recommend(np.arange(data.num_users), csr_matrix(known), N=KEPT)
    names = ("alpha", "regularization") if row == "implicit-als" else ("learning_rate", "regularization")
    own = {"own_ranking_seconds": time.perf_counter() - started, "setting": dict(zip(names, setting, strict=True))}
    return Factors(model), cost | own


def rank_all(data: Interactions, recommender: OutfitRecommender, k: int = KEPT) -> np.ndarray:
    """(U, k) rows of the best outfits of every user, without those she has clicked in train or valid, best first."""
    known, _ = known_and_positive(data, "test" if "test" in data.clicks else "valid")
    k = min(k, data.num_outfits)
    found = np.empty((data.num_users, k), dtype=np.int64)
    step = max(1, BATCH // data.num_outfits)
    for start in range(0, data.num_users, step):
        users = np.arange(start, min(start + step, data.num_users))
        scores = np.array(recommender.scores(users))
        out = known[users]
        scores[np.repeat(np.arange(len(users)), np.diff(out.indptr)), out.indices] = -np.inf
        best = np.argpartition(scores, data.num_outfits - k, axis=1)[:, -k:]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        found[users] = np.take_along_axis(best, order, axis=1)
    return found


@contextmanager
def memory() -> Iterator[list[float]]:
    """The most that was resident while this lasted, above what was before, in MB; looked at ten times a second."""
    page = os.sysconf("SC_PAGE_SIZE") / 1e6
    where = Path("/proc/self/statm")
    taken = [0.0]
    if not where.is_file():
        yield taken
        return
    before, over = int(where.read_text().split()[1]), threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            taken[0] = max(taken[0], (int(where.read_text().split()[1]) - before) * page)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield taken
    finally:
        over.set()
        thread.join()


# --- all cells ---------------------------------------------------------------------------------------------------------


def collect(options: argparse.Namespace) -> dict[str, Any]:
    """Rows with means over their seeds; intervals are of the mean over seeds, by resamples of the same users."""
    rows: dict[str, dict[str, Any]] = {}
    drawn: dict[str, dict[str, np.ndarray]] = {}
    for row in options.rows:
        cells = []
        arrays = []
        for seed in options.seeds:
            path = cell_path(row, seed, options, f".{options.split}.json")
            if path.is_file():
                cells.append(json.loads(path.read_text("utf-8")))
                with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
                    arrays.append({key: file[key].astype(np.float64) for key in file.files})
        if not cells:
            continue
        keys = [key.removesuffix("_chance") for key in cells[0] if key.endswith("_chance")]
        drawn[row] = {
            key: np.mean([one[key] for one in arrays], axis=0) for key in keys if all(key in one for one in arrays)
        }
        rows[row] = {"seeds": [cell["seed"] for cell in cells], "setting": cells[0].get("setting"), "metrics": {}}
        for key in keys:
            values = [cell[key] for cell in cells]
            low, high = np.quantile(drawn[row][key], (0.025, 0.975)) if key in drawn[row] else (None, None)
            rows[row]["metrics"][key] = {
                "mean": float(np.mean(values)),
                "low": low,
                "high": high,
                "seeds": values,
                "chance": cells[0][f"{key}_chance"],
            }
        for name in (
            *("epochs", "best_epoch", "seconds_per_epoch", "cpu_seconds_per_epoch", "memory_mb", "ranking_seconds"),
            *("cpu_ranking_seconds", "own_ranking_seconds", "valid_ndcg@20"),
        ):
            known = [cell[name] for cell in cells if cell.get(name) is not None]
            rows[row][name] = float(np.mean(known)) if known else None
        rows[row]["machine"] = cells[0]["machine"]
    if options.beside in rows:
        for row, found in rows.items():
            for key, one in found["metrics"].items():
                other = rows[options.beside]["metrics"][key]
                if row != options.beside and other["mean"] > 0 and key in drawn[row] and key in drawn[options.beside]:
                    with np.errstate(divide="ignore", invalid="ignore"):
                        ratios = drawn[row][key] / drawn[options.beside][key]
                    ratios = ratios[np.isfinite(ratios)]
                    low, high = np.quantile(ratios, (0.025, 0.975)) if len(ratios) else (None, None)
                    one["ratio"] = {"mean": one["mean"] / other["mean"], "low": low, "high": high}
    return {
        "title": "Outfits for a person",
        "data": options.data if options.data.startswith(("ifashion", "atelier")) else Path(options.data).name,
        "split": options.split,
        "beside": options.beside,
        "machine": machine(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        "rows": rows,
    }


def table(found: dict[str, Any]) -> str:
    """The rows as Markdown: means over seeds with their intervals, ratio, costs."""
    heads = ["recommender", "seeds", *SHOWN, f"ndcg@20 / {found['beside']}"]
    heads += ["s / epoch", "CPU s / epoch", "epochs", "MB", "s to rank all", "CPU s"]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    for row, one in found["rows"].items():
        cells = [f"`{row}`", str(len(one["seeds"]))]
        for key in SHOWN:
            value = one["metrics"].get(key)
            cells.append(f"{value['mean']:.4f} ({value['low']:.4f} to {value['high']:.4f})" if value else "–")
        ratio = one["metrics"]["ndcg@20"].get("ratio")
        cells.append(f"{ratio['mean']:.3f} ({ratio['low']:.3f} to {ratio['high']:.3f})" if ratio else "–")
        numbers = (
            "seconds_per_epoch",
            "cpu_seconds_per_epoch",
            "epochs",
            "memory_mb",
            "ranking_seconds",
            "cpu_ranking_seconds",
        )
        for name, places in zip(numbers, (1, 1, 0, 0, 1, 1), strict=True):
            cells.append("–" if one[name] is None else f"{one[name]:.{places}f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
