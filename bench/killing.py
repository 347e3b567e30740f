"""A process that is killed at a chosen moment: at its n-th write, or after so many seconds.

Work runs in a child that is forked from here, where everything is imported already and nothing is running yet. Its writes are
counted by replacing, in the child alone, the functions through which files appear, move and go, commits of the table and of
the clicks included; at the n-th the child sends itself SIGKILL, before the call, after it, or for a commit while it runs.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sqlite3
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Phase = Literal["before", "within", "after"]
PHASES: tuple[Phase, ...] = ("before", "within", "after")
_WITHIN_SECONDS = 0.03  # at most, into a commit


class Died(RuntimeError):
    """A child that ended by itself, and badly."""


@dataclass(frozen=True, slots=True)
class Kill:
    """When a child dies: at the write of this number, counted from 1, or `seconds` after it has begun."""

    write: int = 0
    phase: Phase = "before"
    seconds: float | None = None
    seed: int = 0


class WritePoints:
    """Counts this process's writes, and ends it at one of them."""

    def __init__(self, kill: Kill) -> None:
        self.kill = kill
        self.names: list[str] = []
        self._lock = threading.Lock()

    def replace_all(self) -> None:
        for name in ("replace", "rename", "fsync", "mkdir", "unlink", "rmdir", "chmod"):
            setattr(os, name, self._counted(f"os.{name}", getattr(os, name)))
        connect, points = sqlite3.connect, self

        class Counting(sqlite3.Connection):
            def execute(self, query: str, *values: Any) -> sqlite3.Cursor:  # type: ignore[override]
                if query.startswith(("INSERT", "DELETE", "COMMIT", "PRAGMA wal_checkpoint", "BEGIN")):
                    return points.at(
                        f"clicks {query.split()[0]}", lambda: super(Counting, self).execute(query, *values)
                    )
                return super().execute(query, *values)

            def executemany(self, query: str, values: Any) -> sqlite3.Cursor:  # type: ignore[override]
                return points.at("clicks INSERT many", lambda: super(Counting, self).executemany(query, values))

        sqlite3.connect = lambda *given, **named: connect(*given, factory=Counting, **named)  # type: ignore[assignment]
        from lancedb.db import LanceDBConnection
        from lancedb.merge import LanceMergeInsertBuilder
        from lancedb.table import LanceTable

        for owner, name in (
            (LanceMergeInsertBuilder, "execute"),
            (LanceTable, "delete"),
            (LanceTable, "optimize"),
            (LanceDBConnection, "create_table"),
        ):
            setattr(owner, name, self._counted(f"table {name}", getattr(owner, name)))
        if "modiste.training.checkpoint" in sys.modules:
            checkpoint: Any = sys.modules["modiste.training.checkpoint"]
            checkpoint.save_file = self._counted("save_file", checkpoint.save_file)

    def _counted(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *given, **named: self.at(name, lambda: function(*given, **named))

    def at(self, name: str, call: Callable[[], Any]) -> Any:
        with self._lock:
            self.names.append(name)
            mine = len(self.names) == self.kill.write
        if not mine:
            return call()
        if self.kill.phase == "before":
            _die()
        if self.kill.phase == "within" and name.startswith(("table", "save_file")):
            delay = random.Random(self.kill.seed).uniform(0, _WITHIN_SECONDS)
            threading.Thread(target=lambda: (time.sleep(delay), _die()), daemon=True).start()
            call()
            time.sleep(1)
        call()
        return _die()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def in_child(work: Callable[[], Any], kill: Kill | None = None) -> tuple[bool, Any, list[str]]:
    """Do the work in a child: whether it was killed, what it returned (as JSON), and the names of its writes if it was not.

    Raises `Died` with the child's traceback where it failed by itself.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        os.close(reading)
        code = 1
        try:
            points = WritePoints(kill or Kill())
            if kill is not None:
                points.replace_all()
            answer = json.dumps({"value": work(), "names": points.names})
            code = 0
        except BaseException:
            answer = json.dumps({"error": traceback.format_exc()[-4_000:]})
        with open(writing, "wb") as stream:
            stream.write(answer.encode())
        os._exit(code)
    os.close(writing)
    if kill is not None and kill.seconds is not None:
        ended, _, _ = select.select([reading], [], [], kill.seconds)  # readable: it has its answer
        if not ended:
            os.kill(child, signal.SIGKILL)
    with open(reading, "rb") as stream:
        data = stream.read()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        if kill is None or os.WTERMSIG(status) != signal.SIGKILL:
            raise Died(f"ended by signal {os.WTERMSIG(status)}")
        return True, None, []
    found = json.loads(data)
    if "error" in found:
        raise Died(found["error"])
    return False, found["value"], found["names"]


class Log:
    """What was acknowledged, a line each, durable before it counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._flush = os.fsync  # the one that is not counted

    def add(self, *lines: str) -> None:
        with self.path.open("a", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines)
            stream.flush()
            self._flush(stream.fileno())

    def lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []


def moments(rng: random.Random, writes: int, seconds: float) -> Iterator[Kill]:
    """Moments to die at, for ever: of three, two are writes, drawn from all there are, and one is any time."""
    while True:
        if rng.random() < 2 / 3:
            yield Kill(write=rng.randint(1, max(1, writes)), phase=rng.choice(PHASES), seed=rng.randrange(2**31))
        else:
            yield Kill(seconds=rng.uniform(0.0, seconds), seed=rng.randrange(2**31))


def by_name(names: list[str]) -> dict[str, int]:
    """How many writes of each kind."""
    return dict(sorted(Counter(names).items()))
