"""What is held out reaches no recommender that we train: not by the graph, not by negatives, not by the choice of an epoch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from modiste.data.click_batches import ClickExamples
from modiste.data.interactions import Interactions, load_interactions
from modiste.engine.tastes import load_tastes
from modiste.recipes.registry import RECIPES, build_run
from modiste.training.loop import train

RECOMMENDERS = [name for name in RECIPES if "RecommenderRecipe" in RECIPES[name].config]
USERS, OUTFITS = 12, 20


def shop(folder: Path, test_shift: int) -> Path:
    """A shop whose test clicks alone depend on `test_shift`."""
    folder.mkdir()
    outfits = "".join(f"o{number},i{number % 5}\no{number},i{5 + number % 3}\n" for number in range(OUTFITS))
    (folder / "outfits.csv").write_text("outfit_id,item_id\n" + outfits)
    clicks = [
        f"u{user},o{(user + at) % OUTFITS},{'valid' if at > 4 else 'train'}" for user in range(USERS) for at in range(6)
    ]
    clicks += [f"u{user},o{(user + 7 + test_shift) % OUTFITS},test" for user in range(USERS)]
    (folder / "interactions.csv").write_text("user_id,outfit_id,split\n" + "\n".join(clicks))
    return folder


@pytest.mark.parametrize("name", RECOMMENDERS)
def test_other_test_clicks_train_the_same(name: str, tmp_path: Path) -> None:
    found = []
    for shift in (0, 5):
        source = shop(tmp_path / f"shop{shift}", shift)
        fields = [f"data={source}", "size=debug", "epochs=2", "batch_size=12", "outfit_batch_size=8", "warmup_steps=2"]
        if "item_ids=false" in RECIPES[name].defaults.get("shape", ()):  # these items have no features to be known by
            fields.append("shape=hidden_dim=16")
        train(build_run(name, fields), tmp_path / f"run{shift}", device="cpu", progress=False)
        found.append(load_tastes(tmp_path / f"run{shift}"))
    one, other = found
    assert one.outfit_ids == other.outfit_ids
    for part in ("users", "outfits", "items"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


def test_test_clicks_are_negatives_like_any_others(tmp_path: Path) -> None:
    """Known mistake: a sampler that spares the test positives tells the model what they are."""
    data: Interactions = load_interactions(shop(tmp_path / "shop", 0))
    user = data.user_ids.index("u3")
    drawn = ClickExamples(data).negatives(np.full(30_000, user), np.random.default_rng(0))
    counts = np.bincount(drawn, minlength=data.num_outfits)
    clicked = {split: set(data.clicks[split][[user]].indices.tolist()) for split in data.clicks}
    assert not counts[list(clicked["train"])].any()
    others = np.setdiff1d(np.arange(data.num_outfits), list(clicked["train"]))
    expected = 30_000 / len(others)
    assert clicked["test"] | clicked["valid"] <= set(others.tolist())
    np.testing.assert_allclose(counts[others], expected, rtol=0.1)
