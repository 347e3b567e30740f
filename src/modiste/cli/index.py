"""`modiste index`: a table of products becomes a searchable catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from modiste.engine.catalogue import Catalogue
    from modiste.types import ItemEncoder

TITLES = 500  # titles that are looked at for words which the encoder cannot read


def index(
    table: Path = typer.Argument(..., help="CSV, TSV, JSONL or Parquet; or a folder that holds one."),
    into: Path = typer.Option(
        ..., "--into", "-o", help="The catalogue's folder, or s3://BUCKET/NAME; made if need be."
    ),
    model: str = typer.Option("", help="Encoder: a name of `modiste models`, a folder, or a hub name."),
    vectors: str = typer.Option(
        "", help="Where vectors are searched: milvus://HOST:19530/COLLECTION, https://HOST/COLLECTION, or embedded."
    ),
    exact: str = typer.Option("", help="A GRNet's folder: describe the photos for `modiste search --exact`, too."),
    mapping: list[str] = typer.Option(
        [], "--map", help="FIELD=COLUMN for plain tables whose names are not understood: title=product_name."
    ),
    dialect: str = typer.Option("auto", help="auto, plain, google (Merchant feed), shopify (product export)."),
    images: Path = typer.Option(None, help="Folder of the photos.  [default: the table's folder]"),
    report: Path = typer.Option(None, help="Where bad rows are listed.  [default: INTO/rejected.jsonl]"),
    strict: bool = typer.Option(False, "--strict", help="Stop at the first bad row instead of reporting it."),
    prune: bool = typer.Option(False, "--prune", help="Also delete items that the table no longer has."),
    caption_missing: bool = typer.Option(
        False, "--caption-missing", help="Write descriptions from the photos for items that have none."
    ),
    caption_model: str = typer.Option("", help="What writes them: as --model of `modiste caption`."),
    embedded: Path = typer.Option(
        None, help="Take vectors from this folder of `modiste embed`; encode only what it lacks."
    ),
    device: str = typer.Option("cpu", help="Where the encoder runs: cpu, cuda, mps."),
    json: bool = typer.Option(False, "--json", help="Print the counts as JSON."),
) -> None:
    """Index a retailer's table: read, check, encode and store every item.

    Unchanged rows are skipped, so running it again after a kill or with tomorrow's table only does what is new. Bad rows
    (a missing or broken photo, an empty title, a path outside the folder...) are skipped and listed with their reason.

    `--caption-missing` fills empty descriptions, never a retailer's own, with what a model sees on the photo; such items have
    the attribute description_source=generated.

    ```console
    modiste index shop.csv --into shop
    modiste index export.csv --dialect shopify --images photos --into shop --prune
    modiste index shop.csv --into shop --exact runs/grnet_small
    modiste index shop.csv --into s3://bucket/shop --vectors milvus://vectors.example:19530/shop
    modiste index shop.csv --into shop --embedded vectors
    modiste index items.parquet --map title=productDisplayName --map category=articleType --into shop
    ```
    """
    from dataclasses import asdict

    from modiste.cli.console import print_json, say
    from modiste.cli.ingest import ingest_table
    from modiste.engine.catalogue import Catalogue
    from modiste.engine.place import place_of
    from modiste.models.pretrained import load

    place = place_of(into)

    chosen = model or (Catalogue.open(into).model if Catalogue.is_at(into) else "")
    ready = None
    if embedded is None:
        encoder: ItemEncoder = load(chosen or None, device=device)
    else:
        from modiste.engine.embedded import EmbeddingManifest, ReadyVectors

        made = EmbeddingManifest.read(embedded)
        chosen = chosen or made.model
        encoder = ready = ReadyVectors(embedded, load(chosen or made.encoder.name, device=device))
    writer = None
    if caption_missing or caption_model:
        from modiste.cli.caption import captioner

        writer = captioner(caption_model, device)
    pairs = dict(as_pair(entry) for entry in mapping)
    counts = ingest_table(
        table, into, encoder, model=chosen, exact=exact, vectors=vectors, dialect=dialect, mapping=pairs,
        image_folder=images, strict=strict, prune=prune,
        report_file=report or place.folder / "rejected.jsonl", captioner=writer,
    )  # fmt: skip
    from modiste.engine.hubs import find_hubs

    store = Catalogue.open(into)
    hubs = find_hubs(store, encoder) if counts.ingest.encoded else ()
    unread = _unread_titles(store, encoder)
    if json:
        taken = {} if ready is None else {"taken": ready.taken, "encoded": ready.encoded}
        found = {**taken, "unread_titles": round(unread, 4), "hubs": [asdict(one) for one in hubs]}
        print_json(counts.as_dict() | found)
        return
    say(counts.sentence())
    if ready is not None:
        say(f"{ready.taken:,} vectors were taken from {embedded}, {ready.encoded:,} were made anew")
    for one in hubs[:5]:
        say(
            f"look at {one.item_id} ({one.title[:60]!r}): it is among the ten best of {one.share:.0%} of unrelated questions; "
            "its photo or text may have been made for that"
        )
    if unread:
        say(
            f"note: of {100 * unread:.0f} % of the titles {encoder.id.name} cannot read a word; their items are found by their "
            "photos alone. A multilingual encoder reads them: docs/languages.md"
        )
    if counts.rejected:
        say(f"{counts.rejected:,} bad rows are listed in {counts.report_file}")
    say(f'next: modiste search {place.name} "red dress"')


def _unread_titles(store: Catalogue, encoder: ItemEncoder) -> float:
    """The share of the catalogue's titles of which the encoder cannot read a word, by some that lie evenly in it."""
    from modiste.engine.filters import TextColumn
    from modiste.engine.readable import unread_share

    column = store.snapshot().columns.get("title")
    titles = column.vocabulary if isinstance(column, TextColumn) else ()
    return unread_share(encoder, titles[:: max(1, len(titles) // TITLES)])


def as_pair(entry: str) -> tuple[str, str]:
    """FIELD=COLUMN as a pair; raises `ValueError` for anything else."""
    field, sign, column = entry.partition("=")
    if not sign or not field or not column:
        raise ValueError(f"--map {entry!r}: write FIELD=COLUMN, such as title=product_name")
    return field, column
