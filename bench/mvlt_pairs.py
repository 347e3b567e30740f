"""Pairs/s of MVLT's matching head, and what keeping each photo's and text's begun stages saves. Alternating: quote ratios.

python bench/mvlt_pairs.py --size small --photos 100 --rounds 5

"kept": photos and texts begun beforehand, as in a re-ranking whose photos are known; "begun": photos decoded from pixels and
begun in the same call, as for photos never seen before.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from modiste.data.text import train_wordpiece
from modiste.models.mvlt import SIZES, Mvlt
from modiste.models.mvlt_inference import PairModel
from report import machine, show_values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="small", choices=sorted(SIZES))
    parser.add_argument("--photos", type=int, default=100, help="candidates of a query")
    parser.add_argument("--queries", type=int, default=4, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(0)
    config = SIZES[options.size]
    model = Mvlt(config).eval()
    pairs = PairModel(model, train_wordpiece(["red cotton summer dress with polka dots"] * 3))
    width, height = config.image_size
    photos = torch.randint(0, 256, (options.photos, 3, height, width), dtype=torch.uint8)
    queries = ["red cotton summer dress with polka dots"] * options.queries
    rows = torch.arange(options.photos)
    images, texts = pairs.begin_images(photos), pairs.begin_texts(queries)

    def kept() -> None:
        for query in range(options.queries):
            pairs.score(images, texts, rows, torch.full_like(rows, query))

    def begun() -> None:
        for query in range(options.queries):
            pairs.score(pairs.begin_images(photos), texts, rows, torch.full_like(rows, query))

    ways = {"kept": kept, "begun": begun}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(options.rounds + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if turn:  # the first turn warms up
                seconds[name].append(time.perf_counter() - began)
    count = options.photos * options.queries
    result = {
        **machine(),
        "threads": torch.get_num_threads(),
        "size": options.size,
        "photos": options.photos,
        "queries": options.queries,
        "rounds": options.rounds,
        "pairs_per_second": {name: round(count / statistics.median(times), 1) for name, times in seconds.items()},
        "milliseconds_per_query": {
            name: round(1000 * statistics.median(times) / options.queries, 1) for name, times in seconds.items()
        },
    }
    show_values(result, as_json=options.json)


if __name__ == "__main__":
    main()
