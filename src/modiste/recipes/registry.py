"""Which recipes there are, what their fields mean, and how `field=value` becomes a typed configuration. Imports no torch.

A recipe is a frozen dataclass of fields in a light module, and a function that turns one into a complete `Run`:

    "dual_encoder": Recipe(
        summary="image and text tower trained contrastively on a catalogue",
        config="modiste.recipes.dual_encoder_config:DualEncoderConfig",
        build="modiste.recipes.dual_encoder:build",
    )

A field is explained by the comment at the end of its line, or by a string on the line below it.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import importlib
import inspect
import json
import textwrap
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

if TYPE_CHECKING:
    from modiste.training.run import Run

ConfigT = TypeVar("ConfigT")


class RecipeError(ValueError):
    """An unknown recipe, an unknown field, or a value of the wrong type; the message says what would be right."""


@dataclass(frozen=True)
class Recipe:
    """Where a recipe's parts are, as "module:name", so that listing and explaining recipes loads no model code."""

    summary: str
    config: str
    build: str
    defaults: Mapping[str, Any] = field(default_factory=dict)  # a variant: fields that differ from the config's own
    protocol: str = "retrieval-1of101"  # of `modiste evaluate`, to measure the result by


def _dual_encoder(summary: str, defaults: Mapping[str, Any] | None = None) -> Recipe:
    return Recipe(
        summary, "modiste.recipes.dual_encoder:DualEncoderRecipe", "modiste.recipes.dual_encoder:build", defaults or {}
    )


def _mvlt(summary: str, defaults: Mapping[str, Any] | None = None, **more: Any) -> Recipe:
    return Recipe(summary, "modiste.recipes.mvlt:MvltRecipe", "modiste.recipes.mvlt:build", defaults or {}, **more)


def _fame_vil(summary: str, defaults: Mapping[str, Any] | None = None) -> Recipe:
    module = "modiste.recipes.fame_vil"
    return Recipe(summary, f"{module}:FameVilRecipe", f"{module}:build", defaults or {}, protocol="composed")


def _fame_vil_clip(summary: str, defaults: Mapping[str, Any]) -> Recipe:
    module = "modiste.recipes.fame_vil_clip"
    return Recipe(summary, f"{module}:FameVilClipRecipe", f"{module}:build", defaults)


def _outfits(summary: str, defaults: Mapping[str, Any] | None = None) -> Recipe:
    module = "modiste.recipes.outfit_transformer"
    return Recipe(summary, f"{module}:OutfitRecipe", f"{module}:build", defaults or {}, protocol="outfits")


def _grnet(summary: str, defaults: Mapping[str, Any] | None = None) -> Recipe:
    module = "modiste.recipes.grnet"
    return Recipe(summary, f"{module}:GrnetRecipe", f"{module}:build", defaults or {}, protocol="consumer-to-shop")


def _recommender(summary: str, defaults: Mapping[str, Any] | None = None) -> Recipe:
    module = "modiste.recipes.hfgn"
    return Recipe(summary, f"{module}:RecommenderRecipe", f"{module}:build", defaults or {}, protocol="recommendation")


def _multilingual(summary: str, defaults: Mapping[str, Any] | None = None) -> Recipe:
    module = "modiste.recipes.multilingual"
    return Recipe(summary, f"{module}:MultilingualRecipe", f"{module}:build", defaults or {}, protocol="")


# What the paper trains with: three losses on one masked encoding, uniform negatives, no contrastive head.
_PAPER: dict[str, Any] = {
    "objectives": ("mir", "itm", "mlm"),
    "one_pass": True,
    "negative_hardness": 0.0,
    "num_negatives": 1,
    "rank_term": False,
    "embed_dim": 0,
}

# What a long training on two cores needs, or it learns the rare words of its titles by heart.
_REGULARISED: dict[str, Any] = {"dropout": 0.2, "drop_token_rate": 0.2, "augmentation": 1.0}

# Of the model that judges again, and of the dual encoder that it is compared with.
_JUDGED: dict[str, Any] = {
    "atelier": 2000,
    "customer_photos": 2,
    "epochs": 64,
    "batch_size": 512,
    "learning_rate": 2e-3,
    "drop_token_rate": 0.2,
    "augmentation": 1.0,
    "eval_every": 64,
}

_FASHION_MNIST: dict[str, Any] = {
    "data": "fashion_mnist",
    "size": "micro_28",
    "photos_alone": True,
    "labels": ("article_type",),
    "tag_weight": 1.0,
    "negative_hardness": 0.0,
    "num_negatives": 1,
    "rank_term": False,
    "batch_size": 256,
    "weight_decay": 0.1,
    "augmentation": 0.8,
    "drop_token_rate": 0.0,
    "eval_every": 0,
}

RECIPES: dict[str, Recipe] = {
    "dual_encoder_small": _dual_encoder(
        "the baseline: a small image-text dual encoder (CLIP's objective) for 60x80 photos, on two cores in an hour",
        {"epochs": 60, "eval_every": 10, **_REGULARISED},
    ),
    "dual_encoder_small_shipped": _dual_encoder(
        "what ships: the baseline's weights tuned further on the products and on generated items with customer photos",
        {
            "init_from": "runs/dual_encoder_small/model",
            "atelier": 2000,
            "atelier_repeats": 2,
            "customer_photos": 2,
            "extra_rows": 64,
            "view_weight": 0.3,
            "epochs": 8,
            "learning_rate": 8e-4,
            "warmup_steps": 50,
            "eval_every": 4,
            **_REGULARISED,
        },
    ),
    "dual_encoder_fine": _dual_encoder(
        "the baseline of mvlt_judge: its towers, photos and steps with the contrastive loss alone; made for a GPU",
        {"size": "fine", **_JUDGED, "dropout": 0.2, "bank_size": 0},
    ),
    "dual_encoder_debug": _dual_encoder(
        "the same at toy size on 256 generated items: seconds, for tests and for trying the loop",
        {
            "size": "debug",
            "data": "atelier:256",
            "epochs": 2,
            "batch_size": 32,
            "group_size": 8,
            "warmup_steps": 4,
            "vocab_size": 512,
            "ema_decay": 0.0,
            "eval_every": 0,
            "extra_rows": 8,
        },
    ),
    "mvlt_small": _mvlt(
        "MVLT for 60x80 photos: contrastive head, matching with hard negatives, words, pixels, labels; made for a GPU",
        {"epochs": 40, "batch_size": 512},
    ),
    "mvlt_small_joint": _mvlt(
        "the same on two cores: the dual encoder's trained towers, frozen, and only the joint stage and heads learn",
        {
            "init_from": "runs/dual_encoder_small_shipped/model",
            "frozen_towers": True,
            "objectives": ("mir", "itm", "mlm", "tag"),
            "num_negatives": 1,
            "epochs": 3,
            "batch_size": 128,
            "learning_rate": 1e-3,
            "warmup_steps": 100,
            "ema_decay": 0.998,
            "augmentation": 1.3,  # the frozen towers know their training photos by heart: show others
            "drop_token_rate": 0.2,
            "eval_every": 3,
        },
    ),
    "mvlt_judge": _mvlt(
        "MVLT that looks again at what others' vectors found: photos at full resolution, ITC and ITM; six minutes on a GPU",
        {"size": "judge", "objectives": ("itc", "itm"), **_JUDGED, "label_lines": False, "bank_size": 2500},
    ),
    "mvlt_micro": _mvlt(
        "the paper's MVLT in small: joint from the first stage, MIR + ITM + MLM on one masked pass; for ablations",
        _PAPER | {"size": "micro", "epochs": 12, "batch_size": 256, "drop_token_rate": 0.0, "attribute_captions": 0.0},
    ),
    "mvlt_tiny": _mvlt(
        "the paper's MVLT: PVT-tiny at 256 px, released hyper-parameters; Fashion-Gen on GPUs",
        _PAPER
        | {
            "size": "tiny",
            "vocab_size": 30_522,
            "epochs": 150,
            "batch_size": 1200,
            "learning_rate": 5.86e-4,
            "weight_decay": 0.01,
            "warmup_steps": 1085,  # 5 epochs of Fashion-Gen
            "drop_token_rate": 0.0,
            "augmentation": 0.0,
            "attribute_captions": 0.0,
            "ema_decay": 0.0,
            "alternate": True,
            "pvt": "Zetatech/pvt-tiny-224",
        },
    ),
    "mvlt_small_224": _mvlt(
        "mvlt_small for larger photos (180x240); data=FOLDER with train, valid and test tables; made for a GPU",
        {"size": "small_224", "mask_unit": 48, "batch_size": 128, "learning_rate": 8e-4},
    ),
    "mvlt_recognition": _mvlt(
        "the paper's fine-tuning for M-CR and S-CR: label heads alone on a pre-trained MVLT, init_from=FOLDER",
        _PAPER
        | {
            "size": "micro",
            "objectives": ("tag",),
            "labels": ("article_type", "sub_category"),
            "init_from": "runs/mvlt_micro/model",
            "epochs": 8,
            "batch_size": 256,
            "learning_rate": 3e-4,
            "drop_token_rate": 0.0,
            "attribute_captions": 0.0,
        },
        protocol="recognition",
    ),
    "mvlt_fashion_mnist": _mvlt(
        "the image side alone on Fashion-MNIST, hidden pixels and classes together: published scores to compare with",
        {**_FASHION_MNIST, "objectives": ("mir", "tag"), "mask_unit": 4, "epochs": 20, "learning_rate": 2e-3},
        protocol="recognition",
    ),
    "mvlt_fashion_mnist_tuned": _mvlt(
        "the same fine-tuned: classes alone, nothing hidden",
        {
            **_FASHION_MNIST,
            "init_from": "runs/mvlt_fashion_mnist/model",
            "objectives": ("tag",),
            "epochs": 8,
            "learning_rate": 1e-3,
        },
        protocol="recognition",
    ),
    "mvlt_debug": _mvlt(
        "MVLT at toy size on 256 generated items: seconds, for tests and for trying the loop",
        {
            "size": "debug",
            "data": "atelier:256",
            "labels": ("article_type", "colour", "category"),
            "epochs": 2,
            "batch_size": 32,
            "group_size": 8,
            "warmup_steps": 4,
            "vocab_size": 512,
            "ema_decay": 0.0,
            "eval_every": 0,
        },
    ),
    "fame_vil_clip_small": _fame_vil_clip(
        "the contrastive start of FAME-ViL's small backbone: two transformers for 60x80 photos and titles, in 40 minutes",
        {
            "vocab_size": 4096,
            "batch_size": 192,
            "epochs": 14,
            "learning_rate": 1e-3,
            "warmup_steps": 200,
            "eval_every": 5,
            "bank_size": 0,
        },
    ),
    "fame_vil_clip_debug": _fame_vil_clip(
        "the same at toy size on 64 generated items: seconds, for tests and for trying the loop",
        {
            "size": "debug",
            "data": "atelier:64",
            "vocab_size": 512,
            "epochs": 2,
            "batch_size": 16,
            "warmup_steps": 2,
            "ema_decay": 0.0,
            "eval_every": 0,
            "bank_size": 0,
            "teacher": "",
            "cache": "",
        },
    ),
    "fame_vil_small": _fame_vil(
        "FAME-ViL: retrieval, text-guided retrieval, recognition and captions in one small model with adapters",
        {"teachers": "runs/fame_vil_teacher_{task}/model"},
    ),
    "fame_vil_small_teacher": _fame_vil(
        "one task of the same alone, to teach it: tasks=xmr, tgir, scr or fic, --out runs/fame_vil_teacher_TASK",
        {"tasks": ("tgir",), "max_steps": 1000},
    ),
    "fame_vil_b16": _fame_vil(
        "the paper's FAME-ViL on CLIP ViT-B/16 with its hyper-parameters (a cosine in place of two drops); on GPUs",
        {
            "size": "b16",
            "init_from": "openai/clip-vit-base-patch16",
            "teachers": "runs/fame_vil_b16_{task}/model",
            "max_steps": 90_000,
            "learning_rate": 1e-4,
            "backbone_scale": 0.01,
            "weight_decay": 1e-5,
            "warmup_steps": 10_000,
            "ema_decay": 0.0,
            "drop_token_rate": 0.0,
        },
    ),
    "fame_vil_debug": _fame_vil(
        "the same at toy size on 64 generated items, from scratch: seconds, for tests and for trying the loop",
        {
            "size": "debug",
            "data": "atelier:64",
            "init_from": "",
            "vocab_size": 512,
            "max_steps": 8,
            "batch_size": 8,
            "warmup_steps": 2,
            "ema_decay": 0.0,
        },
    ),
    "outfit_transformer_small": _outfits(
        "OutfitTransformer on vectors of the shipped encoder: S, complementary retrieval and outfit vectors in one model",
    ),
    "outfit_transformer_small_seen": _outfits(
        "the same that also learns which items, models, colours and kinds stylists put together: needs known items",
        {"tags": ("id", "product", "id:4", "colour", "product_type"), "tag_dropout": 0.3},
    ),
    "outfit_transformer_atelier": _outfits(
        "the same on looks of the generated world, where the best possible is known: by tags and words, in 15 minutes",
        {
            "data": "atelier:20000:0:160000",  # many looks, each seen twice: a few seen often are learned by heart
            "image": False,  # its looks come undrawn
            "tags": (
                *("category", "colour", "pattern", "secondary_colour", "material"),
                *("fit", "length", "season", "formality", "gender"),
            ),
            "tag_dropout": 0.02,
            "dropout": 0.05,
            "num_negatives": 8,
            "num_broken": 4,
            "coarse_broken": 0.5,
            "cp_weight": 5.0,
            "epochs": 2,
            "learning_rate": 2e-3,
            "batch_size": 256,
            "eval_every": 0,
        },
    ),
    "outfit_transformer_paper": _outfits(
        "the paper's sizes, margin, curriculum and compatibility pre-training; then objectives=cir init_from=FOLDER",
        {
            "size": "paper",
            "objectives": ("cp",),
            "margin": 2.0,
            "curriculum": "switch",
            "batch_size": 50,
            "learning_rate": 1e-5,
            "wish_share": 0.0,
        },
    ),
    "outfit_transformer_debug": _outfits(
        "the same at toy size on 200 generated looks: seconds, for tests and for trying the loop",
        {
            "size": "debug",
            "data": "atelier:200",
            "epochs": 2,
            "batch_size": 16,
            "num_negatives": 4,
            "warmup_steps": 4,
            "eval_every": 0,
            "cache": "",
        },
    ),
    "hfgn_ifashion": _recommender(
        "HFGN, the paper's: items make outfits, outfits make users; BPR on real clicks",
        {"batch_size": 8192, "learning_rate": 5e-3, "epochs": 10, "eval_every": 2},
    ),
    "hfgn_masked_ifashion": _recommender(
        "a variant of ours: users are their clicks, some are hidden and chosen among all outfits by softmax",
        {
            "model": "hfgn_masked",
            "batch_size": 1024,
            "shape": ("embed_dim=128", "dropout=0.4"),
            "epochs": 12,
            "eval_every": 3,
        },
    ),
    "hfgn_atelier": _recommender(
        "the same for generated users, whose tastes are known; items by what they are, so new ones are known, too",
        {
            "model": "hfgn_masked",
            "data": "atelier:2000:0:1000:20000",
            "batch_size": 512,
            "shape": ("dropout=0.6", "hide=0.8", "item_ids=false", "hidden_dim=128"),
            "epochs": 16,
        },
    ),
    "hfgn_debug": _recommender(
        "HFGN at toy size on generated users: seconds, for tests and for trying the loop",
        {
            "size": "debug",
            "data": "atelier:200:0:200:60",
            "mode": "joint",
            "epochs": 2,
            "batch_size": 64,
            "outfit_batch_size": 32,
            "warmup_steps": 4,
        },
    ),
    "bpr_mf_ifashion": _recommender(
        "the baseline: a vector for each user and outfit, BPR",
        {"model": "bpr_mf", "size": "paper", "epochs": 30, "learning_rate": 1e-2, "eval_every": 3},
    ),
    "lightgcn_ifashion": _recommender(
        "LightGCN: vectors spread along the clicks in three layers, BPR",
        {
            "model": "lightgcn",
            "size": "paper",
            "batch_size": 8192,
            "learning_rate": 1e-2,
            "epochs": 10,
            "eval_every": 2,
        },
    ),
    "crosscbr_ifashion": _recommender(
        "like CrossCBR: an outfits' view and an items' view, brought together by a contrastive loss, BPR",
        {
            "model": "crosscbr",
            "size": "paper",
            "batch_size": 8192,
            "learning_rate": 1e-2,
            "epochs": 8,
            "eval_every": 2,
        },
    ),
    "csa_net_small": _outfits(
        "CSA-Net: subspaces mixed by the pair's categories, nearest negative; scores pairs, so search can be exact",
        {"model": "csa_net", "learning_rate": 2e-3},
    ),
    "type_aware_small": _outfits(
        "type-aware embeddings (CSN): a learned mask per pair of categories; scores pairs, so search can be exact",
        {"model": "type_aware", "learning_rate": 2e-3},
    ),
    "multilingual_text_small": _multilingual(
        "Russian and Chinese for the shipped encoder: a small text tower learns its vectors, in a few minutes"
    ),
    "multilingual_text_debug": _multilingual(
        "the same at toy size on 200 wishes: seconds, for tests and for trying the loop",
        {"size": "debug", "sentences": 200, "vocab_size": 512, "epochs": 2, "batch_size": 64, "warmup_steps": 2},
    ),
    "grnet_small": _grnet(
        "GRNet: is this the very item on the customer's photo? 60x80 photos, on two cores",
        {"window_term": "no"},  # its graph learns more without it: docs/results/grnet.md
    ),
    "grnet_global_small": _grnet(
        "its baseline: metric learning of one vector per photo; same backbone, photos and steps", {"graph": False}
    ),
    "grnet_paper": _grnet(
        "GoogLeNet at 224 px as in the paper; googlenet=FILE starts from ImageNet's weights; made for a GPU",
        {
            "size": "paper",
            "data": "fashion_products_224",
            "start": None,
            "frozen": 0,
            "backbone_rate": 0.1,
            "batch_size": 64,
            "epochs": 30,
        },
    ),
    "grnet_debug": _grnet(
        "the same at toy size on a few generated items: seconds, for tests and for trying the loop",
        {
            "size": "debug",
            "data": "atelier:60",
            "start": None,
            "frozen": 0,
            "photos_per_product": 2,
            "neighbours": 3,
            "batch_size": 8,
            "epochs": 2,
            "warmup_steps": 2,
            "cache": "",
        },
    ),
}


def config_class(name: str) -> type[Any]:
    """The dataclass of a recipe's fields; raises `RecipeError` with near names for an unknown recipe."""
    if name not in RECIPES:
        raise RecipeError(_unknown("recipe", name, RECIPES))
    found: type[Any] = _imported(RECIPES[name].config)
    return found


def build_run(name: str, overrides: Sequence[str] = ()) -> Run:
    """The recipe's `Run` with `overrides` ("epochs=3") applied; this is where torch and the model code load."""
    config = parse_overrides(config_class(name), overrides, defaults=RECIPES[name].defaults)
    run: Run = _imported(RECIPES[name].build)(config)
    return dataclasses.replace(run, name=name, config=dataclasses.asdict(config))


def parse_overrides(
    config_cls: type[ConfigT], overrides: Sequence[str], *, defaults: Mapping[str, Any] | None = None
) -> ConfigT:
    """A `config_cls` with fields set from "name=value" words, each converted to its field's type.

    Lists and tuples are written `1,2,3` or as JSON, mappings as JSON, an absent value as `none`. Raises `RecipeError`
    for a word without "=", an unknown field, a field given twice, a value of the wrong type, and what the
    configuration itself refuses.
    """
    hints = get_type_hints(config_cls)
    names = [one.name for one in dataclasses.fields(config_cls) if one.init]  # type: ignore[arg-type]
    values: dict[str, Any] = dict(defaults or {})
    given: set[str] = set()
    for word in overrides:
        name, equals, text = word.partition("=")
        name = name.strip().removeprefix("--").replace("-", "_")
        if not equals:
            raise RecipeError(f"{word!r} is not of the form field=value")
        if name not in names:
            raise RecipeError(_unknown("field", name, names))
        if name in given:
            raise RecipeError(f"{name} is given twice")
        given.add(name)
        values[name] = _converted(name, text.strip(), hints[name])
    if unset := [
        one.name
        for one in dataclasses.fields(config_cls)  # type: ignore[arg-type]
        if one.init
        and one.name not in values
        and one.default is dataclasses.MISSING
        and one.default_factory is dataclasses.MISSING
    ]:
        raise RecipeError(f"{', '.join(unset)} must be given, as {unset[0]}=...")
    try:
        return config_cls(**values)
    except RecipeError:
        raise
    except ValueError as error:
        raise RecipeError(str(error)) from error


def recipe_help(name: str) -> str:
    """The recipe's summary and a line for each field: name, type, default, meaning. Plain text, no torch."""
    cls = config_class(name)
    recipe, docs = RECIPES[name], field_docs(cls)
    lines = [f"{name}: {recipe.summary}", ""]
    fields = [one for one in dataclasses.fields(cls) if one.init]
    signatures = []
    for one in fields:
        kind = one.type if isinstance(one.type, str) else inspect.formatannotation(one.type)
        signatures.append(f"{one.name}: {kind}{_default(one, recipe.defaults)}")
    column = min(max((len(text) for text in signatures), default=0), 44) + 2
    for one, signature in zip(fields, signatures, strict=True):
        doc = textwrap.wrap(docs.get(one.name, ""), width=max(120 - column - 2, 40)) or [""]
        head = f"  {signature:<{column}}"
        lines += [head.rstrip()] if len(signature) >= column else []
        lines += [(head if len(signature) < column else " " * (column + 2)) + doc[0]]
        lines += [" " * (column + 2) + more for more in doc[1:]]
    return "\n".join(line.rstrip() for line in lines if line.strip() or line == "")


def field_docs(cls: type[Any]) -> dict[str, str]:
    """Field name → the comment at the end of its line, or the string below it; of base classes, too."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        source = textwrap.dedent(inspect.getsource(base))
        lines = source.splitlines()
        body = ast.parse(source).body[0]
        if not isinstance(body, ast.ClassDef):
            continue
        for node, below in zip(body.body, [*body.body[1:], None], strict=True):
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            name = node.target.id
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                docs[name] = " ".join(str(below.value.value).split())
            elif node.end_lineno is not None:
                # ast counts columns in bytes of UTF-8
                rest = lines[node.end_lineno - 1].encode()[node.end_col_offset :].decode()
                docs[name] = rest.strip().lstrip("#").strip()
    return docs


def _converted(name: str, text: str, annotation: Any) -> Any:
    adapter: TypeAdapter[Any]
    try:
        adapter = TypeAdapter(annotation, config=ConfigDict(allow_inf_nan=False))
    except PydanticUserError:  # a dataclass brings its own configuration
        adapter = TypeAdapter(annotation)
    candidates: list[Any] = [None] if text.lower() in ("none", "null") else []
    candidates.append(text)
    with suppress(ValueError):
        candidates.append(json.loads(text))
    candidates.append([part.strip() for part in text.split(",") if part.strip()])
    for candidate in candidates:
        try:
            return adapter.validate_python(candidate)
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
    kind = annotation.__name__ if isinstance(annotation, type) else str(annotation).replace("typing.", "")
    detail = "" if isinstance(annotation, type) else f" ({reason[0].lower()}{reason[1:]})"
    raise RecipeError(f"{name}={text} is not of type {kind}{detail}")


def _default(one: dataclasses.Field[Any], overridden: Mapping[str, Any]) -> str:
    if one.name in overridden:
        return f" = {overridden[one.name]!r}"
    if one.default is not dataclasses.MISSING:
        return f" = {one.default!r}"
    if one.default_factory is not dataclasses.MISSING:
        return f" = {one.default_factory()!r}"
    return " (must be given)"


def _unknown(what: str, name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, list(known), n=3)
    if near:
        return f"there is no {what} {name!r}; did you mean {', '.join(near)}?"
    return f"there is no {what} {name!r}; there is {', '.join(sorted(known)) or 'none yet'}"


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
