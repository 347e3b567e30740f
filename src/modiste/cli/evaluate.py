"""`modiste evaluate`: a protocol's numbers for a model on a data set."""

from __future__ import annotations

from pathlib import Path

import typer

from modiste.evaluation.protocols import PROTOCOLS

_LIST = "; ".join(f"{name}: {protocol.summary}" for name, protocol in PROTOCOLS.items())


def evaluate(
    protocol: str = typer.Argument(..., help=_LIST),
    model: str = typer.Option(
        "",
        help="A name of `modiste models`, a folder (a run's too), or a hub name. Of outfits also popularity, co-occurrence, "
        "colour-family, category, mixture, mean-cosine[:ENCODER], constant (counted on the training looks), or rules; "
        "of recommendation popularity or knn.",
    ),
    data: str = typer.Option(
        ...,
        "--data",
        "-d",
        help="A table, a folder with splits, or atelier:SIZE[:SEED]; of outfits, data with looks; of "
        "recommendation ifashion, a folder with tables of clicks, or atelier:N[:SEED[:LOOKS[:USERS]]].",
    ),
    split: str = typer.Option("", help="train, valid or test.  [default: test where the data has splits, else all]"),
    num_queries: int = typer.Option(0, help="Only so many queries (or items, or looks), drawn by the seed; 0 for all."),
    by: str = typer.Option(
        "",
        help="Of retrieval: vectors, or with an MVLT itm (every pair judged) or rerank (itm on the best 25). Of outfits: s "
        "(the completed outfit's score) or cir (the partial outfit's query).  [default: vectors; s]",
    ),
    wish: str = typer.Option(
        "none",
        help="Of outfits by cir: none, or description (the query is told the right item's text: a leak, named so).",
    ),
    per_look: int = typer.Option(1, help="Of outfits: blanks per look; 0 for each of its items in turn."),
    tasks: str = typer.Option("cp,fitb,cir", help="Of outfits: which are asked; galleries (cir) take longest."),
    test: Path = typer.Option(
        None,
        help="Of outfits: ask the questions of this JSONL file instead of drawing any. Of recommendation: a table of "
        "clicks (user_id, outfit_id) in place of the test split.",
    ),
    inputs: str = typer.Option("both", help="Of recognition: both, image (text blanked), or text (image removed)."),
    gallery: str = typer.Option(
        "original", help="Of composed on FashionIQ: original (the split) or val (fewer photos)."
    ),
    images: Path = typer.Option(None, help="Of composed on FashionIQ: the folder of its photos, named ASIN.jpg."),
    beams: int = typer.Option(1, help="Of captioning: how widely words are searched; 1 takes the likeliest each time."),
    reference: str = typer.Option("title", help="Of captioning: title, or text (title and description)."),
    mask_ratio: float = typer.Option(0.5, help="Of generation: the share of each photo that is hidden."),
    seed: int = typer.Option(0, help="Of negatives, queries, masks and bootstrap."),
    control: bool = typer.Option(True, help="Also report what metadata or words alone get."),
    device: str = typer.Option("cpu", help="Where the model runs: cpu, cuda, mps."),
    out: Path = typer.Option(None, "--out", "-o", help="Also write the JSON there."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Measure a model by a named protocol, with 95 % bootstrap intervals.

    ```console
    modiste evaluate retrieval-1of101 --data data/fashion_products --split test
    modiste evaluate retrieval-full --model runs/dual_encoder_small --data atelier:2000:5 --json
    modiste evaluate retrieval-1of101 --by rerank --data data/fashion_products
    modiste evaluate recognition --model runs/mvlt_small --data data/fashion_products --inputs image
    modiste evaluate outfits --model co-occurrence --data mango_outfits
    modiste evaluate outfits --model rules --data atelier:3000
    modiste evaluate recommendation --model knn --data ifashion
    modiste evaluate generation --model runs/mvlt_small --data data/fashion_products --mask-ratio 0.5
    modiste evaluate composed --data fashion_products
    modiste evaluate composed --data fashion_iq --images data/fashion_iq/images --gallery original
    modiste evaluate captioning --model runs/fame_vil_small --data fashion_products --beams 5
    ```
    """
    import json as jsonlib
    import time

    from modiste import __version__
    from modiste.cli.console import print_json, results
    from modiste.cli.protocols import RUNNERS, Request
    from modiste.evaluation.protocols import require_protocol
    from modiste.files import write_atomically

    kind = require_protocol(protocol).kind
    if by and kind not in ("retrieval", "outfits"):
        raise ValueError(f"--by is an option of retrieval and outfits; {protocol} has none")
    if (wish != "none" or per_look != 1 or tasks != "cp,fitb,cir") and kind != "outfits":
        raise ValueError(f"--wish, --per-look and --tasks are options of outfits; {protocol} has none")
    if test is not None and kind not in ("outfits", "recommendation"):
        raise ValueError(f"--test is an option of outfits and recommendation; {protocol} has none")
    if inputs != "both" and kind != "recognition":
        raise ValueError(f"--inputs is an option of recognition; {protocol} has none")
    if (gallery != "original" or images is not None) and kind != "composed":
        raise ValueError(f"--gallery and --images are options of composed; {protocol} has none")
    if (beams != 1 or reference != "title") and kind != "captioning":
        raise ValueError(f"--beams and --reference are options of captioning; {protocol} has none")
    if beams < 1:
        raise ValueError(f"--beams must be at least 1, not {beams}")
    if mask_ratio != 0.5 and kind != "generation":
        raise ValueError(f"--mask-ratio is an option of generation; {protocol} hides nothing")
    if not 0 < mask_ratio < 1:
        raise ValueError(f"--mask-ratio must lie between 0 and 1, not {mask_ratio}")
    by = by or {"retrieval": "vectors", "outfits": "s"}.get(kind, "")
    part = split or _default_split(kind, data)
    request = Request(
        protocol, model, data, part, num_queries, seed, control, device, inputs, mask_ratio, by, wish, per_look, test,
        tuple(filter(None, (one.strip() for one in tasks.split(",")))), gallery, images, beams, reference,
    )  # fmt: skip
    measured = RUNNERS[kind](request)
    made = {"date": time.strftime("%Y-%m-%d", time.gmtime()), "modiste": __version__}
    model_id = {"model": measured.model, "sha256": measured.sha256}
    ranked: dict[str, str] = {"by": by} if kind == "retrieval" else {}
    if test is not None:
        ranked["test"] = str(test)
    result = {**model_id, "data": data, "split": part or "all", **ranked, **measured.report.as_dict(), **made}
    if out is not None:
        write_atomically(out, (jsonlib.dumps(result, indent=2) + "\n").encode())
    if json:
        print_json(result)
    else:
        results.print(report_table(measured.report.table(), f"{protocol}: {measured.model}, {measured.caption}"))


def _default_split(kind: str, data: str) -> str | None:
    from modiste.data.fashioniq import is_fashioniq
    from modiste.data.sources import default_split

    if kind in ("outfits", "recommendation"):
        return "test"
    return "valid" if kind == "composed" and is_fashioniq(data) else default_split(data)


def report_table(rows, title):  # type: ignore[no-untyped-def]
    """A report's rows as a rich table: metric, value with interval, chance, control."""
    from rich.table import Table

    table = Table(title=title, box=None, header_style="bold")
    for number, column in enumerate(rows[0]):
        table.add_column(str(column), justify="right", no_wrap=number == 0)  # a name is whole however narrow the window
    for row in rows[1:]:
        table.add_row(*(str(cell) for cell in row))
    return table
