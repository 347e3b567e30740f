"""Rules compiled for one pool of items, so that a solver can prune: masks, keys, pair bits, demands and a budget.

Nothing here is quadratic in the number of items: two items are in conflict when a key of theirs is equal (category, product)
or a bit of one meets a bit of the other (excludes, never), which is looked up for the pairs that are asked about.

Shapes: N items of the pool, B sets, O places in a set (-1: no item), W words of 64 rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modiste.engine.filters import (
    OPERATORS,
    BoolArray,
    Column,
    NumberColumn,
    TextColumn,
    column,
    filter_mask,
)
from modiste.engine.rules import Rule, Rules, RulesError
from modiste.taxonomy import at_granularity, for_children, normalise, slot, super_category, wearer
from modiste.types import Item

Rows = NDArray[np.int64]
Bits = NDArray[np.uint64]


def columns_of(items: Sequence[Item]) -> dict[str, Column]:
    """The columns of some items, as a snapshot has them of a catalogue (see `Snapshot.columns`)."""
    names = sorted({name for item in items for name in item.attributes})
    found = {name: column([item.attributes.get(name) for item in items]) for name in names}
    for name in ("id", "title", "description", "category", "group"):
        values = [getattr(item, name) for item in items]
        position = {value: at for at, value in enumerate(sorted(set(values) - {""}))}
        codes = np.array([position.get(value, -1) for value in values], dtype=np.int32)
        found[name] = TextColumn(codes, list(position))
    found.setdefault("super_category", column([super_category(item.category) for item in items]))
    found.setdefault("slot", column([slot(item.category) for item in items]))
    return found


def kind_mask(label: str, columns: Mapping[str, Column]) -> BoolArray:
    """(N,) the items of a kind: those whose category, super-category or slot it names."""
    category = _text_column(columns, "category")
    found: BoolArray = np.array([is_kind(one, label) for one in (*category.vocabulary, "")], dtype=bool)[category.codes]
    return found


def is_kind(category: str, label: str) -> bool:
    """Whether `label` names this category, its super-category or its slot."""
    return normalise(label) in (normalise(category), normalise(super_category(category)), normalise(slot(category)))


def selected(selector: str, columns: Mapping[str, Column], num_rows: int) -> BoolArray:
    """(N,) the items that a rule's selector means: an id, or a filter. An id that holds an operator is written id=..."""
    identity = _text_column(columns, "id")
    if selector in identity.vocabulary:
        found: BoolArray = identity.codes == identity.vocabulary.index(selector)
        return found
    if any(one in selector for one in OPERATORS if one != "in") or " in " in selector:
        return filter_mask([selector], columns, num_rows)
    return np.zeros(num_rows, dtype=bool)


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """Rules on a pool. `open_to` says what may be chosen; the rest is about sets, items given included."""

    open_to: BoolArray  # (N,) passes the filters, has a price under a budget, is not forbidden
    never: BoolArray  # (N,) must not be in a set at all
    category: Rows | None  # (N,) two items of one key are in conflict; None: categories may repeat
    product: Rows | None  # (N,) likewise
    left: Bits  # (N, W): two items are in conflict when a left bit of one is a right bit of the other
    right: Bits
    triggers: BoolArray  # (N, R): a set with a triggering item needs an answering one
    answers: BoolArray  # (N, R)
    always: BoolArray  # (R,) demands that every set has to meet
    prices: NDArray[np.float64]  # (N,) 0 where missing
    budget: float = np.inf
    max_items: int = 1 << 30

    def conflict(self, one: Rows, other: Rows) -> BoolArray:
        """Whether two items may not be in one set; broadcasts. Positions must not be -1."""
        found = one == other
        for key in (self.category, self.product):
            if key is not None:
                found = found | (key[one] == key[other])
        for word in range(self.left.shape[1]):
            left, right = self.left[:, word], self.right[:, word]
            found = found | (((left[one] & right[other]) | (right[one] & left[other])) != 0)
        return found

    def cost(self, rows: Rows) -> NDArray[np.float64]:
        """The summed prices of (..., O) sets."""
        return np.where(rows >= 0, self.prices[rows], 0.0).sum(axis=-1)

    def within_budget(self, cost: NDArray[np.float64]) -> BoolArray:
        found: BoolArray = cost <= self.budget + 1e-9  # prices are sums of decimal fractions
        return found

    def unmet(self, rows: Rows) -> BoolArray:
        """(B, O) -> (B, R) demands that a set raises and does not meet."""
        there = (rows >= 0)[..., None]
        raised = (self.triggers[rows] & there).any(axis=-2) | self.always
        found: BoolArray = raised & ~(self.answers[rows] & there).any(axis=-2)
        return found

    def may_be_given(self, rows: Rows) -> bool:
        """Whether (h,) items can be in one outfit as far as they alone decide it."""
        if len(rows) > self.max_items or self.never[rows].any() or not self.within_budget(self.cost(rows)):
            return False
        one, other = np.triu_indices(len(rows), 1)
        return not self.conflict(rows[one], rows[other]).any()

    def valid(self, rows: Rows) -> BoolArray:
        """(B, O) -> (B,) whether each set satisfies everything that is about sets (`open_to` is not)."""
        there = rows >= 0
        size = there.sum(axis=1)
        found = (size >= 1) & (size <= self.max_items) & ~(self.never[rows] & there).any(axis=1)
        for one in range(rows.shape[1]):
            for other in range(one + 1, rows.shape[1]):
                both = there[:, one] & there[:, other]
                found &= ~(both & self.conflict(rows[:, one], rows[:, other]))
        found &= self.within_budget(self.cost(rows))
        if self.always.size:
            found &= ~self.unmet(rows).any(axis=1)
        return found


def compile_rules(rules: Sequence[Rule] | Rules, columns: Mapping[str, Column], num_rows: int) -> Constraints:
    """Rules, all or some of them, for the pool of these columns.

    Raises `FilterError` for a filter that does not fit the columns, `RulesError` for a budget without an attribute of prices.
    """
    chosen = rules.split() if isinstance(rules, Rules) else tuple(rules)
    open_to = np.ones(num_rows, dtype=bool)
    never = np.zeros(num_rows, dtype=bool)
    category: Rows | None = None
    product: Rows | None = None
    pairs: list[tuple[BoolArray, BoolArray]] = []
    demands: list[tuple[BoolArray, BoolArray, bool]] = []
    prices, budget, max_items = np.zeros(num_rows), np.inf, 1 << 30
    for rule in chosen:
        if rule.kind == "max_items":
            max_items = int(rule.number)
        elif rule.kind == "repeat":
            category = _category_key(rule.values[0], columns)
        elif rule.kind == "product":
            product = _product_key(columns)
        elif rule.kind == "wearer":
            pairs += _wearers(columns, num_rows)
        elif rule.kind == "filter":
            open_to &= filter_mask(rule.values, columns, num_rows)
        elif rule.kind == "forbidden":
            never |= selected(rule.values[0], columns, num_rows)
        elif rule.kind == "budget":
            known = _prices(rule.values[0], columns)
            open_to &= ~np.isnan(known)
            prices, budget = np.nan_to_num(known), rule.number
        elif rule.kind == "required":
            demands.append((np.zeros(num_rows, dtype=bool), selected(rule.values[0], columns, num_rows), True))
        else:
            if rule.kind == "excludes":
                one, other = (kind_mask(value, columns) for value in rule.values)
            else:
                one, other = (selected(value, columns, num_rows) for value in rule.values)
            if rule.kind == "together":
                demands += [(one, other, False), (other, one, False)]
            else:
                pairs.append((one, other))
    left, right = _bits([pair[0] for pair in pairs], num_rows), _bits([pair[1] for pair in pairs], num_rows)
    return Constraints(
        open_to & ~never,
        never,
        category,
        product,
        left,
        right,
        np.stack([one[0] for one in demands], axis=1) if demands else np.zeros((num_rows, 0), dtype=bool),
        np.stack([one[1] for one in demands], axis=1) if demands else np.zeros((num_rows, 0), dtype=bool),
        np.array([one[2] for one in demands], dtype=bool),
        prices,
        budget,
        max_items,
    )


def _bits(masks: Sequence[BoolArray], num_rows: int) -> Bits:
    words = np.zeros((num_rows, -(-len(masks) // 64)), dtype=np.uint64)
    for number, mask in enumerate(masks):
        words[mask, number // 64] |= np.uint64(1) << np.uint64(number % 64)
    return words


def _text_column(columns: Mapping[str, Column], name: str) -> TextColumn:
    found = columns[name]
    assert isinstance(found, TextColumn)
    return found


def _category_key(granularity: str, columns: Mapping[str, Column]) -> Rows:
    category = _text_column(columns, "category")
    names = [at_granularity(label, granularity) for label in (*category.vocabulary, "")]  # type: ignore[arg-type]
    place = {name: at for at, name in enumerate(dict.fromkeys(names))}
    found: Rows = np.array([place[name] for name in names], dtype=np.int64)[category.codes]
    return found


def _product_key(columns: Mapping[str, Column]) -> Rows:
    """`Item.product` as a number: a group's, or one of the item's own (a group may bear the name of another item's id)."""
    group, identity = _text_column(columns, "group"), _text_column(columns, "id")
    place = {name: at for at, name in enumerate(group.vocabulary)}
    own = np.arange(len(group.codes), dtype=np.int64) + len(place)
    if place:
        shared = np.array([place.get(name, -1) for name in identity.vocabulary] + [-1], dtype=np.int64)[identity.codes]
        own = np.where(shared >= 0, shared, own)
    return np.where(group.codes >= 0, group.codes, own).astype(np.int64)


def _wearers(columns: Mapping[str, Column], num_rows: int) -> list[tuple[BoolArray, BoolArray]]:
    """Who does not share a wardrobe, by the attributes `gender` and `age` (or `age_group`), and the title: sexes, and ages."""

    def texts(name: str) -> tuple[list[str], Rows]:
        found = columns.get(name)
        if not isinstance(found, TextColumn):
            return [""], np.zeros(num_rows, dtype=np.int64)
        return [*found.vocabulary, ""], found.codes.astype(np.int64) % (len(found.vocabulary) + 1)  # -1: the last

    genders, of_gender = texts("gender")
    ages, of_age = texts("age" if isinstance(columns.get("age"), TextColumn) else "age_group")
    known = [[wearer(gender, age) for age in ages] for gender in genders]

    def mask(place: int, label: str) -> BoolArray:
        table = np.array([[one[place] == label for one in row] for row in known], dtype=bool)
        found: BoolArray = table[of_gender, of_age]
        return found

    titles, of_title = texts("title")
    titled: BoolArray = np.array([for_children(title) for title in titles], dtype=bool)[of_title]
    return [(mask(0, "women"), mask(0, "men")), (mask(1, "adult") & ~titled, mask(1, "child") | titled)]


def _prices(name: str, columns: Mapping[str, Column]) -> NDArray[np.float64]:
    found = columns.get(name)
    if isinstance(found, NumberColumn):
        return found.values
    if isinstance(found, TextColumn) and not found.vocabulary:
        return np.full(len(found.codes), np.nan)
    if isinstance(found, TextColumn) and found.numbers is not None:
        return np.append(found.numbers, np.nan)[found.codes]
    if found is None:
        raise RulesError(f"a budget needs prices, and no item has the attribute {name!r}; name another with `price`")
    raise RulesError(f"a budget needs prices, and {name!r} holds text such as {found.vocabulary[0]!r}")
