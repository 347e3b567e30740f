"""The recipes for recommenders end to end on toy users: from clicks to tastes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from click_toys import clicks

from modiste.cli.app import app
from modiste.data.click_batches import BrokenBatch, ClickBatch, JointBatch, UserBatch
from modiste.data.interactions import Interactions
from modiste.engine.tastes import TasteRecommender, load_tastes
from modiste.models.hfgn import Hfgn
from modiste.recipes.hfgn import AlternatingLoader
from modiste.recipes.registry import RECIPES, RecipeError, build_run, recipe_help
from modiste.training.checkpoint import load_tensors
from modiste.training.loop import train

NAMES = [name for name in RECIPES if "RecommenderRecipe" in RECIPES[name].config]
SPLITS = ("train", "valid", "test")


@pytest.fixture
def toy_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_interactions(source: str, seed: int = 0) -> Interactions:
        assert source == "toy"
        return clicks(splits=SPLITS, features=True)

    monkeypatch.setattr("modiste.data.interactions.load_interactions", load_interactions)


def fields(name: str, *more: str) -> list[str]:
    size = [] if any(one.startswith("size=") for one in more) else ["size=debug"]
    batch = 3 if "masked" in name else 4
    return ["data=toy", *size, "epochs=3", f"batch_size={batch}", "outfit_batch_size=3", "warmup_steps=2", *more]


@pytest.mark.usefixtures("toy_source")
@pytest.mark.parametrize("name", NAMES)
def test_a_run_ends_in_tastes_that_rank_as_the_model(name: str, tmp_path: Path) -> None:
    run = build_run(name, fields(name))
    result = train(run, tmp_path / "run", device="cpu", progress=False)
    assert 0 <= result.metrics["clicks/valid/ndcg@20"] <= 1
    assert result.best is not None
    found = load_tastes(tmp_path / "run" / "model")
    model = run.model()  # type: ignore[operator]
    model.load_state_dict(load_tensors(tmp_path / "run" / "model.safetensors"))
    data = clicks(splits=SPLITS, features=True)
    users = np.arange(data.num_users)
    recommender = TasteRecommender(found, data.user_ids, data.outfit_ids)
    np.testing.assert_allclose(recommender.scores(users), model.eval().knowledge().scores(users), atol=1e-5)
    assert load_tastes(tmp_path / "run").name == found.name  # best/, chosen on valid


@pytest.mark.usefixtures("toy_source")
def test_the_paper_s_order_fltb_then_recommendation(tmp_path: Path) -> None:
    first = build_run("hfgn_debug", fields("hfgn_debug", "mode=fltb"))
    assert {type(batch) for batch in first.loader.batches(0, 0, 0, 1)} == {BrokenBatch}
    trained = train(first, tmp_path / "fltb", device="cpu", progress=False)
    assert set(trained.metrics) >= {"fltb_loss"}
    assert "bpr_loss" not in trained.metrics
    second = build_run("hfgn_debug", fields("hfgn_debug", "mode=recommendation", f"init_from={tmp_path / 'fltb'}"))
    assert "fltb_loss" not in train(second, tmp_path / "rec", device="cpu", progress=False).metrics


@pytest.mark.usefixtures("toy_source")
def test_joint_shares_the_losses_and_alternating_takes_turns() -> None:
    joint = build_run("hfgn_debug", fields("hfgn_debug", "mode=joint", "fltb_share=0.25"))
    assert joint.loss_weights == {"fltb_loss": 0.25, "bpr_loss": 0.75, "l2_loss": 0.75}
    assert {type(batch) for batch in joint.loader.batches(0, 0, 0, 1)} == {JointBatch}
    loader = build_run("hfgn_debug", fields("hfgn_debug", "mode=alternating")).loader
    assert isinstance(loader, AlternatingLoader)
    kinds = [type(batch) for batch in loader.batches(1, 0, 0, 1)]
    assert kinds == [BrokenBatch] * 2 + [ClickBatch] * 3
    assert len(kinds) == loader.steps_per_epoch
    whole = list(loader.batches(1, 0, 0, 1))
    for start in (1, 2, 3):  # a run that goes on in the middle sees the same batches
        for one, other in zip(loader.batches(1, start, 0, 1), whole[start:], strict=True):
            assert type(one) is type(other)
            assert all(torch.equal(a, b) for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


@pytest.mark.usefixtures("toy_source")
def test_users_of_one_click_have_nothing_to_hide() -> None:
    run = build_run("hfgn_masked_ifashion", fields("hfgn_masked"))
    assert all(isinstance(batch, UserBatch) for batch in run.loader.batches(0, 0, 0, 1))
    assert run.loader.steps_per_epoch == 2


@pytest.mark.usefixtures("toy_source")
@pytest.mark.parametrize("name", ["hfgn_masked_ifashion", "lightgcn_ifashion"])
def test_a_small_shop_is_one_batch(name: str) -> None:
    run = build_run(name, ["data=toy", "size=debug"])
    assert run.loader.steps_per_epoch == 1
    [batch] = run.loader.batches(0, 0, 0, 1)
    assert len(batch) == (6 if "masked" in name else 14)


@pytest.mark.usefixtures("toy_source")
def test_the_model_is_given_training_clicks_alone() -> None:
    model = build_run("hfgn_debug", fields("hfgn_debug")).model()  # type: ignore[operator]
    assert isinstance(model, Hfgn)
    assert len(model.clicks.values) == clicks().clicks["train"].nnz


@pytest.mark.usefixtures("toy_source")
def test_fields_that_make_no_sense_are_refused() -> None:
    for words, message in (
        (["size=huge"], "debug, small, paper"),
        (["shape=embed_dims=3"], "did you mean embed_dim"),
        (["shape=embed_dim=x"], "not of type int"),
        (["model=lightgcn", "mode=joint"], "only hfgn judges"),
        (
            ["model=hfgn_masked", "mode=recommendation", "shape=item_level=false,outfit_ids=false"],
            "nothing to know outfits by",
        ),
    ):
        with pytest.raises((RecipeError, ValueError), match=message):
            build_run("hfgn_debug", fields("hfgn_debug", *words))
    for name in NAMES:
        assert "patience" in recipe_help(name)


def test_through_the_front_door(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["train", "hfgn_debug", "epochs=1", "--out", str(out), "--device", "cpu"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    found = load_tastes(out)
    assert len(found.user_ids) == 60
    assert np.isfinite(found.scores(found.fold_in([0, 1, 2]))).all()
