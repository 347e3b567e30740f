"""The atelier's own questions, beside those that are drawn from its looks: declined proposals, and looks with one mistake.

    cp "test/declined"         accepted sets and as many declined ones of the same shapes: hard, as shapes and article types of
                               both are alike, and a stylist has seen and refused the wrong ones
    fitb "test/hard"           a look that breaks no rule, and it with one item exchanged so that exactly one documented rule
                               breaks: which of the two items completes the rest? Chance is 50 %
    fitb "test/hard_<rule>"    the same, of one rule alone

Under these names they are among the questions of `OutfitData`, so that every protocol finds them.
"""

from __future__ import annotations

from dataclasses import replace

from modiste.data.atelier.hard_negatives import BREAKABLE, hard_negatives
from modiste.data.atelier.looks import AtelierOutfits, checked_split, labelled_looks
from modiste.data.outfits import CpQuestion, FitbQuestion

DECLINED, HARD = "declined", "hard"


def with_questions(world: AtelierOutfits, split: str, *, num_looks: int = 0, seed: int = 0) -> AtelierOutfits:
    """The same world with questions of its own about a split, drawn by the seed.

    Parameters
    ----------
    num_looks
        So many accepted sets, as many declined ones, and at most so many hard negatives of each rule; 0: as many as the split
        has looks. Of hard negatives there are fewer, as few looks break no rule, and one for each rule is made of these where
        that is possible.

    Raises
    ------
    ValueError
        For an unknown split, a negative number, or a world too small for so many.
    """
    if num_looks < 0:
        raise ValueError(f"num_looks must not be negative, not {num_looks}")
    num_looks = num_looks or len(world.looks[checked_split(world, split)])
    judged = labelled_looks(world, split, 2 * num_looks, seed)
    sources = {look.id: look for look in world.looks[split]}
    hard: dict[str, list[FitbQuestion]] = {HARD: []}
    for one in hard_negatives(world, split, num_looks * len(BREAKABLE), seed, per_look=len(BREAKABLE)):
        partial = tuple(item for item in sources[one.source].item_ids if item != one.removed)
        question = FitbQuestion(partial, (one.removed, one.added), one.removed)
        hard[HARD].append(question)
        hard.setdefault(f"{HARD}_{one.rule}", []).append(question)
    return replace(
        world,
        cp={f"{split}/{DECLINED}": tuple(CpQuestion(look.item_ids, int(look.label or 0)) for look in judged)},
        fitb={f"{split}/{kind}": tuple(questions) for kind, questions in hard.items()},
    )
