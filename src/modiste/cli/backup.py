"""`modiste check`, `backup` and `restore`: is a catalogue sound, a copy of it, and the way back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from modiste.engine.backup import BackupReport

CATALOGUE = typer.Argument(..., help="The catalogue's folder.")
JSON = typer.Option(False, "--json", help="Print JSON.")


def check(catalogue: Path = CATALOGUE, json: bool = JSON) -> int:
    """Read everything that a catalogue's folder holds and compare it with its checksums; exit code 1 if something is damaged.

    ```console
    modiste check shop
    ```
    """
    from dataclasses import asdict

    from modiste.cli.console import complain, print_json, say
    from modiste.engine.check import check, checked
    from modiste.engine.place import own_folder
    from modiste.service.keys import KeyFile

    parts = list(check(catalogue))
    key_file = own_folder(catalogue) / "keys.json"
    if key_file.exists():
        parts.append(checked(key_file.name, lambda: f"{len(KeyFile(key_file).read()[0]):,} keys"))
    if json:
        print_json({"sound": all(one.sound for one in parts), "parts": [asdict(one) for one in parts]})
    else:
        for one in parts:
            if one.sound:
                say(f"{one.part}: sound, {one.found} ({one.seconds:.1f} s)")
            else:
                complain(f"{one.part}: {one.error}")
    return 0 if all(one.sound for one in parts) else 1


def backup(
    catalogue: Path = CATALOGUE,
    to: Path = typer.Option(..., "--to", help="A file that is not there yet; or a folder, for a name with the time."),
    json: bool = JSON,
) -> None:
    """Write a catalogue and all that lies beside it into one file: items, photos, vectors, clicks, tastes, looks, keys.

    It may be served and written to meanwhile: what is saved is the version that was committed last, whole. Every byte is
    compared with its checksum on the way.

    ```console
    modiste backup shop --to backups/
    modiste backup shop --to shop.tar
    ```
    """
    from modiste.engine.backup import backup

    done = backup(catalogue, to)
    _report(done, f"back again: modiste restore {done.path} --into FOLDER", json)


def restore(
    archive: Path = typer.Argument(..., help="What `modiste backup` wrote."),
    into: Path = typer.Option(..., "--into", "-o", help="The folder it becomes; nothing is overwritten."),
    json: bool = JSON,
) -> None:
    """Make a catalogue's folder of a backup, compared byte by byte with what was saved; all of it or nothing.

    ```console
    modiste restore shop.tar --into shop
    ```
    """
    from modiste.engine.backup import restore

    done = restore(archive, into)
    _report(done, f"next: modiste check {done.path}, modiste serve {done.path}", json)


def _report(done: BackupReport, then: str, json: bool) -> None:
    from dataclasses import asdict

    from modiste.cli.console import print_json, say

    if json:
        print_json({**asdict(done), "path": str(done.path)})
        return
    say(
        f"{done.path}: version {done.version}, {done.files:,} files, {done.bytes / 1e6:,.1f} MB in {done.seconds:.1f} s"
    )
    say(then)
