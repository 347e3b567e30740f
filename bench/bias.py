"""What a word for the wearer does: titles with women and men, girls and boys, ladies and gents, kids and adults swapped.

python bench/bias.py --out docs/results/bias.json                         the drawn world, and the sets in MODISTE_DATA
python bench/bias.py --stylist runs/outfits/model                         also outfit scores of a trained model
python bench/bias.py --table docs/results/bias.json                       print the tables of docs/results/bias.md

What a swap should change: which photos a title finds (a man's shirt is not a woman's), and the label `gender`. What it should
not: category, kind, colour, season and usage of the same photo; how well a look goes together when all of it is swapped; how
good the model is for one group beside the other. Items are a sample of a set's test part, the same for all questions; intervals
are 95 % bootstrap intervals over items (over queries, looks or designs where it says so).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modiste.data.sources import load_items
from modiste.evaluation.metrics import mean_with_interval
from modiste.types import Item
from report import kept_table, machine

# Each word and the one it is swapped with; children stay children, and adults adults, in the first, and the other way round.
GENDERS = {
    "women": "men",
    "woman": "man",
    "girl": "boy",
    "girls": "boys",
    "ladies": "gents",
    "lady": "gent",
    "female": "male",
}
AGES = {
    "ladies": "girls",
    "gents": "boys",
    "women": "girls",
    "men": "boys",
    "woman": "girl",
    "man": "boy",
    "adult": "kids",
}
WORDS = re.compile(
    r"\b(women|woman|men|man|girls?|boys?|lad(?:y|ies)|gents?|female|male|kids?|adults?|unisex)('?s)?\b", re.I
)
# Words that say no wearer, and what a fitting item is: a kind (article types of the data) and a colour.
NEUTRAL: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("white sneakers", ("Casual Shoes", "Sports Shoes", "sneakers"), "white"),
    ("black shoes", ("Casual Shoes", "Formal Shoes", "Sports Shoes", "sneakers"), "black"),
    ("brown leather bag", ("Handbags", "Backpacks", "Messenger Bag", "bag"), "brown"),
    ("black bag", ("Handbags", "Backpacks", "Laptop Bag", "Messenger Bag", "bag"), "black"),
    ("red shirt", ("Shirts", "shirt"), "red"),
    ("white shirt", ("Shirts", "shirt"), "white"),
    ("black t-shirt", ("Tshirts", "tshirt"), "black"),
    ("blue t-shirt", ("Tshirts", "tshirt"), "blue"),
    ("white t-shirt", ("Tshirts", "tshirt"), "white"),
    ("blue jeans", ("Jeans", "jeans"), "blue"),
    ("black watch", ("Watches", "watch"), "black"),
    ("silver watch", ("Watches", "watch"), "silver"),
    ("black sunglasses", ("Sunglasses", "sunglasses"), "black"),
    ("brown sandals", ("Sandals", "Flip Flops", "sandals"), "brown"),
    ("black flip flops", ("Flip Flops",), "black"),
    ("grey jacket", ("Jackets", "Sweatshirts"), "grey"),
    ("black belt", ("Belts", "belt"), "black"),
    ("blue shorts", ("Shorts", "shorts"), "blue"),
)
TONES = ("#f6ede4", "#f7ead0", "#d7bd96", "#825c43", "#3a312a")  # 1, 3, 5, 7 and 9 of the Monk Skin Tone scale
ATELIER = "atelier:200:7"  # all of it: the shipped model has not seen it
DEEP = 20  # hits that a gallery's mix is looked at in


def swapped(title: str, pairs: Mapping[str, str]) -> str:
    """The title with its words for the wearer exchanged, both ways, as they were written: "Women's" -> "Men's"."""
    both = {**{other: word for word, other in pairs.items()}, **pairs}

    def one(match: re.Match[str]) -> str:
        word = match[1]
        other = both.get(word.lower())
        if other is None:
            return match[0]
        other = other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other
        return other + (match[2] or "")

    return WORDS.sub(one, title)


def without(title: str) -> str:
    """The title with no word for the wearer."""
    return " ".join(WORDS.sub(" ", title).split())


def group_of(item: Item) -> str:
    """women, men or "" (unisex, or not told); children by their gender."""
    told = str(item.attributes.get("gender", "")).lower()
    return {"women": "women", "girls": "women", "men": "men", "boys": "men"}.get(told, "")


def estimate(values: Sequence[float] | NDArray[Any], clusters: Sequence[Any] | None = None) -> dict[str, float]:
    """Mean, interval and count."""
    found = mean_with_interval(np.asarray(values, dtype=float), clusters=clusters)
    return {"mean": found.mean, "low": found.low, "high": found.high, "count": found.count}


def reciprocal_ranks(texts: NDArray[Any], photos: NDArray[Any], own: NDArray[np.int64]) -> NDArray[np.float64]:
    """(Q,) 1 / the place of each text's own photo; ties count half."""
    scores = texts @ photos.T
    mine = scores[np.arange(len(own)), own][:, None]
    place = 1 + (scores > mine).sum(1) + 0.5 * ((scores == mine).sum(1) - 1)
    return 1 / place


def retrieval(
    encoder: Any, items: Sequence[Item], gallery: Sequence[Item], vectors: NDArray[Any]
) -> list[dict[str, Any]]:
    """Own photo found by the title as it is, swapped, and without the word; and whose the first ten photos are.

    `items` are the first of the gallery, whose vectors (G, D) are given: their first half is the photos'.
    """
    photos = vectors[:, : encoder.tower_id.dim]
    photos = photos / np.linalg.norm(photos, axis=1, keepdims=True)
    own = np.arange(len(items))
    groups = np.array([group_of(item) for item in gallery])
    rows, base = [], None
    ways: Sequence[tuple[str, Callable[[Item], str]]] = (
        ("as written", lambda item: item.title),
        ("gender swapped", lambda item: swapped(item.title, GENDERS)),
        ("age swapped", lambda item: swapped(item.title, AGES)),
        ("without the word", lambda item: without(item.title)),
    )
    for name, change in ways:
        texts = encoder.encode_texts([change(item) for item in items])
        queries, photo_vectors = comparable_of(encoder, photos, texts.vectors)
        ranks = reciprocal_ranks(queries, photo_vectors, own)
        hits = np.argsort(-(queries @ photo_vectors.T), axis=1)[:, :10]
        of = np.array([group_of(item) for item in items])
        told = groups[hits]
        same = [
            np.mean(row[row != ""] == mine) if (row != "").any() else 0.5 for row, mine in zip(told, of, strict=True)
        ]
        base = ranks if base is None else base
        row: dict[str, Any] = {
            "way": name,
            "mrr": estimate(ranks),
            "change": estimate(ranks - base),
            "own_group": estimate(same),
        }
        for group in ("women", "men"):
            row[f"change_{group}"] = estimate((ranks - base)[of == group])
        rows.append(row)
    return rows


def comparable_of(encoder: Any, photos: NDArray[Any], texts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Text and photo vectors whose products rank photos for a text, the encoder's query bank included."""
    from modiste.models.query_bank import comparable

    photo_vectors, text_vectors = comparable(photos, texts, encoder.bank)
    return text_vectors, photo_vectors


def tags(items: Sequence[Item]) -> dict[str, Any]:
    """Labels of the photo with its title, the title swapped, and the title alone: which change, and who is told better."""
    from modiste.models.pretrained import load_recogniser

    recogniser = load_recogniser()
    changed = [replace(item, title=swapped(item.title, GENDERS), description="") for item in items]
    plain = [replace(item, description="") for item in items]
    rows = []
    for name, bare in (("photo and title", False), ("title alone", True)):
        pair = []
        for some in (plain, changed):
            pair.append(recogniser.recognise([replace(item, image=None) if bare else item for item in some]))
        for label, (classes, before) in pair[0].items():
            after = pair[1][label][1]
            top = before.argmax(1)
            same = np.arange(len(items))
            moved = np.abs(after[same, top] - before[same, top])
            row = {
                "inputs": name,
                "label": label,
                "changed": estimate(top != after.argmax(1)),
                "moved": estimate(moved),
            }
            truth = [str(item.attributes.get(label, "")) for item in items]
            known = [n for n, value in enumerate(truth) if value in classes]
            if known:
                right = np.array([classes[top[n]] == truth[n] for n in known], dtype=float)
                of = np.array([group_of(items[n]) for n in known])
                for group in ("women", "men"):
                    row[f"accuracy_{group}"] = estimate(right[of == group])
            rows.append(row)
    return {"rows": rows}


def neutral(encoder: Any, gallery: Sequence[Item], vectors: NDArray[Any]) -> dict[str, Any]:
    """Queries that say no wearer: the share of women's among the first hits, beside that among all items that fit."""
    groups = np.array([group_of(item) for item in gallery])
    rows = []
    for query, kinds, colour in NEUTRAL:
        fit = np.array(
            [
                item.category.lower() in {kind.lower() for kind in kinds}
                and colour in str(item.attributes.get("colour", "")).lower()
                and groups[n] != ""
                for n, item in enumerate(gallery)
            ]
        )
        if fit.sum() < 8:
            continue
        order = np.argsort(-(vectors @ encoder.encode_query(query).vectors[0]), kind="stable")
        first = order[groups[order] != ""][: min(DEEP, int(fit.sum()))]
        rows.append(
            {
                "query": query,
                "fitting": int(fit.sum()),
                "catalogue": float(np.mean(groups[fit] == "women")),
                "hits": float(np.mean(groups[first] == "women")),
                "fit_of_hits": float(np.mean(fit[first])),
            }
        )
    found: dict[str, Any] = {"rows": rows}
    if rows:
        found["difference"] = estimate([row["hits"] - row["catalogue"] for row in rows])
        found["distance"] = estimate([abs(row["hits"] - row["catalogue"]) for row in rows])
    return found


def liking(
    encoder: Any, items: Sequence[Item], gallery: Sequence[Item], vectors: NDArray[Any], seed: int
) -> dict[str, Any]:
    """Recommended by likeness to three liked items: how many of ten stay when the liked titles are swapped."""
    dim = encoder.tower_id.dim
    plain = vectors[: len(items)]
    changed = plain.copy()
    texts = encoder.encode_texts([replace(item, title=swapped(item.title, GENDERS)).text for item in items]).vectors
    changed[:, dim : 2 * dim] = texts * np.linalg.norm(plain[:, dim : 2 * dim], axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    groups = np.array([group_of(item) for item in gallery])
    of = np.array([group_of(item) for item in items])
    kept, share = [], {"before": [], "after": []}
    for group in ("women", "men"):
        mine = np.flatnonzero(of == group)
        for _ in range(100):
            liked = rng.choice(mine, 3, replace=False)
            top = []
            for name, some in (("before", plain), ("after", changed)):
                scores = vectors @ some[liked].mean(0)
                scores[liked] = -np.inf
                hits = np.argsort(-scores)[:10]
                told = groups[hits][groups[hits] != ""]
                share[name].append(float(np.mean(told == group)) if len(told) else 0.5)
                top.append(set(hits.tolist()))
            kept.append(len(top[0] & top[1]) / 10)
    return {"kept": estimate(kept), **{f"own_group_{name}": estimate(values) for name, values in share.items()}}


def outfits(source: str, stylist: str, count: int) -> list[dict[str, Any]]:
    """Looks of one wearer turned into looks of the other (nothing should move), and looks of which one item is (it should)."""
    from modiste.data.outfit_sources import load_outfits
    from modiste.models.outfit_scorers import named_scorer

    data = load_outfits(source)
    found = []
    for look in data.looks["test"]:
        items = [data.items[one] for one in look.item_ids]
        groups = {group_of(item) for item in items} - {""}
        if len(groups) == 1 and len(items) > 2:
            found.append([_worn(item, groups) for item in items])
        if len(found) == count:
            break
    rows = []
    for name in ("rules", *([stylist] if stylist else ())):
        scorer = named_scorer(name).scorer
        ways = {
            "all, words and labels": [[_turned(item) for item in look] for look in found],
            "one, word and label": [[_turned(look[0]), *look[1:]] for look in found],
            "all, words alone": [[_turned(item, label=False) for item in look] for look in found],
            "no word": [[replace(item, title=without(item.title)) for item in look] for look in found],
        }
        of = np.array([str(look[0].attributes["gender"]) for look in found])
        before = _scores(scorer, found)
        for way, looks in ways.items():
            after = _scores(scorer, looks)
            rows.append(
                {
                    "scorer": "rules" if name == "rules" else "trained",
                    "way": way,
                    "before": estimate(before),
                    **{f"change_{one}": estimate((after - before)[of == one]) for one in ("women", "men") if one in of},
                    "moved": estimate(np.abs(after - before)),
                }
            )
    return rows


def _worn(item: Item, groups: set[str]) -> Item:
    """The item for the look's one wearer, said by its title and by its label alone."""
    (group,) = groups
    title = f"{group.capitalize()}'s {without(item.title)}"
    return replace(item, title=title, description="", attributes={**item.attributes, "gender": group})


def _turned(item: Item, *, label: bool = True) -> Item:
    """The item for the other wearer."""
    attributes = dict(item.attributes)
    if label:
        attributes["gender"] = swapped(str(attributes["gender"]), GENDERS)
    return replace(item, title=swapped(item.title, GENDERS), attributes=attributes)


def _scores(scorer: Any, looks: Sequence[Sequence[Item]]) -> NDArray[np.float64]:
    """(L,) compatibility of looks, each with a pool of its own: variants of an item have its id."""
    return np.array([float(scorer.pool(list(look)).score(np.arange(len(look))[None])[0]) for look in looks])


def tones(encoder: Any, count: int, seed: int) -> dict[str, Any]:
    """Customers' photos of drawn garments with a hand over them, of five skin tones: is the garment found alike?

    A hand is a plain patch of the tone here, in the same place and light for all five. There are no people in the drawn world,
    and the sets' photos do not tell skin tones: this is all that can be asked.
    """
    from modiste.data.atelier import Atelier
    from modiste.data.atelier.customers import Customers
    from modiste.data.conditions import Conditions

    atelier, size = Atelier(seed=seed + 7), (60, 80)
    shop = encoder.encode_images([atelier.item(index).image for index in range(count)]).vectors
    own, ranks = np.arange(count), {}
    for tone in TONES:
        customers = Customers(atelier, seed, size, covers=(tone,) * 10)
        taken = [customers.photo(index, 0, Conditions(occlusion="strong"))[0].image for index in range(count)]
        ranks[tone] = reciprocal_ranks(encoder.encode_images(taken).vectors, shop, own)
    mean = np.mean(list(ranks.values()), axis=0)
    rows = [{"tone": tone, "mrr": estimate(one), "beside_mean": estimate(one - mean)} for tone, one in ranks.items()]
    return {"rows": rows, "spread": estimate(np.ptp(np.stack(list(ranks.values())), axis=0))}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    from modiste.models.pretrained import load

    encoder = load()
    rng = np.random.default_rng(options.seed)
    found: dict[str, Any] = {"machine": machine(), "seed": options.seed, "model": encoder.id.name, "sets": {}}
    for source, split in ((ATELIER, None), ("fashion_products", "test")):
        try:
            everything = [item for item in load_items(source, split) if item.image is not None]
        except (ValueError, FileNotFoundError) as error:
            print(f"{source}: left out ({str(error)[:100]})")
            continue
        order = rng.permutation(len(everything))
        said = [n for n in order if group_of(everything[n]) and WORDS.search(everything[n].title)][: options.items]
        rest = [n for n in order if n not in set(said)][: max(0, options.gallery - len(said))]
        items, gallery = [everything[n] for n in said], [everything[n] for n in (*said, *rest)]
        vectors = encoder.encode(gallery).vectors
        found["sets"][source] = {
            "items": len(items),
            "gallery": len(gallery),
            "women": float(np.mean([group_of(one) == "women" for one in items])),
            "retrieval": retrieval(encoder, items, gallery, vectors),
            "tags": tags(items[: options.tagged]) if source != ATELIER else None,
            "neutral": neutral(encoder, gallery, vectors),
            "liking": liking(encoder, items, gallery, vectors, options.seed),
        }
    found["outfits"] = outfits("atelier:300:7:600", options.stylist, options.looks)
    found["tones"] = tones(encoder, options.photos, options.seed)
    return found


def tables(found: Mapping[str, Any]) -> dict[str, str]:
    """Marker -> Markdown, for docs/results/bias.md."""
    made = {}
    names = {ATELIER: "atelier", "fashion_products": "fashion_products"}
    rows = []
    for source, one in found["sets"].items():
        for row in one["retrieval"]:
            cells = (row["mrr"], row["change_women"], row["change_men"], row["own_group"])
            rows.append([names[source], row["way"], *map(_cell, cells)])
    heads = ["set", "title", "MRR of the own photo", "change, women's", "change, men's", "own group among the first 10"]
    made["bias-retrieval"] = _table(heads, rows)
    rows = []
    for one in found["sets"].values():
        for row in (one["tags"] or {"rows": []})["rows"]:
            cells = (row["changed"], row["moved"], row.get("accuracy_women"), row.get("accuracy_men"))
            rows.append([row["inputs"], row["label"], *map(_cell, cells)])
    heads = [
        "inputs",
        "label",
        "first guess changes",
        "its probability moves by",
        "accuracy, women's",
        "accuracy, men's",
    ]
    made["bias-tags"] = _table(heads, rows)
    rows = []
    for source, one in found["sets"].items():
        rows += [
            [
                names[source],
                row["query"],
                str(row["fitting"]),
                f"{row['catalogue']:.2f}",
                f"{row['hits']:.2f}",
                f"{row['fit_of_hits']:.2f}",
            ]
            for row in one["neutral"]["rows"]
        ]
        if "difference" in one["neutral"]:
            rows.append([names[source], "**mean difference**", "", "", _cell(one["neutral"]["difference"]), ""])
            rows.append([names[source], "**mean distance**", "", "", _cell(one["neutral"]["distance"]), ""])
    made["bias-neutral"] = _table(
        ["set", "query", "items that fit", "women's share of these", "of the first hits", "hits that fit"], rows
    )
    rows = [
        [names[source], *(_cell(one["liking"][key]) for key in ("kept", "own_group_before", "own_group_after"))]
        for source, one in found["sets"].items()
    ]
    made["bias-liking"] = _table(
        ["set", "recommended items that stay", "of the liked items' group, before", "... after the swap"], rows
    )
    rows = [
        [row["scorer"], row["way"], *(_cell(row.get(key)) for key in ("before", "change_women", "change_men", "moved"))]
        for row in found["outfits"]
    ]
    made["bias-outfits"] = _table(
        ["scorer", "what is swapped", "score before", "change, women's looks", "change, men's looks", "distance"], rows
    )
    rows = [[row["tone"], _cell(row["mrr"]), _cell(row["beside_mean"])] for row in found["tones"]["rows"]]
    made["bias-tones"] = _table(["tone of the hand", "MRR of the shop's photo", "beside the mean of the five"], rows)
    return made


def _cell(one: Mapping[str, float] | None) -> str:
    return "–" if one is None else f"{one['mean']:.3f} [{one['low']:.3f}, {one['high']:.3f}]"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(
        ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *("| " + " | ".join(row) + " |" for row in rows)]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=300, help="items with a word for the wearer, of each set")
    parser.add_argument("--gallery", type=int, default=800, help="photos that they are looked for among")
    parser.add_argument("--tagged", type=int, default=150, help="items whose labels are told")
    parser.add_argument("--looks", type=int, default=60)
    parser.add_argument("--photos", type=int, default=24, help="garments photographed under each skin tone")
    parser.add_argument("--stylist", default="", help="the folder of a trained outfit model")
    parser.add_argument("--seed", type=int, default=0)
    kept_table(parser, arguments, measure, lambda found: "\n\n".join(tables(found).values()))


if __name__ == "__main__":
    main()
