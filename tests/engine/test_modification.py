"""Words about what shall be different, read into a plan: what is asked for, denied, kept, and that no word gets lost."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.data.atelier.design import ARTICLES
from modiste.data.atelier.palette import COLOUR_WORDS
from modiste.data.atelier.wording import describe_constraints
from modiste.data.style.vocabulary import means, phrases, satisfies
from modiste.engine.filters import Column, column
from modiste.engine.modification import Known, ModificationPlan, Reference, modification
from modiste.engine.reference import reference_of
from modiste.engine.vocabulary import Knowledge, Vocabulary
from modiste.types import Item

SHIRT = Reference(
    "shirt-1",
    {
        "category": Known("shirt"),
        "colour": Known("blue"),
        "pattern": Known("stripes"),
        "neckline": Known("collar"),
        "length": Known("regular"),
        "sleeve_length": Known("short"),
        "gender": Known("men"),
        "material": Known("cotton", 0.8, "photo"),
    },
    price=40.0,
)
COLUMNS: dict[str, Column] = {
    "category": column(["shirt", "ankle boots", "dress", "leather jacket"]),
    "baseColour": column(["Navy Blue", "red", "teal", "black"]),
    "fabric": column(["cotton", "leather", "crepe de chine", "suede"]),
    "sole": column(["", "crepe rubber", "", ""]),
    "brand": column(["Acme", "Red", "Oak & Ash", "Acme"]),
    "price": column([40.0, 120.0, 60.0, 300.0]),
    "title": column(["Navy shirt", "Red ankle boots", "Teal dress without sleeves", "Black biker jacket with stripes"]),
    "description": column(["", "", "Polka dots all over", "Made of leather"]),
}
HERE = Vocabulary.of(COLUMNS)


def plan(text: str, reference: Reference | None = SHIRT) -> ModificationPlan:
    return modification(text, HERE, reference)


def asked(found: ModificationPlan) -> dict[str, tuple[str, ...]]:
    return {one.attribute: one.values for one in found.changes}


def denied(found: ModificationPlan) -> list[str]:
    return [one.name for one in found.excluded]


@pytest.mark.parametrize(
    ("text", "changes", "without"),
    [
        ("but in red with long sleeves", {"colour": ("red",), "sleeve_length": ("long",)}, []),
        ("the same without stripes", {}, ["stripes"]),
        ("like this but cheaper, not leather", {}, ["leather"]),
        ("for women instead", {"gender": ("women",)}, []),
        ("dress without polka dots", {"category": ("dress",)}, ["polka dots"]),
        ("not leather boots", {"category": ("boots",)}, ["leather"]),
        ("no stripes, dots or checks, in red", {"colour": ("red",)}, ["stripes", "polka dots", "checks"]),
        ("without stripes or with dots", {"pattern": ("polka dots",)}, ["stripes"]),
        ("not in leather but suede", {"material": ("suede",)}, ["leather"]),
        ("red instead of blue", {"colour": ("red",)}, ["blue"]),
        ("anything but black", {}, ["black"]),
        ("without sleeves", {"sleeve_length": ("sleeveless",)}, []),
        ("with sleeves", {}, ["sleeveless"]),
        ("without a print", {"pattern": ("solid",)}, []),
        ("without collar and sleeves", {"sleeve_length": ("sleeveless",)}, ["collar"]),
        ("no big buckle in brown", {"colour": ("brown",)}, ["big buckle"]),
        ("leather-free", {}, ["leather"]),
        ("non-leather boots", {"category": ("boots",)}, ["leather"]),
        ("no-show socks, non-iron", {"category": ("socks",)}, []),
        ("no visible logo on the front", {}, ["visible logo"]),
        ("not black leather", {}, ["black leather"]),
        ("navy with white stripes", {"colour": ("navy",), "secondary_colour": ("white",)}, []),
        ("red or burgundy", {"colour": ("red", "burgundy")}, []),
        ("in another colour", {}, ["blue"]),
        ("boots with heels", {"category": ("boots",)}, ["flat heels"]),
        ("not a dress", {}, ["dress"]),
        ("Not only red, but with a hood", {"colour": ("red",), "neckline": ("hood",)}, []),
        ("3/4 sleeves, V-neck", {"sleeve_length": ("three-quarter",), "neckline": ("v-neck",)}, []),
        (
            "in crepe de chine with a crepe rubber sole",
            {"material": ("crepe de chine",), "sole": ("crepe rubber",)},
            [],
        ),
        ("by Oak & Ash", {"brand": ("oak & ash",)}, []),
    ],
)
def test_sentences(text: str, changes: dict[str, tuple[str, ...]], without: list[str]) -> None:
    found = plan(text)
    assert asked(found) == changes
    assert denied(found) == without


@pytest.mark.parametrize(
    "negator", ["without", "no", "not", "non", "minus", "except", "rather than", "free of", "don't want"]
)
def test_ways_of_denying(negator: str) -> None:
    found = plan(f"{negator} polka dots, in red")
    assert (denied(found), asked(found), found.words) == (["polka dots"], {"colour": ("red",)}, "red")


def test_the_line_says_what_changes_what_is_left_out_and_what_is_kept() -> None:
    found = plan("but in red, no stripes")
    assert (
        str(found)
        == "colour: red <- blue; without: stripes; kept: category, material, sleeves, collar, length, for men"
    )
    assert json.loads(json.dumps(found.as_dict()))["line"] == str(found)


def test_what_is_not_known_is_said_and_not_guessed() -> None:
    nothing = Reference("x", unsure={"colour": Known("pink", 0.4, "photo"), "category": Known("cap", 0.2, "photo")})
    found = plan("but red with long sleeves, shorter, cheaper, in another material", nothing)
    assert "sleeves: long (the reference's is not known)" in str(found)
    assert "colour: red (the reference's is not known, perhaps pink (40 %))" in str(found)
    assert found.kept == ()
    assert found.price is None
    for what in ("'shorter'", "'cheaper'", "'another material'", "category, perhaps cap (20 %)"):
        assert any(what in note for note in found.notes), what


def test_comparisons_are_with_the_reference() -> None:
    found = plan("shorter with longer sleeves, darker and cheaper")
    changes = {one.attribute: one for one in found.changes}
    assert changes["length"].fits("mini")
    assert not changes["length"].fits("regular")
    assert not changes["length"].fits("maxi")
    assert changes["sleeve_length"].fits("long")
    assert not changes["sleeve_length"].fits("sleeveless")
    assert changes["colour"].fits("navy")
    assert not changes["colour"].fits("light blue")
    assert found.price is not None
    assert found.price.below == 40
    assert found.words == ""


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("under 50 euros", (None, 50)),
        ("no more than €1,200.50", (None, 1200.5)),
        ("at least 20 and below 80", (20, 80)),
        ("between 30 and 60", (30, 60)),
        ("up to 49,95", (None, 49.95)),
    ],
)
def test_prices(text: str, bounds: tuple[float | None, float | None]) -> None:
    found = plan(text, None)
    assert found.price is not None
    assert (found.price.at_least, found.price.at_most) == bounds
    assert found.excluded == ()


def test_kept_values_leave_when_they_are_contradicted_and_can_be_asked_for() -> None:
    assert [one.attribute for one in plan("the same colour, but a dress").kept] == [
        "colour",
        "pattern",
        "material",
        "gender",
    ]
    assert [one.attribute for one in plan("same colour and material in red").kept if one.asked] == ["material"]
    assert "neckline" not in [one.attribute for one in plan("no collar").kept]
    same = plan("in blue")  # as it is
    assert same.changes == ()
    assert [one.attribute for one in same.kept if one.asked] == ["colour"]


def test_parts_of_a_plan_can_be_dropped() -> None:
    found = plan("in red with long sleeves, without stripes, cheaper")
    keys = [one.key for one in found.changes] + [found.excluded[0].key, "price", "keep:material"]
    less = found.without(["change:colour", "without:stripes", "price", "keep:material"])
    assert set(keys) >= {"change:colour", "change:sleeve_length"}
    assert asked(less) == {"sleeve_length": ("long",)}
    assert (less.excluded, less.price, less.words) == ((), None, "long sleeves")
    assert "material" not in [one.attribute for one in less.kept]
    assert {"colour", "pattern"} <= {
        one.attribute for one in less.kept
    }  # what they had changed is the reference's again
    assert found.without(["nothing"]) == found


def test_words_alone_need_a_plan_only_where_they_deny_or_bound() -> None:
    assert not plan("red dress with polka dots", None).acts
    assert plan("red dress without polka dots", None).acts
    assert plan("red dress under 80", None).acts
    assert plan("red dress").acts


# -- any string ----------------------------------------------------------------------------------------------------------

_SMALL = (
    "without,no,not,but,in,with,same,other,or,and,under,50,cheaper,shorter,sleeves,than,instead of,free,€,more formal,colour,"
    "crepe rubber,frills"
)
_WORDS = st.sampled_from([*(" ".join(key) for key in phrases()), *_SMALL.split(","), ","])
_SENTENCES = st.lists(_WORDS, max_size=14).map(" ".join)
_WORD = re.compile(r"\d+|[^\W\d_]+")


def test_what_is_said_twice_is_asked_once() -> None:
    plan = modification("shorter, shorter, red and red", HERE, SHIRT)
    assert [(one.attribute, one.direction, one.values) for one in plan.changes] == [
        ("length", -1, ()),
        ("colour", 0, ("red",)),
    ]


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=80), _SENTENCES), st.sampled_from([None, SHIRT, Reference("x")]))
def test_any_text_is_read_and_no_word_is_lost(text: str, reference: Reference | None) -> None:
    found = modification(text, HERE, reference)
    assert "".join(part.text for part in found.parts) == text
    json.dumps(found.as_dict(), allow_nan=False)
    str(found)
    said = " ".join(part.text for part in found.parts if part.role in ("change", "free", "without"))
    assert set(_WORD.findall(found.words)) <= set(_WORD.findall(said))
    heard = {word for part in found.parts if part.role == "free" for word in _WORD.findall(part.text)}
    assert heard <= {word for one in found.free for word in _WORD.findall(one)}
    for key in [one.key for one in (*found.changes, *found.excluded, *found.kept)]:
        assert str(found.without([key])) is not None


@pytest.mark.parametrize("words", ["under", "between 20 and", "more than €"])
def test_a_price_that_no_number_holds_is_none(words: str) -> None:
    found = plan(f"red, {words} {'9' * 400}")
    json.dumps(found.as_dict(), allow_nan=False)
    assert found.price is None or found.price.at_most is None
    assert "9" * 400 in found.free


@settings(max_examples=200, deadline=None)
@given(
    st.fixed_dictionaries(
        {"category": st.sampled_from(sorted(ARTICLES))},
        optional={
            "colour": st.sampled_from(sorted(COLOUR_WORDS)),
            "material": st.sampled_from(["cotton", "linen", "wool", "silk", "suede"]),
            "pattern": st.sampled_from(["stripes", "polka dots", "checks", "floral", "houndstooth"]),
            "gender": st.sampled_from(["women", "men"]),
        },
    )
)
def test_what_the_atelier_asks_for_in_words_is_read_back(constraints: dict[str, str]) -> None:
    found = asked(modification(describe_constraints(constraints), Vocabulary.of({}), None))
    for name, value in constraints.items():
        assert any(satisfies(name, value, one) for one in found[name]), describe_constraints(constraints)


# -- what a catalogue has, and what is known of it -----------------------------------------------------------------------


def test_a_shops_own_spelling_is_read_by_the_same_words() -> None:
    assert means("colour", "Navy Blue") == "navy"
    assert means("pattern", "Striped") == "stripes"
    assert means("material", "100% Cotton") == "cotton"
    assert satisfies("category", "Tshirts", "t-shirt")
    assert satisfies("category", "ankle boots", "boots")
    assert satisfies("category", "pumps", "shoes")
    assert not satisfies("category", "shirt dress", "shirt")
    assert satisfies("colour", "Navy/White", "white")
    assert satisfies("material", "suede", "leather", broadly=True)
    assert not satisfies("material", "suede", "leather")
    assert satisfies("colour", "light blue", "blue", broadly=True)


def test_what_is_known_of_rows_comes_from_columns_then_titles_then_descriptions() -> None:
    known = Knowledge(COLUMNS, 4)
    colour = known.holds("colour", lambda label: satisfies("colour", label, "navy"), ("navy",))
    assert colour.tolist() == [1, 0, 0, 0]
    stripes = known.holds("pattern", lambda label: satisfies("pattern", label, "stripes"), ("stripes",))
    assert stripes[3] == 1.0  # its title says so
    assert stripes[2] == pytest.approx(0.1)  # its description names another one
    assert stripes[:2].tolist() == pytest.approx([float("nan")] * 2, nan_ok=True)
    prices = known.numbers("price")
    assert prices is not None
    assert prices.tolist() == [40, 120, 60, 300]


def test_what_is_known_of_a_reference_comes_from_its_attributes_its_title_and_its_photo() -> None:
    item = Item(
        "a",
        "Striped shirt in red",
        category="shirt",
        attributes={"baseColour": "Blue", "price": "12.5", "brand": "Acme"},
    )
    tags = {
        "article_type": ("Shirts", 0.9),
        "sub_category": ("Topwear", 0.99),
        "gender": ("Men", 0.7),
        "season": ("Fall", 0.2),
    }
    found = reference_of(item, HERE, tags)
    assert {name: (one.value, one.source) for name, one in found.known.items()} == {
        "category": ("shirt", "catalogue"),
        "colour": ("Blue", "catalogue"),
        "brand": ("Acme", "catalogue"),
        "pattern": ("stripes", "title"),
        "gender": ("Men", "photo"),
    }
    assert found.price == 12.5
    assert found.unsure["season"].value == "Fall"
    photo = reference_of(Item("photo"), HERE, tags, stored=False)
    assert (photo.id, photo.known["category"].value, photo.known["category"].confidence) == ("", "Shirts", 0.9)
