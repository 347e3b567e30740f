"""Which words of a text an encoder can read, told by its tokenizer and by how often it saw the pieces.

A word is read by the pieces that its tokenizer makes of it. Three things show that nothing was learned of a word:

- a piece is the unknown token: letters that no training text had (Cyrillic and Chinese in the shipped models);
- the tokenizer spells it letter by letter, or byte by byte: a byte-level tokenizer (CLIP's) has no unknown token, and does
  this with scripts that it did not learn. Chinese tokenizers take a character each, so there it must be more than that;
- where the model says in which languages it learned, its script is none of theirs.

Such a word is *unread*: whatever stands there, the model gets the same or noise. A word whose pieces never occurred in the
training texts (`word_trust.py`) is read, but *doubtful*: its vector says little. Numbers are neither.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

from tokenizers import Encoding, Tokenizer
from torch import Tensor

from modiste.types import Reading

SHORTEST = 4  # letters of a word that is spelled: shorter ones may well be pieces of their own
_EAST = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without blanks: "红色dress" is two words
_WORD = re.compile(rf"[{_EAST}]+|[^\W_{_EAST}]+(?:['’][^\W_{_EAST}]+)*")
_SCRIPTS = {"CYRILLIC": "cyrillic", "CJK": "han", "HIRAGANA": "kana", "KATAKANA": "kana", "HANGUL": "hangul"}
_LETTERS_OF_WORDS = frozenset({"han", "kana", "hangul"})  # a character says as much as a word
_LANGUAGES = {
    "cyrillic": {"ru", "uk", "be", "bg", "sr", "mk", "kk", "ky", "mn", "tg"},
    "han": {"zh", "ja", "yue"},
    "kana": {"ja"},
    "hangul": {"ko"},
    "greek": {"el"},
    "arabic": {"ar", "fa", "ur"},
    "hebrew": {"he"},
    "devanagari": {"hi", "mr", "ne"},
    "thai": {"th"},
}


def script_of(word: str) -> str:
    """The script of a word's first letter: latin, cyrillic, han, kana...; empty for a word without a letter."""
    for character in word:
        if character.isalpha():
            name = unicodedata.name(character, "").split(" ")[0]
            return _SCRIPTS.get(name, name.lower())
    return ""


def reading_of(
    text: str,
    tokenizer: Tokenizer,
    *,
    trust: Tensor | None = None,
    languages: Sequence[str] = (),
    clean: Callable[[str], str] | None = None,
) -> Reading:
    """The words of a text by what the tokenizer makes of them.

    `trust` (V,): a weight per piece, 0 for those that training never saw. `languages`: codes that the model declares; none,
    or "multilingual", leaves it to the tokenizer. `clean`: what the model does to a text before its tokenizer.
    """
    words = _WORD.findall(text)
    if not words:
        return Reading()
    encodings = tokenizer.encode_batch([clean(word) if clean else word for word in words], add_special_tokens=False)
    unknown = _unknown_ids(tokenizer)
    read, doubtful, unread = [], [], []
    for word, encoding in zip(words, encodings, strict=True):
        pieces = [piece for piece, real in zip(encoding.ids, encoding.attention_mask, strict=True) if real]
        if not any(character.isalpha() for character in word):
            read.append(word)
        elif not _declared(word, languages) or unknown.intersection(pieces) or _spelled(word, encoding):
            unread.append(word)
        elif trust is not None and min((float(trust[piece]) for piece in pieces), default=0.0) == 0:
            doubtful.append(word)
        else:
            read.append(word)
    return Reading(tuple(read), tuple(doubtful), tuple(unread))


def _unknown_ids(tokenizer: Tokenizer) -> set[int]:
    """Ids of the unknown token. CLIP's file names its end-of-text token as unknown, which no byte ever needs."""
    name = getattr(tokenizer.model, "unk_token", None)
    named = {name} if isinstance(name, str) and not name.startswith("<|") else set()
    found = (tokenizer.token_to_id(token) for token in ("[UNK]", "<unk>", *named))
    return {number for number in found if number is not None}


def _spelled(word: str, encoding: Encoding) -> bool:
    pieces = sum(encoding.attention_mask)
    pieces -= encoding.tokens[:1] == ["▁"]  # the blank before a word, where it is a piece of its own
    letters = len(unicodedata.normalize("NFC", word))
    if script_of(word) in _LETTERS_OF_WORDS:
        return pieces > letters
    return letters >= SHORTEST and pieces >= letters


def _declared(word: str, languages: Sequence[str]) -> bool:
    known, script = {language.lower().split("-")[0] for language in languages}, script_of(word)
    if not known or known & {"multilingual", "mul"} or not script:
        return True
    return bool(known & _LANGUAGES[script]) if script in _LANGUAGES else script == "latin"
