"""`modiste train`: run a recipe."""

from __future__ import annotations

from pathlib import Path

import typer


def train(
    recipe: str = typer.Argument("", help="Which recipe; leave out to list them."),
    fields: list[str] = typer.Argument(None, metavar="[FIELD=VALUE]...", help="Fields of the recipe to change."),  # noqa: B008
    out: Path = typer.Option(None, "--out", "-o", help="The run's folder.  [default: runs/RECIPE]"),  # noqa: B008
    resume: str = typer.Option("auto", help="auto: go on where the folder stopped; never: refuse a used folder."),
    device: str = typer.Option("", help="cpu, cuda, mps; left out, the fastest there is."),
    describe: bool = typer.Option(False, "--describe", help="Show the recipe's fields and stop."),
    json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
) -> None:
    """Train a model by a recipe; a killed run goes on when the same command is given again.

        modiste train                                   # the recipes
        modiste train dual_encoder_small --describe     # a recipe's fields
        modiste train dual_encoder_small epochs=2 data=atelier:2000 --out runs/try
        torchrun --nproc-per-node 2 -m modiste train dual_encoder_small
    """
    from modiste.cli.console import print_json, results
    from modiste.recipes.registry import RECIPES, list_recipes, parse_overrides, recipe_help, resolve

    if not recipe:
        results.print(list_recipes(), markup=False, highlight=False)
        return
    chosen = resolve(recipe)
    if describe:
        results.print(recipe_help(recipe), markup=False, highlight=False)
        return
    config = parse_overrides(chosen, fields or [])
    from modiste.training.loop import train as run_training

    run = RECIPES[recipe].build(config)
    done = run_training(run, out or Path("runs") / recipe, resume=resume, device=device or None)
    if json:
        print_json(done.as_dict())
    else:
        results.print(f"finished {recipe} after {done.steps} steps in {done.folder}")
