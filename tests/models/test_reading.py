"""Which words an encoder can read: the shipped tokenizers, a byte-level one made here, and declared languages."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from modiste.data.text import train_wordpiece
from modiste.models.pretrained import load
from modiste.models.reading import reading_of, script_of
from modiste.registry import DEFAULT, FAME_VIL
from modiste.types import Reading, WordReader


def byte_level(merged: tuple[str, ...]) -> Tokenizer:
    """CLIP's kind: letters of bytes, and whole words for those it has learned."""
    tokenizer = Tokenizer(models.BPE({}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary, merges = {letter: n for n, letter in enumerate(alphabet)}, []
    for word in merged:
        letters = list(tokenizer.pre_tokenizer.pre_tokenize_str(word)[0][0])
        while len(letters) > 1:
            first, second, *rest = letters
            if (first, second) not in merges:
                merges.append((first, second))
            vocabulary.setdefault(first + second, len(vocabulary))
            letters = [first + second, *rest]
    made = Tokenizer(models.BPE(vocabulary, merges))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = tokenizer.pre_tokenizer
    return made


BYTES = byte_level(("dress", "jacket", "платье"))


@pytest.mark.parametrize("name", [DEFAULT, FAME_VIL])
def test_the_shipped_encoders_read_english_and_no_other_script(name: str) -> None:
    encoder = load(name)
    assert isinstance(encoder, WordReader)
    assert encoder.languages == ("en",)
    assert encoder.reading("Navy striped cotton t-shirt, men's, café 501").unread == ()
    for text in ("красное платье", "红色连衣裙", "фрак", "ワンピース", "فستان أحمر", "φόρεμα"):
        assert encoder.reading(text).nothing, text
    for text in ("платье 42", "с V-образным вырезом", "T恤"):
        assert encoder.reading(text).nothing, "a number and a letter say nothing by themselves"
    mixed = encoder.reading("платье Nike 红色dress")
    assert (mixed.read, mixed.unread) == (("Nike", "dress"), ("платье", "红色"))
    assert encoder.reading("!!! …") == Reading()


def test_pieces_that_no_training_text_had_make_a_word_doubtful() -> None:
    tokenizer = train_wordpiece(["red dress", "red dress", "blue shirt", "blue shirt"])
    trust = torch.ones(tokenizer.get_vocab_size())
    trust[tokenizer.token_to_id("blue")] = 0
    assert reading_of("blue dress", tokenizer, trust=trust) == Reading(("dress",), ("blue",), ())
    assert not reading_of("blue", tokenizer, trust=trust).nothing  # an answer, with a warning


def test_a_byte_level_tokenizer_has_not_learned_what_it_spells() -> None:
    assert reading_of("dress jacket", BYTES).read == ("dress", "jacket")
    assert reading_of("платье", BYTES).read == ("платье",)
    assert reading_of("куртка 红色", BYTES).unread == ("куртка", "红色")
    assert reading_of("xl 501 в", BYTES).read == ("xl", "501", "в"), "short words are not judged by their spelling"


def test_what_a_model_declares_counts_before_what_its_tokenizer_knows() -> None:
    assert reading_of("платье dress", BYTES, languages=["en"]) == Reading(("dress",), (), ("платье",))
    for languages in (["ru"], ["en", "ru-RU"], ["multilingual"], []):
        assert reading_of("платье", BYTES, languages=languages).read == ("платье",), languages


def test_a_tokenizer_of_characters_reads_chinese() -> None:
    tokenizer = train_wordpiece(["红色连衣裙", "黑色连衣裙", "红色 连衣裙"])
    assert reading_of("红色连衣裙", tokenizer, languages=["zh"]).read == ("红色连衣裙",)
    assert reading_of("绿色连衣裙", tokenizer, languages=["zh"]).unread == ("绿色连衣裙",)


@pytest.mark.parametrize(
    ("word", "script"), [("dress", "latin"), ("Платье", "cyrillic"), ("裙", "han"), ("501", ""), ("ワ", "kana")]
)
def test_scripts(word: str, script: str) -> None:
    assert script_of(word) == script


@given(st.text(max_size=60))
def test_every_word_is_in_one_group_whatever_is_written(text: str) -> None:
    found = reading_of(text, BYTES, languages=["en"])
    for word in (*found.read, *found.doubtful, *found.unread):
        assert word in text
