"""What the columns of a feed mean: rows of a table to drafts of items, for Google Merchant, Shopify and plain tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from typing import Literal

from modiste.data.feed.report import FeedError
from modiste.data.feed.tables import Row
from modiste.data.feed.text import category_of_path, is_unicode, plain_text, price, snake_case
from modiste.types import Scalar

Dialect = Literal["google", "shopify", "plain"]
DIALECTS: tuple[Dialect, ...] = ("google", "shopify", "plain")

FIELDS = ("id", "title", "image", "category", "description", "group")
MAX_VALUE = 2_000  # characters of an attribute
MAX_ATTRIBUTES = 100

UNDECODABLE = "bytes or escapes that are no valid text"
PRICE_WARNING = "price not understood, left out"
LONG_WARNING = "very long text cut"
MANY_WARNING = "more attributes than fit, the last left out"
UNPUBLISHED_WARNING = "product not published, left out"

# Our field -> the columns it is read from, in order. Names as `snake_case` makes them.
_GOOGLE: Mapping[str, tuple[str, ...]] = {
    "id": ("id",),
    "title": ("title",),
    "image": ("image_link", "additional_image_link"),
    "category": ("product_type", "google_product_category"),
    "description": ("description",),
    "group": ("item_group_id",),
}
_PLAIN: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "item_id", "sku", "article_id", "product_id", "asin"),
    "title": (
        *("title", "name", "product_name", "product_display_name", "product_title", "item_name", "prod_name"),
        *("caption", "text"),
    ),
    "image": (
        *(
            "image",
            "image_path",
            "photo",
            "photo_path",
            "picture",
            "filename",
            "file_name",
            "image_file",
            "image_bytes",
        ),
        *("image_link", "image_url", "filepath"),
    ),
    "category": ("article_type", "category", "product_type", "product_type_name"),
    "description": ("description", "product_description", "detail_desc", "body_html"),
    "group": ("group", "item_group_id", "group_id", "product_code", "parent_id"),
}
_COLOUR = frozenset({"color", "colour", "base_color", "base_colour", "colour_name", "color_name", "farbe", "couleur"})


@dataclass(slots=True)
class Draft:
    """What one item will be made of; nothing in it is checked but that its texts are text."""

    row: Row
    id: str = ""
    title: str = ""
    description: str = ""
    category: str = ""
    group: str = ""
    image: object = None  # bytes, a path or an address, or what a cell of another kind held
    attributes: dict[str, Scalar] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)  # our field -> the column to name in a message
    rows: int = 1  # table rows this item stands for
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refused:
    """A row without an item and why; `field` empty: left out on purpose, with `reason` as the warning."""

    row: Row
    id: str
    field: str
    reason: str
    rows: int = 1


class _BadCell(ValueError):
    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field, self.reason = field, reason


def detect(columns: Iterable[str]) -> Dialect:
    """The dialect that the column names speak; "plain" when they are nobody's in particular."""
    raw = [name.strip().lower() for name in columns]
    names = {snake_case(name) for name in raw}
    if {"handle", "title"} <= names and names & {"variant_price", "variant_sku", "image_src", "body_html"}:
        return "shopify"
    google = {"image_link", "google_product_category", "additional_image_link"}
    if {"id", "title"} <= names and (names & google or {"link", "item_group_id"} <= names):
        return "google"
    return "google" if any(name.startswith("g:") for name in raw) else "plain"


def drafts(
    rows: Iterable[Row], columns: list[str], dialect: Dialect, mapping: Mapping[str, str] | None = None
) -> Iterator[Draft | Refused]:
    """Drafts of items, or refusals, in the order of the rows.

    Raises
    ------
    FeedError
        At once (not at the first row) when the columns hold no id or neither title nor picture, or when the mapping names
        a column that is not there; the message lists the columns.
    """
    if dialect == "shopify":
        if "handle" not in {snake_case(name) for name in columns}:
            raise FeedError(f"a Shopify export has a column Handle; found: {_listed(columns)}")
        return _shopify(rows)
    return _flat(rows, _Plan(columns, dialect, mapping or {}))


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(repr(name[:60]) for name in list(columns)[:60])


class _Plan:
    """Which column feeds which field of an item, and under which name each other one becomes an attribute."""

    def __init__(self, columns: list[str], dialect: Dialect, mapping: Mapping[str, str]) -> None:
        by_name: dict[str, list[str]] = {}
        for column in columns:
            by_name.setdefault(snake_case(column), []).append(column)
        known = _GOOGLE if dialect == "google" else _PLAIN
        self.sources: dict[str, list[str]] = {}
        renamed: dict[str, str] = {}
        for target, wanted in mapping.items():
            found = [wanted] if wanted in columns else by_name.get(snake_case(wanted), [])
            if not found:
                raise FeedError(f"mapping {target!r}: there is no column {wanted!r}; found: {_listed(columns)}")
            if target in FIELDS:
                self.sources[target] = found
            else:
                renamed[found[0]] = snake_case(target)
        for name in FIELDS:
            if name not in self.sources:
                present = [column for candidate in known[name] for column in by_name.get(candidate, [])]
                self.sources[name] = present if dialect == "google" else present[:1]
        if not self.sources["id"]:
            self.sources["id"] = list(self.sources["image"]) if dialect == "plain" else []  # metadata.csv has file_name
        example = 'a mapping such as {"id": "<column>", "title": "<column>"}'
        if not self.sources["id"]:
            raise FeedError(f"no column for an item's id; found: {_listed(columns)}; pass {example}")
        if not self.sources["title"] and not self.sources["image"]:
            raise FeedError(f"no column for a title or a picture; found: {_listed(columns)}; pass {example}")
        used = {column for name in FIELDS if name != "category" for column in self.sources[name]}
        used |= {column for column in self.sources["category"] if snake_case(column) == "category"}
        self.attributes = {
            column: renamed.get(column) or _attribute_name(column) for column in columns if column not in used
        }
        self.named = {name: found[0] if found else name for name, found in self.sources.items()}


def _attribute_name(column: str) -> str:
    name = snake_case(column)
    return "colour" if name in _COLOUR else name


def _flat(rows: Iterable[Row], plan: _Plan) -> Iterator[Draft | Refused]:
    for row in rows:
        if row.problem is not None:
            yield Refused(row, _id_for_report(row, plan), *row.problem)
            continue
        draft = Draft(row, columns=plan.named)
        try:
            _fill(draft, plan)
        except _BadCell as error:
            yield Refused(row, _id_for_report(row, plan), error.field, error.reason)
        else:
            yield draft


def _fill(draft: Draft, plan: _Plan) -> None:
    cells = draft.row.cells

    def first(name: str) -> tuple[str, object]:
        for column in plan.sources[name]:
            if cells.get(column) not in (None, ""):
                return column, cells[column]
        return plan.named[name], None

    draft.id = _identifier(*first("id"))
    draft.title = plain_text(_words(*first("title")))
    draft.description = plain_text(_words(*first("description")))
    draft.group = _identifier(*first("group"))
    paths = [_words(column, cells.get(column)) for column in plan.sources["category"]]
    draft.category = category_of_path(*paths) if any(">" in path for path in paths) else _first_word(paths)
    column, draft.image = first("image")
    if isinstance(draft.image, str) and snake_case(column) == "additional_image_link":
        draft.image = draft.image.split(",", 1)[0]  # up to ten in one cell
    for column, name in plan.attributes.items():
        _add(draft, column, name, cells.get(column))
    if isinstance(draft.image, str) and draft.image[:4].lower() == "http":
        draft.attributes["image_link"] = draft.image.strip()[:MAX_VALUE]


def _first_word(paths: list[str]) -> str:
    texts = [plain_text(path) for path in paths]
    return next((text for text in texts if text and not text.isdigit()), "")


def _id_for_report(row: Row, plan: _Plan) -> str:
    value = next((row.cells[column] for column in plan.sources["id"] if row.cells.get(column)), "")
    return str(value)[:200] if isinstance(value, str | int | float) else ""


def _words(column: str, value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        if not is_unicode(value):
            raise _BadCell(column, UNDECODABLE)
        return value
    raise _BadCell(column, f"wrong type: text is needed, not {type(value).__name__}")


def _identifier(column: str, value: object) -> str:
    if isinstance(value, dict):  # a picture's {bytes, path} standing in for the id
        value = value.get("path")
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) >= 10**50:
            raise _BadCell(column, "a number of more than 50 digits")
        return str(value)
    if isinstance(value, float) and value.is_integer():  # pandas turns whole numbers into floats where one is missing
        return str(int(value)) if abs(value) < 2**53 else repr(value)
    return _words(column, value).strip()


def _add(draft: Draft, column: str, name: str, value: object) -> None:
    """Put one more cell among the attributes, unless it is empty or nothing a scalar can hold."""
    scalar = _scalar(column, value)
    if scalar is None or not name or name in draft.attributes:
        return
    if name in ("price", "sale_price"):
        try:
            amount, currency = price(scalar) if isinstance(scalar, str) else (float(scalar), "")
        except (ValueError, OverflowError):
            draft.warnings.append(PRICE_WARNING)
            return
        if amount < 0:
            draft.warnings.append(PRICE_WARNING)
            return
        scalar = amount
        if currency:
            draft.attributes.setdefault("currency", currency)
    elif name == "availability" and isinstance(scalar, str):
        scalar = snake_case(scalar)
    if isinstance(scalar, str) and len(scalar) > MAX_VALUE:
        draft.warnings.append(LONG_WARNING)
        scalar = scalar[:MAX_VALUE]
    if len(draft.attributes) >= MAX_ATTRIBUTES:
        draft.warnings.append(MANY_WARNING)
        return
    draft.attributes[name] = scalar


def _scalar(column: str, value: object) -> Scalar | None:
    if isinstance(value, str):
        return _words(column, value).strip() or None
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else None
    if isinstance(value, float | Decimal):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return _words(column, ", ".join(value[:50])).strip() or None
    return None


# --- Shopify -----------------------------------------------------------------------------------------------------------

_MAX_PRODUCT_ROWS = 5_000
_OPTIONS = ("option1", "option2", "option3")
_SHOPIFY_ATTRIBUTES: Mapping[str, str] = {
    "vendor": "brand",
    "type": "product_type",
    "product_category": "product_category",
    "tags": "tags",
    "status": "status",
    "google_shopping_gender": "gender",
    "google_shopping_age_group": "age_group",
    "target_gender": "gender",
    "gender": "gender",
    "age_group": "age_group",
    "material": "material",
    "fabric": "material",
    "pattern": "pattern",
    "color": "colour",
    "colour": "colour",
}


def _shopify(rows: Iterable[Row]) -> Iterator[Draft | Refused]:
    """One item per colour of a product: its sizes and further pictures are rows of the same Handle that fold into it."""
    product: list[tuple[Row, dict[str, str]]] = []
    handle = ""
    for row in rows:
        if row.problem is not None:
            yield Refused(row, handle, *row.problem)
            continue
        try:
            cells = {snake_case(column): _words(column, _as_text(value)).strip() for column, value in row.cells.items()}
        except _BadCell as error:
            yield Refused(row, handle, error.field, error.reason)
            continue
        if not cells.get("handle"):
            yield Refused(row, "", "Handle", "empty id")
            continue
        if cells["handle"] != handle or len(product) >= _MAX_PRODUCT_ROWS:
            yield from _colourways(product)
            product, handle = [], cells["handle"]
        product.append((row, cells))
    yield from _colourways(product)


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else value


def _colourways(product: list[tuple[Row, dict[str, str]]]) -> Iterator[Draft | Refused]:
    if not product:
        return
    first, shared = next(((row, cells) for row, cells in product if cells.get("title")), product[0])
    handle = shared["handle"]
    if shared.get("status", "").lower() in ("draft", "archived") or shared.get("published", "").lower() == "false":
        yield Refused(first, handle, "", UNPUBLISHED_WARNING, rows=len(product))
        return
    names = {option: snake_case(shared.get(f"{option}_name", "")) for option in _OPTIONS}
    coloured = next((option for option, name in names.items() if name in _COLOUR), "")
    variants: dict[str, list[tuple[Row, dict[str, str]]]] = {}
    for row, cells in product:
        if any(cells.get(f"{option}_value") for option in _OPTIONS) or cells.get("variant_price"):
            colour = cells.get(f"{coloured}_value", "") if coloured else ""
            variants.setdefault("-".join(snake_case(colour).split("_")), []).append((row, cells))
    variants = variants or {"": [product[0]]}
    extra = len(product) - sum(map(len, variants.values()))  # rows that only bring one more picture
    pictures = sorted(
        ((_position(cells), cells["image_src"]) for _, cells in product if cells.get("image_src")),
        key=lambda one: one[0],
    )
    for slug, members in variants.items():
        row, cells = members[0]
        # The row's own text first: a later colour has no title of its own in the file.
        draft = Draft(
            row if row is not product[0][0] else first,
            id=f"{handle}:{slug}" if slug else handle,
            title=plain_text(shared.get("title", "")),
            description=plain_text(shared.get("body_html", "")),
            category=category_of_path(shared.get("type", ""), shared.get("product_category", "")),
            group=handle,
            columns={"id": "Handle", "title": "Title", "image": "Image Src", "group": "Handle"},
            rows=len(members) + extra,
        )
        extra = 0
        own = next((cells["variant_image"] for _, cells in members if cells.get("variant_image")), "")
        draft.image = own or (pictures[0][1] if pictures else None)
        for name, value in _shopify_attributes(shared, members, names, coloured).items():
            _add(draft, name, name, value)
        if isinstance(draft.image, str) and draft.image[:4].lower() == "http":
            draft.attributes["image_link"] = draft.image[:MAX_VALUE]
        yield draft


def _position(cells: Mapping[str, str]) -> int:
    text = cells.get("image_position", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 10**9


def _shopify_attributes(
    shared: Mapping[str, str], members: list[tuple[Row, dict[str, str]]], names: Mapping[str, str], coloured: str
) -> dict[str, object]:
    found: dict[str, object] = {}
    if coloured:
        found["colour"] = members[0][1].get(f"{coloured}_value", "")
    for option, name in names.items():
        if option != coloured and name and name != "title":  # "Title: Default Title" means that there is no option
            values = dict.fromkeys(cells.get(f"{option}_value", "") for _, cells in members)
            found.setdefault(name, ", ".join(value for value in values if value))
    prices = [cells["variant_price"] for _, cells in members if cells.get("variant_price")]
    if prices:
        found["price"] = min(prices, key=_amount)
    found["sku"] = next((cells["variant_sku"] for _, cells in members if cells.get("variant_sku")), "")
    stock = [
        (cells.get("variant_inventory_qty", ""), cells.get("variant_inventory_policy", "")) for _, cells in members
    ]
    if any(quantity for quantity, _ in stock):
        there = any(policy.lower() == "continue" or _amount(quantity) > 0 for quantity, policy in stock if quantity)
        found["availability"] = "in_stock" if there else "out_of_stock"
    for column, name in _SHOPIFY_ATTRIBUTES.items():
        if shared.get(column):
            found.setdefault(name, shared[column])
    return found


def _amount(text: str) -> float:
    try:
        return price(text)[0]
    except ValueError:
        return -1.0 if text.lstrip().startswith("-") else math.inf
