"""`modiste explain`: why an outfit scores as it does, and what would help most."""

from __future__ import annotations

import typer

from modiste.cli import outfit_options as common


@common.with_choices()
def explain(
    choices: common.Choices,
    items: list[str] = common.OUTFIT,
    text: str = common.TEXT,
    swaps: bool = typer.Option(True, help="Also look for the best exchange of one item."),
) -> None:
    """Say which items and pairs of an outfit help or hurt, in terms that add up to its score, and the best single exchange.

    The rules also give their reasons in words: harmony, formality, season and so on.

    ```console
    modiste explain shop 1163 2951 15970
    modiste explain shop 1163 2951 15970 --text "smart office look" --html why.html --json
    ```
    """
    from modiste.cli.console import print_json, results, say
    from modiste.cli.outfit_answers import outfit_card, pairs_of, say_notes, say_pictures, write_pictures

    bench = common.open_workbench(choices)
    outfit = bench.items(items)
    if text.strip():
        bench.need_encoder()
    verdict = bench.engine.score(outfit, text)
    found = bench.engine.explain(outfit, text, swaps=swaps)
    distinct = list({item.id: item for item in verdict.items}.values())
    best = []
    if found.best_swap is not None and found.best_swap.after - found.best_swap.before >= 0.005:  # else not worth a word
        best = [f"Best exchange: {found.best_swap} ({found.best_swap.replacement_id})"]
    elif swaps:
        best = ["No exchange of a single item would help."]
    if choices.html is not None or choices.png is not None:
        card = outfit_card(bench, distinct, f"Score {found.score:.3f}", best, found, verdict.problems)
        write_pictures(bench, "Why", [card], bench.notes)
    why = bench.reasons(distinct)
    if choices.json:
        told = found.as_dict()
        for pair in told["pairs"]:
            pair["reasons"] = list(why.get(frozenset(pair["ids"]), ()))
        query = {"items": [item.id for item in verdict.items], "text": text}
        print_json({"query": query, **bench.about(), **told, "problems": list(verdict.problems), "notes": bench.notes})
        return
    results.print(_items_table(found, {item.id: item for item in distinct}))
    say(
        f"[bold]score {found.score:.3f}[/] = {found.base:.3f} for any outfit"
        + "".join(f" {'+' if one.total >= 0 else '-'} {abs(one.total):.3f}" for one in found.items),
        markup=True,
    )
    say("")
    for pair in pairs_of(bench, distinct, found):
        say(f"{pair.term:+.3f}  {pair.names[0]} + {pair.names[1]}")
        if pair.why:
            say(f"        {pair.why}")
    for line in best:
        say(f"\n{line}")
    for problem in verdict.problems:
        say(f"not an outfit: {problem}")
    say_notes(bench, bench.notes)
    say(bench.label)
    say_pictures(bench)


def _items_table(found, items):  # type: ignore[no-untyped-def]
    from rich.markup import escape
    from rich.table import Table

    matched = any(one.match for one in found.items)
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("title", overflow="fold")
    table.add_column("id", overflow="fold")
    for name in ("goes together", *(["match"] if matched else []), "without it"):
        table.add_column(name, justify="right")
    for one in found.items:
        numbers = [f"{one.compatibility:+.3f}", *([f"{one.match:+.3f}"] if matched else []), f"{one.without:.3f}"]
        table.add_row(escape(items[one.item_id].title), escape(one.item_id), *numbers)
    return table
