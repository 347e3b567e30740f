"""A page of pictures to look at: search results as one self-contained HTML file, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modiste.files import write_atomically
from modiste.types import ImageLike, Item

if TYPE_CHECKING:
    from modiste.cli.collage import LookCard

WIDE = (480, 320)  # pixels of a wide picture


@dataclass(frozen=True)
class Row:
    """One query and what it found, best first."""

    words: str
    photo: ImageLike | None
    hits: Sequence[tuple[Item, float]]
    note: str = ""
    wide: bool = False  # pictures of two photos side by side


def write_contact_sheet(
    path: Path,
    title: str,
    rows: Sequence[Row],
    *,
    thumbnail_size: tuple[int, int] = (240, 320),
    looks: Sequence[LookCard] = (),
) -> Path:
    """Write the page atomically; `looks` come as collages below the rows."""
    from modiste.cli.collage import look_values

    return write_page(
        path,
        "contact_sheet.html",
        title=title,
        looks=look_values(looks),
        rows=[
            {
                "words": row.words,
                "photo": picture_source(row.photo, thumbnail_size),
                "note": row.note,
                "wide": row.wide,
                "hits": [
                    {
                        "item": item,
                        "score": score,
                        "photo": picture_source(item.image, WIDE if row.wide else thumbnail_size),
                    }
                    for item, score in row.hits
                ],
            }
            for row in rows
        ],
    )


def picture_source(photo: ImageLike | None, size: tuple[int, int] = (240, 320)) -> str:
    """A photo as an address that carries a small JPEG of it; empty for none. Raises `ImageError` as `thumbnail` does."""
    from modiste.data.images import thumbnail

    return "data:image/jpeg;base64," + base64.b64encode(thumbnail(photo, size)).decode() if photo is not None else ""


def write_page(path: Path, template: str, **values: Any) -> Path:
    """Fill in a template of this package and write the page atomically. Every text is escaped by the template engine."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("modiste.cli"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).render(**values)
    return write_atomically(path, page.encode("utf-8"))
