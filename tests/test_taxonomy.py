"""Labels of several data sets land in the right kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modiste.taxonomy import (
    SLOT_OF_SUPER_CATEGORY,
    at_granularity,
    normalise,
    set_apart,
    slot,
    super_category,
    unknown_labels,
    wearer,
)


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("Tshirts", "tops"),
        ("Casual Shoes", "shoes"),
        ("Flip Flops", "shoes"),
        ("Track Pants", "bottoms"),
        ("Lehenga Choli", "dresses"),
        ("Kurta Sets", "sets"),
        ("Necklace and Chains", "jewellery"),
        ("Nehru Jackets", "outerwear"),
        ("Sunglasses", "accessories"),
        ("Scarves", "accessories"),
        ("dress shirt", "tops"),
        ("denim shirt dress", "dresses"),
        ("ankle_boots", "shoes"),
        ("  TRENCH   coat ", "outerwear"),
        ("all-body", "dresses"),
        ("outerwear", "outerwear"),
        ("Booties", "shoes"),
        ("handbag", "bags"),
        ("Trenchcoat", "outerwear"),
        ("Overshirt", "outerwear"),
        ("Outer vest", "outerwear"),
        ("Vest", "tops"),
        ("Kaftan", "outerwear"),
        ("Poloshirt", "tops"),
        ("Skort", "bottoms"),
        ("Bikini pantie", "bottoms"),
        ("Bikini top", "tops"),
        ("Overall", "dresses"),
        ("Dressing Gown (Bata)", "sets"),
        ("Nightgown", "sets"),
        ("Pyjama Trousers", "bottoms"),
        ("Citybag", "bags"),
        ("Card holder", "accessories"),
        ("Case", "accessories"),
        ("Foulard", "accessories"),
        ("Braces", "accessories"),
        ("Keyring", "accessories"),
        ("Hairclip", "hats"),
        ("Turban", "hats"),
        ("flux capacitor", "other"),
        ("", "other"),
    ],
)
def test_super_category(label: str, kind: str) -> None:
    assert super_category(label) == kind
    assert slot(label) == SLOT_OF_SUPER_CATEGORY[kind]


def test_plural_case_and_spacing_are_one_category() -> None:
    keys = {
        at_granularity(label, "category") for label in ("Ankle Boots", "ankle boot", "ANKLE_BOOTS", " ankle  boot ")
    }
    assert len(keys) == 1


def test_an_unknown_granularity_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="super_category"):
        at_granularity("dress", "colour")  # type: ignore[arg-type]


def test_unknown_labels_are_reported_once() -> None:
    assert unknown_labels(["Dress", "Gizmo", "Gizmo", "Widget"]) == ["Gizmo", "Widget"]


def test_a_title_that_names_children_wins() -> None:
    assert wearer("Men", "", "Palm Tree Kids Boys white jacket") == ("men", "child")
    assert wearer("Women", "adult", "Girl's tee") == ("women", "child")
    assert wearer("Women", "", "Boyfriend jeans") == ("women", "adult")
    assert wearer("", "", "Babydoll dress") == (None, None)


@pytest.mark.parametrize(
    ("gender", "age", "whom"),
    [
        ("Women", "", ("women", "adult")),
        (" male ", "", ("men", "adult")),
        ("Boys", "", ("men", "child")),
        ("girls", "kids", ("women", "child")),
        ("female", "toddler", ("women", "child")),
        ("unisex", "adult", ("unisex", "adult")),
        ("Unisex", "", ("unisex", None)),
        ("", "kids", (None, "child")),
        ("everybody", "ageless", (None, None)),
    ],
)
def test_wearers(gender: str, age: str, whom: tuple[str | None, str | None]) -> None:
    assert wearer(gender, age) == whom


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("Pyjama Trousers", {"pyjama"}),
        ("Bikini top", {"bikini"}),
        ("Boxers", {"boxer"}),
        ("Night suits", {"night"}),
        ("Swimwear", {"swimwear"}),
        ("Wallets", {"wallet"}),
        ("Card holder", {"holder"}),
        ("Crop top", set()),
        ("Trousers", set()),
        ("", set()),
    ],
)
def test_what_is_set_apart(label: str, words: set[str]) -> None:
    assert set_apart(label) == words


@given(st.text(max_size=40))
def test_any_text_has_a_kind_and_normalising_twice_changes_nothing_more(label: str) -> None:
    assert super_category(label) in SLOT_OF_SUPER_CATEGORY
    assert super_category(normalise(label)) == super_category(label)


@pytest.mark.data
def test_every_label_of_the_real_products_is_known(real_data) -> None:  # type: ignore[no-untyped-def]
    import pyarrow.parquet as pq

    labels = (
        pq.read_table(real_data / "fashion_products" / "train.parquet", columns=["article_type"]).column(0).unique()
    )
    assert unknown_labels(labels.to_pylist()) == ["Water Bottle"]
