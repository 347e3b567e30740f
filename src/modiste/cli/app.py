"""The Typer application, its commands, and how an error looks: one line that says what to do."""

from __future__ import annotations

import os
import sys

import typer

from modiste import __version__
from modiste.cli.backup import backup, check, restore
from modiste.cli.calibrate import calibrate
from modiste.cli.caption import caption
from modiste.cli.complete import complete
from modiste.cli.console import complain, errors
from modiste.cli.demo import demo
from modiste.cli.embed import embed
from modiste.cli.evaluate import evaluate
from modiste.cli.explain import explain
from modiste.cli.export import export
from modiste.cli.generate import generate
from modiste.cli.imagine import imagine
from modiste.cli.index import index
from modiste.cli.keys import keys
from modiste.cli.models import models
from modiste.cli.recommend import recommend
from modiste.cli.score import score
from modiste.cli.search import search
from modiste.cli.serve import serve
from modiste.cli.similar_looks import similar_looks
from modiste.cli.swap import swap
from modiste.cli.tag import tag
from modiste.cli.tastes import tastes
from modiste.cli.train import train

app = typer.Typer(
    name="modiste",
    help="Understands fashion products, judges whether clothes go together, builds outfits.",
    epilog="Start with `modiste demo`: it draws a small catalogue, indexes it and searches it.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True)) -> None:
    if version:
        typer.echo(f"modiste {__version__}")
        raise typer.Exit


COMMANDS = (
    *(demo, index, embed, search, tag, caption, imagine),
    *(score, complete, generate, swap, explain, similar_looks, recommend, calibrate),
    *(serve, evaluate, train, export, models),
    *(check, backup, restore),
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(keys, name="keys")
app.add_typer(tastes, name="tastes")


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; expected errors are one line, unexpected ones keep their traceback."""
    try:
        result = app(args=arguments, standalone_mode=False)
    except typer.Exit as stop:
        return stop.exit_code
    except typer.Abort:
        errors.print("stopped")
        return 130
    except typer.TyperException as error:
        complain(f"{error.format_message()} Try --help.")
        return 2
    except KeyboardInterrupt:
        errors.print("stopped; what was finished is kept, and the same command goes on from there")
        return 130
    except BrokenPipeError:  # `modiste search ... | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError) as error:
        complain(str(error))
        return 1
    return result if isinstance(result, int) else 0
