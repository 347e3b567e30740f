"""What alpha trades, drawn as an SVG: S of the winners and their text percentile against alpha, calibrated and raw.

python bench/trade_plot.py docs/results/wishes_rules.json docs/images/alpha_rules.svg
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, LEFT, TOP, PANEL, GAP = 860, 380, 56, 56, 340, 76
TALL = 250
TITLES = {"wishes": "two wishes at random", "sentences": "a sentence, four items", "fitting": "two fitting wishes"}
COLOURS = {"S": "#1f2c50", "text": "#cb2730"}


def trade_plot(result: Mapping[str, Any]) -> str:
    """A panel for each kind of request; full lines are calibrated, dashed ones are raw."""
    panels = []
    shown = [kind for kind in TITLES if f"{kind}_calibrated" in result][:2]
    for place, (kind, title) in enumerate((kind, TITLES[kind]) for kind in shown):
        left, parts = LEFT + place * (PANEL + GAP), []
        for mark in (0, 0.25, 0.5, 0.75, 1.0):
            y = TOP + TALL * (1 - mark)
            parts.append(f'<path d="M{left} {y:.1f}H{left + PANEL}" stroke="#dddddd"/>')
            parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{100 * mark:.0f}</text>')
            x = left + PANEL * mark
            parts.append(f'<text x="{x:.1f}" y="{TOP + TALL + 20}" text-anchor="middle">{mark:g}</text>')
        parts.append(f'<text x="{left + PANEL / 2}" y="{TOP - 14}" text-anchor="middle">{escape(title)}</text>')
        parts.append(f'<text x="{left + PANEL / 2}" y="{TOP + TALL + 40}" text-anchor="middle">alpha</text>')
        for text, dash in (("raw", "5 5"), ("calibrated", "")):
            if f"{kind}_{text}" not in result:
                continue
            rows = result[f"{kind}_{text}"]["rows"]
            for name, scale in (("S", 1.0), ("text", 0.01)):
                if not dash:
                    parts.append(_band(rows, name, scale, left))
                points = " ".join(f"{_x(row, left):.1f},{_y(row[name] * scale):.1f}" for row in rows)
                look = f'fill="none" stroke="{COLOURS[name]}" stroke-width="2" stroke-dasharray="{dash}"'
                parts.append(f'<polyline points="{points}" {look}/>')
        panels += parts
    keys = (("S", "S of the winners, calibrated, in %"), ("text", "text percentile of the winners"))
    legend = [
        f'<text x="{LEFT + 330 * at}" y="{HEIGHT - 10}" fill="{COLOURS[name]}">{words}</text>'
        for at, (name, words) in enumerate(keys)
    ]
    legend.append(f'<text x="{WIDTH - 12}" y="{HEIGHT - 10}" text-anchor="end">full: calibrated, dashed: raw</text>')
    title = escape(f"scorer: {result['scorer']}; {result['items']} drawn items")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="13">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/><text x="{LEFT}" y="20" font-size="14">{title}</text>'
        + "".join([*panels, *legend])
        + "</svg>\n"
    )


def _x(row: Mapping[str, Any], left: float) -> float:
    return left + PANEL * float(row["alpha"])


def _y(value: float) -> float:
    return TOP + TALL * (1 - value)


def _band(rows: Sequence[Mapping[str, Any]], name: str, scale: float, left: float) -> str:
    """The 95 % interval, shaded."""
    above = [f"{_x(row, left):.1f},{_y(row[f'{name}_high'] * scale):.1f}" for row in rows]
    below = [f"{_x(row, left):.1f},{_y(row[f'{name}_low'] * scale):.1f}" for row in reversed(rows)]
    return f'<polygon points="{" ".join(above + below)}" fill="{COLOURS[name]}" fill-opacity="0.15"/>'


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(
        trade_plot(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), encoding="utf-8"
    )
