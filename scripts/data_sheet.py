"""Count what the data sheets say: the drawn world, and the evaluation sets that are on this machine.

    python scripts/data_sheet.py --out docs/results/data_sheet.json       # needs MODISTE_DATA for the real sets
    python scripts/data_sheet.py --only atelier                           # prints, and needs nothing

Nothing but counts leaves a data set: no photo, no title, no id.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from modiste.data.atelier.design import COLOURWAY_SHARE, design
from modiste.types import Item

ATELIER_ITEMS, ATELIER_SEED = 20_000, 0
ATTRIBUTES = ("gender", "colour", "pattern", "material", "season", "formality")
TOP = 12
REAL = ("fashion_products", "fashion_products_224")


def shares(values: Iterable[str]) -> dict[str, float]:
    """Percent of each value, the most frequent first; what is rare is summed up as "others"."""
    counts = Counter(value for value in values if value)
    total = sum(counts.values())
    found = {value: round(100 * count / total, 1) for value, count in counts.most_common(TOP)}
    if rest := total - sum(count for _, count in counts.most_common(TOP)):
        found["others"] = round(100 * rest / total, 1)
    return found


def drawn(count: int = ATELIER_ITEMS, seed: int = ATELIER_SEED) -> dict[str, Any]:
    """What the drawn world is made of."""
    designs = [design(seed, index) for index in range(count)]
    products = len({one.root for one in designs})
    return {
        "items": count,
        "seed": seed,
        "products": products,
        "colourways_percent": round(100 * (count - products) / count, 1),
        "colourway_share_by_rule": 100 * COLOURWAY_SHARE,
        "categories": len({one.article for one in designs}),
        "category": shares(one.article for one in designs),
        **{name: shares(str(one.get(name) or "") for one in designs) for name in ATTRIBUTES},
    }


def drawn_photos(count: int = 1_000, seed: int = ATELIER_SEED) -> dict[str, Any]:
    """The drawn customers' photos: how often each of their conditions is what."""
    from modiste.data.conditions import draw_conditions

    random = np.random.default_rng(seed)
    found = [draw_conditions(random) for _ in range(count)]
    return {
        "photos": count,
        "seed": seed,
        **{field.name: shares(str(getattr(one, field.name)) for one in found) for field in fields(found[0])},
    }


def drawn_looks(count: int = 2_000, seed: int = ATELIER_SEED) -> dict[str, Any]:
    """The stylists and the shapes of the drawn looks."""
    from modiste.data.atelier.shapes import SHAPES
    from modiste.data.atelier.styles import STYLES

    return {
        "stylists": len(STYLES),
        "shapes": len(SHAPES),
        "stylist": {style.name: round(100 * style.share, 1) for style in STYLES},
    }


def real(name: str) -> dict[str, Any]:
    """Counts of a data set's splits, and what they share."""
    from modiste.data.roots import default_root
    from modiste.data.sources import load_items

    folder = default_root(f"set MODISTE_DATA to the folder that holds {name}") / name
    splits = {split: load_items(folder, split) for split in ("train", "valid", "test")}
    found: dict[str, Any] = {"splits": {}}
    for split, items in splits.items():
        found["splits"][split] = {
            "items": len(items),
            "products": len({item.product for item in items}),
            **{
                label: shares(str(item.attributes.get(label, "")) for item in items) for label in ("gender", "category")
            },
        }
    found["shared"] = {
        f"{one} and {other}": shared(splits[one], splits[other])
        for one, other in (("train", "valid"), ("train", "test"), ("valid", "test"))
    }
    return found


def shared(one: Sequence[Item], other: Sequence[Item]) -> dict[str, int]:
    """How many items of `other` have a product, a photo to the byte, or a title that `one` has too."""
    known = {item.product for item in one}, {_digest(item) for item in one}, {item.title.casefold() for item in one}
    return {
        "products": sum(item.product in known[0] for item in other),
        "photos": sum(_digest(item) in known[1] for item in other),
        "titles": sum(item.title.casefold() in known[2] for item in other),
    }


def _digest(item: Item) -> bytes:
    return hashlib.sha256(item.image).digest() if isinstance(item.image, bytes) else item.id.encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("atelier", *REAL))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    result: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python scripts/data_sheet.py", *sys.argv[1:]]),
    }
    if options.only in (None, "atelier"):
        result["atelier"] = drawn() | {"photos": drawn_photos(), "looks": drawn_looks()}
    for name in REAL:
        if options.only in (None, name):
            result[name] = real(name)
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
