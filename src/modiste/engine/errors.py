"""What can go wrong with a catalogue, by name."""

from __future__ import annotations

from pathlib import Path


class CatalogueError(ValueError):
    """A catalogue that is missing, damaged or used wrongly; the message names the file and what to do."""


class CatalogueLocked(CatalogueError):
    """Another process is writing to the catalogue."""


class UnknownItem(CatalogueError, LookupError):
    """No item has this id; the message offers near ones."""


class NotUnderstood(ValueError):
    """Words that the encoder cannot read, all of them: an answer would be the same for any other such words."""


def rebuild_advice(folder: Path | str) -> str:
    """The one way out of a damaged catalogue: its vectors and rows can always be made again from the table."""
    return f"Rebuild it: delete {folder} and run `modiste index TABLE --into {folder}`"
