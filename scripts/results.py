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
    wishes = [load(file.stem) for file in sorted(RESULTS.glob("wishes_*.json"))]
    found["wishes"] = wishes_table(load("wishes_rules"))
    found["wishes-trade"] = trade_table(wishes)
    for name in ("wish_words", "outfit_speed", "outfit_shortlist"):
        found[name.replace("_", "-")] = plain_table(load(name)["rows"])
    rules = seeds("outfits_atelier_rules")
    found["outfits-atelier"] = outfits_table(
        [
            ("Bayes: the best possible (of one mistake: the stylists' own opinion)", rules, "reference_"),
            ("`rules`, nothing learned", rules, ""),
            ("... divided by Bayes", rules, "ratio_"),
            ("article types, counted", rules, "control_category_"),
            ("colour × article type, counted", rules, "control_colour_family_"),
            ("chance", rules, "chance"),
        ],
        ATELIER,
    )
    found["outfits-atelier-mistakes"] = mistakes_table(rules)
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
    return found


def render(text: str, found: dict[str, str]) -> str:
    for name, block in found.items():
        pattern = rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)"
        text = re.sub(pattern, lambda match, block=block: f"{match[1]}{block}\n{match[2]}", text, flags=re.S)
    return text


def main() -> int:
    found, stale = blocks(), []
    for page in (
        ROOT / "README.md",
        RESULTS / "retrieval.md",
        RESULTS / "mvlt.md",
        RESULTS / "outfits.md",
        RESULTS / "wishes.md",
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
