"""The reader of Mango's looks, on files of the same shape and, where there is one, on the set itself."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modiste.data.images import decode, encode_jpeg
from modiste.data.mango import COLUMNS, read_mango, sentence
from modiste.data.outfits import Look, violations
from modiste.data.overlap import overlaps
from modiste.taxonomy import slot, unknown_labels
from modiste.types import OutfitRules

JPEG = encode_jpeg(np.zeros((8, 6, 3), np.uint8))
SWEATER = {
    "id": "53000001-56",
    "image": JPEG,
    "colour_es": "NAVY",
    "colour_group": "BLUE",
    "gender": "Female",
    "age": "Adult",
    "line": "SHE",
    "fabric": "T-TRICOT",
    "category": "Tops",
    "aggregated_family": "Sweaters and Cardigans",
    "family": "Sweater",
    "product_type": "Sweater",
    "shoot_year": "2019",
    "model": "53000001",
}
RING = {**SWEATER, "id": "53000002-OR", "model": "53000002", "fabric": "C-COMPLEMENTOS", "family": "Jewellery"}
RING |= {"product_type": "Ring", "colour_es": "ORO", "colour_group": "WHITE", "shoot_year": "2023"}


def written(root: Path, *items: dict[str, object], **splits: list[tuple[str, list[str], str]]) -> Path:
    folder = root / "mango_outfits"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(items)), folder / "items.parquet")
    for split, looks in splits.items():
        rows = [{"outfit": look, "item_ids": ids, "group": group} for look, ids, group in looks]
        pq.write_table(pa.Table.from_pylist(rows), folder / f"outfits_{split}.parquet")
    return folder


def test_items_and_looks(tmp_path: Path) -> None:
    folder = written(
        tmp_path,
        SWEATER,
        RING,
        train=[("1", ["53000001-56", "53000002-OR"], "g")],
        test=[("2", ["53000001-56", "x"], "")],
    )
    for root in (tmp_path, folder):
        data = read_mango(root)
        assert data.name == "mango_outfits"
        assert data.looks == {"train": (Look("1", ("53000001-56", "53000002-OR"), group="g"),), "test": ()}
        assert data.missing == {"train": 0, "test": 1}
        assert data.seen == {"53000001-56", "53000002-OR"}
    item = data.items["53000001-56"]
    assert (item.title, item.category, item.group, item.image) == (
        *("Women's navy blue knit sweater", "Sweater", "53000001"),
        JPEG,
    )
    assert dict(item.attributes) == {
        "gender": "women",
        "colour": "navy blue",
        "fabric": "knit",
        "colour_group": "BLUE",
        "colour_es": "NAVY",
        "age": "Adult",
        "line": "SHE",
        "category": "Tops",
        "aggregated_family": "Sweaters and Cardigans",
        "family": "Sweater",
        "product_type": "Sweater",
        "shoot_year": 2019,
    }
    ring = data.items["53000002-OR"]
    assert ring.title == "Women's gold ring"
    assert "fabric" not in ring.attributes


@pytest.mark.parametrize(
    ("changes", "title"),
    [
        ({"colour_es": "MISTERIO", "colour_group": "BROWN"}, "Women's brown knit sweater"),
        ({"colour_es": "NEVER SEEN", "colour_group": "GREEN"}, "Women's green knit sweater"),
        ({"colour_es": None, "colour_group": None, "fabric": None}, "Women's sweater"),
        ({"gender": "Male"}, "Men's navy blue knit sweater"),
        ({"age": "Kids"}, "Girls' navy blue knit sweater"),
        ({"gender": None}, "Navy blue knit sweater"),
        ({"product_type": "Leather Jacket", "fabric": "L-PIEL"}, "Women's navy blue leather jacket"),
        ({"product_type": "Leather Jacket", "fabric": "O-POLIPIEL"}, "Women's navy blue faux leather jacket"),
        ({"product_type": "Jeans", "fabric": "J-JEANS", "colour_es": "TEJANO CLARO"}, "Women's light blue jeans"),
        ({"product_type": "Totes bag", "fabric": "C-COMPLEMENTOS"}, "Women's navy blue tote bag"),
        ({"product_type": None}, "Women's navy blue knit"),
    ],
)
def test_titles_say_what_the_row_says(tmp_path: Path, changes: dict[str, object], title: str) -> None:
    written(tmp_path, SWEATER | changes, train=[("1", ["53000001-56"], "")])
    assert read_mango(tmp_path).items["53000001-56"].title == title


def test_sentence_of_nothing_is_empty() -> None:
    assert sentence("", "", "", "") == ""


def test_pictures_as_structs_and_none(tmp_path: Path) -> None:
    struct = {**SWEATER, "image": {"bytes": JPEG, "path": None}}
    none = {**RING, "image": {"bytes": None, "path": None}}
    written(tmp_path, struct, none, train=[("1", ["53000001-56"], "")])
    data = read_mango(tmp_path)
    assert data.items["53000001-56"].image == JPEG
    assert data.items["53000002-OR"].image is None


def test_errors_say_where_and_what_to_do(tmp_path: Path) -> None:
    look = [("1", ["53000001-56"], "")]
    with pytest.raises(
        FileNotFoundError, match=r"no mango_outfits/items\.parquet there; .* columns id, image, .*MODISTE_DATA"
    ):
        read_mango(tmp_path)
    written(tmp_path / "a", SWEATER)
    with pytest.raises(FileNotFoundError, match=r"no outfits_\{train,valid,test\}"):
        read_mango(tmp_path / "a")
    written(tmp_path / "b", {name: SWEATER[name] for name in COLUMNS if name != "family"}, train=look)
    with pytest.raises(ValueError, match=r"items\.parquet: no column family; found id, image"):
        read_mango(tmp_path / "b")
    for number, (bad, message) in enumerate(
        [
            ({"id": ""}, "row 1: empty id"),
            ({"shoot_year": "last year"}, "row 1: shoot_year is 'last year', not a year"),
        ]
    ):
        written(tmp_path / f"c{number}", SWEATER | bad, train=look)
        with pytest.raises(ValueError, match=message):
            read_mango(tmp_path / f"c{number}")
    written(tmp_path / "d", SWEATER, SWEATER, train=look)
    with pytest.raises(ValueError, match="row 2: id '53000001-56' is there already"):
        read_mango(tmp_path / "d")
    for number, (looks, message) in enumerate(
        [
            ([*look, *look], "row 2: outfit '1' twice"),
            ([("", ["53000001-56"], "")], "row 1: empty outfit"),
            ([*look, ("2", [], "")], r"row 2: item_ids must be a list of ids, not \[\]"),
        ]
    ):
        written(tmp_path / f"e{number}", SWEATER, valid=looks)
        with pytest.raises(ValueError, match=rf"outfits_valid\.parquet: {message}"):
            read_mango(tmp_path / f"e{number}")
    folder = written(tmp_path / "f", SWEATER, train=look)
    (folder / "items.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(ValueError, match=r"items\.parquet: not a readable Parquet file"):
        read_mango(tmp_path / "f")


@pytest.mark.data
def test_the_real_set(real_data: Path) -> None:
    data = read_mango(real_data)
    assert len(data.items) == 9_161
    assert {split: len(looks) for split, looks in data.looks.items()} == {"train": 5_421, "valid": 616, "test": 946}
    assert not any(data.missing.values())
    assert all(one.looks == 0 and one.groups == 0 for one in overlaps(data))
    shared = {(one.earlier, one.later): one.items / one.num_items for one in overlaps(data)}
    assert shared["train", "test"] == pytest.approx(0.67, abs=0.005)  # a third of the test items was never seen
    for item in data.items.values():
        assert item.title
        assert item.image
        assert item.group == item.id[:8]
        assert {"colour", "family", "shoot_year", "gender"} <= item.attributes.keys()
        assert item.title.isascii()
        assert not any(word.isupper() for word in item.title.split())
    assert decode(data.items["41085800-02"].image).shape == (224, 160, 3)
    # Underwear, scents and oddments are no part of a look that a taxonomy of outfits knows.
    assert unknown_labels(item.category for item in data.items.values()) == [
        *("Beach Towel", "Bodymist", "Bras", "Fragance", "Gadget", "Knicker", "Shape"),
    ]
    by_family: dict[str, Counter[str]] = {}
    for item in data.items.values():
        by_family.setdefault(str(item.attributes["family"]), Counter())[slot(item.category)] += 1
    expected = {
        "outerwear": ["Jackets", "Trenchcoats", "Outer Vest", "Coats", "Blazers"],
        "top": ["Poloshirts", "Sweater", "Shirt", "Bodysuits"],
        "bottom": ["Skirts", "Trousers", "Jeans"],
        "one_piece": ["Jumpsuit", "Dresses"],
        "accessory": ["Belts and Ties", "Glasses"],
        "bag": ["Bags"],
        "shoes": ["Footwear"],
    }
    for kind, families in expected.items():
        for family in families:
            assert set(by_family[family]) == {kind}, family
    found = violations(data, "test", OutfitRules(max_items=15))
    assert found["category"] == pytest.approx(139 / 946)
    assert found["slot"] == found["super_category"] == pytest.approx(425 / 946)
    looks = data.looks["test"]
    repeats = sum(
        len({data.items[one].attributes["family"] for one in look.item_ids}) < len(look.item_ids) for look in looks
    )
    assert repeats / len(looks) == pytest.approx(0.385, abs=0.001)
