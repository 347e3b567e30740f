"""Run by test_embedding_crashes.py: workers on one folder of vectors, each a process of its own that may be killed.

Commands are lines of JSON: {"start": [table, folder, worker, workers, log]} answers with a process id, {"wait": id} with how
that process ended. Processes are forked, because the imports take longer than the work.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from engine_fakes import FakeEncoder

from modiste.engine.rows import hashed
from modiste.service.table_embedding import TableToEmbed, embed_table
from modiste.types import Embeddings, Item


class Writing(FakeEncoder):
    """Writes down every content that it is given, and takes its time."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log

    def encode(self, items: Sequence[Item]) -> Embeddings:
        with self._log.open("a", encoding="ascii") as file:
            file.writelines(hashed(item).vector_hash.hex() + "\n" for item in items)
        time.sleep(0.002)
        return super().encode(items)


def work(table: str, folder: str, worker: int, workers: int, log: str) -> None:
    from modiste.engine import embedding
    from modiste.engine.workers import Worker

    embedding.PART_SECONDS = 0.0  # write down every batch
    embedding._LOOK_SECONDS = 0.05
    job = TableToEmbed(Path(table), Path(folder), num_shards=8, batch_size=8, lease_seconds=30)
    report = embed_table(job, Writing(Path(log)), Worker(worker, workers).share)
    if not report.finished:
        raise AssertionError(report)


if __name__ == "__main__":
    for line in sys.stdin:
        command = json.loads(line)
        if "start" in command:
            process = os.fork()
            if not process:
                try:
                    work(*command["start"])
                except BaseException as error:
                    print(repr(error), file=sys.stderr)
                    os._exit(1)
                os._exit(0)
            print(process, flush=True)
        else:
            print(os.waitpid(command["wait"], 0)[1], flush=True)
