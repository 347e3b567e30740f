"""A thread that works beside the requests until the service ends."""

from __future__ import annotations

import threading


class Background:
    """`_run` in a thread of its own; it looks at `_stop`, or waits for it, and ends when that is set."""

    def __init__(self, name: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Have it end, and wait until it has."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        raise NotImplementedError
