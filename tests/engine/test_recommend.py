"""Outfits for a person, in a shop where it is known by eye what each person likes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from outfit_fakes import PairTestPool, TestScorer
from taste_fakes import ENCODER, NUM, make_shop, make_tastes, save_toy

from modiste.engine.attached import Attached, attach_tastes, attached_tastes, stamp
from modiste.engine.catalogue import Catalogue
from modiste.engine.clicks import ClickBook
from modiste.engine.errors import CatalogueError, UnknownItem
from modiste.engine.liking import KnownItems
from modiste.engine.outfits import OutfitEngine
from modiste.engine.recommend import NEAREST, Person, Recommender
from modiste.engine.solve import Effort
from modiste.engine.stored_looks import read_stored_looks
from modiste.engine.tastes import TastesError, save_tastes

_ATTACH = """
import sys
from pathlib import Path
from modiste.engine.attached import attach_tastes
print("ready", flush=True)
while True:
    for source in sys.argv[2:]:
        attach_tastes(Path(sys.argv[1]), source)
"""


@pytest.fixture
def shop(tmp_path: Path) -> Catalogue:
    return make_shop(tmp_path / "shop")


@pytest.fixture
def trained(shop: Catalogue, tmp_path: Path) -> Recommender:
    attach_tastes(shop.folder, save_toy(tmp_path / "toy"))
    return Recommender.open(shop)


def ids(recommender: Recommender, person: Person, k: int = 5, **asked: bool) -> list[str]:
    return [one.look.id for one in recommender.recommend(person, k, **asked).looks]


def test_a_user_of_the_training_gets_what_she_likes(trained: Recommender) -> None:
    ruby = trained.person("ruby")
    found = trained.recommend(ruby, 6)
    assert [one.look.id for one in found.looks][:2] == ["red-4", "red-3"]
    assert {one.look.id for one in found.looks} == {f"red-{at}" for at in range(NUM)}  # red-5 came after the training
    assert found.method == "her trained taste"
    assert found.trained
    assert found.looks[0].taste == pytest.approx(1 - 0.5 / (2 * NUM))
    assert found.looks[0].reasons == ()  # what she took before the training is not in this shop's book
    assert ids(trained, trained.person("bluebell"), 1) == ["blue-4"]


def test_a_look_made_after_the_training_is_wanted_as_much_as_its_items(shop: Catalogue) -> None:
    """blue-5 is no outfit of the training; of what it is made of, the training knew all."""
    tastes = make_tastes()
    from dataclasses import replace

    more = [f"blue-{noun}-5" for noun in ("shirt", "jeans", "sneakers")]
    items = np.concatenate([tastes.items, np.array([[-0.2, 5.0]] * 3, np.float32)])
    fold = replace(tastes.fold, item_sources=items)
    attached = Attached(replace(tastes, item_ids=(*tastes.item_ids, *more), items=items, fold=fold), "", 0)
    recommender = Recommender(shop.snapshot(), read_stored_looks(shop.folder / "looks.jsonl"), attached)
    assert ids(recommender, recommender.person("bluebell"), 1) == ["blue-5"]
    gone = replace(tastes, item_ids=tuple(f"gone-{one}" for one in tastes.item_ids))
    recommender = Recommender(shop.snapshot(), read_stored_looks(shop.folder / "looks.jsonl"), Attached(gone, "", 0))
    told = recommender.recommend(recommender.person("bluebell"), 20)
    assert told.notes == ("the trained taste knows none of the items of 2 stored looks",)
    assert len(told.looks) == 2 * NUM - 2


def test_a_new_person_by_likes_of_each_sort(trained: Recommender) -> None:
    for name in ("red-2", "red-bag-1", "item:red-bag-1", "look:red-2"):
        person = trained.person(likes=[trained.like(name)])
        found = trained.recommend(person, 3)
        assert all(one.look.id.startswith("red") for one in found.looks)
        assert "red-2" not in [one.look.id for one in found.looks] or "bag" in name  # never what she has
        assert found.method == "a taste made from 1 like"
        assert all(one.reasons[0].shared[0] == "red" for one in found.looks)
        assert str(found.looks[0].reasons[0]).startswith("because you liked red")
    # A look as its items is the stored one; others are folded in by their items.
    assert trained.liked_items(["red-jeans-2", "red-shirt-2", "red-sneakers-2"]).look_id == "red-2"
    mixed = trained.person(likes=[trained.liked_items(["blue-shirt-1", "blue-bag-3"])])
    assert ids(trained, mixed, 1) == ["blue-4"]


def test_a_new_person_by_photos_and_by_items_that_came_after_the_training(trained: Recommender) -> None:
    photo = ENCODER.encode_query("shirt", np.full((6, 6, 3), (225, 35, 35), np.uint8)).vectors[0]
    by_photo = trained.person(photos=[("photo 1", photo)])
    assert all(one.startswith("red") for one in ids(trained, by_photo))
    assert trained.recommend(by_photo, 1).looks[0].reasons[0].liked == "photo 1"
    late = trained.person(likes=[trained.like("red-shirt-5")])  # stands for the nearest that the taste knows
    assert all(one.startswith("red") for one in ids(trained, late, 3))


def test_nothing_known_is_what_everybody_likes(trained: Recommender) -> None:
    nobody = trained.person("stranger")
    found = trained.recommend(nobody, 3)
    assert [one.look.id for one in found.looks] == ["blue-4", "blue-3", "blue-2"]
    assert found.method == "what everybody likes; nothing is known of this person"


def test_what_she_took_moves_her_taste_and_is_not_shown_again(shop: Catalogue, trained: Recommender) -> None:
    book = ClickBook(shop.folder)
    for look in ("red-4", "red-3"):
        book.add("ruby", look=look)
    again = Recommender.open(shop)
    ruby = again.person("ruby")
    found = again.recommend(ruby, 2)
    assert found.method == "her trained taste and 2 newer likes"
    assert found.looks[0].look.id == "red-2"
    assert found.looks[0].reasons[0].liked in ("red-4", "red-3")
    assert ids(again, ruby, 1, again=True) == ["red-4"]
    for at in range(NUM):  # her mind changes
        for _ in range(2):
            book.add("ruby", look=f"blue-{at}")
            book.add("ruby", item=f"blue-bag-{at}")
    before, after = ruby.vector, Recommender.open(shop).person("ruby").vector
    assert before is not None
    assert after is not None
    assert after[1] > before[1]
    # Attached anew, those clicks were there at the training.
    attach_tastes(shop.folder, shop.folder / "tastes" / json.loads((shop.folder / "tastes.json").read_text())["folder"])
    known = Recommender.open(shop).person("ruby")
    assert known.method == "her trained taste"
    assert "red-4" in known.taken_looks
    # A new person is folded in from all of hers; what is no longer in the shop says nothing.
    book.add("newcomer", look="gone")
    book.add("newcomer", look="red-0")
    newcomer = again.person("newcomer")
    assert newcomer.method == "a taste made from 1 like"
    assert ids(again, newcomer, 1) == ["red-4"]


def test_without_a_trained_taste_it_is_likeness_and_says_so(shop: Catalogue) -> None:
    recommender = Recommender.open(shop)
    person = recommender.person("anna", likes=[recommender.like("red-2")])
    found = recommender.recommend(person, 3)
    assert (found.method, found.trained) == (NEAREST, False)
    assert all(one.look.id.startswith("red") and one.taste is None for one in found.looks)
    assert [one.similarity for one in found.looks] == sorted((one.similarity for one in found.looks), reverse=True)  # type: ignore[type-var]
    assert recommender.recommend(recommender.person("anna")).looks == ()  # nothing known of anybody
    assert recommender.clicks is not None
    for user in ("a", "b"):
        recommender.clicks.add(user, look="blue-3")
    recommender.clicks.add("a", look="red-1")
    popular = recommender.recommend(recommender.person("anna"))
    assert [one.look.id for one in popular.looks] == ["blue-3", "red-1"]
    assert popular.method.startswith("looks that most people took")
    assert ids(recommender, recommender.person("a"), 1) != ["blue-3"]


def test_bad_requests_say_what_is_wrong(trained: Recommender) -> None:
    with pytest.raises(UnknownItem, match="did you mean 'red-shirt-1'"):
        trained.like("red-shrt-1")
    with pytest.raises(ValueError, match="no stored look 'red-9'"):
        trained.like("look:red-9")
    with pytest.raises(ValueError, match="k must be"):
        trained.recommend(trained.person("ruby"), 0)
    with pytest.raises(ValueError, match="at least one item"):
        trained.liked_items([])


def test_looks_made_for_her(trained: Recommender, shop: Catalogue) -> None:
    engine = OutfitEngine(shop, TestScorer(PairTestPool), ENCODER, effort=Effort(deadline=float("inf")))
    for person in (trained.person("ruby"), trained.person(likes=[trained.like("red-1")])):
        made = trained.generate(person, engine, 2, beta=0.8, size=3)
        assert len(made) == 2
        for look, _ in made:
            assert all(one.startswith("red") for one in look.ids)
            assert look.exact
    look, reasons = made[0]
    assert look.taste is not None
    assert look.taste > 0.5
    assert reasons[0].liked == "red-1"
    (blue,) = trained.generate(trained.person("bluebell"), engine, 1, beta=0.8, size=3, text="bag")
    assert all(one.startswith("blue") for one in blue[0].ids)
    # What she has taken is not chosen again.
    assert trained.clicks is not None
    taken = made[0][0].ids[0]
    trained.clicks.add("ruby", item=taken)
    assert all(taken not in one.ids for one, _ in trained.generate(trained.person("ruby"), engine, 3, beta=0.8))
    # Without a trained taste nearness to her likes stands for it; without either there is nothing to go by.
    bare = Recommender(shop.snapshot(), read_stored_looks(shop.folder / "looks.jsonl"))
    near = bare.generate(bare.person(likes=[bare.like("blue-1")]), engine, 1, beta=0.8, size=3)
    assert all(one.startswith("blue") for one in near[0][0].ids)
    with pytest.raises(ValueError, match="say what she likes"):
        bare.generate(bare.person("nobody"), engine)


def test_an_item_after_the_training_is_liked_as_its_neighbours_are(shop: Catalogue) -> None:
    known = KnownItems(make_tastes(), shop.snapshot())
    values = known.values(np.array([1.0, 0.0], np.float32))
    snapshot = shop.snapshot()
    assert len(values) == len(snapshot)
    assert values.min() > 0
    assert values.max() < 1
    for noun in ("shirt", "bag"):
        late, same, other = (
            values[snapshot.row(f"{one}-{noun}-{at}")] for one, at in (("red", 5), ("red", 0), ("blue", 4))
        )
        assert late >= same > other


def test_one_click_is_heard_at_once(shop: Catalogue, trained: Recommender, record_property: object) -> None:
    """From the click to her new vector; the bound is the issue's 50 ms where the disk is idle, and is only reported here."""
    assert trained.clicks is not None
    seconds = []
    for at in range(NUM):
        start = time.perf_counter()
        trained.clicks.add("newcomer", look=f"red-{at}")
        vector = trained.person("newcomer").vector
        seconds.append(time.perf_counter() - start)
        assert vector is not None
        assert vector[0] > vector[1]
    record_property("milliseconds", sorted(round(1000 * one, 2) for one in seconds))  # type: ignore[operator]


# -- tastes in a catalogue's folder ------------------------------------------------------------------------------------


def test_tastes_are_copied_checked_and_replaced(shop: Catalogue, tmp_path: Path) -> None:
    assert attached_tastes(shop.folder) is None
    assert stamp(shop.folder) == 0
    source = save_toy(tmp_path / "toy")
    first = attach_tastes(shop.folder, source)
    (source / "tastes.safetensors").unlink()  # the copy is the catalogue's own
    again = attached_tastes(shop.folder)
    assert again is not None
    assert again.sha256 == first.sha256
    np.testing.assert_array_equal(again.tastes.users, make_tastes().users)
    with pytest.raises(TastesError, match="cannot be read"):
        attach_tastes(shop.folder, source)
    assert attached_tastes(shop.folder) is not None
    from dataclasses import replace

    before = stamp(shop.folder)
    other = attach_tastes(shop.folder, save_tastes(tmp_path / "other", replace(make_tastes(), name="other")))
    assert stamp(shop.folder) != before
    assert [one.name for one in (shop.folder / "tastes").iterdir()] == [other.sha256[:16]]
    for name, content in {"folder": "../../elsewhere", "format": 7}.items():
        pointer = json.loads((shop.folder / "tastes.json").read_text())
        (shop.folder / "tastes.json").write_text(json.dumps(pointer | {name: content}))
        with pytest.raises(CatalogueError, match=r"tastes\.json: .*modiste tastes attach"):
            attached_tastes(shop.folder)
        (shop.folder / "tastes.json").write_text(json.dumps(pointer))
    damaged = shop.folder / "tastes" / other.sha256[:16] / "tastes.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    with pytest.raises(CatalogueError, match="attach"):
        attached_tastes(shop.folder)
    attach_tastes(shop.folder, tmp_path / "other")  # mends it
    assert attached_tastes(shop.folder) is not None


def test_a_kill_while_attaching_leaves_the_old_tastes_or_the_new(shop: Catalogue, tmp_path: Path) -> None:
    from dataclasses import replace

    sources = [save_tastes(tmp_path / name, replace(make_tastes(), name=name)) for name in ("one", "two")]
    attach_tastes(shop.folder, sources[0])
    for pause in (0.01, 0.05):
        child = subprocess.Popen(
            [sys.executable, "-c", _ATTACH, str(shop.folder), *map(str, sources)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(pause)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        found = attached_tastes(shop.folder)
        assert found is not None
        assert found.tastes.name in ("one", "two")
    attach_tastes(shop.folder, sources[1])  # and what the killed ones left is cleared away
    assert len(list((shop.folder / "tastes").iterdir())) == 1
