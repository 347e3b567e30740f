"""Looks and verdicts as people see them: tables, words, cards for collages, and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from modiste.cli.collage import LookCard, Pair, Piece, write_collages, write_looks_page
from modiste.cli.console import errors, print_json, results, say

if TYPE_CHECKING:
    from rich.table import Table

    from modiste.cli.outfit_options import Bench
    from modiste.engine.answers import Answer, FoundLook
    from modiste.engine.explain import Explanation
    from modiste.types import ImageLike, Item


def show_answer(bench: Bench, answer: Answer, title: str, query: dict[str, Any]) -> None:
    """Print an answer, as JSON or in words, and write the pictures that were asked for.

    Nothing printed depends on the clock, so that the same question gives the same bytes.
    """
    notes = [*bench.notes, *answer.notes]
    choices = bench.choices
    if choices.html or choices.png:
        headings = [title] if len(answer.looks) == 1 else [f"Look {at}" for at in range(1, len(answer.looks) + 1)]
        cards = [look_card(bench, look, heading) for look, heading in zip(answer.looks, headings, strict=True)]
        write_pictures(bench, title, cards, notes)
    if choices.json:
        print_json({"query": query, **bench.about(), **answer.as_dict(seconds=False), "notes": notes})
        return
    for number, look in enumerate(answer.looks, 1):
        say(
            f"[bold]Look {number}[/]  {sentence(look)}" + (f"  [dim]{look.template}[/]" if look.template else ""),
            markup=True,
        )
        results.print(_look_table(look))
    say_notes(bench, notes)
    say(f"{bench.label}; {answer.method}, {answer.scored:,} outfits scored")
    say_pictures(bench)


def sentence(look: FoundLook) -> str:
    """Score and proof in words; nothing in it comes from a catalogue."""
    words = [f"score {look.score:.3f}"]
    if any(one.match is not None for one in look.chosen):
        words.append(f"go together {look.compatibility:.3f}")
    if look.percentile is not None:
        words.append(better_than(look.percentile))
    words.append(proof(look.exact, look.claim))
    return ", ".join(words)


def proof(exact: bool, claim: str) -> str:
    return "exact: nothing better is possible in its place" if exact else claim


def better_than(percentile: float) -> str:
    return f"better than {percentile:.0f} % of stylists' looks"


def say_notes(bench: Bench, notes: Sequence[str]) -> None:
    for note in notes:
        say(f"note: {note}")


def say_pictures(bench: Bench) -> None:
    for path in (bench.choices.html, bench.choices.png):
        if path is not None:
            say(f"pictures: {path}")


def write_pictures(bench: Bench, title: str, cards: Sequence[LookCard], notes: Sequence[str] = ()) -> None:
    """The page and the PNG, if they were asked for."""
    with errors.status("drawing"):
        if bench.choices.html is not None:
            write_looks_page(bench.choices.html, title, "; ".join([bench.label, *notes]), cards)
        if bench.choices.png is not None:
            write_collages(bench.choices.png, title, cards)


def look_card(bench: Bench, look: FoundLook, heading: str) -> LookCard:
    """A found look with its photos and what its pairs add."""
    pieces = [Piece(one, photo(bench, one), given=True) for one in look.given]
    shared = (
        {one.wish for one in look.chosen} if len(look.chosen) > 1 else set()
    )  # the text of the whole look, said once
    pieces += [
        Piece(one.item, photo(bench, one.item), wish="" if len(shared) == 1 else one.wish, match=one.match)
        for one in look.chosen
    ]
    facts = [f"Score {look.score:.2f}" + (f", {better_than(look.percentile)}" if look.percentile is not None else "")]
    if any(one.match is not None for one in look.chosen):
        facts[0] += f" (go together {look.compatibility:.2f})"
    facts.append(sentence_case(proof(look.exact, look.claim)))
    explanation = bench.engine.explain(look.items, swaps=False)
    return LookCard(heading, tuple(pieces), tuple(facts), tuple(pairs_of(bench, look.items, explanation)))


def sentence_case(text: str) -> str:
    return text[:1].upper() + text[1:]


def outfit_card(
    bench: Bench, items: Sequence[Item], heading: str, facts: Sequence[str], explanation: Explanation | None,
    notes: Sequence[str] = (),
) -> LookCard:  # fmt: skip
    """An outfit that was given."""
    pairs = tuple(pairs_of(bench, items, explanation)) if explanation else ()
    return LookCard(heading, tuple(Piece(one, photo(bench, one)) for one in items), tuple(facts), pairs, tuple(notes))


def photo(bench: Bench, item: Item) -> ImageLike | None:
    """An item's own photo, or the one that the catalogue keeps."""
    if item.image is not None or bench.store.snapshot().find(item.id) is None:
        return item.image
    return bench.store.image(item.id)


def pairs_of(bench: Bench, items: Sequence[Item], explanation: Explanation) -> list[Pair]:
    """The pairs of an explanation, the weightiest first, with the rules' reasons where rules scored."""
    names = {item.id: item.title or item.id for item in items}
    why = bench.reasons(items)
    found = [
        Pair(
            (names[one.item_ids[0]], names[one.item_ids[1]]),
            one.compatibility,
            "; ".join(why.get(frozenset(one.item_ids), ())),
        )
        for one in explanation.pairs
    ]
    return sorted(found, key=lambda pair: (-abs(pair.term), pair.names))


def _look_table(look: FoundLook) -> Table:
    rows: list[tuple[Item, str, float | None, str]] = [(one, "", None, "given") for one in look.given]
    rows += [(one.item, one.wish, one.match, one.slot) for one in look.chosen]
    return items_table(rows)


def items_table(rows: Sequence[tuple[Item, str, float | None, str]]) -> Table:
    """Items with the wish they answer and how well, and their place in the outfit."""
    from rich.markup import escape
    from rich.table import Table

    wishes = any(match is not None for _, _, match, _ in rows)
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", style="dim")
    table.add_column("title", overflow="fold")
    for name in ("category", "colour", "price"):
        table.add_column(name)
    longest = max((len(item.id) for item, *_ in rows), default=0)
    table.add_column("id", overflow="fold", min_width=min(longest, 24))  # to be copied: titles give way first
    if wishes:
        table.add_column("match", justify="right")
    for item, _, match, place in rows:
        cells = [
            place.replace("_", " "), item.title, item.category, item.attributes.get("colour", ""),
            item.attributes.get("price", ""), item.id,
        ]  # fmt: skip
        if wishes:
            cells.append("" if match is None else f"{match:.2f}")
        table.add_row(*(escape(str(cell)) for cell in cells))
    return table
