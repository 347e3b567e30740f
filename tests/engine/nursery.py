"""Processes that tests kill: forked by a child that has imported everything, because the imports take longer than the work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import modiste


class Nursery:
    """One of the `*_child.py` beside this file: it is told what to do in lines of JSON, and answers in lines of a number."""

    def __init__(self, child: str) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name(child))],
            env={**os.environ, "PYTHONPATH": str(Path(modiste.__file__).parents[1]), "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, command: Any) -> int:
        """Tell it, and wait for the number that it answers."""
        assert self._parent.stdin is not None
        self._parent.stdin.write(json.dumps(command) + "\n")
        self._parent.stdin.flush()
        return self.number()

    def number(self) -> int:
        assert self._parent.stdout is not None
        return int(self._parent.stdout.readline())

    def close(self) -> None:
        self._parent.communicate()
