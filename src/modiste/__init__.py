"""Modiste: understands fashion products, judges whether clothes go together, and builds outfits."""

__version__ = "0.1.0"
