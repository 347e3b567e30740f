"""How questions are drawn: who may be a candidate, and that nothing else changes a draw."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modiste.data.outfits import CpQuestion, FitbQuestion, Look, OutfitData
from modiste.evaluation.outfit_questions import (
    Choice,
    Negatives,
    QuestionDraw,
    own_blanks,
    own_judgements,
)
from modiste.types import Item

sys.path.insert(0, str(Path(__file__).parent))
from outfit_protocol_toys import toy_data

KINDS: tuple[Negatives, ...] = ("same_family", "popularity", "unseen", "random")


@pytest.fixture(scope="module")
def data() -> OutfitData:
    return toy_data()


def kind(data: OutfitData, one: str) -> tuple[object, object]:
    return data.items[one].attributes["family"], data.items[one].attributes["shoot_year"]


def look_of(data: OutfitData, question: Choice) -> Look:
    wanted = {*question.partial, question.correct}
    return next(look for look in data.looks["test"] if set(look.item_ids) == wanted)


@pytest.mark.parametrize("negatives", KINDS)
@pytest.mark.parametrize("per_look", [1, 0])
def test_blanks_have_the_candidates_they_should(data: OutfitData, negatives: Negatives, per_look: int) -> None:
    asked = QuestionDraw(data, "test", seed=1).blanks(negatives, per_look)
    assert len(asked.questions) >= 20
    for question in asked.questions:
        look = look_of(data, question)
        kin = {
            one for other in data.looks["test"] if look.group and other.group == look.group for one in other.item_ids
        }
        barred = {data.items[one].product for one in kin | set(look.item_ids)}
        assert list(question.partial) == sorted(set(question.partial))
        assert list(question.candidates) == sorted(set(question.candidates))
        assert question.correct in question.candidates
        assert len(question.candidates) == 4
        assert not set(question.partial) & set(question.candidates)
        wrong = [one for one in question.candidates if one != question.correct]
        assert not barred & {data.items[one].product for one in wrong}
        assert len({data.items[one].product for one in question.candidates}) == 4
        if negatives != "random":
            assert {kind(data, one) for one in question.candidates} == {kind(data, question.correct)}
        if negatives == "unseen":
            assert not data.seen & set(question.candidates)
    groups = Counter(question.group for question in asked.questions)
    assert asked.left_out == 0 or negatives == "unseen"
    assert max(groups.values()) >= 2 or negatives == "unseen"
    if not per_look:
        slots = Counter(look_of(data, question).id for question in asked.questions)
        assert max(slots.values()) > 1


def test_a_look_is_judged_beside_one_with_every_item_replaced(data: OutfitData) -> None:
    for negatives in ("same_family", "popularity", "random"):
        asked = QuestionDraw(data, "test").compatibility(negatives)
        assert asked.left_out == 0
        assert len(asked.questions) == 2 * len(data.looks["test"])
        for right, wrong in zip(asked.questions[::2], asked.questions[1::2], strict=True):
            assert (right.right, wrong.right) == (True, False)
            assert right.group == wrong.group
            assert len(right.item_ids) == len(wrong.item_ids)
            products = [data.items[one].product for one in wrong.item_ids]
            assert len(set(products)) == len(products)
            assert not set(products) & {data.items[one].product for one in right.item_ids}
            if negatives != "random":
                kinds = [sorted(kind(data, one) for one in some.item_ids) for some in (right, wrong)]
                assert kinds[0] == kinds[1]


def test_popularity_is_matched_by_neighbours() -> None:
    """Items k = 0..40 of one family, item k in k training looks; of those amid them each place among four is as frequent."""
    items = {f"p{number:02d}": Item(f"p{number:02d}", category="Tops") for number in range(41)}
    items |= {
        one: Item(one, category=one) for one in ("shoe", "boot", *(f"boot{number}" for number in range(10, 31)))
    }  # no partial look is a training look's
    train = tuple(
        Look(f"{number}-{copy}", (f"p{number:02d}", "shoe")) for number in range(41) for copy in range(number)
    )  # fmt: skip
    test = tuple(Look(f"test{number}", (f"p{number:02d}", f"boot{number}")) for number in range(10, 31))
    data = OutfitData("steps", items, {"train": train, "test": test})
    places: Counter[int] = Counter()
    judged: Counter[bool] = Counter()
    for seed in range(20):
        draw = QuestionDraw(data, "test", seed=seed)
        for question in draw.blanks("popularity").questions:
            numbers = [int(one[1:]) for one in question.candidates]
            assert numbers == list(range(numbers[0], numbers[0] + 4))
            places[question.candidates.index(question.correct)] += 1
        assert not draw.compatibility("popularity").questions  # a boot has no stand-in
        judged[draw._stand_ins("cp", test[5], "p15", "popularity", 1, frozenset({"p15"})) == ["p14"]] += 1
    assert min(places.values()) > 80  # of 420: 105 each
    assert max(places.values()) < 130
    assert 4 < judged[True] < 16
    top = Look("top", ("p40", "boot"))
    draw = QuestionDraw(replace(data, looks={**data.looks, "test": (top,)}), "test")
    assert draw.blanks("popularity").questions[0].candidates == ("p37", "p38", "p39", "p40")


@pytest.mark.parametrize("negatives", KINDS)
def test_draws_do_not_depend_on_order_or_on_other_looks(data: OutfitData, negatives: Negatives) -> None:
    def drawn(given: OutfitData, seed: int = 0, num_looks: int = 0) -> set[object]:
        draw = QuestionDraw(given, "test", seed=seed, num_looks=num_looks)
        found: set[object] = {*draw.blanks(negatives).questions, *draw.galleries().questions}
        return found if negatives == "unseen" else found | set(draw.compatibility(negatives).questions)

    everything = drawn(data)
    random = np.random.default_rng(5)
    items = [data.items[one] for one in random.permutation(list(data.items))]
    test = [data.looks["test"][at] for at in random.permutation(len(data.looks["test"]))]
    turned = tuple(replace(look, item_ids=look.item_ids[::-1]) for look in test)
    shuffled = replace(
        data, items={item.id: item for item in items}, looks={"train": data.looks["train"], "test": turned}
    )
    assert drawn(shuffled) == everything
    more = (Look("another", data.looks["test"][25].item_ids[:2]), *data.looks["test"])
    assert drawn(replace(data, looks={**data.looks, "test": more})) > everything
    assert drawn(data, num_looks=20) < everything
    assert drawn(data, seed=1) != everything


def test_an_item_more_changes_only_the_questions_that_it_wins(data: OutfitData) -> None:
    new_item = Item("new", category="Tops", attributes={"family": "Tops", "shoot_year": 2019})
    more = replace(data, items={**data.items, "new": new_item})
    total = changed = 0
    for seed in range(5):
        old, new = (QuestionDraw(some, "test", seed=seed).blanks("same_family", 0).questions for some in (data, more))
        for one, other in zip(old, new, strict=True):
            total += 1
            if one != other:
                changed += 1
                assert set(other.candidates) - set(one.candidates) == {"new"}
                assert len(set(one.candidates) - set(other.candidates)) == 1
    assert 0 < changed < total / 10


def test_galleries_hold_the_whole_family_of_the_year(data: OutfitData) -> None:
    asked = QuestionDraw(data, "test").galleries()
    looks = {frozenset(look.item_ids) for some in data.looks.values() for look in some}
    others_as_right = 0
    assert len(asked.questions) == len(data.looks["test"])
    for question in asked.questions:
        look = look_of(data, question)
        kin = {
            one for other in data.looks["test"] if look.group and other.group == look.group for one in other.item_ids
        }
        as_right = {one for one in data.items if frozenset({*question.partial, one}) in looks} - {question.correct}
        others_as_right += bool(as_right - kin)
        barred = {data.items[one].product for one in kin | as_right | set(look.item_ids)}
        expected = {
            one
            for one in data.items
            if kind(data, one) == kind(data, question.correct) and data.items[one].product not in barred
        }
        assert set(question.candidates) == expected | {question.correct}
    assert others_as_right


def test_csa_galleries_are_of_one_size_with_the_splits_own_first(data: OutfitData) -> None:
    own = {one for look in data.looks["test"] for one in look.item_ids}
    seen = data.seen
    draw = QuestionDraw(data, "test")
    assert not draw.csa_galleries().questions
    size = 15
    asked = draw.csa_galleries(size)
    assert asked.questions
    sizes = Counter(data.items[one].category for one in own | seen)
    for question in asked.questions:
        assert sizes[question.field] >= size == len(question.candidates)
        assert {data.items[one].category for one in question.candidates} == {question.field}
        assert question.correct in question.candidates
        assert question.correct not in question.barred
        assert not set(question.partial) & set(question.open_candidates)
        distractors = [one for one in question.candidates if one not in own]
        missed = [one for one in own if data.items[one].category == question.field and one not in question.candidates]
        assert not distractors or not missed
    eligible = [
        look for look in data.looks["test"] if any(sizes[data.items[one].category] >= size for one in look.item_ids)
    ]
    assert len(asked.questions) <= len(eligible)
    assert asked.left_out == len(data.looks["test"]) - len(asked.questions)


def test_a_split_of_its_own_items_has_candidates_of_its_own() -> None:
    """Elsewhere, having been trained on would give the wrong ones away."""
    data = toy_data()
    assert not QuestionDraw(data, "test").from_split
    apart = replace(data, looks={"train": (data.looks["train"][0],), "test": data.looks["test"][1:]})
    draw = QuestionDraw(apart, "test")
    own = {one for look in apart.looks["test"] for one in look.item_ids}
    assert draw.from_split
    for question in draw.blanks("random", 0).questions:
        assert set(question.candidates) <= own


def test_looks_that_cannot_be_asked_about_are_counted(data: OutfitData) -> None:
    looks = (
        *data.looks["test"],
        Look("single", (data.looks["test"][0].item_ids[0],)),
        Look("no look", data.looks["test"][0].item_ids, label=0.0),
    )
    draw = QuestionDraw(replace(data, looks={**data.looks, "test": looks}), "test")
    assert draw.blanks("same_family").left_out == 1
    lonely = {f"i{number}": Item(f"i{number}", category=f"kind {number}") for number in range(3)}
    alone = OutfitData("alone", lonely, {"test": (Look("a", ("i0", "i1", "i2")),)})
    draw = QuestionDraw(alone, "test")
    for asked in (draw.blanks("same_family"), draw.compatibility("same_family"), draw.galleries()):
        assert (asked.questions, asked.left_out) == ((), 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"split": "exam"}, "no looks in split 'exam'; there is train, test"),
        ({"split": "test", "seed": -1}, "seed must not be negative"),
        ({"split": "test", "num_looks": 61}, "between 1 and the 60 looks"),
    ],
)
def test_options_out_of_range(data: OutfitData, options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        QuestionDraw(data, **options)


def test_looks_that_are_wrong(data: OutfitData) -> None:
    for looks, words in (
        ((Look("a", ("x", "y")),), "look 'a' has item 'x', which is not there"),
        ((data.looks["test"][0], data.looks["test"][0]), "2 looks of test have the id 'test000'"),
        ((Look("a", (next(iter(data.items)),)),), "no look of two or more items"),
    ):
        with pytest.raises(ValueError, match=words):
            QuestionDraw(replace(data, looks={"test": looks}), "test")
    with pytest.raises(ValueError, match="per_look"):
        QuestionDraw(data, "test").blanks("random", -1)


def test_own_questions_are_cleaned_and_grouped(data: OutfitData) -> None:
    look = data.looks["test"][0]
    a, b = sorted(data.items)[:2]
    partial, right = look.item_ids[1:], look.item_ids[0]
    asked = own_blanks(
        data,
        [
            FitbQuestion(partial, (right, a, a, b, partial[0]), right),
            FitbQuestion(partial, (right, "nobody"), right),
            FitbQuestion(partial, (right, partial[0]), right),
        ],
    )
    assert asked.left_out == 2
    assert asked.questions[0].candidates == tuple(sorted({right, a, b}))
    assert asked.questions[0].group == f"group {look.group}"
    judged = own_judgements(data, [CpQuestion(look.item_ids, 1), CpQuestion((a, b), 0), CpQuestion((a, "nobody"), 0)])
    assert judged.left_out == 1
    assert [question.right for question in judged.questions] == [True, False]
    assert judged.questions[0].group == f"group {look.group}"
    assert judged.questions[1].group == "question 1"
