"""The other commands, help and version, and what a shell sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from modiste.__main__ import WAITING

COMMANDS = [
    *("demo", "index", "embed", "search", "tag", "imagine", "serve", "evaluate", "train", "export", "models"),
    *("score", "complete", "generate", "swap", "explain", "similar-looks", "calibrate"),
]


def shell(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "modiste", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=240,
    )


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_has_an_example_and_loads_nothing_heavy(command: str) -> None:
    began = time.perf_counter()
    done = shell(*([command] if command else []), "--help", PYTHONPROFILEIMPORTTIME="1", COLUMNS="120")
    assert done.returncode == 0
    assert f"modiste {command}" in done.stdout
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert not loaded & {"torch", "transformers", "lancedb", "faiss", "pyarrow", "sklearn"}
    assert time.perf_counter() - began < 20  # generous on a busy machine; what counts is the line above


@pytest.mark.parametrize("command", COMMANDS)
def test_each_example_of_the_help_is_a_line_to_copy(command: str) -> None:
    lines = [line.strip() for line in shell(command, "--help", COLUMNS="140").stdout.splitlines()]
    examples = [line for line in lines if line.startswith(("modiste ", "torchrun "))]
    assert examples
    assert all(line.count("modiste ") == 1 for line in examples)


def test_version_and_no_arguments() -> None:
    assert shell("--version").stdout.startswith("modiste 0.")
    assert "index" in shell().stdout


def test_a_wrong_option_is_one_line_with_code_2() -> None:
    done = shell("search", "x", "--colour", "red")
    assert done.returncode == 2
    assert "--colour" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_process_is_set_up_before_torch_is_imported() -> None:
    code = (
        "import sys, modiste.__main__ as m, os; sys.argv = ['modiste', '--version']\n"
        "try: m.main()\nexcept SystemExit: pass\n"
        "print(*(os.environ[name] for name in m.WAITING), 'torch' in sys.modules, 'numpy' in sys.modules)"
    )

    def told(**given: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name not in WAITING} | given
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        return done.stdout.splitlines()[-1]

    assert told() == "PASSIVE 20 False False"
    assert told(OMP_WAIT_POLICY="ACTIVE") == "ACTIVE 20 False False"  # somebody's own setting is left alone


def test_models_lists_licences_and_the_default(modiste) -> None:  # type: ignore[no-untyped-def]
    from modiste.registry import DEFAULT, TEXT_TOWERS

    listed = modiste("models", "--json").json
    assert [one["name"] for one in listed if one["default"]] == [DEFAULT]
    assert all(one["license"] and one["data"] for one in listed)
    assert all(len(one["sha256"]) == 64 and one["scores"] for one in listed if one["ships"])
    verbs = {"encode", "rerank", "tag", "imagine", "compose", "caption"}
    towers = [one for one in listed if one["name"] in TEXT_TOWERS]
    assert [one["can"] for one in towers] == [["read texts"]]
    assert all("encode" in one["can"] and set(one["can"]) <= verbs for one in listed if one not in towers)
    assert "can encode" in modiste("models").out
    assert "patrickjohncyh/fashion-clip" in modiste("models").out.replace("\n", "")


def test_models_counts_the_parameters_of_one_model_beside_four(modiste) -> None:  # type: ignore[no-untyped-def]
    counts = modiste("models", "--parameters", "--json").json
    parts = ("vision", "text", "tsa", "xaa", "heads")
    assert all(sum(of[part] for part in parts) == of["total"] for of in counts.values())
    assert all(of["total"] <= 0.45 * of["single_task_models"] for of in counts.values())
    assert f"{counts['small']['total']:,}" in modiste("models", "--parameters").out


def test_train_evaluate_index_search_from_nothing(modiste, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """The researcher's path: train a toy on drawn items, measure it, use it, and find the run finished the second time."""
    run = tmp_path / "run"
    fields = ["data=atelier:160", "epochs=1"]
    done = modiste("train", "dual_encoder_debug", *fields, "--out", run, "--device", "cpu", "--json")
    assert done.code == 0
    assert done.json["steps"] == json.loads((run / "log.jsonl").read_text().splitlines()[-1])["step"]
    again = modiste("train", "dual_encoder_debug", *fields, "--out", run, "--device", "cpu", "--json")
    assert again.json["steps"] == done.json["steps"]
    other = modiste("train", "dual_encoder_debug", "data=atelier:160", "epochs=2", "--out", run, "--device", "cpu")
    assert other.code == 1
    assert "epochs" in other.err
    measured = modiste(
        "evaluate",
        "retrieval-1of101",
        "--model",
        run,
        "--data",
        "atelier:130:9",
        "--out",
        tmp_path / "r.json",
        "--json",
    ).json
    assert measured == json.loads((tmp_path / "r.json").read_text())
    for key in ("t2i_R@1", "i2t_R@10", "control_t2i_R@5"):
        assert measured[f"{key}_low"] <= measured[key] <= measured[f"{key}_high"]
    assert measured["num_queries"] == 130
    assert modiste("evaluate", "retrieval-full", "--model", run, "--data", "atelier:130:9").code == 0


def test_train_lists_recipes_and_describes_their_fields(modiste) -> None:  # type: ignore[no-untyped-def]
    assert "dual_encoder_small" in modiste("train").out
    described = modiste("train", "dual_encoder_small", "--describe").out
    assert "learning_rate" in described
    assert "Peak" in described


def test_demo_runs_twice_and_leaves_a_page(modiste, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    first = modiste("demo", "--items", 40, "--into", tmp_path / "demo", "--no-serve")
    assert first.code == 0
    assert "Try next" in first.out
    page = (tmp_path / "demo" / "results.html").read_text(encoding="utf-8")
    assert page.count("<section>") == 5
    assert page.count('<section class="look">') >= 1
    assert "by style rules" in first.out
    second = modiste("demo", "--items", 40, "--into", tmp_path / "demo", "--no-serve")
    assert "40 unchanged" in second.out


def test_training_says_how_to_measure_what_came_of_it(modiste, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """With the protocol that fits the recipe, and the data it was trained on."""
    run = tmp_path / "looks"
    done = modiste("train", "outfit_transformer_debug", "epochs=1", "--out", run, "--device", "cpu")
    said = "".join((done.out + done.err).split())  # folded where the terminal is narrow
    assert "".join(f"next: modiste evaluate outfits --model {run} --data atelier:200".split()) in said
