"""OutfitTransformer: is this an outfit (CP), and what is missing from it (CIR).

Sarkar, Bodla, Vasileva, Lin, Beniwal, Lu, Medioni, "OutfitTransformer: Learning Outfit Representations for Fashion
Recommendation", WACV 2023 (arXiv 2204.04812). Section 3.1 = `ItemEmbedder` and `SetEncoder`, 3.2 (compatibility) =
`compatibility`, 3.3 (complementary retrieval, set-wise ranking loss) = `queries`, `candidates`, `losses`. Written from the
papers' equations. CP pre-training before CIR = `from_compatibility`; the curriculum of negatives = `recipes/`.

What is ours: any frozen encoder's vectors in place of ResNet-18 and SentenceBERT (or towers, fine-tuned end to end); learned
null embeddings where a photo or words are missing; optional tags; one model for both tasks; the ranking term of CP (`rank`);
a term of pairs beside the set encoder's logit (`pair_dim`);
a unit vector per outfit for "similar looks" (`look`); a learned mark on the target token, which otherwise looks like an item
that has lost its photo; margins that unit vectors can meet.

Shapes: B batch, P items at hand, O items in a set, V sets, C candidates, D width, H heads, E embedding width, K kinds of tags.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from modiste.data.batches import OutfitBatch
from modiste.losses import focal_loss, itc_loss, ranking_loss, set_ranking_loss
from modiste.models.attention import attend

LOSSES = ("cp", "rank", "cir", "look")


@dataclass(frozen=True)
class OutfitTransformerConfig:
    """Sizes and behaviour of an `OutfitTransformer`; saved beside its weights."""

    image_dim: int = 192  # of the encoder's image vectors; 0: the model looks at no photo
    text_dim: int = 192  # of its text vectors; 0: the model reads no words
    dim: int = 128  # D: image part and text part side by side, half each (the paper's 64 + 64)
    depth: int = 6
    num_heads: int = 16
    hidden_dim: int = 512  # of the feed-forward layers; not given in the paper
    dropout: float = 0.1
    embed_dim: int = 128  # E of queries, candidates and outfit vectors
    pair_dim: int = 0  # compatibility also counts how well the items go in pairs, as products this wide; 0: the paper's
    tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Kind -> values with a learned embedding each: `category` (the paper's ablation), `id` (what was seen together), any
    attribute. None by default: then the model knows items by photo and words alone."""
    tag_dropout: float = 0.5  # share of the tags hidden in training, so that items with unknown ones are judged as well
    modality_dropout: float = 0.1  # share of the items that lose photo or words in training: what teaches the nulls
    unit_vectors: bool = True  # queries and candidates are normalised; False is the paper's
    initial_temperature: float = 0.1  # of the outfit vectors' contrastive loss

    def __post_init__(self) -> None:
        if self.dim % self.num_heads:
            raise ValueError(f"a width of {self.dim} cannot have {self.num_heads} heads")
        if self.dim % 2:
            raise ValueError(f"dim must be even: half photo, half words; not {self.dim}")
        if not (self.image_dim or self.text_dim or self.tags):
            raise ValueError(
                "items without photo, words and tags cannot be told apart: set image_dim, text_dim or tags"
            )


SIZES: dict[str, OutfitTransformerConfig] = {
    "debug": OutfitTransformerConfig(
        dim=16, depth=1, num_heads=2, hidden_dim=32, embed_dim=16, dropout=0.0, pair_dim=8
    ),
    "small": OutfitTransformerConfig(dim=96, depth=2, num_heads=4, hidden_dim=192, embed_dim=96, pair_dim=64),
    "paper": OutfitTransformerConfig(unit_vectors=False),
}


@dataclass(frozen=True)
class OutfitObjective:
    """Which losses `OutfitTransformer.losses` computes; their weights are the run's."""

    losses: tuple[str, ...] = LOSSES
    """cp: focal loss on real and broken looks. rank: the real look before the same look with other items. cir: set-wise
    ranking of the candidates by the target token's query. look: a look and its part are near each other as vectors."""
    gamma: float = 2.0  # of the focal loss; not given in the paper
    margin: float = 0.3  # of the set-wise ranking; the paper's 2 is for vectors that are not normalised

    def __post_init__(self) -> None:
        if not self.losses or set(self.losses) - set(LOSSES):
            raise ValueError(f"losses are {', '.join(LOSSES)}, not {', '.join(self.losses) or 'none'}")
        if self.margin <= 0:
            raise ValueError(f"margin must be greater than 0, not {self.margin}")


class ItemEmbedder(nn.Module):
    """Photo part and words part side by side, plus the tags: (..., D). Either part may be missing: then it is learned.

    With an image or text tower, pixels or token ids go through it first (fine-tuning end to end); else vectors are given.
    """

    def __init__(
        self,
        config: OutfitTransformerConfig,
        image_tower: nn.Module | None = None,
        text_tower: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.image_tower, self.text_tower = image_tower, text_tower
        part = config.dim // 2 if config.image_dim and config.text_dim else config.dim
        if config.image_dim:
            self.image = nn.Linear(config.image_dim, part)
            self.null_image = nn.Parameter(torch.randn(part))
        if config.text_dim:
            self.text = nn.Linear(config.text_dim, part)
            self.null_text = nn.Parameter(torch.randn(part))
        self.tags = nn.ModuleList(nn.Embedding(1 + len(values), config.dim) for values in config.tags.values())
        for table in self.tags:
            nn.init.normal_(table.weight, std=0.1)  # type: ignore[arg-type]

    def forward(
        self, images: Tensor | None, has_image: Tensor, texts: Tensor, has_text: Tensor, tags: Tensor
    ) -> Tensor:
        """`images` (..., Di), `has_image` (...), `texts` (..., Dt), `has_text` (...), `tags` (..., K) -> (..., D).

        With towers `images` is (..., 3, H, W) and `texts` (..., L) token ids. `images` None: no item has a photo.
        """
        has_image, has_text = self._drop(has_image, has_text)
        parts = []
        if self.config.image_dim:
            if images is None:
                parts.append(self.null_image.expand(*has_image.shape, -1))
            else:
                vectors = _through(self.image_tower, images, has_image.ndim)
                # Unit vectors have entries of 1/sqrt(Di): brought to the size that linear layers expect.
                x = self.image(vectors * math.sqrt(self.config.image_dim))
                parts.append(torch.where(has_image[..., None], x, self.null_image.to(x.dtype)))
        if self.config.text_dim:
            vectors = _through(self.text_tower, texts, has_text.ndim)
            x = self.text(vectors * math.sqrt(self.config.text_dim))
            parts.append(torch.where(has_text[..., None], x, self.null_text.to(x.dtype)))
        nothing = torch.zeros(*tags.shape[:-1], self.config.dim, device=tags.device)
        embedded = torch.cat(parts, dim=-1) if parts else nothing
        for number, table in enumerate(self.tags):
            column = tags[..., number]
            if self.training and self.config.tag_dropout:
                column = column * (torch.rand(column.shape, device=column.device) >= self.config.tag_dropout)
            embedded = embedded + table(column)
        return embedded

    def _drop(self, has_image: Tensor, has_text: Tensor) -> tuple[Tensor, Tensor]:
        """In training, take photo or words from some of the items that have both."""
        rate = self.config.modality_dropout
        if not (self.training and rate and self.config.image_dim and self.config.text_dim):
            return has_image, has_text
        chance = torch.rand(has_image.shape, device=has_image.device)
        both = has_image & has_text
        return has_image & ~(both & (chance < rate / 2)), has_text & ~(both & (chance > 1 - rate / 2))


class Block(nn.Module):
    """x <- x + Attention(LN(x)); x <- x + MLP(LN(x)): pre-norm, over (B, 1 + O, D), no positions."""

    def __init__(self, config: OutfitTransformerConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.norm1, self.norm2 = nn.LayerNorm(config.dim), nn.LayerNorm(config.dim)
        self.query_key_value = nn.Linear(config.dim, 3 * config.dim)
        self.project = nn.Linear(config.dim, config.dim)
        self.expand = nn.Linear(config.dim, config.hidden_dim)
        self.contract = nn.Linear(config.hidden_dim, config.dim)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        query, key, value = rearrange(
            self.query_key_value(self.norm1(x)), "b o (three h d) -> three b h o d", three=3, h=self.num_heads
        )
        mixed = attend(query, key, value, mask[:, None, None])  # (B, H, 1 + O, D / H)
        x = x + self.dropout(self.project(rearrange(mixed, "b h o d -> b o (h d)")))
        return x + self.dropout(self.contract(self.dropout(F.gelu(self.expand(self.norm2(x))))))


class SetEncoder(nn.Module):
    """A token of its own and items, in any order -> what the token has become: (B, D)."""

    def __init__(self, config: OutfitTransformerConfig) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.dim)

    def forward(self, token: Tensor, items: Tensor, mask: Tensor) -> Tensor:
        """`token` (B, D), `items` (B, O, D), `mask` (B, O; True = an item is there)."""
        x = torch.cat([token[:, None], items], dim=1)  # (B, 1 + O, D)
        mask = F.pad(mask, (1, 0), value=True)
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x[:, 0])


class OutfitTransformer(nn.Module):
    """Item embedder and set encoder with their heads."""

    def __init__(
        self,
        config: OutfitTransformerConfig,
        objective: OutfitObjective | None = None,
        *,
        image_tower: nn.Module | None = None,
        text_tower: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.config, self.objective = config, objective or OutfitObjective()
        if config.unit_vectors and "cir" in self.objective.losses and self.objective.margin >= 2:
            raise ValueError(
                f"a margin of {self.objective.margin} can never be met between unit vectors, whose distances end at 2: "
                "choose 0.2 to 0.5, or unit_vectors=False"
            )
        self.items = ItemEmbedder(config, image_tower, text_tower)
        self.outfit_token = nn.Parameter(torch.randn(config.dim))
        self.target_mark = nn.Parameter(torch.zeros(config.dim))
        self.sets = SetEncoder(config)
        self.compatibility_head = _mlp(config.dim, config.dropout, 1)
        if config.pair_dim:
            self.pair_head = nn.Linear(config.dim, config.pair_dim)
            self.item_head = nn.Linear(config.dim, 1)
        self.query_head = _mlp(config.dim, config.dropout, config.embed_dim)
        self.candidate_head = nn.Linear(config.dim, config.embed_dim)
        self.look_head = nn.Linear(config.dim, config.embed_dim)
        self.log_logit_scale = nn.Parameter(torch.tensor(math.log(1 / config.initial_temperature)))

    @property
    def device(self) -> torch.device:
        return self.outfit_token.device

    def read(self, items: Tensor, mask: Tensor) -> Tensor:
        """(B, O, D) items with mask (B, O) -> (B, D), what the outfit token has read."""
        return self.sets(self.outfit_token.expand(len(items), -1), items, mask)

    def compatibility(self, items: Tensor, mask: Tensor) -> Tensor:
        """(B, O, D) items with mask (B, O) -> logits (B,) of being an outfit."""
        return self.judge(self.read(items, mask), items, mask)

    def judge(self, read: Tensor, items: Tensor, mask: Tensor) -> Tensor:
        """`compatibility` of sets that the outfit token has `read` (B, D) already."""
        logits: Tensor = self.compatibility_head(read)[:, 0]
        if self.config.pair_dim:
            logits = logits + self._pair_term(items, mask)
        return logits

    def _pair_term(self, items: Tensor, mask: Tensor) -> Tensor:
        """(B,): the mean product over pairs of items, and the mean of what each item says by itself."""
        weights = mask[..., None].to(items.dtype)
        vectors = self.pair_head(items) * weights  # (B, O, F)
        count = weights.sum(dim=1)[:, 0].clamp(min=1)
        # The sum over pairs is half of |sum|^2 - sum of |.|^2: no need to look at every pair.
        both = vectors.sum(dim=1).square().sum(dim=1) - vectors.square().sum(dim=(1, 2))
        alone = (self.item_head(items) * weights).sum(dim=(1, 2))
        return both / (count * (count - 1)).clamp(min=1) + alone / count

    def looks(self, items: Tensor, mask: Tensor) -> Tensor:
        """(B, O, D) items with mask (B, O) -> unit vectors (B, E): S_O of two outfits is their product."""
        return self.look(self.read(items, mask))

    def look(self, read: Tensor) -> Tensor:
        """`looks` of sets that the outfit token has `read` (B, D) already."""
        return F.normalize(self.look_head(read).float(), dim=-1)

    def queries(self, target: Tensor, items: Tensor, mask: Tensor) -> Tensor:
        """`target` (B, D), embedded as an item without a photo, and the partial outfit -> (B, E)."""
        return self._space(self.query_head(self.sets(target + self.target_mark, items, mask)))

    def candidates(self, items: Tensor) -> Tensor:
        """(..., D) items -> (..., E), each by itself: the smaller the Euclidean distance to a query the better."""
        return self._space(self.candidate_head(items))

    def target(self, wanted_text: Tensor, has_wanted_text: Tensor, wanted_tags: Tensor) -> Tensor:
        """The wanted item as far as it is known, with the null image: (B, D)."""
        no_image = torch.zeros_like(has_wanted_text)
        target: Tensor = self.items(None, no_image, wanted_text, has_wanted_text, wanted_tags)
        return target

    def losses(self, batch: OutfitBatch) -> dict[str, Tensor]:
        """`cp_loss`, `rank_loss`, `cir_loss`, `look_loss`, as the objective asks, and how often the real look wins."""
        items = self.items(batch.images, batch.has_image, batch.texts, batch.has_text, batch.tags)  # (B, P, D)
        asked, found = self.objective.losses, {}
        partial = batch.partial
        if "cp" in asked or "rank" in asked:
            sets, labels = batch.judged
            logits = self.compatibility(*gather_sets(items, sets)).float().view(sets.shape[:2])  # (B, C + V)
            there = (sets >= 0).any(dim=2)
            if "cp" in asked:
                # Broken looks outnumber real ones as the batch was made, not as life is: each kind counts half.
                kinds = [focal_loss(logits[one], labels[one], gamma=self.objective.gamma)
                         for one in (there & labels, there & ~labels)]  # fmt: skip
                found["cp_loss"] = (kinds[0] + kinds[1]) / 2
            if "rank" in asked:
                num_candidates = batch.candidates.shape[1]
                own, others = logits[:, :1], logits[:, 1:num_candidates]
                others = others.masked_fill(~there[:, 1:num_candidates], -math.inf)
                found["rank_loss"] = ranking_loss(own, others)
                found["rank_accuracy"] = (own > others).all(dim=1).float().mean().detach()
        if "cir" in asked:
            target = self.target(batch.wanted_text, batch.has_wanted_text, batch.wanted_tags)
            query = self.queries(target, *gather_sets(items, partial[:, None]))  # (B, E)
            vectors = self.candidates(gather_sets(items, batch.candidates[:, None])[0])  # (B, C, E)
            distances = _distances(query[:, None], vectors)  # (B, C)
            there = batch.candidates[:, 1:] >= 0
            found["cir_loss"] = set_ranking_loss(
                distances[:, 0], distances[:, 1:], margin=self.objective.margin, mask=there
            )
        if "look" in asked:
            pair = torch.stack([batch.completions[:, 0], F.pad(partial, (0, 1), value=-1)], dim=1)  # (B, 2, O + 1)
            whole, part = self.looks(*gather_sets(items, pair)).view(len(batch), 2, -1).unbind(dim=1)
            found["look_loss"] = itc_loss(whole, part, self.log_logit_scale.exp().clamp(max=100.0))
        return found

    def _space(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors.float(), dim=-1) if self.config.unit_vectors else vectors.float()


@dataclass(frozen=True)
class KeyReport:
    """What became of every weight when one model was started from another."""

    copied: tuple[str, ...]
    fresh: Mapping[str, str]  # name -> why it starts anew
    dropped: Mapping[str, str]  # name -> why it was left behind


def from_compatibility(model: OutfitTransformer, start: OutfitTransformer, *, keep_heads: bool = False) -> KeyReport:
    """Start a model from one trained for compatibility: embedder and set encoder are copied, the last layers replaced.

    The paper's CP -> CIR initialisation. `keep_heads` copies the heads too: the same task goes on. Every key is accounted
    for; raises `ValueError` where the two models' sizes or tags differ.
    """
    own, given = model.state_dict(), start.state_dict()
    heads = (
        "compatibility_head.",
        "pair_head.",
        "item_head.",
        "query_head.",
        "candidate_head.",
        "look_head.",
        "log_logit_scale",
        "target_mark",
    )
    fresh: dict[str, str] = {}
    dropped: dict[str, str] = {}
    for name in sorted(own.keys() | given.keys()):
        if name not in own:
            dropped[name] = "the new model has no such part"
        elif name not in given:
            fresh[name] = "the model started from has no such part"
        elif name.startswith(heads) and not keep_heads:
            fresh[name], dropped[name] = "a head of the new task", "a head of the old task"
        elif own[name].shape != given[name].shape:
            raise ValueError(
                f"{name} has shape {tuple(given[name].shape)} in the model started from, not {tuple(own[name].shape)}: "
                "both need the same sizes, encoder and tags"
            )
    copied = tuple(name for name in own if name not in fresh)
    model.load_state_dict({name: given[name] if name in copied else own[name] for name in own})
    return KeyReport(copied, fresh, dropped)


def gather_sets(items: Tensor, sets: Tensor) -> tuple[Tensor, Tensor]:
    """`items` (B, P, D) and positions `sets` (B, V, O), -1 none -> (B * V, O, D) and mask (B * V, O).

    With V = 1 the sets keep the batch's rows.
    """
    batch, num_sets, places = sets.shape
    index = sets.clamp(min=0).flatten(1)[..., None].expand(-1, -1, items.shape[-1])
    chosen = items.gather(1, index).view(batch * num_sets, places, items.shape[-1])
    return chosen, (sets >= 0).view(batch * num_sets, places)


def _through(tower: nn.Module | None, inputs: Tensor, leading: int) -> Tensor:
    """Inputs with `leading` leading dimensions through a tower that takes one; as they are without a tower."""
    if tower is None:
        return inputs
    encoded: Tensor = tower(inputs.flatten(0, leading - 1))
    return encoded.view(*inputs.shape[:leading], -1)


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean; the root's gradient is infinite at 0, so squares stop just above it."""
    return (a - b).square().sum(dim=-1).clamp(min=1e-12).sqrt()


def _mlp(dim: int, dropout: float, out_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(dim, out_dim))
