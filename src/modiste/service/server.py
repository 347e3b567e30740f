"""Running the service: the socket, one worker or several, and stopping without dropping anybody.

With one worker this process serves. With several it holds the socket, starts workers that share it, starts a new one for each
that dies, and passes SIGTERM on; it loads no model and no catalogue.

Stopping: the worker takes no new connection but those that have already reached it, tells those that are open that their next
answer is their last, answers what has arrived, and ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import uvicorn

from modiste.engine.manifest import FILE_NAME
from modiste.engine.place import place_of
from modiste.service import limits, metrics
from modiste.service.access import needs_keys
from modiste.service.keys import KeyFile
from modiste.service.settings import Settings

_LAME_SECONDS = 0.5  # for connections that are open to learn that they end
_RESTART_SECONDS = 0.5
STARTED_BADLY = 3  # exit code of a worker that could not start: another would not either


def check(settings: Settings) -> None:
    """Raise `ValueError` for settings that must not be served."""
    place = place_of(settings.catalogue)
    if not place.exists() or place.read(FILE_NAME) is None:
        raise ValueError(f"no catalogue at {place.name}; make one with `modiste index TABLE --into FOLDER`")
    keys, _ = KeyFile(settings.key_file).read()
    if needs_keys(settings) and not keys:
        raise ValueError(
            f"{settings.host} can be reached from other machines, so API keys are needed first: "
            f"`modiste keys add {place.name} NAME`; or serve 127.0.0.1 alone"
        )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `OSError` naming the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host.strip("[]"), port))
        found.listen(2_048)
    except OSError as error:
        found.close()
        raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    found.set_inheritable(True)
    return found


def serve(settings: Settings, told: Callable[[str], None] = lambda address: None) -> int:
    """Serve until a signal says stop; returns the exit code. `told` hears the address when requests are welcome.

    Raises `ValueError` for settings that must not be served or do not fit together, `OSError` for a port that is taken.
    """
    check(settings)
    with listen(settings.host, settings.port) as listening:
        port = listening.getsockname()[1]
        settings = replace(settings, port=port)
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "") else settings.host
        shown = f"[{host}]" if ":" in host and not host.startswith("[") else host

        def ready() -> None:
            told(f"http://{shown}:{port}/")

        if settings.workers == 1:
            run_worker(settings, listening, ready)
            return 0
        return Supervisor(settings, listening, ready).run()


# -- one worker --------------------------------------------------------------------------------------------------------


def run_worker(settings: Settings, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve in this process until SIGTERM or SIGINT. Raises `ValueError` for what does not fit together."""
    from modiste.service.app import create_app
    from modiste.service.keys import KeyRing
    from modiste.service.logs import set_up_logs
    from modiste.service.protocol import BoundedProtocol
    from modiste.service.shop import Shop

    set_up_logs(settings.log_level)
    limit_threads(settings.threads)
    keys = KeyRing(settings.key_file, workers=settings.workers, always=needs_keys(settings))
    shop = Shop(settings, keys)
    try:
        app = create_app(settings, shop, keys)
        config = uvicorn.Config(
            app, http=BoundedProtocol, ws="none", log_config=None, access_log=False, server_header=False, date_header=True,
            timeout_keep_alive=int(limits.KEEP_ALIVE_SECONDS), timeout_graceful_shutdown=limits.DRAIN_SECONDS,
            limit_concurrency=limits.MAX_CONNECTIONS, proxy_headers=False, lifespan="on",
        )  # fmt: skip
        server = Server(config, app, ready)
        # uvicorn raises the signal again at its end, for whoever runs it inside something else; here it has been obeyed.
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, lambda *_: None)
        server.run(sockets=[listening])
    finally:
        shop.close()


def limit_threads(count: int | None) -> None:
    """How many threads the model and the vector search of this process use."""
    import torch
    from threadpoolctl import threadpool_limits

    if count is not None:
        torch.set_num_threads(count)
        threadpool_limits(count)


class Server(uvicorn.Server):
    """uvicorn's server, which stops in two steps: lame first, closed then."""

    def __init__(self, config: uvicorn.Config, app: Any, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._app, self._ready = app, ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is loaded now stays: looking through a catalogue of 100,000 items for garbage stops every request for 0.4 s.
        gc.collect()
        gc.freeze()
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.stopping = True
        await self._take_those_who_have_come(sockets or [])
        until = time.monotonic() + _LAME_SECONDS
        while self.server_state.connections and time.monotonic() < until:
            await asyncio.sleep(0.02)
        await super().shutdown(sockets)

    async def _take_those_who_have_come(self, sockets: list[socket.socket]) -> None:
        """Stop listening, but accept every connection that the kernel has already made for us."""
        loop = asyncio.get_running_loop()
        config = self.config

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=self.server_state, app_state=self.lifespan.state
            )
            return made

        waiting = [one.dup() for one in sockets]
        for server in self.servers:
            server.close()
        for one in sockets:
            one.close()
        for one in waiting:
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError, OSError), one:
                while True:
                    connection, _ = one.accept()
                    connection.setblocking(False)
                    await loop.connect_accepted_socket(protocol, connection)


# -- several workers ---------------------------------------------------------------------------------------------------


class Supervisor:
    """Starts workers, replaces those that die, and stops them together."""

    def __init__(self, settings: Settings, listening: socket.socket, ready: Callable[[], None]) -> None:
        self._settings, self._listening, self._ready = settings, listening, ready
        self._workers: dict[int, subprocess.Popen[bytes]] = {}
        self._stopping = False
        self._told = False
        self._pipe = os.pipe()
        self._folder = tempfile.mkdtemp(prefix="modiste-metrics-")

    def run(self) -> int:
        """Until SIGTERM or SIGINT; returns the exit code."""
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, self._stop)
        os.set_blocking(self._pipe[0], False)
        os.set_inheritable(self._pipe[1], True)
        try:
            for number in range(self._settings.workers):
                self._start(number)
            code = self._watch()
        finally:
            for worker in self._workers.values():
                worker.kill()
                worker.wait()
            shutil.rmtree(self._folder, ignore_errors=True)
        return code

    def _start(self, number: int) -> None:
        environment = {
            **os.environ, metrics.MULTIPROCESS: self._folder,
            "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        }  # fmt: skip
        worker = subprocess.Popen(
            [sys.executable, "-m", "modiste.service.worker", str(self._listening.fileno()), str(self._pipe[1])],
            env=environment, stdin=subprocess.PIPE, pass_fds=(self._listening.fileno(), self._pipe[1]),
            start_new_session=True,  # Ctrl-C is for this process, which passes on what it means
        )  # fmt: skip
        assert worker.stdin is not None
        worker.stdin.write(self._settings.to_json().encode())
        worker.stdin.close()
        self._workers[number] = worker

    def _watch(self) -> int:
        ready, deadline, code = 0, 0.0, 0
        while True:
            time.sleep(0.05)
            with contextlib.suppress(BlockingIOError):
                ready += len(os.read(self._pipe[0], 64))
            if ready >= self._settings.workers and not self._told:
                self._told = True
                self._ready()
            if self._stopping and not deadline:
                deadline = time.monotonic() + limits.DRAIN_SECONDS + 10
                # The last worker to stop listening must find no connection waiting here.
                self._listening.close()
                for worker in self._workers.values():
                    worker.terminate()
            for number, worker in list(self._workers.items()):
                if worker.poll() is None:
                    continue
                del self._workers[number]
                self._bury(worker.pid)
                if self._stopping:
                    continue
                if worker.returncode == STARTED_BADLY:
                    self._stopping, code = True, 1
                    continue
                time.sleep(_RESTART_SECONDS)
                self._start(number)
            if self._stopping and (not self._workers or (deadline and time.monotonic() > deadline)):
                return code

    def _bury(self, pid: int) -> None:
        """Forget a dead worker's gauges; its counts stay."""
        for file in os.listdir(self._folder):
            if file.startswith("gauge_live") and file.endswith(f"_{pid}.db"):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(self._folder, file))

    def _stop(self, *_: Any) -> None:
        self._stopping = True
