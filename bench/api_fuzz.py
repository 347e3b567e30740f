"""The service against strangers: requests made up from its own description, and uploads that are not what they say.

python bench/api_fuzz.py                       5,000 requests, 500 uploads
python bench/api_fuzz.py --requests 20000 --workers 2

A drawn catalogue is indexed and served by `modiste serve` on a free port. schemathesis makes requests, half of them as the
description asks, half of them not; every answer is held against the description: no 5xx, a status, a content type and a body
that it names. Then photos are cut, flipped bit by bit, given false sizes and false names, and uploaded; the service has to
answer each with 200, 400, 413, 415 or 422, and its memory must not grow.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import psutil
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from PIL import Image
from schemathesis import GenerationMode
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from report import machine, show_values

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# What changes the catalogue, and what would be answered with the same few bytes whatever is asked.
LEFT_OUT = {"/metrics", "/healthz", "/readyz"}


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[str, psutil.Process]]:
    """`modiste serve` on a free port: its address and its process."""
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "modiste", "serve", str(folder), "--port", "0", "--log-level", "warning", *options],
            stdout=subprocess.PIPE, stderr=log, env=environment,
        )  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline().decode()
        if " at http" not in line:
            log.seek(0)
            raise SystemExit(log.read().decode())
        try:
            yield line.rsplit(" ", 1)[-1].strip().rstrip("/"), psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)


def fuzz(address: str, count: int, first_seed: int) -> tuple[int, Counter[int], list[str]]:
    """At least `count` requests over all operations: how many, their statuses, and what violated the description."""
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = [one.ok() for one in schema.get_all_operations()]
    operations = [one for one in operations if one.path not in LEFT_OUT]
    ids = [one["id"] for one in httpx.get(f"{address}/v1/items?k=100", timeout=60).json()["items"]]
    statuses: Counter[int] = Counter()
    problems: list[str] = []
    for again in range(10):  # of some operations nothing wrong can be asked, so a round may fall short
        missing = count - sum(statuses.values())
        if missing <= 0:
            break
        each = -(-missing // (2 * len(operations)))
        for number, operation in enumerate(operations):
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                first = first_seed + number + 1_000 * again
                _ask(operation, mode, address, ids, each, first, statuses, problems)
    return sum(statuses.values()), statuses, problems


def _ask(
    operation: Any,
    mode: GenerationMode,
    address: str,
    ids: Sequence[str],
    each: int,
    first: int,
    statuses: Counter[int],
    problems: list[str],
) -> None:
    """Requests of one operation, as the description asks or not."""
    name = f"{operation.method.upper()} {operation.path}"
    luck = np.random.default_rng(first)

    @seed(first)
    @settings(
        max_examples=each, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        if mode is GenerationMode.POSITIVE and luck.random() < 0.8:
            case.path_parameters = acquainted(case.path_parameters, ids, luck)
            case.body = acquainted(case.body, ids, luck)
        answer = case.call(base_url=address, timeout=60)
        statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except (Exception, BaseExceptionGroup) as error:
            found = getattr(error, "exceptions", [error])
            problems.append(f"{name}: {'; '.join(str(one)[:200] for one in found)}")

    try:
        ask()
    except Exception as error:  # an operation that nothing wrong can be asked of
        if "Unsatisfiable" not in type(error).__name__:
            problems.append(f"{name}: {error!r:.300}")


_NAMES_ITEMS = frozenset({"items", "have", "likes", "id", "like", "item_id", "which", "required", "forbidden"})


def acquainted(value: Any, ids: Sequence[str], luck: np.random.Generator, named: bool = False) -> Any:
    """The same request with ids that the catalogue has, so that it gets past the first door."""
    if isinstance(value, dict):
        return {name: acquainted(one, ids, luck, name in _NAMES_ITEMS) for name, one in value.items()}
    if isinstance(value, list):
        return [acquainted(one, ids, luck, named) for one in value]
    return str(luck.choice(ids)) if named and isinstance(value, str) else value


def hostile(count: int, first_seed: int) -> Iterator[bytes]:
    """Photos of three formats: cut, flipped, stretched, repeated, with false heads and tails."""
    rng = np.random.default_rng(first_seed)
    pixels = rng.integers(0, 255, (96, 72, 3), dtype=np.uint8)
    originals = []
    for kind, options in (
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
    ):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind, **options)
        originals.append(stream.getvalue())
    for number in range(count):
        data = bytearray(originals[number % len(originals)])
        match number // len(originals) % 7:
            case 0:
                data = data[: rng.integers(1, len(data))]
            case 1:
                for at in rng.integers(0, len(data), rng.integers(1, 40)):
                    data[at] ^= 1 << rng.integers(8)
            case 2:  # the head: sizes, tables, chunk lengths
                for at in rng.integers(2, min(120, len(data)), 4):
                    data[at] = rng.integers(256)
            case 3:
                start, stop = sorted(rng.integers(0, len(data), 2))
                data = data[:start] + data[stop:]
            case 4:
                start, stop = sorted(rng.integers(0, len(data), 2))
                data = data[:stop] + data[start:stop] * 5 + data[stop:]
            case 5:
                data = data[:24] + rng.integers(0, 256, len(data), dtype=np.uint8).tobytes()
            case 6:
                data = data + rng.integers(0, 256, 200_000, dtype=np.uint8).tobytes()
        yield bytes(data)


class Memory:
    """The most resident memory of a process and its children, watched while a block runs."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self.before = self.now()
        self.most = self.before
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def now(self) -> int:
        found = 0
        for one in [self._process, *self._process.children(recursive=True)]:
            try:
                found += one.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return found

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            self.most = max(self.most, self.now())

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def upload(address: str, process: psutil.Process, count: int, first_seed: int) -> dict[str, Any]:
    """Upload hostile photos: statuses, memory, and the slowest answer."""
    statuses: Counter[int] = Counter()
    slowest = 0.0
    paths = ("/v1/tag", "/v1/search")
    with httpx.Client(base_url=address, timeout=60) as client, Memory(process) as memory:
        for number, data in enumerate(hostile(count, first_seed)):
            began = time.perf_counter()
            answer = client.post(paths[number % 2], files={"image": ("photo.jpg", data, "image/jpeg")})
            slowest = max(slowest, time.perf_counter() - began)
            statuses[answer.status_code] += 1
    return {
        "uploads": count,
        "upload_statuses": {str(status): number for status, number in sorted(statuses.items())},
        "upload_memory_growth_mb": round((memory.most - memory.before) / 1e6, 1),
        "slowest_upload_s": round(slowest, 2),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--uploads", type=int, default=500)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    from modiste.cli import run

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "shop"
        from modiste.data.atelier import Atelier, write_catalogue

        table = write_catalogue(Atelier(seed=options.seed, image_size=(60, 80)), options.items, Path(scratch) / "drawn")
        if run(["index", str(table), "--into", str(folder)]):
            return 1
        with served(folder, "--workers", str(options.workers)) as (address, process):
            with Memory(process) as memory:
                asked, statuses, problems = fuzz(address, options.requests, options.seed)
            found = {
                "machine": machine(), "seed": options.seed, "requests": asked,
                "statuses": {str(status): number for status, number in sorted(statuses.items())},
                "violations": len(problems), "memory_growth_mb": round((memory.most - memory.before) / 1e6, 1),
                **upload(address, process, options.uploads, options.seed),
            }  # fmt: skip
    show_values(found, as_json=options.json)
    for one in dict.fromkeys(problems):
        print(one, file=sys.stderr)
    allowed = {"200", "400", "413", "415", "422"}
    return int(bool(problems) or not set(found["upload_statuses"]) <= allowed)


if __name__ == "__main__":
    sys.exit(main())
