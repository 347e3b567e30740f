"""CrossCBR: what users do with whole outfits and what they do with items, brought together by a contrastive loss.

Ma, He, Zhang, Wang, Chua, "CrossCBR: Cross-view Contrastive Learning for Bundle Recommendation", KDD 2022 (arXiv 2206.00242).
The bundle view = `outfit_view`, the item view with bundles as the mean of their items = `item_view`, the cross-view contrastive
loss = `contrast`, the sum of both views' inner products = the score.

What differs: the data have no clicks on single items, so a user's items are those of the outfits she clicked, and the item view
is reached along user - outfit - item edges; the graph is not augmented; the contrastive loss is over the different users and
outfits of a batch, at most `contrast_rows` of each.

Shapes: B batch, U users, O outfits, I items, D width, K layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modiste.data.click_batches import ClickBatch
from modiste.data.interactions import Interactions
from modiste.losses import bpr_loss, itc_loss
from modiste.models.bpr_mf import half_square
from modiste.models.click_graph import Edges, Knowledge, degree_scale, mean_of_layers, scaled, share_of_outfits


@dataclass(frozen=True)
class CrossCbrConfig:
    """Sizes of a `CrossCbr`."""

    embed_dim: int = 64
    num_layers: int = 1
    contrast_weight: float = 0.1
    temperature: float = 0.25
    contrast_rows: int = 2048
    l2: float = 1e-4


SIZES: dict[str, CrossCbrConfig] = {"debug": CrossCbrConfig(embed_dim=8), "paper": CrossCbrConfig()}


class CrossCbr(nn.Module):
    """Two views, each spread along its edges; users share a vector per view, not between them."""

    def __init__(self, config: CrossCbrConfig, data: Interactions) -> None:
        super().__init__()
        self.config = config
        for name, number in {
            "outfit_view_users": data.num_users, "outfit_view_outfits": data.num_outfits,
            "item_view_users": data.num_users, "item_view_items": data.num_items,
        }.items():  # fmt: skip
            embedding = nn.Embedding(number, config.embed_dim)
            nn.init.normal_(embedding.weight, std=0.1)
            setattr(self, name, embedding)
        clicks = data.clicks["train"]
        self.clicks = Edges(scaled(clicks, 0.5, 0.5))
        self.pool = Edges(scaled(data.outfit_items, 1.0, 0.0))  # (O, I) an outfit is the mean of its items
        self.unpool = Edges(share_of_outfits(data.outfit_items))  # (I, O) an item, of the outfits that have it
        self.register_buffer("by_outfit", degree_scale(clicks), persistent=False)

    by_outfit: Tensor
    outfit_view_users: nn.Embedding
    outfit_view_outfits: nn.Embedding
    item_view_users: nn.Embedding
    item_view_items: nn.Embedding

    def outfit_view(self) -> list[tuple[Tensor, Tensor]]:
        """K + 1 layers of users (U, D) and outfits (O, D)."""
        found = [(self.outfit_view_users.weight, self.outfit_view_outfits.weight)]
        for _ in range(self.config.num_layers):
            users, outfits = found[-1]
            found.append((self.clicks(outfits), self.clicks.back(users)))
        return found

    def item_view(self) -> list[tuple[Tensor, Tensor]]:
        """K + 1 layers of users (U, D) and items (I, D)."""
        found = [(self.item_view_users.weight, self.item_view_items.weight)]
        for _ in range(self.config.num_layers):
            users, items = found[-1]
            found.append((self.clicks(self.pool(items)), self.unpool(self.clicks.back(users))))
        return found

    def views(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Users and outfits in the outfits' view, then in the items' view; each the mean over its layers."""
        item_users, items = mean_of_layers(self.item_view())
        return mean_of_layers(self.outfit_view()), (item_users, self.pool(items))

    def contrast(self, rows: Tensor, one: Tensor, other: Tensor) -> Tensor:
        """InfoNCE between the two views of the different `rows`, cosines over the temperature."""
        rows = torch.unique(rows)
        if len(rows) > self.config.contrast_rows:
            rows = rows[torch.randperm(len(rows), device=rows.device)[: self.config.contrast_rows]]
        return itc_loss(F.normalize(one[rows], dim=1), F.normalize(other[rows], dim=1), 1 / self.config.temperature)

    def losses(self, batch: ClickBatch) -> dict[str, Tensor]:
        """`bpr_loss`, `contrast_loss` (the mean of users' and outfits'), `l2_loss`, the last two with their weights."""
        (users, outfits), (item_users, item_outfits) = self.views()

        def score(chosen: Tensor) -> Tensor:
            by_outfits = (users[batch.users] * outfits[chosen]).sum(1)
            return by_outfits + (item_users[batch.users] * item_outfits[chosen]).sum(1)

        contrast = self.contrast(batch.users, users, item_users) + self.contrast(batch.outfits, outfits, item_outfits)
        before = (
            self.outfit_view_users(batch.users), self.outfit_view_outfits(batch.outfits),
            self.outfit_view_outfits(batch.negatives), self.item_view_users(batch.users),
        )  # fmt: skip
        return {
            "bpr_loss": bpr_loss(score(batch.outfits), score(batch.negatives)),
            "contrast_loss": self.config.contrast_weight * contrast / 2,
            "l2_loss": self.config.l2 * half_square(*before),
        }

    @torch.no_grad()
    def knowledge(self) -> Knowledge:
        """Both views side by side. A new user is what her likes send her, as in LightGCN."""
        outfit_layers, item_layers = self.outfit_view(), self.item_view()
        (users, outfits), (item_users, items) = mean_of_layers(outfit_layers), mean_of_layers(item_layers)
        sent = torch.stack([outfit for _, outfit in outfit_layers[:-1]]).sum(dim=0) / len(outfit_layers)
        item_sent = torch.stack([item for _, item in item_layers[:-1]]).sum(dim=0) / len(item_layers)
        by_outfit = self.by_outfit[:, None]
        sources = torch.cat([sent * by_outfit, self.pool(item_sent) * by_outfit], dim=1)
        of_items = by_outfit.mean() * item_sent  # an outfit of one item would have clicks as others have
        return Knowledge(
            torch.cat([users, item_users], dim=1), torch.cat([outfits, self.pool(items)], dim=1),
            torch.cat([self.unpool(outfits), items], dim=1), sources,
            torch.cat([self.unpool(sent * by_outfit), of_items], dim=1),
            torch.zeros(2 * self.config.embed_dim, device=users.device), unit=False,
        )  # fmt: skip
