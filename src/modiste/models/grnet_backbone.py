"""Where GRNet's windows come from: convolutional networks that turn a photo into one map, and an MVLT's pyramid.

"googlenet": Szegedy et al., "Going deeper with convolutions", CVPR 2015 (arXiv 1409.4842), Table 1, with batch norms (Ioffe and
Szegedy 2015), up to `last`: inception 4e (stride 16, 832 channels) or 5b (stride 32, 1024). Names are torchvision's, so that
its weights load from safetensors; torchvision has 3x3 kernels where the table says 5x5 (`published_kernels=False`).
"residual": a small one of ours, the dual encoder's image tower block for block (clip.py), for photos of 60x80 to 224x224.
"mvlt": the stages of an MVLT (mvlt.py) that photos pass before they meet words.

Shapes: B photos, C channels, (H, W) a map's height and width. Every backbone takes pixels in [0, 1].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modiste.models.clip import ConvBlock
from modiste.models.mvlt import Mvlt, MvltConfig


class Backbone(nn.Module, ABC):
    """Pixels (B, 3, H, W) in [0, 1] -> one map (B, `channels`, h, w)."""

    channels: int

    @abstractmethod
    def parts(self) -> list[nn.Module]:
        """What a photo passes, in order: `freeze` counts them."""

    def freeze(self, count: int) -> None:
        """The first `count` parts no longer learn, their batch norms neither. Raises `ValueError` for more than there are."""
        if not 0 <= count <= len(self.parts()):
            raise ValueError(f"frozen must lie between 0 and {len(self.parts())}, not {count}")
        self.frozen = count
        for part in self.parts()[:count]:
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Backbone:
        super().train(mode)
        for part in self.parts()[: getattr(self, "frozen", 0)]:
            part.eval()
        return self


class Residual(Backbone):
    """Stages of residual blocks; the map is that of the last but one stage beside the last one's, enlarged to its grid.

    So a window sees fine detail and what it belongs to. The stem and each stage but the first halve the grid.
    """

    def __init__(self, channels: tuple[int, ...], depths: tuple[int, ...]) -> None:
        super().__init__()
        if len(channels) < 2 or len(channels) != len(depths):
            raise ValueError(f"a residual backbone needs two stages or more, each with a depth; {channels}, {depths}")
        self.stem = nn.Sequential(
            nn.Conv2d(3, channels[0], 3, 2, 1, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU()
        )
        widths = (channels[0], *channels)
        self.stages = nn.ModuleList(
            nn.Sequential(
                ConvBlock(widths[number], width, 2 if number else 1), *(ConvBlock(width, width, 1) for _ in range(1, depth))
            )
            for number, (width, depth) in enumerate(zip(channels, depths, strict=True))
        )  # fmt: skip
        self.depths = depths
        self.channels = channels[-2] + channels[-1]

    def parts(self) -> list[nn.Module]:
        return [self.stem, *self.stages]

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(((images - 0.5) / 0.25).contiguous(memory_format=torch.channels_last))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return _stacked(maps[-2], maps[-1])

    def copy_tower(self, start: nn.Module) -> None:
        """Take over the image tower of a trained dual encoder, or the convolutional stages of an MVLT that began as one.

        Raises `ValueError` naming what is missing there or has another shape.
        """
        from modiste.models.mvlt_towers import mvlt_names

        theirs: Mapping[str, Tensor] = start.state_dict()
        places = [(stage, number) for stage, depth in enumerate(self.depths) for number in range(depth)]
        own, problems = self.state_dict(), []
        for key, value in own.items():
            name = f"image_tower.{key}"
            if key.startswith("stages."):
                _, stage, number, leaf = key.split(".", 3)
                name = f"image_tower.blocks.{places.index((int(stage), int(number)))}.{leaf}"
            if isinstance(start, Mvlt):
                name = next(iter(mvlt_names(name, places)), name)
            if name not in theirs or theirs[name].shape != value.shape:
                problems.append(f"{key} {tuple(value.shape)}")
            else:
                value.copy_(theirs[name])
        if problems:
            raise ValueError(f"these stages do not fit the backbone's: {', '.join(problems[:4])}")


class MvltPyramid(Backbone):
    """The image side of an MVLT as the backbone: its last two maps before words come in, the smaller one enlarged."""

    def __init__(self, config: MvltConfig) -> None:
        super().__init__()
        before = config.joint_from - 1 or len(config.dims)  # where all stages are joint, the photo passes them alone
        if before < 2:
            raise ValueError("this MVLT has one stage before its words come in; a backbone needs two")
        self.stages = nn.ModuleList(list(Mvlt(config).stages)[:before])
        for name, parameter in self.named_parameters():
            if ".words" in name or "text_positions" in name or ".hidden." in name:
                parameter.requires_grad_(False)  # of words, and of photos with hidden pixels: not used here
        self.channels = config.dims[before - 2] + config.dims[before - 1]

    def parts(self) -> list[nn.Module]:
        return list(self.stages)

    def forward(self, images: Tensor) -> Tensor:
        maps = [images]
        for stage in self.stages:
            maps.append(stage(maps[-1], None, None)[0])
        return _stacked(maps[-2], maps[-1])

    def copy_stages(self, start: Mvlt) -> None:
        """Take over the stages of a trained MVLT of the same sizes; raises `ValueError` for any other."""
        theirs, own = start.state_dict(), self.state_dict()
        if wrong := [key for key, value in own.items() if key not in theirs or theirs[key].shape != value.shape]:
            raise ValueError(f"not the pyramid of this MVLT: {', '.join(wrong[:4])}")
        self.load_state_dict({key: theirs[key] for key in own})


def _stacked(fine: Tensor, coarse: Tensor) -> Tensor:
    """Two maps as one of the finer grid: (B, C, H, W) and (B, C', h, w) -> (B, C + C', H, W)."""
    enlarged = F.interpolate(coarse, fine.shape[2:], mode="bilinear", align_corners=False)
    return torch.cat([fine, enlarged.to(fine.dtype)], dim=1)


# Table 1 of the paper: name -> (#1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool projection); "pool": 3x3 or 2x2 max pooling.
INCEPTIONS: dict[str, tuple[int, int, int, int, int, int]] = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
_UNUSED = ("aux1.", "aux2.", "fc.")  # classifiers on ImageNet's classes


class _Conv(nn.Module):
    """Convolution, batch norm, ReLU; torchvision's names."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four branches side by side: 1x1; 1x1 and 3x3; 1x1 and 5x5; pooling and 1x1."""

    def __init__(self, in_channels: int, row: tuple[int, int, int, int, int, int], kernel: int) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pool = row
        self.branch1 = _Conv(in_channels, one, 1)
        self.branch2 = nn.Sequential(_Conv(in_channels, reduce3, 1), _Conv(reduce3, three, 3))
        self.branch3 = nn.Sequential(_Conv(in_channels, reduce5, 1), _Conv(reduce5, five, kernel))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), _Conv(in_channels, pool, 1))
        self.channels = one + three + five + pool

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], dim=1)


class GoogLeNet(Backbone):
    """Table 1 up to the inception `last`; see the module's head."""

    def __init__(self, last: str = "4e", published_kernels: bool = True) -> None:
        super().__init__()
        if last not in INCEPTIONS:
            raise ValueError(f"last must be one of {', '.join(INCEPTIONS)}, not {last!r}")
        self.conv1 = _Conv(3, 64, 7, 2)
        self.conv2 = _Conv(64, 64, 1)
        self.conv3 = _Conv(64, 192, 3)
        self.names: list[str] = []
        channels = 192
        for name, row in INCEPTIONS.items():
            block = Inception(channels, row, 5 if published_kernels else 3)
            self.add_module(f"inception{name}", block)
            self.names.append(name)
            channels = block.channels
            if name == last:
                break
        self.channels = channels

    def parts(self) -> list[nn.Module]:
        return [self.conv1, self.conv2, self.conv3, *(getattr(self, f"inception{name}") for name in self.names)]

    def forward(self, images: Tensor) -> Tensor:
        x = ((images - 0.5) / 0.5).contiguous(memory_format=torch.channels_last)  # what the published weights were fed
        x = _halved(self.conv1(x))
        x = _halved(self.conv3(self.conv2(x)))
        for name in self.names:
            if name == "4a":
                x = _halved(x)
            elif name == "5a":
                x = F.max_pool2d(x, 2, 2, ceil_mode=True)
            x = getattr(self, f"inception{name}")(x)
        return x

    def load_torchvision(self, state: Mapping[str, Tensor]) -> dict[str, str]:
        """Take over weights named as torchvision names them; what was left out -> why.

        Raises `ValueError` naming a key that is missing, has another shape, or is none of the network's.
        """
        own = self.state_dict()
        kept = {key: value for key, value in state.items() if key in own}
        dropped = {}
        for key in state.keys() - kept.keys():
            if key.startswith(_UNUSED):
                dropped[key] = "a classifier of ImageNet's classes"
            elif key.startswith(tuple(f"inception{name}." for name in INCEPTIONS if name not in self.names)):
                dropped[key] = f"behind inception {self.names[-1]}"
            else:
                raise ValueError(f"{key} is no part of GoogLeNet as torchvision names it")
        wrong = [key for key, value in own.items() if key not in kept or kept[key].shape != value.shape]
        if wrong:
            advice = "; torchvision's weights have 3x3 kernels for 5x5: published_kernels=False"
            raise ValueError(f"missing or of another shape: {', '.join(sorted(wrong)[:4])}{advice}")
        self.load_state_dict(kept)
        return dropped


def _halved(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, 2, ceil_mode=True)


def build_backbone(kind: str, values: Mapping[str, Any]) -> Backbone:
    """The backbone that a kind and its sizes describe, as config.json has them. Raises `ValueError`, `TypeError`."""
    if kind == "residual":
        return Residual(tuple(values["channels"]), tuple(values["depths"]))
    if kind == "googlenet":
        return GoogLeNet(**values)
    if kind == "mvlt":
        return MvltPyramid(MvltConfig(**values))
    raise ValueError(f"unknown backbone {kind!r}; choose one of residual, googlenet, mvlt")
