"""`modiste search`: find items by words, by photo, or by photo and words."""

from __future__ import annotations

from pathlib import Path

import typer


def search(
    catalogue: Path = typer.Argument(..., help="The catalogue's folder, as `modiste index` made it."),
    words: str = typer.Argument("", help='What to look for: "red dress with polka dots".'),
    image: Path = typer.Option(None, "--image", "-i", help="A photo to search with."),
    filters: list[str] = typer.Option(
        [], "--filter", "-f", help="FIELD OP VALUE: colour=Red|Blue, price<50, title~linen. Several are joined by and."
    ),
    k: int = typer.Option(10, "-k", "--top", min=1, max=1000, help="How many to show."),
    per_product: bool = typer.Option(False, "--per-product", help="Show one item of each product (group)."),
    html: Path = typer.Option(None, "--html", help="Also write a page with pictures."),
    model: str = typer.Option("", help="Where the catalogue's encoder is, if it has moved since."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Search a catalogue by words, by photo, or by both ("like this, but red").

    ```console
    modiste search shop "black leather ankle boots"
    modiste search shop --image photo.jpg --html found.html
    modiste search shop "the same, but red" --image photo.jpg --filter "price<80" --filter "category=Dress"
    ```
    """
    from modiste.cli.console import print_json, results, say
    from modiste.cli.contact_sheet import Row, write_contact_sheet
    from modiste.engine.catalogue import Catalogue
    from modiste.models.pretrained import load

    if not words.strip() and image is None:
        raise ValueError('nothing to search for: give words, such as "red dress", or a photo with --image FILE')
    photo = image.read_bytes() if image is not None else None
    store = Catalogue.open(catalogue)
    encoder = load(model or store.model or store.encoder_id.name)
    found = store.search(
        encoder.encode_query(words, photo), k=k, filters=filters, collapse="group" if per_product else None,
        images=html is not None,
    )  # fmt: skip
    if html is not None:
        hits = [(hit.item, hit.score) for hit in found.hits]
        write_contact_sheet(html, f"{len(hits)} of {found.total_candidates:,} items", [Row(words, photo, hits)])
    if json:
        print_json(
            {
                "query": {"text": words, "image": str(image) if image else None, "filters": filters},
                "encoder": {"name": store.encoder_id.name, "sha256": store.encoder_id.sha256},
                "candidates": found.total_candidates,
                "seconds": round(found.seconds, 6),
                "hits": [
                    {
                        "id": hit.item.id,
                        "score": round(hit.score, 6),
                        "title": hit.item.title,
                        "category": hit.item.category,
                        "group": hit.item.group,
                        "attributes": dict(hit.item.attributes),
                    }
                    for hit in found.hits
                ],
            }
        )
        return
    results.print(hits_table([(hit.item, hit.score) for hit in found.hits]))
    if html is not None:
        say(f"pictures: {html}")


def hits_table(hits):  # type: ignore[no-untyped-def]
    """The hits as a rich table: rank, score, title, category, colour, price, id."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("", justify="right", style="dim")
    table.add_column("score", justify="right")
    table.add_column("title", overflow="fold")
    for column in ("category", "colour", "price", "id"):
        table.add_column(column)
    for rank, (item, score) in enumerate(hits, 1):
        cells = (
            item.title,
            item.category,
            item.attributes.get("colour", ""),
            item.attributes.get("price", ""),
            item.id,
        )
        table.add_row(str(rank), f"{score:.3f}", *(escape(str(cell)) for cell in cells))
    return table
