"""MVLT's two image decoders: the paper's four-level U-Net, and the three-level one that was released.

"unet4": "a standard four-level U-Net shaped decoder on {V^k}" (MVLT section 3.2); widths are not published, here 64.
"cpd3": the released code's, which uses stages 2 to 4 only: the cascaded partial decoder of Wu et al., CVPR 2019
(arXiv 1904.08739), widths 64 -> 128 -> 192. Both end without an activation.

Shapes: B batch, C channels, (h_k, w_k) the grid of stage k.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 64


def conv_norm(in_channels: int, out_channels: int) -> nn.Sequential:
    """3x3 convolution and batch norm, no activation (cpd3's building block)."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class Decoder(nn.Module):
    """Maps of all stages, finest first, and the (height, width) of the photo -> (B, 3, height, width)."""

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        raise AssertionError("a decoder says how it decodes")


class Unet4(Decoder):
    """At each level: twice as large (bilinear), beside the encoder's map, two 3x3 conv-norm-ReLU; then a 1x1 to RGB."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        deeper = dims[-1]
        self.levels = nn.ModuleList()
        for dim in reversed(dims[:-1]):
            first, second = conv_norm(deeper + dim, WIDTH), conv_norm(WIDTH, WIDTH)
            self.levels.append(nn.Sequential(first, nn.ReLU(), second, nn.ReLU()))
            deeper = WIDTH
        self.to_rgb = nn.Conv2d(WIDTH, 3, 1)

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        x = maps[-1]
        for level, beside in zip(self.levels, reversed(maps[:-1]), strict=True):
            x = level(torch.cat([_resized(x, beside), beside], dim=1))
        return self.to_rgb(F.interpolate(x, size, mode="bilinear", align_corners=False))


class Cpd3(Decoder):
    """The partial decoder: stages 2-4 reduced to 64 channels, gated by multiplication, then concatenated upwards."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(conv_norm(dim, WIDTH) for dim in dims[1:])
        self.gate_middle = conv_norm(WIDTH, WIDTH)
        self.gate_fine_by_deep = conv_norm(WIDTH, WIDTH)
        self.gate_fine_by_middle = conv_norm(WIDTH, WIDTH)
        self.raise_deep = conv_norm(WIDTH, WIDTH)
        self.raise_both = conv_norm(2 * WIDTH, 2 * WIDTH)
        self.join_middle = conv_norm(2 * WIDTH, 2 * WIDTH)
        self.join_fine = conv_norm(3 * WIDTH, 3 * WIDTH)
        self.refine = conv_norm(3 * WIDTH, 3 * WIDTH)
        self.to_rgb = nn.Conv2d(3 * WIDTH, 3, 1)

    def forward(self, maps: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        fine, middle, deep = (reduce(one) for reduce, one in zip(self.reduce, maps[1:], strict=True))
        deep_at_middle, deep_at_fine = _resized(deep, middle), _resized(deep, fine)
        middle_gated = self.gate_middle(deep_at_middle) * middle
        fine_gated = self.gate_fine_by_deep(deep_at_fine) * self.gate_fine_by_middle(_resized(middle, fine)) * fine
        joined = self.join_middle(torch.cat([middle_gated, self.raise_deep(deep_at_middle)], dim=1))
        joined = self.join_fine(torch.cat([fine_gated, self.raise_both(_resized(joined, fine))], dim=1))
        return F.interpolate(self.to_rgb(self.refine(joined)), size, mode="bilinear", align_corners=False)


def build_decoder(name: Literal["unet4", "cpd3"], dims: Sequence[int]) -> Decoder:
    """The decoder of that name for stages of these widths; raises `ValueError` for another name."""
    if name not in ("unet4", "cpd3"):
        raise ValueError(f"unknown decoder {name!r}; choose unet4 (the paper's) or cpd3 (the released one)")
    if name == "cpd3" and len(dims) != 4:
        raise ValueError(f"the released decoder cpd3 reads stages 2 to 4 of 4, not of {len(dims)}; choose unet4")
    return Unet4(dims) if name == "unet4" else Cpd3(dims)


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
