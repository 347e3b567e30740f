"""Renew docs/images/customer_photos.jpg: shop photos of the generated world, look-alikes, and customers' photos by condition.

python scripts/customer_pictures.py
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from modiste.data.atelier import Atelier
from modiste.data.atelier.customers import Customers
from modiste.data.conditions import CONDITIONS, Conditions
from modiste.types import Item

ROOT = Path(__file__).parents[1]
SEED, ITEMS, BY_CONDITION = 7, (0, 2, 3), (2, 14)
GAP, LINE = 8, 20  # pixels between pictures, and for a line of words


def main() -> None:
    customers = Customers(Atelier(seed=SEED))
    width, height = customers.size
    columns = 7
    rows: list[list[tuple[str, Image.Image]]] = []
    for index in ITEMS:
        family = [(_kind(item), _picture(item.image)) for item in customers.shop_items(index)][:4]
        taken = [customers.photo(index, number) for number in range(columns - len(family))]
        rows.append(family + [(_said(conditions), _picture(one.image)) for one, conditions in taken])
    for index in BY_CONDITION:
        for level in ("some", "strong"):
            chosen = [(name, Conditions(**{name: level})) for name in CONDITIONS]  # type: ignore[arg-type]
            pictures = [(f"{name}: {level}", customers.photo(index, 7, one)[0].image) for name, one in chosen]
            first = ("nothing wrong", customers.photo(index, 7, Conditions())[0].image)
            rows.append([(words, _picture(image)) for words, image in (first, *pictures)])
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, len(rows) * (height + GAP + LINE) + GAP), (255, 255, 255))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for row, cells in enumerate(rows):
        for column, (words, picture) in enumerate(cells):
            left, top = GAP + column * (width + GAP), GAP + row * (height + GAP + LINE)
            sheet.paste(picture, (left, top))
            draw.text((left + 1, top + height + 3), words, fill=(60, 60, 60), font=font)
    path = ROOT / "docs" / "images" / "customer_photos.jpg"
    sheet.save(path, quality=86, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


def _picture(image: object) -> Image.Image:
    if isinstance(image, np.ndarray):
        return Image.fromarray(image)
    assert isinstance(image, bytes)
    return Image.open(io.BytesIO(image)).convert("RGB")


def _kind(item: Item) -> str:
    return item.id.split("-", 2)[2] if item.id.count("-") > 1 else "shop photo"


def _said(conditions: Conditions) -> str:
    """The strong conditions of a drawn photo, or the mild ones where there is none."""
    for level in ("strong", "some"):
        if found := [name for name in CONDITIONS if getattr(conditions, name) == level]:
            return ", ".join(found[:2]) + (" ..." if len(found) > 2 else "")
    return "nothing wrong"


if __name__ == "__main__":
    main()
