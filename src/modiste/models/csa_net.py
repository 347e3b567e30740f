"""CSA-Net: category-based subspace attention.

Lin, Tran, Davis, "Fashion Outfit Complementary Item Retrieval", CVPR 2020 (arXiv 1912.08967). Equations 1-2 =
`CsaNet.pair_weights`, equations 4-6 (outfit ranking loss: the mean distance to the outfit, the nearest negative) = `losses`.

f(x, c_s, c_t) = sum over i of (x * m_i) w_i with w = softmax(MLP([onehot(c_s) ; onehot(c_t)])). Both items of a pair are seen
under the same pair of categories, so their distance is |sum over i of w_i m_i * (x - y)|. What is ours: vectors of a frozen
encoder in place of ResNet-18; w is the mean of both orders of the pair, which makes the distance symmetric; the link.

Shapes: B batch, C candidates, E embedding width, M subspaces, T types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modiste.data.batches import OutfitBatch
from modiste.losses import set_ranking_loss
from modiste.models.pairwise import PairwiseConfig, PairwiseModel


@dataclass(frozen=True)
class CsaNetConfig(PairwiseConfig):
    """Sizes of a `CsaNet`; defaults are the paper's."""

    tags: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"category": ()})
    num_subspaces: int = 5  # M
    hidden_dim: int = 32


SIZES: dict[str, CsaNetConfig] = {
    "debug": CsaNetConfig(embed_dim=16, dropout=0.0, num_subspaces=3, hidden_dim=8),
    "small": CsaNetConfig(),
}


class CsaNet(PairwiseModel):
    """Subspaces m_i that all pairs share, mixed by the two categories."""

    config: CsaNetConfig

    def __init__(self, config: CsaNetConfig) -> None:
        super().__init__(config)
        self.masks = nn.Parameter(torch.randn(config.num_subspaces, config.embed_dim) * 0.7 + 0.9)
        # A linear layer on two one-hot vectors is the sum of two embeddings.
        self.source = nn.Embedding(config.num_types, config.hidden_dim)
        self.target = nn.Embedding(config.num_types, config.hidden_dim)
        self.attend = nn.Linear(config.hidden_dim, config.num_subspaces)

    def subspace_attention(self, source: Tensor, target: Tensor) -> Tensor:
        """Types (...), (...) -> (..., M): equation 2, rows sum to 1."""
        return self.attend(F.relu(self.source(source) + self.target(target))).softmax(dim=-1)

    def pair_weights(self, types: Tensor, others: Tensor) -> Tensor:
        attention = (self.subspace_attention(types, others) + self.subspace_attention(others, types)) / 2
        return (attention @ self.masks).abs()

    def losses(self, batch: OutfitBatch) -> dict[str, Tensor]:
        """`ranking_loss`: max(0, D_p - min_j D_nj + margin) with D the mean distance to the rest; `cp_loss` of the link."""
        sets, labels = batch.judged
        means, there = self.set_terms(batch, sets)
        to_rest, with_rest = self._to_rest(batch)
        return {
            "ranking_loss": set_ranking_loss(
                to_rest[:, 0], to_rest[:, 1:], margin=self.config.margin, mask=with_rest[:, 1:] & with_rest[:, :1],
                terms=("hard",),
            ),
            "cp_loss": self.compatibility_loss(means, there, labels),
        }  # fmt: skip

    def _to_rest(self, batch: OutfitBatch) -> tuple[Tensor, Tensor]:
        """Mean distance (B, C) of each candidate to the partial outfit, and which candidates are there."""
        items = self.embed(batch.images, batch.has_image, batch.texts, batch.has_text, batch.tags)
        rows = torch.arange(len(items), device=items.device)[:, None]
        one, rest = batch.candidates.clamp(min=0), batch.partial.clamp(min=0)
        terms = self.pair_terms(
            items[rows, one], batch.tags[rows, one, 0], items[rows, rest], batch.tags[rows, rest, 0]
        )
        mask = (batch.partial >= 0)[:, None]  # (B, 1, O)
        mean = (-terms).masked_fill(~mask, 0.0).sum(dim=2) / mask.sum(dim=2).clamp(min=1)
        return mean, (batch.candidates >= 0) & mask.any(dim=2)
