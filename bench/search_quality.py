"""How good is search where the right answers are known, and which fusion weights serve it best?

Words: precision at 8 of queries made of known attributes ("red dress with polka dots") that have at least 8 answers (or as
many as there are, the rest counting as misses of nothing). Photo: is the item of a customer's photo first, among the first
8? Mixed: a shop photo and "<colour> <type>" of another colour: are the first 8 of that type and colour?

    python bench/search_quality.py                         # the shipped encoder with its own weights
    python bench/search_quality.py --words-alone --items 1000 --seed 2 --shares 0 0.2 0.4 0.6 0.8 1
    python bench/search_quality.py --sweep --seed 2        # choose weights: on a world that no result is quoted from
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from modiste.data.atelier import Atelier, describe_constraints, matches
from modiste.engine.rerank import SHORTLIST
from modiste.models.pretrained import load, reranker_of
from modiste.types import Item
from report import machine

K = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="")
    parser.add_argument("--items", type=int, default=2000)
    parser.add_argument("--photos", type=int, default=200, help="customer photos searched with")
    parser.add_argument("--seed", type=int, default=0, help="of the generated world; 1 was trained on")
    parser.add_argument("--sweep", action="store_true", help="try fusion weights from 0 to 1")
    parser.add_argument("--shares", type=float, nargs="+", help="of the judge in a second look; by default its own")
    parser.add_argument(
        "--bank-shares", type=float, nargs="+", help="of what the judge's query bank says; by default its own"
    )
    parser.add_argument("--words-alone", action="store_true", help="leave photos out")
    options = parser.parse_args()
    encoder = load(options.model or None)
    world = Atelier(seed=options.seed)
    items = list(world.items(options.items))
    vectors = encoder.encode(items).vectors
    questions = attribute_questions(items, np.random.default_rng(options.seed))
    asked = np.random.default_rng(options.seed).choice(options.items, min(options.photos, options.items), replace=False)
    photos = [world.customer_photo(int(index)) for index in asked]

    def top(query: np.ndarray) -> np.ndarray:
        return np.argsort(-(vectors @ query[0]), kind="stable")[:K]

    def words() -> dict[str, float]:
        found = [
            precision(top(encoder.encode_query(describe_constraints(wish)).vectors), answers)
            for wish, answers in questions
        ]
        return {"words_precision_at_8": float(np.mean(found)), "queries": len(questions)}

    def words_again() -> dict[str, object]:
        """Precision at 8 with the best 25 judged again, by the bank's share and the judge's, and its milliseconds a query."""
        judge = reranker_of(encoder)
        if judge is None:
            return {}
        of_bank = options.bank_shares or [judge.pairs.bank_share]
        shares = options.shares or [judge.share]
        found: dict[tuple[float, float], list[float]] = {(part, share): [] for part in of_bank for share in shares}
        seconds = 0.0
        for wish, answers in questions:
            asked_for = describe_constraints(wish)
            scores = vectors @ encoder.encode_query(asked_for).vectors[0]
            first = np.argsort(-scores, kind="stable")[:SHORTLIST]
            for number, part in enumerate(of_bank):
                judge.pairs.bank_share = part
                start = time.perf_counter()
                odds = judge.score(Item("query", asked_for), [items[at] for at in first])
                if number == 0:  # later its photos are known
                    seconds += time.perf_counter() - start
                for share in shares:
                    blend = share * odds + (1 - share) * judge.logit_scale * scores[first]
                    found[part, share].append(precision(first[np.argsort(-blend, kind="stable")], answers))
        table = {
            f"{part:g}": {f"{share:g}": round(float(np.mean(found[part, share])), 4) for share in shares}
            for part in of_bank
        }
        return {"judged_again_precision_at_8": table, "judge_ms": round(1000 * seconds / max(len(questions), 1), 1)}

    def photo() -> dict[str, float]:
        places = [
            np.flatnonzero(top(encoder.encode_query(image=one).vectors) == at)
            for one, at in zip(photos, asked, strict=True)
        ]
        return {
            "photo_first": float(np.mean([len(place) > 0 and place[0] == 0 for place in places])),
            "photo_in_8": float(np.mean([len(place) > 0 for place in places])),
            "photos": len(photos),
        }

    def mixed() -> dict[str, float]:
        found = []
        for at in asked:
            item = items[at]
            others = {str(one.attributes["colour"]) for one in items if one.category == item.category}
            for colour in sorted(others - {str(item.attributes["colour"])})[:2]:
                wish = {"category": item.category, "colour": colour}
                answers = {number for number, one in enumerate(items) if matches(one, wish)}
                query = encoder.encode_query(f"{colour} {item.category}", item.image)
                found.append(precision(top(query.vectors), answers))
        return {"mixed_precision_at_8": float(np.mean(found)), "mixed_queries": len(found)}

    result: dict[str, object] = {**machine(), "model": encoder.id.name, "items": len(items), "seed": options.seed}
    own = encoder.fusion
    if options.sweep:
        sweep: dict[str, Callable[[], dict[str, float]]] = {
            "words_on_image": words,
            "photo_on_image": photo,
            "words_in_mixed": mixed,
        }
        for name, measure in sweep.items():
            for weight in np.linspace(0, 1, 11).round(1):
                encoder.fusion = replace(own, **{name: float(weight)})
                print(name, weight, json.dumps(measure()))
            encoder.fusion = own
        return
    photos_too = {} if options.words_alone else photo() | mixed()
    print(json.dumps(result | words() | words_again() | photos_too, indent=2))


def attribute_questions(items: list[Item], random: np.random.Generator) -> list[tuple[dict[str, str], set[int]]]:
    """Wishes of type and one or two visible attributes that at least three items meet, and which items those are."""
    found: dict[str, tuple[dict[str, str], set[int]]] = {}
    for _ in range(600):
        item = items[random.integers(len(items))]
        wish = {"category": item.category, "colour": str(item.attributes["colour"])}
        more = [
            name for name in ("pattern", "material") if name in item.attributes and item.attributes[name] != "solid"
        ]
        if more and random.random() < 0.7:
            name = str(random.choice(more))
            wish[name] = str(item.attributes[name])
        answers = {number for number, one in enumerate(items) if matches(one, wish)}
        if len(answers) >= 3:
            found.setdefault(describe_constraints(wish), (wish, answers))
        if len(found) == 200:
            break
    return list(found.values())


def precision(rows: np.ndarray, answers: set[int]) -> float:
    """The share of the first 8 (or of as many places as there are answers) that are right."""
    places = min(K, len(answers))
    return sum(int(row) in answers for row in rows[:places]) / places


if __name__ == "__main__":
    main()
