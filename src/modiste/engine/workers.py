"""Which of how many workers this process is, as its scheduler says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# (index, count) of torchrun and its like, of srun, Open MPI, and of MPICH and Intel MPI.
_PAIRS = (
    ("RANK", "WORLD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_NTASKS"),
)


@dataclass(frozen=True, slots=True)
class Worker:
    """Worker `index`, from 0, of `count`."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"worker {self.index} of {self.count}: workers are counted from 0")

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def share(self, num_shards: int) -> list[int]:
        """The shards that are this worker's to begin with; those of all workers are each shard once."""
        return list(range(self.index, num_shards, self.count))


def worker_of(given: str, environment: Mapping[str, str]) -> Worker:
    """From "I/W", or, if that is empty, from the environment of torchrun, MPI, srun or a SLURM array; else the only worker.

    Raises `ValueError` for anything else that is given, and for an environment that says nonsense.
    """
    if given:
        if not (match := re.fullmatch(r"(\d{1,6})/(\d{1,6})", given)):
            raise ValueError(f"--worker {given!r}: write I/W, such as 0/4 for the first of four")
        return Worker(int(match[1]), int(match[2]))
    worker = Worker()
    for index, count in _PAIRS:
        if index in environment and count in environment:
            worker = Worker(_number(environment, index), _number(environment, count))
            break
    if "SLURM_ARRAY_TASK_ID" in environment and "SLURM_ARRAY_TASK_COUNT" in environment:
        # Each task of the array may be a job of several processes in turn.
        first, step = (
            _number(environment, f"SLURM_ARRAY_TASK_{name}", default) for name, default in (("MIN", 0), ("STEP", 1))
        )
        task = (_number(environment, "SLURM_ARRAY_TASK_ID") - first) // max(1, step)
        tasks = _number(environment, "SLURM_ARRAY_TASK_COUNT")
        worker = Worker(task * worker.count + worker.index, tasks * worker.count)
    return worker


def _number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environment.get(name, "" if default is None else str(default))
    if not text.isdecimal():
        raise ValueError(f"{name}={text!r} in the environment is not a number; say --worker I/W")
    return int(text)
