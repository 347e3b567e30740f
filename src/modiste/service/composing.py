"""A search that words modify: the plan, and the query that goes with it. What `modiste search` and the service share."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from modiste.engine.composed import Hear
from modiste.engine.modification import ModificationPlan, modification
from modiste.engine.readable import Readable, readable, reading_of
from modiste.engine.reference import Tags, reference_of
from modiste.engine.snapshot import Snapshot
from modiste.engine.vocabulary import knowledge_of
from modiste.types import Embeddings, FloatArray, ImageLike, Item, ItemEncoder

if TYPE_CHECKING:
    from modiste.models.mvlt_inference import Recogniser


def tags_of(recogniser: Recogniser | None, photo: ImageLike | None) -> Tags:
    """The likeliest value of each label of a photo, with its probability; empty where nobody can tell."""
    if recogniser is None or photo is None:
        return {}
    found = {}
    for label, (classes, probabilities) in recogniser.recognise([Item("photo", image=photo)]).items():
        best = int(np.argmax(probabilities[0]))
        found[label] = (classes[best], float(probabilities[0][best]))
    return found


def plan_of(
    snapshot: Snapshot, words: str, *, like: Item | None = None, tags: Tags | None = None, dropped: Collection[str] = ()
) -> ModificationPlan | None:
    """The plan of words beside an item of the catalogue (`like`), or beside a photo by its `tags`.

    None where there is nothing for a plan to do: no words, or words alone that deny nothing and bound no price. `dropped`:
    keys of parts that shall not be meant.
    """
    if not words.strip():
        return None
    vocabulary = knowledge_of(snapshot).vocabulary
    reference = None
    if like is not None:
        reference = reference_of(like, vocabulary, tags)
    elif tags is not None:
        reference = reference_of(Item("photo"), vocabulary, tags, stored=False)
    plan = modification(words, vocabulary, reference)
    return plan.without(dropped) if plan.acts else None


def heard(
    encoder: ItemEncoder, words: str, plan: ModificationPlan | None, *, alone: bool
) -> tuple[Readable, ModificationPlan | None]:
    """The words (of a plan the positive ones) as far as the encoder can read them, with what is said of the rest; the plan too.

    `alone`: there is no photo and no item beside them; raises `NotUnderstood` if none of them can be read then.
    """
    said = readable(encoder, words, alone=False).warnings
    left = readable(encoder, words if plan is None else plan.words, alone=alone).words
    return Readable(left, said), plan and replace(plan, words=left)


def query_words(words: str, like: Item | None, photo: ImageLike | None) -> str:
    """What the encoder hears beside the photo: words (of a plan the positive ones), and the item's own if it has no photo."""
    own = like.text if like is not None and photo is None else ""
    return f"{own} {words}".strip()


def encoded_query(encoder: ItemEncoder, words: str, photo: ImageLike | None) -> Embeddings:
    """(1, D). A query that only denies ("no leather") is near to nothing: zeros."""
    if not words and photo is None:
        return Embeddings(np.zeros((1, encoder.id.dim), np.float32), encoder.id)
    return encoder.encode_query(words, photo)


def hearing(encoder: ItemEncoder) -> Hear:
    """Phrases as the encoder hears them; zeros for one that it cannot read, which is near to nothing."""

    def hear(phrases: Sequence[str]) -> FloatArray:
        read = ("" if reading_of(encoder, one).nothing else one for one in phrases)
        return np.concatenate([encoded_query(encoder, one, None).vectors for one in read])

    return hear
