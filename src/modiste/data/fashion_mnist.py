"""Fashion-MNIST (Xiao et al. 2017, arXiv:1708.07747): 70,000 grey thumbnails of clothes in ten classes, MIT.

Read from one `fashion_mnist.npz` (`train_images`, `train_labels`, `test_images`, `test_labels`) or from the four official
files, `train-images-idx3-ubyte.gz` and so on, packed or not. The official split is 60,000 / 10,000; there is no validation
set, so a recipe takes one from the training images.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modiste.data.roots import default_root
from modiste.types import Item

NAME = "fashion_mnist"
SPLITS = ("train", "test")
CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
SIDE = 28
_OFFICIAL = {"train": "train", "test": "t10k"}  # our split -> how its files' names begin
_MAX_VALUES = 1_000_000 * SIDE * SIDE  # a header that claims more is not believed

_WHERE_FROM = (
    f"get the four .gz files of Fashion-MNIST from github.com/zalandoresearch/fashion-mnist and put them into {NAME}/ of "
    "the folder that MODISTE_DATA names"
)


class FashionMnist:
    """The official split as arrays.

    Parameters
    ----------
    root
        The folder of all data sets, the folder with the files, or the `.npz` file; by default `default_root()`.

    Raises
    ------
    FileNotFoundError
        If neither `fashion_mnist.npz` nor any of the official images files is there.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        self.root = default_root(_WHERE_FROM) if root is None else Path(root)
        self._packed: Path | None = None
        self._files: dict[str, tuple[Path, Path]] = {}  # split -> images and labels
        if self.root.is_file():
            self._packed = self.root
            return
        for folder in (self.root / NAME, self.root):
            if (packed := folder / f"{NAME}.npz").is_file():
                self._packed = packed
                return
            self._files = {split: pair for split in SPLITS if (pair := _official_pair(folder, split)) is not None}
            if self._files:
                return
        raise FileNotFoundError(f"{self.root}: no {NAME}.npz and no official files there; {_WHERE_FROM}")

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are there."""
        return SPLITS if self._packed is not None else tuple(self._files)

    def __repr__(self) -> str:
        return f"FashionMnist({str(self.root)!r}: {', '.join(self.splits)})"

    def split(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """The images (N, 28, 28) uint8, white on black, and the labels (N,) int64, indices into `CLASSES`.

        Raises
        ------
        ValueError
            If the split is not there, or a file is truncated or holds anything else; the message names the file.
        """
        if name not in self.splits:
            raise ValueError(f"{self.root}: no split {name!r}; there is {', '.join(self.splits)}")
        if self._packed is not None:
            where = self._packed
            images, labels = (_from_npz(where, f"{name}_{what}") for what in ("images", "labels"))
        else:
            where = self._files[name][0].parent
            images, labels = (_from_idx(path) for path in self._files[name])
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (SIDE, SIDE):
            raise ValueError(
                f"{where}: {name} images must be uint8 (N, {SIDE}, {SIDE}), not {images.dtype} {images.shape}"
            )
        if labels.dtype.kind not in "iu" or labels.shape != (len(images),):
            raise ValueError(
                f"{where}: {name} labels must be integers ({len(images)},), not {labels.dtype} {labels.shape}"
            )
        if labels.size and not 0 <= int(labels.min()) <= int(labels.max()) < len(CLASSES):
            raise ValueError(f"{where}: {name} labels lie in [{labels.min()}, {labels.max()}], not in [0, 9]")
        return images.astype(np.uint8, copy=False), labels.astype(np.int64)


def _official_pair(folder: Path, split: str) -> tuple[Path, Path] | None:
    stem = _OFFICIAL[split]
    found = []
    for what in ("images-idx3-ubyte", "labels-idx1-ubyte"):
        names = [f"{stem}-{what}.gz", f"{stem}-{what}"]
        there = [path for name in names if (path := folder / name).is_file()]
        if not there:
            return None
        found.append(there[0])
    return found[0], found[1]


def _from_npz(path: Path, key: str) -> NDArray[np.generic]:
    try:
        file = np.load(path, allow_pickle=False)
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("one array; a .npz file of four is needed")
        with file:
            if key not in file.files:
                raise ValueError(f"no array {key}; found {', '.join(file.files) or 'none'}")
            array: NDArray[np.generic] = file[key]
            return array
    except (
        Exception
    ) as error:  # a damaged archive or header is met with anything from BadZipFile to tokenize.TokenError
        raise ValueError(f"{path}: {error}") from error


def _from_idx(path: Path) -> NDArray[np.generic]:
    """An array in LeCun's IDX format: two zero bytes, the type (8: uint8), the rank, the sizes, the values."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            head = stream.read(4)
            if head[:3] != b"\0\0\x08" or len(head) < 4 or head[3] not in (1, 3):
                raise ValueError("not an IDX file of bytes")
            sizes = stream.read(4 * head[3])
            shape = struct.unpack(f">{head[3]}I", sizes) if len(sizes) == 4 * head[3] else ()
            if not shape or (expected := math.prod(shape)) > _MAX_VALUES:
                raise ValueError("broken header")
            data = stream.read(expected + 1)  # one more than there should be, to see what follows
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: {error}") from error
    if len(data) != expected:
        there = "more" if len(data) > expected else f"only {len(data):,}"
        raise ValueError(f"{path}: {expected:,} values announced, {there} there")
    return np.frombuffer(data, np.uint8).reshape(shape).copy()


def as_items(dataset: FashionMnist, split: str) -> list[Item]:
    """A split's photos as items without a text: grey as RGB, the class as category and as attribute `article_type`.

    Raises `ValueError` as `FashionMnist.split`.
    """
    images, labels = dataset.split(split)
    return [
        Item(
            id=f"{split}-{number}",
            image=np.repeat(image[:, :, None], 3, axis=2),
            category=CLASSES[label],
            attributes={"article_type": CLASSES[label]},
        )
        for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True))
    ]
