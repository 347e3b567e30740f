"""What is killed, and what must hold after it: one class for each thing that the product writes.

Each has `prepare` (made once), `work` (one turn, killed or not; begun again it goes on), `held` (what must be true after a
kill: it raises where something acknowledged is lost, or half of something is read), and `done` (what an uninterrupted turn
leaves). All run in children. The fakes are those of the tests: an encoder of words and colours, a toy that trains in a second.
"""
# ruff: noqa: E402 (the tests' fakes are found by a path that is made first)

from __future__ import annotations

import csv
import io
import sys
import warnings
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import numpy as np

_TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(_TESTS / "engine"))

from engine_fakes import FakeEncoder, item
from PIL import Image
from taste_fakes import make_tastes

import modiste.service.workbench as workbench
from killing import Log
from modiste.data.images import decode
from modiste.engine.attached import attach_tastes, attached_tastes
from modiste.engine.backup import backup, restore
from modiste.engine.calibration import Calibration
from modiste.engine.catalogue import Catalogue
from modiste.engine.clicks import ClickBook
from modiste.engine.photo_features import PhotoFeatures
from modiste.engine.rows import hashed, with_image
from modiste.engine.tastes import FoldIn, Tastes, load_tastes, save_tastes
from modiste.service.job_child import Child
from modiste.service.jobs import ENDED, JobOptions, JobStore
from modiste.service.keys import KeyFile
from modiste.service.table_ingest import ingest_table
from modiste.types import EncoderId, ImageLike, Item

warnings.filterwarnings("ignore", message="lancedb fork support")
ENCODER = FakeEncoder()
Rows = Mapping[str, tuple[Any, ...]]


class Job(Protocol):
    name: str

    def prepare(self, folder: Path) -> None: ...
    def work(self, folder: Path, turn: int, log: Log) -> None: ...
    def held(self, folder: Path, turn: int, acknowledged: Sequence[str]) -> None: ...
    def done(self, folder: Path, turn: int) -> None: ...


def stored(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Every row of a catalogue as one comparable value, all of it compared with its checksums first."""
    store = Catalogue.open(folder)
    store.verify()
    rows = {}
    for batch in store.snapshot().pinned.scan(("id", "title", "attributes", "image", "content_hash", "vector")):
        for one in batch.to_pylist():
            vector = np.array(one["vector"], np.float32).tobytes()
            rows[one["id"]] = (one["title"], one["attributes"], one["image"], one["content_hash"], vector)
    return rows


def expected(items: Sequence[Item]) -> dict[str, tuple[Any, ...]]:
    """The rows of a feed without any store."""
    rows = {}
    for one in items:
        row, vector = with_image(hashed(one), one, "thumbnail"), ENCODER.encode([one]).vectors[0].tobytes()
        rows[one.id] = (row.values["title"], row.values["attributes"], row.values["image"], row.content_hash, vector)
    return rows


class Ingest:
    """A feed that changes: new items, changed ones, and some that are gone."""

    name = "ingest"
    count = 40

    def prepare(self, folder: Path) -> None:
        pass

    def feed(self, turn: int) -> list[Item]:
        return [item(number, version=turn) for number in range(5 * turn, 5 * turn + self.count)] if turn >= 0 else []

    def work(self, folder: Path, turn: int, log: Log) -> None:
        Catalogue.open_or_create(folder / "shop", ENCODER.id).ingest(
            self.feed(turn), ENCODER, batch_size=10, commit_rows=10, prune=True, keep_versions=timedelta(0),
            progress=lambda state: log.add(*state.committed),
        )  # fmt: skip

    def held(self, folder: Path, turn: int, acknowledged: Sequence[str]) -> None:
        new, old = expected(self.feed(turn)), expected(self.feed(turn - 1))
        found = stored(folder / "shop") if Catalogue.is_at(folder / "shop") else {}
        for one in acknowledged:
            assert found.get(one) == new[one], f"{one} was acknowledged, and is not there"
        for one, row in found.items():
            assert row in (new.get(one), old.get(one)), f"{one} is half written"
        assert found.keys() >= old.keys() & new.keys(), "an item that was there is gone"
        written = sum(row == new.get(one) for one, row in found.items())
        assert written % 10 == 0, "a batch was read in part"

    def done(self, folder: Path, turn: int) -> None:
        assert stored(folder / "shop") == expected(self.feed(turn))


class Compaction:
    """Few rows in, few out, files merged, old versions dropped."""

    name = "delete and compact"

    def prepare(self, folder: Path) -> None:
        Catalogue.create(folder / "shop", ENCODER.id).ingest(self.state(-1), ENCODER, commit_rows=10, batch_size=10)

    def state(self, turn: int) -> list[Item]:
        """After a turn: 40 items, some in a later version, and one that the turn before had not."""
        versions = {number: max([0, *(t for t in range(turn + 1) if t % 40 == number)]) for number in range(40)}
        return [*(item(n, version=v) for n, v in versions.items()), item(1_000 + turn)]

    def work(self, folder: Path, turn: int, log: Log) -> None:
        store = Catalogue.open(folder / "shop")
        store.upsert([item(turn % 40, version=turn), item(1_000 + turn)], ENCODER)
        log.add("written")
        store.delete([item(1_000 + turn - 1).id])
        log.add("deleted")
        store.compact(keep_versions=timedelta(0))

    def held(self, folder: Path, turn: int, acknowledged: Sequence[str]) -> None:
        old, new = expected(self.state(turn - 1)), expected(self.state(turn))
        allowed = [old, old | new, new][min(2, len(acknowledged)) :]
        assert stored(folder / "shop") in allowed, f"not a state there was, after {acknowledged}"

    def done(self, folder: Path, turn: int) -> None:
        assert stored(folder / "shop") == expected(self.state(turn))


class MeanColours:
    """Describes a photo by its mean colour and its first pixel."""

    id = EncoderId("means", "6" * 64, 6)

    def features(self, photos: Sequence[ImageLike]) -> np.ndarray:
        pixels = [decode(photo) for photo in photos]
        return np.array([[*one.mean(axis=(0, 1)), *one[0, 0]] for one in pixels], np.float16).reshape(-1, 6)

    def compare(self, query: np.ndarray, features: np.ndarray) -> np.ndarray:
        return -np.abs(features.astype(np.float32) - query.astype(np.float32)).sum(axis=1)


class ExactFeatures:
    """Features of photos, brought up to date after some photos have changed."""

    name = "exact features"

    def prepare(self, folder: Path) -> None:
        store = Catalogue.create(folder / "shop", ENCODER.id, store_images="original")
        store.ingest([item(number) for number in range(30)], ENCODER)

    def work(self, folder: Path, turn: int, log: Log) -> None:
        store = Catalogue.open(folder / "shop")
        store.upsert([item((10 * turn + at) % 30, version=turn) for at in range(10)], ENCODER)
        comparer = MeanColours()
        if PhotoFeatures.is_at(store.folder):
            found = PhotoFeatures.open(store.folder)
        else:
            found = PhotoFeatures.create(store, comparer.id, "means")
        found.update(store, comparer, batch_size=5, commit_rows=5)

    def held(self, folder: Path, turn: int, acknowledged: Sequence[str]) -> None:
        store = Catalogue.open(folder / "shop")
        if PhotoFeatures.is_at(store.folder):
            self._known(store)

    def _known(self, store: Catalogue) -> int:
        found, ids = PhotoFeatures.open(store.folder), store.snapshot().ids.to_pylist()
        found.verify()
        known, rows = found.find(store.snapshot(), ids)
        photos = [store.image(one) for one, there in zip(ids, known, strict=True) if there]
        wanted = MeanColours().features([photo for photo in photos if photo is not None])
        assert np.array_equal(rows, wanted), "features of another photo"
        return int(known.sum())

    def done(self, folder: Path, turn: int) -> None:
        assert self._known(Catalogue.open(folder / "shop")) == 30


class Clicks:
    """Clicks one by one and a table of them, and somebody who is forgotten."""

    name = "clicks"

    def prepare(self, folder: Path) -> None:
        pass

    def work(self, folder: Path, turn: int, log: Log) -> None:
        book = ClickBook(folder)
        for number in range(4):
            book.add(f"user-{turn}", look=f"look-{number}")
            log.add(f"look-{number}")
        book.add_all([(f"table-{turn}", f"look-{number}", "") for number in range(20)])
        log.add("table")
        book.forget(f"table-{turn - 1}")
        log.add("forgotten")
        book.close()

    def held(self, folder: Path, turn: int, acknowledged: Sequence[str]) -> None:
        book = ClickBook(folder)
        book.verify()
        found = {one.look for one in book.of(f"user-{turn}")}
        assert found >= set(acknowledged) - {"table", "forgotten"}, "an acknowledged click is lost"
        table, before = len(book.of(f"table-{turn}")), len(book.of(f"table-{turn - 1}"))
        assert table in (0, 20), "a table was taken in part"
        assert before in (0, 20), "somebody is forgotten in part"
        assert table == 20 or "table" not in acknowledged
        if "forgotten" in acknowledged:
            assert not before
            assert f"table-{turn - 1}".encode() not in b"".join(one.read_bytes() for one in folder.glob("clicks*"))
        for earlier in range(turn):
            assert len(book.of(f"user-{earlier}")) == 4, "clicks of an earlier turn are lost"
        book.close()

    def done(self, folder: Path, turn: int) -> None:
        self.held(folder, turn, [*(f"look-{number}" for number in range(4)), "table", "forgotten"])


class AttachedTastes:
    """Trained tastes, and others in their place."""

    name = "tastes"

    def prepare(self, folder: Path) -> None:
        Catalogue.create(folder / "shop", ENCODER.id)
        for at in (0, 1):
            save_tastes(folder / f"tastes-{at}", self._tastes(at))

    def _tastes(self, at: int) -> Tastes:
        one = make_tastes()
        users = (one.users * (1 + at)).astype(np.float32)
        fold = FoldIn(one.fold.sources, one.fold.item_sources, one.fold.start)
        return Tastes(one.user_ids, one.outfit_ids, one.item_ids, users, one.outfits, one.items, fold, f"tastes {at}")

    def work(self, folder: Path, turn: int, log: Log) -> None:
        attach_tastes(folder / "shop", folder / f"tastes-{turn % 2}")
        log.add("attached")

    def held(self, folder: Path, turn: int, acknowledged: Sequence[str]) -> None:
        found = attached_tastes(folder / "shop")
        if found is None:
            assert turn == 0
            assert not acknowledged
            return
        assert found.tastes.name == f"tastes {turn % 2}" or not acknowledged
        whole = load_tastes(folder / f"tastes-{found.tastes.name[-1]}")
        assert np.array_equal(found.tastes.users, whole.users)

    def done(self, folder: Path, turn: int) -> None:
        self.held(folder, turn, ["attached"])


class ServiceJob:
    """A table that was handed to the service, in the process that does its jobs."""

    name = "service job"

    def prepare(self, folder: Path) -> None:
        Catalogue.create(folder / "shop", ENCODER.id)
        for number in range(20):
            Image.fromarray(np.asarray(item(number).image)).save(folder / f"{number}.png")

    def table(self, turn: int) -> bytes:
        stream = io.StringIO()
        writer = csv.writer(stream)
        writer.writerow(["id", "title", "category", "image", "price"])
        writer.writerows([f"sku-{n}", f"shirt {n} v{turn}", "Shirt", f"{n}.png", str(10 + turn)] for n in range(20))
        writer.writerow(["bad", "", "", "", "x"])
        return stream.getvalue().encode()

    def work(self, folder: Path, turn: int, log: Log) -> None:
        jobs = JobStore(folder / "shop" / "jobs")
        job = next((one for one in jobs.all() if one.options.name == f"{turn}.csv"), None)
        if job is None:
            job = jobs.add(io.BytesIO(self.table(turn)), JobOptions(f"{turn}.csv"))
        log.add(job.id)
        if job.state()["status"] in ENDED:
            return
        workbench.load_encoder = lambda store, setup: ENCODER  # type: ignore[assignment, return-value]
        with job.running():
            Child(folder / "shop", job, "", folder).run()
        log.add("ended")

    def held(self, folder: Path, turn: int, acknowledged: Sequence[str]) -> None:
        jobs = {one.id: one for one in JobStore(folder / "shop" / "jobs").all()}
        assert not acknowledged or acknowledged[0] in jobs, "a job that was queued is lost"
        for job in jobs.values():
            assert job.state()["status"] in ("queued", "running", "done"), job.state()
        if "ended" in acknowledged:
            assert jobs[acknowledged[0]].state()["status"] == "done"
        titles = {row[0] for row in stored(folder / "shop").values()}
        assert titles <= {f"shirt {n} v{at}" for n in range(20) for at in (turn - 1, turn)}, "half a row"

    def done(self, folder: Path, turn: int) -> None:
        job = next(one for one in JobStore(folder / "shop" / "jobs").all() if one.options.name == f"{turn}.csv")
        state = job.state()
        assert (state["status"], state["report"]["rejected"], job.table) == ("done", 1, None), state
        (folder / "table.csv").write_bytes(self.table(turn))
        whole = folder / f"uninterrupted-{turn}"
        ingest_table(folder / "table.csv", whole, ENCODER, report_file=folder / "rejected.jsonl")  # type: ignore[arg-type]
        assert stored(folder / "shop") == stored(whole)


class SmallFiles:
    """Keys and a calibration."""

    name = "keys and calibration"

    def prepare(self, folder: Path) -> None:
        pass

    def work(self, folder: Path, turn: int, log: Log) -> None:
        keys = KeyFile(folder / "keys.json")
        if not any(one.name == f"key-{turn}" for one in keys.read()[0]):
            keys.add(f"key-{turn}")
        log.add(f"key-{turn}")
        Calibration(scorer=f"scorer-{turn}").save(folder / "calibration.json")
        log.add("calibrated")

    def held(self, folder: Path, turn: int, acknowledged: Sequence[str]) -> None:
        names = {one.name for one in KeyFile(folder / "keys.json").read()[0]}
        assert names >= {f"key-{earlier}" for earlier in range(turn)} | (set(acknowledged) - {"calibrated"})
        if (folder / "calibration.json").exists():
            scorer = Calibration.load(folder / "calibration.json").scorer
            assert scorer in (
                [f"scorer-{turn}"] if "calibrated" in acknowledged else [f"scorer-{turn}", f"scorer-{turn - 1}"]
            )

    def done(self, folder: Path, turn: int) -> None:
        self.held(folder, turn, [f"key-{turn}", "calibrated"])


class Backups:
    """A backup of a catalogue, and a catalogue of a backup."""

    name = "backup and restore"

    def prepare(self, folder: Path) -> None:
        store = Catalogue.create(folder / "shop", ENCODER.id)
        store.ingest([item(number) for number in range(30)], ENCODER, commit_rows=10, batch_size=10)
        ClickBook(store.folder).add("anna", look="l-1")

    def work(self, folder: Path, turn: int, log: Log) -> None:
        saved, again = folder / f"{turn}.tar", folder / f"again-{turn}"
        if not saved.exists():
            backup(folder / "shop", saved)
        log.add("saved")
        if not again.exists():
            restore(saved, again)
        log.add("restored")

    def held(self, folder: Path, turn: int, acknowledged: Sequence[str]) -> None:
        whole = stored(folder / "shop")
        saved, again = folder / f"{turn}.tar", folder / f"again-{turn}"
        assert saved.exists() or not acknowledged
        assert again.exists() or "restored" not in acknowledged
        if again.exists():
            assert stored(again) == whole
            assert len(ClickBook(again).of("anna")) == 1
        elif saved.exists():
            restore(saved, folder / f"looked-at-{turn}-{len(list(folder.iterdir()))}")

    def done(self, folder: Path, turn: int) -> None:
        self.held(folder, turn, ["saved", "restored"])


JOBS: tuple[Job, ...] = (
    *(Ingest(), Compaction(), ExactFeatures()),
    *(Clicks(), AttachedTastes(), ServiceJob(), SmallFiles(), Backups()),
)
