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


def blocks() -> dict[str, str]:
    """Marker -> Markdown."""
    found = {}
    for protocol in ("1of101", "full"):
        baseline, shipped = load(f"baseline_{protocol}"), load(f"products_v1_{protocol}")
        found[f"products-{protocol}"] = table(
            [
                ("`dual_encoder_small`, products only", baseline, ""),
                ("`dual_encoder_small.products_v1`, shipped", shipped, ""),
                ("metadata only, no pixel seen", shipped, "control_"),
                ("chance", shipped, "chance"),
            ]
        )
    atelier = load("products_v1_atelier")
    found["atelier"] = table([("`dual_encoder_small.products_v1`", atelier, ""), ("chance", atelier, "chance")])
    return found


def render(text: str, found: dict[str, str]) -> str:
    for name, block in found.items():
        pattern = rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)"
        text = re.sub(pattern, lambda match, block=block: f"{match[1]}{block}\n{match[2]}", text, flags=re.S)
    return text


def main() -> int:
    found, stale = blocks(), []
    for page in (ROOT / "README.md", RESULTS / "retrieval.md"):
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
