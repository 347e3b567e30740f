"""Turn a training run's model into one that ships: its name, fusion weights, and the languages of its training texts.

    python scripts/ship_model.py runs/shipped dual_encoder_small.products_v1

Prints the fingerprint for src/modiste/registry.py. When it stands there and `modiste evaluate --out docs/results/...` has
measured it, scripts/model_cards.py writes its card.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from modiste.models.inference import Fusion
from modiste.models.pretrained import WEIGHTS, load_model, save_pretrained
from modiste.models.query_bank import QueryBank, chosen_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a training run's folder")
    parser.add_argument("name", help="architecture.tag")
    parser.add_argument(
        "--fusion", type=float, nargs=3, metavar=("WORDS", "PHOTO", "MIXED"), help="see models.inference"
    )
    parser.add_argument("--bank-rows", type=int, help="keep so many rows of the query bank")
    parser.add_argument("--eight-bits", action="store_true", help="matrices in eight bits a number instead of float16")
    parser.add_argument("--itm-share", type=float, help="of an MVLT's re-ranking; see bench/rerank_share.py")
    parser.add_argument("--judge-bank-share", type=float, help="of an MVLT that judges for another; see the same bench")
    options = parser.parse_args()
    found = load_model(options.run)
    for name in ("itm_share", "judge_bank_share"):
        if (share := getattr(options, name)) is not None:
            found.model.config = replace(found.model.config, **{name: share})
    fusion = Fusion(*options.fusion) if options.fusion else None
    bank = found.bank
    if bank is not None and options.bank_rows:
        rows = list(chosen_rows(len(bank.images), options.bank_rows))
        bank = QueryBank.of(bank.images[rows].astype("f4"), bank.texts[rows].astype("f4"), scale=bank.scale)
    folder = save_pretrained(
        WEIGHTS / options.name, found.model, found.tokenizer, name=options.name, fusion=fusion, bank=bank,
        lines=found.lines, languages=found.languages or ("en",), eight_bits=options.eight_bits,
    )  # fmt: skip
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {size / 1e6:.1f} MB, sha256 {load_model(folder).sha256}")


if __name__ == "__main__":
    main()
