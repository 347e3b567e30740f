"""Are wishes in words fulfilled, and does alpha trade compatibility for match? In a drawn shop, where attributes are known.

Wishes: two items of a held-out look are taken away; the rest is given, and for each of the two a wish is made of what the
shop knows of some item of that slot ("suede ankle boots", "red dress with polka dots"), whatever the look was. Fitting wishes:
made of the two items themselves, so that what is asked for goes with the rest. Counted: does the item that comes back have each
attribute that the wish names? Only wishes that an item of the shop fulfils are asked.

Sentences: `generate` from the description of a held-out look ("casual summer weekend look in beige and navy").

For every alpha: the shares above; S of the winners, calibrated; and the text percentile of the items chosen: what share of
their slot's candidates is less like the wish. 50 is text ignored.

    python bench/wishes.py --shops runs/shops --json docs/results/wishes_rules.json --plot docs/images/alpha_rules.svg
    python bench/wishes.py --shops runs/shops --scorer runs/outfits --requests 100 --words ...

Attributes are read to ask and to count; unless `--wishes heard`, the shop's columns also say what contradicts a wish. The
scorer `rules` reads them too: its S they are.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np

from drawn_shop import drawn_shop
from modiste.data.atelier import describe_constraints, matches
from modiste.data.atelier.descriptions import colours_of, formality_of, gender_of, season_of
from modiste.data.atelier.looks import AtelierOutfits, atelier_outfits
from modiste.data.style import traits
from modiste.engine.answers import FoundLook
from modiste.engine.calibration import Calibration, Calibrator, percentile, reference_quantiles
from modiste.engine.conflicts import NoFeasibleOutfit
from modiste.engine.objective import WISHES, Objective
from modiste.engine.outfits import OutfitEngine
from modiste.engine.solve import Effort
from modiste.evaluation.calibration_data import judged_looks, judged_wishes
from modiste.evaluation.metrics import mean_with_interval
from modiste.models.inference import ImageTextEncoder
from modiste.models.outfit_pretrained import load_outfit_scorer
from modiste.models.pretrained import load
from modiste.models.stylist import Stylist
from modiste.taxonomy import slot as slot_of
from modiste.types import Item, OutfitScorer, Slot
from report import machine
from trade_plot import trade_plot

NAMED = (
    ("category", "colour"),
    ("category", "pattern"),
    ("category", "material"),
    ("category", "colour", "pattern"),
    ("category", "colour", "material"),
)
KINDS = ("wishes", "fitting", "sentences")
IN_FULL = (0.0, 0.3, 0.5)  # alphas at which every request is asked
PLAIN = "solid"  # nobody asks for no pattern


@dataclass(frozen=True, slots=True)
class Wish:
    slot: str
    attributes: dict[str, str]
    fulfilling: int  # items of the shop that are what it says

    @property
    def text(self) -> str:
        return describe_constraints(self.attributes)


@dataclass(frozen=True, slots=True)
class Request:
    have: tuple[str, ...]
    wishes: tuple[Wish, ...] = ()
    sentence: str = ""
    look: str = ""


class Shop:
    """What the questions are made of: items by slot, and the looks of people who know how to dress."""

    def __init__(self, world: AtelierOutfits) -> None:
        self.items = {item.id: item for item in world.undrawn()}
        self.of_slot: dict[str, list[Item]] = defaultdict(list)
        for item in self.items.values():
            self.of_slot[slot_of(item.category)].append(item)
        self.looks = world.looks["test"]

    def wish(self, slot: str, have: Sequence[str], random: np.random.Generator, of: str = "") -> Wish:
        """Of an item, else one drawn from the slot: some attributes that it has, and an item that may be chosen has too."""
        taken = {self.items[one].category for one in have}
        able = [item for item in self.of_slot[slot] if item.category not in taken]
        while True:
            item = self.items[of] if of else able[random.integers(len(able))]
            named = [
                names
                for names in NAMED
                if all(n == "category" or item.attributes.get(n, PLAIN) != PLAIN for n in names)
            ]
            names = named[random.integers(len(named))]
            asked = {n: item.category if n == "category" else str(item.attributes[n]) for n in names}
            if count := sum(matches(one, asked) for one in able):
                return Wish(slot, asked, count)

    def requests(self, number: int, seed: int, *, fitting: bool) -> list[Request]:
        random, found = np.random.default_rng(seed), []
        for at in random.permutation(len(self.looks)):
            look = self.looks[at]
            slots = [slot_of(self.items[one].category) for one in look.item_ids]
            single = [place for place, slot in enumerate(slots) if slots.count(slot) == 1]
            if len(look.item_ids) < 3 or len(single) < 2:
                continue
            open_places = sorted(random.choice(single, 2, replace=False).tolist())
            have = tuple(one for place, one in enumerate(look.item_ids) if place not in open_places)
            wishes = tuple(
                self.wish(slots[place], have, random, look.item_ids[place] if fitting else "") for place in open_places
            )
            found.append(Request(have, wishes, look=look.id))
            if len(found) == number:
                break
        return found

    def sentences(self, number: int, seed: int) -> list[Request]:
        random = np.random.default_rng(seed)
        chosen = random.permutation(len(self.looks))[:number]
        return [Request((), sentence=self.looks[at].text, look=self.looks[at].id) for at in chosen]


def told(sentence: str, look: Sequence[Item], chosen: Sequence[Item]) -> dict[str, list[float]]:
    """For each kind of word that the sentence has: is it true of each item that was chosen? `look` is what it was made of."""
    known, found = [traits(item) for item in look], {}
    colours = [colour for colour in colours_of(known) if colour in sentence]
    if " in " in sentence and colours:
        found["colour"] = [float(item.attributes["colour"] in colours) for item in chosen]
    if (season := season_of(known)) and season in sentence:
        found["season"] = [float(item.attributes["season"] in (season, "all year")) for item in chosen]
    if (formality := formality_of(known)) and sentence.startswith(formality):
        found["formality"] = [float(item.attributes["formality"] in formality) for item in chosen]
    if (gender := gender_of(known)) and f"for {gender}" in sentence:
        found["gender"] = [float(item.attributes["gender"] in (gender, "unisex")) for item in chosen]
    return found


def calibrate(
    world: AtelierOutfits, shop: Any, encoder: ImageTextEncoder, scorer: OutfitScorer, *, trained: bool
) -> Any:
    """As `modiste calibrate SHOP --data atelier:N:SEED --method logistic`: looks of `valid`, and the shop's own attributes."""
    looks = judged_looks(world, "valid", scorer, vectors=_shop_vectors(shop) if trained else None)
    snapshot = shop.snapshot()
    items = [snapshot.item(row) for row in range(len(snapshot))]
    wishes = judged_wishes(items, snapshot.vectors, lambda wish: encoder.encode_query(wish).vectors[0])
    return Calibration(
        Calibrator.fit(looks.scores, looks.labels),
        Calibrator.fit(wishes.scores, wishes.labels),
        reference_quantiles(looks.scores[looks.labels == 1]),
        encoder=str(encoder.id),
        nearness=Calibrator.fit(wishes.below_best, wishes.labels),
    )


def _shop_vectors(shop: Any) -> Any:
    snapshot = shop.snapshot()
    return lambda items: snapshot.vectors[snapshot.rows([item.id for item in items])]


class Texts:
    """Cosines of wishes with all items, and how far up in its slot an item is."""

    def __init__(self, shop: Any, encoder: ImageTextEncoder) -> None:
        self.snapshot, self.encoder = shop.snapshot(), encoder
        self.slots = np.array([slot_of(self.snapshot.item(row).category) for row in range(len(self.snapshot))])
        self._known: dict[str, np.ndarray] = {}

    def percentile(self, text: str, item: Item) -> float:
        if text not in self._known:
            self._known[text] = self.snapshot.vectors @ self.encoder.encode_query(text).vectors[0]
        cosines = self._known[text]
        own = cosines[self.slots == slot_of(item.category)]
        return percentile(float(cosines[self.snapshot.row(item.id)]), np.sort(own))


def feasible(engine: OutfitEngine, requests: Sequence[Request]) -> list[Request]:
    """Those that the house's rules leave an answer: stylists also put two bottoms on top of each other."""
    found = []
    for request in requests:
        try:
            answered(engine, request, 1.0)
        except NoFeasibleOutfit:
            continue
        found.append(request)
    return found


def answered(engine: OutfitEngine, request: Request, alpha: float) -> FoundLook:
    if request.sentence:
        return engine.generate(request.sentence, size=4, alpha=alpha).looks[0]
    slots = [Slot(frozenset({wish.slot}), wish.text) for wish in request.wishes]
    return engine.complete(engine.query(request.have, slots, alpha=alpha)).looks[0]


def judged(request: Request, look: FoundLook, shop: Shop, texts: Texts) -> tuple[dict[str, list[float]], list[float]]:
    """What came true, by kind of attribute (and `all` of a wish), and the text percentiles of the chosen items."""
    chosen = [shop.items[one.item.id] for one in look.chosen]
    if request.sentence:
        made_of = [shop.items[one] for held in shop.looks if held.id == request.look for one in held.item_ids]
        return told(request.sentence, made_of, chosen), [texts.percentile(request.sentence, item) for item in chosen]
    came_true: dict[str, list[float]] = defaultdict(list)
    for wish, item in zip(request.wishes, chosen, strict=True):
        for name, value in wish.attributes.items():
            came_true[name].append(float(matches(item, {name: value})))
            came_true["attributes"].append(came_true[name][-1])
        came_true["all of the wish"].append(float(matches(item, wish.attributes)))
        several = "all, several fulfil it" if wish.fulfilling >= 3 else "all, one or two fulfil it"
        came_true[several].append(came_true["all of the wish"][-1])
    return came_true, [texts.percentile(wish.text, item) for wish, item in zip(request.wishes, chosen, strict=True)]


def sweep(
    engine: OutfitEngine,
    scale: Calibration,
    requests: Sequence[Request],
    swept: int,
    alphas: Sequence[float],
    shop: Shop,
    texts: Texts,
) -> list[dict[str, Any]]:
    """One row for each alpha: shares in per cent with 95 % intervals over requests, S by `scale`, percentiles.

    S and percentiles are of the first `swept` requests, the same for every alpha; shares at the alphas of `IN_FULL` of all.
    """
    rows, by_alpha = [], []
    for alpha in alphas:
        shares: dict[str, list[float]] = defaultdict(list)
        clusters: dict[str, list[int]] = defaultdict(list)
        of_s, of_text = [], []
        asked = requests if alpha in IN_FULL else requests[:swept]
        for number, request in enumerate(asked):
            look = answered(engine, request, alpha)
            came_true, percentiles = judged(request, look, shop, texts)
            for name, values in came_true.items():
                shares[name] += values
                clusters[name] += [number] * len(values)
            s = look.compatibility
            if engine.calibration == "none":
                assert scale.compatibility is not None
                s = float(scale.compatibility(s))
            of_s.append(s)
            of_text.append(float(np.mean(percentiles)))
        of_s, of_text = of_s[:swept], of_text[:swept]
        row: dict[str, Any] = {"alpha": alpha, "requests": len(asked), "swept": len(of_s)}
        for name, values in sorted(shares.items()):
            found = mean_with_interval(np.array(values), clusters=clusters[name]).scaled(100)
            row |= {key: round(value, 1) for key, value in found.spelled(name).items()} | {f"{name}_count": len(values)}
        row |= {key: round(value, 3) for key, value in mean_with_interval(np.array(of_s)).spelled("S").items()}
        row |= {key: round(value, 1) for key, value in mean_with_interval(np.array(of_text)).spelled("text").items()}
        rows.append(row)
        by_alpha.append((of_s, of_text))
        print(json.dumps(row), flush=True)
    both = np.array(by_alpha)  # (A, 2, R)
    for before, after, row in zip(both, both[1:], rows[1:], strict=False):
        # Paired by request: how S and the percentile change from the alpha before.
        for name, at, digits in (("S_step", 0, 4), ("text_step", 1, 2)):
            found = mean_with_interval(after[at] - before[at])
            row |= {key: round(value, digits) for key, value in found.spelled(name).items()}
    return rows


def slopes(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Steps that go the wrong way: none at all, or none that is more than noise (its interval leaves 0 out)."""
    wrong_s = [row for row in rows if row.get("S_step", 0) < 0]
    wrong_text = [row for row in rows if row.get("text_step", 0) > 0]
    return {
        "steps": len(rows) - 1,
        "S falls": len(wrong_s),
        "S falls, more than noise": sum(row["S_step_high"] < 0 for row in wrong_s),
        "text rises": len(wrong_text),
        "text rises, more than noise": sum(row["text_step_low"] > 0 for row in wrong_text),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shops", type=Path, required=True, help="folder where drawn catalogues are kept")
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument(
        "--seed", type=int, default=3, help="of the generated world; 1 was trained on, 2 is for choosing"
    )
    parser.add_argument("--words", action="store_true", help="a shop without photos")
    parser.add_argument("--scorer", default="rules", help="rules, or a trained outfit model")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of requests")
    parser.add_argument("--requests", type=int, default=250, help="each of two wishes")
    parser.add_argument("--sentences", type=int, default=80)
    parser.add_argument("--swept", type=int, default=80, help="requests of each kind that are asked at every alpha")
    parser.add_argument(
        "--raw", type=int, default=40, help="of each kind of request, so many are also asked uncalibrated"
    )
    parser.add_argument("--alphas", type=float, nargs="+", default=[0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1])
    parser.add_argument(
        "--wishes", choices=WISHES, default="read", help="heard: as the encoder hears them, columns unread"
    )
    parser.add_argument("--words-on-image", type=float, help="another fusion weight than the encoder's")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    encoder = load()
    if options.words_on_image is not None:
        encoder.fusion = replace(encoder.fusion, words_on_image=options.words_on_image)
    shop = drawn_shop(options.shops, encoder, options.items, options.seed, photos=not options.words)
    world = atelier_outfits(options.items, options.seed)
    trained = options.scorer != "rules"
    scorer: OutfitScorer = load_outfit_scorer(options.scorer, encoder=encoder) if trained else Stylist()
    scale = calibrate(world, shop, encoder, scorer, trained=trained)
    asked, texts = Shop(world), Texts(shop, encoder)
    result: dict[str, Any] = {
        **machine(),
        "scorer": "rules" if not trained else scorer.name,  # type: ignore[attr-defined]
        "encoder": encoder.id.name,
        "words_on_image": encoder.fusion.words_on_image,
        "items": options.items,
        "seed": options.seed,
        "photos": not options.words,
        "wishes": options.wishes,
    }
    if options.json and options.json.exists():  # what is not asked now stays as it was
        before = json.loads(options.json.read_text(encoding="utf-8"))
        result |= {key: part for key, part in before.items() if isinstance(part, dict)}
    for kind in options.kinds:
        if kind == "sentences":
            requests = asked.sentences(options.sentences, options.seed)
        else:
            requests = asked.requests(options.requests, options.seed, fitting=kind == "fitting")
        for text, some in (("calibrated", requests), ("raw", requests[: options.raw])):
            if not some:
                continue
            print(f"{kind}, {text}", flush=True)
            # No clock: an answer must not depend on how busy the machine is. Plans are searched on their shortlists where all
            # pairs would take seconds.
            effort = Effort(deadline=float("inf"), pair_terms=200_000 if kind == "sentences" else 2_000_000)
            engine = OutfitEngine(
                shop, scorer, encoder, calibration=scale if text == "calibrated" else "none", effort=effort,
                objective=Objective(wishes=options.wishes),
            )  # fmt: skip
            kept = feasible(engine, some)
            rows = sweep(engine, scale, kept, options.swept, options.alphas, asked, texts)
            result[f"{kind}_{text}"] = {"rows": rows, **slopes(rows), "against the rules": len(some) - len(kept)}
            if options.json:  # after each part: a sweep takes its time
                options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if options.plot:
        options.plot.write_text(trade_plot(result), encoding="utf-8")


if __name__ == "__main__":
    main()
