"""`modiste` and `python -m modiste`: sets the process up before anything heavy is imported."""

from __future__ import annotations

import os
import sys

# Threads that spin while they wait starve whoever else wants the processor: OpenMP's (torch, FAISS) every other process (17
# times slower was measured on two cores), OpenBLAS's (NumPy) for 25 ms after each product the model that reads the next query
# (bench/one_thread.py). So the former sleep at once, the latter after 2^20 cycles, a third of a millisecond.
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_THREAD_TIMEOUT": "20"}


def main() -> None:
    # The settings are read when torch and NumPy are first imported, so they must be made here.
    os.environ.update(WAITING | os.environ)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from modiste.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
