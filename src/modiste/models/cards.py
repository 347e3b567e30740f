"""The model card that an exported model has by itself: what it is, and what whoever shares it still has to say.

The cards of what ships with Modiste are written by scripts/model_cards.py; how a model was trained is added by the training
loop (`training.folder.note_training`).
"""

from __future__ import annotations

from collections.abc import Sequence

_OPEN = "not said yet"


def plain_card(
    name: str, architecture: str, *, sha256: str = "", parameters: int = 0, languages: Sequence[str] = ()
) -> str:
    """A card in the hub's form, complete where the weights speak for themselves and open where only a person can."""
    spoken = f"language: [{', '.join(languages)}]\n" if languages else ""
    facts = [
        ("architecture", architecture),
        ("parameters", f"{parameters / 1e6:.2f} M" if parameters else ""),
        ("sha256 (weights, sizes, tokenizer)", f"`{sha256}`" if sha256 else ""),
        (
            "languages",
            ", ".join(languages) or "those of its training texts; `modiste search` says which words it cannot read",
        ),
        ("licence of the weights", f"{_OPEN}: it depends on the data that they learned from"),
        ("licence of the code", "Apache-2.0 (Modiste)"),
    ]
    table = "\n".join(f"| {key} | {value} |" for key, value in facts if value)
    return f"""---
library_name: modiste
pipeline_tag: feature-extraction
tags: [fashion, {architecture.replace("_", "-")}]
{spoken}---
# {name}

A model trained with Modiste. Before sharing it, fill in what is open below.

| | |
|---|---|
{table}

## Intended use and limits

{_OPEN.capitalize()}.

## Scores

{_OPEN.capitalize()}: `modiste evaluate --help` lists the protocols. With a number belong data, split, seed, interval, control.
"""
