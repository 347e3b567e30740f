"""`modiste swap`: one item exchanged, the rest stays."""

from __future__ import annotations

import typer

from modiste.cli import outfit_options as common


@common.with_choices()
def swap(
    choices: common.Choices,
    items: list[str] = common.OUTFIT,
    which: str = typer.Option(..., "--which", help="The item to exchange: its id, photo file, or kind (bag)."),
    wish: str = typer.Option("", "--wish", help="What to have in its place: small red clutch."),
    looks: int = common.COUNT,
    filters: list[str] = common.FILTERS,
) -> None:
    """Exchange one item of an outfit for the best other one of its kind, with a wish or without.

    ```console
    modiste swap shop 1163 2951 15970 --which bag
    modiste swap shop 1163 2951 15970 --which 15970 --wish "small red clutch" -n 3 --html looks.html
    ```
    """
    from modiste.cli.outfit_answers import show_answer

    bench = common.open_workbench(choices)
    outfit = bench.items(items)
    if wish.strip():
        bench.need_encoder()
    answer = bench.engine.swap(outfit, which, looks, wish=wish, alpha=choices.alpha, filters=filters)
    query = {
        "items": [one if isinstance(one, str) else one.id for one in outfit], "which": which, "wish": wish,
        "filters": filters, "looks": looks,
    }  # fmt: skip
    show_answer(bench, answer, f"Another {which.replace('_', ' ')}", query)
