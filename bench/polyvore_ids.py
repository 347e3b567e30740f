"""What can be measured on Polyvore Outfits where only ids and categories are at hand: no photo, no word.

python bench/polyvore_ids.py --out docs/results/outfits_polyvore_ids.json

The official questions of both versions (Vasileva et al. 2018), answered by the style rules, which here know only kinds of
garments, and by what counting training looks gets: categories that go together, popularity, items that go together. Of the
non-disjoint version no training looks are distributed with these ids, so those of the disjoint version are counted there:
once as they are, leak and all, and once without every look that shares an item with the test looks (`purged`).

What splits share is printed, as the name "disjoint" is not to be believed.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from modiste.data.outfits import OutfitData
from modiste.data.overlap import overlaps, purged
from modiste.data.polyvore_ids import read_polyvore_ids
from modiste.evaluation.outfit_files import QuestionFile
from modiste.evaluation.outfit_questions import own_blanks, own_judgements
from modiste.evaluation.outfits import evaluate_outfits
from modiste.files import write_atomically
from modiste.models.stylist import Stylist
from report import machine


def lent(data: OutfitData, lender: OutfitData) -> OutfitData:
    """The data set with the training looks of another version, whose items it then has too."""
    return replace(
        data, name=f"{data.name} with training looks of {lender.name}", items={**lender.items, **data.items},
        looks={"train": lender.looks["train"], **data.looks},
    )  # fmt: skip


def measured(data: OutfitData, split: str, seed: int) -> dict[str, Any]:
    """The official questions of a split; others drawn by category would answer nothing more where there are no contents."""
    fitb = {"": own_blanks(data, data.fitb[split])} if split in data.fitb else {}
    questions = QuestionFile(cp={"": own_judgements(data, data.cp[split])}, fitb=fitb, cir={})
    report = evaluate_outfits(data, Stylist(), split=split, seed=seed, questions=questions)
    found = report.as_dict()
    shares = [str(one) for one in overlaps(data)]
    print(f"{data.name}, {split}")
    for line in [*shares, *(" | ".join(row) for row in report.table())]:
        print("  " + line, flush=True)
    return {
        "data": data.name,
        "split": split,
        "training_looks": len(data.looks.get("train", ())),
        "overlaps": shares,
        **found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=None, help="the folder of all data sets")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()
    disjoint, nondisjoint = (read_polyvore_ids(version, arguments.root) for version in ("disjoint", "nondisjoint"))
    leaking = lent(nondisjoint, disjoint)
    rows = [
        measured(disjoint, "valid", arguments.seed),
        measured(disjoint, "test", arguments.seed),
        measured(leaking, "test", arguments.seed),
        measured(purged(leaking), "test", arguments.seed),
    ]
    if arguments.out is not None:
        result = {"machine": machine(), "seed": arguments.seed, "rows": rows}
        write_atomically(arguments.out, (json.dumps(result, indent=2) + "\n").encode())


if __name__ == "__main__":
    main()
