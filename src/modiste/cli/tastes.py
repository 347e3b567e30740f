"""`modiste tastes`: what people took, and the trained tastes that recommend to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from modiste.data.outfits import Look
    from modiste.engine.clicks import ClickBook

tastes = typer.Typer(
    help="What people took, and trained tastes: ingest, click, export, attach, show, forget.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

CATALOGUE = typer.Argument(..., help="The catalogue's folder.")
LOOKS = typer.Option(None, "--looks", help="Stored looks.  [default: looks.jsonl of the catalogue]")
JSON = typer.Option(False, "--json", help="Print JSON.")
USER = typer.Option(..., "--user", "-u", help="The person's id in the shop: a pseudonym, if it is wise.")


@tastes.command()
def ingest(
    catalogue: Path = CATALOGUE,
    table: Path = typer.Argument(..., help="CSV, TSV, JSONL or Parquet with user_id and outfit_id."),
    looks: Path = LOOKS,
    report: Path = typer.Option(
        None, help="Where bad rows are listed.  [default: rejected_clicks.jsonl of the catalogue]"
    ),
    json: bool = JSON,
) -> None:
    """Take a table of clicks on stored looks into the catalogue's folder, all of it or nothing.

    Rows that are there already are skipped, so tomorrow's table may hold today's. Bad rows (no user, an unknown look, a weight
    that is no number...) are skipped and listed with their reason. A weight of 0 or below is no click.

    ```console
    modiste tastes ingest shop clicks.parquet
    ```
    """
    from modiste.cli.console import print_json, say
    from modiste.data.feed.report import FeedReport
    from modiste.data.interaction_tables import read_clicks
    from modiste.engine.place import own_folder

    known = {look.id for look in _stored(catalogue, looks)}
    if not known:
        raise ValueError(f"{catalogue} has no stored looks to click on; put them into looks.jsonl, see docs/outfits.md")
    book, listed = _book(catalogue), report or own_folder(catalogue) / "rejected_clicks.jsonl"
    with FeedReport(listed) as found:
        clicks = read_clicks(table, known, report=found)
    added = book.add_all((one.user, one.outfit, "") for one in clicks)
    people, total = book.counts()
    if json:
        values = {"rows": found.rows_read, "rejected": found.rejected, "added": added, "users": people, "clicks": total}
        print_json({**values, "report": str(listed)})
        return
    say(f"{added:,} clicks are new of {found.rows_read:,} rows; now {total:,} of {people:,} people")
    if found.rejected:
        say(f"{found.rejected:,} bad rows are listed in {listed}")


@tastes.command()
def click(
    catalogue: Path = CATALOGUE,
    user: str = USER,
    look: str = typer.Argument(..., help="What she took: the id of a stored look, or of an item."),
    looks: Path = LOOKS,
) -> None:
    """Write down that somebody took a look or an item; the next recommendation knows.

    ```console
    modiste tastes click shop look-17 --user anna
    ```
    """
    from modiste.cli.console import say
    from modiste.engine.catalogue import Catalogue
    from modiste.engine.recommend import Recommender

    store = Catalogue.open(catalogue)
    like = Recommender(store.snapshot(), _stored(catalogue, looks)).like(look)
    book = _book(catalogue)
    if like.look_id:
        book.add(user, look=like.look_id)
    else:
        book.add(user, item=like.item_ids[0])
    say(f"{user} took {like.label}; {len(book.of(user)):,} things are known of her")


@tastes.command()
def export(
    catalogue: Path = CATALOGUE,
    folder: Path = typer.Argument(..., help="Where the tables go."),
    looks: Path = LOOKS,
) -> None:
    """Write stored looks and clicks on them as tables to train on: `modiste train hfgn_masked_ifashion data=FOLDER`."""
    import csv
    import io

    from modiste.cli.console import say
    from modiste.data.outfit_table import write_looks
    from modiste.files import write_atomically

    stored = _stored(catalogue, looks)
    if not stored:
        raise ValueError(f"{catalogue} has no stored looks")
    folder.mkdir(parents=True, exist_ok=True)
    write_looks(folder / "outfits.jsonl", {"": stored})
    known, rows = {look.id for look in stored}, 0
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["user_id", "outfit_id"])
    for one in _book(catalogue).every():
        if one.look in known:
            writer.writerow([one.user, one.look])
            rows += 1
    write_atomically(folder / "interactions.csv", table.getvalue().encode("utf-8"), mode=0o600)
    say(f"{len(stored):,} looks and {rows:,} clicks are in {folder}")
    say(f"next: modiste train hfgn_masked_ifashion data={folder} --out runs/tastes")


@tastes.command()
def attach(
    catalogue: Path = CATALOGUE,
    folder: Path = typer.Argument(..., help="Trained tastes: the folder of a run, or of its export."),
) -> None:
    """Recommend by a trained taste from now on. It is copied; a running service takes it at the next request.

    ```console
    modiste tastes attach shop runs/tastes
    ```
    """
    from modiste.cli.console import say
    from modiste.engine.attached import attach_tastes
    from modiste.engine.catalogue import Catalogue
    from modiste.engine.place import own_folder

    snapshot = Catalogue.open(catalogue).snapshot()
    found = attach_tastes(own_folder(catalogue), folder).tastes
    known = len(snapshot.rows(list(found.item_ids)))
    say(
        f"{found.name or folder}: {len(found.user_ids):,} people, {len(found.outfit_ids):,} outfits, {len(found.item_ids):,} "
        f"items, of which this catalogue has {known:,}"
    )
    if not known:
        say(
            "note: the catalogue has none of its items, so it can say nothing of stored looks that it was not trained on"
        )


@tastes.command()
def show(catalogue: Path = CATALOGUE, json: bool = JSON) -> None:
    """Say which tastes are attached, and how many clicks are known."""
    from modiste.cli.console import print_json, say
    from modiste.engine.attached import attached_tastes
    from modiste.engine.place import own_folder

    found = attached_tastes(own_folder(catalogue))
    people, clicks = _book(catalogue).counts()
    if json:
        attached = None
        if found is not None:
            attached = {
                "name": found.tastes.name, "sha256": found.sha256, "users": len(found.tastes.user_ids),
                "outfits": len(found.tastes.outfit_ids), "items": len(found.tastes.item_ids),
            }  # fmt: skip
        print_json({"tastes": attached, "users": people, "clicks": clicks})
        return
    if found is None:
        say("no trained tastes: stored looks are recommended by likeness alone")
    else:
        say(f"{found.tastes.name or 'tastes'} {found.sha256[:16]}: {len(found.tastes.user_ids):,} people")
    say(f"{clicks:,} clicks of {people:,} people")


@tastes.command()
def forget(catalogue: Path = CATALOGUE, user: str = USER) -> None:
    """Delete the clicks of a person. Of trained tastes she is a part until they are trained again."""
    from modiste.cli.console import say

    deleted = _book(catalogue).forget(user)
    say(f"{deleted:,} clicks of {user} are deleted; train and attach again to forget what training made of them")


def _stored(catalogue: Path, looks: Path | None) -> tuple[Look, ...]:
    from modiste.engine.place import own_folder
    from modiste.engine.stored_looks import FILE_NAME, read_stored_looks

    if looks is not None and not looks.is_file():
        raise ValueError(f"{looks}: no such file")
    return read_stored_looks(looks or own_folder(catalogue) / FILE_NAME)


def _book(catalogue: Path) -> ClickBook:
    from modiste.engine.catalogue import Catalogue
    from modiste.engine.clicks import ClickBook
    from modiste.engine.place import own_folder

    if not Catalogue.is_at(catalogue):
        raise ValueError(f"no catalogue at {catalogue}; make one with `modiste index TABLE --into {catalogue}`")
    return ClickBook(own_folder(catalogue))
