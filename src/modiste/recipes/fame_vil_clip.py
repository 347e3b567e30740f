"""The contrastive start of FAME-ViL's small backbone: CLIP's objective on fashion_products, helped by the shipped encoder.

modiste train fame_vil_clip_small       # two towers for 60x80 photos; docs/results/fame_vil.md has time and scores
modiste train fame_vil_clip_small teacher=     # the same without another encoder's vectors

The paper starts from OpenAI's CLIP, trained on 400 million pairs. 31,580 are few for transformers that know nothing of
images, so `teacher` lends what it knows: beside InfoNCE both towers learn to give its vectors, brought to the width here by
their principal axes. Photos are changed, the teacher's vectors are those of the whole photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modiste.recipes.pairs import PairRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from tokenizers import Tokenizer

    from modiste.data.task_data import TaskData
    from modiste.models.fame_vil import FameVil, FameVilConfig
    from modiste.training.run import Eval, Run
    from modiste.types import Item


@dataclass(frozen=True)
class FameVilClipRecipe(PairRecipe):
    """Fields of FAME-ViL's contrastive start; `modiste train fame_vil_clip_small field=value`."""

    teacher: str = "mvlt_small.products_v1"
    """An encoder whose vectors both towers learn to give; empty for none."""
    match_weight: float = 4.0
    """Of the distance to its vectors."""


def build(config: FameVilClipRecipe) -> Run:
    """The complete run: data decoded, tokenizer learned, evaluators named."""
    from modiste.data.task_data import TaskAugment
    from modiste.models.fame_vil import FameVil
    from modiste.models.fame_vil_losses import ClipObjective
    from modiste.models.pretrained import load_model, save_pretrained
    from modiste.training.run import Run
    from modiste.training.sampling import IndexLoader

    start = load_model(config.init_from) if config.init_from else None
    sizes, tokenizer, data = _data(config, start.tokenizer if start else None)
    loader = IndexLoader(data.collate, len(data), config.batch_size, seed=config.seed, num_workers=1)

    def publish(trained: torch.nn.Module, folder: Path) -> None:
        save_pretrained(folder, trained, tokenizer, name=f"fame_vil_clip_{config.size}.{folder.parent.name}")

    def model() -> FameVil:
        made = FameVil(sizes, ClipObjective(match_weight=config.match_weight))
        if start:
            made.load_state_dict(start.model.state_dict())
        return made

    return Run(
        name="fame_vil_clip",
        model=model,
        loader=loader,
        augment=TaskAugment(1, config.augmentation, config.drop_token_rate),
        evals=_validation(config, tokenizer),
        publish=publish,
        epochs=config.epochs, learning_rate=config.learning_rate, weight_decay=config.weight_decay,
        warmup_steps=config.warmup_steps, grad_clip_norm=config.grad_clip_norm, ema_decay=config.ema_decay,
        gradient_accumulation=config.gradient_accumulation, precision=config.precision, seed=config.seed,
    )  # fmt: skip


def _data(config: FameVilClipRecipe, tokenizer: Tokenizer | None = None) -> tuple[FameVilConfig, Tokenizer, TaskData]:
    """Sizes, tokenizer, and a row for every title and for a share of the captions made of attributes."""
    from dataclasses import replace

    import numpy as np

    from modiste.data.text import train_wordpiece
    from modiste.models.fame_vil import SIZES
    from modiste.recipes.examples import attribute_caption
    from modiste.recipes.fame_vil import photo_store, product_numbers, text_rows, training_items

    if config.size not in SIZES:
        raise ValueError(f"there is no size {config.size!r}; choose one of {', '.join(SIZES)}")
    items = training_items(config.data)
    sizes = replace(SIZES[config.size], tasks=("xmr",), tsa=False, xaa=False)
    captions = [(n, item.title or item.description) for n, item in enumerate(items)]
    rng = np.random.default_rng(config.seed)
    also = np.flatnonzero(rng.random(len(items)) < config.attribute_captions)
    captions += [(int(n), text) for n in also if (text := attribute_caption(items[n]))]
    texts = [text for _, text in captions]
    if tokenizer is None:
        vocab_size = min(config.vocab_size, sizes.vocab_size)
        tokenizer = train_wordpiece(texts + composed_texts(config.data), vocab_size=vocab_size)
    sizes = replace(sizes, vocab_size=tokenizer.get_vocab_size())
    images, products = photo_store(items, sizes), product_numbers(items)
    rows = [n for n, _ in captions]
    vectors: tuple[torch.Tensor | None, torch.Tensor | None] = (None, None)
    if config.teacher:
        vectors = _teacher_vectors(config, items, rows, texts, sizes.embed_dim)
    data = text_rows(
        "xmr", texts, rows, tokenizer=tokenizer, sizes=sizes, images=images, products=products,
        image_vectors=vectors[0], text_vectors=vectors[1],
    )  # fmt: skip
    return sizes, tokenizer, data


def composed_texts(source: str) -> list[str]:
    """Sentences that text-guided retrieval asks with, so that the tokenizer knows their words; none where there are none."""
    from modiste.data.composed import composed_examples

    try:
        return [one.text for one in composed_examples(source, "train")]
    except ValueError:
        return []


def _teacher_vectors(
    config: FameVilClipRecipe, items: Sequence[Item], rows: Sequence[int], texts: Sequence[str], dim: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The teacher's vectors (M, E) of photos and texts, turned to the `dim` axes that hold most of both; kept in the cache."""
    import hashlib

    import numpy as np
    import torch
    from safetensors.numpy import load_file, save_file

    from modiste.models.pretrained import load

    encoder = load(config.teacher)
    digest = hashlib.sha256("\n".join([encoder.id.sha256, *(item.id for item in items), *texts]).encode())
    file = Path(config.cache) / f"vectors-{digest.hexdigest()[:16]}.safetensors" if config.cache else None
    if file and file.is_file():
        found = load_file(file)
    else:
        images = encoder.encode_images([item.image for item in items]).vectors  # type: ignore[misc]
        found = {"images": images, "texts": encoder.encode_texts(texts).vectors}
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            save_file(found, file)
    both = np.concatenate([found["images"], found["texts"]])
    axes = np.linalg.eigh(both.T @ both)[1][:, ::-1][:, :dim]  # not centred: cosines are to stay
    turned = [
        torch.nn.functional.normalize(torch.from_numpy(found[name] @ axes), dim=1) for name in ("images", "texts")
    ]
    return turned[0][torch.tensor(rows)], turned[1]


def _validation(config: FameVilClipRecipe, tokenizer: Tokenizer) -> dict[str, Eval]:
    """1-of-101 on the validation split of the training data, when it has one."""
    from modiste.data.sources import has_split, load_items
    from modiste.evaluation.retrieval import evaluate_encoder
    from modiste.models.fame_vil_inference import FameVilTowers
    from modiste.models.inference import ImageTextEncoder
    from modiste.training.run import Eval

    if not config.eval_every or not has_split(config.data, "valid"):
        return {}
    items = load_items(config.data, "valid")

    def evaluate(model: FameVil) -> dict[str, float]:
        towers = FameVilTowers(model, tokenizer, device=model.device)
        report = evaluate_encoder(
            "retrieval-1of101", items, ImageTextEncoder(towers, name="in training", sha256=""), resamples=0
        ).as_dict()
        found = {key: value for key, value in report.items() if key[:5] in ("t2i_R", "i2t_R") and key.count("_") == 1}
        return found | {"sum": sum(found.values())}

    return {"retrieval-1of101/valid": Eval(evaluate, every_epochs=config.eval_every)}
