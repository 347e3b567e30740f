"""A convolutional start for MVLT's pyramid: photos of 60x80 pixels have few patches, and 30,000 of them teach little.

Convolutions in the first stages and attention in the last is what works best on small data (Xiao et al. 2021, "Early
Convolutions Help Transformers See Better", arXiv 2106.14881; CoAtNet, Dai et al. 2021, arXiv 2106.04803). The stages are the
dual encoder's image tower, block for block, so that its trained weights can be the start (`mvlt_towers.py`).

Photos with hidden pixels have other statistics than whole ones, so each batch norm is two, one for each kind of pass
(auxiliary batch norms: Xie et al. 2020, arXiv 1911.09665); else MIR would spoil the norms that retrieval runs with.

Shapes: B batch, C channels, (H, W) the map.
"""

from __future__ import annotations

import torch
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
    """Two 3x3 convolutions, squeeze-and-excitation, a residual path: (B, C, H, W) -> (B, C', H/stride, W/stride)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.norm1 = SplitNorm(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = SplitNorm(channels)
        self.squeeze = nn.Linear(channels, channels // 4)
        self.excite = nn.Linear(channels // 4, channels)
        self.stride = stride
        self.shortcut = None
        if stride > 1 or in_channels != channels:
            self.shortcut = nn.Conv2d(in_channels, channels, 1, bias=False)
            self.shortcut_norm = SplitNorm(channels)

    def forward(self, x: Tensor, hidden: bool) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x), hidden))
        y = self.norm2(self.conv2(y), hidden)
        gate = self.excite(F.relu(self.squeeze(y.mean(dim=(2, 3))))).sigmoid()  # (B, C')
        if self.shortcut is not None:
            x = F.avg_pool2d(x, self.stride, ceil_mode=True) if self.stride > 1 else x
            x = self.shortcut_norm(self.shortcut(x), hidden)
        return F.relu(x + y * gate[:, :, None, None])


class Stem(nn.Module):
    """Pixels (B, 3, H, W) in [0, 1] -> (B, C, H/stride, W/stride) by strided 3x3 convolutions; stride 1, 2 or 4."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        if stride not in (1, 2, 4):
            raise ValueError(f"a convolutional first stage has stride 1, 2 or 4, not {stride}")
        widths = [channels // 2, channels] if stride == 4 else [channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(before, width, 3, min(stride, 2), 1, bias=False)
            for before, width in zip([3, *widths], widths, strict=False)
        )
        self.norms = nn.ModuleList(SplitNorm(width) for width in widths)

    def forward(self, images: Tensor, hidden: bool) -> Tensor:
        x = ((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x), hidden))
        return x


class ConvStage(nn.Module):
    """V^{k-1} -> V^k by convolutions: `depth` blocks, of which the first divides the grid by `stride`; photos get a stem."""

    def __init__(self, in_channels: int, channels: int, stride: int, depth: int) -> None:
        super().__init__()
        self.stem = Stem(channels, stride) if in_channels == 3 else None
        first = (channels, 1) if self.stem is not None else (in_channels, stride)
        sizes = [first, *[(channels, 1)] * (depth - 1)]
        self.blocks = nn.ModuleList(ConvBlock(before, channels, step) for before, step in sizes)

    def forward(self, x: Tensor, hidden: bool) -> Tensor:
        x = self.stem(x, hidden) if self.stem is not None else x
        for block in self.blocks:
            x = block(x, hidden)
        return x
