"""Bulk embedding: two workers against one, and workers that are killed again and again.

python bench/embed.py                              the encoder that ships, one thread for each worker
python bench/embed.py --items 400 --rounds 2 --kills 3

One and two workers take turns, round by round, each from an empty folder; the clock runs from the moment at which all workers
have loaded their encoder. Then two workers share a folder while one of them, by chance, is killed (SIGKILL) at a random moment
and another one is put in its place.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from modiste.data.atelier import Atelier, write_catalogue
from modiste.engine.embedded import EmbeddingFolder, EmbeddingManifest
from report import machine, write_result

SPAWN = multiprocessing.get_context("spawn")


def work(job: Any, index: int, count: int, one_core: bool, ready: Any, begun: Any, told: Any) -> None:
    """One worker: load the encoder, wait for the others, embed, and tell how many it encoded and read."""
    import torch

    from modiste.engine import embedding
    from modiste.engine.workers import Worker
    from modiste.models.pretrained import load
    from modiste.service.table_embedding import embed_table

    if one_core:
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[index % len(cores)]})
    torch.set_num_threads(1)
    embedding.PART_SECONDS = 2.0
    encoder = load(job.model or None)
    encoder._pool._max_workers = 1  # pictures are prepared by one thread
    ready.release()
    begun.wait()
    report = embed_table(job, encoder, Worker(index, count).share)
    told.put((index, report.encoded, report.taken_over, report.finished))


class Crew:
    """Worker processes on one folder."""

    def __init__(self, job: Any, count: int, one_core: bool) -> None:
        self.job, self.count, self.one_core = job, count, one_core
        self.ready, self.begun, self.told = SPAWN.Semaphore(0), SPAWN.Event(), SPAWN.Queue()
        self.workers = [self.start(index) for index in range(count)]

    def start(self, index: int) -> Any:
        process = SPAWN.Process(
            target=work, args=(self.job, index, self.count, self.one_core, self.ready, self.begun, self.told)
        )
        process.start()
        return process

    def run(self) -> float:
        """Seconds from the first worker's begin to the last one's end."""
        for _ in range(self.count):
            self.ready.acquire()
        start = time.perf_counter()
        self.begun.set()
        for process in self.workers:
            process.join()
        return time.perf_counter() - start


def num_vectors(folder: Path) -> int:
    opened = EmbeddingFolder(folder, EmbeddingManifest.read(folder))
    return sum(len(opened.found(shard)) for shard in range(opened.manifest.num_shards))


def compare(job: Any, rounds: int, one_core: bool, scratch: Path) -> list[dict[str, Any]]:
    rows = []
    for number in range(rounds):
        seconds = {}
        for count in (1, 2) if number % 2 == 0 else (2, 1):
            out = scratch / f"round-{number}-{count}"
            seconds[count] = Crew(replace(job, out=out), count, one_core).run()
            rows_there = num_vectors(out)
        rows.append(
            {
                "round": number + 1,
                "one_items_per_second": rows_there / seconds[1],
                "two_items_per_second": rows_there / seconds[2],
                "speedup": seconds[1] / seconds[2],
            }
        )
        print(f"round {number + 1}: {rows[-1]}", flush=True)
    return rows


def kill(job: Any, kills: int, seed: int, calm_seconds: float) -> dict[str, Any]:
    """Two workers, of which one is killed every now and then; what there was to encode, and what was encoded."""
    moments = random.Random(seed)
    crew = Crew(job, 2, False)
    for _ in range(2):
        crew.ready.acquire()
    crew.begun.set()
    done = 0
    for _ in range(kills):
        time.sleep(moments.uniform(0.2, 1.8) * calm_seconds / (kills + 1))
        victim = moments.randrange(2)
        if crew.workers[victim].is_alive():
            os.kill(crew.workers[victim].pid, signal.SIGKILL)
            done += 1
        crew.workers[victim].join()
        there = num_vectors(job.out)
        crew.workers[victim] = crew.start(victim)
        crew.ready.acquire()
        print(f"killed worker {victim} when {there:,} vectors were written down", flush=True)
    for process in crew.workers:
        process.join()
    return {"kills": done, "vectors": num_vectors(job.out), "exit_codes": [one.exitcode for one in crew.workers]}


def main() -> None:
    from modiste.service.table_embedding import TableToEmbed

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="", help="as of `modiste embed`; by default the one that ships")
    parser.add_argument("--items", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--one-core", action="store_true", help="a core for each worker, for reading and decoding, too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write what was measured there, as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        table = write_catalogue(Atelier(seed=options.seed, image_size=(120, 160)), options.items, scratch / "shop")
        job = TableToEmbed(table, scratch / "unused", options.model, batch_size=64)
        rows = compare(job, options.rounds, options.one_core, scratch)
        speedup = statistics.median(row["speedup"] for row in rows)
        calm = options.items / statistics.median(row["two_items_per_second"] for row in rows)
        killed = kill(replace(job, out=scratch / "killed"), options.kills, options.seed, calm)
        vectors = num_vectors(scratch / "round-0-1")
        encoder = EmbeddingManifest.read(scratch / "round-0-1").encoder
        found = {
            "machine": machine(),
            "settings": {
                "encoder": str(encoder),
                "items": options.items,
                "picture": "120x160",
                "one_core": options.one_core,
                "seed": options.seed,
            },
            "rounds": rows,
            "speedup": {
                "median": speedup,
                "least": min(row["speedup"] for row in rows),
                "most": max(row["speedup"] for row in rows),
            },
            "killed": {**killed, "lost": vectors - killed["vectors"]},
        }
    if options.out:
        write_result(options.out, found)
    print(
        f"two workers: {speedup:.2f} times one; {killed['kills']} killed, {found['killed']['lost']} of {vectors:,} vectors lost"
    )


if __name__ == "__main__":
    main()
