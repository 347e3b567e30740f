"""Some kills and some damaged files on each run of the tests; bench/faults.py and bench/damage.py do many."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own: it forks, which none may that has used the store."""
    paths = [str(BENCH.parent / "src"), str(BENCH), str(BENCH.parent / "tests" / "engine")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, str(BENCH / script), *arguments], env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(600)
def test_killed_jobs_lose_nothing_and_go_on(tmp_path: Path) -> None:
    """The kills of ingest, clicks and training are those of tests/engine and tests/training."""
    jobs = (
        "delete and compact",
        "exact features",
        "tastes",
        "service job",
        "keys and calibration",
        "backup and restore",
    )
    seed = os.environ.get("MODISTE_SEED", "0")
    done = run("faults.py", "--kills", "12", "--seed", seed, "--jobs", *jobs, "--out", str(tmp_path / "out.json"))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["jobs"].keys() == set(jobs)
    assert found["kills"] == sum(one["kills"] for one in found["jobs"].values()) == 12
    assert all(one["writes_of_a_turn"] for one in found["jobs"].values())


def test_a_job_that_loses_something_is_told() -> None:
    """The bench can fail: a job whose end is not as it should be."""
    code = (
        "import faults, fault_jobs\n"
        "class Losing(fault_jobs.SmallFiles):\n"
        "    def done(self, folder, turn):\n"
        "        assert turn < 1, 'something is lost'\n"
        "faults.kill_job(Losing(), 1, 0, None)\n"
    )
    paths = [str(BENCH.parent / "src"), str(BENCH), str(BENCH.parent / "tests" / "engine")]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "something is lost" in done.stderr


@pytest.mark.timeout(600)
def test_damaged_files_are_named_or_do_not_matter() -> None:
    done = run("damage.py", "--flips", "40", "--seed", os.environ.get("MODISTE_SEED", "0"))
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert done.returncode == 0
    assert found["kinds"].keys() >= {"items", "clicks", "tastes", "calibration", "keys"}
