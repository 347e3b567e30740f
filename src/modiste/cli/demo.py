"""`modiste demo`: the main job from end to end on a catalogue that is drawn on the spot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from modiste.cli.collage import LookCard
    from modiste.engine.catalogue import Catalogue
    from modiste.models.inference import ImageTextEncoder

QUERIES = (
    "red dress with polka dots",
    "black leather ankle boots",
    "navy striped t-shirt",
    "yellow floral skirt",
)


OUTFIT_TEXT = "navy and white office look"
NUM_LOOKS = (300, 60, 12)  # stored ones, as many of these as there are items for


def demo(
    items: int = typer.Option(2000, min=10, max=1_000_000, help="How many items to draw."),
    into: Path = typer.Option(Path("demo"), "--into", "-o", help="Where everything is written."),
    model: str = typer.Option("", help="Encoder: a name of `modiste models`, a folder, or a hub name."),
    seed: int = typer.Option(0, help="Another seed draws another catalogue."),
    k: int = typer.Option(8, "-k", "--top", min=1, max=100, help="Results per query."),
    serve: bool = typer.Option(
        True, "--serve/--no-serve", help="At the end serve the catalogue, with its page, until Ctrl-C."
    ),
    port: int = typer.Option(8000, min=0, max=65535, help="Where it is served; another one if this is taken."),
) -> None:
    """Draw a catalogue, index it, search it by words and by a customer's photo, put outfits together, and serve it all.

    Needs no download and no data. A second run finds everything done and only searches.

    ```console
    modiste demo
    modiste demo --items 10000 --into big --seed 3
    modiste demo --no-serve
    ```
    """
    import time

    from modiste.cli.console import progress_bar, results, say
    from modiste.cli.contact_sheet import Row, write_contact_sheet
    from modiste.cli.ingest import ingest_table
    from modiste.cli.search import find, hits_table
    from modiste.data.atelier import Atelier, write_catalogue
    from modiste.engine.catalogue import Catalogue
    from modiste.files import write_atomically
    from modiste.models.pretrained import load, reranker_of

    started = time.perf_counter()
    world = Atelier(seed=seed)
    with progress_bar("items/s") as bar:
        task = bar.add_task("drawing the catalogue", total=items, rate="")

        def drawn(done: int) -> None:
            bar.update(task, completed=done, rate=f"{done / max(1e-9, time.perf_counter() - started):.0f}")

        table = write_catalogue(world, items, into / "catalogue", progress=drawn)
    say(f"{items:,} items drawn: {table}")

    encoder = load(model or None)
    counts = ingest_table(table, into / "index", encoder, model=model, prune=True, report_file=into / "rejected.jsonl")
    say(counts.sentence())

    store = Catalogue.open(into / "index")
    judge = reranker_of(encoder)
    judge = judge if judge is not None and judge.share else None
    rows = []
    for words in QUERIES:
        found, seen = find(store, encoder, words, k=k, judge=judge, images=True)
        hits = [(hit.item, hit.score) for hit in seen.hits[:k]]
        say(f"\n[bold]{words}[/]", markup=True)
        results.print(hits_table(hits))
        note = f"words, {found.seconds * 1000:.1f} ms among {found.total_candidates:,}"
        if seen.log_odds:
            note += f", the first {len(seen.log_odds)} judged again in {seen.seconds * 1000:.0f} ms"
        rows.append(Row(words, None, hits, note))

    asked = min(items - 1, 7)
    photo = world.customer_photo(asked)
    photo_file = write_atomically(into / "customer.jpg", photo)
    found, seen = find(store, encoder, photo=photo, k=k, images=True)
    hits = [(hit.item, hit.score) for hit in seen.hits]
    wanted = world.item(asked, image=False)
    place = next((rank for rank, (item, _) in enumerate(hits, 1) if item.id == wanted.id), None)
    note = f"a customer's photo of {wanted.id}: " + (f"found at place {place}" if place else f"not among the first {k}")
    say(f"\n{photo_file} ({note})")
    results.print(hits_table(hits))
    rows.insert(0, Row("A customer's photo", photo, hits, note))

    looks = _looks(store, encoder, wanted.id)
    _store_looks(into / "index", table, items, seed)
    page = write_contact_sheet(into / "results.html", "Modiste: a drawn catalogue, searched", rows, looks=looks)
    say(
        f"\n[bold]Done in {time.perf_counter() - started:.0f} s.[/] Look at the pictures: {page}\n"
        "Try next:\n"
        f'  modiste search {into / "index"} "warm winter coat" --html found.html\n'
        f"  modiste search {into / 'index'} --image {photo_file} --filter category={wanted.category} --filter 'price<30'\n"
        f"  modiste tag {photo_file}\n"
        f'  modiste generate {into / "index"} "summer wedding" --size 4 -n 5 --html looks.html\n'
        "  modiste index YOUR_TABLE.csv --into shop\n"
        f"  modiste serve {into / 'index'}\n"
        "(`. .venv/bin/activate` puts modiste on your path)",
        markup=True,
    )
    if serve:
        _serve(into / "index", port)


def _store_looks(index: Path, table: Path, items: int, seed: int) -> None:
    """Looks of the drawn stylists beside the catalogue, for the service to recommend; fewer where the world is small."""
    from modiste.data.atelier.looks import atelier_outfits
    from modiste.data.outfit_table import write_looks

    target = index / "looks.jsonl"
    if target.exists() and target.stat().st_mtime >= table.stat().st_mtime:
        return
    for num_looks in NUM_LOOKS:
        try:
            world = atelier_outfits(items, seed, num_looks=num_looks)
        except ValueError:  # too few items for so many looks
            continue
        write_looks(target, world.looks)
        return


def _serve(index: Path, port: int) -> None:
    import os
    import sys
    import webbrowser

    from modiste.cli.console import say
    from modiste.service.server import serve
    from modiste.service.settings import Settings

    def told(address: str) -> None:
        say(f"\n[bold]Open {address}[/]  (Ctrl-C stops it)", markup=True)
        desktop = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if sys.stdout.isatty() and desktop:
            webbrowser.open(address)

    settings = Settings(index.resolve(), port=port, log_level="warning")
    try:
        serve(settings, told)
    except OSError:  # the port is taken
        serve(replace(settings, port=0), told)


def _looks(store: Catalogue, encoder: ImageTextEncoder, item_id: str) -> list[LookCard]:
    """What goes with an item, and an outfit for a text, by the style rules; nothing where the catalogue is too small."""
    from modiste.cli.console import say
    from modiste.cli.outfit_answers import look_card, sentence
    from modiste.cli.outfit_options import Choices, open_workbench
    from modiste.engine.conflicts import NoFeasibleOutfit

    bench = open_workbench(Choices(store.folder, calibration="none"))
    bench.engine.encoder = encoder
    cards = []
    for heading, text, have in (
        (f"What goes with {store.get(item_id).title or item_id}", "", [item_id]),
        (OUTFIT_TEXT, OUTFIT_TEXT, []),
    ):
        say(f"\n{heading}, by style rules")
        try:
            (look,) = bench.engine.generate(text, size=4, have=have).looks
        except NoFeasibleOutfit as error:
            say(str(error))
            continue
        for item in look.items:
            say(f"  {item.title} ({item.id})")
        say(f"  {sentence(look)}")
        cards.append(look_card(bench, look, heading))
    return cards
