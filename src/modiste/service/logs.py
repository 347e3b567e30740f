"""Structured logs: one JSON object a line on standard error. What was asked for is not in them: no query, no body, no photo."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import Any

_FIELDS = (
    "request_id", "method", "route", "status", "seconds", "bytes_in", "bytes_out", "client", "key", "worker", "job", "port",
)  # fmt: skip


class JsonLines(logging.Formatter):
    """Time, level, logger and message of a record, and those of `_FIELDS` that it has."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _FIELDS if getattr(record, name, None) is not None}
        if record.exc_info and record.exc_info[1] is not None:
            # The stack, not the message: a message may quote what a stranger sent.
            line["error"] = type(record.exc_info[1]).__name__
            line["stack"] = [
                f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps(line, ensure_ascii=True)


def set_up_logs(level: str) -> None:
    """Send the service's and the server's records to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name in ("modiste.service", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler] if name != "uvicorn.error" else []
        logger.propagate = name == "uvicorn.error"
        logger.setLevel(level.upper() if name == "modiste.service" else "WARNING")
