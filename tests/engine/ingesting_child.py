"""Run by test_crashes.py: ingest a feed and write down, durably, every id as soon as it is committed.

For each line on standard input (folder, log, number of items, version) a fresh process does one job: forked, because the
imports take longer than the job, and from a process that itself never touches the store.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from engine_fakes import FakeEncoder, item

from modiste.engine.catalogue import Catalogue
from modiste.engine.ingest import IngestProgress


def main(folder: str, acknowledged: str, count: int, version: int) -> None:
    encoder = FakeEncoder()
    with open(acknowledged, "a", encoding="utf-8") as log:

        def write_down(progress: IngestProgress) -> None:
            log.writelines(f"{item_id}\n" for item_id in progress.committed)
            log.flush()
            os.fsync(log.fileno())

        Catalogue.open_or_create(folder, encoder.id).ingest(
            (item(number, version=version) for number in range(count)),
            encoder,
            batch_size=10,
            commit_rows=10,
            progress=write_down,
        )


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="lancedb fork support")
    for line in sys.stdin:
        process = os.fork()
        if not process:
            main(*json.loads(line))
            os._exit(0)
        print(process, flush=True)
        print(os.waitpid(process, 0)[1], flush=True)  # 0: it came to its end
