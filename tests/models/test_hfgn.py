"""HFGN against its equations written as loops, and the mistakes of the released code that are not to come back."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
from click_toys import CATEGORIES, CLICKS, NUM_ITEMS, NUM_USERS, OUTFITS, clicks, liked

from modiste.data.click_batches import BrokenBatch, ClickBatch, ClickExamples, JointBatch, padded_sets
from modiste.models.hfgn import SIZES, Hfgn, category_weights

DEBUG = SIZES["debug"]


def model(seed: int = 0, *, features: bool = False, categories: bool = True, **fields: object) -> Hfgn:
    torch.manual_seed(seed)
    made = Hfgn(replace(DEBUG, **fields), clicks(features=features, categories=categories))  # type: ignore[arg-type]
    for name, parameter in made.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)  # zeros would hide a bias forgotten
    return made.eval()


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x)


def array(tensor: Tensor) -> np.ndarray:
    found: np.ndarray = tensor.detach().numpy().astype(np.float64)
    return found


def slow_weights() -> np.ndarray:
    """Specification 4.2, 2, word by word."""
    g = np.zeros((3, 3))
    for look in OUTFITS:
        for i in look:
            for j in look:
                if i != j:
                    g[CATEGORIES[i], CATEGORIES[j]] += 1
    a = np.array([[g[x, y] / sum(g[c, y] for c in range(3)) for y in range(3)] for x in range(3)])
    return np.array([[a[x, y] / sum(a[x, c] for c in range(3)) for y in range(3)] for x in range(3)])


def slow_items(made: Hfgn, look: tuple[int, ...]) -> list[np.ndarray]:
    """i* of each item of an outfit."""
    items, w = array(made.items()), slow_weights()
    ego, ego_bias = array(made.item_ego.weight), array(made.item_ego.bias)
    mess, mess_bias = array(made.item_message.weight), array(made.item_message.bias)
    refined = []
    for i in look:
        heard = sum(w[CATEGORIES[i], CATEGORIES[j]] * items[j] for j in look)
        refined.append(leaky(ego @ items[i] + ego_bias) + leaky(mess @ (items[i] * heard) + mess_bias))
    return refined


def slow_outfits(made: Hfgn) -> np.ndarray:
    found = []
    for row, look in enumerate(OUTFITS):
        x = leaky(array(made.outfit_map.weight) @ sum(slow_items(made, look)) + array(made.outfit_map.bias))
        found.append(array(made.outfit_embedding.weight)[row] + x / np.linalg.norm(x))
    return np.array(found)


def slow_user(made: Hfgn, user: int) -> np.ndarray:
    mine = liked(user)
    heard = sum(slow_outfits(made)[outfit] / math.sqrt(len(mine)) for outfit in mine)
    x = leaky(array(made.user_map.weight) @ heard + array(made.user_map.bias))
    return array(made.user_embedding.weight)[user] + x / np.linalg.norm(x)


def slow_compatibility(made: Hfgn, look: tuple[int, ...], length: int) -> float:
    total = 0.0
    for refined in slow_items(made, look):
        hidden = array(made.attention[0].weight) @ refined + array(made.attention[0].bias)
        attention = array(made.attention[2].weight) @ leaky(hidden) + array(made.attention[2].bias)
        attention = np.exp(attention) / np.exp(attention).sum()
        hidden = array(made.view_scores[0].weight) @ refined + array(made.view_scores[0].bias)
        scores = np.tanh(array(made.view_scores[2].weight) @ leaky(hidden) + array(made.view_scores[2].bias))
        total += float(attention @ scores)
    return total / length


def test_the_category_graph_counts_ordered_pairs() -> None:
    found = category_weights(np.array(CATEGORIES), padded_sets(clicks().outfit_items), 3)
    np.testing.assert_allclose(found, slow_weights(), rtol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    alone = category_weights(np.array([0, 1]), np.array([[0, 1]]), 3)  # a category that is never worn hears nothing
    np.testing.assert_array_equal(alone, [[0, 1, 0], [1, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize("features", [False, True])
def test_items_outfits_and_users_follow_the_equations(features: bool) -> None:
    made = model(features=features)
    refined = made.item_level(made.items(), made.sets)
    for row, look in enumerate(OUTFITS):
        np.testing.assert_allclose(array(refined)[row, : len(look)], slow_items(made, look), atol=1e-5)
        assert not refined[row, len(look) :].any()
    np.testing.assert_allclose(array(made.outfits()), slow_outfits(made), atol=1e-5)
    users = made.user_level(torch.arange(NUM_USERS), made.outfits())
    np.testing.assert_allclose(array(users), [slow_user(made, user) for user in range(NUM_USERS)], atol=1e-5)


def test_features_go_through_their_category_s_own_maps() -> None:
    made = model(features=True)
    encoder, features = made.item_embedding, clicks(features=True).item_features
    assert features is not None
    for item in range(NUM_ITEMS):
        first, second = (array(maps[CATEGORIES[item]].weight) for maps in (encoder.first, encoder.second))  # type: ignore[index]
        np.testing.assert_allclose(
            array(made.items())[item], leaky(second @ leaky(first @ features[item].astype(np.float64))), atol=1e-5
        )


def test_without_categories_all_items_are_of_one() -> None:
    made = model(categories=False)
    np.testing.assert_array_equal(array(made.category_graph), [[1.0]])


def test_compatibility_is_a_mean_over_the_items_there_are() -> None:
    """The released code divides by the length of the largest outfit, here 4, whatever an outfit's own."""
    for legacy in (False, True):
        made = model(legacy_mean=legacy)
        found = array(made.compatibility(made.sets))
        expected = [slow_compatibility(made, look, 4 if legacy else len(look)) for look in OUTFITS]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    made = model()
    wider = torch.nn.functional.pad(made.sets, (0, 3), value=-1)  # padding changes nothing
    torch.testing.assert_close(made.compatibility(wider), made.compatibility(made.sets))
    shuffled = made.sets.flip(1)
    torch.testing.assert_close(made.compatibility(shuffled), made.compatibility(made.sets))


def test_losses_are_bpr_of_clicks_and_of_sets() -> None:
    made = model()
    batch = JointBatch(*map(torch.tensor, ([0, 4], [2, 6], [5, 3], [1, 2], [[3, 4, -1, -1], [0, 1, 8, 6]])))
    found = made.losses(batch)
    outfits = slow_outfits(made)
    clicked, square = 0.0, 0.0
    for user, own, other in ((0, 2, 5), (4, 6, 3)):
        u = slow_user(made, user)
        clicked += math.log1p(math.exp(-(u @ outfits[own] - u @ outfits[other]))) / 2
        square += (u @ u + outfits[own] @ outfits[own] + outfits[other] @ outfits[other]) / 2 / 2
    sets = 0.0
    for look, broken in ((OUTFITS[1], (3, 4)), (OUTFITS[2], (0, 1, 8, 6))):
        difference = slow_compatibility(made, look, len(look)) - slow_compatibility(made, broken, len(broken))
        sets += math.log1p(math.exp(-difference)) / 2
    assert found["bpr_loss"].item() == pytest.approx(clicked, rel=1e-5)
    assert found["l2_loss"].item() == pytest.approx(1e-5 * square, rel=1e-5)
    assert found["fltb_loss"].item() == pytest.approx(sets, rel=1e-5)
    assert set(made.losses(ClickBatch(batch.users, batch.outfits, batch.negatives))) == {"bpr_loss", "l2_loss"}
    assert set(made.losses(BrokenBatch(batch.looks, batch.broken))) == {"fltb_loss"}


def test_dropped_edges_keep_the_expected_sum() -> None:
    made = model(edge_dropout=0.5).train()
    made.clicks.values.fill_(1.0)
    torch.manual_seed(0)
    drawn = torch.stack([made.clicks.dropped(0.5) for _ in range(2000)])
    assert set(drawn.unique().tolist()) == {0.0, 2.0}
    torch.testing.assert_close(drawn.mean(dim=0), torch.ones(len(CLICKS["train"])), atol=0.15, rtol=0)
    assert torch.equal(made.eval().clicks.dropped(0.5), made.clicks.values)


def test_what_it_knows_is_what_it_is() -> None:
    made = model()
    known = made.knowledge()
    np.testing.assert_allclose(array(known.outfits), slow_outfits(made), atol=1e-5)
    scores = known.scores(np.array([3, 1]))
    expected = np.array([slow_user(made, user) for user in (3, 1)]) @ slow_outfits(made).T
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    for item in range(NUM_ITEMS):  # an outfit of the item alone
        x = leaky(array(made.outfit_map.weight) @ slow_items(made, (item,))[0] + array(made.outfit_map.bias))
        own = array(made.outfit_embedding.weight).mean(axis=0)
        np.testing.assert_allclose(array(known.items)[item], own + x / np.linalg.norm(x), atol=1e-5)


def test_validation_and_test_clicks_never_propagate() -> None:
    """The same model on the same weights, whatever the other splits are, and negatives that may be test clicks."""
    torch.manual_seed(0)
    alone = Hfgn(DEBUG, clicks()).eval()
    torch.manual_seed(0)
    beside = Hfgn(DEBUG, clicks(splits=("train", "valid", "test"))).eval()
    torch.testing.assert_close(alone.knowledge().users, beside.knowledge().users)
    examples = ClickExamples(clicks(splits=("train", "valid", "test")))
    users = np.zeros(2000, np.int64)
    drawn = examples.negatives(users, np.random.default_rng(0))
    assert set(drawn.tolist()) == {3, 4, 5, 6}  # 3 is her validation click, 4 her test click
    counts = np.bincount(drawn, minlength=7)[3:]
    assert counts.min() > 420
    assert counts.max() < 580


def test_sizes() -> None:
    paper = SIZES["paper"]
    assert (paper.embed_dim, paper.feature_hidden, paper.num_views, paper.edge_dropout) == (64, 1024, 8, 0.1)
