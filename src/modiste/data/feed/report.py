"""What happened to each row of a feed: counts, and one JSON line for every row that was refused."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO


class FeedError(ValueError):
    """A feed cannot be read (on); the message names the file, the row and field if there is one, and what to do."""


class FeedReport:
    """Counts of a reading, and its refused rows as JSON lines.

        with FeedReport("rejected.jsonl") as report:
            for item in read_feed("feed.csv", report=report):
                ...
        print(report)

    A line reads `{"row": 17, "line": 18, "id": "A-4", "field": "image", "reason": "truncated JPEG"}`. Lines go to a
    temporary file beside `path` at once, so memory stays flat, and the file appears under its name on `close` (an empty
    one when no row was refused). `rows_read == accepted + rejected + folded` holds at any time between two items.

    Rows are data rows counted from 1, the header and blank lines not among them, as a spreadsheet's user counts products;
    `line` is the line of a text file on which the row ends.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        self.rows_read = 0
        self.rejected = 0
        self.folded = 0  # rows with no item of their own: size variants, further pictures, unpublished products
        self.warning_counts: Counter[str] = Counter()  # from a fixed set of messages
        self.rejected_fields: Counter[str] = Counter()
        self.first_rejected: list[dict[str, object]] = []  # at most ten, for a summary
        self._lock = threading.Lock()
        self._stream: IO[str] | None = None
        self._temporary = ""
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, self._temporary = tempfile.mkstemp(
                prefix=f".{self.path.name}.", suffix=".tmp", dir=self.path.parent
            )
            self._stream = os.fdopen(handle, "w", encoding="utf-8")

    @property
    def accepted(self) -> int:
        """Rows that became an item."""
        return self.rows_read - self.rejected - self.folded

    @property
    def warnings(self) -> int:
        """Things a retailer should know about rows that were accepted all the same."""
        return sum(self.warning_counts.values())

    def reject(self, row: int, id: str, field: str, reason: str, *, line: int | None = None) -> None:
        """Record that a row that was read is refused; callers that decode pictures later call this once for such a row."""
        entry: dict[str, object] = {"row": row}
        if line is not None:
            entry["line"] = line
        entry |= {"id": id, "field": field, "reason": reason}
        with self._lock:
            self.rejected += 1
            self.rejected_fields[field] += 1
            if len(self.first_rejected) < 10:
                self.first_rejected.append(entry)
            if self._stream is not None:
                # ASCII escapes: an id that is not valid Unicode must not break the report about it.
                self._stream.write(json.dumps(entry) + "\n")

    def warn(self, message: str, count: int = 1) -> None:
        """Count a warning; `message` comes from a fixed set, for it is kept."""
        with self._lock:
            self.warning_counts[message] += count

    def close(self) -> None:
        """Put the report file in its place; harmless when done before."""
        if self._stream is None or self.path is None:
            return
        with self._stream as stream:
            stream.flush()
            os.fsync(stream.fileno())
        self._stream = None
        os.replace(self._temporary, self.path)

    def __enter__(self) -> FeedReport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()  # also after an error: what was refused up to then is what one wants to see

    def __str__(self) -> str:
        lines = [f"{self.rows_read:,} rows read, {self.accepted:,} accepted, {self.rejected:,} rejected"]
        if self.folded:
            lines[0] += f", {self.folded:,} folded into others or left out"
        lines += [f"  rejected for {field}: {count:,}" for field, count in self.rejected_fields.most_common()]
        lines += [f"  warning: {message} ({count:,} times)" for message, count in self.warning_counts.most_common()]
        return "\n".join(lines)
