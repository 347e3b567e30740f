"""ImageNet weights for MVLT's pyramid: a PVT v1 checkpoint in Hugging Face format, every key accounted for.

Wang et al., "Pyramid Vision Transformer", ICCV 2021 (arXiv 2102.12122). MVLT starts from PVT-tiny (its section 4.1); the
text side and the heads start fresh. Works for any `MvltConfig` whose widths and depths are the checkpoint's and whose
first stages are not convolutional (conv_stages=0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors.torch import load_file
from torch import Tensor

from modiste.models.mvlt import Mvlt

# What PVT has and MVLT has not, with the reason.
DROPPED = {
    r"cls_token$": "PVT's class token of the last stage; MVLT's [CLS] is a word",
    r"^encoder\.layer_norm\.": "PVT's norm before its classifier; MVLT's heads have their own",
    r"^classifier\.": "ImageNet's 1,000 classes",
}


@dataclass(frozen=True)
class LoadedKeys:
    """What became of every key: nothing is skipped in silence."""

    renamed: Mapping[str, str]  # theirs -> ours
    dropped: Mapping[str, str]  # theirs -> why
    fresh: tuple[str, ...]  # ours, left as they were initialised


def load_pvt(model: Mvlt, source: str | Path) -> LoadedKeys:
    """Copy a PVT v1 checkpoint, a folder or a hub name, into the pyramid; returns what became of every key.

    Raises `ValueError` when a key fits nowhere, a shape differs, the pyramid is not PVT v1's, or there is no
    model.safetensors.
    """
    if model.config.conv_stages:
        raise ValueError("PVT v1 weights need a pyramid without convolutional stages: set conv_stages=0")
    return copy_pvt(model, load_file(_weights(source)))


def copy_pvt(model: Mvlt, theirs: Mapping[str, Tensor]) -> LoadedKeys:
    """The same from a state dict (`transformers`' `PvtModel` or `PvtForImageClassification`).

    Raises `ValueError`, and then leaves the model as it was.
    """
    own = dict(model.named_parameters())
    renamed: dict[str, str] = {}
    dropped: dict[str, str] = {}
    problems: list[str] = []
    halves: dict[str, dict[str, Tensor]] = {}
    found: dict[str, Tensor] = {}  # our name -> its new value

    def fill(name: str, value: Tensor, key: str) -> None:
        if name not in own:
            problems.append(f"{key} fits nowhere")
        elif own[name].shape != value.shape:
            problems.append(f"{key} has shape {tuple(value.shape)}, not {tuple(own[name].shape)}")
        else:
            found[name] = value

    for key, value in theirs.items():
        bare = key.removeprefix("pvt.")
        if reason := next((why for pattern, why in DROPPED.items() if re.search(pattern, bare)), None):
            dropped[key] = reason
            continue
        name = _our_name(bare)
        if name is None:
            problems.append(f"{key} fits nowhere")
            continue
        renamed[key] = name
        if half := re.search(r"\.(key|value)\.(weight|bias)$", bare):  # one matrix here, two there
            halves.setdefault(name, {})[half[1]] = value
        elif name.endswith("image_positions"):
            positions = _positions(value, model.config.grid(int(name.split(".")[1])))
            if positions is None:
                problems.append(f"{key} has {value.shape[1]} positions, which are no square")
            else:
                fill(name, positions, key)
        else:
            fill(name, value, key)
    for name, parts in halves.items():
        if parts.keys() != {"key", "value"}:
            problems.append(f"{name} needs both key and value, found {', '.join(parts)}")
        else:
            fill(name, torch.cat([parts["key"], parts["value"]]), name)
    if problems:
        raise ValueError(f"not a PVT v1 of this size: {'; '.join(sorted(problems)[:5])}")
    pyramid = [name for name in own if re.match(r"stages\.\d+\.(patches|image_positions|blocks)", name)]
    if missing := sorted(set(pyramid) - found.keys()):
        raise ValueError(f"the checkpoint has nothing for {', '.join(missing[:5])}")
    for name, value in found.items():
        own[name].data.copy_(value)
    return LoadedKeys(renamed, dropped, tuple(name for name in own if name not in found))


def _our_name(key: str) -> str | None:
    if found := re.fullmatch(r"encoder\.patch_embeddings\.(\d+)\.(.+)", key):
        leaf = found[2].replace("projection.", "patches.").replace("layer_norm.", "patches_norm.")
        return f"stages.{found[1]}.{leaf.replace('position_embeddings', 'image_positions')}"
    if not (found := re.fullmatch(r"encoder\.block\.(\d+)\.(\d+)\.(.+)", key)):
        return None
    leaf = found[3]
    for theirs, ours in (
        ("attention.self.query", "attention.query"),
        ("attention.self.key", "attention.key_value"),
        ("attention.self.value", "attention.key_value"),
        ("attention.self.sequence_reduction", "attention.reduce"),
        ("attention.self.layer_norm", "attention.reduce_norm"),
        ("attention.output.dense", "attention.project"),
        ("layer_norm_1", "norm1"),
        ("layer_norm_2", "norm2"),
        ("mlp.dense1", "feed_forward.expand"),
        ("mlp.dense2", "feed_forward.contract"),
    ):
        if leaf.startswith(f"{theirs}."):
            return f"stages.{found[1]}.blocks.{found[2]}.{ours}.{leaf.removeprefix(f'{theirs}.')}"
    return None


def _positions(table: Tensor, grid: tuple[int, int]) -> Tensor | None:
    """PVT's positions (1, N, D), square and perhaps with one for its class token in front, at our grid; None: not square."""
    side = int(table.shape[1] ** 0.5)
    if table.shape[1] == side * side + 1:
        table = table[:, 1:]
    if table.shape[1] != side * side:
        return None
    square = rearrange(table, "1 (h w) d -> 1 d h w", h=side)
    if (side, side) != grid:
        square = F.interpolate(square, grid, mode="bilinear", align_corners=False)
    return rearrange(square, "1 d h w -> 1 (h w) d")


def _weights(source: str | Path) -> Path:
    folder = Path(source)
    if folder.is_dir():
        if not (folder / "model.safetensors").is_file():
            raise ValueError(f"{folder}: no model.safetensors there")
        return folder / "model.safetensors"
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(str(source), "model.safetensors"))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"{source}: no such folder, and the hub does not give its model.safetensors: {error}"
        ) from error
