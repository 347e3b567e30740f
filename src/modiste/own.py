"""One's own photos as items, and whether they go together: no catalogue, no training, three lines.

import modiste
verdict = modiste.score(["top=shirt.jpg", "bottom=jeans.jpg", "shoes=boots.jpg"])
print(f"{verdict.score:.2f}", verdict.problems)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from modiste.types import Item

if TYPE_CHECKING:
    from modiste.engine.answers import Verdict
    from modiste.engine.rules import Rules
    from modiste.models.mvlt_inference import Recogniser
    from modiste.types import OutfitScorer

# Labels of a recogniser that name a category, the finest first.
_CATEGORY_LABELS = ("article_type", "category", "sub_category")


def own_item(photo: str | Path, kind: str = "", *, title: str = "", recogniser: Recogniser | None = None) -> Item:
    """A photo file as an item, named by its path: `own_item("shirt.jpg", "shirt")`, or `own_item("shirt=shirt.jpg")`.

    Without a kind the recogniser tells it (by default the shipped model's).

    Raises
    ------
    ValueError
        Naming the file that is not there, is no photo, or whose kind nobody could tell.
    """
    from modiste.data.feed.pictures import read_picture
    from modiste.data.images import ImageError, decode

    if isinstance(photo, str) and not kind:
        kind, photo = split_kind(photo)
    path = Path(photo)
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    try:
        data = read_picture(path)
        decode(data)  # a torn photo is refused here, by the name of its file
    except ImageError as error:
        raise ValueError(f"{path}: {error}") from error
    item = Item(str(path), title, data, category=kind)
    return item if kind else recognised(item, recogniser)[0]


def recognised(item: Item, recogniser: Recogniser | None = None) -> tuple[Item, float]:
    """The item with the likeliest category, and how likely that is. Raises `ValueError` if the model tells no category."""
    if recogniser is None:
        from modiste.models.pretrained import load_recogniser

        recogniser = load_recogniser()
    name = next((one for one in _CATEGORY_LABELS if one in recogniser.labels), None)
    if name is None:
        raise ValueError(f"{item.id}: {recogniser.name} tells no category; say what it is, as shoes={item.id}")
    classes, (probabilities,) = recogniser.recognise([item])[name]
    best = int(probabilities.argmax())
    told = Item(item.id, item.title, item.image, classes[best], item.description, item.attributes, item.group)
    return told, float(probabilities[best])


def split_kind(argument: str) -> tuple[str, str]:
    """`top=shirt.jpg` as ("top", "shirt.jpg"); what has no such beginning, or is a file as it stands, as ("", itself)."""
    kind, sign, path = argument.partition("=")
    if not sign or not kind.strip() or not path or Path(argument).exists():
        return "", argument
    return kind.strip(), path


def score(
    outfit: Sequence[Item | str | Path], scorer: OutfitScorer | None = None, *, rules: Rules | None = None
) -> Verdict:
    """Whether items or photos (`"top=shirt.jpg"`, or a path whose kind the shipped model tells) go together.

    By the documented style rules unless another scorer is given; the score is not calibrated. What breaks the rules of
    validity (two tops, a dress over trousers) scores 0, and the verdict says why. Raises `ValueError` as `own_item`, and for
    no items.
    """
    import numpy as np

    from modiste.engine.answers import Verdict
    from modiste.engine.objective import NEUTRAL
    from modiste.engine.rules import Rules
    from modiste.engine.world import World
    from modiste.models.stylist import Stylist

    if isinstance(outfit, str | Path):
        raise ValueError(f"an outfit is a list of photos or items: [{str(outfit)!r}, ...]")
    items = tuple(one if isinstance(one, Item) else own_item(one) for one in outfit)
    if not items:
        raise ValueError("there is nothing to score: give at least one item")
    rules = rules or Rules()
    problems = rules.outfit.violations(items)
    distinct = sorted({item.id: item for item in items}.values(), key=lambda item: item.id)
    scorer = scorer or Stylist()
    world = World.of_items(distinct, np.zeros((len(distinct), 1), np.float32), scorer)
    rows = np.arange(len(distinct))
    if not problems:
        problems = [
            str(rule)
            for rule in rules.split()
            if rule.kind != "filter"  # what one owns is not asked for brand or stock
            and (rule.kind != "budget" or rule.values[0] in world.columns)
            and not world.constraints((rule,)).valid(rows[None])[0]
        ]
    compatibility = float(scorer.score([distinct])[0]) if len(distinct) > 1 else NEUTRAL
    return Verdict(items, 0.0 if problems else compatibility, compatibility, None, None, tuple(problems))
