"""`modiste swap`: one item exchanged, the rest stays."""

from __future__ import annotations

from pathlib import Path

import typer

from modiste.cli import outfit_options as common


def swap(
    catalogue: Path = common.CATALOGUE,
    items: list[str] = common.OUTFIT,
    which: str = typer.Option(..., "--which", help="The item to exchange: its id, photo file, or kind (bag)."),
    wish: str = typer.Option("", "--wish", help="What to have in its place: small red clutch."),
    looks: int = common.COUNT,
    filters: list[str] = common.FILTERS,
    scorer: str = common.SCORER,
    data: str = common.LOOKS,
    calibration: str = common.CALIBRATION,
    rules: Path = common.RULES,
    alpha: float = common.ALPHA,
    deadline: float = common.DEADLINE,
    html: Path = common.HTML,
    png: Path = common.PNG,
    model: str = common.MODEL,
    device: str = common.DEVICE,
    json: bool = common.JSON,
) -> None:
    """Exchange one item of an outfit for the best other one of its kind, with a wish or without.

    ```console
    modiste swap shop 1163 2951 15970 --which bag
    modiste swap shop 1163 2951 15970 --which 15970 --wish "small red clutch" -n 3 --html looks.html
    ```
    """
    from modiste.cli.outfit_answers import show_answer

    choices = common.Choices(
        catalogue, scorer, data, calibration, rules, alpha, deadline, model, device, html, png, json
    )
    bench = common.open_workbench(choices)
    outfit = bench.items(items)
    if wish.strip():
        bench.need_encoder()
    answer = bench.engine.swap(outfit, which, looks, wish=wish, alpha=alpha, filters=filters)
    query = {
        "items": [one if isinstance(one, str) else one.id for one in outfit], "which": which, "wish": wish,
        "filters": filters, "looks": looks,
    }  # fmt: skip
    show_answer(bench, answer, f"Another {which.replace('_', ' ')}", query)
