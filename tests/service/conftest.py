"""A small drawn catalogue with the shipped encoder, and the service over it: in this process, and as a process of its own."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving import Served, open_client, start_service

ITEMS = 120


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of the catalogue, its photos beside it."""
    from modiste.data.atelier import Atelier, write_catalogue

    return write_catalogue(Atelier(seed=4, image_size=(60, 80)), ITEMS, tmp_path_factory.mktemp("atelier"))


@pytest.fixture(scope="session")
def catalogue(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The catalogue's folder, with stored looks."""
    from modiste.cli import run
    from modiste.data.outfit_table import write_looks
    from modiste.data.outfits import Look

    folder = tmp_path_factory.mktemp("served") / "shop"
    assert run(["index", str(table), "--into", str(folder)]) == 0
    ids = [f"atelier-{number:06d}" for number in range(ITEMS)]
    write_looks(folder / "looks.jsonl", [Look(f"look-{n}", tuple(ids[3 * n : 3 * n + 3])) for n in range(20)])
    return folder


@pytest.fixture(scope="session")
def shop(catalogue: Path) -> Iterator[Any]:
    """What a worker holds."""
    from modiste.service.settings import Settings
    from modiste.service.shop import Shop

    found = Shop(Settings(catalogue))
    yield found
    found.close()


@pytest.fixture(scope="session")
def client(shop: Any) -> Iterator[Any]:
    """The application, called in this process."""
    with open_client(shop) as found:
        yield found


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A customer's photo, as a phone sends it: with a name and a place in its EXIF block."""
    from PIL import Image

    from modiste.data.atelier import Atelier

    picture = Image.open(io.BytesIO(Atelier(seed=4, image_size=(120, 160)).customer_photo(7)))
    exif = Image.Exif()
    exif[0x010E] = "SECRET-CAPTION-OF-A-PERSON"
    exif.get_ifd(0x8825)[1] = "N"
    written = io.BytesIO()
    picture.save(written, "JPEG", exif=exif)
    return written.getvalue()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start `modiste serve FOLDER OPTIONS` on a free port and wait until it welcomes requests."""
    started: list[Served] = []

    def start(folder: Path, *options: str) -> Served:
        started.append(start_service(folder, *options, log=tmp_path / f"serve-{len(started)}.log"))
        return started[-1]

    yield start
    for one in started:
        one.end()
