"""Fashion Product Images (Small) by Param Aggarwal (Kaggle, MIT): real shop photos with titles and fine labels.

Read from one Parquet file per split, `fashion_products/{train,valid,test}.parquet`. A row: `id`, `title`, `image` (encoded
bytes, or a struct with `bytes`), `article_type` (the fine category), `group` (rows that share a title or a photo), and the
labels `gender`, `category` (3 kinds), `sub_category` (23), `colour`, `season`, `usage`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from modiste.data.parquet import parquet_rows
from modiste.data.roots import default_root, folder_of, split_files
from modiste.types import Item

NAME = "fashion_products"
LABELS = ("gender", "category", "sub_category", "article_type", "colour", "season", "usage")  # become attributes
REQUIRED = ("id", "title", "image", "article_type", "group")
_BATCH = 1_024  # rows; their pictures are thumbnails of about a kilobyte

_WHERE_FROM = (
    'get "Fashion Product Images (Small)" by Param Aggarwal from Kaggle and write one Parquet file per split, '
    f"{NAME}/{{train,valid,test}}.parquet, with the columns {', '.join((*REQUIRED[:3], *LABELS, 'group'))}; "
    "then set MODISTE_DATA to the folder that holds it"
)


def is_fashion_products(path: Path) -> bool:
    """Whether a Parquet file has this data set's columns, all of them."""
    try:
        names = set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return False
    return names >= {*REQUIRED, *LABELS}


class FashionProducts:
    """The data set's splits as items.

    Parameters
    ----------
    root
        The folder of all data sets, the folder with the split files, or one split file; by default `roots.default_root`.

    Raises
    ------
    FileNotFoundError
        If there is no split file there.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = default_root(_WHERE_FROM) if root is None else Path(root)
        if self.root.is_file():
            self._files = {self.root.stem: self.root}
        else:
            folder = folder_of(NAME, self.root, "{}.parquet", _WHERE_FROM)
            self._files = split_files(folder, "{}.parquet")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are there."""
        return tuple(self._files)

    def __repr__(self) -> str:
        return f"FashionProducts({str(self.root)!r}: {', '.join(self.splits)})"

    def split(self, name: str) -> list[Item]:
        """All items of a split, in file order; see `stream`."""
        return list(self.stream(name))

    def stream(self, name: str) -> Iterator[Item]:
        """The items of a split one at a time: category = article type, labels as attributes, group as given.

        Raises
        ------
        ValueError
            If the split is not there, the file is damaged or lacks a column, or a row has no id, naming file and row.
        """
        path = self._file(name)
        for row, cells in enumerate(parquet_rows(path, (*REQUIRED, *LABELS), REQUIRED, _WHERE_FROM, _BATCH), 1):
            if not cells["id"]:
                raise ValueError(f"{path}: row {row}: empty id")
            yield _item(cells)

    def overlap(self) -> dict[tuple[str, str], set[str]]:
        """The groups that two splits share, per pair of splits that share any: empty when the splits are honest."""
        groups = {
            name: set(pq.read_table(path, columns=["group"])["group"].to_pylist()) - {None, ""}
            for name, path in self._files.items()
        }
        return {(a, b): common for a, b in combinations(groups, 2) if (common := groups[a] & groups[b])}

    def _file(self, name: str) -> Path:
        if name not in self._files:
            raise ValueError(f"{self.root}: no split {name!r}; there is {', '.join(self.splits)}")
        return self._files[name]


def _item(cells: dict[str, object]) -> Item:
    image = cells["image"]
    if isinstance(image, dict):  # as Hugging Face's `datasets` writes pictures
        image = image.get("bytes")
    return Item(
        id=str(cells["id"]),
        title=" ".join(str(cells["title"] or "").split()),  # as the feed reader has it: single spaces
        image=image if isinstance(image, bytes) and image else None,
        category=str(cells["article_type"] or ""),
        attributes={name: str(cells[name]) for name in LABELS if cells.get(name)},
        group=str(cells["group"] or ""),
    )
