"""A convolutional start for MVLT's pyramid: photos of 60x80 pixels have few patches, and 30,000 of them teach little.

Convolutions in the first stages and attention in the last is what works best on small data (Xiao et al. 2021, "Early
Convolutions Help Transformers See Better", arXiv 2106.14881; CoAtNet, Dai et al. 2021, arXiv 2106.04803). Residual blocks of
He et al. 2016 with squeeze-and-excitation (Hu et al. 2018).

Photos with hidden pixels have other statistics than whole ones, so each batch norm is two, one for each kind of pass
(auxiliary batch norms: Xie et al. 2020, arXiv 1911.09665); else MIR would spoil the norms that retrieval runs with.

Shapes: B batch, C channels, (H, W) the map.
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn


class SplitNorm(nn.Module):
    """Batch norm with statistics and scales of its own for photos with hidden pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.whole = nn.BatchNorm2d(channels)
        self.hidden = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, hidden: bool) -> Tensor:
        return self.hidden(x) if hidden else self.whole(x)


class ConvBlock(nn.Module):
    """Two 3x3 convolutions, squeeze-and-excitation and a residual path: (B, C, H, W) -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm1 = SplitNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = SplitNorm(channels)
        self.squeeze = nn.Linear(channels, channels // 4)
        self.excite = nn.Linear(channels // 4, channels)

    def forward(self, x: Tensor, hidden: bool) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x), hidden))
        y = self.norm2(self.conv2(y), hidden)
        gate = self.excite(F.relu(self.squeeze(y.mean(dim=(2, 3))))).sigmoid()  # (B, C)
        return F.relu(x + y * gate[:, :, None, None])


class ConvStage(nn.Module):
    """V^{k-1} -> V^k by convolutions: the grid is divided by `stride`, a power of two, then `depth` residual blocks."""

    def __init__(self, in_channels: int, channels: int, stride: int, depth: int) -> None:
        super().__init__()
        halvings = int(math.log2(stride))
        if 2**halvings != stride:
            raise ValueError(f"a convolutional stage needs a stride that is a power of 2, not {stride}")
        widths = (
            [channels >> left for left in range(halvings - 1, -1, -1)] if in_channels == 3 else [channels] * halvings
        )
        self.downs = nn.ModuleList()
        self.down_norms = nn.ModuleList()
        for width in widths or [channels]:
            self.downs.append(nn.Conv2d(in_channels, width, 3, 2 if widths else 1, 1, bias=False))
            self.down_norms.append(SplitNorm(width))
            in_channels = width
        self.blocks = nn.ModuleList(ConvBlock(channels) for _ in range(depth))

    def forward(self, x: Tensor, hidden: bool) -> Tensor:
        for down, norm in zip(self.downs, self.down_norms, strict=True):
            x = F.relu(norm(down(x), hidden))
        for block in self.blocks:
            x = block(x, hidden)
        return x
