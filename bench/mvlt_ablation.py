"""The paper's ablations (MVLT, Table 3) in small: a grid of short trainings, each measured alike; interrupted, it goes on.

    python bench/mvlt_ablation.py --runs runs/ablation                       # the whole grid, main rows first
    python bench/mvlt_ablation.py --runs runs/ablation --only 'ITM*' --seeds 0
    python bench/mvlt_ablation.py --runs runs/ablation --collect docs/results/mvlt_table3.json

A cell is one row of Table 3 and one seed: the paper's losses on one masked pass, `--budget` photos seen; then, on `test`,
1-of-101 by the matching head as it is (the paper's zero-shot protocol), masked image generation where MIR was learned, and
what a linear reading finds in T^4 and V^4. The paper fine-tunes for recognition; that costs more than the cell, and on few
photos tells more of the fine-tuning. A reading is fitted in closed form on `--reading` training items: ridge regression to
labels, and canonical correlations between photos alone and titles alone, by which 1-of-101 is ranked. Finished cells are files
and are not run again.

Everything is smaller than `mvlt_micro`: photos of 32x40 pixels, titles of 16 pieces, a block per stage. In place of ImageNet's
weights all cells start from MIR alone, trained once; what no start and a start by the contrastive loss give are rows, too.
Attention is spelled out (PyTorch's "math" kernel): at this size its backward pass on a CPU is several times faster than the
fused one's.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
import torch.nn.functional as F
from filelock import FileLock, Timeout
from sklearn.linear_model import RidgeClassifier
from torch.nn.attention import SDPBackend, sdpa_kernel

from grids import (
    RESULT,
    all_finished,
    alone,
    chosen,
    common_settings,
    finished,
    grid_parser,
    pooled,
    slug,
    with_interval,
)
from modiste.data.pairs import PairData, build_pairs, class_numbers
from modiste.data.sources import load_items
from modiste.data.text import tokenize, train_wordpiece
from modiste.evaluation.generation import evaluate_generation
from modiste.evaluation.metrics import BestTie, best_tie, recall_from
from modiste.evaluation.recognition import macro_f1_with_interval
from modiste.evaluation.retrieval import ranking_task, with_image_and_text
from modiste.models.inference import photo_tensor
from modiste.models.mvlt import SIZES, Mvlt, MvltObjective
from modiste.models.mvlt_inference import Inpainter, prepared_photos
from modiste.models.mvlt_pairs import Scorer, mvlt_scorers
from modiste.recipes.mvlt import LOSS_FIELDS, MvltRecipe, class_names
from modiste.recipes.pairs import run_settings, training_examples
from modiste.training.checkpoint import load_tensors, write_json
from modiste.training.loop import train
from modiste.training.run import Run
from modiste.types import FloatArray
from report import machine

SIZE = replace(
    SIZES["micro"], image_size=(32, 40), context_length=16, word_dim=128, dims=(32, 64, 128, 160), depths=(1, 1, 1, 1),
    num_heads=(1, 2, 4, 5), mlp_ratios=(4, 4, 4, 4), sr_ratios=(4, 2, 1, 1), drop_path=0.0,
)  # fmt: skip
FINAL = "ITM + MIR + MLM"
KEYS = {"article_type": "scr", "sub_category": "mcr"}
RIDGE = 0.01
CORRELATED = 64
KS = (1, 5, 10)
START_EPOCHS = {"mir": 1, "itc": 4}
START_BATCH = 128  # contrastive losses need many


@dataclass(frozen=True)
class Row:
    """A row of Table 3: what differs from the final one, whose objective is the paper's."""

    name: str
    group: str
    losses: tuple[str, ...] = ("mir", "itm", "mlm")
    ratio: float = 0.5
    unit: int = 8
    style: Any = "random_grid"
    start: str = "mir"

    @property
    def objective(self) -> MvltObjective:
        return MvltObjective(
            losses=self.losses, mask_style=self.style, mask_ratio=self.ratio, mask_unit=self.unit, one_pass=True
        )


ROWS = (
    Row(FINAL, "objectives"),
    Row("ITM", "objectives", losses=("itm",)),
    Row("ITM + MIR", "objectives", losses=("mir", "itm")),
    Row("ITM + MLM", "objectives", losses=("itm", "mlm")),
    Row("no start", "start", start=""),
    Row("start by ITC", "start", start="itc"),
    *(Row(f"r_v {ratio}", "mask ratio", ratio=ratio) for ratio in (0.1, 0.3, 0.7, 0.9)),
    *(Row(f"unit {unit}", "unit size", unit=unit) for unit in (4, 16, 32)),
    *(Row(style, "mask style", style=style) for style in ("grid", "stroke", "center")),
)
MAIN = ("objectives", "start")


@dataclass(frozen=True)
class Settings:
    """What all cells of a grid have in common."""

    data: str = "fashion_products"
    budget: int = 16_000  # photos seen by a cell
    reading: int = 12_000  # training items that linear readings are fitted on
    queries: int = 60  # judged by the matching head, each direction
    batch_size: int = 64


class Grid:
    """The data, read once, and the folder where starts and cells lie."""

    def __init__(self, runs: Path, settings: Settings) -> None:
        self.runs, self.settings = runs, settings
        self.recipe = MvltRecipe(
            data=settings.data, objectives=("itm",), batch_size=settings.batch_size, learning_rate=1e-3, weight_decay=0.05,
            ema_decay=0.0, drop_token_rate=0.0, attribute_captions=0.0, augmentation=0.5, label_lines=False, eval_every=0,
            bank_size=0,
        )  # fmt: skip
        items, examples, captions = training_examples(self.recipe, SIZE.image_size)
        self.tokenizer = train_wordpiece(captions, vocab_size=SIZE.vocab_size)
        self.config = replace(SIZE, vocab_size=self.tokenizer.get_vocab_size())
        self.labels = class_names(items, list(KEYS))
        self.data: PairData = build_pairs(
            examples, self.tokenizer, lambda pixels: photo_tensor(pixels, SIZE.image_size), context_length=16,
            drop_token_rate=0.0, augmentation=self.recipe.augmentation, labels=self.labels,
        )  # fmt: skip
        self.test = with_image_and_text(load_items(self.recipe.data, "test"))

    def start(self, kind: str) -> Path | None:
        """The weights that cells start from, trained when they are asked for first."""
        if not kind:
            return None
        folder = self.runs / f"start_{kind}"
        objective = MvltObjective(losses=(kind,), one_pass=kind == "mir", mask_unit=8)
        torch.manual_seed(100)
        model = Mvlt(replace(self.config, embed_dim=128) if kind == "itc" else self.config, objective)
        budget = START_EPOCHS[kind] * len(self.data)
        with FileLock(self.runs / f"start_{kind}.lock"):
            self._train(folder, model, objective, budget, seed=100, batch_size=START_BATCH)
        return folder / "model.safetensors"

    def folder(self, row: Row, seed: int) -> Path:
        return self.runs / f"{slug(row.name)}-{seed}"

    def cell(self, row: Row, seed: int) -> dict[str, Any]:
        """Train and measure one cell, or go on with it; its result, also when it was there already."""
        folder = self.folder(row, seed)
        if (found := finished(folder, self.settings)) is not None:
            return found
        start = self.start(row.start)
        began = time.process_time()
        torch.manual_seed(seed)
        model = _started(Mvlt(self.config, row.objective), start)
        losses = self._train(folder / "train", model, row.objective, self.settings.budget, seed)
        model = _started(Mvlt(self.config), folder / "train" / "model.safetensors").eval()
        result: dict[str, Any] = {
            "row": row.name, "group": row.group, "seed": seed, "settings": asdict(self.settings), "losses": losses,
            "cpu_seconds": {"train": round(time.process_time() - began)},
        }  # fmt: skip
        if "mir" in row.losses:
            result["generation"] = self._generation(model, row)
        judged = mvlt_scorers(model, self.tokenizer, self.test, batch_size=256)["itm"]
        result["matching"] = self._ranked(judged, self.settings.queries)
        result["cpu_seconds"]["measure"] = round(time.process_time() - began) - result["cpu_seconds"]["train"]
        result |= self._readings(model)
        result["cpu_seconds"]["all"] = round(time.process_time() - began)
        write_json(folder / RESULT, result | {"machine": machine()})
        return result

    def _train(
        self, folder: Path, model: Mvlt, objective: MvltObjective, budget: int, seed: int, batch_size: int | None = None
    ) -> dict[str, float]:
        """Train on `budget` photos by the repository's loop, which resumes; the last step's losses."""
        recipe = replace(self.recipe, batch_size=batch_size or self.settings.batch_size, seed=seed)
        settings = run_settings(recipe, self.data) | {"epochs": None, "warmup_steps": 0.1}
        asked = {f"{name}_loss" for name in objective.losses}
        run = Run(
            name=folder.name, model=model, max_steps=max(1, budget // recipe.batch_size),
            loss_weights={loss: getattr(recipe, weight) for loss, weight in LOSS_FIELDS.items() if loss in asked},
            checkpoint_every_seconds=120.0, keep_checkpoints=1, **settings,
        )  # fmt: skip
        return {key: round(value, 4) for key, value in train(run, folder, device="cpu", progress=False).metrics.items()}

    def _ranked(self, scorers: Mapping[Any, Scorer], num_queries: int | None) -> dict[str, float]:
        """1-of-101 by scorers of both directions: R@k, their sum, and the share of negatives below the positive (AUC)."""
        found: dict[str, float] = {}
        products = np.array([item.product for item in self.test])
        for direction, scorer in scorers.items():
            task = ranking_task("retrieval-1of101", self.test, direction, num_queries=num_queries)
            relevant = products[task.candidates] == products[task.queries][:, None]
            tie: BestTie = best_tie(scorer(task.queries, task.candidates), relevant)
            for k in KS:
                found[f"{direction}_R@{k}"] = round(100 * float(recall_from(tie, k).mean()), 2)
            negatives = task.candidates.shape[1] - relevant.sum(axis=1)
            below = 1 - (tie.above + (tie.tied - tie.relevant) / 2) / negatives
            found[f"{direction}_auc"] = round(100 * float(below.mean()), 2)
        found["sum"] = round(sum(value for key, value in found.items() if "R@" in key), 2)
        found["auc"] = round((found["t2i_auc"] + found["i2t_auc"]) / 2, 2)
        return found

    def _generation(self, model: Mvlt, row: Row) -> dict[str, float]:
        """The same masks for every row: half of the photo in units of 8 pixels; 500 photos."""
        inpainter = Inpainter(model, self.tokenizer)
        items = sorted(self.test, key=lambda item: item.id)[:500]
        report = evaluate_generation(
            items, lambda some: inpainter.reconstruct(some, 0.5, unit=8), batch_size=100, resamples=0
        ).as_dict()
        return {key: round(report[key], 4) for key in ("psnr", "ssim", "masked_psnr", "control_fill_masked_psnr")}

    def _readings(self, model: Mvlt) -> dict[str, dict[str, float]]:
        """Labels by ridge regression on what both or the photo alone leave at the last stage, ranks by correlations."""
        rows = np.random.default_rng(0).choice(
            len(self.data), min(self.settings.reading, len(self.data)), replace=False
        )
        at = torch.from_numpy(np.sort(rows))
        learned = features(model, self.data.images[at], self.data.token_ids[at, 0].long())
        photos = prepared_photos(self.test, self.config)
        titles = tokenize(self.tokenizer, [item.text for item in self.test], SIZE.context_length)[0]
        asked = features(model, photos, torch.from_numpy(titles).long())
        recognition: dict[str, float] = {}
        true = class_numbers(self.test, self.labels).numpy()
        for column, key in enumerate(KEYS[name] for name in self.labels):
            known, right = self.data.classes[at, column].numpy(), true[:, column]
            for inputs in ("both", "photo"):
                machine = RidgeClassifier(alpha=RIDGE * len(at)).fit(learned[inputs][known >= 0], known[known >= 0])
                told = machine.predict(asked[inputs])[right >= 0]
                recognition[f"{inputs}_{key}_accuracy"] = round(100 * float((told == right[right >= 0]).mean()), 2)
                macro_f1 = macro_f1_with_interval(right[right >= 0], told, resamples=0).mean
                recognition[f"{inputs}_{key}_macro_f1"] = round(macro_f1, 4)
        by_photo, by_title = correlated(learned["photo"], learned["title"])
        vectors = [
            _unit((asked[name] - learned[name].mean(axis=0)) @ by)
            for name, by in (("photo", by_photo), ("title", by_title))
        ]

        def scorer(of_queries: FloatArray, of_candidates: FloatArray) -> Scorer:
            return lambda queries, candidates: np.einsum("qd,qcd->qc", of_queries[queries], of_candidates[candidates])

        scorers = {"t2i": scorer(vectors[1], vectors[0]), "i2t": scorer(vectors[0], vectors[1])}
        return {"recognition": recognition, "vectors": self._ranked(scorers, None)}


@torch.inference_mode()
def features(model: Mvlt, images: torch.Tensor, token_ids: torch.Tensor) -> dict[str, FloatArray]:
    """What the last stage has of N pairs, of their photos alone and of their titles alone: (N, F) each, of equal scale."""
    found: dict[str, list[torch.Tensor]] = {"both": [], "photo": [], "title": []}
    for pixels, ids in zip(images.split(256), token_ids.split(256), strict=True):
        mask = ids != 0
        both, photo, title = model.encode(pixels, ids, mask), model.encode(pixels), model.encode(None, ids, mask)
        found["both"].append(torch.cat([*_text(both.text[-1], mask), *_photo(both.image[-1])], dim=1))
        found["photo"].append(torch.cat(_photo(photo.image[-1]), dim=1))
        found["title"].append(torch.cat(_text(title.text[-1], mask), dim=1))
    return {name: F.layer_norm(torch.cat(parts), parts[0].shape[1:]).numpy() for name, parts in found.items()}


def _text(tokens: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
    """[CLS] and the mean over the words (B, L, D)."""
    words = mask[..., None].to(tokens.dtype)
    return [tokens[:, 0], (tokens * words).sum(dim=1) / words.sum(dim=1)]


def _photo(grid: torch.Tensor) -> list[torch.Tensor]:
    """What the places (B, D, h, w) have on the whole, and what they have anywhere."""
    return [grid.flatten(2).mean(dim=2), grid.flatten(2).amax(dim=2)]


def correlated(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Maps (F, CORRELATED) and (G, CORRELATED) of (N, F) and (N, G): regularised canonical correlations, the greatest ones."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    whiten_x, whiten_y = _whitening(x), _whitening(y)
    left, strength, right = np.linalg.svd(whiten_x.T @ (x.T @ y / len(x)) @ whiten_y, full_matrices=False)
    kept = np.sqrt(strength[:CORRELATED])
    return whiten_x @ left[:, :CORRELATED] * kept, whiten_y @ right[:CORRELATED].T * kept


def _whitening(x: FloatArray) -> FloatArray:
    """(F, F), symmetric: the covariance of (N, F) with a ridge, to the power -1/2."""
    covariance = x.T @ x / len(x)
    values, vectors = np.linalg.eigh(
        covariance + RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    )
    return (vectors / np.sqrt(values)) @ vectors.T


def _unit(x: FloatArray) -> FloatArray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _started(model: Mvlt, weights: Path | None) -> Mvlt:
    """`model` with all that the weights have and it has; heads that the start did not train stay fresh."""
    if weights:
        own = model.state_dict()
        state = {name: tensor for name, tensor in load_tensors(weights).items() if name in own}
        assert not (missing := own.keys() - state.keys()), f"{weights} lacks {sorted(missing)[:3]}"
        model.load_state_dict(state)
    return model


MEASURES = {
    "itm_sum": ("matching", "sum"),
    "itm_auc": ("matching", "auc"),
    "vectors_sum": ("vectors", "sum"),
    "scr_both": ("recognition", "both_scr_accuracy"),
    "scr_f1_both": ("recognition", "both_scr_macro_f1"),
    "mcr_both": ("recognition", "both_mcr_accuracy"),
    "scr_photo": ("recognition", "photo_scr_accuracy"),
    "psnr": ("generation", "psnr"),
    "masked_psnr": ("generation", "masked_psnr"),
    "ssim": ("generation", "ssim"),
}


def collect(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows with their seeds' values and the paired difference to the final row, seed by seed.

    The spread of one paired difference is pooled over all rows with two seeds and more (degrees of freedom: their seeds less
    one each); the interval of a row's mean difference is Student's with it, so rows with one seed have one too.
    """
    by_row = {row.name: {cell["seed"]: cell for cell in cells if cell["row"] == row.name} for row in ROWS}
    found: dict[str, Any] = {"settings": common_settings(cells), "rows": []}
    values = {
        name: {
            seed: {key: cell[part][field] for key, (part, field) in MEASURES.items() if part in cell}
            for seed, cell in sorted(of_row.items())
        }
        for name, of_row in by_row.items()
    }
    differences = {
        name: {
            key: np.array(
                [of[key] - values[FINAL][seed][key] for seed, of in seeds.items() if _both(of, values, seed, key)]
            )
            for key in MEASURES
        }
        for name, seeds in values.items()
        if name != FINAL
    }
    spread = {key: pooled(of[key] for of in differences.values()) for key in MEASURES}
    for row in ROWS:
        if not values[row.name]:
            continue
        of_row: dict[str, Any] = {"row": row.name, "group": row.group, "seeds": len(values[row.name])}
        for key in MEASURES:
            of_seeds = [one[key] for one in values[row.name].values() if key in one]
            if not of_seeds:
                continue
            of_row[key] = round(float(np.mean(of_seeds)), 3)
            if row.name != FINAL and len(apart := differences[row.name][key]) and spread[key][1]:
                of_row[f"{key}_difference"] = with_interval(apart, *spread[key], places=3)
        found["rows"].append(of_row)
    found["spread_of_a_difference"] = {key: [round(one, 3), freedom] for key, (one, freedom) in spread.items()}
    left_out = ("settings", "machine", "group")
    found["cells"] = [
        {key: value for key, value in cell.items() if key not in left_out}
        for cell in sorted(cells, key=lambda cell: (cell["row"], cell["seed"]))
    ]
    return found


def _both(of: dict[str, float], values: dict[str, Any], seed: int, key: str) -> bool:
    return key in of and key in values[FINAL].get(seed, {})


def main() -> None:
    parser = grid_parser(__doc__, "runs/ablation")
    parser.add_argument("--data", default=Settings.data)
    parser.add_argument("--budget", type=int, default=Settings.budget, help="photos seen by a cell")
    parser.add_argument("--reading", type=int, default=Settings.reading, help="items that readings are fitted on")
    parser.add_argument("--queries", type=int, default=Settings.queries, help="judged by the matching head, each way")
    parser.add_argument("--batch-size", type=int, default=Settings.batch_size)
    options = parser.parse_args()
    if options.collect:
        write_json(options.collect, {**machine(), **collect(all_finished(options.runs))})
        return
    torch.set_num_threads(1)
    with sdpa_kernel(SDPBackend.MATH):
        settings = Settings(options.data, options.budget, options.reading, options.queries, options.batch_size)
        grid = Grid(options.runs, settings)
        # Main rows with all their seeds, then the other rows a seed at a time: stopped early, the grid is even.
        rows = chosen(ROWS, options.only)
        order = [(row, seed) for seed in options.seeds for row in rows if row.group in MAIN]
        order += [(row, seed) for seed in options.seeds for row in rows if row.group not in MAIN]
        for row, seed in order:
            try:
                with alone(grid.folder(row, seed)):
                    result = grid.cell(row, seed)
            except Timeout:
                continue
            short = {key: result[part][field] for key, (part, field) in MEASURES.items() if part in result}
            print(json.dumps({"row": row.name, "seed": seed, **short, "cpu": result["cpu_seconds"]}), flush=True)


if __name__ == "__main__":
    main()
