"""A table's vectors into a folder that many workers share: what `embed` and its Ray job have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modiste.engine.embedding import EmbeddingProgress, EmbeddingReport
    from modiste.types import ItemEncoder

LEAST_SHARDS = 16
SHARD_ROWS = 20_000  # of the table; what one shard's vectors take of the memory follows from it
LEASE_SECONDS = 60.0


@dataclass(frozen=True)
class TableToEmbed:
    """What to embed and where to; plain values, so that it can be sent to another machine."""

    table: Path
    out: Path
    model: str = ""
    device: str = "cpu"
    num_shards: int | None = None  # of a new folder
    precision: str = ""  # of a new folder: float32 or float16
    dialect: str = "auto"
    mapping: Mapping[str, str] = field(default_factory=dict)
    image_folder: Path | None = None
    batch_size: int = 256
    prune: bool = False
    lease_seconds: float = LEASE_SECONDS


def chosen_model(job: TableToEmbed) -> str:
    """The model asked for, else the one that made the folder's vectors."""
    from modiste.engine.embedded import FILE_NAME, EmbeddingManifest

    if job.model or not (job.out / FILE_NAME).exists():
        return job.model
    manifest = EmbeddingManifest.read(job.out)
    return manifest.model or manifest.encoder.name


def embed_table(
    job: TableToEmbed,
    encoder: ItemEncoder,
    shards: Callable[[int], Sequence[int]],
    *,
    wait: bool = True,
    take_over: bool = True,
    show: Callable[[EmbeddingProgress], None] | None = None,
) -> EmbeddingReport:
    """Embed what is in `shards`, given how many there are, and what others have left undone.

    Raises `FeedError` for a table that cannot be read, `EmbeddingError` and `EncoderMismatch` for a folder that is of another
    encoder or table.
    """
    from modiste.data.feed import FeedReport, read_rows
    from modiste.engine.embedding import EmbeddingJob, open_folder
    from modiste.engine.leases import Leases

    with Leases(job.out / "claims", seconds=job.lease_seconds) as leases:
        folder = open_folder(job.out, wanted_manifest(job, encoder), leases)

        def read(report: FeedReport) -> Any:
            return read_rows(
                job.table, dialect=job.dialect, mapping=job.mapping or None, image_folder=job.image_folder,  # type: ignore[arg-type]
                report=report, check_images=False,
            )  # fmt: skip

        one = EmbeddingJob(
            folder, encoder, leases, read, batch_size=job.batch_size, prune=job.prune, progress=show
        )  # fmt: skip
        return one.run(shards(folder.manifest.num_shards), wait=wait, take_over=take_over)


def wanted_manifest(job: TableToEmbed, encoder: ItemEncoder) -> Any:
    """What the folder should say of itself; what was left open is as an existing folder has it, or follows from the table."""
    from modiste.data.feed import count_rows, find_table
    from modiste.engine.embedded import FILE_NAME, MAX_SHARDS, EmbeddingManifest, fingerprint

    num_shards, precision = job.num_shards, job.precision
    if (job.out / FILE_NAME).exists():
        found = EmbeddingManifest.read(job.out)
        num_shards, precision = num_shards or found.num_shards, precision or found.precision
    if num_shards is None:
        num_shards = min(MAX_SHARDS, max(LEAST_SHARDS, -(-count_rows(job.table) // SHARD_ROWS)))
    if not 1 <= num_shards <= MAX_SHARDS:
        raise ValueError(f"{num_shards} shards: choose between 1 and {MAX_SHARDS:,}")
    read_as = {"dialect": job.dialect, "mapping": sorted(job.mapping.items())}
    return EmbeddingManifest(
        encoder.id, num_shards, "float16" if precision == "float16" else "float32", job.model,
        fingerprint(find_table(job.table), read_as),
    )  # fmt: skip
