"""Rules from TOML to masks, against loops over items; and who is to blame when nothing is left."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.engine.conflicts import TooHard, find_outfit, minimal_conflict
from modiste.engine.constraints import columns_of, compile_rules, kind_mask
from modiste.engine.filters import FilterError
from modiste.engine.rules import Rule, Rules, RulesError, Template
from modiste.taxonomy import wearer
from modiste.types import Item

TOML = """
max_items = 5
granularity = "slot"
budget = 100
price = "cost"
brand = ["Acme", "Other"]
stock = true
filters = ["cost<80"]
forbidden = ["c"]
required = ["a"]
together = [["a", "b"]]
never = [["colour=Red", "colour=Pink"], ["x", "y", "z"]]

[excludes]
one_piece = ["top", "bottom"]
hat = "bag"

[[templates]]
name = "short"
slots = ["one_piece", "shoes"]
optional = ["bag", "hat"]
"""


def test_a_file_becomes_rules(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(TOML)
    rules = Rules.load(path)
    assert rules.never == (("colour=Red", "colour=Pink"), ("x", "y"), ("x", "z"), ("y", "z"))
    assert rules.excludes == (("one_piece", "top"), ("one_piece", "bottom"), ("hat", "bag"))
    assert rules.templates == (Template("short", ("one_piece", "shoes"), ("bag", "hat")),)
    said = [str(rule) for rule in rules.split()]
    assert said[:3] == [
        "an outfit has at most 5 items",
        "no two items share a slot",
        "no two items are colourways of one product",
    ]
    assert "every chosen item has brand=Acme|Other" in said
    assert "the whole outfit costs at most 100" in said
    assert "a one-piece excludes a top" in said
    assert "nothing is chosen that is cut for somebody else" in said
    assert Rules.from_dict({}) == Rules()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_item = 3", "no key 'max_item'; did you mean 'max_items'"),
        ("bugdet = 3", "did you mean 'budget'"),
        ("max_items = 0", "at least 1"),
        ("max_items = true", "whole number"),
        ("budget = '3'", "budget must be a number"),
        ("budget = nan", "budget must be"),
        ("granularity = 'colour'", "super_category"),
        ("strict = 1", "true or false"),
        ("brand = 3", "brand must be a text or a list"),
        ("never = ['a', 'b']", "list of lists"),
        ("filters = ['price']", "expected FIELD"),
        ("excludes = ['top']", "a table"),
        ("[[templates]]\nslot = ['top']", "did you mean 'slots'"),
        ("[[templates]]\nname = 'x'", "no slots"),
        ("= 3", "read as TOML"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(RulesError, match=words) as caught:
        Rules.load(path)
    assert str(path) in str(caught.value)
    with pytest.raises(RulesError, match="no rules at"):
        Rules.load(tmp_path / "other.toml")


def test_shapes_of_a_template() -> None:
    one = Template("t", ("top", "shoes"), ("bag", "hat"))
    assert list(one.shapes(3, 8)) == [("top", "shoes", "bag"), ("top", "shoes", "hat")]
    assert len(list(one.shapes(None, 8))) == 4
    assert len(list(one.shapes(None, 2))) == 1
    assert list(one.shapes(1, 8)) == []


CATEGORIES = ("Dress", "Shirt", "Skirt", "Sneaker", "Boot", "Tote", "")
COLOURS = ("Red", "Pink", "Blue", "")


def some_items(seed: int, count: int) -> list[Item]:
    rng = np.random.default_rng(seed)
    return [
        Item(
            f"i{at:02d}",
            category=CATEGORIES[rng.integers(len(CATEGORIES))],
            group=("", "", "g1", "g2", "i03")[rng.integers(5)],
            attributes={
                name: value
                for name, value in {
                    "colour": COLOURS[rng.integers(4)],
                    "price": float(rng.integers(1, 30)),
                    "brand": ("Acme", "Other")[rng.integers(2)],
                    "gender": ("Women", "men", "Girls", "boys", "Unisex")[rng.integers(5)],
                    "age_group": ("", "", "", "kids", "adult")[rng.integers(5)],
                }.items()
                if rng.random() > 0.15
            },
        )
        for at in range(count)
    ]


def some_rules(seed: int) -> Rules:
    rng = np.random.default_rng(seed)
    flip = lambda: bool(rng.random() < 0.5)  # noqa: E731
    return Rules(
        max_items=int(rng.integers(2, 6)),
        granularity=("category", "super_category", "slot")[rng.integers(3)],
        strict=flip(),
        one_per_product=flip(),
        one_wearer=flip(),
        budget=float(rng.integers(10, 70)) if flip() else None,
        brand=("Acme",) if flip() else (),
        forbidden=("i00", "i05") if flip() else (),
        required=("i01",) if flip() else (),
        together=(("i02", "i03"), ("colour=Red", "colour=Blue")) if flip() else (),
        never=(("colour=Red", "colour=Pink"), ("i01", "i04")) if flip() else (),
        excludes=(("one_piece", "top"), ("Boot", "bag"), ("shoes", "shoes")) if flip() else (),
    )


def is_kind(item: Item, label: str) -> bool:
    from modiste.taxonomy import normalise, slot, super_category

    return label in (super_category(item.category), slot(item.category)) or normalise(label) == normalise(item.category)


def is_selected(item: Item, selector: str) -> bool:
    if "=" in selector:
        name, value = selector.split("=")
        return item.attributes.get(name) == value
    return item.id == selector


def is_outfit(items: list[Item], rules: Rules) -> bool:
    """The slow, obvious reading of the rules about sets."""
    if rules.outfit.violations(items) or any(item.id in rules.forbidden for item in items):
        return False
    if rules.budget is not None and sum(float(item.attributes.get("price", 0)) for item in items) > rules.budget:
        return False
    for wanted in rules.required:
        if not any(is_selected(item, wanted) for item in items):
            return False
    for one, other in rules.together:
        if any(is_selected(item, one) for item in items) != any(is_selected(item, other) for item in items):
            return False
    for first, second in combinations(items, 2):
        if rules.one_per_product and first.product == second.product:
            return False
        if rules.one_wearer:
            known = [
                wearer(str(i.attributes.get("gender", "")), str(i.attributes.get("age_group", "")))
                for i in (first, second)
            ]
            if {known[0][0], known[1][0]} == {"women", "men"} or {known[0][1], known[1][1]} == {"adult", "child"}:
                return False
        for a, b in ((first, second), (second, first)):
            if any(is_selected(a, one) and is_selected(b, other) for one, other in rules.never):
                return False
            if any(is_kind(a, one) and is_kind(b, other) for one, other in rules.excludes):
                return False
    return True


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_compiled_rules_are_the_rules(seed: int) -> None:
    items, rules = some_items(seed, 10), some_rules(seed)
    constraints = compile_rules(rules, columns_of(items), len(items))
    rng = np.random.default_rng(seed)
    sets = np.array([np.append(rng.permutation(10)[: rng.integers(1, 6)], [-1] * 5)[:5] for _ in range(60)])
    wanted = [is_outfit([items[at] for at in row if at >= 0], rules) for row in sets]
    assert constraints.valid(sets).tolist() == wanted
    open_to = [
        (not rules.brand or item.attributes.get("brand") in rules.brand)
        and item.id not in rules.forbidden
        and (rules.budget is None or "price" in item.attributes)
        for item in items
    ]
    assert constraints.open_to.tolist() == open_to


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(0, 1))
def test_an_outfit_is_found_if_and_only_if_there_is_one(seed: int, num_slots: int, num_given: int) -> None:
    items, rules = some_items(seed, 12), some_rules(seed)
    constraints = compile_rules(rules, columns_of(items), len(items))
    rng = np.random.default_rng(seed)
    have = np.arange(num_given)
    slots = [np.sort(rng.permutation(np.arange(num_given, 12))[: rng.integers(1, 9)]) for _ in range(num_slots)]
    choices = (
        row
        for row in product(*(slot.tolist() for slot in slots))
        if constraints.open_to[list(row)].all() and constraints.valid(np.array([[*have, *row]]))[0]
    )
    possible = next(choices, None) is not None
    found = find_outfit(constraints, have, slots)
    assert (found is not None) == possible
    if found is not None:
        assert constraints.valid(np.array([[*have, *found]]))[0]
        assert all(row in slot for row, slot in zip(found, slots, strict=True))
        assert constraints.open_to[list(found)].all()


def test_by_default_what_is_worn_one_at_a_time_is_there_once_and_layers_are_looks() -> None:
    labels = [
        "Jeans",
        "Skirt",
        "Sandals",
        "Boots",
        "Dress",
        "Jumpsuit",
        "Cap",
        "Beanie",
        "Shirt",
        "Cardigan",
        "Blazer",
        "Coat",
        "Handbag",
        "Wallet",
        "Belt",
        "Scarf",
    ]
    items = [Item(f"{at:02}", category=label) for at, label in enumerate(labels)]
    constraints = compile_rules(Rules(), columns_of(items), len(items))
    pairs = np.arange(len(items)).reshape(-1, 2)
    assert constraints.valid(pairs).tolist() == [False] * 4 + [True] * 4
    two = compile_rules(Rules.from_dict({"excludes": {}}), columns_of(items), len(items))
    assert two.valid(pairs).all()  # a house may think otherwise
    assert str(Rule("excludes", ("one_piece", "one_piece"))) == "an outfit has at most one item of the kind 'one-piece'"


def test_giving_up_is_not_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [Item(f"{at}", category="Tote") for at in range(6)]
    constraints = compile_rules(Rules(strict=False, never=(("0", "3"), ("1", "4"))), columns_of(items), 6)
    slots = [np.array([0, 1]), np.array([3, 4]), np.array([2, 5])]
    assert find_outfit(constraints, np.arange(0), slots) is not None
    monkeypatch.setattr("modiste.engine.conflicts._MAX_NODES", 2)
    with pytest.raises(TooHard):
        find_outfit(constraints, np.arange(0), slots)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.frozensets(st.integers(0, 6), min_size=1, max_size=4), min_size=1, max_size=5))
def test_a_conflict_is_of_the_smallest_size_and_none_of_it_can_go(cores: list[frozenset[int]]) -> None:
    rules = tuple(Rule("forbidden", (str(at),)) for at in range(7))

    def feasible(some: tuple[Rule, ...]) -> bool:
        there = {int(rule.values[0]) for rule in some}
        return not any(core <= there for core in cores)

    found = minimal_conflict(rules, feasible)
    assert not feasible(found)
    assert all(feasible(tuple(one for one in found if one is not rule)) for rule in found)
    assert len(found) == min(len(core) for core in cores)
    assert list(found) == sorted(found, key=lambda rule: rule.values)


def test_no_conflict_no_blame() -> None:
    with pytest.raises(ValueError, match="not in conflict"):
        minimal_conflict((Rule("product"),), lambda some: True)
    assert minimal_conflict((Rule("product"),), lambda some: False) == ()


def test_kinds_are_categories_super_categories_or_slots() -> None:
    items = [Item("1", category="Ankle boots"), Item("2", category="Sneaker"), Item("3", category="")]
    columns = columns_of(items)
    assert kind_mask("shoes", columns).tolist() == [True, True, False]
    assert kind_mask("one_piece", columns_of([Item("1", category="Sundress")])).tolist() == [True]
    assert kind_mask("ankle boot", columns).tolist() == [True, False, False]
    assert kind_mask("other", columns).tolist() == [False, False, True]


def test_rules_that_do_not_fit_the_catalogue() -> None:
    columns = columns_of([Item("1", category="Boot", attributes={"size": "big"})])
    with pytest.raises(FilterError, match="brand"):
        compile_rules(Rules(brand=("Acme",)), columns, 1)
    with pytest.raises(RulesError, match="no item has the attribute 'price'"):
        compile_rules(Rules(budget=3.0), columns, 1)
    with pytest.raises(RulesError, match="holds text such as 'big'"):
        compile_rules(Rules(budget=3.0, price="size"), columns, 1)
