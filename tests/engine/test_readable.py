"""What reaches the encoder of a query, what is said of the rest, and when a query is refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from modiste.engine.errors import NotUnderstood
from modiste.engine.readable import Readable, readable, unread_share
from modiste.types import Embeddings, EncoderId, ImageLike, Item, Reading


class Ascii:
    """An encoder that reads what is ASCII, and never saw words with a z."""

    id = EncoderId("ascii.v1", "0" * 64, 2)
    languages = ("en",)

    def reading(self, text: str) -> Reading:
        words = text.split()
        unread = tuple(word for word in words if not word.isascii())
        doubtful = tuple(word for word in words if word.isascii() and "z" in word)
        return Reading(tuple(word for word in words if word not in (*unread, *doubtful)), doubtful, unread)

    def encode(self, items: Sequence[Item]) -> Embeddings:
        return Embeddings(np.ones((len(items), 2), np.float32), self.id)

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        return Embeddings(np.ones((1, 2), np.float32), self.id)


class Silent:
    """An encoder that does not tell what it can read."""

    id = Ascii.id
    encode, encode_query = Ascii.encode, Ascii.encode_query


def test_words_that_are_read_go_through_untouched() -> None:
    assert readable(Ascii(), "red  dress") == Readable("red  dress")
    assert readable(Silent(), "красное платье") == Readable("красное платье")
    assert readable(None, "красное платье") == Readable("красное платье")
    assert readable(Ascii(), "") == Readable("")


def test_words_that_are_not_are_left_out_and_named() -> None:
    found = readable(Ascii(), "платье в Nike платье")
    assert found.words == "Nike"
    assert len(found.warnings) == 1
    assert "ascii.v1 (English)" in found.warnings[0]
    assert "'платье', 'в'" in found.warnings[0]
    doubtful = readable(Ascii(), "zari dress")
    assert doubtful.words == "zari dress"
    assert "'zari'" in doubtful.warnings[0]


def test_nothing_readable_is_refused_unless_a_photo_says_what_is_meant() -> None:
    with pytest.raises(NotUnderstood, match=r"docs/languages\.md") as refused:
        readable(Ascii(), "красное платье")
    assert "title~красное" in str(refused.value)
    beside_a_photo = readable(Ascii(), "красное платье", alone=False)
    assert beside_a_photo.words == ""
    assert beside_a_photo.warnings
    assert readable(Ascii(), "zzz").words == "zzz", "doubtful words are answered, with a warning"


def test_many_words_are_not_all_named() -> None:
    words = " ".join(chr(0x430 + at) * 3 for at in range(9))
    assert readable(Ascii(), f"dress {words}").warnings[0].count("'") == 10


def test_the_share_of_titles_that_cannot_be_read() -> None:
    assert unread_share(Ascii(), ["red dress", "платье", "платье Nike", "裙", ""]) == 0.5
    assert unread_share(Ascii(), []) == 0.0
