"""P x K batches of shop and customers' photos: which photos are where, and what augmentation leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from modiste.data.augment import as_customers
from modiste.data.shop_batches import ShopBatch, decoded_photos, mined, shop_data
from modiste.types import Item

GALLERY = ["a", "b", "b", "c", "d"]
CUSTOMER = ["b", "a", "b", "stranger"]


def photos(count: int, base: int) -> torch.Tensor:
    """Photo n is one grey level, base + n."""
    return (torch.arange(count) + base).to(torch.uint8)[:, None, None, None].expand(count, 3, 8, 6).contiguous()


def data(**settings: object):  # type: ignore[no-untyped-def]
    return shop_data(photos(5, 0), GALLERY, photos(4, 100), CUSTOMER, **settings)


def test_products_have_their_shop_photo_and_their_customers() -> None:
    found = data(num_photos=3, num_look_alikes=2)
    assert len(found) == 2  # c and d have no customer; a stranger has no shop photo
    assert found.shop_of.tolist() == [0, 1]
    assert [rows.tolist() for rows in found.customers_of] == [[1], [0, 2]]
    batch = found.collate(np.array([1, 0]), np.random.default_rng(0))
    levels = batch.images[:, :, 0, 0, 0].tolist()
    assert (levels[0][0], sorted(levels[0][1:])) == (1, [100, 102])
    assert levels[1] == [0, 101, 101]  # one customer's photo, twice
    assert batch.products.tolist() == [found.gallery_products[1], found.gallery_products[0]]
    rows = batch.look_alikes[:, :, 0, 0, 0].long()
    assert torch.equal(batch.look_alike_products, found.gallery_products[rows])
    assert len(set(found.gallery_products.tolist())) == 4


def test_look_alikes_come_from_the_neighbours() -> None:
    found = data(neighbours=np.array([[3, 4], [4, 0]]))
    for seed in range(20):
        batch = found.collate(np.array([0, 1]), np.random.default_rng(seed))
        rows = batch.look_alikes[:, 0, 0, 0, 0].tolist()
        assert rows[0] in (3, 4)
        assert rows[1] in (4, 0)


def test_mined_neighbours_are_other_products_nearest_first() -> None:
    found = data()
    ranked = np.array([[0, 3, 1, 2, 4], [2, 1, 4, 0, 3]])
    assert mined(ranked, found, 2).tolist() == [[3, 1], [4, 0]]
    with pytest.raises(ValueError, match="2 neighbours of other products"):
        mined(ranked[:, :4], found, 3)


def test_a_batch_depends_on_its_seed_alone() -> None:
    found = data(num_photos=2)
    one, two = (found.collate(np.array([0, 1]), np.random.default_rng(5)) for _ in range(2))
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.look_alike_products, two.look_alike_products)


def test_augmentation_keeps_every_photo_in_its_place() -> None:
    found = data(augmentation=0.0, customer_augmentation=1.0)
    batch = found.collate(np.array([0, 1]), np.random.default_rng(0))
    torch.manual_seed(0)
    changed = found.augment(batch)
    assert changed.images.shape == batch.images.shape
    assert changed.look_alikes.shape == batch.look_alikes.shape
    shop = batch.images[:, 0].float() / 255
    assert torch.allclose(changed.images[:, 0].mean(dim=(1, 2, 3)), shop.mean(dim=(1, 2, 3)), atol=0.15)
    assert not torch.allclose(changed.images[:, 1], batch.images[:, 1].float() / 255, atol=0.01)
    torch.manual_seed(0)
    assert torch.equal(found.augment(batch).images, changed.images)


def test_a_customers_photo_is_cropped_covered_and_relit_within_its_range() -> None:
    torch.manual_seed(1)
    pictures = torch.rand(16, 3, 20, 16)
    changed = as_customers(pictures)
    assert changed.shape == pictures.shape
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1
    covered = [(changed[n] == pictures[n - 1]).all(dim=0).any() for n in range(16)]
    assert sum(map(bool, covered)) >= 8  # a patch of the photo before it


def test_what_does_not_fit_says_so() -> None:
    with pytest.raises(ValueError, match="nothing to learn from"):
        shop_data(photos(1, 0), ["a"], photos(1, 0), ["b"])
    with pytest.raises(ValueError, match=r"\(P, K, 3, H, W\)"):
        ShopBatch(torch.zeros(2, 1, 3, 4, 4), torch.arange(2), torch.zeros(2, 1, 3, 4, 4), torch.zeros(2, 1).long())
    with pytest.raises(ValueError, match="look_alikes"):
        ShopBatch(torch.zeros(2, 2, 3, 4, 4), torch.arange(2), torch.zeros(2, 1, 3, 5, 4), torch.zeros(2, 1).long())
    with pytest.raises(ValueError, match="look_alike_products"):
        ShopBatch(torch.zeros(2, 2, 3, 4, 4), torch.arange(2), torch.zeros(2, 1, 3, 4, 4), torch.zeros(2).long())


def test_photos_are_decoded_in_order() -> None:
    items = [Item(str(n), image=np.full((4, 4, 3), n, np.uint8)) for n in range(5)]
    found = decoded_photos(items, lambda pixels: torch.from_numpy(pixels).permute(2, 0, 1))
    assert found[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
