"""How long a text-guided query takes with FAME-ViL: a photo and a sentence fused, and searched among many items.

    python bench/fame_vil_queries.py                        100,000 items, the shipped size
    python bench/fame_vil_queries.py --model runs/NAME --rows 1000000

A query is a JPEG of 600x800 pixels, decoded anew each time, and a sentence; the catalogue is in memory, its vectors are drawn
around centres (what stands in them does not change how long an exact search takes). Each query is timed on its own, after a
warm-up.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch

from modiste.data.atelier import Atelier
from modiste.data.images import decode, encode_jpeg
from modiste.engine.catalogue import Catalogue
from modiste.models.pretrained import load
from modiste.registry import FAME_VIL
from modiste.types import Item
from report import show
from search import Given, clustered

SENTENCES = ("the same in red", "but with long sleeves", "something similar for men", "make it black, not blue")
PARTS = ("photo and sentence", "sentence alone", "photo alone")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=FAME_VIL)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    encoder = load(options.model)
    stored = Given(clustered(options.rows, encoder.id.dim, options.seed))
    stored.id = encoder.id
    world = Atelier(seed=options.seed, image_size=(600, 800))
    photos = [encode_jpeg(decode(world.item(number).image)) for number in range(20)]  # type: ignore[arg-type]

    def feed() -> Iterator[Item]:
        for row in range(options.rows):
            yield Item(f"{row:09d}", title="garment")

    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue.create(Path(folder), encoder.id)
        catalogue.ingest(feed(), stored, batch_size=2_000, commit_rows=20_000)
        catalogue = Catalogue.open(folder)
        rows = []
        for part in PARTS:
            encoding, whole = [], []
            for number in range(options.queries + 5):
                text = SENTENCES[number % len(SENTENCES)] if "sentence" in part else ""
                photo = photos[number % len(photos)] if "photo" in part else None
                began = time.perf_counter()
                query = encoder.encode_query(text, photo)
                encoded = time.perf_counter()
                catalogue.search(query, 20)
                encoding.append(encoded - began)
                whole.append(time.perf_counter() - began)
            figures = {"query": part}
            for name, seconds in (("encoding", encoding[5:]), ("whole", whole[5:])):
                for share in (50, 95):
                    figures[f"{name} p{share} ms"] = str(round(1000 * float(np.percentile(seconds, share)), 1))
            rows.append(figures)
    settings = {
        "model": str(encoder.id),
        "rows": options.rows,
        "queries": options.queries,
        "threads": torch.get_num_threads(),
        "seed": options.seed,
    }
    show("Text-guided queries", settings, rows, as_json=options.json)


if __name__ == "__main__":
    main()
