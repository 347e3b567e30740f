"""From a click to the next recommendation: written down durably, her vector folded in anew, all looks ranked.

    python bench/one_click.py --tastes runs/cold_start/hfgn_atelier-0 --clicks 200

Each click goes through `ClickBook.add` to the disk and through `Tastes.fold_in` over all that she took, as the service does it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modiste.engine.clicks import ClickBook
from modiste.engine.tastes import load_tastes
from report import machine


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tastes", type=Path, required=True, help="trained tastes, or the run that trained them")
    parser.add_argument("--clicks", type=int, default=200)
    parser.add_argument(
        "--folder", type=Path, help="where clicks are written: what disk is measured  [default: temporary]"
    )
    options = parser.parse_args(arguments)
    tastes = load_tastes(options.tastes)
    rng = np.random.default_rng(0)
    steps: dict[str, list[float]] = {"written": [], "folded in": [], "ranked": [], "all": []}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        book = ClickBook(Path(folder))
        for look in rng.choice(tastes.outfit_ids, options.clicks):
            start = time.perf_counter()
            book.add("somebody", look=str(look))
            written = time.perf_counter()
            rows = [tastes.outfit_rows[one.look] for one in book.of("somebody")]
            vector = tastes.fold_in(rows)
            folded = time.perf_counter()
            np.argsort(-tastes.scores(vector))
            done = time.perf_counter()
            for name, seconds in zip(
                steps, (written - start, folded - written, done - folded, done - start), strict=True
            ):
                steps[name].append(seconds)
        book.close()
    found = {
        name: {f"p{at}": round(1_000 * float(np.percentile(some, at)), 3) for at in (50, 95, 99)}
        for name, some in steps.items()
    }
    print(json.dumps({"outfits": len(tastes.outfit_ids), "milliseconds": found, "machine": machine()}, indent=1))


if __name__ == "__main__":
    main()
