"""SIGKILL at every kind of write: nothing acknowledged is lost, nothing half-written is read, and what goes on ends alike.

    python bench/faults.py --kills 300 --out docs/results/faults.json
    python bench/faults.py --kills 20 --jobs ingest clicks

Each turn of a job is killed at a moment drawn by the seed (killing.py): two in three at one of its writes, the others at any
time. Then another process looks at what is there and goes on to the end, which is compared with that of a turn that was never
interrupted. With --out a job that has its kills is not killed again, so the command may itself be interrupted.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fault_jobs import JOBS, Job
from killing import Kill, Log, by_name, in_child, moments
from report import machine, write_result

_TRAININGS = ("training", "checkpoints")
_MOST_TRIES = 6  # turns for each kill, some of which end before it comes


def kill_job(job: Job, kills: int, seed: int, parent: Path | None) -> dict[str, Any]:
    """Kill one job so many times; raises `AssertionError` with what does not hold."""
    start = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=parent))
    rng = random.Random(f"{job.name} {seed}")
    counts = {"before a write": 0, "after a write": 0, "within a write": 0, "at any time": 0}
    finished = 0
    try:
        in_child(lambda: job.prepare(folder))
        began = time.monotonic()
        _, _, names = in_child(lambda: job.work(folder, 0, Log(folder / "log-0")), Kill())
        seconds = time.monotonic() - began
        in_child(lambda: job.done(folder, 0))
        for turn, kill in enumerate(moments(rng, len(names), seconds), start=1):
            if sum(counts.values()) >= kills or turn > _MOST_TRIES * kills + 10:
                break
            log = Log(folder / f"log-{turn}")
            killed, _, _ = in_child(lambda turn=turn, log=log: job.work(folder, turn, log), kill)  # type: ignore[misc]
            if killed:
                counts["at any time" if kill.seconds is not None else f"{kill.phase} a write"] += 1
                said = log.lines()
                _checked(job, f"{kill} in turn {turn}", lambda t=turn, s=said: _afterwards(job, folder, t, s))  # type: ignore[misc]
            else:
                finished += 1
                _checked(job, f"turn {turn}, not reached by {kill}", lambda turn=turn: job.done(folder, turn))  # type: ignore[misc]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "kills": sum(counts.values()),
        "moments": counts,
        "turns_that_ended_first": finished,
        "writes_of_a_turn": by_name(names),
        "failures": 0,
        "seconds": round(time.monotonic() - start, 1),
    }


def _afterwards(job: Job, folder: Path, turn: int, acknowledged: Sequence[str]) -> None:
    """What another process finds, and that it can go on to the end of an uninterrupted turn."""
    job.held(folder, turn, acknowledged)
    job.work(folder, turn, Log(folder / "log-again"))
    job.done(folder, turn)


def _checked(job: Job, when: str, look: Any) -> None:
    try:
        in_child(look)
    except RuntimeError as error:
        raise AssertionError(f"{job.name}, {when}: {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    names = [*(job.name for job in JOBS), *_TRAININGS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300, help="of all jobs together; ingest gets a third of them")
    parser.add_argument("--jobs", nargs="+", choices=names, default=names)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the files lie  [default: temporary]")
    parser.add_argument("--out", type=Path, help="keep the counts there, and go on from them")
    options = parser.parse_args(arguments)
    jobs: list[Job] = list(JOBS)
    if set(options.jobs) & set(_TRAININGS):
        from fault_trainings import JOBS as TRAININGS

        jobs += TRAININGS
    chosen = [job for job in jobs if job.name in options.jobs]
    weights = {job.name: 4 if job.name == "ingest" else 1 for job in chosen}
    found: dict[str, Any] = {"seed": options.seed, "jobs": {}}
    if options.out and options.out.is_file():
        kept = json.loads(options.out.read_text(encoding="utf-8"))
        found = kept if kept["seed"] == options.seed else found
    for job in chosen:
        kills = -(-options.kills * weights[job.name] // sum(weights.values()))
        if found["jobs"].get(job.name, {}).get("kills", 0) < kills:
            found["jobs"][job.name] = kill_job(job, kills, options.seed, options.folder)
            found |= {"kills": sum(one["kills"] for one in found["jobs"].values()), "machine": machine()}
            if options.out:
                write_result(options.out, found)
        one = found["jobs"][job.name]
        print(f"{job.name}: {one['kills']} kills, {one['failures']} failures, {one['seconds']:g} s", flush=True)
    print(f"{found['kills']} kills in all")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
