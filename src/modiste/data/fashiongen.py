"""Fashion-Gen (Rostamzadeh et al. 2018, arXiv:1806.08317): studio photos of 67,666 products with stylists' descriptions.

Read from the two official files, whose terms let nobody pass them on: `fashiongen_256_256_train.h5` (260,490 rows) and
`fashiongen_256_256_validation.h5` (the set that published numbers are measured on). A row is one view of a product; its
columns are HDF5 data sets of shape (N, 1), text as latin-1 bytes, and the photos (N, H, W, 3) uint8.

    input_productID                  Item.group, and with the pose Item.id
    input_name, input_description    title, description; HTML line breaks become spaces
    input_subcategory (122 labels)   Item.category and attribute `article_type`: what S-CR predicts
    input_category (48 labels)       attributes `category` and `sub_category`: what M-CR predicts
    input_gender, _season, _brand, _composition, _department, _pose     attributes of those names
    input_msrpUSD                    attributes `price` and `currency`

Mind the names: Fashion-Gen calls its coarse label the category and its fine one the sub-category. Here, as in
`fashion_products`, the coarse one is `sub_category` and the fine one the item's own category. There is no column for the
colour, which the name says, and `input_concat_description` repeats the other texts and is not read.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from modiste.data.feed import FeedReport
from modiste.data.feed.text import plain_text
from modiste.data.hdf5 import first_line, is_column, open_hdf5, read_rows
from modiste.data.images import Pixels
from modiste.data.roots import default_root
from modiste.types import ImageLike, Item, Scalar

NAME = "fashiongen"
FILES = {"train": "fashiongen_256_256_train.h5", "valid": "fashiongen_256_256_validation.h5"}
Pictures = Literal["pixels", "encoded", "none"]
TEXTS = ("name", "description", "category", "subcategory")
LABELS = ("gender", "season", "brand", "composition", "department", "pose")  # become attributes where they are there
_BLOCK = 256  # rows read at once: 50 MB of photos

_WHERE_FROM = (
    "get Fashion-Gen from its authors (arXiv:1806.08317) and put "
    f"{' and '.join(FILES.values())} into {NAME}/ of the folder that MODISTE_DATA names"
)
# What is not text: the kinds of its type, and what to say when it is another.
_TYPES = {
    "image": ("u", "uint8 (N, H, W, 3)"),
    "productID": ("iuSO", "integers (N, 1)"),
    "msrpUSD": ("iuf", "numbers (N, 1)"),
}


class FashionGen:
    """The official files as items, or as photos by row number.

    Parameters
    ----------
    root
        The folder with the files, or with `fashiongen/` in it; by default `default_root()`.

    Raises
    ------
    FileNotFoundError
        If neither file is there.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = default_root(_WHERE_FROM) if root is None else Path(root)
        for folder in (self.root / NAME, self.root):
            self._files = {split: path for split, name in FILES.items() if (path := folder / name).is_file()}
            if self._files:
                return
        raise FileNotFoundError(f"{self.root}: none of {', '.join(FILES.values())} there; {_WHERE_FROM}")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are there, of "train" and "valid"."""
        return tuple(self._files)

    def __repr__(self) -> str:
        return f"FashionGen({str(self.root)!r}: {', '.join(self.splits)})"

    def split(self, name: str, *, report: FeedReport | None = None) -> list[Item]:
        """All items of a split with their photos as lossless WebP files, about a fifth of what their pixels take.

        That is still above 1 GB for the validation set and some 10 GB for the training set; `stream` needs no such memory.
        """
        return list(self.stream(name, pictures="encoded", report=report))

    def stream(self, name: str, *, pictures: Pictures = "pixels", report: FeedReport | None = None) -> Iterator[Item]:
        """The items of a split one at a time, in file order; memory holds one block of the file.

        Parameters
        ----------
        pictures
            What `Item.image` is: "pixels" (H, W, 3) as stored, "encoded" a lossless WebP file, or "none", for which the
            photos are not even read.
        report
            Collects bad rows, which are then skipped. Without it the first bad row raises.

        Of views with the same product and pose the later ones carry their row number in their id: none is lost.

        Raises
        ------
        ValueError
            If the split is not there, `pictures` is unknown, h5py is not installed, the file is truncated, lacks a data
            set or has one of another type; and, without a report, at a row that is damaged or has no product or no text,
            naming file and row.
        """
        return (item for _, item in self.rows(name, pictures=pictures, report=report))

    def rows(
        self, name: str, *, pictures: Pictures = "pixels", report: FeedReport | None = None
    ) -> Iterator[tuple[int, Item]]:
        """As `stream`, with the number of the row (from 1) before each item: what `pixels` takes."""
        path = self._file(name)
        if pictures not in get_args(Pictures):
            raise ValueError(f"unknown pictures {pictures!r}; choose one of {', '.join(get_args(Pictures))}")
        counts = FeedReport() if report is None else report
        seen: set[str] = set()
        with open_hdf5(path) as file:
            columns = _columns(path, file)
            if pictures == "none":
                del columns["image"]
            total = len(columns["productID"])
            for start in range(0, total, _BLOCK):
                stop = min(total, start + _BLOCK)
                block = {key: read_rows(column, start, stop) for key, column in columns.items()}
                for at in range(stop - start):
                    cells, row = {key: values[at] for key, values in block.items()}, start + at + 1
                    counts.rows_read += 1
                    try:
                        item = _item(cells, row, seen, encoded=pictures == "encoded")
                    except _BadRow as error:
                        if report is None:
                            raise ValueError(f"{path}: row {row}, input_{error.field}: {error}") from None
                        report.reject(row, str(cells["productID"] or ""), f"input_{error.field}", str(error))
                        continue
                    seen.add(item.id)
                    yield row, item

    def pixels(self, name: str, rows: Sequence[int]) -> Pixels:
        """The photos of these rows (numbered from 1, in any order, repeated or not): (len(rows), H, W, 3) uint8.

        Raises `ValueError` as `stream` does, and for a row that is not there.
        """
        path = self._file(name)
        wanted, place = np.unique(np.asarray(rows, dtype=np.int64) - 1, return_inverse=True)
        with open_hdf5(path) as file:
            photos = _columns(path, file)["image"]
            if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < len(photos):
                raise ValueError(f"{path}: rows are numbered 1 to {len(photos)}")
            try:
                # h5py wants them ascending and without repetition
                found = photos[wanted] if len(wanted) else np.empty((0, *photos.shape[1:]), np.uint8)
            except (OSError, RuntimeError) as error:
                raise ValueError(f"{path}: damaged photos ({first_line(error)})") from error
        chosen: Pixels = found[place]
        return chosen

    def overlap(self) -> set[str]:
        """The products that both splits hold: empty when the splits are honest."""
        products = []
        for path in self._files.values():
            with open_hdf5(path) as file:
                ids = _columns(path, file)["productID"]
                products.append({str(cell) for cell in read_rows(ids, 0, len(ids)) if cell not in (None, "")})
        return products[0] & products[1] if len(products) == 2 else set()

    def _file(self, name: str) -> Path:
        if name not in self._files:
            raise ValueError(f"{self.root}: no split {name!r}; there is {', '.join(self.splits)}")
        return self._files[name]


class _BadRow(ValueError):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class _Unfit(ValueError):
    """The file is readable, and is not one of these."""


def _columns(path: Path, file: Any) -> dict[str, Any]:
    """The data sets that are read, by their names without `input_`. Raises `ValueError` naming the file if they do not fit."""
    try:
        return _checked(file)
    except _Unfit as error:
        raise ValueError(f"{path}: {error}") from None
    except Exception as error:  # h5py meets a damaged file with anything from KeyError to RuntimeError
        raise ValueError(f"{path}: damaged ({first_line(error)})") from error


def _checked(file: Any) -> dict[str, Any]:
    """The data sets, checked for presence, type and shape."""
    needed = ("productID", "image", *TEXTS)
    if missing := [f"input_{key}" for key in needed if f"input_{key}" not in file]:
        raise _Unfit(f"no data set {', '.join(missing)}; found {', '.join(file) or 'none'}; {_WHERE_FROM}")
    columns = {key: file[f"input_{key}"] for key in (*needed, *LABELS, "msrpUSD") if f"input_{key}" in file}
    for key, column in columns.items():
        kinds, wanted = _TYPES.get(key, ("SO", "byte strings (N, 1)"))
        if not (_is_photos(column) if key == "image" else is_column(column, kinds)):
            found = f"{column.dtype} {column.shape}" if hasattr(column, "dtype") else "a group"
            raise _Unfit(f"input_{key} must be {wanted}, not {found}")
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"input_{key} {length:,}" for key, length in lengths.items())
        raise _Unfit(f"the data sets differ in length: {listed}")
    return columns


def _is_photos(column: Any) -> bool:
    shape: tuple[int, ...] = getattr(column, "shape", ())
    return len(shape) == 4 and shape[3] == 3 and 0 not in shape[1:] and column.dtype == np.uint8


def _item(cells: dict[str, Any], row: int, seen: set[str], *, encoded: bool) -> Item:
    for key, cell in cells.items():
        if cell is None:
            raise _BadRow(key, "damaged, cannot be read")
    cells = {key: plain_text(cell) if isinstance(cell, str) else cell for key, cell in cells.items()}
    product = str(cells["productID"])
    if not product:
        raise _BadRow("productID", "empty id")
    if not cells["name"] and not cells["description"]:
        raise _BadRow("name", "neither name nor description")
    attributes: dict[str, Scalar] = {
        "category": cells["category"],
        "sub_category": cells["category"],
        "article_type": cells["subcategory"],
        **{key: cells[key] for key in LABELS if key in cells},
    }
    attributes = {key: text for key, text in attributes.items() if text}
    if math.isfinite(price := float(cells.get("msrpUSD", 0.0))) and price > 0:
        attributes |= {"price": price, "currency": "USD"}
    item_id = f"{product}_{cells.get('pose') or row}"
    while item_id in seen:
        item_id = f"{item_id}_{row}"
    image: ImageLike | None = None
    if "image" in cells:
        # a copy, for a view would keep its whole block alive
        image = _webp(cells["image"]) if encoded else cells["image"].copy()
    return Item(
        id=item_id,
        title=cells["name"],
        image=image,
        category=cells["subcategory"],
        description=cells["description"],
        attributes=attributes,
        group=product,
    )


def _webp(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, quality=0, method=0)  # 1 ms; PNG is slower and larger
    return buffer.getvalue()
