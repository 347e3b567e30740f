"""A page of pictures to look at: search results as one self-contained HTML file, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from modiste.files import write_atomically
from modiste.types import ImageLike, Item


@dataclass(frozen=True)
class Row:
    """One query and what it found, best first."""

    words: str
    photo: ImageLike | None
    hits: Sequence[tuple[Item, float]]
    note: str = ""


def write_contact_sheet(
    path: Path, title: str, rows: Sequence[Row], *, thumbnail_size: tuple[int, int] = (240, 320)
) -> Path:
    """Write the page atomically. Every text is escaped by the template engine; pictures are inlined as JPEG."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from modiste.data.images import thumbnail

    def source(photo: ImageLike | None) -> str:
        if photo is None:
            return ""
        return "data:image/jpeg;base64," + base64.b64encode(thumbnail(photo, thumbnail_size)).decode()

    environment = Environment(
        loader=PackageLoader("modiste.cli"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("contact_sheet.html").render(
        title=title,
        rows=[
            {
                "words": row.words,
                "photo": source(row.photo),
                "note": row.note,
                "hits": [{"item": item, "score": score, "photo": source(item.image)} for item, score in row.hits],
            }
            for row in rows
        ],
    )
    return write_atomically(path, page.encode("utf-8"))
