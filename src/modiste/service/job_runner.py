"""Who starts the jobs: one worker at a time, the one that holds a lock which the operating system takes from the dead."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys

from filelock import FileLock, Timeout

from modiste.service import metrics
from modiste.service.background import Background
from modiste.service.jobs import ENDED, Job, JobStore
from modiste.service.settings import Settings

LOOK_SECONDS = 0.5
_GRACE_SECONDS = 20.0  # for a child to commit what it has encoded
_TRIES = 3  # of a job whose process dies without a word

log = logging.getLogger("modiste.service")


class JobRunner(Background):
    """Does waiting jobs, each in a process of its own, as long as no other worker does; `stop` lets a job in progress commit
    what it has and stay queued."""

    def __init__(self, settings: Settings, store: JobStore) -> None:
        super().__init__("jobs")
        self._settings, self._store = settings, store
        self._tries: dict[str, int] = {}

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                if self._store.folder.is_dir():
                    with FileLock(str(self._store.folder / ".runner"), timeout=0):
                        self._work()
            except Timeout:
                continue
            except Exception:
                log.exception("starting jobs failed")

    def _work(self) -> None:
        """Do jobs until there is none or the worker ends."""
        while not self._stop.is_set() and (job := self._store.next()) is not None:
            if job.is_running():  # by the process of a worker that has died
                self._stop.wait(LOOK_SECONDS)
                continue
            if job.is_cancelled:
                job.end("cancelled")
                continue
            self._do(job)

    def _do(self, job: Job) -> None:
        settings = self._settings
        arguments = [str(settings.catalogue), str(job.folder), settings.model, str(settings.media or "")]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment.pop(metrics.MULTIPROCESS, None)
        self._tries[job.id] = self._tries.get(job.id, 0) + 1
        log.info("job started", extra={"job": job.id})
        child = subprocess.Popen(
            [sys.executable, "-m", "modiste.service.job_child", *arguments], env=environment, stdin=subprocess.DEVNULL
        )
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.2)
                break
            if self._stop.is_set():
                child.terminate()
                try:
                    child.wait(_GRACE_SECONDS)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
                break
        status = job.state()["status"]
        if status not in ENDED and not self._stop.is_set() and child.returncode and self._tries[job.id] >= _TRIES:
            job.end("failed", error=f"the job's process ended {_TRIES} times without a word (code {child.returncode})")
            status = "failed"
        log.info("job %s", status, extra={"job": job.id})
        if status in ENDED:
            metrics.JOBS.labels(status).inc()
