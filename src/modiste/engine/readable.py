"""What of a query's words reaches the encoder, and what is said of the rest.

An encoder that learned from English titles gets the same from every Russian word, so all such queries would have one and the
same answer. Words that it cannot read are left out and named; where nothing is left, the query is refused, which is the only
honest answer. Encoders that do not tell (`modiste.types.WordReader`) are given everything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from modiste.engine.errors import NotUnderstood
from modiste.types import ItemEncoder, Reading, WordReader

PAGE = "docs/languages.md"
MOST_NAMED = 5
_NAMES = {
    "de": "German", "en": "English", "es": "Spanish", "fr": "French", "it": "Italian", "ja": "Japanese", "ko": "Korean",
    "pl": "Polish", "pt": "Portuguese", "ru": "Russian", "tr": "Turkish", "zh": "Chinese",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Readable:
    """The words that the encoder is given, and sentences about those that it is not."""

    words: str
    warnings: tuple[str, ...] = ()


def readable(encoder: ItemEncoder | None, text: str, *, alone: bool = True) -> Readable:
    """The text without the words that the encoder cannot read. `alone`: nothing else (a photo, an item) says what is meant.

    Raises `NotUnderstood` where no word can be read and the words are alone.
    """
    reading = reading_of(encoder, text)
    if encoder is None or not (reading.unread or reading.doubtful):
        return Readable(text)
    if reading.nothing and alone:
        raise NotUnderstood(
            f"{_who(encoder)} cannot read {_quoted(reading.unread)}, so it cannot tell which items are meant. Titles are "
            f"searched for letters by a filter: title~{reading.unread[0]}. A multilingual encoder answers such words: {PAGE}"
        )
    said = []
    if reading.unread:
        said.append(f"{_who(encoder)} cannot read {_quoted(reading.unread)}: left out of what is searched for ({PAGE})")
    if reading.doubtful:
        said.append(f"{_who(encoder)} never saw {_quoted(reading.doubtful)} in its training: expect little of it")
    return Readable(_without(text, reading.unread), tuple(said))


def reading_of(encoder: ItemEncoder | None, text: str) -> Reading:
    """Which words of a text the encoder can read; all, if it does not tell."""
    return encoder.reading(text) if text.strip() and isinstance(encoder, WordReader) else Reading()


def unread_share(encoder: ItemEncoder, texts: Sequence[str]) -> float:
    """The share of the texts of which the encoder can read no word, in [0, 1]; 0 without texts."""
    written = [text for text in texts if text.strip()]
    return sum(reading_of(encoder, text).nothing for text in written) / len(written) if written else 0.0


def _who(encoder: ItemEncoder) -> str:
    spoken = encoder.languages if isinstance(encoder, WordReader) else ()
    named = ", ".join(_NAMES.get(language, language) for language in spoken)
    return f"the encoder {encoder.id.name}" + (f" ({named})" if named else "")


def _quoted(words: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(words))
    return ", ".join(f"'{word}'" for word in distinct[:MOST_NAMED]) + (", …" if len(distinct) > MOST_NAMED else "")


def _without(text: str, words: Sequence[str]) -> str:
    """The text without these words of it, as often as they come; what is not ASCII may stand without blanks around it."""
    for word in sorted(set(words), key=len, reverse=True):
        whole = rf"(?<!\w){re.escape(word)}(?!\w)" if word.isascii() else re.escape(word)
        text = re.sub(whole, " ", text)
    return " ".join(text.split())
