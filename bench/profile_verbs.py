"""Where the time of each verb goes: index, search by words and by photo, complete, generate, caption, tag, exact search.

python bench/profile_verbs.py --out docs/results/profile_verbs.json            600 drawn items; about three minutes
python bench/profile_verbs.py --items 40 --verbs index "search, words"         seconds

Each verb runs once to warm up and once under cProfile, through the command line in this process. Time is counted where it is
spent, by the library that spends it. Threads that decode photos are not profiled: the main thread's waiting for them is
"waiting". cProfile makes Python's own share look larger than it is; seconds are those of a run without it.
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import io
import os
import pstats
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from report import circumstances, kept_table, machine

# In this order: the first that is part of "file function" counts the time.
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("waiting", ("acquire' of '_thread", "_thread.lock", "time.sleep", "'select", "Condition")),
    ("reading and hashing files", ("safetensors", "_hashlib", "sha256", "blake2", "json", "_io", "io.open", "posix.")),
    ("torch", ("torch",)),
    ("FAISS", ("faiss",)),
    ("store (lancedb, pyarrow)", ("lance", "pyarrow")),
    ("photos (Pillow)", ("PIL", "ImagingCore", "ImagingDecoder")),
    ("tokenizer", ("tokenizers", "Tokenizer")),
    ("NumPy", ("numpy", "ufunc")),
    ("imports", ("importlib", "marshal", "_imp.", "posix.stat")),
    ("modiste", ("modiste",)),
)
VERBS = ("index", "search, words", "search, photo", "complete", "generate", "caption", "tag", "search, exact")


def grouped(profile: cProfile.Profile) -> dict[str, float]:
    """Group -> share of all time, largest first; what is under a hundredth of it goes to "other"."""
    spent: Counter[str] = Counter()
    statistics: Any = pstats.Stats(profile)
    for (file, _, function), (_, _, own, _, _) in statistics.stats.items():
        name = f"{file} {function}"
        spent[next((group for group, parts in GROUPS if any(part in name for part in parts)), "other")] += own
    total = sum(spent.values())
    found = {group: own for group, own in spent.most_common() if own >= total / 100 and group != "other"}
    found["other"] = total - sum(found.values())
    return {group: round(own / total, 3) for group, own in found.items()}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    import torch

    from modiste.cli import run
    from modiste.data.atelier import Atelier, write_catalogue
    from modiste.models.grnet import SIZES, Grnet
    from modiste.models.grnet_pretrained import save_grnet

    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shop = write_catalogue(Atelier(options.seed, image_size=(240, 320)), options.items, folder / "table")
        store = str(folder / "store")
        torch.manual_seed(options.seed)
        grnet = str(
            save_grnet(folder / "grnet", Grnet(SIZES["debug" if options.items < 100 else "small"]), name="born")
        )
        photo = str(next(iter(sorted((folder / "table").rglob("*.jpg")))))
        photos = [str(file) for file in sorted((folder / "table").rglob("*.jpg"))[:16]]
        have = Atelier(options.seed).item(0, image=False).id
        lines = {
            "search, words": ["search", store, "red dress with polka dots", "--json"],
            "search, photo": ["search", store, "--image", photo, "--json"],
            "complete": ["complete", store, "--have", have, "--size", "4", "--json"],
            "generate": ["generate", store, "office, navy", "--size", "4", "--json"],
            "caption": ["caption", *photos, "--json"],
            "tag": ["tag", *photos, "--json"],
            "search, exact": ["search", store, "--image", photo, "--exact", "--json"],
        }

        def once(verb: str, number: int) -> None:
            if verb == "index":
                line = ["index", str(shop), "--into", f"{store}-{number}", "--json"]
            else:
                line = lines[verb]
            with contextlib.redirect_stdout(io.StringIO()) as out:
                code = run(line)
            if code:
                raise RuntimeError(f"modiste {' '.join(line)} ended with {code}: {out.getvalue()[-300:]}")

        with contextlib.redirect_stdout(io.StringIO()):
            if run(["index", str(shop), "--into", store, "--exact", grnet, "--json"]):
                raise RuntimeError("the shop could not be indexed")
        for verb in options.verbs:
            once(verb, 0)
            start = time.perf_counter()
            once(verb, 1)
            seconds = time.perf_counter() - start
            profile = cProfile.Profile()
            profile.enable()
            once(verb, 2)
            profile.disable()
            rows.append({"verb": verb, "seconds": round(seconds, 3), "shares": grouped(profile)})
            print(f"{verb}: {rows[-1]}", flush=True)
    settings = {"items": options.items, "photos": "240x320, drawn", "model": "those that ship", "seed": options.seed}
    return {"machine": machine(), "settings": settings, "rows": rows}


def table(found: dict[str, Any]) -> str:
    out = io.StringIO()
    print(circumstances(found), file=out)
    print("\n| verb | seconds | where they go |\n|---|---:|---|", file=out)
    for row in found["rows"]:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in row["shares"].items())
        print(f"| {row['verb']} | {row['seconds']} | {shares} |", file=out)
    return out.getvalue().rstrip()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=600)
    parser.add_argument("--verbs", nargs="+", default=list(VERBS), choices=VERBS)
    parser.add_argument("--seed", type=int, default=0)
    kept_table(parser, arguments, measure, table)


if __name__ == "__main__":
    main()
