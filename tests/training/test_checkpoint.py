"""A checkpoint is whole or passed over, and comes back bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from modiste.training.checkpoint import (
    latest_checkpoint,
    load_checkpoint,
    load_optimizer,
    load_tensors,
    load_weights,
    optimizer_tensors,
    save_checkpoint,
    save_tensors,
    verify_checkpoint,
)
from modiste.training.optim import build_optimizer


def write(folder: Path, step: int, keep: int = 5) -> Path:
    return save_checkpoint(folder, step, {"model": {"w": torch.full((3,), step)}}, {"seconds": 0.1}, keep)


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(write(tmp_path, 7))
    assert (checkpoint.step, dict(checkpoint.state)) == (7, {"seconds": 0.1})
    assert checkpoint.tensors["model"]["w"].tolist() == [7, 7, 7]


def test_only_the_last_are_kept_and_nothing_else_lies_about(tmp_path: Path) -> None:
    for step in (1, 2, 9, 10, 100_000_000):
        write(tmp_path, step, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_00000010", "step_100000000"]
    assert latest_checkpoint(tmp_path) == tmp_path / "step_100000000"


def test_the_same_step_can_be_written_again(tmp_path: Path) -> None:
    write(tmp_path, 3)
    again = save_checkpoint(tmp_path, 3, {"model": {"w": torch.zeros(1)}}, {})
    assert load_checkpoint(again).tensors["model"]["w"].tolist() == [0]


@pytest.mark.parametrize("damage", ["no manifest", "short", "flipped", "missing", "empty manifest"])
def test_damaged_checkpoints_are_passed_over_with_a_warning(tmp_path: Path, damage: str) -> None:
    good, bad = write(tmp_path, 1), write(tmp_path, 2)
    weights = bad / "model.safetensors"
    if damage == "no manifest":
        (bad / "manifest.json").unlink()
    elif damage == "short":
        weights.write_bytes(weights.read_bytes()[:-1])
    elif damage == "flipped":
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
    elif damage == "missing":
        weights.unlink()
    else:
        (bad / "manifest.json").write_text("")
    with pytest.warns(UserWarning, match="passed over.*step_00000002"):
        assert latest_checkpoint(tmp_path) == good
    with pytest.raises(ValueError, match="step_00000002"):
        verify_checkpoint(bad)


def test_an_unfinished_folder_is_no_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, 2).rename(tmp_path / ".unfinished_step_00000002")
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / "nowhere") is None
    assert load_checkpoint(write(tmp_path, 2)).step == 2  # the next one writes over it


def test_tied_and_viewed_tensors_are_stored(tmp_path: Path) -> None:
    whole = torch.arange(6.0).view(2, 3)
    named = {
        "a": whole,
        "b": whole,
        "row": whole[0],
        "turned": whole.T,
        "empty": torch.zeros(0),
        "none": torch.zeros(0),
    }
    save_tensors(tmp_path / "t.safetensors", named)
    found = load_tensors(tmp_path / "t.safetensors")
    assert found.keys() == named.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in named.items())
    (tmp_path / "t.safetensors").write_bytes(b"not tensors at all")
    with pytest.raises(ValueError, match=r"t\.safetensors cannot be read"):
        load_tensors(tmp_path / "t.safetensors")


def test_weights_of_another_model_are_listed(tmp_path: Path) -> None:
    named = dict(nn.Linear(3, 2).state_dict()) | {"extra": torch.zeros(1)}
    del named["bias"]
    with pytest.raises(
        ValueError, match=r"a\.safetensors.*missing bias; unknown extra; weight is \(2, 3\), not \(2, 4\)"
    ):
        load_weights(nn.Linear(4, 2), named, "a.safetensors")


def test_an_optimizer_goes_on_exactly() -> None:
    def steps(model: nn.Module, optimizer: torch.optim.Optimizer, numbers: range) -> None:
        for number in numbers:
            optimizer.zero_grad()
            model(torch.full((4, 3), float(number))).square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 1))
    optimizer = build_optimizer(model, learning_rate=0.1, weight_decay=0.1)
    steps(model, optimizer, range(3))
    other = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.Linear(3, 1))
    other.load_state_dict({name: tensor.clone() for name, tensor in model.state_dict().items()})
    resumed = build_optimizer(other, learning_rate=0.1, weight_decay=0.1)
    load_optimizer(resumed, {name: tensor.clone() for name, tensor in optimizer_tensors(optimizer).items()})
    steps(model, optimizer, range(3, 6))
    steps(other, resumed, range(3, 6))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    with pytest.raises(ValueError, match="no trained parameter 'x'"):
        load_optimizer(resumed, {"x/step": torch.tensor(1.0)})
