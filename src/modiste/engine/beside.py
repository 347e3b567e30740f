"""Work beside the searches, which nobody waits for: a thread that ends when the process does."""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from collections.abc import Callable

Stopped = Callable[[], bool]

log = logging.getLogger("modiste.engine")
_ENDING = threading.Event()
_THREADS: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


class Ending(Exception):
    """The process ends, and what was being made is not needed any more."""


def begin(name: str, work: Callable[[Stopped], None]) -> threading.Thread:
    """Start `work(stopped)`. It raises `Ending` soon after `stopped()` holds; other errors are logged.

    What it does in faiss runs on one core: the others are for those who search.
    """

    def run() -> None:
        import faiss

        faiss.omp_set_num_threads(1)  # of this thread alone
        try:
            work(_ENDING.is_set)
        except Ending:
            pass
        except Exception:
            log.exception("%s failed", name)

    thread = threading.Thread(target=run, name=name, daemon=True)
    _THREADS.add(thread)
    thread.start()
    return thread


@atexit.register
def _end() -> None:
    """Let no thread be inside a library when the interpreter is taken down."""
    _ENDING.set()
    for thread in list(_THREADS):
        thread.join()
