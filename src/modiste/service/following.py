"""A catalogue that is served while another process writes to it.

Loading a version of a large catalogue takes seconds, which no request should wait for. So a request gets the version that is
there, whole, and a thread of its own looks for a newer one, makes everything of it ready, and puts it in place in one step.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from modiste.engine.catalogue import Catalogue
from modiste.engine.errors import CatalogueError
from modiste.engine.snapshot import Snapshot
from modiste.service.background import Background

LOOK_SECONDS = 0.5
_REST = 4.0  # times what the last version took to load: a large catalogue that changes all the time must not eat the machine

log = logging.getLogger("modiste.service")


class FollowedCatalogue(Catalogue):
    """A catalogue whose `snapshot()` is the version that was published last, not the newest there is."""

    def snapshot(self) -> Snapshot:
        held = self._snapshot
        return held if held is not None else super().snapshot()

    def newer(self) -> Snapshot | None:
        """A version newer than the one that is published, loaded but not published; None if there is none."""
        found = self._load(self._snapshot)
        return None if found is self._snapshot else found

    def publish(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot


class Follower(Background):
    """The thread that looks for newer versions; `take` makes one ready and publishes it."""

    def __init__(self, store: FollowedCatalogue, take: Callable[[Snapshot], None]) -> None:
        super().__init__("follow")
        self._store, self._take = store, take
        self._once = threading.Lock()

    def look(self) -> bool:
        """Look now; whether a newer version was put in place. Raises `CatalogueError`."""
        with self._once:
            found = self._store.newer()
            if found is None:
                return False
            self._take(found)
            return True

    def _run(self) -> None:
        pause = LOOK_SECONDS
        while not self._stop.wait(pause):
            began, pause = time.monotonic(), LOOK_SECONDS
            try:
                if self.look():
                    pause = max(LOOK_SECONDS, _REST * (time.monotonic() - began))
            except (CatalogueError, OSError):  # what is served stays; the next look may find it mended
                log.exception("a new version of the catalogue could not be loaded")
            except Exception:
                log.exception("following the catalogue failed")
