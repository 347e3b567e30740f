"""`modiste generate`: whole outfits for a text."""

from __future__ import annotations

import typer

from modiste.cli import outfit_options as common


@common.with_choices()
def generate(
    choices: common.Choices,
    text: str = typer.Argument("", help='What the outfit is for: "wedding guest in summer, pastel".'),
    size: int = typer.Option(None, "--size", min=1, help="Items of the outfit.  [default: as many as are best]"),
    looks: int = common.COUNT,
    have: list[str] = typer.Option([], "--have", help="An item that has to be in it: an id, or a photo file."),
    filters: list[str] = common.FILTERS,
) -> None:
    """Make whole outfits for a text. Their shape is chosen among the rules' templates, their size if it is not given.

    Every look says whether it is exact (nothing better is possible in its place), or how much better one could be at most.
    `--size 1` ranks single items as `modiste search` does.

    ```console
    modiste generate shop "wedding guest in summer, pastel" --size 4 -n 5 --html looks.html
    modiste generate shop "office, navy" -n 3 --filter "price<60" --rules house.toml --json
    modiste generate shop "weekend" --have 1163 --size 4 --png look.png
    ```
    """
    from modiste.cli.outfit_answers import show_answer

    if not text.strip() and not have:
        raise ValueError('nothing to go by: give a text, such as "summer wedding guest", or an item with --have ID')
    bench = common.open_workbench(choices)
    given = bench.items(have)
    if text.strip():
        bench.need_encoder()
    answer = bench.engine.generate(text, size=size, n=looks, have=given, filters=filters)
    query = {
        "text": text, "size": size, "have": [one if isinstance(one, str) else one.id for one in given],
        "filters": filters, "looks": looks,
    }  # fmt: skip
    show_answer(bench, answer, text.strip() or "Generated", query)
