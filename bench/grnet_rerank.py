"""Milliseconds of exact search's second look: 100 candidates judged from kept features, no picture of the catalogue decoded.

    python bench/grnet_rerank.py --items 1000 --candidates 100 --queries 50
    python bench/grnet_rerank.py --model runs/grnet_small --threads 2

A catalogue is drawn and indexed in a temporary folder, its photos described by a GRNet (one of random weights unless `--model`
names another: speed does not depend on them). "second look": the query's photo decoded and described, the candidates' features
read and compared. "from photos": the same judge without kept features, which has to decode and describe every candidate.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch

from modiste.data.atelier import Atelier
from modiste.engine.catalogue import Catalogue
from modiste.engine.photo_features import ExactJudge, PhotoFeatures
from modiste.models.grnet import SIZES, Grnet
from modiste.models.grnet_inference import GrnetScorer
from modiste.models.grnet_pretrained import load_grnet
from modiste.models.pretrained import load
from modiste.types import Item
from report import machine, show_values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a GRNet's folder")
    parser.add_argument("--size", default="small", choices=sorted(SIZES))
    parser.add_argument("--items", type=int, default=1_000)
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--queries", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    scorer = load_grnet(options.model) if options.model else GrnetScorer(Grnet(SIZES[options.size]), name=options.size)
    atelier, encoder = Atelier(seed=11, image_size=(120, 160)), load()
    with tempfile.TemporaryDirectory() as folder:
        store = Catalogue.create(Path(folder) / "shop", encoder.id)
        store.ingest(atelier.items(options.items), encoder)
        features = PhotoFeatures.create(store, scorer.id, "")
        report = features.update(store, scorer)
        judge = ExactJudge(store, features, scorer)
        random = np.random.default_rng(0)
        queries = [
            Item("q", image=atelier.customer_photo(n)) for n in random.integers(options.items, size=options.queries)
        ]
        found = [store.search(encoder.encode_query(image=one.image), options.candidates).hits for one in queries]
        pictures = [[store.get(hit.item.id, image=True) for hit in hits] for hits in found[:5]]
        hits_of = [[hit.item for hit in hits] for hits in found]
        kept = _milliseconds(lambda n: judge.score(queries[n], hits_of[n]), len(queries))
        fresh = _milliseconds(lambda n: scorer.score(queries[n], pictures[n]), len(pictures))
        show_values(
            machine()
            | {
                "model": scorer.name, "threads": options.threads, "items": options.items, "candidates": options.candidates,
                "windows": scorer.model.config.num_windows, "nodes": scorer.model.config.num_nodes + 1,
                "bytes kept per item": 2 * scorer.id.dim,
                "photos described per second": round(report.described / report.seconds, 1),
                "second look, median ms": round(float(np.median(kept)), 1),
                "second look, 95th percentile ms": round(float(np.quantile(kept, 0.95)), 1),
                "from photos, median ms": round(float(np.median(fresh)), 1),
                "cpu ms of a second look": round(_cpu(lambda n: judge.score(queries[n], hits_of[n]), len(queries)), 1),
            },
            as_json=options.json,
        )  # fmt: skip


def _milliseconds(work: Callable[[int], object], count: int) -> list[float]:
    work(0)  # the first warms up
    found = []
    for number in range(count):
        began = time.perf_counter()
        work(number)
        found.append(1000 * (time.perf_counter() - began))
    return found


def _cpu(work: Callable[[int], object], count: int) -> float:
    """Processor time, which other processes on the machine do not stretch."""
    began = time.process_time()
    for number in range(count):
        work(number)
    return 1000 * (time.process_time() - began) / count


if __name__ == "__main__":
    main()
