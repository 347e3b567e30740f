"""A table into a catalogue, with a report of bad rows: what `index`, `demo` and the service's jobs share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modiste.engine.ingest import IngestProgress, IngestReport
    from modiste.engine.photo_features import FeatureReport
    from modiste.types import Captioner, Item, ItemEncoder


@dataclass(frozen=True)
class IngestCounts:
    """What happened to the table's rows."""

    into: str
    report_file: Path
    rows: int
    warnings: int
    rejected: int
    ingest: IngestReport
    captioned: int = 0  # descriptions that were written from photos
    features: FeatureReport | None = None  # of photos, where the catalogue keeps them

    def as_dict(self) -> dict[str, Any]:
        counts = dataclasses.asdict(self.ingest) | {"rejected": self.rejected}
        described = {"described": self.features.described} if self.features else {}
        return {
            "into": self.into,
            "rows": self.rows,
            "warnings": self.warnings,
            "report": str(self.report_file),
            "captioned": self.captioned,
            **described,
        } | counts

    def sentence(self) -> str:
        done = self.ingest
        kinds = [
            ("new", done.added),
            ("changed", done.updated),
            ("unchanged", done.unchanged),
            ("deleted", done.deleted),
        ]
        told = ", ".join(f"{count:,} {name}" for name, count in kinds if count) or "nothing"
        rate = f", {done.images_per_second:,.0f} items/s encoded" if done.added and done.images_per_second else ""
        written = f", {self.captioned:,} descriptions written" if self.captioned else ""
        of = self.features
        described = f"; {of.described:,} photos described in {of.seconds:.1f} s" if of else ""
        return f"indexed into {self.into}: {told} in {done.seconds:.1f} s{rate}{written}{described}"


def ingest_table(
    table: Path,
    into: Path,
    encoder: ItemEncoder,
    *,
    model: str = "",
    exact: str = "",
    vectors: str = "",
    dialect: Any = "auto",
    mapping: Mapping[str, str] | None = None,
    image_folder: Path | None = None,
    strict: bool = False,
    prune: bool = False,
    report_file: Path,
    batch_size: int = 256,
    show: Callable[[IngestProgress], None] | None = None,
    captioner: Captioner | None = None,
    look: Callable[[int, int], None] | None = None,
) -> IngestCounts:
    """Read, check, encode and store every item of the table; raises `FeedError` at a bad row when `strict`.

    `captioner` writes descriptions for items that have a photo and none.
    `vectors`: where they are found from now on, as `Catalogue.move_vectors` takes it.
    `show` is called after each batch; an exception in it ends the work, and what was encoded is committed. Then the photos are
    described for exact search, where the catalogue keeps features or `exact` names a GRNet; `look` gets how many of how many.
    """
    from modiste.data.feed import FeedError, FeedReport, read_rows
    from modiste.engine.captions import Describer
    from modiste.engine.catalogue import Catalogue
    from modiste.service.exact import keep_up

    store = Catalogue.open_or_create(into, encoder.id, model=model)
    if vectors:
        store.move_vectors(vectors)
    describer = Describer(captioner, store) if captioner is not None else None
    rows: dict[str, int] = {}  # of the items that are on their way, for the report

    with FeedReport(report_file) as report:
        numbered = read_rows(
            table, dialect=dialect, mapping=mapping, image_folder=image_folder, report=report, strict=strict,
            check_images=False,  # the encoder decodes every photo anyway; what it refuses is reported below
        )  # fmt: skip

        def items() -> Iterator[Item]:
            for row, item in numbered:
                rows[item.id] = row
                yield item

        def refuse(item: Item, reason: str) -> None:
            row = rows.get(item.id, 0)
            if strict:
                raise FeedError(f"{table}: row {row}: image: {reason}")
            report.reject(row, item.id, "image", reason)

        feed = items() if describer is None else describer.described(items())
        done = store.ingest(feed, encoder, on_error=refuse, progress=show, prune=prune, batch_size=batch_size)
    return IngestCounts(
        store.name,
        report_file,
        report.rows_read,
        report.warnings,
        report.rejected,
        done,
        describer.written if describer is not None else 0,
        keep_up(store, exact, look),
    )
