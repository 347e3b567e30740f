"""Modiste: understands fashion products, judges whether clothes go together, and builds outfits.

The names of the quick start are here; each is imported when it is first used, so `import modiste` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modiste.engine.catalogue import Catalogue as Catalogue
    from modiste.models.pretrained import load as load
    from modiste.types import Item as Item
    from modiste.types import Outfit as Outfit

__version__ = "0.1.0"
__all__ = ["Catalogue", "Item", "Outfit", "__version__", "load"]

_HOME = {
    "Catalogue": "modiste.engine.catalogue",
    "Item": "modiste.types",
    "Outfit": "modiste.types",
    "load": "modiste.models.pretrained",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'modiste' has no attribute {name!r}")
