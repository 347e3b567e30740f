"""Items per second of `Catalogue.ingest` against the bare encoder: paired rounds, in alternating order.

python bench/ingest.py --encoder NAME                  a published encoder
python bench/ingest.py --fake-ms-per-image 10          one that only burns that much processor time per picture
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modiste.data.images import decode, encode_jpeg
from modiste.engine.catalogue import Catalogue
from modiste.types import Embeddings, EncoderId, ImageLike, Item, ItemEncoder
from report import show


class Burning:
    """Decodes the picture, then multiplies matrices until `milliseconds` of processor time are spent on it."""

    def __init__(self, milliseconds: float, dim: int = 256) -> None:
        self.id = EncoderId("burning", "0" * 64, dim)
        self._seconds = milliseconds / 1000
        self._matrix = np.random.default_rng(0).normal(size=(192, 192)).astype(np.float32)

    def encode(self, items: Sequence[Item]) -> Embeddings:
        return Embeddings(np.stack([self._vector(item.image) for item in items]), self.id)

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        return Embeddings(self._vector(image)[None], self.id)

    def _vector(self, image: ImageLike | None) -> np.ndarray:
        start = time.thread_time()
        seed = 0 if image is None else zlib.crc32(decode(image, draft_to=(256, 256))[::16, ::16].tobytes())
        while time.thread_time() - start < self._seconds:
            _ = self._matrix @ self._matrix
        vector = np.random.default_rng(seed).normal(size=self.id.dim).astype(np.float32)
        return vector / np.linalg.norm(vector)


def pictures(count: int, width: int, height: int, seed: int) -> list[Item]:
    """Items with their own smooth random JPEG each."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        coarse = rng.integers(0, 255, (height // 20, width // 20, 3), dtype=np.uint8)
        image = encode_jpeg(np.kron(coarse, np.ones((20, 20, 1), dtype=np.uint8)))
        made.append(Item(f"{number:06d}", title=f"garment {number}", image=image, attributes={"price": number % 90}))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--encoder", help="as of `modiste index --model`; by default the one that ships")
    parser.add_argument("--fake-ms-per-image", type=float)
    parser.add_argument("--items", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--size", type=int, nargs=2, default=(600, 800), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    encoder: ItemEncoder
    if options.fake_ms_per_image is not None:
        encoder = Burning(options.fake_ms_per_image)
    else:
        from modiste.models.pretrained import load

        encoder = load(options.encoder)
    items = pictures(options.items, *options.size, options.seed)
    encoder.encode(items[: options.batch_size])

    def bare() -> float:
        start = time.perf_counter()
        for at in range(0, len(items), options.batch_size):
            encoder.encode(items[at : at + options.batch_size])
        return len(items) / (time.perf_counter() - start)

    def ingest() -> float:
        with tempfile.TemporaryDirectory() as folder:
            catalogue = Catalogue.create(Path(folder), encoder.id)
            start = time.perf_counter()
            report = catalogue.ingest(iter(items), encoder, batch_size=options.batch_size)
            elapsed = time.perf_counter() - start
            if report.added != len(items):
                raise RuntimeError(f"only {report.added} of {len(items)} items were indexed")
            return len(items) / elapsed

    rows = []
    for number in range(options.rounds):
        if number % 2:
            indexed, alone = ingest(), bare()
        else:
            alone, indexed = bare(), ingest()
        rows.append(
            {
                "round": number + 1,
                "encoder items/s": round(alone, 1),
                "ingest items/s": round(indexed, 1),
                "ratio": round(indexed / alone, 3),
            }
        )
    rows.append({"round": "median", **{k: round(statistics.median(r[k] for r in rows), 3) for k in list(rows[0])[1:]}})
    settings = {
        "encoder": str(encoder.id),
        "ms per image": options.fake_ms_per_image,
        "items": options.items,
        "picture": "x".join(map(str, options.size)),
        "batch": options.batch_size,
        "seed": options.seed,
    }
    show("Ingest against the bare encoder", settings, rows, as_json=options.json)


if __name__ == "__main__":
    main()
