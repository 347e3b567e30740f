"""The recommenders beside HFGN, against dense matrices and loops; and how each of them folds in a new user."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from click_toys import CLICKS, NUM_ITEMS, NUM_USERS, OUTFITS, clicks, fans, liked

from modiste.data.click_batches import ClickBatch, UserBatch
from modiste.data.interactions import Interactions
from modiste.engine.tastes import Tastes
from modiste.models import bpr_mf, crosscbr, hfgn, lightgcn
from modiste.models.bpr_mf import BprMf
from modiste.models.click_graph import Edges, Recommender, scaled
from modiste.models.crosscbr import CrossCbr
from modiste.models.hfgn import Hfgn
from modiste.models.hfgn_masked import HfgnMasked, HfgnMaskedConfig
from modiste.models.lightgcn import LightGcn
from modiste.recipes.hfgn import tastes

NUM_OUTFITS = len(OUTFITS)
BATCH = ClickBatch(*map(torch.tensor, ([0, 4, 2], [2, 6, 4], [5, 3, 0])))


def seeded(build: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build().eval()


def masked(data: Interactions | None = None, **fields: object) -> HfgnMasked:
    made = seeded(lambda: HfgnMasked(HfgnMaskedConfig(embed_dim=8, **fields), data or clicks()))  # type: ignore[arg-type]
    assert isinstance(made, HfgnMasked)
    nn.init.normal_(made.outfit_bias, std=0.5)
    if made.user_out is not None:
        nn.init.normal_(made.user_out.weight)
    if made.outfit_weight is not None:
        nn.init.normal_(made.outfit_weight, std=0.5)
    return made


MODELS: dict[str, Callable[[], nn.Module]] = {
    "bpr_mf": lambda: BprMf(bpr_mf.SIZES["debug"], clicks()),
    "lightgcn": lambda: LightGcn(lightgcn.SIZES["debug"], clicks()),
    "crosscbr": lambda: CrossCbr(replace(crosscbr.SIZES["debug"], num_layers=2), clicks()),
    "hfgn": lambda: Hfgn(hfgn.SIZES["debug"], clicks()),
    "hfgn_masked": masked,
    "hfgn_masked_features": lambda: masked(clicks(features=True)),
    "hfgn_masked_features_alone": lambda: masked(clicks(features=True), item_ids=False),
    "hfgn_masked_no_items": lambda: masked(item_level=False),
    "hfgn_masked_ids": lambda: masked(user_level="ids", outfit_ids=False),
    "hfgn_masked_separate": lambda: masked(separate=True),
    "hfgn_masked_hidden": lambda: masked(hidden_dim=5),
    "hfgn_masked_lengths": lambda: masked(unit=False, hidden_dim=3),
    "hfgn_masked_weights": lambda: masked(learned_weights=True),
}


def array(tensor: Tensor) -> np.ndarray:
    found: np.ndarray = tensor.detach().numpy().astype(np.float64)
    return found


def adjacency() -> np.ndarray:
    """(U, O) symmetrically normalised."""
    dense = np.zeros((NUM_USERS, NUM_OUTFITS))
    for user, outfit in CLICKS["train"]:
        dense[user, outfit] = 1 / math.sqrt(len(liked(user)) * len(fans(outfit)))
    return dense


def pooling() -> np.ndarray:
    """(O, I), rows sum to 1."""
    dense = np.zeros((NUM_OUTFITS, NUM_ITEMS))
    for row, look in enumerate(OUTFITS):
        dense[row, list(look)] = 1 / len(look)
    return dense


def unpooling() -> np.ndarray:
    """(I, O), rows sum to 1."""
    dense = pooling().T > 0
    return dense / dense.sum(axis=1, keepdims=True)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def bpr(positive: float, negative: float) -> float:
    return math.log1p(math.exp(negative - positive))


# --- propagation -----------------------------------------------------------------------------------------------------


def test_products_and_their_gradients_are_those_of_dense_matrices() -> None:
    matrix = scaled(clicks().clicks["train"], 0.5, 0.5)
    np.testing.assert_allclose(matrix.toarray(), adjacency(), rtol=1e-6)
    edges, dense = Edges(matrix), torch.from_numpy(adjacency()).float()
    values = torch.rand(matrix.nnz)
    other = torch.zeros_like(dense)
    rows, columns = dense.nonzero(as_tuple=True)
    other[rows, columns] = values
    for product, times, weights in (
        (lambda x: edges(x), lambda x: dense @ x, NUM_OUTFITS),
        (lambda x: edges.back(x), lambda x: dense.T @ x, NUM_USERS),
        (lambda x: edges(x, values), lambda x: other @ x, NUM_OUTFITS),
        (lambda x: edges.back(x, values), lambda x: other.T @ x, NUM_USERS),
        (lambda x: edges.sums(torch.tensor([4, 0, 4]), x), lambda x: dense[[4, 0, 4]] @ x, NUM_OUTFITS),
    ):
        one = torch.randn(weights, 3, requires_grad=True)
        two = one.detach().clone().requires_grad_()
        a, b = product(one), times(two)
        torch.testing.assert_close(a, b)
        toward = torch.randn_like(a)
        (a * toward).sum().backward()
        (b * toward).sum().backward()
        torch.testing.assert_close(one.grad, two.grad)
    assert not Edges(matrix).state_dict()


# --- the baselines ---------------------------------------------------------------------------------------------------


def test_bpr_mf_ranks_by_inner_product_and_bias() -> None:
    made = seeded(MODELS["bpr_mf"])
    assert isinstance(made, BprMf)
    nn.init.normal_(made.outfit_bias)
    users, outfits, bias = (
        array(made.user_embedding.weight),
        array(made.outfit_embedding.weight),
        array(made.outfit_bias),
    )
    np.testing.assert_allclose(
        made.knowledge().scores(np.array([2, 5])), users[[2, 5]] @ outfits.T + bias, rtol=1e-4, atol=1e-6
    )
    expected = np.mean([
        bpr(users[u] @ outfits[o] + bias[o], users[u] @ outfits[n] + bias[n]) for u, o, n in ((0, 2, 5), (4, 6, 3), (2, 4, 0))
    ])  # fmt: skip
    assert made.losses(BATCH)["bpr_loss"].item() == pytest.approx(expected, rel=1e-5)


def test_lightgcn_is_the_mean_of_powers_of_the_adjacency() -> None:
    made = seeded(MODELS["lightgcn"])
    assert isinstance(made, LightGcn)
    whole = np.zeros((NUM_USERS + NUM_OUTFITS,) * 2)
    whole[:NUM_USERS, NUM_USERS:] = adjacency()
    whole += whole.T
    start = np.concatenate([array(made.user_embedding.weight), array(made.outfit_embedding.weight)])
    spread = (start + whole @ start + whole @ whole @ start) / 3
    users, outfits = made.spread()
    np.testing.assert_allclose(np.concatenate([array(users), array(outfits)]), spread, atol=1e-6)
    users, outfits = spread[:NUM_USERS], spread[NUM_USERS:]
    losses = made.losses(BATCH)
    expected = np.mean(
        [bpr(users[u] @ outfits[o], users[u] @ outfits[n]) for u, o, n in ((0, 2, 5), (4, 6, 3), (2, 4, 0))]
    )
    assert losses["bpr_loss"].item() == pytest.approx(expected, rel=1e-5)
    square = (
        sum((start[[0, 4, 2]] ** 2).sum(1) + (start[[8, 12, 10]] ** 2).sum(1) + (start[[11, 9, 6]] ** 2).sum(1)) / 6
    )
    assert losses["l2_loss"].item() == pytest.approx(1e-4 * square, rel=1e-5)


def test_crosscbr_has_two_views_and_a_loss_between_them() -> None:
    made = seeded(MODELS["crosscbr"])
    assert isinstance(made, CrossCbr)
    a, pool = adjacency(), pooling()
    users, outfits = array(made.outfit_view_users.weight), array(made.outfit_view_outfits.weight)
    layers = [(users, outfits)]
    item_users, items = array(made.item_view_users.weight), array(made.item_view_items.weight)
    item_layers = [(item_users, items)]
    for _ in range(2):
        layers.append((a @ layers[-1][1], a.T @ layers[-1][0]))
        item_layers.append((a @ pool @ item_layers[-1][1], unpooling() @ a.T @ item_layers[-1][0]))
    users, outfits = (sum(layer[side] for layer in layers) / 3 for side in (0, 1))
    item_users, items = (sum(layer[side] for layer in item_layers) / 3 for side in (0, 1))
    item_outfits = pool @ items
    scores = users @ outfits.T + item_users @ item_outfits.T
    np.testing.assert_allclose(made.knowledge().scores(np.arange(NUM_USERS)), scores, atol=1e-6)
    losses = made.losses(BATCH)
    expected = np.mean([bpr(scores[u, o], scores[u, n]) for u, o, n in ((0, 2, 5), (4, 6, 3), (2, 4, 0))])
    assert losses["bpr_loss"].item() == pytest.approx(expected, rel=1e-5)
    contrast = 0.0
    for rows, one, other in (([0, 2, 4], users, item_users), ([2, 4, 6], outfits, item_outfits)):
        cosines = unit(one[rows]) @ unit(other[rows]).T / 0.25
        for at in range(3):
            for line in (cosines[at], cosines[:, at]):
                contrast += (math.log(np.exp(line).sum()) - line[at]) / 6
    assert losses["contrast_loss"].item() == pytest.approx(0.1 * contrast / 2, rel=1e-4)


# --- masked clicks ---------------------------------------------------------------------------------------------------


def slow_masked_outfits(made: HfgnMasked) -> np.ndarray:
    vectors = made.heard
    total = np.zeros((NUM_OUTFITS, 8))
    for row, look in enumerate(OUTFITS):
        if vectors.outfit_embedding is not None:
            total[row] = array(vectors.outfit_embedding.weight)[row]
        if vectors.item_embedding is not None:
            total[row] += np.mean([array(vectors.items())[item] for item in look], axis=0)
    return unit(total)


@pytest.mark.parametrize("fields", [{}, {"item_level": False}, {"outfit_ids": False}, {"learned_weights": True}])
def test_masked_scores_are_cosines_with_what_was_clicked(fields: dict[str, bool]) -> None:
    made = masked(**fields)
    outfits = slow_masked_outfits(made)
    for user in range(NUM_USERS):
        weights = np.ones(NUM_OUTFITS) if made.outfit_weight is None else np.exp(array(made.outfit_weight))
        mine = unit(sum(weights[outfit] * outfits[outfit] for outfit in liked(user)))
        expected = 10 * outfits @ mine + array(made.outfit_bias)
        np.testing.assert_allclose(made.knowledge().scores(np.array([user]))[0], expected, atol=1e-4)


@pytest.mark.parametrize("hide", [0.5, 0.0])
def test_hidden_clicks_are_chosen_among_all_outfits_but_those_kept(hide: float) -> None:
    made = masked(hide=hide)
    outfits, bias, batch = slow_masked_outfits(made), array(made.outfit_bias), UserBatch(torch.tensor([2, 0]))
    torch.manual_seed(5)
    found = made.losses(batch)["choice_loss"].item()
    torch.manual_seed(5)  # the same draws: which of the six clicks are hidden
    share = torch.rand(2)[torch.tensor([0, 0, 0, 1, 1, 1])] if hide == 0 else hide
    hidden = (torch.rand(6) < share).numpy().reshape(2, 3)
    assert 0 < hidden.sum() < 6
    total = 0.0
    for user, flags in zip((2, 0), hidden, strict=True):
        kept = [outfit for outfit, flag in zip(liked(user), flags, strict=True) if not flag]
        mine = unit(sum(outfits[outfit] for outfit in kept)) if kept else np.zeros(8)
        logits = 10 * outfits @ mine + bias
        others = sum(math.exp(logits[outfit]) for outfit in range(NUM_OUTFITS) if outfit not in kept)
        total += sum(math.log(others) - logits[outfit] for outfit in liked(user) if outfit not in kept)
    assert found == pytest.approx(total / hidden.sum(), rel=1e-4)


def test_masked_bpr_and_user_vectors_are_there_for_the_ablation() -> None:
    made = masked(user_level="ids", objective="bpr")
    torch.manual_seed(1)
    found = made.losses(UserBatch(torch.tensor([1, 3])))
    torch.manual_seed(1)
    torch.rand(0)
    assert set(found) == {"bpr_loss"}
    assert made.user_embedding is not None
    found["bpr_loss"].backward()
    assert made.user_embedding.weight.grad is not None
    assert set(made.user_embedding.weight.grad.abs().sum(dim=1).nonzero().flatten().tolist()) <= {1, 3}
    assert set(masked(contrast_weight=0.5).losses(UserBatch(torch.tensor([0])))) == {"choice_loss", "contrast_loss"}
    with pytest.raises(ValueError, match="nothing to know outfits by"):
        HfgnMaskedConfig(item_level=False, outfit_ids=False)
    with pytest.raises(ValueError, match="these items have no features"):
        masked(item_ids=False)
    with pytest.raises(ValueError, match="needs both"):
        HfgnMaskedConfig(item_level=False, contrast_weight=1)
    with pytest.raises(ValueError, match="below 1"):
        HfgnMaskedConfig(hide=1.0)


# --- what all of them can do -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_a_user_folded_in_is_the_user_of_the_model(name: str) -> None:
    """From her training clicks alone: exactly, where users have no vector of their own; else without that vector's part."""
    made = seeded(MODELS[name])
    assert isinstance(made, Recommender)
    one: Tastes = tastes(made.knowledge(), clicks(), name=name)
    assert one.outfit_ids == tuple(f"o{number}" for number in range(NUM_OUTFITS))
    for user in range(NUM_USERS):
        folded, trained = one.fold_in(liked(user)), one.user(f"u{user}")
        own: np.ndarray | float
        if isinstance(made, LightGcn):
            own = array(made.user_embedding.weight)[user] / 3
        elif isinstance(made, CrossCbr):
            vectors = [made.outfit_view_users.weight, made.item_view_users.weight]
            own = np.concatenate([array(one)[user] / 3 for one in vectors])
        elif isinstance(made, Hfgn):
            own = array(made.user_embedding.weight)
            own = own[user] - own.mean(axis=0)
        elif isinstance(made, HfgnMasked) and made.user_embedding is None:
            own = 0.0
        else:  # a user is her own vector and nothing else: the fold-in is a rule of ours
            np.testing.assert_allclose(np.isfinite(folded), True)
            continue
        np.testing.assert_allclose(folded, trained - own, atol=2e-5)


@pytest.mark.parametrize("name", MODELS)
def test_losses_have_gradients_everywhere_and_are_means(name: str) -> None:
    made = seeded(MODELS[name]).train()
    batch = UserBatch(torch.arange(NUM_USERS)) if isinstance(made, HfgnMasked) else BATCH
    torch.manual_seed(0)
    losses = made.losses(batch)  # type: ignore[operator]
    torch.stack([value for key, value in losses.items() if key.endswith("_loss")]).sum().backward()
    for key, parameter in made.named_parameters():
        if key.startswith(("attention", "view_scores")):
            continue  # FLTB's alone
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", MODELS)
def test_an_item_alone_has_a_vector(name: str) -> None:
    known = seeded(MODELS[name]).knowledge()  # type: ignore[operator]
    assert known.items.shape == (NUM_ITEMS, known.outfits.shape[1])
    if name in (
        "bpr_mf",
        "lightgcn",
        "hfgn_masked_no_items",
    ):  # it knows no items: the mean of the outfits that have it
        np.testing.assert_allclose(array(known.items), unpooling() @ array(known.outfits), atol=1e-6)
