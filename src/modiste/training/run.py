"""What a training run is, complete and before anything happens: `Run`, and its fields as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from dataclasses import fields as dataclass_fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from torch import nn

from modiste.training.sampling import Loader

Precision = Literal["auto", "fp32", "bf16"]
_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Eval:
    """A named evaluator's function and cadence. It always runs after the last step, too.

    The function gets the model in evaluation mode, without gradients, with the averaged weights if the run keeps an
    average. Under several processes each of them calls it, so it may use collectives; the first one's numbers count.
    """

    function: Callable[[Any], Mapping[str, float]]
    every_steps: int | None = None
    every_epochs: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("every_steps", self.every_steps), ("every_epochs", self.every_epochs)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, not {value}")
        if self.every_steps is not None and self.every_epochs is not None:
            raise ValueError("give an evaluator every_steps or every_epochs, not both")

    def is_due(self, step: int, steps_per_epoch: int) -> bool:
        every = self.every_steps or (self.every_epochs or 0) * steps_per_epoch
        return every > 0 and step % every == 0


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything `train` needs. Two runs with equal fields train to the same weights (bit for bit on one CPU)."""

    name: str
    """The recipe's name, for logs and errors."""
    model: nn.Module | Callable[[], nn.Module]
    """Has `losses(batch) -> dict[str, Tensor]` of scalars that are means over the batch: keys ending in `_loss` are
    summed to the total, others are logged. A builder is called after seeding, so that scratch weights are repeatable."""
    loader: Loader[Any]
    """The batches; the size of one is the global batch size, that of an optimiser step over all processes."""
    learning_rate: float
    """Peak of the schedule: linear warm-up, then half a cosine down to 0."""
    epochs: int | None = None
    """Length of the run: either this or `max_steps`."""
    max_steps: int | None = None
    """Length in optimiser steps."""
    warmup_steps: int | float = 0
    """Optimiser steps of warm-up; a fraction of the run's steps when below 1."""
    weight_decay: float = 0.05
    """On matrices and kernels only (`optim.is_decayed`)."""
    betas: tuple[float, float] = (0.9, 0.98)
    """AdamW's; 0.98 reacts faster than the usual 0.999, which contrastive training needs to stay stable."""
    learning_rate_scales: Mapping[str, float] = field(default_factory=lambda: _EMPTY)
    """Prefix of parameter names → factor on the learning rate, as for a pretrained tower."""
    grad_clip_norm: float | None = 1.0
    """Longest allowed gradient, over all parameters; None: do not clip."""
    gradient_accumulation: int = 1
    """Each batch is worked on in this many consecutive pieces, to save memory. Losses that are means over rows come
    out the same; contrastive ones do not, since each piece sees only its own negatives."""
    ema_decay: float = 0.0
    """Of the average of the weights that is evaluated and published; 0: no average."""
    precision: Precision = "auto"
    """"bf16" computes in autocast, with weights in float32; "auto" is bf16 where the hardware multiplies it natively."""
    seed: int = 0
    """Of scratch weights, dropout, and all else that is random in the model."""
    loss_weights: Mapping[str, float] = field(default_factory=lambda: _EMPTY)
    """Factor on each `_loss`; 1 where not named."""
    evals: Mapping[str, Eval] = field(default_factory=lambda: _EMPTY)
    """Evaluators by name; their numbers are logged as `name/metric`."""
    select: str | None = None
    """The `name/metric` by which the best weights are kept in `best/`; None: the last are all there is."""
    select_mode: Literal["max", "min"] = "max"
    patience: int | None = None
    """So many evaluations of `select` in a row without a better one end the run; None: never. The schedule of the learning rate
    is that of the whole length."""
    init_from: Path | None = None
    """A safetensors file, or a folder with model.safetensors, whose weights a new run starts from."""
    checkpoint_every_steps: int | None = None
    checkpoint_every_seconds: float | None = 600.0
    keep_checkpoints: int = 2
    log_every: int = 10
    """Optimiser steps from one logged step to the next."""
    augment: Callable[[Any], Any] | None = None
    """Random changes to a batch, made on the device just before the model sees it; random by torch's global generators
    alone, so that a resumed run repeats them."""
    find_unused_parameters: bool = False
    """Needed under several processes when some batch does not reach every parameter."""
    publish: Callable[[Any, Path], None] | None = None
    """Writes the model as others load it (weights, preprocessing, tokenizer) into the folder given: `model/` of the run,
    at the end, and `best/model/` where `select` is given."""
    config: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)
    """The recipe's own fields, for the record in run.json and to notice changes on resuming."""

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.max_steps is None):
            raise ValueError(f"run {self.name!r}: give either epochs or max_steps")
        for name in ("epochs", "max_steps", "gradient_accumulation", "keep_checkpoints", "log_every"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"run {self.name!r}: {name} must be at least 1, not {value}")
        for name in ("learning_rate", "grad_clip_norm", "checkpoint_every_steps", "checkpoint_every_seconds"):
            if (value := getattr(self, name)) is not None and not value > 0:
                raise ValueError(f"run {self.name!r}: {name} must be greater than 0, not {value}")
        if self.warmup_steps < 0 or (self.warmup_steps >= 1 and self.warmup_steps != int(self.warmup_steps)):
            raise ValueError(f"run {self.name!r}: warmup_steps is a count or a fraction, not {self.warmup_steps}")
        if self.patience is not None and (self.patience < 1 or not self.select):
            raise ValueError(f"run {self.name!r}: patience is a count from 1 on and waits for the metric of select")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ValueError(f"run {self.name!r}: precision must be auto, fp32 or bf16, not {self.precision!r}")
        if self.select and self.select.rsplit("/", 1)[0] not in self.evals:
            raise ValueError(
                f"run {self.name!r}: select={self.select!r} names no evaluator's metric; "
                f"there is {', '.join(self.evals) or 'no evaluator'}"
            )

    @property
    def total_steps(self) -> int:
        return self.max_steps or (self.epochs or 0) * self.loader.steps_per_epoch

    @property
    def num_warmup_steps(self) -> int:
        return int(self.warmup_steps if self.warmup_steps >= 1 else self.warmup_steps * self.total_steps)


def snapshot(run: Run, precision: str) -> dict[str, Any]:
    """The fields of a run as JSON values, with what "auto" precision came to. Functions and models are left out.

    Of the loader: its type, its length, and those of its fields that are single values.
    """
    left_out = {"model", "loader", "evals", "publish", "augment"}
    fields = {name: _plain(value) for name, value in vars(run).items() if name not in left_out}
    fields["evals"] = {
        name: {"every_steps": one.every_steps, "every_epochs": one.every_epochs} for name, one in run.evals.items()
    }
    loader: dict[str, Any] = {"type": type(run.loader).__name__, "steps_per_epoch": run.loader.steps_per_epoch}
    if is_dataclass(run.loader):
        values = {one.name: getattr(run.loader, one.name) for one in dataclass_fields(run.loader)}
        loader |= {name: value for name, value in values.items() if isinstance(value, bool | int | float | str)}
    return fields | {"precision": precision, "loader": loader}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(_plain(one) for one in value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
