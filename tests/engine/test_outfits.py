"""The front door, over a real catalogue with an encoder and scorers whose answers are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from engine_fakes import FakeEncoder
from outfit_fakes import (
    ComplementTestPool,
    ConstantPool,
    NetworkTestPool,
    PairTestPool,
    TestScorer,
    no_rules,
    unit,
)

from modiste.engine.calibration import Calibration, Calibrator
from modiste.engine.catalogue import Catalogue
from modiste.engine.conflicts import NoFeasibleOutfit
from modiste.engine.errors import UnknownItem
from modiste.engine.filters import FilterError
from modiste.engine.objective import Objective
from modiste.engine.outfits import OutfitEngine
from modiste.engine.plans import shortlist
from modiste.engine.problem import OpenSlot
from modiste.engine.rules import Rules, Template
from modiste.engine.shortlist import goes_with
from modiste.engine.solve import Effort
from modiste.engine.world import World
from modiste.types import EncoderMismatch, Item, OutfitQuery, OutfitRules, OutfitScorer, Slot

COLOURS = ("red", "green", "blue", "black")
KINDS = {"Shirts": "shirt", "Jeans": "jeans", "Dresses": "dress", "Sneakers": "sneakers", "Handbags": "bag"}
FOREVER = Effort(deadline=float("inf"))
SHOES, BAG, TOP = (Slot(frozenset({kind})) for kind in ("shoes", "bag", "top"))


def shop_items() -> list[Item]:
    found = []
    for at, (category, noun) in enumerate(KINDS.items()):
        for number in range(12):
            pixels = np.full((6, 6, 3), (40 * at, 20 * number, 90), dtype=np.uint8)
            found.append(
                Item(
                    f"{noun}-{number:02d}",
                    f"{COLOURS[number % 4]} {noun} model{number}",
                    pixels,
                    category,
                    attributes={"price": 10.0 + 3 * number, "brand": ("Acme", "Other")[number % 2]},
                    group=f"{noun}-line" if number in (3, 7) else "",
                )
            )
    return found


ENCODER = FakeEncoder()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    store = Catalogue.create(tmp_path_factory.mktemp("shop") / "shop", ENCODER.id)
    store.upsert(shop_items(), ENCODER)
    return store


def engine_of(shop: Catalogue, kind: type = PairTestPool, **settings: object) -> OutfitEngine:
    settings.setdefault("effort", FOREVER)
    return OutfitEngine(shop, TestScorer(kind), ENCODER, **settings)  # type: ignore[arg-type]


def value_of(engine: OutfitEngine, ids: list[str], wishes: dict[str, str], alpha: float) -> float:
    """The formula, item by item."""
    snapshot = engine.catalogue.snapshot()
    rows = np.array([[snapshot.row(one) for one in ids]])
    s = float(engine._latest()[0].pool.score(rows)[0])
    if not wishes:
        return s
    cosines = [
        float(snapshot.vectors[snapshot.row(one)] @ ENCODER.encode_query(wish).vectors[0])
        for one, wish in wishes.items()
    ]
    return alpha * s + (1 - alpha) * float(np.mean([(1 + cosine) / 2 for cosine in cosines]))


@pytest.mark.parametrize("kind", [PairTestPool, NetworkTestPool, ComplementTestPool])
def test_completion_is_the_best_of_all_ways(shop: Catalogue, kind: type) -> None:
    engine = engine_of(shop, kind, objective=Objective(wishes="heard"))
    slots = [Slot(frozenset({"shoes"}), "red sneakers"), BAG]
    for effort in (None, Effort(exact_below=0, deadline=float("inf"))):
        answer = engine.complete(engine.query(["shirt-00", "jeans-05"], slots), effort=effort)
        look = answer.looks[0]
        best = max(
            value_of(engine, ["shirt-00", "jeans-05", shoe, bag], {shoe: "red sneakers"}, 0.5)
            for shoe, bag in product([f"sneakers-{at:02d}" for at in range(12)], [f"bag-{at:02d}" for at in range(12)])
        )
        assert look.score == pytest.approx(best, abs=1e-6)
        assert look.claim == "exact" if effort is None or kind is PairTestPool else look.claim
        assert look.ids[:2] == ("shirt-00", "jeans-05")
        assert [one.slot for one in look.chosen] == ["shoes", "bag"]
        assert look.chosen[0].match is not None
        assert look.chosen[1].match is None
        chosen = [item for item in look.items if item.category == "Sneakers"]
        assert value_of(engine, list(look.ids), {chosen[0].id: "red sneakers"}, 0.5) == pytest.approx(
            look.score, abs=1e-6
        )


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize(
    "calibration",
    [
        "none",
        Calibration(match=Calibrator("logistic", 40.0, -10.0)),
        Calibration(match=Calibrator("isotonic", knots=(0.2, 0.4), values=(0.1, 0.9))),
        Calibration(match=Calibrator("logistic", 40.0, -10.0), nearness=Calibrator("logistic", 60.0, 0.3)),
    ],
)
@pytest.mark.parametrize("kind", [NetworkTestPool, ConstantPool])
def test_generating_one_item_ranks_as_search_does(
    shop: Catalogue, kind: type, calibration: object, alpha: float
) -> None:
    engine = engine_of(shop, kind, calibration=calibration)
    for words in ("red dress", "black bag model3", "blue"):
        found = engine.generate(words, size=1, n=40, alpha=alpha)
        wanted = shop.search(ENCODER.encode_query(words), k=40)
        assert [look.ids[0] for look in found.looks] == list(wanted.ids)
        assert all(look.exact for look in found.looks)
        assert found.scored == 0


def test_a_wish_counts_beside_the_nearest_item_of_its_slot(shop: Catalogue) -> None:
    """Found and judged by one value, whatever the level of the wish's cosines is."""
    curve = Calibrator("logistic", 12.0, 0.3)
    engine = engine_of(shop, calibration=Calibration(match=Calibrator("logistic", 9.0, -2.0), nearness=curve))
    look = engine.generate("red", size=3, alpha=0.4).looks[0]
    snapshot = shop.snapshot()
    cosines = snapshot.vectors.astype(np.float64) @ ENCODER.encode_query("red").vectors[0]
    counted = []
    for item in look.items:
        own = [row for row in range(len(snapshot)) if snapshot.item(row).category == item.category]
        below = cosines[snapshot.row(item.id)] - max(cosines[own])
        counted.append(float(curve(below) / curve(0.0)))
    assert min(counted) > 0
    assert look.score == pytest.approx(0.4 * look.compatibility + 0.6 * np.mean(counted), abs=1e-6)
    engine.objective = replace(engine.objective, alpha=0.4)
    verdict = engine.score(list(look.ids), "red")
    assert verdict.score == pytest.approx(look.score, abs=1e-6)
    assert verdict.match == pytest.approx(float(np.mean([one.match for one in look.chosen])), abs=1e-6)
    explained = engine.explain(list(look.ids), "red", swaps=False)
    assert explained.score == pytest.approx(look.score, abs=1e-6)


class Misled(ComplementTestPool):
    """Retrieves the opposite of what it would."""

    def queries(self, sets: np.ndarray, slots: Sequence[Slot]) -> np.ndarray:
        return -super().queries(sets, slots)


def test_what_goes_best_is_looked_at_even_where_retrieval_is_misled() -> None:
    rng, size = np.random.default_rng(4), 10
    items = [Item(f"i-{at:03d}", "thing", category="Shirts" if at == 0 else "Sneakers") for at in range(300)]
    world = World.of_items(items, unit(rng, len(items)), TestScorer(Misled))
    rows = np.arange(1, len(items))
    best = int(world.pool.score(np.stack([np.zeros_like(rows), rows], axis=1)).argmax())
    slot = Slot(frozenset({"shoes"}))
    bare = OpenSlot(slot, rows, np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(0, dtype=np.int64))
    assert best not in goes_with(world.pool, [np.array([0])], slot, rows, size)
    assert best in shortlist(world, np.array([0]), [bare], 0, no_rules(len(items)), size)


def test_generation_chooses_size_and_template(shop: Catalogue) -> None:
    engine = engine_of(shop, NetworkTestPool)
    answer = engine.generate("black", n=4)
    assert len(answer.looks) == 4
    shapes = set()
    for look in answer.looks:
        assert not engine.rules.outfit.violations(look.items)
        kinds = {item.category for item in look.items}
        assert ("Dresses" in kinds) != ({"Shirts", "Jeans"} <= kinds)
        assert "Sneakers" in kinds
        assert look.template in ("separates", "dress")
        shapes.add((look.template, len(look.items)))
    four = engine.generate("black", size=4)
    assert len(four.looks[0].items) == 4
    best = max(engine.generate("black", size=size).looks[0].score for size in (2, 3, 4))
    assert engine.generate("black").looks[0].score >= best - 1e-6 or not answer.looks[0].exact


def test_generation_around_something(shop: Catalogue) -> None:
    engine = engine_of(shop)
    look = engine.generate("blue", have=["dress-01"], size=3).looks[0]
    assert look.ids[0] == "dress-01"
    assert {item.category for item in look.items} == {"Dresses", "Sneakers", "Handbags"}
    with pytest.raises(ValueError, match="cannot be made with 2 items"):
        engine.generate("blue", have=["dress-01", "bag-00"], size=1)
    assert engine.complete(OutfitQuery(have=look.items[:1], text="blue")).looks[0].ids[0] == "dress-01"


def test_rules_bind_every_answer(shop: Catalogue) -> None:
    rules = Rules(
        budget=90.0,
        brand=("Acme",),
        never=(("sneakers-00", "bag-00"),),
        together=(("shirt-02", "bag-04"),),
        forbidden=("jeans-00",),
        templates=(Template("all", ("top", "bottom", "shoes", "bag")),),
    )
    for kind in (PairTestPool, NetworkTestPool):
        for effort in (FOREVER, Effort(exact_below=0, deadline=float("inf"))):
            engine = engine_of(shop, kind, rules=rules, effort=effort)
            looks = engine.generate("red", n=4).looks
            assert looks
            for look in looks:
                assert sum(float(item.attributes["price"]) for item in look.items) <= 90
                assert {item.attributes["brand"] for item in look.items} == {"Acme"}
                assert not {"sneakers-00", "bag-00"} <= set(look.ids)
                assert ("shirt-02" in look.ids) == ("bag-04" in look.ids)
                assert "jeans-00" not in look.ids
                assert engine.score(look.ids).valid
    needed = engine_of(shop, NetworkTestPool, rules=Rules(required=("bag-09",)), effort=Effort(exact_below=0))
    assert "bag-09" in needed.generate("red", size=4).looks[0].ids


def test_who_is_to_blame(shop: Catalogue) -> None:
    engine = engine_of(shop, rules=Rules(budget=25.0, brand=("Other",), forbidden=("bag-00",)))
    with pytest.raises(NoFeasibleOutfit, match=r"at most 25; .*|every chosen item has brand=Other") as caught:
        engine.complete(engine.query(slots=[SHOES, BAG], text="red"))
    assert {rule.kind for rule in caught.value.rules} == {"budget", "filter"}  # 10 + 10 would do without either
    dress = engine_of(shop)
    with pytest.raises(NoFeasibleOutfit, match="a one-piece excludes a top") as caught:
        dress.complete(dress.query(["dress-00"], [TOP]))
    assert [str(rule) for rule in caught.value.rules] == ["a one-piece excludes a top"]
    with pytest.raises(NoFeasibleOutfit, match=r"slot 2 \(hat\)"):
        engine.complete(engine.query(slots=[SHOES, Slot(frozenset({"hat"}))], text="red"))
    with pytest.raises(NoFeasibleOutfit, match="no template makes an outfit of 5 items"):
        engine_of(shop, rules=Rules(templates=(Template("two", ("top", "shoes")),))).generate("red", size=5)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """A shop for everybody, with jeans and skirts."""
    kinds = {"Shirts": "shirt", "Jeans": "jeans", "Skirts": "skirt", "Boots": "boots"}
    store = Catalogue.create(tmp_path_factory.mktemp("house") / "shop", ENCODER.id)
    store.upsert(
        [
            Item(
                f"{gender}-{noun}-{number}", f"{noun} {number}", np.full((6, 6, 3), 40 * at + 9 * number, np.uint8),
                category, attributes={"gender": gender},
            )
            for at, (category, noun) in enumerate(kinds.items())
            for gender in ("Women", "Men", "Girls", "Boys", "Unisex")
            for number in range(3)
        ],
        ENCODER,
    )  # fmt: skip
    return store


@pytest.mark.parametrize("kind", [PairTestPool, NetworkTestPool])
def test_what_is_chosen_is_cut_for_one_wearer(house: Catalogue, kind: type) -> None:
    def wearers(engine: OutfitEngine, **asked: object) -> list[set[object]]:
        looks = engine.generate("red", size=3, **asked).looks  # type: ignore[arg-type]
        return [{item.attributes["gender"] for item in look.items} - {"Unisex"} for look in looks]

    found = wearers(engine_of(house, kind), n=6)
    assert len(found) == 6
    assert all(len(one) <= 1 for one in found)
    (around,) = wearers(engine_of(house, kind), have=["Girls-jeans-0"])
    assert around == {"Girls"}
    # Who has both wears both, and is not told otherwise: the rule is about what the shop chooses.
    mixed = ["Men-shirt-0", "Women-jeans-0"]
    engine = engine_of(house, kind)
    assert engine.complete(engine.query(mixed, [SHOES])).looks
    assert engine.score(mixed).valid
    everybody = engine_of(house, kind, rules=Rules(one_wearer=False))
    assert any(len(one) > 1 for one in wearers(everybody, n=30))


def test_the_rule_about_wearers_is_named_when_it_is_in_the_way(house: Catalogue) -> None:
    engine = engine_of(house)
    with pytest.raises(NoFeasibleOutfit, match="cut for somebody else"):
        engine.complete(engine.query(["Men-shirt-0"], [SHOES]), filters=["gender=Women"])
    mine = Item("mine", "my jeans", np.full((6, 6, 3), 9, np.uint8), "Jeans")  # a photo says nothing of the wearer
    look = engine.complete(engine.query([mine], [TOP, SHOES])).looks[0]
    assert len({one.item.attributes["gender"] for one in look.chosen} - {"Unisex"}) <= 1


def test_two_bottoms_are_no_outfit_whatever_they_are_called(house: Catalogue) -> None:
    engine = engine_of(house)
    pair = ["Women-jeans-0", "Women-skirt-0"]
    verdict = engine.score(pair)
    assert (verdict.score, verdict.problems) == (0.0, ("an outfit has at most one item of the kind 'bottom'",))
    with pytest.raises(NoFeasibleOutfit, match="at most one item of the kind 'bottom'"):
        engine.complete(engine.query(["Women-jeans-0"], [Slot(frozenset({"bottom"}))]))
    (look,) = engine.complete(engine.query(["Women-jeans-0"], [Slot(frozenset(), "blue skirt")])).looks
    assert look.chosen[0].item.category in ("Shirts", "Boots")
    assert engine_of(house, rules=Rules(excludes=())).score(pair).valid


def test_a_bikini_top_is_no_top_unless_it_is_meant(tmp_path: Path) -> None:
    store = Catalogue.create(tmp_path / "shop", ENCODER.id)
    kinds = {"Bikini top": "red", "Tops": "blue", "Jeans": "red", "Pyjama Trousers": "red", "Sandals": "red"}
    store.upsert(
        [
            Item(kind, f"{colour} {kind.lower()}", np.full((6, 6, 3), 90, np.uint8), kind)
            for kind, colour in kinds.items()
        ],
        ENCODER,
    )
    engine = engine_of(store, objective=Objective(alpha=0.0))

    def filled(wish: str, kind: str = "top", have: tuple[str, ...] = (), filters: tuple[str, ...] = ()) -> str:
        query = engine.query(have, [Slot(frozenset({kind}), wish)])
        return engine.complete(query, filters=filters).looks[0].chosen[0].item.id

    assert filled("red") == "Tops"
    assert filled("red top, wide trousers") == "Tops"
    assert filled("red bikini") == filled("red", "bikini top") == "Bikini top"
    assert filled("red", have=("Pyjama Trousers",)) == "Bikini top"
    assert filled("red", filters=("category=Bikini top",)) == "Bikini top"  # nothing else is left
    assert set(engine.generate("red", size=3).looks[0].ids) == {"Tops", "Jeans", "Sandals"}


def test_bad_requests(shop: Catalogue) -> None:
    engine = engine_of(shop)
    with pytest.raises(UnknownItem, match="did you mean 'shirt-10'"):
        engine.score(["shirt-0l"])
    with pytest.raises(ValueError, match="share the category"):
        engine.query(["shirt-00", "shirt-01"], [BAG])
    with pytest.raises(ValueError, match="at most 2"):
        OutfitQuery(slots=(SHOES, BAG, TOP), text="x", rules=OutfitRules(max_items=2))
    with pytest.raises(ValueError, match="at least one item"):
        engine.score([])
    with pytest.raises(ValueError, match="at least one item"):
        engine.explain([])
    with pytest.raises(ValueError, match="9 items wanted"):
        engine.generate("red", size=9)
    with pytest.raises(FilterError, match="price"):
        engine.generate("red", size=3, filters=["prise<3"])
    with pytest.raises(ValueError, match="names 0 items"):
        engine.swap(["shirt-00", "bag-00"], "hat")
    with pytest.raises(ValueError, match="no item 5"):
        engine.swap(["shirt-00", "bag-00"], 5)
    with pytest.raises(EncoderMismatch):
        OutfitEngine(shop, TestScorer(), FakeEncoder("other"))
    with pytest.raises(ValueError, match="calibration is of somebody"):
        engine_of(shop, calibration=Calibration(encoder="somebody"))
    blind = OutfitEngine(shop, TestScorer())
    with pytest.raises(ValueError, match="needs the catalogue's encoder"):
        blind.generate("red")
    assert blind.complete(blind.query(["shirt-00"], [BAG])).looks[0].score > 0


def test_a_verdict_says_what_is_wrong_and_how_good_it_is(shop: Catalogue) -> None:
    calibration = Calibration(Calibrator("logistic", 4.0, -2.0), reference=(0.0, 0.25, 0.5, 0.75, 1.0))
    engine = engine_of(shop, calibration=calibration, rules=Rules(budget=60.0, granularity="slot"))
    good = engine.score(["shirt-00", "bag-01"])
    assert good.valid
    assert good.score == good.compatibility
    assert 0 <= (good.percentile or 0) <= 100
    bad = engine.score(["shirt-00", "shirt-01", "bag-01"])
    assert (bad.score, bad.valid) == (0.0, False)
    assert bad.compatibility > 0
    assert "share the slot 'top'" in bad.problems[0]
    dear = engine.score(["shirt-11", "bag-11"])
    assert dear.problems == ("the whole outfit costs at most 60",)
    twins = engine_of(shop).score(["shirt-03", "shirt-07"])
    assert not twins.valid
    words = engine.score(["shirt-00", "bag-01"], "red shirt")
    assert words.match is not None
    assert words.score == pytest.approx(0.5 * words.compatibility + 0.5 * words.match)
    assert engine.score(["shirt-00"]).score == 0.5
    assert set(good.as_dict()) == {"items", "score", "compatibility", "match", "percentile", "valid", "problems"}


def test_wishes_that_nothing_fulfils_are_noted(shop: Catalogue) -> None:
    calibrated = engine_of(shop, calibration=Calibration(match=Calibrator("logistic", 30.0, -12.0)))
    slots = [Slot(frozenset({"shoes"}), "zebra moonboots"), Slot(frozenset({"bag"}), "red bag")]
    answer = calibrated.complete(calibrated.query(["shirt-00"], slots))
    assert len(answer.notes) == 1
    assert answer.notes[0].startswith("not in this catalogue: 'zebra moonboots'")
    assert engine_of(shop).complete(engine_of(shop).query(["shirt-00"], slots)).notes == ()


def test_swap_and_explain(shop: Catalogue) -> None:
    engine = engine_of(shop, NetworkTestPool)
    ids = ["shirt-00", "jeans-01", "sneakers-02", "bag-03"]
    answer = engine.swap(ids, "bag", 3, alpha=1.0)
    assert [look.chosen[0].item.category for look in answer.looks] == ["Handbags"] * 3
    scores = sorted(
        (value_of(engine, [*ids[:3], f"bag-{at:02d}"], {}, 1.0) for at in range(12) if at != 3), reverse=True
    )
    assert [look.score for look in answer.looks] == pytest.approx(scores[:3], abs=1e-6)
    found = engine.explain(ids)
    verdict = engine.score(ids)
    assert found.score == pytest.approx(verdict.score, abs=1e-6)
    assert found.base + sum(one.total for one in found.items) == pytest.approx(verdict.score, abs=1e-6)
    swap = found.best_swap
    assert swap is not None
    every = {(at, look.ids[-1]): look.score for at in range(4) for look in engine.swap(ids, at, 1, alpha=1.0).looks}
    assert swap.after == pytest.approx(max(every.values()), abs=1e-6)
    assert str(swap).startswith(f"replace the {swap.kind}: {verdict.compatibility:.2f} → ")
    assert engine.swap(ids, "bag-03", 1, alpha=1.0).looks[0].ids == answer.looks[0].ids
    assert engine.explain(["bag-00"]).best_swap is None


@pytest.mark.parametrize("kind", [PairTestPool, NetworkTestPool, ComplementTestPool])
def test_ones_own_things(shop: Catalogue, kind: type) -> None:
    engine = engine_of(shop, kind, rules=Rules(budget=60.0))
    mine = Item("my photo", "old black jeans", np.full((5, 5, 3), 70, np.uint8), "Jeans")
    assert engine.score([mine, "shirt-00"]).valid
    look = engine.complete(engine.query([mine, "shirt-00"], [SHOES, BAG])).looks[0]
    assert look.ids[:2] == ("my photo", "shirt-00")
    assert sum(float(item.attributes.get("price", 0)) for item in look.items) <= 60
    assert engine.score([mine, *look.ids[1:]]).score == pytest.approx(look.score, abs=1e-6)
    swapped = engine.swap([mine, "shirt-00", "bag-00"], "bag", 2).looks
    assert all(one.chosen[0].item.category == "Handbags" for one in swapped)
    assert len(engine.explain([mine, "shirt-00", "bag-00"], "black").items) == 3
    with pytest.raises(NoFeasibleOutfit, match="cannot be in one outfit"):
        engine.complete(OutfitQuery((mine, engine._items(["dress-00"])[0]), (BAG,)))
    with pytest.raises(ValueError, match="an encoder is needed"):
        OutfitEngine(shop, TestScorer(kind)).score([mine, "shirt-00"])


def test_the_literal_match_compares_an_item_with_itself(shop: Catalogue) -> None:
    engine = engine_of(shop, objective=Objective(mode="text_swap"))
    look = engine.complete(engine.query(["shirt-00"], [Slot(frozenset({"bag"}), "red bag model0")], alpha=0.0)).looks[0]
    item = shop.get(look.ids[1], image=True)
    before = ENCODER.encode([shop.get(look.ids[1])]).vectors[0]
    snapshot = shop.snapshot()
    swapped = ENCODER.encode([Item(item.id, "red bag model0", item.image)]).vectors[0]
    cosine = float(snapshot.vectors[snapshot.row(item.id)] @ swapped)
    assert before.shape == swapped.shape
    assert look.score == pytest.approx((1 + cosine) / 2, abs=1e-6)


def test_similar_looks_are_found(shop: Catalogue) -> None:
    engine = engine_of(shop)
    looks = [["shirt-00", "bag-00"], ["shirt-04", "bag-04"], ["dress-01", "sneakers-02"], ["shirt-00", "jeans-03"]]
    found = engine.similar_looks(["shirt-00", "bag-00"], looks, 2)
    assert found[0].look == ("shirt-00", "bag-00")
    assert found[0].similarity == pytest.approx(1.0, abs=1e-6)
    assert len(found) == 2
    assert engine.similar_looks(["shirt-00"], [], 3) == ()


def test_the_same_request_has_the_same_answer_and_one_pool(shop: Catalogue) -> None:
    answers = []
    for _ in range(2):
        engine = engine_of(shop, NetworkTestPool)
        answers.append(engine.generate("blue", n=3).as_dict(seconds=False))
        engine.generate("red")
        scorer = engine.scorer
        assert isinstance(scorer, TestScorer)
        assert scorer.num_pools == 1  # made once for a version of the catalogue
    assert answers[0] == answers[1]
    assert isinstance(engine.scorer, OutfitScorer)


def test_a_new_version_of_the_catalogue_is_seen(tmp_path: Path) -> None:
    store = Catalogue.create(tmp_path / "shop", ENCODER.id)
    store.upsert(shop_items()[:30], ENCODER)
    engine = engine_of(store)
    with pytest.raises(NoFeasibleOutfit, match="shoes"):
        engine.complete(engine.query(["shirt-00"], [SHOES]))
    store.upsert(shop_items(), ENCODER)
    assert engine.complete(engine.query(["shirt-00"], [SHOES])).looks
