"""What each part of a trained dual encoder's inference is worth on validation data: views, query bank, trusted words.

python bench/encoder_parts.py runs/dual_encoder_small --out docs/results/encoder_parts.json
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from modiste.data.sources import load_items
from modiste.evaluation.retrieval import evaluate_encoder
from modiste.models.clip import DualEncoder, DualEncoderTowers
from modiste.models.inference import ImageTextEncoder
from modiste.models.pretrained import load_model
from modiste.models.query_bank import QueryBank, chosen_rows

KEYS = [f"{way}_R@{k}" for way in ("t2i", "i2t") for k in (1, 5, 10)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="a run of dual_encoder_small")
    parser.add_argument("--data", default="fashion_products")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--bank-size", type=int, default=16_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = load_model(options.run)
    model: DualEncoder = found.model
    items = load_items(options.data, options.split)
    train = [item for item in load_items(options.data, "train") if item.image is not None and item.text]
    train = [train[row] for row in chosen_rows(len(train), options.bank_size)]
    trusted, views = model.text_tower.trust.weights.clone(), model.config.views
    rows = []
    for name, few_views, no_bank, all_words in (
        ("one view, no bank, all words trusted alike", True, True, True),
        ("three views", False, True, True),
        ("three views, query bank", False, False, True),
        ("three views, words trusted by how often they came", False, True, False),
        ("all three", False, False, False),
    ):
        model.config = replace(model.config, views=(1.0,) if few_views else views)
        model.text_tower.trust.weights.copy_(torch.ones_like(trusted) if all_words else trusted)
        encoder = ImageTextEncoder(DualEncoderTowers(model, found.tokenizer), name=found.name, sha256=found.sha256)
        if not no_bank:
            images = encoder.encode_images([item.image for item in train if item.image is not None])
            encoder.bank = QueryBank.of(images.vectors, encoder.encode_texts([item.text for item in train]).vectors)
        report = evaluate_encoder("retrieval-1of101", items, encoder, resamples=0).as_dict()
        row = {"row": name, **{key: round(report[key], 2) for key in KEYS}}
        row["sum"] = round(sum(row[key] for key in KEYS), 1)
        rows.append(row)
        print(json.dumps(row), flush=True)
    if options.out:
        head = {"model": found.name, "sha256": found.sha256, "data": options.data, "split": options.split}
        head |= {
            "num_queries": len(items),
            "bank_size": options.bank_size,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
        }
        options.out.write_text(json.dumps({**head, "rows": rows}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
