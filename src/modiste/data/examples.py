"""What one training item of a dual encoder is, before it becomes tensors."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modiste.types import ImageLike, Item


@dataclass(frozen=True)
class PhotoTextExample:
    """One training item: its photo, further photos of it, and captions with the weights they are drawn by."""

    item: Item
    captions: tuple[tuple[str, float], ...]
    more_photos: tuple[ImageLike, ...] = ()


def write_examples(path: Path, examples: Iterable[PhotoTextExample]) -> None:
    """Keep examples in a Parquet file, which appears whole or not at all; photos must be encoded files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        rows = [
            {
                "id": example.item.id,
                "title": example.item.title,
                "description": example.item.description,
                "category": example.item.category,
                "group": example.item.group,
                "attributes": json.dumps(dict(example.item.attributes)),
                "image": example.item.image,
                "captions": [text for text, _ in example.captions],
                "weights": [weight for _, weight in example.captions],
                "more_photos": list(example.more_photos),
            }
            for example in examples
        ]
        pq.write_table(pa.Table.from_pylist(rows), partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_examples(path: Path) -> Iterator[PhotoTextExample]:
    """The examples of a file that `write_examples` wrote, in order."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches(256):
        for row in batch.to_pylist():
            item = Item(
                id=row["id"],
                title=row["title"],
                image=row["image"],
                category=row["category"],
                description=row["description"],
                attributes=json.loads(row["attributes"]),
                group=row["group"],
            )
            captions = tuple(zip(row["captions"], row["weights"], strict=True))
            yield PhotoTextExample(item, captions, tuple(row["more_photos"]))
