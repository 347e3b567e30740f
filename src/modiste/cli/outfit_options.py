"""What the commands on outfits share: their options, and a catalogue, a scorer and rules made into one engine."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from modiste.cli.console import errors
from modiste.service import workbench
from modiste.service.workbench import Setup, Workbench

if TYPE_CHECKING:
    from modiste.data.outfits import OutfitData
    from modiste.engine.catalogue import Catalogue
    from modiste.models.inference import ImageTextEncoder
    from modiste.models.outfit_scorers import NamedScorer
    from modiste.types import Item

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
class Choices(Setup):
    """The common options of a command, as given."""

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
class Bench(Workbench):
    """A workbench whose items may be photo files, and which says what it is loading."""

    @property
    def choices(self) -> Choices:
        assert isinstance(self.setup, Choices)
        return self.setup

    def need_encoder(self) -> ImageTextEncoder:
        if self.encoder is not None:
            return self.encoder
        with errors.status("loading the encoder"):
            return Workbench.need_encoder(self)

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
                raise ValueError(f"{path}: no such file, and no item of {self.store.name} has this id")
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


def open_workbench(choices: Choices) -> Bench:
    """Open the catalogue and make the engine. Raises `ValueError` for whatever does not fit together."""
    made = workbench.open_workbench(choices)
    return Bench(made.setup, made.store, made.scorer, made.calibration, made.engine, made.encoder, made.notes)


def open_scorer(store: Catalogue, choices: Choices) -> tuple[ImageTextEncoder | None, NamedScorer]:
    """The scorer, and the catalogue's encoder if that was loaded for it; raises as `workbench.open_scorer`."""
    return workbench.open_scorer(store, choices, _looks)


def _looks(source: str) -> OutfitData:
    from modiste.data.outfit_sources import load_outfits

    with errors.status(f"reading {source}"):
        return load_outfits(source)
