"""Bulk embedding: the same vectors however many workers, each content once, and what indexing makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from engine_fakes import FakeEncoder, items

from modiste.engine.catalogue import Catalogue
from modiste.engine.embedded import (
    EmbeddingError,
    EmbeddingFolder,
    EmbeddingManifest,
    ReadyVectors,
    shard_of,
)
from modiste.engine.embedding import EmbeddingJob, EmbeddingReport, open_folder
from modiste.engine.leases import Leases
from modiste.engine.rows import hashed
from modiste.engine.workers import Worker, worker_of
from modiste.types import Embeddings, EncoderMismatch, Item

ENCODER_ID = FakeEncoder().id


def embed(
    folder: Path,
    feed: Sequence[Item],
    encoder: FakeEncoder,
    worker: Worker = Worker(),  # noqa: B008 (frozen)
    *,
    state: str = "1",
    num_shards: int = 5,
    precision: Any = "float32",
    run: Any = None,
    **options: Any,
) -> EmbeddingReport:
    """Embed items as if they were the rows of a table whose sha256 is `state`."""
    with Leases(folder / "claims") as leases:
        wanted = EmbeddingManifest(encoder.id, num_shards, precision, "", {"sha256": state})
        opened = open_folder(folder, wanted, leases)
        job = EmbeddingJob(
            opened, encoder, leases, lambda report: enumerate(feed, 1), batch_size=7, **{"part_rows": 4, **options}
        )
        return job.run(worker.share(num_shards), **{"wait": False, **(run or {})})


def stored(folder: Path) -> dict[bytes, tuple[list[str], bytes]]:
    opened = EmbeddingFolder(folder, EmbeddingManifest.read(folder))
    return {
        content: (ids, vector.tobytes())
        for shard in range(opened.manifest.num_shards)
        for found in [opened.found(shard)]
        for content, ids, vector in zip(found.hashes, found.ids, found.vectors, strict=True)
    }


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "shards").iterdir()}


@pytest.mark.parametrize("num_workers", [1, 2, 3, 7])
def test_the_files_do_not_depend_on_the_number_of_workers(tmp_path: Path, num_workers: int) -> None:
    feed = items(60)
    alone = FakeEncoder()
    assert embed(tmp_path / "alone", feed, alone).finished
    encoders = [FakeEncoder() for _ in range(num_workers)]
    for index, encoder in enumerate(encoders):
        done = embed(tmp_path / "many", feed, encoder, Worker(index, num_workers), run={"take_over": False})
    assert done.finished
    assert files(tmp_path / "many") == files(tmp_path / "alone")
    assert sum(encoder.num_items for encoder in encoders) == alone.num_items == 60
    vectors = FakeEncoder().encode(feed).vectors
    assert stored(tmp_path / "many") == {
        hashed(item).vector_hash: ([item.id], vector.tobytes()) for item, vector in zip(feed, vectors, strict=True)
    }


def test_a_worker_does_what_nobody_does(tmp_path: Path) -> None:
    done = embed(tmp_path, items(30), FakeEncoder(), Worker(1, 3), run={"wait": True})
    assert (done.finished, done.encoded, done.shards) == (True, 30, 5)
    assert done.taken_over == 5 - len(Worker(1, 3).share(5))


def test_again_nothing_is_encoded_and_a_changed_row_alone(tmp_path: Path) -> None:
    feed = items(40)
    embed(tmp_path, feed, FakeEncoder())
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()}
    again = FakeEncoder()
    done = embed(tmp_path, feed, again)
    assert (again.num_calls, done.encoded, done.unchanged) == (0, 0, 40)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "shards").iterdir()} == before  # nor written
    changed = [Item("sku-00003", "quite another garment"), *feed[4:]]
    third = FakeEncoder()
    done = embed(tmp_path, changed, third, state="2")
    assert (third.num_items, done.encoded, done.unchanged) == (1, 1, 36)
    kept = stored(tmp_path)
    assert len(kept) == 41
    assert kept[hashed(feed[3]).vector_hash][0] == []  # kept for another day, and nobody's now
    embed(tmp_path, changed, third, state="2", prune=True)
    assert stored(tmp_path).keys() == {hashed(item).vector_hash for item in changed}


def test_a_picture_changed_under_its_name_is_noticed_though_the_table_is_the_same(tmp_path: Path) -> None:
    feed = items(10)
    embed(tmp_path, feed, FakeEncoder())
    feed[2] = Item("sku-00002", feed[2].title, np.full((8, 6, 3), 7, np.uint8))
    encoder = FakeEncoder()
    assert embed(tmp_path, feed, encoder).encoded == encoder.num_items == 1


def test_what_looks_the_same_is_encoded_once(tmp_path: Path) -> None:
    feed = [Item(f"size-{size}", "red dress", attributes={"size": size}) for size in range(12)] + items(3)
    encoder = FakeEncoder()
    done = embed(tmp_path, feed, encoder)
    assert (done.encoded, done.duplicates, encoder.num_items) == (4, 11, 4)
    assert stored(tmp_path)[hashed(feed[0]).vector_hash][0] == sorted(item.id for item in feed[:12])


def test_what_is_refused_is_listed_by_row_whoever_met_it(tmp_path: Path) -> None:
    feed = [*items(5), Item("empty", ""), Item("empty too", ""), *items(5, start=5), Item("torn", "\ud800")]
    lists = []
    for num_workers in (1, 2):
        folder = tmp_path / str(num_workers)
        for index in range(num_workers):
            done = embed(folder, feed, FakeEncoder(), Worker(index, num_workers), run={"take_over": False})
        lists.append((folder / "rejected.jsonl").read_text(encoding="utf-8"))
        assert (done.all_rejected, done.finished) == (3, True)
    assert lists[0] == lists[1]
    told = [json.loads(line) for line in lists[0].splitlines()]
    assert [(one["row"], one["id"]) for one in told] == [(6, "empty"), (7, "empty too"), (13, "torn")]
    assert "neither image nor text" in told[0]["reason"]


def test_an_error_in_the_middle_keeps_what_was_encoded(tmp_path: Path) -> None:
    class Breaking(FakeEncoder):
        def encode(self, items: Sequence[Item]) -> Embeddings:
            if self.num_calls == 3:
                raise KeyboardInterrupt
            return super().encode(items)

    with pytest.raises(KeyboardInterrupt):
        embed(tmp_path, items(40), Breaking(), part_rows=1000)
    assert len(stored(tmp_path)) == 21
    assert not list((tmp_path / "claims").iterdir())
    encoder = FakeEncoder()
    done = embed(tmp_path, items(40), encoder)
    assert (done.encoded, done.unchanged, encoder.num_items) == (19, 21, 19)


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    embed(tmp_path, items(40), FakeEncoder())
    good = files(tmp_path)
    path = next(iter(sorted((tmp_path / "shards").glob("*.parquet"))))
    data = bytearray(path.read_bytes())
    vector = pq.read_table(path).column("vector")[0].values.to_numpy().tobytes()
    data[data.index(vector) + 9] ^= 64
    path.write_bytes(data)
    with pytest.raises(EmbeddingError, match="checksum"):
        EmbeddingFolder(tmp_path, EmbeddingManifest.read(tmp_path)).read(path)
    lost = 40 - len(stored(tmp_path))
    assert lost
    assert len(ReadyVectors(tmp_path, FakeEncoder())) == 40 - lost
    assert embed(tmp_path, items(40), FakeEncoder()).encoded == lost
    assert files(tmp_path) == good


def test_a_claim_that_was_lost_is_not_published(tmp_path: Path) -> None:
    """The worker was asleep for long, and another one has its shard now."""

    class Sleeper(FakeEncoder):
        def encode(self, items: Sequence[Item]) -> Embeddings:
            (tmp_path / "claims" / "00000").write_text('{"worker": "heir"}', encoding="utf-8")
            return super().encode(items)

    done = embed(tmp_path, items(20), Sleeper(), num_shards=1, run={"take_over": False})
    assert (done.finished, done.waiting_for, done.shards) == (False, 1, 0)
    assert not (tmp_path / "rejected.jsonl").exists()
    assert len(stored(tmp_path)) == 20  # as parts, for the heir to find


def test_another_encoder_table_or_shape_is_refused(tmp_path: Path) -> None:
    embed(tmp_path, items(5), FakeEncoder())
    with pytest.raises(EncoderMismatch, match="another folder"):
        embed(tmp_path, items(5), FakeEncoder("other"))
    with pytest.raises(EncoderMismatch):
        ReadyVectors(tmp_path, FakeEncoder("other"))
    with pytest.raises(EmbeddingError, match="num_shards 5, not 6"):
        embed(tmp_path, items(5), FakeEncoder(), num_shards=6)
    with pytest.raises(EmbeddingError, match="precision float32, not float16"):
        embed(tmp_path, items(5), FakeEncoder(), precision="float16")
    with Leases(tmp_path / "claims") as other:
        other.claim("00001")
        with pytest.raises(EmbeddingError, match="another table"):
            embed(tmp_path, items(5), FakeEncoder(), state="2")
    with pytest.raises(EmbeddingError, match="modiste embed"):
        ReadyVectors(tmp_path / "nothing", FakeEncoder())
    (tmp_path / "embedding.json").write_text('{"format": 1, "encoder": 3}', encoding="utf-8")
    with pytest.raises(EmbeddingError, match="damaged"):
        embed(tmp_path, items(5), FakeEncoder())
    (tmp_path / "embedding.json").write_text('{"format": 2}', encoding="utf-8")
    with pytest.raises(EmbeddingError, match="upgrade"):
        embed(tmp_path, items(5), FakeEncoder())


def test_indexing_with_ready_vectors_is_indexing_without_the_encoder(tmp_path: Path) -> None:
    feed = items(50)
    embed(tmp_path / "vectors", feed, FakeEncoder())
    behind = FakeEncoder()
    ready = ReadyVectors(tmp_path / "vectors", behind)
    catalogues = []
    for name, encoder in (("ready", ready), ("plain", FakeEncoder())):
        catalogues.append(Catalogue.create(tmp_path / name, ENCODER_ID))
        assert catalogues[-1].ingest(iter(feed), encoder).added == 50
    assert (behind.num_calls, ready.taken, ready.encoded) == (0, 50, 0)
    one, other = (catalogue.snapshot() for catalogue in catalogues)
    assert [one.id(row) for row in range(50)] == [other.id(row) for row in range(50)]
    assert one.vectors.tobytes() == other.vectors.tobytes()
    query = ready.encode_query("red dress")
    found = [[(hit.item.id, hit.score) for hit in catalogue.search(query, k=50)] for catalogue in catalogues]
    assert found[0] == found[1]
    catalogues[0].ingest([*feed, *items(3, start=50)], ready)  # what is missing is encoded
    assert (behind.num_items, ready.encoded) == (3, 3)
    with pytest.raises(ValueError, match="neither"):
        ready.encode([feed[0], Item("empty", "")])


def test_half_precision_keeps_the_order_of_near_neighbours_and_unit_length(tmp_path: Path) -> None:
    feed = items(50)
    embed(tmp_path / "half", feed, FakeEncoder(), precision="float16")
    embed(tmp_path / "full", feed, FakeEncoder())
    sizes = [sum(len(data) for name, data in files(tmp_path / name).items() if name) for name in ("half", "full")]
    assert sizes[0] < 0.8 * sizes[1]
    vectors = ReadyVectors(tmp_path / "half", FakeEncoder()).encode(feed).vectors
    assert np.abs(vectors - FakeEncoder().encode(feed).vectors).max() < 1e-3
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_more_vectors_than_the_memory_should_hold_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = items(30)
    embed(tmp_path, feed, FakeEncoder())
    monkeypatch.setattr("modiste.engine.embedded._IN_MEMORY", 0)
    ready = ReadyVectors(tmp_path, FakeEncoder())
    assert isinstance(ready._vectors, np.memmap)
    assert np.array_equal(ready.encode(feed).vectors, FakeEncoder().encode(feed).vectors)


def test_shards_are_ranges_of_hashes() -> None:
    random = np.random.default_rng(0)
    hashes = sorted(random.bytes(16) for _ in range(2_000))
    for num_shards in (1, 7, 4096):
        shards = [shard_of(content, num_shards) for content in hashes]
        assert shards == sorted(shards)
        assert 0 <= shards[0] <= shards[-1] < num_shards
    counts = np.bincount([shard_of(content, 10) for content in hashes], minlength=10)
    assert counts.min() > 140
    assert (shard_of(b"\0" * 16, 9), shard_of(b"\xff" * 16, 9)) == (0, 8)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Worker(0, 1)),
        ({"RANK": "3", "WORLD_SIZE": "8"}, Worker(3, 8)),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Worker(1, 2)),
        ({"PMI_RANK": "0", "PMI_SIZE": "2"}, Worker(0, 2)),
        ({"SLURM_PROCID": "2", "SLURM_NTASKS": "4"}, Worker(2, 4)),
        ({"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_MIN": "5", "SLURM_ARRAY_TASK_COUNT": "4"}, Worker(2, 4)),
        ({"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_STEP": "2", "SLURM_ARRAY_TASK_COUNT": "4"}, Worker(2, 4)),
        (
            {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_PROCID": "1", "SLURM_NTASKS": "2"},
            Worker(3, 6),
        ),
    ],
)
def test_who_one_is_says_the_scheduler(environment: dict[str, str], expected: Worker) -> None:
    assert worker_of("", environment) == expected
    assert worker_of("1/9", environment) == Worker(1, 9)


def test_who_one_cannot_be() -> None:
    for wrong in ("2/2", "1", "-1/2", "1/0"):
        with pytest.raises(ValueError, match="worker"):
            worker_of(wrong, {})
    with pytest.raises(ValueError, match="RANK"):
        worker_of("", {"RANK": "first", "WORLD_SIZE": "2"})
    assert sorted(shard for i in range(3) for shard in Worker(i, 3).share(8)) == list(range(8))
