"""The recipes for outfits end to end on a toy world: from looks to a folder that scores."""

from __future__ import annotations

import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from outfit_toys import data, examples, items

from modiste.data.batches import OutfitBatch
from modiste.data.outfits import OutfitData
from modiste.data.text import train_wordpiece
from modiste.models import pretrained
from modiste.models.clip import SIZES, DualEncoder
from modiste.models.inference import ImageTextEncoder
from modiste.models.outfit_pretrained import load_outfit_scorer, save_outfit_model
from modiste.recipes.outfit_training import OutfitLoader, item_vectors, kind_texts
from modiste.recipes.outfit_transformer import OutfitRecipe
from modiste.recipes.registry import RECIPES, build_run, recipe_help
from modiste.training.loop import train


@pytest.fixture
def encoder(tmp_path: Path) -> str:
    torch.manual_seed(1)
    words = [item.text for item in items()]
    folder = tmp_path / "encoder"
    pretrained.save_pretrained(
        folder, DualEncoder(SIZES["debug"]), train_wordpiece(words, vocab_size=100), name=str(folder)
    )
    return str(folder)


@pytest.fixture
def toy_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_outfits(source: str) -> OutfitData:
        assert source == "toy"
        return data()

    module = types.ModuleType("modiste.data.outfit_sources")
    module.load_outfits = load_outfits  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


def fields(encoder: str, *more: str) -> list[str]:
    return ["data=toy", f"encoder={encoder}", "size=debug", "epochs=2", "batch_size=8", "cache=", "eval_every=1",
            "num_negatives=3", "max_items=4", *more]  # fmt: skip


@pytest.mark.usefixtures("toy_source")
@pytest.mark.parametrize("recipe", ["outfit_transformer_debug", "csa_net_small", "type_aware_small"])
def test_a_run_ends_in_a_folder_that_scores(recipe: str, encoder: str, tmp_path: Path) -> None:
    run = build_run(recipe, fields(encoder))
    result = train(run, tmp_path / "run", device="cpu", progress=False)
    assert result.steps == 10
    for name in ("fitb", "cp_auc", *(["fitb_cir"] if "transformer" in recipe else [])):
        assert 0 <= result.metrics[f"outfits/valid/{name}"] <= 100
    scorer = load_outfit_scorer(tmp_path / "run")
    looks = data().looks["valid"]
    scores = scorer.score([data().outfit(look).items for look in looks])
    assert ((scores > 0) & (scores <= 1)).all()
    assert scorer.encoder_id == pretrained.load(encoder).id


@pytest.mark.usefixtures("toy_source")
def test_compatibility_first_then_retrieval(encoder: str, tmp_path: Path) -> None:
    first = build_run("outfit_transformer_debug", fields(encoder, "objectives=cp"))
    trained = train(first, tmp_path / "cp", device="cpu", progress=False)
    assert "cir_loss" not in trained.metrics
    second = build_run("outfit_transformer_debug", fields(encoder, "objectives=cir", f"init_from={tmp_path / 'cp'}"))
    torch.manual_seed(9)
    model = second.model()  # type: ignore[operator]
    start = load_outfit_scorer(tmp_path / "cp").model
    torch.testing.assert_close(model.sets.norm.weight, start.sets.norm.weight)  # type: ignore[union-attr]
    assert not torch.equal(model.query_head[0].weight, start.query_head[0].weight)  # type: ignore[union-attr, index]
    more = build_run("outfit_transformer_debug", fields(encoder, f"init_from={tmp_path / 'cp'}")).model()  # type: ignore[operator]
    torch.testing.assert_close(more.query_head[0].weight, start.query_head[0].weight)  # type: ignore[union-attr, index]
    assert train(second, tmp_path / "cir", device="cpu", progress=False).metrics["cir_loss"] >= 0


@pytest.mark.usefixtures("toy_source")
def test_modalities_and_tags_are_fields(encoder: str) -> None:
    model = build_run("outfit_transformer_debug", fields(encoder, "image=false", "tags=id,category")).model()  # type: ignore[operator]
    assert (model.config.image_dim, model.config.text_dim) == (0, SIZES["debug"].embed_dim)
    assert list(model.config.tags) == ["id", "category"]
    assert set(model.config.tags["id"]) <= data().seen  # unseen items have no vector of their own
    for words, message in (
        (["image=false", "text=false"], "give tags"),
        (["size=huge"], "debug, small, paper"),
        (["margin=2"], "can never be met"),
        (["objectives=cpp"], "losses are"),
    ):
        with pytest.raises(ValueError, match=message):
            build_run("outfit_transformer_debug", [*fields(encoder)[:2], *words])
    with pytest.raises(ValueError, match="scratch"):
        build_run("csa_net_small", fields(encoder, "init_from=x"))


@pytest.mark.usefixtures("toy_source")
def test_a_pair_model_is_no_start(encoder: str, tmp_path: Path) -> None:
    model = build_run("csa_net_small", fields(encoder)).model()  # type: ignore[operator]
    save_outfit_model(tmp_path / "csa", model, name="x", encoder=pretrained.load(encoder).id)
    with pytest.raises(ValueError, match="CsaNet is no OutfitTransformer"):
        build_run("outfit_transformer_debug", fields(encoder, f"init_from={tmp_path / 'csa'}"))


def test_every_recipe_explains_itself() -> None:
    for name in RECIPES:
        if "OutfitRecipe" in RECIPES[name].config:
            assert "popular_share" in recipe_help(name)
    assert OutfitRecipe().model == "outfit_transformer"


def test_negatives_become_finer() -> None:
    made = examples()
    switch, ramp, fine = (OutfitLoader(made, 10, 5, one) for one in ("switch", "ramp", "fine"))  # type: ignore[arg-type]
    assert switch.steps_per_epoch == 4
    assert [switch.fine_share(step) for step in (0, 9, 10, 19)] == [0, 0, 1, 1]
    assert [ramp.fine_share(step) for step in (0, 5, 10)] == [0, 0.25, 0.5]
    assert fine.fine_share(0) == 1
    with pytest.raises(ValueError, match="do not fill one batch"):
        OutfitLoader(made, 50, 5)


def test_batches_resume_and_are_shared_out() -> None:
    loader = OutfitLoader(examples(), 10, 5, "ramp")
    whole = list(loader.batches(1, 0, 0, 1))
    assert len(whole) == 4
    [last] = loader.batches(1, 3, 0, 1)
    assert torch.equal(last.images, whole[3].images)
    halves = [next(iter(loader.batches(1, 0, rank, 2))) for rank in (0, 1)]
    assert all(isinstance(one, OutfitBatch) and len(one) == 5 for one in halves)
    assert torch.equal(halves[1].wanted_text, whole[0].wanted_text[1::2])  # the same looks, whoever works on them


def test_vectors_are_made_once_and_kept(encoder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = pretrained.load(encoder)
    photo = np.random.default_rng(0).integers(0, 255, (20, 15, 3), dtype=np.uint8)
    every = [*items(1), replace(items(1)[0], id="photo", title="", image=photo), replace(items(1)[0], id="x", title="")]
    first = item_vectors(every, model, tmp_path / "cache")
    np.testing.assert_allclose(first[:5], model.encode(every[:5]).vectors, atol=1e-6)
    assert not first[5].any()
    [file] = (tmp_path / "cache").iterdir()
    assert model.id.sha256[:12] in file.name
    with monkeypatch.context() as patch:
        patch.setattr(ImageTextEncoder, "encode", lambda *_: pytest.fail("encoded again"))
        np.testing.assert_array_equal(item_vectors(every, model, tmp_path / "cache"), first)
    item_vectors(every[:3], model, tmp_path / "cache")  # other items, another file
    assert len(list((tmp_path / "cache").iterdir())) == 2
    file.write_bytes(b"cut")
    np.testing.assert_array_equal(item_vectors(every, model, tmp_path / "cache"), first)
    names = kind_texts(every, model)
    np.testing.assert_allclose(names[0], model.encode_texts(["shirt"]).vectors[0], atol=1e-6)
