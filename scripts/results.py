"""Write the tables of README and docs from the JSON files in docs/results, or check that they are up to date.

python scripts/results.py            # rewrite
python scripts/results.py --check    # exit 1 when a table differs (tests/test_docs.py does this)
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from statistics import mean, stdev

from kept import keep, render
from scipy import stats

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
BENCHES = (  # python bench/all.py
    "ingest_loops", "inference", "inference_fame_vil", "inference_clip", "one_thread", "floors", "training_steps",
    "profile_verbs", "bench_search", "bench_ingest", "bench_mvlt_step", "bench_mvlt_pairs", "bench_precision",
    "bench_grnet_rerank", "bench_fame_vil_queries", "bench_solver",
)  # fmt: skip
MACHINE = ("cores", "processor", "python", "date", "load")
METRICS = ("R@1", "R@5", "R@10", "MRR")


def load(name: str) -> dict:
    found: dict = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def cell(result: dict, key: str, form: str = ".1f") -> str:
    """A value with its interval, where the result has one."""
    if f"{key}_low" not in result:
        return f"{result[key]:{form}}"
    return f"{result[key]:{form}} ({result[f'{key}_low']:{form}}–{result[f'{key}_high']:{form}})"


def beside(apart: float, low: float, high: float, form: str = ".1f") -> str:
    """A difference with its interval, to stand behind a value; bold where the interval does not hold 0."""
    by = f"{apart:+{form}} ({low:+{form}} to {high:+{form}})".replace("-", "−")
    return f"; **{by}**" if low > 0 or high < 0 else f"; {by}"


def table(rows: list[tuple[str, dict, str]]) -> str:
    """Markdown of (label, result, key prefix) rows, both directions."""
    head = ["", *(f"text→image {metric}" for metric in METRICS), *(f"image→text {metric}" for metric in METRICS)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for label, result, prefix in rows:
        cells = [
            f"{result[f'{way}_{metric}_chance']:.1f}" if prefix == "chance" else cell(result, f"{prefix}{way}_{metric}")
            for way in ("t2i", "i2t")
            for metric in METRICS
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


RECOGNITION = ("scr_accuracy", "scr_macro_f1", "mcr_accuracy", "mcr_macro_f1", "colour_accuracy", "gender_accuracy")
LABELS = {
    "scr_accuracy": "sub-category (S-CR) accuracy",
    "scr_macro_f1": "S-CR macro-F1",
    "mcr_accuracy": "category (M-CR) accuracy",
    "mcr_macro_f1": "M-CR macro-F1",
    "colour_accuracy": "colour accuracy",
    "gender_accuracy": "gender accuracy",
}
SHIPPED, JUDGE = "mvlt_small.products_v1", "mvlt_judge.products_v1"


def recognition_table(rows: list[tuple[str, dict, str]]) -> str:
    lines = [f"|  | {' | '.join(LABELS.values())} |", "|" + "---|" * (len(RECOGNITION) + 1)]
    for label, result, prefix in rows:
        cells = []
        for key in RECOGNITION:
            name = f"{prefix}{key}" if prefix != "chance" else f"{key}_chance"
            form = ".3f" if key.endswith("f1") else ".1f"
            cells.append(cell(result, name, form) if name in result else "")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def generation_table(result: dict) -> str:
    lines = ["|  | PSNR (dB) | SSIM | PSNR of hidden pixels (dB) |", "|---|---|---|---|"]
    for label, prefix in ((f"`{SHIPPED}`", ""), ("hidden pixels filled with the mean colour", "control_fill_")):
        cells = [cell(result, f"{prefix}psnr"), f"{result[f'{prefix}ssim']:.3f}", cell(result, f"{prefix}masked_psnr")]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ablation_table(runs: list[dict]) -> str:
    """Mean over seeds of each row: sums of R@1+5+10 over both directions, and recognition from the photo alone and both."""
    lines = [
        "| losses beside ITC, ITM and labels | seeds | by vectors | by rerank | S-CR, photo | S-CR, both | M-CR, photo |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in dict.fromkeys(run["row"] for run in runs):
        of_row = [run for run in runs if run["row"] == row]
        cells = [
            " / ".join(f"{run[key]:.1f}" for run in of_row)
            for key in ("vectors_sum", "rerank_sum", "scr_image", "scr_both", "mcr_image")
        ]
        lines.append(f"| {row} | {len(of_row)} | {' | '.join(cells)} |")
    return "\n".join(lines)


TABLE3 = {
    "itm_auc": ("ITM AUC, pairs judged", ".1f"),
    "vectors_sum": ("sum by vectors, read", ".1f"),
    "scr_both": ("S-CR, read", ".1f"),
    "scr_f1_both": ("S-CR macro-F1", ".3f"),
    "mcr_both": ("M-CR, read", ".1f"),
    "scr_photo": ("S-CR, photo alone", ".1f"),
    "masked_psnr": ("PSNR of hidden pixels (dB)", ".2f"),
    "ssim": ("SSIM", ".3f"),
}


def table3(result: dict) -> str:
    """Means over seeds, and behind each the difference to the first row with its interval; bold where that is not 0."""
    lines = [
        f"|  | seeds | {' | '.join(label for label, _ in TABLE3.values())} |",
        "|" + "---|" * (len(TABLE3) + 2),
    ]
    for row in result["rows"]:
        cells = []
        for key, (_, form) in TABLE3.items():
            text = f"{row[key]:{form}}" if key in row else ""
            if f"{key}_difference" in row:
                text += beside(*row[f"{key}_difference"], form)
            cells.append(text)
        lines.append(f"| {row['row']} | {row['seeds']} | {' | '.join(cells)} |")
    return "\n".join(lines)


GRNET_SLICES = {
    "all": "all",
    "view=strong": "turned",
    "occlusion=strong": "covered",
    "cropping=strong": "cropped",
    "hard": "any",
}
GRNET, GRNET_BASELINE = "GRNet", "global embedding"
GRNET_MAIN = (GRNET, GRNET_BASELINE, "shipped")


def grnet_tables(result: dict) -> dict[str, str]:
    """Of each data set of a grid: the model beside its baseline; then its parts beside the model, seed by seed."""
    found = {}
    for data in sorted({row["data"] for row in result["rows"]}):
        rows = [row for row in result["rows"] if row["data"] == data]
        found[f"grnet-{data}"] = grnet_table([row for row in rows if row["row"] in GRNET_MAIN], GRNET_BASELINE)
        if parts := [row for row in rows if row["row"] not in GRNET_MAIN]:
            found[f"grnet-{data}-parts"] = grnet_table(parts, GRNET)
    return found


def grnet_table(rows: list[dict], other: str) -> str:
    """Top-1 on all queries and the hard slices, with the difference to another row."""
    counts = {name: rows[0]["top"][name]["queries"] for name in GRNET_SLICES}
    heads = [f"top-1, {label} ({counts[name]:,})" for name, label in GRNET_SLICES.items()]
    lines = [f"|  | seeds | {' | '.join(heads)} | top-20 | top-50 |", "|" + "---|" * (len(heads) + 4)]
    for row in rows:
        cells = []
        for name in GRNET_SLICES:
            text = f"{row['top'][name]['top-1']:.1f}"
            if apart := row["top"][name].get(f"top-1 - {other}"):
                text += beside(apart["mean"], apart["low"], apart["high"])
            cells.append(text)
        cells += [f"{row['top']['all'][key]:.1f}" for key in ("top-20", "top-50")]
        lines.append(f"| {row['row']} | {row['seeds']} | {' | '.join(cells)} |")
    return "\n".join(lines)


TASKS = {"xmr": "XMR", "tgir": "TGIR", "scr": "SCR", "fic": "FIC", "mean": "mean"}


def table4(result: dict) -> str:
    """FAME-ViL's rows: parameters, means over seeds, and the difference to the single-task models with its interval."""
    lines = [f"|  | seeds | parameters | share | {' | '.join(TASKS.values())} |", "|" + "---|" * (len(TASKS) + 4)]
    for row in result["rows"]:
        cells = []
        for key in TASKS:
            text = f"{row[key]:.1f}" if key in row else "–"
            if f"{key}_difference" in row:
                text += beside(*row[f"{key}_difference"])
            cells.append(text)
        share = f"{100 * row['parameters_share']:.1f} %" if "parameters_share" in row else "–"
        counts = f"{row['seeds']} | {row['parameters'] / 1e6:.2f} M | {share}"
        lines.append(f"| {row['row']} | {counts} | {' | '.join(cells)} |")
    return "\n".join(lines)


def table4_controls(result: dict, cell: str = "all-tsa-xaa-distil") -> str:
    """TGIR of the full model beside the controls that leave a half of the query out, a line per seed."""
    keys = ("R@1", "R@10", "R@50", "right_R@10")
    lines = [f"| seed |  | {' | '.join(keys)} |", "|" + "---|" * (len(keys) + 2)]
    for one in result["cells"]:
        if one["cell"] == cell:
            for label, prefix in (("photo and sentence", ""), ("sentence alone", "text_"), ("photo alone", "image_")):
                values = " | ".join(f"{one['tgir'][prefix + key]:.1f}" for key in keys)
                lines.append(f"| {one['seed']} | {label} | {values} |")
    return "\n".join(lines)


def share_table(result: dict) -> str:
    """The re-ranking's sweep, a column for each share; a line for each share of the judge's query bank."""
    lines: dict[float, dict] = {}
    for row in result["rows"]:
        line = lines.setdefault(row["bank_share"], {"the judge's share": f"sum, {row['bank_share']:g} of its bank"})
        line[f"{row['itm_share']:g}"] = f"{row['sum']:.1f}"
    return plain_table(list(lines.values()))


def judge_wishes_table(results: list[dict]) -> str:
    """Precision at 8 in percent of both worlds: a column for each share, a line for each share of the judge's query bank."""
    tables = [result["judged_again_precision_at_8"] for result in results]
    return plain_table(
        [
            {"the judge's share": f"{part} of its bank"}
            | {share: " / ".join(f"{100 * one[part][share]:.1f}" for one in tables) for share in shares}
            for part, shares in tables[0].items()
        ]
    )


_WAYS = {"t2i": "text→image", "i2t": "image→text"}


def rivals_table(result: dict) -> str:
    """Ways to retrieve, and how far each is ahead of the first."""
    keys = [f"{way}_R@{k}" for way in ("t2i", "i2t") for k in (1, 5, 10)]
    lines = [
        "| | " + " | ".join([*(f"{_WAYS[key[:3]]} {key[4:]}" for key in keys), "sum", "ahead of the first row"]) + " |",
        "|" + "---|" * (len(keys) + 3),
    ]
    for row in result["rows"]:
        ahead = (
            f"{row['ahead']:+.1f} ({row['ahead_low']:+.1f} to {row['ahead_high']:+.1f})" if row["ahead_high"] else ""
        )
        values = [
            *(f"{row[key]:.1f}" for key in keys),
            f"{row['sum']:.1f} ({row['sum_low']:.1f}–{row['sum_high']:.1f})",
            ahead,
        ]
        lines.append(f"| {row['name']} | {' | '.join(values)} |")
    return "\n".join(lines)


def lines_table(result: dict) -> str:
    """Label lines in cross-validation over training titles."""
    lines = ["| C | rarity | accuracy | macro-F1 |", "|---|---|---|---|"]
    for row in result["rows"]:
        interval = f"{row['macro_f1']:.3f} ({row['macro_f1_low']:.3f}–{row['macro_f1_high']:.3f})"
        lines.append(f"| {row['regularisation']:g} | {row['rarity']:g} | {row['accuracy']:.2f} | {interval} |")
    return "\n".join(lines)


def parts_table(result: dict) -> str:
    """What each part of the encoder's inference is worth."""
    keys = [f"{way}_{metric}" for way in ("t2i", "i2t") for metric in METRICS if metric != "MRR"]
    head = [f"text→image {metric}" for metric in METRICS if metric != "MRR"]
    head += [name.replace("text→image", "image→text") for name in head]
    lines = [f"|  | {' | '.join(head)} | sum |", "|" + "---|" * (len(keys) + 2)]
    for row in result["rows"]:
        lines.append(f"| {row['row']} | {' | '.join(f'{row[key]:.1f}' for key in keys)} | {row['sum']:.1f} |")
    return "\n".join(lines)


OUTFITS = {
    "fitb_accuracy": "FITB, same family and year",
    "fitb_popularity_accuracy": "FITB, as popular",
    "fitb_unseen_accuracy": "FITB, unseen items",
    "cp_auc": "CP AUC, same family and year",
    "cp_popularity_auc": "CP AUC, as popular",
    "cir_R@10": "CIR R@10",
}


ATELIER = {
    "fitb_accuracy": "FITB, same article type",
    "fitb_hard_accuracy": "FITB, one mistake",
    "cp_auc": "CP AUC, same article types",
    "cp_random_auc": "CP AUC, any items",
    "cp_declined_auc": "CP AUC, declined sets",
    "cir_R@10": "CIR R@10",
}


def outfits_table(rows: list[tuple[str, list[dict], str]], columns: dict[str, str] = OUTFITS) -> str:
    """Means over seeds with the least and the greatest; (label, results by seed, key prefix) rows."""
    lines = [f"|  | {' | '.join(columns.values())} |", "|" + "---|" * (len(columns) + 1)]
    for label, results, prefix in rows:
        cells = []
        for key in columns:
            name = f"{key}_chance" if prefix == "chance" else f"{prefix}{key}"
            values = [result[name] for result in results if name in result]
            form = ".3f" if key.endswith("auc") or prefix == "ratio_" else ".1f"
            low, high = f"{min(values):{form}}", f"{max(values):{form}}"
            mean = f"{sum(values) / len(values):{form}}"
            cells.append(mean if low == high else f"{mean} ({low}–{high})")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def names_table(rows: list[tuple[str, list[dict], str]]) -> str:
    """Polyvore-T: (label, results by seed, key prefix) rows, the interval of one run or the least and greatest of several."""
    columns = {
        "cp_auc": "CP AUC, same slot",
        "cp_random_auc": "CP AUC, any slot",
        "fitb_accuracy": "FITB, same slot",
    }
    lines = [f"|  | {' | '.join(columns.values())} |", "|" + "---|" * (len(columns) + 1)]
    for label, results, prefix in rows:
        cells = []
        for key in columns:
            form = ".3f" if key.endswith("auc") else ".1f"
            if prefix == "chance":
                cells.append(f"{results[0][f'{key}_chance']:{form}}")
                continue
            values = [result[key] for result in results]
            low, high = min(values), max(values)
            if len(results) == 1:
                low, high = results[0][f"{key}_low"], results[0][f"{key}_high"]
            mean = f"{sum(values) / len(values):{form}}"
            cells.append(mean if low == high else f"{mean} ({low:{form}}–{high:{form}})")
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def ids_table(result: dict) -> str:
    """Polyvore Outfits by ids: what each scorer gets on the official questions, and what of it is overlap."""
    scorers = {"": "`rules`", "control_category_": "category", "control_popularity_": "popularity"}
    scorers["control_co_occurrence_"] = "co-occurrence"
    lines = [
        f"| questions, training looks | metric | {' | '.join(scorers.values())} |",
        "|---|---|" + "---|" * len(scorers),
    ]
    for row in result["rows"]:
        version = row["data"].split(":")[1].split(" ")[0]
        lender = row["data"].endswith("looks of polyvore_ids:disjoint")
        whose = f"{row['training_looks']:,}" + (" of the disjoint version" if lender else "")
        whose += ", none with an item of the test looks" if lender and row["training_looks"] < 16_000 else ""
        for key, name, form in (("cp_auc", "CP AUC", ".3f"), ("fitb_accuracy", "FITB", ".1f")):
            if key not in row:
                continue
            cells = []
            for prefix in scorers:
                value, low, high = (row[f"{prefix}{key}{end}"] for end in ("", "_low", "_high"))
                around = "" if f"{low:{form}}" == f"{high:{form}}" else f" ({low:{form}}–{high:{form}})"
                cells.append(f"{value:{form}}{around}")
            lines.append(f"| {version} `{row['split']}`; {whose} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def calibration_table(rows: list[tuple[str, str, str]]) -> str:
    """(label, result, part) rows: the expected calibration error on held data before and after, and the curve after."""
    lines = [
        "|  | fitted on | checked on | ECE before | ECE after | says → happens, after |",
        "|---|---|---|---|---|---|",
    ]
    for label, name, part in rows:
        one = load(name)[part]
        curve = ", ".join(f"{100 * bar['predicted']:.0f}→{100 * bar['observed']:.0f}" for bar in one["after"]["bins"])
        errors = [
            f"{one[f'ece_{when}']:.3f} ({one[f'ece_{when}_low']:.3f}–{one[f'ece_{when}_high']:.3f})"
            for when in ("before", "after")
        ]
        lines.append(f"| {label} | {one['fitted']:,} | {one['checked']:,} | {' | '.join(errors)} | {curve} |")
    return "\n".join(lines)


LOOKS = {
    "children's with adults'": ("children's with adults'",),
    "women's with men's": ("women's with men's",),
    "a place dressed twice": ("two of bottom", "two of shoes", "two of one_piece", "two of hat", "dressed twice"),
    "underwear, nightwear, swimwear": ("underwear, nightwear or swimwear",),
    "no item of a colour that was named": ("a colour that was named is nowhere",),
    "not for whom the words say": ("not for whom the words say",),
}


def looks_table(rows: list[tuple[str, str]]) -> str:
    """(label, result) rows: what labels alone say against generated looks, counted."""
    lines = [f"|  | looks | none of these | {' | '.join(LOOKS)} |", "|" + "---|" * (len(LOOKS) + 3)]
    for label, name in rows:
        parts = [load(name)[part] for part in ("sentence", "partial")]
        cells = [str(sum(part["looks"] for part in parts)), str(sum(part["without_defect"] for part in parts))]
        for names in LOOKS.values():
            cells.append(str(sum(part["defects"].get(one, 0) for part in parts for one in names)))
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def eyes_table(result: dict) -> str:
    """What eyes found in the same looks: counts by rubric."""
    complaints = list(dict.fromkeys(name for row in result["rows"] for name in row["complaints"]))
    lines = [
        f"|  | looks | wearable | answers its words | {' | '.join(complaints)} |",
        "|" + "---|" * (len(complaints) + 4),
    ]
    for row in result["rows"]:
        cells = [str(row[name]) for name in ("looks", "wearable")]
        cells.append(f"{row['answers']} of {row['asked']}")
        cells += [str(row["complaints"].get(name, 0)) for name in complaints]
        lines.append(f"| {row['run']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def world_table(label: str, results: list[dict]) -> str:
    """A scorer in the generated world, by seed, beside the best there can be and what counting knows."""
    return outfits_table(
        [
            ("Bayes: the best possible (of one mistake: the stylists' own opinion)", results, "reference_"),
            (label, results, ""),
            ("... divided by Bayes", results, "ratio_"),
            ("article types, counted", results, "control_category_"),
            ("colour × article type, counted", results, "control_colour_family_"),
            ("chance", results, "chance"),
        ],
        ATELIER,
    )


def mistakes_table(results: list[dict]) -> str:
    """Looks with one mistake by the rule that it breaks: all seeds' questions together."""
    lines = ["| rule | questions | `rules` | the stylists' own opinion |", "|---|---|---|---|"]
    names = {
        key for one in results for key in one if key.startswith("fitb_hard_") and key.endswith("_accuracy_questions")
    }
    for name in sorted(names - {"fitb_hard_accuracy_questions"}):
        key = name.removesuffix("_questions")
        asked = [one[name] for one in results if name in one]
        cells = [
            sum(
                count * one[f"{prefix}{key}"]
                for count, one in zip(asked, (r for r in results if name in r), strict=True)
            )
            / sum(asked)
            for prefix in ("", "reference_")
        ]
        rule = key.removeprefix("fitb_hard_").removesuffix("_accuracy")
        lines.append(f"| {rule} | {sum(asked)} | {cells[0]:.1f} | {cells[1]:.1f} |")
    return "\n".join(lines)


def seeds(name: str) -> list[dict]:
    """The results `NAME_0.json`, `NAME_1.json`... that there are."""
    return [load(file.stem) for file in sorted(RESULTS.glob(f"{name}_[0-9].json"))]


WISHES = ("category", "colour", "pattern", "material", "attributes", "all of the wish", "all, several fulfil it")
REQUESTS = {"wishes": "wishes at random", "fitting": "fitting wishes", "sentences": "sentences"}


def rivals_seeds_table(results: list[dict]) -> str:
    """Two ways to retrieve, a line for each seed, and the mean difference over seeds with Student's interval."""
    rows = []
    for seed, result in enumerate(results):
        last = result["rows"][-1]
        sums = {f"{row['name']}, sum": f"{row['sum']:.1f}" for row in result["rows"]}
        ahead = f"{last['ahead']:+.1f} ({last['ahead_low']:+.1f} to {last['ahead_high']:+.1f})"
        rows.append({"seed": seed, **sums, "ahead": ahead})
    means = [mean(row["sum"] for row in same) for same in zip(*(result["rows"] for result in results), strict=True)]
    differences = [result["rows"][-1]["ahead"] for result in results]
    ahead, error = mean(differences), stdev(differences) / len(differences) ** 0.5
    low, high = stats.t.interval(0.95, len(differences) - 1, ahead, error)
    told = f"{ahead:+.1f} ({low:+.1f} to {high:+.1f}, over seeds)"
    rows.append(dict(zip(rows[0], ["mean", *(f"{one:.1f}" for one in means), told], strict=True)))
    return plain_table(rows)


def fashion_mnist_table(rows: list[tuple[str, dict]]) -> str:
    """Accuracy and macro-F1 over the ten classes."""
    return plain_table(
        [
            {
                "": label,
                "accuracy": cell(result, "scr_accuracy", ".2f"),
                "macro-F1": cell(result, "scr_macro_f1", ".3f"),
            }
            for label, result in rows
        ]
    )


def plain_table(rows: list[dict]) -> str:
    """Rows of one shape as they are."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return "\n".join([*lines, *("| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows)])


def bench_table(result: dict) -> str:
    """A benchmark's machine and settings, and its rows, or its values one below the other; shares by name become words."""

    def told(value: object) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name.removeprefix('aten::')} {share:.0%}" for name, share in value.items())
        return str(value)

    if "rows" not in result:
        rows = [{"": name, "measured": value} for name, value in values_of(result).items()]
        return "\n\n".join([", ".join(f"{name} {result[name]}" for name in MACHINE), plain_table(rows)])
    facts = ", ".join(f"{name} {value}" for name, value in {**result["machine"], **result["settings"]}.items())
    more = [f"{name}: " + ", ".join(f"{key} {value}" for key, value in result[name].items())
            for name in ("search", "by_length", "parts") if name in result]  # fmt: skip
    rows = [{name: told(value) for name, value in row.items()} for row in result["rows"]]
    return "\n\n".join([facts, plain_table(rows), *more])


def step_table(result: dict) -> str:
    """MVLT's training step beside its equations written out, a row for each way."""
    rows = []
    for way, label in (("naive", "naive, fp32"), ("fp32", "ours, fp32"), ("bf16", "ours, bf16")):
        if f"{way}_images_per_second" not in result:  # a processor without bf16
            continue
        low, high = result.get(f"{way}_speed_ratio_range", (1, 1))
        speed = f"{result[f'{way}_speed_ratio']:.2f} ({low:.2f}–{high:.2f})" if way != "naive" else ""
        rows.append(
            {
                "": label,
                "images/s": f"{result[f'{way}_images_per_second']:.1f}",
                f"speed against naive (range of {result['rounds']} rounds)": speed,
                "MB per image": f"{result[f'{way}_megabytes_per_image']:.1f}",
                "memory against naive": f"{result[f'{way}_memory_ratio']:.2f}" if way != "naive" else "",
            }
        )
    facts = ", ".join(f"{name} {result[name]}" for name in (*MACHINE, "threads", "size", "batch_size", "words", "seed"))
    return f"{facts}\n\n{plain_table(rows)}"


def values_of(result: dict) -> dict[str, str]:
    """The values of a flat result by a name each, in four digits; what is kept by name or as a range takes one line for all."""

    def told(value: object) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name} {told(one)}" for name, one in value.items())
        if isinstance(value, list):
            return "–".join(told(one) for one in value)
        return f"{value:.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)

    return {name.replace("_", " "): told(value) for name, value in result.items() if name not in MACHINE}


def wishes_table(result: dict) -> str:
    """Shares of wishes that came true, in per cent, at the alphas where every request was asked."""
    rows = []
    for part in ("wishes_calibrated", "wishes_raw", "fitting_calibrated", "fitting_raw"):
        kind, text = part.split("_")
        for row in result.get(part, {"rows": []})["rows"]:
            if row["alpha"] in (0, 0.3, 0.5) and (text == "calibrated" or row["alpha"] == 0.5):
                found = {
                    "": REQUESTS[kind],
                    "text": text,
                    "alpha": row["alpha"],
                    "wishes": row["all of the wish_count"],
                }
                found |= {name: cell(row, name) if name in WISHES[4:6] else f"{row[name]:.0f}" for name in WISHES}
                rows.append(found)
    return plain_table(rows)


def reading_table(result: dict) -> str:
    """The same, by whether the catalogue's columns have a say."""
    rows = []
    for way, label in (("heard", "heard"), ("read", "**read**")):
        for part in ("wishes_calibrated", "fitting_calibrated"):
            for row in result[way][part]["rows"]:
                found = {"": REQUESTS[part.split("_")[0]], "wishes are": label, "alpha": row["alpha"]}
                found |= {"wishes": row["all of the wish_count"], "S": f"{100 * row['S']:.0f}"}
                found |= {name: cell(row, name) if name in WISHES[4:6] else f"{row[name]:.0f}" for name in WISHES}
                rows.append(found)
    return plain_table(rows)


def trade_table(results: list[dict]) -> str:
    """S of the winners and their text percentile by alpha; steps that go the wrong way by more than noise."""
    rows = []
    for result in results:
        for kind, words in REQUESTS.items():
            for text in ("calibrated", "raw"):
                part = result.get(f"{kind}_{text}")
                if part is None:
                    continue
                found = {"scorer": result["scorer"], "": f"{words}, {text}", "requests": part["rows"][0]["swept"]}
                found |= {
                    f"{row['alpha']:g}": f"{100 * row['S']:.0f} / {row['text']:.0f}" for row in part["rows"]
                }  # fmt: skip
                wrong = part["S falls, more than noise"] + part["text rises, more than noise"]
                rows.append(found | {"wrong steps beyond noise": f"{wrong} of {2 * part['steps']}"})
    return plain_table(rows)


CONDITIONS = ("view", "occlusion", "cropping", "light", "clutter", "quality")
LEVELS = ("none", "some", "strong")


def shop_table(rows: list[tuple[str, dict]]) -> str:
    """Consumer-to-shop of several galleries: (label, result)."""
    keys = ("top-1", "top-20", "top-50", "MRR")
    lines = [f"|  | photos | gallery | {' | '.join(keys)} | top-1 by chance |", "|" + "---|" * (len(keys) + 4)]
    for label, result in rows:
        cells = [f"{result['num_queries']:,}", f"{result['gallery']:,}", *(cell(result, key) for key in keys)]
        lines.append(f"| {label} | {' | '.join(cells)} | {result['top-1_chance']:.2f} |")
    return "\n".join(lines)


def conditions_table(rows: list[tuple[str, dict]], key: str = "top-1") -> str:
    """One metric by condition and level: (label, result)."""
    lines = [f"| {key} |  | {' | '.join(LEVELS)} |", "|" + "---|" * (len(LEVELS) + 2)]
    for label, result in rows:
        for condition in CONDITIONS:
            cells = [cell(result, f"{condition}={level}/{key}") for level in LEVELS]
            lines.append(f"| {label} | {condition} | {' | '.join(cells)} |")
        cells = [cell(result, f"strong={number}/{key}") for number in ("0", "1", "2 or more")]
        lines.append(f"| {label} | strong ones: 0, 1, 2 or more | {' | '.join(cells)} |")
    return "\n".join(lines)


def classes_table(columns: list[tuple[str, dict]]) -> str:
    """Precision@10 by class on one gallery: (label, result) columns, and chance and the best possible there."""
    end, first = "/precision@10", columns[0][1]
    names = [key.removesuffix(end) for key in first if key.endswith(end)]
    lines = ["| class | photos | " + " | ".join(label for label, _ in columns) + " | chance | best |"]
    lines.append("|" + "---|" * (4 + len(columns)))
    for name in names:
        key = f"{name}{end}"
        cells = [f"{first[f'{key}_count']}", *(cell(result, key) for _, result in columns)]
        cells += [f"{first[f'{key}_chance']:.1f}", f"{first[f'{key}_best']:.0f}"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def recommendation_table(result: dict) -> str:
    """Recommenders on real clicks, worst first, without the ablation's."""
    heads = ["recommender", "seeds", "R@20", "NDCG@20", "HR@10", "NDCG@20, cold users", "epochs", "CPU s / epoch", "MB"]
    lines = ["| " + " | ".join(heads) + " |", "|---|" + "---:|" * (len(heads) - 1)]
    rows = {name: row for name, row in result["rows"].items() if " " not in name}
    for name, row in sorted(rows.items(), key=lambda one: one[1]["metrics"]["ndcg@20"]["mean"]):
        found = row["metrics"]
        ndcg = found["ndcg@20"]
        cells = [f"`{name}`", str(len(row["seeds"])), f"{found['recall@20']['mean']:.4f}"]
        cells += [f"{ndcg['mean']:.4f} ({ndcg['low']:.4f}–{ndcg['high']:.4f})", f"{found['hr@10']['mean']:.4f}"]
        cells += [f"{found['cold_users_ndcg@20']['mean']:.4f}"]
        for key, places in (("epochs", 0), ("cpu_seconds_per_epoch", 1), ("memory_mb", 0)):
            cells.append("–" if row[key] is None else f"{row[key]:.{places}f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parts_of_hfgn_table(result: dict) -> str:
    """The variant with one part changed, seed 0, beside itself."""
    lines = ["| changed | R@20 | NDCG@20 | NDCG@20, cold users |", "|---|---:|---:|---:|"]
    for name, row in result["rows"].items():
        if not name.startswith("hfgn_masked_ifashion"):
            continue
        changed = "`" + name.rsplit(",", 1)[1] + "`" if " " in name else "nothing"
        cells = []
        for key in ("recall@20", "ndcg@20", "cold_users_ndcg@20"):
            cells.append(f"{row['metrics'][key]['seeds'][row['seeds'].index(0)]:.4f}")
        lines.append(f"| {changed} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def tastes_table(result: dict) -> str:
    """Recommenders of users whose tastes are known: of all clicks, and of the first."""
    name = result["recipe"]
    lines = ["| recommender | NDCG@20 | share | clicks@20 | share |", "|---|---:|---:|---:|---:|"]
    for one in ("popularity", "knn", "anyone", name, "guess", "best"):
        cells = []
        for key, places in (("ndcg@20", 4), ("clicks@20", 2)):
            value = result[key].get(one)
            cells += [f"{value['value']:.{places}f}", f"{value['share']:.2f}"] if value else ["–", "–"]
        lines.append(f"| `{one}` | " + " | ".join(cells) + " |")
    heads = ["likes", "anyone", name, "guess", "best", "share found", "share of guess", "found / guess"]
    lines += ["", "| " + " | ".join(heads) + " |", "|---:|" + "---:|" * (len(heads) - 1)]
    for likes, rows in result["cold"].items():
        values = [f"{rows[one]['value']:.2f}" for one in ("anyone", name, "guess", "best")]
        mine, most = rows[name]["share"], rows["guess"]["share"]
        lines.append(f"| {likes} | " + " | ".join(values) + f" | {mine:.2f} | {most:.2f} | {mine / most:.2f} |")
    return "\n".join(lines)


def blanks_table(result: dict) -> str:
    """HFGN's blanks, percent."""
    names = {"popularity": "popularity", "hfgn": "`hfgn`", "hfgn_legacy_mean": "`hfgn`, `legacy_mean`"}
    lines = [
        "| data | wrong items | questions | " + " | ".join(names.values()) + " |",
        "|---|---|---:|" + "---:|" * len(names),
    ]
    for one in result["cells"]:
        values = [f"{one[name]['mean']:.1f} ({one[name]['low']:.1f}–{one[name]['high']:.1f})" for name in names]
        lines.append(f"| `{one['data']}` | {one['negatives']} | {one['questions']:,} | " + " | ".join(values) + " |")
    return "\n".join(lines)


SHEET = ("gender", "colour", "pattern", "material", "season", "formality", "category")


def atelier_sheet(result: dict) -> str:
    """What the drawn world is made of, percent, the most frequent first."""
    world = result["atelier"]
    lines = [f"| of {world['items']:,} items (seed {world['seed']}) | percent |", "|---|---|"]
    named = {
        "colourways of another item": f"{world['colourways_percent']} (by rule {world['colourway_share_by_rule']:.0f})"
    }
    named |= {name: ", ".join(f"{value} {share}" for value, share in world[name].items()) for name in SHEET}
    named["stylist of a look"] = ", ".join(f"{name} {share}" for name, share in world["looks"]["stylist"].items())
    return "\n".join([*lines, *(f"| {name} | {value} |" for name, value in named.items())])


def real_sheet(result: dict, name: str) -> str:
    """A real set's splits: how many, of which department, and what they share."""
    lines = ["| split | items | products | gender, percent | category, percent |", "|---|---:|---:|---|---|"]
    for split, one in result[name]["splits"].items():
        told = [
            ", ".join(f"{value} {share}" for value, share in one[label].items()) for label in ("gender", "category")
        ]
        lines.append(f"| {split} | {one['items']:,} | {one['products']:,} | {told[0]} | {told[1]} |")
    lines += [
        "",
        "| items of the second split that the first has too, by | group | photo, to the byte | title |",
        "|---|---:|---:|---:|",
    ]
    for pair, of in result[name]["shared"].items():
        lines.append(f"| {pair} | {of['products']:,} | {of['photos']:,} | {of['titles']:,} |")
    return "\n".join(lines)


LANGUAGES = {"en": "English", "ru": "Russian", "zh": "Chinese"}


def languages_table(result: dict) -> str:
    """Precision of the same wishes in three languages by two encoders, beside what the service does with them."""
    shipped, tower = result["models"]
    heads = (
        "queries",
        "titles",
        "n",
        "encoder alone, if it had to guess",
        "answered by it",
        "with the tower",
        "chance",
    )
    lines = ["| " + " | ".join(heads) + " |", "|---|---|---:|" + "---:|" * (len(heads) - 3)]
    for mine, its in zip(shipped["rows"], tower["rows"], strict=True):
        new = ", wordings not trained on" if mine["wording"] == "new" else ""
        values = [f"{one['precision']:.1f} ({one['low']:.1f}–{one['high']:.1f})" for one in (mine, its)]
        answered = "yes" if mine["language"] == "en" else "refused"
        cells = [
            f"{LANGUAGES[mine['language']]}{new}",
            LANGUAGES[mine["titles"]],
            str(mine["queries"]),
            values[0],
            answered,
        ]
        lines.append("| " + " | ".join([*cells, values[1], f"{result['chance']:.1f}"]) + " |")
    return "\n".join(lines)


def words_read_table(result: dict) -> str:
    """Percent of words that each can read, and of texts that are refused or answered with a warning."""
    shipped, tower = result["models"]
    heads = ("texts", "words unread", "... doubtful", "texts refused", "... warned of")
    lines = [f"|  | {' | '.join(heads)} | with the tower: words unread | ... refused |", "|---|" + "---:|" * 7]
    for name, mine in shipped["reading"].items():
        its = tower["reading"][name]
        values = (mine["unread"], mine["doubtful"], mine["refused"], mine["warned"], its["unread"], its["refused"])
        lines.append(f"| {name} | {mine['texts']} | " + " | ".join(f"{value:.1f}" for value in values) + " |")
    return "\n".join(lines)


COMPOSED = ("R@1", "R@10", "R@50", "right_R@1", "right_R@10")


def composed_table(rows: list[tuple[str, dict, str]]) -> str:
    """Text-guided retrieval: (label, result, key prefix) rows."""
    lines = [f"|  | {' | '.join(key.replace('_', ' ') for key in COMPOSED)} |", "|" + "---|" * (len(COMPOSED) + 1)]
    for label, result, prefix in rows:
        cells = [
            f"{result[f'{key}_chance']:.1f}" if prefix == "chance" else cell(result, f"{prefix}{key}")
            for key in COMPOSED
        ]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def composed_rows(result: dict) -> list[tuple[str, dict, str]]:
    """A result beside its controls."""
    return [
        (f"`{result['model']}`, photo and words", result, ""),
        ("words alone (`text`)", result, "text_"),
        ("photo alone (`image`)", result, "image_"),
        ("labels and words, no pixel (`metadata`)", result, "metadata_"),
        ("who knows all labels (`ceiling`)", result, "ceiling_"),
        ("chance", result, "chance"),
    ]


MODIFIED = {
    "changes": "changes obeyed",
    "negations": "negations obeyed",
    "negations of negation of what it has": "... of what the reference has",
    "category kept": "category kept",
}
WAYS = {"fused": "fused", "positive": "positive words", "photo": "words left out", "plan": "**plan**"}


def modifications_table(result: dict) -> str:
    """Shares of the first ten hits that obey, by what the catalogue knows and how it is asked."""
    lines = [f"| the catalogue knows | way | {' | '.join(MODIFIED.values())} |", "|" + "---|" * (len(MODIFIED) + 2)]
    for row in result["rows"]:
        cells = [cell(row, key) for key in MODIFIED]
        lines.append(f"| {row['known']} | {WAYS[row['way']]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def milvus_table(result: dict) -> str:
    """What a search asks of Milvus by filter: rows that come back in so many calls, without and with a condition."""
    rows = []
    for one in result["filters"]:
        kinds = {kind: f"{one[kind]['rows']:,.0f} in {one[kind]['calls']:.1f}" for kind in ("plain", "narrowed")}
        if one["narrowed"]["compared_here"]:
            kinds = dict.fromkeys(kinds, f"none; {one['narrowed']['compared_here']:,} compared here")
        rows.append(
            {
                "filter": " and ".join(f"`{words}`" for words in one["filters"]).replace("|", "\\|") or "none",
                "passes": f"{100 * one['share']:.1f} %",
                "rows in calls, without": kinds["plain"],
                "with the condition": kinds["narrowed"],
            }
        )
    return plain_table(rows)


def sizing_table(found: dict) -> str:
    """What an item costs, and 100,000 of them."""
    item, memory = found["disk_bytes_per_item"], found["memory_bytes_per_item"]
    whole = memory * 1e5 + found["memory_bytes_empty"] + found["memory_bytes_model"]
    photo = f"{' × '.join(map(str, found['photo']))}, is {found['photo_bytes'] / 1000:.1f} kB"
    rows = [
        ("disk, an item with its photo", f"{item / 1000:.1f} kB; the photo, {photo}"),
        (
            "memory of a worker, an item",
            f"{memory / 1000:.1f} kB: {found['dim']} numbers of 4 bytes, its row, its words",
        ),
        ("... with no item and no model", f"{found['memory_bytes_empty'] / 1e6:.0f} MB"),
        ("... the shipped encoder, with torch", f"{found['memory_bytes_model'] / 1e6:.0f} MB more"),
        ("100,000 items", f"{item * 1e5 / 1e9:.1f} GB of disk, {whole / 1e6:,.0f} MB of memory a worker, all in all"),
    ]
    return "\n".join(["| what | how much |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def limits_table() -> str:
    """Every bound of the service, from the source that enforces it."""
    lines = ["| bound | value | of what |", "|---|---|---|"]
    for text in (ROOT / "src" / "modiste" / "service" / "limits.py").read_text(encoding="utf-8").splitlines():
        if match := re.match(r"([A-Z_]+) = ([\d._]+)(?:  # (.*))?$", text):
            number = match[2].replace("_", "")
            lines.append(f"| `{match[1]}` | {float(number) if '.' in number else int(number):,} | {match[3] or ''} |")
        elif heading := re.match(r"# -- (.+?) -+$", text):
            lines.append(f"| **{heading[1].strip()}** | | |")
    return "\n".join(lines)


def fuzz_table(result: dict) -> str:
    """Cases by target, and what was found in them; the last row is the sum."""
    lines = [
        "| target | cases | read | refused | found | slowest case | memory grew by |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in (*result["targets"], {**result, "target": "**all**", "kinds": {}}):
        found = sum(row["kinds"].values()) if row["target"] != "**all**" else sum(result[kind] for kind in FOUND)
        refused = row["cases"] - row["accepted"] - found
        lines.append(
            f"| {row['target']} | {row['cases']:,} | {row['accepted']:,} | {refused:,} | {found} | {row['slowest_s']:.2f} s | "
            f"{row['peak_growth_mb']:.0f} MB |"
        )
    return "\n".join(lines)


FOUND = ("crash", "unnamed", "hang", "death", "memory")


def bias_tables() -> dict[str, str]:
    sys.path.insert(0, str(ROOT / "bench"))
    from bias import tables

    return tables(load("bias"))


def kills_table(found: dict) -> str:
    """What was killed how often, and at which moments (bench/faults.py)."""
    moments = ("before a write", "within a write", "after a write", "at any time")
    lines = [f"| job | kills | {' | '.join(moments)} | kinds of write | failures |", "|---" * (len(moments) + 4) + "|"]
    for name, one in found["jobs"].items():
        counts = " | ".join(str(one["moments"][moment]) for moment in moments)
        lines.append(f"| {name} | {one['kills']} | {counts} | {len(one['writes_of_a_turn'])} | {one['failures']} |")
    total = [sum(one["moments"][moment] for one in found["jobs"].values()) for moment in moments]
    failures = sum(one["failures"] for one in found["jobs"].values())
    lines.append(f"| **all** | **{found['kills']}** | {' | '.join(map(str, total))} | | **{failures}** |")
    return "\n".join(lines)


def damage_table(found: dict) -> str:
    """What came of files that were cut or had a bit changed (bench/damage.py)."""
    outcomes = ("an error that names it", "the right answer, and found by check", "the right answer")
    lines = [f"| file of | damaged | {' | '.join(outcomes)} | a wrong answer, another end |", "|---" * 6 + "|"]
    for name, counts in found["kinds"].items():
        total = sum(counts.values())
        told = [sum(n for key, n in counts.items() if key.split(": ")[1] == outcome) for outcome in outcomes]
        lines.append(f"| {name} | {total} | {' | '.join(map(str, told))} | {total - sum(told)} |")
    return "\n".join(lines)


def blocks() -> dict[str, str]:
    """Marker -> Markdown."""
    found = {}
    baseline, vectors, itm = (load(name) for name in ("baseline_1of101", "mvlt_1of101_vectors", "mvlt_1of101_itm"))
    found["products-1of101"] = table(
        [
            ("`dual_encoder_small`, products only", baseline, ""),
            (f"`{SHIPPED}`, by vectors", vectors, ""),
            (f"... the best 25 judged again by `{JUDGE}`: what ships", load("mvlt_1of101_rerank"), ""),
            (f"`{SHIPPED}`, every pair judged (ITM; 1,000 queries)", itm, ""),
            ("metadata only, no pixel seen", baseline, "control_"),
            ("chance", baseline, "chance"),
        ]
    )
    found["outfits-mango"] = outfits_table(
        [
            ("`outfit_transformer_small_seen`", seeds("outfits_mango_seen"), ""),
            ("`outfit_transformer_small`: photo and words", seeds("outfits_mango_content"), ""),
            ("... the photo alone", seeds("outfits_mango_image"), ""),
            ("... words alone", seeds("outfits_mango_words"), ""),
            ("co-occurrence and colour × family, counted", seeds("outfits_mango_seen"), "control_mixture_"),
            ("item co-occurrence, counted", seeds("outfits_mango_seen"), "control_co_occurrence_"),
            ("popularity", seeds("outfits_mango_seen"), "control_popularity_"),
            ("`rules`, nothing learned", seeds("outfits_mango_rules"), ""),
            ("chance", seeds("outfits_mango_seen"), "chance"),
        ]
    )
    found["milvus-filters"] = milvus_table(load("milvus_filters"))
    found["modifications"] = modifications_table(load("modifications"))
    wishes = [load(file.stem) for file in sorted(RESULTS.glob("wishes_*.json"))]
    found["wishes"] = wishes_table(load("wishes_rules"))
    found["wishes-read"] = reading_table(load("wish_reading"))
    found["wishes-trade"] = trade_table(wishes)
    for name in ("wish_words", "outfit_speed", "outfit_shortlist"):
        found[name.replace("_", "-")] = plain_table(load(name)["rows"])
    names = "outfits_polyvore_t"
    found["outfits-polyvore-t"] = names_table(
        [
            ("`outfit_transformer_small_seen`, three seeds", seeds(f"{names}_seen"), ""),
            ("`outfit_transformer_small`: photo and words", seeds(f"{names}_content"), ""),
            ("... words alone", seeds(f"{names}_words"), ""),
            ("... the photo alone: there is none", seeds(f"{names}_image"), ""),
            ("mean cosine of the names' vectors", seeds(f"{names}_mean_cosine"), ""),
            ("`rules`, nothing learned", seeds(f"{names}_rules"), ""),
            ("chance", seeds(f"{names}_rules"), "chance"),
        ]
    )
    found["outfits-polyvore-ids"] = ids_table(load("outfits_polyvore_ids"))
    found["calibration"] = calibration_table(
        [
            ("S of `outfit_transformer_small_seen`, MANGO", "calibration_mango_seen_0", "compatibility"),
            ("... the curve over S itself", "calibration_mango_seen_0_logistic", "compatibility"),
            ("S of `outfit_transformer_small`, MANGO", "calibration_mango_content_0", "compatibility"),
            ("... the curve over S itself", "calibration_mango_content_0_logistic", "compatibility"),
            ("S of `rules`, MANGO", "calibration_mango_rules", "compatibility"),
            ("S of `rules`, atelier", "calibration_atelier_rules", "compatibility"),
            ("match, MANGO's items", "calibration_words_mango", "match"),
            ("match, `fashion_products` test", "calibration_words_products", "match"),
            ("match, atelier (2,000 items)", "calibration_words_atelier", "match"),
        ]
    )
    found["generated-looks"] = looks_table(
        [
            ("`fashion_products`, `rules`, words calibrated: before", "generated_looks_products_rules_before"),
            ("... after", "generated_looks_products_rules"),
            ("MANGO, `rules`, not calibrated: before", "generated_looks_mango_rules_before"),
            ("MANGO, `rules`, calibrated: after", "generated_looks_mango_rules"),
            ("MANGO, `outfit_transformer_small_seen`, not calibrated: before", "generated_looks_mango_seen_before"),
            ("... calibrated: after", "generated_looks_mango_seen"),
            ("atelier (words alone), `rules`, not calibrated: before", "generated_looks_atelier_rules_before"),
        ]
    )
    found["generated-looks-eyes"] = eyes_table(load("generated_looks_eyes"))
    rules = seeds("outfits_atelier_rules")
    found["outfits-atelier"] = world_table("`rules`, nothing learned", rules)
    found["outfits-atelier-mistakes"] = mistakes_table(rules)
    trained = seeds("outfits_atelier_trained")
    found["outfits-atelier-trained"] = world_table("`outfit_transformer_atelier`", trained)
    found["encoder-parts"] = parts_table(load("encoder_parts"))
    baseline, vectors = load("baseline_full"), load("mvlt_full_vectors")
    found["products-full"] = table(
        [
            ("`dual_encoder_small`, products only", baseline, ""),
            (f"`{SHIPPED}`, by vectors", vectors, ""),
            ("metadata only, no pixel seen", baseline, "control_"),
            ("chance", baseline, "chance"),
        ]
    )
    atelier = load("mvlt_atelier_vectors")
    found["atelier"] = table(
        [
            (f"`{SHIPPED}`, by vectors", atelier, ""),
            (f"... the best 25 judged again by `{JUDGE}`", load("mvlt_atelier_rerank"), ""),
            ("chance", atelier, "chance"),
        ]
    )
    found["judge-wishes"] = judge_wishes_table([load(f"judge_wishes_{world}") for world in (2, 7)])
    found["rivals"] = rivals_table(load("retrieval_rivals"))
    found["rivals-seeds"] = rivals_seeds_table(seeds("retrieval_rivals_small"))
    found["fashion-mnist"] = fashion_mnist_table(
        [
            ("hidden pixels (MIR) and classes together, 20 epochs", load("fashion_mnist_mvlt")),
            ("... then classes alone, 8 epochs", load("fashion_mnist_mvlt_tuned")),
        ]
    )
    both, image, text = (load(f"mvlt_recognition_{inputs}") for inputs in ("both", "image", "text"))
    found["recognition"] = recognition_table(
        [
            (f"`{SHIPPED}`, photo and title", both, ""),
            (f"`{SHIPPED}`, photo alone", image, ""),
            (f"`{SHIPPED}`, title alone", text, ""),
            ("TF-IDF of the title and a linear classifier", both, "control_"),
            ("most frequent class", both, "chance"),
        ]
    )
    found["generation"] = generation_table(load("mvlt_generation"))
    found["ablation"] = ablation_table(load("mvlt_ablation")["runs"])
    if (RESULTS / "mvlt_table3.json").exists():  # bench/mvlt_ablation.py --collect
        found["table3"] = table3(load("mvlt_table3"))
    for name in ("grnet_products", "grnet_atelier"):  # bench/grnet_ablation.py --collect
        if (RESULTS / f"{name}.json").exists():
            found |= grnet_tables(load(name))
    atelier, products, larger = (
        load(f"consumer_to_shop_{name}_mvlt") for name in ("atelier", "products", "products_224")
    )
    photographed = [
        ("atelier (`atelier:3000:7`), 120×160", atelier),
        ("`fashion_products`, 60×80", products),
        ("`fashion_products_224`, 224×224", larger),
    ]
    found["consumer-to-shop"] = shop_table(photographed)
    found["consumer-to-shop-conditions"] = conditions_table(
        [("atelier", atelier), ("`fashion_products`", products), ("`fashion_products_224`", larger)]
    )
    found["photo-classes"] = classes_table(
        [
            ("`dual_encoder_small`", load("photo_classes_test_dual")),
            (f"`{SHIPPED}`", load("photo_classes_test_mvlt")),
            ("... with words, re-ranked by its matching head", load("photo_classes_test_mvlt_itm")),
            ("GRNet, embedding and second look", load("photo_classes_test_grnet")),
        ]
    )
    found["rec-ifashion"] = recommendation_table(load("recommendation"))
    found["rec-parts"] = parts_of_hfgn_table(load("recommendation"))
    found["rec-tastes"] = tastes_table(load("recommendation_atelier"))
    found["rec-blanks"] = blanks_table(load("fltb"))
    if (RESULTS / "fame_vil_table4.json").exists():  # bench/fame_vil_table4.py --collect
        found["table4"] = table4(load("fame_vil_table4"))
        found["table4-controls"] = table4_controls(load("fame_vil_table4"))
    for name in BENCHES:  # python bench/all.py
        if (RESULTS / f"{name}.json").exists():
            made = step_table if name == "bench_mvlt_step" else bench_table
            found[name.replace("_", "-")] = made(load(name))
    for world in ("products", "atelier"):
        found[f"composed-{world}"] = composed_table(composed_rows(load(f"composed_{world}_mvlt")))
    found["sizing"] = sizing_table(load("sizing"))
    found["rerank-share"] = share_table(load("rerank_share"))
    if (RESULTS / "embed.json").exists():  # bench/embed.py --out
        found["embed-workers"] = workers_table(load("embed"))
    found["kills"] = kills_table(load("faults"))
    found["damage"] = damage_table(load("damage"))
    found["label-lines"] = lines_table(load("label_lines_cv"))
    sheet = load("data_sheet")
    found["sheet-atelier"] = atelier_sheet(sheet)
    found |= {f"sheet-{name}": real_sheet(sheet, name) for name in ("fashion_products", "fashion_products_224")}
    found["languages"] = languages_table(load("languages"))
    found["languages-words"] = words_read_table(load("languages"))
    found["scale-index"] = scale_search_table(load("scale"), "index")
    found["scale-search"] = scale_search_table(load("scale"), "search")
    found["scale-sizes"] = scale_sizes_table(load("scale"))
    found["limits"] = limits_table()
    if (RESULTS / "fuzz.json").exists():  # bench/fuzz.py --out
        found["fuzz"] = fuzz_table(load("fuzz"))
    if (RESULTS / "bias.json").exists():  # bench/bias.py --out
        found |= bias_tables()
    return found


def workers_table(result: dict) -> str:
    """Rounds of bench/embed.py, and below them what became of the workers that were killed."""
    machine, settings, killed = result["machine"], result["settings"], result["killed"]
    rows = [
        (row["round"], row["one_items_per_second"], row["two_items_per_second"], row["speedup"])
        for row in result["rounds"]
    ]
    lines = [
        "| round | one worker, items/s | two workers, items/s | ratio |",
        "|---|---|---|---|",
        *(f"| {number} | {one:.1f} | {two:.1f} | {ratio:.2f} |" for number, one, two, ratio in rows),
        f"| median | | | {result['speedup']['median']:.2f} |",
        "",
        f"{machine['cores']} cores, {machine['processor']}, {machine['date']}, load {machine['load']}; {settings['encoder']}, "
        f"{settings['items']:,} drawn items, pictures of {settings['picture'].replace('x', '×')}, seed {settings['seed']}"
        f"{', a core for each worker' if settings['one_core'] else ''}. "
        f"Workers killed: {killed['kills']}; vectors lost: {killed['lost']} of {killed['vectors']:,}.",
    ]
    return "\n".join(lines)


def scale_search_table(found: dict, part: str) -> str:
    """One row for each filter, of the largest catalogue of each width; `part`: through the store or the index alone."""
    lines = [
        "| items, width | passing | candidates | p50 ms | p95 ms | p95 CPU ms | recall@10 | of words |",
        "|" + "---|" * 8,
    ]
    largest: dict[str, str] = {}
    for key in found:
        rows, dim = key.split()
        if part in found[key] and int(rows) >= int(largest.get(dim, "0 0").split()[0]):
            largest[dim] = key
    for key in largest.values():
        rows, dim = key.split()
        for one in found[key][part]["searches"]:
            cells = [one[name] for name in ("p50 ms", "p95 ms", "p95 CPU ms", "recall@10", "of words")]
            values = " | ".join(map(str, cells))
            lines.append(f"| {int(rows):,}, {dim} | {one['passing']} | {one['candidates']:,} | {values} |")
    return "\n".join(lines)


SCALE = {  # label: part and the way to the value
    "lists made in, CPU s": ("index", "lists CPU s"),
    "vectors, MB": ("index", "vectors MB"),
    "lists beside them, MB": ("index", "index MB"),
    "store on the disk, MB": ("make", "disk MB"),
    "made and stored in, s": ("make", "seconds"),
    "opened in, s": ("search", "open s"),
    "columns read in, s": ("search", "columns s"),
    "lists made in, s": ("search", "lists s"),
    "search before the lists, p50 ms": ("search", "before the lists p50 ms"),
    "memory, MB": ("search", "memory MB"),
    "1,000 upserts stored in, s": ("upsert", "changes", 0, "stored s"),
    "... visible in, s": ("upsert", "changes", 0, "visible s"),
    "... first filter after them, s": ("upsert", "changes", 0, "first filter s"),
    "1,000 deletions visible in, s": ("upsert", "changes", 1, "visible s"),
    "what outfits need of a version, made anew, s": ("upsert", "outfits anew s"),
    "... taken up after 1,000 upserts, s": ("upsert", "changes", 0, "outfits s"),
    "search alone, p95 ms": ("rebuild", "alone p95 ms"),
    "search while lists are made, p95 ms": ("rebuild", "meanwhile p95 ms"),
    "complete 2 slots, rules, p95 ms": ("outfits", "complete 2 slots, rules", "p95 ms"),
    "generate 4 items, rules, p95 ms": ("outfits", "generate 4 items, rules", "p95 ms"),
    "service: start, s": ("service", "start s"),
    "service: search, p95 ms": ("service", "requests", 0, "p95 ms"),
    "service: search, 16 connections, p95 ms": ("service", "requests", 1, "p95 ms"),
    "service: complete, p95 ms": ("service", "requests", 2, "p95 ms"),
    "service: generate, p95 ms": ("service", "requests", 3, "p95 ms"),
}


def scale_sizes_table(found: dict) -> str:
    """One column for each size; what was not measured at a size is left empty."""
    keys = sorted(found, key=lambda key: [int(one) for one in key.split()][::-1])
    heads = [f"{int(key.split()[0]):,} of {key.split()[1]}" for key in keys]
    lines = [f"| items and width | {' | '.join(heads)} |", "|" + "---|" * (len(keys) + 1)]
    for label, way in SCALE.items():
        cells = []
        for key in keys:
            value: object = found[key]
            for step in way:
                value = value[step] if isinstance(value, list) else (value or {}).get(step)  # type: ignore[attr-defined,index]
            cells.append("" if value is None else str(value))
        if any(cells):
            lines.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> int:
    found = blocks()
    pages = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    return keep({page: render(page.read_text(encoding="utf-8"), found) for page in pages})


if __name__ == "__main__":
    sys.exit(main())
