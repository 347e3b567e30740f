"""How long an OpenMP thread should look for more work before it sleeps: milliseconds of small and large batches, by setting.

python bench/waiting.py --out docs/results/waiting.json        seven minutes
python bench/waiting.py --looks 0 600 --rounds 1               half a minute

A layer of a small model takes less time than waking a thread, so threads that sleep at once make a single query slow; threads
that spin until there is work take the processor from whoever else wants it. GOMP_SPINCOUNT says how many times a thread looks.
Each setting is a process of its own (the runtime reads it once), they take turns, with the machine idle and beside a process
that does nothing but compute (--neighbours). `modiste` sets what `modiste.__main__.WAITING` says.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from modiste.__main__ import WAITING
from report import circumstances, kept_table, machine, rows_table

UNSET = "the runtime's own"  # neither variable set: GNU's OpenMP then looks 300,000 times
MODELS = ("mvlt_small.products_v1", "fame_vil_small.products_v1")


def timed(options: argparse.Namespace) -> dict[str, float]:
    """What -> the median of some calls in milliseconds, in this process."""
    from modiste.data.atelier import Atelier
    from modiste.models.pretrained import load

    items = list(Atelier(options.seed, image_size=(240, 320)).items(64))
    photos, texts = [one.image for one in items if one.image is not None], [one.title for one in items]
    found = {}
    for name in MODELS:
        encoder, short = load(name), name.split("_small")[0]
        calls: dict[str, Callable[[], Any]] = {
            f"{short}, a photo": lambda: encoder.encode_images(photos[:1]),  # noqa: B023
            f"{short}, a text": lambda: encoder.encode_texts(texts[:1]),  # noqa: B023
            f"{short}, 64 photos": lambda: encoder.encode_images(photos),  # noqa: B023
        }
        for what, call in calls.items():
            found[what] = 1000 * _median(call, options.calls if "64" not in what else max(1, options.calls // 4))
    return found


def _median(call: Callable[[], Any], calls: int) -> float:
    seconds = []
    for _ in range(calls + 3):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[3:])  # the first ones warm up


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


def in_a_process(looks: str, arguments: Sequence[str]) -> dict[str, float]:
    """`timed` in a process whose threads look so many times."""
    environment = {name: value for name, value in os.environ.items() if name not in WAITING}
    if looks != UNSET:
        environment |= WAITING | {"GOMP_SPINCOUNT": looks}
    command = [sys.executable, __file__, "--here", *arguments]
    found: dict[str, float] = json.loads(
        subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    )
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    settings = [str(one) for one in options.looks] + [UNSET]
    arguments = ["--calls", str(options.calls), "--seed", str(options.seed)]
    rows = []
    for others in (0, options.neighbours):
        took: dict[str, list[dict[str, float]]] = {looks: [] for looks in settings}
        with neighbours(others):
            for number in range(options.rounds):
                for looks in settings if number % 2 else settings[::-1]:
                    took[looks].append(in_a_process(looks, arguments))
        for looks, rounds in took.items():
            values = {f"{what}, ms": round(statistics.median(one[what] for one in rounds), 2) for what in rounds[0]}
            rows.append({"looks before it sleeps": looks, "neighbours": others, **values})
    kept = {"calls": options.calls, "rounds": options.rounds, "seed": options.seed}
    return {"machine": machine(), "settings": kept, "rows": rows}


def table(found: dict[str, Any]) -> str:
    return f"{circumstances(found)}\n\n{rows_table(found['rows'])}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--looks", type=int, nargs="+", default=[0, 300, 600, 1000, 5000])
    parser.add_argument("--neighbours", type=int, default=1, help="processes beside it, in the second half")
    parser.add_argument("--calls", type=int, default=20, help="of each kind, a quarter of them for 64 photos")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options, _ = parser.parse_known_args(arguments)
    if options.here:
        print(json.dumps(timed(options)))
        return
    kept_table(parser, arguments, measure, table)


if __name__ == "__main__":
    main()
