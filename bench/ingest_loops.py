"""A folder of products indexed and searched: Modiste against the loop one would write, same weights, same batch, one run.

python bench/ingest_loops.py --out docs/results/ingest_loops.json         40,000 products; about eight minutes
python bench/ingest_loops.py --items 400 --block 40 --queries 10          a minute

- plain: `PIL.Image.open`, transformers' processor, its CLIP, vectors into a FAISS flat index;
- sentence-transformers: the same folder through its CLIP module, `encode` with the same batch;
- encoder: Modiste's encoder alone, nothing stored; the same weights through `models/hf_clip.py`;
- modiste: `Catalogue.ingest`, everything stored, durable and searchable;
- modiste, ONNX: the same with `modiste export`'s folder of the same weights.

Every side encodes photo and title. They take turns: `modiste` indexes all products in blocks, between which each other side
does a part of a block. 40,000 photos are `--drawn` drawn ones, encoded again at 240x320 with noise of their own.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np

from modiste.data.atelier import Atelier
from modiste.data.images import decode, encode_jpeg
from modiste.engine.catalogue import Catalogue
from modiste.types import Item
from report import circumstances, kept_table, machine
from small_clip import write_small_clip

WIDTH, HEIGHT = 240, 320


def write_photos(folder: Path, count: int, drawn: int, seed: int) -> list[tuple[Path, str]]:
    """`count` JPEG files and their titles; a drawn garment comes back with other noise on it."""
    folder.mkdir(parents=True, exist_ok=True)
    garments = list(Atelier(seed, image_size=(WIDTH, HEIGHT)).items(min(drawn, count)))
    shown = [decode(item.image).astype(np.int16) for item in garments if item.image is not None]
    rng = np.random.default_rng(seed)
    noises = rng.integers(-6, 7, (16, HEIGHT, WIDTH, 3), dtype=np.int16)
    found = []
    for number in range(count):
        noise = np.roll(noises[number % len(noises)], number, axis=1)
        file = folder / f"{number:06d}.jpg"
        file.write_bytes(encode_jpeg(np.clip(shown[number % len(shown)] + noise, 0, 255).astype(np.uint8), quality=85))
        found.append((file, f"{garments[number % len(garments)].title} {number}"))
    return found


class Plain:
    """What the documentation of transformers shows, a batch at a time."""

    def __init__(self, folder: Path, batch_size: int) -> None:
        import faiss
        from transformers import CLIPModel, CLIPProcessor

        self.model = CLIPModel.from_pretrained(folder).eval()
        self.processor = CLIPProcessor.from_pretrained(folder)
        self.batch_size = batch_size
        self.index = faiss.IndexFlatIP(self.model.config.projection_dim)

    def add(self, rows: Sequence[tuple[Path, str]]) -> None:
        import torch
        from PIL import Image

        for start in range(0, len(rows), self.batch_size):
            some = rows[start : start + self.batch_size]
            images = [Image.open(file).convert("RGB") for file, _ in some]
            inputs = self.processor(
                text=[title for _, title in some], images=images, return_tensors="pt", padding=True, truncation=True
            )
            with torch.inference_mode():
                found = self.model(**inputs)
            vectors = found.image_embeds + found.text_embeds
            self.index.add(torch.nn.functional.normalize(vectors, dim=1).numpy())

    def search(self, words: str, k: int) -> Any:
        import torch

        inputs = self.processor(text=[words], return_tensors="pt", padding=True, truncation=True)
        with torch.inference_mode():
            found = self.model.get_text_features(**inputs)
        vector = found if isinstance(found, torch.Tensor) else found.pooler_output
        return self.index.search(torch.nn.functional.normalize(vector, dim=1).numpy(), k)


def sentence_transformer(folder: Path, batch_size: int) -> Callable[[Sequence[tuple[Path, str]]], None] | None:
    """The same through sentence-transformers, or None where it is not installed."""
    try:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import CLIPModel
    except ImportError:
        return None
    from PIL import Image

    model = SentenceTransformer(modules=[CLIPModel(str(folder))], device="cpu")

    def add(rows: Sequence[tuple[Path, str]]) -> None:
        for start in range(0, len(rows), batch_size):
            some = rows[start : start + batch_size]
            images = [Image.open(file).convert("RGB") for file, _ in some]
            model.encode(images, batch_size=batch_size, show_progress_bar=False)
            model.encode([title for _, title in some], batch_size=batch_size, show_progress_bar=False)

    return add


def measure(options: argparse.Namespace) -> dict[str, Any]:
    import torch

    from modiste.models.pretrained import load

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        clip = write_small_clip(
            folder / "clip", width=options.width, depth=options.depth, image_size=options.image_size
        )
        rows = write_photos(folder / "photos", options.items, options.drawn, options.seed)
        plain, encoder = Plain(clip, options.batch_size), load(clip)
        encoder.batch_size = options.batch_size
        others = sentence_transformer(clip, options.batch_size)

        def items(some: Sequence[tuple[Path, str]]) -> Any:
            return (Item(file.stem, title, file.read_bytes()) for file, title in some)

        def alone(some: Sequence[tuple[Path, str]]) -> None:
            for start in range(0, len(some), options.batch_size):
                encoder.encode(list(items(some[start : start + options.batch_size])))

        def into(store: Catalogue, by: Any) -> Callable[[Sequence[tuple[Path, str]]], None]:
            def add(some: Sequence[tuple[Path, str]]) -> None:
                report = store.ingest(items(some), by, batch_size=options.batch_size)
                if report.added != len(some):
                    raise RuntimeError(f"only {report.added} of {len(some)} items were indexed")

            return add

        store = Catalogue.create(folder / "store", encoder.id)
        sides: dict[str, Callable[[Sequence[tuple[Path, str]]], None]] = {"plain": plain.add}
        if others:
            sides["sentence-transformers"] = others
        sides["encoder"] = alone
        if not options.no_onnx:
            from modiste.models.export import export_encoder

            export_encoder(encoder, folder / "onnx", num_items=24)
            exported = load(folder / "onnx")
            exported.batch_size = options.batch_size
            sides["modiste, ONNX"] = into(Catalogue.create(folder / "store_onnx", exported.id), exported)
        sides["modiste"] = into(store, encoder)
        for add in [side for name, side in sides.items() if not name.startswith("modiste")]:
            add(rows[: options.batch_size])  # first calls are no one's figure
        plain.index.reset()
        blocks = [rows[at : at + options.block] for at in range(0, len(rows), options.block)]
        rates: dict[str, list[float]] = {name: [] for name in sides}
        spent: dict[str, list[float]] = {name: [] for name in sides}
        for number, block in enumerate(blocks):
            order = list(sides) if number % 2 == 0 else list(sides)[::-1]
            for name in order:
                part = block if name == "modiste" else block[: max(options.batch_size, len(block) // options.part)]
                start, busy = time.perf_counter(), time.process_time()
                sides[name](part)
                rates[name].append(len(part) / (time.perf_counter() - start))
                spent[name].append(1000 * (time.process_time() - busy) / len(part))
            print(f"block {number + 1} of {len(blocks)}: {rates['modiste'][-1]:.0f} products/s", flush=True)
        searched = _search(options, rows, plain, store, encoder)
    return {
        "machine": machine(),
        "settings": {
            "items": options.items, "photos": f"{options.drawn} drawn, {WIDTH}x{HEIGHT}, noise", "batch": options.batch_size,
            "model": f"CLIP, width {options.width}, {options.depth} layers, {options.image_size} px, patch 32",
            "block": options.block, "other sides' part of a block": f"1/{options.part}", "seed": options.seed,
            "threads": torch.get_num_threads(),
        },
        "rows": _rows(rates, spent),
        "search": searched,
    }  # fmt: skip


def _rows(rates: dict[str, list[float]], spent: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Medians over blocks; ratios are those within a block, so a busy minute falls on all sides alike."""
    ours, found = rates["modiste"], []
    for name, values in rates.items():
        ratios = sorted(mine / other for mine, other in zip(ours, values, strict=True))
        exported = [mine / other for mine, other in zip(rates.get("modiste, ONNX", []), values, strict=False)]
        found.append(
            {
                "side": name,
                "products/s": round(statistics.median(values), 1),
                "core ms a product": round(statistics.median(spent[name]), 2),
                "modiste against it": round(statistics.median(ratios), 3),
                "lowest": round(ratios[0], 3),
                "highest": round(ratios[-1], 3),
                "modiste, ONNX against it": round(statistics.median(exported), 3) if exported else None,
            }
        )
    return found


def _search(
    options: argparse.Namespace, rows: Sequence[tuple[Path, str]], plain: Plain, store: Catalogue, encoder: Any
) -> dict[str, Any]:
    """Words to hits, one query at a time, both over as many products; the plain index gets what it has not by copies."""
    rng = np.random.default_rng(options.seed)
    words = [rows[row][1] for row in rng.integers(len(rows), size=options.queries)]
    while plain.index.ntotal < len(rows):
        have = plain.index.reconstruct_n(0, min(plain.index.ntotal, len(rows) - plain.index.ntotal))
        plain.index.add(have)
    seconds: dict[str, list[float]] = {"plain": [], "modiste": []}
    for number, text in enumerate(words):
        for name in ("plain", "modiste") if number % 2 else ("modiste", "plain"):
            start = time.perf_counter()
            if name == "plain":
                plain.search(text, 10)
            else:
                store.search(encoder.encode_query(text), 10)
            seconds[name].append(time.perf_counter() - start)
    return {
        "queries": len(words),
        **{f"{name} p50 ms": round(1000 * float(np.percentile(of[1:], 50)), 2) for name, of in seconds.items()},
        **{f"{name} p95 ms": round(1000 * float(np.percentile(of[1:], 95)), 2) for name, of in seconds.items()},
    }


def table(found: dict[str, Any]) -> str:
    out = io.StringIO()
    print(circumstances(found), file=out)
    names = ("side", "products/s", "core ms a product", "modiste against it (range of blocks)", "ONNX against it")
    print("\n| " + " | ".join(names) + " |\n|" + "---|" * len(names), file=out)
    for row in found["rows"]:
        print(
            f"| {row['side']} | {row['products/s']} | {row['core ms a product']} | {row['modiste against it']:.2f} "
            f"({row['lowest']:.2f}–{row['highest']:.2f}) | {row['modiste, ONNX against it'] or ''} |",
            file=out,
        )
    one = found["search"]
    print(
        f"\n{one['queries']} queries in words: plain {one['plain p50 ms']} ms (p95 {one['plain p95 ms']}), "
        f"modiste {one['modiste p50 ms']} ms (p95 {one['modiste p95 ms']})",
        file=out,
    )
    return out.getvalue().rstrip()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=40_000)
    parser.add_argument("--drawn", type=int, default=400)
    parser.add_argument(
        "--block", type=int, default=8_000, help="products that modiste indexes before the others' turn"
    )
    parser.add_argument("--part", type=int, default=8, help="the other sides do a block's 1/PART")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--depth", type=int, default=6)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-onnx", action="store_true")
    kept_table(parser, arguments, measure, table)


if __name__ == "__main__":
    main()
