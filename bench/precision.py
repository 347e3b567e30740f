"""Images/s of the dual encoder's training step in fp32 and bf16, alternating in one run: quote the ratio.

python bench/precision.py --rounds 5
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from modiste.data.batches import ImageTextBatch
from modiste.models.clip import SIZES, DualEncoder
from report import machine, show_values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="small", choices=sorted(SIZES))
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=6, help="per precision and round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.manual_seed(0)
    config = SIZES[options.size]
    model = DualEncoder(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    width, height = config.image_size
    token_ids = torch.randint(5, config.vocab_size, (options.batch_size, 14))
    batch = ImageTextBatch(
        images=torch.rand(options.batch_size, 3, height, width),
        token_ids=token_ids,
        attention_mask=token_ids != 0,
        item_ids=torch.arange(options.batch_size),
    )

    def images_per_second(bf16: bool) -> float:
        began = time.perf_counter()
        for _ in range(options.steps):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                loss = model.losses(batch)["itc_loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return options.steps * options.batch_size / (time.perf_counter() - began)

    for bf16 in (False, True):
        images_per_second(bf16)  # warm-up
    rounds = [(images_per_second(False), images_per_second(True)) for _ in range(options.rounds)]
    ratios = [bf16 / fp32 for fp32, bf16 in rounds]
    result = {
        **machine(),
        "threads": torch.get_num_threads(),
        "size": options.size,
        "batch_size": options.batch_size,
        "rounds": options.rounds,
        "fp32_images_per_second": statistics.median(fp32 for fp32, _ in rounds),
        "bf16_images_per_second": statistics.median(bf16 for _, bf16 in rounds),
        "ratio_median": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }
    show_values(result, as_json=options.json)


if __name__ == "__main__":
    main()
