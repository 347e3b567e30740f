"""What words ask to be different, as a plan that can be looked at: changed, left out, kept, and what is just said.

    plan = modification("but in red with long sleeves, no stripes", vocabulary, reference)
    str(plan)    # "colour: red <- blue; sleeves: long <- short; without: stripes; kept: category, collar"

Nothing is guessed: what the reference has comes from its row, its title, or the labels of its photo, each with a confidence;
what is not known is said. Every word of the sentence is in one of `parts`, whatever it was taken for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from modiste.data.style.vocabulary import COLUMNS, SPOKEN, Meaning, beyond, rank, satisfies
from modiste.engine.sentence import Asked, Role, Sentence, read_sentence
from modiste.engine.vocabulary import Vocabulary
from modiste.taxonomy import super_category

Source = Literal["catalogue", "title", "photo"]
SURE = 0.5  # probability from which on a label of a photo is known

# What can be kept; a brand or a season is not what makes two garments alike.
_KEPT = tuple(name for name in COLUMNS if name not in ("price", "season", "secondary_colour"))
_OF_ANY_KIND = ("colour", "pattern", "material", "gender", "formality")  # what a garment of another kind can have too


@dataclass(frozen=True, slots=True)
class Known:
    """A value that the reference has, how sure that is, and who says so."""

    value: str
    confidence: float = 1.0
    source: Source = "catalogue"

    def as_dict(self) -> dict[str, Any]:
        return {"value": self.value, "confidence": round(self.confidence, 4), "source": self.source}


@dataclass(frozen=True, slots=True)
class Reference:
    """What the search starts from: an item's id or "" for a photo, and its known values by attribute."""

    id: str = ""
    known: Mapping[str, Known] = field(default_factory=dict)
    unsure: Mapping[str, Known] = field(default_factory=dict)  # what a photo may have, by labels below `SURE`
    price: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """An attribute that shall have one of `values`; with a `direction`, less (-1) or more (1) than the reference's."""

    attribute: str
    values: tuple[str, ...]
    words: str
    direction: int = 0
    old: Known | None = None
    perhaps: Known | None = None  # the reference's value by a label that is not sure
    of_reference: bool = True  # False: there is no reference that could have had another value

    @property
    def key(self) -> str:
        return f"change:{self.attribute}"

    @property
    def known(self) -> bool:
        """Whether it can be told of an item; "shorter" cannot without the reference's length."""
        return not self.direction or self.old is not None

    def fits(self, label: str) -> bool:
        """Whether a row's label is what is asked for."""
        if self.direction:
            return self.old is not None and beyond(self.attribute, label, self.old.value, self.direction)
        return any(satisfies(self.attribute, label, value) for value in self.values)

    def __str__(self) -> str:
        told = f"{spoken(self.attribute, *self.values)}: {self.words if self.direction else ' or '.join(self.values)}"
        if self.old is not None:
            return f"{told} {'than' if self.direction else '<-'} {self.old.value}{_unsure(self.old)}"
        return f"{told} (the reference's is not known{_perhaps(self.perhaps)})" if self.of_reference else told


@dataclass(frozen=True, slots=True)
class Excluded:
    """What an item must not be: all of `meanings` at once; none of them: words that only the encoder can judge."""

    meanings: tuple[Meaning, ...]
    words: str

    @property
    def name(self) -> str:
        return " ".join(_told(one) for one in self.meanings) or self.words

    @property
    def key(self) -> str:
        return f"without:{self.name}"

    def __str__(self) -> str:
        return f"without: {self.name}"


@dataclass(frozen=True, slots=True)
class Kept:
    """A value of the reference that still holds; `asked`: the words say so themselves."""

    attribute: str
    known: Known
    asked: bool = False

    @property
    def key(self) -> str:
        return f"keep:{self.attribute}"

    @property
    def name(self) -> str:
        """The attribute as a list of what is kept names it: "length", "for women"."""
        name = spoken(self.attribute, self.known.value)
        return f"{name} {self.known.value.casefold()}" if self.attribute == "gender" else name

    def fits(self, label: str) -> bool:
        return satisfies(self.attribute, label, self.known.value)

    def __str__(self) -> str:
        value = self.known.value
        told = self.name if self.attribute == "gender" else value if self.name in value else f"{self.name}: {value}"
        return told + _unsure(self.known)


@dataclass(frozen=True, slots=True)
class Price:
    """Bounds of the price; `below` is strict: cheaper than the reference."""

    words: str
    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    above: float | None = None

    key = "price"

    def __str__(self) -> str:
        told = [
            f"{name} {value:g}"
            for name, value in (
                ("below", self.below),
                ("above", self.above),
                ("from", self.at_least),
                ("up to", self.at_most),
            )
            if value is not None
        ]
        return f"price: {' '.join(told)}"


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the sentence and what it was taken for; all parts in a row are the sentence."""

    text: str
    role: Role


@dataclass(frozen=True, slots=True)
class ModificationPlan:
    """A sentence, read. `words` is what the encoder hears; `notes` say what could not be done."""

    text: str
    parts: tuple[Part, ...]
    words: str
    changes: tuple[Change, ...] = ()
    excluded: tuple[Excluded, ...] = ()
    kept: tuple[Kept, ...] = ()
    price: Price | None = None
    free: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    reference: Reference | None = None

    @property
    def acts(self) -> bool:
        """Whether there is anything that the encoder does not do by itself."""
        return bool(self.excluded or self.kept or self.price or (self.changes and self.reference is not None))

    def without(self, keys: Collection[str]) -> ModificationPlan:
        """The plan less the parts with these keys, as if their words had not been said."""
        changes = tuple(one for one in self.changes if one.key not in keys)
        excluded = tuple(one for one in self.excluded if one.key not in keys)
        known = self.reference.known if self.reference is not None else {}
        asked = {one.attribute: one.known for one in self.kept if one.asked}
        return replace(
            self,
            words=_less(self.words, {one.words for one in self.changes if one.key in keys}),
            changes=changes,
            excluded=excluded,
            kept=tuple(one for one in _kept(known, asked, changes, excluded) if one.key not in keys),
            price=None if self.price is not None and self.price.key in keys else self.price,
        )

    def __str__(self) -> str:
        told = [str(one) for one in self.changes]
        if self.price is not None:
            told.append(str(self.price))
        if self.excluded:
            told.append(f"without: {', '.join(one.name for one in self.excluded)}")
        if self.kept:
            told.append(f"kept: {', '.join(one.name for one in self.kept)}")
        if self.free:
            told.append(f"words: {' '.join(self.free)}")
        return "; ".join(told)

    def as_dict(self) -> dict[str, Any]:
        """JSON values; `key` names a part to `without`."""
        return {
            "text": self.text,
            "line": str(self),
            "words": self.words,
            "reference": self.reference.id if self.reference is not None else None,
            "changes": [
                {
                    "key": one.key,
                    "attribute": one.attribute,
                    "values": list(one.values),
                    "direction": one.direction,
                    "words": one.words,
                    "old": one.old.as_dict() if one.old is not None else None,
                    "line": str(one),
                }
                for one in self.changes
            ],
            "excluded": [
                {
                    "key": one.key,
                    "attributes": {meaning.attribute: meaning.value for meaning in one.meanings},
                    "words": one.words,
                    "line": str(one),
                }
                for one in self.excluded
            ],
            "kept": [
                {
                    "key": one.key,
                    "attribute": one.attribute,
                    **one.known.as_dict(),
                    "asked": one.asked,
                    "line": str(one),
                }
                for one in self.kept
            ],
            "price": {
                "key": self.price.key,
                "words": self.price.words,
                "at_least": self.price.at_least,
                "at_most": self.price.at_most,
                "below": self.price.below,
                "above": self.price.above,
                "line": str(self.price),
            }
            if self.price is not None
            else None,
            "free": list(self.free),
            "notes": list(self.notes),
            "parts": [{"text": one.text, "role": one.role} for one in self.parts],
        }


def modification(text: str, vocabulary: Vocabulary, reference: Reference | None = None) -> ModificationPlan:
    """The plan of a sentence, beside what the reference has; never raises, whatever the text."""
    sentence = read_sentence(text, vocabulary)
    known = reference.known if reference is not None else {}
    unsure = reference.unsure if reference is not None else {}
    notes: list[str] = []
    excluded = [Excluded(one.meanings, one.words) for one in sentence.denied]
    asked = {name: known[name] for name in sentence.kept if name in known}
    notes += [
        f"{spoken(name)} cannot be kept: the reference's is not known" for name in sentence.kept if name not in known
    ]
    for name, words in sentence.different.items():
        if name in known:
            excluded.append(Excluded((Meaning(name, known[name].value),), words))
        else:
            notes.append(f"{words!r}: the reference's {spoken(name)} is not known, so nothing is left out")
    changes: list[Change] = []
    for one in _together(sentence.asked):
        old = known.get(one.attribute)
        if old is not None and not one.direction and any(satisfies(one.attribute, old.value, v) for v in one.values):
            asked[one.attribute] = old
        else:
            changes.append(
                Change(
                    one.attribute,
                    one.values,
                    one.words,
                    one.direction,
                    old,
                    unsure.get(one.attribute),
                    reference is not None,
                )
            )
            if one.direction and old is None:
                notes.append(
                    f"{one.words!r}: the reference's {spoken(one.attribute)} is not known, so it is not asked for"
                )
            elif one.direction and old is not None and rank(one.attribute, old.value) is None:
                notes.append(f"{one.words!r}: {old.value!r} has no place in an order, so it is not asked for")
    # Whoever wants it shorter, or another colour, is not asked which: what contradicts itself is left to the change.
    excluded = [one for one in excluded if not _contradicts(one, changes)]
    if left := [name for name in unsure if name not in known and all(name != one.attribute for one in changes)]:
        told = (f"{spoken(name)}{_perhaps(unsure[name])}" for name in left)
        notes.append(f"not told surely by the photo, so not kept: {'; '.join(told)}")
    price = _price(sentence, reference, vocabulary, notes)
    return ModificationPlan(
        text=text,
        parts=tuple(Part(text[start:end], role) for start, end, role in sentence.parts),
        words=sentence.words,
        changes=tuple(changes),
        excluded=tuple(dict.fromkeys(excluded)),
        kept=_kept(known, asked, changes, excluded),
        price=price,
        free=sentence.free,
        notes=tuple(notes),
        reference=reference,
    )


def _together(asked: tuple[Asked, ...]) -> list[Asked]:
    """One wish for each attribute: several values of it are as good as each other."""
    found: dict[tuple[str, int], Asked] = {}
    for one in asked:
        before = found.get((one.attribute, one.direction))
        if before is None:
            found[one.attribute, one.direction] = one
        elif one.values and one.values[0] not in before.values:  # "shorter, shorter" is said once
            found[one.attribute, one.direction] = Asked(
                one.attribute, (*before.values, *one.values), f"{before.words} {one.words}", one.direction
            )
    return list(found.values())


def _contradicts(excluded: Excluded, changes: list[Change]) -> bool:
    return len(excluded.meanings) == 1 and any(
        change.attribute == one.attribute and one.value in change.values
        for change in changes
        for one in excluded.meanings
    )


def _price(sentence: Sentence, reference: Reference | None, vocabulary: Vocabulary, notes: list[str]) -> Price | None:
    bound = sentence.price
    if bound is None:
        return None
    if "price" not in vocabulary.columns:
        notes.append(f"{bound.words!r}: this catalogue has no prices")
        return None
    if not bound.direction:
        return Price(bound.words, at_least=bound.at_least, at_most=bound.at_most)
    price = reference.price if reference is not None else None
    if price is None:
        notes.append(f"{bound.words!r}: the reference's price is not known, so it is not asked for")
        return None
    return Price(bound.words, below=price) if bound.direction < 0 else Price(bound.words, above=price)


def _kept(
    known: Mapping[str, Known], asked: Mapping[str, Known], changes: Sequence[Change], excluded: Sequence[Excluded]
) -> tuple[Kept, ...]:
    changed = {one.attribute for one in changes}
    new_kind = next((one for one in changes if one.attribute == "category"), None)
    found = []
    for name in (*_KEPT, *(one for one in asked if one not in _KEPT)):
        if name not in known or name in changed:
            continue
        if new_kind is not None and name not in _OF_ANY_KIND and _other_kind(known, new_kind):
            continue
        value = known[name].value
        if any(
            len(one.meanings) == 1
            and one.meanings[0].attribute == name
            and satisfies(name, value, one.meanings[0].value, broadly=True)
            for one in excluded
        ):
            continue
        found.append(Kept(name, known[name], name in asked))
    return tuple(found)


def _other_kind(known: Mapping[str, Known], change: Change) -> bool:
    """Whether the new category is of another super-category than the reference's."""
    if "category" not in known:
        return True
    own = super_category(known["category"].value)
    return all(super_category(value) != own for value in change.values)


def _less(words: str, dropped: Collection[str]) -> str:
    for one in sorted(dropped, key=len, reverse=True):
        padded = f" {words} ".replace(f" {one} ", " ", 1)
        if padded.strip() == words.strip():  # the words of one wish may stand apart
            gone = set(one.split())
            padded = " ".join(word for word in words.split() if word not in gone)
        words = padded.strip()
    return words


def spoken(attribute: str, *values: str) -> str:
    """How a plan names an attribute: "sleeves"; a neckline that is a collar is called so."""
    if attribute == "neckline" and values and all("collar" in value for value in values):
        return "collar"
    return SPOKEN.get(attribute, attribute.replace("_", " "))


_PARTS = {"heel": "heels", "toe": "toe", "sleeve_length": "sleeves"}


def _told(meaning: Meaning) -> str:
    """A value that does not speak for itself with its attribute: "flat heels", "short sleeves"; but "sleeveless"."""
    part = _PARTS.get(meaning.attribute, "")
    return meaning.value if not part or part[:-1] in meaning.value else f"{meaning.value} {part}"


def _perhaps(known: Known | None) -> str:
    return f", perhaps {known.value} ({100 * known.confidence:.0f} %)" if known is not None else ""


def _unsure(known: Known) -> str:
    return f" ({100 * known.confidence:.0f} % sure, by the photo)" if known.source == "photo" else ""
