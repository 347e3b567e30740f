"""Write the model cards of the weights that ship, or check that they are up to date.

    python scripts/model_cards.py            # rewrite
    python scripts/model_cards.py --check    # exit 1 when a card differs (tests/test_model_cards.py does this)

What a number is comes from docs/results, the sha256, languages, licences and data terms from `modiste.registry`, sizes from the
folder's config.json and weights; only the prose is written here. The front matter is Hugging Face's, `model-index` included.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from modiste.models.eight_bits import FACTOR
from modiste.registry import DEFAULT, FAME_VIL, JUDGE, PRETRAINED, TEXT_TOWERS, TOWER

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "src" / "modiste" / "weights"
RESULTS = ROOT / "docs" / "results"
CARD = "README.md"
DATA_SET = "Fashion Product Images (Small)"
# Keys of a result that are controls, not the model's.
NOT_ITS_OWN = ("control_", "text_", "image_", "metadata_", "ceiling_", "labels_", "constant_", "gain_", "typical_")
TASKS = {
    "retrieval-1of101": ("image-text-retrieval", "Image-text retrieval, 1 of 101"),
    "recognition": ("image-classification", "Recognition"),
    "generation": ("mask-generation", "Hidden pixels filled in"),
    "composed": ("image-text-retrieval", "Text-guided image retrieval"),
    "captioning": ("image-to-text", "Captioning"),
}
CONTROLS = {
    "retrieval-1of101": "the row's attributes as words, compared by TF-IDF, no pixel seen",
    "recognition": "TF-IDF of the title and a linear classifier",
    "generation": "hidden pixels filled with the mean colour",
    "composed": "the words alone; the photo alone; the labels, no pixel seen",
    "captioning": "a sentence of the true labels; the most typical title",
}


@dataclass(frozen=True)
class Prose:
    """What only a person can say of a model."""

    what: str
    paper: str
    tags: tuple[str, ...]
    trained_on: str
    compute: str
    rebuild: str
    seeds: str
    rough: str  # what was not as one would run it today
    limits: str
    results: tuple[str, ...]  # files of docs/results, in the card's order


PROSE = {
    DEFAULT: Prose(
        what="A small Masked Vision-Language Transformer for fashion. It embeds photos and titles in one space, judges (query, "
        "item) pairs, tells an item's labels, and fills in hidden pixels. Modiste searches and tags with it unless another "
        "model is named.",
        paper="Ji et al., *Masked Vision-Language Transformer in Fashion*, Machine Intelligence Research 2023, arXiv "
        "2210.15110; what differs from the paper is said in docs/mvlt.md",
        tags=("fashion", "image-text-retrieval", "image-classification", "mvlt"),
        trained_on=f"{DATA_SET}, `train` split (31,580 products), and 2,000 items of Modiste's atelier (generated, seed 1) "
        'with two drawn "customer photos" each',
        compute="52, 12 and 21 minutes on two cores of an AMD EPYC with AVX512-BF16 (other jobs on the machine), bf16, no GPU",
        rebuild="""torchrun --nproc-per-node 2 -m modiste train dual_encoder_small
modiste train dual_encoder_small_shipped
modiste train mvlt_small_joint atelier=2000 customer_photos=2
python scripts/ship_model.py runs/mvlt_small_joint mvlt_small.products_v1 --itm-share 0 --bank-rows 12000""",
        seeds="0, one run: how much another seed would change is not known for these weights; the spread of smaller runs over "
        "seeds is in docs/results/mvlt.md",
        rough="The joint stage learned on frozen towers, so retrieval by vectors is the dual encoder's.",
        limits="The photo alone tells rare classes badly (see macro-F1: a class counts as much as any other). Judging every "
        "pair by its own head (ITM) is not better than the vectors; what looks again at the best hits is another model, "
        f"{JUDGE}.",
        results=(
            "mvlt_1of101_vectors", "mvlt_1of101_rerank", "mvlt_1of101_itm", "mvlt_recognition_both",
            "mvlt_recognition_image", "mvlt_generation",
        ),
    ),
    JUDGE: Prose(
        what="A small Masked Vision-Language Transformer for fashion that looks again: it judges whether a photo and words "
        f"belong together, and Modiste orders the best hits of {DEFAULT} anew with it. It sees photos at full resolution.",
        paper="Ji et al., *Masked Vision-Language Transformer in Fashion*, Machine Intelligence Research 2023, arXiv "
        "2210.15110; what differs from the paper is said in docs/mvlt.md",
        tags=("fashion", "image-text-retrieval", "mvlt"),
        trained_on=f"{DATA_SET}, `train` split (31,580 products), and 2,000 items of Modiste's atelier (generated, seed 1)",
        compute="352 seconds on one NVIDIA H200 with two other trainings on it, bf16",
        rebuild="""modiste train mvlt_judge --device cuda
python scripts/ship_model.py runs/mvlt_judge mvlt_judge.products_v1 --eight-bits --itm-share 0.5 --judge-bank-share 0.25""",
        seeds="0, one run: how much another seed would change is not known",
        rough="The query bank was made on a processor after the training, from the weights that came back in float16.",
        limits="It orders what another model found, and was measured for that: over whole catalogues its vectors are three "
        "times as dear as the default's. Its matching head adds nothing to its own vectors; what the two models miss differs.",
        results=("judge_1of101_vectors",),
    ),
    FAME_VIL: Prose(
        what="A small FAME-ViL: one model with adapters that embeds photos and titles, fuses a photo with a sentence that "
        "changes it, tells the article type, and describes photos.",
        paper="Han et al., *FAME-ViL: Multi-Tasking Vision-Language Model for Heterogeneous Fashion Tasks*, CVPR 2023, arXiv "
        "2303.02483; what differs from the paper is said in docs/fame-vil.md",
        tags=("fashion", "image-text-retrieval", "composed-image-retrieval", "image-captioning", "fame-vil"),
        trained_on=f"{DATA_SET}, `train` split (31,580 products); the backbone also learned to give the vectors of {DEFAULT}",
        compute="about 40 minutes for the backbone and 4 to 8 for the four tasks, on one core of an AMD EPYC, bf16, no GPU",
        rebuild="""modiste train fame_vil_clip_small
python bench/fame_vil_table4.py --only "MTL + TSA + XAA + MTD" --seeds 0
python scripts/ship_model.py runs/fame/all-tsa-xaa-distil-0/train/model fame_vil_small.products_v1""",
        seeds="0, the first of the grid in docs/results/fame_vil.md, which has the spread over seeds; not the best of them",
        rough="The backbone under these weights was trained in two pieces with a tokenizer learned anew between them, as "
        "docs/results/fame_vil.md tells; the commands make one like it, not the same one.",
        limits="Retrieval by its vectors is behind the default's. Captions are in the wording of the training titles and "
        "can name what is not on the photo: somebody should read them before customers do.",
        results=("fame_vil_1of101", "composed_products_fame_vil", "captioning_products_fame_vil"),
    ),
}  # fmt: skip


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def own_metrics(result: dict[str, Any]) -> list[str]:
    """The metrics that are the model's and have an interval."""
    return [key.removesuffix("_low") for key in result if key.endswith("_low") and not key.startswith(NOT_ITS_OWN)]


def form(value: float) -> str:
    return ".3f" if abs(value) <= 1.5 else ".1f"


def command(result: dict[str, Any], name: str) -> str:
    """The command that measures it again."""
    by = f" --by {result['by']}" if result.get("by", "vectors") != "vectors" else ""
    inputs = f" --inputs {result['inputs']}" if "inputs" in result else ""
    beams = " --beams 5" if result["protocol"] == "captioning" else ""
    data = f" --data {Path(result['data']).name} --split {result['split']}"
    return f"modiste evaluate {result['protocol']}{by}{inputs} --model {name}{data}{beams}"


def scores(result: dict[str, Any], name: str) -> str:
    """One protocol's numbers as Markdown, with chance where the result has it."""
    count = result.get("num_queries") or result.get("num_items")
    keys = own_metrics(result)
    chance = any(f"{key}_chance" in result for key in keys)
    lines = [
        f"`{command(result, name)}`: {count:,} queries, seed {result['seed']}, {result['date']}, units {result['units']}; 95 % "
        f"bootstrap intervals over products. Control: {CONTROLS[result['protocol']]} (docs/results).",
        "",
        f"| metric | value | interval |{' chance |' if chance else ''}",
        "|---|---|---|" + ("---|" if chance else ""),
    ]
    for key in keys:
        at = form(result[key])
        row = f"| {key} | {result[key]:{at}} | {result[f'{key}_low']:{at}} to {result[f'{key}_high']:{at}} |"
        if chance:
            row += f" {result[f'{key}_chance']:{at}} |" if f"{key}_chance" in result else " |"
        lines.append(row)
    return "\n".join(lines)


def parameters(name: str) -> int:
    """How many numbers the weights hold; factors of eight-bit rows are none of the model's."""
    with safe_open(WEIGHTS / name / "model.safetensors", framework="numpy") as file:
        keys = [key for key in file.keys() if not key.endswith(FACTOR)]  # noqa: SIM118  (no dict)
        return sum(math.prod(file.get_slice(key).get_shape()) for key in keys)


def stored_as(name: str) -> str:
    """What a matrix of the weights is stored as."""
    with safe_open(WEIGHTS / name / "model.safetensors", framework="numpy") as file:
        return "eight bits" if any(file.get_slice(key).get_dtype() == "I8" for key in file.keys()) else "fp16"  # noqa: SIM118


def front_matter(name: str, prose: Prose, results: Sequence[dict[str, Any]]) -> str:
    """YAML as the hub reads it; strings that need quotes are JSON strings, which YAML takes."""
    known = PRETRAINED[name]
    lines = [
        "---",
        f"license: {known.license.lower()}",
        "library_name: modiste",
        "pipeline_tag: feature-extraction",
        f"tags: [{', '.join(prose.tags)}]",
        f"language: [{', '.join(known.languages)}]",
        "datasets: [fashion-product-images-small]",
        f"metrics: [{', '.join(dict.fromkeys(metric_type(key) for result in results for key in own_metrics(result)))}]",
        "model-index:",
        f"- name: {name}",
        "  results:",
    ]
    for result in results:
        task, label = TASKS[result["protocol"]]
        kind = result.get("inputs", result.get("by", ""))
        lines += [
            f"  - task: {{type: {task}, name: {json.dumps(label + (f' ({kind})' if kind else ''))}}}",
            f"    dataset: {{type: {Path(result['data']).name}, name: {DATA_SET}, split: {result['split']}}}",
            "    metrics:",
        ]
        for key in own_metrics(result):
            value = f"{result[key]:{form(result[key])}}"
            lines.append(f"    - {{type: {metric_type(key)}, name: {json.dumps(key)}, value: {value}}}")
    return "\n".join([*lines, "---"])


def metric_type(key: str) -> str:
    """The hub's name of a metric's kind."""
    return {"R": "recall", "MRR": "mrr", "accuracy": "accuracy", "f1": "f1"}.get(
        key.split("@")[0].split("_")[-1], key.split("_")[-1].lower()
    )


def card(name: str) -> str:
    """The whole card of a model that ships."""
    prose, known = PROSE[name], PRETRAINED[name]
    config = json.loads((WEIGHTS / name / "config.json").read_text(encoding="utf-8"))["model"]
    shape = "x".join(map(str, config["image_size"]))
    size = (
        f"{parameters(name) / 1e6:.1f} M parameters, matrices in {stored_as(name)}; photos {shape}, whole, padded with "
    )
    size += "white; WordPiece, "
    size += f"lower case, {config['context_length']} tokens"
    results = [load(one) for one in prose.results]
    for one, result in zip(prose.results, results, strict=True):
        if result["sha256"] != known.sha256:
            raise ValueError(
                f"docs/results/{one}.json is of {result['sha256'][:12]}, not of {name} ({known.sha256[:12]})"
            )
    measured = "\n\n".join(scores(result, name) for result in results)
    return f"""{front_matter(name, prose, results)}
# {name}

{prose.what} Paper: {prose.paper}.

| | |
|---|---|
| sha256 (weights, sizes, tokenizer and what else its answers depend on) | `{known.sha256}` |
| licence of the weights | {known.license} |
| licence of the code | {known.code_license} |
| training data | {prose.trained_on} |
| terms of that data | {known.data_terms} |
| size | {size} |
| languages | {", ".join(known.languages)}: words of other scripts are refused (docs/languages.md) |
| can | {", ".join(known.can)} |

## Intended use

Search, tagging and outfits in a shop's own catalogue of clothes, shoes, bags and accessories with product photos and English
titles, as `modiste` does it. What it says is a ranking or a guess with a probability, for people who can look for themselves.

Not intended: identifying or judging people. The gender label is of the garment's department in the retailer's table, nothing
about who is on a photo. Not for medical, legal, biometric or credit decisions, nor as a moderation filter.

## Training

- **Recipe**: one line after the other makes a model like it from nothing:

```sh
{prose.rebuild}
```

- **Compute**: {prose.compute}.
- **Seeds**: {prose.seeds}.
- **Said plainly**: {prose.rough}

The data set is Param Aggarwal's on Kaggle: products of one Indian online retailer, around 2012, each with one photo and a row
of labels. Rows that share a title or a photo are in one split, and `test` was never trained on; what the splits share all the
same is counted in docs/data-sheets.md. No photo and no row of it is part of this repository.

## Scores

{measured}

## Limits

- English titles only: Russian and Chinese queries are refused, not guessed at (docs/languages.md has the figures).
- Trained on photos of 60x80 pixels: what needs a close look (fabric, small logos) is not seen.
- Photos are of shop quality or generated; on people's own phone photos of real clothes it was not measured.
- One Indian retailer's range: types that it lacks or calls otherwise are recognised less well.
- {prose.limits}

## Bias

Titles of the training data name a department ("Men", "Women"); how the products are shared out between departments is counted
in docs/data-sheets.md. How rankings move when such words are swapped: docs/results/bias.md. Skin, body
and age of the people on photos are labelled nowhere in the data, so how answers depend on them was not measured.
"""


def tower_card() -> str:
    """The card of the text tower that reads Russian and Chinese."""
    known, result = TEXT_TOWERS[TOWER], load("languages")
    measured = next(one for one in result["models"] if one["model"].endswith(f"+{TOWER}"))
    rows = [row for row in measured["rows"] if row["titles"] == "en"]
    values = [
        f"| {row['language']}, {row['wording']} wordings | {row['queries']} | {row['precision']:.1f} | "
        f"{row['low']:.1f} to {row['high']:.1f} | {result['chance']:.1f} |"
        for row in rows
    ]
    index = "\n".join(
        f"    - {{type: precision, name: {json.dumps(row['language'] + ' ' + row['wording'])}, value: {row['precision']:.1f}}}"
        for row in rows
    )
    table = "\n".join(["| wishes | n | precision@10 | interval | chance |", "|---|---|---|---|---|", *values])
    return f"""---
license: {known.license.lower()}
library_name: modiste
pipeline_tag: feature-extraction
tags: [fashion, multilingual, text-tower, distillation]
language: [{", ".join(known.languages)}]
datasets: [modiste-atelier]
metrics: [precision]
model-index:
- name: {TOWER}
  results:
  - task: {{type: text-retrieval, name: Queries in three languages}}
    dataset: {{type: atelier, name: Modiste's atelier, split: "{result["data"]}"}}
    metrics:
{index}
---
# {TOWER}

A text tower that gives the vectors of {DEFAULT} to Russian and Chinese: `--model {DEFAULT}+{TOWER}`. Method: Reimers and
Gurevych, *Making Monolingual Sentence Embeddings Multilingual using Knowledge Distillation*, EMNLP 2020, arXiv 2004.09813.

| | |
|---|---|
| sha256 (weights, sizes, tokenizer) | `{known.sha256}` |
| teacher | {DEFAULT}: no other encoder's photos fit its vectors |
| licence of the weights | {known.license} |
| licence of the code | {known.code_license} |
| training data | {known.data} |
| terms of that data | {known.data_terms} |
| size | {parameters(TOWER) / 1e6:.2f} M parameters, matrices in fp16 |
| languages | {", ".join(known.languages)} |

## Intended use

Trying Russian and Chinese queries and titles with the encoder that ships, and as a recipe to copy. For a real shop take a large
multilingual model (docs/languages.md lists those that are understood).

## Training

- **Recipe**: `modiste train multilingual_text_small` makes it again: 20,000 wishes of the drawn world (seed 0), each in
  English, Russian and Chinese; the student's vector is drawn to the teacher's vector of the usual English.
- **Compute**: 936 steps of 256 sentences; some minutes of one core of an AMD EPYC, no GPU.
- **Seeds**: 0, one run.
- **Said plainly**: the Russian and the Chinese are of tables written for this project, not of what people type.

## Scores

`{result["command"]}`: {result["data"]}, seed {result["seed"]}, {result["date"]}; an item is right when it has all
attributes that the wish names. 95 % bootstrap intervals over wishes. "usual" wordings are of training, in combinations that are
not; "new" ones were kept from training altogether. Control: the same wishes in English, read by the teacher.

{table}

## Limits

- It knows the words of `modiste.data.atelier.translations` and reads others by their pieces: see the new wordings.
- Brands, sizes, negations and prices are not understood.
- No photo was seen in training: what the teacher gets wrong it gets wrong, too.

## Bias

What the teacher's vectors make of "women's" and "men's" is learned with them (docs/results/bias.md). Russian nouns and
adjectives have a gender of grammar; that it moves answers towards a department was not looked for.
"""


def cards() -> dict[str, str]:
    """Name -> card of everything that ships."""
    return {name: card(name) for name in PROSE} | {TOWER: tower_card()}


def main() -> int:
    stale = []
    for name, fresh in cards().items():
        file = WEIGHTS / name / CARD
        if not file.exists() or file.read_text(encoding="utf-8") != fresh:
            stale.append(name)
            if "--check" not in sys.argv:
                file.write_text(fresh, encoding="utf-8")
    if stale:
        print(("stale: " if "--check" in sys.argv else "rewritten: ") + ", ".join(stale))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
