"""Find exactly this item from a customer's photo: shop photos, customers' photos of the same products, what is hard in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from modiste.data.conditions import Conditions, slices_of
from modiste.data.roots import SPLITS, default_root
from modiste.taxonomy import super_category
from modiste.types import Item

if TYPE_CHECKING:
    from modiste.data.atelier.customers import Customers

PRODUCTS = ("fashion_products", "fashion_products_224")
_WHERE_FROM = "it is one Parquet file per split, in a folder of that name where MODISTE_DATA says"


@dataclass(frozen=True, eq=False)
class ShopPhotos:
    """One split. `group` of every item is its product: a query is answered by any shop photo of its own product.

    Raises `ValueError` when a photo has no image or product, an id is there twice, a query's product has no shop photo, or a
    slice has not one value for each query.
    """

    shop: tuple[Item, ...]  # the gallery
    customer: tuple[Item, ...]  # the queries
    slices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # slice name -> value for each query

    def __post_init__(self) -> None:
        for kind, photos in (("shop", self.shop), ("customer", self.customer)):
            if not photos:
                raise ValueError(f"there are no {kind} photos")
            seen: set[str] = set()
            for item in photos:
                if item.image is None or not item.group:
                    raise ValueError(
                        f"{kind} photo {item.id!r} has no {'group' if item.image is not None else 'image'}"
                    )
                if item.id in seen:
                    raise ValueError(f"{kind} photo {item.id!r} is there twice")
                seen.add(item.id)
        products = {item.group for item in self.shop}
        for item in self.customer:
            if item.group not in products:
                raise ValueError(
                    f"customer photo {item.id!r} is of product {item.group!r}, of which there is no shop photo"
                )
        for name, values in self.slices.items():
            if len(values) != len(self.customer):
                raise ValueError(f"slice {name!r} has {len(values)} values for {len(self.customer)} customer photos")
        object.__setattr__(self, "slices", MappingProxyType(dict(self.slices)))

    def __repr__(self) -> str:
        products = len({item.group for item in self.customer})
        return f"ShopPhotos({len(self.shop):,} shop photos, {len(self.customer):,} customers' photos of {products:,} products)"


def shop_photos(
    source: str,
    split: str,
    seed: int = 0,
    *,
    photos_per_product: int | None = None,
    siblings: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
) -> ShopPhotos:
    """The photos of one split.

    Parameters
    ----------
    source
        - `atelier:SIZE[:SEED]`: every item of the split and its siblings (`data.atelier.siblings`) in the gallery, photographed
          by the atelier's customers; an item is a product, and no design is in two splits;
        - `fashion_products`, `fashion_products_224`: the real shop photos of the split, photographed again
          (`data.product_snapshots`); a product is the data set's `group`;
        - a folder with DeepFashion Consumer-to-Shop's files (`data.deepfashion`).
    split
        "train", "valid" or "test". No product is in two splits.
    seed
        Of what is drawn: conditions, grounds, and all that happens to a photo. Other seeds give other photos of the same
        products; it does not touch DeepFashion's, nor which products are in which split.
    photos_per_product
        How many a customer takes of an item: 4 in the atelier, 1 of real shop photos unless said. Each has its own conditions.
        DeepFashion has the photos it has.
    siblings
        Of the atelier: which kinds of siblings the gallery holds; all unless said.
    size
        Of the atelier: (width, height) of the photos, 120 x 160 unless said.

    Raises
    ------
    ValueError
        If the source or split is not understood or cannot be read, an option does not belong to the source, or there is no
        photo; it says what would be right.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    if seed < 0:
        raise ValueError(f"the seed must not be negative, not {seed}")
    if photos_per_product is not None and photos_per_product < 1:
        raise ValueError(f"photos_per_product must be at least 1, not {photos_per_product}")
    if not source.startswith("atelier") and (siblings is not None or size is not None):
        raise ValueError(f"{source}: siblings and size are options of the atelier")
    if source.startswith("atelier"):
        return _atelier(source, split, seed, photos_per_product or 4, siblings, size)
    if source in PRODUCTS:
        return _products(source, split, seed, photos_per_product or 1)
    if not Path(source).is_dir():
        raise ValueError(
            f"{source}: not a folder with DeepFashion Consumer-to-Shop's files, and not atelier:SIZE[:SEED] or "
            f"{' or '.join(PRODUCTS)} either"
        )
    from modiste.data.deepfashion import DeepFashion

    return DeepFashion(source).photos(split)


def other_shop_photos(source: str, split: str, count: int, seed: int = 0) -> list[Item]:
    """`count` shop photos of the source's other splits, drawn by the seed: a larger haystack for the same queries.

    Of the training split as far as that has enough, then of the rest. Raises `ValueError` as `shop_photos`, or when there are
    fewer.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; choose one of {', '.join(SPLITS)}")
    if count < 1:
        raise ValueError(f"the number of other shop photos must be at least 1, not {count}")
    random = np.random.default_rng(seed)
    found: list[Item] = []
    for other in (name for name in SPLITS if name != split):
        if source.startswith("atelier"):
            pool = _some_families(source, other, count - len(found), random)
        else:
            pool = list(_elsewhere(source, split, other))
            drawn = random.permutation(len(pool))[: count - len(found)]
            pool = [pool[place] for place in sorted(drawn.tolist())]
        found += pool
        if len(found) == count:
            return found
    raise ValueError(f"{source}: {count:,} other shop photos wanted, there are {len(found):,}")


def _some_families(source: str, split: str, count: int, random: np.random.Generator) -> list[Item]:
    """Up to `count` of an atelier's shop photos: items with their siblings, so that only those that are used are drawn."""
    customers, indices = _customers(source, split)
    found: list[Item] = []
    for place in random.permutation(len(indices)):
        if len(found) >= count:
            break
        found += customers.shop_items(indices[place])
    return found[:count]


def _elsewhere(source: str, split: str, other: str) -> Iterator[Item]:
    """The shop photos of another split that are of no product in this one's gallery."""
    seen = {item.group for item in _shop(source, split)}  # DeepFashion's valid and test share a gallery
    return (item for item in _shop(source, other) if item.group not in seen)


def _shop(source: str, split: str) -> tuple[Item, ...]:
    """The gallery of a split of real photos, without its queries."""
    return _real_shop(source, split) if source in PRODUCTS else shop_photos(source, split).shop


def _customers(
    source: str, split: str, seed: int = 0, size: tuple[int, int] | None = None
) -> tuple[Customers, list[int]]:
    """The customers of `atelier:SIZE[:SEED]` and the items of a split."""
    from modiste.data.atelier import Atelier  # draws garments: only those who ask for it wait for its imports
    from modiste.data.atelier.customers import SIZE, Customers
    from modiste.data.sources import atelier_source, split_by_hash

    count, world = atelier_source(source)
    atelier = Atelier(seed=world)
    indices = [i for i in range(count) if split_by_hash(atelier.item(i, image=False).product) == split]
    if not indices:
        raise ValueError(f"{source}: no item in split {split!r}; ask for more items")
    return Customers(atelier, seed, size or SIZE), indices


def _atelier(
    source: str,
    split: str,
    seed: int,
    photos_per_product: int,
    siblings: Sequence[str] | None,
    size: tuple[int, int] | None,
) -> ShopPhotos:
    from modiste.data.atelier.siblings import KINDS

    customers, indices = _customers(source, split, seed, size)
    kinds = KINDS if siblings is None else tuple(siblings)
    shop = [item for index in indices for item in customers.shop_items(index, kinds)]
    taken = [pair for index in indices for pair in customers.customer_items(index, range(photos_per_product))]
    return _photographed(shop, taken)


def _real_shop(source: str, split: str) -> tuple[Item, ...]:
    """The shop photos of a split of Fashion Product Images; `group` is the product."""
    from modiste.data.fashion_products import FashionProducts

    try:
        items = FashionProducts(default_root(_WHERE_FROM) / source).split(split)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    return tuple(replace(item, group=item.product) for item in items if item.image is not None)


def _products(source: str, split: str, seed: int, photos_per_product: int) -> ShopPhotos:
    from modiste.data.product_snapshots import ProductSnapshots, read_grounds

    shop = _real_shop(source, split)
    try:
        camera = ProductSnapshots(read_grounds(split), seed)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    taken = [camera.customer_item(item, number) for item in shop for number in range(photos_per_product)]
    return _photographed(shop, taken)


def _photographed(shop: Sequence[Item], taken: Sequence[tuple[Item, Conditions]]) -> ShopPhotos:
    """Shop photos and what customers took, sliced by how, and by the kind of what is looked for: shoes, tops, jewellery..."""
    kinds = tuple(super_category(item.category) for item, _ in taken)
    slices = {**slices_of([conditions for _, conditions in taken]), "kind": kinds}
    return ShopPhotos(tuple(shop), tuple(item for item, _ in taken), slices)
