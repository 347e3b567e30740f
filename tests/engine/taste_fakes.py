"""A shop of red and blue clothes, looks of one colour each, and tastes whose two axes are the two colours."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from engine_fakes import FakeEncoder

from modiste.engine.catalogue import Catalogue
from modiste.engine.tastes import FoldIn, Tastes, save_tastes
from modiste.types import Item

ENCODER = FakeEncoder()
KINDS = {"Shirts": "shirt", "Jeans": "jeans", "Sneakers": "sneakers", "Bags": "bag"}
PIXELS = {"red": (220, 30, 30), "blue": (30, 40, 200)}
NUM = 6  # of each colour and kind
UNSEEN = 5  # items of this number came after the training, and so did the looks of them


def make_shop(folder: Path) -> Catalogue:
    """Items red-shirt-0..5 and so on, looks red-0..5 and blue-0..5: a shirt, jeans and sneakers of one colour and number."""
    store = Catalogue.create(folder, ENCODER.id)
    store.upsert(
        [
            Item(
                f"{colour}-{noun}-{at}", f"{colour} {noun} {at}", np.full((6, 6, 3), PIXELS[colour], np.uint8), kind,
                attributes={"colour": colour},
            )
            for colour in PIXELS for kind, noun in KINDS.items() for at in range(NUM)
        ],
        ENCODER,
    )  # fmt: skip
    looks = [
        {"outfit_id": f"{colour}-{at}", "items": [{"item_id": f"{colour}-{noun}-{at}"} for noun in NOUNS]}
        for colour in PIXELS
        for at in range(NUM)
    ]
    (folder / "looks.jsonl").write_text("\n".join(map(json.dumps, looks)), encoding="utf-8")
    return store


NOUNS = ("shirt", "jeans", "sneakers")


def make_tastes() -> Tastes:
    """`ruby` likes red, `bluebell` blue; of one colour higher numbers are liked a little more."""
    axis = {"red": 0, "blue": 1}
    items, outfits = {}, {}
    for colour in PIXELS:
        for at in range(NUM):
            if at == UNSEEN:
                continue
            vector = np.full(2, -0.2, np.float32)
            vector[axis[colour]] = 1 + 0.01 * at
            outfits[f"{colour}-{at}"] = vector
            items |= {f"{colour}-{noun}-{at}": vector for noun in KINDS.values()}
    table, rows = np.stack(list(outfits.values())), np.stack(list(items.values()))
    users = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    fold = FoldIn(table, rows, np.array([0.1, 0.12], np.float32))  # everybody likes blue a little more
    return Tastes(("ruby", "bluebell"), tuple(outfits), tuple(items), users, table, rows, fold, name="toy")


def save_toy(folder: Path) -> Path:
    return save_tastes(folder, make_tastes())
