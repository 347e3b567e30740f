"""`architecture.tag` -> weights, sha256, preprocessing, licence, expected scores; and any other encoder by name or folder.

A name carries everything that makes its vectors: weights, preprocessing, tokenizer and fusion travel together in one
folder (`config.json`, `model.safetensors`, `tokenizer.json`, `README.md`), so nobody pairs weights with the wrong
transform. Safetensors only: nothing here can run code from a checkpoint.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from modiste import __version__
from modiste.data.text import canonical_json
from modiste.models.clip import DualEncoder, DualEncoderConfig, DualEncoderTowers
from modiste.models.inference import Fusion, ImageTextEncoder
from modiste.registry import DEFAULT, PRETRAINED

WEIGHTS = Path(__file__).parent.parent / "weights"
CONFIG, MODEL, TOKENIZER, CARD = "config.json", "model.safetensors", "tokenizer.json", "README.md"


class PretrainedError(ValueError):
    """A model could not be found, read, or is not what its name promises."""


def load(name: str | Path | None = None, *, device: str = "cpu", revision: str | None = None) -> ImageTextEncoder:
    """An encoder by registered name, local folder, or Hugging Face hub name; the shipped default without a name.

    Raises
    ------
    PretrainedError
        If there is no such model, it is damaged, or its fingerprint is not the registered one.
    """
    name = str(name or DEFAULT)
    if known := PRETRAINED.get(name):
        if known.hub:
            return _load_published(known.hub, name=known.name, device=device, revision=revision)
        encoder = from_pretrained(WEIGHTS / name, device=device)
        if known.sha256 and encoder.id.sha256 != known.sha256:
            raise PretrainedError(
                f"{name}: the weights' sha256 is {encoder.id.sha256}, not the registered {known.sha256}"
            )
        return encoder
    folder = Path(name)
    if folder.is_dir():
        best = folder / "model"  # a training run's folder holds its exported model there
        folder = best if not (folder / CONFIG).exists() and (best / CONFIG).exists() else folder
        if _is_own(folder):
            return from_pretrained(folder, device=device)
        return _load_published(str(folder), name=folder.name, device=device, revision=None)
    hub_name = name.removeprefix("hf-hub:")
    if hub_name.count("/") == 1 and not hub_name.startswith((".", "/", "~")):
        return _load_published(hub_name, name=hub_name, device=device, revision=revision)
    raise PretrainedError(
        f"no model {name!r}: give one of {', '.join(PRETRAINED)}, a folder, or a Hugging Face name such as "
        "patrickjohncyh/fashion-clip"
    )


def save_pretrained(
    folder: str | Path,
    model: DualEncoder,
    tokenizer: Tokenizer,
    *,
    name: str,
    fusion: Fusion | None = None,
    card: str = "",
) -> Path:
    """Write the model's folder atomically; matrices in fp16, everything one-dimensional in fp32.

    The folder appears whole or not at all; an existing one is replaced.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    state = _to_stored(model.state_dict())
    config = {
        "architecture": "dual_encoder",
        "name": name,
        "modiste_version": __version__,
        "model": dataclasses.asdict(model.config),
        "fusion": dataclasses.asdict(fusion or Fusion()),
    }
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        save_file(state, scratch / MODEL, metadata={"format": "pt"})
        (scratch / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        tokenizer.save(str(scratch / TOKENIZER))
        (scratch / CARD).write_text(card or _minimal_card(name), encoding="utf-8")
        scratch.chmod(0o755)  # mkdtemp's is for its owner alone
        for file in scratch.iterdir():
            file.chmod(0o644)
        if folder.exists():
            old = folder.with_name(f".{folder.name}-old-{os.getpid()}")
            folder.rename(old)
            scratch.rename(folder)
            shutil.rmtree(old)
        else:
            scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def from_pretrained(folder: str | Path, *, device: str = "cpu") -> ImageTextEncoder:
    """An encoder from a folder that `save_pretrained` wrote; raises as `load_towers` does."""
    towers = load_towers(folder, device=device)
    config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    try:
        fusion = Fusion(**config.get("fusion", {}))
    except (TypeError, ValueError) as error:
        raise PretrainedError(f"{Path(folder) / CONFIG}: fusion: {error}") from error
    sha256 = fingerprint(towers.model.state_dict(), towers.model.config, towers.tokenizer)
    return ImageTextEncoder(towers, name=str(config.get("name", folder)), sha256=sha256, fusion=fusion)


def load_towers(folder: str | Path, *, device: str = "cpu") -> DualEncoderTowers:
    """The model and tokenizer of a folder that `save_pretrained` wrote, every key accounted for.

    Raises
    ------
    PretrainedError
        Naming the file that is missing, damaged or does not fit the others.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise PretrainedError(f"no model folder {folder}")
    for file in (CONFIG, MODEL, TOKENIZER):
        if not (folder / file).is_file():
            raise PretrainedError(f"{folder / file} is missing: a model folder holds {CONFIG}, {MODEL} and {TOKENIZER}")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if config.get("architecture") != "dual_encoder":
            raise PretrainedError(f"{folder / CONFIG}: unknown architecture {config.get('architecture')!r}")
        sizes: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in config["model"].items()
        }
        model = DualEncoder(DualEncoderConfig(**sizes))
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise PretrainedError(f"{folder / CONFIG} does not describe a dual encoder: {error}") from error
    try:
        state = load_file(folder / MODEL)
    except (SafetensorError, OSError) as error:
        raise PretrainedError(f"{folder / MODEL} is damaged: {error}") from error
    _check_keys(folder / MODEL, model.state_dict(), state)
    model.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # the tokenizers library raises plain Exception
        raise PretrainedError(f"{folder / TOKENIZER} is damaged: {error}") from error
    if tokenizer.get_vocab_size() > model.config.vocab_size:
        raise PretrainedError(f"{folder / TOKENIZER} has more words than the model's {model.config.vocab_size}")
    return DualEncoderTowers(model, tokenizer, device=device)


def push_to_hub(folder: str | Path, repo_id: str, *, private: bool = False, token: str | None = None) -> str:
    """Upload a model folder to the Hugging Face hub and return its address. Only the folder's four files go up."""
    from huggingface_hub import HfApi

    folder = Path(folder)
    from_pretrained(folder)  # what does not load here must not be published
    api = HfApi(token=token)
    address = str(api.create_repo(repo_id, private=private, exist_ok=True))
    api.upload_folder(repo_id=repo_id, folder_path=str(folder), allow_patterns=[CONFIG, MODEL, TOKENIZER, CARD])
    return address


def fingerprint(state: Mapping[str, torch.Tensor], config: DualEncoderConfig, tokenizer: Tokenizer) -> str:
    """sha256 of everything an item's vector depends on: weights as stored, sizes and preprocessing, tokenizer."""
    digest = hashlib.sha256()
    digest.update(json.dumps(dataclasses.asdict(config), sort_keys=True).encode())
    digest.update(canonical_json(tokenizer).encode())
    for key, tensor in sorted(_to_stored(state).items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def _to_stored(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        key: (value.half() if value.is_floating_point() and value.ndim > 1 else value)
        .detach()
        .cpu()
        .contiguous(memory_format=torch.contiguous_format)
        for key, value in state.items()
    }


def _check_keys(file: Path, expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> None:
    """Every key accounted for, every shape equal: a half-loaded model answers happily and wrongly."""
    problems = [f"missing {key}" for key in expected.keys() - found.keys()]
    problems += [f"unexpected {key}" for key in found.keys() - expected.keys()]
    problems += [
        f"{key} has shape {tuple(found[key].shape)}, not {tuple(expected[key].shape)}"
        for key in expected.keys() & found.keys()
        if expected[key].shape != found[key].shape
    ]
    if problems:
        raise PretrainedError(f"{file} does not fit its {CONFIG}: {'; '.join(sorted(problems)[:5])}")


def _is_own(folder: Path) -> bool:
    try:
        config: Any = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return False
    return isinstance(config, dict) and config.get("architecture") == "dual_encoder"


def _load_published(source: str, *, name: str, device: str, revision: str | None) -> ImageTextEncoder:
    from modiste.models.hf_clip import load_published  # transformers takes seconds to import

    return load_published(source, name=name, device=device, revision=revision)


def _minimal_card(name: str) -> str:
    return (
        f"---\nlibrary_name: modiste\ntags: [fashion, image-text-retrieval]\n---\n# {name}\n\nA Modiste dual encoder.\n"
    )
