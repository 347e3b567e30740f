"""What outfit models of pairs share: items projected once, a distance per pair that the two categories shape, the mean of it.

A paper's model (`type_aware.py`, `csa_net.py`) says what the categories do to the distance, and how it is learned; here is
what must agree. Compatibility of a set is link(mean over its pairs of -distance), so an exact search can bound it
(`types.PairwisePool`).

Shapes: B batch, P items at hand, O items in a set, V sets, C candidates, E embedding width, T types (categories).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modiste.data.batches import OutfitBatch
from modiste.losses import focal_loss


@dataclass(frozen=True)
class PairwiseConfig:
    """Sizes of a model of pairs; saved beside its weights."""

    image_dim: int = 192  # of the encoder's image vectors; 0: no photo
    text_dim: int = 192  # of its text vectors; 0: no words
    embed_dim: int = 64  # E
    dropout: float = 0.1
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """{"category": the types that are known}; the model finds an item's type in this column of the tags."""
    margin: float = 0.3  # CSA-Net's

    def __post_init__(self) -> None:
        if set(self.tags) != {"category"}:
            raise ValueError("a model of pairs needs tags={'category': ...}, and no other kind")
        if not (self.image_dim or self.text_dim):
            raise ValueError("set image_dim or text_dim: without both nothing is known of an item")

    @property
    def num_types(self) -> int:
        """T: the known categories, and one for all others."""
        return 1 + len(self.tags["category"])


class PairwiseModel(nn.Module, ABC):
    """Base of the models of pairs: a subclass gives `pair_weights` and `losses`."""

    def __init__(self, config: PairwiseConfig) -> None:
        super().__init__()
        self.config = config
        self.dropout = nn.Dropout(config.dropout)
        self.image = nn.Linear(config.image_dim, config.embed_dim, bias=False) if config.image_dim else None
        self.text = nn.Linear(config.text_dim, config.embed_dim, bias=False) if config.text_dim else None
        self.bias = nn.Parameter(torch.zeros(config.embed_dim))
        # Stand in for a photo or words that are missing.
        self.null_image = nn.Parameter(torch.randn(config.embed_dim) / math.sqrt(config.embed_dim))
        self.null_text = nn.Parameter(torch.randn(config.embed_dim) / math.sqrt(config.embed_dim))
        # S = sigmoid(exp(log_slope) * mean + offset), fitted by the focal loss; the distances are the ranking loss's.
        self.log_slope = nn.Parameter(torch.tensor(math.log(4.0)))
        self.offset = nn.Parameter(torch.tensor(2.0))

    @property
    def device(self) -> torch.device:
        return self.bias.device

    @abstractmethod
    def pair_weights(self, types: Tensor, others: Tensor) -> Tensor:
        """Types (...), (...) -> (..., E) not negative and the same in either order: what the pair looks at."""

    @abstractmethod
    def losses(self, batch: OutfitBatch) -> dict[str, Tensor]:
        """Of a paper's own, named, for the training loop."""

    def embed(self, images: Tensor, has_image: Tensor, texts: Tensor, has_text: Tensor, tags: Tensor) -> Tensor:
        """(..., Di), (...), (..., Dt), (...), (..., 1) -> (..., E)."""
        x = self.bias.expand(*has_image.shape, -1)
        if self.image is not None:
            x = x + torch.where(has_image[..., None], self.image(self.dropout(images)), self.null_image)
        if self.text is not None:
            x = x + torch.where(has_text[..., None], self.text(self.dropout(texts)), self.null_text)
        return F.normalize(x.float(), dim=-1)

    def pair_terms(self, items: Tensor, types: Tensor, others: Tensor, other_types: Tensor) -> Tensor:
        """Items (..., R, E) of types (..., R) with others (..., C, E), (..., C) -> (..., R, C): -distance, at most 0."""
        weights = self.pair_weights(types[..., :, None], other_types[..., None, :])  # (..., R, C, E)
        difference = (items[..., :, None, :] - others[..., None, :, :]) * weights
        return -difference.square().sum(dim=-1).clamp(min=1e-12).sqrt()

    def set_terms(self, batch: OutfitBatch, sets: Tensor) -> tuple[Tensor, Tensor]:
        """Sets (B, V, O) of the batch -> means over their pairs (B, V), and which sets have a pair (B, V)."""
        items = self.embed(batch.images, batch.has_image, batch.texts, batch.has_text, batch.tags)
        types = batch.tags[..., 0]
        terms = self.pair_terms(items, types, items, types)  # (B, P, P): once for all sets
        rows = torch.arange(len(sets), device=sets.device)[:, None, None, None]
        at = sets.clamp(min=0)
        return masked_pair_mean(terms[rows, at[..., :, None], at[..., None, :]], sets >= 0)

    def link(self, mean: Tensor) -> Tensor:
        """Means over pairs -> logits of compatibility."""
        return self.log_slope.exp() * mean + self.offset

    def compatibility_loss(self, means: Tensor, there: Tensor, labels: Tensor) -> Tensor:
        """Focal loss of the link alone: the means are taken as they are. Real and broken sets count half each."""
        logits = self.link(means.detach())
        kinds = [focal_loss(logits[one], labels[one]) for one in (there & labels, there & ~labels)]
        return (kinds[0] + kinds[1]) / 2


def masked_pair_mean(terms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Terms (..., O, O) of sets with mask (..., O) -> the mean over pairs of different items (...), and whether there is one.

    0 for a set without a pair.
    """
    pairs = (mask[..., :, None] & mask[..., None, :]).triu(diagonal=1)
    count = pairs.sum(dim=(-2, -1))
    mean = terms.masked_fill(~pairs, 0.0).sum(dim=(-2, -1)) / count.clamp(min=1)
    return mean, count > 0
