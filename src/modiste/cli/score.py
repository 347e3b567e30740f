"""`modiste score`: do these items go together?"""

from __future__ import annotations

from modiste.cli import outfit_options as common


@common.with_choices(without=("deadline",))
def score(
    choices: common.Choices,
    items: list[str] = common.OUTFIT,
    text: str = common.TEXT,
) -> None:
    """Judge an outfit: how well its items go together, and how well they match a text.

    What breaks a rule of validity (two tops, a dress over trousers, more than eight items) scores 0, and the answer says why.
    Photos of one's own may stand for ids.

    ```console
    modiste score shop 1163 2951 15970
    modiste score shop top=shirt.jpg jeans.jpg shoes=boots.jpg --png outfit.png
    modiste score shop 1163 2951 --text "smart office look" --alpha 0.7 --json
    ```
    """
    from modiste.cli.console import print_json, results, say
    from modiste.cli.outfit_answers import (
        better_than,
        items_table,
        outfit_card,
        say_notes,
        say_pictures,
        write_pictures,
    )
    from modiste.taxonomy import slot

    bench = common.open_workbench(choices)
    outfit = bench.items(items)
    if text.strip():
        bench.need_encoder()
    verdict = bench.engine.score(outfit, text)
    words = [f"Score {verdict.score:.3f}"]
    if text.strip() or not verdict.valid:
        words.append(f"go together {verdict.compatibility:.3f}")
    if verdict.match is not None:
        words.append(f"match with the text {verdict.match:.3f}")
    if verdict.percentile is not None:
        words.append(better_than(verdict.percentile))
    if choices.html is not None or choices.png is not None:
        few = len({item.id for item in verdict.items}) <= 12  # an explanation looks at every subset
        explanation = bench.engine.explain(verdict.items, swaps=False) if few else None
        card = outfit_card(
            bench, verdict.items, ", ".join(words), [text] if text.strip() else [], explanation, verdict.problems
        )
        write_pictures(bench, "Does it go together?", [card], bench.notes)
    if choices.json:
        query = {"items": [item.id for item in verdict.items], "text": text}
        print_json({"query": query, **bench.about(), **verdict.as_dict(), "notes": bench.notes})
        return
    results.print(items_table([(item, "", None, slot(item.category)) for item in verdict.items]))
    say(f"[bold]{', '.join(words)}[/]", markup=True)
    for problem in verdict.problems:
        say(f"not an outfit: {problem}")
    say_notes(bench, bench.notes)
    say(bench.label)
    say_pictures(bench)
