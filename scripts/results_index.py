"""Write docs/results/README.md: for every result file its protocol, data, split, seeds, interval, control, date and command.

python scripts/results_index.py            # rewrite
python scripts/results_index.py --check    # exit 1 when it differs (tests/test_results_index.py does this)

What a file says of itself comes from the file. Its command is the one that `modiste evaluate` files follow from, the file's own
`command`, or a line of COMMANDS. Which pages quote it is found by running `results.blocks` and seeing which tables read it.
"""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import results

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
INDEX = RESULTS / "README.md"
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if page != INDEX]

# Files that benches write: pattern -> (what, command, control).
COMMANDS = {
    "calibration_words_*": ("calibration of the text match", "modiste calibrate FOLDER --json", "the uncalibrated cosine"),
    "calibration_*": ("calibration of S", "modiste calibrate FOLDER --data DATA --scorer SCORER --json", "S itself"),
    "cold_start": ("new people after some likes", "python bench/cold_start.py", "anybody's looks; the best possible"),
    "encoder_parts": ("parts of the encoder", "python bench/encoder_parts.py", "the row without the part"),
    "fame_vil_table4": ("FAME-ViL's Table 4", "python bench/fame_vil_table4.py", "single-task models; each half of a query"),
    "fltb": ("HFGN's blanks", "python bench/fltb.py", "popularity"),
    "generated_looks_eyes": ("looks judged by eye", "the rubric of its page", "before and after"),
    "generated_looks_*": ("looks counted by labels", "python bench/looks.py", "looks of stylists"),
    "judge_wishes_*": (
        "wishes judged again",
        "python bench/search_quality.py --words-alone --items 1000 --seed SEED --shares ... --bank-shares ...",
        "no judge",
    ),
    "label_lines_cv": ("label lines, cross-validated", "python bench/label_lines.py", "LinearSVC"),
    "modifications": ("changes and negations obeyed", "python bench/modifications.py", "the encoder's query; words left out"),
    "mvlt_ablation": ("MVLT's losses", "the runs of its page", "no further loss"),
    "mvlt_recognition_inputs_*": ("recognition by inputs", "python bench/recognition_inputs.py", "the title alone"),
    "retrieval_rivals*": ("MVLT beside dual encoders", "python bench/retrieval_rivals.py", "a dual encoder of its towers"),
    "mvlt_table3": ("MVLT's Table 3", "python bench/mvlt_ablation.py", "the first row"),
    "outfit_shortlist": ("shortlists of a trained scorer", "python bench/trained_search.py --part shortlist", "all items"),
    "outfit_speed": ("speed of a trained scorer", "python bench/trained_search.py", "–"),
    "outfits_polyvore_ids": ("Polyvore's official questions", "python bench/polyvore_ids.py", "popularity; without overlaps"),
    "real_looks_*": ("what real looks break", "python bench/looks.py DATA --real SPLIT", "–"),
    "recommendation": ("outfits for a person", "python bench/recommendation.py", "popularity; kNN"),
    "recommendation_atelier": ("known tastes", "python bench/recommendation_atelier.py", "anybody's; the best possible"),
    "rerank_share": ("how much say re-ranking has", "python bench/rerank_share.py", "share 0"),
    "wish_reading": ("wishes read or heard", "python bench/wishes.py", "heard"),
    "wish_words": ("words an encoder understands", "python bench/wish_words.py", "–"),
    "wishes_*": ("wishes fulfilled in outfits", "python bench/wishes.py", "S alone; uncalibrated"),
    "languages*": ("queries in three languages", "python bench/languages.py", "the same wishes in English; chance"),
    "grnet_*": ("exact search: GRNet and its parts", "python bench/grnet_ablation.py --collect", "a global embedding"),
    "data_sheet": ("counts of the data sheets", "python scripts/data_sheet.py", "–"),
}  # fmt: skip

# Orderings of papers, as their pages say it: claim, verdict, page.
ORDERINGS = (
    ("FAME-ViL: adapters make sharing possible (Table 4)", "holds: without them XMR −4.6, TGIR −1.8", "fame_vil.md"),
    ("FAME-ViL: one model beats four single-task ones (Table 4)", "noise: +0.3 (−0.3 to +1.0), level", "fame_vil.md"),
    ("MVLT: image reconstruction (MIR) helps recognition (Table 3)", "holds at this size: S-CR 66.3 against 51.4", "mvlt.md"),
    ("MVLT: masked words (MLM) bring most of recognition (Table 3)", "does not hold: MLM costs, in two designs", "mvlt.md"),
    ("MVLT: all three losses are best (Table 3)", "does not hold here: ITM + MIR is ahead", "mvlt.md"),
    ("MVLT is ahead of a dual encoder of equal towers, photos and steps (asked here)",
     "holds: +13.6 of the sum of six recalls, three short seeds; +8.7 (+3.4 to +13.8) at 64 epochs, one seed", "retrieval.md"),
    ("MVLT: a mask ratio of .5 is best (Table 3)",
     "holds of .1, S-CR −4.4 (−8.2 to −0.6); .3, .7 and .9 are noise, .9 rather ahead", "mvlt.md"),
    ("MVLT: mask units of 4×4 patches are best (Table 3)", "noise: 1 to 8 patches a side are level", "mvlt.md"),
    ("MVLT: masks of a random grid are best (Table 3)",
     "ahead of strokes in macro-F1 (+.059); the other styles are noise", "mvlt.md"),
    ("HFGN is ahead of BPR-MF (its Table 3)", "holds: NDCG@20 .0415 against .0261", "recommendation.md"),
    ("HFGN is ahead of simple neighbours", "does not hold: kNN .0547; ours with a softmax .0701", "recommendation.md"),
    ("HFGN's item level helps", "holds, little: +.004 where seeds differ by .0006", "recommendation.md"),
    ("GRNet is ahead of a global embedding (its Table 2)",
     "holds: +5.3 and +3.7 of top-1 on two data sets, also on every hard slice", "grnet.md"),
    ("GRNet: reasoning, more steps, edges between scales, a pyramid (its ablations)",
     "reasoning holds, +4.4; steps, edges and pyramid are noise (one seed)", "grnet.md"),
)  # fmt: skip


def quoting_pages() -> dict[str, set[str]]:
    """File name -> pages that quote it: by a table that is made of it, or by its name (`cold_*.json` names several)."""
    found: dict[str, set[str]] = defaultdict(set)
    tables = tables_by_file()
    for page in PAGES:
        text, name = page.read_text(encoding="utf-8"), str(page.relative_to(ROOT))
        markers = set(re.findall(r"<!-- ([\w-]+):begin -->", text))
        patterns = {one for one in re.findall(r"([\w*]+)\.json", text) if not one.startswith("*")}
        for stem in stems():
            if markers & tables.get(stem, set()) or any(fnmatch(stem, pattern) for pattern in patterns):
                found[stem].add(name)
    return found


def stems() -> list[str]:
    return sorted(file.stem for file in RESULTS.glob("*.json"))


def tables_by_file() -> dict[str, set[str]]:
    """File name -> the tables that change when the file's numbers do."""
    load, true = results.load, results.blocks()
    found: dict[str, set[str]] = {}
    try:
        for stem in stems():
            results.load = lambda name, stem=stem: moved(load(name)) if name == stem else load(name)
            try:
                made = results.blocks()
            except Exception:  # a number that is a name (a seed, a place): a table of it cannot be made
                results.load = lambda name, stem=stem: moved(load(name), whole=False) if name == stem else load(name)
                made = results.blocks()
            found[stem] = {marker for marker, table in true.items() if made.get(marker) != table}
    finally:
        results.load = load
    return found


def moved(value: Any, *, whole: bool = True) -> Any:
    """The same result with other numbers; `whole`: also in place of whole ones, which may be counts."""
    if isinstance(value, dict):
        return {key: moved(one, whole=whole) for key, one in value.items()}
    if isinstance(value, list):
        return [moved(one, whole=whole) for one in value]
    if isinstance(value, float):
        return value * 0.9 + 0.01
    return value + 1 if whole and isinstance(value, int) and not isinstance(value, bool) else value


def keys_of(value: Any) -> Iterator[str]:
    """All keys anywhere in a result."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield str(key)
            yield from keys_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from keys_of(one)


def first(value: Any, *names: str) -> Any:
    """The first of these fields that a result has, at its top or among its machine, settings and first rows."""
    places = (
        [value, *(value.get(name) for name in ("machine", "settings")), *(value.get("rows") or [])[:1]]
        if isinstance(value.get("rows"), list)
        else [value, value.get("machine"), value.get("settings")]
    )
    for place in places:
        for name in names:
            if isinstance(place, dict) and place.get(name) not in (None, "", []):
                return place[name]
    return None


def described(stem: str) -> tuple[str, str, str]:
    """What a file measures, by which command, beside which control."""
    result = results.load(stem)
    if "protocol" in result:
        by = f" --by {result['by']}" if result.get("by", "vectors") != "vectors" else ""
        inputs = f" --inputs {result['inputs']}" if "inputs" in result else ""
        data = f" --data {Path(str(result['data'])).name}"
        split = f" --split {result['split']}" if result.get("split") else ""
        model = f" --model {Path(str(result['model'])).name}"
        names = sorted(
            {key.split("_")[0] for key in result if key.startswith(("control_", "text_", "metadata_", "labels_"))}
        )
        control = ", ".join([*names, *(["chance"] if any(key.endswith("_chance") for key in result) else [])])
        return (
            result["protocol"],
            f"modiste evaluate {result['protocol']}{by}{inputs}{model}{data}{split}",
            control or "–",
        )
    for pattern, told in COMMANDS.items():
        if fnmatch(stem, pattern):
            return told[0], str(result.get("command") or told[1]), told[2]
    name = stem.removeprefix("bench_")
    command = f"python bench/all.py {name}" if stem in results.BENCHES else ""
    return str(result.get("title") or name.replace("_", " ")), str(result.get("command") or command), "–"


def row(stem: str, pages: set[str]) -> str:
    result = results.load(stem)
    what, command, control = described(stem)
    named, items, split, date = (first(result, name) for name in ("data", "items", "split", "date"))
    data = Path(str(named)).name if named else f"{items:,} drawn items" if isinstance(items, int) else ""
    seeds = first(result, "seeds", "seed")
    if isinstance(seeds, list):
        seeds = ", ".join(map(str, seeds))
    count = first(
        result, "num_queries", "num_questions", "num_items", "queries", "requests", "people", "looks", "items"
    )
    interval = any(key.endswith(("_low", "_high")) or key in ("low", "high") for key in keys_of(result))
    cells = [
        f"[`{stem}`]({stem}.json)",
        what,
        ", ".join(str(one) for one in (data, split) if one) or "–",
        "its page" if seeds is None else str(seeds),
        f"{count:,}" if isinstance(count, int) else "–",
        "95 %" if interval else "–",
        control,
        str(date or "–"),
        f"`{command}`" if command else "its page",
        ", ".join(f"[{Path(page).stem}]({link(page)})" for page in sorted(pages)) or "**none**",
    ]
    return f"| {' | '.join(cells)} |"


def link(page: str) -> str:
    """A page's address, seen from docs/results."""
    return os.path.relpath(ROOT / page, RESULTS)


def index() -> str:
    """The whole page."""
    pages = quoting_pages()
    heads = ("file", "what", "data, split", "seeds", "n", "interval", "control", "date", "command", "quoted on")
    table = "\n".join(
        [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads), *(row(stem, pages[stem]) for stem in stems())]
    )
    claims = "\n".join(f"| {claim} | {verdict} | [{Path(page).stem}]({page}) |" for claim, verdict, page in ORDERINGS)
    return f"""# Results: what every number is

Every number in README and on these pages comes from a JSON file here, and every file from a command. Tables between
`<!-- name:begin -->` marks are made from the files by `scripts/results.py`; this page is made by `scripts/results_index.py`.

- **Interval**: 95 % bootstrap over products, users or questions, as the page says; it speaks of other queries, not of other
  training runs. Where several seeds were trained the page gives the mean over them.
- **Control**: what the same numbers are without the thing that is measured: no pixel, no words, nothing learned, chance.
- **Seeds**: of training and of drawing; "its page" where the page tells them run by run.
- **Machine**: two cores of an AMD EPYC unless a page says otherwise; times are on [speed](speed.md) and the benches' pages.
- Numbers on other data, with other negatives or galleries do not compare.

## Orderings of papers

| what the paper says | here | page |
|---|---|---|
{claims}

"Holds" and "does not hold" are of these sizes, budgets and data, with intervals that leave out 0; "noise" is one that does not.

## Files

{table}
"""


def main() -> int:
    fresh = index()
    stale = not INDEX.exists() or INDEX.read_text(encoding="utf-8") != fresh
    if stale and "--check" not in sys.argv:
        INDEX.write_text(fresh, encoding="utf-8")
    if stale:
        print(("stale: " if "--check" in sys.argv else "rewritten: ") + str(INDEX.relative_to(ROOT)))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
