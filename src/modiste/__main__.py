"""`modiste` and `python -m modiste`: sets the process up before anything heavy is imported."""

from __future__ import annotations

import os
import sys


def main() -> None:
    # OpenMP threads that spin while they wait starve every other process of the machine (17 times slower was measured
    # on two cores); the setting is read when torch is first imported, so it must be made here.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from modiste.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
