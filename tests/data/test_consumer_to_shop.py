"""Shop photos and customers' photos of the same products: from the generated world, real shop photos, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modiste.data.atelier import Atelier
from modiste.data.conditions import CONDITIONS, LEVELS, Conditions
from modiste.data.consumer_to_shop import ShopPhotos, other_shop_photos, shop_photos
from modiste.data.images import decode, encode_jpeg
from modiste.data.product_snapshots import ProductSnapshots, read_grounds
from modiste.data.sources import load_items, split_by_hash
from modiste.types import Item

JPEG = encode_jpeg(np.zeros((8, 6, 3), np.uint8))
WORLD = "atelier:60:3"


def photo(number: int, group: str = "g", **changed: object) -> Item:
    return Item(f"p{number}", **{"image": JPEG, "group": group, **changed})  # type: ignore[arg-type]


def test_the_atelier_has_siblings_in_the_gallery_and_designs_in_one_split() -> None:
    found = shop_photos(WORLD, "test", size=(30, 40))
    products = [item.id for item in load_items(WORLD, "test")]
    assert list(dict.fromkeys(item.group for item in found.customer)) == products
    assert len(found.customer) == 4 * len(products)
    assert set(products) < {item.group for item in found.shop}
    assert all(item.group == item.id for item in found.shop)  # a colourway is another product
    extra = [item.id.removeprefix(item.id[:15]) for item in found.shop if item.id not in products]
    assert set(extra) <= {"colourway", "cut", "detail"}
    atelier = Atelier(seed=3)
    for item in found.shop:
        assert split_by_hash(atelier.item(int(item.id[8:14]), image=False).product) == "test"
    assert set(found.slices) == {*CONDITIONS, "strong", "kind"}
    assert all(decode(item.image).shape == (40, 30, 3) for item in (*found.shop, *found.customer))  # type: ignore[arg-type]
    assert not any(item.text for item in found.customer)
    assert "customers' photos of" in repr(found)


def test_the_seed_takes_other_photos_of_the_same_products() -> None:
    one, same, other = (shop_photos(WORLD, "valid", seed, photos_per_product=2, size=(30, 40)) for seed in (0, 0, 1))
    assert [item.image for item in one.customer] == [item.image for item in same.customer]
    assert [item.image for item in one.shop] == [item.image for item in other.shop]
    assert [item.id for item in one.customer] == [item.id for item in other.customer]
    assert not {item.image for item in one.customer} & {item.image for item in other.customer}
    plain = shop_photos(WORLD, "valid", siblings=(), photos_per_product=1, size=(30, 40))
    assert len(plain.shop) == len(plain.customer)


def test_other_shop_photos_are_of_other_products() -> None:
    test = {item.group for item in shop_photos(WORLD, "test", size=(30, 40)).shop}
    some, same = (other_shop_photos(WORLD, "test", 20, seed=1) for _ in range(2))
    assert [item.id for item in some] == [item.id for item in same]
    assert len({item.id for item in some}) == 20
    assert not {item.group for item in some} & test
    with pytest.raises(ValueError, match="999 other shop photos wanted, there are"):
        other_shop_photos(WORLD, "test", 999)
    with pytest.raises(ValueError, match="at least 1, not 0"):
        other_shop_photos(WORLD, "test", 0)


@pytest.fixture
def products(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like the real one: shoes on white in two groups, photos to lie on."""
    rows, rng = [], np.random.default_rng(0)
    labels = {"gender": "Women", "category": "Footwear", "sub_category": "Shoes", "colour": "Red", "season": "Fall"}
    for number in range(8):
        pixels = np.full((80, 60, 3), 255, np.uint8)
        pixels[20:60, 10:50] = rng.integers(30, 200, 3)
        row = {"id": f"{number}", "title": f"Shoe {number}", "image": encode_jpeg(pixels), "group": f"g{number // 2}"}
        rows.append({**row, **labels, "usage": "Casual", "article_type": "Heels"})
    grounds = []
    for number in range(40):  # grey corners, and a band across the middle with all sorts of things
        pixels = np.full((90, 70, 3), 90, np.uint8)
        pixels[30:60] = rng.integers(0, 256, (30, 70, 3))
        grounds.append({"id": f"c{number}", "category": "hat", "image": encode_jpeg(pixels)})
    for name, split, table in (
        ("fashion_products", "test", rows[:4]), ("fashion_products", "train", rows[4:]), ("clothing_photos", "train", grounds),
    ):  # fmt: skip
        (tmp_path / name).mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_pylist(table), tmp_path / name / f"{split}.parquet")
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path))
    return tmp_path


def test_real_shop_photos_are_photographed_again(products: Path) -> None:
    found = shop_photos("fashion_products", "test", photos_per_product=2)
    assert [item.id for item in found.shop] == ["0", "1", "2", "3"]
    assert [item.group for item in found.shop] == ["g0", "g0", "g1", "g1"]
    assert [item.id for item in found.customer] == [f"{n}-customer-{k}" for n in range(4) for k in range(2)]
    assert {item.group for item in found.customer} == {"g0", "g1"}
    for item in found.customer:
        assert decode(item.image).shape == (80, 60, 3)  # type: ignore[arg-type]
        assert not item.text
        assert 0 <= item.attributes["lost"] < 0.7  # type: ignore[operator]
    assert set(found.slices["kind"]) == {"shoes"}
    assert [item.id for item in other_shop_photos("fashion_products", "test", 4)] == ["4", "5", "6", "7"]
    with pytest.raises(ValueError, match="no split 'valid'; there is train, test"):
        shop_photos("fashion_products", "valid")


def test_each_split_lies_on_its_own_grounds(products: Path) -> None:
    ids = {split: {item.id for item in read_grounds(split)} for split in ("train", "valid", "test")}
    assert sum(map(len, ids.values())) == len(set.union(*ids.values())) == 40
    assert all(ids.values())


def test_what_a_thing_lies_on_is_the_clutter(products: Path) -> None:
    camera = ProductSnapshots(read_grounds("train"), seed=2)
    item = load_items(products / "fashion_products", "test")[0]

    def border(level: str) -> list[float]:
        photos = [decode(camera.photo(item, n, Conditions(clutter=level))[0].image) for n in range(6)]  # type: ignore[arg-type]
        return [float(np.mean([measure(one[:, [0, -1]]) for one in photos])) for measure in (np.mean, np.std)]  # type: ignore[arg-type]

    none, some, strong = (border(level) for level in LEVELS)
    assert none[0] > 220  # white
    assert some[0] < 130  # a corner
    assert max(none[1], some[1]) < 20 < strong[1]  # and only the whole photo has the things
    with pytest.raises(ValueError, match="no photo to photograph"):
        camera.photo(Item("x", title="x"))
    with pytest.raises(ValueError, match="at least one photo"):
        ProductSnapshots([])


def test_without_clothing_photos_it_says_what_is_needed(products: Path) -> None:
    (products / "clothing_photos" / "train.parquet").unlink()
    with pytest.raises(ValueError, match="clothing-dataset-small"):
        shop_photos("fashion_products", "test")


@pytest.mark.parametrize(
    ("shop", "customer", "slices", "words"),
    [
        ((), (photo(1),), {}, "no shop photos"),
        ((photo(1),), (), {}, "no customer photos"),
        ((photo(1, image=None, title="t"),), (photo(2),), {}, "shop photo 'p1' has no image"),
        ((photo(1),), (photo(2, group=""),), {}, "customer photo 'p2' has no group"),
        ((photo(1), photo(1)), (photo(2),), {}, "shop photo 'p1' is there twice"),
        ((photo(1),), (photo(2, "h"),), {}, "of product 'h', of which there is no shop photo"),
        ((photo(1),), (photo(2),), {"view": ("none", "none")}, "slice 'view' has 2 values for 1"),
    ],
)
def test_what_is_no_task_is_refused(shop, customer, slices, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=words):
        ShopPhotos(shop, customer, slices)


@pytest.mark.parametrize(
    ("source", "split", "options", "words"),
    [
        ("atelier:0", "test", {}, "write atelier:SIZE"),
        ("atelier:x", "test", {}, "write atelier:SIZE"),
        ("atelier:1", "test", {}, "no item in split 'test'; ask for more items"),
        ("atelier:50", "all", {}, "unknown split 'all'"),
        ("atelier:50", "test", {"seed": -1}, "must not be negative"),
        ("atelier:50", "test", {"photos_per_product": 0}, "at least 1, not 0"),
        ("atelier:50", "test", {"siblings": ("twin",)}, "unknown kind 'twin'"),
        ("fashion_products", "test", {"size": (30, 40)}, "siblings and size are options of the atelier"),
        ("nowhere", "test", {}, "nowhere: not a folder with DeepFashion"),
    ],
)
def test_sources_and_options_that_do_not_fit(source, split, options, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=words):
        shop_photos(source, split, **options)


@pytest.mark.data
@pytest.mark.parametrize("source", ["fashion_products", "fashion_products_224"])
def test_the_real_sets_keep_their_splits(real_data: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODISTE_DATA", str(real_data))
    from modiste.data.consumer_to_shop import _real_shop

    groups = {split: {item.group for item in _real_shop(source, split)} for split in ("train", "valid", "test")}
    assert not groups["train"] & groups["test"]
    assert not groups["valid"] & groups["test"]
    assert not groups["train"] & groups["valid"]
    item = _real_shop(source, "test")[0]
    taken, _ = ProductSnapshots(read_grounds("test", real_data)).customer_item(item)
    assert decode(taken.image).shape == decode(item.image).shape  # type: ignore[arg-type]
