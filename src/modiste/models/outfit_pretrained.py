"""Folders of outfit models: `config.json` (sizes, tags, and which encoder's vectors it reads), weights, card.

An outfit model is nothing without its encoder: the folder names it and holds its sha256, and loading checks that it is the
one. Safetensors only, every key accounted for, as in `pretrained.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modiste import __version__
from modiste.models import pretrained
from modiste.models.architectures import OUTFIT_ARCHITECTURES, outfit_architecture_of
from modiste.models.inference import ImageTextEncoder
from modiste.models.outfit_inference import OutfitModelScorer
from modiste.models.outfit_transformer import OutfitTransformer
from modiste.models.pairwise import PairwiseModel
from modiste.models.pretrained import CONFIG, MODEL, WEIGHTS, PretrainedError
from modiste.registry import PRETRAINED
from modiste.types import EncoderId, EncoderMismatch

OutfitModel = OutfitTransformer | PairwiseModel
_TOWERS = ("items.image_tower.", "items.text_tower.")


@dataclass(frozen=True)
class LoadedOutfitModel:
    """An outfit model's folder, read and checked."""

    model: OutfitModel
    name: str
    encoder: EncoderId  # whose vectors it reads
    sha256: str  # of sizes, tags, weights and encoder


def save_outfit_model(folder: str | Path, model: OutfitModel, *, name: str, encoder: EncoderId, card: str = "") -> Path:
    """Write the model's folder atomically. `encoder`: whose item vectors (N, 2E) it was trained on.

    Towers that were tuned with it are not written: they are an encoder, to be saved as one and named here.
    """
    architecture = outfit_architecture_of(model)
    state = {key: value for key, value in model.state_dict().items() if not key.startswith(_TOWERS)}
    config = {
        "architecture": architecture.name,
        "name": name,
        "modiste_version": __version__,
        "model": architecture.describe(model),
        "encoder": {"name": encoder.name, "sha256": encoder.sha256, "dim": encoder.dim},
    }
    card = (
        card
        or f"---\nlibrary_name: modiste\ntags: [fashion, outfits]\n---\n# {name}\n\nReads the vectors of {encoder}.\n"
    )
    return pretrained.write_folder(folder, pretrained.to_stored(state), config, card)


def load_outfit_model(name: str | Path) -> LoadedOutfitModel:
    """An outfit model by registered name, folder, or the folder of the run that trained it.

    Raises
    ------
    PretrainedError
        Naming the file that is missing, damaged or does not fit the others; or when the name is unknown.
    """
    known = PRETRAINED.get(str(name))
    folder = WEIGHTS / str(name) if known and known.ships else pretrained.model_folder(Path(name))
    if not folder.is_dir():
        raise PretrainedError(f"no outfit model {str(name)!r}: give the folder of one, or of the run that trained it")
    for file in (CONFIG, MODEL):
        if not (folder / file).is_file():
            raise PretrainedError(f"{folder / file} is missing: an outfit model's folder holds {CONFIG} and {MODEL}")
    config = pretrained.read_config(folder)
    architecture = OUTFIT_ARCHITECTURES.get(str(config.get("architecture")))
    if architecture is None:
        raise PretrainedError(
            f"{folder / CONFIG}: {config.get('architecture')!r} is no outfit model; there is {', '.join(OUTFIT_ARCHITECTURES)}"
        )
    model = pretrained.build(folder, config, architecture.build, f"a {architecture.name}")
    try:
        encoder = EncoderId(**config["encoder"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise PretrainedError(
            f"{folder / CONFIG} does not name the encoder of a {architecture.name}: {error}"
        ) from error
    pretrained.read_weights(folder, model)
    return LoadedOutfitModel(model, str(config.get("name", "")), encoder, _fingerprint(model, config))


def load_outfit_scorer(
    name: str | Path, *, encoder: ImageTextEncoder | None = None, device: str = "cpu"
) -> OutfitModelScorer:
    """An outfit model with its encoder, ready to score: by registered name, folder, or run.

    `encoder`: the one it needs, if it is loaded already; else it is loaded by the name in the folder.

    Raises
    ------
    PretrainedError
        As `load_outfit_model`, and when the encoder cannot be loaded.
    EncoderMismatch
        If the encoder is not the one whose vectors the model was trained on.
    """
    found = load_outfit_model(name)
    pretrained.check_registered(str(name), found.sha256)
    if encoder is None:
        try:
            encoder = pretrained.load(found.encoder.name, device=device)
        except PretrainedError as error:
            raise PretrainedError(f"{name} needs the encoder {found.encoder}: {error}; hand it over") from error
    if (encoder.id.sha256, encoder.id.dim) != (found.encoder.sha256, found.encoder.dim):
        raise EncoderMismatch(f"{name} reads vectors of {found.encoder}, not of {encoder.id}")
    return OutfitModelScorer(found.model.to(device), encoder, name=found.name, sha256=found.sha256)


def _fingerprint(model: OutfitModel, config: Mapping[str, Any]) -> str:
    digest = hashlib.sha256()
    digest.update(json.dumps([config["architecture"], config["model"], config["encoder"]], sort_keys=True).encode())
    pretrained.add_weights(digest, model.state_dict())
    return digest.hexdigest()
