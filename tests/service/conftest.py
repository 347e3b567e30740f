"""A small drawn catalogue with the shipped encoder, and the service over it: in this process, and as a process of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

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


def open_client(shop: Any, **options: Any) -> Any:
    """A client of an application of its own over a shop that is open."""
    from dataclasses import replace

    from fastapi.testclient import TestClient

    from modiste.service.app import create_app

    app = create_app(replace(shop.settings, **options), shop)
    return TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False)


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


@dataclass
class Served:
    """A `modiste serve` process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, timeout: float = 60) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=timeout) as answer:
            return json.load(answer)

    def stop(self, how: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(90)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start `modiste serve FOLDER OPTIONS` on a free port and wait until it welcomes requests."""
    started: list[Served] = []

    def start(folder: Path, *options: str) -> Served:
        port = free_port()
        log = tmp_path / f"serve-{len(started)}.log"
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "modiste", "serve", str(folder), "--port", str(port), *options],
                stdout=stream, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
            )  # fmt: skip
        served = Served(process, port, log)
        started.append(served)
        until = time.monotonic() + 240
        while b" at http" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        return served

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.terminate()
            try:
                one.process.wait(60)
            except subprocess.TimeoutExpired:
                one.process.kill()
                one.process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
