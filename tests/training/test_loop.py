"""The loop on a toy: stopping, going on, and refusing, with the numbers compared bit for bit."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parent))
from toys import BATCH_SIZE, NUM_ITEMS, Toy, ToyWithoutStatistics, make_batch, toy_run

from modiste.data.batches import ImageTextBatch
from modiste.training.checkpoint import latest_checkpoint, load_checkpoint, load_tensors, save_tensors
from modiste.training.log import read_log, truncate
from modiste.training.loop import Eval, NonFiniteLoss, TrainingInterrupted, TrainResult, train
from modiste.training.run import Run
from modiste.training.sampling import IndexLoader

GOLDEN = Path(__file__).parents[1] / "golden" / "toy_losses.txt"
TIMES = ("seconds", "images_per_second")

train_quietly: Callable[..., TrainResult] = partial(train, device="cpu", progress=False)


def numbers(folder: Path) -> list[dict[str, float]]:
    """The log without what a clock decides."""
    return [{key: value for key, value in line.items() if key not in TIMES} for line in read_log(folder)]


def same_weights(a: Path, b: Path) -> bool:
    first, second = load_tensors(a / "model.safetensors"), load_tensors(b / "model.safetensors")
    return first.keys() == second.keys() and all(torch.equal(tensor, second[name]) for name, tensor in first.items())


def interrupting(after_batches: int, number: int = signal.SIGTERM) -> Callable[..., ImageTextBatch]:
    """Makes batches, and sends this process a signal while making batch `after_batches`."""
    count = 0

    def collate(indices: NDArray[np.int64], random: np.random.Generator) -> ImageTextBatch:
        nonlocal count
        count += 1
        if count == after_batches:
            os.kill(os.getpid(), number)
        return make_batch(indices, random)

    return collate


def test_the_toy_learns_and_leaves_a_complete_folder(tmp_path: Path) -> None:
    result = train_quietly(toy_run(epochs=20), tmp_path / "run")
    lines = read_log(result.folder)
    assert [line["step"] for line in lines] == list(range(1, 61))
    assert lines[0].keys() >= {"step", "epoch", "loss", "kind_loss", "word_loss", "accuracy", "lr", "grad_norm", *TIMES}
    assert lines[-1]["loss"] < 0.6 * lines[0]["loss"]
    assert lines[3]["loss"] == pytest.approx(lines[3]["kind_loss"] + lines[3]["word_loss"])
    assert result.steps == 60
    assert result.metrics["loss"] == lines[-1]["loss"]
    Toy().load_state_dict(load_tensors(result.weights))
    record = json.loads((result.folder / "run.json").read_text())
    assert record["fields"]["learning_rate"] == 1e-2
    assert record["sessions"][0]["versions"]["torch"] == torch.__version__
    assert list((result.folder / "tensorboard").iterdir())
    kinds = {
        path.suffix or path.name
        for path in result.folder.rglob("*")
        if path.is_file() and path.parent.name != "tensorboard"
    }
    assert kinds == {".safetensors", ".json", ".jsonl", ".lock"}  # nothing that unpickling could run


def test_golden_losses(tmp_path: Path) -> None:
    """A change of the loop that is only a refactoring leaves these twelve numbers alone."""
    train_quietly(toy_run(), tmp_path)
    golden = [float(line) for line in GOLDEN.read_text().split()]
    assert [line["loss"] for line in read_log(tmp_path)] == pytest.approx(golden, rel=1e-3)


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    """SIGKILL in the middle of an epoch, past a checkpoint: average, accumulation and dropout included."""
    script = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import signal; from test_loop import *\n"
        "train_quietly(stochastic(interrupting(9, signal.SIGKILL)), Path(sys.argv[1]))"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path / "killed")], env=env, timeout=120, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [line["step"] for line in read_log(tmp_path / "killed")] == list(range(1, 9))
    saved = latest_checkpoint(tmp_path / "killed" / "checkpoints")
    assert saved is not None
    assert saved.name == "step_00000006"
    resumed = train_quietly(stochastic(make_batch), tmp_path / "killed")
    whole = train_quietly(stochastic(make_batch), tmp_path / "whole")
    assert numbers(resumed.folder) == numbers(whole.folder)  # 12 steps, each of them once
    assert same_weights(resumed.folder, whole.folder)
    assert len(json.loads((resumed.folder / "run.json").read_text())["sessions"]) == 2


def stochastic(collate: Callable[..., ImageTextBatch]) -> Run:
    return toy_run(
        loader=IndexLoader(collate, NUM_ITEMS, BATCH_SIZE),
        gradient_accumulation=2,
        ema_decay=0.9,
        checkpoint_every_steps=3,
    )


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("after", [4, 6])  # within an epoch, and at its end
def test_stopped_by_a_signal_and_resumed_equals_uninterrupted(
    tmp_path: Path, after: int, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stopping = toy_run(loader=IndexLoader(interrupting(after), NUM_ITEMS, BATCH_SIZE), precision=precision)
    with pytest.raises(TrainingInterrupted) as stopped:
        train_quietly(stopping, tmp_path / "stopped")
    assert stopped.value.code == 128 + signal.SIGTERM
    assert f"stopped by SIGTERM after step {after} of 12" in capsys.readouterr().err
    assert not (tmp_path / "stopped" / "model.safetensors").exists()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL  # given back
    train_quietly(toy_run(precision=precision), tmp_path / "stopped")
    train_quietly(toy_run(precision=precision), tmp_path / "whole")
    assert numbers(tmp_path / "stopped") == numbers(tmp_path / "whole")
    assert same_weights(tmp_path / "stopped", tmp_path / "whole")


def test_a_signal_that_comes_too_late_is_not_swallowed(tmp_path: Path) -> None:
    """While the weights are published the run is over, but a grid of runs that is to be stopped must not begin the next."""
    run = toy_run(publish=lambda model, folder: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(TrainingInterrupted) as stopped:
        train_quietly(run, tmp_path / "late")
    assert stopped.value.code == 128 + signal.SIGTERM
    assert numbers(tmp_path / "late") == numbers(train_quietly(toy_run(), tmp_path / "whole").folder)
    assert (tmp_path / "late" / "model.safetensors").exists()


def test_evaluators_and_worker_threads_do_not_disturb_training(tmp_path: Path) -> None:
    def draws(model: nn.Module) -> dict[str, float]:
        assert not model.training
        assert not torch.is_grad_enabled()
        return {"noise": torch.randn(7).sum().item()}

    train_quietly(toy_run(), tmp_path / "plain")
    loader = IndexLoader(make_batch, NUM_ITEMS, BATCH_SIZE, num_workers=2)
    train_quietly(toy_run(evals={"draws": Eval(draws, every_steps=2)}, loader=loader), tmp_path / "evaluated")
    assert same_weights(tmp_path / "plain", tmp_path / "evaluated")


def test_evaluators_have_their_cadence_names_and_the_best_is_kept(tmp_path: Path) -> None:
    scores = iter([0.1, 0.9, 0.5, 0.2])
    evals = {
        "gallery/full": Eval(lambda model: {"R@1": next(scores)}, every_epochs=1),
        "last": Eval(lambda model: {"n": 1}),
    }
    result = train_quietly(
        toy_run(evals=evals, select="gallery/full/R@1", log_every=5, ema_decay=0.5, checkpoint_every_steps=6), tmp_path
    )
    lines = {int(line["step"]): line for line in read_log(tmp_path)}
    assert list(lines) == [1, 3, 5, 6, 9, 10, 12]
    assert {step: line["gallery/full/R@1"] for step, line in lines.items() if "gallery/full/R@1" in line} == {
        3: 0.1,
        6: 0.9,
        9: 0.5,
        12: 0.2,
    }
    assert [step for step, line in lines.items() if "last/n" in line] == [12]
    assert result.best is not None
    assert (result.best.step, result.best.value) == (6, 0.9)
    assert result.metrics["gallery/full/R@1"] == 0.2
    checkpoint = load_checkpoint(tmp_path / "checkpoints" / "step_00000006")
    best = load_tensors(tmp_path / "best" / "model.safetensors")
    for name, tensor in checkpoint.tensors["ema"].items():
        assert torch.equal(best[name], tensor)  # the average, not the raw weights
    assert not torch.equal(best["head.weight"], checkpoint.tensors["model"]["head.weight"])
    assert json.loads((tmp_path / "best" / "metrics.json").read_text())["step"] == 6


def test_patience_ends_a_run_that_gets_no_better(tmp_path: Path) -> None:
    def run(values: list[float], **fields: Any) -> Run:
        scores = iter(values)
        evals = {"valid": Eval(lambda model: {"x": next(scores)}, every_epochs=1)}
        return toy_run(evals=evals, select="valid/x", epochs=6, patience=2, **fields)

    result = train_quietly(run([0.1, 0.5, 0.3, 0.5]), tmp_path / "a")  # equal is not better; a fifth is not asked for
    assert result.steps == 12
    assert result.best is not None
    assert (result.best.step, result.best.value) == (6, 0.5)
    assert (tmp_path / "a" / "model.safetensors").exists()
    again = train_quietly(run([]), tmp_path / "a")  # it has ended: nothing more happens, nothing is evaluated
    assert (again.steps, again.best) == (12, result.best)
    assert train_quietly(run([0.1, 0.2, 0.1, 0.3, 0.2, 0.1]), tmp_path / "b").steps == 18  # the whole length
    lower = run([0.5, 0.4, 0.6, 0.7], select_mode="min")
    assert train_quietly(lower, tmp_path / "c").steps == 12


def test_patience_survives_a_resume(tmp_path: Path) -> None:
    def run(collate: Callable[..., ImageTextBatch], values: list[float]) -> Run:
        scores = iter(values)
        evals = {"valid": Eval(lambda model: {"x": next(scores)}, every_epochs=1)}
        loader = IndexLoader(collate, NUM_ITEMS, BATCH_SIZE)
        return toy_run(evals=evals, select="valid/x", epochs=6, patience=2, loader=loader)

    with pytest.raises(TrainingInterrupted):
        train_quietly(run(interrupting(8), [0.5, 0.1]), tmp_path)  # after one evaluation in vain
    assert train_quietly(run(make_batch, [0.1]), tmp_path).steps == 9


def test_patience_needs_something_to_wait_for() -> None:
    with pytest.raises(ValueError, match="waits for the metric of select"):
        toy_run(patience=2)


def test_a_metric_that_is_not_there_cannot_select(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="names no evaluator"):
        toy_run(select="nothing/R@1")
    run = toy_run(evals={"a": Eval(lambda model: {"x": 1.0}, every_steps=1)}, select="a/y")
    with pytest.raises(ValueError, match="'a/y' is not among what was evaluated: a/x"):
        train_quietly(run, tmp_path)


def test_accumulated_pieces_equal_the_whole_batch_for_losses_that_are_means(tmp_path: Path) -> None:
    standard = toy_run(model=ToyWithoutStatistics)
    train_quietly(standard, tmp_path / "one")
    train_quietly(replace(standard, gradient_accumulation=3), tmp_path / "three")  # 8 rows: 2, 3 and 3
    for one, three in zip(read_log(tmp_path / "one"), read_log(tmp_path / "three"), strict=True):
        for name in ("loss", "kind_loss", "word_loss", "accuracy", "grad_norm"):
            assert three[name] == pytest.approx(one[name], rel=1e-4)


def test_the_logged_gradient_and_rate_are_those_of_plain_torch(tmp_path: Path) -> None:
    """Three steps by hand."""
    run = toy_run(model=ToyWithoutStatistics, max_steps=3, epochs=None, weight_decay=0.0, grad_clip_norm=0.5)
    run = replace(run, loss_weights={"word_loss": 3.0})
    train_quietly(run, tmp_path)
    np.random.seed(0)  # noqa: NPY002
    torch.manual_seed(0)
    words = np.random.SeedSequence([run.seed]).generate_state(2)
    torch.manual_seed(int(words[0]) << 32 | int(words[1]))
    model = ToyWithoutStatistics()
    optimizer = torch.optim.AdamW(model.parameters(), betas=run.betas, weight_decay=0.0)
    batches = run.loader.batches(0, 0, 0, 1)
    for line, batch, rate in zip(read_log(tmp_path), batches, [0.005, 0.01, 0.01], strict=True):
        losses = model.losses(batch)
        total = losses["kind_loss"] + 3 * losses["word_loss"]
        optimizer.zero_grad()
        total.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
        assert line["loss"] == pytest.approx(total.item(), rel=1e-5)
        assert line["grad_norm"] == pytest.approx(norm.item(), rel=1e-4)
        assert line["lr"] == pytest.approx(rate)


class Exploding(Toy):
    """Its word loss is nan on the fifth batch, or its gradient infinite where the loss is finite."""

    def __init__(self, gradient: bool = False) -> None:
        super().__init__()
        self.gradient, self.calls = gradient, 0

    def losses(self, batch: ImageTextBatch) -> dict[str, Tensor]:
        losses = super().losses(batch)
        self.calls += 1
        if self.calls == 5:
            broken = (0 * self.logit_scale).sqrt() if self.gradient else self.logit_scale * math.nan
            losses["word_loss"] = losses["word_loss"] + broken
        return losses


@pytest.mark.parametrize("gradient", [False, True])
def test_stops_before_the_update_at_the_first_number_that_is_not_finite(tmp_path: Path, gradient: bool) -> None:
    model = Exploding(gradient)
    seen: list[Tensor] = []
    evals = {"spy": Eval(lambda now: seen.append(now.head.weight.detach().clone()) or {}, every_steps=1)}
    name = "^grad_norm is (nan|inf)" if gradient else "^word_loss is nan"
    with pytest.raises(NonFiniteLoss, match=rf"{name} at step 5 \(recipe=toy, lr=0\.00"):
        train_quietly(toy_run(model=model, evals=evals), tmp_path)
    assert len(seen) == 4
    assert torch.equal(model.head.weight, seen[-1])
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3, 4]


def test_a_finished_run_does_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = train_quietly(toy_run(), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    again = train(toy_run(), tmp_path, device="cpu")
    assert "finished already, 12 steps" in capsys.readouterr().err
    assert again == first
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == before


def test_another_configuration_is_refused_by_its_fields(tmp_path: Path) -> None:
    train_quietly(toy_run(config={"width": 8, "num_workers": 1}), tmp_path)
    with pytest.raises(ValueError, match=r"config\.width: 8, now 16; learning_rate: 0\.01, now 0\.02.*resume='never'"):
        train_quietly(toy_run(config={"width": 16, "num_workers": 2}, learning_rate=0.02), tmp_path)
    other_order = IndexLoader(make_batch, NUM_ITEMS, BATCH_SIZE, seed=1, num_workers=2)
    with pytest.raises(ValueError, match=r"configuration: loader\.seed: 0, now 1\. Choose"):
        train_quietly(toy_run(config={"width": 8}, loader=other_order), tmp_path)
    # what cannot reach the weights may change
    train_quietly(toy_run(config={"width": 8, "num_workers": 2}, log_every=7, keep_checkpoints=5), tmp_path)


def test_never_starts_anew_and_loses_nothing(tmp_path: Path) -> None:
    train_quietly(toy_run(), tmp_path)
    old = (tmp_path / "log.jsonl").read_text()
    train_quietly(toy_run(seed=1, max_steps=2, epochs=None), tmp_path, resume="never")
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2]
    assert (tmp_path / "earlier_1" / "log.jsonl").read_text() == old
    assert (tmp_path / "earlier_1" / "checkpoints" / "step_00000012").is_dir()
    train_quietly(toy_run(seed=2), tmp_path, resume="never")
    assert len(read_log(tmp_path / "earlier_2")) == 2


def test_going_back_to_a_chosen_checkpoint_repeats_what_followed(tmp_path: Path) -> None:
    run = toy_run(checkpoint_every_steps=4, keep_checkpoints=9)
    train_quietly(run, tmp_path)
    before, weights = numbers(tmp_path), load_tensors(tmp_path / "model.safetensors")
    train_quietly(run, tmp_path, resume=tmp_path / "checkpoints" / "step_00000004")
    assert numbers(tmp_path) == before
    assert all(
        torch.equal(tensor, weights[name]) for name, tensor in load_tensors(tmp_path / "model.safetensors").items()
    )
    assert sorted(path.name for path in (tmp_path / "earlier_1" / "checkpoints").iterdir()) == [
        "step_00000008",
        "step_00000012",
    ]
    with pytest.raises(ValueError, match=r"run\.json is missing"):
        train_quietly(run, tmp_path / "new", resume=tmp_path / "no" / "checkpoints" / "step_00000004")
    with pytest.raises(ValueError, match="step_00000005 is incomplete"):
        train_quietly(run, tmp_path, resume=tmp_path / "checkpoints" / "step_00000005")
    # and into another folder, from the first checkpoint or from the run's last
    train_quietly(run, tmp_path / "copy", resume=tmp_path / "checkpoints" / "step_00000004")
    assert numbers(tmp_path / "copy") == before[4:]
    train_quietly(run, tmp_path / "same", resume=tmp_path)
    assert same_weights(tmp_path / "same", tmp_path / "copy")
    (tmp_path / "same" / "model.safetensors").unlink()
    train_quietly(run, tmp_path / "same")  # has its own copy of the last checkpoint
    assert same_weights(tmp_path / "same", tmp_path / "copy")
    with pytest.raises(ValueError, match="holds a run of its own"):
        train_quietly(run, tmp_path / "copy", resume=tmp_path)


def test_a_damaged_last_checkpoint_costs_only_its_steps(tmp_path: Path) -> None:
    run = toy_run(checkpoint_every_steps=4, ema_decay=0.9)
    train_quietly(run, tmp_path)
    before = numbers(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "checkpoints" / "step_00000012" / "optimizer.safetensors").write_bytes(b"torn")
    with pytest.warns(UserWarning, match="step_00000012"):
        train_quietly(run, tmp_path)
    assert numbers(tmp_path) == before
    assert latest_checkpoint(tmp_path / "checkpoints") == tmp_path / "checkpoints" / "step_00000012"


def test_weights_come_from_the_checkpoint_then_init_from_then_scratch(tmp_path: Path) -> None:
    given = Toy()
    nn.init.constant_(given.head.weight, 5.0)
    save_tensors(tmp_path / "model.safetensors", given.state_dict())
    run = toy_run(init_from=tmp_path, learning_rate=1e-9, ema_decay=0.0)
    result = train_quietly(run, tmp_path / "run")
    assert torch.allclose(load_tensors(result.weights)["head.weight"], torch.tensor(5.0))
    # the run's own weights win over init_from when it goes on
    save_tensors(tmp_path / "model.safetensors", Toy().state_dict())
    (result.folder / "model.safetensors").unlink()
    train_quietly(run, tmp_path / "run")
    assert torch.allclose(load_tensors(result.weights)["head.weight"], torch.tensor(5.0))
    save_tensors(tmp_path / "model.safetensors", nn.Linear(2, 2).state_dict())
    with pytest.raises(ValueError, match=r"model\.safetensors are not this model's: missing"):
        train_quietly(run, tmp_path / "other")


def test_a_folder_is_one_runs_at_a_time(tmp_path: Path) -> None:
    def inner(model: nn.Module) -> dict[str, float]:
        with pytest.raises(ValueError, match="in use by another training process"):
            train_quietly(toy_run(), tmp_path)
        return {}

    train_quietly(toy_run(evals={"inner": Eval(inner)}), tmp_path)


class Silent(Toy):
    def losses(self, batch: ImageTextBatch) -> dict[str, Tensor]:
        return {"accuracy": super().losses(batch)["accuracy"]}


class ShortLoader:
    steps_per_epoch = 3

    def batches(self, epoch: int, start: int, rank: int, world_size: int) -> Iterator[ImageTextBatch]:
        yield from list(IndexLoader(make_batch, NUM_ITEMS, BATCH_SIZE).batches(epoch, start, rank, world_size))[:2]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": Silent}, "no key that ends in _loss, only accuracy"),
        ({"loss_weights": {"itm_loss": 2.0}}, "names itm_loss; the model returns kind_loss, word_loss"),
        ({"loader": ShortLoader()}, "ended epoch 0 after 2 of 3 batches"),
        ({"gradient_accumulation": 9}, "8 rows cannot be cut into 9"),
    ],
)
def test_a_run_that_cannot_be_trained_says_why(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        train_quietly(toy_run(**fields), tmp_path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_steps": 3}, "either epochs or max_steps"),
        ({"epochs": None}, "either epochs or max_steps"),
        ({"learning_rate": 0}, "learning_rate must be greater than 0"),
        ({"learning_rate": math.nan}, "learning_rate"),
        ({"warmup_steps": 1.5}, "count or a fraction"),
        ({"precision": "fp16"}, "auto, fp32 or bf16"),
        ({"log_every": 0}, "log_every"),
    ],
)
def test_senseless_fields_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        toy_run(**fields)


def test_lengths_and_devices() -> None:
    assert (toy_run(warmup_steps=0.25).num_warmup_steps, toy_run(warmup_steps=5).num_warmup_steps) == (3, 5)
    with pytest.raises(ValueError, match="CUDA_VISIBLE_DEVICES"):
        train(toy_run(), Path("nowhere"), device="cuda:1")


def test_a_log_is_cut_after_a_step_and_loses_torn_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"step": 2')
    truncate(path, 2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
    with pytest.raises(ValueError, match="holds no log"):
        read_log(tmp_path / "nowhere")


def test_checkpoints_by_the_clock(tmp_path: Path) -> None:
    evals = {"slow": Eval(lambda model: time.sleep(0.06) or {}, every_steps=4)}
    train_quietly(toy_run(evals=evals, checkpoint_every_seconds=0.05, keep_checkpoints=9), tmp_path)
    saved = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert saved[-1] == "step_00000012"
    assert "step_00000004" in saved


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """torchrun on the CPU: same batches, same gradients, up to the order of additions."""
    script = tmp_path / "job.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from test_loop import *\n"
        "result = train_quietly(parallel_run(), Path(sys.argv[1]))\n"
        "assert result.steps == 12\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, str(script), str(tmp_path / "two")], env=env, timeout=120, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    train_quietly(parallel_run(), tmp_path / "one")
    one, two = read_log(tmp_path / "one"), read_log(tmp_path / "two")
    assert [line["step"] for line in two] == list(range(1, 13))
    for a, b in zip(one, two, strict=True):
        for name in ("loss", "kind_loss", "accuracy", "grad_norm", "lr"):
            assert b[name] == pytest.approx(a[name], rel=1e-4, abs=1e-6)
    weights = load_tensors(tmp_path / "two" / "model.safetensors")
    for name, tensor in load_tensors(tmp_path / "one" / "model.safetensors").items():
        assert torch.allclose(weights[name], tensor, atol=1e-5)
    assert json.loads((tmp_path / "two" / "run.json").read_text())["sessions"][0]["num_processes"] == 2


def plain_batch(indices: NDArray[np.int64], random: np.random.Generator) -> ImageTextBatch:
    """Without augmentation, whose generator depends on the process."""
    return make_batch(indices, random, noise=0.0)


def parallel_run() -> Run:
    return toy_run(
        model=ToyWithoutStatistics,
        loader=IndexLoader(plain_batch, NUM_ITEMS, BATCH_SIZE),
        gradient_accumulation=2,
        ema_decay=0.9,
        checkpoint_every_steps=5,
    )
