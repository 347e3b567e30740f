"""A real `modiste serve` process: signals under load, workers that die, slow and greedy clients, memory over time."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from serving import Served, start_service

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(catalogue: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One process for the tests that leave it as they found it."""
    found = start_service(catalogue, log=tmp_path_factory.mktemp("log") / "serve.log")
    yield found
    found.end()


class Load:
    """Clients that ask over connections that stay open, and note every request that was sent and not answered."""

    def __init__(self, port: int, clients: int = 6, path: str = "/v1/search?q=boots&k=5") -> None:
        self.port, self.path = port, path
        self.answered, self.dropped, self.statuses = 0, [], set()  # type: ignore[var-annotated]
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        for one in self._threads:
            one.start()

    def _ask(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
                try:
                    connection.connect()
                except OSError:  # it does not listen any more: nothing was accepted
                    connection = None
                    time.sleep(0.01)
                    continue
            try:
                connection.request("GET", self.path)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.dropped.append(repr(error))
                connection = None
                continue
            with self._lock:
                self.answered += 1
                self.statuses.add(answer.status)
            if answer.getheader("connection") == "close":
                connection.close()
                connection = None

    def wait_for(self, answers: int, seconds: float = 120) -> None:
        """Until so many more have been answered."""
        goal, until = self.answered + answers, time.monotonic() + seconds
        while self.answered < goal:
            assert time.monotonic() < until, (self.answered, self.dropped[:3])
            time.sleep(0.01)

    def end(self) -> None:
        self._stop.set()
        for one in self._threads:
            one.join()


@pytest.mark.parametrize("options", [[], ["--workers", "2"]], ids=["one worker", "two workers"])
def test_sigterm_under_load_drops_nothing(serve: Any, catalogue: Path, options: list[str]) -> None:
    found = serve(catalogue, "--log-level", "warning", *options)
    load = Load(found.port)
    load.wait_for(40)
    assert found.stop() == 0
    time.sleep(0.2)
    load.end()
    assert not load.dropped
    assert load.statuses == {200}


def workers_of(found: Served) -> set[int]:
    """The process ids of the workers that live."""
    alive = set()
    for one in psutil.Process(found.process.pid).children():
        with contextlib.suppress(psutil.Error):  # it has just died
            if one.status() != psutil.STATUS_ZOMBIE and "modiste.service.worker" in one.cmdline():
                alive.add(one.pid)
    return alive


def test_a_killed_worker_is_replaced(serve: Any, catalogue: Path) -> None:
    found = serve(catalogue, "--workers", "2", "--log-level", "warning")
    before = workers_of(found)
    assert len(before) == 2
    killed = min(before)
    os.kill(killed, signal.SIGKILL)
    assert found.get("/v1/search?q=boots&k=1")["hits"]  # the other one answers at once
    until = time.monotonic() + 120
    while len(alive := workers_of(found)) < 2 or killed in alive:
        assert time.monotonic() < until
        time.sleep(0.1)
    for _ in range(10):
        assert found.get("/healthz") == {"status": "ok"}
    assert found.stop() == 0


def test_a_port_that_is_taken_and_a_folder_that_is_none_are_told_in_one_line(
    catalogue: Path, served: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from modiste.cli import run

    assert run(["serve", str(catalogue), "--port", str(served.port)]) == 1
    assert f"cannot listen on 127.0.0.1:{served.port}" in capsys.readouterr().err
    assert run(["serve", str(tmp_path)]) == 1
    assert "no catalogue at" in capsys.readouterr().err


def test_a_worker_that_cannot_start_ends_the_service(catalogue: Path, tmp_path: Path, capfd: Any) -> None:
    from modiste.cli import run

    rules = tmp_path / "bad.toml"
    rules.write_text("max_itemz = 3")
    assert run(["serve", str(catalogue), "--port", "0", "--rules", str(rules)]) == 1
    assert "max_itemz" in capfd.readouterr().err


def raw(served: Served, *pieces: bytes, pause: float = 0.0, wait: float = 30.0) -> bytes:
    """Send bytes as they are, and read until the service closes the connection."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=wait) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break
            time.sleep(pause)
        found = b""
        try:
            while part := connection.recv(65_536):
                found += part
        except OSError:
            pass
        return found


def test_heads_that_never_end_are_cut_off(served: Served) -> None:
    endless = raw(served, b"GET / HTTP/1.1\r\nHost: localhost\r\n", *[b"X-A: " + 4_000 * b"a" + b"\r\n"] * 20)
    assert endless.startswith(b"HTTP/1.1 431")
    long = raw(served, b"GET /" + 60_000 * b"a" + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert long.startswith((b"HTTP/1.1 414", b"HTTP/1.1 431"))


def test_a_body_that_is_too_long_is_refused_before_it_is_read(served: Served) -> None:
    head = b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n"
    answer = raw(served, head + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"application/problem+json" in answer
    expecting = raw(served, head + b"Expect: 100-continue\r\n\r\n")
    assert expecting.startswith(b"HTTP/1.1 413")
    assert b"100 Continue" not in expecting


def test_requests_that_servers_disagree_about_are_refused(served: Served) -> None:
    two = b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    assert not raw(served, two + b"", wait=5).startswith(b"HTTP/1.1 2")
    hosts = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert raw(served, hosts).startswith(b"HTTP/1.1 400")
    assert raw(served, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert raw(served, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").startswith(b"HTTP/1.1 400")
    upgrade = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    assert not raw(served, upgrade, wait=5).startswith(b"HTTP/1.1 101")


def test_an_address_is_decoded_once(served: Served) -> None:
    for sent, meant in (
        (b"%252e%252e", b"'%2e%2e'"),
        (b"a%2Fb", b"'a/b'"),
        (b"..%2f..%2fetc%2fpasswd", b"'../../etc/passwd'"),
    ):
        answer = raw(served, b"GET /v1/items/" + sent + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 404")
        assert b"no item " + meant in answer


def test_many_requests_leave_memory_and_files_as_they_were(served: Served) -> None:
    process = psutil.Process(served.process.pid)

    def ask(count: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        for n in range(count):
            path = (
                f"/v1/search?q=boots+{n}&k=20",
                f"/v1/items/atelier-{n % 120:06d}/image?size=small",
                "/v1/items?k=50",
                "/v1/nowhere",
            )
            connection.request("GET", path[n % 4])
            connection.getresponse().read()
        connection.close()

    ask(400)
    before, files = process.memory_info().rss, process.num_fds()
    ask(600)
    assert process.memory_info().rss < 1.05 * before
    assert process.num_fds() <= files + 2


def test_the_log_tells_every_request_and_nothing_of_what_was_asked(served: Served) -> None:
    served.get("/v1/search?q=SECRETWORDS&k=1")
    until = time.monotonic() + 20
    while not (lines := [one for one in served.lines() if one.get("route") == "/v1/search"]):
        assert time.monotonic() < until
        time.sleep(0.05)
    last = lines[-1]
    assert {"time", "level", "request_id", "method", "status", "seconds", "bytes_out", "client"} <= set(last)
    assert "SECRETWORDS" not in served.log.read_text()


def test_an_ingest_goes_on_while_it_is_served(serve: Any, catalogue: Path, tmp_path: Path) -> None:
    """Readers see whole versions: the number of items only grows, in whole batches, and no request fails."""
    import json
    import urllib.request

    folder = tmp_path / "shop"
    shutil.copytree(catalogue, folder)
    found = serve(folder, "--log-level", "warning")
    body = b"id,title,category\n" + b"".join(b"n-%d,Plain thing %d,scarf\n" % (n, n) for n in range(300))
    boundary = (
        b'--x\r\nContent-Disposition: form-data; name="table"; filename="a.csv"\r\n\r\n' + body + b"\r\n--x--\r\n"
    )
    head = {"Content-Type": "multipart/form-data; boundary=x"}
    load = Load(found.port, clients=2)
    with urllib.request.urlopen(urllib.request.Request(found.address + "/v1/jobs", boundary, head)) as answer:
        job = json.load(answer)
    sizes, until = [], time.monotonic() + 240
    while found.get(f"/v1/jobs/{job['id']}")["status"] not in ("done", "failed"):
        sizes.append(found.get("/v1/items?k=1")["total"])
        assert time.monotonic() < until
        time.sleep(0.1)
    while found.get("/v1/items?k=1")["total"] != 420:
        assert time.monotonic() < until
        time.sleep(0.1)
    load.end()
    assert sizes == sorted(sizes)
    assert not load.dropped
    assert load.statuses == {200}
    assert found.stop() == 0


def test_made_up_requests_get_answers_that_the_description_names(served: Served) -> None:
    """A few of each kind here; thousands by bench/api_fuzz.py."""
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, seed, settings
    from schemathesis import GenerationMode, checks

    held = [
        checks.not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
        checks.response_schema_conformance,
    ]  # fmt: skip
    schema = schemathesis.openapi.from_url(f"{served.address}/openapi.json")
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path == "/metrics":
            continue
        for mode in GenerationMode:

            @seed(0)
            @settings(
                max_examples=4,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def ask(case: Any) -> None:
                nonlocal asked
                asked += 1
                answer = case.call(base_url=served.address, timeout=60)
                case.validate_response(answer, checks=held)

            try:
                ask()
            except Exception as error:
                if "Unsatisfiable" not in type(error).__name__:  # nothing wrong can be asked of some
                    raise
    assert asked > 80


def test_the_demo_ends_with_its_catalogue_served(tmp_path: Path) -> None:
    import subprocess
    import sys
    import urllib.request

    log = tmp_path / "demo.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "modiste", "demo", "--items", "40", "--into", str(tmp_path / "demo"), "--port", "0"],
            stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + 280
        while b"Open http://127.0.0.1:" not in log.read_bytes():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        address = log.read_text().partition("\nOpen ")[2].split()[0]
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert b"<title>" in answer.read()
        with urllib.request.urlopen(address + "v1/catalogue", timeout=60) as answer:
            assert b'"items":40' in answer.read()
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
