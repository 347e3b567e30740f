"""The FAME-ViL recipes through the front door: a backbone, teachers, a student of all tasks, and a stopped run that goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modiste.cli import run
from modiste.data import composed
from modiste.data.composed import ComposedExample
from modiste.models.fame_vil import FameVil
from modiste.models.pretrained import load, load_model
from modiste.recipes.fame_vil import FameVilRecipe, learning_rate_scales, start_from, started, teachers, training_items
from modiste.recipes.registry import build_run
from modiste.training.checkpoint import load_tensors
from modiste.training.log import read_log
from modiste.training.optim import parameter_groups
from modiste.types import Item

COLOURS = ("red", "blue", "green", "black")
TYPES = ("dress", "bag", "shoe")


@pytest.fixture(autouse=True, scope="module")
def small_world() -> Any:
    """48 plain squares of one colour with a mark for their type, and questions that change the colour."""
    random = np.random.default_rng(0)
    items = []
    for n in range(48):
        pixels = np.full((20, 16, 3), 30 * (n % 4), np.uint8)
        pixels[: 4 * (n % 3) + 4] += random.integers(0, 60, (4 * (n % 3) + 4, 16, 3), dtype=np.uint8)
        colour, kind = COLOURS[n % 4], TYPES[n % 3]
        items.append(Item(str(n), f"{colour} {kind} for women", pixels, kind, attributes={"colour": colour}))
    questions = [
        ComposedExample(items[n], items[(n + 24) % 48], f"the same in {COLOURS[n % 4]}", family=str(n))
        for n in range(40)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("modiste.data.sources.load_items", lambda source, split=None: items)
        patch.setattr(composed, "composed_examples", lambda *_, **__: questions)
        yield


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("clip")
    assert run(["train", "fame_vil_clip_debug", "--out", str(at / "run")]) == 0
    return at / "run" / "model"


def trained(at: Path, *fields: str) -> Path:
    assert run(["train", "fame_vil_debug", *fields, "--out", str(at)]) == 0
    return at / "model"


def test_a_backbone_teachers_and_their_student(backbone: Path, tmp_path: Path) -> None:
    start = load_model(backbone).model
    assert isinstance(start, FameVil)
    assert not start.config.tsa
    assert start.config.tasks == ("xmr",)
    for task in ("xmr", "tgir", "scr", "fic"):
        folder = trained(tmp_path / f"teacher_{task}", f"init_from={backbone}", f"tasks={task}", "max_steps=2")
        assert load_model(folder).model.config.tasks == (task,)
    student = trained(
        tmp_path / "student",
        f"init_from={backbone}",
        f"teachers={tmp_path}/teacher_{{task}}/model",
        "sampling=round_robin",
    )
    log = read_log(tmp_path / "student")
    assert {"xmr_distil_loss", "fic_distil_loss"} <= {name for entry in log for name in entry}  # first and last step
    found = load_model(student).model
    assert found.config.classes == ("bag", "dress", "shoe")
    assert found.config.vocab_size == start.config.vocab_size
    assert not any("teacher" in name for name in found.state_dict())
    assert load(student).id.dim == 3 * found.config.embed_dim


def test_a_stopped_run_goes_on_to_the_same_weights(backbone: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    from modiste.training.loop import TrainingInterrupted, train

    fields = [f"init_from={backbone}", "max_steps=6"]
    whole = train(build_run("fame_vil_debug", fields), tmp_path / "whole", device="cpu", progress=False)
    broken = build_run("fame_vil_debug", fields)
    augment, seen = broken.augment, []

    def fails_once(batch: Any) -> Any:
        seen.append(len(batch))
        if len(seen) == 4:
            raise TrainingInterrupted(1)
        return augment(batch)  # type: ignore[misc]

    with pytest.raises(SystemExit):
        train(
            replace(broken, augment=fails_once, checkpoint_every_steps=2),
            tmp_path / "parts",
            device="cpu",
            progress=False,
        )
    again = build_run("fame_vil_debug", fields)
    done = train(replace(again, checkpoint_every_steps=2), tmp_path / "parts", device="cpu", progress=False)
    expected = load_tensors(whole.weights)
    for name, tensor in load_tensors(done.weights).items():
        assert torch.equal(tensor, expected[name]), name


def test_imtl_g_trains_every_task_in_a_step(backbone: Path, tmp_path: Path) -> None:
    trained(tmp_path / "run", f"init_from={backbone}", "balance=imtl_g", "max_steps=2")
    entry = read_log(tmp_path / "run")[-1]
    assert {f"{task}_loss" for task in ("xmr", "tgir", "scr", "fic")} <= set(entry)


def test_adapters_learn_faster_than_the_backbone(backbone: Path) -> None:
    config = FameVilRecipe(init_from=str(backbone))
    begun = started(config, training_items("small world"))
    model = FameVil(begun.config)
    assert begun.model is not None
    fresh = start_from(model, begun.model)
    assert fresh
    assert all(".tsa." in name or ".xaa." in name or name.startswith(("classify.", "caption.")) for name in fresh)
    groups = parameter_groups(model, 0.05, learning_rate_scales(begun.config, 0.2))
    scale = {name: group["scale"] for group in groups for name in group["names"]}
    for name, value in scale.items():
        own = name.startswith(("vision.", "text.")) and ".tsa." not in name and ".xaa." not in name
        assert value == (0.2 if own else 1.0), name


def test_what_the_recipe_refuses(backbone: Path, tmp_path: Path) -> None:
    items = training_items("small world")
    with pytest.raises(ValueError, match="there is no size"):
        started(FameVilRecipe(size="huge"), items)
    with pytest.raises(ValueError, match="must have"):
        teachers("runs/teacher", ("xmr",))
    (tmp_path / "tgir").symlink_to(backbone)
    with pytest.raises(ValueError, match="is no FAME-ViL that has learned tgir"):
        teachers(f"{tmp_path}/{{task}}", ("tgir",))
    other = FameVil(load_model(backbone).model.config)
    wrong = FameVil(other.config.__class__(**{**vars(other.config), "embed_dim": 8}))
    with pytest.raises(ValueError, match=r"init_from: vision\.project\.weight"):
        start_from(wrong, other)
