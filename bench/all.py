"""Every benchmark of a speed that README or docs quote: what it measures, where it is quoted, and whether its figure is fresh.

python bench/all.py --list                    the table
python bench/all.py                           run what is not fresh, one after the other
python bench/all.py search ingest --again     these, fresh or not
python bench/all.py --quick                   all at toy size, into a folder that is thrown away: does each of them run?

A figure is fresh while neither its script nor its arguments have changed since (their sha256 stand in bench/ledger.json); its
file in docs/results becomes a table of its page by scripts/results.py. Benchmarks of quality train models for minutes to hours
and are run by the commands on their pages (`--list` names them too); they are never run from here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from modiste.__main__ import WAITING
from report import write_result

HERE = Path(__file__).parent
RESULTS = HERE.parent / "docs" / "results"
LEDGER = "ledger.json"


@dataclass(frozen=True)
class Bench:
    """One figure: how it is made and where it is read."""

    name: str
    script: str
    measures: str
    quoted: str  # the page
    arguments: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()  # instead of `arguments`, at toy size
    minutes: float = 1.0  # on two cores
    result: Literal["json", "out"] = "json"  # how the script gives its figure: printed by --json, or written to --out
    runs: bool = True  # False: needs trained models or real data; listed with the command of its page

    def command(self, quick: bool, file: Path) -> list[str]:
        given = self.quick if quick else self.arguments
        ending = ["--out", str(file)] if self.result == "out" else ["--json"]
        return [sys.executable, str(HERE / self.script), *given, *ending]

    def fingerprint(self) -> str:
        script = (HERE / self.script).read_bytes()
        return hashlib.sha256(script + json.dumps(self.arguments).encode()).hexdigest()


_SPEED, _PERFORMANCE = "results/speed.md", "performance.md"
BENCHES: dict[str, Bench] = {
    one.name: one
    for one in (
        Bench("search", "search.py", "p50, p95 and recall of filtered search, 100,000 vectors", _SPEED,
              quick=("--rows", "2000", "--queries", "5"), minutes=0.5),
        Bench("ingest", "ingest.py", "Catalogue.ingest against the bare encoder", _SPEED,
              ("--items", "2400", "--rounds", "3", "--size", "240", "320"), ("--items", "64", "--rounds", "1"), 1.5),
        Bench("ingest_loops", "ingest_loops.py",
              "40,000 products against a transformers loop, sentence-transformers and the encoder alone", _PERFORMANCE,
              (), ("--items", "96", "--drawn", "8", "--block", "48", "--part", "2", "--batch-size", "16", "--width", "64",
                   "--depth", "1", "--image-size", "64", "--queries", "6"), 8, "out"),
        Bench("inference", "inference.py", "torch, ONNX Runtime, OpenVINO: fp32, bf16, int8; the model that ships",
              _PERFORMANCE, (), ("--items", "24", "--batch-rows", "8", "--rounds", "1", "--threads", "1"), 5, "out"),
        Bench("inference_fame_vil", "inference.py", "the same of FAME-ViL", _PERFORMANCE,
              ("--model", "fame_vil_small.products_v1"),
              ("--model", "fame_vil_small.products_v1", "--items", "24", "--batch-rows", "8", "--rounds", "1",
               "--threads", "1"),
              5, "out"),
        Bench("inference_clip", "inference.py", "the same of a small CLIP", _PERFORMANCE,
              ("--clip", "--items", "128", "--batch-rows", "64", "--rounds", "3"),
              ("--clip", "--items", "24", "--batch-rows", "8", "--rounds", "1", "--threads", "1"), 5, "out"),
        Bench("one_thread", "one_thread.py", "a query on one thread and on all of them", _PERFORMANCE,
              (), ("--rows", "500", "--calls", "3", "--rounds", "1"), 2, "out"),
        Bench("floors", "floors.py", "arithmetic and bytes of a photo, a text, an exact search, and the gap", _PERFORMANCE,
              (), ("--photos", "8", "--rows", "5000", "--rounds", "1"), 1, "out"),
        Bench("training_steps", "training_steps.py", "a training step of each of the five systems: examples/s, peak memory",
              _PERFORMANCE, (), ("--size", "debug", "--steps", "2", "--rounds", "1"), 8, "out"),
        Bench("profile_verbs", "profile_verbs.py", "where the time of each verb goes", _PERFORMANCE,
              (), ("--items", "40"), 3, "out"),
        Bench("mvlt_step", "mvlt_step.py", "MVLT's training step against its equations written out", _SPEED,
              ("--size", "micro", "--batch-size", "64", "--rounds", "7", "--steps", "2"),
              ("--size", "debug", "--batch-size", "4", "--rounds", "1", "--steps", "1"), 2),
        Bench("mvlt_pairs", "mvlt_pairs.py", "MVLT's matching head, 100 candidates of a query", _SPEED,
              quick=("--size", "debug", "--photos", "8", "--queries", "1", "--rounds", "1"), minutes=0.5),
        Bench("precision", "precision.py", "the dual encoder's training step in fp32 and bf16", _SPEED,
              quick=("--size", "debug", "--batch-size", "8", "--steps", "1", "--rounds", "1"), minutes=1),
        Bench("grnet_rerank", "grnet_rerank.py", "exact search's second look, 100 candidates", "results/grnet.md",
              quick=("--size", "debug", "--items", "40", "--candidates", "10", "--queries", "2"), minutes=1),
        Bench("fame_vil_queries", "fame_vil_queries.py", "a text-guided query, fused and searched", "results/fame_vil.md",
              quick=("--rows", "500", "--queries", "2"), minutes=1),
        Bench("solver", "solver.py", "optima, bounds and latency of the outfit solver", "results/outfits.md",
              ("--part", "speed"), ("--part", "speed", "--rows", "500", "--queries", "2"), 3),
        Bench("service_load", "service_load.py", "requests a second and latencies of the service", "http.md", minutes=4,
              runs=False),
        Bench("api_fuzz", "api_fuzz.py", "the service against strangers", "http.md", minutes=5, runs=False),
        Bench("one_click", "one_click.py", "from a click to the next recommendation", "recommend.md", runs=False),
        Bench("trained_search", "trained_search.py", "a trained outfit model in a large catalogue", "results/wishes.md",
              minutes=20, runs=False),
        Bench("composed_speed", "composed_speed.py", "a search by item, photo and words", "composed-search.md", runs=False),
        Bench("modifications", "modifications.py", "changes and negations obeyed", "composed-search.md", runs=False),
        Bench("wishes", "wishes.py", "wishes fulfilled, what alpha trades", "results/wishes.md", minutes=60, runs=False),
        Bench("looks", "looks.py", "generated looks for eyes and counts", "results/generated_looks.md", runs=False),
        Bench("mvlt_ablation", "mvlt_ablation.py", "MVLT's Table 3 in small", "results/mvlt.md", minutes=600, runs=False),
        Bench("fame_vil_table4", "fame_vil_table4.py", "FAME-ViL's Table 4 in small", "results/fame_vil.md", minutes=900,
              runs=False),
        Bench("grnet_ablation", "grnet_ablation.py", "GRNet's parts", "results/grnet.md", minutes=600, runs=False),
        Bench("recommendation", "recommendation.py", "recommenders side by side", "results/recommendation.md", minutes=300,
              runs=False),
        Bench("cold_start", "cold_start.py", "new people after a handful of likes", "recommend.md", minutes=30, runs=False),
    )
}  # fmt: skip


def ledger() -> dict[str, Any]:
    """Name -> the fingerprint, date and seconds of its last figure; beside the scripts, for it is no result."""
    file = HERE / LEDGER
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return found


def is_fresh(bench: Bench, folder: Path) -> bool:
    known = ledger().get(bench.name, {})
    return known.get("fingerprint") == bench.fingerprint() and result_file(bench, folder).is_file()


def result_file(bench: Bench, folder: Path) -> Path:
    return folder / (f"{bench.name}.json" if bench.result == "out" else f"bench_{bench.name}.json")


def make(bench: Bench, folder: Path, quick: bool) -> int:
    """Run one and keep its figure; its exit code."""
    file, start = result_file(bench, folder), time.perf_counter()
    environment = {**WAITING, "TOKENIZERS_PARALLELISM": "false"} | os.environ  # as `modiste` sets it for itself
    printed = subprocess.PIPE if bench.result == "json" else None
    done = subprocess.run(bench.command(quick, file), stdout=printed, text=True, env=environment)
    if done.returncode:
        return done.returncode
    if bench.result == "json":
        write_result(file, json.loads(done.stdout))
    if not quick:
        made = {
            "fingerprint": bench.fingerprint(),
            "date": datetime.now(UTC).date().isoformat(),
            "seconds": round(time.perf_counter() - start),
        }
        known = ledger() | {bench.name: made}
        write_result(HERE / LEDGER, dict(sorted(known.items())))
    return 0


def listed(folder: Path) -> str:
    lines = ["| bench | measures | quoted in | minutes | figure |", "|---|---|---|---:|---|"]
    for one in BENCHES.values():
        state = "by its page's command" if not one.runs else "fresh" if is_fresh(one, folder) else "to be made"
        if one.runs and (known := ledger().get(one.name)):
            state += f", {known['date']}"
        lines.append(f"| `{one.name}` | {one.measures} | docs/{one.quoted} | {one.minutes:g} | {state} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    runnable = [name for name, one in BENCHES.items() if one.runs]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(runnable)}; all without any")
    parser.add_argument("--list", action="store_true", help="print the table and stop")
    parser.add_argument("--again", action="store_true", help="fresh ones too")
    parser.add_argument("--quick", action="store_true", help="at toy size, nothing kept")
    parser.add_argument("--results", type=Path, default=RESULTS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.list:
        print(listed(options.results))
        return 0
    if unknown := set(options.names) - set(runnable):
        parser.error(f"no bench to run: {', '.join(sorted(unknown))}; there are {', '.join(runnable)}")
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if options.quick else options.results
        for bench in [BENCHES[name] for name in options.names or runnable]:
            if not (options.quick or options.again) and is_fresh(bench, folder):
                print(f"{bench.name}: fresh", flush=True)
                continue
            print(f"{bench.name}: {bench.measures} (about {bench.minutes:g} min)", flush=True)
            if code := make(bench, folder, options.quick):
                failed.append(f"{bench.name} (exit code {code})")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
