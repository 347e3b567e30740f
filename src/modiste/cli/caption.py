"""`modiste caption`: photos described in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from modiste.types import Captioner

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
BATCH = 32
MAX_CARDS = 500  # pictures on a page


@dataclass(frozen=True, slots=True)
class Described:
    """A photo, its caption, and the natural logarithm of how likely the model takes that to be."""

    path: Path
    photo: bytes
    text: str
    log_prob: float


def caption(
    inputs: list[Path] = typer.Argument(..., metavar="PHOTO...|DIR", help="Photos, or folders of photos."),
    model: str = typer.Option("", help="A name of `modiste models` that can caption, or a folder (a run's too)."),
    beams: int = typer.Option(
        4, min=1, max=32, help="How many beginnings are followed at once; 1: the likeliest word."
    ),
    max_words: int = typer.Option(None, min=1, max=200, help="Pieces of words at most.  [default: the model's]"),
    html: Path = typer.Option(None, "--html", help=f"Also write a page with the first {MAX_CARDS} pictures."),
    device: str = typer.Option("cpu", help="Where the model runs: cpu, cuda, mps."),
    json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Describe photos in the words of the titles that a model was trained on.

    Photos that cannot be read are skipped and named. For a whole catalogue see `modiste index --caption-missing`.

    ```console
    modiste caption photo.jpg
    modiste caption photos --beams 8 --html captions.html
    modiste caption shirt.jpg shoe.jpg --model runs/fame --json
    ```
    """
    from modiste.cli.console import complain, print_json, results, say
    from modiste.cli.contact_sheet import Row, write_contact_sheet

    paths = photo_files(inputs)
    writer = captioner(model, device)
    bad: list[tuple[Path, str]] = []
    found = [one for batch in _captions(paths, writer, beams, max_words, bad) for one in batch]
    if html is not None:
        cards = [
            Row(one.text, one.photo, [], f"{one.path.name}, log-probability {one.log_prob:.1f}")
            for one in found[:MAX_CARDS]
        ]
        write_contact_sheet(html, f"{len(found):,} photos, described by {writer.name}", cards)
    if json:
        print_json(
            {
                "model": writer.name,
                "sha256": writer.sha256,
                "beams": beams,
                "photos": [
                    {"photo": str(one.path), "caption": one.text, "log_prob": round(one.log_prob, 4)} for one in found
                ],
                "rejected": [{"photo": str(path), "reason": reason} for path, reason in bad],
            }
        )
    else:
        for one in found:
            results.print(f"{one.path}: {one.text}", markup=False, highlight=False, soft_wrap=True)
        if html is not None:
            say(f"pictures: {html}")
    for path, reason in bad:
        complain(f"{path}: {reason}; skipped")
    if not found:
        raise typer.Exit(1)


def captioner(model: str = "", device: str = "cpu"):  # type: ignore[no-untyped-def]
    """The model that describes photos, by name or folder; raises `ValueError` that says how to come by one."""
    from modiste.models.pretrained import load_captioner
    from modiste.registry import FAME_VIL, PRETRAINED

    if not model and FAME_VIL not in PRETRAINED:
        raise ValueError(
            "no model that describes photos is installed: train one (`modiste train` lists the recipes, "
            "fame_vil_small among them) and name its folder with a --model or --caption-model option"
        )
    return load_captioner(model or None, device=device)


def photo_files(inputs: Sequence[Path]) -> list[Path]:
    """The photos that are named, and those in the folders that are; raises `ValueError` for what is not there."""
    found: list[Path] = []
    for path in inputs:
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.suffix.lower() in ENDINGS and one.is_file())
            if not inside:
                raise ValueError(f"{path} holds no photos ({', '.join(ENDINGS)})")
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise ValueError(f"{path}: no such file or folder")
    return found


def _captions(
    paths: Sequence[Path], writer: Captioner, beams: int, max_words: int | None, bad: list[tuple[Path, str]]
) -> Iterator[list[Described]]:
    """Batches of captions, with a bar; photos that cannot be read go to `bad`."""
    import time

    from modiste.cli.console import progress_bar
    from modiste.cli.photos import read_photo
    from modiste.data.images import ImageError, decode

    began = time.perf_counter()
    with progress_bar("photos/s") as bar:
        task = bar.add_task("describing", total=len(paths), rate="")
        for start in range(0, len(paths), BATCH):
            readable: list[tuple[Path, bytes]] = []
            for path in paths[start : start + BATCH]:
                try:
                    data = read_photo(path)
                    decode(data)
                    readable.append((path, data))
                except ImageError as error:
                    bad.append((path, str(error)))
                except ValueError as error:  # already names the file
                    bad.append((path, str(error).removeprefix(f"{path}: ")))
            written = (
                writer.caption([data for _, data in readable], beams=beams, max_words=max_words) if readable else []
            )
            done = min(start + BATCH, len(paths))
            bar.update(task, completed=done, rate=f"{done / max(time.perf_counter() - began, 1e-9):,.1f}")
            yield [
                Described(path, data, one.text, one.log_prob)
                for (path, data), one in zip(readable, written, strict=True)
            ]
