"""What an item costs: disk with its photo, memory once it is served. Docs/operations.md quotes docs/results/sizing.json.

python bench/sizing.py --out docs/results/sizing.json       some minutes on two cores

Memory is the difference between two catalogues that differ in size alone, divided by the items that they differ by; what a
process costs by itself is beside it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from modiste.engine.catalogue import Catalogue
from modiste.files import write_atomically
from modiste.types import Item
from report import machine
from search import Given, clustered


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Disk of drawn items with photos, and resident memory of a process that has opened and searched a catalogue."""
    from modiste.data.atelier import Atelier
    from modiste.models.pretrained import load

    encoder = load()
    found: dict[str, Any] = {
        "machine": machine(), "seed": options.seed, "encoder": encoder.id.name, "dim": encoder.id.dim,
        "photo": list(options.photo), "items": options.items, "memory": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        world = Atelier(options.seed, image_size=tuple(options.photo))
        where = Path(folder) / "disk"
        items = list(world.items(options.items))
        catalogue = Catalogue.create(where, encoder.id)
        catalogue.ingest(items, encoder)
        catalogue.compact(keep_versions=timedelta(0))  # what stays: a writer keeps old versions for minutes
        found["disk_bytes"] = sum(file.stat().st_size for file in where.rglob("*") if file.is_file())
        found["disk_bytes_per_item"] = round(found["disk_bytes"] / len(items))
        found["photo_bytes"] = sum(len(item.image or b"") for item in items) // len(items)
        for rows in options.rows:
            where = Path(folder) / f"memory-{rows}"
            given = Given(clustered(rows, encoder.id.dim, options.seed))
            Catalogue.create(where, given.id).ingest(_rows(rows), given, batch_size=2_000, commit_rows=20_000)
            del given
            found["memory"][str(rows)] = _child(where)
        found["memory_bytes_model"] = _child(where, "--model") - found["memory"][str(options.rows[-1])]
    found |= {
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


def _child(folder: Path, *more: str) -> int:
    """Resident bytes of a process of its own that holds this catalogue, with --model the shipped encoder, too."""
    command = [sys.executable, __file__, "--hold", str(folder), *more]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def hold(folder: Path, *, model: bool) -> int:
    """Open, search once, and say how much memory is in use."""
    catalogue = Catalogue.open(folder)
    snapshot = catalogue.snapshot()
    given = Given(clustered(1, catalogue.encoder_id.dim, 0))
    catalogue.search(given.encode_query("0"), k=10)
    assert len(snapshot.columns)
    if model:
        from modiste.models.pretrained import load

        encoder = load()
        encoder.encode_query("red dress")
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=650, help="drawn items, for the disk")
    parser.add_argument(
        "--rows", type=int, nargs=2, default=(5_000, 35_000), help="rows of made-up vectors, for memory"
    )
    parser.add_argument("--photo", type=int, nargs=2, default=(240, 320), help="width and height of the drawn photos")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="write what was measured there, as JSON")
    options = parser.parse_args(arguments)
    found = json.dumps(measure(options), indent=1) + "\n"
    if options.out:
        write_atomically(options.out, found.encode())
    print(found, end="")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--hold"]:
        print(hold(Path(sys.argv[2]), model="--model" in sys.argv))
    else:
        main()
