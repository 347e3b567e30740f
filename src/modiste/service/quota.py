"""Requests of each key and day, counted over all workers and restarts: in memory, and every second in a small SQLite file."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

_DAY = 86_400
_KEPT_DAYS = 40
_TABLE = "CREATE TABLE IF NOT EXISTS usage (day INTEGER, key TEXT, requests INTEGER, PRIMARY KEY (day, key))"
_ADD = "INSERT INTO usage VALUES (?, ?, ?) ON CONFLICT (day, key) DO UPDATE SET requests = requests + excluded.requests"


class Usage:
    """Counts per key. Workers see each other's after `flush`, so a quota may be overrun by a second's requests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._new: Counter[tuple[int, str]] = Counter()
        self._told: dict[tuple[int, str], int] = {}

    def count(self, key: str, quota: int) -> bool:
        """Count a request; False, and not counted, when the day's quota (0: none) is used up."""
        place = (today(), key)
        with self._lock:
            if quota and self._told.get(place, 0) + self._new[place] >= quota:
                return False
            self._new[place] += 1
            return True

    def used(self, key: str) -> int:
        """Requests of this key today, as far as this worker knows."""
        place = (today(), key)
        with self._lock:
            return self._told.get(place, 0) + self._new[place]

    def flush(self) -> None:
        """Write down what was counted, and learn what the other workers counted."""
        with self._lock:
            new, self._new = +self._new, Counter()
            for place, count in new.items():
                self._told[place] = self._told.get(place, 0) + count
        if not new and not self.path.is_file():
            return
        with closing(sqlite3.connect(self.path, timeout=10)) as database, database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute(_TABLE)
            if new:
                database.execute("DELETE FROM usage WHERE day < ?", (today() - _KEPT_DAYS,))
                database.executemany(_ADD, [(day, key, count) for (day, key), count in new.items()])
            told = {(d, k): n for d, k, n in database.execute("SELECT * FROM usage WHERE day = ?", (today(),))}
        with self._lock:
            self._told = told


def today() -> int:
    """Days since the epoch, UTC."""
    return int(time.time() // _DAY)


def seconds_to_midnight() -> int:
    """Until quotas begin anew, UTC."""
    return _DAY - int(time.time()) % _DAY
