"""GRNet beside its baseline, and what each of its parts is worth: a grid of short trainings, each measured alike.

    python bench/grnet_ablation.py --runs runs/grnet                             # the whole grid, main rows first
    python bench/grnet_ablation.py --runs runs/grnet --only '*step*' --seeds 0 --data atelier
    python bench/grnet_ablation.py --runs runs/grnet --collect docs/results/grnet.json

A cell is one row, one data set and one seed: `--products` products trained on for `--steps` steps from the shipped model's
convolutions, then consumer-to-shop on `test`, its first `--shortlist` hits by the same model's embedding judged again by the
graph. The baseline has the embedding alone: same backbone, photos, batches, steps and augmentation, so what differs is the
graph. Every product is asked for by `--photos` customers' photos, each taken under conditions of its own; they are the same in
every cell, so rows are compared photo by photo. `shipped` trains nothing: what the catalogue's own vectors give. Finished cells
are files and are not run again; several processes may work on one grid.

What is printed for two rows is the mean difference over seeds and queries with a 95 % interval by a bootstrap that draws
products, and seeds beside them, anew; and the difference of each seed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from grids import RESULT, all_finished, alone, chosen, common_settings, finished, grid_parser, slug
from modiste.data.consumer_to_shop import ShopPhotos, shop_photos
from modiste.evaluation.consumer_to_shop import evaluate_consumer_to_shop
from modiste.models.grnet_inference import GrnetScorer
from modiste.models.grnet_pretrained import load_grnet
from modiste.models.pretrained import load
from modiste.recipes.grnet import GrnetRecipe, build
from modiste.training.checkpoint import write_json
from modiste.training.loop import train
from report import machine

FULL, BASELINE, SHIPPED = "GRNet", "global embedding", "shipped"
KS = (1, 20, 50)
HARD = {"view": "strong", "occlusion": "strong", "cropping": "strong"}  # FindFashion's
DATA = {"atelier": "atelier:3000:7", "products": "fashion_products_224"}
SIZES = {"atelier": "small", "products": "small_square"}
PHOTOS = {"atelier": 12, "products": 4}  # of customers, of each product of the test split


@dataclass(frozen=True)
class Row:
    """What differs from the full model."""

    name: str
    group: str
    fields: Mapping[str, Any] = field(default_factory=dict)


ROWS = (
    Row(FULL, "main"),
    Row(BASELINE, "main", {"graph": False}),
    Row(SHIPPED, "main"),
    Row("one scale", "ablation", {"pyramid": (3,)}),
    Row("no edges between scales", "ablation", {"cross_scale": False}),
    Row("no reasoning", "ablation", {"steps": 0}),
    Row("one step", "ablation", {"steps": 1}),
    Row("three steps", "ablation", {"steps": 3}),
    Row("no constant in nodes", "ablation", {"node_bias": "no"}),
    Row("windows count alike", "ablation", {"window_weights": "no"}),
    Row("partners within a scale", "ablation", {"window_partners": "scale"}),
    Row("no window term", "ablation", {"window_term": "no"}),
    Row("graph alone", "ablation", {"window_term": "no", "cosine_term": "no"}),
    Row("graph alone, as published", "ablation", {"window_term": "no", "cosine_term": "no", "node_bias": "no"}),
)


@dataclass(frozen=True)
class Settings:
    """What all cells of a grid have in common."""

    products: int = 2_400
    steps: int = 800
    shortlist: int = 100
    batch_size: int = 24
    learning_rate: float = GrnetRecipe.learning_rate
    photos: Mapping[str, int] = field(default_factory=lambda: dict(PHOTOS))
    sizes: Mapping[str, str] = field(default_factory=lambda: dict(SIZES))
    sources: Mapping[str, str] = field(default_factory=lambda: dict(DATA))
    start: str | None = GrnetRecipe.start


class Grid:
    """The folder where cells lie, and the test photos, drawn when they are asked for first."""

    def __init__(self, runs: Path, settings: Settings) -> None:
        self.runs, self.settings = runs, settings
        self._tests: dict[str, ShopPhotos] = {}

    def test(self, data: str) -> ShopPhotos:
        if data not in self._tests:
            self._tests[data] = shop_photos(
                self.settings.sources[data], "test", seed=0, photos_per_product=self.settings.photos[data]
            )
        return self._tests[data]

    def folder(self, row: Row, data: str, seed: int) -> Path:
        return self.runs / f"{data}-{slug(row.name)}-{seed}"

    def cell(self, row: Row, data: str, seed: int) -> dict[str, Any]:
        """Train and measure one cell, or go on with it; its result, also when it was there already."""
        folder = self.folder(row, data, seed)
        if (found := finished(folder, self.settings)) is not None:
            return found
        photos = self.test(data)
        began = time.process_time()
        scorer: GrnetScorer | None = None
        if row.name != SHIPPED:
            self._train(row, data, seed, folder / "train")
            scorer = load_grnet(folder / "train")
        trained = time.process_time()
        judge = scorer if row.name not in (SHIPPED, BASELINE) else None
        if judge:
            judge.prepare(photos.shop)
        report = evaluate_consumer_to_shop(
            photos, scorer.encoder if scorer else load(), judge, shortlist=self.settings.shortlist, resamples=0
        )
        values = report.as_dict()
        result: dict[str, Any] = {
            "row": row.name, "group": row.group, "data": data, "seed": seed, "settings": asdict(self.settings),
            "queries": report.num_queries, "products": report.num_products, "gallery": report.gallery,
            "metrics": {key: round(value, 3) for key, value in values.items() if _is_metric(key)},
            "ranks": {one: round(float(rank), 3) for one, rank in zip(report.query_ids, report.ranks, strict=True)},
            "cpu_seconds": {"train": round(trained - began), "measure": round(time.process_time() - trained)},
            "machine": machine(),
        }  # fmt: skip
        write_json(folder / RESULT, result)
        return result

    def recipe(self, row: Row, data: str, seed: int) -> GrnetRecipe:
        settings = self.settings
        return replace(
            GrnetRecipe(), data=settings.sources[data], size=settings.sizes[data], start=settings.start,
            max_products=settings.products, batch_size=settings.batch_size, learning_rate=settings.learning_rate,
            cache=str(self.runs / "cache"), seed=seed, **row.fields,
        )  # fmt: skip

    def _train(self, row: Row, data: str, seed: int, folder: Path) -> None:
        recipe = self.recipe(row, data, seed)
        (self.runs / "cache").mkdir(parents=True, exist_ok=True)
        with FileLock(self.runs / f"cache-{data}.lock"):  # photos are drawn once, by whoever comes first
            run = build(recipe)
        steps = self.settings.steps
        run = replace(
            run, epochs=None, max_steps=steps, warmup_steps=min(50, steps // 10), checkpoint_every_seconds=120.0,
            keep_checkpoints=1,
        )  # fmt: skip
        train(run, folder, device="cpu", progress=False)


def _is_metric(key: str) -> bool:
    return key.endswith((*(f"top-{k}" for k in KS), "MRR", "_count"))


def collect(cells: list[dict[str, Any]], photos: Mapping[str, ShopPhotos], resamples: int = 2_000) -> dict[str, Any]:
    """The table: means over seeds of every row and data set, all queries and the hard slices, and differences to two rows."""
    found: dict[str, Any] = {"settings": common_settings(cells), "rows": []}
    for data in sorted({cell["data"] for cell in cells}):
        slices = rows_of_slices(photos[data])
        ids = [item.id for item in photos[data].customer]
        products = np.unique([item.product for item in photos[data].customer], return_inverse=True)[1].reshape(-1)
        ranks = {
            name: {
                cell["seed"]: np.array([cell["ranks"][one] for one in ids])
                for cell in sorted(cells, key=lambda one: one["seed"])
                if (cell["row"], cell["data"]) == (name, data)
            }
            for name in (row.name for row in ROWS)
        }
        for row in ROWS:
            of_row = [cell for cell in cells if (cell["row"], cell["data"]) == (row.name, data)]
            if not of_row:
                continue
            told: dict[str, Any] = {"row": row.name, "data": data, "seeds": len(of_row), "top": {}}
            for name, places in slices.items():
                told["top"][name] = {
                    f"top-{k}": round(100 * float(np.mean([tops(one, k)[places] for one in ranks[row.name].values()])), 2)
                    for k in KS
                } | {"queries": len(places)}  # fmt: skip
                for other in (BASELINE, FULL):
                    both = sorted(ranks[row.name].keys() & ranks[other].keys())
                    if other == row.name or not both or row.name == SHIPPED:
                        continue
                    apart = np.stack([(tops(ranks[row.name][s], 1) - tops(ranks[other][s], 1))[places] for s in both])
                    told["top"][name][f"top-1 - {other}"] = {
                        **interval(apart, products[places], resamples),
                        "by_seed": [round(100 * float(one.mean()), 2) for one in apart],
                    }
            told["first_top-1"] = [cell["metrics"].get("first/top-1") for cell in of_row]
            told["cpu_seconds"] = [cell["cpu_seconds"] for cell in of_row]
            found["rows"].append(told)
    found["queries"] = sum(len(one.customer) for one in photos.values())
    found["machine"] = [cells[0]["machine"], cells[-1]["machine"]]
    return found


def rows_of_slices(photos: ShopPhotos) -> dict[str, NDArray[np.int64]]:
    """Places of the queries: all, those of each hard slice, and those that are in any of them."""
    found = {"all": np.arange(len(photos.customer))}
    for name, value in HARD.items():
        found[f"{name}={value}"] = np.flatnonzero(np.array(photos.slices[name]) == value)
    found["hard"] = np.unique(np.concatenate([found[f"{name}={value}"] for name, value in HARD.items()]))
    return {name: places for name, places in found.items() if len(places)}


def tops(ranks: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """1 where the first right photo is among the first k, (Q,)."""
    return (ranks <= k).astype(np.float64)


def interval(apart: NDArray[np.float64], products: NDArray[np.int64], resamples: int) -> dict[str, float]:
    """Mean of differences (seeds, Q) in percent with a 95 % interval: products and seeds are drawn anew."""
    random = np.random.default_rng(0)
    names, places = np.unique(products, return_inverse=True)
    sums = np.stack([np.bincount(places, weights=one, minlength=len(names)) for one in apart])  # (seeds, products)
    counts = np.bincount(places, minlength=len(names))
    means = []
    for _ in range(resamples):
        drawn = random.integers(len(names), size=len(names))
        seeds = random.integers(len(apart), size=len(apart))
        means.append(sums[seeds][:, drawn].sum(axis=1).mean() / counts[drawn].sum())
    low, high = np.quantile(means, [0.025, 0.975])
    return {"mean": round(100 * float(apart.mean()), 2), "low": round(100 * low, 2), "high": round(100 * high, 2)}


def main() -> None:
    parser = grid_parser(__doc__, "runs/grnet")
    parser.add_argument("--data", nargs="+", default=list(DATA), choices=list(DATA))
    parser.add_argument("--source", help="another source in place of --data's, which must then name one")
    parser.add_argument("--size", help="of the model, for all data sets")
    parser.add_argument("--start", default=GrnetRecipe.start, help="what the backbone starts from; none: scratch")
    parser.add_argument("--photos", type=int, help="customers' photos of each product of the test split")
    for name in ("products", "steps", "shortlist", "batch_size"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(Settings, name))
    parser.add_argument("--learning-rate", type=float, default=Settings.learning_rate)
    options = parser.parse_args()
    sources, sizes = dict(DATA), dict(SIZES)
    if options.source:
        if len(options.data) != 1:
            parser.error("--source stands for one data set: name it by --data")
        sources[options.data[0]] = options.source
    if options.size:
        sizes = dict.fromkeys(sizes, options.size)
    photos = dict.fromkeys(PHOTOS, options.photos) if options.photos else dict(PHOTOS)
    settings = Settings(
        options.products, options.steps, options.shortlist, options.batch_size, options.learning_rate, photos, sizes,
        sources, None if options.start == "none" else options.start,
    )  # fmt: skip
    if options.collect:
        cells = all_finished(options.runs)
        grid = Grid(options.runs, Settings(**cells[0]["settings"]))
        photos = {data: grid.test(data) for data in sorted({cell["data"] for cell in cells})}
        write_json(options.collect, collect(cells, photos))
        return
    torch.set_num_threads(1)
    options.runs.mkdir(parents=True, exist_ok=True)
    grid = Grid(options.runs, settings)
    # Main rows of all data sets and seeds, then the others a seed at a time: stopped early, the grid is even.
    rows = chosen(ROWS, options.only)
    for group in ("main", "ablation"):
        for seed in options.seeds:
            for data in options.data:
                for row in (one for one in rows if one.group == group):
                    if row.name == SHIPPED and seed != options.seeds[0]:
                        continue
                    try:
                        with alone(grid.folder(row, data, seed)):
                            result = grid.cell(row, data, seed)
                    except Timeout:
                        continue
                    metrics = {
                        key: result["metrics"][key]
                        for key in ("top-1", "top-20", "first/top-1")
                        if key in result["metrics"]
                    }
                    line = {"row": row.name, "data": data, "seed": seed, **metrics, "cpu": result["cpu_seconds"]}
                    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
