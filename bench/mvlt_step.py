"""Images/s and memory of MVLT's training step: ours against its equations written out, alternating in one run: quote ratios.

The step is the paper's whole objective on one masked pass (MIR, ITM, MLM), forward, backward and AdamW. The naive step is
tests/models/mvlt_oracle.py made trainable: loops over heads, explicit softmax and norms, logits at every word, fp32.

python bench/mvlt_step.py --size micro --batch-size 16 --rounds 3
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "models"))
from mvlt_oracle import MvltOracle

from modiste.data.batches import ImageTextBatch
from modiste.data.masking import hide_pixels, hide_words, pixel_mask
from modiste.models.mvlt import SIZES, Mvlt, MvltObjective
from modiste.training.optim import build_optimizer
from report import machine, show_values

WAYS = ("naive", "fp32", "bf16")
WEIGHTS = {"mir_loss": 10.0, "itm_loss": 1.0, "mlm_loss": 1.0}


def random_batch(model: Mvlt, rows: int, length: int) -> ImageTextBatch:
    width, height = model.config.image_size
    token_ids = torch.randint(5, model.config.vocab_size, (rows, length))
    return ImageTextBatch(torch.rand(rows, 3, height, width), token_ids, token_ids != 0, torch.arange(rows))


def naive_loss(oracle: MvltOracle, batch: ImageTextBatch) -> Tensor:
    """What `Mvlt.losses` draws, drawn plainly, and the equations."""
    rows, config = len(batch), oracle.config
    matches = torch.rand(rows) < 0.5
    others = (torch.arange(rows) + 1) % rows  # a row of another product: all rows are different ones here
    chosen = torch.where(matches, torch.arange(rows), others)
    shown = hide_pixels(batch.images, pixel_mask(rows, *batch.images.shape[-2:]))
    mask = batch.attention_mask[chosen]
    words, labels = hide_words(
        batch.token_ids[chosen], mask, rate=0.15, mask_id=config.mask_id, vocab_size=config.vocab_size,
        num_special=config.num_special,
    )  # fmt: skip
    return oracle.loss(shown, batch.images, words, mask, labels, matches)


def stepper(way: str, size: str) -> tuple[Mvlt, Callable[[ImageTextBatch], None]]:
    """A fresh model and its training step."""
    torch.manual_seed(0)
    model = Mvlt(replace(SIZES[size], embed_dim=0, match_product=False), MvltObjective()).train()
    if way == "naive":
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    else:
        optimizer = build_optimizer(model, learning_rate=1e-4, weight_decay=0.01)
    oracle = MvltOracle(model.config, dict(model.named_parameters()), training=True)

    def step(batch: ImageTextBatch) -> None:
        if way == "naive":
            loss = naive_loss(oracle, batch)
        else:
            with torch.autocast("cpu", torch.bfloat16, enabled=way == "bf16"):
                losses = model.losses(batch)
            loss = torch.stack([weight * losses[name] for name, weight in WEIGHTS.items()]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return model, step


def peak() -> int:
    """Bytes: the most memory this process has had (Linux counts kilobytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory_per_image(way: str, size: str, batch_size: int, length: int) -> float:
    """Bytes that each image of a batch beyond the first adds to the peak; meant to be called in a process of its own."""
    model, step = stepper(way, size)
    for _ in range(2):
        step(random_batch(model, 2, length))  # weights, gradients, moments and code are there now
    batch = random_batch(model, batch_size, length)
    before = peak()
    step(batch)
    return (peak() - before) / (batch_size - 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="micro", choices=[name for name, one in SIZES.items() if not one.conv_stages])
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--length", type=int, default=14, help="words of a text, [CLS] included")
    parser.add_argument("--steps", type=int, default=2, help="per way and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", choices=WAYS, help=argparse.SUPPRESS)  # what the subprocesses are asked
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.batch_size < 4:
        parser.error("--batch-size must be at least 4")
    if options.memory:
        print(memory_per_image(options.memory, options.size, options.batch_size, options.length))
        return
    ways = WAYS if torch.cpu._is_avx512_bf16_supported() else WAYS[:2]
    # Memory first: a process starts with the peak of the one that made it.
    memory: dict[str, float] = {}
    for way in ways:
        command = [sys.executable, __file__, "--memory", way, "--size", options.size, "--length", str(options.length)]
        command += ["--batch-size", str(options.batch_size)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        memory[way] = float(done.stdout) / 1e6
    made = {way: stepper(way, options.size) for way in ways}

    def images_per_second(way: str) -> float:
        model, step = made[way]
        batch = random_batch(model, options.batch_size, options.length)
        began = time.perf_counter()
        for _ in range(options.steps):
            step(batch)
        return options.steps * options.batch_size / (time.perf_counter() - began)

    for way in ways:
        images_per_second(way)  # warm-up
    rounds = [{way: images_per_second(way) for way in ways} for _ in range(options.rounds)]
    result: dict[str, object] = {
        **machine(),
        "threads": torch.get_num_threads(),
        "size": options.size,
        "batch_size": options.batch_size,
        "words": options.length,
        "rounds": options.rounds,
        "seed": 0,
    }
    for way in ways:
        result[f"{way}_images_per_second"] = statistics.median(one[way] for one in rounds)
        result[f"{way}_megabytes_per_image"] = memory[way]
    for way in ways[1:]:
        ratios = [one[way] / one["naive"] for one in rounds]
        result[f"{way}_speed_ratio"] = statistics.median(ratios)
        result[f"{way}_speed_ratio_range"] = [min(ratios), max(ratios)]
        result[f"{way}_memory_ratio"] = memory[way] / memory["naive"]
    show_values(result, as_json=options.json)


if __name__ == "__main__":
    main()
