"""Whose a run's folder is: in use or not, which configuration, where it started, what to move out of the way."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

import modiste
from modiste.files import write_atomically
from modiste.training.checkpoint import latest_checkpoint

# What a run may change between sessions without becoming another run: none of it reaches the weights.
_MAY_CHANGE = frozenset(
    {"log_every", "checkpoint_every_steps", "checkpoint_every_seconds", "keep_checkpoints", "evals", "num_workers"}
)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other training processes out; raises `ValueError` when one is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ValueError(f"{folder} is in use by another training process; choose another folder") from error
    try:
        yield
    finally:
        lock.release()


def matching_record(new: Mapping[str, Any], source: Path | None, folder: Path) -> dict[str, Any]:
    """run.json of the run whose checkpoint `source` is to be resumed in `folder` with the fields `new`; {} without one.

    Raises `ValueError` naming the fields that differ, or when the checkpoint is of another folder and this one is taken.
    """
    if source is None:
        return {}
    path = source.parent.parent / "run.json"
    if not path.is_file():
        raise ValueError(f"{source} cannot be resumed: {path} is missing, which says how it was configured")
    if path.parent.resolve() != folder.resolve() and latest_checkpoint(folder / "checkpoints"):
        raise ValueError(f"{folder} holds a run of its own; choose another folder to go on from {source}")
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if found := differences(record["fields"], json.loads(json.dumps(new))):
        raise ValueError(
            f"{path.parent} holds a run with another configuration: {'; '.join(found)}. Choose another folder, or "
            "resume='never' to start anew"
        )
    return record


def _aside(folder: Path) -> Path:
    number = 1 + sum(path.name.startswith("earlier_") for path in folder.iterdir())
    aside = folder / f"earlier_{number}"
    aside.mkdir()
    return aside


def set_aside(folder: Path) -> None:
    """Move an earlier run's files into a folder of their own, so that none is lost and none is mistaken for new."""
    names = ("run.json", "log.jsonl", "tensorboard", "checkpoints", "best", "model.safetensors", "model")
    if found := [folder / name for name in names if (folder / name).exists()]:
        aside = _aside(folder)
        for path in found:
            os.replace(path, aside / path.name)


def drop_later_checkpoints(folder: Path, step: int) -> None:
    """Set aside checkpoints past the one chosen: the next session must not take them for this one's."""
    later = [path for path in (folder / "checkpoints").glob("step_*") if int(path.name[5:]) > step]
    if later:
        aside = _aside(folder) / "checkpoints"
        aside.mkdir()
        for path in later:
            os.replace(path, aside / path.name)


def note_training(model: Path, name: str, config: Mapping[str, Any], **facts: Any) -> None:
    """Say on the card of an exported model, if it has one, by which recipe, fields and machine it was trained."""
    card = model / "README.md"
    if not card.is_file():
        return
    told = [f"- {key.replace('_', ' ')}: {value}" for key, value in facts.items() if value is not None]
    told.append(f"- {os.cpu_count()} cores, {platform.system()} {platform.machine()}, modiste {modiste.__version__}")
    fields = json.dumps(dict(config), indent=2, default=str, ensure_ascii=False)
    text = card.read_text(encoding="utf-8").rstrip()
    lines = "\n".join(told)
    text += f"\n\n## Training\n\n`modiste train {name}` with these fields makes it again:\n\n```json\n{fields}\n```\n\n"
    text += f"{lines}\n"
    write_atomically(card, text.encode())


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Fields that differ and shape the result, as "config.width: 8, now 16"; empty when a run may be resumed."""
    found = []
    for name in sorted(old.keys() | new.keys()):
        before, now = old.get(name), new.get(name)
        if name in _MAY_CHANGE or before == now:
            continue
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found += [f"{name}.{line}" for line in differences(before, now)]
        else:
            found.append(f"{name}: {before!r}, now {now!r}")
    return found


def session(step: int, model: nn.Module, device: torch.device, world_size: int) -> dict[str, Any]:
    """Where and with what a run starts or goes on: for run.json."""
    return {
        "from_step": step,
        "model": type(model).__name__,
        "num_parameters": sum(parameter.numel() for parameter in model.parameters()),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "num_processes": world_size,
        "num_cores": os.cpu_count(),
        "num_threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {"modiste": modiste.__version__}
        | {name: version(name) for name in ("torch", "accelerate", "numpy", "safetensors")},
    }
