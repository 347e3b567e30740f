"""Are changes and negations obeyed: "in red, without stripes" beside a drawn item, by its plan and by the fused query alone.

    python bench/modifications.py --shops runs/shops --seed 3 --choose                  # the weights, on one world
    python bench/modifications.py --shops runs/shops --seed 5 --json docs/results/modifications.json

A request is a reference out of the catalogue and a sentence: one or two attributes that shall be another value, or a value that
shall not be ("without stripes", of which the reference may have them or not), or both; always such that at least ten items of
the reference's category obey, so that ten right answers exist. The reference itself is left out of the answers. Of the first
ten the share that obeys each change and each negation is counted by the items' true attributes, and how many are of the
reference's category.

Three catalogues of the same items: one that knows its attributes, one that has titles, descriptions and categories only, and
one of photos alone, where only the encoder can judge (and the reference's values are the drawn ones all the same).

Ways: `fused`, photo and sentence as the encoder mixes them; `positive`, photo and the positive words (no negation is heard);
`photo`, the words left out; `plan`.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawn_shop import drawn_shop
from modiste.data.atelier import Atelier
from modiste.data.style.vocabulary import satisfies
from modiste.engine.composed import WEIGHTS, Weights, judged
from modiste.engine.filters import Column
from modiste.engine.modification import modification
from modiste.engine.reference import reference_of
from modiste.engine.snapshot import Snapshot
from modiste.engine.vocabulary import Knowledge
from modiste.evaluation.metrics import mean_with_interval
from modiste.models.inference import ImageTextEncoder
from modiste.models.pretrained import load
from modiste.types import FloatArray, Item
from report import machine

TOP = 10
MANY = 10_000  # answers that are kept: every request is asked in several ways
KNOWN = ("attributes", "titles", "photos")
WAYS = ("fused", "positive", "photo", "plan")
CHANGED = ("colour", "pattern", "material", "sleeve_length", "neckline", "length", "fit", "gender")
DENIED = ("pattern", "material", "colour", "neckline", "sleeve_length")
# How people say a value: a change, and what they do without.
_CHANGE = {
    "colour": ("in {}", "but {}", "{} instead"),
    "pattern": ("with {}", "but with {}"),
    "material": ("in {}", "made of {}"),
    "sleeve_length": ("with {} sleeves",),
    "neckline": ("with a {}",),
    "length": ("but {}", "in {} length"),
    "fit": ("but {}", "with a {} fit"),
    "gender": ("for {}",),
}
_WITHOUT = {
    "pattern": ("without {}", "no {}"),
    "material": ("not {}", "not in {}"),
    "colour": ("not {}", "not in {}"),
    "neckline": ("without a {}", "no {}"),
    "sleeve_length": ("without {} sleeves", "no {} sleeves"),
}
_NECKS = {
    **{name: f"{name} neck" for name in ("crew", "scoop", "boat", "round", "tie", "halter")},
    "tie-neck": "tie neck",
    "square": "square neckline",
    "sweetheart": "sweetheart neckline",
    "straps": "thin straps",
}


@dataclass(frozen=True)
class Request:
    """A sentence beside an item (a row), and what it means by the drawn attributes."""

    row: int
    text: str
    kind: str
    changes: Mapping[str, str]
    denied: Mapping[str, str]


def say(attribute: str, value: str, templates: Mapping[str, Sequence[str]], rng: np.random.Generator) -> str:
    if attribute == "sleeve_length" and value == "sleeveless":
        return "sleeveless" if templates is _CHANGE else "not sleeveless"
    if attribute == "pattern" and value == "solid":
        return "plain, in one colour" if templates is _CHANGE else "not plain"
    if attribute == "length" and value == "knee":
        return "but knee-length"
    some = templates[attribute]
    return some[int(rng.integers(len(some)))].format(_NECKS.get(value, value) if attribute == "neckline" else value)


def obeys(item: Item, changes: Mapping[str, str], denied: Mapping[str, str]) -> tuple[dict[str, bool], dict[str, bool]]:
    """Which changes and negations an item obeys, by its own attributes; what it does not have it does not have."""
    own = {name: str(value) for name, value in item.attributes.items()}
    came = {name: name in own and satisfies(name, own[name], value) for name, value in changes.items()}
    left = {name: name not in own or own[name] != value for name, value in denied.items()}
    return came, left


def requests(items: Sequence[Item], number: int, seed: int) -> list[Request]:
    """`number` of each kind."""
    rng = np.random.default_rng(seed)
    of_kind: dict[str, list[int]] = defaultdict(list)
    for row, item in enumerate(items):
        of_kind[item.category].append(row)
    found: list[Request] = []
    plan = {
        "one change": (1, 0, None),
        "two changes": (2, 0, None),
        "negation of what it has": (0, 1, True),
        "negation of what it has not": (0, 1, False),
        "change and negation": (1, 1, True),
    }
    for kind, (num_changes, num_denied, has) in plan.items():
        made = 0
        while made < number:
            row = int(rng.integers(len(items)))
            item = items[row]
            own = {name: str(value) for name, value in item.attributes.items()}
            others = [items[at] for at in of_kind[item.category]]
            names = [name for name in CHANGED if name in own]
            denied: dict[str, str] = {}
            if num_denied:
                able = [name for name in DENIED if name in own and own[name] not in ("solid", "sleeveless")]
                if not able:
                    continue
                name = able[int(rng.integers(len(able)))]
                values = sorted(
                    {str(one.attributes.get(name, "")) for one in others} - {"", "solid", "sleeveless", own[name]}
                )
                if has:
                    denied[name] = own[name]
                elif values:
                    denied[name] = values[int(rng.integers(len(values)))]
                else:
                    continue
            names = [name for name in names if name not in denied]
            if len(names) < num_changes:
                continue
            changes = {}
            for name in rng.permutation(names)[:num_changes].tolist():
                values = sorted({str(one.attributes.get(name, "")) for one in others} - {"", own[name], "regular"})
                if values:
                    changes[name] = values[int(rng.integers(len(values)))]
            if len(changes) < num_changes:
                continue
            right = 0
            for one in others:
                came, left = obeys(one, changes, denied)
                right += all(came.values()) and all(left.values()) and one.id != item.id
            if right < TOP:
                continue
            said = [say(name, value, _CHANGE, rng) for name, value in changes.items()]
            said += [say(name, value, _WITHOUT, rng) for name, value in denied.items()]
            found.append(Request(row, ", ".join(said), kind, changes, denied))
            made += 1
    return found


class World:
    """One drawn catalogue as three shops know it."""

    def __init__(self, shops: Path, encoder: ImageTextEncoder, num_items: int, seed: int) -> None:
        self.atelier, self.encoder = Atelier(seed), encoder
        self.snapshot: Snapshot = drawn_shop(shops, encoder, num_items, seed).snapshot()
        self.items = [self.snapshot.item(row) for row in range(len(self.snapshot))]
        columns = self.snapshot.columns
        texts: dict[str, Column] = {name: columns[name] for name in ("title", "description", "category")}
        self.knowledge = {
            "attributes": Knowledge(columns, len(self.snapshot), keep=MANY),
            "titles": Knowledge(texts, len(self.snapshot), keep=MANY),
            "photos": Knowledge({}, len(self.snapshot), keep=MANY),
        }
        # What the encoder makes of items without words: the photo's half stands for both (models/inference.py).
        width = encoder.tower_id.dim
        photos = self.snapshot.vectors.copy()
        photos[:, width : 2 * width] = photos[:, :width]
        self.vectors = {"attributes": self.snapshot.vectors, "titles": self.snapshot.vectors, "photos": photos}
        self._heard: dict[tuple[str, int | None], FloatArray] = {}

    def query(self, text: str, row: int | None) -> FloatArray:
        """(D,) of words and the item's photo, worked out once."""
        if (text, row) not in self._heard:
            photo = (
                self.atelier.item(int(self.items[row].id.removeprefix("atelier-"))).image if row is not None else None
            )
            self._heard[text, row] = self.encoder.encode_query(text, photo).vectors[0]
        return self._heard[text, row]

    def hear(self, phrases: Sequence[str]) -> FloatArray:
        return (
            np.stack([self.query(one, None) for one in phrases])
            if phrases
            else np.zeros((0, self.encoder.id.dim), np.float32)
        )

    def answers(self, request: Request, known: str, way: str, weights: Weights) -> list[Item]:
        """The first ten."""
        mask: NDArray[np.bool_] = np.ones(len(self.items), dtype=bool)
        mask[request.row] = False
        if way != "plan":
            plan = modification(request.text, self.knowledge["attributes"].vocabulary)
            text = {"fused": request.text, "positive": plan.words, "photo": ""}[way]
            scores = self.vectors[known] @ self.query(text, request.row)
            scores[~mask] = -np.inf
            return [self.items[at] for at in np.argsort(-scores, kind="stable")[:TOP]]
        knowledge = self.knowledge[known]
        reference = reference_of(self.items[request.row], self.knowledge["attributes"].vocabulary)
        plan = modification(request.text, self.knowledge["attributes"].vocabulary, reference)
        query = self.query(plan.words, request.row)
        rows, scores, _ = judged(self.vectors[known], knowledge, query, plan, self.hear, mask, weights)
        return [self.items[rows[at]] for at in np.lexsort((rows, -scores))[:TOP]]


def measured(
    world: World, asked: Sequence[Request], known: str, way: str, weights: Weights = WEIGHTS
) -> dict[str, Any]:
    """Shares of the first ten in per cent, by kind of request and in all, with 95 % intervals over requests."""
    shares: dict[str, list[float]] = defaultdict(list)
    for request in asked:
        found = world.answers(request, known, way, weights)
        told = [obeys(item, request.changes, request.denied) for item in found]
        for name in request.changes:
            share = float(np.mean([came[name] for came, _ in told]))
            for key in ("changes", f"changes: {name}", f"changes of {request.kind}"):
                shares[key].append(share)
        for name in request.denied:
            share = float(np.mean([left[name] for _, left in told]))
            for key in ("negations", f"negations: {name}", f"negations of {request.kind}"):
                shares[key].append(share)
        category = world.items[request.row].category
        shares["category kept"].append(float(np.mean([item.category == category for item in found])))
    result: dict[str, Any] = {"known": known, "way": way}
    for key, values in shares.items():
        found_mean = mean_with_interval(np.array(values)).scaled(100)
        result |= {name: round(value, 1) for name, value in found_mean.spelled(key).items()} | {
            f"{key}_count": len(values)
        }
    return result


GRID = {
    "change": (1.5, 3.0, 5.0),
    "category": (1.5, 3.0, 5.0),
    "kept": (1.0, 2.0, 4.0),
    "excluded": (1.5, 3.0, 5.0),
    "shift": (0.5, 1.0, 1.5),
}


def choose(world: World, asked: Sequence[Request]) -> Weights:
    """Coordinate search: the weights with the largest sum of shares over the three catalogues, the category's counted too."""

    def worth(weights: Weights) -> float:
        rows = [measured(world, asked, known, "plan", weights) for known in KNOWN]
        return float(sum(row["changes"] + row["negations"] + row["category kept"] / 2 for row in rows))

    best, value = WEIGHTS, worth(WEIGHTS)
    print(f"start: {best} {value:.1f}", flush=True)
    for _, name in product(range(2), GRID):
        for number in GRID[name]:
            other = replace(best, **{name: number})
            if other != best and (found := worth(other)) > value + 0.2:
                best, value = other, found
                print(f"better: {best} {value:.1f}", flush=True)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", type=Path, required=True, help="folder where drawn catalogues are kept")
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=5, help="of the generated world; 3 is for choosing")
    parser.add_argument("--requests", type=int, default=100, help="of each of five kinds")
    parser.add_argument("--model", default=None, help="another encoder than the one that ships")
    parser.add_argument("--choose", action="store_true", help="search for the weights instead of measuring them")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    encoder = load(options.model)
    world = World(options.shops, encoder, options.items, options.seed)
    asked = requests(world.items, options.requests, options.seed)
    if options.choose:
        print(choose(world, asked))
        return
    result: dict[str, Any] = {
        **machine(),
        "encoder": encoder.id.name,
        "items": options.items,
        "seed": options.seed,
        "requests": len(asked),
        "weights": {name: getattr(WEIGHTS, name) for name in WEIGHTS.__slots__},
        "examples": [one.text for one in asked[:: max(1, len(asked) // 15)]],
        "rows": [],
    }
    for known, way in product(KNOWN, WAYS):
        row = measured(world, asked, known, way)
        result["rows"].append(row)
        told = ("changes", "negations", "negations of negation of what it has", "category kept")
        print(f"{known:10} {way:9}", *(f"{key} {row[key]}" for key in told), flush=True)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
