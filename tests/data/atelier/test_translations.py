"""Words in three languages: agreement, order, nothing missing, and what is kept from training."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from modiste.data.atelier.design import ARTICLES, design
from modiste.data.atelier.palette import COLOURS
from modiste.data.atelier.parallel import (
    attributes_of,
    is_held_out,
    is_new_wording,
    say,
    some_attributes,
    training_sentences,
)
from modiste.data.atelier.translations import (
    ATTRIBUTES,
    LANGUAGES,
    PHRASES,
    agreeing,
    phrases_of,
    sentence,
    speakable,
)


def test_every_kind_colour_material_and_pattern_of_the_world_has_words() -> None:
    for article, of in ARTICLES.items():
        assert speakable("category", article)
        assert all(speakable("material", material) for material in of.materials)
        assert all(speakable("pattern", pattern) for pattern in of.patterns)
    assert all(speakable("colour", colour) for colour in COLOURS)


def test_phrases_are_in_the_letters_of_their_language_and_differ() -> None:
    letters = {"ru": re.compile(r"[а-яёА-ЯЁ «»V-]+"), "zh": re.compile(r"[\u4e00-\u9fffA-Za-z]+")}
    for language, pattern in letters.items():
        for attribute, values in PHRASES[language].items():  # type: ignore[index]
            for value, phrases in values.items():
                assert len(set(phrases)) == len(phrases), (attribute, value)
                for phrase in phrases:
                    noun = phrase.rpartition(" ")[0] if (language, attribute) == ("ru", "category") else phrase
                    assert pattern.fullmatch(noun), phrase
    kinds = {phrase.rpartition(" ")[2] for phrases in PHRASES["ru"]["category"].values() for phrase in phrases}
    assert kinds == {"m", "f", "n", "p"}


@pytest.mark.parametrize(
    ("adjective", "forms"),
    [
        ("красный", ("красный", "красная", "красное", "красные")),
        ("синий", ("синий", "синяя", "синее", "синие")),
        ("голубой", ("голубой", "голубая", "голубое", "голубые")),
        ("короткий", ("короткий", "короткая", "короткое", "короткие")),
        ("мужской", ("мужской", "мужская", "мужское", "мужские")),
        ("тёмно-синий", ("тёмно-синий", "тёмно-синяя", "тёмно-синее", "тёмно-синие")),
    ],
)
def test_russian_adjectives_agree(adjective: str, forms: tuple[str, ...]) -> None:
    assert tuple(agreeing(adjective, kind) for kind in "mfnp") == forms


def test_sentences_as_people_write_them() -> None:
    wish = {"category": "dress", "colour": "navy", "pattern": "polka dots", "length": "midi", "sleeve_length": "long"}
    assert sentence(wish, "en") == "navy midi polka dot dress with long sleeves"
    assert sentence(wish, "ru") == "тёмно-синее платье миди в горошек с длинными рукавами"
    assert sentence(wish, "zh") == "中长款藏青色波点长袖连衣裙"
    trousers = {"gender": "men", "category": "jeans", "colour": "light blue"}
    assert [sentence(trousers, language) for language in LANGUAGES] == [
        "men's light blue jeans", "мужские голубые джинсы", "男士浅蓝色牛仔裤",
    ]  # fmt: skip
    shirt = {"category": "t-shirt", "neckline": "v-neck", "sleeve_length": "short"}
    assert sentence(shirt, "en") == "t-shirt with short sleeves and a V-neck"
    assert sentence(shirt, "ru") == "футболка с короткими рукавами и V-образным вырезом"
    assert [sentence({"colour": "red"}, language) for language in LANGUAGES] == ["red item", "красная вещь", "红色单品"]
    with pytest.raises(KeyError, match="brand"):
        sentence({"brand": "Acme"}, "en")


def test_every_design_can_be_said_in_every_wording() -> None:
    for index in range(200):
        of_it = attributes_of(design(3, index))
        assert set(of_it) <= set(ATTRIBUTES)
        for language in LANGUAGES:
            for last in (False, True):
                said = sentence(of_it, language, lambda name, value, count, last=last: count - 1 if last else 0)  # type: ignore[misc]
                assert said.strip() == said
                assert "  " not in said


def test_training_leaves_out_combinations_and_wordings() -> None:
    rng = np.random.default_rng(0)
    kept = [some_attributes(design(0, index), rng) for index in range(600)]
    shares = np.mean([is_held_out(one) for one in kept if len(one) > 1])
    assert 0.1 < shares < 0.3
    assert not any(is_held_out({name: value}) for one in kept for name, value in one.items())
    said = list(itertools.islice(training_sentences(300), 300))
    assert [one.texts for one in said] == [one.texts for one in training_sentences(300)], "the same whenever asked"
    assert not any(is_held_out(one.attributes) for one in said)
    new = {
        phrase
        for attribute in ("colour", "material")
        for value in PHRASES["zh"][attribute]
        for number, phrase in enumerate(phrases_of("zh", attribute, value))
        if is_new_wording("zh", attribute, value, number)
    }
    assert len(new) > 5
    usual = {phrases_of("zh", name, value)[0] for name in ("colour", "material") for value in PHRASES["zh"][name]}
    for one in said:
        told = one.texts["zh"]
        for phrase in (*usual, *sorted(new)):
            told = told.replace(phrase, "·") if phrase in usual else told
        assert not any(phrase in told for phrase in new if not any(phrase in other for other in usual)), one


def test_new_wordings_are_said_only_where_there_are_some() -> None:
    rng = np.random.default_rng(1)
    assert say({"category": "jeans"}, "ru", rng, new=True) is None
    wishes = [{"colour": colour} for colour in COLOURS]
    new = [said for wish in wishes if (said := say(wish, "ru", rng, new=True))]
    assert 3 < len(new) < len(wishes)
    assert not set(new) & {sentence(wish, "ru") for wish in wishes}
