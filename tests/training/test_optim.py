"""The schedule's golden numbers, what is decayed, and the average of weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from modiste.training.optim import Ema, build_optimizer, learning_rate_at, parameter_groups, set_learning_rate


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch_embedding = nn.Conv2d(3, 4, 2)
        self.word_embedding = nn.Embedding(7, 4)
        self.position_embedding = nn.Parameter(torch.zeros(5, 4))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.norm = nn.LayerNorm(4)
        self.attention = nn.MultiheadAttention(4, 2)
        self.head = nn.Linear(4, 7, bias=True)
        self.logit_scale = nn.Parameter(torch.tensor(2.0))
        self.frozen = nn.Linear(4, 4).requires_grad_(False)


def test_golden_schedule() -> None:
    rates = [learning_rate_at(step, peak=2.0, warmup_steps=4, total_steps=12) for step in range(14)]
    # 2·(1 + cos(π·k/8))/2 for k = 0..7 after the warm-up
    golden = [0.5, 1.0, 1.5, 2.0, 2.0, 1.9238795, 1.7071068, 1.3826834, 1.0, 0.6173166, 0.2928932, 0.0761205, 0.0, 0.0]
    assert rates == pytest.approx(golden)
    assert learning_rate_at(0, peak=1.0, warmup_steps=0, total_steps=5) == 1.0
    assert learning_rate_at(9, peak=1.0, warmup_steps=0, total_steps=5, final_fraction=0.1) == pytest.approx(0.1)
    assert learning_rate_at(2, peak=1.0, warmup_steps=5, total_steps=5) == pytest.approx(0.6)


def test_only_matrices_and_kernels_are_decayed() -> None:
    groups = parameter_groups(Parts(), weight_decay=0.1)
    decayed = {name for group in groups if group["weight_decay"] for name in group["names"]}
    assert decayed == {
        "patch_embedding.weight",
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "head.weight",
    }
    spared = {name for group in groups if not group["weight_decay"] for name in group["names"]}
    trained = {name for name, parameter in Parts().named_parameters() if parameter.requires_grad}
    assert decayed | spared == trained


def test_learning_rate_scales_by_longest_prefix() -> None:
    optimizer = build_optimizer(
        Parts(), learning_rate=1.0, weight_decay=0.1, learning_rate_scales={"attention.": 0.5, "attention.out": 0.1}
    )
    set_learning_rate(optimizer, 2.0)
    rates = {name: group["lr"] for group in optimizer.param_groups for name in group["names"]}
    assert rates["attention.in_proj_weight"] == 1.0
    assert rates["attention.out_proj.bias"] == pytest.approx(0.2)
    assert rates["head.weight"] == 2.0
    with pytest.raises(ValueError, match="starts with tower"):
        parameter_groups(Parts(), 0.1, {"tower": 0.1})
    with pytest.raises(ValueError, match="requires a gradient"):
        parameter_groups(nn.Linear(2, 2).requires_grad_(False), 0.1)


def test_tied_weights_are_trained_once() -> None:
    model = Parts()
    model.head.weight = model.word_embedding.weight
    names = [name for group in parameter_groups(model, 0.1) for name in group["names"]]
    assert "word_embedding.weight" in names
    assert "head.weight" not in names


def test_the_average_follows_its_recursion_and_gives_the_weights_back() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    ema = Ema(model, decay=0.5)
    slow = model[0].weight.detach().clone()
    for update in range(12):
        with torch.no_grad():
            model[0].weight.add_(1.0)
            model[1].running_mean.add_(3.0)
        ema.update(model)
        decay = min(0.5, (1 + update) / (10 + update))
        slow = decay * slow + (1 - decay) * model[0].weight.detach()
    raw = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with ema.applied(model):
        assert torch.allclose(model[0].weight, slow)
        assert torch.equal(model[1].running_mean, raw["1.running_mean"])  # copied, not averaged
    assert all(torch.equal(tensor, raw[name]) for name, tensor in model.state_dict().items())
    with pytest.raises(RuntimeError, match="inside"), ema.applied(model):
        raise RuntimeError("inside")
    assert torch.equal(model[0].weight, raw["0.weight"])
    with pytest.raises(ValueError, match="ema_decay"):
        Ema(model, 1.0)
