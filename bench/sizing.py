"""What an item costs: disk with its photo, memory once it is served. Docs/operations.md quotes docs/results/sizing.json.

python bench/sizing.py --out docs/results/sizing.json       about two minutes on two cores
python bench/sizing.py --table docs/results/sizing.json

Each figure is the difference between two catalogues that differ in size alone, divided by the items that they differ by; what a
catalogue or a process costs by itself is beside it.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from modiste.engine.catalogue import Catalogue
from modiste.types import Item
from report import kept_table, machine
from search import Given, clustered


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Disk of drawn items with photos, and resident memory of a process that has opened and searched a catalogue."""
    from modiste.data.atelier import Atelier
    from modiste.models.pretrained import load

    encoder = load()
    found: dict[str, Any] = {
        "machine": machine(), "seed": options.seed, "encoder": encoder.id.name, "dim": encoder.id.dim,
        "photo": list(options.photo), "disk": {}, "memory": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        world = Atelier(options.seed, image_size=tuple(options.photo))
        photo_bytes = 0
        for count in options.items:
            where = Path(folder) / f"disk-{count}"
            items = list(world.items(count))
            photo_bytes = sum(len(item.image or b"") for item in items) // count
            catalogue = Catalogue.create(where, encoder.id)
            catalogue.ingest(items, encoder)
            catalogue.compact()
            found["disk"][str(count)] = sum(file.stat().st_size for file in where.rglob("*") if file.is_file())
        found["photo_bytes"] = photo_bytes
        for rows in options.rows:
            where = Path(folder) / f"memory-{rows}"
            given = Given(clustered(rows, encoder.id.dim, options.seed))
            Catalogue.create(where, given.id).ingest(_rows(rows), given, batch_size=2_000, commit_rows=20_000)
            del given
            found["memory"][str(rows)] = _child(where)
    found |= {
        "disk_bytes_per_item": _slope(found["disk"]),
        "memory_bytes_per_item": _slope(found["memory"]),
        "memory_bytes_empty": round(
            min(found["memory"].values()) - _slope(found["memory"]) * min(map(int, found["memory"]))
        ),
    }
    return found


def _rows(number: int) -> Iterator[Item]:
    for row in range(number):
        yield Item(
            f"{row:09d}", "a garment with a title of some length", category="dress", attributes={"price": row % 97}
        )


def _slope(sizes: dict[str, int]) -> int:
    (few, small), (many, large) = sorted((int(count), size) for count, size in sizes.items())
    return round((large - small) / (many - few))


def _child(folder: Path) -> int:
    """Resident bytes of a process of its own that holds this catalogue."""
    done = subprocess.run([sys.executable, __file__, "--hold", str(folder)], capture_output=True, text=True, check=True)
    return int(done.stdout)


def hold(folder: Path) -> int:
    """Open, search once by an item's own vector, and say the most memory that was in use."""
    catalogue = Catalogue.open(folder)
    snapshot = catalogue.snapshot()
    given = Given(clustered(1, catalogue.encoder_id.dim, 0))
    catalogue.search(given.encode_query("0"), k=10)
    assert len(snapshot.columns)
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def table(found: dict[str, Any]) -> str:
    """The table that docs/operations.md shows."""
    per, memory = found["disk_bytes_per_item"], found["memory_bytes_per_item"]
    (width, height), photo = found["photo"], found["photo_bytes"]
    rows = [
        ("disk, an item with its photo", f"{per / 1000:.1f} kB; the photo, {width}×{height}, is {photo / 1000:.1f} kB"),
        ("memory of a worker, an item", f"{memory / 1000:.1f} kB: {found['dim']} numbers of 4 bytes, its row, its words"),
        ("... with no item, no model", f"{found['memory_bytes_empty'] / 1e6:.0f} MB"),
        ("100,000 items", f"{per * 1e5 / 1e9:.1f} GB of disk, {memory * 1e5 / 1e6:.0f} MB of memory a worker"),
    ]  # fmt: skip
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs=2, default=(250, 1250), help="drawn items, for the disk")
    parser.add_argument(
        "--rows", type=int, nargs=2, default=(10_000, 60_000), help="rows of made-up vectors, for memory"
    )
    parser.add_argument("--photo", type=int, nargs=2, default=(240, 320), help="width and height of the drawn photos")
    parser.add_argument("--seed", type=int, default=0)
    kept_table(parser, arguments, measure, table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--hold"]:
        print(hold(Path(sys.argv[2])))
    else:
        main()
