"""A backup is one whole version whatever is being written, and comes back as it was or not at all."""

from __future__ import annotations

import io
import stat
import tarfile
import threading
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from engine_fakes import FakeEncoder, item
from taste_fakes import make_shop, make_tastes

from modiste.engine import backup as module
from modiste.engine.attached import attach_tastes, attached_tastes
from modiste.engine.backup import backup, restore
from modiste.engine.calibration import Calibration
from modiste.engine.catalogue import Catalogue
from modiste.engine.check import check
from modiste.engine.clicks import ClickBook
from modiste.engine.errors import CatalogueError
from modiste.engine.tastes import save_tastes

ENCODER = FakeEncoder()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A catalogue with all that can lie beside it."""
    folder = make_shop(tmp_path / "shop").folder
    ClickBook(folder).add_all([("anna", "red-1", ""), ("eve", "", "blue-bag-2")])
    attach_tastes(folder, save_tastes(tmp_path / "tastes", make_tastes()))
    Calibration(scorer="rules").save(folder / "calibration.json")
    (folder / "jobs" / "1").mkdir(parents=True)
    (folder / "jobs" / "1" / "table.csv").write_text("waits")
    return folder


def answers(folder: Path) -> list[list[tuple[str, float, bytes | None]]]:
    store = Catalogue.open(folder)
    return [
        [(hit.item.id, hit.score, hit.item.image) for hit in store.search(ENCODER.encode_query(text), 20, images=True)]  # type: ignore[misc]
        for text in ("red shirt", "blue bag", "sneakers 3")
    ]


def test_what_comes_back_answers_alike(shop: Path, tmp_path: Path) -> None:
    store = Catalogue.open(shop)
    store.delete(["red-bag-0"])
    saved = backup(shop, tmp_path)
    assert saved.path.name.startswith("shop-")
    assert stat.S_IMODE(saved.path.stat().st_mode) == 0o600
    done = restore(saved.path, tmp_path / "again")
    assert (done.files, done.version) == (saved.files - 1, store.snapshot().version)  # the list itself is no file of it
    assert answers(tmp_path / "again") == answers(shop)
    assert list(ClickBook(tmp_path / "again").every()) == list(ClickBook(shop).every())
    was, now = attached_tastes(shop), attached_tastes(tmp_path / "again")
    assert was is not None
    assert now is not None
    assert (now.sha256, now.last_click) == (was.sha256, was.last_click)
    parts = list(check(tmp_path / "again"))
    assert [one.part for one in parts] == ["items", "clicks.sqlite", "tastes.json", "looks.jsonl", "calibration.json"]
    assert all(one.sound for one in parts)
    assert not (tmp_path / "again" / "jobs").exists()
    Catalogue.open(tmp_path / "again").upsert([item(1)], ENCODER)  # and is written to as any other


def test_a_backup_while_items_are_written_is_one_version(tmp_path: Path) -> None:
    store = Catalogue.create(tmp_path / "shop", ENCODER.id)
    store.ingest([item(number, price=0) for number in range(60)], ENCODER)
    stop, prices = threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            prices.append(prices[-1] + 1)
            store.ingest([item(number, price=prices[-1]) for number in range(60)], ENCODER, batch_size=60)
            if prices[-1] % 2 == 0:
                store.compact(keep_versions=timedelta(0))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            before = prices[-1]
            saved = backup(tmp_path / "shop", tmp_path / f"{number}.tar")
            again = Catalogue.open(restore(saved.path, tmp_path / f"again-{number}").path)
            found = {hit.item.attributes["price"] for hit in again.search(ENCODER.encode_query("red dress"), 60)}
            assert len(again) == again.verify() == 60
            assert len(found) == 1
            assert before - 1 <= found.pop() <= prices[-1]
    finally:
        stop.set()
        writer.join()


def test_a_file_that_is_gone_for_a_moment_is_waited_for(shop: Path, tmp_path: Path) -> None:
    """As while a writer has dropped files and not yet sealed what is left."""
    victim = max((shop / "items.lance" / "data").iterdir(), key=lambda path: path.stat().st_size)
    aside = victim.with_name("aside")
    with Catalogue.open(shop).writing():  # so that no backup can seal anew
        victim.rename(aside)
        back = threading.Timer(0.3, lambda: aside.rename(victim))
        back.start()
        try:
            saved = backup(shop, tmp_path / "one.tar")
        finally:
            back.join()
    assert len(Catalogue.open(restore(saved.path, tmp_path / "again").path)) == 48


def test_nothing_is_overwritten(shop: Path, tmp_path: Path) -> None:
    saved = backup(shop, tmp_path / "one.tar").path
    with pytest.raises(ValueError, match=r"one\.tar is there already"):
        backup(shop, saved)
    with pytest.raises(ValueError, match="shop is there already"):
        restore(saved, shop)
    with pytest.raises(ValueError, match="lies in the catalogue"):
        backup(shop, shop / "one.tar")
    with pytest.raises(CatalogueError, match="no catalogue at"):
        backup(tmp_path / "nowhere", tmp_path / "two.tar")
    with pytest.raises(ValueError, match=r"none\.tar: no such file"):
        restore(tmp_path / "none.tar", tmp_path / "again")
    (tmp_path / "empty").mkdir()
    assert len(Catalogue.open(restore(saved, tmp_path / "empty").path)) == 48


def test_a_damaged_store_is_not_saved(shop: Path, tmp_path: Path) -> None:
    victim = max((shop / "items.lance" / "data").iterdir(), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 3] ^= 4
    victim.write_bytes(data)
    with pytest.raises(CatalogueError, match=f"{victim.name} is damaged"):
        backup(shop, tmp_path / "one.tar")
    assert not (tmp_path / "one.tar").exists()


def test_every_cut_and_every_flip_is_noticed(shop: Path, tmp_path: Path) -> None:
    whole = backup(shop, tmp_path / "one.tar").path.read_bytes()
    rng, spoilt = np.random.default_rng(0), tmp_path / "spoilt.tar"
    wanted, passed, told = answers(shop), 0, list[str]()
    for attempt in range(12):
        data = bytearray(whole)
        if attempt < 4:
            data = data[: int(rng.integers(len(data) - 20_000))]  # its last blocks are only zeros
        else:
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        spoilt.write_bytes(data)
        target = tmp_path / f"again-{attempt}"
        try:
            restore(spoilt, target)
        except ValueError as error:
            told.append(str(error))
            assert not target.exists()
        else:  # padding, or the time of a file in the archive
            passed += 1
            assert answers(target) == wanted
    assert all("spoilt.tar" in one or "again-" in one for one in told)
    assert passed <= 4
    assert not list(tmp_path.glob(".again*"))


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "a/../../evil", "a\\evil", "c:evil", ".modiste.lock", "a//evil", "a\nevil", "", "link"]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with tarfile.open(tmp_path / "bad.tar", "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 4
        if name == "link":
            member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0
        archive.addfile(member, io.BytesIO(b"evil"))
    with pytest.raises(ValueError, match=r"bad\.tar.* is no (file of a )?backup|bad\.tar.*cut short"):
        restore(tmp_path / "bad.tar", tmp_path / "deep" / "again")
    assert not list(tmp_path.rglob("*evil*"))
    assert not (tmp_path / "deep" / "again").exists()


def test_an_archive_larger_than_the_disk_is_refused(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = backup(shop, tmp_path / "one.tar").path
    usage = module.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage._replace(free=1_000))
    with pytest.raises(ValueError, match="more than the 1,000 bytes that are free"):
        restore(saved, tmp_path / "again")
    assert not (tmp_path / "again").exists()
