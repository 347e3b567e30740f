"""`modiste models`: which models there are, what they can do, their licence and their scores."""

from __future__ import annotations

import typer


def models(
    json: bool = typer.Option(False, "--json", help="Print JSON."),
    parameters: bool = typer.Option(
        False,
        "--parameters",
        help="FAME-ViL's sizes instead: parameters of each part, beside as many single-task models.",
    ),
) -> None:
    """List the models that ship with Modiste and published ones known to load, and what each can do.

    Every one encodes, for `index` and `search`; an MVLT can also re-rank what `search` found, `tag`, and `imagine`; a FAME-ViL
    composes (a photo and words as one query) and captions.

    Any other CLIP or SigLIP checkpoint in Hugging Face format works too, by hub name or folder:

    ```console
    modiste index shop.csv --into shop --model patrickjohncyh/fashion-clip
    ```
    """
    from modiste.cli.console import print_json, say
    from modiste.registry import DEFAULT, PRETRAINED

    if parameters:
        _parameters(json)
        return
    if json:
        print_json(
            [
                {
                    "name": one.name,
                    "default": one.name == DEFAULT,
                    "summary": one.summary,
                    "can": list(one.can),
                    "ships": one.ships,
                    "hub": one.hub,
                    "license": one.license,
                    "data": one.data,
                    "sha256": one.sha256,
                    "scores": dict(one.scores),
                }
                for one in PRETRAINED.values()
            ]
        )
        return
    for one in PRETRAINED.values():
        say(f"{one.name}{' (default)' if one.name == DEFAULT else ''}")
        say(f"    {one.summary}")
        say(f"    can {', '.join(one.can)}")
        say(
            f"    {'ships here' if one.ships else 'from the hub: ' + one.hub}; licence {one.license}; trained on {one.data}"
        )
        if one.scores:
            say("    " + ", ".join(f"{key} {value:g}" for key, value in one.scores.items()))


def _parameters(as_json: bool) -> None:
    from modiste.cli.console import print_json, say
    from modiste.models.fame_vil import SIZES, parameter_counts

    counts = {name: parameter_counts(size) for name, size in SIZES.items()}
    if as_json:
        print_json(counts)
        return
    for name, of in counts.items():
        share = f"{100 * of['total'] / of['single_task_models']:.1f} %"
        say(f"fame_vil {name}: {of['total']:,} parameters, {share} of four single-task models")
        say("    " + ", ".join(f"{part} {of[part]:,}" for part in ("vision", "text", "tsa", "xaa", "heads")))
