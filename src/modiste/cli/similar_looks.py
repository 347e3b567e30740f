"""`modiste similar-looks`: looks of a data set that are like an outfit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from modiste.cli import outfit_options as common


@common.with_choices(without=("scorer", "data", "calibration", "rules", "alpha", "deadline"))
def similar_looks(
    choices: common.Choices,
    items: list[str] = common.OUTFIT,
    among: Path = typer.Option(
        ..., "--among", help="A JSON-lines file of looks of this catalogue's items; see docs/outfits.md."
    ),
    looks: int = typer.Option(5, "-n", "--looks", min=1, max=1000, help="How many looks."),
) -> None:
    """Find looks that are like an outfit: by the cosine of mean item vectors, what all items have in common taken off.

    ```console
    modiste similar-looks shop 1163 2951 15970 --among outfits.jsonl -n 3 --html looks.html
    ```
    """
    from modiste.cli.console import print_json, say
    from modiste.cli.outfit_answers import outfit_card, say_pictures, write_pictures
    from modiste.data.feed.report import FeedReport
    from modiste.data.outfit_table import read_looks

    bench = common.open_workbench(replace(choices, calibration="none"))
    outfit = bench.items(items)
    report = FeedReport()
    written = [look for some in read_looks(among, report=report).values() for look in some]
    snapshot = bench.store.snapshot()
    able = [look for look in written if all(snapshot.find(one) is not None for one in look.item_ids)]
    if not able:
        raise ValueError(f"{among}: none of its {len(written)} looks is of items of {choices.catalogue}")
    names = {look.item_ids: look.id for look in reversed(able)}  # of equal looks the first
    found = bench.engine.similar_looks(outfit, sorted(names), looks)
    left_out = len(written) - len(able) + report.rejected
    if choices.html is not None or choices.png is not None:
        cards = [
            outfit_card(
                bench, [bench.store.get(one) for one in one_look.look], names[one_look.look],
                [f"Similarity {one_look.similarity:.2f}"], None,
            )
            for one_look in found
        ]  # fmt: skip
        write_pictures(bench, "Similar looks", cards)
    if choices.json:
        print_json(
            {
                "query": {"items": [one if isinstance(one, str) else one.id for one in outfit], "among": str(among)},
                "looks": [{"id": names[one.look], **one.as_dict()} for one in found],
                "left_out": left_out,
            }
        )
        return
    for one in found:
        say(f"{one.similarity:.3f}  {names[one.look]}: {', '.join(one.look)}")
    if left_out:
        say(f"note: {left_out} looks were left out: bad lines, or items that {choices.catalogue} does not have")
    say_pictures(bench)
