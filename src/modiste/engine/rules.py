"""What is a valid outfit here: a retailer's rules, read from a small TOML file. Hard constraints, not preferences.

    max_items = 6                     # K
    granularity = "slot"              # what must not repeat: category, super_category or slot
    strict = true                     # false lets it repeat
    one_per_product = true            # no two colourways of one product
    one_wearer = true                 # nothing is chosen that is cut for somebody else: men's with women's, children's
    budget = 250.0                    # for the whole outfit; `price = "sale_price"` names another attribute
    brand = ["Acme", "Other"]         # one of these; gender and season likewise
    stock = true                      # availability=in_stock
    filters = ["price<80"]            # any filter of filters.py, for every item that is chosen
    forbidden = ["sku-1"]             # never in an outfit
    required = ["sku-2"]              # always in it: an id, or a filter that one of its items has to pass
    together = [["sku-3", "sku-4"]]   # who takes one takes the other too
    never = [["colour=Red", "colour=Pink"]]

    [excludes]                        # by kind: a category, a super-category or a slot
    one_piece = ["top", "bottom"]     # an outfit with the one has none of the other
    shoes = "shoes"                   # at most one of a kind, however its categories are called

    [[templates]]                     # what generation may choose from
    name = "dress"
    slots = ["one_piece", "shoes"]
    optional = ["outerwear", "bag"]

Items that the customer brings along are exempt from brand, gender, season, stock and filters, which are about what is
chosen, and among themselves from `one_wearer`; everything else is about the whole outfit. Own things without a price cost
nothing, but nothing without a price is chosen under a budget.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from modiste.engine.filters import FilterError, parse_filter
from modiste.taxonomy import GRANULARITIES, Granularity
from modiste.types import OutfitRules

RuleKind = Literal[
    "repeat",
    "product",
    "wearer",
    "filter",
    "budget",
    "forbidden",
    "required",
    "together",
    "never",
    "excludes",
    "max_items",
]


class RulesError(ValueError):
    """A rules file or value that cannot be used; the message names the file and key and says what would do."""


@dataclass(frozen=True, slots=True)
class Template:
    """The shape of an outfit: kinds that it has, and kinds that it may have besides."""

    name: str
    slots: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def shapes(self, size: int | None, max_items: int) -> Iterator[tuple[str, ...]]:
        """Every choice of kinds with `size` items (None: of any number up to `max_items`), in a fixed order."""
        most = max_items - len(self.slots)
        for extra in range(len(self.optional) + 1):
            if extra <= most and (size is None or len(self.slots) + extra == size):
                for chosen in combinations(self.optional, extra):
                    yield (*self.slots, *chosen)


DEFAULT_TEMPLATES = (
    Template("separates", ("top", "bottom", "shoes"), ("outerwear", "bag", "accessory", "hat", "jewellery")),
    Template("dress", ("one_piece", "shoes"), ("outerwear", "bag", "accessory", "hat", "jewellery")),
)
# What is worn one at a time, whatever its categories are called: granularity alone would let jeans and a skirt pass. Not tops,
# bags, outerwear, accessories and jewellery: a cardigan over a top, a wallet in a bag and earrings with a necklace are looks.
WORN_ONCE = ("bottom", "one_piece", "shoes", "hat")
DEFAULT_EXCLUDES = (("one_piece", "top"), ("one_piece", "bottom"), *((kind, kind) for kind in WORN_ONCE))


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule that can be kept or lifted by itself: what `minimal_conflict` chooses from."""

    kind: RuleKind
    values: tuple[str, ...] = ()
    number: float = 0.0

    def __str__(self) -> str:
        said = [repr(value) for value in self.values]
        match self.kind:
            case "repeat":
                return f"no two items share a {self.values[0].replace('_', '-')}"
            case "product":
                return "no two items are colourways of one product"
            case "wearer":
                return "nothing is chosen that is cut for somebody else"
            case "filter":
                return f"every chosen item has {self.values[0]}"
            case "budget":
                return f"the whole outfit costs at most {self.number:g}"
            case "forbidden":
                return f"item {said[0]} is forbidden"
            case "required":
                return f"{said[0]} must be in the outfit"
            case "together":
                return f"{said[0]} and {said[1]} belong together"
            case "never":
                return f"{said[0]} and {said[1]} never go together"
            case "excludes" if self.values[0] == self.values[1]:
                return f"an outfit has at most one item of the kind {said[0].replace('_', '-')}"
            case "excludes":
                return f"a {self.values[0].replace('_', '-')} excludes a {self.values[1].replace('_', '-')}"
            case "max_items":
                return f"an outfit has at most {self.number:g} items"


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that an outfit has to satisfy; see the module's head. The default: an outfit in the sense of types.py."""

    max_items: int = OutfitRules().max_items
    granularity: Granularity = OutfitRules().granularity
    strict: bool = True
    one_per_product: bool = True
    one_wearer: bool = True
    budget: float | None = None
    price: str = "price"
    brand: tuple[str, ...] = ()
    gender: tuple[str, ...] = ()
    season: tuple[str, ...] = ()
    stock: bool = False
    filters: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    together: tuple[tuple[str, str], ...] = ()
    never: tuple[tuple[str, str], ...] = ()
    excludes: tuple[tuple[str, str], ...] = DEFAULT_EXCLUDES
    templates: tuple[Template, ...] = DEFAULT_TEMPLATES

    def __post_init__(self) -> None:
        if self.max_items < 1:
            raise RulesError(f"max_items must be at least 1, not {self.max_items}")
        if self.granularity not in GRANULARITIES:
            raise RulesError(f"granularity must be one of {', '.join(GRANULARITIES)}, not {self.granularity!r}")
        if self.budget is not None and not (math.isfinite(self.budget) and self.budget >= 0):
            raise RulesError(f"budget must be a number of at least 0, not {self.budget}")
        for one in self.templates:
            if not one.slots:
                raise RulesError(f"template {one.name!r} has no slots")
        for text in self.filters:
            try:
                parse_filter(text)
            except FilterError as error:
                raise RulesError(f"filters: {error}") from error

    @property
    def outfit(self) -> OutfitRules:
        return OutfitRules(self.max_items, self.granularity, self.strict)

    def split(self) -> tuple[Rule, ...]:
        """The rules one by one, in the order in which they are explained."""
        found = [Rule("max_items", number=self.max_items)]
        if self.strict:
            found.append(Rule("repeat", (self.granularity,)))
        if self.one_per_product:
            found.append(Rule("product"))
        if self.one_wearer:
            found.append(Rule("wearer"))
        for name in ("brand", "gender", "season"):
            if values := getattr(self, name):
                quoted = "|".join(f'"{value}"' if "|" in value else value for value in values)
                found.append(Rule("filter", (f"{name}={quoted}",)))
        if self.stock:
            found.append(Rule("filter", ("availability=in_stock",)))
        found += [Rule("filter", (text,)) for text in self.filters]
        if self.budget is not None:
            found.append(Rule("budget", (self.price,), self.budget))
        found += [Rule("forbidden", (one,)) for one in self.forbidden]
        found += [Rule("required", (one,)) for one in self.required]
        found += [Rule("together", pair) for pair in self.together]
        found += [Rule("never", pair) for pair in self.never]
        found += [Rule("excludes", pair) for pair in self.excludes]
        return tuple(found)

    @classmethod
    def load(cls, path: str | Path) -> Rules:
        """Read a TOML file. Raises `RulesError` naming the file and the key; an unknown key is offered the nearest known."""
        try:
            values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RulesError(f"no rules at {path}") from None
        except (OSError, ValueError) as error:  # a TOMLDecodeError is one, and so is a number or a date out of range
            raise RulesError(f"{path} cannot be read as TOML: {error}") from error
        except RecursionError:
            raise RulesError(f"{path} cannot be read as TOML: nested too deep") from None
        try:
            return cls.from_dict(values)
        except RulesError as error:
            raise RulesError(f"{path}: {error}") from error

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Rules:
        """Raises `RulesError` for an unknown key or a value of the wrong kind."""
        _known(values, [field.name for field in fields(cls)], "")
        return cls(**{key: _READ.get(key, _texts)(key, value) for key, value in values.items()})


def _known(values: Mapping[str, Any], names: list[str], where: str) -> None:
    for key in values:
        if key not in names:
            near = difflib.get_close_matches(key, names, n=1, cutoff=0.0)
            raise RulesError(f"{where}no key {key!r}; did you mean {near[0]!r}?")


def _wrong(key: str, wanted: str, value: object) -> RulesError:
    return RulesError(f"{key} must be {wanted}, not {value!r}")


def _texts(key: str, value: object) -> tuple[str, ...]:
    if isinstance(value, str) and value:
        return (value,)
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise _wrong(key, "a text or a list of texts", value)
    return tuple(value)


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(key, "a text", value)
    return value


def _truth(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(key, "true or false", value)
    return value


def _whole(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(key, "a whole number", value)
    return value


def _number(key: str, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _wrong(key, "a number", value)
    return float(value)


def _pairs(key: str, value: object) -> tuple[tuple[str, str], ...]:
    """Lists of two or more; of more, every two of them."""
    if not isinstance(value, list) or not all(isinstance(one, list) and len(one) >= 2 for one in value):
        raise _wrong(key, 'a list of lists such as [["a", "b"]]', value)
    return tuple(pair for one in value for pair in combinations(_texts(key, one), 2))


def _excluded(key: str, value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise _wrong(key, 'a table such as one_piece = ["top", "bottom"]', value)
    return tuple((kind, other) for kind, others in value.items() for other in _texts(f"{key}.{kind}", others))


def _templates(key: str, value: object) -> tuple[Template, ...]:
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _wrong(key, "tables [[templates]] with name, slots and optional", value)
    found = []
    for number, one in enumerate(value, 1):
        _known(one, ["name", "slots", "optional"], f"template {number}: ")
        name = _text(f"{key}.name", one.get("name", f"template {number}"))
        slots = _texts(f"template {name!r}: slots", one.get("slots", []))
        found.append(Template(name, slots, _texts(f"template {name!r}: optional", one.get("optional", []))))
    return tuple(found)


_READ: Mapping[str, Any] = {
    "max_items": _whole,
    "granularity": _text,
    "strict": _truth,
    "one_per_product": _truth,
    "one_wearer": _truth,
    "budget": _number,
    "price": _text,
    "stock": _truth,
    "together": _pairs,
    "never": _pairs,
    "excludes": _excluded,
    "templates": _templates,
}
