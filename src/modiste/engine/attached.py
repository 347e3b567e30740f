"""The trained tastes of a catalogue: a copy in its folder, named by its content, and one small file that says which one counts.

    shop/  tastes.json                  which copy, and the last click that there was when it came
           tastes/0f3a.../tastes.json   the copy, as training exported it
                         tastes.safetensors

The copy is whole on the disk before `tastes.json` names it, and that is replaced in one step: a reader, or a process killed at
any moment, meets the old tastes or the new ones.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from modiste.engine.clicks import ClickBook
from modiste.engine.errors import CatalogueError, CatalogueLocked
from modiste.engine.tastes import ARRAYS, CONFIG, Tastes, TastesError, load_tastes, tastes_folder
from modiste.files import parse_json, require_unchanged, signed, write_atomically

FILE_NAME, FOLDER = "tastes.json", "tastes"
FORMAT = 1
_NAME = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, eq=False)
class Attached:
    """Tastes in use. `last_click`: the number of the latest click when they came; later ones they cannot know."""

    tastes: Tastes
    sha256: str
    last_click: int


def attach_tastes(catalogue: Path, source: str | Path) -> Attached:
    """Copy a folder of trained tastes, or of the run that trained them, into a catalogue's folder, and use it from now on.

    Raises `TastesError` for a folder that holds none, `CatalogueLocked` while another process does the same.
    """
    tastes, found = load_tastes(source), tastes_folder(Path(source))  # refused before anything is copied
    sha256 = _sha256(found)
    try:
        with FileLock(str(catalogue / f".{FILE_NAME}.lock"), timeout=10):
            _copy(found, catalogue / FOLDER, sha256[:16])
            last = _last_click(catalogue)
            pointer = {"format": FORMAT, "folder": sha256[:16], "sha256": sha256, "last_click": last}
            write_atomically(catalogue / FILE_NAME, (json.dumps(signed(pointer), indent=2) + "\n").encode())
            for old in (catalogue / FOLDER).iterdir():
                if old.name != sha256[:16]:
                    shutil.rmtree(old, ignore_errors=True)
    except Timeout as error:
        raise CatalogueLocked(f"{catalogue / FILE_NAME}: another process is attaching tastes; try again") from error
    return Attached(tastes, sha256, last)


def attached_tastes(catalogue: Path) -> Attached | None:
    """The tastes of a catalogue; None where there are none. Raises `CatalogueError` naming the file that is damaged."""
    path = catalogue / FILE_NAME
    for last_try in (False, True):
        try:
            pointer = require_unchanged(parse_json(path.read_text(encoding="utf-8")))
            if pointer["format"] != FORMAT or not _NAME.fullmatch(pointer["folder"]):
                raise ValueError(f"format {pointer['format']!r}")
            found = str(pointer["sha256"]), int(pointer["last_click"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(path, error) from error
        try:
            folder = catalogue / FOLDER / pointer["folder"]
            if _sha256(folder) != found[0]:
                raise TastesError(f"{folder} is not what was attached")
            return Attached(load_tastes(folder), *found)
        except (TastesError, OSError) as error:
            if last_try:  # else others may have come in between, and the old copy is gone
                raise _damaged(path, error) from error
    raise AssertionError("unreachable")


def stamp(catalogue: Path) -> int:
    """A number that changes when other tastes are attached; 0 without any."""
    try:
        return (catalogue / FILE_NAME).stat().st_mtime_ns
    except OSError:
        return 0


def _copy(source: Path, folder: Path, name: str) -> None:
    if (folder / name).is_dir():
        if _sha256(folder / name)[:16] == name:
            return
        shutil.rmtree(folder / name)  # damaged since
    folder.mkdir(exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    try:
        for one in (ARRAYS, CONFIG):
            write_atomically(scratch / one, (source / one).read_bytes())
        scratch.chmod(0o755)
        scratch.rename(folder / name)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _sha256(folder: Path) -> str:
    """Of both files; of what there is, where one is missing."""
    digest = hashlib.sha256()
    for name in (CONFIG, ARRAYS):
        if (folder / name).is_file():
            digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def _last_click(catalogue: Path) -> int:
    book = ClickBook(catalogue)
    try:
        return book.last
    finally:
        book.close()


def _damaged(path: Path, error: Exception) -> CatalogueError:
    return CatalogueError(f"{path}: {error}. Attach the trained tastes again: `modiste tastes attach`")
