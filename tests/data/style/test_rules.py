"""The style rules: known pairs, symmetry, bounds, and words."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.data.atelier import Atelier
from modiste.data.style import (
    BREAKS,
    BY_NAME,
    OCCASIONS,
    PATTERNS,
    RULE_NAMES,
    RULES,
    SEASONS,
    Facts,
    Traits,
    broken_rules,
    mean_over_pairs,
    rule_terms,
    traits,
    weighted_pairs,
    weights_of,
)
from modiste.data.style.colour import chroma, colourfulness, distance, hue, hue_difference, oklab, oklab_of
from modiste.data.style.names import hex_of
from modiste.data.style.rules import Rule
from modiste.data.style.wardrobe import kind_of
from modiste.taxonomy import SLOTS
from modiste.types import Item

HEXES = st.integers(0, 0xFFFFFF).map(lambda value: f"#{value:06x}")
ANY_TRAITS = st.builds(
    Traits,
    slot=st.sampled_from(SLOTS),
    noun=st.just("thing"),
    colour=st.just("colour"),
    hexadecimal=st.none() | HEXES,
    second=st.none() | HEXES,
    pattern=st.none() | st.sampled_from(sorted(PATTERNS)),
    formality=st.none() | st.floats(0, 1),
    seasons=st.lists(st.sampled_from(SEASONS), unique=True).map(tuple),
    occasions=st.just(()) | st.tuples(*[st.floats(0, 1)] * len(OCCASIONS)),
    volume=st.none() | st.floats(-1, 1),
    gender=st.none() | st.sampled_from(["women", "men", "unisex"]),
    age=st.none() | st.sampled_from(["adult", "child"]),
    layer=st.none() | st.booleans(),
    metal=st.none() | st.sampled_from(["gold", "silver", "rose gold"]),
    leather=st.booleans(),
)


def _item(category: str, **attributes: str) -> Item:
    return Item(f"{category}-{sorted(attributes.items())}", category=category, attributes=attributes)


def _term(rule: str, a: Item, b: Item) -> float:
    facts = Facts.of([traits(a), traits(b)])
    return float(BY_NAME[rule].pair(facts[0], facts[1]))


@settings(max_examples=150, deadline=None)
@given(ANY_TRAITS, ANY_TRAITS)
def test_terms_are_bounded_symmetric_and_worded(a: Traits, b: Traits) -> None:
    facts = Facts.of([a, b])
    forth, back = rule_terms(facts[0], facts[1]), rule_terms(facts[1], facts[0])
    assert np.isfinite(forth).all()
    assert (np.abs(forth) <= 1).all()
    np.testing.assert_allclose(forth, back, atol=1e-5)
    for rule, term in zip(RULES, forth, strict=True):
        if abs(term) > 0.01:
            assert rule.words(a, b, float(term))
    assert broken_rules(facts) == tuple(
        rule.name for rule, term in zip(RULES, forth, strict=True) if term <= BREAKS and rule.items_to_break == 2
    )


def test_rules_without_facts_have_no_opinion() -> None:
    nothing = Facts.of([Traits("bag"), Traits("shoes")])
    assert rule_terms(nothing[0], nothing[1]).tolist() == [0.0] * len(RULES)


@pytest.mark.parametrize(
    ("rule", "better", "worse"),
    [
        ("harmony", (("shirt", "blue"), ("skirt", "orange")), (("shirt", "purple"), ("skirt", "red"))),  # opposites
        ("harmony", (("shirt", "beige"), ("skirt", "red")), (("shirt", "turquoise"), ("skirt", "mustard"))),
        ("tonal", (("shirt", "light blue"), ("skirt", "navy")), (("shirt", "black"), ("skirt", "navy"))),
        ("tonal", (("shirt", "white"), ("skirt", "white")), (("shirt", "white"), ("skirt", "cream"))),
        ("palette", (("shirt", "red"), ("skirt", "navy")), (("shirt", "red"), ("skirt", "green"))),
    ],
)
def test_colours(rule: str, better: tuple[tuple[str, str], ...], worse: tuple[tuple[str, str], ...]) -> None:
    good, bad = (_term(rule, *(_item(kind, colour=colour) for kind, colour in pair)) for pair in (better, worse))
    assert good > 0 > bad


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("pattern", ("stripes", "solid"), ("floral", "checks")),
        ("formality", ("smart", "smart"), ("casual", "formal")),
        ("season", ("winter", "all year"), ("winter", "summer")),
        ("season", ("summer", "summer"), ("spring", "autumn")),
    ],
)
def test_attributes(rule: str, good: tuple[str, str], bad: tuple[str, str]) -> None:
    def term(pair: tuple[str, str]) -> float:
        return _term(rule, _item("shirt", **{rule: pair[0]}), _item("skirt", **{rule: pair[1]}))

    assert term(good) > 0 > term(bad)


def test_use_and_cut() -> None:
    assert _term("occasion", _item("evening gown"), _item("clutch")) > 0
    assert _term("occasion", _item("evening gown"), _item("backpack")) <= BREAKS
    assert _term("silhouette", _item("sweater", fit="oversized"), _item("trousers", fit="slim")) > 0
    assert _term("silhouette", _item("sweater", fit="oversized"), _item("trousers", fit="wide-leg")) <= BREAKS
    assert _term("layering", _item("shirt"), _item("cardigan")) > 0
    assert _term("layering", _item("shirt"), _item("blouse")) <= BREAKS
    assert _term("layering", _item("dress"), _item("jeans")) <= BREAKS
    assert _term("metals", _item("ring", colour="gold"), _item("necklace", colour="gold")) > 0
    assert _term("metals", _item("ring", colour="gold"), _item("necklace", colour="silver")) <= BREAKS
    brown, black = ({"material": "leather", "colour": one} for one in ("brown", "black"))
    assert _term("leathers", _item("belt", **brown), _item("loafers", **brown)) > 0
    assert _term("leathers", _item("belt", **brown), _item("loafers", **black)) <= BREAKS
    assert _term("gender", _item("tie", gender="men"), _item("skirt", gender="women")) == -1
    assert _term("gender", _item("cap", gender="unisex"), _item("skirt", gender="women")) == 0
    assert _term("gender", _item("cap", gender="girls"), _item("skirt", gender="women")) == -1
    assert _term("gender", _item("cap", gender="female", age_group="kids"), _item("skirt", gender="Girls")) == 0
    assert _term("gender", _item("cap", gender="boys"), _item("watch", gender="unisex")) == 0
    dotted = _item("blouse", colour="white", pattern="polka dots", secondary_colour="red")
    assert _term("echo", dotted, _item("skirt", colour="red")) > 0.9
    assert _term("echo", dotted, _item("skirt", colour="green")) == 0


def test_palette_breaks_at_three_clear_colours() -> None:
    def look(*colours: str) -> tuple[str, ...]:
        kinds = ("shirt", "skirt", "loafers", "handbag")
        return broken_rules(
            Facts.of([traits(_item(kind, colour=colour)) for kind, colour in zip(kinds, colours, strict=False)])
        )

    assert "palette" not in look("red", "green", "black", "navy")
    assert "palette" in look("red", "green", "blue", "navy")
    with pytest.raises(ValueError, match="2 or 3 items"):
        Rule("odd", "", "", lambda a, b: a.bold, lambda a, b, t: "", items_to_break=4).broken_by(np.zeros((2, 2)))


def test_every_rule_is_documented_and_named_once() -> None:
    assert len(set(RULE_NAMES)) == len(RULES) == 13
    for rule in RULES:
        assert rule.sentence.endswith(".")
        assert rule.reason.endswith(".")


def test_means_over_pairs_are_the_slow_obvious_ones() -> None:
    items = list(Atelier(1).items(40, image=False))
    facts = Facts.of([traits(item) for item in items])
    rng = np.random.default_rng(0)
    weights = rng.random((len(RULES), 2)).astype(np.float32)
    sets = np.array([[3, 1, 7, -1], [5, 9, -1, -1], [2, -1, -1, -1], [0, 11, 20, 30]])
    got = mean_over_pairs(facts, sets, weights)
    table = weighted_pairs(facts, np.arange(40), np.arange(40), weights)
    for row, members in enumerate([[3, 1, 7], [5, 9], [2], [0, 11, 20, 30]]):
        pairs = [table[a, b] for n, a in enumerate(members) for b in members[n + 1 :]]
        np.testing.assert_allclose(got[row], np.mean(pairs, axis=0) if pairs else [0, 0], atol=1e-5)
    shuffled = np.array([[-1, 7, 3, 1], [-1, -1, 9, 5], [-1, 2, -1, -1], [30, 20, 0, 11]])
    assert np.array_equal(mean_over_pairs(facts, shuffled, weights), got)
    one = float(rule_terms(facts[3], facts[1]) @ weights[:, 0])
    assert math.isclose(one, float(table[3, 1, 0]), abs_tol=1e-5)


def test_weights_name_rules() -> None:
    assert weights_of({"season": 2.0}).sum() == 2.0
    with pytest.raises(ValueError, match="no style rule 'sesaon'"):
        weights_of({"sesaon": 1.0})
    with pytest.raises(ValueError, match="finite and not negative"):
        weights_of({"season": -1.0})


def test_oklab_of_published_values() -> None:
    # Ottosson's article: white is L 1, a grey has no chroma; CSS Color 4 gives red as oklch(0.628 0.258 29.2).
    np.testing.assert_allclose(oklab_of("#ffffff"), [1, 0, 0], atol=1e-3)
    red = oklab_of("#ff0000")
    np.testing.assert_allclose([red[0], chroma(red), hue(red)], [0.628, 0.2577, 29.23], atol=0.01)
    assert chroma(oklab_of("#777777")) < 1e-3
    with pytest.raises(ValueError, match="#rrggbb"):
        oklab_of("red")


@settings(max_examples=60, deadline=None)
@given(HEXES, HEXES)
def test_colour_distances(one: str, other: str) -> None:
    a, b = oklab_of(one), oklab_of(other)
    assert 0 <= hue_difference(hue(a), hue(b)) <= 180
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (one == other)
    assert 0 <= colourfulness(a) <= 1
    red, green, blue = (int(one[at : at + 2], 16) for at in (1, 3, 5))
    if colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)[1] == 0:
        assert colourfulness(oklab(np.array([red, green, blue]))) == 0


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("Navy Blue", "navy"),
        ("NEGRO", "black"),
        ("GRIS OSCURO VIGORE", "gris oscuro"),
        ("Coffee Brown", "coffee"),
        ("Navy/White", "navy"),
        ("Pastel Coral", "coral"),
    ],
)
def test_colour_names(name: str, like: str) -> None:
    assert hex_of(name) == hex_of(like) is not None


def test_unknown_colours_are_unknown() -> None:
    assert [hex_of(name) for name in ("", "Multi", "NA", "blorp")] == [None] * 4


def test_traits_read_other_shops_tables() -> None:
    shop = traits(
        Item(
            "1",
            title="Striped oversized shirt",
            category="Shirts",
            attributes={"colour": "Off White", "season": "Fall", "usage": "Formal", "gender": "Men"},
        )
    )
    assert (shop.pattern, shop.volume, shop.seasons, shop.gender) == ("stripes", 1.0, ("autumn",), "men")
    assert shop.formality == pytest.approx(0.75)
    spanish = traits(
        Item("2", category="Earrings", attributes={"colour_es": "ORO", "colour_group": "YELLOW", "gender": "Female"})
    )
    assert (spanish.metal, spanish.gender, spanish.slot) == ("gold", "women", "jewellery")
    assert traits(Item("3", category="blorp")).hexadecimal is None
    assert traits(Item("4", title="Coral blouse")).colour == "coral"
    assert traits(Item("5", category="dress"), photo_colours=("#ff0000",)).hexadecimal == "#ff0000"
    assert (
        traits(Item("6", category="dress", attributes={"colour": "navy"}), photo_colours=("#ff0000",)).colour == "navy"
    )


@pytest.mark.parametrize(
    ("label", "kind"),
    [("Tshirts", "t-shirt"), ("Track Pants", "track pant"), ("Ankle Boots", "ankle boots"), ("Puffer coat", "puffer jacket"),
     ("Totes bag", "tote bag"), ("Bikini top", "bikini"), ("Pyjama Trousers", "pyjama"), ("blorp", None),
     ("Casual Shoes", "casual shoe"), ("Dresses", "dress")],
)  # fmt: skip
def test_kinds(label: str, kind: str | None) -> None:
    assert kind_of(label) == kind


@pytest.mark.parametrize(
    "wrong", [{"slot": "nose"}, {"pattern": "paisley"}, {"occasions": (1.0,)}, {"seasons": ("monsoon",)}]
)
def test_traits_refuse_what_they_do_not_know(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"unknown|weights"):
        Traits(**{"slot": "bag", **wrong})  # type: ignore[arg-type]
