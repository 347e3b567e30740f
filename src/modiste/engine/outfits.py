"""The front door to outfits: score, complete, generate, swap, explain, similar looks, over one catalogue and one scorer.

    engine = OutfitEngine(catalogue, scorer, encoder, calibration=Calibration.load("calibration.json"))
    engine.score(["sku-1", "sku-2"]).score
    engine.complete(engine.query(["sku-1"], [Slot(frozenset({"shoes"}), "white leather sneakers")]), n=3)
    engine.generate("wedding guest in summer, pastel", size=4, n=5)

Items are named by id, or given as `Item` (one's own photos), which the encoder then embeds. A catalogue of 100,000 items is
taken as its snapshot holds it: nothing is encoded again, no picture is in memory.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, Protocol

import numpy as np

from modiste.engine.answers import Answer, SimilarLook, Verdict
from modiste.engine.calibration import Calibration
from modiste.engine.catalogue import Catalogue
from modiste.engine.claims import found_look, missing_wishes
from modiste.engine.conflicts import NoFeasibleOutfit
from modiste.engine.constraints import Rows, is_kind
from modiste.engine.explain import BestSwap, Explanation, explain
from modiste.engine.filters import filter_mask
from modiste.engine.infeasible import infeasible, last_resort
from modiste.engine.look_index import LookIndex
from modiste.engine.named import CONTRADICTED, contradictions
from modiste.engine.objective import NEUTRAL, Objective, Values
from modiste.engine.plans import Known, Wanted, make_plan, narrowed, wanted, with_similarity
from modiste.engine.problem import Problem
from modiste.engine.readable import readable
from modiste.engine.rules import Rule, Rules
from modiste.engine.shapes import open_shapes
from modiste.engine.snapshot import Snapshot
from modiste.engine.solve import Apart, Effort, solve
from modiste.engine.strangers import moved, retrieve_for, small_world
from modiste.engine.vocabulary import knowledge_of
from modiste.engine.world import World
from modiste.taxonomy import UNKNOWN
from modiste.taxonomy import slot as slot_of
from modiste.types import FloatArray, Item, ItemEncoder, OutfitQuery, OutfitRules, OutfitScorer, Slot

_STRANGERS = 5  # times the shortlist: how much of the catalogue joins items that are not in it
_TEXT_SWAP_CANDIDATES = 48  # per slot; each is encoded anew, with its picture


class Taste(Protocol):
    """What `OutfitEngine.with_taste` takes: see liking.py."""

    def values(self, snapshot: Snapshot) -> Values:
        """(N,) how much a person likes each item of a version of the catalogue, in [0, 1]."""


class OutfitEngine:
    """Judges, completes and makes outfits of a catalogue, and follows its versions. Safe to share between threads.

    `objective` says how S and text become one value, its `calibration` aside, which is the one given here ("none" keeps S and
    cosines as they are). `encoder` may be left out where no wish is made and all items are the catalogue's.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        scorer: OutfitScorer,
        encoder: ItemEncoder | None = None,
        *,
        calibration: Calibration | Literal["none"] = "none",
        rules: Rules | None = None,
        objective: Objective | None = None,
        effort: Effort | None = None,
        max_similarity: float = 0.9,
    ) -> None:
        """Raises `EncoderMismatch` for an encoder other than the catalogue's, `ValueError` for a calibration of another one."""
        if encoder is not None:
            catalogue.require(encoder.id)
        name = catalogue.encoder_id.name
        if isinstance(calibration, Calibration) and calibration.encoder not in ("", name, str(catalogue.encoder_id)):
            raise ValueError(
                f"the calibration is of {calibration.encoder}, but the catalogue was indexed with {name}; "
                "fit one for it, or ask for calibration='none'"
            )
        self.catalogue, self.scorer, self.encoder = catalogue, scorer, encoder
        self.calibration = calibration
        self.rules = rules or Rules()
        self.objective = replace(objective or Objective(), calibration=calibration)
        self.effort = effort or Effort()
        self.max_similarity = max_similarity
        self.taste: Taste | None = None
        if self.objective.beta > 0:
            raise ValueError("beta weighs a person's taste: say whose, by with_taste(taste, beta)")
        self._world: World | None = None
        self._version: int | None = None
        self._lock = threading.Lock()

    def with_rules(self, rules: Rules) -> OutfitEngine:
        """The same engine under other rules; what was made of the catalogue is shared."""
        self._latest()
        other = copy.copy(self)
        other.rules = rules
        return other

    def with_taste(self, taste: Taste | None, beta: float) -> OutfitEngine:
        """The same engine for one person, whose taste weighs `beta` in the value of what it chooses; None: for anybody.

        Raises `ValueError` for a beta outside of [0, 1].
        """
        self._latest()
        other = copy.copy(self)
        other.objective = replace(self.objective, beta=0.0 if taste is None else beta)
        other.taste = taste if other.objective.beta > 0 else None
        return other

    # -- items --------------------------------------------------------------------------------------------------------

    def query(
        self,
        have: Sequence[str | Item] = (),
        slots: Sequence[Slot] = (),
        text: str = "",
        alpha: float | None = None,
    ) -> OutfitQuery:
        """A query for `complete` from ids. Raises `UnknownItem` with near ids, `ValueError` for what cannot be an outfit."""
        items = self._items(have)
        alpha = self.objective.alpha if alpha is None else alpha
        return OutfitQuery(items, tuple(slots), text, alpha, self.rules.outfit)

    def _items(self, given: Sequence[str | Item]) -> tuple[Item, ...]:
        snapshot = self.catalogue.snapshot()
        return tuple(snapshot.item(snapshot.row(one)) if isinstance(one, str) else one for one in given)

    def _latest(self) -> tuple[World, Snapshot]:
        with self._lock:
            snapshot = self.catalogue.snapshot()
            if self._world is None or self._version != snapshot.version:
                self._world = World.of_snapshot(snapshot, self.scorer, self._world)
                self._version = snapshot.version
            return self._world, snapshot

    def prepared(self, snapshot: Snapshot) -> World:
        """What outfits of a version need, made ready while another version is still served; see `adopt`."""
        world = World.of_snapshot(snapshot, self.scorer, self._world)
        _ = world.pool, world.centre
        return world

    def adopt(self, world: World, snapshot: Snapshot, publish: Callable[[], None]) -> None:
        """Use a prepared world from now on; `publish` makes the catalogue serve that version, in the same step."""
        with self._lock:
            publish()
            self._world, self._version = world, snapshot.version

    def _encode(self, items: Sequence[Item]) -> FloatArray:
        if self.encoder is None:
            raise ValueError(f"item {items[0].id!r} is not in the catalogue; an encoder is needed to look at it")
        return self.encoder.encode(items).vectors

    def _wish(self, wish: str) -> FloatArray:
        if self.encoder is None:
            raise ValueError("a wish in words needs the catalogue's encoder")
        return self.encoder.encode_query(readable(self.encoder, wish).words).vectors[0]

    def _place(self, items: Sequence[Item]) -> tuple[World, Rows]:
        """A world that holds these items, the catalogue's if they are all its own, and their rows."""
        world, snapshot = self._latest()
        found = [snapshot.find(item.id) for item in items]
        if all(row is not None for row in found):
            return world, np.array(found, dtype=np.int64)
        return small_world(world, items, found, np.zeros(0, dtype=np.int64), self._encode)

    # -- score --------------------------------------------------------------------------------------------------------

    def score(self, outfit: Sequence[str | Item], text: str = "") -> Verdict:
        """Judge an outfit. What breaks a rule scores 0, and the verdict says why and what S is all the same.

        Raises `UnknownItem`, `ValueError` for no items or an item that cannot be encoded.
        """
        items = self._items(outfit)
        if not items:
            raise ValueError("there is nothing to score: give at least one item")
        problems = self.rules.outfit.violations(items)
        distinct = tuple({item.id: item for item in items}.values())
        world, rows = self._place(distinct)
        liked = self._liked(distinct)
        constraints = world.constraints(self._rules_of_verdicts(world))
        if not problems and not constraints.valid(rows[None])[0]:
            problems = [str(rule) for rule in self._broken(world, rows)]
        several = len(rows) > 1
        raw = float(world.pool.score(rows[None])[0]) if several else NEUTRAL
        compatibility = float(self.objective.compatibility(raw)) if several else NEUTRAL
        matches, fulfilments = self._matches(world, rows, text) if text.strip() else (np.zeros(0), np.zeros(0))
        return Verdict(
            items,
            float(self.objective.value(compatibility, fulfilments, not problems, liked)),
            compatibility,
            float(matches.mean()) if len(matches) else None,
            self._percentile(raw if several else None),
            tuple(problems),
        )

    def _liked(self, items: Sequence[Item]) -> Values | None:
        """(n,) how much each is liked, 0.5 for what the catalogue does not have; None without a taste."""
        if self.taste is None:
            return None
        _, snapshot = self._latest()
        values = self.taste.values(snapshot)
        rows = [snapshot.find(item.id) for item in items]
        return np.array([0.5 if row is None else values[row] for row in rows])

    def _matches(self, world: World, rows: Rows, wish: str) -> tuple[Values, Values]:
        """(n,) each: how likely items are what the wish says, and what they count for beside the catalogue's of their slot."""
        if self.objective.mode == "text_swap":
            matches = self.objective.match(self._swapped(world, rows, wish))
            return matches, matches
        query = self._wish(wish)
        cosines = (world.vectors[rows] * query.astype(np.float64)).sum(axis=1)
        everything, _ = self._latest()
        nearest = cosines.copy()
        for at, row in enumerate(rows.tolist()):
            own = everything.rows(everything.kind(_kind(world.items[row])))
            nearest[at] = max(nearest[at], everything.similarities(query, own).max(initial=-1.0))
        return self.objective.match(cosines), self.objective.fulfilment(cosines, nearest)

    def _swapped(self, world: World, rows: Rows, wish: str) -> np.ndarray:
        """(n,) the cosine of each item with itself after its text was replaced by the wish."""
        snapshot = self.catalogue.snapshot()
        swapped = []
        for row in rows.tolist():
            item = world.items[row]
            image = item.image
            if image is None and snapshot.find(item.id) is not None:
                image = self.catalogue.image(item.id)
            swapped.append(Item(item.id, wish, image, item.category))
        if not swapped:
            return np.zeros(0)
        return (self._encode(swapped).astype(np.float64) * world.vectors[rows]).sum(axis=1)

    def _rules_of_sets(self, world: World) -> tuple[Rule, ...]:
        """The rules about whole outfits: what is given is not asked for brand or stock, nor for a price it has not."""
        return tuple(
            rule
            for rule in self.rules.split()
            if rule.kind != "filter" and (rule.kind != "budget" or rule.values[0] in world.columns)
        )

    def _rules_of_verdicts(self, world: World) -> tuple[Rule, ...]:
        """Of these, what an outfit that somebody has put together is held to: who wears what is no business of the shop's."""
        return tuple(rule for rule in self._rules_of_sets(world) if rule.kind != "wearer")

    def _broken(self, world: World, rows: Rows) -> list[Rule]:
        return [rule for rule in self._rules_of_verdicts(world) if not world.constraints((rule,)).valid(rows[None])[0]]

    def _percentile(self, raw: float | None) -> float | None:
        """Of S as the scorer gives it, which is what the reference looks' quantiles are of."""
        if raw is None or not isinstance(self.calibration, Calibration):
            return None
        return self.calibration.percentile(raw)

    # -- complete, generate, swap -------------------------------------------------------------------------------------

    def complete(
        self,
        query: OutfitQuery,
        n: int = 1,
        *,
        filters: Sequence[str] = (),
        exclude: Sequence[str] = (),
        effort: Effort | None = None,
    ) -> Answer:
        """The best n ways to fill the query's slots, kept apart; without slots, to generate an outfit around what is given.

        `filters` and `exclude` are about the items that are chosen. A query whose rules are the default takes the engine's.

        Raises
        ------
        NoFeasibleOutfit
            With the smallest set of rules in conflict, or the slot that nothing can fill.
        FilterError, EncoderMismatch, ValueError
            For a filter that does not fit, and what cannot be embedded.
        """
        rules = self.rules
        if query.rules != OutfitRules() and query.rules != rules.outfit:
            rules = replace(
                rules,
                max_items=query.rules.max_items,
                granularity=query.rules.granularity,
                strict=query.rules.strict,
            )
        if not query.slots:
            return self._generate(query.have, query.text, query.alpha, rules, None, n, filters, exclude, effort)
        slots = [(slot, query.wish(at)) for at, slot in enumerate(query.slots)]
        return self._solve(
            query.have, [("", slots)], replace(self.objective, alpha=query.alpha), rules, n, filters, exclude, effort
        )

    def generate(
        self,
        text: str = "",
        *,
        size: int | None = None,
        n: int = 1,
        have: Sequence[str | Item] = (),
        alpha: float | None = None,
        filters: Sequence[str] = (),
        exclude: Sequence[str] = (),
        effort: Effort | None = None,
    ) -> Answer:
        """The best n outfits for a text, kept apart; their shape is chosen among the rules' templates, their size if not given.

        For a person (`with_taste`) the text may be empty. Size 1 is retrieval: a single item's S is neutral, and the ranking is
        that of `Catalogue.search`. Raises as `complete`.
        """
        if self.taste is not None and not have and not text.strip():  # her taste is enough to go by
            weight = self.objective.alpha if alpha is None else alpha
            return self._generate((), "", weight, self.rules, size, n, filters, exclude, effort)
        query = self.query(have, (), text, alpha)
        return self._generate(query.have, query.text, query.alpha, self.rules, size, n, filters, exclude, effort)

    def _generate(
        self,
        have: tuple[Item, ...],
        text: str,
        alpha: float,
        rules: Rules,
        size: int | None,
        n: int,
        filters: Sequence[str],
        exclude: Sequence[str],
        effort: Effort | None,
    ) -> Answer:
        objective = replace(self.objective, alpha=alpha)
        shapes = [
            (name, [(Slot(frozenset({kind} if kind else ())), text) for kind in kinds])
            for name, kinds in open_shapes(rules, have, size)
        ]
        return self._solve(have, shapes, objective, rules, n, filters, exclude, effort)

    def swap(
        self,
        outfit: Sequence[str | Item],
        which: str | int,
        n: int = 3,
        *,
        wish: str = "",
        alpha: float | None = None,
        filters: Sequence[str] = (),
        effort: Effort | None = None,
    ) -> Answer:
        """The best n replacements of one item, named by id, by its kind ("bag") or by its place from 0; the rest stays."""
        items = self._items(outfit)
        at = _which(items, which)
        rest = (*items[:at], *items[at + 1 :])
        objective = replace(self.objective, alpha=self.objective.alpha if alpha is None else alpha)
        slots = [(Slot(frozenset({_kind(items[at])} - {""}), wish), wish)]
        return self._solve(rest, [("", slots)], objective, self.rules, n, filters, (items[at].id,), effort)

    def _solve(
        self,
        have: tuple[Item, ...],
        shapes: Sequence[tuple[str, list[tuple[Slot, str]]]],
        objective: Objective,
        rules: Rules,
        n: int,
        filters: Sequence[str],
        exclude: Sequence[str],
        effort: Effort | None,
    ) -> Answer:
        effort = effort or self.effort
        world, snapshot = self._latest()
        allowed = filter_mask(filters, world.columns, len(world)) if filters else np.ones(len(world), dtype=bool)
        allowed[snapshot.rows([*exclude, *(item.id for item in have)])] = False
        kinds: dict[tuple[Slot, str], Wanted] = {}
        for _, slots in shapes:
            for slot, wish in slots:
                kinds.setdefault((slot, wish), wanted(world, slot, wish, allowed, have))
        vectors: dict[str, FloatArray] = {}

        def similarities(one: Wanted, rows: Rows) -> Values:
            if one.wish not in vectors:
                vectors[one.wish] = self._wish(one.wish)
            found = world.similarities(vectors[one.wish], rows)
            if objective.wishes == "read" and objective.mode == "cross" and one.slot.wish:
                found -= CONTRADICTED * contradictions(one.wish, knowledge_of(snapshot), rows)
            return found

        found = [snapshot.find(item.id) for item in have]
        own = all(row is not None for row in found)
        given = np.array([row for row in found if row is not None], dtype=np.int64)
        every = _without_wearer(rules.split(), world, given)
        constraints = world.constraints(every)
        wants = [[kinds[one] for one in slots] for _, slots in shapes]
        if own and not constraints.may_be_given(given):
            raise infeasible(world, given, wants, every)
        encoded: list[FloatArray] = []

        def encode(strangers: Sequence[Item]) -> FloatArray:
            """They are the same ones whenever they are asked for."""
            if not encoded:
                encoded.append(self._encode(strangers))
            return encoded[0]

        known = Known()
        liked = None if self.taste is None else self.taste.values(snapshot)
        retrieve = None if own else retrieve_for(world, have, found, encode)
        plans = [
            make_plan(
                world, given, slots, objective, constraints, similarities,
                size=effort.shortlist if own else _STRANGERS * effort.shortlist,
                name=name, known=known, retrieve=retrieve, liked=liked,
            )
            for (name, _), slots in zip(shapes, wants, strict=True)
        ]  # fmt: skip
        notes = [note for wish in vectors for note in readable(self.encoder, wish).warnings]
        notes += missing_wishes(plans, wants, objective)
        if objective.mode == "text_swap":
            plans = [
                self._text_swapped(world, problem, slots, objective)
                for problem, slots in zip(plans, wants, strict=True)
            ]
        if not own:
            narrow = [narrowed(problem) for problem in plans]
            union = np.unique(np.concatenate([slot.rows for problem in narrow for slot in problem.slots]))
            small, given = small_world(world, have, found, union, encode)
            constraints = small.constraints([rule for rule in self._rules_of_sets(small) if rule in every])
            plans = moved(narrow, world, small, given, constraints, effort.shortlist)
            world = small
            if not plans[0].constraints.may_be_given(given):
                blamed = tuple(self._broken(world, given))
                names = ", ".join(map(str, blamed))
                raise NoFeasibleOutfit(f"the items given cannot be in one outfit: {names}", blamed)
        apart = Apart(world.vectors, world.centre, self.max_similarity)
        solved = solve(plans, n, effort, apart)
        if not solved.looks:
            solved = last_resort(plans, solved, world, given, wants, every, own)
        looks = tuple(found_look(world, plans[one.plan], one, solved, effort, self._percentile) for one in solved.looks)
        if len(looks) < n:
            notes.append(f"only {len(looks)} of {n} looks: no more that are valid and far enough apart were found")
        return Answer(looks, solved.method, solved.scored, solved.seconds, tuple(notes))

    def _text_swapped(self, world: World, problem: Problem, wants: Sequence[Wanted], objective: Objective) -> Problem:
        """The literal match for the first of each shortlist; each costs an encoding, so others are bounded, not judged."""
        _, of_match = objective.weights(sum(bool(one.wish) for one in wants))
        of_taste = 0.0 if self.taste is None else objective.taste_weight(len(wants))
        few = replace(
            problem,
            slots=tuple(replace(slot, shortlist=slot.shortlist[:_TEXT_SWAP_CANDIDATES]) for slot in problem.slots),
        )
        slots = [
            with_similarity(slot, self._swapped(world, slot.rows, one.wish), of_match, objective, of_taste)
            if one.wish
            else slot
            for slot, one in zip(narrowed(few).slots, wants, strict=True)
        ]
        return replace(problem, slots=tuple(slots))

    # -- explain, similar looks ---------------------------------------------------------------------------------------

    def explain(self, outfit: Sequence[str | Item], text: str = "", *, swaps: bool = True) -> Explanation:
        """Which items and pairs help or hurt, in terms that add up to the score, and the best single swap.

        The score explained is that of the items as they are, whether or not they are a valid outfit.
        """
        items = self._items(outfit)
        if not items:
            raise ValueError("there is nothing to explain: give at least one item")
        items = tuple({item.id: item for item in items}.values())
        world, rows = self._place(items)
        fulfilments = self._matches(world, rows, text)[1] if text.strip() else None
        liked = self._liked(items)
        found = explain(world.pool, self.objective, rows, [item.id for item in items], fulfilments, liked)
        return replace(found, best_swap=self._best_swap(items)) if swaps else found

    def _best_swap(self, items: tuple[Item, ...]) -> BestSwap | None:
        """By S alone: an exchange has no wish to match."""
        if len(items) < 2:
            return None
        anybody = self.with_taste(None, 0.0)
        before, best = anybody.score(items).compatibility, None
        effort = replace(self.effort, deadline=self.effort.deadline / len(items))  # for all exchanges together
        for at, item in enumerate(items):
            try:
                look = anybody.swap(items, at, 1, alpha=1.0, effort=effort).looks[0]
            except NoFeasibleOutfit:
                continue
            if look.compatibility > max(before, best.after if best else 0.0):
                best = BestSwap(
                    item.id, _kind(item) or item.category, look.chosen[0].item.id, before, look.compatibility
                )
        return best

    def mean_vector(self, outfit: Sequence[str | Item]) -> FloatArray:
        """(D,) the mean of an outfit's item vectors. Raises as `score`."""
        items = self._items(outfit)
        if not items:
            raise ValueError("there is nothing to compare: give at least one item")
        world, rows = self._place(items)
        return np.asarray(world.vectors[rows].mean(axis=0, dtype=np.float64), dtype=np.float32)

    def similar_looks(
        self, outfit: Sequence[str | Item], looks: Sequence[Sequence[str]], n: int = 5
    ) -> tuple[SimilarLook, ...]:
        """The n of `looks` (ids) that are most like an outfit by S_O, the cosine of mean item vectors, centred; best first."""
        ordered = sorted(tuple(look) for look in looks)  # of equal similarities the smaller look comes first
        index = LookIndex(self._latest()[1], ordered)
        rows, similarity = index.nearest(self.mean_vector(outfit)[None], n)
        return tuple(SimilarLook(ordered[row], float(one)) for row, one in zip(rows.tolist(), similarity, strict=True))


def _without_wearer(rules: tuple[Rule, ...], world: World, given: Rows) -> tuple[Rule, ...]:
    """The rules; without the one about wearers when the items given are cut for several, so that nothing follows from them."""
    wearer = tuple(rule for rule in rules if rule.kind == "wearer")
    if world.constraints(wearer).may_be_given(np.unique(given)):
        return rules
    return tuple(rule for rule in rules if rule not in wearer)


def _kind(item: Item) -> str:
    """What an item is exchanged for: its slot, or its category where the taxonomy does not know one."""
    found = slot_of(item.category)
    return item.category if found == UNKNOWN else found


def _which(items: Sequence[Item], which: str | int) -> int:
    if isinstance(which, int):
        if not 0 <= which < len(items):
            raise ValueError(f"there is no item {which} among {len(items)}")
        return which
    for at, item in enumerate(items):
        if item.id == which:
            return at
    places = [at for at, item in enumerate(items) if is_kind(item.category, which)]
    if len(places) != 1:
        names = ", ".join(f"{item.id} ({_kind(item)})" for item in items)
        raise ValueError(f"{which!r} names {len(places)} items of this outfit; it has {names}")
    return places[0]
