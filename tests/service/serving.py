"""The service as its tests meet it: an application in this process, or a `modiste serve` process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any


def open_client(shop: Any, **options: Any) -> Any:
    """A client of an application of its own, with other settings, over a shop that is open."""
    from fastapi.testclient import TestClient

    from modiste.service.app import create_app

    app = create_app(replace(shop.settings, **options), shop)
    return TestClient(app, base_url="http://localhost:8000", raise_server_exceptions=False)


@dataclass
class Served:
    """A `modiste serve` process."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, timeout: float = 60) -> Any:
        with urllib.request.urlopen(self.address + path, timeout=timeout) as answer:
            return json.load(answer)

    def lines(self) -> list[dict[str, Any]]:
        """The log's lines."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def stop(self, how: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(90)

    def end(self) -> None:
        """Whatever it takes."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start_service(folder: Path, *options: str, log: Path) -> Served:
    """`modiste serve FOLDER OPTIONS` on a free port, when it welcomes requests."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "modiste", "serve", str(folder), "--port", "0", *options],
            stdout=stream, stderr=subprocess.STDOUT, env=environment, start_new_session=True,
        )  # fmt: skip
    until = time.monotonic() + 240
    while b" at http" not in log.read_bytes():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)
    port = int(log.read_text().partition(" at http://127.0.0.1:")[2].partition("/")[0])
    return Served(process, port, log)
