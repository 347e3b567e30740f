"""A photo and a text as `tag` and `imagine` take them from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from modiste.cli.console import errors

if TYPE_CHECKING:
    from modiste.models.mvlt_inference import Inpainter, Recogniser


def read_photo(path: Path) -> bytes:
    """The bytes of a photo file, which need not be a photo yet; raises `ValueError` naming the file."""
    from modiste.data.feed.pictures import read_picture
    from modiste.data.images import ImageError

    if not path.exists():
        raise ValueError(f"{path}: no such file")
    try:
        return read_picture(path)
    except ImageError as error:
        raise ValueError(f"{path}: {error}") from error


def warn_of_long_text(text: str, model: Recogniser | Inpainter) -> None:
    """Say on standard error when the model reads only the beginning of a text."""
    room = model.model.config.context_length - 1  # [CLS] takes one
    if len(model.tokenizer.encode(text, add_special_tokens=False).ids) > room:
        errors.print(f"the text is longer than {model.name or 'the model'} reads: only its first {room} pieces count")
