"""Write the tables of README and docs from the JSON files in docs/results, or check that they are up to date.

python scripts/results.py            # rewrite
python scripts/results.py --check    # exit 1 when a table differs (tests/test_docs.py does this)
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
METRICS = ("R@1", "R@5", "R@10", "MRR")


def load(name: str) -> dict:
    found: dict = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return found


def cell(result: dict, key: str) -> str:
    """A value with its interval, where the result has one."""
    if f"{key}_low" not in result:
        return f"{result[key]:.1f}"
    return f"{result[key]:.1f} ({result[f'{key}_low']:.1f}–{result[f'{key}_high']:.1f})"


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
SHIPPED = "mvlt_small.products_v1"


def recognition_table(rows: list[tuple[str, dict, str]]) -> str:
    lines = [f"|  | {' | '.join(LABELS.values())} |", "|" + "---|" * (len(RECOGNITION) + 1)]
    for label, result, prefix in rows:
        cells = []
        for key in RECOGNITION:
            name = f"{prefix}{key}" if prefix != "chance" else f"{key}_chance"
            form = ".3f" if key.endswith("f1") else ".1f"
            if name not in result:
                cells.append("")
            elif f"{name}_low" in result:
                low, high = result[f"{name}_low"], result[f"{name}_high"]
                cells.append(f"{result[name]:{form}} ({low:{form}}–{high:{form}})")
            else:
                cells.append(f"{result[name]:{form}}")
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
GRNET_BASELINE = "global embedding"


def grnet_table(result: dict, data: str) -> str:
    """Top-1 of the rows of one data set, on all queries and the hard slices, with the difference to the baseline."""
    rows = [row for row in result["rows"] if row["data"] == data]
    counts = {name: rows[0]["top"][name]["queries"] for name in GRNET_SLICES}
    heads = [f"top-1, {label} ({counts[name]:,})" for name, label in GRNET_SLICES.items()]
    lines = [f"|  | seeds | {' | '.join(heads)} | top-20 | top-50 |", "|" + "---|" * (len(heads) + 4)]
    for row in rows:
        cells = []
        for name in GRNET_SLICES:
            text = f"{row['top'][name]['top-1']:.1f}"
            if apart := row["top"][name].get(f"top-1 - {GRNET_BASELINE}"):
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
    """The re-ranking's sweep, a column for each share."""
    rows = result["rows"]
    lines = ["| " + " | ".join(["share of the matching head", *(f"{row['itm_share']:g}" for row in rows)]) + " |"]
    lines.append("|" + "---|" * (len(rows) + 1))
    for label, key in (("sum", "sum"), ("text→image R@1", "t2i_R@1"), ("image→text R@1", "i2t_R@1")):
        lines.append(f"| {label} | {' | '.join(f'{row[key]:.1f}' for row in rows)} |")
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
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted(RESULTS.glob(f"{name}_[0-9].json"))]


WISHES = ("category", "colour", "pattern", "material", "attributes", "all of the wish", "all, several fulfil it")
REQUESTS = {"wishes": "wishes at random", "fitting": "fitting wishes", "sentences": "sentences"}


def plain_table(rows: list[dict]) -> str:
    """Rows of one shape as they are."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    return "\n".join([*lines, *("| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows)])


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


def blocks() -> dict[str, str]:
    """Marker -> Markdown."""
    found = {}
    baseline, vectors, itm = (load(name) for name in ("baseline_1of101", "mvlt_1of101_vectors", "mvlt_1of101_itm"))
    found["products-1of101"] = table(
        [
            ("`dual_encoder_small`, products only", baseline, ""),
            (f"`{SHIPPED}`, by vectors: what ships", vectors, ""),
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
    found["atelier"] = table([(f"`{SHIPPED}`, by vectors", atelier, ""), ("chance", atelier, "chance")])
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
    if (RESULTS / "grnet.json").exists():  # bench/grnet_ablation.py --collect
        grid = load("grnet")
        found |= {f"grnet-{data}": grnet_table(grid, data) for data in sorted({row["data"] for row in grid["rows"]})}
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
        ]
    )
    found["rec-ifashion"] = recommendation_table(load("recommendation"))
    found["rec-parts"] = parts_of_hfgn_table(load("recommendation"))
    found["rec-tastes"] = tastes_table(load("recommendation_atelier"))
    found["rec-blanks"] = blanks_table(load("fltb"))
    if (RESULTS / "fame_vil_table4.json").exists():  # bench/fame_vil_table4.py --collect
        found["table4"] = table4(load("fame_vil_table4"))
        found["table4-controls"] = table4_controls(load("fame_vil_table4"))
    for world in ("products", "atelier"):
        found[f"composed-{world}"] = composed_table(composed_rows(load(f"composed_{world}_mvlt")))
    found["rerank-share"] = share_table(load("rerank_share"))
    if (RESULTS / "embed.json").exists():  # bench/embed.py --out
        found["embed-workers"] = workers_table(load("embed"))
    found["label-lines"] = lines_table(load("label_lines_cv"))
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


def render(text: str, found: dict[str, str]) -> str:
    for name, block in found.items():
        pattern = rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)"
        text = re.sub(pattern, lambda match, block=block: f"{match[1]}{block}\n{match[2]}", text, flags=re.S)
    return text


def main() -> int:
    found, stale = blocks(), []
    for page in (
        ROOT / "README.md",
        ROOT / "docs" / "composed-protocol.md",
        ROOT / "docs" / "composed-search.md",
        RESULTS / "retrieval.md",
        RESULTS / "mvlt.md",
        RESULTS / "fame_vil.md",
        RESULTS / "outfits.md",
        RESULTS / "wishes.md",
        RESULTS / "generated_looks.md",
        RESULTS / "grnet.md",
        ROOT / "docs" / "consumer-to-shop.md",
        ROOT / "docs" / "embed.md",
        RESULTS / "recommendation.md",
    ):
        text = page.read_text(encoding="utf-8")
        if (fresh := render(text, found)) != text:
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(fresh, encoding="utf-8")
    if stale:
        print(("stale: " if "--check" in sys.argv else "rewritten: ") + ", ".join(stale))
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
