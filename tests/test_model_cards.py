"""Model cards that cannot drift: their numbers are the result files', their fingerprints the registry's and the weights'."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from modiste.data.text import train_wordpiece
from modiste.models.clip import SIZES, DualEncoder
from modiste.models.pretrained import CARD, WEIGHTS, from_pretrained, load, save_pretrained
from modiste.registry import DEFAULT, PRETRAINED, TEXT_TOWERS, TOWER

ROOT = Path(__file__).parents[1]
KNOWN = PRETRAINED | TEXT_TOWERS
SHIPPED = [one.name for one in KNOWN.values() if one.ships]
REQUIRED = (
    "license", "library_name", "pipeline_tag", "tags", "datasets", "language", "metrics", "model-index",
)  # fmt: skip


def metadata(name: str) -> dict[str, Any]:
    from huggingface_hub import metadata_load

    found: dict[str, Any] = metadata_load(WEIGHTS / name / CARD)
    return found


def test_every_shipped_folder_has_a_card_and_every_card_is_up_to_date() -> None:
    assert sorted(SHIPPED) == sorted(folder.name for folder in WEIGHTS.iterdir() if folder.is_dir())
    done = subprocess.run(
        [sys.executable, "scripts/model_cards.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_is_complete_as_the_hub_reads_it(name: str) -> None:
    from huggingface_hub import ModelCard

    told = metadata(name)
    assert set(REQUIRED) <= set(told)
    assert told["language"] == list(KNOWN[name].languages)
    results = ModelCard.load(WEIGHTS / name / CARD).data.eval_results
    assert results
    assert len({result.dataset_name for result in results}) == 1
    text = (WEIGHTS / name / CARD).read_text(encoding="utf-8")
    for heading in ("Intended use", "Training", "Scores", "Limits", "Bias"):
        assert f"\n## {heading}\n" in text
    for said in ("licence of the weights", "licence of the code", "terms of that data", "Compute", "Seeds", "Recipe"):
        assert said in text


@pytest.mark.parametrize("name", SHIPPED)
def test_its_fingerprint_is_the_registrys_and_the_weights(name: str) -> None:
    text = (WEIGHTS / name / CARD).read_text(encoding="utf-8")
    assert re.findall(r"`([0-9a-f]{64})`", text) == [KNOWN[name].sha256]
    if name in TEXT_TOWERS:
        load(f"{DEFAULT}+{name}")  # which refuses any other
    else:
        assert load(name).id.sha256 == KNOWN[name].sha256


@pytest.mark.parametrize("name", [name for name in SHIPPED if name in PRETRAINED])
def test_its_numbers_are_those_of_results_with_its_fingerprint(name: str) -> None:
    """Against the files themselves, not by the script that writes the card."""
    files = [json.loads(file.read_text(encoding="utf-8")) for file in (ROOT / "docs" / "results").glob("*.json")]
    measured = [one for one in files if isinstance(one, dict) and one.get("sha256") == KNOWN[name].sha256]
    assert measured
    for result in metadata(name)["model-index"][0]["results"]:
        values = {one["name"]: one["value"] for one in result["metrics"]}
        assert any(
            all(
                key in one and abs(one[key] - value) <= (0.0005 if abs(one[key]) <= 1.5 else 0.05) + 1e-9
                for key, value in values.items()
            )
            for one in measured
        ), values


def test_the_towers_numbers_are_those_of_the_languages_bench() -> None:
    result = json.loads((ROOT / "docs" / "results" / "languages.json").read_text(encoding="utf-8"))
    measured = next(one for one in result["models"] if one["model"] == f"{DEFAULT}+{TOWER}")
    assert measured["sha256"] == load(f"{DEFAULT}+{TOWER}").id.sha256
    values = {
        f"{row['language']} {row['wording']}": row["precision"] for row in measured["rows"] if row["titles"] == "en"
    }
    told = {one["name"]: one["value"] for one in metadata(TOWER)["model-index"][0]["results"][0]["metrics"]}
    assert told == {name: round(value, 1) for name, value in values.items()}
    for name, score in TEXT_TOWERS[TOWER].scores.items():
        assert round(values[f"{name.split()[-1]} usual"], 1) == score


def test_an_exported_model_has_a_card_that_says_what_it_is(tmp_path: Path) -> None:
    from huggingface_hub import metadata_load

    torch.manual_seed(0)
    tokenizer = train_wordpiece(["red dress", "blue shirt"] * 3)
    folder = save_pretrained(
        tmp_path / "m", DualEncoder(SIZES["debug"]), tokenizer, name="toy.v1", languages=["en", "ru"]
    )
    text = (folder / CARD).read_text(encoding="utf-8")
    assert from_pretrained(folder).id.sha256 in text
    assert metadata_load(folder / CARD)["language"] == ["en", "ru"]
    assert "not said yet" in text, "what only a person knows is not made up"


def test_the_loop_adds_how_it_was_trained(tmp_path: Path) -> None:
    from modiste.training.folder import note_training

    note_training(tmp_path, "toy", {"epochs": 2})  # no card: nothing to add to
    assert not list(tmp_path.iterdir())
    (tmp_path / CARD).write_text("# toy\n")
    note_training(tmp_path, "toy", {"epochs": 2}, seed=3, steps_of_the_schedule=7)
    text = (tmp_path / CARD).read_text()
    for said in ("# toy", "modiste train toy", '"epochs": 2', "seed: 3", "steps of the schedule: 7"):
        assert said in text


@pytest.mark.parametrize("name", [*SHIPPED, "clip.vit_b32_openai"])
def test_models_tells_licences_of_weights_code_and_data(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from modiste.cli import run

    assert run(["models", name]) == 0
    shown = capsys.readouterr().out
    assert run(["models", name, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["license"]
    assert values["code_license"]
    assert values["data_terms"]
    for key in ("license", "code_license", "data_terms"):
        assert values[key] in shown
    assert (values["card"] is not None) == (name in SHIPPED)
    assert run(["models"]) == 0
    assert "licence of the weights" in capsys.readouterr().out


def test_a_model_that_is_not_listed_is_named_with_a_near_one(capsys: pytest.CaptureFixture[str]) -> None:
    from modiste.cli import run

    assert run(["models", "mvlt_smal"]) == 1
    assert "mvlt_small.products_v1" in capsys.readouterr().err
