"""One of several workers: `python -m modiste.service.worker SOCKET READY`, with the settings on standard input."""

from __future__ import annotations

import os
import socket
import sys


def main(arguments: list[str]) -> int:
    """Serve on a socket that was inherited; a byte is written to READY when requests are welcome."""
    from modiste.service.server import STARTED_BADLY, run_worker
    from modiste.service.settings import Settings

    listening = socket.socket(fileno=int(arguments[0]))
    pipe = int(arguments[1])
    settings = Settings.from_json(sys.stdin.read())

    def ready() -> None:
        os.write(pipe, b".")

    try:
        run_worker(settings, listening, ready)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return STARTED_BADLY
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
