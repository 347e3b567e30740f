"""Questions of text-guided retrieval from a catalogue's labels: two products that differ in one of them.

The reference and the target agree in article type, gender, colour and usage but for the one that changes (another article
type is of the same sub-category), are of different products (`Item.product`), and their titles do not contradict each other
in pattern or sleeves. Of the items that qualify the target is the one whose title shares most words with the reference's:
"the same" then often is the same design.

Neither half may suffice. The new value, and the reference's article type (its colour, where the type is what changes), are
held by at least 1 % of the split, so that words alone and the photo alone leave many candidates; and new values are drawn
evenly, not by how frequent they are.
The season is no attribute here: in `fashion_products` it says when a product came out, which no photo shows.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from modiste.data.composed import ComposedData, ComposedExample, attributes_of
from modiste.data.composed_wording import modification
from modiste.types import Item

LABELS = ("article_type", "gender", "colour", "usage")  # a pair agrees in all of them but one
_WIDER = "sub_category"  # another article type is one of the same kind: shoes for sandals, no handbag for a shirt
FROM_TITLE = ("pattern", "sleeve_length")  # known where the title says so
_WEIGHTS: Mapping[str, float] = {
    "colour": 5.0,
    "article_type": 1.5,
    "gender": 1.5,
    "pattern": 1.5,
    "sleeve_length": 1.5,
    "usage": 0.5,
}
_MIN_SHARE = 0.01  # of the split's items must hold what a half of the question says
_SAYS_NOTHING = {"", "Multi", "NA"}  # labels that name no value
_NOT_ASKED = {"Unisex"}  # a value that nobody asks for or away from: what is for all shows no sign of it
_LOOKED_AT = 50  # of the items that qualify, drawn, whose titles are compared
_TITLE_SAYS = (
    ("pattern", "solid", r"solid|plain"),
    ("pattern", "stripes", r"strip(?:e|es|ed)"),
    ("pattern", "checks", r"check(?:s|ed|ered)?"),
    ("pattern", "polka dots", r"polka"),
    ("pattern", "floral", r"floral"),
    ("pattern", "printed", r"print(?:ed|s)?"),
    ("sleeve_length", "sleeveless", r"sleeveless"),
    ("sleeve_length", "long", r"(?:long|full)[ -]sleeves?"),
    ("sleeve_length", "short", r"(?:short|half)[ -]sleeves?"),
)
_PATTERNS = tuple((name, value, re.compile(rf"\b(?:{words})\b", re.IGNORECASE)) for name, value, words in _TITLE_SAYS)


def with_title_attributes(item: Item) -> Item:
    """The item with what its title says about pattern and sleeves among its attributes; labels it has stay as they are.

    A title that names two patterns ("Striped Check Shirt") names none.
    """
    said: dict[str, set[str]] = defaultdict(set)
    for name, value, words in _PATTERNS:
        if words.search(item.title):
            said[name].add(value)
    told = {name: next(iter(values)) for name, values in said.items() if len(values) == 1}
    return replace(item, attributes={**told, **item.attributes}) if told else item


def paired(items: Sequence[Item], seed: int = 0, *, per_reference: int = 1) -> ComposedData:
    """Questions between the items of one split; the gallery is every item with a photo.

    What is drawn for a reference depends on the seed, its id and the items given, not on their order.
    """
    gallery = sorted((with_title_attributes(item) for item in items if item.image is not None), key=lambda one: one.id)
    known = [
        {name: value for name, value in attributes_of(item).items() if value not in _SAYS_NOTHING} for item in gallery
    ]
    words = [set(re.findall(r"[a-z0-9]+", item.title.lower())) for item in gallery]
    # For each attribute that may change, who agrees in all the others: value -> rows.
    pools: dict[tuple[str, tuple[str | None, ...]], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    holders: Counter[tuple[str, str]] = Counter()
    for row, labels in enumerate(known):
        holders.update(labels.items())
        for name in _WEIGHTS:
            if name in labels:
                pools[name, _others(labels, name)][labels[name]].append(row)
    common = max(2, math.ceil(_MIN_SHARE * len(gallery)))

    def new_values(row: int, name: str) -> list[str]:
        labels = known[row]
        anchor = "colour" if name == "article_type" else "article_type"
        if labels.get(name) in (None, *_NOT_ASKED) or holders[anchor, labels.get(anchor, "")] < common:
            return []
        values = pools[name, _others(labels, name)]
        wanted = [value for value in values if value != labels[name] and value not in _NOT_ASKED]
        return sorted(value for value in wanted if holders[name, value] >= common)

    def qualifies(row: int, other: int, name: str) -> bool:
        return gallery[other].product != gallery[row].product and not _contradict(known[row], known[other], name)

    examples = []
    for row, reference in enumerate(gallery):
        digest = hashlib.sha256(reference.id.encode()).digest()
        rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])
        options = {name: values for name in _WEIGHTS if (values := new_values(row, name))}
        taken: set[int] = set()
        while options and len(taken) < per_reference:
            weights = np.array([_WEIGHTS[name] for name in options])
            name = list(options)[int(rng.choice(len(options), p=weights / weights.sum()))]
            value = options[name][int(rng.integers(len(options[name])))]
            drawn = rng.permutation(pools[name, _others(known[row], name)][value]).tolist()
            fitting = (other for other in drawn if other not in taken and qualifies(row, other, name))
            if not (rows := list(islice(fitting, _LOOKED_AT))):
                options[name].remove(value)
                options = {one: values for one, values in options.items() if values}
                continue
            target = max(rows, key=lambda other: len(words[row] & words[other]))  # of equals the one drawn first
            taken.add(target)
            changed = {name: (known[row][name], value)}
            same = known[row].items() & known[target].items()
            kept = {other: told for other, told in sorted(same) if other in (*LABELS, *FROM_TITLE)}
            text = modification(changed, rng)
            examples.append(ComposedExample(reference, gallery[target], text, changed, kept, family=reference.product))
    return ComposedData(tuple(examples), {"": tuple(gallery)})


def _others(labels: Mapping[str, str], changing: str) -> tuple[str | None, ...]:
    names = [name for name in LABELS if name != changing] + [_WIDER] * (changing == "article_type")
    return tuple(labels.get(name) for name in names)


def _contradict(one: Mapping[str, str], other: Mapping[str, str], changing: str) -> bool:
    return any(name != changing and name in one and name in other and one[name] != other[name] for name in FROM_TITLE)
