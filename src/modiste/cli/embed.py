"""`modiste embed`: a catalogue's vectors, made by many workers, ready to be taken up by `modiste index --embedded`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from modiste.engine.embedding import EmbeddingReport
    from modiste.engine.workers import Worker
    from modiste.service.table_embedding import TableToEmbed
    from modiste.types import ItemEncoder


def embed(
    table: Path = typer.Argument(..., help="CSV, TSV, JSONL or Parquet; or a folder that holds one."),
    out: Path = typer.Option(
        ..., "--out", "-o", help="The folder of vectors that all workers share; made if not there."
    ),
    model: str = typer.Option("", help="Encoder: a name of `modiste models`, a folder, or a hub name."),
    shards: int = typer.Option(None, min=1, help="Into how many pieces.  [default: by the table's size, at least 16]"),
    worker: str = typer.Option(
        "", help="I/W: this is worker I, from 0, of W.  [default: as torchrun, SLURM or MPI say; else the only one]"
    ),
    half: bool = typer.Option(False, "--half", help="Keep 16-bit vectors: half the disk, rounded to 3 digits."),
    mapping: list[str] = typer.Option([], "--map", help="FIELD=COLUMN, as of `modiste index`."),
    dialect: str = typer.Option("auto", help="auto, plain, google (Merchant feed), shopify (product export)."),
    images: Path = typer.Option(None, help="Folder of the photos.  [default: the table's folder]"),
    prune: bool = typer.Option(False, "--prune", help="Drop vectors that no row of the table needs any more."),
    wait: bool = typer.Option(True, help="Stay until all shards are done, to take over those of workers that die."),
    lease: float = typer.Option(60.0, help="Seconds without a sign of life after which a worker counts as dead."),
    batch_size: int = typer.Option(256, min=1, help="Items that are handed to the encoder at a time."),
    device: str = typer.Option(
        "cpu", help="Where the encoder runs: cpu, cuda, mps; cuda under torchrun: each its own."
    ),
    ray: str = typer.Option("", help="As a Ray Data job: `local`, `auto` (the cluster here), or a cluster's address."),
    ray_workers: int = typer.Option(0, min=0, help="How many actors that job has.  [default: one for each CPU or GPU]"),
    json: bool = typer.Option(False, "--json", help="Print the counts as JSON."),
) -> None:
    """Make the vectors of a whole catalogue, on one machine or many, for `modiste index --embedded` to take up.

    Each worker does its share of the shards, then what others have left: start as many as you like, on all machines that see
    the folder. What is there is not encoded again; a killed worker's shards go to another one, or to the next run. Items
    with the same words and photo are encoded once. Bad rows are listed in OUT/rejected.jsonl when all is done.

    ```console
    modiste embed shop.csv --out vectors
    modiste embed shop.csv --out vectors --worker 0/2
    torchrun --nproc-per-node 4 -m modiste embed shop.parquet --out /shared/vectors --model org/clip --half
    modiste embed shop.csv --out vectors --ray local --ray-workers 2
    modiste index shop.csv --into shop --embedded vectors
    ```
    """
    import os

    from modiste.cli.console import print_json, say
    from modiste.cli.index import as_pair
    from modiste.engine.workers import worker_of
    from modiste.service.table_embedding import TableToEmbed, chosen_model

    if "://" in str(out) or ":/" in str(out):
        raise ValueError(
            f"{out}: vectors go to a folder; claims need a file system. Copy it to object storage afterwards"
        )
    if not 1 <= lease <= 86_400:
        raise ValueError(f"--lease {lease:g}: choose between 1 and 86400 seconds")
    me = worker_of(worker, os.environ)
    job = TableToEmbed(
        table, out, model, _own_device(device, os.environ.get("LOCAL_RANK", "")), shards, "float16" if half else "", dialect,
        dict(as_pair(entry) for entry in mapping), images, batch_size, prune, lease,
    )  # fmt: skip
    if ray:
        from modiste.service.ray_embedding import embed_with_ray

        report = embed_with_ray(job, ray, ray_workers)
    else:
        from modiste.models.pretrained import load

        encoder = load(chosen_model(job) or None, device=job.device)
        with ended_by_sigterm():
            report = _shown(job, encoder, me, wait)
    if json:
        import dataclasses

        print_json({"out": str(out), "worker": str(me), **dataclasses.asdict(report), "finished": report.finished})
        return
    say(_sentence(out, str(me) if me.count > 1 else "", report))
    if report.all_rejected:
        say(f"{report.all_rejected:,} bad rows are listed in {out / 'rejected.jsonl'}")
    if report.finished and me.index == 0:
        say(f"next: modiste index {table} --into shop --embedded {out}")


def _shown(job: TableToEmbed, encoder: ItemEncoder, me: Worker, wait: bool) -> EmbeddingReport:
    """Do the work; the first worker shows a bar of the rows it has read."""
    from modiste.cli.console import progress_bar
    from modiste.data.feed import count_rows
    from modiste.engine.embedding import EmbeddingProgress
    from modiste.service.table_embedding import embed_table

    with progress_bar("encoded/s") as bar:
        task = bar.add_task("embedding", total=count_rows(job.table), rate="", visible=me.index == 0)

        def show(state: EmbeddingProgress) -> None:
            if state.waiting_for:
                bar.update(task, description=f"waiting for {state.waiting_for:,} shards of other workers")
            else:
                rate = f"{state.encoded / max(state.seconds, 1e-9):,.0f}"
                bar.update(task, completed=state.read, rate=rate, description="embedding")

        return embed_table(job, encoder, me.share, wait=wait, show=show)


def _sentence(out: Path, worker: str, report: EmbeddingReport) -> str:
    kinds = [
        ("encoded", report.encoded),
        ("there already", report.unchanged),
        ("the same as another", report.duplicates),
        ("rejected", report.rejected),
    ]
    told = ", ".join(f"{count:,} {name}" for name, count in kinds if count) or "nothing to do"
    over = f" ({report.taken_over:,} taken over)" if report.taken_over else ""
    left = f"; {report.waiting_for:,} shards are not finished yet" if report.waiting_for else ""
    who = f"worker {worker}: " if worker else ""
    return f"{who}{report.shards:,} shards{over} in {out}: {told} in {report.seconds:.1f} s{left}"


def _own_device(device: str, local_rank: str) -> str:
    """Under torchrun every process of a machine has a GPU of its own."""
    return f"cuda:{local_rank}" if device == "cuda" and local_rank.isdecimal() else device


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Inside, a scheduler's polite end is as Ctrl-C: what was encoded is written down, and claims are given back."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # which alone may say so
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
