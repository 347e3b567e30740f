"""`modiste serve`: the catalogue over HTTP, and a page to use it with."""

from __future__ import annotations

from pathlib import Path

import typer


def serve(
    catalogue: Path = typer.Argument(..., help="The catalogue's folder, as `modiste index` made it."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on. Other than loopback only with API keys."),
    port: int = typer.Option(8000, min=0, max=65535, help="0 takes a free one."),
    workers: int = typer.Option(1, min=1, max=64, help="Processes that answer; each holds the catalogue in memory."),
    scorer: str = typer.Option("rules", "--scorer", "-s", help="Of outfits, as for `modiste score`."),
    data: str = typer.Option("", "--data", "-d", help="Looks that a statistic counts, as for `modiste score`."),
    calibration: str = typer.Option(
        "", help="A file of `modiste calibrate`, or none.  [default: calibration.json of the catalogue]"
    ),
    rules: Path = typer.Option(None, help="A TOML file that says what a valid outfit is; see docs/outfits.md."),
    looks: Path = typer.Option(None, help="Stored looks, to recommend from.  [default: looks.jsonl of the catalogue]"),
    media: Path = typer.Option(None, help="Folder of the photos of tables that are uploaded."),
    keys: Path = typer.Option(None, help="The API keys.  [default: keys.json of the catalogue]"),
    allow_host: list[str] = typer.Option([], help="A host name by which the service may be called."),
    allow_origin: list[str] = typer.Option([], help="Another site whose pages may call it: https://shop.example"),
    model: str = typer.Option("", help="Where the catalogue's encoder is, if it has moved since."),
    no_batching: bool = typer.Option(
        False, "--no-batching", help="One query at a time, to measure what batching is worth."
    ),
    log_level: str = typer.Option("info", help="info tells every request; warning only what is wrong."),
) -> None:
    """Serve a catalogue over HTTP: the page at /, the API under /v1, described by /openapi.json.

    Ctrl-C or SIGTERM stops it after what has been asked is answered.

    ```console
    modiste serve shop
    modiste serve shop --port 9000 --workers 2 --rules house.toml
    modiste serve shop --host 0.0.0.0 --allow-host shop.example
    ```
    """
    from modiste.cli.console import say
    from modiste.engine.place import absolute, place_of
    from modiste.service.server import serve as run
    from modiste.service.settings import Settings

    if log_level not in ("debug", "info", "warning", "error"):
        raise ValueError(f"--log-level must be debug, info, warning or error, not {log_level!r}")
    settings = Settings(
        absolute(catalogue), scorer=scorer, data=data, calibration=calibration, rules=_absolute(rules), model=model,
        looks=_absolute(looks), media=_absolute(media), keys=_absolute(keys), host=host, port=port, workers=workers,
        allow_host=tuple(allow_host), allow_origin=tuple(allow_origin), batching=not no_batching, log_level=log_level,
    )  # fmt: skip
    code = run(settings, lambda address: say(f"serving {place_of(catalogue).name} at {address}"))
    raise typer.Exit(code)


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.resolve()
