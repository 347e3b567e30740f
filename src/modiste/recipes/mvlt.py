"""MVLT pre-training and fine-tuning (models/mvlt.py). Lab notes: docs/results/mvlt.md has every run's command and scores.

modiste train mvlt_small                 # ours, for 60x80 photos: ITC + ITM with hard negatives, MLM, MIR, labels
modiste train mvlt_micro                 # the paper's equations and objectives at a size for ablations
modiste train mvlt_tiny data=FASHIONGEN  # the paper's Table 1 at 256 px and the released hyper-parameters, on a GPU
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from modiste.recipes.pairs import PairRecipe, query_bank, run_settings, training_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Tokenizer

    from modiste.data.pairs import PairData
    from modiste.models.label_lines import LabelLines
    from modiste.models.mvlt import Mvlt, MvltConfig
    from modiste.training.run import Eval, Run
    from modiste.types import Item


@dataclass(frozen=True)
class MvltRecipe(PairRecipe):
    """Fields of the MVLT recipes; `modiste train mvlt_small field=value`.

    `init_from` may be an MVLT (new label heads start fresh), or a dual encoder, whose towers become the stages before the
    joint ones.
    """

    joint_from: int = 0
    """First stage in which photo and words attend to each other; 0: the size's own."""
    conv_stages: int = -1
    """So many first stages see the photo by convolutions; -1: the size's own."""
    decoder: Literal["", "unet4", "cpd3"] = ""
    """Image decoder: the paper's or the released one; empty: the size's own."""
    embed_dim: int = -1
    """Width of the contrastive head, 0 for none; -1: the size's own."""
    match_product: Literal["", "yes", "no"] = ""
    """The matching head sees the contrastive embeddings' product; empty: the size's own."""
    drop_path: float = 0.1
    """Stochastic depth, linear over the blocks."""
    pad_mask: bool = True
    """False: padding is attended to, as in the released code."""
    activation_checkpointing: bool = False
    """Recompute blocks backwards: memory for time, at 256 px."""
    objectives: tuple[str, ...] = ("mir", "itm", "mlm", "itc", "tag")
    """Which losses: mir, itm, mlm (the paper's), itc (contrastive), tag (labels)."""
    mir_weight: float = 10.0
    """The paper's."""
    itm_weight: float = 1.0
    """The paper's."""
    mlm_weight: float = 1.0
    """The paper's."""
    itc_weight: float = 1.0
    """Of the contrastive loss."""
    rank_weight: float = 1.0
    """Of the ranking term of ITM."""
    tag_weight: float = 0.5
    """Of the labels' cross-entropy."""
    labels: tuple[str, ...] = ("article_type", "sub_category", "colour", "gender", "season", "usage")
    """Attributes that label heads learn, where `tag` is among the objectives."""
    label_lines: bool = True
    """Fit hyperplanes on the words of the titles beside the label heads (models/label_lines.py) when training is over."""
    frozen_towers: bool = False
    """Stages before the joint ones, words and contrastive head stay as `init_from` has them: a fraction of the work."""
    mask_style: Literal["random_grid", "grid", "stroke", "center"] = "random_grid"
    """How pixels are hidden."""
    mask_ratio: float = 0.5
    """Share of hidden pixels, r_v."""
    mask_unit: int = 16
    """Side of a hidden unit in pixels, alpha P."""
    word_rate: float = 0.15
    """Share of hidden words, r_l."""
    alternate: bool = False
    """Every other row sees the clean photo (the released code's alternation of batches)."""
    one_pass: bool = False
    """All losses on one masked pass, as in the paper; False: ITM has an unmasked pass of its own."""
    negative_hardness: float = 0.5
    """ITM negatives: 0 uniform from the batch, 1 as often as ITC takes them for the match; needs itc, one_pass=false."""
    num_negatives: int = 3
    """ITM negatives per pair and direction; more than 1 needs one_pass=false."""
    rank_term: bool = True
    """ITM also ranks each pair before its negatives; needs one_pass=false."""
    pvt: str = ""
    """ImageNet weights for the pyramid: a Hugging Face PVT v1 checkpoint by name or folder (Zetatech/pvt-tiny-224)."""


LOSS_FIELDS = {
    "mir_loss": "mir_weight", "itm_loss": "itm_weight", "mlm_loss": "mlm_weight", "itc_loss": "itc_weight",
    "itm_rank_loss": "rank_weight", "tag_loss": "tag_weight",
}  # fmt: skip


def build(config: MvltRecipe) -> Run:
    """The complete run: data decoded, tokenizer learned, evaluators named."""
    from dataclasses import replace
    from functools import partial

    import torch

    from modiste.data.pairs import build_pairs
    from modiste.data.text import train_wordpiece
    from modiste.models.inference import photo_tensor
    from modiste.models.mvlt import Mvlt, MvltObjective
    from modiste.models.mvlt_inference import MvltTowers
    from modiste.models.mvlt_towers import copy_towers
    from modiste.models.pretrained import load_model, save_pretrained
    from modiste.training.run import Run

    start = load_model(config.init_from) if config.init_from else None
    again = start is not None and isinstance(start.model, Mvlt)
    sizes = start.model.config if start and again else _sizes(config)
    items, examples, captions = training_examples(config, sizes.image_size)
    tokenizer = start.tokenizer if start else train_wordpiece(captions, vocab_size=config.vocab_size)
    if not again:
        sizes = replace(sizes, vocab_size=start.model.config.vocab_size if start else tokenizer.get_vocab_size())
    labels = class_names(items, config.labels) if "tag" in config.objectives else {}
    data = build_pairs(
        examples, tokenizer, partial(photo_tensor, image_size=sizes.image_size), context_length=sizes.context_length,
        drop_token_rate=config.drop_token_rate, augmentation=config.augmentation, labels=labels,
    )  # fmt: skip
    objective = MvltObjective(
        losses=config.objectives, mask_style=config.mask_style, mask_ratio=config.mask_ratio, mask_unit=config.mask_unit,
        alternate=config.alternate, one_pass=config.one_pass, negative_hardness=config.negative_hardness,
        num_negatives=config.num_negatives, rank_term=config.rank_term, word_rate=config.word_rate,
        frozen_towers=config.frozen_towers,
    )  # fmt: skip
    asked = {f"{name}_loss" for name in config.objectives} | ({"itm_rank_loss"} if config.rank_term else set())

    def model() -> Mvlt:
        made = Mvlt(sizes, objective, labels=labels)
        if start and not again:
            copy_towers(made, start.model)
        elif start:
            _start_from(made, start.model)
        elif config.pvt:
            from modiste.models.mvlt_pvt import load_pvt

            load_pvt(made, config.pvt)
        made.word_trust.count(data.token_ids, config.word_prior)
        return made

    def publish(trained: torch.nn.Module, folder: Path) -> None:
        assert isinstance(trained, Mvlt)
        bank = None
        if trained.config.embed_dim:
            towers = MvltTowers(trained, tokenizer, device=next(trained.parameters()).device)
            bank = query_bank(config, towers, data, examples)
        name = f"mvlt_{config.size}.{folder.parent.name}"
        lines = label_lines(config, trained, tokenizer, data) if labels and config.label_lines else None
        save_pretrained(folder, trained, tokenizer, name=name, bank=bank, lines=lines)

    return Run(
        name="mvlt",
        model=model,
        loss_weights={loss: getattr(config, weight) for loss, weight in LOSS_FIELDS.items() if loss in asked},
        find_unused_parameters=True,
        evals=_validation(config, tokenizer),
        publish=publish,
        **run_settings(config, data),
    )


def label_lines(config: MvltRecipe, model: Mvlt, tokenizer: Tokenizer, data: PairData) -> LabelLines | None:
    """The words' own say beside the label heads: fitted on the training titles, mixed on validation items if there are any."""
    import numpy as np

    from modiste.data.pairs import class_numbers
    from modiste.data.sources import has_split, load_items
    from modiste.data.text import tokenize
    from modiste.models.label_lines import fit_lines, mixed
    from modiste.models.mvlt_inference import Recogniser
    from modiste.types import Item

    if config.photos_alone or data.classes is None or not has_split(config.data, "valid"):
        return None
    lines = fit_lines(
        data.token_ids[:, 0].long().numpy(), data.classes.numpy(), model.labels, vocab_size=model.config.vocab_size
    )
    items = [item for item in load_items(config.data, "valid") if item.image is not None and item.text]
    blind = [Item(item.id, item.title, item.image, description=item.description) for item in items]
    recogniser = Recogniser(model, tokenizer, device=model.device)
    deep = {name: np.log(found.clip(1e-9)) for name, (_, found) in recogniser.recognise(blind).items()}
    token_ids = tokenize(tokenizer, [item.text for item in items], model.config.context_length)[0]
    classes = class_numbers(items, model.labels).numpy()
    return mixed(lines, token_ids, deep, {name: classes[:, at] for at, name in enumerate(model.labels)})


def class_names(items: Sequence[Item], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Attribute -> its values among the items, in order; attributes that no item has are left out."""
    found = {
        name: tuple(sorted({str(item.attributes[name]) for item in items if item.attributes.get(name)}))
        for name in names
    }
    return {name: values for name, values in found.items() if len(values) > 1}


def _sizes(config: MvltRecipe, **more: Any) -> MvltConfig:
    """The size's row with the recipe's changes. Raises `ValueError` listing the sizes for an unknown one."""
    from dataclasses import replace

    from modiste.models.mvlt import SIZES

    if config.size not in SIZES:
        raise ValueError(f"there is no size {config.size!r}; choose one of {', '.join(SIZES)}")
    changes: dict[str, Any] = {"drop_path": config.drop_path, "pad_mask": config.pad_mask}
    changes["activation_checkpointing"] = config.activation_checkpointing
    if config.joint_from:
        changes["joint_from"] = config.joint_from
    if config.conv_stages >= 0:
        changes["conv_stages"] = config.conv_stages
    if config.decoder:
        changes["decoder"] = config.decoder
    if config.embed_dim >= 0:
        changes["embed_dim"] = config.embed_dim
    if config.match_product:
        changes["match_product"] = config.match_product == "yes"
    return replace(SIZES[config.size], **changes, **more)


def _start_from(model: Mvlt, start: Mvlt) -> None:
    """Another MVLT's weights; label heads that are missing there or have other classes stay fresh, all else must fit."""
    state, own = start.state_dict(), model.state_dict()
    fresh = tuple(f"label_heads.{name}." for name, classes in model.labels.items() if start.labels.get(name) != classes)
    fresh += () if start.labels else ("label_norm.",)
    for name, tensor in own.items():
        if name.startswith(fresh):
            state[name] = tensor
        elif name not in state or state[name].shape != tensor.shape:
            raise ValueError(f"init_from: {name} is missing there or has another shape")
    model.load_state_dict({name: state[name] for name in own})


def _validation(config: MvltRecipe, tokenizer: Tokenizer) -> dict[str, Eval]:
    """1-of-101 on the validation split, by the contrastive head and by the matching head, as far as they are trained."""
    from modiste.data.sources import has_split, load_items
    from modiste.evaluation.retrieval import evaluate_scorers, with_image_and_text
    from modiste.training.run import Eval

    if not config.eval_every or not has_split(config.data, "valid"):
        return {}
    items = with_image_and_text(load_items(config.data, "valid"))
    num_queries = min(1000, len(items))

    def evaluate(model: Mvlt) -> dict[str, float]:
        from modiste.models.mvlt_pairs import mvlt_scorers

        found: dict[str, float] = {}
        for way, scorers in mvlt_scorers(model, tokenizer, items, device=model.device).items():
            report = evaluate_scorers(
                "retrieval-1of101", items, scorers, num_queries=num_queries, resamples=0
            ).as_dict()
            values = {key: value for key, value in report.items() if key.startswith(("t2i_R", "i2t_R"))}
            found |= {f"{way}_{key}": value for key, value in values.items() if key.count("_") == 1}
            found[f"{way}_sum"] = sum(value for key, value in values.items() if key.count("_") == 1)
        return found

    return {"retrieval-1of101/valid": Eval(evaluate, every_epochs=config.eval_every)}
