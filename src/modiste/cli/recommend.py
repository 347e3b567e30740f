"""`modiste recommend`: stored looks, and looks made anew, for a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from modiste.cli import outfit_options as common

if TYPE_CHECKING:
    from modiste.engine.answers import FoundLook
    from modiste.engine.recommend import Reason, Recommended


@common.with_choices()
def recommend(
    choices: common.Choices,
    user: str = typer.Option(
        "", "--user", "-u", help="Who she is in the shop: by what she took, and what training knew."
    ),
    likes: list[str] = typer.Option(
        [], "--like", "-l", help="A stored look or an item that she likes, by id; may be repeated."
    ),
    photos: list[Path] = typer.Option([], "--photo", help="A photo of what she likes; may be repeated."),
    looks: int = typer.Option(5, "-n", "--looks", min=1, max=200, help="How many looks."),
    generate: bool = typer.Option(False, "--generate", help="Also make looks anew, her taste in their value."),
    text: str = typer.Option("", "--text", help="What the new looks are for; may be empty."),
    size: int = typer.Option(None, "--size", min=1, help="Items of a new look.  [default: as many as are best]"),
    beta: float = typer.Option(0.3, "--beta", min=0, max=1, help="How much her taste counts in a new look."),
    filters: list[str] = common.FILTERS,
    again: bool = typer.Option(False, "--again", help="Also what she has already taken."),
    stored: Path = typer.Option(None, "--stored", help="Stored looks.  [default: looks.jsonl of the catalogue]"),
) -> None:
    """Recommend outfits to a person, with reasons: somebody known, or anybody by a few likes or photos.

    By the trained taste that `modiste tastes attach` has put into the catalogue; without one, by likeness, and it says so.

    ```console
    modiste recommend shop --user anna -n 5 --html for_anna.html
    modiste recommend shop --like look-17 --like 2951 --photo street.jpg --json
    modiste recommend shop --user anna --generate --text "office" --beta 0.5
    ```
    """
    from modiste.cli.console import print_json, say
    from modiste.cli.outfit_answers import outfit_card, say_notes, say_pictures, write_pictures
    from modiste.cli.photos import read_photo
    from modiste.engine.recommend import Recommender

    if not user and not likes and not photos:
        raise ValueError("who is it for? Say --user ID, or what she likes with --like ID or --photo FILE")
    if stored is not None and not stored.is_file():
        raise ValueError(f"{stored}: no such file")
    bench = common.open_workbench(choices)
    recommender = Recommender.open(bench.store, stored)
    given = [recommender.like(one) for one in likes]
    vectors = [(path.name, bench.need_encoder().encode_query("", read_photo(path)).vectors[0]) for path in photos]
    person = recommender.person(user, given, vectors)
    found = recommender.recommend(person, looks, again=again)
    made: list[tuple[FoundLook, tuple[Reason, ...]]] = []
    if generate:
        if text.strip():
            bench.need_encoder()
        made = list(
            recommender.generate(
                person, bench.engine, min(looks, 10), text=text, beta=beta, again=again, size=size, filters=filters
            )
        )
    notes = [*found.notes, *(bench.notes if generate else ())]
    if choices.html or choices.png:
        items = {one: bench.store.get(one) for look in found.looks for one in look.look.item_ids}
        cards = [
            outfit_card(bench, [items[name] for name in one.look.item_ids], one.look.id, facts(one), None)
            for one in found.looks
        ]
        cards += [
            outfit_card(bench, look.items, f"Made for you {at}", made_facts(look, why), None)
            for at, (look, why) in enumerate(made, 1)
        ]
        write_pictures(bench, f"For {user}" if user else "For you", cards, [found.method, *notes])
    if choices.json:
        query = {
            "user": user, "likes": likes, "photos": [str(one) for one in photos], "looks": looks, "again": again,
            "generate": generate, "text": text, "beta": beta,
        }  # fmt: skip
        values: dict[str, Any] = {
            "query": query, "looks": [one.as_dict() for one in found.looks], "method": found.method,
            "trained": found.trained, "notes": notes,
        }  # fmt: skip
        if generate:
            values["generated"] = [{**look.as_dict(), "reasons": [one.as_dict() for one in why]} for look, why in made]
            values |= bench.about()
        print_json(values)
        return
    for one in found.looks:
        say(f"{one.look.id}: {', '.join(one.look.item_ids)}")
        say("  " + ". ".join(facts(one)))
    for at, (look, why) in enumerate(made, 1):
        say(f"made for you {at}: {', '.join(look.ids)}")
        say("  " + ". ".join(made_facts(look, why)))
    if not found.looks:
        say("no stored look is left to recommend")
    say_notes(bench, notes)
    say(f"by {found.method}")
    say_pictures(bench)


def facts(one: Recommended) -> list[str]:
    """What is said of a stored look."""
    from modiste.cli.outfit_answers import sentence_case

    told = [f"More to her taste than {100 * one.taste:.0f} % of the stored looks"] if one.taste is not None else []
    if one.taste is None and one.similarity is not None:
        told.append(f"Similarity {one.similarity:.2f}")
    return told + [sentence_case(str(reason)) for reason in one.reasons]


def made_facts(look: FoundLook, why: tuple[Reason, ...]) -> list[str]:
    """What is said of a look that was made."""
    from modiste.cli.outfit_answers import proof, sentence_case

    told = [f"Score {look.score:.2f} (goes together {look.compatibility:.2f}, her taste {look.taste or 0:.2f})"]
    return [*told, sentence_case(proof(look.exact, look.claim)), *(sentence_case(str(one)) for one in why)]
