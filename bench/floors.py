"""What the machine could do at best, and how near we come: arithmetic and bytes of a photo, a text, an exact search.

python bench/floors.py --out docs/results/floors.json        a minute
python bench/floors.py --rows 5000 --photos 8 --rounds 1     seconds

The machine's best is measured here, too: a matrix product of 1,024 x 1,024 numbers in fp32, and a sum over more memory than
the caches hold. A floor is the larger of arithmetic over the first and bytes over the second; the gap is what is measured over
it. Weights and activations of these small models stay in the caches, so bytes count for the search alone, whose vectors do not
(from 32 MB on here: fewer rows are read faster than the floor says). Arithmetic is counted by `torch.utils.flop_counter`
(products and convolutions; two for a multiplication and an addition).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import faiss
import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from modiste.data.atelier import Atelier
from modiste.data.images import decode
from modiste.models.pretrained import load
from report import circumstances, kept_table, machine, rows_table

MODELS = ("mvlt_small.products_v1", "fame_vil_small.products_v1")


def seconds(call: Callable[[], Any], rounds: int) -> float:
    """The median of some calls, one before them not counted."""
    call()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def best(rounds: int) -> tuple[float, float]:
    """(GFLOP/s, GB/s) of this machine with the threads that torch has."""
    square = torch.randn(1024, 1024)
    arithmetic = 2 * 1024**3 / seconds(lambda: square @ square, 5 * rounds) / 1e9
    much = torch.ones(64_000_000)  # 256 MB
    return arithmetic, much.nbytes / seconds(much.sum, rounds) / 1e9


def measure(options: argparse.Namespace) -> dict[str, Any]:
    arithmetic, memory = best(options.rounds)
    rows = []

    def add(what: str, gflop: float, megabytes: float, each: float) -> None:
        floor = max(gflop / arithmetic, megabytes / 1000 / memory)
        rows.append(
            {
                "what": what, "GFLOP": float(f"{gflop:.3g}"), "MB": round(megabytes, 1),
                "floor ms": float(f"{1000 * floor:.3g}"), "measured ms": float(f"{1000 * each:.3g}"),
                "times the floor": float(f"{each / floor:.3g}"),
            }
        )  # fmt: skip

    items = list(Atelier(options.seed).items(options.photos))
    for name in MODELS:
        towers = load(name).towers
        photos = [towers.prepare_image(decode(one.image, draft_to=towers.draft_size)) for one in items if one.image]
        texts = [one.title for one in items]
        for what, call in (
            ("photo", lambda: towers.embed_images(photos)),  # noqa: B023
            ("text", lambda: towers.embed_texts(texts)),  # noqa: B023
        ):
            with torch.inference_mode():
                with FlopCounterMode(display=False) as counted:
                    call()
                took = seconds(call, options.rounds) / len(items)
            gflop = counted.get_total_flops() / 1e9 / len(items)
            add(f"{what}, {name}, batch {len(items)}", gflop, 0.0, took)
    vectors = np.random.default_rng(options.seed).normal(size=(options.rows, 386)).astype(np.float32)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.omp_set_num_threads(torch.get_num_threads())
    took = seconds(lambda: index.search(vectors[:1], 10), 5 * options.rounds)
    add(f"exact search, {options.rows:,} x 386", 2 * vectors.size / 1e9, vectors.nbytes / 1e6, took)
    settings = {
        "threads": torch.get_num_threads(), "best GFLOP/s": round(arithmetic, 1), "best GB/s": round(memory, 1),
        "rounds": options.rounds, "seed": options.seed,
    }  # fmt: skip
    return {"machine": machine(), "settings": settings, "rows": rows}


def table(found: dict[str, Any]) -> str:
    return f"{circumstances(found)}\n\n{rows_table(found['rows'])}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=64)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    kept_table(parser, arguments, measure, table)


if __name__ == "__main__":
    main()
