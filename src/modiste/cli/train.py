"""`modiste train`: run a recipe."""

from __future__ import annotations

from pathlib import Path

import typer


def train(
    recipe: str = typer.Argument("", help="Which recipe; leave out to list them."),
    fields: list[str] = typer.Argument(None, metavar="[FIELD=VALUE]...", help="Fields of the recipe to change."),
    out: Path = typer.Option(None, "--out", "-o", help="The run's folder.  [default: runs/RECIPE]"),
    resume: str = typer.Option("auto", help="auto: go on where the folder stopped; never: refuse a used folder."),
    device: str = typer.Option("", help="cpu, cuda, mps; left out, the fastest there is."),
    describe: bool = typer.Option(False, "--describe", help="Show the recipe's fields and stop."),
    json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Train a model by a recipe; a killed run goes on when the same command is given again.

    ```console
    modiste train                                   # the recipes
    modiste train dual_encoder_small --describe     # a recipe's fields
    modiste train dual_encoder_small epochs=2 data=atelier:2000 --out runs/try
    torchrun --nproc-per-node 2 -m modiste train dual_encoder_small
    ```
    """
    from modiste.cli.console import errors, print_json, say
    from modiste.recipes.registry import RECIPES, build_run, config_class, parse_overrides, recipe_help

    if not recipe:
        for name, one in RECIPES.items():
            say(f"{name}: {one.summary}")
        say("\n`modiste train RECIPE --describe` shows a recipe's fields.")
        return
    if describe:
        say(recipe_help(recipe))
        return
    if resume not in ("auto", "never"):
        raise ValueError(f"--resume is auto or never, not {resume!r}")
    parse_overrides(
        config_class(recipe), fields or [], defaults=RECIPES[recipe].defaults
    )  # complain before torch loads
    from modiste.training.loop import train as run_training

    with errors.status("reading the data"):
        run = build_run(recipe, fields or [])
    done = run_training(
        run, out or Path("runs") / recipe, resume="never" if resume == "never" else "auto", device=device or None
    )
    if json:
        print_json({"steps": done.steps, "folder": str(done.folder), "metrics": dict(done.metrics)})
        return
    say(f"finished {recipe} after {done.steps:,} steps: {done.folder}")
    if RECIPES[recipe].protocol:
        say(f"next: modiste evaluate {RECIPES[recipe].protocol} --model {done.folder} --data {run.config['data']}")
    else:
        say(f"next: modiste index TABLE --into FOLDER --model {run.config['teacher']}+{done.folder}")
