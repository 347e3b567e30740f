"""Bulk embedding as a Ray Data job: shards are the rows of a data set, a pool of actors embeds them.

Ray brings the processes, on one machine or a cluster, and starts a lost one anew; what an actor does to its shards is what
every worker does, so the files are the same, and a job that died is taken up by another one, with or without Ray.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modiste.service.table_embedding import TableToEmbed, chosen_model, embed_table

if TYPE_CHECKING:
    from modiste.engine.embedding import EmbeddingReport

_READINGS = 2  # of the table by each actor, about: more balance the load better, and read more


class ShardEmbedder:
    """An actor: loads the encoder once, then embeds the shards of each batch it is given."""

    def __init__(self, job: TableToEmbed) -> None:
        from modiste.models.pretrained import load

        self._job = job
        self._encoder = load(chosen_model(job) or None, device=job.device)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        import numpy as np

        shards = [int(shard) for shard in batch["shard"]]
        report = embed_table(self._job, self._encoder, lambda _: shards, wait=False, take_over=False)
        counts = dataclasses.asdict(report) | {"process": os.getpid()}
        return {name: np.array([value]) for name, value in counts.items()}


def embed_with_ray(job: TableToEmbed, address: str, num_workers: int = 0) -> EmbeddingReport:
    """Embed the table on a Ray cluster: at `address`, "auto", or one that lives as long as this call, "local".

    Table, pictures and folder must be seen by all of its machines under the same paths. `num_workers` 0: one for each CPU, or
    GPU where the encoder runs on those. Raises `ValueError` when Ray is missing or cannot be reached.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise ValueError("--ray needs Ray Data: pip install 'modiste[ray]'") from error
    from modiste.engine.embedded import EmbeddingFolder
    from modiste.engine.embedding import EmbeddingReport, open_folder
    from modiste.engine.leases import Leases
    from modiste.models.pretrained import load
    from modiste.service.table_embedding import wanted_manifest

    began = time.monotonic()
    # The folder is made here, so that every actor finds the same shards.
    manifest = wanted_manifest(job, load(chosen_model(job) or None))
    local_model = str(Path(job.model).resolve()) if job.model and Path(job.model).is_dir() else job.model
    job = dataclasses.replace(
        job, table=job.table.resolve(), out=job.out.resolve(), model=local_model,
        image_folder=job.image_folder.resolve() if job.image_folder else None,
    )  # fmt: skip
    with Leases(job.out / "claims", seconds=job.lease_seconds) as leases:
        folder: EmbeddingFolder = open_folder(job.out, manifest, leases)
    num_shards = folder.manifest.num_shards
    on_gpu = job.device.startswith("cuda")
    started = not ray.is_initialized()
    if started:
        try:
            options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
            if address == "local":
                options |= {"num_cpus": num_workers or None, "include_dashboard": False}
            ray.init(address=address, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ValueError(f"no Ray cluster at {address!r}: {error}") from error
    try:
        resources = ray.cluster_resources()
        size = num_workers or max(1, int(resources.get("GPU" if on_gpu else "CPU", 1)))
        rows = max(1, -(-num_shards // (size * _READINGS)))
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        done = (
            ray.data.from_items(
                [{"shard": number} for number in range(num_shards)], override_num_blocks=-(-num_shards // rows)
            )
            .map_batches(
                ShardEmbedder,
                fn_constructor_args=(job,),
                batch_size=rows,
                compute=ray.data.ActorPoolStrategy(size=size),
                num_cpus=1,
                num_gpus=1 if on_gpu else 0,
            )
            .take_all()
        )
    finally:
        if started:
            ray.shutdown()
    state = str(folder.manifest.table["sha256"])
    unfinished = sum(not folder.is_finished(shard, state) for shard in range(num_shards))
    counts = {
        name: sum(int(one[name]) for one in done)
        for name in ("encoded", "unchanged", "duplicates", "rejected", "shards")
    }
    return EmbeddingReport(
        **counts,
        taken_over=0,
        waiting_for=unfinished,
        seconds=time.monotonic() - began,
        all_rejected=0 if unfinished else folder.merge_rejected(),
    )
