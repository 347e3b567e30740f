"""The numbers that a training of outfits is watched by: those of the protocols, asked of a model as it is."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
sys.path.insert(0, str(Path(__file__).parents[1] / "evaluation"))
from outfit_protocol_toys import knows
from outfit_toys import DIM, FAMILIES, data, features

from modiste.data.outfits import Look
from modiste.evaluation.outfits import evaluate_outfits
from modiste.models.csa_net import SIZES as CSA_SIZES
from modiste.models.csa_net import CsaNet
from modiste.models.outfit_inference import TransformerPool
from modiste.models.outfit_statistics import Constant
from modiste.models.outfit_transformer import SIZES, OutfitTransformer
from modiste.recipes.outfit_training import InTraining, numbers, validation, validation_questions
from modiste.types import FloatArray, Slot


def test_a_constant_scorer_is_at_chance_and_a_perfect_one_at_the_top() -> None:
    world = data()
    questions = validation_questions(world)
    assert questions is not None
    assert len(questions.fitb[""].questions) == 10
    assert numbers(world, knows(world), questions) == {"fitb": 100.0, "cp_auc": 100.0}
    assert numbers(world, Constant(), questions) == {"fitb": 25.0, "cp_auc": 50.0}


def test_what_is_watched_is_what_the_protocol_measures() -> None:
    world = data()
    torch.manual_seed(0)
    model = OutfitTransformer(replace(_debug(), text_dim=0)).eval()  # so that no encoder has to read the categories
    questions = validation_questions(world)
    assert questions is not None
    scorer = InTraining(model, world, features(world), None)  # type: ignore[arg-type]
    found = validation(1, world, features(world), None)["outfits/valid"].function(model)  # type: ignore[arg-type]
    report = evaluate_outfits(world, scorer, split="valid", resamples=0)
    assert found["fitb"] == report.metrics["fitb_accuracy"].mean
    assert found["cp_auc"] == pytest.approx(100 * report.metrics["cp_auc"].mean)
    assert set(found) == {"fitb", "fitb_cir", "cp_auc"}
    pairs = CsaNet(
        replace(CSA_SIZES["small"], image_dim=DIM, text_dim=DIM, tags={"category": tuple(sorted(FAMILIES))})
    ).eval()
    assert set(numbers(world, InTraining(pairs, world, features(world, ("category",)), None), questions)) == {  # type: ignore[arg-type]
        "fitb",
        "cp_auc",
    }


def test_the_query_is_told_the_category_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No leak: two items of one category get the same query, whatever their own words are."""
    world = data()
    model = OutfitTransformer(_debug()).eval()
    asked: list[Slot] = []

    def listen(pool: TransformerPool, sets: np.ndarray, slots: list[Slot]) -> FloatArray:
        asked.extend(slots)
        return np.zeros((len(sets), pool.candidates.shape[1]), np.float32)

    monkeypatch.setattr(TransformerPool, "queries", listen)
    found = validation(1, world, features(world), None)["outfits/valid"].function(model)  # type: ignore[arg-type]
    assert found["fitb_cir"] == 25.0
    assert asked
    assert all(not slot.wish and len(slot.categories) == 1 for slot in asked)


def test_without_questions_nothing_is_watched() -> None:
    world = data()
    assert validation(0, world, features(world), None) == {}  # type: ignore[arg-type]
    assert validation(1, replace(world, looks={"train": world.looks["train"]}), features(world), None) == {}  # type: ignore[arg-type]
    few = {one: world.items[one] for one in ("shirt0", "bag0")}
    alone = replace(world, items=few, looks={"valid": (Look("a", ("shirt0", "bag0")),)})
    assert validation_questions(alone) is None


def test_items_are_known_by_their_id() -> None:
    world, known = data(), features(data())
    scorer = InTraining(OutfitTransformer(_debug()).eval(), world, known, None)  # type: ignore[arg-type]
    every = list(world.items.values())
    some = scorer.pool(every[3:9][::-1])
    np.testing.assert_allclose(some.score(np.array([[0, 5]])), scorer.pool(every).score(np.array([[8, 3]])), rtol=1e-5)


def _debug():  # type: ignore[no-untyped-def]
    return replace(SIZES["debug"], image_dim=DIM, text_dim=DIM)
