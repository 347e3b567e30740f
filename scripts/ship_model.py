"""Turn a training run's model into one that ships: name, fusion weights and model card from measured results.

    python scripts/ship_model.py runs/shipped dual_encoder_small.products_v1 \
        --results docs/results/products_v1_1of101.json docs/results/products_v1_full.json

Prints the fingerprint for src/modiste/registry.py. The card's scores come from the files that `modiste evaluate --out` wrote.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

from modiste.models.inference import Fusion
from modiste.models.pretrained import WEIGHTS, load_model, save_pretrained

FRONT = """---
license: apache-2.0
library_name: modiste
pipeline_tag: feature-extraction
tags: [fashion, image-text-retrieval, {architecture}]
language: [en]
datasets: [fashion-product-images-small]
---
# {name}

{what}

- **Data**: Fashion Product Images (Small), Param Aggarwal, Kaggle, MIT licence, `train` split (31,580 products){more_data}.
- **Recipe**: `{command}`
- **Size**: {parameters:.1f} M parameters; photos {width}x{height}, whole, padded with white; WordPiece, lower case, {context}
  tokens.
- **Date**: {date}. **Licence of the weights**: Apache-2.0.

## Scores

{scores}

## Limits

English titles only. Trained on photos of 60x80 pixels, so what needs a close look (fabric, small logos) is not seen.
Photos are of shop quality or generated; on people's own phone photos of real clothes it was not measured. The data is one
Indian retailer's range around 2012: types that it lacks or calls otherwise are recognised less well.
"""
WHAT = {
    "dual_encoder": "A small image-text dual encoder for fashion, trained with CLIP's objective. It embeds photos and titles "
    "of products in one space.",
    "mvlt": "A small Masked Vision-Language Transformer for fashion (Ji et al., MIR 2023, arXiv 2210.15110; what differs from "
    "the paper is said in docs/mvlt.md). It embeds photos and titles in one space, judges (query, item) pairs, tells an item's "
    "labels, and fills in hidden pixels.",
    "fame_vil": "A small FAME-ViL (Han et al., CVPR 2023, arXiv 2303.02483; what differs from the paper is said in "
    "docs/fame-vil.md): one model with adapters that embeds photos and titles, fuses a photo with a sentence that changes it, "
    "tells the article type, and describes photos.",
}
MORE_DATA = {"fame_vil": "; its backbone\n  also learned to give the vectors of mvlt_small.products_v1"}
DRAWN = ', and\n  generated items of Modiste\'s atelier with drawn "customer photos"'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a training run's folder")
    parser.add_argument("name", help="architecture.tag")
    parser.add_argument(
        "--fusion", type=float, nargs=3, metavar=("WORDS", "PHOTO", "MIXED"), help="see models.inference"
    )
    parser.add_argument("--itm-share", type=float, help="of an MVLT's re-ranking; see bench/rerank_share.py")
    parser.add_argument("--command", default="modiste train dual_encoder_small")
    parser.add_argument("--results", type=Path, nargs="*", default=[], help="JSON files of `modiste evaluate --out`")
    options = parser.parse_args()
    found = load_model(options.run)
    if options.itm_share is not None:
        found.model.config = replace(found.model.config, itm_share=options.itm_share)
    config = found.model.config
    width, height = config.image_size
    card = FRONT.format(
        architecture=found.config["architecture"].replace("_", "-"),
        name=options.name,
        what=WHAT[found.config["architecture"]],
        more_data=MORE_DATA.get(found.config["architecture"], DRAWN),
        parameters=sum(p.numel() for p in found.model.parameters()) / 1e6,
        width=width,
        height=height,
        context=config.context_length,
        command=options.command,
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        scores="\n".join(scores(json.loads(file.read_text(encoding="utf-8"))) for file in options.results)
        or "Not measured.",
    )
    fusion = Fusion(*options.fusion) if options.fusion else None
    folder = save_pretrained(
        WEIGHTS / options.name, found.model, found.tokenizer, name=options.name, fusion=fusion, bank=found.bank,
        lines=found.lines, card=card,
    )  # fmt: skip
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {size / 1e6:.1f} MB, sha256 {load_model(folder).sha256}")


NOT_ITS_OWN = ("control_", "text_", "image_", "metadata_", "ceiling_", "labels_", "constant_", "gain_")


def scores(result: dict) -> str:
    """One protocol's numbers as a Markdown table: every metric that has an interval."""
    by = f" --by {result['by']}" if result.get("by", "vectors") != "vectors" else ""
    inputs = f" --inputs {result['inputs']}" if "inputs" in result else ""
    keys = [key.removesuffix("_low") for key in result if key.endswith("_low") and not key.startswith(NOT_ITS_OWN)]
    count = result.get("num_queries") or result.get("num_items")
    lines = [
        f"`modiste evaluate {result['protocol']}{by}{inputs}` on `{Path(result['data']).name}`, split `{result['split']}`: "
        f"{count:,} items, seed {result['seed']}; 95 % bootstrap interval over products.\n",
        "| metric | value | interval |",
        "|---|---|---|",
    ]
    for key in keys:
        form = ".3f" if result[key] <= 1.5 else ".1f"
        lines.append(
            f"| {key} | {result[key]:{form}} | {result[f'{key}_low']:{form}} to {result[f'{key}_high']:{form}} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
