"""Run by test_crashes.py: ingest a feed and write down, durably, every id as soon as it is committed."""

from __future__ import annotations

import os
import sys
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

        print("ready", flush=True)
        Catalogue.open_or_create(folder, encoder.id).ingest(
            (item(number, version=version) for number in range(count)),
            encoder,
            batch_size=10,
            commit_rows=10,
            progress=write_down,
        )
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
