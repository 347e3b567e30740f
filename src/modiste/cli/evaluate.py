"""`modiste evaluate`: a protocol's numbers for a model on a data set."""

from __future__ import annotations

from pathlib import Path

import typer

from modiste.evaluation.protocols import PROTOCOLS, require_protocol

_LIST = "; ".join(f"{name}: {protocol.summary}" for name, protocol in PROTOCOLS.items())


def evaluate(
    protocol: str = typer.Argument(..., help=_LIST),
    model: str = typer.Option("", help="A name of `modiste models`, a folder (a run's too), or a hub name."),
    data: str = typer.Option(..., "--data", "-d", help="A table, a folder with splits, or atelier:SIZE[:SEED]."),
    split: str = typer.Option("", help="train, valid or test.  [default: test where the data has splits, else all]"),
    num_queries: int = typer.Option(0, help="Only so many queries, drawn by the seed; 0 for all."),
    seed: int = typer.Option(0, help="Of negatives, queries and bootstrap."),
    control: bool = typer.Option(True, help="Also report the metadata-only control."),
    out: Path = typer.Option(None, "--out", "-o", help="Also write the JSON there."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Measure a model by a named protocol, with 95 % bootstrap intervals.

    ```console
    modiste evaluate retrieval-1of101 --data data/fashion_products --split test
    modiste evaluate retrieval-full --model runs/dual_encoder_small --data atelier:2000:5 --json
    ```
    """
    import json as jsonlib
    import time

    from modiste import __version__
    from modiste.cli.console import errors, print_json, results
    from modiste.data.sources import default_split, load_items
    from modiste.evaluation.controls import add_metadata_control
    from modiste.evaluation.retrieval import evaluate_encoder
    from modiste.files import write_atomically
    from modiste.models.pretrained import load

    require_protocol(protocol)
    split = split or default_split(data) or ""
    encoder = load(model or None)
    with errors.status(f"reading {data}"):
        items = load_items(data, split or None)
    with errors.status(f"encoding {len(items):,} items with {encoder.id.name}"):
        report = evaluate_encoder(protocol, items, encoder, seed=seed, num_queries=num_queries or None)
    if control:
        with errors.status("metadata-only control"):
            report = add_metadata_control(report, items)
    made = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "modiste": __version__}
    model_id = {"model": encoder.id.name, "sha256": encoder.id.sha256}
    result = {**model_id, "data": data, "split": split or "all", **report.as_dict(), **made}
    if out is not None:
        write_atomically(out, (jsonlib.dumps(result, indent=2) + "\n").encode())
    if json:
        print_json(result)
    else:
        results.print(report_table(report, encoder.id.name))


def report_table(report, name):  # type: ignore[no-untyped-def]
    """The report as a rich table: metric, value with interval, control, chance."""
    from rich.table import Table

    rows = report.table()
    table = Table(
        title=f"{report.protocol}: {name}, {report.num_queries:,} queries (percent)", box=None, header_style="bold"
    )
    for column in rows[0]:
        table.add_column(str(column), justify="right")
    for row in rows[1:]:
        table.add_row(*(str(cell) for cell in row))
    return table
