"""The atelier's outfits: the same everywhere, disjoint, described truly, with the one mistake they name, best scored by f."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from modiste.data.atelier import Atelier
from modiste.data.atelier.bayes import AGAINST, bayes_scorer
from modiste.data.atelier.descriptions import describe
from modiste.data.atelier.hard_negatives import BREAKABLE, hard_negatives
from modiste.data.atelier.looks import AtelierItems, Proposer, atelier_outfits, labelled_looks
from modiste.data.atelier.panel import Panel
from modiste.data.atelier.shapes import MANGO_SHAPES, POLYVORE_SHAPES, SHAPES
from modiste.data.atelier.styles import GAIN, STYLE_NAMES, STYLES, style_named
from modiste.data.atelier.users import CLICK_SPLITS, atelier_users
from modiste.data.outfits import OutfitData
from modiste.data.style import RULES, Facts, broken_rules, mean_over_pairs, traits
from modiste.data.style.rules import formality_word
from modiste.data.style.traits import OCCASIONS
from modiste.data.style.wardrobe import slot_of
from modiste.types import OutfitPool, OutfitScorer, PairwisePool

WORLD = atelier_outfits(1_200, 5, num_looks=900)
TEST = WORLD.undrawn("train")  # the largest pool, so the questions are many
DATA = Path(os.environ.get("MODISTE_DATA", ""))


def _sets(looks) -> np.ndarray:  # type: ignore[no-untyped-def]
    place = {item.id: row for row, item in enumerate(TEST)}
    sets = np.full((len(looks), 8), -1)
    for row, look in enumerate(looks):
        sets[row, : len(look.item_ids)] = [place[one] for one in look.item_ids]
    return sets


def test_equal_arguments_give_equal_worlds() -> None:
    again, other = atelier_outfits(1_200, 5, num_looks=900), atelier_outfits(1_200, 6, num_looks=30)
    assert isinstance(again, OutfitData)
    assert dict(again.looks) == dict(WORLD.looks)
    assert dict(again.styles) == dict(WORLD.styles)
    assert dict(again.pools) == dict(WORLD.pools)
    assert other.looks["test"][0].item_ids != WORLD.looks["test"][0].item_ids
    assert [item.attributes for item in other.undrawn()[:20]] != [item.attributes for item in WORLD.undrawn()[:20]]


def test_items_products_and_looks_of_the_splits_are_disjoint() -> None:
    assert {split: len(looks) for split, looks in WORLD.looks.items()} == {"train": 630, "valid": 90, "test": 180}
    products, ids = {}, {}
    for split, looks in WORLD.looks.items():
        products[split] = {item.product for item in WORLD.undrawn(split)}
        ids[split] = {one for look in looks for one in look.item_ids}
        assert ids[split] <= set(WORLD.pools[split])
        assert len({frozenset(look.item_ids) for look in looks}) == len(looks)
    for one, other in (("train", "valid"), ("train", "test"), ("valid", "test")):
        assert not products[one] & products[other]
        assert not ids[one] & ids[other]
    assert sum(map(len, WORLD.pools.values())) == 1_200
    assert WORLD.seen == ids["train"]


def test_looks_repeat_no_article_and_have_the_shapes_of_real_ones() -> None:
    sizes = Counter()
    for look in WORLD.looks["train"]:
        items = [WORLD.items[one] for one in look.item_ids]
        assert len({item.category for item in items}) == len(items)
        assert tuple(sorted(map(slot_of, items))) in SHAPES
        sizes[len(items)] += 1
    expected: Counter[int] = Counter()
    for shape, share in SHAPES.items():
        expected[len(shape)] += share  # type: ignore[assignment]
    for size, share in expected.items():
        assert sizes[size] / 630 == pytest.approx(share, abs=0.06)
    assert sum(SHAPES.values()) == pytest.approx(1.0)


@pytest.mark.data
@pytest.mark.skipif(not (DATA / "mango_outfits").is_dir(), reason="needs MODISTE_DATA")
def test_shape_tables_are_those_of_the_real_sets() -> None:
    import pyarrow.parquet as pq

    from modiste.taxonomy import slot

    kind = {
        row["id"]: slot(row["product_type"])
        for row in pq.read_table(DATA / "mango_outfits" / "items.parquet", columns=["id", "product_type"]).to_pylist()
    }
    mango = pq.read_table(DATA / "mango_outfits" / "outfits_train.parquet")["item_ids"].to_pylist()
    counted = Counter(tuple(sorted(kind[one] for one in look)) for look in mango)
    assert all(counted[shape] == number for shape, number in MANGO_SHAPES.items())
    assert len(mango) == 5_421
    poly = pq.read_table(DATA / "polyvore_outfits_ids" / "disjoint_train_pos.parquet")["categories"].to_pylist()
    counted = Counter(tuple(sorted(map(slot, look))) for look in poly)
    assert all(counted[shape] == number for shape, number in POLYVORE_SHAPES.items())
    assert len(poly) == 16_995


def test_photos_are_drawn_when_asked_for() -> None:
    items = AtelierItems(Atelier(5), 30, photos=True)
    one = items["atelier-000007"]
    assert one.image == Atelier(5).item(7).image
    assert items["atelier-000007"] is one
    assert "atelier-000030" not in items
    assert len(items) == len(list(items)) == 30
    with pytest.raises(KeyError):
        items["atelier-000030"]
    assert WORLD.items["atelier-000007"].image is None


def test_descriptions_are_true_of_their_looks() -> None:
    words = re.compile(
        r"(?:(casual|smart casual|smart|formal) )?(?:(winter|spring|summer|autumn) )?"
        rf"(?:({'|'.join(OCCASIONS)}) )?look(?: in ([a-z ]+?)(?: and ([a-z ]+?))?)?(?:, for (women|men))?"
    )
    said = Counter()
    for look in WORLD.looks["train"]:
        match = words.fullmatch(look.text)
        assert match, look.text
        formality, season, occasion, *colours, gender = match.groups()
        items = [WORLD.items[one] for one in look.item_ids]
        known = [traits(item) for item in items]
        said.update({"formality": bool(formality), "season": bool(season), "occasion": bool(occasion)})
        if formality:
            assert formality == formality_word(float(np.mean([one.formality for one in known])))
        if season:
            assert all(item.attributes["season"] in (season, "all year") for item in items)
            assert any(item.attributes["season"] == season for item in items)
        if occasion:
            assert min(one.occasions[OCCASIONS.index(occasion)] for one in known) >= 0.4
        assert {colour for colour in colours if colour} <= {item.attributes["colour"] for item in items}
        if gender:
            assert {item.attributes["gender"] for item in items} <= {gender, "unisex"}
    assert min(said.values()) > 100
    assert describe([]) == "look"


@pytest.fixture(scope="module")
def mistakes():  # type: ignore[no-untyped-def]
    return hard_negatives(WORLD, "train", 66)


def test_hard_negatives_break_exactly_the_rule_they_name(mistakes) -> None:  # type: ignore[no-untyped-def]
    looks = {look.id: look for look in WORLD.looks["train"]}
    assert len({mistake.rule for mistake in mistakes}) >= len(BREAKABLE) - 2
    for mistake in mistakes:
        source, changed = looks[mistake.source], mistake.look
        facts = [Facts.of([traits(WORLD.items[one]) for one in look.item_ids]) for look in (source, changed)]
        assert broken_rules(facts[0]) == ()
        assert broken_rules(facts[1]) == (mistake.rule,)
        assert set(source.item_ids) - set(changed.item_ids) == {mistake.removed}
        assert set(changed.item_ids) - set(source.item_ids) == {mistake.added}
        assert slot_of(WORLD.items[mistake.removed]) == slot_of(WORLD.items[mistake.added])
        assert mistake.added in WORLD.pools["train"]
        assert changed.label == 0.0
    assert hard_negatives(WORLD, "train", 6) == hard_negatives(WORLD, "train", 6)
    only = hard_negatives(WORLD, "train", 4, rule="pattern")
    assert {mistake.rule for mistake in only} == {"pattern"}


def test_stylists_think_less_of_mistakes(mistakes) -> None:  # type: ignore[no-untyped-def]
    looks = {look.id: look for look in WORLD.looks["train"]}
    pool = bayes_scorer(WORLD, against=None).pool(TEST)
    after = pool.score(_sets([mistake.look for mistake in mistakes]))
    before = pool.score(_sets([looks[mistake.source] for mistake in mistakes]))
    assert (after < before).mean() > 0.85


def test_opinions_are_means_over_pairs_and_do_not_depend_on_order() -> None:
    panel = Panel(TEST)
    sets = _sets(WORLD.looks["train"][:40])
    table = panel.pairs(np.arange(len(TEST)), np.arange(len(TEST)))
    for row, opinion in zip(sets, panel.opinions(sets), strict=True):
        members = row[row >= 0]
        upper = np.triu_indices(len(members), k=1)
        np.testing.assert_allclose(opinion, GAIN * table[members[upper[0]], members[upper[1]]].mean(axis=0), atol=2e-4)
    shuffled = np.random.default_rng(0).permuted(sets, axis=1)
    assert np.array_equal(panel.opinions(shuffled), panel.opinions(sets))


def test_bayes_pools_keep_the_contract() -> None:
    for scorer in (bayes_scorer(WORLD, against=one, split="train", draws=50) for one in (None, *AGAINST)):
        assert isinstance(scorer, OutfitScorer)
        pool: OutfitPool = scorer.pool(TEST)
        sets = _sets(WORLD.looks["train"][:30])
        scores = pool.score(sets)
        assert ((scores > 0) & (scores <= 1)).all()
        assert np.array_equal(pool.score(np.random.default_rng(1).permuted(sets, axis=1)), scores)
        assert np.array_equal(pool.score(sets[3:4]), scores[3:4])
        with pytest.raises(ValueError, match="set 0 has no item"):
            pool.score(np.full((1, 3), -1))
    for name in STYLE_NAMES:
        one = bayes_scorer(WORLD, style=name).pool(TEST)
        assert isinstance(one, PairwisePool)
        means = [one.pairs(row[row >= 0], row[row >= 0])[np.triu_indices((row >= 0).sum(), k=1)].mean() for row in sets]
        np.testing.assert_allclose(one.score(sets), one.link(np.array(means, dtype=np.float32)), atol=1e-4)


def test_mixture_is_the_probability_with_which_stylists_accept() -> None:
    """Calibration on the unbalanced stream of proposals: in every band of P, that share was accepted."""
    proposer, rng = Proposer(TEST), np.random.default_rng(0)
    chances, accepted = [], []
    for shape in sorted(proposer.shapes, key=lambda one: -SHAPES[one])[:6]:
        sets, _, yes = proposer.judged(shape, 6_000, rng)
        chances.append(proposer.panel.probability(sets))
        accepted.append(yes)
    chance, yes = np.concatenate(chances), np.concatenate(accepted)
    for low, high in ((0, 0.01), (0.01, 0.1), (0.1, 0.4), (0.4, 1)):
        band = (chance >= low) & (chance < high)
        error = 4 * np.sqrt(max(chance[band].mean() * (1 - chance[band].mean()), 1e-6) / band.sum())
        assert yes[band].mean() == pytest.approx(chance[band].mean(), abs=error)


def _features(sets: np.ndarray) -> np.ndarray:
    facts = Facts.of([traits(item) for item in TEST])
    terms = mean_over_pairs(facts, sets, np.eye(len(RULES), dtype=np.float32))
    liked = np.stack([style.affinity(facts) for style in STYLES], axis=1)
    there = sets >= 0
    means = (liked[sets] * there[..., None]).sum(axis=1) / there.sum(axis=1, keepdims=True)
    return np.concatenate([terms, means, there.sum(axis=1, keepdims=True)], axis=1)


def test_no_scorer_beats_the_bayes_scorer_at_compatibility() -> None:
    questions, learn = labelled_looks(WORLD, "train", 1_600, seed=1), labelled_looks(WORLD, "train", 3_000, seed=2)
    sets, labels = _sets(questions), np.array([look.label for look in questions])
    assert labels.mean() == 0.5
    assert Counter(len(q.item_ids) for q in questions if q.label) == Counter(
        len(q.item_ids) for q in questions if not q.label
    )
    best = roc_auc_score(labels, bayes_scorer(WORLD, split="train").pool(TEST).score(sets))
    assert roc_auc_score(labels, np.ones(len(labels))) == 0.5
    given, known = _features(_sets(learn)), np.array([look.label for look in learn])
    rivals = {name: bayes_scorer(WORLD, style=name).pool(TEST).score(sets) for name in STYLE_NAMES}
    rivals["P"] = bayes_scorer(WORLD, against=None).pool(TEST).score(sets)
    for model in (LogisticRegression(max_iter=2_000), HistGradientBoostingClassifier(max_iter=80, random_state=0)):
        rivals[type(model).__name__] = model.fit(given, known).predict_proba(_features(sets))[:, 1]
    for name, scores in rivals.items():
        assert roc_auc_score(labels, scores) < best + 0.005, name
    assert 0.93 < best < 0.995  # noise is there: not even the truth gets all


@pytest.mark.parametrize("of", ["slot", "category"])
def test_no_scorer_beats_the_bayes_scorer_at_filling_blanks(of: str) -> None:
    rng = np.random.default_rng(2)
    key = [slot_of(item) if of == "slot" else item.category for item in TEST]
    articles = [item.category for item in TEST]
    rows = []
    for members in _sets(WORLD.looks["train"]):
        members = members[members >= 0]
        blank = int(rng.integers(len(members)))
        rest = np.delete(members, blank)
        pool = [
            row
            for row in range(len(TEST))
            if key[row] == key[members[blank]]
            and row != members[blank]
            and articles[row] not in {articles[r] for r in rest}
        ]
        if len(pool) < 3:  # decided by the rest and the answer's class, not by which item the answer is
            continue
        for candidate in (members[blank], *rng.choice(pool, 3, replace=False)):
            rows.append(np.pad([*rest, candidate], (0, 8 - len(members)), constant_values=-1))
    sets = np.array(rows)

    def accuracy(scores: np.ndarray) -> float:
        scores = scores.reshape(-1, 4)
        best = scores == scores.max(axis=1, keepdims=True)
        return float((best[:, 0] / best.sum(axis=1)).mean())

    found = accuracy(bayes_scorer(WORLD, against=None).pool(TEST).score(sets))
    assert found > 0.4
    assert accuracy(np.ones(len(sets))) == 0.25
    for name in STYLE_NAMES:
        assert accuracy(bayes_scorer(WORLD, style=name).pool(TEST).score(sets)) < found + 0.02
    for number in range(len(RULES)):
        weights = np.eye(len(RULES), dtype=np.float32)[number]
        assert accuracy(mean_over_pairs(Panel(TEST).facts, sets, weights)) < found


def test_users_click_as_their_taste_says() -> None:
    users = atelier_users(WORLD, 120, shown=150)
    again = atelier_users(WORLD, 120, shown=150)
    assert users.tastes == again.tastes
    assert dict(users.interactions) == dict(again.interactions)
    assert set(users.interactions) == set(CLICK_SPLITS)
    pairs = [(one.user_id, one.target_id) for split in users.interactions.values() for one in split]
    assert len(pairs) == len(set(pairs)) > 500
    place = {look.id: row for row, look in enumerate(users.looks)}
    chance = users.probability(np.arange(120))
    assert chance.shape == (120, 900)
    expected = chance.mean() * 120 * 150
    assert len(pairs) == pytest.approx(expected, rel=0.15)
    clicked = np.zeros_like(chance, dtype=bool)
    for user, look in pairs:
        clicked[int(user.removeprefix("user-")), place[look]] = True
    best = np.mean([roc_auc_score(c, p) for c, p in zip(clicked, chance, strict=True) if c.any()])
    popular = np.mean([roc_auc_score(c, clicked.sum(axis=0) - c) for c in clicked if c.any()])
    assert best > 0.75
    assert best > popular + 0.05
    assert all(sum(taste.styles) == pytest.approx(1) and len(taste.colours) == 3 for taste in users.tastes)


def test_what_a_shape_of_a_small_world_cannot_give_the_others_do() -> None:
    """17 items for validation fill few bags with shoes and coats: the looks are as many as asked, and no two are equal."""
    small = atelier_outfits(200)
    assert {split: len(looks) for split, looks in small.looks.items()} == {"train": 280, "valid": 40, "test": 80}
    for split, looks in small.looks.items():
        assert len({frozenset(look.item_ids) for look in looks}) == len(looks)
        assert all(set(look.item_ids) <= set(small.pools[split]) for look in looks)
    asked = labelled_looks(small, "valid", 40)
    assert sum(look.label == 1 for look in asked) == 20 == sum(look.label == 0 for look in asked)
    with pytest.raises(ValueError, match="of 2000 looks found among 17 items; ask for"):
        labelled_looks(small, "valid", 4000)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: atelier_outfits(0), "at least one item"),
        (lambda: atelier_outfits(100, num_looks=2), "at least a look each"),
        (lambda: atelier_outfits(12, num_looks=10), "split '.*': "),
        (lambda: hard_negatives(WORLD, "train", 5, rule="echo"), "no rule that a look can break"),
        (lambda: hard_negatives(WORLD, "trian", 5), "no split 'trian'"),
        (lambda: hard_negatives(WORLD, "train", 0), "at least 1"),
        (lambda: labelled_looks(WORLD, "train", 3), "even number"),
        (lambda: bayes_scorer(WORLD, style="gothic"), "no style 'gothic'"),
        (lambda: bayes_scorer(WORLD, against="all"), "unknown kind of negatives"),  # type: ignore[arg-type]
        (lambda: bayes_scorer(WORLD, draws=0), "draws"),
        (lambda: atelier_users(WORLD, 0), "at least 1"),
        (lambda: style_named(""), "no style ''"),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        call()
