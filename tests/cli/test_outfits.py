"""Outfits as a user types them: score, complete, generate, swap, explain, similar looks, calibrate, on a drawn shop."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import re
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modiste.engine.catalogue import Catalogue
from modiste.engine.named import CONTRADICTED, contradictions
from modiste.engine.vocabulary import knowledge_of
from modiste.models.pretrained import load
from modiste.models.stylist import Stylist
from modiste.taxonomy import slot
from modiste.types import Item

HOSTILE = '<img src=x onerror="alert(1)"></style><script>alert(1)</script>[bold]{{ 7 * 7 }}'


@pytest.fixture(scope="session")
def wardrobe(shop: Path, dual: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with one hostile title, indexed with a small encoder that says nothing of use."""
    from modiste.cli import run

    folder = tmp_path_factory.mktemp("wardrobe") / "index"
    assert run(["index", str(shop), "--into", str(folder), "--model", str(dual)]) == 0
    store = Catalogue.open(folder)
    snapshot = store.snapshot()
    row = next(row for row in range(len(snapshot)) if slot(snapshot.item(row).category) == "shoes")
    old = store.get(snapshot.id(row), image=True)
    store.upsert([Item(old.id, HOSTILE, old.image, old.category, "", old.attributes, old.group)], load(dual))
    return folder


@pytest.fixture(scope="session")
def items(wardrobe: Path) -> list[Item]:
    snapshot = Catalogue.open(wardrobe).snapshot()
    return [snapshot.item(row) for row in range(len(snapshot))]


def of(items: list[Item], kind: str, skip: int = 0) -> str:
    """The id of an item of a slot."""
    return [item.id for item in items if slot(item.category) == kind][skip]


@pytest.fixture(scope="session")
def separates(items: list[Item]) -> tuple[str, str, str]:
    return of(items, "top"), of(items, "bottom"), of(items, "shoes")


# -- score ------------------------------------------------------------------------------------------------------------


def test_score_is_the_scorers_and_says_that_it_is_of_rules(modiste, wardrobe, items, separates) -> None:  # type: ignore[no-untyped-def]
    found = modiste("score", wardrobe, *separates, "--json").json
    direct = Stylist().score([[item for item in items if item.id in separates]])[0]
    assert found["score"] == found["compatibility"] == pytest.approx(float(direct), abs=1e-7)
    assert found["items"] == list(separates)
    assert found["scorer"] == {"name": "rules", "kind": "rules", "sha256": ""}
    assert (found["valid"], found["problems"], found["match"], found["percentile"]) == (True, [], None, None)
    assert found["calibrated"] is False
    assert "modiste calibrate" in found["notes"][0]
    done = modiste("score", wardrobe, *separates)
    assert done.code == 0
    assert "scored by rules (documented style rules, nothing learned); not calibrated" in done.out
    assert done.out.count("modiste calibrate") == 1  # said once
    assert f"{direct:.3f}" in done.out


def test_score_with_a_text_weighs_both_by_alpha(modiste, wardrobe, separates) -> None:  # type: ignore[no-untyped-def]
    for alpha in (0.0, 0.3, 1.0):
        found = modiste("score", wardrobe, *separates, "--text", "red", "--alpha", alpha, "--json").json
        assert found["score"] == pytest.approx(alpha * found["compatibility"] + (1 - alpha) * found["match"], abs=1e-6)
        assert found["alpha"] == alpha


@pytest.mark.parametrize("case", ["repeated", "twice", "too many", "excluded"])
def test_what_is_no_outfit_scores_nothing_and_says_why(modiste, wardrobe, items, case, tmp_path) -> None:  # type: ignore[no-untyped-def]
    top, bottom = of(items, "top"), of(items, "bottom")
    same = next(a.id for a in items for b in items if a.id < b.id and a.category == b.category)
    twin = next(b.id for b in items if b.id != same and b.category == next(a for a in items if a.id == same).category)
    outfit, words = {
        "repeated": ([same, twin], "share the category"),
        "twice": ([top, top, bottom], "appears 2 times"),
        "too many": ([item.id for item in items[:9]], "at most 8"),
        "excluded": ([of(items, "one_piece"), bottom], "excludes"),
    }[case]
    done = modiste("score", wardrobe, *outfit)
    assert (done.code, done.err) == (0, "")
    assert re.search(f"not an outfit: .*{words}", done.out)
    found = modiste("score", wardrobe, *outfit, "--json").json
    assert found["score"] == 0
    assert found["compatibility"] > 0
    assert any(words in problem for problem in found["problems"])
    page = tmp_path / "page.html"
    assert modiste("score", wardrobe, *outfit, "--html", page, "--png", tmp_path / "page.png").code == 0
    assert words in page.read_text(encoding="utf-8").replace("&#39;", "'")


@pytest.mark.parametrize("command", ["score", "explain", "swap"])
def test_an_unknown_id_is_offered_near_ones(modiste, wardrobe, items, command) -> None:  # type: ignore[no-untyped-def]
    wrong = items[3].id[:-1] + "x"
    done = modiste(command, wardrobe, items[0].id, wrong, *(["--which", "bag"] if command == "swap" else []))
    assert done.code == 1
    assert f"no item '{wrong}'; did you mean" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_a_page_of_a_scorer_that_explains_nothing(modiste, wardrobe, separates, tmp_path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("score", wardrobe, *separates, "--scorer", "constant", "--html", tmp_path / "p.html")
    assert "constant (counted, not trained)" in done.out
    assert "+0.000" in (tmp_path / "p.html").read_text(encoding="utf-8")


# -- photos of one's own -----------------------------------------------------------------------------------------------


def test_own_photos_are_scored_beside_ids(modiste, wardrobe, items, photo, tmp_path) -> None:  # type: ignore[no-untyped-def]
    bottom, page = of(items, "bottom"), tmp_path / "own.html"
    found = modiste("score", wardrobe, f"shirt={photo}", bottom, "--json", "--html", page).json
    own = Item(str(photo), image=photo.read_bytes(), category="shirt")
    direct = Stylist().score([[own, next(item for item in items if item.id == bottom)]])[0]
    assert found["compatibility"] == pytest.approx(float(direct), abs=1e-6)
    assert found["items"] == [str(photo), bottom]
    assert page.read_text(encoding="utf-8").count("data:image/webp") == 2


def test_a_photos_kind_has_to_be_said_where_the_encoder_tells_none(modiste, wardrobe, items, photo) -> None:  # type: ignore[no-untyped-def]
    done = modiste("score", wardrobe, photo, of(items, "bottom"))
    assert done.code == 1
    assert f"say what it is, as shoes={photo}" in done.err


def test_a_recogniser_tells_a_photos_kind(modiste, shop, mvlt, photo, items, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from modiste.models.pretrained import load_recogniser

    folder = tmp_path / "mvlt"
    assert modiste("index", shop, "--into", folder, "--model", mvlt).code == 0
    done = modiste("score", folder, photo, of(items, "bottom"))
    classes, rows = load_recogniser(mvlt).recognise([Item("x", image=photo.read_bytes())])["article_type"]
    kind, share = classes[int(rows[0].argmax())], 100 * float(rows[0].max())
    assert f"is taken for {kind} ({share:.0f} %)" in done.out.replace("\n", "")
    found = modiste("score", folder, photo, of(items, "bottom"), "--json").json
    assert any(f"is taken for {kind}" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("none.jpg", None, "no such file"),
        ("empty.jpg", b"", "empty file"),
        ("text.jpg", b"not a picture at all", ""),
        ("torn.jpg", b"\xff\xd8\xff\xe0" + b"\0" * 50, ""),
    ],
)
def test_odd_photos_are_named(modiste, wardrobe, items, tmp_path, name, data, words) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / name
    if data is not None:
        path.write_bytes(data)
    for argument in (f"shirt={path}", path):
        done = modiste("score", wardrobe, argument, of(items, "bottom"))
        assert done.code == 1
        assert name in done.err
        assert words in done.err
        assert "Traceback" not in done.err


# -- complete ---------------------------------------------------------------------------------------------------------


def brute_force(items: list[Item], have: list[str], kinds: list[str]) -> float:
    """The best S over all choices of one item of each slot, with other categories and products than the rest."""
    given = [item for item in items if item.id in have]
    scorer = Stylist()
    sets: list[list[Item]] = [given]
    for kind in kinds:
        sets = [[*one, item] for one in sets for item in items if slot(item.category) == kind]
    valid = [
        one
        for one in sets
        if len({item.category for item in one})
        == len({item.product for item in one})
        == len({i.id for i in one})
        == len(one)
    ]
    return float(scorer.score(valid).max())


def test_complete_finds_the_best_there_is(modiste, wardrobe, items) -> None:  # type: ignore[no-untyped-def]
    have = [of(items, "top"), of(items, "bottom")]
    done = modiste(
        "complete", wardrobe, "--have", *have, "--want", "shoes", "--want", "bag", "--deadline", "inf", "--json"
    )
    (look,) = done.json["outfits"]
    assert set(look) == {"items", "chosen", "score", "compatibility", "percentile", "exact", "claim", "template"}
    assert look["items"][:2] == have
    assert [one["slot"] for one in look["chosen"]] == ["shoes", "bag"]
    assert look["exact"] is True
    assert look["score"] == pytest.approx(brute_force(items, have, ["shoes", "bag"]), abs=1e-6)
    assert "seconds" not in done.json
    words = modiste("complete", wardrobe, "--have", *have, "--want", "shoes", "--want", "bag", "--deadline", "inf")
    assert "exact: nothing better is possible in its place" in words.out.replace("\n", "")
    assert "enumeration" in words.out


def test_ids_may_follow_have_or_repeat_it(modiste, wardrobe, items) -> None:  # type: ignore[no-untyped-def]
    top, bottom = of(items, "top"), of(items, "bottom")
    one = modiste("complete", wardrobe, "--have", top, bottom, "--want", "shoes", "--json")
    other = modiste("complete", wardrobe, "--have", top, "--have", bottom, "--want", "shoes", "--json")
    assert (one.code, one.out) == (0, other.out)


def test_a_wish_is_answered_in_its_slot(modiste, wardrobe, items, dual) -> None:  # type: ignore[no-untyped-def]
    store, encoder = Catalogue.open(wardrobe), load(dual)
    wish = "white leather sneakers"
    hits = store.search(encoder.encode_query(wish), k=100, filters=["slot=shoes"]).hits
    snapshot = store.snapshot()
    against = contradictions(wish, knowledge_of(snapshot), snapshot.rows([hit.item.id for hit in hits]))
    like = {hit.item.id: hit.score - CONTRADICTED * count for hit, count in zip(hits, against, strict=True)}
    top = snapshot.item(snapshot.row(of(items, "top")))
    worn_by = {top.attributes["gender"], "unisex"}  # one wearer is a rule of the house
    nearest = max((hit.item.id for hit in hits if hit.item.attributes["gender"] in worn_by), key=like.__getitem__)
    for want in (f"shoes: {wish}", wish):  # the words' own kind, where none is said
        found = modiste("complete", wardrobe, "--have", of(items, "top"), "--want", want, "--alpha", 0, "--json").json
        (chosen,) = found["outfits"][0]["chosen"]
        assert (chosen["id"], chosen["slot"], chosen["wish"]) == (nearest, "shoes", wish)
        assert chosen["match"] == pytest.approx((1 + like[nearest]) / 2, abs=1e-5)


def test_without_a_want_the_shape_is_chosen(modiste, wardrobe, items) -> None:  # type: ignore[no-untyped-def]
    found = modiste("complete", wardrobe, "--have", of(items, "bottom"), "--size", 3, "-n", 2, "--json").json
    for look in found["outfits"]:
        kinds = sorted(slot(item.category) for item in items if item.id in look["items"])
        assert kinds == ["bottom", "shoes", "top"]
        assert look["template"] == "separates"
    first, second = (set(look["items"]) for look in found["outfits"])
    assert len(first & second) <= 2  # kept apart: the bottom is in both, of two others at most one


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say what you have"),
        (["--want", "shoos"], "did you mean 'shoes'"),
        (["--want", "any:"], "write KIND"),
        (["--want", ""], "write KIND"),
        (["--want", "shoes", "--size", "3"], "--size is for outfits without --want"),
        (["--want", "shoes", "--png", "look.jpg"], "end its name in .png"),
        (["--want", "shoes", "--deadline", "0"], "--deadline must be a positive"),
        (["--want", "shoes", "--rules", "none.toml"], "no rules at none.toml"),
        (["--want", "shoes", "--calibration", "none.json"], "no calibration at none.json"),
        (["--want", "shoes", "--scorer", "popularity"], "--data"),
        (["--want", "shoes", "--scorer", "nobody"], "or name a statistic"),
        (["--want", "shoes", "--filter", "colour"], "colour"),
        (["--want", "shoes: x", *(f"--want=any: {n}" for n in range(8))], "at most 8"),
    ],
)  # fmt: skip
def test_bad_requests_are_one_line(modiste, wardrobe, arguments, words) -> None:  # type: ignore[no-untyped-def]
    done = modiste("complete", wardrobe, *arguments)
    assert (done.code, done.out) == (1, "")
    assert words in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_an_empty_slot_and_rules_in_conflict_are_named(modiste, wardrobe, items, tmp_path) -> None:  # type: ignore[no-untyped-def]
    top = of(items, "top")
    done = modiste("complete", wardrobe, "--have", top, "--want", "shoes", "--filter", "price<0")
    assert done.code == 1
    assert "nothing in the catalogue can fill slot 1 (shoes)" in done.err
    rules = tmp_path / "house.toml"
    rules.write_text(f'budget = 0.5\nforbidden = ["{of(items, "bag")}"]\n', encoding="utf-8")
    done = modiste("complete", wardrobe, "--have", top, "--want", "shoes", "--rules", rules)
    assert done.code == 1
    assert "the whole outfit costs at most 0.5" in done.err
    assert "forbidden" not in done.err  # not to blame
    rules.write_text("budgett = 1\n", encoding="utf-8")
    assert (
        "did you mean 'budget'" in modiste("complete", wardrobe, "--have", top, "--want", "bag", "--rules", rules).err
    )
    repeated = modiste("complete", wardrobe, "--have", top, "--have", top, "--want", "shoes")
    assert repeated.code == 1
    assert "appears 2 times" in repeated.err


# -- generate ---------------------------------------------------------------------------------------------------------


def test_generate_one_item_ranks_as_search_does(modiste, wardrobe) -> None:  # type: ignore[no-untyped-def]
    for text in ("red summer dress", "navy"):
        found = modiste("generate", wardrobe, text, "--size", 1, "-n", 25, "--json").json
        hits = modiste("search", wardrobe, text, "-k", 25, "--no-rerank", "--json").json["hits"]
        assert [look["items"] for look in found["outfits"]] == [[hit["id"]] for hit in hits]
        matches = [look["chosen"][0]["match"] for look in found["outfits"]]
        assert matches == pytest.approx([(1 + hit["score"]) / 2 for hit in hits], abs=1e-5)


def test_generate_twice_gives_the_same_bytes(modiste, wardrobe, tmp_path) -> None:  # type: ignore[no-untyped-def]
    outs, files = [], []
    for number in (1, 2):
        html, png = tmp_path / f"{number}.html", tmp_path / f"{number}.png"
        arguments = ["generate", wardrobe, "office, navy", "--size", 3, "-n", 3, "--deadline", "inf"]
        done = modiste(*arguments, "--html", html, "--png", png, "--json")
        assert done.code == 0
        outs += [done.out, modiste(*arguments).out]
        files.append((html.read_bytes(), png.read_bytes()))
    assert outs[0] == outs[2]
    assert outs[1] == outs[3]
    assert files[0] == files[1]
    looks = json.loads(outs[0])["outfits"]
    assert len(looks) == 3
    assert all(len(look["items"]) == 3 and ("gap" in look) != ("exact" in look) for look in looks)
    assert [look["score"] for look in looks] == sorted((look["score"] for look in looks), reverse=True)


def test_a_scorer_that_cannot_be_bounded_says_so(modiste, wardrobe, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """A gap is printed as one, and never as exact."""
    from modiste.models import outfit_scorers
    from modiste.models.outfit_statistics import Constant

    class Whole(Constant):
        def pool(self, items, vectors=None):  # type: ignore[no-untyped-def]
            inner = Stylist().pool(items)
            return type("Pool", (), {"score": staticmethod(inner.score)})()  # no pairs to bound

    monkeypatch.setattr(
        outfit_scorers,
        "named_scorer",
        lambda *_, **__: outfit_scorers.NamedScorer(Whole(), "whole", "trained", "0" * 64),
    )
    done = modiste("generate", wardrobe, "office", "--size", 4, "-n", 2, "--deadline", "inf", "--json")
    for look in done.json["outfits"]:
        assert "exact" not in look
        assert look["gap"] > 0
        assert look["claim"].startswith(f"within {look['gap']:.3f} of the best possible")
    assert done.json["method"] == "beam"
    assert "of the best possible" in modiste(
        "generate", wardrobe, "office", "--size", 4, "--deadline", "inf"
    ).out.replace("\n", " ")


def test_nothing_to_generate_from(modiste, wardrobe) -> None:  # type: ignore[no-untyped-def]
    assert "nothing to go by" in modiste("generate", wardrobe).err
    assert "at most 8" in modiste("generate", wardrobe, "x", "--size", 9).err
    assert "no catalogue at" in modiste("generate", wardrobe / "nowhere", "x").err


# -- pictures ---------------------------------------------------------------------------------------------------------


def test_the_page_is_escaped_and_needs_nothing_from_elsewhere(modiste, wardrobe, items, tmp_path) -> None:  # type: ignore[no-untyped-def]
    page, png = tmp_path / "page.html", tmp_path / "page.png"
    hostile = next(item for item in items if item.title == HOSTILE)
    outfit = [of(items, "top"), of(items, "bottom"), of(items, "bag"), hostile.id]
    done = modiste("explain", wardrobe, *outfit, "--text", HOSTILE, "--html", page, "--png", png)
    assert done.code == 0
    assert "[bold]" in done.out  # a title is no markup
    text = page.read_text(encoding="utf-8")
    for forbidden in ("<script", 'onerror="', "<img src=x", "http://", "https://", "url("):
        assert forbidden not in text, forbidden
    assert "{{ 7 * 7 }}" in text
    assert "default-src 'none'" in text
    assert text.count("data:image/webp;base64,") == 4
    assert "prefers-color-scheme: dark" in text
    for _, style in re.findall(r'<(div class="piece") style="([^"]+)"', text):
        left, top, width, height = (float(number) for number in re.findall(r"([\d.]+)%", style))
        assert left + width <= 100
        assert top + height <= 100
    with Image.open(png) as picture:
        assert picture.size[0] >= 640
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 100


# -- swap, explain, similar looks -------------------------------------------------------------------------------------


def test_swap_keeps_the_rest(modiste, wardrobe, items, separates) -> None:  # type: ignore[no-untyped-def]
    top, bottom, shoes = separates
    for which in ("shoes", shoes):
        found = modiste("swap", wardrobe, *separates, "--which", which, "-n", 3, "--json").json
        assert len(found["outfits"]) == 3
        for look in found["outfits"]:
            assert look["items"][:2] == [top, bottom]
            (chosen,) = look["chosen"]
            assert chosen["id"] != shoes
            assert chosen["slot"] == "shoes"
    best = max(
        float(Stylist().score([[i for i in items if i.id in (top, bottom, other.id)]])[0])
        for other in items
        if slot(other.category) == "shoes" and other.id != shoes
    )
    assert found["outfits"][0]["score"] == pytest.approx(best, abs=1e-6)
    assert "names 0 items" in modiste("swap", wardrobe, *separates, "--which", "hat").err


def test_an_explanation_adds_up(modiste, wardrobe, separates) -> None:  # type: ignore[no-untyped-def]
    found = modiste("explain", wardrobe, *separates, "--text", "navy", "--json").json
    assert found["score"] == pytest.approx(found["base"] + sum(one["total"] for one in found["items"]), abs=1e-6)
    pairs = sum(one["compatibility"] for one in found["pairs"]) + sum(one["match"] for one in found["items"])
    assert found["score"] == pytest.approx(found["base"] + pairs, abs=1e-6)
    assert {frozenset(one["ids"]) for one in found["pairs"]} == {frozenset(two) for two in combinations(separates, 2)}
    assert any(one["reasons"] for one in found["pairs"])
    assert found["best_swap"]["after"] > found["best_swap"]["before"]
    done = modiste("explain", wardrobe, *separates)
    better = found["best_swap"]["after"] - found["best_swap"]["before"] >= 0.005
    assert ("Best exchange: replace the" if better else "No exchange of a single item would help") in done.out
    assert "xchange" not in modiste("explain", wardrobe, *separates, "--no-swaps").out


def test_similar_looks(modiste, wardrobe, items, separates, tmp_path) -> None:  # type: ignore[no-untyped-def]
    looks = tmp_path / "outfits.jsonl"
    rows = [list(separates), [of(items, "top", 1), of(items, "bottom", 1)], ["nobody", separates[0]]]
    lines = [{"outfit_id": f"l{n}", "items": [{"item_id": one} for one in row]} for n, row in enumerate(rows)]
    looks.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{broken\n", encoding="utf-8")
    found = modiste(
        "similar-looks", wardrobe, *separates, "--among", looks, "--json", "--html", tmp_path / "s.html"
    ).json
    assert [one["id"] for one in found["looks"]] == ["l0", "l1"]
    assert found["looks"][0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert found["left_out"] == 2
    assert "2 looks were left out" in modiste("similar-looks", wardrobe, *separates, "--among", looks).out
    looks.write_text(json.dumps(lines[2]) + "\n", encoding="utf-8")
    assert "none of its 1 looks" in modiste("similar-looks", wardrobe, *separates, "--among", looks).err


# -- calibrate --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def look_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Looks of a generated world as a retailer's folder."""
    from modiste.data.atelier.looks import atelier_outfits

    world = atelier_outfits(900, 5, num_looks=360)
    folder = tmp_path_factory.mktemp("looks")
    with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        names = sorted({name for item in world.undrawn() for name in item.attributes})
        writer.writerow(["id", "title", "category", *names])
        for item in world.undrawn():
            writer.writerow([item.id, item.title, item.category, *(item.attributes.get(name, "") for name in names)])
    with (folder / "outfits.jsonl").open("w", encoding="utf-8") as lines:
        for split, looks in world.looks.items():
            # the small splits get more looks, so that there is something to fit on
            for number, look in enumerate(looks):
                part = ("valid", "test", "train")[number % 3] if split == "train" else split
                row = {"outfit_id": look.id, "items": [{"item_id": one} for one in look.item_ids], "split": part}
                lines.write(json.dumps(row) + "\n")
    return folder


def test_calibrate_and_then_scores_are_probabilities(modiste, wardrobe, look_folder, separates, tmp_path) -> None:  # type: ignore[no-untyped-def]
    folder, page = tmp_path / "shop", tmp_path / "curve.html"
    shutil.copytree(wardrobe, folder)
    arguments = ["calibrate", folder, "--data", look_folder, "--negatives", "random"]
    found = modiste(*arguments, "--html", page, "--json").json
    written = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
    assert found["out"] == str(folder / "calibration.json")
    assert written["scorer"] == "rules"
    assert written["compatibility"] == found["compatibility"]["curve"]
    assert list(written["reference"]) == sorted(written["reference"])
    for part in ("compatibility", "match", "nearness"):
        one = found[part]
        assert sum(each["count"] for each in one["after"]["bins"]) == one["checked"]
        ece = (
            sum(each["count"] * abs(each["predicted"] - each["observed"]) for each in one["after"]["bins"])
            / one["checked"]
        )
        assert one["ece_after"] == pytest.approx(ece, abs=1e-9)
        assert 0 <= one["ece_after_low"] <= one["ece_after"] <= one["ece_after_high"] + 0.05
    assert page.read_text(encoding="utf-8").count("<svg") == 3
    again = modiste(*arguments, "--out", tmp_path / "again.json", "--no-words")
    assert "expected calibration error" in again.out
    plain = modiste(*arguments, "--out", tmp_path / "plain.json", "--no-words", "--method", "logistic", "--json").json
    assert plain["compatibility"]["curve"]["method"] == "logistic"
    assert json.loads((tmp_path / "again.json").read_text())["match"] is None

    judged = modiste("score", folder, *separates, "--json").json
    raw = modiste("score", folder, *separates, "--calibration", "none", "--json").json
    curve = written["compatibility"]
    assert curve["method"] == "log-odds"
    odds = math.log(raw["compatibility"] / (1 - raw["compatibility"]))
    expected = 1 / (1 + math.exp(-(curve["slope"] * odds + curve["intercept"])))
    assert judged["compatibility"] == pytest.approx(expected, abs=1e-6)
    assert (judged["calibrated"], judged["notes"], raw["calibrated"], raw["notes"]) == (True, [], False, [])
    below = sum(one < raw["compatibility"] for one in written["reference"])
    assert judged["percentile"] == pytest.approx(100 * below / len(written["reference"]), abs=1)
    assert "of stylists' looks" in modiste("score", folder, *separates).out
    other = modiste("score", folder, *separates, "--scorer", "constant")
    assert "is of rules, not of constant" in other.out.replace("\n", "")
    named = modiste("score", folder, *separates, "--scorer", "constant", "--calibration", folder / "calibration.json")
    assert named.code == 1
    assert "is the calibration of rules, not of constant" in named.err


def test_a_shop_without_looks_calibrates_words(modiste, wardrobe, separates, tmp_path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "shop"
    shutil.copytree(wardrobe, folder)
    found = modiste("calibrate", folder, "--json").json
    assert (found["scorer"], found["data"], "compatibility" in found) == (None, "", False)
    assert found["match"]["ece_before_low"] <= found["match"]["ece_before"]
    written = json.loads((folder / "calibration.json").read_text(encoding="utf-8"))
    assert (written["compatibility"], written["scorer"], written["reference"]) == (None, "", [])
    judged = modiste("score", folder, *separates, "--text", "blue", "--json").json
    raw = modiste("score", folder, *separates, "--text", "blue", "--calibration", "none", "--json").json
    assert (judged["calibrated"], judged["percentile"]) == (False, None)
    assert judged["compatibility"] == raw["compatibility"]
    assert judged["match"] != raw["match"]
    assert "words, for any scorer" in modiste("calibrate", folder, "--html", tmp_path / "c.html").out
    assert "give looks with --data" in modiste("calibrate", folder, "--no-words").err


def test_a_scorer_that_tells_nothing_cannot_be_calibrated(modiste, wardrobe, look_folder, tmp_path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "c.json"
    common = ["calibrate", wardrobe, "--data", look_folder, "--out", out, "--no-words"]
    done = modiste(*common, "--scorer", "constant", "--negatives", "random")
    assert done.code == 1
    assert "nothing to calibrate" in done.err
    assert not out.exists()
    assert "--method must be one of" in modiste(*common, "--method", "platt").err
    assert "--negatives must be one of" in modiste(*common, "--negatives", "hard").err
    assert "no looks in split 'dev'" in modiste(*common, "--split", "dev").err
    assert "no such folder" in modiste("calibrate", wardrobe, "--data", "nowhere").err


def test_statistics_are_counted_or_read_from_their_file(modiste, wardrobe, look_folder, separates, tmp_path) -> None:  # type: ignore[no-untyped-def]
    from modiste.data.outfit_sources import load_outfits
    from modiste.models.outfit_statistics import fit_statistic, save_statistic

    counted = modiste("score", wardrobe, *separates, "--scorer", "colour-family", "--data", look_folder, "--json").json
    file = save_statistic(fit_statistic("colour-family", load_outfits(look_folder)), tmp_path / "counts.json")
    read = modiste("score", wardrobe, *separates, "--scorer", file, "--json").json
    assert read["score"] == counted["score"]
    assert read["scorer"]["sha256"] == counted["scorer"]["sha256"] != ""
    assert counted["scorer"]["kind"] == "statistic"


def test_a_trained_model_reads_the_catalogues_vectors(modiste, wardrobe, items, separates, dual, tmp_path) -> None:  # type: ignore[no-untyped-def]
    import torch

    from modiste.models.outfit_pretrained import load_outfit_scorer, save_outfit_model
    from modiste.models.pairwise import PairwiseConfig
    from modiste.models.type_aware import TypeAware

    encoder = load(dual)
    torch.manual_seed(3)
    half = encoder.id.dim // 2
    model = TypeAware(PairwiseConfig(image_dim=half, text_dim=half, embed_dim=8, tags={"category": ("shirt", "jeans")}))
    folder = save_outfit_model(tmp_path / "outfits", model, name="toy.outfits", encoder=encoder.id)
    found = modiste("score", wardrobe, *separates, "--scorer", folder, "--json")
    assert found.code == 0, found.err
    store = Catalogue.open(wardrobe)
    scorer = load_outfit_scorer(folder, encoder=encoder)
    rows = [store.snapshot().row(one) for one in separates]
    pool = scorer.pool([store.get(one) for one in separates], store.snapshot().vectors[rows])
    assert found.json["score"] == pytest.approx(float(pool.score(np.array([[0, 1, 2]]))[0]), abs=1e-6)
    assert found.json["scorer"] == {"name": "toy.outfits", "kind": "trained", "sha256": scorer.sha256}
    other = dataclasses.replace(encoder.id, sha256="0" * 64)
    folder = save_outfit_model(tmp_path / "others", model, name="toy.outfits", encoder=other)
    done = modiste("score", wardrobe, *separates, "--scorer", folder)
    assert done.code == 1
    assert "index the catalogue with that encoder" in done.err


# -- in Python --------------------------------------------------------------------------------------------------------


def test_three_lines_of_python(photo: Path, items: list[Item]) -> None:
    import modiste

    own = modiste.own_item(f"shirt={photo}")
    bottom = next(item for item in items if slot(item.category) == "bottom")
    verdict = modiste.score([f"shirt={photo}", bottom])
    assert verdict.score == pytest.approx(float(Stylist().score([[own, bottom]])[0]), abs=1e-6)
    assert modiste.score([own, own]).score == 0
    dress = Item("d", category="dress")
    assert any("excludes" in problem for problem in modiste.score([dress, bottom]).problems)
    for bad in ([], [f"shirt={photo}.gone"]):
        with pytest.raises(ValueError, match=r"nothing to score|no such file"):
            modiste.score(bad)
    with pytest.raises(ValueError, match="a list of photos"):
        modiste.score(str(photo))


def test_an_engine_in_python_takes_own_photos(wardrobe: Path, photo: Path, dual: Path) -> None:
    import modiste

    engine = modiste.OutfitEngine(modiste.Catalogue.open(wardrobe), modiste.Stylist(), modiste.load(dual))
    mine = modiste.own_item(photo, "shirt")
    answer = engine.complete(engine.query([mine], [modiste.Slot(frozenset({"shoes"}), "white sneakers")]), n=2)
    assert [look.items[0] for look in answer.looks] == [mine, mine]
    assert all(slot(look.items[1].category) == "shoes" for look in answer.looks)
