"""What is known of the item or photo that a search starts from: its attributes, its title, and the labels of its photo."""

from __future__ import annotations

from collections.abc import Mapping

from modiste.data.style.vocabulary import COLUMNS, attribute_of
from modiste.engine.modification import SURE, Known, Reference
from modiste.engine.sentence import read_sentence
from modiste.engine.vocabulary import Vocabulary
from modiste.types import Item, Scalar

Tags = Mapping[str, tuple[str, float]]  # label of a recogniser -> its likeliest value and how likely that is

_FINEST = ("article_type", "category", "sub_category")  # labels of a category, of which the finest counts


def reference_of(item: Item, vocabulary: Vocabulary, tags: Tags | None = None, *, stored: bool = True) -> Reference:
    """What is known of an item; the attributes win over the title, the title over the photo's labels.

    A label counts from a probability of `SURE` on; `stored`: the item is the catalogue's, and the plan names it by its id.
    """
    known: dict[str, Known] = {}
    unsure: dict[str, Known] = {}
    finest = next((label for label in _FINEST if label in (tags or {})), "")
    for label, (value, probability) in (tags or {}).items():
        attribute = attribute_of(label)
        if attribute in COLUMNS and (attribute != "category" or label == finest):
            (known if probability >= SURE else unsure)[attribute] = Known(value, probability, "photo")
    for asked in read_sentence(item.title, vocabulary).asked:
        if asked.attribute in COLUMNS and not asked.direction:
            known[asked.attribute] = Known(asked.values[0], 1.0, "title")
    price = None
    for name, own in item.attributes.items():
        attribute = attribute_of(name)
        if attribute == "price":
            price = _number(own)
        elif attribute != "category" and isinstance(own, str) and own:
            known[attribute] = Known(own)
    if item.category:
        known["category"] = Known(item.category)
    return Reference(
        item.id if stored else "", known, {name: one for name, one in unsure.items() if name not in known}, price
    )


def _number(value: Scalar) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
