"""Type-aware embeddings: each pair of categories compares items in a subspace of its own.

Vasileva, Plummer, Dusad, Rajpal, Kumar, Forsyth, "Learning Type-Aware Embeddings for Fashion Compatibility", ECCV 2018
(arXiv 1803.09196). Equation 3 = `pair_weights` (its learned variant: a mask per pair of types, as in Conditional Similarity
Networks, arXiv 1603.07810), equation 5 = the triplet loss, section 3.2's visual-semantic term = `vse_loss`; the l1 and l2
penalties on masks and embeddings are its section 4.

What is ours: vectors of a frozen encoder in place of ResNet-18 and word2vec; the mean over pairs goes through a fitted link.

Shapes: B batch, C candidates, E embedding width, T types.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from modiste.data.batches import OutfitBatch
from modiste.losses import set_ranking_loss
from modiste.models.pairwise import PairwiseConfig, PairwiseModel

SIZES: dict[str, PairwiseConfig] = {
    "debug": PairwiseConfig(embed_dim=16, dropout=0.0, tags={"category": ()}),
    "small": PairwiseConfig(embed_dim=64, tags={"category": ()}),
}


class TypeAware(PairwiseModel):
    """d(x, y) of types (u, v) = |w_uv * (x - y)| with a learned mask w_uv >= 0."""

    def __init__(self, config: PairwiseConfig) -> None:
        super().__init__(config)
        num_types = config.num_types
        # One row for each unordered pair of types; around 1: all subspaces start as the whole space.
        self.masks = nn.Embedding(num_types * (num_types + 1) // 2, config.embed_dim)
        nn.init.normal_(self.masks.weight, mean=0.9, std=0.7)  # the released code's

    def pair_weights(self, types: Tensor, others: Tensor) -> Tensor:
        low, high = torch.minimum(types, others), torch.maximum(types, others)
        return self.masks(high * (high + 1) // 2 + low).relu()

    def losses(self, batch: OutfitBatch) -> dict[str, Tensor]:
        """`triplet_loss`, `sparsity_loss` (5e-4 of the masks), `cp_loss` (of the link), `vse_loss` with photo and words."""
        sets, labels = batch.judged
        means, there = self.set_terms(batch, sets)
        num_candidates = batch.candidates.shape[1]
        found = {
            "triplet_loss": set_ranking_loss(
                -means[:, 0], -means[:, 1:num_candidates], margin=self.config.margin,
                mask=there[:, 1:num_candidates] & there[:, :1], terms=("all",),
            ),
            "sparsity_loss": 5e-4 * self.masks.weight.abs().mean(),
            "cp_loss": self.compatibility_loss(means, there, labels),
        }  # fmt: skip
        if self.image is not None and self.text is not None:
            found["vse_loss"] = 0.1 * self._visual_semantic(batch)
        return found

    def _visual_semantic(self, batch: OutfitBatch) -> Tensor:
        """An item's photo is nearer to its own words than to those of the row's other items."""
        assert self.image is not None
        assert self.text is not None
        unit = torch.nn.functional.normalize
        images, texts = unit(self.image(batch.images), dim=-1), unit(self.text(batch.texts), dim=-1)  # (B, P, E)
        distances = torch.cdist(images.float(), texts.float())  # (B, P, P)
        own = distances.diagonal(dim1=1, dim2=2)
        mask = batch.has_image[:, :, None] & batch.has_text[:, None, :] & batch.has_text[:, :, None]
        mask = mask & ~torch.eye(mask.shape[1], dtype=torch.bool, device=mask.device)
        return set_ranking_loss(
            own.flatten(), distances.flatten(0, 1), margin=self.config.margin, mask=mask.flatten(0, 1), terms=("all",)
        )
