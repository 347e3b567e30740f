"""How long a search by an item, its photo and words takes: reading the plan, encoding the query, searching by it.

    OMP_NUM_THREADS=1 python bench/composed_speed.py runs/shops/crowded-... --requests 60

The time of the one thread's processor is what counts on a machine that others use too; wall time stands beside it. Each
question is asked twice: the first time what titles and columns say of its attributes is worked out, and kept.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from modiste.data.atelier import Atelier
from modiste.engine.catalogue import Catalogue
from modiste.engine.composed import composed_search
from modiste.engine.vocabulary import knowledge_of
from modiste.models.pretrained import load
from modiste.service.composing import encoded_query, hearing, plan_of, query_words
from report import show

TEXTS = (
    "in red, without stripes", "with long sleeves, not leather", "cheaper, no collar, in navy", "shorter, no frills",
    "in green, no floral print", "for men in black, not wool", "the same colour, but a skirt", "no big buckle",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("catalogue", type=Path)
    parser.add_argument("--requests", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    store, encoder = Catalogue.open(options.catalogue), load()
    snapshot = store.snapshot()
    knowledge_of(snapshot)  # as a service does before the first request
    photo = Atelier(3).customer_photo(3)
    chosen = np.random.default_rng(options.seed).integers(0, len(snapshot), options.requests).tolist()
    rows: list[dict[str, Any]] = []
    for turn in ("first", "again"):
        times = {"plan": [], "query": [], "search": [], "all": [], "wall": []}  # type: dict[str, list[float]]
        for number, row in enumerate(chosen):
            like = snapshot.item(row, photo)
            marks = [time.process_time()]
            wall = time.perf_counter()
            plan = plan_of(snapshot, TEXTS[number % len(TEXTS)], like=like)
            assert plan is not None
            marks.append(time.process_time())
            query = encoded_query(encoder, query_words(plan.words, like, photo), photo)
            marks.append(time.process_time())
            composed_search(store, query, plan, hearing(encoder), k=24, exclude=[like.id])
            marks.append(time.process_time())
            times["wall"].append(time.perf_counter() - wall)
            for name, seconds in zip(("plan", "query", "search"), np.diff(marks), strict=True):
                times[name].append(float(seconds))
            times["all"].append(marks[-1] - marks[0])
        for name, values in times.items():
            p50, p95 = (round(1000 * float(np.percentile(values, at)), 1) for at in (50, 95))
            rows.append(
                {"turn": turn, "part": name if name == "wall" else f"{name}, CPU", "p50 ms": p50, "p95 ms": p95}
            )
    settings = {"items": len(snapshot), "requests": options.requests, "seed": options.seed, "encoder": encoder.id.name}
    show("A search by photo and words, by its plan", settings, rows, as_json=options.json)


if __name__ == "__main__":
    main()
