"""What a filtered search asks of Milvus, with and without conditions that narrow it: calls, rows, and what is compared here.

python bench/milvus_filters.py --out docs/results/milvus_filters.json

On Milvus Lite, which compares with every row: it says nothing of a cluster's speed, so no time is taken. Rows lie in clusters,
one a category, because a filter by category is the hard one: most queries lie outside of it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from modiste.engine.filters import Column, column, filter_mask
from modiste.engine.index import ExactIndex
from modiste.engine.milvus import Address, MilvusCollection
from modiste.engine.milvus_index import MilvusIndex
from modiste.engine.narrowing import stored_fields
from modiste.engine.rows import vector_sums
from modiste.types import EncoderId, FloatArray

DIM, CATEGORIES, COLOURS = 32, 25, ("black", "white", "blue", "red", "green", "beige", "grey", "pink", "brown", "olive")
FILTERS = (
    (),
    ("category!=kind 3",),
    ("price<60",),
    ("colour=red|blue|black",),
    ("colour=red",),
    ("category=kind 3",),
    ("category=kind 3|kind 4|kind 5|kind 6",),
    ("category=kind 3", "colour=red", "price<60"),
    ("title~linen",),
)


class Counted(MilvusCollection):
    """Counts what is asked and what comes back."""

    calls = rows = 0

    def search(self, *arguments: Any, **options: Any) -> Any:
        found = super().search(*arguments, **options)
        self.calls += len(found)
        self.rows += sum(len(keys) for keys, _ in found)
        return found


def world(count: int, seed: int) -> tuple[FloatArray, list[Mapping[str, Any]], Mapping[str, Column]]:
    """Vectors (N, D) around the centres of their categories, the fields of each row, and the columns."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(CATEGORIES, size=count)
    vectors = rng.normal(size=(CATEGORIES, DIM))[kinds] + 0.5 * rng.normal(size=(count, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [
        {"category": f"kind {kind}", "colour": COLOURS[colour], "price": round(float(price), 2)}
        for kind, colour, price in zip(kinds, rng.integers(10, size=count), rng.lognormal(4, 0.6, count), strict=True)
    ]
    columns = {name: column([row[name] for row in rows]) for name in ("category", "colour", "price")}
    linen = rng.random(count) < 0.03
    columns["title"] = column([f"{'linen' if one else 'cotton'} {number}" for number, one in enumerate(linen)])
    return vectors.astype(np.float32), rows, columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8_000)
    parser.add_argument("--queries", type=int, default=10)
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--exact-rows", type=int, default=80, help="1 %% of the rows, as 2,000 are of 200,000.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    vectors, rows, columns = world(options.rows, options.seed)
    queries = vectors[np.random.default_rng(options.seed + 1).choice(options.rows, options.queries, replace=False)]
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        about = EncoderId("bench", "0" * 64, DIM)
        collection = Counted(Address.parse(f"{folder}/vectors.db/bench"), "bench", about)
        collection.make()
        keys = np.arange(options.rows)
        collection.upsert(keys, vectors, [stored_fields(row["category"], row) for row in rows])
        exact, compared = ExactIndex(vectors), [0]

        def vectors_of(rows: np.ndarray) -> FloatArray:
            compared[0] += len(rows)
            return vectors[rows]

        for filters in FILTERS:
            mask = filter_mask(filters, columns, options.rows)
            right = exact.search(queries, options.k, mask)[0]
            line: dict[str, Any] = {"filters": list(filters), "share": float(mask.mean())}
            for name, told in (("narrowed", columns), ("plain", {})):
                index = MilvusIndex(
                    collection, keys, vector_sums(vectors), DIM, vectors_of, lambda told=told: told,
                    exact_rows=options.exact_rows,
                )  # fmt: skip
                collection.calls = collection.rows = compared[0] = 0
                got = index.search(queries, options.k, mask)[0]
                line[name] = {
                    "calls": collection.calls / options.queries, "rows": collection.rows / options.queries,
                    "compared_here": compared[0], "same": bool(np.array_equal(got, right)),
                }  # fmt: skip
            found.append(line)
            print(json.dumps(line), flush=True)
    result = {
        "rows": options.rows, "queries": options.queries, "k": options.k, "seed": options.seed, "dim": DIM,
        "exact_rows": options.exact_rows, "date": "2026-11-27", "filters": found,
    }  # fmt: skip
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
