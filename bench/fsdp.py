"""A recipe's model with its weights, gradients and optimiser state divided among processes (FSDP2), against whole copies (DDP).

torchrun --nproc-per-node 2 bench/fsdp.py                                      toy towers on the CPU, with gloo
torchrun --nproc-per-node 8 bench/fsdp.py --recipe fame_vil_clip_small --steps 20

The training loop does not shard; this is how it is done around a recipe's model and batches, and a check that nothing changes:
the same batches and seeds both ways, the losses side by side, and the sharded weights gathered into one safetensors file that
is loaded again. Writes what it found to --out, as JSON.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor

from modiste.recipes.registry import build_run
from modiste.training.checkpoint import load_tensors, load_weights, save_tensors
from modiste.training.optim import build_optimizer
from report import machine, write_result


class Losses(nn.Module):
    """`losses` as `forward`: sharding gathers the weights around a module's forward."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Any) -> torch.Tensor:
        losses = self.model.losses(batch)
        return torch.stack([value.float() for name, value in losses.items() if name.endswith("_loss")]).sum()


def scalars(model: nn.Module) -> set[nn.Parameter]:
    """Parameters without a dimension, which cannot be divided (temperatures, gates): every process keeps them."""
    return {parameter for parameter in model.parameters() if parameter.ndim == 0}


def shard(model: nn.Module) -> nn.Module:
    """Each block of the towers by itself, so that one block's weights are whole at a time; the rest together."""
    whole = Losses(model)
    for module in model.modules():
        if isinstance(module, nn.ModuleList):
            for block in module:
                if any(parameter.ndim for parameter in block.parameters()):
                    kind = type(block)  # sharding makes it another one
                    fully_shard(block, ignored_params=scalars(block))
                    for name, value in vars(kind).items():  # a block may be used by more than its forward
                        if inspect.isfunction(value) and not name.startswith("_") and name != "forward":
                            register_fsdp_forward_method(block, name)
    fully_shard(whole, ignored_params=scalars(model))
    return whole


def clip(model: nn.Module, longest: float) -> None:
    """What `clip_grad_norm_` does, where some gradients are divided and some, averaged here first, are not."""
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    alone = [gradient for gradient in gradients if not isinstance(gradient, DTensor)]
    for gradient in alone:
        dist.all_reduce(gradient)
        gradient /= dist.get_world_size()
    pieces = [gradient.to_local() for gradient in gradients if isinstance(gradient, DTensor)]
    squares = torch.stack([piece.float().square().sum() for piece in pieces]).sum()
    dist.all_reduce(squares)
    length = (squares + sum(float(gradient) ** 2 for gradient in alone)).sqrt()
    for gradient in [*pieces, *alone]:
        gradient *= (longest / (length + 1e-6)).clamp(max=1)


def local_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Of weights and optimiser state in this process."""
    tensors = [one for group in optimizer.param_groups for one in group["params"]]
    tensors += [one for state in optimizer.state.values() for one in state.values() if torch.is_tensor(one)]
    return sum((one.to_local() if isinstance(one, DTensor) else one).numel() * one.element_size() for one in tensors)


def train(run: Any, steps: int, device: torch.device, *, sharded: bool) -> tuple[nn.Module, list[float], int]:
    torch.manual_seed(run.seed)
    model = run.model().to(device).train()
    parallel = (
        shard(model) if sharded else nn.parallel.DistributedDataParallel(Losses(model), find_unused_parameters=True)
    )
    optimizer = build_optimizer(model, learning_rate=run.learning_rate, weight_decay=run.weight_decay, betas=run.betas)
    scores = []
    for step, batch in zip(
        range(steps), run.loader.batches(0, 0, dist.get_rank(), dist.get_world_size()), strict=False
    ):
        torch.manual_seed(1_000 * step + dist.get_rank())
        optimizer.zero_grad(set_to_none=True)
        loss = parallel(batch.to(device))
        loss.backward()
        longest = run.grad_clip_norm or float("inf")
        clip(model, longest) if sharded else nn.utils.clip_grad_norm_(model.parameters(), longest)
        optimizer.step()
        mean = loss.detach().clone()
        dist.all_reduce(mean)
        scores.append(float(mean) / dist.get_world_size())
    return model, scores, local_bytes(optimizer)


def whole_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """All weights on the first process, as the loop would save them; nothing on the others. All of them must call it."""
    return dict(get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="fame_vil_clip_debug")
    parser.add_argument("--fields", nargs="*", default=[], help="FIELD=VALUE, as of `modiste train`")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    alone = not dist.is_initialized()
    if alone:
        dist.init_process_group("nccl" if on_gpu else "gloo")
    run = build_run(options.recipe, options.fields)
    whole, plain, plain_bytes = train(run, options.steps, device, sharded=False)
    divided, sharded, sharded_bytes = train(run, options.steps, device, sharded=True)
    gathered = whole_weights(divided)
    if dist.get_rank() == 0:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.safetensors"
            save_tensors(file, gathered)
            again = run.model()
            load_weights(again, load_tensors(file), file)  # raises for a missing, unknown or misshapen name
        expected = whole.state_dict()
        furthest = max(float((expected[name].cpu() - value).abs().max()) for name, value in again.state_dict().items())
        found = {
            "machine": machine(),
            "settings": {"recipe": options.recipe, "processes": dist.get_world_size(), "device": str(device.type)},
            "losses": {"whole": plain, "sharded": sharded},
            "weights_differ_by_at_most": furthest,
            "bytes_per_process": {"whole": plain_bytes, "sharded": sharded_bytes},
        }
        if options.out:
            write_result(options.out, found)
        print(json.dumps(found))
    dist.barrier()
    if alone:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
