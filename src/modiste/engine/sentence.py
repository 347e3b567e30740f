"""A sentence about clothes, read from left to right: what is asked for, denied, compared, kept, and what is left as words.

No grammar of English is needed for "but in red with long sleeves, no stripes or dots, cheaper": phrases of the vocabulary are
found, the longest first, and a few small words say what is meant by them. A denial ("without", "not", "no"...) holds for the
group of words after it, and on over "or"; a comma, "but", "with", "in" and "for" end it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from modiste.data.style.vocabulary import ANY, NONE_OF, NOUNS, Meaning, fold, garment
from modiste.engine.vocabulary import Vocabulary

Role = Literal["change", "without", "keep", "price", "free", "filler"]

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’][^\W\d_]+)*|[€$£]")
_JOINED = re.compile(r"[\s\-/&‐‑'’]*")  # what may stand between the words of one phrase
_LONGEST = 6


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    """Longest first."""
    return tuple(sorted((tuple(one.split()) for one in text.split(",")), key=len, reverse=True))


_NOT_ONLY = _phrases("not only,not just")
_DENIALS = _phrases(
    "without,no,not,non,never,minus,except,excluding,avoid,avoiding,sans,neither,nor,lacking,but not,anything but,"
    "everything but,"
    "instead of,rather than,other than,free of,free from,apart from,don't want,do not want,dont want,don't like,do not like,"
    "doesn't have,does not have,isn't,is not,not made of,remove the,drop the,lose the,get rid of,no more,without any"
)
_ALL_OF_A_LIST = frozenset({"without", "no", "sans", "minus", "except", "excluding", "neither", "nor"})
_ENDS = _words(
    "but with in for as only just instead please yet though however having has made from like under over on at by to"
)
_FILLERS = _words(
    "a an the and or but in with of for to as at on by it its it's is are be been was this that these those same similar "
    "like i i'd i'm me my we want would wish need prefer looking look show find search get give make please one ones item "
    "items thing something somewhat more most just only also too very so really quite rather instead still else version "
    "style way exactly kind sort type bit little any some all keep keeping kept retain have has having from there here if "
    "can could should you your them they which what than less which's s t not made out and/or nor"
)
_ARTICLES = _words("a an the any")
# Before a value, between a denial and what it denies.
_SOFT = _words(
    "a an the any in with of for made too so as very from such that is are kind sort it its this those these to be on"
)
_SAME = frozenset({"same", "keep", "keeping", "retain", "similar", "identical"})
_OTHER = frozenset({"another", "different", "other"})
_COMPARED: Mapping[tuple[str, ...], tuple[str, int]] = {
    tuple(words.split()): (attribute, direction)
    for attribute, direction, several in (
        ("price", -1, "cheaper,less expensive,more affordable,less costly,lower price,lower priced,less pricey"),
        ("price", 1, "more expensive,pricier,dearer,costlier,less cheap,more luxurious"),
        ("length", -1, "shorter,less long,more cropped"),
        ("length", 1, "longer,less short"),
        ("colour", -1, "darker,less bright,less light"),
        ("colour", 1, "lighter,paler,less dark"),
        ("fit", 1, "looser,wider,baggier,less tight,less fitted,roomier,more relaxed"),
        ("fit", -1, "tighter,slimmer,narrower,more fitted,less loose,less baggy"),
        ("formality", -1, "more casual,less formal,less dressy,less smart,more relaxed style"),
        ("formality", 1, "more formal,dressier,smarter,less casual,more elegant,fancier"),
        ("heel", 1, "higher heel,higher heels,taller heel,taller heels"),
        ("heel", -1, "lower heel,lower heels,flatter,shorter heel,shorter heels"),
    )
    for words in several.split(",")
}
# What one has or has not, so that "without a collar and sleeves" goes on.
_HAD = ("pattern", "neckline", "sleeve_length", "closure", "heel", "material")
_BELOW = _phrases(
    "under,below,less than,at most,up to,max,maximum,cheaper than,not more than,no more than,not over,not above,within,max of"
)
_ABOVE = _phrases("over,above,more than,at least,min,minimum,starting at,not less than,no less than,not under")
_MONEY = _words("€ $ £ euro euros eur dollar dollars usd pound pounds gbp bucks")
_AS_A_PART = frozenset({"with", "without", "no", "has", "having", "have"})  # after these "heels" and "a belt" are parts


@dataclass(frozen=True, slots=True)
class Asked:
    """A wish for one attribute: one of `values`, or with a direction less or more than something."""

    attribute: str
    values: tuple[str, ...]
    words: str
    direction: int = 0


@dataclass(frozen=True, slots=True)
class Denied:
    """A group of words that is denied: all meanings at once, or no known meaning but words."""

    meanings: tuple[Meaning, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Bound:
    """Of the price: from, up to, or with a direction beside the reference's."""

    words: str
    at_least: float | None = None
    at_most: float | None = None
    direction: int = 0


@dataclass(frozen=True, slots=True)
class Sentence:
    """What was read. `parts`: (start, end, role) that cover the text; `words`: what is meant positively, as written."""

    parts: tuple[tuple[int, int, Role], ...]
    words: str
    asked: tuple[Asked, ...]
    denied: tuple[Denied, ...]
    kept: tuple[str, ...]  # attributes said to stay
    different: Mapping[str, str]  # attributes said to be another, and the words
    price: Bound | None
    free: tuple[str, ...]


def read_sentence(text: str, vocabulary: Vocabulary) -> Sentence:
    """Read any text; never raises."""
    return _Reader(text, vocabulary).read()


class _Reader:
    def __init__(self, text: str, vocabulary: Vocabulary) -> None:
        self.text, self.vocabulary = text, vocabulary
        self.spans = [match.span() for match in _WORD.finditer(text)]
        self.words = [fold(text[start:end]) or text[start:end] for start, end in self.spans]
        self.roles: list[Role] = ["filler"] * len(self.words)
        self.asked: list[Asked] = []
        self.denied: list[Denied] = []
        self.kept: list[str] = []
        self.different: dict[str, str] = {}
        self.price: Bound | None = None
        self.unheard: set[int] = set()  # places of words that are meant, but are nothing to the encoder
        self.at = 0

    def read(self) -> Sentence:
        while self.at < len(self.words):
            before = self.at
            for step in (self._prices, self._not_only, self._comparison, self._denial, self._same, self._wish):
                if step():
                    break
            else:
                self.roles[self.at] = "filler" if self.words[self.at] in _FILLERS else "free"
                self.at += 1
            assert self.at > before
        return Sentence(
            self._parts(),
            self._heard(),
            tuple(self.asked),
            tuple(self.denied),
            tuple(dict.fromkeys(self.kept)),
            self.different,
            self.price,
            tuple(self._written(at, at + 1) for at, role in enumerate(self.roles) if role == "free"),
        )

    # -- steps: each takes words at `self.at`, or leaves them and returns False ----------------------------------------

    def _not_only(self) -> bool:
        length = self._starts(_NOT_ONLY, self.at)
        self.at += length
        return length > 0

    def _prices(self) -> bool:
        for patterns, below in ((_BELOW, True), (_ABOVE, False)):
            length = self._starts(patterns, self.at)
            number = self._number(self.at + length) if length else None
            if number is not None:
                value, end = number
                self._set_price(end, at_most=value) if below else self._set_price(end, at_least=value)
                return True
        if self.words[self.at] == "between":
            low = self._number(self.at + 1)
            if low is not None and low[1] < len(self.words) and self.words[low[1]] in ("and", "to"):
                high = self._number(low[1] + 1)
                if high is not None:
                    self._set_price(high[1], at_least=min(low[0], high[0]), at_most=max(low[0], high[0]))
                    return True
        return False

    def _set_price(self, end: int, at_least: float | None = None, at_most: float | None = None) -> None:
        before = self.price
        if before is not None and not before.direction:  # "over 20, under 50"
            at_least = before.at_least if at_least is None else at_least
            at_most = before.at_most if at_most is None else at_most
        self.price = Bound(self._written(self.at, end), at_least, at_most)
        self._take(end, "price")

    def _number(self, at: int) -> tuple[float, int] | None:
        """The number at a place, with or without a currency around it, and where it ends."""
        while at < len(self.words) and self.words[at] in _MONEY:
            at += 1
        if at >= len(self.words) or not self.words[at][0].isdecimal():
            return None
        plain = re.sub(r"[.,](?=\d{3}(?:\D|$))", "", self.words[at]).replace(",", ".")
        try:
            value = float(plain)
        except ValueError:
            return None
        if not math.isfinite(value):  # of 400 digits: a word, and no price that could be told as JSON
            return None
        at += 1
        while at < len(self.words) and self.words[at] in _MONEY:
            at += 1
        return value, at

    def _comparison(self) -> bool:
        for length in range(min(3, len(self.words) - self.at), 0, -1):
            found = _COMPARED.get(tuple(self.words[self.at : self.at + length]))
            if found is None or not self._unbroken(self.at, self.at + length):
                continue
            attribute, direction = found
            end = self.at + length
            named = self._noun(end)
            if attribute == "length" and named == "sleeve_length":
                attribute, end = named, end + 1
            elif named == attribute:
                end += 1  # "a wider fit"
            words = self._written(self.at, end)
            if attribute == "price":
                if self.price is None:
                    self.price = Bound(words, direction=direction)
                self._take(end, "price")
            else:
                self.asked.append(Asked(attribute, (), words, direction))
                self.unheard.update(range(self.at, end))  # "shorter" tells nobody who does not know than what
                self._take(end, "change")
            return True
        return False

    def _same(self) -> bool:
        word = self.words[self.at]
        if word not in _SAME and word not in _OTHER:
            return False
        at = self.at + 1
        while at < len(self.words) and self.words[at] in ("the", "its", "this", "in", "a", "of"):
            at += 1
        attribute = self._noun(at)
        if not attribute:
            return False
        words = self._written(self.at, at + 1)
        if word in _OTHER:
            self.different[attribute] = words
            self._take(at + 1, "without")
        else:
            self.kept.append(attribute)
            self._take(at + 1, "keep")
            # "the same colour and length"
            while self.at + 1 < len(self.words) and self.words[self.at] in ("and", "or") and self._noun(self.at + 1):
                self.kept.append(self._noun(self.at + 1))
                self._take(self.at + 2, "keep")
        return True

    def _noun(self, at: int) -> str:
        """The attribute that the word at a place names."""
        if at >= len(self.words):
            return ""
        return next((attribute for attribute, nouns in NOUNS.items() if self.words[at] in nouns), "")

    def _denial(self) -> bool:
        length = self._starts(_DENIALS, self.at)
        if not length:
            return False
        word = self.words[self.at]
        start = self.at
        if length == 1 and self._compound(start):
            self._take(start + 2, "free")
            return True
        self._take(self.at + length, "without")
        denied = 0
        while self.at < len(self.words):
            here = self.words[self.at]
            if denied:
                if self._comma() and not self._list_goes_on(word in _ALL_OF_A_LIST):
                    break
                if here in ("or", "nor") or (here == "and" and self._and_goes_on(word)):
                    self._take(self.at + 1, "without")
                    continue
                if not self._comma() and self.words[self.at - 1] not in ("or", "nor", "and"):
                    break  # one group is denied, and this is another one
                if here in _ENDS or here == "and":
                    break
            elif self.at > start + length and self._comma():
                break
            if not denied and here in _SOFT:
                self._take(self.at + 1, "without")
                continue
            if here in _ARTICLES:
                self._take(self.at + 1, "without")
                continue
            if self._starts(_DENIALS, self.at) or not self._group():
                break
            denied += 1
        return True

    def _compound(self, at: int) -> bool:
        """Whether "no-show" or "non-iron" is one word: no value of an attribute that is denied."""
        if at + 1 >= len(self.words) or self._gap(at + 1) != "-":
            return False
        meaning = self._phrase(at + 1, as_part=True)[1]
        return meaning is None or meaning.attribute == "category"

    def _and_goes_on(self, word: str) -> bool:
        """Whether "without A and B" denies B too: B names a part or a pattern, which one has or has not."""
        if word not in _ALL_OF_A_LIST:
            return False
        _, meaning = self._phrase(self._behind_articles(self.at + 1), as_part=True)
        return meaning is not None and meaning.attribute in _HAD

    def _list_goes_on(self, with_and: bool) -> bool:
        """Whether what follows a comma is the next of a list that ends with "or": "no stripes, dots or checks"."""
        at = self.at
        for _ in range(8):
            at = self._behind_articles(at)
            end, meaning = self._phrase(at, as_part=True)
            if meaning is None:
                return False
            if end < len(self.words) and (self.words[end] in ("or", "nor") or (with_and and self.words[end] == "and")):
                following, next_meaning = self._phrase(self._behind_articles(end + 1), as_part=True)
                return following > 0 and next_meaning is not None
            if end >= len(self.words) or "," not in self._gap(end):
                return False
            at = end
        return False

    def _behind_articles(self, at: int) -> int:
        while at < len(self.words) and self.words[at] in _ARTICLES:
            at += 1
        return at

    def _group(self) -> bool:
        """Take the words of one denied group; False when there are none."""
        start = at = self.at
        meanings: list[Meaning] = []
        none_of = ""
        while at < len(self.words):
            if at > start and (not self._unbroken(at - 1, at + 1) or self._ends_group(at)):
                break
            end, meaning = self._phrase(at, as_part=True)
            if meaning is None:
                if self._ends_group(at):
                    break
                end = at + 1
            elif meaning.value == ANY:
                none_of = meaning.attribute if meaning.attribute in NONE_OF else none_of
            else:
                meanings.append(meaning)
            at = end
        if at == start:
            return False
        words = self._written(start, at)
        if none_of and not meanings:
            self.asked.append(Asked(none_of, (NONE_OF[none_of],), words))
        else:
            kinds = [one for one in meanings if one.attribute == "category"]
            others = [one for one in meanings if one.attribute != "category"]
            if kinds and others:  # "not leather boots" are boots
                self.asked.append(Asked("category", (kinds[0].value,), kinds[0].value))
            self.denied.append(Denied(tuple(others or kinds), words))
        self._take(at, "without")
        if kinds_asked := [one.value for one in meanings if one.attribute == "category" and len(meanings) > 1]:
            self._say_kind(start, at, kinds_asked[0])
        return True

    def _say_kind(self, start: int, end: int, kind: str) -> None:
        """The noun of a denied group is meant: the encoder hears it."""
        for at in range(start, end):
            if garment(self.words[at]) and garment(self.words[at]) == garment(kind.split(" ")[-1]):
                self.roles[at] = "change"

    def _ends_group(self, at: int) -> bool:
        word = self.words[at]
        if word in _ENDS or word in ("and", "or", "nor", "a", "an", "the", "than") or self._starts(_DENIALS, at):
            return True
        return (word,) in _COMPARED or self._priced(at)

    def _priced(self, at: int) -> bool:
        return any(
            tuple(self.words[at : at + len(one)]) == one and self._number(at + len(one)) is not None
            for one in (*_BELOW, *_ABOVE)
        )

    def _wish(self) -> bool:
        behind = self.words[self._before(self.at)] if self._before(self.at) >= 0 else ""
        end, meaning = self._phrase(self.at, as_part=behind in _AS_A_PART)
        if meaning is None:
            return False
        if end < len(self.words) and self.words[end] == "free" and self._unbroken(end - 1, end + 1):  # "leather-free"
            self.denied.append(Denied((meaning,), self._written(self.at, end)))
            self._take(end + 1, "without")
            return True
        words = self._written(self.at, end)
        if meaning.value == ANY:
            if meaning.attribute not in NONE_OF:
                return False
            self.denied.append(Denied((Meaning(meaning.attribute, NONE_OF[meaning.attribute]),), words))
            self._take(end, "change")
            return True
        if meaning.attribute == "category" and behind in _AS_A_PART:
            return False  # "with a hat" asks for no hat
        if meaning.attribute == "colour" and self._colours_a_print(end, behind):
            meaning = Meaning("secondary_colour", meaning.value)
        self.asked.append(Asked(meaning.attribute, (meaning.value,), words))
        self._take(end, "change")
        return True

    def _colours_a_print(self, end: int, behind: str) -> bool:
        """Whether a colour is that of the print after it: "navy with white stripes"."""
        _, following = self._phrase(end, as_part=False) if self._unbroken(end - 1, end + 1) else (0, None)
        return behind == "with" and following is not None and following.attribute == "pattern"

    # -- words -----------------------------------------------------------------------------------------------------------

    def _phrase(self, at: int, *, as_part: bool) -> tuple[int, Meaning | None]:
        """Where the longest phrase at a place ends, and what it means there; (0, None) if there is none."""
        longest = min(_LONGEST, self.vocabulary.longest, len(self.words) - at)
        for length in range(longest, 0, -1):
            end = at + length
            if not self._unbroken(at, end):
                continue
            meanings = self.vocabulary.meanings(self.words[at:end])
            if length == 1 and not meanings and garment(self.words[at]):
                meanings = (Meaning("category", self.words[at]),)
            if length == 1 and self.words[at] in _FILLERS:
                meanings = ()
            if meanings:
                return self._meant(at, end, meanings, as_part)
        return 0, None

    def _meant(self, at: int, end: int, meanings: Sequence[Meaning], as_part: bool) -> tuple[int, Meaning]:
        """Which of several meanings it is, by the word after it and by where it stands."""
        named = self._noun(end) if self._unbroken(end - 1, end + 1) else ""
        for one in meanings:
            if named and one.attribute == named and one.value != ANY:
                return end + 1, one
        if as_part:
            return end, next((one for one in meanings if one.attribute != "category"), meanings[0])
        kind = (one for one in meanings if one.attribute == "category")  # a belt by itself is one, and no fastening
        return end, next(kind, next((one for one in meanings if one.value != ANY), meanings[0]))

    def _before(self, at: int) -> int:
        """The place of the last word before one that is more than an article."""
        at -= 1
        while at >= 0 and self.words[at] in ("a", "an", "the", "any", "some"):
            at -= 1
        return at

    def _starts(self, patterns: Sequence[tuple[str, ...]], at: int) -> int:
        """How many words of the longest pattern stand at a place; 0: none does."""
        for pattern in patterns:
            end = at + len(pattern)
            if tuple(self.words[at:end]) == pattern and self._unbroken(at, end):
                return len(pattern)
        return 0

    def _unbroken(self, start: int, end: int) -> bool:
        """Whether only blanks and hyphens stand between these words."""
        return end <= len(self.words) and all(_JOINED.fullmatch(self._gap(at)) for at in range(start + 1, end))

    def _gap(self, at: int) -> str:
        """What stands before a word."""
        return self.text[self.spans[at - 1][1] if at else 0 : self.spans[at][0]]

    def _comma(self) -> bool:
        return not _JOINED.fullmatch(self._gap(self.at)) if self.at else False

    def _take(self, end: int, role: Role) -> None:
        self.roles[self.at : end] = [role] * (end - self.at)
        self.at = end

    def _written(self, start: int, end: int) -> str:
        return self.text[self.spans[start][0] : self.spans[end - 1][1]]

    def _heard(self) -> str:
        """What is meant positively, as it was written; what stood between is left out."""
        said = ""
        last = -1
        for at, role in enumerate(self.roles):
            if role in ("change", "free") and at not in self.unheard:
                gap = self._gap(at)
                joined = at == last + 1 and gap in ("", "-", "/", "&")
                said += ("" if not said else gap if joined else " ") + self._written(at, at + 1)
                last = at
        return said.strip(" -/&")

    def _parts(self) -> tuple[tuple[int, int, Role], ...]:
        """Stretches of one role, with what stands between the words; together they are the text."""
        found: list[tuple[int, int, Role]] = []
        for (_, end), role in zip(self.spans, self.roles, strict=True):
            start = found[-1][1] if found else 0
            if found and found[-1][2] == role:
                found[-1] = (found[-1][0], end, role)
            else:
                found.append((start, end, role))
        if found:
            found[-1] = (found[-1][0], len(self.text), found[-1][2])
        elif self.text:
            found.append((0, len(self.text), "filler"))
        return tuple(found)
