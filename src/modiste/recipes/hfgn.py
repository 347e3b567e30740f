"""Recommenders of outfits on clicks: HFGN and its variant with masked clicks, and in the same harness BPR-MF, LightGCN and a
recommender like CrossCBR (models/hfgn.py, hfgn_masked.py, bpr_mf.py, lightgcn.py, crosscbr.py).

modiste train hfgn_masked_ifashion           12 epochs of 5 s on one core of an AMD EPYC: test NDCG@20 .0700 (3 seeds)
modiste train hfgn_atelier                   16 epochs of 1 s: 83 % of what clicks can tell of the tastes behind them
modiste train hfgn_ifashion mode=fltb --out runs/fltb          the paper's order: what goes together,
modiste train hfgn_ifashion init_from=runs/fltb                and then for whom
modiste train hfgn_masked_ifashion data=FOLDER                 tables of one's own
modiste evaluate recommendation --data ifashion --model runs/hfgn_masked_ifashion

All numbers: docs/results/recommendation.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from modiste.data.batches import TensorBatch
    from modiste.data.interactions import Interactions
    from modiste.training.run import Run
    from modiste.training.sampling import IndexLoader


@dataclass(frozen=True)
class RecommenderRecipe:
    """Fields of the recipes for recommenders; `modiste train hfgn_ifashion field=value`."""

    data: str = "ifashion"
    """Clicks: ifashion, atelier:N[:SEED[:LOOKS[:USERS]]], or a folder with tables of one's own."""
    model: Literal["hfgn", "hfgn_masked", "bpr_mf", "lightgcn", "crosscbr"] = "hfgn"
    """Which architecture."""
    size: str = "small"
    """Row of the model's table of sizes; an unknown one lists them."""
    shape: tuple[str, ...] = ()
    """Fields of the model's own configuration beside those of the size: shape=embed_dim=32,edge_dropout=0."""
    mode: Literal["recommendation", "fltb", "joint", "alternating"] = "recommendation"
    """Of HFGN: which loss. alternating: in each epoch all outfits, then all clicks."""
    fltb_share: float = 0.5
    """Of FLTB's loss in a joint training; recommendation has the rest."""
    epochs: int = 20
    """Passes over the clicks, at most."""
    patience: int = 5
    """Evaluations in a row without a better one that end the training."""
    batch_size: int = 4096
    """Clicks of one step; users of one step with hfgn_masked."""
    outfit_batch_size: int = 1024
    """Outfits of one step with mode=fltb or alternating."""
    learning_rate: float = 3e-3
    """Peak, after the warm-up; falls to 0 along a cosine."""
    weight_decay: float = 0.0
    """Not on biases and embeddings; clicks are regularised by the models' own l2."""
    warmup_steps: int = 20
    """Steps of linear warm-up."""
    init_from: str = ""
    """Weights to start from, as the paper's for recommendation, which are those of mode=fltb."""
    eval_every: int = 1
    """Epochs between evaluations on the validation split; 0: never, and the last weights are taken."""
    data_seed: int = 0
    """Of what is drawn in reading the data: the division of one's own tables, users of the atelier."""
    seed: int = 0
    """Of weights, order, negatives and what is hidden."""


def build(config: RecommenderRecipe) -> Run:
    """The complete run: clicks read, model, batches and evaluators named."""
    from modiste.data.interactions import load_interactions

    return run_on(load_interactions(config.data, seed=config.data_seed), config)


def run_on(data: Interactions, config: RecommenderRecipe) -> Run:
    """The run on clicks that are there already. The model is built on the training clicks alone; `valid` chooses the best
    weights, `test` is never looked at."""
    from modiste.training.run import Eval, Run

    trained_on = data.only("train")
    kind, shape = recommender(config)

    def publish(model: Any, folder: Path) -> None:
        from modiste.engine.tastes import save_tastes

        name = f"{config.model}_{config.size}"
        save_tastes(folder, tastes(model.knowledge(), data, name=name))

    def valid(model: Any) -> dict[str, float]:
        from modiste.evaluation.recommendation import evaluate_recommender

        found = evaluate_recommender(data, model.knowledge(), split="valid", ks=(20,), resamples=0).metrics
        return {name: found[name].mean for name in ("ndcg@20", "recall@20")}

    share = config.fltb_share
    ranks = config.mode != "fltb"  # a model that learns only what goes together has no use for clicks
    has_valid = ranks and config.eval_every > 0 and "valid" in data.clicks and bool(data.clicks["valid"].nnz)
    evals = {"clicks/valid": Eval(valid, every_epochs=config.eval_every)} if has_valid else {}
    return Run(
        name=config.model,
        model=lambda: kind(shape, trained_on),
        loader=loader(config, shape, trained_on),
        loss_weights={"fltb_loss": share, "bpr_loss": 1 - share, "l2_loss": 1 - share}
        if config.mode == "joint"
        else {},
        evals=evals,
        select="clicks/valid/ndcg@20" if evals else None,
        patience=config.patience if evals else None,
        publish=publish,
        betas=(0.9, 0.99),
        grad_clip_norm=None,
        init_from=Path(config.init_from) if config.init_from else None,
        precision="auto" if config.model == "hfgn_masked" else "fp32",  # small products gain nothing from bf16
        find_unused_parameters=True,
        **{name: getattr(config, name) for name in ("epochs", "learning_rate", "weight_decay", "warmup_steps", "seed")},
    )


def recommender(config: RecommenderRecipe) -> tuple[Callable[..., Any], Any]:
    """The model's class and its configuration. Raises `ValueError` naming an unknown size or field of the shape."""
    from modiste.models import bpr_mf, crosscbr, hfgn, hfgn_masked, lightgcn
    from modiste.recipes.registry import parse_overrides

    module, kind = {
        "hfgn": (hfgn, hfgn.Hfgn), "hfgn_masked": (hfgn_masked, hfgn_masked.HfgnMasked), "bpr_mf": (bpr_mf, bpr_mf.BprMf),
        "lightgcn": (lightgcn, lightgcn.LightGcn), "crosscbr": (crosscbr, crosscbr.CrossCbr),
    }[config.model]  # fmt: skip
    sizes: Any = module.SIZES
    if config.size not in sizes:
        raise ValueError(f"there is no size {config.size!r}; choose one of {', '.join(sizes)}")
    if config.model != "hfgn" and config.mode != "recommendation":
        raise ValueError(f"mode={config.mode}: {config.model} has one loss; only hfgn judges sets of items")
    start = sizes[config.size]
    return kind, parse_overrides(type(start), config.shape, defaults=asdict(start))


def loader(config: RecommenderRecipe, shape: Any, data: Interactions) -> IndexLoader | AlternatingLoader:
    """Batches of clicks, users or sets, as model and mode want them; a small shop is one batch.

    Raises `ValueError` where there is nothing to learn from.
    """
    import numpy as np
    import torch

    from modiste.data.click_batches import ClickExamples, UserBatch
    from modiste.training.sampling import IndexLoader

    def batches(collate: Callable[..., Any], number: int, size: int) -> IndexLoader:
        return IndexLoader(collate, number, min(size, max(number, 1)), config.seed)

    examples = ClickExamples(data)
    if config.model == "hfgn_masked":
        # of a single click nothing is left once it is hidden; where users have vectors there is nothing to hide
        users = np.flatnonzero(np.diff(data.clicks["train"].indptr) >= (1 if shape.user_level == "ids" else 2))
        if not len(users):
            raise ValueError("no user has two training clicks: there is nothing to hide one behind")
        return batches(lambda chosen, _: UserBatch(torch.from_numpy(users[chosen])), len(users), config.batch_size)
    clicks = batches(examples.joint if config.mode == "joint" else examples.clicks, len(examples), config.batch_size)
    if config.mode not in ("fltb", "alternating"):
        return clicks
    sets = batches(examples.sets, data.num_outfits, config.outfit_batch_size)
    return sets if config.mode == "fltb" else AlternatingLoader(sets, clicks)


@dataclass(frozen=True)
class AlternatingLoader:
    """A `Loader` whose epoch is one of each of two others, one after the other."""

    first: IndexLoader
    second: IndexLoader

    @property
    def steps_per_epoch(self) -> int:
        return self.first.steps_per_epoch + self.second.steps_per_epoch

    def batches(self, epoch: int, start: int, rank: int, world_size: int) -> Iterator[TensorBatch]:
        middle = self.first.steps_per_epoch
        if start < middle:
            yield from self.first.batches(epoch, start, rank, world_size)
        yield from self.second.batches(epoch, max(0, start - middle), rank, world_size)


def tastes(knowledge: Any, data: Interactions, *, name: str) -> Any:
    """What a model knows, as the engine keeps it: `engine.tastes.Tastes` with the ids of `data`."""
    import numpy as np

    from modiste.engine.tastes import FoldIn, Tastes

    known = {one.name: getattr(knowledge, one.name) for one in fields(knowledge)}
    known = {
        key: np.ascontiguousarray(value.detach().float().cpu().numpy()) if hasattr(value, "cpu") else value
        for key, value in known.items()
    }
    fold = FoldIn(**{one.name: known[one.name] for one in fields(FoldIn)})
    return Tastes(
        data.user_ids, data.outfit_ids, data.item_ids, known["users"], known["outfits"], known["items"], fold, name
    )
