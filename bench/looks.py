"""Looks made from a real catalogue, for eyes: sentences, and partial looks to complete; pictures, and what labels can count.

python bench/looks.py mango_outfits --into FOLDER
python bench/looks.py fashion_products --split test --into FOLDER --out docs/results/generated_looks_products_rules.json
python bench/looks.py mango_outfits --scorer runs/outfits_seen_0 --deadline 20 --into FOLDER
python bench/looks.py mango_outfits --real train --out docs/results/real_looks_mango.json   # of stylists' looks

The catalogue goes to FOLDER/catalogue (kept, so that a second run does not encode again), a picture of each answer and
`looks.json` with everything that was chosen to FOLDER/SCORER. `--out` holds only counts: no row and no photo of the data.

What is counted per look, from labels alone: whether it mixes women's and men's items or children's and adults'; whether a
part of the body is dressed twice; underwear, nightwear and swimwear where nobody asked for it; which style rules it breaks;
for sentences also whether any item has the colour, and all items the wearer, that the words name.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from modiste.cli.collage import write_collages
from modiste.cli.outfit_answers import look_card
from modiste.cli.outfit_options import Choices, Workbench, open_workbench
from modiste.data.outfit_sources import load_outfits
from modiste.data.outfits import OutfitData
from modiste.data.sources import load_items
from modiste.data.style import Facts
from modiste.data.style.scoring import broken_rules
from modiste.engine.answers import Answer, FoundLook
from modiste.engine.catalogue import Catalogue
from modiste.engine.conflicts import NoFeasibleOutfit
from modiste.engine.constraints import is_kind
from modiste.files import write_atomically
from modiste.models.inference import ImageTextEncoder
from modiste.models.pretrained import load
from modiste.models.stylist import item_traits
from modiste.recipes.outfit_training import item_vectors
from modiste.taxonomy import normalise, slot
from modiste.taxonomy import wearer as of_whom
from modiste.types import Embeddings, ImageLike, Item
from report import machine

SENTENCES = (
    "smart casual office look in beige and navy",
    "wedding guest in summer, pastel",
    "cosy winter weekend",
    "beach holiday",
    "black tie evening",
    "gym workout",
    "job interview, dark suit",
    "romantic dinner, red dress",
    "all denim street style",
    "rainy autumn day in the city",
    "minimalist, all white",
    "floral summer picnic",
    "men's smart look for a party",
    "outfit for a little girl",
)
# What is given, by kind, and what is wanted; no wish: the shape is open too. Which item is given the seed decides.
PARTIAL: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("top",), ("bottom", "shoes")),
    (("bottom",), ("top: white blouse", "shoes")),
    (("one_piece",), ("shoes", "bag", "jewellery")),
    (("shoes",), ("top", "bottom", "bag")),
    (("outerwear",), ("top", "bottom", "shoes")),
    (("top", "bottom"), ("shoes: black shoes", "accessory")),
    (("bag",), ()),
    (("jewellery",), ()),
    (("bottom",), ("any: something blue", "shoes")),
    (("hat",), ()),
)
COLOURS = {
    "beige": "beige sand stone cream ecru camel tan taupe nude khaki",
    "navy": "navy midnight ink",
    "red": "red vermilion burgundy maroon garnet cherry",
    "white": "white ivory ecru cream",
    "black": "black",
    "pastel": "pastel light dusty lilac mint lavender sky peach pink",
    "denim": "denim jeans",
    "blue": "blue navy teal turquoise indigo",
}
WEARERS = {"men's": {"men", "unisex"}, "little girl": {"girls"}}
ONCE = ("bottom", "shoes", "one_piece", "hat")
PRIVATE = re.compile(
    r"\b(bras?|bralette|briefs?|boxers?|trunks?|knickers?|panties|pantie|lingerie|pyjamas?|night\w*|dressing gown|innerwear|"
    r"camisoles?|robe|bikini|swim\w*|shapewear|shape|baby dolls?|lounge \w+|thermals?)\b"
)
RULE = "rule: "
ASKED_FOR = re.compile(r"beach|swim|sleep|pyjama|underwear")


class Kept:
    """An encoder for items whose vectors a training has left in its `cache` folder."""

    def __init__(self, items: Sequence[Item], encoder: ImageTextEncoder, cache: Path) -> None:
        self.id = encoder.id
        vectors = item_vectors(items, encoder, cache)
        self._vectors = {item.id: vector for item, vector in zip(items, vectors, strict=True)}

    def encode(self, items: Sequence[Item]) -> Embeddings:
        return Embeddings(np.stack([self._vectors[item.id] for item in items]), self.id)

    def encode_query(self, query: str | ImageLike) -> Embeddings:
        raise NotImplementedError("items are put into the catalogue with it, nothing is asked")


def indexed(items: Sequence[Item], folder: Path, model: str, cache: Path | None) -> Catalogue:
    """The items in a catalogue with the vectors of an encoder, by default the one that ships; what is there is kept."""
    encoder = load(model or None)
    store = Catalogue.open_or_create(folder, encoder.id, model=model)
    if len(store) != len(items):
        store.ingest(items, encoder if cache is None else Kept(items, encoder, cache), prune=True)
    return store


def wearer(item: Item) -> tuple[str, str]:
    """Sex and age of whom it is cut for, as far as label and title say: "" where they do not."""
    sex, age = of_whom(str(item.attributes.get("gender", "")), str(item.attributes.get("age", "")), item.title)
    return {"men": "m", "women": "w"}.get(sex or "", ""), age or ""


def words_of(item: Item) -> str:
    """Colour and title, in lower case."""
    return f"{item.attributes.get('colour', '')} {item.title} {item.category}".lower()


def defects(items: Sequence[Item], text: str) -> list[str]:
    """What labels say against a look."""
    found = []
    for at, name in enumerate(("women's with men's", "children's with adults'")):
        if len({wearer(one)[at] for one in items} - {""}) > 1:
            found.append(name)
    count = Counter(slot(one.category) for one in items)
    found += [f"two of {place}" for place in ONCE if count[place] > 1]
    if count["one_piece"] and count["top"] + count["bottom"]:
        found.append("dressed twice")
    if not ASKED_FOR.search(text) and any(PRIVATE.search(f"{one.category} {one.title}".lower()) for one in items):
        found.append("underwear, nightwear or swimwear")
    found += [f"{RULE}{name}" for name in broken_rules(Facts.of([item_traits(one) for one in items]))]
    for colour, names in COLOURS.items():
        if re.search(rf"\b{colour}\b", text):
            shades = re.compile(rf"\b({names.replace(' ', '|')})\b")
            if not any(shades.search(words_of(one)) for one in items):
                found.append("a colour that was named is nowhere")
                break
    for who, allowed in WEARERS.items():
        labels = {str(one.attributes.get("gender", "")).lower() for one in items} - {""}
        if who in text and not labels <= allowed:
            found.append("not for whom the words say")
    return found


def drawn(store: Catalogue, kinds: Sequence[str], random: np.random.Generator) -> list[str]:
    """An item of each kind, of one wearer: nobody has a man's shirt and a girl's skirt."""
    snapshot = store.snapshot()
    items = [snapshot.item(row) for row in range(len(snapshot))]
    chosen: list[Item] = []
    for kind in kinds:
        fits = [
            one for one in items
            if is_kind(one.category, kind) and not PRIVATE.search(f"{one.category} {one.title}".lower())
            and (not chosen or wearer(one) == wearer(chosen[0]))
        ]  # fmt: skip
        if not fits:
            return []
        chosen.append(fits[int(random.integers(len(fits)))])
    return [one.id for one in chosen]


def shown(bench: Workbench, answer: Answer, title: str, path: Path) -> None:
    cards = [look_card(bench, look, f"{title} ({at})") for at, look in enumerate(answer.looks, 1)]
    write_collages(path, title, cards)


def described(look: FoundLook, text: str) -> dict[str, Any]:
    """A look in words, for who reads the pictures."""
    return {
        "items": [
            f"{one.id} {one.title or one.category} [{one.category}; {one.attributes.get('gender', '')}; "
            f"{one.attributes.get('colour', '')}; {one.attributes.get('season', '')}; {one.attributes.get('usage', '')}]"
            for one in look.items
        ],
        "score": round(look.score, 3), "compatibility": round(look.compatibility, 3), "claim": look.claim,
        "defects": defects(look.items, text),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a source of looks or of items, as `modiste evaluate` takes them")
    parser.add_argument("--split", default=None, help="of items")
    parser.add_argument("--scorer", default="rules")
    parser.add_argument("--calibration", default="none")
    parser.add_argument("--rules", type=Path, default=None)
    parser.add_argument("--real", default="", help="count looks of this split of the data instead of making any")
    parser.add_argument("--into", type=Path, default=Path("looks"))
    parser.add_argument("--model", default="", help="the encoder of the catalogue, by default the one that ships")
    parser.add_argument("--cache", type=Path, default=None, help="where a training has left the vectors of these looks")
    parser.add_argument("--name", default="", help="of the folder with the pictures; by default the scorer's")
    parser.add_argument("--looks", type=int, default=2, help="per question")
    parser.add_argument("--deadline", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-pictures", action="store_true")
    parser.add_argument("--out", type=Path, default=None)
    arguments = parser.parse_args()

    if arguments.real:
        result = real(load_outfits(arguments.data), arguments.real)
        print(json.dumps(result, indent=1))
        if arguments.out is not None:
            write_atomically(arguments.out, (json.dumps(result, indent=2) + "\n").encode())
        return
    try:
        items = load_items(arguments.data, arguments.split)
    except ValueError:  # a source of looks; the atelier's would come without photos
        items = list(load_outfits(arguments.data).items.values())
    store = indexed(items, arguments.into / "catalogue", arguments.model, arguments.cache)
    bench = open_workbench(
        Choices(
            arguments.into / "catalogue", arguments.scorer, calibration=arguments.calibration, rules=arguments.rules,
            deadline=arguments.deadline,
        )
    )  # fmt: skip
    bench.need_encoder()
    pictures = arguments.into / (arguments.name or normalise(bench.scorer.name).replace(" ", "_"))
    pictures.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(arguments.seed)
    asked: list[dict[str, Any]] = []
    for at, text in enumerate(SENTENCES):
        asked.append({"name": f"sentence_{at:02}", "text": text, "have": [], "want": []})
    for at, (kinds, wants) in enumerate(PARTIAL):
        have = drawn(store, kinds, random)
        if have:
            asked.append({"name": f"partial_{at:02}", "text": "; ".join(wants), "have": have, "want": list(wants)})
    for question in asked:
        try:
            if question["want"]:
                query = bench.engine.query(question["have"], bench.slots(question["want"]))
                answer = bench.engine.complete(query, arguments.looks)
            else:
                text = "" if question["have"] else question["text"]
                answer = bench.engine.generate(text, n=arguments.looks, have=question["have"])
        except NoFeasibleOutfit as error:
            question |= {"refused": str(error), "looks": []}
            continue
        question["notes"] = list(answer.notes)
        question["looks"] = [described(look, question["text"]) for look in answer.looks]
        if not arguments.no_pictures:
            shown(bench, answer, question["text"] or "open", pictures / f"{question['name']}.png")
        print(question["name"], question["text"], [look["defects"] for look in question["looks"]], flush=True)
    write_atomically(pictures / "looks.json", (json.dumps(asked, indent=1, ensure_ascii=False) + "\n").encode())
    result = {
        "data": arguments.data, "split": arguments.split, "scorer": bench.scorer.as_dict(),
        "calibrated": bench.is_calibrated, "items": len(store), "seed": arguments.seed, "machine": machine(),
        **{part: counted([one for one in asked if one["name"].startswith(part)]) for part in ("sentence", "partial")},
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    if arguments.out is not None:
        write_atomically(arguments.out, (json.dumps(result, indent=2) + "\n").encode())


def real(data: OutfitData, split: str) -> dict[str, Any]:
    """How often looks that people put together have what is counted, and two items for one place of the body, in percent."""
    looks = [[data.bare[one] for one in dict.fromkeys(look.item_ids)] for look in data.looks[split] if look.label != 0]
    twice, differently = Counter[str](), Counter[str]()
    for look in looks:
        kinds: dict[str, list[str]] = {}
        for one in look:
            kinds.setdefault(slot(one.category), []).append(normalise(one.category))
        twice.update(place for place, found in kinds.items() if len(found) > 1)
        differently.update(place for place, found in kinds.items() if len(set(found)) > 1)
    tally = Counter(one for look in looks for one in defects(look, ""))
    size = len(looks) / 100
    return {
        "data": data.name, "split": split, "looks": len(looks), "machine": machine(),
        "slot_more_than_once": {name: round(count / size, 2) for name, count in sorted(twice.items())},
        "in_several_categories": {name: round(count / size, 2) for name, count in sorted(differently.items())},
        "defects": {name: round(count / size, 2) for name, count in sorted(tally.items())},
    }  # fmt: skip


def counted(asked: Sequence[dict[str, Any]]) -> dict[str, Any]:
    looks = [look for question in asked for look in question["looks"]]
    tally = Counter(one for look in looks for one in look["defects"] if not one.startswith(RULE))
    rules = Counter(one.removeprefix(RULE) for look in looks for one in look["defects"] if one.startswith(RULE))
    return {
        "questions": len(asked),
        "refused": sum("refused" in question for question in asked),
        "looks": len(looks),
        "without_defect": sum(all(one.startswith(RULE) for one in look["defects"]) for look in looks),
        "mean_items": round(float(np.mean([len(look["items"]) for look in looks])), 2) if looks else 0.0,
        "defects": dict(sorted(tally.items())),
        "rules_broken": dict(sorted(rules.items())),
    }


if __name__ == "__main__":
    main()
