"""`modiste serve`: the catalogue over HTTP, and a page to use it with."""

from __future__ import annotations

from pathlib import Path

import typer


def serve(
    catalogue: Path = typer.Argument(..., help="The catalogue's folder, as `modiste index` made it."),
    host: str = typer.Option("127.0.0.1", help="Address to listen on; other than loopback only with API keys."),
    port: int = typer.Option(8000, min=0, max=65535, help="Port; 0 takes a free one."),
    workers: int = typer.Option(1, min=1, max=64, help="Processes that answer."),
    scorer: str = typer.Option("rules", "--scorer", "-s", help="As for `modiste score`."),
    data: str = typer.Option("", "--data", "-d", help="Looks that a statistic counts."),
    calibration: str = typer.Option("", help="A file of `modiste calibrate`, or none."),
    rules: Path = typer.Option(None, help="A TOML file that says what a valid outfit is."),
    model: str = typer.Option("", help="Where the catalogue's encoder is, if it has moved since."),
    looks: Path = typer.Option(None, help="Stored looks, JSON lines.  [default: looks.jsonl of the catalogue]"),
) -> None:
    """Serve a catalogue: the page at /, the API under /v1, described by /openapi.json.

    ```console
    modiste serve shop
    ```
    """
    from modiste.cli.console import say
    from modiste.service.server import serve as run
    from modiste.service.settings import Settings

    settings = Settings(
        catalogue.resolve(), scorer=scorer, data=data, calibration=calibration, rules=rules and rules.resolve(),
        model=model, looks=looks and looks.resolve(), host=host, port=port, workers=workers,
    )  # fmt: skip
    say(f"http://{host}:{port}/")
    run(settings)
