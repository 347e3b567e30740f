"""BPR-MF: a vector for each user and each outfit, learned by ranking pairs.

Rendle, Freudenthaler, Gantner, Schmidt-Thieme, "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009 (arXiv
1205.2618), section 5.1 with the item bias that its reference code has. Nothing of an outfit's items is known to it.

Shapes: B batch, U users, O outfits, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modiste.data.click_batches import ClickBatch
from modiste.data.interactions import Interactions
from modiste.losses import bpr_loss
from modiste.models.click_graph import Edges, Knowledge, share_of_outfits


@dataclass(frozen=True)
class BprMfConfig:
    """Sizes of a `BprMf`."""

    embed_dim: int = 64
    l2: float = 1e-3
    """Weight of the mean squared length of the vectors in a batch."""


SIZES: dict[str, BprMfConfig] = {"debug": BprMfConfig(embed_dim=8), "paper": BprMfConfig()}


class BprMf(nn.Module):
    """Users by outfits."""

    def __init__(self, config: BprMfConfig, data: Interactions) -> None:
        super().__init__()
        self.config = config
        self.user_embedding = nn.Embedding(data.num_users, config.embed_dim)
        self.outfit_embedding = nn.Embedding(data.num_outfits, config.embed_dim)
        self.outfit_bias = nn.Parameter(torch.zeros(data.num_outfits))
        self.items = Edges(share_of_outfits(data.outfit_items))
        for one in (self.user_embedding, self.outfit_embedding):
            nn.init.normal_(one.weight, std=0.1)

    def losses(self, batch: ClickBatch) -> dict[str, Tensor]:
        """`bpr_loss` of a click before an outfit not clicked, `l2_loss` of the vectors that took part."""
        user, own, other = (
            self.user_embedding(batch.users), self.outfit_embedding(batch.outfits), self.outfit_embedding(batch.negatives)
        )  # fmt: skip
        bias = self.outfit_bias
        return {
            "bpr_loss": bpr_loss(
                (user * own).sum(1) + bias[batch.outfits], (user * other).sum(1) + bias[batch.negatives]
            ),
            "l2_loss": self.config.l2 * half_square(user, own, other),
        }

    @torch.no_grad()
    def knowledge(self) -> Knowledge:
        """The bias is one more coordinate, in which every user is 1. A new user is the mean of her likes."""
        outfits = torch.cat([self.outfit_embedding.weight, self.outfit_bias[:, None]], dim=1)
        sources = F.pad(self.outfit_embedding.weight, (0, 1))
        users = F.pad(self.user_embedding.weight, (0, 1), value=1.0)
        start = F.pad(torch.zeros_like(users[0, :-1]), (0, 1), value=1.0)
        return Knowledge(
            users, outfits, self.items(outfits), sources, self.items(sources), start, exponent=1.0, unit=False
        )


def half_square(*vectors: Tensor) -> Tensor:
    """Half the squared length, summed over kinds of vectors and averaged over the batch: HFGN's and LightGCN's regulariser."""
    return torch.stack([one.float().square().sum() / (2 * len(one)) for one in vectors]).sum()
