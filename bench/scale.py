"""How the engine grows: size, build, search, upserts, outfits and the service at 10,000, 100,000 and 1,000,000 items.

python bench/scale.py --folder runs/scale                             all of it, about an hour on two idle cores
python bench/scale.py --folder runs/scale --rows 1000000 --parts search upsert

Each figure is measured in a process of its own and kept in --out as soon as it is there; what is kept is not measured again,
so that a run that was cut short goes on where it stopped (`--again` measures anew). Catalogues are kept in --folder.

The items are those of a drawn shop (atelier, 3,000 items with photos, encoded by the shipped model), each many times, with
noise added to both halves of its vector (`--noise`, the length of what is added to a unit half): as crowded as a large shop,
without its tidy gaps. `--dim 256` projects vectors and queries to 256 values (seeded, orthogonal). Queries are half words, read
by the shipped model, half items' vectors with more noise. Filters pass a share of the rows: by `luck`, which has nothing to do
with the vectors, and by `region`, the rows nearest to one item, which most queries are not near to; and a real category.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import psutil

from drawn_shop import drawn_shop
from modiste.engine.beside import begin
from modiste.engine.catalogue import Catalogue
from modiste.engine.index import build_index
from modiste.engine.ivf import IVFIndex
from modiste.engine.partition import FILE_NAME as LISTS_NAME
from modiste.engine.snapshot import Snapshot
from modiste.types import Embeddings, EncoderId, FloatArray, ImageLike, Item
from report import machine, write_result

ROWS = (10_000, 100_000, 1_000_000)
SHARES = (0.5, 0.3, 0.1, 0.02, 0.001)
PARTS = ("index", "make", "search", "upsert", "rebuild", "outfits", "service")
_DRAWN = 3_000
_AT_ONCE = 50_000  # rows made and stored at once


@dataclass(frozen=True, slots=True)
class World:
    """What the catalogues are made of: drawn items, their vectors (B, D), and queries (Q, D), words first."""

    items: list[Item]
    vectors: FloatArray
    queries: FloatArray
    encoder: EncoderId
    region: np.ndarray  # (B,) the share of the drawn items that are nearer to the first

    def jittered(self, numbers: np.ndarray, noise: float, seed: int) -> FloatArray:
        """Vectors near those of the items of these numbers, each half of its own length."""
        rng, width = np.random.default_rng(seed), self.vectors.shape[1] // 2
        found = self.vectors[numbers]
        for half in (slice(0, width), slice(width, None)):
            length = np.linalg.norm(found[:, half], axis=1, keepdims=True)
            scale = noise / np.sqrt(found[:, half].shape[1])
            moved = found[:, half] / length + rng.normal(0, scale, found[:, half].shape)
            found[:, half] = moved / np.linalg.norm(moved, axis=1, keepdims=True) * length
        return found.astype(np.float32)


class Given:
    """An encoder whose vectors are made already, by the number in an item's id."""

    def __init__(self, encoder_id: EncoderId) -> None:
        self.id = encoder_id
        self.vectors: dict[str, FloatArray] = {}

    def encode(self, items: Sequence[Item]) -> Embeddings:
        return Embeddings(np.stack([self.vectors[item.id] for item in items]), self.id)

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        raise NotImplementedError("queries are vectors")


def world(options: argparse.Namespace) -> World:
    """Drawn and encoded once, then read from --folder."""
    from modiste.models.pretrained import load

    encoder = load()
    shop = drawn_shop(options.shops or options.folder, encoder, _DRAWN, options.seed).snapshot()
    items, vectors = [shop.item(row) for row in range(len(shop))], shop.vectors.copy()
    rng = np.random.default_rng(options.seed)
    half = options.queries // 2
    words = encoder.encode_queries([(items[row].title, None) for row in rng.choice(len(items), half)]).vectors
    queries = np.concatenate([words, vectors[rng.choice(len(items), options.queries - half)]])
    queries[half:] += rng.normal(0, options.noise / np.sqrt(vectors.shape[1]), queries[half:].shape).astype(np.float32)
    encoder_id = encoder.id
    if options.dim != vectors.shape[1]:
        turn = np.linalg.qr(rng.normal(size=(vectors.shape[1], options.dim)))[0].astype(np.float32)
        vectors, queries = vectors @ turn, queries @ turn
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        encoder_id = EncoderId("projected", "0" * 64, options.dim)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    nearer = np.argsort(np.argsort(-(vectors @ vectors[0]))) / len(items)
    return World(items, vectors, queries.astype(np.float32), encoder_id, nearer)


def made_item(source: World, row: int, luck: float) -> Item:
    like = source.items[row % len(source.items)]
    attributes = {**like.attributes, "luck": luck, "region": round(float(source.region[row % len(source.items)]), 6)}
    return Item(f"{row:09d}", f"{like.title}, style {row}", category=like.category, attributes=attributes)


def feed(source: World, given: Given, start: int, stop: int, options: argparse.Namespace) -> Iterator[Item]:
    """Rows `start` to `stop`; their vectors are made a block ahead."""
    for block in range(start, stop, _AT_ONCE):
        rows = np.arange(block, min(stop, block + _AT_ONCE))
        vectors = source.jittered(rows % len(source.items), options.noise, options.seed + block)
        lucks = np.random.default_rng(options.seed + 1 + block).random(len(rows)).round(6)
        given.vectors |= zip((f"{row:09d}" for row in rows), vectors, strict=True)
        for row, luck in zip(rows.tolist(), lucks.tolist(), strict=True):
            yield made_item(source, row, luck)
        for row in rows[: -_AT_ONCE // 10].tolist():  # the last ones may still wait to be encoded
            given.vectors.pop(f"{row:09d}", None)


def folder_of(options: argparse.Namespace) -> Path:
    found: Path = options.folder / f"scale-{options.rows}-{options.dim}-{options.noise}-{options.seed}"
    return found


def opened(options: argparse.Namespace) -> Catalogue:
    return Catalogue.open(folder_of(options))


def disk(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


def memory() -> int:
    return int(psutil.Process().memory_info().rss)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    found = work()
    return found, time.perf_counter() - start


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    return {
        "p50 ms": round(1e3 * float(np.median(seconds)), 2),
        "p95 ms": round(1e3 * float(np.percentile(seconds, 95)), 2),
    }


def make(options: argparse.Namespace) -> dict[str, Any]:
    source = world(options)
    given = Given(source.encoder)
    shop = Catalogue.open_or_create(folder_of(options), source.encoder, store_images="none", model=_model(options))
    start = time.perf_counter()
    if len(shop) < options.rows:
        for block in range(0, options.rows, 10 * _AT_ONCE):
            stop = min(options.rows, block + 10 * _AT_ONCE)
            shop.ingest(feed(source, given, block, stop, options), given, batch_size=2_000, commit_rows=50_000)
        shop.compact()
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 1), "disk MB": round(disk(folder_of(options)) / 1e6, 1)}


def _model(options: argparse.Namespace) -> str:
    from modiste.registry import DEFAULT

    return DEFAULT if options.dim not in (256,) else ""


def filters(snapshot: Snapshot) -> dict[str, list[str]]:
    """What is asked beside the query, by what passes."""
    category = snapshot.columns["category"]
    codes = category.codes  # type: ignore[union-attr]
    largest = category.vocabulary[int(np.bincount(codes[codes >= 0]).argmax())]  # type: ignore[union-attr]
    found: dict[str, list[str]] = {"all": []}
    for share in SHARES:
        found[f"{share:.1%} by chance"] = [f"luck<{share}"]
        found[f"{share:.1%} of a region"] = [f"region<{share}"]
    found[f"category {largest}"] = [f"category={largest}"]
    return found


def search(options: argparse.Namespace) -> dict[str, Any]:
    source, before = world(options), memory()
    lists = folder_of(options) / LISTS_NAME
    if options.again:
        lists.unlink(missing_ok=True)
    kept = lists.exists()
    shop, opening = timed(lambda: opened(options))
    snapshot, loading = timed(shop.snapshot)
    _, columns = timed(lambda: snapshot.columns)
    encoder = source.encoder
    queries = [Embeddings(query[None], encoder) for query in source.queries]
    result: dict[str, Any] = {"open s": round(opening + loading, 2), "columns s": round(columns, 2)}
    index = snapshot.index
    if isinstance(index, IVFIndex):
        first = [
            timed(lambda one=one: shop.search(one, 10))[1] for one in queries[:5]
        ]  # exact: the lists are not there
        result["before the lists p50 ms"] = round(1e3 * float(np.median(first)), 1)
        _, result["lists s"] = timed(index.wait)
        result["lists s"] = round(result["lists s"] + sum(first), 1)
        result["lists from a kept partition"] = kept
        result["lists MB on disk"] = round(lists.stat().st_size / 1e6, 1) if lists.exists() else 0
    for one in queries[:5]:
        shop.search(one, 10)
    result["memory MB"] = round((memory() - before) / 1e6)
    vectors = snapshot.vectors
    rows = []
    for name, asked in filters(snapshot).items():
        seconds, busy, hits, of_words, possible = [], [], 0, 0, 0
        passing = None
        for number, query in enumerate(queries):
            before_busy = time.process_time()
            found, took = timed(lambda query=query, asked=asked: shop.search(query, 10, asked))
            seconds.append(took)
            busy.append(time.process_time() - before_busy)
            if passing is None:
                from modiste.engine.filters import filter_mask

                passing = np.flatnonzero(filter_mask(asked, snapshot.columns, len(snapshot)))
            scores = _exact(vectors, source.queries[number], passing)
            count = min(10, len(passing))
            best = passing[np.argpartition(-scores, count - 1)[:count]] if len(passing) else passing
            right = len({snapshot.id(int(row)) for row in best} & set(found.ids))
            hits, possible = hits + right, possible + count
            of_words += right if number < len(queries) // 2 else 0
        assert passing is not None
        rows.append(
            {
                "passing": name,
                "candidates": len(passing),
                **milliseconds(seconds),
                "p95 CPU ms": milliseconds(busy)["p95 ms"],  # of all cores; what a busy machine leaves alone
                "recall@10": round(hits / max(1, possible), 4),
                "of words": round(of_words / max(1, (len(queries) // 2) * min(10, len(passing))), 4),
            }
        )
    return {**result, "queries": len(queries), "searches": rows}


def _exact(vectors: FloatArray, query: FloatArray, rows: np.ndarray) -> np.ndarray:
    return vectors @ query if len(rows) == len(vectors) else vectors[rows] @ query


def index(options: argparse.Namespace) -> dict[str, Any]:
    """The vectors alone, without a store: lists made from nothing, then searched."""
    source = world(options)
    numbers = np.arange(options.rows) % len(source.items)
    vectors = np.empty((options.rows, options.dim), dtype=np.float32)
    for start in range(0, options.rows, _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        vectors[part] = source.jittered(numbers[part], options.noise, options.seed + start)
    before, busy = memory(), time.process_time()
    found = build_index(vectors)
    if isinstance(found, IVFIndex):
        _, seconds = timed(found.build)
        result = {"lists s": round(seconds, 1), "lists CPU s": round(time.process_time() - busy, 1)}
        assert found.partition is not None
        result["fractions met"] = [round(float(one), 4) for one in found.partition.fractions]
    else:
        result = {}
    result |= {"vectors MB": round(vectors.nbytes / 1e6), "index MB": round((memory() - before) / 1e6)}
    luck = np.random.default_rng(options.seed + 1).random(options.rows)
    masks = {"all": np.ones(options.rows, dtype=bool)}
    for share in SHARES:
        masks[f"{share:.1%} by chance"] = luck < share
        masks[f"{share:.1%} of a region"] = source.region[numbers] < share
    best = {name: np.empty((0, 10), dtype=np.int64) for name in masks}
    for start in range(0, len(source.queries), 10):
        scores = source.queries[start : start + 10] @ vectors.T
        for name, mask in masks.items():
            rows = np.flatnonzero(mask)
            top = np.argpartition(-scores[:, rows], 9, axis=1)[:, :10] if len(rows) > 10 else np.arange(len(rows))[None]
            here = np.full((len(scores), 10), -1, dtype=np.int64)
            here[:, : top.shape[1]] = rows[top]
            best[name] = np.concatenate([best[name], here])
    searches = []
    for name, mask in masks.items():
        seconds, spent, right = [], [], []
        for query, wanted in zip(source.queries, best[name], strict=True):
            start_busy = time.process_time()
            (rows, _), took = timed(lambda query=query, mask=mask: found.search(query[None], 10, mask))
            seconds.append(took)
            spent.append(time.process_time() - start_busy)
            right.append(len({*wanted.tolist()} & {*rows[0].tolist()} - {-1}))
        count = max(1, min(10, int(mask.sum())))
        searches.append(
            {
                "passing": name, "candidates": int(mask.sum()), **milliseconds(seconds),
                "p95 CPU ms": milliseconds(spent)["p95 ms"],
                "recall@10": round(sum(right) / (count * len(right)), 4),
                "of words": round(sum(right[: len(right) // 2]) / (count * (len(right) // 2)), 4),
            }
        )  # fmt: skip
    return {**result, "queries": len(source.queries), "searches": searches}


def upsert(options: argparse.Namespace) -> dict[str, Any]:
    """A thousand rows stored by another handle; then a reader that has the catalogue in memory, lists and columns, looks.

    What outfits by the rules need of a version is made before, too, and taken up after the upserts.
    """
    from modiste.engine.outfits import OutfitEngine
    from modiste.models.stylist import Stylist

    source, count = world(options), options.upserts
    given = Given(source.encoder)
    writer, reader = opened(options), opened(options)
    snapshot = reader.snapshot()
    _ = snapshot.columns
    if isinstance(snapshot.index, IVFIndex):
        snapshot.index.build()
    queries = [Embeddings(query[None], source.encoder) for query in source.queries]
    engine = OutfitEngine(reader, Stylist(), None)
    prepared, first = timed(lambda: engine.prepared(snapshot))
    engine.adopt(prepared, snapshot, lambda: None)
    rows: list[dict[str, Any]] = []
    start = options.rows + 10_000_000
    fresh = list(feed(source, given, start, start + count, options))
    newest = Embeddings(given.vectors[fresh[-1].id][None], source.encoder)
    _, storing = timed(lambda: writer.ingest(fresh, given, batch_size=2_000))
    found, seeing = timed(lambda: reader.search(newest, 1))
    rows.append({"after": f"{count:,} upserts", "stored s": round(storing, 2), "visible s": round(seeing, 3)})
    assert found.ids == (fresh[-1].id,), "the search did not see what was stored"
    _, filtering = timed(lambda: reader.search(newest, 1, ["region<2"]))
    rows[-1]["first filter s"] = round(filtering, 3)
    seconds = [timed(lambda one=one: reader.search(one, 10, ["luck<0.5"]))[1] for one in queries]
    rows[-1] |= {f"search, 50 %: {name}": value for name, value in milliseconds(seconds).items()}
    _, taking = timed(lambda: engine.prepared(reader.snapshot()))
    rows[-1]["outfits s"] = round(taking, 2)
    _, storing = timed(lambda: writer.delete(item.id for item in fresh))
    found, seeing = timed(lambda: reader.search(newest, 1))
    rows.append({"after": f"{count:,} deletions", "stored s": round(storing, 2), "visible s": round(seeing, 3)})
    assert found.ids[0] not in {item.id for item in fresh}
    whole, loading = timed(lambda: opened(options).snapshot())
    assert len(whole) == len(reader)
    return {"whole version read anew s": round(loading, 2), "outfits anew s": round(first, 2), "changes": rows}


def rebuild(options: argparse.Namespace) -> dict[str, Any]:
    """Searches, half of the rows passing, alone and while new lists are made from nothing in the same process."""
    source = world(options)
    shop = opened(options)
    snapshot = shop.snapshot()
    _ = snapshot.columns
    if not isinstance(snapshot.index, IVFIndex):
        return {"lists": "none: all searches are exact"}
    snapshot.index.build()
    queries = [Embeddings(query[None], source.encoder) for query in source.queries]

    def ask() -> list[float]:
        return [timed(lambda one=one: shop.search(one, 10, ["luck<0.5"]))[1] for one in queries]

    alone, meanwhile = ask(), []
    other = IVFIndex(snapshot.vectors)
    start = time.perf_counter()
    thread = begin("rebuild", other.build)
    while thread.is_alive():
        meanwhile += ask()
    seconds = time.perf_counter() - start
    return {
        "rebuild s": round(seconds, 1), "searches meanwhile": len(meanwhile),
        **{f"alone {name}": value for name, value in milliseconds(alone).items()},
        **{f"meanwhile {name}": value for name, value in milliseconds(meanwhile).items()},
    }  # fmt: skip


def outfits(options: argparse.Namespace) -> dict[str, Any]:
    """Two slots completed and four items generated, as bench/trained_search.py asks for them."""
    import torch

    from modiste.engine.outfits import OutfitEngine
    from modiste.engine.solve import Effort
    from modiste.models.outfit_scorers import named_scorer
    from modiste.models.pretrained import load
    from trained_search import CALIBRATION, speed

    encoder = load()
    found: dict[str, Any] = {"threads": torch.get_num_threads()}
    for name in options.scorers:
        scorer = named_scorer(name, encoder=encoder).scorer
        engine = OutfitEngine(
            opened(options), scorer, encoder, calibration=CALIBRATION, effort=Effort(deadline=float("inf"))
        )
        for row in speed(engine, options):
            found[f"{row['verb']}, {Path(name).name}"] = row
    found["memory MB"] = round(memory() / 1e6)
    return found


def service(options: argparse.Namespace) -> dict[str, Any]:
    """Requests over HTTP to one worker: words searched for, and outfits."""
    from api_fuzz import served
    from service_load import Clients, by_words, posting

    rows = []
    wants = [{"slot": "shoes", "wish": "white sneakers"}, {"slot": "bag", "wish": "leather"}]
    tops = _some(options, "top", 2)
    start = time.perf_counter()
    with served(folder_of(options)) as server:
        starting = time.perf_counter() - start
        for what, connections, ask in (
            ("search", 1, by_words(0)),
            ("search", 16, by_words(50_000)),
            ("complete, 2 slots", 1, posting("/v1/complete", {"have": tops[:1], "want": wants})),
            ("generate, 4 items", 1, posting("/v1/generate", {"text": "navy and white office look", "size": 4})),
        ):
            Clients(server, connections, ask).run(2)
            rows.append(Clients(server, connections, ask).run(options.seconds).row(what))
        used = server[1].memory_info().rss
    return {"start s": round(starting, 1), "memory MB": round(used / 1e6), "requests": rows}


def _some(options: argparse.Namespace, slot: str, count: int) -> list[str]:
    snapshot = opened(options).snapshot()
    column = snapshot.columns["slot"]
    rows = np.flatnonzero(column.codes == column.vocabulary.index(slot))  # type: ignore[union-attr]
    return [snapshot.id(int(row)) for row in rows[:count]]


def kept(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def measured(options: argparse.Namespace, arguments: Sequence[str], rows: int, part: str) -> dict[str, Any]:
    """One part in a process of its own, so that memory is its own and nothing is warm."""
    command = [sys.executable, __file__, *arguments, "--rows", str(rows), "--one", part]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{part} of {rows:,} rows failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**found, "machine": machine()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where catalogues are kept")
    parser.add_argument("--shops", type=Path, help="where drawn shops are kept, if not there")
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--dim", type=int, default=386)
    parser.add_argument("--noise", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--upserts", type=int, default=1_000)
    parser.add_argument("--requests", type=int, default=30, help="outfits of each kind")
    parser.add_argument("--seconds", type=float, default=10, help="of each load on the service")
    parser.add_argument("--scorers", nargs="+", default=["rules"])
    parser.add_argument("--out", type=Path, default=Path("docs/results/scale.json"))
    parser.add_argument("--again", action="store_true", help="measure what is kept already")
    parser.add_argument("--one", choices=PARTS, help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.one:
        options.rows = options.rows[0]
        print(json.dumps(globals()[options.one](options)))
        return
    arguments = [
        *(["--again"] if options.again else []), *(["--shops", str(options.shops)] if options.shops else []),
        *(word for name in ("folder", "dim", "noise", "seed", "queries", "upserts", "requests", "seconds")
          for word in (f"--{name}", str(getattr(options, name)))),
        "--scorers", *options.scorers,
    ]  # fmt: skip
    for rows in options.rows:
        for part in options.parts:
            found = kept(options.out)
            key = f"{rows} {options.dim}"
            if part in found.get(key, {}) and not options.again:
                continue
            print(f"{rows:,} rows of {options.dim} values: {part}", file=sys.stderr, flush=True)
            one = measured(options, arguments, rows, part)
            found = kept(options.out)
            found.setdefault(key, {})[part] = one
            write_result(options.out, found)
    print(json.dumps(kept(options.out), indent=1))


if __name__ == "__main__":
    main()
