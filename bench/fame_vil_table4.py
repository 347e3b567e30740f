"""FAME-ViL's Table 4 in small: single-task models, shared models, adapters, distillation; interrupted, it goes on.

    python bench/fame_vil_table4.py --runs runs/fame --start runs/fame_vil_clip_small/model    # main rows first
    python bench/fame_vil_table4.py --runs runs/fame --start ... --only 'MTL*' --seeds 0
    python bench/fame_vil_table4.py --runs runs/fame --collect docs/results/fame_vil_table4.json

A cell is one training: a task alone for `--steps` steps, or all tasks in one model for as many steps per task, so that a row of
single-task models and a row with one model for all have seen equally much. Every cell starts from the same contrastive
backbone and is measured on `test`: XMR over the full gallery (mean of six recalls), TGIR (mean of R@10 and R@50), SCR (mean of
accuracy and macro-F1), FIC by greedy captions (mean of BLEU-4, METEOR, ROUGE-L, CIDEr, computed by `--collect`). The mean over
tasks counts a missing task as 0, as the paper's does. Cells that rows share are run once: cross-attention does not change XMR.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from filelock import Timeout

from grids import (
    RESULT,
    all_finished,
    alone,
    chosen,
    common_settings,
    finished,
    grid_parser,
    pooled,
    with_interval,
)
from modiste.data.composed import ComposedData, load_composed
from modiste.data.sources import load_items
from modiste.data.task_data import TaskAugment, TaskData
from modiste.evaluation.composed import evaluate_composed
from modiste.evaluation.recognition import evaluate_recognition
from modiste.evaluation.retrieval import evaluate_encoder, with_image_and_text
from modiste.models.fame_vil import TASKS, FameVil, parameter_counts
from modiste.models.fame_vil_inference import (
    FameVilCaptioner,
    FameVilEncoder,
    FameVilRecogniser,
    FameVilTowers,
    tidied,
)
from modiste.models.inference import ImageTextEncoder
from modiste.models.pretrained import load_model, save_pretrained
from modiste.recipes.fame_vil import FameVilRecipe, Start, run_of, started, task_data, training_items, unknown
from modiste.training.checkpoint import write_json
from modiste.training.loop import train
from modiste.types import Item
from report import machine

FULL = "MTL + TSA + XAA + MTD"
SINGLE = "STL + TSA + XAA"


@dataclass(frozen=True)
class Row:
    """A row of Table 4: one model per task, or one for all."""

    name: str
    group: str
    shared: bool
    tsa: bool
    xaa: bool
    distil: bool = False
    sampling: Any = "proportional"
    balance: Any = "sum"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Captions are written through cross-attention adapters alone."""
        return TASKS if self.xaa else tuple(task for task in TASKS if task != "fic")

    def cells(self) -> list[Cell]:
        """What this row is made of."""
        ways = {"distil": self.distil, "sampling": self.sampling, "balance": self.balance}
        if self.shared:
            return [Cell(self.tasks, self.tsa, self.xaa, **ways)]
        # nothing about XMR alone depends on cross-attention
        return [Cell((task,), self.tsa, self.xaa and task != "xmr", **ways) for task in self.tasks]


@dataclass(frozen=True)
class Cell:
    """One training of a row."""

    tasks: tuple[str, ...]
    tsa: bool
    xaa: bool
    distil: bool = False
    sampling: Any = "proportional"
    balance: Any = "sum"

    @property
    def slug(self) -> str:
        parts = ["_".join(self.tasks) if len(self.tasks) == 1 else "all"]
        parts += [name for name in ("tsa", "xaa", "distil") if getattr(self, name)]
        parts += [self.sampling] * (self.sampling != "proportional") + [self.balance] * (self.balance != "sum")
        return "-".join(parts)


ROWS = (
    Row(SINGLE, "main", shared=False, tsa=True, xaa=True),
    Row(FULL, "main", shared=True, tsa=True, xaa=True, distil=True),
    Row("MTL + TSA + XAA", "main", shared=True, tsa=True, xaa=True),
    Row("MTL", "main", shared=True, tsa=False, xaa=False),
    Row("STL", "adapters", shared=False, tsa=False, xaa=False),
    Row("MTL + XAA", "adapters", shared=True, tsa=False, xaa=True),
    Row("MTL + TSA", "adapters", shared=True, tsa=True, xaa=False),
    Row("STL + XAA", "adapters", shared=False, tsa=False, xaa=True),
    Row("STL + TSA", "adapters", shared=False, tsa=True, xaa=False),
    Row("uniform sampling", "training", shared=True, tsa=True, xaa=True, distil=True, sampling="uniform"),
    Row("round-robin sampling", "training", shared=True, tsa=True, xaa=True, distil=True, sampling="round_robin"),
    Row("IMTL-G", "training", shared=True, tsa=True, xaa=True, balance="imtl_g"),
)


@dataclass(frozen=True)
class Settings:
    """What all cells of a grid have in common."""

    data: str = "fashion_products"
    steps: int = 250  # of a single task; all tasks in one model take four times as many
    batch_size: int = 64
    questions: int = 1  # text-guided, for each reference
    learning_rate: float = 2e-3
    backbone_scale: float = 0.2


class Grid:
    """The data, read once, and the folder where cells lie."""

    def __init__(self, runs: Path, start: str, settings: Settings) -> None:
        self.runs, self.start, self.settings = runs, start, settings
        self.items = training_items(settings.data)
        recipe = self.recipe(Cell(TASKS, True, True), 0)
        begun = started(recipe, self.items)
        self.augment = TaskAugment(unknown(begun.config), recipe.augmentation, recipe.drop_token_rate)
        self.data: Mapping[str, TaskData] = task_data(recipe, self.items, begun)
        self.test = sorted(with_image_and_text(load_items(settings.data, "test")), key=lambda item: item.id)
        self.questions: ComposedData = load_composed(settings.data, "test")

    def recipe(self, cell: Cell, seed: int) -> FameVilRecipe:
        """A cell as the recipe that `modiste train` runs."""
        steps = self.settings.steps * (1 if cell.balance == "imtl_g" else len(cell.tasks))  # as many batches in all
        return FameVilRecipe(
            data=self.settings.data, questions=self.settings.questions, init_from=self.start, tasks=cell.tasks,
            tsa=cell.tsa, xaa=cell.xaa, teachers=self.teacher_folders(seed) if cell.distil else "",
            sampling=cell.sampling, balance=cell.balance, max_steps=steps, batch_size=self.settings.batch_size,
            learning_rate=self.settings.learning_rate, backbone_scale=self.settings.backbone_scale,
            warmup_steps=max(1, steps // 10), ema_decay=0.99, seed=seed,
        )  # fmt: skip

    def teacher_folders(self, seed: int) -> str:
        """Where the single-task models with both adapters are, with {task} for the task; trained when asked for first."""
        single = next(row for row in ROWS if row.name == SINGLE)
        for cell in single.cells():
            self.cell(cell, seed)
            link = self.runs / "teachers" / f"{seed}-{cell.tasks[0]}"
            if not link.exists():
                link.parent.mkdir(exist_ok=True)
                link.symlink_to(Path("..") / f"{cell.slug}-{seed}" / "train" / "model")
        return str(self.runs / "teachers" / f"{seed}-{{task}}")

    def cell(self, cell: Cell, seed: int) -> dict[str, Any]:
        """Train and measure one cell, or go on with it; its result, also when it was there already."""
        folder = self.runs / f"{cell.slug}-{seed}"
        if (found := finished(folder, self.settings)) is not None:
            return found
        with alone(folder):
            recipe = self.recipe(cell, seed)
            begun = started(recipe, self.items)
            began = time.process_time()
            losses = self._train(folder / "train", recipe, begun)
            trained = time.process_time()
            model = load_model(folder / "train" / "model")
            result: dict[str, Any] = {
                "cell": asdict(cell), "seed": seed, "settings": asdict(self.settings), "losses": losses,
                "parameters": parameter_counts(begun.config),
            }  # fmt: skip
            with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
                result |= self._scores(model.model, model.tokenizer, cell)
            seconds = {"train": round(trained - began), "measure": round(time.process_time() - trained)}
            result |= {"cpu_seconds": seconds, "machine": machine()}
            write_json(folder / RESULT, result)
        return result

    def _train(self, folder: Path, recipe: FameVilRecipe, begun: Start) -> dict[str, float]:
        def publish(model: torch.nn.Module, into: Path) -> None:
            save_pretrained(into, model, begun.tokenizer, name=f"fame_vil.{folder.parent.name}")

        run = run_of(recipe, begun, self.data, self.augment, publish)
        run = replace(run, checkpoint_every_seconds=120.0, keep_checkpoints=1)
        return {key: round(value, 4) for key, value in train(run, folder, device="cpu", progress=False).metrics.items()}

    def _scores(self, model: FameVil, tokenizer: Any, cell: Cell) -> dict[str, Any]:
        """What the model's tasks get on `test`; captions as they are, for metrics that read them all."""
        model = _one_view(model)
        towers = FameVilTowers(model, tokenizer)
        found: dict[str, Any] = {}
        if "xmr" in cell.tasks:
            encoder = ImageTextEncoder(towers, name="in the grid", sha256="")
            report = evaluate_encoder("retrieval-full", self.test, encoder, resamples=0).as_dict()
            found["xmr"] = {key: report[key] for way in ("t2i", "i2t") for key in (f"{way}_R@{k}" for k in (1, 5, 10))}
        if "tgir" in cell.tasks:
            fused = FameVilEncoder(towers, name="in the grid", sha256="")
            controls = {"controls": len(cell.tasks) > 1 and cell.tsa and cell.xaa and cell.sampling == "proportional"}
            composed = evaluate_composed(self.questions, fused, resamples=0, **controls).as_dict()
            found["tgir"] = {key: value for key, value in composed.items() if isinstance(value, float)}
        if "scr" in cell.tasks:
            scr = evaluate_recognition(self.test, FameVilRecogniser(model, tokenizer), resamples=0).as_dict()
            found["scr"] = {key: scr[key] for key in ("scr_accuracy", "scr_macro_f1")}
        if "fic" in cell.tasks:
            captioner = FameVilCaptioner(model, tokenizer)
            written = captioner.caption([item.image for item in self.test])  # type: ignore[misc]
            found["captions"] = {item.id: one.text for item, one in zip(self.test, written, strict=True)}
        return found


def _one_view(model: FameVil) -> FameVil:
    """Photos as they are: averaging over a mirrored view costs as much again and moves no comparison."""
    model.config = replace(model.config, views=(1.0,))
    return model.eval()


def task_scores(result: Mapping[str, Any], caption_scores: Mapping[str, float]) -> dict[str, float]:
    """The paper's one number of each task a cell has learned, in percent."""
    found = {}
    if "xmr" in result:
        found["xmr"] = float(np.mean(list(result["xmr"].values())))
    if "tgir" in result:
        found["tgir"] = float(np.mean([result["tgir"]["R@10"], result["tgir"]["R@50"]]))
    if "scr" in result:
        found["scr"] = (result["scr"]["scr_accuracy"] + 100 * result["scr"]["scr_macro_f1"]) / 2
    if caption_scores:
        found["fic"] = float(np.mean(list(caption_scores.values())))
    return found


def collect(results: list[dict[str, Any]], items: Sequence[Item]) -> dict[str, Any]:
    """Rows with their seeds' values, each mean's difference to the single-task row, and its interval.

    Differences are taken seed by seed; their spread is pooled over all rows with two seeds and more, and the interval is
    Student's with it.
    """
    from modiste.evaluation.captioning import references, score_captions

    settings = common_settings(results)
    usable = with_image_and_text(items)
    titles, product = references(usable), {item.id: item.product for item in usable}
    cells: dict[tuple[str, int], dict[str, Any]] = {}
    for one in results:
        cell = Cell(**{**one["cell"], "tasks": tuple(one["cell"]["tasks"])})
        captions = one.pop("captions", {})
        told = [titles[product[name]] for name in captions]
        scored = score_captions([tidied(text) for text in captions.values()], told, resamples=0) if captions else {}
        one["fic"] = {key: round(estimate.mean, 3) for key, estimate in scored.items()}
        one["scores"] = task_scores(one, one["fic"])
        cells[cell.slug, one["seed"]] = one
    table: dict[str, dict[int, dict[str, float]]] = {}
    parameters: dict[str, int] = {}
    for row in ROWS:
        for seed in sorted({seed for _, seed in cells}):
            own = [cells.get((cell.slug, seed)) for cell in row.cells()]
            if all(own):
                scores = {task: value for one in own for task, value in one["scores"].items()}  # type: ignore[index]
                scores["mean"] = sum(scores.values()) / len(TASKS)
                table.setdefault(row.name, {})[seed] = scores
                parameters[row.name] = sum(one["parameters"]["total"] for one in own)  # type: ignore[index]
    keys = (*TASKS, "mean")
    single = table.get(SINGLE, {})
    apart = {
        (name, key): np.array([of[key] - single[seed][key] for seed, of in seeds.items() if key in of and seed in single])
        for name, seeds in table.items() if name != SINGLE for key in keys
    }  # fmt: skip
    rows = []
    for row in ROWS:
        if row.name not in table:
            continue
        seeds = table[row.name]
        entry: dict[str, Any] = {
            "row": row.name,
            "group": row.group,
            "seeds": len(seeds),
            "parameters": parameters[row.name],
        }
        if SINGLE in parameters:
            entry["parameters_share"] = round(parameters[row.name] / parameters[SINGLE], 4)
        for key in keys:
            values = [of[key] for of in seeds.values() if key in of]
            if not values:
                continue
            entry[key] = round(float(np.mean(values)), 2)
            spread, freedom = pooled(one for (_, of_key), one in apart.items() if of_key == key)
            own_apart = apart.get((row.name, key), np.zeros(0))
            if len(own_apart) and freedom:
                entry[f"{key}_difference"] = with_interval(own_apart, spread, freedom, places=2)
        rows.append(entry)
    told = ("scores", "xmr", "tgir", "scr", "fic", "parameters", "cpu_seconds")
    details = [
        {"cell": slug, "seed": seed, **{key: one[key] for key in told if key in one}}
        for (slug, seed), one in sorted(cells.items())
    ]
    return {"settings": settings, "rows": rows, "cells": details}


def main() -> None:
    parser = grid_parser(__doc__, "runs/fame")
    parser.add_argument(
        "--start", default="runs/fame_vil_clip_small/model", help="the backbone that all cells start from"
    )
    parser.add_argument("--data", default=Settings.data)
    parser.add_argument("--steps", type=int, default=Settings.steps, help="of a single task")
    parser.add_argument("--batch-size", type=int, default=Settings.batch_size)
    options = parser.parse_args()
    if options.collect:
        found = collect(all_finished(options.runs), load_items(options.data, "test"))
        write_json(options.collect, {**machine(), **found})
        return
    torch.set_num_threads(1)
    options.runs.mkdir(parents=True, exist_ok=True)
    grid = Grid(options.runs, options.start, Settings(options.data, options.steps, options.batch_size))
    rows = chosen(ROWS, options.only)
    # Main rows of the first seed, then the other rows, then further seeds: stopped early, every row has been tried.
    order = [
        (row, seed)
        for seed in options.seeds[:1]
        for group in ("main", "adapters", "training")
        for row in rows
        if row.group == group
    ]
    order += [(row, seed) for seed in options.seeds[1:] for row in rows if row.group == "main"]
    for row, seed in order:
        for cell in row.cells():
            try:
                result = grid.cell(cell, seed)
            except Timeout:
                continue
            short = {key: result[key] for key in ("xmr", "scr") if key in result}
            told = {key: result["tgir"][key] for key in ("R@10", "R@50") if "tgir" in result}
            seconds = result.get("cpu_seconds")
            print(
                json.dumps({"row": row.name, "cell": cell.slug, "seed": seed, **short, "tgir": told, "cpu": seconds}),
                flush=True,
            )


if __name__ == "__main__":
    main()
