"""`modiste models`: which encoders there are, their licence and their scores."""

from __future__ import annotations

import typer


def models(json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List the encoders that ship with Modiste and published ones known to load.

    Any other CLIP or SigLIP checkpoint in Hugging Face format works too, by hub name or folder:

        modiste index shop.csv --into shop --model patrickjohncyh/fashion-clip
    """
    from rich.table import Table

    from modiste.cli.console import print_json, results
    from modiste.registry import DEFAULT, PRETRAINED

    if json:
        print_json(
            [
                {
                    "name": one.name,
                    "default": one.name == DEFAULT,
                    "summary": one.summary,
                    "ships": one.ships,
                    "hub": one.hub,
                    "license": one.license,
                    "data": one.data,
                    "sha256": one.sha256,
                    "scores": dict(one.scores),
                }
                for one in PRETRAINED.values()
            ]
        )
        return
    table = Table(box=None, header_style="bold")
    for column in ("name", "what it is", "weights", "licence", "trained on"):
        table.add_column(column, overflow="fold")
    for one in PRETRAINED.values():
        name = f"{one.name} (default)" if one.name == DEFAULT else one.name
        table.add_row(name, one.summary, "ships here" if one.ships else f"hub: {one.hub}", one.license, one.data)
    results.print(table)
    default = PRETRAINED[DEFAULT]
    if default.scores:
        results.print(f"\n{DEFAULT}: " + ", ".join(f"{key} {value:g}" for key, value in default.scores.items()))
