"""A thread that works beside the requests until the service ends."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Background(ABC):
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

    @abstractmethod
    def _run(self) -> None:
        """The work, until `_stop` is set."""
