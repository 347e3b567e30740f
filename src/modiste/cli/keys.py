"""`modiste keys`: who may use a service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

if TYPE_CHECKING:
    from modiste.service.keys import KeyFile, Scope

keys = typer.Typer(help="API keys of a service: add, list, revoke.", no_args_is_help=True, rich_markup_mode="markdown")

CATALOGUE = typer.Argument(..., help="The catalogue's folder.")
FILE = typer.Option(None, "--keys", help="The file of keys.  [default: keys.json of the catalogue]")


@keys.command()
def add(
    catalogue: Path = CATALOGUE,
    name: str = typer.Argument(..., help="What the key is for: storefront."),
    scope: str = typer.Option("read", help="read, or admin: also ingest and metrics."),
    rate: float = typer.Option(20.0, min=0.001, help="Requests a second."),
    burst: int = typer.Option(40, min=1, help="Requests at once, after a pause."),
    quota: int = typer.Option(0, min=0, help="Requests a day (UTC); 0: as many as one likes."),
    file: Path = FILE,
) -> None:
    """Make a key and print it, once. It is kept as a hash; a running service takes it at once.

    ```console
    modiste keys add shop storefront --rate 50 --quota 100000
    modiste keys add shop stock-room --scope admin
    ```
    """
    from modiste.cli.console import errors, say

    key = _file(catalogue, file).add(name, cast("Scope", scope), rate=rate, burst=burst, quota=quota)
    say(key)
    errors.print("this key is not shown again", highlight=False)


@keys.command("list")
def list_keys(
    catalogue: Path = CATALOGUE, file: Path = FILE, json: bool = typer.Option(False, "--json", help="Print JSON.")
) -> None:
    """List the keys, without what would let one use them."""
    from rich.table import Table

    from modiste.cli.console import print_json, results, say
    from modiste.service.keys import described

    found, _ = _file(catalogue, file).read()
    if json:
        print_json({"keys": [described(one) for one in found]})
        return
    if not found:
        say("no keys: the service answers everybody on this machine, and nobody else")
        return
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("name", "scope", "requests/s", "burst", "requests/day", "created"):
        table.add_column(column)
    for one in found:
        quota = f"{one.quota:,}" if one.quota else ""
        table.add_row(one.name, one.scope, f"{one.rate:g}", str(one.burst), quota, one.created)
    results.print(table)


@keys.command()
def revoke(catalogue: Path = CATALOGUE, name: str = typer.Argument(...), file: Path = FILE) -> None:
    """Take a key away; a running service refuses it within a second."""
    from modiste.cli.console import say

    _file(catalogue, file).revoke(name)
    say(f"{name} is revoked")


def _file(catalogue: Path, file: Path | None) -> KeyFile:
    from modiste.engine.place import place_of
    from modiste.service.keys import KeyFile

    place = place_of(catalogue)
    if file is None and not place.exists():
        raise ValueError(f"no catalogue at {place.name}")
    return KeyFile(file or place.folder / "keys.json")
