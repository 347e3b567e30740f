"""A run's state on disk: safetensors and JSON, never pickle; whole or not there at all.

    checkpoints/step_00000412/   model.safetensors  optimizer.safetensors  [ema.safetensors]  state.json  manifest.json

A folder is written under a temporary name, flushed to disk, then renamed. The manifest holds every file's size and
SHA-256, so that damage of any later kind is noticed: such a folder is passed over with a warning.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from modiste.files import (
    FULL,
    flush_folder,
    no_room,
    parse_json,
    require_unchanged,
    sha256_of,
    signed,
    write_atomically,
)

_STEP = re.compile(r"step_(\d{8,})")


@dataclass(frozen=True)
class Checkpoint:
    """What `save_checkpoint` was given, read back."""

    path: Path
    step: int  # optimiser steps done
    tensors: Mapping[str, Mapping[str, Tensor]]  # "model", "optimizer", "ema" → name → tensor, on the CPU
    state: Mapping[str, Any]


def save_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any], keep: int = 2
) -> Path:
    """Write `folder`/step_N atomically, then remove all but the last `keep` checkpoints; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    final = folder / f"step_{step:08d}"
    unfinished = folder / f".unfinished_{final.name}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    for part, named in tensors.items():
        save_tensors(unfinished / f"{part}.safetensors", named)
    write_json(unfinished / "state.json", state)
    files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)} for path in unfinished.iterdir()}
    write_json(unfinished / "manifest.json", signed({"step": step, "files": files}))
    flush_folder(unfinished)
    if final.exists():  # the same step again, after going back to an earlier checkpoint
        _remove(final)
    os.replace(unfinished, final)
    flush_folder(folder)
    for path in _step_folders(folder)[:-keep]:
        _remove(path)
    return final


def latest_checkpoint(folder: Path) -> Path | None:
    """The complete checkpoint with the highest step; damaged ones are passed over with a warning. None: there is none."""
    for path in reversed(_step_folders(folder)):
        try:
            verify_checkpoint(path)
        except ValueError as error:
            warnings.warn(f"checkpoint passed over: {error}", stacklevel=2)
            continue
        return path
    return None


def verify_checkpoint(path: Path) -> int:
    """The step of the checkpoint at `path`; raises `ValueError` naming what is missing or damaged."""
    try:
        manifest = require_unchanged(parse_json((path / "manifest.json").read_text(encoding="utf-8")))
        step = int(manifest["step"])
        files = {name: (int(one["bytes"]), str(one["sha256"])) for name, one in manifest["files"].items()}
    except FileNotFoundError as error:
        raise ValueError(f"{path} is incomplete: it has no manifest.json") from error
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ValueError(f"{path / 'manifest.json'} is damaged: {error}") from error
    for name, expected in files.items():
        file = path / name
        if not file.is_file():
            raise ValueError(f"{path} is incomplete: {name} is missing")
        if file.stat().st_size != expected[0] or sha256_of(file) != expected[1]:
            raise ValueError(f"{file} is damaged: its contents are not those that were written")
    return step


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint folder; raises `ValueError` when it is incomplete or damaged."""
    step = verify_checkpoint(path)
    tensors = {file.stem: load_tensors(file) for file in sorted(path.glob("*.safetensors"))}
    return Checkpoint(path, step, tensors, json.loads((path / "state.json").read_text(encoding="utf-8")))


def save_tensors(path: Path, named: Mapping[str, Tensor]) -> None:
    """One safetensors file, written atomically. A tensor under two names (tied weights) is stored once."""
    stored: dict[str, Tensor] = {}
    names: dict[tuple[Any, ...], str] = {}
    aliases: dict[str, str] = {}
    for name, tensor in named.items():
        key = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if tensor.numel() and key in names:
            aliases[name] = names[key]
        else:
            names[key] = name
            stored[name] = tensor.detach().to("cpu", copy=True).contiguous()
    unfinished = path.with_name(f".unfinished_{path.name}")
    try:
        save_file(stored, unfinished, metadata={"format": "pt", "aliases": json.dumps(aliases, sort_keys=True)})
        _flush_file(unfinished)
        os.replace(unfinished, path)
    except (OSError, SafetensorError) as error:
        unfinished.unlink(missing_ok=True)
        if getattr(error, "errno", None) in FULL or "os error 28" in str(error):
            raise OSError(f"{path}: {no_room(path.parent)}") from error
        raise OSError(f"{path} cannot be written: {error}") from error


def load_tensors(path: Path) -> dict[str, Tensor]:
    """What `save_tensors` wrote, or any safetensors file; raises `ValueError` naming the file when it is neither."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            named = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (the file is no mapping)
            aliases = dict(parse_json((file.metadata() or {}).get("aliases", "{}")))
        return named | {alias: named[name] for alias, name in aliases.items()}
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from error


def load_weights(model: nn.Module, named: Mapping[str, Tensor], source: Path | str) -> None:
    """Copy weights into `model`; raises `ValueError` listing missing, unknown and misshapen names."""
    own = model.state_dict()
    problems = [f"missing {name}" for name in own.keys() - named.keys()]
    problems += [f"unknown {name}" for name in named.keys() - own.keys()]
    problems += [
        f"{name} is {tuple(named[name].shape)}, not {tuple(own[name].shape)}"
        for name in own.keys() & named.keys()
        if own[name].shape != named[name].shape
    ]
    if problems:
        shown = "; ".join(sorted(problems)[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
        raise ValueError(f"the weights in {source} are not this model's: {shown}")
    model.load_state_dict(dict(named))


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state, flat: "parameter name/quantity" → tensor. Groups need a "names" list."""
    flat: dict[str, Tensor] = {}
    for group in optimizer.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            for quantity, value in optimizer.state.get(parameter, {}).items():
                flat[f"{name}/{quantity}"] = value if isinstance(value, Tensor) else torch.tensor(value)
    return flat


def load_optimizer(optimizer: torch.optim.Optimizer, flat: Mapping[str, Tensor]) -> None:
    """Undo `optimizer_tensors`; raises `ValueError` for the state of a parameter that is not there."""
    names = [name for group in optimizer.param_groups for name in group["names"]]
    numbers = {name: number for number, name in enumerate(names)}
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in flat.items():
        name, quantity = key.rsplit("/", 1)
        if name not in numbers:
            raise ValueError(f"the optimiser's state is of another model: there is no trained parameter {name!r}")
        state.setdefault(numbers[name], {})[quantity] = tensor
    # Through load_state_dict, which knows where each kind of AdamW keeps its step count.
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def write_json(path: Path, value: Any) -> None:
    """A JSON file, written atomically and flushed to disk."""
    write_atomically(path, (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode("utf-8"))


def _step_folders(folder: Path) -> list[Path]:
    """Folders named as checkpoints, earliest first."""
    if not folder.is_dir():
        return []
    numbered = [(int(match[1]), path) for path in folder.iterdir() if (match := _STEP.fullmatch(path.name))]
    return [path for _, path in sorted(numbered)]


def _remove(path: Path) -> None:
    """Under a name that is no checkpoint's first: a half-removed one must not look like a damaged one."""
    doomed = path.with_name(f".removed_{path.name}")
    shutil.rmtree(doomed, ignore_errors=True)
    os.replace(path, doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def _flush_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
