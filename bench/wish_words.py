"""Which words of a wish an encoder understands: for each attribute's value, is the item nearest to it what it says?

"<value> <kind>" is asked of every kind that some item of the value has; the nearest item of that slot, by words alone (alpha
0), is looked at. Beside each value stands how far its rarest piece is trusted, n / (n + 10) of n training texts.

    python bench/wish_words.py --shops runs/shops --json docs/results/wish_words.json
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from drawn_shop import drawn_shop
from modiste.data.atelier import describe_constraints, matches
from modiste.data.text import tokenize
from modiste.evaluation.metrics import mean_with_interval
from modiste.models.pretrained import load
from modiste.taxonomy import slot as slot_of
from report import machine, show

NAMES = ("colour", "pattern", "material", "length", "sleeve_length", "neckline", "season", "formality", "gender")
TRUSTED = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", type=Path, required=True, help="folder where drawn catalogues are kept")
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--trust-all", action="store_true", help="read wishes with every word trusted in full")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    encoder = load()
    snapshot = drawn_shop(options.shops, encoder, options.items, options.seed).snapshot()
    items = [snapshot.item(row) for row in range(len(snapshot))]
    slots = np.array([slot_of(item.category) for item in items])
    towers: Any = encoder.towers
    trust = towers.model.word_trust.weights.numpy().copy()
    if options.trust_all:
        towers.model.word_trust.weights.fill_(1.0)

    def trusted(words: str) -> float:
        token_ids, mask = tokenize(towers.tokenizer, [words], 16)
        return float(trust[token_ids[0][mask[0]]][1:].min())  # the first one stands for the whole text

    rows, values = [], defaultdict(list)
    for name in NAMES:
        kinds = defaultdict(set)
        for item in items:
            if (value := str(item.attributes.get(name, ""))) and value not in ("solid", "unisex", "all year"):
                kinds[value].add(item.category)
        for value, some in sorted(kinds.items()):
            right, kind_right = [], []
            for kind in sorted(some):
                asked = {"category": kind, name: value}
                own = np.flatnonzero(slots == slot_of(kind))
                query = encoder.encode_query(describe_constraints(asked)).vectors[0]
                nearest = items[own[int(np.argmax(snapshot.vectors[own] @ query))]]
                right.append(float(matches(nearest, {name: value})))
                kind_right.append(float(matches(nearest, {"category": kind})))
            words = describe_constraints({"category": "", name: value}).strip()
            rows.append((name, value, words, trusted(words), right, kind_right))
            values[name] += right
    every = mean_with_interval(np.array([one for name in NAMES for one in values[name]])).scaled(100)
    print(f"all: {every.mean:.1f} ({every.low:.1f} to {every.high:.1f}) of {every.count}")
    table = []
    for name in NAMES:
        own = [row for row in rows if row[0] == name]
        share = mean_with_interval(np.array(values[name])).scaled(100)
        poor = sorted(own, key=lambda row: np.mean(row[4]))
        table.append(
            {
                "attribute": name,
                "wishes": len(values[name]),
                "has the value %": round(share.mean, 1),
                "low": round(share.low, 1),
                "high": round(share.high, 1),
                "is of the kind %": round(100 * float(np.mean([one for row in own for one in row[5]])), 1),
                "words trusted": f"{sum(row[3] >= TRUSTED for row in own)} of {len(own)}",
                "least understood": ", ".join(
                    f"{row[1]} {100 * np.mean(row[4]):.0f}" for row in poor[:4] if np.mean(row[4]) < 0.9
                ),
            }
        )
    settings = {"items": len(items), "seed": options.seed, "encoder": encoder.id.name}
    show("Words of wishes", settings, table, as_json=False)
    if options.json:
        every = [
            {"attribute": row[0], "value": row[1], "trust": round(row[3], 3), "wishes": len(row[4]),
             "share": round(float(np.mean(row[4])), 3)}
            for row in rows
        ]  # fmt: skip
        result = {**machine(), **settings, "rows": table, "values": every}
        options.json.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
