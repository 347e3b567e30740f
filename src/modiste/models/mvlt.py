"""MVLT, the Masked Vision-Language Transformer.

Ji, Zhuge, Gao, Fan, Sakaridis, Van Gool, "Masked Vision-Language Transformer in Fashion", Machine Intelligence Research
2023 (arXiv 2210.15110). Table 1 = `SIZES["tiny"]`, equations 1-2 = `Stage`, section 3.2 = `Mvlt.losses`, the masks of
Table 3 = `data/masking.py`, decoders = `mvlt_decoders.py`. The pyramid is PVT's (Wang et al. 2021, arXiv 2102.12122),
whose published weights `mvlt_pvt.py` loads. Written from the papers' equations; the released code's known mistakes are
regression tests.

What is ours, each off in the paper's own sizes: `conv_stages` (a convolutional start, mvlt_trunk.py: what a pyramid needs
that learns from 30,000 photos alone), `joint_from` (photo and words first go their own ways, so catalogue photos are encoded
once and a pair costs only the last stages), the contrastive head (ITC, arXiv 2103.00020) and ITM negatives drawn by it
(ALBEF, arXiv 2107.07651), its embeddings' product beside [CLS] in the matching head (`match_product`), the ranking term of
ITM, and label heads.

Shapes: B batch, L text length, N image tokens of a stage (h x w), D width of a stage, V vocabulary, E embedding width,
K negatives of a pair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from modiste.data.batches import ImageTextBatch, LabelledBatch
from modiste.data.masking import IGNORED, MaskStyle, hide_pixels, hide_words, pixel_mask
from modiste.losses import itc_loss, itm_loss, masked_cross_entropy, mir_loss, ranking_loss
from modiste.models.attention import attend
from modiste.models.mvlt_decoders import Decoder, build_decoder
from modiste.models.mvlt_trunk import ConvStage, SplitNorm
from modiste.models.word_trust import WordTrust

EPS = 1e-6  # of every layer norm in PVT


@dataclass(frozen=True)
class MvltConfig:
    """Sizes and behaviour of an `Mvlt`; saved beside its weights. Defaults are the paper's (its Table 1, PVT-tiny)."""

    vocab_size: int = 30_522  # bert-base-uncased
    num_special: int = 5  # [PAD] [UNK] [CLS] [SEP] [MASK] come first in our vocabularies: no random word is one of them
    mask_id: int = 4  # [MASK]
    context_length: int = 128  # L
    image_size: tuple[int, int] = (256, 256)  # (width, height)
    word_dim: int = 768
    dims: tuple[int, ...] = (64, 128, 320, 512)  # D_k
    depths: tuple[int, ...] = (2, 2, 2, 2)  # M_k
    num_heads: tuple[int, ...] = (1, 2, 5, 8)
    mlp_ratios: tuple[int, ...] = (8, 8, 4, 4)
    sr_ratios: tuple[int, ...] = (8, 4, 2, 1)  # spatial reduction of keys and values; text is never reduced
    strides: tuple[int, ...] = (4, 2, 2, 2)  # S_k, with kernels as large: R_k = 4, 8, 16, 32
    drop_path: float = 0.1  # linear over the blocks
    dropout: float = 0.0  # of the word embeddings
    pad_mask: bool = True  # False: padding is attended to, as in the released code
    joint_from: int = 1  # first stage in which photo and words attend to each other; the paper's is 1
    conv_stages: int = 0  # so many first stages see the photo by convolutions, and words by linear layers alone
    decoder: Literal["unet4", "cpd3", "none"] = "unet4"  # the paper's, or the released one; none: no photo is painted
    embed_dim: int = 0  # E of the contrastive head; 0: there is none, as in the paper
    match_product: bool = False  # the matching head sees the two embeddings' product too: it starts as good as ITC
    initial_temperature: float = 0.07
    max_logit_scale: float = 100.0
    views: tuple[float, ...] = (1.0, -1.0)  # item vectors: zooms whose embeddings are averaged, mirrored where negative
    match_views: tuple[float, ...] = (1.0,)  # zooms whose embeddings' mean the matching head reads, where it reads any
    itm_share: float = 0.5  # the matching head's say in a re-ranking beside the contrastive head's; chosen on valid
    judge_bank_share: float = 1.0  # how much of its query bank's say counts where it judges what another model found
    draft_factor: int = 4  # JPEGs are decoded at no more than this many times the size, where their blocks allow
    activation_checkpointing: bool = False  # recompute blocks backwards: memory for time, at 256 px

    def __post_init__(self) -> None:
        lengths = {len(one) for one in (self.dims, self.depths, self.num_heads, self.mlp_ratios, self.sr_ratios)}
        if lengths != {len(self.strides)}:
            raise ValueError("dims, depths, num_heads, mlp_ratios, sr_ratios and strides must have one entry per stage")
        if self.match_product and not self.embed_dim:
            raise ValueError("match_product needs the contrastive head: set embed_dim")
        for name in ("itm_share", "judge_bank_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}")
        if not 1 <= self.joint_from <= len(self.dims):
            raise ValueError(f"joint_from must name one of the {len(self.dims)} stages, not {self.joint_from}")
        if not 0 <= self.conv_stages < self.joint_from:
            raise ValueError("convolutional stages come before the joint ones: conv_stages < joint_from")
        for dim, heads in zip(self.dims, self.num_heads, strict=True):
            if dim % heads:
                raise ValueError(f"a stage of width {dim} cannot have {heads} heads")

    def grid(self, stage: int) -> tuple[int, int]:
        """(h, w) of stage `stage` (from 0) for photos of `image_size`; what does not divide is padded."""
        width, height = self.image_size
        for stride in self.strides[: stage + 1]:
            width, height = math.ceil(width / stride), math.ceil(height / stride)
        return height, width


# The dual encoder's towers (clip.SIZES["small"]) under one joint stage.
_SMALL = MvltConfig(
    vocab_size=8192, context_length=32, image_size=(60, 80), word_dim=192, dims=(32, 64, 128, 256, 256),
    depths=(1, 1, 1, 2, 2), num_heads=(1, 1, 2, 4, 4), mlp_ratios=(4, 4, 4, 4, 4), sr_ratios=(1, 1, 1, 1, 1),
    strides=(2, 2, 2, 2, 1), dropout=0.1, conv_stages=4, joint_from=5, embed_dim=192, match_product=True,
    views=(1.0, -0.93, 1.08),
)  # fmt: skip
SIZES: dict[str, MvltConfig] = {
    "debug": MvltConfig(
        vocab_size=512, context_length=16, image_size=(32, 40), word_dim=32, dims=(8, 16, 24, 32), depths=(1, 1, 1, 1),
        num_heads=(1, 2, 3, 4), mlp_ratios=(2, 2, 2, 2), sr_ratios=(4, 2, 1, 1), drop_path=0.0, embed_dim=16,
    ),
    # The paper's equations at a size for ablations on 60x80 photos.
    "micro": MvltConfig(
        vocab_size=8192, context_length=32, image_size=(64, 80), word_dim=192, dims=(32, 64, 160, 256), num_heads=(1, 2, 5, 8),
    ),
    "small": _SMALL,
    "small_224": replace(_SMALL, image_size=(180, 240)),
    # For judging pairs alone: it first looks at the photo at full resolution (clip.SIZES["fine"]), and paints nothing.
    "judge": replace(
        _SMALL, dims=(24, 48, 96, 192, 256, 256), depths=(1, 1, 1, 1, 2, 2), num_heads=(1, 1, 2, 4, 4, 4), mlp_ratios=(4,) * 6,
        sr_ratios=(1,) * 6, strides=(1, 2, 2, 2, 2, 1), conv_stages=5, joint_from=6, decoder="none",
        match_views=(1.0, -0.93, 1.08),
    ),
    # The image side alone on photos of 28x28 pixels (Fashion-MNIST).
    "micro_28": replace(
        _SMALL, image_size=(28, 28), word_dim=64, dims=(64, 128, 256, 256), depths=(1, 2, 2, 1), num_heads=(1, 2, 4, 4),
        mlp_ratios=(2,) * 4, sr_ratios=(1,) * 4, strides=(2, 2, 2, 1), conv_stages=3, joint_from=4, embed_dim=0,
        match_product=False, context_length=2,
    ),
    "tiny": MvltConfig(decoder="cpd3"),  # Table 1 as released; decoder="unet4" is the paper's text
}  # fmt: skip


@dataclass(frozen=True)
class MvltObjective:
    """Which losses `Mvlt.losses` computes and on what; their weights are the run's (paper: MIR 10, ITM 1, MLM 1)."""

    losses: tuple[str, ...] = ("mir", "itm", "mlm")  # of mir, itm, mlm, itc, tag
    mask_style: MaskStyle = "random_grid"
    mask_ratio: float = 0.5  # r_v
    mask_unit: int = 16  # pixels: alpha P
    word_rate: float = 0.15  # r_l
    alternate: bool = False  # every other row sees the clean photo, the released code's batches by turns
    one_pass: bool = True  # the paper's: all losses on one masked pass; False: ITM gets a pass of its own, unmasked
    negative_hardness: float = (
        0.0  # ITM negatives: 0 uniform, 1 as often as the contrastive head takes them for the match
    )
    num_negatives: int = 1  # K, per direction, of ITM's own pass
    rank_term: bool = False  # ITM's own pass also ranks each pair before its negatives
    frozen_towers: bool = False  # the stages before joint_from, words and contrastive head stay as they are

    def __post_init__(self) -> None:
        if unknown := set(self.losses) - {"mir", "itm", "mlm", "itc", "tag"}:
            raise ValueError(f"unknown objective {', '.join(sorted(unknown))}; there are mir, itm, mlm, itc, tag")
        if not self.losses:
            raise ValueError("at least one objective is needed: mir, itm, mlm, itc, tag")
        if self.one_pass and (self.negative_hardness or self.num_negatives > 1 or self.rank_term):
            raise ValueError("negative_hardness, num_negatives and rank_term need one_pass=False")


@dataclass
class Pyramid:
    """What an encoding leaves at each stage: maps V^k (B, D_k, h_k, w_k) and texts T^k (B, L, D_k); empty: not given."""

    image: list[Tensor] = field(default_factory=list)
    text: list[Tensor] = field(default_factory=list)
    attention_mask: Tensor | None = None  # (B, L) True = attend; None: every position is attended to
    bag: Tensor | None = None  # (B, W) the words' embeddings summed, over the root of their number
    product: Tensor | None = None  # (B, E) of the two unit embeddings, where the matching head asks for it

    def first(self, count: int) -> Pyramid:
        """The first `count` rows."""
        mask, bag, product = (None if x is None else x[:count] for x in (self.attention_mask, self.bag, self.product))
        return Pyramid([x[:count] for x in self.image], [x[:count] for x in self.text], mask, bag, product)


class DropPath(nn.Module):
    """Stochastic depth: a row's residual branch is dropped with probability `rate` (Huang et al. 2016)."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= self.rate
        return x * kept / (1 - self.rate)


class Attention(nn.Module):
    """Spatial-reduction attention over [image ; text]: keys and values of the image come from a coarser grid."""

    def __init__(self, dim: int, num_heads: int, sr_ratio: int) -> None:
        super().__init__()
        self.num_heads, self.sr_ratio = num_heads, sr_ratio
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.project = nn.Linear(dim, dim)
        if sr_ratio > 1:
            self.reduce = nn.Conv2d(dim, dim, sr_ratio, sr_ratio)
            self.reduce_norm = nn.LayerNorm(dim, eps=EPS)

    def forward(self, x: Tensor, grid: tuple[int, int], text_mask: Tensor | None) -> Tensor:
        num_image = grid[0] * grid[1]
        keys = x
        if self.sr_ratio > 1 and num_image:
            image = rearrange(x[:, :num_image], "b (h w) d -> b d h w", h=grid[0])
            image = self.reduce(_pad(image, self.sr_ratio)).flatten(2).transpose(1, 2)  # (B, N / sr^2, D)
            keys = torch.cat([self.reduce_norm(image), x[:, num_image:]], dim=1)
        query = rearrange(self.query(x), "b n (h d) -> b h n d", h=self.num_heads)
        key, value = rearrange(self.key_value(keys), "b n (two h d) -> two b h n d", two=2, h=self.num_heads)
        mask = None
        if text_mask is not None:
            mask = F.pad(text_mask, (keys.shape[1] - text_mask.shape[1], 0), value=True)[
                :, None, None
            ]  # (B, 1, 1, keys)
        mixed = attend(query, key, value, mask)
        return self.project(rearrange(mixed, "b h n d -> b n (h d)"))


class FeedForward(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.expand = nn.Linear(dim, hidden_dim)
        self.contract = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(F.gelu(self.expand(x)))


class Block(nn.Module):
    """z <- z + DropPath(SRA(LN(z))); z <- z + DropPath(MLP(LN(z))), z = [image ; text] (B, N + L, D)."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: int, sr_ratio: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.attention = Attention(dim, num_heads, sr_ratio)
        self.norm2 = nn.LayerNorm(dim, eps=EPS)
        self.feed_forward = FeedForward(dim, mlp_ratio * dim)
        self.drop_path = DropPath(drop_path)

    def forward(self, z: Tensor, grid: tuple[int, int], text_mask: Tensor | None) -> Tensor:
        z = z + self.drop_path(self.attention(self.norm1(z), grid, text_mask))
        return z + self.drop_path(self.feed_forward(self.norm2(z)))


class Stage(nn.Module):
    """Stage k: patches and words to width D_k with learned positions (equations 1-2), then M_k blocks over both."""

    def __init__(self, config: MvltConfig, number: int, drop_paths: Sequence[float]) -> None:
        super().__init__()
        dim, stride = config.dims[number], config.strides[number]
        image_dim = config.dims[number - 1] if number else 3
        text_dim = config.dims[number - 1] if number else config.word_dim
        self.stride = stride
        self.patches = nn.Conv2d(image_dim, dim, stride, stride)
        self.patches_norm = nn.LayerNorm(dim, eps=EPS)
        self.words = nn.Linear(text_dim, dim)
        self.words_norm = nn.LayerNorm(dim, eps=EPS)
        self.grid = config.grid(number)
        self.image_positions = nn.Parameter(torch.empty(1, self.grid[0] * self.grid[1], dim))
        self.text_positions = nn.Parameter(torch.empty(1, config.context_length, dim))
        self.blocks = nn.ModuleList(
            Block(dim, config.num_heads[number], config.mlp_ratios[number], config.sr_ratios[number], rate)
            for rate in drop_paths
        )
        self.checkpointing = config.activation_checkpointing

    def forward(
        self, image: Tensor | None, text: Tensor | None, text_mask: Tensor | None, hidden: bool = False
    ) -> tuple[Tensor | None, Tensor | None]:
        """V^{k-1} (B, C, H, W) and T^{k-1} (B, L, C'), one of them or both -> V^k (B, D, h, w) and T^k (B, L, D)."""
        parts, grid = [], (0, 0)
        if image is not None:
            x = self.patches(_pad(image, self.stride))
            grid = (x.shape[2], x.shape[3])
            parts.append(self.patches_norm(x.flatten(2).transpose(1, 2)) + self._positions(grid))
        if text is not None:
            parts.append(self.words_norm(self.words(text)) + self.text_positions[:, : text.shape[1]])
        z = torch.cat(parts, dim=1) if len(parts) == 2 else parts[0]
        for block in self.blocks:
            if self.checkpointing and self.training:
                z = checkpoint(block, z, grid, text_mask, use_reentrant=False)
            else:
                z = block(z, grid, text_mask)
        num_image = grid[0] * grid[1]
        out_image = rearrange(z[:, :num_image], "b (h w) d -> b d h w", h=grid[0]) if image is not None else None
        return out_image, z[:, num_image:] if text is not None else None

    def _positions(self, grid: tuple[int, int]) -> Tensor:
        """The learned positions, interpolated where the grid is not the one they were learned on: (1, N, D)."""
        if grid == self.grid:
            return self.image_positions
        table = rearrange(self.image_positions, "1 (h w) d -> 1 d h w", h=self.grid[0])
        return F.interpolate(table, grid, mode="bilinear", align_corners=False).flatten(2).transpose(1, 2)


class EarlyStage(nn.Module):
    """A stage before `joint_from` that sees the photo by convolutions; words get their linear layer and norm."""

    def __init__(self, config: MvltConfig, number: int) -> None:
        super().__init__()
        dim = config.dims[number]
        image_dim, text_dim = (config.dims[number - 1],) * 2 if number else (3, config.word_dim)
        self.image = ConvStage(image_dim, dim, config.strides[number], config.depths[number])
        self.words = nn.Linear(text_dim, dim)
        self.words_norm = nn.LayerNorm(dim, eps=EPS)

    def forward(
        self, image: Tensor | None, text: Tensor | None, text_mask: Tensor | None, hidden: bool = False
    ) -> tuple[Tensor | None, Tensor | None]:
        """As `Stage`; `hidden` says that the photos have hidden pixels."""
        new_image = self.image(image, hidden) if image is not None else None
        return new_image, self.words_norm(self.words(text)) if text is not None else None


class Pool(nn.Module):
    """Features (B, F) -> unit embedding (B, E) of the contrastive head."""

    def __init__(self, norm: nn.Module, features: int, config: MvltConfig) -> None:
        super().__init__()
        self.norm = norm
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear(features, config.embed_dim)

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.project(self.dropout(self.norm(x))).float(), dim=1)


class Projection(nn.Module):
    """Linear D_4 -> word width, then layer norm: what stands before each of the paper's heads."""

    def __init__(self, config: MvltConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(config.dims[-1], config.word_dim)
        self.norm = nn.LayerNorm(config.word_dim, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.linear(x))


class LabelHead(nn.Module):
    """[CLS] of T^4 (B, D_4) -> logits (B, classes): the heads of M-CR and S-CR.

    With convolutional stages it also sees what each side knows alone, `evidence` (B, W + 2D): most labels are a word of the
    title or a shape, and need no reasoning over both.
    """

    def __init__(self, config: MvltConfig, num_classes: int) -> None:
        super().__init__()
        self.project = Projection(config)
        self.classify = nn.Linear(config.word_dim, num_classes)
        self.alone = None
        if config.conv_stages:
            self.alone = nn.Linear(config.word_dim + 2 * config.dims[config.joint_from - 2], config.word_dim)

    def forward(self, cls: Tensor, evidence: Tensor | None) -> Tensor:
        x = self.project(cls)
        if self.alone is not None:
            assert evidence is not None
            x = x + F.relu(self.alone(evidence))
        return self.classify(x)


class Mvlt(nn.Module):
    """The pyramid with its heads.

    `labels`: attribute -> its classes, a label head each (`article_type`, `colour`...); none by default.
    """

    def __init__(
        self,
        config: MvltConfig,
        objective: MvltObjective | None = None,
        *,
        labels: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.objective = objective or MvltObjective()
        needs_itc = "itc" in self.objective.losses or self.objective.negative_hardness > 0
        if needs_itc and not config.embed_dim:
            raise ValueError("the contrastive objective and hard negatives need embed_dim, the width of the ITC head")
        self.words = nn.Embedding(config.vocab_size, config.word_dim, padding_idx=0)
        self.word_trust = WordTrust(config.vocab_size)
        self.word_positions = nn.Parameter(torch.empty(1, config.context_length, config.word_dim))
        self.word_segment = nn.Parameter(
            torch.empty(1, 1, config.word_dim)
        )  # BERT's segment embedding; one segment here
        self.words_norm = nn.LayerNorm(config.word_dim, eps=1e-12)  # BERT's
        self.dropout = nn.Dropout(config.dropout)
        rates = torch.linspace(0, config.drop_path, sum(config.depths), device="cpu").tolist()
        starts = [sum(config.depths[:number]) for number in range(len(config.depths))]
        self.stages = nn.ModuleList(
            EarlyStage(config, number)
            if number < config.conv_stages
            else Stage(config, number, rates[start : start + depth])
            for number, (start, depth) in enumerate(zip(starts, config.depths, strict=True))
        )
        self.decoder: Decoder | None = None if config.decoder == "none" else build_decoder(config.decoder, config.dims)
        self.itm_project = Projection(config)
        self.itm_classify = nn.Linear(config.word_dim, 2)  # no match, match
        self.mlm_project = Projection(config)
        self.mlm_dense = nn.Linear(config.word_dim, config.word_dim)
        self.mlm_norm = nn.LayerNorm(config.word_dim, eps=1e-12)
        self.mlm_bias = nn.Parameter(torch.zeros(config.vocab_size))
        if config.embed_dim:
            # Aligned before they are fused (ALBEF): the heads read what each side knows alone.
            dim = config.dims[config.joint_from - 2] if config.joint_from > 1 else config.dims[-1]
            if config.conv_stages:  # the dual encoder's heads
                self.itc_image = Pool(nn.Identity(), 2 * dim, config)
                self.itc_text = Pool(nn.LayerNorm(config.word_dim), config.word_dim, config)
            else:
                # Batch norm takes away what all rows share: without it all embeddings start alike, and can stay there.
                image, text = 2 * dim, 2 * dim + config.word_dim
                self.itc_image = Pool(nn.BatchNorm1d(image), image, config)
                self.itc_text = Pool(nn.BatchNorm1d(text), text, config)
            self.log_logit_scale = nn.Parameter(torch.tensor(math.log(1 / config.initial_temperature)))
            if config.match_product:
                self.itm_product = nn.Linear(config.embed_dim, config.word_dim, bias=False)
        self.labels = {name: tuple(classes) for name, classes in (labels or {}).items()}
        if self.labels and config.conv_stages:
            self.label_norm = nn.LayerNorm(config.word_dim)
        self.label_heads = nn.ModuleDict({name: LabelHead(config, len(of)) for name, of in self.labels.items()})
        self._initialise()
        if self.objective.frozen_towers:
            self._freeze_towers()

    @property
    def device(self) -> torch.device:
        return self.mlm_bias.device

    @property
    def logit_scale(self) -> Tensor:
        return self.log_logit_scale.exp().clamp(max=self.config.max_logit_scale)

    def train(self, mode: bool = True) -> Mvlt:
        """As for any module; norms of frozen towers keep their statistics, but those for hidden pixels learn."""
        super().train(mode)
        if self.objective.frozen_towers:
            for module in self.modules():
                if isinstance(module, SplitNorm):
                    module.whole.eval()
        return self

    def _freeze_towers(self) -> None:
        for name, parameter in self.named_parameters():
            early = any(name.startswith(f"stages.{number}.image.") for number in range(self.config.conv_stages))
            kept = early and ".hidden." not in name  # the norms of hidden photos must learn what those look like
            if kept or name.startswith(("itc_", "words.weight", "log_logit_scale")):
                parameter.requires_grad_(False)

    # ---- Encoding -----------------------------------------------------------------------------------------------------

    def begin(
        self,
        images: Tensor | None = None,
        token_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        hidden: bool = False,
    ) -> Pyramid:
        """The stages before `joint_from`, in which photo and words do not meet: cache this per photo and per text.

        `images` (B, 3, H, W), uint8 or float in [0, 1]; `token_ids` (B, L) with `attention_mask` (B, L), True = attend.
        `hidden`: the photos have hidden pixels. With joint_from=1 the result is the photo itself and the word embeddings. The
        pyramid's last entries go into `finish`.
        """
        found = Pyramid()
        if images is not None:
            image = images.float() / 255 if images.dtype == torch.uint8 else images
            found.image.append(image)
            for stage in self._stages(1, self.config.joint_from):
                image = stage(image, None, None, hidden)[0]
                found.image.append(image)
        if token_ids is not None:
            token_ids, found.attention_mask = self._padded(token_ids, attention_mask)
            words = self.words(token_ids)
            is_word = (token_ids != 0)[..., None]  # the tied MLM decoder moves the embedding of padding, too
            trusted = is_word.to(words.dtype)
            if not self.training or self.objective.frozen_towers:  # words that do not learn are read as later in use
                trusted = trusted * self.word_trust(token_ids)[..., None]
            found.bag = (words * trusted).sum(dim=1) / is_word.sum(dim=1).sqrt()  # (B, W)
            text = words + self.word_positions[:, : token_ids.shape[1]] + self.word_segment
            text = self.dropout(self.words_norm(text))
            found.text.append(text)
            for stage in self._stages(1, self.config.joint_from):
                text = stage(None, text, found.attention_mask)[1]
                found.text.append(text)
        return found

    def finish(self, begun: Pyramid) -> Pyramid:
        """The stages from `joint_from`: over both where the pyramid has both, else over the one it has."""
        image = begun.image[-1] if begun.image else None
        text = begun.text[-1] if begun.text else None
        found = Pyramid(list(begun.image), list(begun.text), begun.attention_mask, begun.bag, begun.product)
        for stage in self._stages(self.config.joint_from, len(self.stages) + 1):
            image, text = stage(image, text, begun.attention_mask)
            found.image += [image] if image is not None else []
            found.text += [text] if text is not None else []
        return found

    def encode(
        self,
        images: Tensor | None = None,
        token_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        *,
        hidden: bool = False,
    ) -> Pyramid:
        """`finish(begin(...))`: {V^k} and {T^k}; index 0 is what went in, index k stage k."""
        return self.finish(self.begin(images, token_ids, attention_mask, hidden=hidden))

    def embed_photos(self, begun: Pyramid) -> Tensor:
        """Unit embeddings (B, E) of the contrastive head for the photos of `begin`.

        Read before the joint stages; where all stages are joint, after a pass of the photos alone.
        """
        alone = Pyramid(begun.image)
        image = (self.finish(alone) if self.config.joint_from == 1 else alone).image[-1]
        tokens = image.flatten(2)  # (B, D, N): what they have on the whole, and what they have anywhere
        return self.itc_image(torch.cat([tokens.mean(dim=2), tokens.amax(dim=2)], dim=1))

    def embed_texts(self, begun: Pyramid) -> Tensor:
        """Unit embeddings (B, E) for the texts of `begin`: of the bag of words, and of what stages read out of it.

        A title is mostly a bag of words, and the bag generalises where a pyramid learns titles by heart: with convolutional
        stages it is all there is.
        """
        assert begun.bag is not None
        if self.config.conv_stages:
            return self.itc_text(begun.bag)
        alone = Pyramid([], begun.text, begun.attention_mask)
        text = (self.finish(alone) if self.config.joint_from == 1 else alone).text[-1]
        weights = torch.ones_like(text[..., :1])
        if begun.attention_mask is not None:
            weights = begun.attention_mask[..., None].to(text.dtype)
        mean = (text * weights).sum(dim=1) / weights.sum(dim=1)
        return self.itc_text(torch.cat([text[:, 0], mean, begun.bag], dim=1))

    def pair(
        self,
        begun: Pyramid,
        photo_rows: Tensor,
        text_rows: Tensor,
        vectors: tuple[Tensor, Tensor] | None = None,
    ) -> Pyramid:
        """Pairs (P,) of photos and texts that were begun apart, ready for `finish` and `match_logits`.

        `vectors`: unit embeddings (B, E) of the photos and of the texts, which `match_product` needs.
        """
        mask = None if begun.attention_mask is None else begun.attention_mask[text_rows]
        bag = begun.bag[text_rows] if begun.bag is not None else None
        product = None
        if self.config.match_product and vectors is not None:
            product = vectors[0][photo_rows] * vectors[1][text_rows]
        return Pyramid([begun.image[-1][photo_rows]], [begun.text[-1][text_rows]], mask, bag, product)

    # ---- Heads --------------------------------------------------------------------------------------------------------

    def match_logits(self, encoded: Pyramid) -> Tensor:
        """(B, 2): no match, match, from [CLS] of T^4, and the embeddings' product where the model asks for it."""
        x = self.itm_project(encoded.text[-1][:, 0])
        if self.config.match_product:
            if encoded.product is None:
                raise ValueError("this model's matching head needs the embeddings' product beside the pair")
            x = x + self.itm_product(encoded.product * self.config.embed_dim)  # of the order of 1 each
        return self.itm_classify(x).float()

    def match_score(self, encoded: Pyramid) -> Tensor:
        """(B,) log-odds of a match; softmax P(match) is its sigmoid, which ranks alike but rounds ties into existence."""
        logits = self.match_logits(encoded)
        return logits[:, 1] - logits[:, 0]

    def word_logits(self, text: Tensor) -> Tensor:
        """T^4 at any positions (..., D_4) -> (..., V), tied to the word embeddings."""
        x = self.mlm_norm(F.gelu(self.mlm_dense(self.mlm_project(text))))
        return F.linear(x, self.words.weight, self.mlm_bias)

    def reconstruct(self, encoded: Pyramid) -> Tensor:
        """I' (B, 3, H, W) from {V^k}; not clamped. Raises `ValueError` for a model without a decoder."""
        if self.decoder is None:
            raise ValueError("this MVLT has no decoder (decoder=none): it paints no photos, and MIR needs one")
        height, width = encoded.image[0].shape[-2:]
        return self.decoder(encoded.image[1:], (height, width)).float()

    def label_logits(self, encoded: Pyramid) -> dict[str, Tensor]:
        """Label -> (B, classes), from [CLS] of T^4, and with convolutional stages from each side alone."""
        cls = encoded.text[-1][:, 0]
        evidence = self._evidence(encoded) if self.config.conv_stages and self.label_heads else None
        return {name: head(cls, evidence).float() for name, head in self.label_heads.items()}

    def _evidence(self, encoded: Pyramid) -> Tensor:
        """The bag of words, then mean and maximum of the photo alone; zeros without one: (B, W + 2D)."""
        assert encoded.bag is not None
        bag = self.label_norm(encoded.bag)
        dim = self.config.dims[self.config.joint_from - 2]
        if not encoded.image:
            return torch.cat([bag, bag.new_zeros(len(bag), 2 * dim)], dim=1)
        tokens = encoded.image[self.config.joint_from - 1 - len(self.stages) - 1].flatten(2)
        return torch.cat([bag, tokens.mean(dim=2), tokens.amax(dim=2)], dim=1)

    # ---- Objectives, section 3.2 ----------------------------------------------------------------------------------------

    def losses(self, batch: ImageTextBatch) -> dict[str, Tensor]:
        """`mir_loss`, `itm_loss`, `mlm_loss` (the paper's), `itc_loss`, `itm_rank_loss`, `tag_loss` (ours), as asked for.

        Also, for the log: `itm_accuracy` (in the batch: depends on how hard its negatives are) and `logit_scale`.
        """
        asked = self.objective.losses
        images = batch.images.float() / 255 if batch.images.dtype == torch.uint8 else batch.images
        found: dict[str, Tensor] = {}
        if self.objective.one_pass and {"mir", "itm", "mlm"} & set(asked):
            found |= self._one_pass(images, batch)
        if self.objective.one_pass and not {"itc", "tag"} & set(asked):
            return found
        clean = self.begin(images, batch.token_ids, batch.attention_mask)
        vectors, similarity, both = None, None, None
        if "itc" in asked or self.objective.negative_hardness or self.config.match_product:
            image, text = self.embed_photos(clean), self.embed_texts(clean)
            vectors = (image.detach(), text.detach())  # the matching head reads them; they are the contrastive loss's
            if "itc" in asked:
                found["itc_loss"] = itc_loss(image, text, self.logit_scale, product_ids=batch.item_ids)
                found["logit_scale"] = self.logit_scale.detach()
            similarity = self.objective.negative_hardness * (self.logit_scale * image @ text.T).detach()  # (B, B)
        if not self.objective.one_pass:
            if "itm" in asked:
                scores, both = self._itm(clean, batch, similarity, vectors)
                found |= scores
            if "mir" in asked or "mlm" in asked:
                found |= self._masked(images, batch.token_ids, batch.attention_mask, set(asked))
        if "tag" in asked:
            both = self.finish(clean) if both is None else both
            found["tag_loss"] = self._tags(clean, both, batch)
        return found

    def _one_pass(self, images: Tensor, batch: ImageTextBatch) -> dict[str, Tensor]:
        """The paper's batch: half of the photos get another product's caption, everything is masked, one encoding.

        As in the released code MIR and MLM are asked of the mismatched pairs too (section 2.3 of the specification).
        """
        asked = set(self.objective.losses)
        token_ids, mask, matches = batch.token_ids, batch.attention_mask, None
        if "itm" in asked:
            other = _other_products(batch.item_ids)
            matches = torch.rand(len(images), device=images.device) < 0.5
            matches |= other < 0  # a batch of one product has no negative
            chosen = torch.where(matches, torch.arange(len(images), device=images.device), other)
            token_ids, mask = token_ids[chosen], mask[chosen]
        return self._masked(images, token_ids, mask, asked, matches)

    def _masked(
        self, images: Tensor, token_ids: Tensor, mask: Tensor, asked: set[str], matches: Tensor | None = None
    ) -> dict[str, Tensor]:
        """MIR and MLM on hidden pixels and words, and ITM on the same encoding where `matches` (B,) is given."""
        config, objective = self.config, self.objective
        shown = images
        if "mir" in asked:
            hidden = pixel_mask(
                len(images), *images.shape[-2:], style=objective.mask_style, ratio=objective.mask_ratio,
                unit=objective.mask_unit, device=images.device,
            )  # fmt: skip
            if objective.alternate:
                hidden[::2] = False
            shown = hide_pixels(images, hidden)
        corrupted, labels = token_ids, None
        if "mlm" in asked:
            corrupted, labels = hide_words(
                token_ids, mask, rate=objective.word_rate, mask_id=config.mask_id, vocab_size=config.vocab_size,
                num_special=config.num_special,
            )  # fmt: skip
        encoded = self.encode(shown, corrupted, mask, hidden="mir" in asked)
        found: dict[str, Tensor] = {}
        if "mir" in asked:
            found["mir_loss"] = mir_loss(self.reconstruct(encoded), images)
        if matches is not None:
            logits = self.match_logits(encoded)
            found["itm_loss"] = itm_loss(logits, matches)
            found["itm_accuracy"] = (logits.argmax(dim=1) == matches).float().mean()
        if labels is not None:
            asked_at = F.pad(labels, (0, encoded.text[-1].shape[1] - labels.shape[1]), value=IGNORED) != IGNORED
            found["mlm_loss"] = masked_cross_entropy(
                self.word_logits(encoded.text[-1][asked_at]), labels[labels != IGNORED]
            )
        return found

    def _itm(
        self,
        clean: Pyramid,
        batch: ImageTextBatch,
        similarity: Tensor | None,
        vectors: tuple[Tensor, Tensor] | None,
    ) -> tuple[dict[str, Tensor], Pyramid]:
        """ITM on unmasked pairs: each pair, its photo with K other texts, its text with K other photos. Also their encoding.

        Positives weigh as much as all negatives together. With `rank_term`, each pair must also score above its 2K
        negatives: cross-entropy over the K + 1 candidates of each direction. A row with fewer than K other products in the
        batch has fewer negatives; without any it counts as a match alone.
        """
        k = self.objective.num_negatives
        size = len(batch)
        weights = torch.zeros(size, size, device=batch.item_ids.device) if similarity is None else similarity.float()
        same = batch.item_ids[:, None] == batch.item_ids[None, :]
        texts = _draw_others(weights, same, k)  # (B, K) texts for each photo
        photos = _draw_others(weights.T, same, k)  # (B, K) photos for each text
        rows = torch.arange(size, device=weights.device)
        again = rows.repeat_interleave(k)
        missing = torch.cat([texts.reshape(-1), photos.reshape(-1)]) < 0  # row 0 stands in, and is not asked about
        photo_rows = torch.cat([rows, again, photos.reshape(-1).clamp(min=0)])
        text_rows = torch.cat([rows, texts.reshape(-1).clamp(min=0), again])
        encoded = self.finish(self.pair(clean, photo_rows, text_rows, vectors))
        logits = self.match_logits(encoded)  # (B + 2BK, 2), the batch's own pairs first
        labels = torch.cat([torch.ones_like(rows), torch.where(missing, IGNORED, 0)])
        negatives = masked_cross_entropy(logits[size:], labels[size:])
        found = {
            "itm_loss": (itm_loss(logits[:size], labels[:size] == 1) + negatives) / 2,
            "itm_accuracy": (logits.argmax(dim=1) == labels).sum() / (labels != IGNORED).sum(),
        }
        if self.objective.rank_term:
            odds = logits[:, 1] - logits[:, 0]
            own = odds[:size, None]
            by_photo, by_text = odds[size:].masked_fill(missing, float("-inf")).view(2, size, k)
            found["itm_rank_loss"] = (ranking_loss(own, by_photo) + ranking_loss(own, by_text)) / 2
        return found, encoded

    def _tags(self, clean: Pyramid, both: Pyramid, batch: ImageTextBatch) -> Tensor:
        """Cross-entropy of the label heads, from photo and words (`both`), and from the photo with an empty text."""
        if not isinstance(batch, LabelledBatch) or not self.label_heads:
            raise ValueError("the tag objective needs label heads and a batch with labels (B, number of heads)")
        empty = self.begin(None, batch.token_ids[:, :1], batch.attention_mask[:, :1])
        alone = self.finish(Pyramid([clean.image[-1]], empty.text[-1:], empty.attention_mask, empty.bag))
        terms = [
            masked_cross_entropy(logits[name], batch.labels[:, at])
            for logits in (self.label_logits(both.first(len(batch))), self.label_logits(alone))
            for at, name in enumerate(self.label_heads)
        ]
        return torch.stack(terms).mean()

    # ---- Parts --------------------------------------------------------------------------------------------------------

    def _stages(self, first: int, end: int) -> list[nn.Module]:
        """Stages `first` to before `end`, counted from 1 as the paper does."""
        return list(self.stages)[first - 1 : end - 1]

    def _padded(self, token_ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Checked ids; without a padding mask they must have the full length, or the answer would depend on the batch."""
        length = self.config.context_length
        if token_ids.shape[1] > length:
            raise ValueError(f"{token_ids.shape[1]} tokens, but the model's context has {length}")
        if self.config.pad_mask:
            return token_ids, attention_mask
        return F.pad(token_ids, (0, length - token_ids.shape[1])), None

    def _initialise(self) -> None:
        for name, module in self.named_modules():
            if name.startswith("decoder") or ".image." in name:  # not the paper's: PyTorch's own initialisation
                continue
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
                nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
                nn.init.zeros_(module.weight[module.padding_idx])
            elif isinstance(module, Stage):
                nn.init.trunc_normal_(module.image_positions, std=0.02)
                nn.init.trunc_normal_(module.text_positions, std=0.02)
        nn.init.trunc_normal_(self.word_positions, std=0.02)
        nn.init.trunc_normal_(self.word_segment, std=0.02)


def _pad(image: Tensor, multiple: int) -> Tensor:
    """Zeros at the right and lower border so that (H, W) become multiples: any photo fits any stride."""
    height, width = image.shape[-2:]
    down, across = -height % multiple, -width % multiple
    return F.pad(image, (0, across, 0, down)) if down or across else image


def _draw_others(weights: Tensor, same: Tensor, count: int) -> Tensor:
    """For each row `count` columns of other products, drawn without replacement by softmax of `weights`: (B, K).

    Gumbel noise and the `count` largest draw without replacement. -1 where a row has fewer others than asked.
    """
    noise = -torch.log(-torch.log(torch.rand_like(weights).clamp(1e-9, 1 - 1e-7)))
    drawn = (weights + noise).masked_fill(same, float("-inf")).topk(min(count, len(weights)), dim=1)
    columns = drawn.indices.masked_fill(drawn.values == float("-inf"), -1)
    return F.pad(columns, (0, count - columns.shape[1]), value=-1)


def _other_products(item_ids: Tensor) -> Tensor:
    """For each row a row of another product, uniformly; -1 where there is none: (B,)."""
    same = item_ids[:, None] == item_ids[None, :]
    drawn = torch.rand(same.shape, device=same.device).masked_fill(same, -1.0)
    value, index = drawn.max(dim=1)
    return torch.where(value < 0, -1, index)
