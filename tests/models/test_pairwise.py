"""The models of pairs against their equations in loops, and as pools that an exact search can bound."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from outfit_toys import DIM, batch, data, examples, features

from modiste.data.batches import OutfitBatch
from modiste.data.outfit_features import known_tags
from modiste.models import csa_net, type_aware
from modiste.models.csa_net import CsaNet
from modiste.models.outfit_inference import PairPool
from modiste.models.pairwise import PairwiseConfig, PairwiseModel
from modiste.models.type_aware import TypeAware
from modiste.types import PairwisePool

TYPES = {"category": ("bag", "shirt", "shoes", "trousers")}
MODELS = ["csa_net", "type_aware"]


def built(name: str, **change: Any) -> PairwiseModel:
    torch.manual_seed(0)
    change = {"image_dim": DIM, "text_dim": DIM, "tags": TYPES, **change}
    model: PairwiseModel = (
        CsaNet(replace(csa_net.SIZES["debug"], **change))
        if name == "csa_net"
        else TypeAware(replace(type_aware.SIZES["debug"], **change))
    )
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.7)
    return model.eval()


def slow_item(model: PairwiseModel, of: OutfitBatch, row: int, at: int) -> Tensor:
    x = model.bias.clone()
    for part, there, vector, null in (
        (model.image, of.has_image[row, at], of.images[row, at], model.null_image),
        (model.text, of.has_text[row, at], of.texts[row, at], model.null_text),
    ):
        assert part is not None
        x = x + (part.weight @ vector if there else null)
    return x / x.norm()


def slow_distance(model: PairwiseModel, x: Tensor, y: Tensor, a: int, b: int) -> float:
    if isinstance(model, TypeAware):
        low, high = min(a, b), max(a, b)
        table = [(i, j) for j in range(model.config.num_types) for i in range(j + 1)]  # unordered pairs in order
        weights = model.masks.weight[table.index((low, high))].clamp(min=0)
        return float(((x - y) * weights).norm())
    assert isinstance(model, CsaNet)
    shares = []
    for one, other in ((a, b), (b, a)):
        hidden = (model.source.weight[one] + model.target.weight[other]).clamp(min=0)
        logits = model.attend.weight @ hidden + model.attend.bias
        exponents = [math.exp(float(z)) for z in logits]
        shares.append([z / sum(exponents) for z in exponents])
    fx, fy = torch.zeros_like(x), torch.zeros_like(y)
    for i in range(model.config.num_subspaces):
        w = (shares[0][i] + shares[1][i]) / 2
        fx, fy = fx + w * x * model.masks[i], fy + w * y * model.masks[i]
    return float((fx - fy).norm())


@pytest.mark.parametrize("name", MODELS)
def test_losses_equal_the_loops(name: str) -> None:
    of = batch(6, ("category",), num_broken=2)
    model = built(name)
    positive, negative, ranking = [], [], []
    for row in range(6):
        items = [slow_item(model, of, row, at) for at in range(of.has_image.shape[1])]
        types = of.tags[row, :, 0].tolist()

        def distance(a: int, b: int, items: list[Tensor] = items, types: list[int] = types) -> float:
            return slow_distance(model, items[a], items[b], types[a], types[b])

        rest = [at for at in of.partial[row].tolist() if at >= 0]
        candidates = [at for at in of.candidates[row].tolist() if at >= 0]
        sets = [[at, *rest] for at in candidates]
        sets += [one for one in ([at for at in one if at >= 0] for one in of.sets[row].tolist()) if len(one) > 1]
        means = [sum(distance(a, b) for a, b in combinations(one, 2)) / math.comb(len(one), 2) for one in sets]
        logits = [float(model.offset - model.log_slope.exp() * mean) for mean in means]
        positive.append(logits[0])
        negative += logits[1:]
        if name == "csa_net":
            near, *far = [sum(distance(at, other) for other in rest) / len(rest) for at in candidates]
            ranking.append(max(0, near - min(far) + 0.3))
        else:
            near, *far = means[: len(candidates)]
            ranking.append(sum(max(0, near - one + 0.3) for one in far) / len(far))

    def focal(logit: float, label: bool) -> float:
        p = 1 / (1 + math.exp(-logit if label else logit))
        return -0.5 * (1 - p) ** 2 * math.log(p)

    found = model.losses(of)
    expected = (
        sum(focal(x, True) for x in positive) / len(positive) + sum(focal(x, False) for x in negative) / len(negative)
    ) / 2
    assert found["cp_loss"].item() == pytest.approx(expected, rel=1e-4)
    key = "ranking_loss" if name == "csa_net" else "triplet_loss"
    assert found[key].item() == pytest.approx(sum(ranking) / 6, rel=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_pair_weights_are_symmetric_and_not_negative(name: str) -> None:
    model = built(name)
    a, b = (x.flatten() for x in torch.meshgrid(torch.arange(5), torch.arange(5), indexing="ij"))
    weights = model.pair_weights(a, b)
    torch.testing.assert_close(weights, model.pair_weights(b, a))
    assert (weights >= 0).all()
    pairs = {tuple(row.tolist()) for row in weights.detach()}
    assert len(pairs) == 15  # an own subspace for each unordered pair


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_is_trained(name: str) -> None:
    model = built(name).train()
    losses = model.losses(batch(24, ("category",), num_broken=2))
    sum(value for key, value in losses.items() if key.endswith("_loss")).backward()  # type: ignore[union-attr]
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().sum() > 0, key
        assert parameter.grad.isfinite().all(), key


@pytest.mark.parametrize("name", MODELS)
def test_a_pool_scores_what_its_pairs_say(name: str) -> None:
    pool = PairPool(built(name), features(data(), ("category",)))
    assert isinstance(pool, PairwisePool)
    sets = np.array([[0, 7, 13, -1], [13, -1, 0, 7], [5, 6, -1, -1], [3, -1, -1, -1]])
    scores = pool.score(sets)
    every = pool.pairs(np.arange(24), np.arange(24))
    np.testing.assert_allclose(every, every.T, atol=1e-6)
    for row, one in enumerate(sets):
        members = [at for at in one if at >= 0]
        if len(members) > 1:
            mean = np.mean([every[a, b] for a, b in combinations(members, 2)])
            assert scores[row] == pytest.approx(pool.link(np.array([mean], np.float32))[0], rel=1e-4)
    assert scores[3] == 0.5
    assert scores[0] == pytest.approx(scores[1])
    grid = pool.link(np.linspace(-1000, 1000, 500).astype(np.float32))
    assert (np.diff(grid) >= 0).all()
    assert (grid > 0).all()
    assert (grid <= 1).all()
    with pytest.raises(ValueError, match="positions"):
        pool.pairs(np.array([24]), np.array([0]))


@pytest.mark.parametrize("name", MODELS)
def test_it_learns_colours_that_go_together(name: str) -> None:
    """Items of one number go together and look alike: a distance can learn it."""
    world = data(60)
    made = examples(world, ("category",))
    numbers = [int(one[-1]) for one in world.items]
    codes = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0].astype(np.float32)[numbers]
    noise = np.random.default_rng(1).normal(scale=0.3, size=codes.shape).astype(np.float32)
    given = replace(made.features, images=codes + noise, has_image=np.ones(24, bool))
    made = replace(made, features=given)
    model = built(name, tags=known_tags(list(world.items.values()), ("category",))).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-2)
    for epoch in range(40):
        losses = model.losses(made.collate(np.arange(len(made)), epoch))
        optimiser.zero_grad()
        sum(value for key, value in losses.items() if key.endswith("_loss")).backward()  # type: ignore[union-attr]
        optimiser.step()
    pool = PairPool(model.eval(), given)
    ids = list(world.items)
    right = [
        [ids.index(f"shirt{n}"), ids.index(f"shoes{n if good else (n + 2) % 6}"), ids.index(f"bag{n}")]
        for n in range(6)
        for good in (True, False)
    ]
    scores = pool.score(np.array(right)).reshape(6, 2)
    assert (scores[:, 0] > scores[:, 1]).all()


def test_types_are_needed() -> None:
    with pytest.raises(ValueError, match="category"):
        PairwiseConfig(tags={"id": ("a",)})
    with pytest.raises(ValueError, match="image_dim or text_dim"):
        PairwiseConfig(image_dim=0, text_dim=0, tags=TYPES)
