"""What the recipes that learn from photos with captions have in common: their fields, their data, the run's settings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modiste.data.examples import PhotoTextExample
    from modiste.data.pairs import PairData
    from modiste.models.inference import Towers
    from modiste.models.query_bank import QueryBank
    from modiste.types import Item


@dataclass(frozen=True)
class PairRecipe:
    """Fields of every such recipe; `modiste train RECIPE field=value`."""

    data: str = "fashion_products"
    """Training items: any source that `modiste evaluate --data` takes."""
    photos_alone: bool = False
    """Every text is empty: the image side alone."""
    atelier: int = 0
    """How many generated items to add, each with customer photos; 0 for none."""
    atelier_repeats: int = 1
    """How often each generated item comes in an epoch."""
    customer_photos: int = 3
    """Customer photos drawn of each generated item."""
    cache: str = "runs/cache"
    """Folder where drawn examples are kept; empty to draw them anew each time."""
    size: str = "small"
    """Row of the model's table of sizes; an unknown one lists them."""
    vocab_size: int = 8192
    """WordPieces learned from the training texts (fewer when the texts hold fewer)."""
    epochs: int = 36
    """Passes over the data."""
    batch_size: int = 256
    """Items of one step: contrastive losses compare each with all others."""
    group_size: int = 1
    """How many items of one category sit together in a batch. Harder negatives the more, but batch norms then see few
    categories at a time: 32 measured worse than 1."""
    learning_rate: float = 1.5e-3
    """Peak, after the warm-up; falls to 0 along a cosine."""
    weight_decay: float = 0.1
    """Not on biases, norms and embeddings."""
    warmup_steps: int = 200
    """Steps of linear warm-up."""
    grad_clip_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    gradient_accumulation: int = 1
    """Pieces that a batch is worked on in, to save memory; each piece has only its own negatives."""
    ema_decay: float = 0.999
    """Average of the weights that is evaluated and saved; 0 for none."""
    drop_token_rate: float = 0.15
    """Words hidden in training, from all losses."""
    augmentation: float = 0.9
    """Strength of mirror, shift, zoom, turn and relighting; 0 for none."""
    attribute_captions: float = 0.1
    """How often the caption is composed of the item's attributes instead of its title."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """bf16, fp32, or auto: bf16 where the hardware computes in it."""
    init_from: str = ""
    """A model folder to start from: a new run with its weights, sizes and tokenizer."""
    word_prior: float = 10.0
    """A word that n training texts have counts n / (n + word_prior) when texts are encoded (models/word_trust.py)."""
    bank_size: int = 16_000
    """Training photos and texts saved with the model as its query bank (models/query_bank.py); 0 for none."""
    eval_every: int = 6
    """Epochs between evaluations on the validation split; 0: never."""
    seed: int = 0
    """Of weights, order and augmentation."""


def training_examples(
    config: PairRecipe, image_size: tuple[int, int]
) -> tuple[list[Item], list[PhotoTextExample], list[str]]:
    """The data set's items, the examples to train on with the generated ones among them, and all their captions."""
    from modiste.data.sources import load_items
    from modiste.recipes.examples import atelier_examples, examples_of

    items = load_items(config.data, "train")
    examples = list(examples_of(items, config.attribute_captions, photos_alone=config.photos_alone))
    if config.atelier:
        cache = Path(config.cache) if config.cache else None
        drawn = list(atelier_examples(config.atelier, config.customer_photos, image_size, cache=cache))
        examples += drawn * config.atelier_repeats
    captions = [text for example in examples for text, _ in example.captions]
    return items, examples, ["photo"] if config.photos_alone else captions


def query_bank(
    config: PairRecipe, towers: Towers, data: PairData, examples: Sequence[PhotoTextExample]
) -> QueryBank | None:
    """The bank that travels with a trained model: photos and first captions of examples that it learned from."""
    import torch

    from modiste.models.inference import ImageTextEncoder
    from modiste.models.query_bank import QueryBank, chosen_rows

    if not config.bank_size or config.photos_alone:
        return None
    rows = chosen_rows(len(data), config.bank_size, config.seed)
    with torch.inference_mode():
        images = [towers.embed_images(list(part)).float().cpu() for part in data.images[list(rows)].split(256)]
    encoder = ImageTextEncoder(towers, name="in training", sha256="")
    texts = encoder.encode_texts([examples[row].captions[0][0] for row in rows])
    return QueryBank.of(torch.cat(images).numpy(), texts.vectors)


def run_settings(config: PairRecipe, data: PairData) -> dict[str, Any]:
    """The fields of a `Run` that follow from the recipe's in the same way for all."""
    from modiste.training.sampling import IndexLoader

    loader = IndexLoader(
        data.collate, len(data), config.batch_size, seed=config.seed, labels=data.labels, group_size=config.group_size,
        num_workers=1,
    )  # fmt: skip
    same = (
        "epochs", "learning_rate", "weight_decay", "warmup_steps", "grad_clip_norm", "gradient_accumulation", "ema_decay",
        "precision", "seed",
    )  # fmt: skip
    return {"loader": loader, "augment": data.augment, **{name: getattr(config, name) for name in same}}
