"""Clothing dataset (small) by Alexey Grigorev: ordinary people's phone photos of clothes, ten classes, free for any use.

Read from `clothing_photos/{train,valid}.parquet`. A row: `id`, `category` (the class), `image` (encoded bytes, or a struct with
`bytes`). The domain that a shopper's own photo comes from; there are no products in it, so it asks only for the right *kind*.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from modiste.data.parquet import parquet_rows
from modiste.data.roots import folder_of
from modiste.types import Item

NAME = "clothing_photos"
SPLITS = ("train", "valid")
_COLUMNS = ("id", "category", "image")
_BATCH = 256
_WHERE_FROM = (
    "get the clothing dataset (small) from github.com/alexeygrigorev/clothing-dataset-small and write one Parquet file per "
    f"split, {NAME}/{{train,valid}}.parquet, with the columns {', '.join(_COLUMNS)}; then set MODISTE_DATA to the folder that "
    "holds it"
)

# Class -> the article types of `fashion_products` that are of this class. A long-sleeved garment counts as `longsleeve` only
# where its article type says so: long-sleeved "Tshirts" exist there, but nothing but the photo tells which they are.
ARTICLE_TYPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "dress": ("Dresses",),
        "hat": ("Caps", "Hat"),
        "longsleeve": ("Sweaters", "Sweatshirts"),
        "outwear": ("Blazers", "Jackets", "Nehru Jackets", "Rain Jacket"),
        "pants": ("Jeans", "Jeggings", "Leggings", "Lounge Pants", "Rain Trousers", "Track Pants", "Trousers"),
        "shirt": ("Shirts",),
        "shoes": (
            *("Booties", "Casual Shoes", "Flats", "Flip Flops", "Formal Shoes", "Heels", "Sandals", "Sports Sandals"),
            "Sports Shoes",
        ),
        "shorts": ("Lounge Shorts", "Shorts"),
        "skirt": ("Skirts",),
        "t-shirt": ("Tshirts",),
    }
)  # fmt: skip
CLASSES: tuple[str, ...] = tuple(ARTICLE_TYPES)


def read_clothing_photos(split: str, root: str | Path | None = None) -> list[Item]:
    """The photos of a split, in file order: category = class, no text.

    Parameters
    ----------
    root
        The folder of all data sets or the folder with the files; None: `roots.default_root`.

    Raises
    ------
    FileNotFoundError
        If there is no split file there.
    ValueError
        If the split is not there, the file is damaged or lacks a column, or a row lacks something; it names file and row.
    """
    folder = folder_of(NAME, root, "{}.parquet", _WHERE_FROM, one_of=SPLITS)
    path = folder / f"{split}.parquet"
    if split not in SPLITS or not path.is_file():
        there = [name for name in SPLITS if (folder / f"{name}.parquet").is_file()]
        raise ValueError(f"{folder}: no split {split!r}; there is {', '.join(there)}")
    items = []
    for number, cells in enumerate(parquet_rows(path, _COLUMNS, _COLUMNS, _WHERE_FROM, _BATCH), 1):
        image = cells["image"]
        if isinstance(image, dict):  # as Hugging Face's `datasets` writes pictures
            image = image.get("bytes")
        values = (cells["id"], cells["category"], image)
        if lacking := [name for name, value in zip(_COLUMNS, values, strict=True) if not value]:
            raise ValueError(f"{path}: row {number}: no {', '.join(lacking)}")
        items.append(Item(id=str(cells["id"]), image=image, category=str(cells["category"])))
    return items
