"""The baseline: a small image-text dual encoder trained with InfoNCE (models/clip.py).

Lab notes
---------
See docs/results/retrieval.md for every run's command, machine, date, seed, time and scores.

    modiste train dual_encoder_small                       # fashion_products, the measured baseline
    modiste train dual_encoder_small atelier=4000 ...      # what ships: real products and the generated catalogue
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from modiste.models.clip import DualEncoder
    from modiste.training.run import Eval, Run


@dataclass(frozen=True)
class DualEncoderRecipe:
    """Fields of the dual encoder recipes; `modiste train dual_encoder_small field=value`."""

    data: str = "fashion_products"
    """Training items: "fashion_products", a table, a folder with splits, or "atelier:SIZE[:SEED]"."""
    atelier: int = 0
    """How many generated items to add, each with customer photos; 0 for none."""
    atelier_repeats: int = 1
    """How often each generated item comes in an epoch."""
    customer_photos: int = 3
    """Customer photos drawn of each generated item."""
    cache: str = "runs/cache"
    """Folder where drawn examples are kept; empty to draw them anew each time."""
    size: str = "small"
    """Row of models.clip.SIZES: debug, small or base."""
    vocab_size: int = 8192
    """WordPieces learned from the training texts (fewer when the texts hold fewer)."""
    epochs: int = 24
    """Passes over the data."""
    batch_size: int = 128
    """Items of one step: InfoNCE compares each with all others."""
    group_size: int = 32
    """How many items of one category sit together in a batch: harder negatives the more."""
    learning_rate: float = 1.5e-3
    """Peak, after the warm-up; falls to 1 % along a cosine."""
    weight_decay: float = 0.05
    """Not on biases, norms and embeddings."""
    warmup_steps: int = 300
    """Steps of linear warm-up."""
    grad_clip_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    ema_decay: float = 0.998
    """Average of the weights that is evaluated and saved; 0 for none."""
    dropout: float = 0.1
    """In the text tower and before both projections."""
    drop_token_rate: float = 0.05
    """Words hidden in training."""
    augmentation: float = 0.6
    """Strength of mirror, shift, zoom, turn and relighting; 0 for none."""
    attribute_captions: float = 0.15
    """How often the caption is composed of the item's attributes instead of its title."""
    extra_rows: int = 0
    """Second photos in a batch (a customer's, or the same photo augmented anew) for the photo-to-photo loss."""
    view_weight: float = 0.0
    """Weight of the photo-to-photo loss; give it extra_rows, or the few pairs of a batch only add noise."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """bf16, fp32, or auto: bf16 where the processor computes in it."""
    init_from: str = ""
    """A model folder to start from: a new run with its weights and tokenizer."""
    eval_every: int = 5
    """Epochs between evaluations on the validation split."""
    seed: int = 0
    """Of weights, order and augmentation."""


REPORTED = tuple(f"{way}_{metric}" for way in ("t2i", "i2t") for metric in ("R@1", "R@5", "R@10"))


def build(config: DualEncoderRecipe) -> Run:
    """The complete run: data decoded, tokenizer learned, evaluators named."""
    from dataclasses import replace
    from functools import partial

    import torch

    from modiste.data.pairs import build_pairs
    from modiste.data.sources import load_items
    from modiste.data.text import train_wordpiece
    from modiste.models.clip import SIZES, DualEncoder, photo_tensor
    from modiste.models.pretrained import load_model, save_pretrained
    from modiste.recipes.examples import atelier_examples, examples_of
    from modiste.training.run import Run
    from modiste.training.sampling import IndexLoader

    if config.size not in SIZES:
        raise ValueError(f"there is no size {config.size!r}; choose one of {', '.join(SIZES)}")
    start = load_model(config.init_from) if config.init_from else None
    sizes = start.model.config if start else SIZES[config.size]
    examples = list(examples_of(load_items(config.data, "train"), config.attribute_captions))
    if config.atelier:
        cache = Path(config.cache) if config.cache else None
        drawn = list(atelier_examples(config.atelier, config.customer_photos, sizes.image_size, cache=cache))
        examples += drawn * config.atelier_repeats
    captions = [text for example in examples for text, _ in example.captions]
    tokenizer = start.tokenizer if start else train_wordpiece(captions, vocab_size=config.vocab_size)
    if not start:
        sizes = replace(sizes, vocab_size=tokenizer.get_vocab_size(), dropout=config.dropout)
    data = build_pairs(
        examples,
        tokenizer,
        partial(photo_tensor, image_size=sizes.image_size),
        context_length=sizes.context_length,
        drop_token_rate=config.drop_token_rate,
        augmentation=config.augmentation,
        extra_rows=config.extra_rows,
    )

    def model() -> DualEncoder:
        made = DualEncoder(sizes)
        if start:
            made.load_state_dict(start.model.state_dict())
        return made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def publish(trained: torch.nn.Module, folder: Path) -> None:
        assert isinstance(trained, DualEncoder)
        save_pretrained(folder, trained, tokenizer, name=f"dual_encoder_{config.size}.{folder.parent.name}")

    return Run(
        name="dual_encoder",
        model=model,
        loader=IndexLoader(
            data.collate,
            len(data),
            config.batch_size,
            seed=config.seed,
            labels=data.labels,
            group_size=config.group_size,
            num_workers=1,
        ),
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        warmup_steps=config.warmup_steps,
        grad_clip_norm=config.grad_clip_norm,
        ema_decay=config.ema_decay,
        precision=config.precision,
        seed=config.seed,
        loss_weights={"view_loss": config.view_weight},
        augment=data.augment,
        evals=_validation(config, tokenizer),
        publish=publish,
    )


def _validation(config: DualEncoderRecipe, tokenizer: Tokenizer) -> dict[str, Eval]:
    """1-of-101 on the validation split of the training data, when it has one."""
    from modiste.data.sources import has_split, load_items
    from modiste.evaluation.retrieval import evaluate_encoder
    from modiste.models.clip import DualEncoderTowers
    from modiste.models.inference import ImageTextEncoder
    from modiste.training.run import Eval

    if not config.eval_every or not has_split(config.data, "valid"):
        return {}
    items = load_items(config.data, "valid")

    def evaluate(model: DualEncoder) -> dict[str, float]:
        encoder = ImageTextEncoder(
            DualEncoderTowers(model, tokenizer, device=model.device), name="in training", sha256=""
        )
        report = evaluate_encoder("retrieval-1of101", items, encoder, resamples=0).as_dict()
        return {key: value for key, value in report.items() if key in REPORTED}

    return {"retrieval-1of101/valid": Eval(evaluate, every_epochs=config.eval_every)}
