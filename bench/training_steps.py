"""Examples/s, peak memory and the costliest operators of a training step of each of the five systems.

python bench/training_steps.py --out docs/results/training_steps.json          small sizes, on drawn data; about eight minutes
python bench/training_steps.py --size debug --steps 2                          seconds

Each system has a process of its own, so that its peak of memory is its own; data, model and loss weights are its recipe's, but
for FAME-ViL's, which starts from the weights that ship and has no teachers: the recipe's own start and teachers are trainings.
A step is forward, backward and AdamW as the trainer makes it, on the recipe's own batches, which are made before the clock
starts; in fp32 and in bf16, of which `trains in` says what the recipe's precision comes to on a processor with bf16. The
operators are those of `torch.profiler`, by the processor time spent in them alone; arithmetic is counted by
`torch.utils.flop_counter`, and held against a matrix product of 1,024 x 1,024 fp32 numbers, the best that the machine does.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import modiste
from modiste.registry import FAME_VIL
from report import circumstances, kept_table, machine

WEIGHTS = Path(modiste.__file__).parent / "weights"  # models.pretrained has it too, but brings torch along
# system -> size -> recipe and overrides
SYSTEMS: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "MVLT": {"small": ("mvlt_small", ("data=atelier:600", "batch_size=64")), "debug": ("mvlt_debug", ())},
    "Outfit Transformer": {
        "small": ("outfit_transformer_atelier", ("data=atelier:2000:0:4000",)), "debug": ("outfit_transformer_debug", ()),
    },
    "FAME-ViL": {
        "small": ("fame_vil_small", ("data=atelier:600", f"init_from={WEIGHTS / FAME_VIL}", "teachers=")),
        "debug": ("fame_vil_debug", ()),
    },
    "HFGN": {"small": ("hfgn_atelier", ()), "debug": ("hfgn_debug", ())},
    "GRNet": {"small": ("grnet_small", ("data=atelier:300", "share_products=0")), "debug": ("grnet_debug", ())},
}  # fmt: skip


def measured(system: str, precision: str, size: str, steps: int, rounds: int) -> dict[str, Any]:
    """One system, meant to be called in a process of its own."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from modiste.recipes.registry import build_run
    from modiste.training.optim import build_optimizer

    recipe, overrides = SYSTEMS[system][size]
    torch.manual_seed(0)
    run = build_run(recipe, overrides)
    model = (run.model if isinstance(run.model, torch.nn.Module) else run.model()).train()
    batches = list(islice(run.loader.batches(0, 0, 0, 1), max(2, steps)))
    optimizer = build_optimizer(model, learning_rate=run.learning_rate, weight_decay=run.weight_decay)
    before = _peak()

    def step(batch: Any) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            losses = model.losses(batch)  # type: ignore[operator]
        terms = [run.loss_weights.get(key, 1.0) * one for key, one in losses.items() if key.endswith("_loss")]
        optimizer.zero_grad()
        torch.stack(terms).sum().backward()
        optimizer.step()

    for batch in batches:
        step(batch)  # warms up every kind of batch
    rates = []
    for _ in range(rounds):
        start = time.perf_counter()
        for batch in batches:
            step(batch)
        rates.append(sum(len(batch) for batch in batches) / (time.perf_counter() - start))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        for batch in batches:
            step(batch)
    with FlopCounterMode(display=False) as counted:
        step(batches[0])
    square = torch.randn(1024, 1024)
    start = time.perf_counter()
    for _ in range(20):
        square @ square
    best = 20 * 2 * 1024**3 / (time.perf_counter() - start)
    arithmetic = counted.get_total_flops() / len(batches[0])
    events = [one for one in profile.key_averages() if one.self_cpu_time_total > 0]
    total = sum(one.self_cpu_time_total for one in events)
    top = sorted(events, key=lambda one: -one.self_cpu_time_total)[:5]
    return {
        "system": system,
        "recipe": recipe,
        "precision": precision,
        "trains in": "bf16" if run.precision == "auto" else run.precision,
        "batch": len(batches[0]),
        "parameters": sum(one.numel() for one in model.parameters()),
        "examples/s": round(statistics.median(rates), 1),
        "lowest": round(min(rates), 1),
        "highest": round(max(rates), 1),
        "GFLOP an example": float(f"{arithmetic / 1e9:.3g}"),
        "share of the best GFLOP/s": round(arithmetic * statistics.median(rates) / best, 3),
        "peak MB": round(_peak() / 1e6),
        "of these, steps MB": round((_peak() - before) / 1e6),
        "operators": {one.key: round(one.self_cpu_time_total / total, 3) for one in top},
    }


def _peak() -> int:
    """Bytes: the most memory this process has had (Linux counts kilobytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(options: argparse.Namespace) -> dict[str, Any]:
    rows = []
    for system, precision in product(options.systems, options.precisions):
        command = [sys.executable, __file__, "--child", system, "--precisions", precision, "--size", options.size]
        command += ["--steps", str(options.steps), "--rounds", str(options.rounds)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        print(f"{system}, {precision}: {rows[-1]['examples/s']} examples/s", flush=True)
    settings = {"size": options.size, "steps": options.steps, "rounds": options.rounds, "seed": 0}
    return {"machine": machine(), "settings": settings, "rows": rows}


def table(found: dict[str, Any]) -> str:
    out = io.StringIO()
    print(circumstances(found), file=out)
    names = (
        "system", "recipe", "precision", "trains in", "batch", "parameters", "examples/s (range)", "GFLOP an example",
        "of the best GFLOP/s", "peak MB", "most time in",
    )  # fmt: skip
    print("\n| " + " | ".join(names) + " |\n|" + "---|" * len(names), file=out)
    for row in found["rows"]:
        operators = ", ".join(f"{name.removeprefix('aten::')} {share:.0%}" for name, share in row["operators"].items())
        print(
            f"| {row['system']} | `{row['recipe']}` | {row['precision']} | {row['trains in']} | {row['batch']} | "
            f"{row['parameters']:,} | {row['examples/s']} ({row['lowest']}–{row['highest']}) | {row['GFLOP an example']} | "
            f"{row['share of the best GFLOP/s']:.0%} | {row['peak MB']} | {operators} |",
            file=out,
        )
    return out.getvalue().rstrip()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="small", choices=("small", "debug"))
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16"], choices=("fp32", "bf16"))
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", choices=list(SYSTEMS), help=argparse.SUPPRESS)  # what the processes are asked
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "--child" in given:
        options = parser.parse_args(given)
        print(json.dumps(measured(options.child, options.precisions[0], options.size, options.steps, options.rounds)))
        return
    kept_table(parser, given, measure, table)


if __name__ == "__main__":
    main()
