"""Photos/s and texts/s of an encoder by runtime and precision, taking turns in one run, with how well they agree.

python bench/inference.py --out docs/results/inference.json                  the model that ships
python bench/inference.py --model fame_vil_small.products_v1 --out docs/results/inference_fame_vil.json
python bench/inference.py --clip --out docs/results/inference_clip.json      a small CLIP with random weights

torch in fp32, in bf16 (autocast), in int8 (its dynamic quantisation of linear layers) and compiled; ONNX Runtime in fp32 and
int8; OpenVINO in fp32, bf16 and int8. Each at batches of 1 and 32, on one thread and on two. Photos are prepared before the
clock starts: `--parts` says what preparing costs. Ratios are medians over rounds against torch fp32 of the same round.
"""

from __future__ import annotations

import argparse
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
import torch

from modiste.data.atelier import Atelier
from modiste.data.images import decode
from modiste.models.export import export_encoder
from modiste.models.export_check import kept_hits
from modiste.models.inference import Towers
from modiste.models.pretrained import PretrainedError, load
from modiste.types import FloatArray, Item
from report import circumstances, kept_table, machine, rows_table
from small_clip import write_small_clip

EXPORTS = (
    ("ONNX Runtime fp32", "onnx", "fp32"), ("ONNX Runtime int8", "onnx", "int8"), ("OpenVINO fp32", "openvino", "fp32"),
    ("OpenVINO bf16", "openvino", "bf16"), ("OpenVINO int8", "openvino", "int8"),
)  # fmt: skip
Embed = Callable[[Sequence[Any]], FloatArray]


def _plainly(towers: Towers, what: str, *, autocast: bool = False) -> Embed:
    call: Callable[[Sequence[Any]], torch.Tensor] = getattr(towers, f"embed_{what}")

    def embed(rows: Sequence[Any]) -> FloatArray:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return call(rows).float().numpy()

    return embed


def sides(name: str, folder: Path, compiled: bool) -> dict[str, tuple[Embed, Embed]]:
    """Label -> how photos and how texts are embedded; an export that is refused is left out, with its reason printed."""
    encoder = load(name)
    found = {
        label: (_plainly(encoder.towers, "images", autocast=half), _plainly(encoder.towers, "texts", autocast=half))
        for label, half in (("torch fp32", False), ("torch bf16", True))
    }
    from torch.ao.quantization import quantize_dynamic

    small = load(name).towers
    small.model = quantize_dynamic(small.model, {torch.nn.Linear}, dtype=torch.qint8, inplace=True)  # type: ignore[attr-defined]
    found["torch int8 (linear layers)"] = _plainly(small, "images"), _plainly(small, "texts")
    if compiled:
        fast: Any = load(name).towers
        fast.embed_images = torch.compile(fast.embed_images, dynamic=False)
        found["torch compiled"] = _plainly(fast, "images"), _plainly(fast, "texts")
    for label, form, precision in EXPORTS:
        try:
            export_encoder(encoder, folder / f"{form}_{precision}", form=form, precision=precision, num_items=96)
            other = load(folder / f"{form}_{precision}").towers
        except PretrainedError as error:
            print(f"{label}: left out: {error}", flush=True)
            continue
        found[label] = _plainly(other, "images"), _plainly(other, "texts")
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        name = str(write_small_clip(Path(scratch) / "clip")) if options.clip else options.model
        items = list(Atelier(options.seed + 1, image_size=(240, 320)).items(options.items))
        encoder = load(name)
        photos = _prepared(encoder.towers, items)
        texts = [item.title for item in items]
        for threads in options.threads:
            torch.set_num_threads(threads)  # exports take as many when they are loaded
            ways = sides(name, Path(scratch) / str(threads), options.compile)
            exact = None
            agreement = {}
            for label, (of_photos, of_texts) in ways.items():
                vectors = _in_batches(of_photos, photos, 32), _in_batches(of_texts, texts, 32)
                exact = exact or vectors
                agreement[label] = _agreement(exact, vectors)
            for batch in options.batches:
                rates = _rates(ways, photos, texts, batch, options)
                for label, (of_photos, of_texts) in rates.items():
                    first = rates["torch fp32"]
                    rows.append(
                        {
                            "threads": threads, "batch": batch, "way": label, **agreement[label],
                            "photos/s": round(statistics.median(of_photos), 1),
                            "photos against torch": _ratio(of_photos, first[0]),
                            "texts/s": round(statistics.median(of_texts), 1),
                            "texts against torch": _ratio(of_texts, first[1]),
                        }
                    )  # fmt: skip
        lengths = _by_length(encoder, options)
        parts = _parts(encoder.towers, items)
    model = "CLIP, width 256, 6 layers, 224 px, random weights" if options.clip else encoder.id.name
    settings = {"model": model, "items": options.items, "rounds": options.rounds, "seed": options.seed}
    return {"machine": machine(), "settings": settings, "rows": rows, "by_length": lengths, "parts": parts}


def _prepared(towers: Towers, items: Sequence[Item]) -> list[Any]:
    return [
        towers.prepare_image(decode(item.image, draft_to=towers.draft_size)) for item in items if item.image is not None
    ]


def _in_batches(embed: Embed, rows: Sequence[Any], batch: int) -> FloatArray:
    return np.concatenate([embed(rows[at : at + batch]) for at in range(0, len(rows), batch)])


def _agreement(exact: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]) -> dict[str, float]:
    """Worst cosine of photos and texts with torch's; share of the ten nearest photos of each text that stay."""
    cosines = [float((mine * theirs).sum(axis=1).min()) for mine, theirs in zip(exact, other, strict=True)]
    hits = kept_hits(exact[1] @ exact[0].T, other[1] @ other[0].T)
    return {"worst cosine": round(min(cosines), 5), "top 10 kept": round(hits, 4)}


def _rates(
    ways: dict[str, tuple[Embed, Embed]], photos: Sequence[Any], texts: Sequence[str], batch: int, options: Any
) -> dict[str, tuple[list[float], list[float]]]:
    """Photos/s and texts/s of each way, a value a round; ways take turns, every other round in the other order."""
    count = options.batch_rows if batch > 1 else max(1, options.batch_rows // 4)
    rates: dict[str, tuple[list[float], list[float]]] = {label: ([], []) for label in ways}
    for number in range(options.rounds + 1):
        for label in list(ways) if number % 2 else list(ways)[::-1]:
            for embed, rows, kept in zip(ways[label], (photos, texts), rates[label], strict=True):
                start = time.perf_counter()
                _in_batches(embed, rows[:count], batch)
                if number:  # the first round warms up
                    kept.append(min(count, len(rows)) / (time.perf_counter() - start))
    return rates


def _ratio(values: Sequence[float], first: Sequence[float]) -> float:
    return round(statistics.median(mine / other for mine, other in zip(values, first, strict=True)), 2)


def _by_length(encoder: Any, options: argparse.Namespace) -> dict[str, float]:
    """Texts/s of titles and long descriptions mixed: in batches of about one length, and in the order they came in."""
    rng = np.random.default_rng(options.seed)
    titles = [item.title for item in Atelier(options.seed + 2).items(options.items, image=False)]
    texts = [" ".join([title] * int(rng.choice([1, 1, 1, 5]))) for title in titles]
    ratios, rates = [], []
    for _ in range(options.rounds):
        start = time.perf_counter()
        encoder.encode_texts(texts)
        sorted_seconds = time.perf_counter() - start
        start = time.perf_counter()
        for at in range(0, len(texts), encoder.batch_size):
            with torch.inference_mode():
                encoder.towers.embed_texts(texts[at : at + encoder.batch_size])
        ratios.append((time.perf_counter() - start) / sorted_seconds)
        rates.append(len(texts) / sorted_seconds)
    return {
        "texts/s": round(statistics.median(rates), 1),
        "against the given order": round(statistics.median(ratios), 2),
    }


def _parts(towers: Towers, items: Sequence[Item]) -> dict[str, float]:
    """Milliseconds of processor time for one 240x320 JPEG: decoding, with a draft where the model takes one; preparing."""
    files = [item.image for item in items if isinstance(item.image, bytes)]
    start = time.process_time()
    whole = [decode(file) for file in files]
    full = time.process_time() - start
    start = time.process_time()
    drafts = [decode(file, draft_to=towers.draft_size) for file in files] if towers.draft_size else whole
    draft = time.process_time() - start if towers.draft_size else full
    start = time.process_time()
    for pixels in drafts:
        towers.prepare_image(pixels)
    fitted = time.process_time() - start
    names = ("decode, full", "decode, as the model takes it", "fit")
    return {
        f"{name}, ms": round(1000 * of / max(1, len(files)), 3)
        for name, of in zip(names, (full, draft, fitted), strict=True)
    }


def table(found: dict[str, Any]) -> str:
    parts = [f"{circumstances(found)}\n\n{rows_table(found['rows'])}"]
    for title, values in (("texts by length", found["by_length"]), ("one photo", found["parts"])):
        parts.append(f"{title}: " + ", ".join(f"{name} {value}" for name, value in values.items()))
    return "\n\n".join(parts)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mvlt_small.products_v1")
    parser.add_argument("--clip", action="store_true", help="a small CLIP with random weights instead")
    parser.add_argument("--items", type=int, default=256)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--batch-rows", type=int, default=128, help="photos and texts of a round; a quarter at batch 1")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="torch.compile too; needs a C++ compiler")
    parser.add_argument("--seed", type=int, default=0)
    kept_table(parser, arguments, measure, table)


if __name__ == "__main__":
    main()
