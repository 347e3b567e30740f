"""COCO Captions (Chen et al. 2015, arXiv:1504.00325): photos of everyday scenes, five sentences each.

Two layouts are read. The official one, `captions_val2017.json` and the like, lists `images` (`id`, `file_name`) and
`annotations` (`image_id`, `caption`); the whole file is one split, which its name says. Karpathy's (Karpathy and Fei-Fei 2015,
arXiv:1412.2306), `dataset_coco.json` or `dataset_flickr30k.json`, lists `images` with `split`, `filepath`, `filename` and
`sentences`; its `restval` belongs to the training set, as everyone has it since.

One photo is one item: the first caption is its title, the others are its description, `captions` gives all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modiste.data.feed import FeedReport
from modiste.data.feed.pictures import inside, read_picture
from modiste.data.feed.text import is_unicode
from modiste.data.images import ImageError, decode
from modiste.types import Item

_SPLITS = {"train": "train", "restval": "train", "val": "valid", "test": "test"}  # theirs -> ours
_NAMED_SPLIT = re.compile(r"(train|val|test)\d{4}$")  # of an official file's stem
ORPHAN_WARNING = "caption of a photo that is not listed, left out"


@dataclass(frozen=True, slots=True)
class _Photo:
    row: int  # in `images`, from 1
    id: str
    split: str  # "" when the file does not say
    path: str  # relative to the image folder
    captions: tuple[str, ...]
    problem: tuple[str, str] = ("", "")  # field and reason, of a photo that cannot be used


class CocoCaptions:
    """A captions file and the folder of its photos.

    Parameters
    ----------
    path
        The JSON file; it is read whole, with photos left alone until `stream`.
    image_folder
        Where photos' paths start, by default the file's own folder. No path leads out of it.

    Raises
    ------
    ValueError
        If the file is not there, not JSON, or in neither layout, or the folder does not exist.
    """

    def __init__(self, path: str | Path, image_folder: str | Path | None = None) -> None:
        self.path = Path(path)
        self.image_folder = self.path.parent if image_folder is None else Path(image_folder)
        if not self.image_folder.is_dir():
            raise ValueError(f"{self.image_folder}: the folder for photos does not exist")
        self._num_orphans = 0
        self._photos = self._parsed()
        self._captions = {photo.id: photo.captions for photo in self._photos if not photo.problem[0]}

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that are there, of "train", "valid" and "test"; empty when the file does not tell them."""
        there = {photo.split for photo in self._photos}
        return tuple(name for name in ("train", "valid", "test") if name in there)

    def __repr__(self) -> str:
        return f"CocoCaptions({str(self.path)!r}: {len(self._captions):,} photos)"

    def captions(self, item_id: str) -> tuple[str, ...]:
        """All captions of a photo, in the order of the file. Raises `ValueError` for an id that is not there."""
        if item_id not in self._captions:
            raise ValueError(f"{self.path}: no photo {item_id!r}")
        return self._captions[item_id]

    def split(self, name: str, *, report: FeedReport | None = None, strict: bool = False) -> list[Item]:
        """All items of a split with the bytes of their photos, 160 kB each in COCO; see `stream`."""
        return list(self.stream(name, report=report, strict=strict))

    def stream(
        self,
        split: str | None = None,
        *,
        report: FeedReport | None = None,
        strict: bool = False,
        check_images: bool = True,
    ) -> Iterator[Item]:
        """The items of a split, or of all there is, one at a time in the order of `images`, with their encoded photos.

        Parameters
        ----------
        report
            Collects rows without caption or photo, which are skipped.
        strict
            Stop at the first of them instead.
        check_images
            Decode every photo now, so that a broken one is a bad row too.

        Raises
        ------
        ValueError
            If the split is not there, at once; and, if `strict`, at the first bad row, naming file, row and field.
        """
        if split is not None and split not in self.splits:
            raise ValueError(f"{self.path}: no split {split!r}; there is {', '.join(self.splits) or 'none'}")
        return self._items(split, FeedReport() if report is None else report, strict, check_images)

    def _items(self, split: str | None, report: FeedReport, strict: bool, check: bool) -> Iterator[Item]:
        if self._num_orphans:
            report.warn(ORPHAN_WARNING, self._num_orphans)
        for photo in self._photos:
            if split is not None and photo.split not in ("", split):
                continue
            report.rows_read += 1
            field, reason = photo.problem
            image = b""
            if not field:
                try:
                    image = read_picture(inside(self.image_folder, photo.path))
                    if check:
                        decode(image, draft_to=(64, 64))  # small: only to find damage
                except ImageError as error:
                    field, reason = "image", f"{error}: {photo.path[:200]}"
            if field:
                report.reject(photo.row, photo.id, field, reason)
                if strict:
                    raise ValueError(f"{self.path}: row {photo.row}, {field}: {reason}")
                continue
            first, *others = photo.captions
            yield Item(
                id=photo.id,
                title=first,
                image=image,
                description=". ".join(text.rstrip(".") for text in others),
                attributes={"split": photo.split} if photo.split else {},
            )

    def _parsed(self) -> list[_Photo]:
        try:
            content = json.loads(self.path.read_bytes())
        except OSError as error:
            raise ValueError(f"{self.path}: cannot be read ({error.strerror})") from error
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{self.path}: not JSON, or cut off ({str(error)[:200]})") from error
        images = content.get("images") if isinstance(content, dict) else None
        if not isinstance(images, list):
            raise ValueError(
                f"{self.path}: no list `images`; a COCO captions file or one of Karpathy's splits is needed"
            )
        if any(isinstance(entry, dict) and "sentences" in entry for entry in images):
            drafts = [_karpathy(row, _entry(one)) for row, one in enumerate(images, 1)]
        elif isinstance(annotations := content.get("annotations"), list):
            named = _NAMED_SPLIT.search(self.path.stem)
            split = _SPLITS[named[1]] if named else ""
            sentences = _sentences(annotations)
            drafts = [_official(row, _entry(one), split, sentences) for row, one in enumerate(images, 1)]
            known = {photo.id for photo in drafts}
            self._num_orphans = sum(len(texts) for key, texts in sentences.items() if key not in known)
        else:
            raise ValueError(f"{self.path}: neither a list `annotations` nor `sentences` of the images")
        seen: set[str] = set()
        photos = []
        for photo in drafts:
            photos.append(checked := _checked(photo, seen))
            if not checked.problem[0]:
                seen.add(photo.id)  # of rows with the same id the first good one counts
        return photos


def _entry(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _karpathy(row: int, entry: dict[str, Any]) -> _Photo:
    sentences = entry.get("sentences")
    texts = [_entry(one).get("raw") for one in sentences] if isinstance(sentences, list) else []
    folder, name = _path(entry.get("filepath")), _path(entry.get("filename"))
    path = f"{folder}/{name}" if folder and name else name  # Flickr's files have no folders
    item_id = _id(entry.get("cocoid", entry.get("imgid")))
    theirs = entry.get("split")
    split = _SPLITS.get(theirs, "") if isinstance(theirs, str) else ""
    problem = ("", "") if split else ("split", f"unknown split {str(theirs)[:40]!r}")
    return _Photo(row, item_id, split, path, _clean(texts), problem)


def _official(row: int, entry: dict[str, Any], split: str, sentences: dict[str, list[object]]) -> _Photo:
    item_id = _id(entry.get("id"))
    return _Photo(row, item_id, split, _path(entry.get("file_name")), _clean(sentences.get(item_id, [])))


def _sentences(annotations: list[object]) -> dict[str, list[object]]:
    found: dict[str, list[object]] = {}
    for annotation in annotations:
        entry = _entry(annotation)
        found.setdefault(_id(entry.get("image_id")), []).append(entry.get("caption"))
    return found


def _checked(photo: _Photo, seen: set[str]) -> _Photo:
    problem = photo.problem
    if not photo.id:
        problem = ("id", "no id")
    elif photo.id in seen:
        problem = ("id", "duplicate id")
    elif not photo.path and not problem[0]:
        problem = ("image", "no file name")
    elif not photo.captions and not problem[0]:
        problem = ("captions", "no caption")
    return _Photo(photo.row, photo.id, photo.split, photo.path, photo.captions, problem)


def _id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) and is_unicode(value) else ""


def _path(value: object) -> str:
    return value if isinstance(value, str) and is_unicode(value) else ""


def _clean(texts: list[Any]) -> tuple[str, ...]:
    """Captions on one line each; what is no text, or cannot be written down, is left out."""
    lines = [" ".join(text.split()) for text in texts if isinstance(text, str) and is_unicode(text)]
    return tuple(line for line in lines if line)
