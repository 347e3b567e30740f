"""`modiste tag`: category, sub-category, colour and whatever else a model's label heads tell, of photos or of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from modiste.cli.tagging import Guess, Tagged, Tally
    from modiste.models.mvlt_inference import Recogniser
    from modiste.types import Item

MAX_CARDS = 500  # pictures on a page
_SOURCES = ("atelier", "fashion_products", "fashiongen:", "coco:")  # of data/sources.py: what need not be a path


def tag(
    inputs: list[str] = typer.Argument(
        ..., metavar="PHOTO...|TABLE", help="Photos; or one table, a folder that holds one, or a source: atelier:20."
    ),
    model: str = typer.Option("", help="A name of `modiste models` that can tag, or a folder (a run's too)."),
    text: str = typer.Option("", help="The photos' title, if they have one; a table has its own."),
    top: int = typer.Option(3, "-k", "--top", min=1, max=100, help="How many values of each label."),
    out: Path = typer.Option(None, "--out", "-o", help="Write the result there: .jsonl, .csv or .parquet."),
    html: Path = typer.Option(None, "--html", help=f"Also write a page with the first {MAX_CARDS} pictures."),
    mapping: list[str] = typer.Option([], "--map", help="FIELD=COLUMN of a table, as for `modiste index`."),
    dialect: str = typer.Option("auto", help="Of a table: auto, plain, google, shopify."),
    images: Path = typer.Option(None, help="Folder of a table's photos.  [default: the table's folder]"),
    report: Path = typer.Option(None, help="Where a table's bad rows are listed.  [default: OUT.rejected.jsonl]"),
    device: str = typer.Option("cpu", help="Where the model runs: cpu, cuda, mps."),
    json: bool = typer.Option(False, "--json", help="Print JSON: a photo's labels, or the counts of a table."),
) -> None:
    """Tell what photos show: category, sub-category, colour, gender, season and usage, with probabilities.

    Words beside a photo help, and what has no photo is told by its words. A table's bad rows are skipped and listed; its
    result is written batch by batch, however long it is.

    ```console
    modiste tag photo.jpg
    modiste tag shirt.jpg shoe.jpg --html tags.html
    modiste tag shop.csv --out tags.parquet
    modiste tag atelier:20 --model runs/mvlt_small --top 1 --json
    ```
    """
    from modiste.cli.index import as_pair
    from modiste.cli.tagging import require_suffix

    if out is not None:
        require_suffix(out)  # complain before torch loads
    wanted = _Wanted(model, device, top, out, html, json)
    feed = {"dialect": dialect, "mapping": dict(as_pair(one) for one in mapping), "image_folder": images}
    if _are_photos(inputs):
        if mapping or images or report or dialect != "auto":
            raise ValueError("--map, --dialect, --images and --report are for tables; these are photos")
        _tag_photos([Path(one) for one in inputs], text, wanted)
        return
    if text.strip():
        raise ValueError("--text is for photos; the rows of a table have their own titles")
    _tag_table(inputs[0], feed, report, wanted)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The options that photos and tables share."""

    model: str
    device: str
    top: int
    out: Path | None
    html: Path | None
    json: bool


def _are_photos(inputs: list[str]) -> bool:
    """Whether the arguments are photos; False for one table. Raises `ValueError` for a mixture, or what is not there."""
    from modiste.data.feed import SUFFIXES
    from modiste.data.images import image_format

    tables = []
    for name in inputs:
        path = Path(name)
        if not path.exists():
            if not name.startswith(_SOURCES):
                raise ValueError(f"{name}: no such file or folder, and not a source such as atelier:20 either")
            tables.append(name)
        elif path.is_dir():
            tables.append(name)
        elif path.suffix.lower() in SUFFIXES:
            with path.open("rb") as stream:
                if image_format(stream.read(16)) is None:
                    tables.append(name)
    if tables and len(inputs) > 1:
        raise ValueError(f"{tables[0]} is no photo: give photos, or a single table")
    return not tables


def _tag_photos(paths: list[Path], text: str, wanted: _Wanted) -> None:
    from modiste.cli.console import print_json, results, say
    from modiste.cli.photos import read_photo, warn_of_long_text
    from modiste.cli.tagging import tag_items, tag_writer
    from modiste.models.pretrained import load_recogniser
    from modiste.types import Item

    recogniser = load_recogniser(wanted.model or None, device=wanted.device)
    warn_of_long_text(text, recogniser)

    def refuse(_: int, item: Item, reason: str) -> None:
        raise ValueError(f"{item.id}: {reason}")

    photos = ((number, Item(str(path), text, read_photo(path))) for number, path in enumerate(paths, 1))
    found = [one for batch in tag_items(photos, recogniser, top=wanted.top, refuse=refuse) for one in batch]
    if wanted.out is not None:
        with tag_writer(wanted.out, recogniser.labels, wanted.top) as write:
            write(found)
    if wanted.html is not None:
        _write_page(wanted.html, [_card(one) for one in found[:MAX_CARDS]], len(found), recogniser)
    if wanted.json:
        told = [{"photo": one.item.id, "labels": one.as_dict()} for one in found]
        print_json({"model": recogniser.name, "sha256": recogniser.sha256, "text": text, "photos": told})
        return
    for one in found:
        say(one.item.id)
        results.print(_photo_table(one))
    _say_where(wanted)


def _tag_table(source: str, feed: Mapping[str, Any], report_file: Path | None, wanted: _Wanted) -> None:
    import contextlib
    import time

    from modiste.cli.console import print_json, progress_bar, results, say
    from modiste.cli.tagging import Tally, tag_items, tag_writer
    from modiste.data.feed import FeedReport
    from modiste.models.pretrained import load_recogniser

    recogniser = load_recogniser(wanted.model or None, device=wanted.device)
    if report_file is None and wanted.out is not None:
        report_file = wanted.out.with_name(f"{wanted.out.name}.rejected.jsonl")
    began, tally, cards = time.perf_counter(), Tally(), list[dict[str, Any]]()
    with contextlib.ExitStack() as stack:
        report = stack.enter_context(FeedReport(report_file))
        numbered, total = _rows(source, feed, report)

        def refuse(row: int, item: Item, reason: str) -> None:
            report.reject(row, item.id, "image", reason)

        write = None
        if wanted.out is not None:
            write = stack.enter_context(tag_writer(wanted.out, recogniser.labels, wanted.top))
        bar = stack.enter_context(progress_bar("items/s"))
        task = bar.add_task("tagging", total=total, rate="")
        for batch in tag_items(numbered, recogniser, top=wanted.top, refuse=refuse):
            if write is not None:
                write(batch)
            for one in batch:
                tally.add(one)
            if wanted.html is not None:
                cards += [_card(one) for one in batch[: MAX_CARDS - len(cards)]]
            rate = tally.num_items / (time.perf_counter() - began)
            bar.update(task, completed=tally.num_items + report.rejected, rate=f"{rate:,.0f}")
    seconds = time.perf_counter() - began
    if wanted.html is not None:
        _write_page(wanted.html, cards, tally.num_items, recogniser)
    if wanted.json:
        print_json(
            {
                "model": recogniser.name,
                "sha256": recogniser.sha256,
                "table": source,
                "tagged": tally.num_items,
                "rejected": report.rejected,
                "warnings": report.warnings,
                "out": str(wanted.out) if wanted.out is not None else None,
                "report": str(report_file) if report_file is not None else None,
                "seconds": round(seconds, 3),
                "labels": tally.as_dict(),
            }
        )
        return
    say(f"{tally.num_items:,} items tagged by {recogniser.name} in {seconds:.1f} s")
    if tally.num_items:
        results.print(_summary_table(tally))
    if report.rejected and report_file is not None:
        say(f"{report.rejected:,} bad rows are listed in {report_file}")
    elif report.rejected:
        say(f"{report.rejected:,} bad rows were skipped; --report FILE lists them")
    _say_where(wanted)


def _rows(source: str, feed: Mapping[str, Any], report: Any) -> tuple[Iterable[tuple[int, Item]], int]:
    """The source's items with their row numbers, and about how many there are."""
    from modiste.data.feed import count_rows, read_rows
    from modiste.data.sources import load_items

    if Path(source).exists():
        # The recogniser decodes every photo anyway, and one without a title is what this command is for.
        return read_rows(source, **feed, report=report, check_images=False, require_title=False), count_rows(source)
    items = load_items(source, report=report)
    return enumerate(items, 1), len(items)


def _photo_table(tagged: Tagged) -> Table:
    """One photo's labels: label, best value, probability, runners-up."""
    from rich.markup import escape
    from rich.table import Table

    from modiste.cli.tagging import friendly

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for name in ("label", "value"):
        table.add_column(name)
    table.add_column("probability", justify="right")
    table.add_column("runners-up", style="dim")
    for label, guesses in tagged.labels.items():
        (value, probability), *others = guesses
        cells = (friendly(label), value, _percent(probability), _listed(others))
        table.add_row(*(escape(cell) for cell in cells))
    return table


def _summary_table(tally: Tally) -> Table:
    """A table's labels: label, the most frequent values, the mean probability of the best value."""
    from rich.markup import escape
    from rich.table import Table

    from modiste.cli.tagging import friendly

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("label")
    table.add_column("most frequent", overflow="fold")
    table.add_column("mean probability", justify="right")
    for label, counts in tally.values.items():
        frequent = ", ".join(f"{value} {count:,}" for value, count in counts.most_common(4))
        table.add_row(escape(friendly(label)), escape(frequent), _percent(tally.mean_probability(label)))
    return table


def _card(tagged: Tagged) -> dict[str, Any]:
    """What the page shows of an item; its photo is made small at once."""
    from modiste.cli.contact_sheet import picture_source
    from modiste.cli.tagging import friendly

    labels = [
        {"name": friendly(label), "best": best[0], "share": _percent(best[1]), "others": _listed(others)}
        for label, (best, *others) in tagged.labels.items()
    ]
    item = tagged.item
    return {"title": item.title or Path(item.id).name, "photo": picture_source(item.image), "labels": labels}


def _write_page(path: Path, cards: list[dict[str, Any]], num_items: int, recogniser: Recogniser) -> None:
    from modiste.cli.contact_sheet import write_page

    left_out = f"the first {len(cards):,} of {num_items:,} items" if num_items > len(cards) else ""
    write_page(path, "tags.html", title=f"{num_items:,} items, tagged by {recogniser.name}", note=left_out, cards=cards)


def _say_where(wanted: _Wanted) -> None:
    from modiste.cli.console import say

    if wanted.out is not None:
        say(f"labels: {wanted.out}")
    if wanted.html is not None:
        say(f"pictures: {wanted.html}")


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f} %"


def _listed(guesses: Iterable[Guess]) -> str:
    return ", ".join(f"{value} {_percent(probability)}" for value, probability in guesses)
