"""A catalogue that is served while another process writes: a version at a time, whole, and only when it is ready."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from modiste.engine.catalogue import Catalogue
from modiste.engine.errors import CatalogueError
from modiste.engine.snapshot import Snapshot
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
