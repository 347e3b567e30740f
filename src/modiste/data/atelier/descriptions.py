"""A look in words: "smart casual summer office look in beige and navy, for women". Every word is true of the look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from modiste.data.style.rules import formality_word
from modiste.data.style.traits import OCCASIONS, SEASONS, Traits

_FITS = 0.4  # an item with this weight for an occasion can be worn to it
_CLOTHES = (
    "one_piece",
    "top",
    "bottom",
    "outerwear",
    "shoes",
    "bag",
    "hat",
    "accessory",
    "jewellery",
)  # what is seen first


def formality_of(look: Sequence[Traits]) -> str:
    """In words: the mean of the items whose formality is known; empty when none is."""
    known = [one.formality for one in look if one.formality is not None]
    return formality_word(float(np.mean(known))) if known else ""


def season_of(look: Sequence[Traits]) -> str:
    """The season in which every item can be worn, when only some seasons are; else empty."""
    shared = [season for season in SEASONS if all(not one.seasons or season in one.seasons for one in look)]
    return shared[0] if 0 < len(shared) < len(SEASONS) else ""


def occasion_of(look: Sequence[Traits]) -> str:
    """The occasion that suits the least suitable item best, if it suits it at all; else empty."""
    known = np.array([one.occasions for one in look if one.occasions]).reshape(-1, len(OCCASIONS))
    if not len(known):
        return ""
    least = known.min(axis=0)
    return OCCASIONS[int(least.argmax())] if least.max() >= _FITS else ""


def colours_of(look: Sequence[Traits]) -> tuple[str, ...]:
    """The one or two colours that most items have; of equally many, that of the larger garment."""
    seen = sorted((one for one in look if one.colour and one.metal is None), key=lambda one: _CLOTHES.index(one.slot))
    return tuple(colour for colour, _ in Counter(one.colour for one in seen).most_common(2))


def gender_of(look: Sequence[Traits]) -> str:
    """Whom the look is cut for, when some item says so and none disagrees; else empty."""
    said = {one.gender for one in look} - {None, "unisex"}
    return str(next(iter(said))) if len(said) == 1 else ""


def describe(look: Sequence[Traits], rng: np.random.Generator | None = None) -> str:
    """The look in one phrase; with `rng` some of the words are left out, as people leave them out."""

    def kept(word: str) -> str:
        return word if rng is None or rng.random() < 0.8 else ""

    words = [kept(formality_of(look)), kept(season_of(look)), kept(occasion_of(look)), "look"]
    colours = colours_of(look)
    if colours and (rng is None or rng.random() < 0.9):
        words.append(f"in {' and '.join(colours)}")
    text = " ".join(word for word in words if word)
    gender = kept(gender_of(look))
    return f"{text}, for {gender}" if gender else text
