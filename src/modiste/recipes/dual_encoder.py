"""The baseline: a small image-text dual encoder trained with InfoNCE (models/clip.py).

Lab notes (docs/results/retrieval.md has every score with its interval)
---------
    torchrun --nproc-per-node 2 -m modiste train dual_encoder_small    # 60 epochs of fashion_products, the measured baseline
    modiste train dual_encoder_small_shipped    # 8 more on products and drawn items with customer photos: towers of what ships

2026-11-26, two cores with AVX512-BF16, seed 0: 52 minutes by the log, other jobs on the machine. One process with two threads
trains the same, at about four fifths of the speed of two processes. Sums of R@1+5+10 over both directions on valid
(1-of-101), one run each, other fields as they stood then:
- a Transformer over the words, batches of 128 with 32 of a kind, 24 epochs: 397 on test;
- a bag of words, batches of 128 with 32 of a kind, 12 epochs: 374; batches of 256, none grouped, 10 epochs: 392;
- the same with a stem of stride 2 and more regularisation, 36 epochs: 415; with three zoomed views: 419;
- 60 epochs, more dropout and augmentation, three views: 425; with a query bank of 8,000: 432, of all 31,580: 434;
- with words trusted by how often they came, no bank: 435; both, bank of 16,000 (the recipe now): 443.
What did not help: embeddings that start with deviation 1 (46 points worse after 3 epochs), a bank of clusters instead of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from modiste.recipes.pairs import PairRecipe, query_bank, run_settings, training_examples

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from modiste.models.clip import DualEncoder
    from modiste.training.run import Eval, Run


@dataclass(frozen=True)
class DualEncoderRecipe(PairRecipe):
    """Fields of the dual encoder recipes; `modiste train dual_encoder_small field=value`."""

    dropout: float = 0.15
    """In the text tower and before both projections."""
    extra_rows: int = 0
    """Second photos in a batch (a customer's, or the same photo augmented anew) for the photo-to-photo loss."""
    view_weight: float = 0.0
    """Weight of the photo-to-photo loss; give it extra_rows, or the few pairs of a batch only add noise."""


REPORTED = tuple(f"{way}_{metric}" for way in ("t2i", "i2t") for metric in ("R@1", "R@5", "R@10"))


def build(config: DualEncoderRecipe) -> Run:
    """The complete run: data decoded, tokenizer learned, evaluators named."""
    from dataclasses import replace
    from functools import partial

    import torch

    from modiste.data.pairs import build_pairs
    from modiste.data.text import train_wordpiece
    from modiste.models.clip import SIZES, DualEncoder, DualEncoderTowers
    from modiste.models.inference import photo_tensor
    from modiste.models.pretrained import load_model, save_pretrained
    from modiste.training.run import Run

    if config.size not in SIZES:
        raise ValueError(f"there is no size {config.size!r}; choose one of {', '.join(SIZES)}")
    start = load_model(config.init_from) if config.init_from else None
    sizes = start.model.config if start else SIZES[config.size]
    _, examples, captions = training_examples(config, sizes.image_size)
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
        made.text_tower.trust.count(data.token_ids, config.word_prior)
        return made.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def publish(trained: torch.nn.Module, folder: Path) -> None:
        assert isinstance(trained, DualEncoder)
        bank = query_bank(config, DualEncoderTowers(trained, tokenizer, device=trained.device), data, examples)
        save_pretrained(folder, trained, tokenizer, name=f"dual_encoder_{config.size}.{folder.parent.name}", bank=bank)

    return Run(
        name="dual_encoder",
        model=model,
        loss_weights={"view_loss": config.view_weight},
        evals=_validation(config, tokenizer),
        publish=publish,
        **run_settings(config, data),
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
