"""Customers' photos of the atelier's items under known conditions, and a gallery that makes them hard to find.

Unlike `Atelier.customer_photo`, which varies everything a little, each condition of `conditions.py` is set by itself here.

A *product* is one item: a colourway of it is another product. Beside every product the gallery holds its siblings
(`siblings.py`), which no customer has photographed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from modiste.data.atelier import scene, wording
from modiste.data.atelier.catalogue import Atelier, item_id, raster, rendered, shop_svg
from modiste.data.atelier.design import Design, generator
from modiste.data.atelier.garments import draw
from modiste.data.atelier.palette import mix, rgb
from modiste.data.atelier.siblings import KINDS, sibling
from modiste.data.atelier.sketch import HEIGHT, WIDTH
from modiste.data.conditions import Conditions, Level, draw_conditions
from modiste.data.images import encode_jpeg
from modiste.data.snapshots import Snapshot, snapshot
from modiste.types import Item

SIZE = (120, 160)  # (width, height) of shop and customers' photos: what a small model looks at
_STREAM = 62
_APART, _LEAST = 24, 0.04  # grey levels, and the share of the garment that must differ by them
_PLAIN = ("#eceae6", "#e4e6e8", "#e9e3da", "#dfe3dc")
_COVERS = ("#3e5871", "#b5523b", "#d9b24c", "#5c7f5a", "#efe9df", "#2f2c30", "#c98d5a", "#8d5a3b", "#e6b899", "#a8765a")


@dataclass(frozen=True)
class Customers:
    """The customers of one atelier; photo number `number` of item `index` depends on (atelier, seed, index, number) alone."""

    atelier: Atelier
    seed: int = 0
    size: tuple[int, int] = SIZE  # (width, height)
    covers: tuple[str, ...] = _COVERS  # colours of what may lie on the garment: cloth, card, a hand

    def photo(self, index: int, number: int = 0, conditions: Conditions | None = None) -> tuple[Snapshot, Conditions]:
        """A photo of item `index` under these conditions, or under drawn ones, and which they are."""
        return self.photos(index, [number], None if conditions is None else [conditions])[0]

    def photos(
        self, index: int, numbers: Sequence[int], conditions: Sequence[Conditions] | None = None
    ) -> list[tuple[Snapshot, Conditions]]:
        """`photo` for several numbers; the item is drawn once."""
        garment = cut_out(self.atelier.design(index), self.size)
        found = []
        for place, number in enumerate(numbers):
            rng = generator(self.atelier.seed, self.seed, index, number, _STREAM)
            drawn = draw_conditions(rng)
            asked = drawn if conditions is None else conditions[place]
            ground, cover = self._ground(asked.clutter, index, rng), _cover(self.size, rng, self.covers)
            found.append((snapshot(garment, ground, cover, asked, rng), asked))
        return found

    def customer_item(self, index: int, number: int) -> tuple[Item, Conditions]:
        """Photo `number` of item `index` as a query, without words; what was asked and what came of it as attributes."""
        return self.customer_items(index, [number])[0]

    def customer_items(self, index: int, numbers: Sequence[int]) -> list[tuple[Item, Conditions]]:
        """`customer_item` for several numbers."""
        product, article = item_id(index), self.atelier.design(index).article
        return [
            (taken.query(product, number, article, product), conditions)
            for number, (taken, conditions) in zip(numbers, self.photos(index, numbers), strict=True)
        ]

    def shop_items(self, index: int, kinds: Sequence[str] = KINDS) -> list[Item]:
        """Item `index` and its siblings of these kinds, each a product of its own.

        A sibling that nobody could tell from the item or from another sibling is left out.
        """
        of = self.atelier.design(index)
        titled = self.atelier.item(index, image=False)
        family = [rendered(shop_svg(of), *self.size)]
        items = [_shop_item(titled.id, titled.title, of, family[0])]
        for kind in kinds:
            if (other := sibling(of, kind)) is None:
                continue
            pixels = rendered(shop_svg(other), *self.size)
            if all(told_apart(pixels, one) for one in family):
                family.append(pixels)
                title = wording.title(other, generator(self.atelier.seed, index, KINDS.index(kind), _STREAM))
                items.append(_shop_item(f"{titled.id}-{kind}", title, other, pixels))
        return items

    def _ground(self, clutter: Level, index: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """What the garment lies on: (H, W, 3)."""
        width, height = self.size
        if clutter == "none":
            return np.full((height, width, 3), rgb(_PLAIN[int(rng.integers(len(_PLAIN)))]), np.uint8)
        floor = scene.GROUNDS[int(rng.integers(len(scene.GROUNDS)))](rng)
        definitions, things = "", scene.clutter(rng)
        if clutter == "strong":  # another garment lies beneath, and more about
            other = index
            while other == index:
                other = int(rng.integers(index + 500))
            definitions, drawing = draw(self.atelier.design(other))
            x, y, turn, scale = rng.uniform(60, 240), rng.uniform(80, 320), rng.uniform(0, 360), rng.uniform(0.8, 1.2)
            placed = f"translate({x:.0f} {y:.0f}) rotate({turn:.0f}) scale({scale:.2f}) translate(0 -200)"
            things += f'<g transform="{placed}">{drawing}</g>{scene.clutter(rng)}'
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"><defs>{definitions}</defs>'
            f'<g transform="rotate({rng.uniform(-30, 30):.1f} 150 200)">{floor}</g>{things}</svg>'
        )
        return rendered(svg, width, height)


def cut_out(of: Design, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The design drawn alone, as large as in its shop photo of `size` = (width, height): (h, w, 4), trimmed."""
    definitions, drawing = draw(of)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"><defs>{definitions}</defs>'
        f'<g transform="translate({WIDTH // 2} 0)">{drawing}</g></svg>'
    )
    picture = raster(svg, *size)
    box = picture.getchannel("A").point(lambda value: 255 if value > 127 else 0).getbbox()
    return np.asarray(picture.crop(box) if box else picture)


def told_apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether two shop photos (H, W, 3) differ in more than shade: visibly, in a visible part of the garment."""
    grounds = one[0, 0].astype(np.int16), other[0, 0].astype(np.int16)
    first, second = (pixels.astype(np.int16) - ground for pixels, ground in zip((one, other), grounds, strict=True))
    garment = (np.abs(first).max(axis=2) > _APART) | (np.abs(second).max(axis=2) > _APART)
    apart = np.abs(first - second).max(axis=2) > _APART
    return int((apart & garment).sum()) >= _LEAST * max(1, int(garment.sum()))


def _shop_item(name: str, title: str, of: Design, pixels: NDArray[np.uint8]) -> Item:
    image = encode_jpeg(pixels, 92)
    return Item(name, title=title, image=image, category=of.article, attributes=of.attributes, group=name)


def _cover(size: tuple[int, int], rng: np.random.Generator, colours: Sequence[str]) -> NDArray[np.uint8]:
    """Cloth, skin or card: one colour, in soft folds, (H, W, 3)."""
    colour = colours[int(rng.integers(len(colours)))]
    folds = Image.fromarray((255 * rng.random((6, 4))).astype(np.uint8))
    shade = np.asarray(folds.resize(size, Image.Resampling.BICUBIC), np.float32) / 255
    light, dark = (np.array(rgb(mix(colour, other, 0.25)), np.float32) for other in ("#ffffff", "#000000"))
    return (dark + (light - dark) * shade[..., None]).astype(np.uint8)
