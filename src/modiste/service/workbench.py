"""A catalogue, a scorer, a calibration and rules made into one engine: what the command line and the service both stand on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modiste.data.outfits import OutfitData
    from modiste.engine.calibration import Calibration
    from modiste.engine.catalogue import Catalogue
    from modiste.engine.outfits import OutfitEngine
    from modiste.models.inference import ImageTextEncoder
    from modiste.models.outfit_scorers import NamedScorer
    from modiste.types import Item, Slot

REASONS = 3  # sentences about a pair


@dataclass(frozen=True, slots=True)
class Setup:
    """What an engine is made of, by name."""

    catalogue: Path
    scorer: str = "rules"
    data: str = ""  # looks that a statistic counts
    calibration: str = ""  # a file, "none", or empty for the catalogue's own
    rules: Path | None = None
    alpha: float | None = None
    deadline: float = 2.0  # seconds of search
    model: str = ""  # where the catalogue's encoder is, if it has moved since
    device: str = "cpu"


@dataclass(slots=True)
class Workbench:
    """An open engine with everything around it."""

    setup: Setup
    store: Catalogue
    scorer: NamedScorer
    calibration: Calibration | None
    engine: OutfitEngine
    encoder: ImageTextEncoder | None = None
    notes: list[str] = field(default_factory=list)  # what the customer should know before the answer

    def need_encoder(self) -> ImageTextEncoder:
        """The catalogue's encoder, loaded when something has to be read with it."""
        if self.encoder is None:
            self.encoder = load_encoder(self.store, self.setup)
            self.engine.encoder = self.encoder
        return self.encoder

    def slots(self, wants: Sequence[str]) -> list[Slot]:
        """`shoes: white leather sneakers`, `bag`, or words whose kind the taxonomy knows, as slots.

        Raises `ValueError` for a kind that neither the catalogue nor the taxonomy has, with near ones.
        """
        return [self._wanted(want) for want in wants]

    def _wanted(self, want: str) -> Slot:
        from modiste.taxonomy import UNKNOWN
        from modiste.taxonomy import slot as slot_of
        from modiste.types import Slot

        words, colon, wish = (part.strip() for part in want.partition(":"))
        if not colon:
            if words and self.has_kind(words):
                return Slot(frozenset({words}))
            if slot_of(words) != UNKNOWN:
                return Slot(frozenset({slot_of(words)}), words)  # "white leather sneakers" are shoes
        elif words in ("", "any"):
            if not wish:
                raise ValueError(f"--want {want!r}: write KIND, KIND: WISH, or any: WISH")
            return Slot(frozenset(), wish)
        return self.slot(words, wish, f"--want {want!r}", "write KIND, KIND: WISH, or any: WISH")

    def slot(self, kinds: str, wish: str = "", where: str = "slot", advice: str = "") -> Slot:
        """`boots/sandals`, a category, a super-category or a slot, as a slot with a wish.

        Raises `ValueError`, which begins with `where`, for a kind that neither the catalogue nor the taxonomy has, with near
        ones or else the `advice`.
        """
        import difflib

        from modiste.types import Slot

        names = [one.strip() for one in kinds.split("/") if one.strip()]
        unknown = [one for one in names if not self.has_kind(one)]
        if names and not unknown:
            return Slot(frozenset(names), wish)
        vocabulary = getattr(self.store.snapshot().columns["category"], "vocabulary", ())
        have = sorted(_taxonomy_kinds() | {str(one) for one in vocabulary})
        near = difflib.get_close_matches(unknown[0] if unknown else kinds, have, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(map(repr, near))}?" if near else advice
        raise ValueError(
            f"{where}: no kind {(unknown or [kinds])[0]!r} in this catalogue" + (f"; {hint}" if hint else "")
        )

    def has_kind(self, label: str) -> bool:
        """Whether the taxonomy or the catalogue knows a category, super-category or slot of this name."""
        from modiste.engine.constraints import kind_mask

        if label.lower().replace(" ", "_") in _taxonomy_kinds():
            return True
        return bool(kind_mask(label, self.store.snapshot().columns).any())

    def about(self) -> dict[str, Any]:
        """What every JSON answer says of how it came about."""
        return {
            "scorer": self.scorer.as_dict(),
            "calibrated": self.is_calibrated,
            "encoder": {"name": self.store.encoder_id.name, "sha256": self.store.encoder_id.sha256},
            "rules": str(self.setup.rules) if self.setup.rules else None,
            "alpha": self.engine.objective.alpha,
        }

    @property
    def is_calibrated(self) -> bool:
        """Whether scores are probabilities; a calibration of words alone leaves S as it is."""
        return self.calibration is not None and self.calibration.compatibility is not None

    @property
    def label(self) -> str:
        """How scores came about, in words, for tables and pages."""
        kind = "a calibrated probability" if self.is_calibrated else "not calibrated"
        return f"scored by {self.scorer}; {kind}"

    def reasons(self, items: Sequence[Item]) -> dict[frozenset[str], tuple[str, ...]]:
        """What the rules say about each two items, in words; empty for a scorer that gives no reasons."""
        from modiste.models.stylist import Stylist

        distinct = list({item.id: item for item in items}.values())
        if not isinstance(self.scorer.scorer, Stylist):
            return {}
        pool = self.scorer.scorer.pool(distinct)
        return {
            frozenset((distinct[i].id, distinct[j].id)): tuple(str(one) for one in pool.explain(i, j)[:REASONS])
            for i, j in combinations(range(len(distinct)), 2)
        }


def _taxonomy_kinds() -> set[str]:
    from modiste.taxonomy import SLOT_OF_SUPER_CATEGORY, UNKNOWN

    return {*SLOT_OF_SUPER_CATEGORY, *SLOT_OF_SUPER_CATEGORY.values()} - {UNKNOWN}


def open_workbench(setup: Setup, *, store: Catalogue | None = None) -> Workbench:
    """Open the catalogue (or take one that is open) and make the engine.

    Raises `ValueError` for whatever does not fit together.
    """
    from modiste.engine.catalogue import Catalogue
    from modiste.engine.objective import Objective
    from modiste.engine.outfits import OutfitEngine
    from modiste.engine.rules import Rules
    from modiste.engine.solve import Effort

    rules = Rules.load(setup.rules) if setup.rules else Rules()
    store = store or Catalogue.open(setup.catalogue)
    encoder, scorer = open_scorer(store, setup)
    notes: list[str] = []
    calibration = own_calibration(setup, store, scorer, notes)
    objective = Objective() if setup.alpha is None else replace(Objective(), alpha=setup.alpha)
    engine = OutfitEngine(
        store, scorer.scorer, encoder, calibration=calibration or "none", rules=rules, objective=objective,
        effort=Effort(deadline=setup.deadline),
    )  # fmt: skip
    return Workbench(setup, store, scorer, calibration, engine, encoder, notes)


def open_scorer(
    store: Catalogue, setup: Setup, read_looks: Callable[[str], OutfitData] | None = None
) -> tuple[ImageTextEncoder | None, NamedScorer]:
    """The scorer, and the catalogue's encoder if that was loaded for it.

    Raises `ValueError` when the scorer reads vectors of another encoder than the catalogue's.
    """
    from modiste.data.outfit_sources import load_outfits
    from modiste.models import outfit_scorers
    from modiste.models.outfit_statistics import STATISTICS

    plain = setup.scorer == outfit_scorers.RULES or setup.scorer in STATISTICS or Path(setup.scorer).is_file()
    encoder = None if plain or not setup.scorer else load_encoder(store, setup)
    read = read_looks or load_outfits
    looks = (lambda: read(setup.data)) if setup.data else None
    return encoder, outfit_scorers.named_scorer(setup.scorer, looks, encoder=encoder, device=setup.device)


def load_encoder(store: Catalogue, setup: Setup) -> ImageTextEncoder:
    """The catalogue's encoder. Raises `EncoderMismatch` if what is there now is another one."""
    from modiste.models.pretrained import load

    encoder = load(setup.model or store.model or store.encoder_id.name, device=setup.device)
    store.require(encoder.id)
    return encoder


def own_calibration(setup: Setup, store: Catalogue, scorer: NamedScorer, notes: list[str]) -> Calibration | None:
    """The one that was named, or lies in the catalogue's folder and is this scorer's; None with a note why."""
    from modiste.engine.calibration import FILE_NAME, Calibration

    if setup.calibration == "none":
        return None
    own = store.folder / FILE_NAME
    if not setup.calibration and not own.is_file():
        notes.append(f"scores rank, but are no probabilities until `modiste calibrate {store.name}` has been run")
        return None
    path = Path(setup.calibration) if setup.calibration else own
    found = Calibration.load(path)
    if found.scorer not in ("", scorer.id):
        if setup.calibration:
            raise ValueError(f"{path} is the calibration of {found.scorer}, not of {scorer.id}; fit one, or say none")
        notes.append(f"scores are not calibrated: {path} is of {found.scorer}, not of {scorer.id}")
        return None
    return found
