"""The atelier's front door: items, drawings, photographs, and a retailer's table on disk."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modiste.data.atelier import scene, wording
from modiste.data.atelier.design import Design, design, generator
from modiste.data.atelier.garments import draw
from modiste.data.atelier.sketch import HEIGHT, WIDTH
from modiste.types import Item

DRAWING_VERSION = 2  # raised whenever the same seed draws or describes something else
_MARKER = "atelier.json"
_BACKGROUNDS = ("#f3f0ec", "#eef0f1", "#f4efe8", "#eff1ec", "#f2edef", "#eceef2")
_TITLE, _DESCRIPTION, _QUERY, _GROUND = 11, 12, 13, 14  # random streams, beside those of design.py


def raster(svg: str, width: int, height: int) -> Image.Image:
    """A drawing as RGBA: transparent where nothing is drawn."""
    import resvg_py  # drawn examples that are kept in a file are read where nothing can be drawn

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, height=height, skip_system_fonts=True))
    with Image.open(io.BytesIO(png)) as image:
        return image.convert("RGBA")


def item_id(index: int) -> str:
    """Of item `index`."""
    return f"atelier-{index:06d}"


def rendered(svg: str, width: int, height: int) -> NDArray[np.uint8]:
    """A drawing that fills its picture: (height, width, 3)."""
    return np.asarray(raster(svg, width, height).convert("RGB"))


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def shop_svg(d: Design) -> str:
    """The clean product drawing of a design on a light ground."""
    definitions, drawing = draw(d)
    ground = _BACKGROUNDS[int(generator(*d.shape_seed, d.index, _GROUND).integers(len(_BACKGROUNDS)))]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"><defs>{definitions}</defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{ground}"/><g transform="translate({WIDTH // 2} 0)">{drawing}</g></svg>'
    )


def shop_photo(d: Design, size: tuple[int, int]) -> bytes:
    """The product drawing of a design as JPEG, (width, height) pixels."""
    return _jpeg(rendered(shop_svg(d), *size), 92)


@dataclass(frozen=True)
class Atelier:
    """A generated fashion catalogue of any size. Item i depends on (seed, i) and nothing else.

    Raises `ValueError` for a negative seed or an image size outside 16-4096 pixels.
    """

    seed: int = 0
    image_size: tuple[int, int] = (240, 320)  # (width, height)

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"an atelier's seed must not be negative, not {self.seed}")
        self._checked(self.image_size)

    def _checked(self, size: tuple[int, int] | None) -> tuple[int, int]:
        width, height = size or self.image_size
        if not (16 <= width <= 4096 and 16 <= height <= 4096):
            raise ValueError(f"an image must measure 16 to 4096 pixels each way, not {width} x {height}")
        return width, height

    def design(self, index: int) -> Design:
        """What item `index` is."""
        return design(self.seed, index)

    def item(self, index: int, *, image: bool = True) -> Item:
        """Item `index`; `image` is the JPEG of its shop view, or None when not asked for."""
        d = self.design(index)
        return Item(
            id=item_id(index),
            title=wording.title(d, generator(self.seed, index, _TITLE)),
            description=wording.description(d, generator(self.seed, index, _DESCRIPTION)),
            category=d.article,
            attributes=d.attributes,
            group=f"design-{d.root:06d}",
            image=_jpeg(self.render(index), 92) if image else None,
        )

    def items(self, count: int, *, start: int = 0, image: bool = True) -> Iterator[Item]:
        """Items `start` ... `start + count - 1`, one at a time."""
        return (self.item(index, image=image) for index in range(start, start + count))

    def svg(self, index: int) -> str:
        """The shop drawing itself."""
        return shop_svg(self.design(index))

    def render(
        self,
        index: int,
        *,
        view: Literal["shop", "customer"] = "shop",
        view_seed: int = 0,
        size: tuple[int, int] | None = None,
    ) -> NDArray[np.uint8]:
        """Pixels (height, width, 3) of a view; `view_seed` tells customer photos of one item apart."""
        width, height = self._checked(size)
        if view == "shop":
            return rendered(self.svg(index), width, height)
        if view == "customer":
            rng = generator(self.seed, index, view_seed, scene.STREAM)
            definitions, drawing = draw(self.design(index))
            return scene.photograph(rendered(scene.staged(definitions, drawing, rng), width, height), rng)
        raise ValueError(f"unknown view {view!r}; choose 'shop' or 'customer'")

    def customer_photo(self, index: int, *, view_seed: int = 0, size: tuple[int, int] | None = None) -> bytes:
        """A customer's photograph of item `index` as JPEG; quality varies, as theirs does."""
        quality = int(generator(self.seed, index, view_seed, scene.STREAM, 1).integers(45, 82))
        return _jpeg(self.render(index, view="customer", view_seed=view_seed, size=size), quality)

    def query(self, index: int, *, seed: int = 0) -> str:
        """A search in natural words that item `index` answers."""
        return wording.query(self.design(index), generator(self.seed, index, seed, _QUERY))


def write_catalogue(
    atelier: Atelier, count: int, folder: str | os.PathLike[str], *, progress: Callable[[int], None] | None = None
) -> Path:
    """Write `catalogue.csv` and `images/*.jpg` into `folder`, as a retailer would hand them over; returns the table's path.

    All or nothing: the folder appears complete, or not at all. When it already holds this very catalogue nothing is done.
    `progress` is called with the number of items written so far.

    Raises
    ------
    ValueError
        If `count` is not positive, or `folder` holds anything that this function did not write.
    """
    if count < 1:
        raise ValueError(f"a catalogue needs at least one item, not {count}")
    folder = Path(folder)
    table = folder / "catalogue.csv"
    made = {"seed": atelier.seed, "count": count, "size": list(atelier.image_size), "drawing": DRAWING_VERSION}
    marker = folder / _MARKER
    if marker.is_file():
        try:
            found = json.loads(marker.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found == made and table.is_file():
            return table
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not empty and holds no atelier catalogue; choose another folder")

    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _fill(atelier, count, building, progress)
        (building / _MARKER).write_text(json.dumps(made), encoding="utf-8")
        building.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        building.replace(folder)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return table


def _fill(atelier: Atelier, count: int, folder: Path, progress: Callable[[int], None] | None) -> None:
    (folder / "images").mkdir()
    names = sorted({name for index in range(count) for name in atelier.design(index).attributes})
    columns = [
        "id",
        "title",
        "description",
        "category",
        "image",
        "colour",
        *(n for n in names if n != "colour"),
        "group",
    ]
    with (folder / "catalogue.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        for index in range(count):
            item = atelier.item(index, image=False)
            image = f"images/{item.id}.jpg"
            (folder / image).write_bytes(_jpeg(atelier.render(index), 90))
            writer.writerow(
                {"id": item.id, "title": item.title, "description": item.description, "category": item.category}
                | {"image": image, "group": item.group}
                | dict(item.attributes)
            )
            if progress is not None:
                progress(index + 1)
