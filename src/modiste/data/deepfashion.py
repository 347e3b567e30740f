"""DeepFashion's Consumer-to-Shop Clothes Retrieval Benchmark (Liu et al., CVPR 2016), its official files as they are unpacked.

    Eval/list_eval_partition.txt
        customer's photo, shop photo, item, train | val | test
    Anno/list_bbox_consumer2shop.txt
        photo, clothes type (1 upper, 2 lower, 3 full body), source (1 shop, 2 consumer), x_1 y_1 x_2 y_2
    Anno/list_item_consumer2shop.txt
        item ids
    Anno/list_landmarks_consumer2shop.txt
        photo, clothes type, variation (1-3 pose, 4-5 zoom), and of each landmark: visibility (0 seen, 1 hidden, 2 cut off) x y
    Anno/list_attr_cloth.txt, Anno/list_attr_items.txt
        the names of attributes, and each item's (-1, 0, 1)
    Img/img/...
        the photos

Every list starts with a count; all but the items' go on with the names of their columns. Landmarks and attributes may be
absent.
The gallery of "valid" and of "test" is, as the benchmark has it, the shop photos of both together. The set's terms are its
authors': non-commercial research. None of it is here; the reader is tested on files of the same layout.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from modiste.data.consumer_to_shop import ShopPhotos
from modiste.data.feed.pictures import inside, read_picture
from modiste.data.images import ImageError, decode, encode_jpeg
from modiste.files import read_lines
from modiste.types import Item, Scalar

_log = logging.getLogger(__name__)
_STATUS = {"train": "train", "val": "valid", "test": "test"}
_CLOTHES = {"1": "upper body", "2": "lower body", "3": "full body"}
_VARIATIONS = {
    "1": "normal pose",
    "2": "medium pose",
    "3": "large pose",
    "4": "medium zoom",
    "5": "large zoom",
}
_PARTITION, _BOXES, _ITEMS = "list_eval_partition.txt", "list_bbox_consumer2shop.txt", "list_item_consumer2shop.txt"
_LANDMARKS, _NAMES, _ATTRIBUTES = "list_landmarks_consumer2shop.txt", "list_attr_cloth.txt", "list_attr_items.txt"


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of the partition."""

    customer: str  # the photos' names in the lists
    shop: str
    item: str
    split: str  # train, valid, test
    line: int


@dataclass(frozen=True, slots=True)
class Box:
    """Where the garment is in a photo, in pixels, and what it covers of a body."""

    clothes: str
    corners: tuple[int, int, int, int]  # x_1, y_1, x_2, y_2


class DeepFashion:
    """The benchmark's splits.

    Parameters
    ----------
    root
        The folder with `Eval`, `Anno` and `Img`, or with the lists themselves.
    crop
        Photos are cut to their bounding boxes, as the published methods do; False leaves them whole.

    Raises
    ------
    ValueError
        If a list that is needed is not there, or a line is not what its list holds, naming file and line.
    """

    def __init__(self, root: str | Path, *, crop: bool = True) -> None:
        self.root = Path(root)
        self.crop = crop
        self.items = frozenset(fields[0] for _, fields in self._rows(_ITEMS, 1, named=False))
        self.pairs = tuple(self._pairs())
        self._boxes = dict(self._read_boxes())

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have pairs, in our names."""
        return tuple(split for split in _STATUS.values() if any(pair.split == split for pair in self.pairs))

    def sizes(self) -> dict[str, dict[str, int]]:
        """Split -> how many pairs, items, customers' photos and shop photos, and how large the gallery is."""
        found = {}
        for split in self.splits:
            pairs = [pair for pair in self.pairs if pair.split == split]
            found[split] = {
                "pairs": len(pairs),
                "items": len({pair.item for pair in pairs}),
                "customer": len({pair.customer for pair in pairs}),
                "shop": len({pair.shop for pair in pairs}),
                "gallery": len(self._gallery(split)),
            }
        return found

    def __repr__(self) -> str:
        said = "; ".join(
            f"{split}: {size['pairs']:,} pairs, {size['items']:,} items, {size['customer']:,} customers' photos, "
            f"{size['shop']:,} shop photos"
            for split, size in self.sizes().items()
        )
        return f"DeepFashion({str(self.root)!r}: {said})"

    def photos(self, split: str) -> ShopPhotos:
        """The split's photos, in the order of the partition; all of them are held in memory, as JPEG files.

        Slices: `clothes` is the clothes type; where there are landmarks, `variation` is as labelled, `occlusion` and `cropping`
        by how many landmarks are hidden and cut off (none; one: some; more: strong).

        Raises
        ------
        ValueError
            If there is no such split, a photo has no box, or is missing, broken or outside the folder, naming file and line.
        """
        if split not in self.splits:
            raise ValueError(f"{self.root}: no split {split!r}; there is {', '.join(self.splits)}")
        customers: dict[str, Pair] = {}
        for pair in self.pairs:
            if pair.split == split:
                customers.setdefault(pair.customer, pair)
        gallery = self._gallery(split)
        _log.info("%s: %s of %s", self.root, split, self)
        shop = tuple(self._item(name, pair) for name, pair in gallery.items())
        queries = tuple(self._item(name, pair) for name, pair in customers.items())
        slices = {"clothes": tuple(self._boxes[name].clothes for name in customers)}
        if self._landmarks:
            for name, pair in customers.items():
                if name not in self._landmarks:
                    raise ValueError(f"{self._place(_PARTITION)}, line {pair.line}: {name} is not in {_LANDMARKS}")
            told = [self._landmarks[name] for name in customers]
            slices |= {
                key: tuple(one[place] for one in told)
                for place, key in enumerate(("variation", "occlusion", "cropping"))
            }
        return ShopPhotos(shop, queries, slices)

    def _gallery(self, split: str) -> dict[str, Pair]:
        """The shop photos that queries of a split are looked for among, each with the pair that names it first."""
        among = ("train",) if split == "train" else ("valid", "test")
        found: dict[str, Pair] = {}
        for pair in self.pairs:
            if pair.split in among:
                found.setdefault(pair.shop, pair)
        return found

    def _item(self, name: str, pair: Pair) -> Item:
        where = f"{self._place(_PARTITION)}, line {pair.line}"
        if (box := self._boxes.get(name)) is None:
            raise ValueError(f"{where}: {name} is not in {_BOXES}")
        try:
            image = read_picture(inside(self._photos, name))
            if self.crop:
                image = _cropped(image, box.corners)
        except ImageError as error:
            raise ValueError(f"{where}: {name}: {error}") from error
        parts = name.split("/")
        attributes: dict[str, Scalar] = {"clothes": box.clothes}
        if named := self._attributes.get(pair.item):
            attributes["attributes"] = ", ".join(named)
        category = parts[-3].replace("_", " ") if len(parts) > 3 else ""  # img/DRESSES/Skirt/id_00000001/shop_01.jpg
        return Item(name, image=image, category=category, attributes=attributes, group=pair.item)

    def _pairs(self) -> Iterator[Pair]:
        path = self._place(_PARTITION)
        split_of: dict[str, str] = {}
        for line, (customer, shop, item, status) in self._rows(_PARTITION, 4):
            if status not in _STATUS:
                raise ValueError(f"{path}, line {line}: the status is train, val or test, not {status[:40]!r}")
            if item not in self.items:
                raise ValueError(f"{path}, line {line}: item {item[:40]!r} is not in {_ITEMS}")
            if split_of.setdefault(item, _STATUS[status]) != _STATUS[status]:
                raise ValueError(f"{path}, line {line}: item {item!r} is of another split too")
            yield Pair(customer, shop, item, _STATUS[status], line)

    def _read_boxes(self) -> Iterator[tuple[str, Box]]:
        path = self._place(_BOXES)
        for line, (name, clothes, source, *corners) in self._rows(_BOXES, 7):
            if clothes not in _CLOTHES or source not in ("1", "2"):
                raise ValueError(
                    f"{path}, line {line}: clothes type 1-3 and source 1-2, not {clothes!r} and {source!r}"
                )
            left, top, right, bottom = self._numbers(corners, path, line)
            if not (left < right and top < bottom):
                raise ValueError(f"{path}, line {line}: {' '.join(corners)} is no box x_1 y_1 x_2 y_2")
            yield name, Box(_CLOTHES[clothes], (left, top, right, bottom))

    @cached_property
    def _landmarks(self) -> Mapping[str, tuple[str, str, str]]:
        """Photo -> variation, occlusion, cropping; empty without the file."""
        if not (path := self._found(_LANDMARKS)):
            return {}
        found = {}
        for line, (name, _, variation, *numbers) in self._rows(_LANDMARKS, 3, more=True):
            if variation not in _VARIATIONS or len(numbers) % 3:
                raise ValueError(f"{path}, line {line}: a variation 1-5 and three numbers a landmark are needed")
            seen = self._numbers(numbers, path, line)[::3]
            hidden, cut = (("none", "some", "strong")[min(seen.count(what), 2)] for what in (1, 2))
            found[name] = (_VARIATIONS[variation], hidden, cut)
        return found

    @cached_property
    def _attributes(self) -> Mapping[str, tuple[str, ...]]:
        """Item -> the names of its attributes; empty without the files."""
        path = self._found(_ATTRIBUTES)
        if not path or not self._found(_NAMES):
            return {}
        names = [" ".join(fields[1:-1]) or fields[0] for _, fields in self._rows(_NAMES, 2, more=True)]
        found = {}
        for line, (item, *labels) in self._rows(_ATTRIBUTES, 1, more=True):
            if len(labels) != len(names):
                raise ValueError(f"{path}, line {line}: {len(labels)} labels, but {_NAMES} names {len(names)}")
            values = self._numbers(labels, path, line)
            found[item] = tuple(name for name, value in zip(names, values, strict=True) if value == 1)
        return found

    @cached_property
    def _photos(self) -> Path:
        """The folder that the photos' names start from."""
        return self.root / "Img" if (self.root / "Img").is_dir() else self.root

    def _place(self, name: str) -> Path:
        if path := self._found(name):
            return path
        raise ValueError(
            f"{self.root}: no {name} there, nor in Eval or Anno: give the folder of DeepFashion's Consumer-to-Shop benchmark"
        )

    def _found(self, name: str) -> Path | None:
        places = (self.root / folder / name for folder in ("Eval", "Anno", "."))
        return next((path for path in places if path.is_file()), None)

    def _rows(
        self, name: str, width: int, *, named: bool = True, more: bool = False
    ) -> Iterator[tuple[int, list[str]]]:
        """(line number, fields) of a list's rows; `named`: a line with the columns' names follows the count."""
        path = self._place(name)
        lines = read_lines(path)
        if not lines or not lines[0].strip().isascii() or not lines[0].strip().isdigit():
            raise ValueError(f"{path}, line 1: a count is needed there")
        rows = 0
        for line, text in enumerate(lines[2 if named else 1 :], 3 if named else 2):
            if not (fields := text.split()):
                continue
            if len(fields) < width or (len(fields) > width and not more):
                raise ValueError(f"{path}, line {line}: {len(fields)} fields, not {width}{' or more' if more else ''}")
            rows += 1
            yield line, fields
        if rows != int(lines[0]):
            _log.warning("%s: the first line says %s, there are %d", path, lines[0].strip(), rows)

    @staticmethod
    def _numbers(texts: list[str], path: Path, line: int) -> list[int]:
        try:
            return [int(text) for text in texts]
        except ValueError:
            raise ValueError(f"{path}, line {line}: whole numbers are needed, not {' '.join(texts)[:60]!r}") from None


def _cropped(image: bytes, corners: tuple[int, int, int, int]) -> bytes:
    """The box of a picture as JPEG; what of it lies outside the picture does not count."""
    pixels = decode(image)
    left, top, right, bottom = (max(0, corner) for corner in corners)
    part = pixels[top:bottom, left:right]
    if not part.size:
        raise ImageError(f"its box {corners} lies outside its {pixels.shape[1]} x {pixels.shape[0]} pixels")
    return encode_jpeg(np.ascontiguousarray(part), 95)
