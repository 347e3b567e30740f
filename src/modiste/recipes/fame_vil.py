"""FAME-ViL's multi-task training (models/fame_vil.py). Lab notes: docs/results/fame_vil.md has every run's command and scores.

modiste train fame_vil_clip_small                # the backbone's contrastive start (recipes/fame_vil_clip.py)
modiste train fame_vil_small_teacher tasks=tgir --out runs/fame_vil_tgir    # a single-task teacher; one for each task
modiste train fame_vil_small                     # all four tasks, taught by them
modiste train fame_vil_b16 data=FASHIONGEN composed=FASHIONIQ init_from=openai/clip-vit-base-patch16    # the paper's, on a GPU
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from tokenizers import Tokenizer

    from modiste.data.task_data import TaskData
    from modiste.models.fame_vil import FameVil, FameVilConfig
    from modiste.training.run import Run
    from modiste.training.tasks import TaskLoader
    from modiste.types import Item


@dataclass(frozen=True)
class FameVilRecipe:
    """Fields of the FAME-ViL recipes; `modiste train fame_vil_small field=value`."""

    data: str = "fashion_products"
    """Items with photo and title: any source that `modiste evaluate --data` takes."""
    composed: str = ""
    """Where text-guided questions come from; empty: made of `data`'s labels."""
    questions: int = 1
    """Text-guided questions for each reference, where they are made of labels."""
    size: str = "small"
    """Row of the model's table of sizes, where there is no `init_from`; an unknown one lists them."""
    init_from: str = "runs/fame_vil_clip_small/model"
    """A FAME-ViL's folder, or any Hugging Face CLIP by name or folder; empty: from scratch."""
    tasks: tuple[str, ...] = ("xmr", "tgir", "scr", "fic")
    """Which of retrieval (xmr), text-guided retrieval (tgir), recognition (scr) and captions (fic)."""
    tsa: bool = True
    """Task-specific adapters."""
    xaa: bool = True
    """Cross-attention adapters; captions need them."""
    bottleneck: int = 0
    """Width of the task-specific adapters; 0: the size's own."""
    teachers: str = ""
    """Single-task models to learn from: a folder's name with {task} in it; empty: no distillation."""
    distil_weight: float = 1.0
    """Of the teachers' terms; the paper's."""
    sampling: Literal["proportional", "uniform", "round_robin"] = "proportional"
    """Which task a step trains: by the size of its data, all alike, or in turn."""
    balance: Literal["sum", "imtl_g"] = "sum"
    """imtl_g: every step takes a batch of each task and weighs their gradients alike (a comparison, twice the work)."""
    max_steps: int = 4000
    """Optimiser steps, each on one task's batch."""
    batch_size: int = 64
    """Examples of a step."""
    learning_rate: float = 1e-3
    """Of adapters, cross-attention and heads; falls to 0 along a cosine after the warm-up."""
    backbone_scale: float = 0.2
    """Factor on it for CLIP's own weights; the paper's is 0.01."""
    weight_decay: float = 0.05
    """Not on biases, norms and embeddings."""
    warmup_steps: int = 100
    """Steps of linear warm-up."""
    ema_decay: float = 0.99
    """Average of the weights that is published; 0 for none."""
    augmentation: float = 0.9
    """Strength of mirror, shift, zoom, turn and relighting; 0 for none."""
    drop_token_rate: float = 0.1
    """Words hidden in training, except those of captions to be written."""
    vocab_size: int = 4096
    """WordPieces learned from the training texts, where there is no `init_from`."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """bf16, fp32, or auto: bf16 where the hardware computes in it."""
    seed: int = 0
    """Of weights, order and augmentation."""


@dataclass(frozen=True)
class Start:
    """What a training begins with: a backbone with its tokenizer, or sizes alone."""

    config: FameVilConfig
    tokenizer: Tokenizer
    model: FameVil | None


def build(config: FameVilRecipe) -> Run:
    """The complete run: data decoded, tokenizer learned or brought along, teachers loaded."""
    from modiste.data.task_data import TaskAugment
    from modiste.models.pretrained import save_pretrained

    items = training_items(config.data)
    start = started(config, items)
    data = task_data(config, items, start)
    sizes = start.config

    def publish(trained: torch.nn.Module, folder: Path) -> None:
        save_pretrained(folder, trained, start.tokenizer, name=f"fame_vil_{config.size}.{folder.parent.name}")

    return run_of(
        config, start, data, TaskAugment(unknown(sizes), config.augmentation, config.drop_token_rate), publish
    )


def run_of(config: FameVilRecipe, start: Start, data: Mapping[str, TaskData], augment: Any, publish: Any = None) -> Run:
    """The run of a recipe on tasks whose data is at hand: also what the ablation's cells are."""
    from modiste.models.fame_vil import FameVil
    from modiste.models.fame_vil_losses import Objective
    from modiste.training.run import Run

    objective = Objective(
        teachers=teachers(config.teachers, config.tasks) if config.teachers else {},
        distil_weight=config.distil_weight,
        balance=config.balance,
    )

    def model() -> FameVil:
        made = FameVil(start.config, objective)
        if start.model is not None:
            start_from(made, start.model)
        return made

    return Run(
        name="fame_vil",
        model=model,
        loader=loader_of(config, data),
        augment=augment,
        max_steps=config.max_steps,
        learning_rate_scales=learning_rate_scales(start.config, config.backbone_scale),
        find_unused_parameters=True,
        publish=publish,
        **{
            name: getattr(config, name)
            for name in ("learning_rate", "weight_decay", "warmup_steps", "ema_decay", "precision", "seed")
        },
    )


def loader_of(config: FameVilRecipe, data: Mapping[str, TaskData]) -> TaskLoader:
    """The tasks' batches, mixed as the recipe says."""
    from modiste.training.sampling import IndexLoader
    from modiste.training.tasks import TaskLoader

    loaders = {
        task: IndexLoader(data[task].collate, len(data[task]), config.batch_size, seed=config.seed, num_workers=1)
        for task in config.tasks
    }
    sampling: Any = "all" if config.balance == "imtl_g" else config.sampling
    return TaskLoader(loaders, sum(one.steps_per_epoch for one in loaders.values()), sampling, config.seed)


def learning_rate_scales(config: FameVilConfig, backbone: float) -> dict[str, float]:
    """Prefixes of parameter names: CLIP's own weights at `backbone`, adapters among them at 1."""
    scales = {"vision.": backbone, "text.": backbone}
    for tower in ("vision", "text"):
        for layer in range(config.depth):
            if config.tsa:
                scales[f"{tower}.blocks.{layer}.tsa."] = 1.0
            if config.joint:
                scales[f"{tower}.blocks.{layer}.xaa."] = 1.0
    return scales


def training_items(source: str) -> list[Item]:
    """The training items with photo and words."""
    from modiste.data.sources import load_items
    from modiste.evaluation.retrieval import with_image_and_text

    return with_image_and_text(load_items(source, "train"))


def started(config: FameVilRecipe, items: Sequence[Item]) -> Start:
    """The backbone that the recipe names, with the recipe's tasks and adapters in its configuration.

    Raises `ValueError` listing the sizes for an unknown one, `PretrainedError` for a start that cannot be read.
    """
    from dataclasses import replace

    from modiste.data.text import train_wordpiece
    from modiste.models.architectures import ARCHITECTURES
    from modiste.models.fame_vil import SIZES, FameVil
    from modiste.models.fame_vil_clip import from_clip
    from modiste.models.pretrained import PretrainedError, load_model, model_folder, read_config

    if config.size not in SIZES:
        raise ValueError(f"there is no size {config.size!r}; choose one of {', '.join(SIZES)}")
    folder = model_folder(Path(config.init_from)) if config.init_from else None
    backbone: FameVil | None = None
    if not config.init_from:
        asked = [one.text for one in composed_questions(config)] if "tgir" in config.tasks else []
        vocab_size = min(config.vocab_size, SIZES[config.size].vocab_size)
        tokenizer = train_wordpiece([item.text for item in items] + asked, vocab_size=vocab_size)
        sizes = replace(SIZES[config.size], vocab_size=tokenizer.get_vocab_size())
    elif folder and folder.is_dir() and read_config(folder).get("architecture") in ARCHITECTURES:
        found = load_model(folder)
        if not isinstance(found.model, FameVil):
            raise PretrainedError(
                f"{folder} is a {found.config['architecture']}; FAME-ViL starts from a FAME-ViL or a CLIP"
            )
        backbone, tokenizer, sizes = found.model, found.tokenizer, found.model.config
    else:
        backbone, tokenizer = from_clip(config.init_from, SIZES[config.size])
        sizes = backbone.config
    classes = tuple(sorted({item.category for item in items if item.category})) if "scr" in config.tasks else ()
    sizes = replace(
        sizes, tasks=config.tasks, tsa=config.tsa, xaa=config.xaa, classes=classes,
        bottleneck=config.bottleneck or sizes.bottleneck,
    )  # fmt: skip
    return Start(sizes, tokenizer, backbone)


def start_from(model: FameVil, start: FameVil) -> tuple[str, ...]:
    """Copy another FAME-ViL's weights; adapters and heads that it lacks stay fresh, and their names are returned.

    Raises `ValueError` naming a weight of the towers that is missing there or has another shape.
    """
    state, own = start.state_dict(), model.state_dict()
    fresh = []
    for name, tensor in own.items():
        found = state.get(name)
        if found is not None and found.shape == tensor.shape:
            tensor.copy_(found)
        elif ".tsa." in name or ".xaa." in name or name.startswith(("classify.", "caption.")):
            fresh.append(name)
        else:
            raise ValueError(f"init_from: {name} is missing there or has another shape")
    return tuple(fresh)


def teachers(pattern: str, tasks: Sequence[str]) -> dict[str, FameVil]:
    """Task -> its frozen single-task model, of the folders that `pattern` names with {task} in it."""
    from modiste.models.fame_vil import FameVil
    from modiste.models.pretrained import PretrainedError, load_model

    if "{task}" not in pattern:
        raise ValueError(f"teachers={pattern!r} must have {{task}} in it, as runs/fame_vil_{{task}}/model")
    found: dict[str, FameVil] = {}
    for task in tasks:
        model = load_model(pattern.format(task=task)).model
        if not isinstance(model, FameVil) or task not in model.config.tasks:
            raise PretrainedError(f"{pattern.format(task=task)} is no FAME-ViL that has learned {task}")
        found[task] = model.eval().requires_grad_(False)
    return found


def task_data(config: FameVilRecipe, items: Sequence[Item], start: Start) -> dict[str, TaskData]:
    """What each of the recipe's tasks learns from; all share one store of photos."""
    from functools import partial

    import numpy as np
    import torch

    sizes = start.config
    pool = list(items)
    at = {item.id: n for n, item in enumerate(pool)}
    asked = composed_questions(config) if "tgir" in config.tasks else []
    for item in (one for question in asked for one in (question.reference, question.target)):
        if item.id not in at:  # questions may come from a source of their own
            at[item.id] = len(pool)
            pool.append(item)
    products = product_numbers(pool)
    rows = partial(
        text_rows, tokenizer=start.tokenizer, sizes=sizes, images=photo_store(pool, sizes), products=products
    )
    titles, own = [item.title or item.description for item in items], range(len(items))
    number = {name: n for n, name in enumerate(sizes.classes)}
    made: dict[str, TaskData] = {}
    for task in config.tasks:
        if task == "tgir":
            targets = np.array([at[one.target.id] for one in asked], np.int64)
            made[task] = rows(
                task, [one.text for one in asked], [at[one.reference.id] for one in asked], targets=targets,
                target_products=products[torch.from_numpy(targets)],
            )  # fmt: skip
        elif task == "scr":
            told = [n for n in own if items[n].category in number]
            classes = torch.tensor([[number[items[n].category]] for n in told], dtype=torch.int64)
            made[task] = rows(task, [titles[n] for n in told], told, classes=classes)
        else:
            made[task] = rows(task, titles, own)
    return made


def text_rows(
    kind: Any,
    texts: Sequence[str],
    photos: Sequence[int],
    *,
    tokenizer: Tokenizer,
    sizes: FameVilConfig,
    images: torch.Tensor,
    products: torch.Tensor,
    **more: Any,
) -> TaskData:
    """A task's rows: each text with the number of its photo in `images` and `products`; `more`: what only this task has."""
    import numpy as np
    import torch

    from modiste.data.task_data import TaskData
    from modiste.data.text import sentence_ids

    ids, mask = sentence_ids(
        tokenizer, texts, bos_id=sizes.bos_id, eot_id=sizes.eot_id, context_length=sizes.context_length
    )
    chosen = np.asarray(photos, np.int64)
    lengths = torch.from_numpy(mask.sum(axis=1))
    return TaskData(
        kind, images, chosen, torch.from_numpy(ids).int(), lengths, products[torch.from_numpy(chosen)], **more
    )


def composed_questions(config: FameVilRecipe) -> Sequence[Any]:
    """The training split's text-guided questions."""
    from modiste.data.composed import composed_examples

    return composed_examples(config.composed or config.data, "train", per_reference=config.questions)


def unknown(config: FameVilConfig) -> int:
    """What a hidden word becomes: [UNK] of our tokenizers, the start token of CLIP's, which has no such word."""
    return 1 if 1 in config.banned_ids else config.bos_id


def photo_store(items: Sequence[Item], sizes: FameVilConfig) -> torch.Tensor:
    """Every item's photo, decoded once: (N, 3, H, W) uint8."""
    from functools import partial

    from modiste.data.shop_batches import decoded_photos
    from modiste.models.inference import photo_tensor

    if missing := [item.id for item in items if item.image is None]:
        raise ValueError(f"item {missing[0]!r} has no photo; leave it out of the training data")
    return decoded_photos(items, partial(photo_tensor, image_size=sizes.image_size, mode=sizes.image_fit))


def product_numbers(items: Sequence[Item]) -> torch.Tensor:
    """(N,) int64: equal means the same product."""
    import torch

    from modiste.data.pairs import numbers_of

    return torch.from_numpy(numbers_of([item.product for item in items]))
