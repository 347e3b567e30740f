"""Every reader and every route against hostile input: good inputs, changed, in numbers.

python bench/fuzz.py --out docs/results/fuzz.json                        100,000 cases, about 15 minutes of one core
python bench/fuzz.py --cases 20000 --seed 1 --only filters               one target
python bench/fuzz.py --only filters --case 117 --seed 1                  one case again, with its traceback
python bench/fuzz.py --engine atheris --only filters --cases 100000      guided by coverage, where inputs are texts

Each target is fuzzed in a process of its own, so that a case that kills it is a finding and not the end. A finding is:

    crash     an exception that is not the target's documented error
    unnamed   the documented error, with a message that does not name the file, row or field
    hang      more than 5 seconds of processor time (so that a busy machine finds no more of them)
    death     the process is gone, or does not answer for a minute
    memory    the process has grown by more than its target may (400 MB, or less)

Cases are made from (seed, target, number) alone. Finished targets are kept in --state, so that a run that was stopped goes on;
the exit status is 1 when anything was found.
"""

from __future__ import annotations

import argparse
import faulthandler
import gc
import importlib
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any

from fuzz_files import FILES
from fuzz_models import MODELS
from fuzz_parsers import PARSERS
from fuzz_service import SERVICE
from fuzz_target import Target, Unnamed
from modiste.files import write_atomically
from report import machine, write_result

TARGETS: dict[str, Target] = {one.name: one for one in (*PARSERS, *FILES, *MODELS, *SERVICE)}
CASE_SECONDS = 5.0
SILENT_SECONDS = 60.0  # of wall time, after which a process is given up
READY_SECONDS = 600.0  # more than that to import and make ready
_KEPT = 40  # findings of one target that are kept in full
_WARM = 30  # cases before memory is looked at: caches fill


class Hang(BaseException):
    """A case has used up its time; no `except Exception` of a reader may swallow it."""


def luck_of(seed: int, target: str, number: int) -> Random:
    """The luck of one case, the same in every run."""
    return Random(f"{seed}/{zlib.crc32(target.encode())}/{number}")


# --- in the target's own process -----------------------------------------------------------------------------------------


@contextmanager
def time_limit() -> Iterator[None]:
    """Raises `Hang` in the block after `CASE_SECONDS` of processor time; works in a main thread."""

    def stop(_: int, __: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, CASE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def memory_mb() -> float:
    """Resident memory now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def highest_mb() -> float:
    """The most resident memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def place_of(error: BaseException) -> str:
    """The last line of ours in a traceback: what findings are told apart by."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/modiste/" in frame.filename] or list(frames)
    cause = error.__cause__
    if isinstance(error, Unnamed) and cause is not None:
        return place_of(cause)
    return f"{Path(ours[-1].filename).name}:{ours[-1].name}:{ours[-1].lineno}" if ours else ""


def run_target(target: Target, seed: int, numbers: range, folder: Path, progress: Any = None) -> dict[str, Any]:
    """Run these cases here: how many were accepted and refused, what was found, time and memory."""
    found: dict[str, Any] = {"cases": 0, "accepted": 0, "findings": [], "slowest_s": 0.0}
    kinds: Counter[str] = Counter()
    ready = target.prepare(folder)
    base = highest_mb()
    start = memory_mb()
    for at, number in enumerate(numbers):
        if progress is not None:
            progress[0], progress[1] = number, time.monotonic()
        luck = luck_of(seed, target.name, number)
        case = ready.make(luck)
        began = time.process_time()
        problem = None
        try:
            with time_limit():
                found["accepted"] += bool(ready.read(case))
        except Hang as error:
            problem = "hang", "", place_of(error)
        except Unnamed as error:
            problem = "unnamed", str(error), place_of(error)
        except BaseException as error:  # whatever else it is (a panic of a Rust library is no Exception), it is a crash
            if isinstance(error, KeyboardInterrupt):
                raise
            problem = "crash", f"{type(error).__name__}: {str(error)[:300]}", place_of(error)
        found["slowest_s"] = max(found["slowest_s"], time.process_time() - began)
        found["cases"] += 1
        highest = highest_mb()
        if highest - base > target.growth_mb:
            problem = problem or ("memory", f"{highest - base:.0f} MB more", "")
            base = highest
        if problem:
            kinds[problem[0]] += 1
            if len(found["findings"]) < _KEPT:
                found["findings"].append(
                    {"kind": problem[0], "number": number, "message": problem[1], "place": problem[2]}
                )
        if at == _WARM:
            gc.collect()
            base, start = highest_mb(), memory_mb()
    found["peak_growth_mb"] = round(max(0.0, highest_mb() - base), 1)
    found["growth_mb"] = round(memory_mb() - start, 1)
    found["kinds"] = dict(kinds)
    return found


def _child(name: str, seed: int, numbers: range, out: str, progress: Any) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    faulthandler.enable()
    warnings.filterwarnings("ignore")
    import logging

    logging.disable(logging.CRITICAL)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    before = os.getcwd()
    try:
        os.chdir(folder)
        (folder / "in").mkdir()
        found = run_target(TARGETS[name], seed, numbers, folder / "in", progress)
        write_atomically(Path(out), json.dumps(found).encode())
    finally:
        os.chdir(before)
        shutil.rmtree(folder, ignore_errors=True)


# --- the parent ------------------------------------------------------------------------------------------------------------


def fuzz_target(name: str, cases: int, seed: int) -> dict[str, Any]:
    """All cases of a target, in as many processes as it takes."""
    context = multiprocessing.get_context("fork")  # what the parent has imported (no thread among it) is there at once
    total: dict[str, Any] = {
        "target": name,
        "cases": 0,
        "accepted": 0,
        "kinds": {},
        "findings": [],
        "slowest_s": 0.0,
        "growth_mb": 0.0,
        "peak_growth_mb": 0.0,
    }
    kinds: Counter[str] = Counter()
    next_case, began = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-out-") as scratch:
        while next_case < cases:
            out = Path(scratch) / f"{next_case}.json"
            progress = context.Array("d", [next_case, time.monotonic()], lock=False)
            process = context.Process(target=_child, args=(name, seed, range(next_case, cases), str(out), progress))
            process.start()
            progress[1] = time.monotonic() + READY_SECONDS
            while process.is_alive():
                process.join(0.5)
                if time.monotonic() - progress[1] > SILENT_SECONDS:
                    process.kill()
                    process.join()
            if out.exists():
                part = json.loads(out.read_text())
                next_case = cases
            else:
                at = int(progress[0])
                kinds["death"] += 1
                total["findings"].append(
                    {"kind": "death", "number": at, "message": f"exit status {process.exitcode}", "place": ""}
                )
                part = {"cases": at + 1 - next_case}
                next_case = at + 1
                if kinds["death"] >= 10:
                    print(f"{name}: ten processes have died; given up at case {at}", file=sys.stderr)
                    cases = next_case
            total["cases"] += part["cases"]
            total["accepted"] += part.get("accepted", 0)
            total["findings"] += part.get("findings", [])
            kinds.update(part.get("kinds", {}))
            for one in ("slowest_s", "growth_mb", "peak_growth_mb"):
                total[one] = round(max(total[one], part.get(one, 0.0)), 3)
    total["kinds"] = dict(kinds)
    total["seconds"] = round(time.monotonic() - began, 1)
    return total


def shares(targets: Sequence[str], cases: int) -> dict[str, int]:
    """Cases of each target: in proportion to its share, at least one."""
    whole = sum(TARGETS[name].share for name in targets)
    return {name: max(1, -(-cases * TARGETS[name].share // whole)) for name in targets}


def again(name: str, seed: int, number: int) -> int:
    """Run one case here, its traceback shown."""
    target = TARGETS[name]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        os.chdir(folder)
        (Path(folder) / "in").mkdir()
        ready = target.prepare(Path(folder) / "in")
        case = ready.make(luck_of(seed, name, number))
        print(f"{str(case)[:4000]}\n", file=sys.stderr)
        with time_limit():
            print("accepted" if ready.read(case) else "refused")
        os.chdir("/")
    return 0


def guided(name: str, cases: int, seed: int) -> int:
    """Fuzz a target of bytes with atheris, which looks for inputs that reach new lines; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["modiste"]):
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        (folder / "in").mkdir()
        ready = TARGETS[name].prepare(folder / "in")
        if not ready.seeds:
            raise SystemExit(f"{name}: atheris needs a target of texts or bytes: {', '.join(_guidable())}")
        ready.read(ready.seeds[0])  # imports what is to be watched
    (folder / "corpus").mkdir()
    for number, data in enumerate(ready.seeds):
        (folder / "corpus" / str(number)).write_bytes(data)
    options = [
        f"-runs={cases}",
        f"-seed={seed + 1}",
        f"-timeout={CASE_SECONDS:.0f}",
        "-max_len=4096",
        "-rss_limit_mb=4000",
    ]
    atheris.Setup(
        [sys.argv[0], *options, f"-artifact_prefix={folder}/", str(folder / "corpus")],
        lambda data: _quietly(ready, data),
    )
    atheris.Fuzz()
    return 0


def _quietly(ready: Any, data: bytes) -> None:
    ready.read(data)


def _guidable() -> list[str]:
    return [one.name for one in (*PARSERS, *FILES) if one.name not in ("pictures", "feed parquet")]


def summary(seed: int, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the results page quotes."""
    kinds = Counter(dict.fromkeys(("crash", "unnamed", "hang", "death", "memory"), 0))
    for row in rows:
        kinds.update(row["kinds"])
    return {
        "machine": machine(),
        "seed": seed,
        "cases": sum(row["cases"] for row in rows),
        **kinds,
        "accepted": sum(row["accepted"] for row in rows),
        "slowest_s": max((row["slowest_s"] for row in rows), default=0.0),
        "peak_growth_mb": max((row["peak_growth_mb"] for row in rows), default=0.0),
        "seconds": round(sum(row["seconds"] for row in rows), 1),
        "targets": list(rows),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000, help="of all targets together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=sorted(TARGETS), metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument(
        "--case", type=int, help="run this case of the one target named by --only, and show its traceback"
    )
    parser.add_argument("--engine", choices=("seeded", "atheris"), default="seeded")
    parser.add_argument(
        "--state", type=Path, help="a folder for the counts of finished targets; a later run goes on from them"
    )
    parser.add_argument("--out", type=Path, help="write the summary there, as JSON")
    options = parser.parse_args()
    names = options.only or list(TARGETS)
    if options.case is not None:
        return again(names[0], options.seed, options.case)
    if options.engine == "atheris":
        return guided(names[0], options.cases, options.seed)
    rows = []
    for name, cases in shares(names, options.cases).items():
        kept = (
            options.state and options.state / f"{name.replace(' ', '_').replace('/', '_')}_{cases}_{options.seed}.json"
        )
        if kept and kept.exists():
            row = json.loads(kept.read_text())
        else:
            for module in ("modiste.data.feed", *TARGETS[name].preload):
                importlib.import_module(module)
            row = fuzz_target(name, cases, options.seed)
            if kept:
                write_atomically(kept, json.dumps(row).encode())
        rows.append(row)
        told = ", ".join(f"{count} {kind}" for kind, count in row["kinds"].items()) or "nothing"
        print(
            f"{name}: {row['cases']:,} cases, {row['accepted']:,} accepted, found {told}; slowest {row['slowest_s']:.2f} s, "
            f"memory +{row['growth_mb']:.0f} MB (peak +{row['peak_growth_mb']:.0f}), {row['seconds']:.0f} s",
            flush=True,
        )
        for place, one in {(one["kind"], one["place"]): one for one in row["findings"]}.items():
            print(f"    {place[0]} at {place[1]}, case {one['number']}: {one['message'][:200]}", flush=True)
    found = summary(options.seed, rows)
    if options.out:
        write_result(options.out, found)
    return int(any(row["kinds"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
