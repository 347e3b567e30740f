"""SIGKILL in the middle of bulk embedding: nothing is lost, and nothing that was written down is made again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_fakes import FakeEncoder
from nursery import Nursery

from modiste.engine.embedded import FILE_NAME, EmbeddingFolder, EmbeddingManifest
from modiste.engine.workers import Worker
from modiste.service.table_embedding import TableToEmbed, embed_table

NUM_KILLS = int(os.environ.get("MODISTE_KILLS", "3"))
NUM_ITEMS = 240


@pytest.fixture
def nursery() -> Iterator[Nursery]:
    one = Nursery("embedding_child.py")
    yield one
    one.close()


def write_table(folder: Path, count: int = NUM_ITEMS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "shop.csv"
    table.write_text("id,title\n" + "".join(f"{n},garment number {n}\n" for n in range(count)), encoding="utf-8")
    return table


def contents(folder: Path) -> dict[str, bytes]:
    """All vectors there are, finished or not, by content."""
    if not (folder / FILE_NAME).exists():
        return {}
    opened = EmbeddingFolder(folder, EmbeddingManifest.read(folder))
    found = {}
    for shard in range(opened.manifest.num_shards):
        one = opened.found(shard)
        found |= {content.hex(): vector.tobytes() for content, vector in zip(one.hashes, one.vectors, strict=True)}
    return found


def encoded(log: Path) -> list[str]:
    return log.read_text(encoding="ascii").split() if log.exists() else []


def test_killed_workers_lose_nothing_and_repeat_nothing(nursery: Nursery, tmp_path: Path) -> None:
    table, folder = write_table(tmp_path / "shop"), tmp_path / "vectors"
    logs = [tmp_path / f"{worker}.log" for worker in (0, 1)]
    moments = random.Random(5)
    processes: list[int | None] = [None, None]
    written: dict[str, bytes] = {}

    def start(worker: int) -> None:
        processes[worker] = nursery.ask({"start": [str(table), str(folder), worker, 2, str(logs[worker])]})

    start(0)
    for kill in range(NUM_KILLS):
        # Both run side by side, then neither: so that it can be said what was written down when the next ones began.
        start(1)
        enough, until = moments.randrange(70), time.monotonic() + 60
        while sum(len(encoded(log)) for log in logs) < enough and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(moments.uniform(0.0, 0.02))
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process or 0, signal.SIGKILL)
        for worker, process in enumerate(processes):
            nursery.ask({"wait": process})
            again = set(encoded(logs[worker])) & set(written)
            assert not again, f"kill {kill}: {len(again)} contents that were on the disk were encoded once more"
            logs[worker].unlink(missing_ok=True)
        now = contents(folder)
        assert written.items() <= now.items(), f"kill {kill}: something was lost"
        written = now
        start(0)
    start(1)
    assert [nursery.ask({"wait": process}) for process in processes] == [0, 0]
    assert not (set(encoded(logs[0])) | set(encoded(logs[1]))) & set(written)

    calm = tmp_path / "calm"
    done = embed_table(TableToEmbed(table, calm, num_shards=8), FakeEncoder(), Worker().share)
    assert (done.encoded, done.finished) == (NUM_ITEMS, True)
    files = {path.name: path.read_bytes() for path in (calm / "shards").iterdir()}
    assert {path.name: path.read_bytes() for path in (folder / "shards").iterdir()} == files
    assert not [path for path in (folder / "parts").rglob("*") if path.is_file()]
    assert not list(folder.rglob(".0*"))
    assert not list((folder / "claims").iterdir())


def test_a_dead_workers_shards_go_to_the_one_that_is_left(nursery: Nursery, tmp_path: Path) -> None:
    """While it is at work: nobody has to start anything again."""
    table, folder = write_table(tmp_path / "shop", 600), tmp_path / "vectors"
    processes = [
        nursery.ask({"start": [str(table), str(folder), worker, 2, str(tmp_path / f"{worker}.log")]})
        for worker in (0, 1)
    ]
    until = time.monotonic() + 60
    while not list((folder / "parts").rglob("*.parquet")) and time.monotonic() < until:
        time.sleep(0.005)
    os.kill(processes[0], signal.SIGKILL)
    nursery.ask({"wait": processes[0]})
    assert nursery.ask({"wait": processes[1]}) == 0
    assert len(contents(folder)) == 600
