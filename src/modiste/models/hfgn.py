"""HFGN: items make outfits, outfits make users.

Li, Wang, He, Chen, Xiao, Chua, "Hierarchical Fashion Graph Network for Personalized Outfit Recommendation", SIGIR 2020 (arXiv
2005.12566). Read beside the released code, where the two differ the code is followed (specification 4.2):

    category graph            `category_weights`     how often two categories share an outfit
    item level                `item_level`           i* = LeakyReLU(W_ego i) + LeakyReLU(W_mess (i * sum_j w_ij j))
    outfit level              `outfit_level`         o* = o_id + unit(LeakyReLU(W_o sum_i i*))
    user level                `user_level`           u* = u_id + unit(LeakyReLU(W_u sum_o o* / sqrt(number)))
    recommendation            `knowledge`, `losses`  u* . o*
    compatibility             `compatibility`        R views of attention over items

Two things that the released code does are mistakes, and are done here only where asked or not at all: it divides the
compatibility of every outfit by the largest outfit's length (`legacy_mean`), and it keeps test clicks from being negatives.

Shapes: B batch, U users, O outfits, I items, L items in the largest outfit, D width, R views, C categories.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from modiste.data.batches import TensorBatch
from modiste.data.click_batches import BrokenBatch, ClickBatch, JointBatch, padded_sets
from modiste.data.interactions import Interactions
from modiste.losses import bpr_loss
from modiste.models.bpr_mf import half_square
from modiste.models.click_graph import SLOPE, Edges, Knowledge, scaled


@dataclass(frozen=True)
class HfgnConfig:
    """Sizes of an `Hfgn`; defaults are the paper's."""

    embed_dim: int = 64
    feature_hidden: int = 1024
    """Between an item's features and its vector, one pair of maps for each category."""
    feature_dropout: float = 0.2
    num_views: int = 8  # R
    edge_dropout: float = 0.1
    """Of a user's clicks, in training."""
    l2: float = 1e-5
    legacy_mean: bool = False
    """Compatibility divided by the length of the largest outfit, whatever an outfit's own: the released code's."""


SIZES: dict[str, HfgnConfig] = {
    "debug": HfgnConfig(embed_dim=8, feature_hidden=16, num_views=2),
    "small": HfgnConfig(feature_hidden=128),
    "paper": HfgnConfig(),
}


def category_weights(categories: NDArray[np.int64], sets: NDArray[np.int64], number: int) -> NDArray[np.float32]:
    """(I,) categories and (O, L) outfits -> (C, C) w: how much a category hears of another; rows sum to 1 or are 0.

    g(a, b) counts ordered pairs of different items with these categories in a common outfit; its columns are brought to a sum
    of 1, and then its rows (specification 4.2, 2).
    """
    counts = np.zeros((number, number))
    for one in range(sets.shape[1]):
        for other in range(sets.shape[1]):
            both = (sets[:, one] >= 0) & (sets[:, other] >= 0) & (one != other)
            np.add.at(counts, (categories[sets[both, one]], categories[sets[both, other]]), 1)
    by_column = counts / np.maximum(counts.sum(axis=0, keepdims=True), 1e-12)
    found: NDArray[np.float32] = (by_column / np.maximum(by_column.sum(axis=1, keepdims=True), 1e-12)).astype(
        np.float32
    )
    return found


class Hfgn(nn.Module):
    """The graph is that of `data`'s training clicks and outfits. Items without features have a vector each; without
    categories they are all of one."""

    def __init__(self, config: HfgnConfig, data: Interactions) -> None:
        super().__init__()
        self.config = config
        dim, views = config.embed_dim, config.num_views
        sets = padded_sets(data.outfit_items)
        categories = np.zeros(data.num_items, np.int64) if data.item_categories is None else data.item_categories
        number = max(1, len(data.category_names))
        for name, array in {
            "sets": sets, "categories": categories, "category_graph": category_weights(categories, sets, number),
        }.items():  # fmt: skip
            self.register_buffer(name, torch.from_numpy(array), persistent=False)
        self.clicks = Edges(scaled(data.clicks["train"], 0.5, 0.0))  # only by the user's number, as the code does
        if data.item_features is None:
            self.item_embedding: nn.Module = nn.Embedding(data.num_items, dim)
        else:
            self.item_embedding = CategoryEncoder(config, data.item_features, categories, number)
        self.item_ego, self.item_message = nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.outfit_embedding = nn.Embedding(data.num_outfits, dim)
        self.outfit_map = nn.Linear(dim, dim)
        self.user_embedding = nn.Embedding(data.num_users, dim)
        self.user_map = nn.Linear(dim, dim)
        self.attention = nn.Sequential(nn.Linear(dim, dim // 2), nn.LeakyReLU(SLOPE), nn.Linear(dim // 2, views))
        self.view_scores = nn.Sequential(nn.Linear(dim, dim // 2), nn.LeakyReLU(SLOPE), nn.Linear(dim // 2, views))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.xavier_uniform_(module.weight)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    sets: Tensor
    categories: Tensor
    category_graph: Tensor

    def items(self) -> Tensor:
        """(I, D): items by themselves."""
        if isinstance(self.item_embedding, nn.Embedding):
            return self.item_embedding.weight
        vectors: Tensor = self.item_embedding()
        return vectors

    def item_level(self, items: Tensor, sets: Tensor) -> Tensor:
        """(I, D) items and (N, L) sets -> (N, L, D): each item after hearing of its company; 0 where there is none."""
        there = (sets >= 0)[:, :, None]
        place = sets.clamp(min=0)
        own = F.embedding(place, items) * there  # (N, L, D)
        kinds = self.categories[place]
        weights = self.category_graph[kinds[:, :, None], kinds[:, None, :]]  # (N, L, L), also of an item with itself
        message = self.item_message(own * (weights @ own))
        return (F.leaky_relu(self.item_ego(own), SLOPE) + F.leaky_relu(message, SLOPE)) * there

    def outfit_level(self, refined: Tensor) -> Tensor:
        """(N, L, D) refined items -> (N, D) what outfits are by their items; o* is this and the outfit's own vector."""
        return F.normalize(F.leaky_relu(self.outfit_map(refined.sum(dim=1)), SLOPE), dim=1)

    def user_level(self, users: Tensor, outfits: Tensor) -> Tensor:
        """(B,) users and (O, D) outfits -> (B, D)."""
        heard = self.clicks.sums(users, outfits, self.clicks.dropped(self.config.edge_dropout))
        return self.user_embedding(users) + F.normalize(F.leaky_relu(self.user_map(heard), SLOPE), dim=1)

    def outfits(self) -> Tensor:
        """(O, D): o* of every outfit."""
        return self.outfit_embedding.weight + self.outfit_level(self.item_level(self.items(), self.sets))

    def compatibility(self, sets: Tensor, items: Tensor | None = None) -> Tensor:
        """(N, L) rows of items, -1 = none -> (N,): s_o, the mean over the outfit's items of what R views say of each."""
        there = sets >= 0
        refined = self.item_level(self.items() if items is None else items, sets)
        per_item = (self.attention(refined).softmax(dim=-1) * torch.tanh(self.view_scores(refined))).sum(dim=-1)
        length = self.sets.shape[1] if self.config.legacy_mean else there.sum(dim=1).clamp(min=1)
        return (per_item * there).sum(dim=1) / length

    def losses(self, batch: TensorBatch) -> dict[str, Tensor]:
        """Of clicks `bpr_loss` and `l2_loss`, of sets `fltb_loss`; a `JointBatch` has all three."""
        found: dict[str, Tensor] = {}
        if isinstance(batch, ClickBatch):
            outfits = self.outfits()
            user, own, other = (
                self.user_level(batch.users, outfits), outfits[batch.outfits], outfits[batch.negatives]
            )  # fmt: skip
            found["bpr_loss"] = bpr_loss((user * own).sum(dim=1), (user * other).sum(dim=1))
            found["l2_loss"] = self.config.l2 * half_square(user, own, other)
        if isinstance(batch, BrokenBatch | JointBatch):
            items = self.items()
            found["fltb_loss"] = bpr_loss(
                self.compatibility(self.sets[batch.looks], items), self.compatibility(batch.broken, items)
            )
        return found

    @torch.no_grad()
    def knowledge(self) -> Knowledge:
        """A new user has the mean of all u_id for her own; the rest of u* is exact."""
        outfits, items = self.outfits(), self.items()
        alone = torch.arange(len(items), device=items.device)[:, None]
        of_items = self.outfit_embedding.weight.mean(dim=0) + self.outfit_level(self.item_level(items, alone))
        users = self.user_level(torch.arange(self.user_embedding.num_embeddings, device=items.device), outfits)
        return Knowledge(
            users, outfits, of_items, outfits, of_items, self.user_embedding.weight.mean(dim=0),
            weight=self.user_map.weight.T, bias=self.user_map.bias,
        )  # fmt: skip


class CategoryEncoder(nn.Module):
    """An item's vector from its features by its category's own two maps, without bias (specification 4.2, 1)."""

    def __init__(
        self, config: HfgnConfig, features: NDArray[np.float32], categories: NDArray[np.int64], number: int
    ) -> None:
        super().__init__()
        self.rate = config.feature_dropout
        self.first = nn.ModuleList(
            nn.Linear(features.shape[1], config.feature_hidden, bias=False) for _ in range(number)
        )
        self.second = nn.ModuleList(
            nn.Linear(config.feature_hidden, config.embed_dim, bias=False) for _ in range(number)
        )
        order = np.argsort(categories, kind="stable")  # items of one category together
        self.sizes = np.bincount(categories, minlength=number).tolist()
        self.register_buffer("features", torch.from_numpy(features[order]), persistent=False)
        self.register_buffer("back", torch.from_numpy(np.argsort(order)), persistent=False)

    features: Tensor
    back: Tensor

    def forward(self) -> Tensor:
        """(I, D)."""
        made = []
        for first, second, known in zip(self.first, self.second, self.features.split(self.sizes), strict=True):
            hidden = F.leaky_relu(first(F.dropout(known, self.rate, self.training)), SLOPE)
            made.append(F.leaky_relu(second(F.dropout(hidden, self.rate, self.training)), SLOPE))
        return torch.cat(made)[self.back]
