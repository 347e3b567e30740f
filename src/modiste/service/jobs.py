"""Ingest jobs: a table that was uploaded becomes part of the catalogue, in a process of its own, one job at a time.

A job is a folder beside the catalogue, and its state is a file in it, so a job outlives whoever knows of it. A job that was
cut short, by a signal or a power cut, is queued again and goes on where it stopped: rows that are stored are skipped.

    jobs/ID/job.json          what was asked for, written once
    jobs/ID/state.json        status and progress, replaced whole
    jobs/ID/table.csv         the table, until the job has ended
    jobs/ID/rejected.jsonl    rows that were refused, and why
    jobs/ID/cancel            somebody wants it to end
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from filelock import FileLock, Timeout

from modiste.data.feed import DIALECTS, SUFFIXES
from modiste.files import write_atomically
from modiste.service import limits
from modiste.service.problems import Problem

Status = Literal["queued", "running", "done", "failed", "cancelled"]
ENDED: frozenset[str] = frozenset({"done", "failed", "cancelled"})
_ID = re.compile(r"[0-9]{13}-[0-9a-f]{12}")
_JOB, _STATE, _REJECTED, _CANCEL, _RUNNING = "job.json", "state.json", "rejected.jsonl", "cancel", ".running"

log = logging.getLogger("modiste.service")


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What a job was asked to do with its table."""

    name: str  # of the file, as it was called
    dialect: str = "auto"
    mapping: Mapping[str, str] | None = None
    prune: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.name, "dialect": self.dialect, "mapping": dict(self.mapping or {}), "prune": self.prune}


class Job:
    """One job's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def options(self) -> JobOptions:
        values = json.loads((self.folder / _JOB).read_text(encoding="utf-8"))
        return JobOptions(values["name"], values["dialect"], values["mapping"], values["prune"])

    @property
    def table(self) -> Path | None:
        return next((one for one in sorted(self.folder.glob("table.*"))), None)

    @property
    def rejected_file(self) -> Path:
        return self.folder / _REJECTED

    def state(self) -> dict[str, Any]:
        """Status, progress, report and error. A file that cannot be read is the state of a job that failed."""
        try:
            found = json.loads((self.folder / _STATE).read_text(encoding="utf-8"))
            return dict(found)
        except (OSError, ValueError):
            return {"status": "failed", "error": "the state of this job is lost", "progress": {}, "report": None}

    def tell(self, status: Status, **more: Any) -> None:
        """Replace the state; what is not given stays."""
        found = {**self.state(), **more, "status": status}
        write_atomically(self.folder / _STATE, json.dumps(found).encode())

    def cancel(self) -> None:
        """Ask a job to end. Raises a 409 `Problem` when it has ended."""
        status = self.state()["status"]
        if status in ENDED:
            raise Problem(409, f"job {self.id} has ended: it is {status}")
        (self.folder / _CANCEL).touch()
        if not self.is_running():
            self.end("cancelled")

    @property
    def is_cancelled(self) -> bool:
        return (self.folder / _CANCEL).exists()

    def end(self, status: Status, **more: Any) -> None:
        """The job is over; its table is no longer kept."""
        self.tell(status, ended=now(), **more)
        if (table := self.table) is not None:
            table.unlink(missing_ok=True)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Held by the process that does the job; raises `filelock.Timeout` if another one does."""
        with FileLock(str(self.folder / _RUNNING), timeout=0):
            yield

    def is_running(self) -> bool:
        """Whether a process is at it; the operating system lets go of the lock of one that has died."""
        try:
            with self.running():
                return False
        except Timeout:
            return True

    def as_dict(self) -> dict[str, Any]:
        """The job as routes give it."""
        state = self.state()
        return {
            "id": self.id,
            "status": state["status"],
            "created": state.get("created"),
            "started": state.get("started"),
            "ended": state.get("ended"),
            "options": self.options.as_dict(),
            "progress": {
                "read": 0,
                "encoded": 0,
                "unchanged": 0,
                "rejected": 0,
                "total": None,
                **state.get("progress", {}),
            },
            "report": state.get("report"),
            "error": state.get("error"),
        }

    def rejected(self, offset: int, k: int) -> tuple[list[dict[str, Any]], int | None]:
        """Refused rows from a place on, and the place of the next ones; there are some once the job has ended."""
        found: list[dict[str, Any]] = []
        try:
            with self.rejected_file.open(encoding="utf-8") as lines:
                for number, line in enumerate(lines):
                    if number < offset:
                        continue
                    if len(found) == k:
                        return found, offset + k
                    found.append(json.loads(line))
        except FileNotFoundError:
            pass
        return found, None


class JobStore:
    """The jobs of a catalogue."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, table: IO[bytes], options: JobOptions) -> Job:
        """Queue a job with a copy of the table. Raises `Problem` for a kind of table that is not read, or a full queue."""
        suffix = Path(options.name).suffix.lower()
        if suffix not in SUFFIXES:
            raise Problem(415, f"a table ends in one of {', '.join(SUFFIXES)}", kind="invalid")
        if options.dialect not in ("auto", *DIALECTS):
            raise Problem(422, f"dialect: one of auto, {', '.join(DIALECTS)}", kind="invalid")
        waiting = [one for one in self.all() if one.state()["status"] not in ENDED]
        if len(waiting) >= limits.MAX_QUEUED_JOBS:
            raise Problem(429, f"{len(waiting)} jobs are waiting already", kind="busy", headers={"Retry-After": "60"})
        self._forget_old()
        job = Job(self.folder / f"{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(6)}")
        scratch = self.folder / f".{job.id}"
        scratch.mkdir(parents=True)
        try:
            with (scratch / f"table{suffix}").open("wb") as copy:
                shutil.copyfileobj(table, copy, 1 << 20)
            (scratch / _JOB).write_text(json.dumps(options.as_dict()), encoding="utf-8")
            state: dict[str, Any] = {
                "status": "queued",
                "created": now(),
                "progress": {},
                "report": None,
                "error": None,
            }
            (scratch / _STATE).write_text(json.dumps(state), encoding="utf-8")
            scratch.rename(job.folder)
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        return job

    def get(self, job_id: str) -> Job:
        """The job of this id. Raises a 404 `Problem`."""
        if _ID.fullmatch(job_id) and (self.folder / job_id / _JOB).is_file():
            return Job(self.folder / job_id)
        raise Problem(404, "there is no such job")

    def all(self) -> list[Job]:
        """Every job, the oldest first."""
        try:
            names = sorted(one.name for one in self.folder.iterdir() if _ID.fullmatch(one.name))
        except FileNotFoundError:
            return []
        return [Job(self.folder / name) for name in names]

    def next(self) -> Job | None:
        """The oldest job that waits, or that nobody is at any more."""
        for job in self.all():
            if job.state()["status"] not in ENDED:
                return job
        return None

    def _forget_old(self) -> None:
        ended = [one for one in self.all() if one.state()["status"] in ENDED]
        for job in ended[: max(0, len(ended) - limits.KEPT_JOBS + 1)]:
            shutil.rmtree(job.folder, ignore_errors=True)


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
