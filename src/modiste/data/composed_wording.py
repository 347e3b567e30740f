"""Changes of attributes as people say them: "the same in red", "with long sleeves instead of short ones", "without stripes".

A change is (old, new); a new value that is empty means anything but the old one. No sentence says what the garment is,
unless that is what changes: words that named it would find it without the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from modiste.data.atelier.palette import COLOUR_WORDS
from modiste.data.atelier.wording import HEEL_WORDS, NECK_WORDS, PATTERN_WORDS

Changes = Mapping[str, tuple[str, str]]

_LENGTHS = {"knee": "knee-length", "full": "full-length", "regular": "of regular length", "thigh": "thigh-length"}
_USAGES = {"sports": "for sports", "travel": "for travelling", "party": "for a party", "ethnic": "in an ethnic style"}
_PRINTS = {
    "stripes": "stripes",
    "pinstripes": "pinstripes",
    "polka dots": "dots",
    "checks": "checks",
    "floral": "flowers",
    "animal print": "animal print",
    "houndstooth": "houndstooth",
    "herringbone": "herringbone",
    "colour block": "second colour",
    "printed": "print",
}
_ONE = (
    "the same {}",
    "the same, but {}",
    "but {}",
    "{}",
    "like this, but {}",
    "I would like this one {}",
    "something similar {}",
    "is {}",
)
_TWO = (
    "the same {} and {}",
    "but {} and {}",
    "{}, {}",
    "like this, but {} and {}",
    "I would like this one {} and also {}",
    "the same, only {} and {}",
)
# Ways of saying that only one attribute allows.
_OWN: Mapping[str, tuple[str, ...]] = {
    "colour": (
        "{new} instead of {old}",
        "but {new} instead of {old}",
        "change the colour to {new}",
        "make it {new}",
        "a {new} one",
        "{new}, not {old}",
        "the {new} version of this",
    ),
    "material": ("{new} instead of {old}", "change the material to {new}"),
    "gender": ("make it for {new}", "the same thing for {new}", "for {new} instead of {old}"),
    "article_type": ("{new} instead of {old}", "{new} that look like this", "show me {new} in this style"),
    "usage": ("make it more {new}", "a {new} one", "more {new}, less {old}"),
    "fit": ("{new} fit instead of {old}", "change the fit to {new}"),
    "sleeve_length": ("change the sleeves to {new}",),
}


def phrase(name: str, value: str, rng: np.random.Generator) -> str:
    """A wanted value as it follows "the same" or "but": "in navy blue", "with long sleeves", "for women"."""
    words = spoken(name, value, rng)
    if name == "colour":
        return f"in {words}"
    if name == "pattern":
        if value == "solid":
            return _one(rng, ("in one plain colour", "without a pattern", "plain"))
        if value in PATTERN_WORDS:
            return _one(rng, PATTERN_WORDS[value][1])
        return f"with a {words}"
    if name == "material":
        return _one(rng, (f"in {words}", f"made of {words}"))
    if name == "sleeve_length":
        if value == "sleeveless":
            return _one(rng, ("without sleeves", "with no sleeves", "sleeveless"))
        return f"with {words} sleeves"
    if name in ("neckline", "heel"):
        return f"with {words}"
    if name == "length":
        return words if words.startswith("of ") else _one(rng, (words, f"in {_a(words)} cut"))
    if name == "fit":
        return f"in {_a(words)} fit"
    if name in ("toe", "shaft"):
        return f"with {_a(words)} {name}"
    if name == "frame":
        return f"with {words} frames"
    if name == "gender":
        return f"for {words}"
    if name == "usage":
        return _USAGES.get(words, f"for {words} wear")
    if name == "article_type":
        return f"as {words}"
    return f"in {_a(words)} style" if name == "detail" else f"in {_a(words)} {name.replace('_', ' ')}"


def spoken(name: str, value: str, rng: np.random.Generator) -> str:
    """A value in words: the usual name mostly, another one sometimes."""
    said = value.lower()
    if name == "colour":
        names = COLOUR_WORDS.get(said, (said,))
        return names[0] if rng.random() < 0.7 else _one(rng, names)
    if name == "neckline":
        return NECK_WORDS.get(said, f"a {said} neck")
    if name == "heel":
        return HEEL_WORDS.get(said, said)
    if name == "length":
        return _LENGTHS.get(said, said)
    if name == "pattern":
        return _PRINTS.get(said, said)
    return said


def without(name: str, value: str, rng: np.random.Generator) -> str:
    """Anything but a value: "without stripes", "not in red"."""
    words = spoken(name, value, rng)
    if name == "pattern":
        return _one(rng, (f"without {words}", f"without the {words}", f"no {words}"))
    if name == "colour":
        return _one(rng, (f"not in {words}", f"in any colour but {words}", f"anything but {words}"))
    return f"not {phrase(name, value, rng)}"


def modification(changes: Changes, rng: np.random.Generator) -> str:
    """One sentence that asks for one or two changes; raises `ValueError` for none or for more."""
    if not 1 <= len(changes) <= 2:
        raise ValueError(f"a sentence asks for one or two changes, not for {len(changes)}")
    if len(changes) == 1:
        ((name, (old, new)),) = changes.items()
        own = _OWN.get(name, ())
        if new and own and rng.random() < 0.5:
            return _one(rng, own).format(new=spoken(name, new, rng), old=spoken(name, old, rng))
    parts = [phrase(name, new, rng) if new else without(name, old, rng) for name, (old, new) in changes.items()]
    if len(parts) == 2 and rng.random() < 0.5:
        parts.reverse()
    return _one(rng, _ONE if len(parts) == 1 else _TWO).format(*parts)


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _one(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]
