"""Find exactly this item from a customer's photo: shop photos, customers' photos of the same products, and what is hard in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from modiste.types import Item


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
                    raise ValueError(f"{kind} photo {item.id!r} has no {'group' if item.image is not None else 'image'}")
                if item.id in seen:
                    raise ValueError(f"{kind} photo {item.id!r} is there twice")
                seen.add(item.id)
        products = {item.group for item in self.shop}
        for item in self.customer:
            if item.group not in products:
                raise ValueError(f"customer photo {item.id!r} is of product {item.group!r}, of which there is no shop photo")
        for name, values in self.slices.items():
            if len(values) != len(self.customer):
                raise ValueError(f"slice {name!r} has {len(values)} values for {len(self.customer)} customer photos")
        object.__setattr__(self, "slices", MappingProxyType(dict(self.slices)))


def shop_photos(source: str, split: str, seed: int = 0) -> ShopPhotos:
    """The photos of one split.

    Parameters
    ----------
    source
        `atelier:SIZE[:SEED]`, `fashion_products`, `fashion_products_224`, or a folder with DeepFashion Consumer-to-Shop's files.
    split
        "train", "valid" or "test". No product is in two splits.
    seed
        Of what is drawn: conditions, grounds, and all that happens to a photo. Other seeds give other photos of the same
        products; it does not touch DeepFashion's.
    """
    raise ValueError(f"{source!r}: write atelier:SIZE[:SEED], fashion_products, fashion_products_224, or a folder")
