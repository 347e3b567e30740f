"""What the cells of a feed mean: names, plain text, prices, category paths."""

from __future__ import annotations

import math
import re
from html import unescape

from modiste.taxonomy import UNKNOWN, super_category

_TAG = re.compile(r"(<[/!?]?[A-Za-z][^<>]*>)")
_HIDDEN = ("script", "style", "template")
_WORDS = re.compile(r"\w+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_AMOUNT = re.compile(r"\d[\d\s.,'\u00a0\u202f\u2019]*")
_CODE = re.compile(r"[A-Z]{3}")
# The few signs that mean one currency; "$" and "kr" mean several and are left to the retailer's own column.
_SIGNS = {"€": "EUR", "£": "GBP", "₹": "INR", "₽": "RUB", "₴": "UAH", "₩": "KRW", "₺": "TRY", "zł": "PLN", "Kč": "CZK"}


def snake_case(name: str) -> str:
    """A column's name as we compare and keep it: `productDisplayName`, `g:image_link`, `Body (HTML)` -> `product_display_name`,
    `image_link`, `body_html`."""
    name = name.strip().removeprefix("g:").removeprefix("G:")
    if "metafields" in name:  # Shopify: "Color (product.metafields.shopify.color-pattern)"
        name = name.split(" (", 1)[0]
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return "_".join(_WORDS.findall(name)).lower().strip("_")


def plain_text(value: str) -> str:
    """One line of text: tags gone, entities resolved, control characters and runs of spaces made one space.

    The result is text and not safe HTML: `&lt;b&gt;` becomes `<b>`, so whoever shows it on a page escapes it.
    """
    if "<" in value:
        value = _without_comments(value)
        hidden, kept = "", []
        for number, part in enumerate(_TAG.split(value)):
            if number % 2:
                tag = part[1:-1].strip().lower()
                name = tag.lstrip("/").split(None, 1)[0].rstrip("/")
                if hidden:
                    hidden = "" if tag.startswith("/") and name == hidden else hidden
                elif name in _HIDDEN and not tag.endswith("/"):
                    hidden = name
                kept.append(" ")
            elif not hidden:
                kept.append(part)
        value = "".join(kept)
    if "&" in value:
        value = unescape(value)
    return " ".join(_CONTROL.sub(" ", value).split())


def _without_comments(value: str) -> str:
    kept, start = [], 0
    while (opening := value.find("<!--", start)) >= 0:
        kept.append(value[start:opening])
        closing = value.find("-->", opening + 4)
        if closing < 0:
            return " ".join(kept)
        start = closing + 3
    return " ".join([*kept, value[start:]])


def is_unicode(text: str) -> bool:
    """Whether a text can be written down at all: undecodable bytes and broken JSON escapes leave lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def price(value: str) -> tuple[float, str]:
    """(amount, ISO 4217 code or "") of "299.00 CZK", "CZK 299", "1.299,50 €", "1 299,50 Kč", "12,99".

    Raises `ValueError` for what is not one non-negative amount.
    """
    amounts = [match.group().strip() for match in _AMOUNT.finditer(value)]
    if len(amounts) != 1 or re.search(r"-\s*\d", value):
        raise ValueError(f"not a price: {value[:40]!r}")
    digits = re.sub(r"[\s'\u00a0\u202f\u2019]", "", amounts[0]).rstrip(".,")
    comma, point = digits.rfind(","), digits.rfind(".")
    if comma >= 0 and point >= 0:  # both: the last one is the decimal sign
        digits = digits.replace("." if comma > point else ",", "").replace(",", ".")
    elif comma >= 0:  # only commas: thousands when every group has three digits ("1,299"), else decimals ("12,99")
        head, *groups = digits.split(",")
        thousands = len(head) <= 3 and all(len(group) == 3 for group in groups)
        digits = digits.replace(",", "" if thousands else ".")
    elif digits.count(".") > 1:
        digits = digits.replace(".", "")
    amount = float(digits)
    if not math.isfinite(amount) or amount >= 1e12:
        raise ValueError(f"not a price: {value[:40]!r}")
    code = _CODE.search(value.replace(amounts[0], " ").upper())
    sign = next((name for sign, name in _SIGNS.items() if sign in value), "")
    return amount, code.group() if code else sign


def category_of_path(*paths: str) -> str:
    """The deepest known category of "Apparel > Clothing > Dresses"; of several paths the first that has one.

    When no step of any path is known to the taxonomy, the last step of the first path that is not a bare number.
    """
    fallback = ""
    for path in paths:
        steps = [" ".join(step.split()) for step in path.split(">")]
        steps = [step for step in steps if step and not step.isdigit()]
        for depth, step in reversed(list(enumerate(steps, 1))):
            if super_category(step) != UNKNOWN:
                # Google lets several paths stand in one cell, "A > Dresses, B > Sale": cut where the second one starts.
                head = step.split(",", 1)[0]
                return head if depth < len(steps) and super_category(head) != UNKNOWN else step
        fallback = fallback or (steps[-1] if steps else "")
    return fallback
