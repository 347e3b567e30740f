"""Folders of GRNets: `config.json` (sizes), `model.safetensors`, card. Safetensors only, every key accounted for."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from modiste import __version__
from modiste.models import pretrained
from modiste.models.grnet import Grnet, GrnetConfig
from modiste.models.grnet_backbone import GoogLeNet
from modiste.models.grnet_inference import GrnetScorer
from modiste.models.pretrained import CONFIG, MODEL, PretrainedError

ARCHITECTURE = "grnet"


def describe(model: Grnet) -> dict[str, Any]:
    """Sizes and behaviour as JSON values: what `built` makes the same model from, and part of its fingerprint."""
    values: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(model.config)))
    return values


def built(values: Mapping[str, Any]) -> Grnet:
    """The model that `describe` described. Raises `KeyError`, `TypeError`, `ValueError` when it does not fit."""
    return Grnet(GrnetConfig(**_with_tuples(values)))


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples that they were, also in what is nested."""
    return {
        key: _with_tuples(value) if isinstance(value, dict) else tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
    }


def save_grnet(folder: str | Path, model: Grnet, *, name: str, card: str = "") -> Path:
    """Write the model's folder atomically; matrices in fp16, everything one-dimensional in fp32."""
    config = {"architecture": ARCHITECTURE, "name": name, "modiste_version": __version__, "model": describe(model)}
    card = (
        card or f"---\nlibrary_name: modiste\ntags: [fashion, image-retrieval]\n---\n# {name}\n\nCompares two photos.\n"
    )
    return pretrained.write_folder(folder, pretrained.to_stored(model.state_dict()), config, card)


def load_grnet(name: str | Path, *, device: str = "cpu") -> GrnetScorer:
    """A GRNet from its folder, or that of the run that trained it.

    Raises
    ------
    PretrainedError
        Naming the file that is missing, damaged or does not fit the others.
    """
    folder = pretrained.model_folder(Path(name))
    if not folder.is_dir():
        raise PretrainedError(f"no GRNet at {str(name)!r}: give the folder of one, or of the run that trained it")
    for file in (CONFIG, MODEL):
        if not (folder / file).is_file():
            raise PretrainedError(f"{folder / file} is missing: a GRNet's folder holds {CONFIG} and {MODEL}")
    config = pretrained.read_config(folder)
    if config.get("architecture") != ARCHITECTURE:
        raise PretrainedError(f"{folder / CONFIG}: {config.get('architecture')!r} is no GRNet")
    model = pretrained.build(folder, config, built, "a GRNet")
    pretrained.read_weights(folder, model)
    digest = hashlib.sha256(json.dumps([ARCHITECTURE, config["model"]], sort_keys=True).encode())
    pretrained.add_weights(digest, model.state_dict())
    return GrnetScorer(model, name=str(config.get("name", "")), sha256=digest.hexdigest(), device=device)


def is_grnet(name: str | Path) -> bool:
    """Whether a folder, or that of a run, says that it holds a GRNet; its files are checked when it is loaded."""
    folder = pretrained.model_folder(Path(name))
    if not str(name) or not (folder / CONFIG).is_file():
        return False
    return pretrained.stored_config(folder).get("architecture") == ARCHITECTURE


def load_torchvision_googlenet(model: Grnet, file: str | Path) -> dict[str, str]:
    """GoogLeNet's weights, as torchvision names them, from a safetensors file into the backbone; what was left out -> why.

    Raises `PretrainedError` naming the file when it is damaged or holds something else.
    """
    if not isinstance(model.backbone, GoogLeNet):
        raise PretrainedError("only a GRNet whose backbone is googlenet takes GoogLeNet's weights")
    try:
        return model.backbone.load_torchvision(load_file(file))
    except (SafetensorError, OSError, ValueError) as error:
        raise PretrainedError(f"{file}: {error}") from error
