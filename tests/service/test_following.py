"""A catalogue that is served while another process writes: a version at a time, whole, and only when it is ready."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from modiste.engine.catalogue import Catalogue
from modiste.engine.errors import CatalogueError
from modiste.engine.snapshot import Snapshot
from modiste.service.background import Background
from modiste.service.following import FollowedCatalogue, Follower


@pytest.fixture
def folder(catalogue: Path, tmp_path: Path) -> Path:
    """A copy of the catalogue, to be written to."""
    found = tmp_path / "shop"
    shutil.copytree(catalogue, found)
    return found


def test_what_is_served_changes_when_the_next_version_is_ready(folder: Path) -> None:
    store = FollowedCatalogue.open(folder)
    held = store.snapshot()
    assert Catalogue.open(folder).delete(["atelier-000003"]) == 1
    assert store.snapshot() is held
    assert len(store) == 120
    assert store.image("atelier-000003")  # the version that is served is whole, pictures too
    found = store.newer()
    assert found is not None
    assert (len(found), len(store)) == (119, 120)
    store.publish(found)
    assert len(store) == 119
    assert store.newer() is None


def test_the_follower_takes_each_version_once(folder: Path) -> None:
    store = FollowedCatalogue.open(folder)
    store.snapshot()
    taken: list[Snapshot] = []

    def take(snapshot: Snapshot) -> None:
        taken.append(snapshot)
        store.publish(snapshot)

    follower = Follower(store, take)
    assert not follower.look()
    for n in range(3):
        Catalogue.open(folder).delete([f"atelier-{n:06d}"])
        assert follower.look()
        assert not follower.look()
    assert [len(one) for one in taken] == [119, 118, 117]


def test_a_version_that_cannot_be_made_ready_is_not_served(folder: Path) -> None:
    store = FollowedCatalogue.open(folder)
    store.snapshot()

    def fail(snapshot: Snapshot) -> None:
        raise CatalogueError("damaged")

    follower = Follower(store, fail)
    Catalogue.open(folder).delete(["atelier-000001"])
    with pytest.raises(CatalogueError):
        follower.look()
    assert len(store) == 120


def test_photos_are_kept_within_bounds_and_by_version(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modiste.service import limits
    from modiste.service.pictures import Pictures

    store = FollowedCatalogue.open(folder)
    pictures = Pictures(store)
    read: list[str] = []
    stored = store.image

    def image(item_id: str) -> bytes | None:
        read.append(item_id)
        return stored(item_id)

    monkeypatch.setattr(store, "image", image)
    monkeypatch.setattr(limits, "CACHED_PICTURES", 3)
    ids = [f"atelier-{n:06d}" for n in range(4)]
    for one in (*ids, ids[3], ids[0]):
        assert pictures.get(one, small=True).data.startswith(b"\xff\xd8\xff")
    assert read == [*ids, ids[0]]  # the fourth was kept, the first had to go
    assert pictures.get(ids[0], small=False).data == stored(ids[0])
    Catalogue.open(folder).delete([ids[1]])
    newer = store.newer()
    assert newer is not None
    store.publish(newer)
    before = len(read)
    pictures.get(ids[0], small=True)
    assert len(read) == before + 1
    monkeypatch.setattr(limits, "CACHED_PICTURE_BYTES", 1)
    pictures.get(ids[2], small=True)
    assert not pictures._kept
    assert pictures._bytes == 0


def test_a_thread_without_work_cannot_be_made() -> None:
    class Idle(Background):
        pass

    with pytest.raises(TypeError, match="_run"):
        Idle("idle")  # type: ignore[abstract]
