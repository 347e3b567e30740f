"""The judge that finds the very item on a photo: opened beside a catalogue, and kept up to date with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modiste.engine.catalogue import Catalogue
    from modiste.engine.photo_features import ExactJudge, FeatureReport, PhotoFeatures
    from modiste.models.grnet_inference import GrnetScorer


def open_judge(store: Catalogue) -> ExactJudge:
    """The judge whose features are kept beside the catalogue.

    Raises `CatalogueError` where none are, `PretrainedError` when its model is gone, `EncoderMismatch` when that has changed.
    """
    from modiste.engine.errors import CatalogueError
    from modiste.engine.photo_features import ExactJudge, PhotoFeatures

    if store.name != str(store.folder) and not PhotoFeatures.is_at(store.folder):
        raise CatalogueError(
            f"this machine keeps no features of the photos of {store.name}; make them with "
            f"`modiste index TABLE --into {store.name} --exact MODEL`"
        )
    features = PhotoFeatures.open(store.folder)
    return ExactJudge(store, features, _loaded(features))


def keep_up(
    store: Catalogue, model: str = "", progress: Callable[[int, int], None] | None = None
) -> FeatureReport | None:
    """Describe what is new among the catalogue's photos; None where no features are kept and no `model` is named.

    A `model`, a GRNet's folder, that is not the one whose features are there replaces them. Raises as `open_judge` and
    `PhotoFeatures.update` do.
    """
    from modiste.engine.photo_features import PhotoFeatures

    there = PhotoFeatures.is_at(store.folder)
    if not model and not there:
        return None
    from modiste.models.grnet_pretrained import load_grnet

    if model:
        judge = load_grnet(model)
        features = PhotoFeatures.open(store.folder) if there else None
        if features is None or features.maker != judge.id:
            features = PhotoFeatures.create(store, judge.id, str(Path(model).resolve()))  # opened from anywhere
    else:
        features = PhotoFeatures.open(store.folder)
        judge = _loaded(features)
    return features.update(store, judge, progress=progress)


def _loaded(features: PhotoFeatures) -> GrnetScorer:
    from modiste.models.grnet_pretrained import load_grnet

    judge = load_grnet(features.model)
    features.require(judge.id)
    return judge
