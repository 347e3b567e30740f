"""Latency and recall of filtered search through `Catalogue.search`, on clustered synthetic vectors.

python bench/search.py                      100,000 rows, exact
python bench/search.py --rows 1000000       the unfiltered search goes through IVF
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from modiste.engine.catalogue import Catalogue
from modiste.engine.index import EXACT_LIMIT
from modiste.types import Embeddings, EncoderId, ImageLike, Item
from report import show

SHARES = (1.0, 0.1, 0.02, 0.001)


def clustered(count: int, dim: int, seed: int) -> np.ndarray:
    """(count, dim) unit vectors around 2,000 centres, the same centres for any count and seed."""
    centres = np.random.default_rng(2_000).normal(size=(2_000, dim)).astype(np.float32)
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, dim)).astype(np.float32) * 0.7
    vectors += centres[rng.integers(len(centres), size=count)]
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Given:
    """An encoder that looks vectors up: the benchmark is about the engine alone."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.id = EncoderId("given", "0" * 64, vectors.shape[1])
        self._vectors = vectors

    def encode(self, items: Sequence[Item]) -> Embeddings:
        return Embeddings(self._vectors[[int(item.id) for item in items]], self.id)

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        return Embeddings(self._vectors[[int(text)]], self.id)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    vectors = clustered(options.rows, options.dim, options.seed)
    queries = clustered(options.queries, options.dim, options.seed + 1)
    luck = np.random.default_rng(options.seed + 2).random(options.rows)  # independent of the vectors: the hard case
    encoder = Given(vectors)

    def feed() -> Iterator[Item]:
        for row in range(options.rows):
            yield Item(f"{row:09d}", title="garment", attributes={"luck": round(float(luck[row]), 6)})

    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue.create(Path(folder), encoder.id)
        start = time.perf_counter()
        catalogue.ingest(feed(), encoder, batch_size=2_000, commit_rows=20_000)
        ingest = time.perf_counter() - start
        catalogue = Catalogue.open(folder)
        start = time.perf_counter()
        columns = catalogue.snapshot().columns
        load = time.perf_counter() - start
        start = time.perf_counter()
        catalogue.search(Embeddings(queries[:1], encoder.id))  # builds the lists where there are any
        first = time.perf_counter() - start
        rows = []
        for share in SHARES:
            filters = [] if share == 1 else [f"luck<{share}"]
            passing = np.flatnonzero(np.round(luck, 6) < share) if filters else np.arange(options.rows)
            seconds, hits = [], 0
            for query in queries:
                one = Embeddings(query[None], encoder.id)
                start = time.perf_counter()
                result = catalogue.search(one, 10, filters)
                seconds.append(time.perf_counter() - start)
                scores = vectors[passing] @ query if filters else vectors @ query
                best = passing[np.argpartition(-scores, min(9, len(scores) - 1))[:10]]
                hits += len(set(best.tolist()) & {int(found) for found in result.ids})
            rows.append(
                {
                    "passing the filter": f"{share:.1%}",
                    "candidates": len(passing),
                    "p50 ms": round(1000 * float(np.percentile(seconds, 50)), 2),
                    "p95 ms": round(1000 * float(np.percentile(seconds, 95)), 2),
                    "recall@10": round(hits / (options.queries * min(10, len(passing))), 4),
                }
            )
    assert len(columns) > 0
    settings = {
        "rows": options.rows,
        "dim": options.dim,
        "queries": options.queries,
        "seed": options.seed,
        "unfiltered index": "exact" if options.rows <= EXACT_LIMIT else "IVF-SQ8",
        "ingest s": round(ingest, 1),
        "open and load s": round(load, 2),
        "first search s": round(first, 2),
    }
    show("Search with filters", settings, rows, as_json=options.json)


if __name__ == "__main__":
    main()
