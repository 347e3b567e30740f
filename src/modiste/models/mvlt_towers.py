"""A trained dual encoder as the start of an MVLT: its towers become the stages before the joint ones, every key accounted for.

The contrastive head comes along, so the MVLT retrieves just as the dual encoder did before its joint stages learn anything.
Norms for photos with hidden pixels start as copies of the others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from modiste.models.clip import DualEncoder
from modiste.models.mvlt import Mvlt


def copy_towers(model: Mvlt, start: DualEncoder) -> dict[str, tuple[str, ...]]:
    """Copy a bag-of-words dual encoder into an MVLT with convolutional stages; their names -> ours.

    Raises `ValueError` naming a key that fits nowhere, a shape that differs, or a tower that stays without weights.
    """
    if start.config.text_depth:
        raise ValueError("only a dual encoder whose text tower is a bag of words (text_depth=0) can start an MVLT")
    own: Mapping[str, Tensor] = model.state_dict()
    places = _block_places(start.config.depths)
    renamed: dict[str, tuple[str, ...]] = {}
    problems: list[str] = []
    for key, value in start.state_dict().items():
        names = mvlt_names(key, places)
        fitting = [name for name in names if name in own and own[name].shape == value.shape]
        if not names or len(fitting) < len(names):
            problems.append(f"{key} {tuple(value.shape)} does not fit {', '.join(names) or 'anywhere'}")
            continue
        for name in names:
            own[name].copy_(value)
        renamed[key] = names
    filled = {name for names in renamed.values() for name in names}
    towers = [name for name in own if re.match(r"(stages\.\d+\.image\.|itc_|words\.weight)", name)]
    problems += [f"the dual encoder has nothing for {name}" for name in towers if name not in filled]
    if problems:
        raise ValueError(f"not the towers of this MVLT: {'; '.join(problems[:4])}")
    return renamed


def _block_places(depths: tuple[int, ...]) -> list[tuple[int, int]]:
    """The dual encoder numbers its blocks through; ours are (stage, block)."""
    return [(stage, number) for stage, depth in enumerate(depths) for number in range(depth)]


def mvlt_names(key: str, places: list[tuple[int, int]]) -> tuple[str, ...]:
    whole = {
        "image_tower.project.": "itc_image.project.",
        "text_tower.tokens.": "words.",
        "text_tower.trust.": "word_trust.",
        "text_tower.bag_norm.": "itc_text.norm.",
        "text_tower.project.": "itc_text.project.",
        "log_logit_scale": "log_logit_scale",
    }
    for theirs, ours in whole.items():
        if key.startswith(theirs):
            return (ours + key.removeprefix(theirs),)
    if found := re.fullmatch(r"image_tower\.stem\.(\d+)\.(.+)", key):
        number, kind = divmod(int(found[1]), 3)  # convolution, norm, activation
        head = "stages.0.image.stem"
        return (f"{head}.convs.{number}.{found[2]}",) if kind == 0 else _both(f"{head}.norms.{number}", found[2])
    if not (found := re.fullmatch(r"image_tower\.blocks\.(\d+)\.(.+)", key)) or int(found[1]) >= len(places):
        return ()
    stage, number = places[int(found[1])]
    head, leaf = f"stages.{stage}.image.blocks.{number}", found[2]
    if norm := re.fullmatch(r"(norm1|norm2|shortcut\.2)\.(.+)", leaf):
        return _both(f"{head}.{norm[1].replace('shortcut.2', 'shortcut_norm')}", norm[2])
    return (f"{head}.{leaf.replace('shortcut.1.', 'shortcut.')}",)


def _both(norm: str, leaf: str) -> tuple[str, ...]:
    return f"{norm}.whole.{leaf}", f"{norm}.hidden.{leaf}"
