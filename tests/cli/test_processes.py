"""Two processes under torchrun, with gloo on the CPU: they embed and train what one process embeds and trains."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from processes_job import QUICK, SYSTEMS, two_steps

EVERYTHING = bool(os.environ.get("MODISTE_ALL_SYSTEMS"))  # takes half a minute more
NAMES = tuple(SYSTEMS) if EVERYTHING else QUICK

# Losses that are means over all rows, and see the rows of all processes where rows are compared: the same to the last digits
# but for the order of additions. The others are means over what a process has (words that are masked, rows that have a
# negative), or compare within a process (hard negatives): alike, not the same.
EXACT = {
    "dual_encoder_debug": {"itc_loss"},
    "outfit_transformer_debug": {"rank_loss", "look_loss"},
    "hfgn_debug": {"bpr_loss", "fltb_loss", "l2_loss"},
    "mvlt_debug": {"itc_loss"},
    "fame_vil_debug": set(),
    "grnet_debug": {"embedding_loss"},
}


@pytest.fixture(scope="module")
def processes(shop: Path, dual: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes made of the shop, and of the recipes."""
    folder = tmp_path_factory.mktemp("processes")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    job = [str(Path(__file__).with_name("processes_job.py")), str(folder), str(shop), str(dual), *NAMES]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*launch, *job], env=env, timeout=280, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.slow
def test_two_processes_embed_as_one(modiste, processes: Path, shop: Path, dual: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    modiste("embed", shop, "--out", tmp_path / "vectors", "--model", dual, "--shards", 4)
    tables = [
        pq.ParquetDataset(sorted((folder / "vectors" / "shards").glob("*.parquet"))).read().to_pydict()
        for folder in (tmp_path, processes)
    ]
    assert tables[0]["content_hash"] == tables[1]["content_hash"]
    assert tables[0]["ids"] == tables[1]["ids"]
    assert np.allclose(tables[0]["vector"], tables[1]["vector"], atol=1e-6)
    assert not list((processes / "vectors" / "claims").iterdir())


@pytest.mark.slow
def test_two_processes_train_each_system_as_one(processes: Path, tmp_path: Path) -> None:
    two_steps(tmp_path, NAMES)
    for name in NAMES:
        one, two = (
            [json.loads(line) for line in (folder / name / "log.jsonl").read_text("utf-8").splitlines()]
            for folder in (tmp_path, processes)
        )
        assert [line["step"] for line in one] == [line["step"] for line in two] == [1, 2]
        losses = {key for key in one[0] if key.endswith("_loss")}
        assert losses >= EXACT[name]
        for key in losses:
            same = {"rel": 1e-4, "abs": 1e-6} if key in EXACT[name] else {"rel": 0.6}
            assert two[0][key] == pytest.approx(one[0][key], **same), f"{name}: {key}"
        if losses == EXACT[name]:  # then the gradients are the same, and so is the second step
            for key in ("loss", "grad_norm"):
                assert two[1][key] == pytest.approx(one[1][key], rel=1e-3), f"{name}: {key} of step 2"
        assert json.loads((processes / name / "run.json").read_text("utf-8"))["sessions"][0]["num_processes"] == 2


@pytest.mark.slow
@pytest.mark.skipif(not EVERYTHING, reason="MODISTE_ALL_SYSTEMS=1 asks for it")
def test_a_model_divided_among_processes_learns_the_same(processes: Path) -> None:
    """bench/fsdp.py, which the documentation of training points to."""
    found = json.loads((processes / "fsdp.json").read_text("utf-8"))
    assert found["losses"]["sharded"] == pytest.approx(found["losses"]["whole"], rel=1e-4)
    assert len(set(found["losses"]["whole"])) == len(found["losses"]["whole"]) == 2
    assert found["weights_differ_by_at_most"] < 1e-2  # AdamW's first steps are the signs of tiny gradients
    assert found["bytes_per_process"]["sharded"] < 0.55 * found["bytes_per_process"]["whole"]
