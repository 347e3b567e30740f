"""What the commands on outfits share: their options, and a catalogue, a scorer and rules made into one engine."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from modiste.cli.console import errors

if TYPE_CHECKING:
    from modiste.cli.outfit_scorers import NamedScorer
    from modiste.data.outfits import OutfitData
    from modiste.engine.calibration import Calibration
    from modiste.engine.catalogue import Catalogue
    from modiste.engine.outfits import OutfitEngine
    from modiste.models.inference import ImageTextEncoder
    from modiste.types import Item, Slot

CALIBRATION_FILE = "calibration.json"

CATALOGUE = typer.Argument(..., help="The catalogue's folder, as `modiste index` made it.")
OUTFIT = typer.Argument(
    ..., metavar="ITEM...", help="Ids of the catalogue, or photo files: coat.jpg, or with its kind shoes=boots.jpg."
)
SCORER = typer.Option(
    "rules",
    "--scorer",
    "-s",
    help="rules (documented style rules, nothing learned); a trained outfit model by name or folder; or popularity, "
    "co-occurrence, colour-family, category, mixture, mean-cosine, or a file of one.",
)
LOOKS = typer.Option(
    "", "--data", "-d", help="Looks that a statistic counts: a source as of `modiste evaluate outfits`."
)
CALIBRATION = typer.Option(
    "", "--calibration", help="A file of `modiste calibrate`, or none.  [default: calibration.json of the catalogue]"
)
RULES = typer.Option(None, "--rules", help="A TOML file that says what a valid outfit is; see docs/outfits.md.")
ALPHA = typer.Option(
    None, "--alpha", min=0, max=1, help="1: only how well items go together; 0: only words.  [default: 0.5]"
)
FILTERS = typer.Option(
    [], "--filter", "-f", help="Of what is chosen: price<80, colour=Red|Blue, as for `modiste search`."
)
DEADLINE = typer.Option(2.0, "--deadline", help="Seconds of search; inf for an answer that depends on no clock.")
COUNT = typer.Option(1, "-n", "--looks", min=1, max=100, help="How many looks, kept apart from each other.")
TEXT = typer.Option("", "--text", help="What the whole outfit should be: smart office look.")
MODEL = typer.Option("", help="Where the catalogue's encoder is, if it has moved since.")
DEVICE = typer.Option("cpu", help="Where models run: cpu, cuda, mps.")
HTML = typer.Option(None, "--html", help="Also write a page with the looks as collages.")
PNG = typer.Option(None, "--png", help="Also write the collages as one picture.")
JSON = typer.Option(False, "--json", help="Print JSON.")


@dataclass(frozen=True, slots=True)
class Choices:
    """The common options of a command, as given."""

    catalogue: Path
    scorer: str = "rules"
    data: str = ""
    calibration: str = ""
    rules: Path | None = None
    alpha: float | None = None
    deadline: float = 2.0
    model: str = ""
    device: str = "cpu"
    html: Path | None = None
    png: Path | None = None
    json: bool = False

    def __post_init__(self) -> None:
        if not self.deadline > 0:
            raise ValueError(f"--deadline must be a positive number of seconds, not {self.deadline}")
        if self.png is not None and self.png.suffix.lower() != ".png":
            raise ValueError(f"--png {self.png}: the picture is a PNG; end its name in .png")


_OPTIONS: Mapping[str, Any] = {
    "catalogue": CATALOGUE, "scorer": SCORER, "data": LOOKS, "calibration": CALIBRATION, "rules": RULES, "alpha": ALPHA,
    "deadline": DEADLINE, "html": HTML, "png": PNG, "model": MODEL, "device": DEVICE, "json": JSON,
}  # fmt: skip


def with_choices(without: Sequence[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the common options: on the command line beside its own, to the function as one `Choices`, first.

    `without`: those that the command has no use for; its `Choices` has their defaults.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        types = get_type_hints(Choices)
        common = {
            name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=types[name])
            for name, default in _OPTIONS.items()
            if name not in without
        }
        own = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for one in list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        ]
        catalogue = common.pop("catalogue")
        parameters = [catalogue, *own, *common.values()]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            choices = Choices(**{name: given.pop(name) for name in ("catalogue", *common)})
            command(choices, **given)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


@dataclass(slots=True)
class Workbench:
    """An open engine with everything around it. The encoder is loaded when something has to be read with it."""

    choices: Choices
    store: Catalogue
    scorer: NamedScorer
    calibration: Calibration | None
    engine: OutfitEngine
    encoder: ImageTextEncoder | None = None
    notes: list[str] = field(default_factory=list)  # what the customer should know before the answer

    def need_encoder(self) -> ImageTextEncoder:
        if self.encoder is None:
            with errors.status("loading the encoder"):
                self.encoder = load_encoder(self.store, self.choices)
            self.engine.encoder = self.encoder
        return self.encoder

    def items(self, arguments: Sequence[str]) -> list[str | Item]:
        """Ids as they are; photo files as items of one's own, whose kind is told where it is not given.

        Raises `ValueError` naming the argument that is neither, with near ids.
        """
        return [self._item(one) for one in arguments]

    def _item(self, argument: str) -> str | Item:
        from modiste.own import own_item, recognised, split_kind
        from modiste.types import Item

        snapshot = self.store.snapshot()
        if snapshot.find(argument) is not None:
            return argument
        kind, path = split_kind(argument)
        if not kind and not Path(path).exists():
            if Path(path).suffix.lower() in (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tiff"):
                raise ValueError(f"{path}: no such file, and no item of {self.store.folder} has this id")
            snapshot.row(argument)  # raises with near ids
        item = own_item(path, kind or "?")
        if snapshot.find(item.id) is not None:  # top=7 where there is an item 7: the file is meant
            item = Item(f"photo {item.id}", item.title, item.image, item.category)
        encoder = self.need_encoder()
        if not kind:
            from modiste.models.pretrained import recogniser_of

            recogniser = recogniser_of(encoder)
            if recogniser is None:
                raise ValueError(f"{path}: say what it is, as shoes={path}; {encoder.id.name} does not tell kinds")
            item, probability = recognised(item, recogniser)
            self.notes.append(
                f"{path} is taken for {item.category} ({100 * probability:.0f} %); say KIND={path} if it is something else"
            )
        return item

    def slots(self, wants: Sequence[str]) -> list[Slot]:
        """`shoes: white leather sneakers`, `bag`, or words whose kind the taxonomy knows, as slots.

        Raises `ValueError` for a kind that neither the catalogue nor the taxonomy has, with near ones.
        """
        return [self._slot(want) for want in wants]

    def _slot(self, want: str) -> Slot:
        import difflib

        from modiste.engine.constraints import kind_mask
        from modiste.taxonomy import SLOT_OF_SUPER_CATEGORY, UNKNOWN
        from modiste.taxonomy import slot as slot_of
        from modiste.types import Slot

        columns = self.store.snapshot().columns
        known = {*SLOT_OF_SUPER_CATEGORY, *SLOT_OF_SUPER_CATEGORY.values()} - {UNKNOWN}

        def is_known(label: str) -> bool:
            return label.lower().replace(" ", "_") in known or bool(kind_mask(label, columns).any())

        words, colon, wish = (part.strip() for part in want.partition(":"))
        if not colon:
            if words and is_known(words):
                return Slot(frozenset({words}))
            if slot_of(words) != UNKNOWN:
                return Slot(frozenset({slot_of(words)}), words)  # "white leather sneakers" are shoes
        elif words in ("", "any"):
            if not wish:
                raise ValueError(f"--want {want!r}: write KIND, KIND: WISH, or any: WISH")
            return Slot(frozenset(), wish)
        kinds = [one.strip() for one in words.split("/") if one.strip()]
        unknown = [one for one in kinds if not is_known(one)]
        if not kinds or unknown:
            have = sorted(known | {str(one) for one in getattr(columns["category"], "vocabulary", ())})
            near = difflib.get_close_matches(unknown[0] if unknown else words, have, n=3, cutoff=0.6)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "write KIND, KIND: WISH, or any: WISH"
            raise ValueError(f"--want {want!r}: no kind {(unknown or [words])[0]!r} in this catalogue; {hint}")
        return Slot(frozenset(kinds), wish)

    def about(self) -> dict[str, Any]:
        """What every JSON answer says of how it came about."""
        return {
            "scorer": self.scorer.as_dict(),
            "calibrated": self.is_calibrated,
            "encoder": {"name": self.store.encoder_id.name, "sha256": self.store.encoder_id.sha256},
            "rules": str(self.choices.rules) if self.choices.rules else None,
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


def open_workbench(choices: Choices) -> Workbench:
    """Open the catalogue and make the engine. Raises `ValueError` for whatever does not fit together."""
    from dataclasses import replace

    from modiste.engine.catalogue import Catalogue
    from modiste.engine.objective import Objective
    from modiste.engine.outfits import OutfitEngine
    from modiste.engine.rules import Rules
    from modiste.engine.solve import Effort

    rules = Rules.load(choices.rules) if choices.rules else Rules()
    store = Catalogue.open(choices.catalogue)
    encoder, scorer = open_scorer(store, choices)
    notes: list[str] = []
    calibration = _calibration(choices, store, scorer, notes)
    objective = Objective() if choices.alpha is None else replace(Objective(), alpha=choices.alpha)
    engine = OutfitEngine(
        store, scorer.scorer, encoder, calibration=calibration or "none", rules=rules, objective=objective,
        effort=Effort(deadline=choices.deadline),
    )  # fmt: skip
    return Workbench(choices, store, scorer, calibration, engine, encoder, notes)


def open_scorer(store: Catalogue, choices: Choices) -> tuple[ImageTextEncoder | None, NamedScorer]:
    """The scorer, and the catalogue's encoder if that was loaded for it.

    Raises `ValueError` when the scorer reads vectors of another encoder than the catalogue's.
    """
    from modiste.cli.outfit_scorers import RULES as RULES_NAME
    from modiste.cli.outfit_scorers import named_scorer
    from modiste.models.outfit_statistics import STATISTICS

    plain = choices.scorer == RULES_NAME or choices.scorer in STATISTICS or Path(choices.scorer).is_file()
    encoder = None if plain or not choices.scorer else load_encoder(store, choices)
    looks = (lambda: _looks(choices.data)) if choices.data else None
    scorer = named_scorer(choices.scorer, looks, encoder=encoder, device=choices.device)
    return encoder, scorer


def load_encoder(store: Catalogue, choices: Choices) -> ImageTextEncoder:
    """The catalogue's encoder. Raises `EncoderMismatch` if what is there now is another one."""
    from modiste.models.pretrained import load

    encoder = load(choices.model or store.model or store.encoder_id.name, device=choices.device)
    store.require(encoder.id)
    return encoder


def _looks(source: str) -> OutfitData:
    from modiste.data.outfit_sources import load_outfits

    with errors.status(f"reading {source}"):
        return load_outfits(source)


def _calibration(choices: Choices, store: Catalogue, scorer: NamedScorer, notes: list[str]) -> Calibration | None:
    """The one that was named, or lies in the catalogue's folder and is this scorer's; None with a note why."""
    from modiste.engine.calibration import Calibration

    if choices.calibration == "none":
        return None
    own = store.folder / CALIBRATION_FILE
    if not choices.calibration and not own.is_file():
        notes.append(f"scores rank, but are no probabilities until `modiste calibrate {store.folder}` has been run")
        return None
    path = Path(choices.calibration) if choices.calibration else own
    found = Calibration.load(path)
    if found.scorer not in ("", scorer.id):
        if choices.calibration:
            raise ValueError(f"{path} is the calibration of {found.scorer}, not of {scorer.id}; fit one, or say none")
        notes.append(f"scores are not calibrated: {path} is of {found.scorer}, not of {scorer.id}")
        return None
    return found
