"""How long a backup takes and a restore, and what checking everything takes: items with a photo each, as they are served.

    python bench/backup.py --items 100000 --out docs/results/backup.json

The rows are random vectors of the shipped encoder's width, titles, attributes, and a JPEG of the asked size that nothing packs.
What is restored must answer a search as what was saved does, or nothing is printed.
"""

from __future__ import annotations

import argparse
import io
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from modiste.engine.backup import backup, restore
from modiste.engine.catalogue import Catalogue
from modiste.engine.check import check
from modiste.types import Embeddings, EncoderId, FloatArray, Item
from report import machine, show_values, write_result

DIM = 256


class Numbers:
    """Gives item `n` the n-th of some random directions."""

    id = EncoderId("numbers", "5" * 64, DIM)

    def __init__(self, count: int, seed: int) -> None:
        vectors = np.random.default_rng(seed).normal(size=(count, DIM)).astype(np.float32)
        self.vectors: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def encode(self, items: Sequence[Item]) -> Embeddings:
        return Embeddings(self.vectors[[int(one.id[2:]) for one in items]], self.id)


def items(count: int, size: int, seed: int) -> Iterator[Item]:
    """Items whose photos are a small JPEG with noise behind it, so that no two are alike and none can be packed."""
    stream = io.BytesIO()
    Image.fromarray(np.full((16, 16, 3), 120, np.uint8)).save(stream, "JPEG")
    picture, random = stream.getvalue(), np.random.default_rng(seed)
    for n in range(count):
        attributes = {"price": float(n % 90), "colour": ("red", "blue", "green")[n % 3]}
        noise = random.bytes(max(0, size - len(picture)))
        yield Item(f"n-{n:07d}", f"item number {n}", picture + noise, "Dress", "made up", attributes)


def measure(count: int, size: int, seed: int, parent: Path | None) -> dict[str, Any]:
    """Seconds of each step, and the archive's size."""
    encoder = Numbers(count, seed)
    with tempfile.TemporaryDirectory(dir=parent) as name:
        folder = Path(name)
        start = time.monotonic()
        store = Catalogue.create(folder / "shop", encoder.id)
        store.ingest(items(count, size, seed), encoder, batch_size=2_000)
        ingested = time.monotonic() - start
        saved = backup(folder / "shop", folder / "shop.tar")
        again = restore(saved.path, folder / "again")
        queries = Embeddings(encoder.vectors[:: max(1, count // 20)], encoder.id)
        found = [
            [
                [(hit.item, hit.score) for hit in one]
                for one in Catalogue.open(at).search_many(queries, 10, ["price<50"])
            ]
            for at in (folder / "shop", folder / "again")
        ]
        if found[0] != found[1]:
            raise AssertionError("what was restored answers otherwise")
        parts = list(check(folder / "again"))
        if not all(one.sound for one in parts):
            raise AssertionError(f"what was restored is damaged: {parts}")
    return {
        "items": count,
        "megabytes": round(saved.bytes / 1e6, 1),
        "ingest_seconds": round(ingested, 1),
        "backup_seconds": round(saved.seconds, 2),
        "restore_seconds": round(again.seconds, 2),
        "check_seconds": round(sum(one.seconds for one in parts), 2),
        "seed": seed,
        "machine": machine(),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--photo-bytes", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the files lie: what disk is measured  [default: temporary]")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found = measure(options.items, options.photo_bytes, options.seed, options.folder)
    if options.out:
        write_result(options.out, found)
    show_values(found, as_json=options.json)


if __name__ == "__main__":
    main()
