"""The process that does one job: `python -m modiste.service.job_child CATALOGUE JOB_FOLDER MODEL MEDIA`.

On SIGTERM it commits what it has encoded and leaves the job queued, to go on later; when the job is cancelled it commits and
ends. It is polite: requests come first.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from filelock import Timeout

from modiste.service.jobs import Job, now
from modiste.service.logs import set_up_logs

_TELL_SECONDS = 0.25
_BATCH = 32  # items between two looks at whether to stop
_LOCKED_SECONDS = 2.0

log = logging.getLogger("modiste.service")


class _Stop(Exception):
    """Asked to end."""


class Child:
    """Does a job, and tells how it goes."""

    def __init__(self, catalogue: Path, job: Job, model: str, media: Path | None) -> None:
        self.catalogue, self.job, self.model, self.media = catalogue, job, model, media
        self.terminated = False
        self._told = 0.0

    def run(self) -> None:
        self.job.tell("running", started=self.job.state().get("started") or now(), error=None)
        try:
            report = self._ingest()
        except _Stop:
            if self.job.is_cancelled:
                self.job.end("cancelled")
            else:
                self.job.tell("queued")
            return
        except (ValueError, OSError) as error:
            log.error("a job failed: %s", type(error).__name__, extra={"job": self.job.id})
            self.job.end("failed", error=str(error)[:1_000].replace(str(self.job.folder), "JOB"))
            return
        read = report["rows"]
        if read and report["rejected"] == read:
            self.job.end("failed", report=report, error="every row was refused; see the rejected rows")
        else:
            self.job.end("done", report=report)

    def _ingest(self) -> dict[str, Any]:
        from modiste.data.feed import count_rows
        from modiste.engine.catalogue import Catalogue
        from modiste.engine.errors import CatalogueLocked
        from modiste.engine.ingest import IngestProgress
        from modiste.service.table_ingest import ingest_table
        from modiste.service.workbench import Setup, load_encoder

        table = self.job.table
        if table is None:
            raise ValueError("the table of this job is gone")
        total = count_rows(table)  # what is no table is told before a model is loaded
        store = Catalogue.open(self.catalogue)
        encoder = load_encoder(store, Setup(self.catalogue, model=self.model))
        options = self.job.options

        def show(state: IngestProgress) -> None:
            self._look(
                {
                    "read": state.read, "encoded": state.added + state.updated, "unchanged": state.unchanged,
                    "rejected": state.rejected, "total": total,
                }
            )  # fmt: skip

        while True:
            self._look({"total": total})
            try:
                done = ingest_table(
                    table, self.catalogue, encoder, dialect=options.dialect, mapping=options.mapping or None,
                    image_folder=self.media, prune=options.prune, report_file=self.job.rejected_file, show=show,
                    batch_size=_BATCH, look=lambda done, total: self._look({}),
                )  # fmt: skip
                break
            except CatalogueLocked:  # somebody indexes by hand; they will be done some time
                time.sleep(_LOCKED_SECONDS)
        values = done.as_dict()
        return {name: value for name, value in values.items() if name not in ("into", "report")}

    def _look(self, progress: dict[str, Any]) -> None:
        """Tell how far it is, now and then; raises `_Stop` when it is to end."""
        if self.terminated or self.job.is_cancelled:
            raise _Stop
        if time.monotonic() - self._told >= _TELL_SECONDS:
            self._told = time.monotonic()
            self.job.tell("running", progress={**self.job.state().get("progress", {}), **progress})


def main(arguments: list[str]) -> int:
    catalogue, folder, model, media = arguments
    set_up_logs("info")
    with contextlib.suppress(OSError):
        os.nice(5)
    child = Child(Path(catalogue), Job(Path(folder)), model, Path(media) if media else None)

    def terminate(*_: Any) -> None:
        child.terminated = True

    signal.signal(signal.SIGTERM, terminate)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the service passes on what it means
    try:
        with child.job.running():
            child.run()
    except Timeout:
        return 0  # another process is at it
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
