"""The one training loop: every system's recipe ends in `train(run, folder)`. Read it from top to bottom.

    folder/  run.json  log.jsonl  tensorboard/  checkpoints/  [best/model.safetensors]  model.safetensors (when finished)

A step is one optimiser update on one batch of the loader. All that is random in a step is seeded by (seed, step, rank)
just before it: a resumed run equals an uninterrupted one, and evaluators cannot disturb what is trained.
`accelerate` underneath gives the same code one CPU, one GPU, or `torchrun` with many processes.
"""

from __future__ import annotations

import atexit
import math
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list
from torch import Tensor, nn

from modiste.data.batches import TensorBatch
from modiste.training.checkpoint import (
    latest_checkpoint,
    load_checkpoint,
    load_optimizer,
    load_tensors,
    load_weights,
    optimizer_tensors,
    save_checkpoint,
    save_tensors,
    write_json,
)
from modiste.training.folder import (
    drop_later_checkpoints,
    locked,
    matching_record,
    note_training,
    session,
    set_aside,
)
from modiste.training.log import RunLog
from modiste.training.optim import Ema, build_optimizer, learning_rate_at, set_learning_rate
from modiste.training.run import Eval, Precision, Run, snapshot

__all__ = ["Best", "Eval", "NonFiniteLoss", "Run", "TrainResult", "TrainingInterrupted", "train"]


class NonFiniteLoss(ValueError):
    """A loss or the gradient became nan or infinite; the weights were not touched by it."""


class TrainingInterrupted(SystemExit):
    """A signal ended the run after a checkpoint, or came too late for that; `code` is the shell's for that signal."""


@dataclass(frozen=True)
class Best:
    """The best value of `Run.select` so far and the step that had it; its weights are in `best/`."""

    step: int
    value: float


@dataclass(frozen=True)
class TrainResult:
    """A finished run. `metrics`: the last losses by name, and the last `name/metric` of every evaluator."""

    steps: int
    metrics: Mapping[str, float]
    best: Best | None
    folder: Path

    @property
    def weights(self) -> Path:
        """The final weights (the average, if the run kept one), as safetensors."""
        return self.folder / "model.safetensors"


def train(
    run: Run,
    folder: Path | str,
    *,
    resume: Literal["auto", "never"] | str | Path = "auto",
    device: str | None = None,
    progress: bool = True,
) -> TrainResult:
    """Train, or go on training, in `folder`.

    `resume`: "auto" goes on from the folder's last complete checkpoint if there is one; "never" starts anew, moving
    what the folder holds into `earlier_1`, `earlier_2`...; a path goes on from that checkpoint, or the last one of that
    run's folder. `device`: "cpu" or "cuda"; None takes the accelerator there is.

    Raises `NonFiniteLoss` before a bad update; `TrainingInterrupted` after SIGINT or SIGTERM, with a checkpoint
    written; `ValueError` when the folder holds a differently configured run, is in use, or the device is missing.
    """
    folder = Path(folder)
    accelerator, precision = _accelerator(run, device)
    rank, world_size, is_main = accelerator.process_index, accelerator.num_processes, accelerator.is_main_process
    total_steps, steps_per_epoch = run.total_steps, run.loader.steps_per_epoch

    with ExitStack() as stack:
        # ---- The folder: whose is it, and where does this session start?
        if is_main:
            stack.enter_context(locked(folder))
            if resume == "never":
                set_aside(folder)
        accelerator.wait_for_everyone()
        source = latest_checkpoint(folder / "checkpoints") if resume in ("auto", "never") else Path(resume)
        if source and (source / "checkpoints").is_dir():  # a run's folder stands for its last checkpoint
            source = latest_checkpoint(source / "checkpoints")
        record = matching_record(snapshot(run, precision), source, folder)
        checkpoint = load_checkpoint(source) if source else None
        step = checkpoint.step if checkpoint else 0
        ended = bool(checkpoint and checkpoint.state.get("ended"))  # by its patience, before the last step
        if checkpoint and (step >= total_steps or ended) and (folder / "model.safetensors").exists():
            if is_main and progress:
                print(f"{run.name}: finished already, {step} steps, in {folder}", file=sys.stderr)
            return TrainResult(step, checkpoint.state["metrics"], _best(checkpoint.state), folder)
        accelerator.wait_for_everyone()  # all have read before the first one writes
        if is_main:
            drop_later_checkpoints(folder, step)

        # ---- Model, optimiser, average. Where weights come from, in order of precedence:
        _seed(run.seed)
        model = run.model if isinstance(run.model, nn.Module) else run.model()
        if checkpoint:  # 1 the run's own checkpoint
            load_weights(model, checkpoint.tensors["model"], checkpoint.path)
        elif run.init_from:  # 2 weights given to a new run
            weights = run.init_from / "model.safetensors" if run.init_from.is_dir() else run.init_from
            load_weights(model, load_tensors(weights), weights)
        # 3 else as the model was built: scratch
        model.to(accelerator.device).train()
        optimizer = build_optimizer(
            model,
            learning_rate=run.learning_rate,
            weight_decay=run.weight_decay,
            betas=run.betas,
            learning_rate_scales=run.learning_rate_scales,
        )
        ema = Ema(model, run.ema_decay) if run.ema_decay else None
        metrics: dict[str, float] = {}
        best: Best | None = None
        seconds_before = 0.0
        if checkpoint:
            load_optimizer(optimizer, checkpoint.tensors["optimizer"])
            if ema:
                ema.load(checkpoint.tensors["ema"], checkpoint.state["ema_updates"])
            metrics, best = dict(checkpoint.state["metrics"]), _best(checkpoint.state)
            seconds_before = checkpoint.state["seconds"]
        if is_main:
            sessions = [*record.get("sessions", []), session(step, model, accelerator.device, world_size)]
            write_json(
                folder / "run.json", {"recipe": run.name, "fields": snapshot(run, precision), "sessions": sessions}
            )
        parallel = accelerator.prepare_model(_Losses(model))
        log = stack.enter_context(RunLog(folder, step, total_steps, progress)) if is_main else None
        stopped_by = stack.enter_context(_signals())
        began = last_saved = last_logged = time.perf_counter()
        images = 0

        def save() -> None:
            tensors = {"model": model.state_dict(), "optimizer": optimizer_tensors(optimizer)}
            state: dict[str, Any] = {"metrics": metrics, "best": vars(best) if best else None}
            state["seconds"], state["ended"] = seconds_before + time.perf_counter() - began, ended
            if ema:
                tensors["ema"], state["ema_updates"] = ema.tensors, ema.updates
            save_checkpoint(folder / "checkpoints", step, tensors, state, run.keep_checkpoints)

        if is_main and source and source.parent.resolve() != (folder / "checkpoints").resolve():
            save()  # from now on the folder can be resumed without the one it came from

        # ---- Train
        while step < total_steps and not ended:
            epoch, start = divmod(step, steps_per_epoch)
            for batch in run.loader.batches(epoch, start, rank, world_size):
                _seed(run.seed, step, rank)
                learning_rate = learning_rate_at(
                    step, peak=run.learning_rate, warmup_steps=run.num_warmup_steps, total_steps=total_steps
                )
                set_learning_rate(optimizer, learning_rate)
                values, stop = _backward(run, accelerator, parallel, batch, stopped_by)
                grad_norm = float(accelerator.clip_grad_norm_(model.parameters(), run.grad_clip_norm or math.inf))
                culprits = [name for name in values if name.endswith("_loss")] + ["loss"]
                for name, value in [(name, values[name]) for name in culprits] + [("grad_norm", grad_norm)]:
                    if not math.isfinite(value):
                        raise NonFiniteLoss(
                            f"{name} is {value} at step {step + 1} (recipe={run.name}, lr={learning_rate:.3g}); the "
                            "weights were not updated with it. The usual remedies: a lower learning_rate, precision=fp32"
                        )
                optimizer.step()
                if ema:
                    ema.update(model)
                step += 1
                images += len(batch) * world_size
                now = time.perf_counter()

                # ---- Evaluate, log, save
                due = [
                    name for name, one in run.evals.items() if step == total_steps or one.is_due(step, steps_per_epoch)
                ]
                evaluated = _evaluate(run, model, ema, due) if due else {}
                metrics |= values | evaluated
                if run.select in evaluated and _is_better(evaluated[run.select], best, run.select_mode):
                    best = Best(step, evaluated[run.select])
                    if is_main:
                        _publish(run, model, ema, folder / "best")
                        write_json(folder / "best" / "metrics.json", {"step": step, **evaluated})
                if run.patience is not None and run.select in evaluated:  # the first process's numbers count
                    ended = broadcast_object_list([_is_in_vain(run, step, best)])[0]
                if log:
                    log.step(step)
                    if evaluated or step % run.log_every == 0 or step in (1, total_steps):
                        rates = {
                            "images_per_second": images / (now - last_logged),
                            "seconds": seconds_before + now - began,
                        }
                        log.write(
                            {"step": step, "epoch": epoch, **values, "lr": learning_rate, "grad_norm": grad_norm}
                            | rates
                            | evaluated
                        )
                        images, last_logged = 0, time.perf_counter()
                    by_steps = run.checkpoint_every_steps and step % run.checkpoint_every_steps == 0
                    save_began = time.perf_counter()
                    by_time = run.checkpoint_every_seconds and save_began - last_saved >= run.checkpoint_every_seconds
                    if by_steps or by_time or stop or ended or step == total_steps:
                        save()
                        last_saved = time.perf_counter()
                        last_logged += last_saved - save_began  # images per second are those of training alone
                if stop and step < total_steps and not ended:
                    _leave(run, folder, step, stop, is_main)
                if ended or step == total_steps or step % steps_per_epoch == 0:
                    break
            else:
                raise ValueError(
                    f"the loader ended epoch {epoch} after {step % steps_per_epoch} of {steps_per_epoch} batches"
                )
        if is_main:
            _publish(run, model, ema, folder)
        accelerator.wait_for_everyone()
        if stopped_by:  # too late to stop this run, but whoever sent it also meant what comes behind it
            raise TrainingInterrupted(128 + stopped_by[0])
        return TrainResult(step, metrics, best, folder)


class _Losses(nn.Module):
    """`losses` as `forward`: what DistributedDataParallel and autocast wrap is a module's forward."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: TensorBatch) -> dict[str, Tensor]:
        losses: dict[str, Tensor] = self.model.losses(batch)  # type: ignore[operator]
        return losses


def _backward(
    run: Run, accelerator: Accelerator, parallel: nn.Module, batch: TensorBatch, stopped_by: list[int]
) -> tuple[dict[str, float], int]:
    """Leave the batch's gradient in the parameters; what it scored, and the signal that stopped any process (0: none).

    Values are means over all processes, "loss" the weighted total. They reach the host in one transfer per step.
    """
    device = accelerator.device
    parallel.zero_grad(set_to_none=True)
    pieces = batch.split(run.gradient_accumulation)
    names: list[str] = []
    sums = torch.zeros(0)
    for number, piece in enumerate(pieces, 1):
        is_last = number == len(pieces)
        with nullcontext() if is_last else accelerator.no_sync(parallel):
            if device.type == "cuda":
                piece = piece.pin_memory()
            piece = piece.to(device, non_blocking=True)
            losses = parallel(run.augment(piece) if run.augment else piece)
            total = _total(losses, run.loss_weights)
            share = len(piece) / len(batch)
            accelerator.backward(total * share)
        scored = torch.stack([one.detach().float() for one in (total, *losses.values())]) * share
        names, sums = ["loss", *losses], (scored if number == 1 else sums + scored)
    sums = torch.cat([sums, sums.new_tensor([stopped_by[0] if stopped_by else 0])])
    *values, stop = accelerator.reduce(sums, "mean").tolist()
    return dict(zip(names, values, strict=True)), (stopped_by[0] if stopped_by else signal.SIGTERM) if stop else 0


def _total(losses: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The weighted sum of what ends in `_loss`; raises `ValueError` when there is none or a weight fits none."""
    terms = {name: value for name, value in losses.items() if name.endswith("_loss")}
    if not terms:
        raise ValueError(
            f"the model's losses() returned no key that ends in _loss, only {', '.join(losses) or 'nothing'}"
        )
    if unknown := weights.keys() - terms.keys():
        raise ValueError(f"loss_weights names {', '.join(sorted(unknown))}; the model returns {', '.join(terms)}")
    return torch.stack([weights.get(name, 1.0) * value.float() for name, value in terms.items()]).sum()


def _evaluate(run: Run, model: nn.Module, ema: Ema | None, names: list[str]) -> dict[str, float]:
    """`name/metric` → value, of the named evaluators."""
    found: dict[str, float] = {}
    model.eval()
    with torch.no_grad(), ema.applied(model) if ema else nullcontext():
        for name in names:
            for metric, value in run.evals[name].function(model).items():
                found[f"{name}/{metric}"] = float(value)
    model.train()
    if run.select and run.select.rsplit("/", 1)[0] in names and run.select not in found:
        raise ValueError(f"select={run.select!r} is not among what was evaluated: {', '.join(found)}")
    return found


def _is_better(value: float, best: Best | None, mode: str) -> bool:
    if not math.isfinite(value):
        return False
    return best is None or (value > best.value if mode == "max" else value < best.value)


def _is_in_vain(run: Run, step: int, best: Best | None) -> bool:
    """Whether the last `run.patience` evaluations of `run.select` have brought nothing better."""
    if run.patience is None or run.select is None:
        return False
    one, epoch = run.evals[run.select.rsplit("/", 1)[0]], run.loader.steps_per_epoch
    since = sum(one.is_due(later, epoch) for later in range((best.step if best else 0) + 1, step + 1))
    return since >= run.patience


def _best(state: Mapping[str, Any]) -> Best | None:
    return Best(**state["best"]) if state["best"] else None


def _publish(run: Run, model: nn.Module, ema: Ema | None, folder: Path) -> None:
    """Write the weights that others load, the average where there is one, and what the run itself publishes."""
    folder.mkdir(exist_ok=True)
    with ema.applied(model) if ema else nullcontext():
        save_tensors(folder / "model.safetensors", model.state_dict())
        if run.publish:
            model.eval()
            run.publish(model, folder / "model")
            note_training(
                folder / "model", run.name, run.config, seed=run.seed, steps_of_the_schedule=run.total_steps,
                precision=run.precision, date=time.strftime("%Y-%m-%d", time.gmtime()),
            )  # fmt: skip
            model.train()


def _seed(*entropy: int) -> None:
    """Seed every generator a model may draw from, on all devices, as a function of `entropy` alone."""
    words = np.random.SeedSequence(entropy).generate_state(2)
    random.seed(int(words[0]))
    np.random.seed(int(words[0]))  # noqa: NPY002 (third-party modules draw from the global one)
    torch.manual_seed(int(words[0]) << 32 | int(words[1]))


def _accelerator(run: Run, device: str | None) -> tuple[Accelerator, Precision]:
    """An Accelerator of our own, and the precision that "auto" means on its device."""
    if device not in (None, "cpu", "cuda"):
        raise ValueError(f"device must be cpu, cuda or None, not {device!r}; choose a GPU by CUDA_VISIBLE_DEVICES")
    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device='cuda', but torch sees no CUDA device here; use device='cpu'")
    # The state is one per process and keeps the first run's device and precision; under torchrun the process group
    # must stay, so only the upper half of it goes.
    AcceleratorState._reset_state(reset_partial_state="WORLD_SIZE" not in os.environ)
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    precision = run.precision
    if precision == "auto":
        native = torch.cpu._is_avx512_bf16_supported() if on_cpu else torch.cuda.is_bf16_supported()
        precision = "bf16" if native else "fp32"
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision="bf16" if precision == "bf16" else "no",
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=run.find_unused_parameters)],
    )
    torch.backends.cudnn.benchmark = (
        not on_cpu
    )  # photos of a run have one size: the fastest kernels are looked for once
    if accelerator.num_processes > 1:
        atexit.register(_leave_group)
    return accelerator, precision


def _leave_group() -> None:
    """At exit: threads of a group that is still there when the interpreter goes abort the process now and then."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def _signals() -> Iterator[list[int]]:
    """SIGINT or SIGTERM is noted in the list, once; a second one acts as if we were not here."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

    def note(number: int, frame: object) -> None:
        received.append(number)
        signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(run: Run, folder: Path, step: int, number: int, is_main: bool) -> None:
    if is_main:
        print(
            f"{run.name}: stopped by {signal.Signals(number).name} after step {step} of {run.total_steps}; everything is "
            f"saved in {folder}. Run the same command again to go on from there",
            file=sys.stderr,
        )
    raise TrainingInterrupted(128 + number)
