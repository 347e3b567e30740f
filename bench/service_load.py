"""The service under load: requests a second and latencies, with micro-batching and without, an ingest beside it, SIGTERM in it.

python bench/service_load.py                    100,000 items, 16 connections, 20 s each
python bench/service_load.py --soak 300         ... and five minutes with an ingest running

The catalogue holds drawn titles and clustered vectors under the shipped encoder's name: the server reads every query with the
shipped model and compares it with all vectors, which costs the same whatever the vectors say. Every query is different, so no
embedding is remembered. Clients are threads of this process, on the same cores as the server; the processor time of the server
alone, which does not depend on what else the machine does, is told beside the latencies.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from api_fuzz import Memory, served
from modiste.engine.catalogue import Catalogue
from modiste.types import Embeddings, EncoderId, ImageLike, Item
from report import show
from search import clustered

KINDS = ("t-shirt", "jeans", "sneakers", "handbag", "dress", "coat", "scarf", "cap", "ankle boots", "skirt")
COLOURS = ("red", "black", "navy", "white", "olive", "camel", "pink", "grey")
STUFFS = ("cotton", "leather", "linen", "wool", "denim", "silk")


class Given:
    """The shipped encoder's name over vectors that are given."""

    def __init__(self, encoder_id: EncoderId, vectors: np.ndarray) -> None:
        self.id, self._vectors = encoder_id, vectors

    def encode(self, items: Sequence[Item]) -> Embeddings:
        return Embeddings(self._vectors[[int(item.id) for item in items]], self.id)

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        raise NotImplementedError


def drawn(rows: int) -> Iterator[Item]:
    rng = np.random.default_rng(7)
    for row in range(rows):
        colour, stuff, kind = (str(rng.choice(one)) for one in (COLOURS, STUFFS, KINDS))
        attributes = {"colour": colour, "price": round(float(rng.uniform(5, 300)), 2), "gender": "unisex"}
        yield Item(f"{row:07d}", f"{colour} {stuff} {kind}", None, kind, attributes=attributes)


def words() -> Iterator[str]:
    """Queries that never repeat."""
    for number in itertools.count():
        parts = (COLOURS[number % 8], STUFFS[number // 8 % 6], KINDS[number // 48 % 10], f"style {number}")
        yield "+".join(parts).replace(" ", "+")


class Clients:
    """So many connections, each asking again as soon as it is answered."""

    def __init__(
        self, server: tuple[str, psutil.Process], count: int, ask: Callable[[http.client.HTTPConnection, int], int]
    ) -> None:
        address, self._process = server
        self._port = int(address.rsplit(":", 1)[1])
        self._ask = ask
        self.seconds: list[float] = []
        self.failed: list[str] = []
        self._stop = False
        self._numbers = itertools.count()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]

    def run(self, seconds: float) -> Clients:
        before = self._cpu()
        for one in self._threads:
            one.start()
        began = time.perf_counter()
        time.sleep(seconds)
        self._stop = True
        for one in self._threads:
            one.join()
        self.lasted = time.perf_counter() - began
        self.cpu = self._cpu() - before
        return self

    def _cpu(self) -> float:
        """Processor seconds that the service has used."""
        return sum(sum(one.cpu_times()[:2]) for one in [self._process, *self._process.children(recursive=True)])

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._stop:
            began = time.perf_counter()
            try:
                status = self._ask(connection, next(self._numbers))
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                connection.close()
                continue
            self.seconds.append(time.perf_counter() - began)
            if status != 200:
                self.failed.append(str(status))

    def row(self, what: str) -> dict[str, Any]:
        p50, p95, p99 = np.percentile(self.seconds, [50, 95, 99]) * 1_000 if self.seconds else (0, 0, 0)
        return {
            "what": what, "connections": len(self._threads), "requests": len(self.seconds),
            "requests/s": round(len(self.seconds) / self.lasted, 1), "p50 ms": round(p50, 1), "p95 ms": round(p95, 1),
            "p99 ms": round(p99, 1),
            "server CPU ms/request": round(1_000 * self.cpu / max(1, len(self.seconds)), 2), "errors": len(self.failed),
        }  # fmt: skip


def by_words(first: int) -> Callable[[http.client.HTTPConnection, int], int]:
    texts = list(itertools.islice(words(), first, first + 200_000))

    def ask(connection: http.client.HTTPConnection, number: int) -> int:
        connection.request("GET", f"/v1/search?q={texts[number % len(texts)]}&k=24")
        return _read(connection)

    return ask


def posting(path: str, body: dict[str, Any]) -> Callable[[http.client.HTTPConnection, int], int]:
    data, head = json.dumps(body).encode(), {"content-type": "application/json"}

    def ask(connection: http.client.HTTPConnection, number: int) -> int:
        connection.request("POST", path, data, head)
        return _read(connection)

    return ask


def _read(connection: http.client.HTTPConnection) -> int:
    answer = connection.getresponse()
    answer.read()
    return answer.status


def submit(address: str, rows: int) -> None:
    """Send a table of new items to be indexed."""
    lines = b"".join(b"new-%d,grey wool scarf number %d,scarf\n" % (n, n) for n in range(rows))
    part = b'--x\r\nContent-Disposition: form-data; name="table"; filename="new.csv"\r\n\r\nid,title,category\n' + lines
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    urllib.request.urlopen(urllib.request.Request(f"{address}/v1/jobs", part + b"\r\n--x--\r\n", head)).read()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--soak", type=float, default=0, help="seconds with an ingest running")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep the catalogue there, and use it again")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    from modiste.models.pretrained import load
    from modiste.registry import DEFAULT

    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch) / "shop"
        if not Catalogue.is_at(folder):
            encoder_id = load().id
            vectors = clustered(options.rows, encoder_id.dim, 0)
            store = Catalogue.create(folder, encoder_id, store_images="none", model=DEFAULT)
            store.ingest(drawn(options.rows), Given(encoder_id, vectors))
        rows, failed = [], 0
        workers = ("--workers", str(options.workers))
        for what, more in (("search", ()), ("search, --no-batching", ("--no-batching",))):
            with served(folder, *workers, *more) as server:
                Clients(server, options.connections, by_words(150_000)).run(2)
                for connections in (1, options.connections):
                    found = Clients(server, connections, by_words(0 if connections == 1 else 50_000)).run(
                        options.seconds
                    )
                    rows.append(found.row(what))
                    failed += len(found.failed)
        with served(folder, *workers) as server:
            outfits = {
                "complete, 2 slots with a wish": posting(
                    "/v1/complete",
                    {
                        "have": ["0000007"],
                        "want": [{"slot": "shoes", "wish": "white sneakers"}, {"slot": "bag", "wish": "leather"}],
                    },
                ),
                "generate, 4 items for a text": posting(
                    "/v1/generate", {"text": "navy and white office look", "size": 4}
                ),
                "score 3 items": posting("/v1/score", {"items": ["0000007", "0000011", "0000020"]}),
            }
            for what, ask in outfits.items():
                Clients(server, 1, ask).run(1)
                for connections in (1, 4):
                    found = Clients(server, connections, ask).run(options.seconds)
                    rows.append(found.row(what))
                    failed += len(found.failed)
            if options.soak:
                submit(server[0], 20_000)
                with Memory(server[1]) as memory:
                    found = Clients(server, options.connections, by_words(100_000)).run(options.soak)
                growth = (memory.most - memory.before) / 1e6
                rows.append(found.row(f"search, an ingest beside it for {options.soak:g} s, memory +{growth:.0f} MB"))
                failed += len(found.failed)
    show(f"The service, {options.rows:,} items", {"workers": options.workers}, rows, as_json=options.json)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
