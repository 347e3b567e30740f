"""Turn a training run's model into one that ships: name, fusion weights and model card from measured results.

    python scripts/ship_model.py runs/shipped dual_encoder_small.products_v1 \
        --results docs/results/products_v1_1of101.json docs/results/products_v1_full.json

Prints the fingerprint for src/modiste/registry.py. The card's scores come from the files that `modiste evaluate --out` wrote.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from modiste.models.inference import Fusion
from modiste.models.pretrained import WEIGHTS, from_pretrained, load_model, save_pretrained

CARD = """---
license: apache-2.0
library_name: modiste
pipeline_tag: feature-extraction
tags: [fashion, image-text-retrieval, dual-encoder]
language: [en]
datasets: [fashion-product-images-small]
---
# {name}

A small image-text dual encoder for fashion ({parameters:.1f} M parameters, {width}x{height} photos), trained with CLIP's
objective. It embeds photos and titles of products in one space and is the default encoder of Modiste's index.

- **Data**: Fashion Product Images (Small), Param Aggarwal, Kaggle, MIT licence, `train` split (31,580 products), and
  generated items of Modiste's atelier with drawn "customer photos".
- **Recipe**: `{command}`
- **Preprocessing**: the whole photo, padded with white to 3:4, {width}x{height}; WordPiece, lower case, {context} tokens.
- **Licence of the weights**: Apache-2.0.

## Scores

{scores}

## Limits

English titles only. Trained on photos of 60x80 pixels, so what needs a close look (fabric, small logos) is not seen.
Photos are of shop quality or generated; on people's own phone photos of real clothes it was not measured. The data is one
Indian retailer's range around 2012: types that it lacks or calls otherwise are recognised less well.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a training run's folder")
    parser.add_argument("name", help="architecture.tag")
    parser.add_argument(
        "--fusion", type=float, nargs=3, metavar=("WORDS", "PHOTO", "MIXED"), help="see models.inference"
    )
    parser.add_argument("--command", default="modiste train dual_encoder_small")
    parser.add_argument("--results", type=Path, nargs="*", default=[], help="JSON files of `modiste evaluate --out`")
    options = parser.parse_args()
    towers = load_model(options.run / "model")
    config = towers.model.config
    width, height = config.image_size
    card = CARD.format(
        name=options.name,
        parameters=sum(p.numel() for p in towers.model.parameters()) / 1e6,
        width=width,
        height=height,
        context=config.context_length,
        command=options.command,
        scores="\n".join(scores(json.loads(file.read_text(encoding="utf-8"))) for file in options.results)
        or "Not measured.",
    )
    fusion = Fusion(*options.fusion) if options.fusion else None
    folder = save_pretrained(
        WEIGHTS / options.name, towers.model, towers.tokenizer, name=options.name, fusion=fusion, card=card
    )
    encoder = from_pretrained(folder)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {size / 1e6:.1f} MB, sha256 {encoder.id.sha256}")


def scores(result: dict) -> str:
    """One protocol's numbers as a Markdown table."""
    lines = [
        f"`modiste evaluate {result['protocol']}` on `{Path(result['data']).name}`, split `{result['split']}`: "
        f"{result['num_queries']:,} queries, seed {result['seed']}, percent, 95 % bootstrap interval over products.\n",
        "| metric | value | interval | chance | metadata only |",
        "|---|---|---|---|---|",
    ]
    for direction in ("t2i", "i2t"):
        for metric in ("R@1", "R@5", "R@10", "MRR"):
            key = f"{direction}_{metric}"
            lines.append(
                f"| {key} | {result[key]:.1f} | {result[f'{key}_low']:.1f} to {result[f'{key}_high']:.1f} "
                f"| {result[f'{key}_chance']:.1f} | {result.get(f'control_{key}', float('nan')):.1f} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
