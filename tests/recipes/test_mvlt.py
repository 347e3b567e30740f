"""The MVLT recipes through the front door: a run, a stopped run that goes on, and starting from another model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modiste.cli import run
from modiste.data import sources
from modiste.data.atelier import Atelier
from modiste.data.batches import ImageTextBatch
from modiste.data.sources import load_items
from modiste.data.text import train_wordpiece
from modiste.models.clip import SIZES as CLIP_SIZES
from modiste.models.clip import DualEncoder
from modiste.models.mvlt import SIZES, Mvlt, MvltObjective
from modiste.models.pretrained import load_model, save_pretrained
from modiste.recipes.mvlt import LOSS_FIELDS, MvltRecipe, _sizes, _validation, class_names
from modiste.recipes.registry import RECIPES, RecipeError, build_run, config_class, parse_overrides
from modiste.training.checkpoint import load_tensors
from modiste.training.log import read_log
from modiste.training.loop import train
from modiste.types import Item

FIELDS = ["data=atelier:48", "batch_size=12", "group_size=4", "epochs=2", "labels=colour,season"]
TIMES = ("seconds", "images_per_second")


def small_world() -> list[Item]:
    return list(Atelier(seed=0, image_size=(64, 80)).items(48))


@pytest.fixture(autouse=True, scope="module")
def drawn_once() -> Any:
    """The 48 items of `FIELDS`, drawn small and once: drawing them is most of a run's time."""
    items = small_world()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sources, "_atelier", lambda text: items)
        yield


def modiste_train(folder: Path, *words: str, recipe: str = "mvlt_debug") -> int:
    return run(["train", recipe, *FIELDS, *words, "--out", str(folder), "--device", "cpu", "--json"])


def numbers(folder: Path) -> list[dict[str, float]]:
    return [{key: value for key, value in line.items() if key not in TIMES} for line in read_log(folder)]


def same(one: Path, other: Path) -> bool:
    first, second = load_tensors(one / "model.safetensors"), load_tensors(other / "model.safetensors")
    return first.keys() == second.keys() and all(torch.equal(tensor, second[name]) for name, tensor in first.items())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert modiste_train(folder) == 0
    return folder


def test_the_debug_recipe_trains_all_objectives_and_leaves_a_model(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = read_log(whole)
    steps = int(lines[-1]["step"])
    assert steps == 2 * (len(load_items("atelier:48", "train")) // 12)
    assert lines[0].keys() >= {*LOSS_FIELDS, "itm_accuracy", "logit_scale", "loss", "grad_norm"}
    assert all(np.isfinite(value) for line in lines for value in line.values())
    assert lines[-1]["mir_loss"] < lines[0]["mir_loss"]
    weighted = {
        "mir_loss": 10.0,
        "itm_loss": 1.0,
        "mlm_loss": 1.0,
        "itc_loss": 1.0,
        "itm_rank_loss": 1.0,
        "tag_loss": 0.5,
    }
    for line in lines:
        assert line["loss"] == pytest.approx(sum(weight * line[name] for name, weight in weighted.items()), rel=1e-4)
    model = load_model(whole).model
    assert isinstance(model, Mvlt)
    assert model.labels == class_names(load_items("atelier:48", "train"), ("colour", "season"))
    assert modiste_train(whole) == 0  # finished already
    printed = capsys.readouterr()
    assert json.loads(printed.out)["steps"] == steps
    assert "finished already" in printed.err


def stopped_in_step(step: int, folder: Path, threads: int) -> None:
    """Train, and be sent SIGTERM in the middle of a step; in a process of its own, which a signal may end."""
    items = small_world()
    real, calls = Mvlt.losses, 0

    def losses(self: Mvlt, batch: ImageTextBatch) -> dict[str, torch.Tensor]:
        nonlocal calls
        calls += 1
        if calls == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, batch)

    torch.set_num_threads(threads)
    sources._atelier = lambda text: items
    Mvlt.losses = losses  # type: ignore[method-assign]
    modiste_train(folder)


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(whole: Path, tmp_path: Path) -> None:
    """SIGTERM in the middle of the second epoch; masks, negatives and augmentation are drawn again as they would have been."""
    folder = tmp_path / "stopped"
    code = f"import test_mvlt, pathlib; test_mvlt.stopped_in_step(4, pathlib.Path({str(folder)!r}), {torch.get_num_threads()})"
    command = [sys.executable, "-X", "faulthandler", "-c", code]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 128 + signal.SIGTERM, done.stderr
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["step_00000004"]
    assert not (folder / "model").exists()
    assert modiste_train(folder) == 0
    assert numbers(folder)[-1] == numbers(whole)[-1]
    assert same(folder, whole)


def test_going_on_from_either_of_two_checkpoints_ends_at_the_same_weights(tmp_path: Path) -> None:
    made = replace(build_run("mvlt_debug", [*FIELDS, "ema_decay=0.9"]), checkpoint_every_steps=2, log_every=1)
    train(made, tmp_path / "run", device="cpu", progress=False)
    saved = sorted((tmp_path / "run" / "checkpoints").iterdir())
    assert len(saved) == 2
    train(made, tmp_path / "copy", resume=saved[0], device="cpu", progress=False)
    assert numbers(tmp_path / "copy") == numbers(tmp_path / "run")[-len(numbers(tmp_path / "copy")) :]
    assert len(numbers(tmp_path / "copy")) >= 1
    assert same(tmp_path / "copy", tmp_path / "run")


@pytest.mark.parametrize(
    "words",
    [
        ["objectives=mir,itm,mlm", "one_pass=true", "negative_hardness=0", "num_negatives=1", "rank_term=false", "embed_dim=0",
         "alternate=true", "pad_mask=false", "decoder=cpd3"],
        ["joint_from=4", "conv_stages=3", "match_product=yes", "gradient_accumulation=2", "activation_checkpointing=true"],
        ["objectives=tag", "rank_term=false", "negative_hardness=0"],
        ["objectives=itm,itc", "embed_dim=8", "joint_from=2", "precision=bf16", "mask_style=stroke"],
    ],
)  # fmt: skip
def test_other_settings_train_too(words: list[str], tmp_path: Path) -> None:
    assert modiste_train(tmp_path / "run", *words) == 0
    assert all(np.isfinite(value) for line in read_log(tmp_path / "run") for value in line.values())


# ---- Starting from another model -------------------------------------------------------------------------------------


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A model with the run's colours, as many seasons with other names, and a label of its own."""
    found = class_names(load_items("atelier:48", "train"), ("colour", "season"))
    labels = {
        "colour": found["colour"],
        "season": tuple(f"season {number}" for number in range(len(found["season"]))),
        "shop": ("a", "b"),
    }
    torch.manual_seed(3)
    model = Mvlt(SIZES["debug"], labels=labels)
    tokenizer = train_wordpiece(["red dress", "blue jeans"] * 3)
    return save_pretrained(tmp_path / "start", model, tokenizer, name="start")


def test_a_run_starts_from_another_models_weights_with_new_label_heads(start: Path) -> None:
    made = build_run("mvlt_debug", [*FIELDS[:4], "labels=colour,season,gender", f"init_from={start}"])
    torch.manual_seed(9)
    model = made.model()  # type: ignore[operator]
    before = load_model(start)
    theirs = before.model.state_dict()
    assert set(model.labels) == {"colour", "season", "gender"}
    fresh = set()
    for name, tensor in model.state_dict().items():
        if name in theirs and theirs[name].shape == tensor.shape and torch.equal(theirs[name], tensor):
            continue
        fresh.add(name.split(".")[1] if name.startswith("label_heads.") else name)
    fresh.discard("word_trust.weights")  # counted anew in the texts of this run
    assert fresh == {"season", "gender"}  # as many seasons, but not these: their order means something else
    batch = next(iter(made.loader.batches(0, 0, 0, 1)))
    assert batch.token_ids.max() < before.tokenizer.get_vocab_size()
    assert model.config == before.model.config


def test_a_dual_encoder_of_another_kind_is_no_start(tmp_path: Path) -> None:
    other = save_pretrained(
        tmp_path / "other", DualEncoder(CLIP_SIZES["debug"]), train_wordpiece(["red dress"] * 3), name="other"
    )
    run = build_run("mvlt_debug", [*FIELDS, f"init_from={other}"])
    with pytest.raises(ValueError, match="bag of words"):
        run.model()  # type: ignore[operator]


def test_the_pyramid_starts_from_a_pvt_checkpoint(tmp_path: Path) -> None:
    from transformers import PvtConfig, PvtModel

    debug = SIZES["debug"]
    torch.manual_seed(4)
    theirs = PvtModel(
        PvtConfig(
            image_size=32, hidden_sizes=list(debug.dims), depths=list(debug.depths), mlp_ratios=list(debug.mlp_ratios),
            num_attention_heads=list(debug.num_heads), sequence_reduction_ratios=list(debug.sr_ratios),
        )
    )  # fmt: skip
    theirs.save_pretrained(tmp_path)
    model = build_run("mvlt_debug", [*FIELDS, f"pvt={tmp_path}"]).model()  # type: ignore[operator]
    for k in range(4):
        found = model.stages[k].blocks[0].feed_forward.expand.weight
        assert torch.equal(found, theirs.encoder.block[k][0].mlp.dense1.weight)


# ---- Data and settings -----------------------------------------------------------------------------------------------


def test_classes_are_the_values_among_the_items_in_order() -> None:
    items = [
        Item("1", attributes={"colour": "red", "season": "Summer", "size": 40}),
        Item("2", attributes={"colour": "blue", "season": "Summer", "size": 9}),
        Item("3", attributes={"colour": "", "usage": "Casual"}),
    ]
    assert class_names(items, ("size", "colour", "season", "usage", "gender")) == {
        "size": ("40", "9"),  # one season, one usage and no gender: nothing to tell apart
        "colour": ("blue", "red"),
    }


def test_the_same_recipe_builds_the_same_batches() -> None:
    one, other = (next(iter(build_run("mvlt_debug", FIELDS).loader.batches(1, 1, 0, 1))) for _ in range(2))
    for name in ("images", "token_ids", "item_ids", "labels"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_an_unknown_size_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match="no size 'huge'; choose one of debug, micro, small, small_224, judge, micro_28, tiny"
    ):
        build_run("mvlt_debug", [*FIELDS, "size=huge"])


def test_the_front_door_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert modiste_train(tmp_path / "a", "decoder=unet5") == 1
    assert "decoder=unet5" in capsys.readouterr().err.replace("\n", " ")
    assert modiste_train(tmp_path / "b", "objectives=mir,mim") == 1
    assert "unknown objective mim" in capsys.readouterr().err.replace("\n", " ")
    with pytest.raises(RecipeError, match="did you mean mvlt_debug"):
        config_class("mvlt_debgu")


def settings(name: str) -> Any:
    return parse_overrides(config_class(name), [], defaults=RECIPES[name].defaults)


@pytest.mark.parametrize("name", list(RECIPES))
def test_every_recipe_has_settings_that_fit_each_other(name: str) -> None:
    config = settings(name)
    if not isinstance(config, MvltRecipe):
        return
    fields = {one: getattr(config, one) for one in MvltObjective.__dataclass_fields__ if hasattr(config, one)}
    objective = MvltObjective(losses=config.objectives, **fields)
    sizes = _sizes(config)
    Mvlt(replace(sizes, vocab_size=64), objective)
    assert config.batch_size % config.group_size == 0


@pytest.mark.parametrize("name", ["mvlt_micro", "mvlt_tiny"])
def test_the_papers_recipes_have_the_papers_objective(name: str) -> None:
    config = settings(name)
    assert config.objectives == ("mir", "itm", "mlm")
    assert (config.mir_weight, config.itm_weight, config.mlm_weight) == (10, 1, 1)
    assert (config.mask_style, config.mask_ratio, config.mask_unit) == ("random_grid", 0.5, 16)
    assert config.one_pass
    sizes = _sizes(config)
    assert (sizes.joint_from, sizes.conv_stages, sizes.embed_dim) == (1, 0, 0)


def test_validation_takes_small_splits_and_leaves_out_what_has_no_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [
        *Atelier(seed=5, image_size=(32, 40)).items(110),
        Item("bare", "no photo"),
        Item("mute", image=b"never read"),
    ]
    monkeypatch.setattr("modiste.data.sources.has_split", lambda source, split: True)
    monkeypatch.setattr("modiste.data.sources.load_items", lambda source, split: items)
    tokenizer = train_wordpiece([item.title for item in items], vocab_size=500)
    [(name, evaluator)] = _validation(MvltRecipe(data="x", eval_every=3), tokenizer).items()
    assert (name, evaluator.every_epochs) == ("retrieval-1of101/valid", 3)
    torch.manual_seed(0)
    found = evaluator.function(Mvlt(replace(SIZES["debug"], joint_from=4)).eval())
    for way in ("itc", "itm", "rerank"):
        parts = [found[f"{way}_{direction}_R@{k}"] for direction in ("t2i", "i2t") for k in (1, 5, 10)]
        assert found[f"{way}_sum"] == pytest.approx(sum(parts))
    assert _validation(MvltRecipe(data="x", eval_every=0), tokenizer) == {}


def test_the_image_side_alone_needs_no_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(40, dtype=np.uint8) % 10
    images = (rng.integers(0, 60, (40, 28, 28)) + labels[:, None, None] * 19).astype(np.uint8)
    (tmp_path / "fashion_mnist").mkdir()
    np.savez(
        tmp_path / "fashion_mnist" / "fashion_mnist.npz",
        train_images=images, train_labels=labels, test_images=images, test_labels=labels,
    )  # fmt: skip
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path))
    run = build_run("mvlt_fashion_mnist", ["batch_size=8", "epochs=1"])
    model = run.model()  # type: ignore[operator]
    batch = next(iter(run.loader.batches(0, 0, 0, 1)))
    assert batch.token_ids.shape == (8, 1)  # [CLS] and nothing else
    assert run.augment is not None
    losses = model.losses(run.augment(batch))
    assert set(losses) == {"mir_loss", "tag_loss"}
    assert all(torch.isfinite(loss) for loss in losses.values())

    assert run.publish is not None
    run.publish(model.eval(), tmp_path / "mvlt_fashion_mnist" / "model")
    again = build_run(
        "mvlt_fashion_mnist_tuned",
        ["batch_size=8", "epochs=1", f"init_from={tmp_path / 'mvlt_fashion_mnist' / 'model'}"],
    )
    tuned = again.model()  # type: ignore[operator]
    head = next(iter(tuned.label_heads["article_type"].parameters()))
    stored = next(iter(model.label_heads["article_type"].parameters())).half().float()
    torch.testing.assert_close(head, stored)  # it goes on from the classes that are known already
    assert set(tuned.losses(batch)) == {"tag_loss"}
