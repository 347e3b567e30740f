"""Our own architectures by the name in a model folder's config.json: how each is described, built and used."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from modiste.models.clip import DualEncoder, DualEncoderConfig, DualEncoderTowers
from modiste.models.csa_net import CsaNet, CsaNetConfig
from modiste.models.fame_vil import FameVil, FameVilConfig
from modiste.models.fame_vil_inference import FameVilTowers, fame_vil_encoder
from modiste.models.inference import ImageTextEncoder, Towers
from modiste.models.mvlt import Mvlt, MvltConfig
from modiste.models.mvlt_inference import MvltTowers
from modiste.models.outfit_transformer import OutfitTransformer, OutfitTransformerConfig
from modiste.models.pairwise import PairwiseConfig, PairwiseModel
from modiste.models.type_aware import TypeAware


@dataclass(frozen=True)
class Architecture:
    """One family of models that `save_pretrained` writes."""

    name: str
    model: type[nn.Module]
    describe: Callable[[Any], dict[str, Any]]
    """A model's sizes and behaviour as JSON values: what `build` makes the same model from, and part of its fingerprint."""
    build: Callable[[Mapping[str, Any]], nn.Module]
    towers: Callable[..., Towers]
    encoder: Callable[..., ImageTextEncoder] = ImageTextEncoder
    """Makes an encoder of the towers."""


def _config(cls: type[Any], values: Mapping[str, Any]) -> Any:
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


def _build_dual_encoder(values: Mapping[str, Any]) -> DualEncoder:
    values = dict(values)
    if "mirror_average" in values:  # models saved before views had zooms
        values["views"] = (1.0, -1.0) if values.pop("mirror_average") else (1.0,)
    return DualEncoder(_config(DualEncoderConfig, values))


def _describe_mvlt(model: Mvlt) -> dict[str, Any]:
    return {**dataclasses.asdict(model.config), "labels": {name: list(of) for name, of in model.labels.items()}}


def _build_mvlt(values: Mapping[str, Any]) -> Mvlt:
    config = _config(MvltConfig, {key: value for key, value in values.items() if key != "labels"})
    return Mvlt(config, labels=values.get("labels") or {})


ARCHITECTURES: dict[str, Architecture] = {
    one.name: one
    for one in (
        Architecture(
            name="dual_encoder",
            model=DualEncoder,
            describe=lambda model: dataclasses.asdict(model.config),
            build=_build_dual_encoder,
            towers=DualEncoderTowers,
        ),
        Architecture(
            name="mvlt", model=Mvlt, describe=_describe_mvlt, build=_build_mvlt, towers=MvltTowers,
        ),
        Architecture(
            name="fame_vil",
            model=FameVil,
            describe=lambda model: dataclasses.asdict(model.config),
            build=lambda values: FameVil(_config(FameVilConfig, values)),
            towers=FameVilTowers,
            encoder=fame_vil_encoder,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class OutfitArchitecture:
    """One family of outfit models: they read an encoder's vectors, and have a config beside their class."""

    name: str
    model: type[OutfitTransformer] | type[PairwiseModel]
    config: type[OutfitTransformerConfig] | type[PairwiseConfig]

    def describe(self, model: OutfitTransformer | PairwiseModel) -> dict[str, Any]:
        """Sizes, behaviour and tags as JSON values: what `build` makes the same model from."""
        return {**dataclasses.asdict(model.config), "tags": {kind: list(of) for kind, of in model.config.tags.items()}}

    def build(self, values: Mapping[str, Any]) -> OutfitTransformer | PairwiseModel:
        tags = {kind: tuple(of) for kind, of in values["tags"].items()}
        return self.model(self.config(**{**values, "tags": tags}))  # type: ignore[arg-type]


OUTFIT_ARCHITECTURES: dict[str, OutfitArchitecture] = {
    one.name: one
    for one in (
        OutfitArchitecture("outfit_transformer", OutfitTransformer, OutfitTransformerConfig),
        OutfitArchitecture("csa_net", CsaNet, CsaNetConfig),
        OutfitArchitecture("type_aware", TypeAware, PairwiseConfig),
    )
}


def outfit_architecture_of(model: nn.Module) -> OutfitArchitecture:
    """The architecture that an outfit model is of; raises `ValueError` for any other model."""
    for one in OUTFIT_ARCHITECTURES.values():
        if isinstance(model, one.model):
            return one
    raise ValueError(f"{type(model).__name__} is not one of the outfit models {', '.join(OUTFIT_ARCHITECTURES)}")


def architecture_of(model: nn.Module) -> Architecture:
    """The architecture that a model is of; raises `ValueError` for a model that cannot be saved."""
    for one in ARCHITECTURES.values():
        if isinstance(model, one.model):
            return one
    raise ValueError(f"{type(model).__name__} is not one of the architectures {', '.join(ARCHITECTURES)}")
