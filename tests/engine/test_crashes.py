"""SIGKILL in the middle of an ingest, and readers beside a writer."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from engine_fakes import FakeEncoder, item, items
from nursery import Nursery

from modiste.engine.catalogue import Catalogue
from modiste.engine.rows import hashed, with_image

ENCODER = FakeEncoder()
NUM_KILLS = int(os.environ.get("MODISTE_KILLS", "20"))
NUM_ITEMS = 600


class Ingests(Nursery):
    """Starts the processes that ingest, one at a time."""

    def start(self, folder: Path, log: Path, version: int) -> int:
        """The process id of a job that has just begun."""
        return self.ask([str(folder), str(log), NUM_ITEMS, version])

    def wait(self) -> bool:
        """Wait for the job's end; whether it came to it by itself."""
        return self.number() == 0


@pytest.fixture
def nursery() -> Iterator[Ingests]:
    one = Ingests("ingesting_child.py")
    yield one
    one.close()


def stored(folder: Path) -> dict[str, tuple[object, ...]]:
    """Every row as one comparable value."""
    catalogue, rows = Catalogue.open(folder), {}
    for batch in catalogue._table.pinned().scan(
        ("id", "title", "attributes", "image", "content_hash", "vector_hash", "vector")
    ):
        for values in batch.to_pylist():
            rows[values["id"]] = (values["title"], values["attributes"], values["image"], values["content_hash"])
            rows[values["id"]] += (values["vector_hash"], np.array(values["vector"], np.float32).tobytes())
    return rows


def expected(version: int) -> dict[str, tuple[object, ...]]:
    """The rows of a feed without any store: what an uninterrupted job must leave."""
    rows = {}
    for number in range(NUM_ITEMS):
        one = item(number, version=version)
        row = with_image(hashed(one), one, "thumbnail")
        values = row.values
        vector = ENCODER.encode([one]).vectors[0].tobytes()
        rows[one.id] = (
            values["title"],
            values["attributes"],
            values["image"],
            row.content_hash,
            row.vector_hash,
            vector,
        )
    return rows


@pytest.mark.timeout(600)
def test_kills_lose_no_acknowledged_row_and_leave_no_half_one(tmp_path: Path, nursery: Ingests) -> None:
    """A job is killed again and again at random moments; each restart goes on, and a new version of the feed follows
    when one is through, so that inserts, updates, the creation and the end of a job are all hit."""
    seed = int(os.environ.get("MODISTE_SEED", "0"))
    print(f"seed {seed}")
    rng, version, hit, longest = random.Random(seed), 0, 0, 1.0
    folder = tmp_path / "shop"
    before: dict[str, tuple[object, ...]] = {}
    wanted = expected(version)
    for kill in range(10 * NUM_KILLS):
        if hit == NUM_KILLS:
            break
        log = tmp_path / f"acknowledged-{kill}"
        log.touch()
        job = nursery.start(folder, log, version)
        time.sleep(rng.uniform(0.0, longest) * rng.random())
        with contextlib.suppress(ProcessLookupError):
            os.kill(job, signal.SIGKILL)
        finished = nursery.wait()
        hit += not finished
        if finished:  # a faster machine: aim earlier
            longest *= 0.8
        if not (folder / "modiste.json").exists():
            assert not log.read_text()
            continue
        found = stored(folder)
        Catalogue.open(folder).verify()
        acknowledged = log.read_text().split("\n")[:-1]
        for item_id in acknowledged:
            assert found[item_id] == wanted[item_id], f"kill {kill}: {item_id} was acknowledged"
        for item_id, row in found.items():  # the old row or the new one, never a mixture
            assert row == wanted[item_id] or row == before.get(item_id), f"kill {kill}: {item_id} is half written"
        new = sum(row == wanted[item_id] for item_id, row in found.items())
        assert new % 10 == 0, "batches are whole"
        if new == NUM_ITEMS:
            version, before = version + 1, found
            wanted = expected(version)
    assert hit == NUM_KILLS
    report = Catalogue.open_or_create(folder, ENCODER.id).ingest(
        (item(number, version=version) for number in range(NUM_ITEMS)), ENCODER
    )
    assert report.added + report.updated + report.unchanged == NUM_ITEMS
    assert stored(folder) == wanted


def test_readers_see_whole_batches(tmp_path: Path) -> None:
    """One writer turns all prices from one value to the next in batches of 50; readers count them."""
    writer = Catalogue.create(tmp_path, ENCODER.id)
    writer.ingest([item(number, price=0) for number in range(200)], ENCODER)
    query, stop, failures, looks = ENCODER.encode_query("red dress"), threading.Event(), list[str](), list[int]()

    def read() -> None:
        reader, last = Catalogue.open(tmp_path), 0.0
        while not stop.is_set():
            try:
                result = reader.search(query, 200, images=len(looks) % 5 == 0)
            except Exception as error:
                failures.append(repr(error))
                return
            prices = [float(hit.item.attributes["price"]) for hit in result]
            counts = {price: prices.count(price) for price in set(prices)}
            if len(prices) != 200 or any(count % 50 for count in counts.values()) or max(prices) < last:
                failures.append(f"{counts} after {last}")
            last = max(prices)
            looks.append(1)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for one in readers:
        one.start()
    for price in itertools.count(1):
        if price > 8 and (len(looks) >= 4 or failures):  # on a slow machine the readers are waited for
            break
        feed = (item(number, price=price) for number in range(200))
        writer.ingest(feed, ENCODER, batch_size=50, commit_rows=50)
        mine = writer.search(query, 200)  # visible as soon as ingest has returned
        assert {hit.item.attributes["price"] for hit in mine} == {float(price)}
    stop.set()
    for one in readers:
        one.join()
    assert not failures
    assert len(looks) >= 4


def test_a_reader_in_another_process_sees_whole_batches(tmp_path: Path, nursery: Ingests) -> None:
    folder, log = tmp_path / "shop", tmp_path / "log"
    Catalogue.create(folder, ENCODER.id)
    nursery.start(folder, log, 0)
    ended = threading.Thread(target=nursery.wait)
    ended.start()
    reader, sizes = Catalogue.open(folder), [0]
    while ended.is_alive():
        sizes.append(len(reader))
        assert sizes[-1] % 10 == 0
        assert sizes[-1] >= sizes[-2]
    assert len(reader) == NUM_ITEMS
    assert len(set(sizes)) > 2
    assert set(reader.snapshot().ids.to_pylist()) == {one.id for one in items(NUM_ITEMS)}
