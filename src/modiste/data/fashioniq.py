"""FashionIQ (Wu et al., CVPR 2021, arXiv:1905.12794): people's own words for how one garment differs from another.

Read from the official annotation files, `captions/cap.{dress,shirt,toptee}.{train,val,test}.json` and
`image_splits/split.{...}.{...}.json`. A triplet has a reference ("candidate"), a target and two sentences; the query is the
two joined by ", ". The photos are not part of the annotations: give their folder, where each lies as `ASIN.jpg` (or .png).

Two galleries are in use, and their numbers do not compare. Both are kept apart by name:

    original    every photo of the category's split (val: 3,817 dresses, 6,346 shirts, 5,373 tops)
    val         the references and targets of the category's triplets, fewer and hence easier
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from modiste.data.composed import ComposedData, ComposedExample
from modiste.data.roots import default_root
from modiste.files import parse_json
from modiste.types import Item

NAME = "fashion_iq"
CATEGORIES = ("dress", "shirt", "toptee")
Gallery = Literal["original", "val"]
GALLERIES: tuple[Gallery, ...] = get_args(Gallery)
_SPLITS = {"train": "train", "valid": "val", "test": "test"}  # ours -> theirs
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_PHOTO_FOLDERS = ("images", "image_data", "resized_image")
_WHERE_FROM = (
    f"get FashionIQ's captions/ and image_splits/ from its authors and put them into {NAME}/ of the folder that "
    "MODISTE_DATA names, its photos into a folder images/ beside them"
)


@dataclass(frozen=True, slots=True)
class Triplet:
    """One annotated comparison; a test split has no target."""

    reference: str  # ASIN
    target: str
    captions: tuple[str, ...]

    @property
    def text(self) -> str:
        """The query: the sentences joined by ", "."""
        return ", ".join(caption.strip() for caption in self.captions)


class FashionIq:
    """The official annotations, and photos from a folder.

    Parameters
    ----------
    root
        The folder with `captions/` and `image_splits/`, or a folder with `fashion_iq/` in it; by default `default_root`.
    images
        Where the photos are; by default a folder `images`, `image_data` or `resized_image` beside the annotations.

    Raises
    ------
    FileNotFoundError
        If there are no annotations.
    """

    def __init__(self, root: str | Path | None = None, images: str | Path | None = None) -> None:
        base = default_root(_WHERE_FROM) if root is None or str(root) == NAME else Path(root)
        found = next((folder for folder in (base, base / NAME) if _has_annotations(folder)), None)
        if found is None:
            raise FileNotFoundError(f"{base}: no captions/cap.*.json there; {_WHERE_FROM}")
        self.root = found
        if images is not None and not Path(images).is_dir():
            raise FileNotFoundError(f"{images}: no such folder of photos")
        folders = [found / name for name in _PHOTO_FOLDERS] if images is None else [Path(images)]
        self._photos = [folder for folder in folders if folder.is_dir()]

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that have captions."""
        return tuple(name for name in CATEGORIES if any((self.root / "captions").glob(f"cap.{name}.*.json")))

    def triplets(self, category: str, split: str) -> list[Triplet]:
        """The comparisons of a category and split, in file order.

        Raises `ValueError` if the file is not there, or a row is damaged, naming file and row.
        """
        path = self._file("captions", "cap", category, split)
        found = []
        for number, row in enumerate(_list_of(path)):
            cells = row if isinstance(row, dict) else {}
            captions, reference, target = cells.get("captions", []), cells.get("candidate"), cells.get("target", "")
            told = isinstance(captions, list) and captions and all(isinstance(one, str) for one in captions)
            if not told or not reference or not all(isinstance(name, str) for name in (reference, target)):
                raise ValueError(f"{path}: row {number}: needs candidate, target and captions, in words")
            found.append(Triplet(reference, target, tuple(captions)))
        return found

    def image_ids(self, category: str, split: str) -> list[str]:
        """All photos of a category's split, each once, in file order."""
        path = self._file("image_splits", "split", category, split)
        rows = _list_of(path)
        if not all(isinstance(row, str) and row for row in rows):
            raise ValueError(f"{path}: must be a list of photo names")
        return list(dict.fromkeys(rows))

    def gallery_ids(self, category: str, split: str, gallery: str = "original") -> list[str]:
        """What a category's targets are looked for among; raises `ValueError` for an unknown gallery."""
        if gallery not in GALLERIES:
            raise ValueError(f"unknown gallery {gallery!r} of FashionIQ; choose one of {', '.join(GALLERIES)}")
        if gallery == "original":
            return self.image_ids(category, split)
        triplets = self.triplets(category, split)
        return sorted({name for one in triplets for name in (one.reference, one.target) if name})

    def photo(self, name: str) -> Path | None:
        """Where a photo lies; None where it is missing. A name is a file's own, never a path."""
        if not name or Path(name).name != name:
            return None
        files = (folder / f"{name}{suffix}" for folder in self._photos for suffix in _SUFFIXES)
        return next((file for file in files if file.is_file()), None)

    def composed(self, split: str = "valid", *, gallery: str = "original", photos: bool = True) -> ComposedData:
        """The triplets with targets as questions, a gallery per category.

        Without a photo of its reference or target a question cannot be asked: it is left out and counted, and so are photos
        missing from a gallery. The reference stays among the candidates, as in published code. `photos=False` asks for no
        photo (the words alone are studied) and leaves nothing out.

        Raises
        ------
        ValueError
            If a file is missing or damaged, or no photo at all is there: numbers without photos would be of nothing.
        """
        examples: list[ComposedExample] = []
        galleries: dict[str, tuple[Item, ...]] = {}
        without = missing = 0
        for category in self.categories:
            triplets = [one for one in self.triplets(category, split) if one.target]
            named = self.gallery_ids(category, split, gallery)
            items = self._items([*named, *(name for one in triplets for name in (one.reference, one.target))], category)
            if photos:
                items = {name: item for name, item in items.items() if item.image is not None}
            galleries[category] = tuple(items[name] for name in named if name in items)
            missing += len(named) - len(galleries[category])
            there = {item.id for item in galleries[category]}
            for one in triplets:
                if one.reference not in items or one.target not in there:
                    without += 1
                    continue
                examples.append(
                    ComposedExample(
                        *(items[one.reference], items[one.target], one.text), part=category, family=one.reference
                    )
                )
        if photos and not any(galleries.values()):
            where = ", ".join(map(str, self._photos)) or f"{self.root}/{_PHOTO_FOLDERS[0]}"
            raise ValueError(
                f"{self.root}: the annotations are there, but no photo is in {where}; each belongs there as ASIN.jpg"
            )
        return ComposedData(
            tuple(examples), galleries, gallery, reference_stays=True, without_photo=without, missing_photos=missing
        )

    def _items(self, names: Iterable[str], category: str) -> dict[str, Item]:
        found = {}
        for name in dict.fromkeys(names):
            path = self.photo(name)
            image = None if path is None else path.read_bytes()
            found[name] = Item(id=name, category=category, image=image)
        return found

    def _file(self, folder: str, prefix: str, category: str, split: str) -> Path:
        if category not in CATEGORIES or split not in _SPLITS:
            raise ValueError(
                f"FashionIQ has the categories {', '.join(CATEGORIES)} and the splits {', '.join(_SPLITS)}, "
                f"not {category!r} and {split!r}"
            )
        path = self.root / folder / f"{prefix}.{category}.{_SPLITS[split]}.json"
        if not path.is_file():
            raise ValueError(f"{path}: no such file; {_WHERE_FROM}")
        return path


def is_fashioniq(source: str | Path) -> bool:
    """Whether a source is `fashion_iq` or a folder with its annotations; not a folder of several data sets."""
    return str(source) == NAME or _has_annotations(Path(source))


def _has_annotations(folder: Path) -> bool:
    return any((folder / "captions").glob("cap.*.json"))


def _list_of(path: Path) -> list[Any]:
    try:
        rows = parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    if not isinstance(rows, list):
        raise ValueError(f"{path}: must be a list")
    return rows
