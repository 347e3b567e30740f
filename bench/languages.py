"""Queries in English, Russian and Chinese on the drawn catalogue: what encoders can read, and what they find.

python bench/languages.py --out docs/results/languages.json
python bench/languages.py --models mvlt_small.products_v1+runs/multilingual_text_small

The wishes name two or three attributes of a drawn garment in a combination that no text tower of ours was trained on; an item
is right when it has all of them. Control: the same wishes in English, and chance. Precision is right ones among the first ten,
of as many as there can be; intervals are bootstraps over wishes. Titles are English, as the catalogue's are, or translated.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modiste.data.atelier import Atelier
from modiste.data.atelier.parallel import attributes_of, is_held_out, say
from modiste.data.atelier.translations import LANGUAGES, Language, sentence
from modiste.data.atelier.wording import matches
from modiste.engine.readable import reading_of
from modiste.evaluation.metrics import mean_with_interval, precision_at_k
from modiste.models.inference import ImageTextEncoder
from modiste.models.pretrained import load
from modiste.registry import DEFAULT, TOWER
from modiste.types import Item
from report import machine

K = 10
ROUNDS = 10  # times that every item is asked for a wish
_LATIN = dict(zip("абвгдеёзийклмнопрстуфыэ", "abvgdeeziiklmnoprstufye", strict=True)) | {
    "ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "yu", "я": "ya", "ъ": "", "ь": ""
}  # fmt: skip


def wishes(world: Atelier, items: Sequence[Item], count: int, seed: int) -> list[dict[str, str]]:
    """Two or three attributes, the kind among them, of items of the catalogue; each combination once."""
    found: dict[str, dict[str, str]] = {}
    rng = np.random.default_rng(seed)
    for index in np.concatenate([rng.permutation(len(items)) for _ in range(ROUNDS)]).tolist():
        of_it = {name: value for name, value in attributes_of(world.design(index)).items() if value != "solid"}
        others = [name for name in of_it if name != "category"]
        chosen = rng.choice(len(others), size=min(len(others), 1 + int(rng.integers(2))), replace=False)
        wish = {"category": of_it["category"]} | {others[at]: of_it[others[at]] for at in sorted(chosen.tolist())}
        if is_held_out(wish) and any(matches(item, wish) for item in items):
            found.setdefault(json.dumps(wish, sort_keys=True), wish)
        if len(found) == count:
            break
    return list(found.values())


def precision(encoder: ImageTextEncoder, vectors: np.ndarray, texts: Sequence[str], right: np.ndarray) -> np.ndarray:
    """(Q,) percent: right ones among the first ten, of as many as there can be. `right` (Q, N)."""
    queries = encoder.encode_queries([(text, None) for text in texts]).vectors
    found = precision_at_k(queries @ vectors.T, right, K)
    return np.asarray(100 * K * found / np.minimum(K, right.sum(axis=1)))


def measured(values: np.ndarray, seed: int) -> dict[str, Any]:
    one = mean_with_interval(values, seed=seed)
    return {"queries": len(values), "precision": one.mean, "low": one.low, "high": one.high}


def words_read(encoder: ImageTextEncoder, texts: Sequence[str]) -> dict[str, float]:
    """Percent of words unread and doubtful, and of texts refused."""
    readings = [reading_of(encoder, text) for text in texts]
    words = sum(len(one.read) + len(one.doubtful) + len(one.unread) for one in readings)
    return {
        "texts": len(texts),
        "words": words,
        "unread": 100 * sum(len(one.unread) for one in readings) / max(words, 1),
        "doubtful": 100 * sum(len(one.doubtful) for one in readings) / max(words, 1),
        "refused": 100 * sum(one.nothing for one in readings) / max(len(texts), 1),
        "warned": 100 * sum(bool(one.unread or one.doubtful) for one in readings) / max(len(texts), 1),
    }


def latin(text: str) -> str:
    """Russian in Latin letters, as people type it who have no Russian keyboard."""
    return "".join(_LATIN.get(letter, letter) for letter in text.lower())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--models", nargs="+", default=[DEFAULT, f"{DEFAULT}+{TOWER}"], help="what --model of `index` takes"
    )
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--seed", type=int, default=11, help="of the catalogue, the wishes and the intervals")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    world = Atelier(seed=options.seed, image_size=(60, 80))
    items = [replace(item, description="") for item in world.items(options.items)]
    asked = wishes(world, items, options.queries, options.seed)
    right = np.array([[matches(item, wish) for item in items] for wish in asked])
    result = {
        **machine(),
        "command": " ".join(["python bench/languages.py", *sys.argv[1:]]),
        "data": f"atelier:{options.items}:{options.seed}",
        "seed": options.seed,
        "queries": len(asked),
        "chance": float(100 * right.mean()),
        "models": [measure(load(model), world, items, asked, right, options.seed) for model in options.models],
    }
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


def measure(
    encoder: ImageTextEncoder, world: Atelier, items: Sequence[Item], asked: Sequence[dict[str, str]], right: np.ndarray,
    seed: int,
) -> dict[str, Any]:  # fmt: skip
    """What one encoder finds and reads. `right` (Q, N): which items have all that a wish names."""
    rng = np.random.default_rng(seed)
    usual = {language: [sentence(wish, language) for wish in asked] for language in LANGUAGES}
    new = {language: [say(wish, language, rng, new=True) for wish in asked] for language in LANGUAGES}
    own = encoder.encode(items).vectors
    rows = []
    for titles in LANGUAGES:
        vectors = own if titles == "en" else retitled(encoder, own, world, titles)
        for language in LANGUAGES:
            if titles not in ("en", language):
                continue
            for wording, said in (("usual", usual[language]), ("new", new[language])):
                known = [at for at, text in enumerate(said) if text]
                values = precision(encoder, vectors, [str(said[at]) for at in known], right[known])
                rows.append({"titles": titles, "language": language, "wording": wording, **measured(values, seed)})
    reading = {
        "wishes, English": usual["en"],
        "the catalogue's English titles": [item.title for item in items],
        "wishes, Russian": usual["ru"],
        "wishes, Chinese": usual["zh"],
        "wishes, Russian in Latin letters": [latin(text) for text in usual["ru"]],
        "wishes, Russian, new wordings": [text for text in new["ru"] if text],
        "wishes, Chinese, new wordings": [text for text in new["zh"] if text],
    }
    return {
        "model": encoder.id.name,
        "sha256": encoder.id.sha256,
        "languages": list(encoder.languages),
        "rows": rows,
        "reading": {name: words_read(encoder, texts) for name, texts in reading.items()},
    }


def retitled(encoder: ImageTextEncoder, own: np.ndarray, world: Atelier, language: Language) -> np.ndarray:
    """The items' vectors (N, D) with titles in another language, all that can be said of each: photos stay as they are."""
    titles = [sentence(attributes_of(world.design(index)), language) for index in range(len(own))]
    dim = encoder.tower_id.dim
    found = own.copy()
    found[:, dim : 2 * dim] = encoder.encode_texts(titles).vectors * np.linalg.norm(own[:, :dim], axis=1, keepdims=True)
    return found


if __name__ == "__main__":
    main()
