"""`modiste` and `python -m modiste`: sets the process up before anything heavy is imported."""

from __future__ import annotations

import os
import sys

# OpenMP threads that spin while they wait starve every other process of the machine (17 times slower was measured on two
# cores), so they sleep. But waking one takes longer than a small model's layer: before it sleeps it looks so many times
# whether there is more to do (GNU's OpenMP, which torch has on Linux). bench/waiting.py measures both.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "600"}


def main() -> None:
    """Both are read when torch is first imported, so they must be set here; a policy of somebody's own stays as it is."""
    if os.environ.get("OMP_WAIT_POLICY", "PASSIVE").upper() == "PASSIVE":
        os.environ.update(WAITING | os.environ)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from modiste.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
