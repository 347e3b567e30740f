"""Two writers and eight readers in processes of their own: every reader sees one state whole, and a writer waits or is told.

    python bench/together.py --seconds 60 --out docs/results/together.json

A writer that gets the lock gives every item the next price, in one batch, and now and then merges the files; one that does
not is told so and tries again. A reader searches all items and looks that they have one price, which never falls.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from fault_jobs import ENCODER, item
from killing import in_child
from modiste.engine.catalogue import Catalogue
from modiste.engine.errors import CatalogueLocked
from report import machine, write_result

ITEMS = 60


def write(folder: Path, until: float) -> dict[str, int]:
    """Raise the price as often as the lock is free."""
    written = locked = 0
    store = Catalogue.open(folder)
    while time.time() < until:
        try:
            with store.writing():
                price = store.get("sku-00000").attributes["price"]
            feed = [item(number, price=float(price) + 1) for number in range(ITEMS)]
            store.ingest(feed, ENCODER, batch_size=ITEMS, commit_rows=ITEMS)
            written += 1
            if written % 10 == 0:
                store.compact(keep_versions=timedelta(seconds=30))
        except CatalogueLocked:
            locked += 1
            time.sleep(0.05)
    return {"written": written, "locked": locked}


def read(folder: Path, until: float) -> dict[str, int]:
    """Search until the end; raises `AssertionError` for a mixed or an older state."""
    store, query, looks, last, states = Catalogue.open(folder), ENCODER.encode_query("red dress"), 0, -1.0, 0
    while time.time() < until:
        hits = store.search(query, ITEMS, images=looks % 10 == 0)
        prices = {float(hit.item.attributes["price"]) for hit in hits}
        assert len(hits) == ITEMS, f"{len(hits)} items of {ITEMS}"
        assert len(prices) == 1, f"a mixture of {sorted(prices)}"
        price = prices.pop()
        assert price >= last, f"{price} after {last}"
        states += price > last
        last, looks = price, looks + 1
    return {"looks": looks, "states": states}


def together(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Each job in a child of a child, all at once; raises `Died` if one fails."""
    pipes = []
    for job in jobs:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                found = json.dumps(in_child(job)[1])
            except RuntimeError as error:
                found = json.dumps({"error": str(error)})
            os.write(writing, found.encode()[:60_000])
            os._exit(0)
        os.close(writing)
        pipes.append((child, reading))
    found = []
    for child, reading in pipes:
        with open(reading, "rb") as stream:
            found.append(json.loads(stream.read()))
        os.waitpid(child, 0)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--readers", type=int, default=8)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="together-"))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        feed = [item(number, price=0.0) for number in range(ITEMS)]
        in_child(lambda: Catalogue.create(folder / "shop", ENCODER.id).ingest(feed, ENCODER).added)
        until = time.time() + options.seconds
        jobs = [lambda: write(folder / "shop", until)] * options.writers
        jobs += [lambda: read(folder / "shop", until)] * options.readers
        results = together(jobs)
        rows = in_child(lambda: Catalogue.open(folder / "shop").verify())[1]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    failures = [one["error"] for one in results if "error" in one]
    done = [one for one in results if "error" not in one]
    found = {
        "seconds": options.seconds,
        "writers": options.writers,
        "readers": options.readers,
        **{name: sum(one.get(name, 0) for one in done) for name in ("written", "locked", "looks")},
        "states_seen_by_a_reader_at_least": min((one["states"] for one in done if "states" in one), default=0),
        "rows_at_the_end": rows,
        "failures": failures,
        "machine": machine(),
    }
    if options.out:
        write_result(options.out, found)
    print(json.dumps(found, indent=1))
    return 1 if failures or rows != ITEMS else 0


if __name__ == "__main__":
    raise SystemExit(main())
