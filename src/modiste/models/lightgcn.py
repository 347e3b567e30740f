"""LightGCN: vectors spread along the clicks, and nothing else.

He, Deng, Wang, Li, Zhang, Wang, "LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation", SIGIR 2020
(arXiv 2002.02126). Equation 3 = `layers`, equation 4 with alpha = 1 / (K + 1) = the mean in `spread`, equation 15 = `losses`.

Shapes: B batch, U users, O outfits, D width, K layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from modiste.data.click_batches import ClickBatch
from modiste.data.interactions import Interactions
from modiste.losses import bpr_loss
from modiste.models.bpr_mf import half_square
from modiste.models.click_graph import Edges, Knowledge, degree_scale, mean_of_layers, scaled, share_of_outfits


@dataclass(frozen=True)
class LightGcnConfig:
    """Sizes of a `LightGcn`; defaults are the paper's."""

    embed_dim: int = 64
    num_layers: int = 3
    l2: float = 1e-4
    """On the vectors before they spread, as in the paper."""


SIZES: dict[str, LightGcnConfig] = {"debug": LightGcnConfig(embed_dim=8, num_layers=2), "paper": LightGcnConfig()}


class LightGcn(nn.Module):
    """Users and outfits on their graph of training clicks, symmetrically normalised."""

    def __init__(self, config: LightGcnConfig, data: Interactions) -> None:
        super().__init__()
        self.config = config
        self.user_embedding = nn.Embedding(data.num_users, config.embed_dim)
        self.outfit_embedding = nn.Embedding(data.num_outfits, config.embed_dim)
        clicks = data.clicks["train"]
        self.clicks = Edges(scaled(clicks, 0.5, 0.5))
        self.register_buffer("by_outfit", degree_scale(clicks), persistent=False)  # (O,)
        self.items = Edges(share_of_outfits(data.outfit_items))
        for one in (self.user_embedding, self.outfit_embedding):
            nn.init.normal_(
                one.weight, std=0.1
            )  # the paper's Xavier, which depends on the number of users, comes to less

    by_outfit: Tensor

    def layers(self) -> list[tuple[Tensor, Tensor]]:
        """K + 1 pairs of users (U, D) and outfits (O, D)."""
        found = [(self.user_embedding.weight, self.outfit_embedding.weight)]
        for _ in range(self.config.num_layers):
            users, outfits = found[-1]
            found.append((self.clicks(outfits), self.clicks.back(users)))
        return found

    def spread(self) -> tuple[Tensor, Tensor]:
        """Users (U, D) and outfits (O, D), the mean over all layers."""
        return mean_of_layers(self.layers())

    def losses(self, batch: ClickBatch) -> dict[str, Tensor]:
        """`bpr_loss` after spreading over the whole graph, `l2_loss` of what was spread."""
        users, outfits = self.spread()
        user, own, other = users[batch.users], outfits[batch.outfits], outfits[batch.negatives]
        before = (
            self.user_embedding(batch.users), self.outfit_embedding(batch.outfits), self.outfit_embedding(batch.negatives)
        )  # fmt: skip
        return {
            "bpr_loss": bpr_loss((user * own).sum(1), (user * other).sum(1)),
            "l2_loss": self.config.l2 * half_square(*before),
        }

    @torch.no_grad()
    def knowledge(self) -> Knowledge:
        """A new user has no vector of her own, and what her likes send her in each layer: exact but for what she sends."""
        layers = self.layers()
        users, outfits = mean_of_layers(layers)
        sent = torch.stack([outfit for _, outfit in layers[:-1]]).sum(dim=0) / len(layers)
        sources = sent * self.by_outfit[:, None]
        return Knowledge(
            users, outfits, self.items(outfits), sources, self.items(sources), torch.zeros_like(users[0]), unit=False
        )
