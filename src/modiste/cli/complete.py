"""`modiste complete`: what goes with what one has."""

from __future__ import annotations

import typer

from modiste.cli import outfit_options as common


@common.with_choices()
def complete(
    choices: common.Choices,
    more: list[str] = typer.Argument(None, metavar="[ITEM...]", help="More items that are given, as after --have."),
    have: list[str] = typer.Option(
        [], "--have", help="An item that is given: an id, or a photo file. Ids may follow it."
    ),
    want: list[str] = typer.Option(
        [],
        "--want",
        "-w",
        help="What is wanted: KIND (bag), KIND: WISH (shoes: white sneakers), any: WISH.  [default: open]",
    ),
    text: str = common.TEXT,
    size: int = typer.Option(None, min=1, help="Items in all, where no --want says it."),
    looks: int = common.COUNT,
    filters: list[str] = common.FILTERS,
) -> None:
    """Complete an outfit: fill slots of given kinds, each with a wish or none, so that everything goes together.

    A kind is a category, a super-category or a slot (top, bottom, one_piece, outerwear, shoes, bag, hat, accessory,
    jewellery); `boots/sandals` allows both. Without --want the shape of the outfit is chosen too.

    ```console
    modiste complete shop --have 1163 2951 --want "shoes: white leather sneakers" --want bag
    modiste complete shop --have top=shirt.jpg --want bottom --want shoes -n 3 --html looks.html
    modiste complete shop --have 1163 --text "smart office look" --size 4 --json
    ```
    """
    from modiste.cli.outfit_answers import show_answer

    if size is not None and want:
        raise ValueError("--size is for outfits without --want: what is given and wanted says how many items there are")
    bench = common.open_workbench(choices)
    given = bench.items([*have, *(more or [])])
    slots = bench.slots(want)
    if not given and not slots:
        raise ValueError("nothing to complete: say what you have (--have ID) or what you want (--want shoes)")
    if text.strip() or any(slot.wish for slot in slots):
        bench.need_encoder()
    if slots:
        answer = bench.engine.complete(bench.engine.query(given, slots, text, choices.alpha), looks, filters=filters)
    else:
        answer = bench.engine.generate(text, size=size, n=looks, have=given, filters=filters)
    query = {
        "have": [one if isinstance(one, str) else one.id for one in given], "want": want, "text": text, "size": size,
        "filters": filters, "looks": looks,
    }  # fmt: skip
    show_answer(bench, answer, text.strip() or "Completed", query)
