"""The same wish in three languages, many times over: what a multilingual text tower learns from, and what it is asked.

A sentence names one to four attributes of a generated garment. Two kinds of things are kept from training, told by a checksum
and so the same everywhere: every fifth combination of attributes (`is_held_out`), and every third other wording
(`is_new_wording`: "scarlet" where "red" is learned). What is asked of combinations shows whether words were understood, what is
asked in new wordings shows how far beyond its words a tower goes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from modiste.data.atelier.design import Design, design
from modiste.data.atelier.translations import ATTRIBUTES, LANGUAGES, Language, sentence, speakable

MOST_ATTRIBUTES = 4
_TRAINING = 0x7EAC


@dataclass(frozen=True, slots=True)
class ParallelSentence:
    """One wish: its attributes, the usual English for them, and a sentence of each language in wordings of its own."""

    attributes: Mapping[str, str]
    english: str
    texts: Mapping[Language, str]


def is_held_out(attributes: Mapping[str, str]) -> bool:
    """Whether this combination of attributes is kept from training; single ones never are."""
    said = "|".join(f"{name}={value}" for name, value in sorted(attributes.items()))
    return len(attributes) > 1 and zlib.crc32(said.encode()) % 5 == 0


def is_new_wording(language: Language, attribute: str, value: str, number: int) -> bool:
    """Whether a phrase of `translations` is kept from training; the first of a value never is."""
    return number > 0 and zlib.crc32(f"{language}|{attribute}|{value}|{number}".encode()) % 3 == 0


def attributes_of(d: Design) -> dict[str, str]:
    """What can be said of a garment in every language, material left out where the name of the article says it."""
    found = {name: d.article if name == "category" else d.get(name) for name in ATTRIBUTES}
    said = {name: value for name, value in found.items() if value and speakable(name, value)}
    if said.get("material", "-") in d.article or d.article in ("jeans", "earrings", "ring", "watch"):
        said.pop("material", None)
    return said


def some_attributes(d: Design, rng: np.random.Generator, most: int = MOST_ATTRIBUTES) -> dict[str, str]:
    """One to `most` attributes of a garment, its category and colour oftener than others."""
    of_it = attributes_of(d)
    wanted = 1 + int(rng.integers(most))
    weights = np.array([{"category": 6.0, "colour": 4.0}.get(name, 1.0) for name in of_it])
    chosen = rng.choice(len(of_it), size=min(wanted, len(of_it)), replace=False, p=weights / weights.sum())
    names = list(of_it)
    return {names[at]: of_it[names[at]] for at in sorted(chosen.tolist())}


def say(
    attributes: Mapping[str, str], language: Language, rng: np.random.Generator, *, new: bool = False
) -> str | None:
    """A sentence in wordings of training, or with every wording `new` that can be; None where none of them can."""
    any_new = False

    def choose(attribute: str, value: str, count: int) -> int:
        nonlocal any_new
        kept = [number for number in range(count) if is_new_wording(language, attribute, value, number) == new]
        if new and not kept:
            return 0
        any_new |= new
        return kept[0 if rng.random() < 0.5 else int(rng.integers(len(kept)))]

    said = sentence(attributes, language, choose)
    return said if any_new or not new else None


def training_sentences(count: int, seed: int = 0) -> Iterator[ParallelSentence]:
    """So many wishes that training may see, each in all languages."""
    found = index = 0
    while found < count:
        rng = np.random.default_rng([seed, index, _TRAINING])
        attributes = some_attributes(design(seed, index), rng)
        index += 1
        if attributes and not is_held_out(attributes):
            found += 1
            texts = {language: said for language in LANGUAGES if (said := say(attributes, language, rng))}
            yield ParallelSentence(attributes, sentence(attributes, "en"), texts)
