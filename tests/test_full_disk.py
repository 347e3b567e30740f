"""A disk that fills up, or may only be read: one error that names the folder, nothing lost, and on again when there is room.

On a disk of four megabytes in memory, which only root may mount; elsewhere these tests are skipped.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "engine"))

from engine_fakes import FakeEncoder, item, items

from modiste.engine.backup import backup
from modiste.engine.catalogue import Catalogue
from modiste.engine.clicks import ClickBook
from modiste.engine.errors import CatalogueError
from modiste.files import write_atomically
from modiste.service.keys import KeyFile

ENCODER = FakeEncoder()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The small disk, empty."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "modiste-test", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """A file that leaves no room."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))
    return path


def test_everything_that_is_written_stops_cleanly_and_goes_on(disk: Path) -> None:
    store = Catalogue.create(disk / "shop", ENCODER.id)
    store.ingest(items(40), ENCODER)
    book, keys = ClickBook(store.folder), KeyFile(store.folder / "keys.json")
    book.add("anna", look="l-1")
    key = keys.add("storefront")
    filler = fill(disk)

    for call in (
        lambda: store.ingest([item(number, version=1) for number in range(60)], ENCODER),
        lambda: store.delete(["sku-00001"]),
        lambda: store.compact(),
        lambda: [book.add("anna", look=f"look-{number}" * 10) for number in range(2_000)],
        lambda: keys.add("another"),
        lambda: backup(store.folder, disk / "one.tar"),
        lambda: write_atomically(disk / "page.html", b"x" * 10_000),
    ):
        with pytest.raises((CatalogueError, OSError), match=r"no space is left|No space left") as raised:
            call()
        assert str(disk) in str(raised.value)
        assert "delete" not in str(raised.value)  # nobody is told to throw away what is whole

    reader = Catalogue.open(store.folder)
    assert reader.verify() == 40
    assert reader.get("sku-00003").title == item(3).title
    assert "l-1" in {one.look for one in ClickBook(store.folder).of("anna")}
    assert [one.name for one in keys.read()[0]] == ["storefront"]
    assert key.startswith("mk_")
    assert not (disk / "one.tar").exists()
    assert not (disk / "page.html").exists()

    filler.unlink()
    assert store.ingest([item(number, version=1) for number in range(60)], ENCODER).encoded == 60
    assert Catalogue.open(store.folder).verify() == 60
    book.add("anna", look="l-2")
    keys.add("another")
    assert backup(store.folder, disk / "one.tar").path.exists()


def test_a_checkpoint_that_does_not_fit_leaves_the_last_one(disk: Path) -> None:
    torch = pytest.importorskip("torch")
    from modiste.training.checkpoint import latest_checkpoint, save_checkpoint

    first = save_checkpoint(disk / "run", 1, {"model": {"w": torch.zeros(1000)}}, {})
    filler = fill(disk)
    with pytest.raises(OSError, match=r"no space is left|No space left"):
        save_checkpoint(disk / "run", 2, {"model": {"w": torch.zeros(200_000)}}, {})
    assert latest_checkpoint(disk / "run") == first
    filler.unlink()
    assert latest_checkpoint(save_checkpoint(disk / "run", 2, {"model": {"w": torch.zeros(9)}}, {}).parent) != first


def test_a_folder_that_may_only_be_read_is_searched_and_not_written(disk: Path) -> None:
    store = Catalogue.create(disk / "shop", ENCODER.id)
    store.ingest(items(20), ENCODER)
    del store
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    reader = Catalogue.open(disk / "shop")
    assert len(reader.search(ENCODER.encode_query("red dress"), 5)) == 5
    assert reader.verify() == 20
    for call in (
        lambda: reader.ingest(items(30), ENCODER),
        lambda: reader.delete(["sku-00001"]),
        lambda: ClickBook(disk / "shop").add("anna", look="l-1"),
        lambda: Catalogue.create(disk / "other", ENCODER.id),
    ):
        with pytest.raises(CatalogueError, match=r"cannot be (written|made|read or written)") as raised:
            call()
        assert str(disk) in str(raised.value)
