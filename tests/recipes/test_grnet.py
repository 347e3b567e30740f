"""The recipes for exact search end to end at toy size: from drawn photos to a folder that compares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from modiste.data.atelier import Atelier
from modiste.models.grnet import Grnet
from modiste.models.grnet_pretrained import load_grnet
from modiste.recipes.grnet import (
    GrnetRecipe,
    chosen_products,
    held_out_photos,
    model_config,
    near,
    settled,
    training_photos,
)
from modiste.recipes.registry import build_run, recipe_help
from modiste.training.loop import train
from modiste.types import Item


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def fields(cache: Path, *more: str) -> list[str]:
    return [
        "data=atelier:24",
        f"cache={cache}",
        "photos_per_product=2",
        "batch_size=6",
        "epochs=2",
        "neighbours=2",
        *more,
    ]


def test_a_run_ends_in_a_folder_that_compares_photos(cache: Path, tmp_path: Path) -> None:
    run = build_run("grnet_debug", fields(cache))
    done = train(run, tmp_path / "run", device="cpu", progress=False)
    assert {"pair_loss", "rank_loss", "embedding_loss", "pair_accuracy"} <= done.metrics.keys()
    scorer = load_grnet(tmp_path / "run")
    assert scorer.name == "grnet_debug.run"
    atelier = Atelier(image_size=(60, 80))
    items = [atelier.item(n) for n in range(3)]
    assert np.isfinite(scorer.score(Item("q", image=atelier.customer_photo(1)), items)).all()
    again = build_run("grnet_debug", fields(cache, f"init_from={tmp_path / 'run'}", "start=none"))
    torch.manual_seed(0)
    made = again.model()  # type: ignore[operator]
    assert torch.equal(made.read.weight, load_grnet(tmp_path / "run").model.read.weight)


def test_the_baseline_learns_the_embedding_alone(cache: Path, tmp_path: Path) -> None:
    run = build_run("grnet_global_small", fields(cache, "size=debug", "start=none", "frozen=0"))
    done = train(run, tmp_path / "run", device="cpu", progress=False)
    assert "pair_loss" not in done.metrics
    assert load_grnet(tmp_path / "run").name == "grnet_global_debug.run"


def test_a_stopped_run_goes_on_as_if_nothing_had_been(cache: Path, tmp_path: Path) -> None:
    whole = train(build_run("grnet_debug", fields(cache)), tmp_path / "whole", device="cpu", progress=False)
    run = build_run("grnet_debug", fields(cache))
    half = replace(run, publish=None, checkpoint_every_steps=1)
    steps = iter(range(100))

    def stopping(batch):  # type: ignore[no-untyped-def]
        if next(steps) == 3:
            raise InterruptedError
        return run.augment(batch)  # type: ignore[misc]

    with pytest.raises(InterruptedError):
        train(replace(half, augment=stopping), tmp_path / "cut", device="cpu", progress=False)
    done = train(half, tmp_path / "cut", device="cpu", progress=False)
    assert done.steps == whole.steps
    assert done.metrics["loss"] == whole.metrics["loss"]


def test_photos_are_drawn_once_and_look_alikes_are_mined_from_the_index(cache: Path) -> None:
    config = GrnetRecipe(data="atelier:24", cache=str(cache), photos_per_product=2, size="debug", neighbours=2)
    data = training_photos(config, model_config(config))
    stamps = {file: file.stat().st_mtime_ns for file in cache.glob("shop-photos-*.safetensors")}
    assert stamps
    again = training_photos(config, model_config(config))
    assert {file: file.stat().st_mtime_ns for file in cache.glob("shop-photos-*.safetensors")} == stamps
    assert torch.equal(again.gallery, data.gallery)
    assert data.neighbours is not None
    products = data.gallery_products.numpy()
    assert (products[data.neighbours] != products[data.shop_of][:, None]).all()
    assert len(data.gallery) > len(data)  # siblings stand in the gallery, and nobody asks for them


def test_what_is_published_scores_by_shares_that_held_out_photos_gave(cache: Path, tmp_path: Path) -> None:
    """The order of what the model itself would give is at least as good after it, on those photos."""
    config = GrnetRecipe(data="atelier:60", cache=str(cache), photos_per_product=2, size="debug", share_products=20)
    torch.manual_seed(0)
    model = Grnet(model_config(config)).train()
    photos = held_out_photos(config, model.config)
    assert 0 < len(set(photos.customer_names)) <= 20
    before = {name: value.clone() for name, value in model.state_dict().items()}
    changed = settled(model, photos)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert min(changed.config.cosine_share, changed.config.window_share) >= 0
    assert changed.config != model.config
    nobody = replace(photos, customer_names=["of nothing there"] * len(photos.customer_names))
    assert settled(model, nobody) is model, "nothing can be learned from photos whose product is not there"


def test_data_without_a_validation_split_say_what_to_do(cache: Path) -> None:
    config = GrnetRecipe(data="atelier:2", cache=str(cache), size="debug")
    with pytest.raises(ValueError, match="share_products=0"):
        held_out_photos(config, model_config(config))


def test_near_is_the_order_of_inner_products() -> None:
    vectors = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.array([4, 17])
    found = near(vectors, rows, 3)
    slow = np.argsort(-(vectors[rows] @ vectors.T), axis=1)
    assert found.tolist() == slow[:, : found.shape[1]].tolist()


def test_fewer_products_are_chosen_with_their_slices() -> None:
    from modiste.data.consumer_to_shop import ShopPhotos

    photo = np.zeros((4, 4, 3), np.uint8)
    shop = tuple(Item(f"s{n}", image=photo, group=f"p{n}") for n in range(9))
    customer = tuple(Item(f"c{n}", image=photo, group=f"p{n % 5}") for n in range(10))
    photos = ShopPhotos(shop, customer, {"number": tuple(map(str, range(10)))})
    few = chosen_products(photos, 2)
    assert len({item.group for item in few.customer}) == 2
    assert len(few.shop) == 9
    assert few.slices["number"] == tuple(item.id[1:] for item in few.customer)
    assert chosen_products(photos, 0) is photos


@pytest.mark.parametrize(
    ("more", "said"),
    [(["size=huge"], "no size"), (["start=nowhere"], "no model folder"), (["size=mvlt", "start=none"], "is no MVLT")],
)
def test_fields_that_do_not_fit_are_refused(cache: Path, more: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        build_run("grnet_debug", fields(cache, *more))


def test_ablations_are_fields() -> None:
    assert "steps" in recipe_help("grnet_small")
    config = model_config(GrnetRecipe(pyramid=(2,), steps=0, cross_scale=False, cosine_term="no"))
    assert (config.pyramid, config.steps, config.cross_scale, config.cosine_term) == ((2,), 0, False, False)
    assert isinstance(Grnet(config), Grnet)
    assert model_config(GrnetRecipe(size="mvlt")).backbone == "mvlt"
