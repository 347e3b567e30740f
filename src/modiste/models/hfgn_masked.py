"""HFGN with masked clicks: a variant of ours that keeps the hierarchy and changes what it is asked.

HFGN (models/hfgn.py) gives every user a vector of her own and ranks pairs. Here a user is nothing but what she clicked, some of
her clicks are hidden in every step, and the model has to choose the hidden ones among *all* outfits:

    item level      i           a vector for each item, the same in every outfit that has it
    outfit level    o* = unit(o_id + mean of its items)
    user level      u* = unit(sum of o* over the clicks that are not hidden)
    score           s_uo = exp(scale) u* . o* + bias_o
    loss            -log softmax(s_u)[hidden clicks], over all outfits but those not hidden

Hiding is masked language modelling for clicks (Liang et al. 2018, arXiv 1802.05814, do it by dropout of a whole history); the
softmax over all outfits in place of one sampled negative is theirs, too. Since users have no vectors, one who comes tomorrow is
treated as one who was there in training. Each part can be taken out by a field, for the ablation.

Shapes: B batch, U users, O outfits, I items, D width, N clicks of a batch's users.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modiste.data.click_batches import UserBatch
from modiste.data.interactions import Interactions
from modiste.losses import bpr_loss, choice_loss, itc_loss
from modiste.models.click_graph import SLOPE, Edges, Knowledge, scaled, share_of_outfits


@dataclass(frozen=True)
class HfgnMaskedConfig:
    """Sizes of an `HfgnMasked`, and which of its parts there are."""

    embed_dim: int = 64
    hide: float = 0.5
    """Share of a user's clicks that are hidden; 0: a share of her own, anew in each step."""
    dropout: float = 0.0
    """Of the coordinates of outfits when users are made of them."""
    temperature: float = 0.1
    """At the start; the scale is learned."""
    item_weight: float = 1.0
    """Of the items beside the outfit's own vector, at the start as long as it is."""
    item_level: bool = True
    item_ids: bool = True
    """Items have vectors of their own beside what their features say; false: features alone, so new items are known, too."""
    outfit_ids: bool = True
    user_level: Literal["clicks", "ids"] = "clicks"
    """ids: a vector for each user, from which all her clicks are to be chosen; nothing is hidden."""
    objective: Literal["softmax", "bpr"] = "softmax"
    contrast_weight: float = 0.0
    """Of the loss between the two ways to know an outfit, by its own vector and by its items."""
    contrast_rows: int = 1024
    contrast_temperature: float = 0.2
    hidden_dim: int = 0
    """Of what is added to a user, as HFGN's user level would: u* = unit(x + W_2 LeakyReLU(W_1 x + b)) with x the sum over the
    root of its number; 0: nothing."""
    unit: bool = True
    """Whether lengths are taken away from outfits and users, or may say how clear a taste is."""
    learned_weights: bool = False
    """How much an outfit says of who clicked it is learned, a positive number for each; else all say the same."""
    separate: bool = False
    """Outfits have other vectors where they are chosen than where users are made of them."""

    def __post_init__(self) -> None:
        if not (self.item_level or self.outfit_ids):
            raise ValueError("item_level=false and outfit_ids=false leave nothing to know outfits by")
        if self.contrast_weight and not (self.item_level and self.outfit_ids):
            raise ValueError("contrast_weight needs both an outfit's own vector and its items")
        if not 0 <= self.hide < 1:
            raise ValueError(f"hide is a share of the clicks below 1, not {self.hide}")


SIZES: dict[str, HfgnMaskedConfig] = {
    "debug": HfgnMaskedConfig(embed_dim=8),
    "small": HfgnMaskedConfig(),
}


class HfgnMasked(nn.Module):
    """The graph is that of `data`'s training clicks and outfits. Items with features have a map of them beside their vector."""

    def __init__(self, config: HfgnMaskedConfig, data: Interactions) -> None:
        super().__init__()
        self.config = config
        self.clicks = Edges(data.clicks["train"])
        self.pool = Edges(scaled(data.outfit_items, 1.0, 0.0))  # (O, I) the mean of its items
        self.of_outfits = Edges(share_of_outfits(data.outfit_items))
        self.heard = OutfitVectors(config, data)
        self.chosen = OutfitVectors(config, data) if config.separate else self.heard
        self.user_embedding = nn.Embedding(data.num_users, config.embed_dim) if config.user_level == "ids" else None
        if self.user_embedding is not None:
            nn.init.normal_(self.user_embedding.weight, std=0.1)
        self.outfit_weight = nn.Parameter(torch.zeros(data.num_outfits)) if config.learned_weights else None
        self.user_hidden = self.user_out = None
        if config.hidden_dim:
            self.user_hidden = nn.Linear(config.embed_dim, config.hidden_dim)
            self.user_out = nn.Linear(config.hidden_dim, config.embed_dim, bias=False)
            nn.init.zeros_(self.user_out.weight)  # at the start a user is her clicks
        self.outfit_bias = nn.Parameter(torch.zeros(data.num_outfits))
        self.logit_scale = nn.Parameter(torch.tensor(log(1 / config.temperature)))

    def outfits(self) -> tuple[Tensor, Tensor]:
        """(O, D) what an outfit adds to a user who clicked it, and (O, D) what users are compared with: unit vectors."""
        heard = self.heard(self.pool)
        chosen = self.chosen(self.pool) if self.config.separate else heard
        return heard if self.outfit_weight is None else heard * self.outfit_weight.exp()[:, None], chosen

    def user_vectors(self, sums: Tensor, counts: Tensor) -> Tensor:
        """Sums (B, D) over so many clicks (B,) -> (B, D) unit vectors; 0 of no click."""
        x = sums / counts.clamp(min=1).sqrt()[:, None]
        if self.user_hidden is not None and self.user_out is not None:
            x = x + self.user_out(F.leaky_relu(self.user_hidden(x), SLOPE)) * (counts > 0)[:, None]
        return F.normalize(x, dim=1) if self.config.unit else x

    def losses(self, batch: UserBatch) -> dict[str, Tensor]:
        """`choice_loss` or `bpr_loss` of the hidden clicks, and `contrast_loss` where it has a weight."""
        users = batch.users
        edges, lengths = self.clicks.edges_of(users)
        rows = torch.repeat_interleave(torch.arange(len(users), device=users.device), lengths)  # (N,)
        outfits = self.clicks.columns[edges]
        heard, chosen = self.outfits()
        if self.user_embedding is not None:
            hidden = torch.ones_like(rows, dtype=torch.bool)
            vectors = self.user_vectors(self.user_embedding(users), torch.ones_like(users))
        else:
            share = torch.rand(len(users), device=users.device) if self.config.hide == 0 else None
            hidden = torch.rand(len(rows), device=users.device) < (self.config.hide if share is None else share[rows])
            known = F.dropout(heard, self.config.dropout, self.training)
            kept = rows[~hidden]
            counts = torch.bincount(kept, minlength=len(users))
            sums = F.embedding_bag(outfits[~hidden], known, torch.cumsum(counts, 0) - counts, mode="sum")
            vectors = self.user_vectors(sums, counts)  # of who keeps nothing: 0, and the bias alone speaks
        found = {}
        if self.config.objective == "softmax":
            found["choice_loss"] = choice_loss(
                self.logit_scale.exp() * vectors, chosen, self.outfit_bias,
                (rows[hidden], outfits[hidden]), (rows[~hidden], outfits[~hidden]),
            )  # fmt: skip
        else:
            found["bpr_loss"] = self._bpr(users, vectors, chosen, rows[hidden], outfits[hidden])
        if self.config.contrast_weight:
            found["contrast_loss"] = self.config.contrast_weight * self._contrast()
        return found

    def _bpr(self, users: Tensor, vectors: Tensor, chosen: Tensor, rows: Tensor, outfits: Tensor) -> Tensor:
        """Each click before one outfit drawn uniformly; pairs whose draw is a training click of the user's are left out."""
        drawn = torch.randint(len(chosen), outfits.shape, device=outfits.device)
        owners = torch.repeat_interleave(self.clicks.offsets.diff())
        keys = owners * len(chosen) + self.clicks.columns
        asked = users[rows] * len(chosen) + drawn
        place = torch.searchsorted(keys, asked).clamp(max=len(keys) - 1)
        valid = keys[place] != asked
        rows, outfits, drawn = rows[valid], outfits[valid], drawn[valid]

        def score(one: Tensor) -> Tensor:
            return self.logit_scale.exp() * (vectors[rows] * chosen[one]).sum(dim=1) + self.outfit_bias[one]

        return bpr_loss(score(outfits), score(drawn))

    def _contrast(self) -> Tensor:
        """InfoNCE between an outfit's own vector and its items', of some outfits."""
        rows = torch.randperm(len(self.outfit_bias), device=self.outfit_bias.device)[: self.config.contrast_rows]
        own, of_items = self.heard.parts(self.pool)
        return itc_loss(
            F.normalize(own[rows], dim=1), F.normalize(of_items[rows], dim=1), 1 / self.config.contrast_temperature
        )

    @torch.no_grad()
    def knowledge(self) -> Knowledge:
        """The bias is one more coordinate, in which every user is 1. All users are folded in, where they have no vector."""
        heard, chosen = self.outfits()
        scale = float(self.logit_scale.exp())
        if self.user_embedding is None:
            users = self.user_vectors(self.clicks(heard), self.clicks.offsets.diff())
        else:
            every = self.user_embedding.weight
            users = self.user_vectors(every, torch.ones(len(every), device=every.device))
        outfits = torch.cat([chosen, self.outfit_bias[:, None]], dim=1)
        start = F.pad(torch.zeros_like(users[0]), (0, 1), value=1.0)
        if self.config.item_level:
            items = F.pad(self.chosen.alone(), (0, 1), value=float(self.outfit_bias.mean()))
            item_sources = F.pad(self.heard.alone(), (0, 1))
        else:
            items, item_sources = self.of_outfits(outfits), F.pad(self.of_outfits(heard), (0, 1))
        return Knowledge(
            F.pad(scale * users, (0, 1), value=1.0), outfits, items, F.pad(heard, (0, 1)), item_sources, start,
            weight=None if self.user_hidden is None else F.pad(self.user_hidden.weight.T, (0, 0, 0, 1)),
            bias=None if self.user_hidden is None else self.user_hidden.bias,
            out=None if self.user_out is None else F.pad(self.user_out.weight.T, (0, 1)), scale=scale,
            unit=self.config.unit,
        )  # fmt: skip


class OutfitVectors(nn.Module):
    """Item and outfit level."""

    def __init__(self, config: HfgnMaskedConfig, data: Interactions) -> None:
        super().__init__()
        self.config = config
        dim = config.embed_dim
        self.outfit_embedding = nn.Embedding(data.num_outfits, dim) if config.outfit_ids else None
        features = data.item_features if config.item_level else None
        if config.item_level and features is None and not config.item_ids:
            raise ValueError("item_ids=false leaves nothing to know items by: these items have no features")
        self.item_embedding = nn.Embedding(data.num_items, dim) if config.item_level and config.item_ids else None
        for embedding in (self.outfit_embedding, self.item_embedding):
            if embedding is not None:
                nn.init.normal_(embedding.weight, std=0.1)
        self.feature_map = None
        if features is not None:
            self.register_buffer("features", torch.from_numpy(features), persistent=False)
            self.feature_map = nn.Linear(features.shape[1], dim, bias=False)

    features: Tensor

    def items(self) -> Tensor:
        """(I, D)."""
        if self.feature_map is None:
            assert self.item_embedding is not None
            return self.item_embedding.weight
        described: Tensor = self.feature_map(self.features)
        return described if self.item_embedding is None else described + self.item_embedding.weight

    def alone(self) -> Tensor:
        """(I, D): each item as an outfit of it alone, which has no vector of its own."""
        items = self.config.item_weight * self.items()
        return F.normalize(items, dim=1) if self.config.unit else items

    def parts(self, pool: Edges) -> tuple[Tensor, Tensor]:
        """(O, D) the outfits' own vectors, and what their items say."""
        assert self.outfit_embedding is not None
        return self.outfit_embedding.weight, pool(self.items())

    def forward(self, pool: Edges) -> Tensor:
        """(O, D) unit vectors o*."""
        if self.outfit_embedding is None:
            vectors = pool(self.items())
        elif not self.config.item_level:
            vectors = self.outfit_embedding.weight
        else:
            own, of_items = self.parts(pool)
            vectors = own + self.config.item_weight * of_items
        return F.normalize(vectors, dim=1) if self.config.unit else vectors
