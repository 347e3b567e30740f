"""A small image-text dual encoder, trained like CLIP, sized for two processor cores.

Objective: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021
(arXiv 2103.00020), section 2.3: symmetric InfoNCE with a learned temperature. Towers: a residual convolutional network
(He et al. 2016, arXiv 1512.03385, with squeeze-and-excitation, Hu et al. 2018, arXiv 1709.01507) because photos here are
as small as 60x80; a short Transformer over WordPieces whose bag-of-words path is kept, because a title is mostly a bag.

Published CLIP and SigLIP checkpoints are loaded by `hf_clip.py`; turning items into vectors is `inference.py`.

Shapes: B batch, L text length, D width, E embedding width; image maps are (B, C, H, W) with C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor, nn

from modiste.data.batches import ImageTextBatch
from modiste.losses import itc_loss, view_loss
from modiste.models.inference import average_over_views, photo_tensor, token_tensors
from modiste.models.reading import reading_of
from modiste.models.word_trust import WordTrust
from modiste.types import Reading


@dataclass(frozen=True)
class DualEncoderConfig:
    """Sizes and behaviour of a `DualEncoder`; saved beside its weights."""

    vocab_size: int = 8192
    context_length: int = 32  # the longest title of fashion_products has 27 WordPieces
    image_size: tuple[int, int] = (60, 80)  # (width, height): portrait, as product photos are
    channels: tuple[int, ...] = (64, 128, 256)  # one stage each, halving the grid that the stem leaves
    depths: tuple[int, ...] = (1, 1, 2)
    stem_stride: int = 4  # 1, 2 or 4; maps at half resolution take a quarter more time and show more detail
    draft_factor: int = 4  # JPEGs are decoded at no more than this many times the size, where their blocks allow
    views: tuple[float, ...] = (
        1.0,
        -0.93,
        1.08,
    )  # inference: zooms whose embeddings are averaged, mirrored where negative
    text_dim: int = 192
    text_depth: int = 2  # layers of the Transformer over words; 0: a title is its bag of words
    num_heads: int = 4
    embed_dim: int = 192
    dropout: float = 0.1
    initial_temperature: float = 0.07
    max_logit_scale: float = 100.0  # CLIP clips it there "to prevent training instability"


SIZES: dict[str, DualEncoderConfig] = {
    "debug": DualEncoderConfig(
        vocab_size=512, image_size=(30, 40), channels=(8, 16), depths=(1, 1), text_dim=32, text_depth=1, num_heads=2,
        embed_dim=32,
    ),
    "small": DualEncoderConfig(channels=(32, 64, 128, 256), depths=(1, 1, 1, 2), stem_stride=2, text_depth=0),
    # Looks at the photo at full resolution first: twice the multiplications of "small", three times its time.
    "fine": DualEncoderConfig(channels=(24, 48, 96, 192, 256), depths=(1, 1, 1, 1, 2), stem_stride=1, text_depth=0),
    "base": DualEncoderConfig(
        image_size=(120, 160), channels=(48, 96, 192, 384), depths=(2, 2, 3, 2), text_dim=256, text_depth=4, embed_dim=256
    ),
}  # fmt: skip


class ConvBlock(nn.Module):
    """Two 3x3 convolutions with a residual path and squeeze-and-excitation: (B, C, H, W) -> (B, C', H/stride, W/stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.squeeze = nn.Linear(out_channels, out_channels // 4)
        self.excite = nn.Linear(out_channels // 4, out_channels)
        self.shortcut = (
            nn.Identity()
            if stride == 1 and in_channels == out_channels
            else nn.Sequential(
                nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity(),
                nn.Conv2d(in_channels, out_channels, 1, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        )
        nn.init.zeros_(self.norm2.weight)  # a block starts as its shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(y.mean(dim=(2, 3))))))  # (B, C)
        return F.relu(self.shortcut(x) + y * gate[:, :, None, None])


class ImageTower(nn.Module):
    """Pixels (B, 3, H, W) in [0, 1] -> embedding (B, E), not yet normalised."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()
        if config.stem_stride not in (1, 2, 4):
            raise ValueError(f"stem_stride must be 1, 2 or 4, not {config.stem_stride}")
        widths = [config.channels[0] // 2, config.channels[0]] if config.stem_stride == 4 else [config.channels[0]]
        stem: list[nn.Module] = []
        for in_channels, width in zip([3, *widths], widths, strict=False):
            stride = min(config.stem_stride, 2)
            stem += [nn.Conv2d(in_channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.stem = nn.Sequential(*stem)
        blocks: list[nn.Module] = []
        channels = config.channels[0]
        for stage, (width, depth) in enumerate(zip(config.channels, config.depths, strict=True)):
            for number in range(depth):
                blocks.append(ConvBlock(channels, width, stride=2 if number == 0 and stage > 0 else 1))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(config.dropout)
        # Mean says what the garment is made of, max what it has somewhere (a buckle, a logo).
        self.project = nn.Linear(2 * channels, config.embed_dim)

    def forward(self, images: Tensor) -> Tensor:
        x = (images - 0.5) / 0.25
        x = self.blocks(self.stem(x.contiguous(memory_format=torch.channels_last)))
        pooled = torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)  # (B, 2C)
        return self.project(self.dropout(pooled))


class TextTower(nn.Module):
    """Token ids (B, L) -> embedding (B, E), not yet normalised."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.text_dim, padding_idx=0)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.trust = WordTrust(config.vocab_size)
        self.depth = config.text_depth
        if self.depth:
            self.positions = nn.Parameter(torch.zeros(config.context_length, config.text_dim))
            nn.init.normal_(self.positions, std=0.01)
            layer = nn.TransformerEncoderLayer(
                config.text_dim,
                config.num_heads,
                2 * config.text_dim,
                config.dropout,
                F.gelu,
                batch_first=True,
                norm_first=True,
            )
            self.encoder = nn.TransformerEncoder(
                layer, config.text_depth, norm=nn.LayerNorm(config.text_dim), enable_nested_tensor=False
            )
        self.bag_norm = nn.LayerNorm(config.text_dim)
        self.dropout = nn.Dropout(config.dropout)
        self.project = nn.Linear((2 if self.depth else 1) * config.text_dim, config.embed_dim)

    def forward(self, token_ids: Tensor, attention_mask: Tensor) -> Tensor:
        words = self.tokens(token_ids)  # (B, L, D)
        weights = attention_mask[:, :, None].to(words.dtype)
        count = weights.sum(dim=1).clamp(min=1)
        trusted = weights if self.training else weights * self.trust(token_ids)[:, :, None]
        features = [self.bag_norm((words * trusted).sum(dim=1) / count.sqrt())]  # (B, D)
        if self.depth:
            x = self.encoder(words + self.positions[: token_ids.shape[1]], src_key_padding_mask=~attention_mask)
            features.insert(0, (x * weights).sum(dim=1) / count)
        return self.project(self.dropout(torch.cat(features, dim=1)))


class DualEncoder(nn.Module):
    """Image tower and text tower with one embedding space and one learned temperature."""

    def __init__(self, config: DualEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.image_tower = ImageTower(config)
        self.text_tower = TextTower(config)
        self.log_logit_scale = nn.Parameter(torch.tensor(math.log(1 / config.initial_temperature)))

    @property
    def device(self) -> torch.device:
        return self.log_logit_scale.device

    @property
    def logit_scale(self) -> Tensor:
        return self.log_logit_scale.exp().clamp(max=self.config.max_logit_scale)

    def encode_image(self, images: Tensor) -> Tensor:
        """Pixels (B, 3, H, W), uint8 or float in [0, 1] -> unit embeddings (B, E), float32."""
        if images.dtype == torch.uint8:
            images = images.float() / 255
        return F.normalize(self.image_tower(images).float(), dim=1)

    def encode_text(self, token_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Token ids (B, L) and mask (B, L; True = attend) -> unit embeddings (B, E), float32."""
        return F.normalize(self.text_tower(token_ids, attention_mask).float(), dim=1)

    def losses(self, batch: ImageTextBatch) -> dict[str, Tensor]:
        """`itc_loss` (image-text), `view_loss` (photos of one product), and the temperature for the log."""
        image = self.encode_image(batch.images)
        text = self.encode_text(batch.token_ids, batch.attention_mask)
        return {
            "itc_loss": itc_loss(image, text, self.logit_scale, product_ids=batch.item_ids),
            "view_loss": view_loss(image, self.logit_scale, product_ids=batch.item_ids),
            "logit_scale": self.logit_scale.detach(),
        }


class DualEncoderTowers:
    """A `DualEncoder` and its tokenizer as `modiste.models.inference.Towers`."""

    def __init__(self, model: DualEncoder, tokenizer: Tokenizer, *, device: str | torch.device = "cpu") -> None:
        self.model = model.eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.tokenizer = tokenizer
        self.device = torch.device(device)
        self.embed_dim = model.config.embed_dim
        width, height = model.config.image_size
        self.draft_size: tuple[int, int] | None = (
            model.config.draft_factor * width,
            model.config.draft_factor * height,
        )

    def prepare_image(self, pixels: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 of any size -> (3, H', W') uint8: the whole photo, padded with white to the model's shape."""
        return photo_tensor(pixels, self.model.config.image_size)

    def embed_images(self, prepared: Sequence[Tensor]) -> Tensor:
        images = torch.stack(list(prepared)).to(self.device)
        return average_over_views(self.model.encode_image, images, self.model.config.views)

    @property
    def trust(self) -> Tensor:
        """(V,) how far each piece is believed; 0 for those that training never saw."""
        return self.model.text_tower.trust.weights

    def reading(self, text: str, languages: Sequence[str]) -> Reading:
        return reading_of(text, self.tokenizer, trust=self.trust, languages=languages)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return self.model.encode_text(
            *token_tensors(self.tokenizer, texts, self.model.config.context_length, self.device)
        )
