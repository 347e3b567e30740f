"""Modiste: understands fashion products, judges whether clothes go together, and builds outfits.

The names of the quick start are here; each is imported when it is first used, so `import modiste` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modiste.engine.catalogue import Catalogue as Catalogue
    from modiste.engine.outfits import OutfitEngine as OutfitEngine
    from modiste.engine.recommend import Recommender as Recommender
    from modiste.models.pretrained import load as load
    from modiste.models.stylist import Stylist as Stylist
    from modiste.own import own_item as own_item
    from modiste.own import score as score
    from modiste.types import Item as Item
    from modiste.types import Outfit as Outfit
    from modiste.types import Slot as Slot

__version__ = "0.1.0"
__all__ = [
    "Catalogue",
    "Item",
    "Outfit",
    "OutfitEngine",
    "Recommender",
    "Slot",
    "Stylist",
    "__version__",
    "load",
    "own_item",
    "score",
]

_HOME = {
    "Catalogue": "modiste.engine.catalogue",
    "Item": "modiste.types",
    "Outfit": "modiste.types",
    "OutfitEngine": "modiste.engine.outfits",
    "Recommender": "modiste.engine.recommend",
    "Slot": "modiste.types",
    "Stylist": "modiste.models.stylist",
    "load": "modiste.models.pretrained",
    "own_item": "modiste.own",
    "score": "modiste.own",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'modiste' has no attribute {name!r}")
