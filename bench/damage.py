"""Every kind of file that the product writes, cut short or with one bit changed: an error that names it, or the right answer.

    python bench/damage.py --flips 2000 --out docs/results/damage.json

A folder is made with one of each: items, seal, clicks, tastes, features of photos, calibration, keys, a statistic, and with
--weights a checkpoint and a model. Then a file is drawn, a bit in it flipped (or, one time in five, the file cut), and all of
its kind is read, in a process of its own: what may come back is what was there before, or an error with the file's name or
folder in it. Another answer, another kind of exception, or a process that dies is a failure. `modiste check` reads it, too:
how much of the damage that changed no answer it finds is counted; the rest lies where nothing depends on it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fault_jobs import ENCODER, MeanColours, item, make_tastes
from killing import Died, in_child
from modiste.engine.attached import attach_tastes, attached_tastes
from modiste.engine.calibration import Calibration
from modiste.engine.catalogue import Catalogue
from modiste.engine.check import check
from modiste.engine.clicks import ClickBook
from modiste.engine.photo_features import PhotoFeatures
from modiste.engine.tastes import save_tastes
from modiste.models.outfit_statistics import Popularity, load_statistic, save_statistic
from modiste.service.keys import KeyFile
from report import machine, write_result

_CHECKED = ("items", "exact", "clicks", "tastes", "calibration")


def make(folder: Path, *, large: bool) -> None:
    """One of each. `large`: rows enough for a file of which only the ends are compared when it is opened."""
    store = Catalogue.create(folder / "shop", ENCODER.id, store_images="original")
    number = 1_500 if large else 40
    store.ingest([item(at) for at in range(number)], ENCODER, commit_rows=number // 2, batch_size=number // 2)
    store.upsert([item(3, version=1)], ENCODER)
    store.delete([item(9).id])
    PhotoFeatures.create(store, MeanColours.id, "means").update(store, MeanColours())
    book = ClickBook(store.folder)
    book.add_all([(f"user-{at % 3}", f"look-{at}", "") for at in range(30)])
    book.close()  # nothing is left in the file of what is about to be written
    attach_tastes(store.folder, save_tastes(folder / "tastes", make_tastes()))
    Calibration(scorer="rules", reference=(0.1, 0.2, 0.4)).save(store.folder / "calibration.json")
    KeyFile(store.folder / "keys.json").add("storefront", rate=50, quota=1_000)
    save_statistic(Popularity({"a": 3, "b": 1}), folder / "statistic.json")


def make_weights(folder: Path) -> None:
    """A checkpoint and a model with all its files."""
    import torch

    from modiste.data.text import train_wordpiece
    from modiste.models.clip import SIZES, DualEncoder
    from modiste.models.pretrained import save_pretrained
    from modiste.training.checkpoint import save_checkpoint

    tensors = {part: {"w": torch.arange(900.0)} for part in ("model", "optimizer")}
    save_checkpoint(folder / "checkpoints", 7, tensors, {"seconds": 1.5})
    tokenizer = train_wordpiece(["red dress", "blue jeans"] * 3, vocab_size=200)
    save_pretrained(folder / "model", DualEncoder(SIZES["debug"]), tokenizer, name="dual_encoder_debug.toy")


def _read_items(folder: Path) -> Any:
    store = Catalogue.open(folder / "shop")
    snapshot = store.snapshot()
    rows = [[repr(snapshot.item(row)), _digest(snapshot.vectors[row].tobytes())] for row in range(len(snapshot))]
    photos = [_digest(store.image(one) or b"") for one in snapshot.ids.to_pylist()[:20]]
    found = store.search(ENCODER.encode_query("red dress"), 5, ["price<50"])
    return [rows, photos, found.ids, str(store.encoder_id), store.model, store.store_images]


def _read_exact(folder: Path) -> Any:
    store = Catalogue.open(folder / "shop")
    features = PhotoFeatures.open(store.folder)
    known, rows = features.find(store.snapshot(), store.snapshot().ids.to_pylist())
    return [known.tolist(), _digest(rows.tobytes()), str(features.maker), features.model]


def _read_clicks(folder: Path) -> Any:
    book = ClickBook(folder / "shop")
    found = [[repr(one) for one in book.every()], [[repr(one) for one in book.of(f"user-{at}")] for at in range(3)]]
    book.close()
    return found


def _read_tastes(folder: Path) -> Any:
    found = attached_tastes(folder / "shop")
    assert found is not None
    arrays = [found.tastes.users, found.tastes.outfits, found.tastes.items, found.tastes.fold.start]
    return [found.sha256, found.last_click, found.tastes.name, [_digest(one.tobytes()) for one in arrays]]


def _read_checkpoint(folder: Path) -> Any:
    from modiste.training.checkpoint import load_checkpoint

    read = load_checkpoint(folder / "checkpoints" / "step_00000007")
    arrays = {f"{part}/{name}": one.numpy() for part, named in read.tensors.items() for name, one in named.items()}
    return [read.step, dict(read.state), {name: _digest(one.tobytes()) for name, one in arrays.items()}]


def _read_model(folder: Path) -> Any:
    from modiste.models.pretrained import load

    encoder = load(folder / "model")
    return [str(encoder.id), _digest(encoder.encode_query("red dress").vectors.tobytes())]


READERS: dict[str, tuple[tuple[str, ...], Callable[[Path], Any]]] = {
    "items": (("shop/modiste.json", "shop/items.seal.json", "shop/items.lance/**/*"), _read_items),
    "exact": (("shop/exact/*",), _read_exact),
    "clicks": (("shop/clicks.sqlite",), _read_clicks),
    "tastes": (("shop/tastes.json", "shop/tastes/*/*"), _read_tastes),
    "calibration": (
        ("shop/calibration.json",),
        lambda folder: Calibration.load(folder / "shop/calibration.json").as_dict(),
    ),
    "keys": (("shop/keys.json",), lambda folder: repr(KeyFile(folder / "shop/keys.json").read())),
    "statistic": (("statistic.json",), lambda folder: load_statistic(folder / "statistic.json").to_json()),
    "checkpoint": (("checkpoints/*/*",), _read_checkpoint),
    "model": (("model/*",), _read_model),
}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def look(kind: str, folder: Path) -> Any:
    """What is read of a kind, digested; an expected error in words."""
    try:
        return ["read", _digest(json.dumps(READERS[kind][1](folder), sort_keys=True).encode())]
    except (ValueError, OSError) as error:
        return ["error", str(error)]


def check_finds(kind: str, folder: Path) -> bool:
    """Whether `modiste check` finds something of this kind damaged."""
    return any(not one.sound for one in check(folder / "shop") if one.part.startswith(kind))


def damaged(data: bytes, rng: random.Random) -> tuple[str, bytes]:
    """The same bytes, one in five times cut, else with one bit changed."""
    if rng.random() < 0.2:
        return "cut", data[: rng.randrange(len(data))]
    changed = bytearray(data)
    changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return "flipped", bytes(changed)


def run(flips: int, seed: int, *, weights: bool, large: bool, parent: Path | None = None) -> dict[str, Any]:
    """Damage so many files, one at a time, and count what came of it."""
    start, rng = time.monotonic(), random.Random(seed)
    base = Path(tempfile.mkdtemp(prefix="damage-", dir=parent))
    counts: dict[str, Counter[str]] = {}
    failures: list[str] = []
    try:
        in_child(lambda: make(base, large=large))
        if weights:
            in_child(lambda: make_weights(base))
        kinds = [kind for kind in READERS if weights or kind not in ("checkpoint", "model")]
        good = {kind: in_child(lambda kind=kind: look(kind, base))[1] for kind in kinds}  # type: ignore[misc]
        files = {
            kind: [path for pattern in READERS[kind][0] for path in sorted(base.glob(pattern)) if path.is_file()]
            for kind in kinds
        }
        assert all(found[0] == "read" for found in good.values()), good
        for _ in range(flips):
            kind = rng.choice(kinds)
            path = rng.choice([one for one in files[kind] if one.stat().st_size])
            whole = path.read_bytes()
            how, data = damaged(whole, rng)
            path.write_bytes(data)
            where = f"{kind}: {path.relative_to(base).as_posix()}, {how}"
            try:
                found = in_child(lambda kind=kind: look(kind, base))[1]  # type: ignore[misc]
                if found == good[kind]:
                    outcome = "the right answer"
                    if kind in _CHECKED and in_child(lambda kind=kind: check_finds(kind, base))[1]:  # type: ignore[misc]
                        outcome = "the right answer, and found by check"
                elif found[0] == "error":
                    outcome = "an error that names it"
                    if path.name not in found[1] and path.parent.name not in found[1] and str(base) not in found[1]:
                        outcome = "an error that does not name it"
                else:
                    outcome = "a wrong answer"
            except Died as error:
                outcome = "a process that dies" if "ended by signal" in str(error) else "another exception"
                where += f": {str(error).strip().splitlines()[-1][:200]}"
            finally:
                path.write_bytes(whole)
                for left in path.parent.glob(f"{path.name}-*"):  # what a database wrote while it was looked at
                    left.unlink()
            counts.setdefault(kind, Counter())[f"{how}: {outcome}"] += 1
            if outcome not in ("the right answer", "the right answer, and found by check", "an error that names it"):
                failures.append(f"{outcome}: {where}")
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return {
        "seed": seed,
        "damaged": flips,
        "kinds": {kind: dict(sorted(found.items())) for kind, found in sorted(counts.items())},
        "failures": failures,
        "seconds": round(time.monotonic() - start, 1),
        "machine": machine(),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flips", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", action="store_true", help="a checkpoint and a model, too")
    parser.add_argument("--large", action="store_true", help="files of rows that are larger than what opening compares")
    parser.add_argument("--folder", type=Path, help="where the files lie  [default: temporary]")
    parser.add_argument("--out", type=Path, help="write the counts there")
    options = parser.parse_args(arguments)
    if options.weights:  # once, and not in every child
        import modiste.models.pretrained
        import modiste.training.checkpoint  # noqa: F401
    found = run(options.flips, options.seed, weights=options.weights, large=options.large, parent=options.folder)
    if options.out:
        write_result(options.out, found)
    print(json.dumps(found, indent=1))
    return 1 if found["failures"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
