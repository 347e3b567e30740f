"""A table into a catalogue with a progress bar: what `index` and `demo` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modiste.cli.console import progress_bar
from modiste.service.table_ingest import IngestCounts
from modiste.service.table_ingest import ingest_table as ingest

if TYPE_CHECKING:
    from modiste.engine.ingest import IngestProgress
    from modiste.types import ItemEncoder


def ingest_table(table: Path, into: Path, encoder: ItemEncoder, **options: Any) -> IngestCounts:
    """`service.table_ingest.ingest_table`, shown while it goes on."""
    from modiste.data.feed import count_rows

    with progress_bar("items/s") as bar:
        task = bar.add_task("indexing", total=count_rows(table), rate="")

        def show(state: IngestProgress) -> None:
            done = state.added + state.updated + state.unchanged + state.rejected
            bar.update(task, completed=done, rate=f"{done / max(state.seconds, 1e-9):,.0f}")

        def look(done: int, total: int) -> None:
            bar.update(task, description="describing photos", completed=done, total=total, rate="")

        return ingest(table, into, encoder, show=show, look=look, **options)
