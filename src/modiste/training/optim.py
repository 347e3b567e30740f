"""How weights move: AdamW that decays only matrices, warm-up and cosine as a pure function, an average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_NORMS_AND_EMBEDDINGS = (
    nn.Embedding,
    nn.EmbeddingBag,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
    nn.modules.batchnorm._BatchNorm,
)


def learning_rate_at(
    step: int, *, peak: float, warmup_steps: int, total_steps: int, final_fraction: float = 0.0
) -> float:
    """The rate of optimiser step `step` (from 0): linear to `peak`, then half a cosine to `peak · final_fraction`."""
    # 1 warming up: never 0, and `peak` is reached at the last warm-up step
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    # 2 past the end
    if step >= total_steps:
        return peak * final_fraction
    # 3 in between: from peak at the end of the warm-up down to the final rate at total_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return peak * (final_fraction + (1 - final_fraction) * 0.5 * (1 + math.cos(math.pi * progress)))


def is_decayed(module: nn.Module, parameter_name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies: to matrices and kernels; not to biases, norms, scales, embeddings and tokens.

    `parameter_name` is the name within `module`, its direct owner: a convolution called `patch_embedding` is decayed.
    """
    if isinstance(module, _NORMS_AND_EMBEDDINGS) or sum(size > 1 for size in parameter.shape) <= 1:
        return False
    return not any(word in parameter_name for word in ("embed", "token", "bias", "logit_scale"))


def parameter_groups(
    model: nn.Module, weight_decay: float, learning_rate_scales: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """AdamW's groups: every trainable parameter once, by (decayed or not, learning-rate scale).

    `learning_rate_scales` maps a prefix of parameter names to a factor on the learning rate; the longest prefix wins.
    Raises `ValueError` for a prefix that fits no parameter and for a model with nothing to train.
    """
    scales = dict(learning_rate_scales or {})
    unused = set(scales)
    groups: dict[tuple[bool, float], dict[str, Any]] = {}
    seen: set[nn.Parameter] = set()
    for module_name, module in model.named_modules():
        for leaf, parameter in module.named_parameters(recurse=False):
            name = f"{module_name}.{leaf}" if module_name else leaf
            fitting = [prefix for prefix in scales if name.startswith(prefix)]
            unused.difference_update(fitting)
            if parameter in seen or not parameter.requires_grad:
                continue
            seen.add(parameter)
            decayed, scale = is_decayed(module, leaf, parameter), scales[max(fitting, key=len)] if fitting else 1.0
            group = groups.setdefault(
                (decayed, scale),
                {"params": [], "names": [], "weight_decay": weight_decay if decayed else 0.0, "scale": scale},
            )
            group["params"].append(parameter)
            group["names"].append(name)
    if unused:
        raise ValueError(f"learning_rate_scales: no parameter's name starts with {', '.join(sorted(unused))}")
    if not groups:
        raise ValueError("the model has no parameter that requires a gradient")
    return list(groups.values())


def build_optimizer(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.999),
    learning_rate_scales: Mapping[str, float] | None = None,
) -> torch.optim.AdamW:
    """AdamW over `parameter_groups`, fused where the device has it; move the model to its device first."""
    groups = parameter_groups(model, weight_decay, learning_rate_scales)
    fused = all(parameter.device.type in ("cuda", "cpu") for group in groups for parameter in group["params"])
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=fused)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Give every group `learning_rate` times the group's own scale."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["scale"]


class Ema:
    """Exponential moving average of a model's weights; evaluated and published in place of the raw ones.

    The decay of update n is min(decay, (1 + n) / (10 + n)), so that a short run's average is not its initialisation.
    Buffers (running statistics) are copied, not averaged.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0.0 < decay < 1.0:
            raise ValueError(f"ema_decay must lie between 0 and 1, not {decay}")
        self.decay = decay
        self.updates = 0
        self._parameters = {name for name, _ in model.named_parameters()}
        self.tensors = {name: tensor.detach().clone() for name, tensor in self._of(model).items()}

    @staticmethod
    def _of(model: nn.Module) -> dict[str, Tensor]:
        """Parameters and persistent buffers by name, tied ones once."""
        own = dict(model.named_parameters())
        pointers = {tensor.data_ptr() for tensor in own.values()}
        state = model.state_dict()
        return {name: state[name] for name in state if name in own or state[name].data_ptr() not in pointers}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Call after each optimiser step."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        current = self._of(model)
        averaged = [name for name in current if name in self._parameters]
        torch._foreach_lerp_(
            [self.tensors[name] for name in averaged], [current[name] for name in averaged], 1.0 - decay
        )
        for name in current.keys() - self._parameters:
            self.tensors[name].copy_(current[name])

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor], updates: int) -> None:
        """Go on from a checkpoint's average. Raises `ValueError` when the names differ."""
        if tensors.keys() != self.tensors.keys():
            raise ValueError(f"the average's names differ: {sorted(tensors.keys() ^ self.tensors.keys())[:5]}")
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])
        self.updates = updates

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Inside, `model` has the averaged weights; afterwards its own again, bit for bit."""
        current = self._of(model)
        kept = {name: tensor.clone() for name, tensor in current.items()}
        self._copy(current, self.tensors)
        try:
            yield
        finally:
            self._copy(current, kept)

    @staticmethod
    @torch.no_grad()
    def _copy(into: Mapping[str, Tensor], source: Mapping[str, Tensor]) -> None:
        for name, tensor in into.items():
            tensor.copy_(source[name])
