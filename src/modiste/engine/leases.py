"""Who works on what, in a folder that several processes and machines share: claims with a heartbeat.

A claim is a small file that only one process can have made. Each worker also keeps a file of its own in which a number
rises; whose number stands still while another worker has watched it for `seconds` is taken for dead, and its claims may be
taken over. No clock is compared with another machine's. Of a worker of this very machine it is known at once that its
process has gone.

A worker that was only asleep (a stopped machine, a hung disk) may wake and go on beside its heir: `holds` tells it that it
has lost its claim. What is written under a claim must therefore be harmless when it is written twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from modiste.files import whole_object

SECONDS = 60.0
_BEATS = 5  # in the time after which a worker is taken for dead


class Leases:
    """The claims in one folder, as one worker sees them. A context: at its end all claims of this worker are given back."""

    def __init__(self, folder: Path, *, seconds: float = SECONDS) -> None:
        if not seconds > 0:
            raise ValueError(f"a lease must last more than 0 seconds, not {seconds}")
        self.worker = uuid.uuid4().hex
        self._folder = folder
        self._seconds = seconds
        self._who = {"worker": self.worker, "machine": _machine(), "pid": os.getpid(), "host": socket.gethostname()}
        self._watched: dict[str, tuple[int, float]] = {}  # worker -> its number, and since when it has been seen
        self._mine: set[str] = set()
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat, name="modiste-heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write_beat(0)
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._heart.join()
        for name in sorted(self._mine):
            self.release(name)
        for path in [self._pulse(self.worker), *self._folder.glob("worker-*")]:
            who = whole_object(path)
            dead = who is not None and who.get("machine") == self._who["machine"] and not is_running(who.get("pid"))
            if dead or path == self._pulse(self.worker):
                for file in (path, self._folder / path.name.replace("worker-", ".beat-")):
                    with contextlib.suppress(OSError):
                        file.unlink()

    def claim(self, name: str) -> bool:
        """Whether `name` is now this worker's: it was free, or its holder is dead."""
        path = self._folder / name
        if self._create(path):
            self._mine.add(name)
            return True
        holder = whole_object(path)
        if holder is not None and holder.get("worker") == self.worker:
            return True
        if not self._is_dead(name, holder) or not self._inherit(path, holder):
            return False
        self._mine.add(name)
        return True

    def holds(self, name: str) -> bool:
        """Whether `name` is still this worker's."""
        holder = whole_object(self._folder / name)
        return holder is not None and holder.get("worker") == self.worker

    def release(self, name: str) -> None:
        """Give `name` back, if it is this worker's."""
        if self.holds(name):
            with contextlib.suppress(OSError):
                (self._folder / name).unlink()
        self._mine.discard(name)

    def others(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that another worker has claimed and is not known to have left."""
        found = []
        for name in names:
            holder = whole_object(self._folder / name) if (self._folder / name).exists() else {"worker": self.worker}
            if (holder is None or holder.get("worker") != self.worker) and not self._is_dead(name, holder):
                found.append(name)
        return found

    # -- one claim ----------------------------------------------------------------------------------------------------

    def _create(self, path: Path) -> bool:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self._who, file)
        return True

    def _is_dead(self, name: str, holder: dict[str, Any] | None) -> bool:
        """Whether the holder is known to have ended, or has been seen without a heartbeat for long enough."""
        if holder is not None and holder.get("machine") == self._who["machine"] and not is_running(holder.get("pid")):
            return True
        # A claim that says nothing was cut short in its making: it is watched under its own name.
        worker = f"?{name}" if holder is None else str(holder.get("worker"))
        pulse = whole_object(self._pulse(worker)) if holder is not None else None
        beat = -1 if pulse is None else int(pulse.get("beat", -1))
        known = self._watched.get(worker)
        if known is None or known[0] != beat:
            self._watched[worker] = (beat, time.monotonic())
            return False
        return time.monotonic() - known[1] >= self._seconds

    def _inherit(self, path: Path, holder: dict[str, Any] | None) -> bool:
        """Take a dead worker's claim over. Of several who try one makes the heir's mark, and only it may replace the claim."""
        mark = path.with_name(f".{path.name}-heir")
        if not self._create(mark):
            heir = whole_object(mark)
            if self._is_dead(mark.name, heir):  # it died between its mark and the claim: the next who asks may make one
                self._discard(mark, heir)
            return False
        try:
            if whole_object(path) != holder or not path.exists():  # an heir was faster
                return False
            scratch = path.with_name(f".{path.name}-{self.worker}")
            scratch.write_text(json.dumps(self._who), encoding="utf-8")
            os.replace(scratch, path)
        finally:
            mark.unlink(missing_ok=True)
        if holder is not None:
            with contextlib.suppress(OSError):
                self._pulse(str(holder.get("worker"))).unlink()
        return True

    def _discard(self, mark: Path, heir: dict[str, Any] | None) -> None:
        """Remove a dead heir's mark, but no other's."""
        aside = mark.with_name(f"{mark.name}-{self.worker}")
        with contextlib.suppress(FileNotFoundError):
            os.rename(mark, aside)
            if whole_object(aside) != heir:
                with contextlib.suppress(OSError):
                    os.link(aside, mark)
            aside.unlink()

    # -- the heartbeat ------------------------------------------------------------------------------------------------

    def _pulse(self, worker: str) -> Path:
        return self._folder / f"worker-{worker if worker.isalnum() else 'unknown'}"

    def _beat(self) -> None:
        beat = 0
        while not self._ended.wait(self._seconds / _BEATS):
            beat += 1
            with contextlib.suppress(OSError):  # a full disk must not end the work that holds it
                self._write_beat(beat)

    def _write_beat(self, beat: int) -> None:
        scratch = (
            self._folder / f".beat-{self.worker}"
        )  # not flushed to the disk: after a crash of the machine it is worthless
        scratch.write_text(json.dumps({**self._who, "beat": beat}), encoding="utf-8")
        os.replace(scratch, self._pulse(self.worker))


def is_running(pid: object) -> bool:
    """Whether there is a process of this number on this machine that still does something."""
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # there, and another user's; or no number of a process
        return True
    try:  # a process that has ended and was not yet waited for holds nothing any more
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] != "Z"
        )
    except (OSError, IndexError):
        return True


def _machine() -> str:
    """Same for two processes only when either can ask after the other's process id: one start of one machine, one namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"unknown {uuid.uuid4().hex}"  # then only the heartbeat counts
