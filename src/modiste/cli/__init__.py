"""The command line: one small module per command, heavy imports inside the commands so that `--help` is instant."""

from modiste.cli.app import app, run

__all__ = ["app", "run"]
