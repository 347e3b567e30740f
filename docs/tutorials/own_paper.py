"""A paper in one file, outside the source tree: model, losses, recipe, use.

python docs/tutorials/own_paper.py            # trains it by the one loop, measures it, searches with it: half a minute

The "paper" is the oldest idea there is: Swain and Ballard, "Color Indexing", IJCV 7(1), 1991. A photo is its histogram of
colours (section 2), and here a bag of words learns to meet it, by InfoNCE. What a real paper does in its own file is the same:
citation, Config beside the class, shapes, `losses(batch)`, towers for use. What it does *not* do is loops, checkpoints,
protocols, search.

Shapes: B batch, E embedding width, H bins of the histogram, L words of the longest title.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from modiste.data.batches import TensorBatch
from modiste.losses import itc_loss
from modiste.models.inference import ImageTextEncoder
from modiste.training.run import Run
from modiste.training.sampling import IndexLoader

DATA, OTHERS = "atelier:60", "atelier:24:1"  # drawn items to train on (four fifths of them), and of another world
BINS, WORDS = 4, 512  # bins a channel: H = 64; buckets of words, 0 is padding


@dataclass(frozen=True, eq=False)
class ColourBatch(TensorBatch):
    histograms: Tensor  # (B, H)
    words: Tensor  # (B, L), 0: padding


def histogram(pixels: np.ndarray) -> Tensor:
    """(height, width, 3) uint8 -> (H,): shares of the colours, the white ground left out."""
    seen = pixels.reshape(-1, 3)
    seen = seen[seen.min(axis=1) < 245]
    cells = (seen // (256 // BINS)) @ np.array([BINS * BINS, BINS, 1])
    return torch.from_numpy(np.bincount(cells, minlength=BINS**3) / max(1, len(seen))).float()


def words(text: str) -> list[int]:
    """A title as bucket numbers, the same on every machine."""
    return [1 + zlib.crc32(word.encode()) % (WORDS - 1) for word in text.lower().split()]


def padded(texts: Sequence[str]) -> Tensor:
    rows = [torch.tensor(words(text) or [0]) for text in texts]
    return nn.utils.rnn.pad_sequence(rows, batch_first=True)


class ColourWords(nn.Module):
    """Two linear maps into one space."""

    def __init__(self, embed_dim: int = 32) -> None:
        super().__init__()
        self.photo = nn.Linear(BINS**3, embed_dim)
        self.text = nn.EmbeddingBag(WORDS, embed_dim, mode="mean", padding_idx=0)
        self.log_scale = nn.Parameter(torch.tensor(2.3))  # log 1/temperature

    def losses(self, batch: ColourBatch) -> dict[str, Tensor]:
        """What the loop asks of a model: named scalars; keys that end in _loss are summed."""
        photos, texts = (F.normalize(x, dim=1) for x in (self.photo(batch.histograms.sqrt()), self.text(batch.words)))
        return {"itc_loss": itc_loss(photos, texts, self.log_scale.exp())}


class ColourTowers:
    """What the engine asks of a model: photos and texts to unit rows."""

    draft_size = None

    def __init__(self, model: ColourWords) -> None:
        self.model, self.embed_dim = model.eval(), model.photo.out_features

    def prepare_image(self, pixels: np.ndarray) -> Tensor:
        return histogram(pixels)

    def embed_images(self, prepared: Sequence[Tensor]) -> Tensor:
        return F.normalize(self.model.photo(torch.stack(list(prepared)).sqrt()), dim=1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return F.normalize(self.model.text(padded(texts)), dim=1)


@dataclass(frozen=True)
class ColourRecipe:
    """Fields that the command line may change; the comment behind each is its help."""

    data: str = DATA  # items, as of every recipe
    embed_dim: int = 32  # E
    epochs: int = 20  # passes over the items
    batch_size: int = 16  # of one step
    learning_rate: float = 1e-2  # peak
    seed: int = 0  # of weights and order


def build(config: ColourRecipe) -> Run:
    """The complete run: data, model, batches. Nothing is trained here."""
    from modiste.data.images import decode
    from modiste.data.sources import load_items

    items = [item for item in load_items(config.data, "train") if item.image is not None]
    histograms = torch.stack([histogram(decode(item.image)) for item in items])

    def collate(chosen: np.ndarray, random: np.random.Generator) -> ColourBatch:
        return ColourBatch(histograms[chosen], padded([items[one].text for one in chosen]))

    def publish(model: ColourWords, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(model.state_dict(), folder / "model.safetensors")

    return Run(
        name="colour_words",
        model=lambda: ColourWords(config.embed_dim),
        loader=IndexLoader(collate, len(items), config.batch_size, config.seed),
        learning_rate=config.learning_rate,
        epochs=config.epochs,
        publish=publish,
        precision="fp32",
        seed=config.seed,
    )


def load(folder: Path) -> ImageTextEncoder:
    """An encoder like any other: search, outfits and protocols take it."""
    from hashlib import sha256

    weights = load_file(folder / "model" / "model.safetensors")
    model = ColourWords(weights["photo.weight"].shape[0])
    model.load_state_dict(weights)
    fingerprint = sha256((folder / "model" / "model.safetensors").read_bytes()).hexdigest()
    return ImageTextEncoder(ColourTowers(model), name="colour_words.mine", sha256=fingerprint)


def main(arguments: list[str]) -> int:
    from modiste.cli import run
    from modiste.data.sources import load_items
    from modiste.engine.catalogue import Catalogue
    from modiste.evaluation.retrieval import evaluate_encoder
    from modiste.recipes.registry import RECIPES, Recipe

    # The one line that registers it. In the source tree it stands in recipes/registry.py.
    RECIPES["colour_words"] = Recipe("words and histograms of colours", f"{__name__}:ColourRecipe", f"{__name__}:build")
    folder = Path("runs/colour_words")
    if code := run(["train", "colour_words", *arguments, "--out", str(folder)]):
        return code
    encoder = load(folder)
    items = load_items(OTHERS)
    report: Any = evaluate_encoder("retrieval-full", items, encoder, resamples=100).as_dict()
    print(
        f"R@5 of a title among {len(items)} items: {report['t2i_R@5']:.0f} %, by chance {report['t2i_R@5_chance']:.0f} %"
    )

    catalogue = Catalogue.open_or_create(folder / "shop", encoder.id)
    catalogue.ingest(items, encoder)
    for hit in catalogue.search(encoder.encode_query("something black"), k=3).hits:
        print(f"{hit.score:.2f} {hit.item.title}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
