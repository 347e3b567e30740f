"""Claims: one holder at a time, and heirs for the dead."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from modiste.engine import leases as module
from modiste.engine.leases import Leases

FEVER = 0.25  # seconds after which these workers count as dead


@pytest.fixture
def far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each worker were on another machine: only heartbeats tell."""
    machines = itertools.count()
    monkeypatch.setattr(module, "_machine", lambda: f"machine {next(machines)}")


def test_a_claim_has_one_holder_until_it_is_given_back(tmp_path: Path) -> None:
    with Leases(tmp_path) as one, Leases(tmp_path) as other:
        assert one.claim("a")
        assert one.claim("a")  # once more by the same one
        assert not other.claim("a")
        assert other.claim("b")
        assert (one.holds("a"), other.holds("a"), one.holds("b")) == (True, False, False)
        assert (one.others("abc"), other.others("abc")) == (["b"], ["a"])
        other.release("a")  # not its own
        assert one.holds("a")
        one.release("a")
        assert other.claim("a")
    assert not list(tmp_path.iterdir())


def test_of_many_that_try_one_gets_it(tmp_path: Path) -> None:
    winners = []
    with Leases(tmp_path) as dead:
        dead.claim("a")
        claim = (tmp_path / "a").read_text(encoding="utf-8")
    (tmp_path / "a").write_text(claim.replace(f'"pid": {os.getpid()}', f'"pid": {_ended_process()}'), encoding="utf-8")

    def try_it() -> None:
        with Leases(tmp_path) as mine:
            start.wait()
            if mine.claim("a"):
                winners.append(mine.worker)
            end.wait()

    start, end = threading.Barrier(6), threading.Barrier(6)
    threads = [threading.Thread(target=try_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 1


def _ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.usefixtures("far_apart")
def test_on_other_machines_only_a_heart_that_stands_still_counts(tmp_path: Path) -> None:
    with Leases(tmp_path, seconds=FEVER) as alive, Leases(tmp_path, seconds=FEVER) as heir:
        assert alive.claim("a")
        until = time.monotonic() + 4 * FEVER
        while time.monotonic() < until:
            if heir.claim("a"):  # on a machine that is so busy that a heart stops for so long, that is right
                pytest.skip("this machine stood still")
            time.sleep(FEVER / 10)
        alive._ended.set()  # the process is stopped, or its machine has gone
        alive._heart.join()
        assert not heir.claim("a")  # it has just been seen
        until = time.monotonic() + 60
        while not heir.claim("a") and time.monotonic() < until:
            time.sleep(FEVER / 10)
        assert heir.holds("a")
        assert not alive.holds("a")  # which it can see when it wakes
        alive.release("a")
        assert heir.holds("a")


@pytest.mark.usefixtures("far_apart")
def test_a_claim_cut_short_in_its_making_is_inherited_too(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with Leases(tmp_path, seconds=FEVER) as heir:
        assert not heir.claim("a")
        until = time.monotonic() + 60
        while not heir.claim("a") and time.monotonic() < until:
            time.sleep(FEVER / 10)
        assert heir.holds("a")


def test_a_lease_lasts_some_time() -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        Leases(Path("nowhere"), seconds=0)
