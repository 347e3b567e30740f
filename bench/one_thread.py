"""A query on one thread and on all of them: milliseconds and processor time, within searches, idle and beside a neighbour.

python bench/one_thread.py --out docs/results/one_thread.json        two minutes
python bench/one_thread.py --rows 500 --calls 3 --rounds 1           seconds
OPENBLAS_THREAD_TIMEOUT=26 python bench/one_thread.py                as it is where NumPy's threads spin after the search

What `modiste.models.one_thread` decides: a few rows through a small model are computed by the calling thread alone. Between two
queries a catalogue is searched, as in use: threads that sleep in between must be woken. Both ways take turns in one process;
a neighbour is a process that does nothing but compute.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")  # `modiste.__main__` has both; 26: NumPy's own
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch

from modiste.data.atelier import Atelier
from modiste.engine.catalogue import Catalogue
from modiste.models import one_thread
from modiste.models.pretrained import load
from modiste.types import Item
from report import circumstances, kept_table, machine, rows_table
from search import Given, clustered

MODELS = ("mvlt_small.products_v1", "fame_vil_small.products_v1")
WAYS = {"one thread": one_thread.LIMIT, "all threads": 0}


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes that do nothing but compute, meanwhile."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in others:
            one.kill()
            one.wait()


def measured(catalogue: Catalogue, encode: Callable[[], Any], options: argparse.Namespace) -> dict[str, list[float]]:
    """Way -> median, 95th percentile and processor time in milliseconds, the ways taking turns."""
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    work: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(options.rounds):
        for way in list(WAYS) if number % 2 else list(WAYS)[::-1]:
            one_thread.LIMIT = WAYS[way]
            for call in range(options.calls + 3):
                start, busy = time.perf_counter(), time.process_time()
                query = encode()
                if call >= 3:  # the first ones warm up
                    seconds[way].append(time.perf_counter() - start)
                    work[way].append(time.process_time() - busy)
                catalogue.search(query, 20)
    one_thread.LIMIT = WAYS["one thread"]
    return {way: [*_told(seconds[way]), 1000 * statistics.mean(work[way])] for way in WAYS}


def _told(seconds: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(seconds)
    return 1000 * statistics.median(ordered), 1000 * ordered[int(0.95 * (len(ordered) - 1))]


def measure(options: argparse.Namespace) -> dict[str, Any]:
    items = list(Atelier(options.seed, image_size=(240, 320)).items(1))
    photo, words = items[0].image, "the same in red, with long sleeves"
    rows = []
    for name in MODELS:
        encoder = load(name)
        stored = Given(clustered(options.rows, encoder.id.dim, options.seed))
        stored.id = encoder.id
        calls: dict[str, Callable[[], Any]] = {
            "words": lambda: encoder.encode_query(words),  # noqa: B023
            "photo": lambda: encoder.encode_query(image=photo),  # noqa: B023
            "photo and words": lambda: encoder.encode_query(words, photo),  # noqa: B023
        }
        with tempfile.TemporaryDirectory() as folder:
            catalogue = Catalogue.create(Path(folder), encoder.id)
            feed = (Item(f"{row:09d}", title="garment") for row in range(options.rows))
            catalogue.ingest(feed, stored, batch_size=2_000, commit_rows=20_000)
            for others in (0, options.neighbours):
                with neighbours(others):
                    for query, encode in calls.items():
                        found = measured(catalogue, encode, options)
                        for way, (p50, p95, work) in found.items():
                            figures = {"p50 ms": round(p50, 2), "p95 ms": round(p95, 2), "CPU ms": round(work, 2)}
                            rows.append({"model": name, "query": query, "neighbours": others, "way": way, **figures})
    settings = {
        "threads": torch.get_num_threads(), "OPENBLAS_THREAD_TIMEOUT": os.environ["OPENBLAS_THREAD_TIMEOUT"],
        "rows": options.rows, "calls": options.calls, "rounds": options.rounds, "seed": options.seed,
    }  # fmt: skip
    return {"machine": machine(), "settings": settings, "rows": rows}


def table(found: dict[str, Any]) -> str:
    return f"{circumstances(found)}\n\n{rows_table(found['rows'])}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000, help="vectors of the catalogue that is searched in between")
    parser.add_argument("--neighbours", type=int, default=1, help="processes beside it, in the second half")
    parser.add_argument("--calls", type=int, default=40, help="of each way and round")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    kept_table(parser, arguments, measure, table)


if __name__ == "__main__":
    main()
