"""What the engine answers, as JSON values. Floats are rounded to what they mean, so that equal answers are equal bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from modiste.engine.answers import FoundLook
from modiste.engine.filters import NumberColumn, TextColumn
from modiste.engine.snapshot import Snapshot
from modiste.service import limits
from modiste.taxonomy import slot as slot_of
from modiste.types import Item

DIGITS = 6
OWN = "photo-"  # what ids of people's own photos begin with


def rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), DIGITS) + 0.0  # no minus zero


def item_values(item: Item, image: str | None, *, own: bool = False) -> dict[str, Any]:
    """An item as routes give it; `image` is its photo's address."""
    return {
        "id": item.id,
        "title": item.title,
        "category": item.category,
        "slot": slot_of(item.category),
        "group": item.group,
        "attributes": dict(item.attributes),
        "image": image,
        "own": own,
    }


def look_values(look: FoundLook, items: list[dict[str, Any]]) -> dict[str, Any]:
    """A look as routes give it; `items` are the values of its items."""
    return {
        "items": items,
        "chosen": [
            {"id": one.item.id, "slot": one.slot, "wish": one.wish, "match": rounded(one.match)} for one in look.chosen
        ],
        "score": rounded(look.score),
        "compatibility": rounded(look.compatibility),
        "percentile": rounded(look.percentile),
        "exact": look.exact,
        "gap": rounded(look.gap),
        "claim": look.claim,
        "template": look.template,
    }


def counts(column: TextColumn) -> list[tuple[str, int]]:
    """Values and how many rows have them, the most frequent first."""
    found = np.bincount(column.codes[column.codes >= 0], minlength=len(column.vocabulary))
    order = sorted(range(len(column.vocabulary)), key=lambda at: (-int(found[at]), column.vocabulary[at]))
    return [(str(column.vocabulary[at]), int(found[at])) for at in order if found[at]]


def filter_values(snapshot: Snapshot) -> list[dict[str, Any]]:
    """Fields that a filter may name, with their values or range; texts that differ from row to row have no list."""
    found: list[dict[str, Any]] = []
    for name, column in snapshot.columns.items():
        if name in ("id", "title", "description", "group"):
            continue
        numbers = column.values if isinstance(column, NumberColumn) else column.numbers
        if numbers is not None:
            numbers = numbers[np.isfinite(numbers)]
            if len(numbers):
                found.append({"name": name, "kind": "number", "min": float(numbers.min()), "max": float(numbers.max())})
        elif isinstance(column, TextColumn):
            values = counts(column)[: limits.MAX_FILTER_VALUES]
            found.append({"name": name, "kind": "text", "values": [{"value": v, "count": n} for v, n in values]})
    return sorted(found, key=lambda one: str(one["name"]))


def as_pairs(pairs: Iterable[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"name": name, "count": count} for name, count in pairs]
