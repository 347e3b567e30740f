"""What is fuzzed: a name, how much of the whole, and how one case is made and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from fuzz_inputs import Mutate


class Unnamed(Exception):
    """The documented kind of error, but nobody could tell from its message what is wrong with what."""


@dataclass(frozen=True)
class Ready:
    """A target made ready in a process. `read` tells whether an input was accepted; False: refused as documented."""

    make: Callable[[Random], Any]
    read: Callable[[Any], bool]
    seeds: Sequence[bytes] = field(default=())
    """Good inputs, where inputs are bytes and the reader is Python: what a coverage-guided fuzzer starts from."""


@dataclass(frozen=True)
class Target:
    name: str
    share: int
    """Cases out of the sum of all shares."""
    prepare: Callable[[Path], Ready]
    """Makes ready in a folder of its own, which is empty."""
    growth_mb: int = 400
    """By how much memory may grow at the most while cases run."""
    preload: tuple[str, ...] = ()
    """Modules that all processes of such targets may share: without threads, or these would be missing in each."""


def bytes_target(
    name: str,
    share: int,
    seeds: Callable[[], Sequence[bytes]],
    mutate: Callable[[bytes, Random], bytes],
    reader: Callable[[Path], Callable[[bytes], bool]],
) -> Target:
    """A target whose inputs are bytes: a good one, changed. One case in fifty is a good one as it is."""

    def prepare(folder: Path) -> Ready:
        good = list(seeds())

        def make(luck: Random) -> bytes:
            seed = luck.choice(good)
            return seed if luck.random() < 0.02 else mutate(seed, luck)

        return Ready(make, reader(folder), good)

    return Target(name, share, prepare)


def folder_target(
    name: str,
    share: int,
    write: Callable[[Path], Mapping[str, Mutate]],
    read: Callable[[Path], object],
    errors: tuple[type[Exception], ...] = (ValueError, FileNotFoundError),
    growth_mb: int = 400,
) -> Target:
    """A target that is a folder of files, of which a case changes one.

    `write` puts good files into the folder, and tells how each of those that are fuzzed is changed.
    """

    def prepare(folder: Path) -> Ready:
        ways = dict(write(folder))
        good = {file: (folder / file).read_bytes() for file in ways}

        def make(luck: Random) -> tuple[str, bytes]:
            file = luck.choice(sorted(good))
            return file, good[file] if luck.random() < 0.02 else ways[file](good[file], luck)

        def one(case: tuple[str, bytes]) -> bool:
            file, data = case
            (folder / file).write_bytes(data)
            try:
                return refused((str(folder),), lambda: read(folder), errors)
            finally:
                (folder / file).write_bytes(good[file])

        return Ready(make, one)

    return Target(name, share, prepare, growth_mb)


def refused(names: Sequence[str], read: Callable[[], Any], errors: tuple[type[Exception], ...] = (ValueError,)) -> bool:
    """Read: True when that went well, False when it was refused by one of `errors` with a message that has one of `names`.

    Raises `Unnamed` for a message without: a bare `invalid literal for int()` helps nobody.
    """
    try:
        read()
    except errors as error:
        message = str(error)
        if isinstance(error, UnicodeError) or not any(name in message for name in names):
            raise Unnamed(f"{type(error).__name__}: {message[:300]}") from error
        return False
    return True
