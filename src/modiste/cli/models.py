"""`modiste models`: which models there are, what they can do, their licence and their scores."""

from __future__ import annotations

from pathlib import Path

import typer


def models(
    name: str = typer.Argument("", help="One model: all that is known of it, and where its card is."),
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

    Each with the licences of weights, code and data: they are three different things. `modiste models NAME` says more.

    Any other CLIP, SigLIP, Chinese-CLIP or AltCLIP checkpoint in Hugging Face format works too, by hub name or folder:

    ```console
    modiste models mvlt_small.products_v1
    modiste index shop.csv --into shop --model patrickjohncyh/fashion-clip
    ```
    """
    from modiste.cli.console import print_json, say
    from modiste.registry import DEFAULT, PRETRAINED, TEXT_TOWERS

    listed = [*PRETRAINED.values(), *TEXT_TOWERS.values()]
    if parameters:
        _parameters(json)
        return
    if name:
        one = _known(name)
        if json:
            print_json(_values(one))
        else:
            _tell(one)
        return
    if json:
        print_json([_values(one) for one in listed])
        return
    for one in listed:
        say(f"{one.name}{' (default)' if one.name == DEFAULT else ''}")
        say(f"    {one.summary}")
        say(f"    can {', '.join(one.can)}")
        say(f"    {'ships here' if one.ships else 'from the hub: ' + one.hub}; languages: {', '.join(one.languages)}")
        say(f"    licence of the weights {one.license}, of the code {one.code_license}")
        say(f"    trained on {one.data}: {one.data_terms}")
        if one.scores:
            say("    " + ", ".join(f"{key} {value:g}" for key, value in one.scores.items()))


def _known(name):  # type: ignore[no-untyped-def]
    from difflib import get_close_matches

    from modiste.registry import PRETRAINED, TEXT_TOWERS

    listed = PRETRAINED | TEXT_TOWERS
    if (found := listed.get(name)) is None:
        near = get_close_matches(name, listed, n=1, cutoff=0.4)
        raise ValueError(
            f"no model {name!r} is listed{f'; did you mean {near[0]}?' if near else ''} `modiste models` lists them"
        )
    return found


def _card(one) -> Path | None:  # type: ignore[no-untyped-def]
    """Where the model's card is; None for what the hub keeps."""
    card = Path(__file__).parents[1] / "weights" / one.name / "README.md"
    return card if one.ships and card.is_file() else None


def _values(one):  # type: ignore[no-untyped-def]
    from modiste.registry import DEFAULT

    card = _card(one)
    return {
        "name": one.name,
        "default": one.name == DEFAULT,
        "summary": one.summary,
        "can": list(one.can),
        "ships": one.ships,
        "hub": one.hub,
        "languages": list(one.languages),
        "license": one.license,
        "code_license": one.code_license,
        "data": one.data,
        "data_terms": one.data_terms,
        "sha256": one.sha256,
        "scores": dict(one.scores),
        "card": str(card) if card is not None else None,
    }


def _tell(one):  # type: ignore[no-untyped-def]
    """One model: the card without its front matter, or what the list says where the hub keeps the card."""
    from modiste.cli.console import say

    card = _card(one)
    if card is not None:
        text = card.read_text(encoding="utf-8")
        say(text.split("---\n", 2)[-1].rstrip())
        say(f"\ncard: {card}")
        return
    for key, value in _values(one).items():
        if value not in ("", None, {}, []):
            say(f"{key.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}")
    say(f"card: https://huggingface.co/{one.hub}")


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
