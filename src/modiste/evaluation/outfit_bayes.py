"""The best possible numbers in the generated world, where it is known how looks come about: the row "Bayes" of a report.

For every protocol of `outfits.py` the scorer of `data/atelier/bayes.py` that is optimal against the very negatives of that
protocol, asked the very same questions. No scorer can expect more; on a few hundred questions one may be ahead by luck.

    cp, cp_same_family       each item replaced by one of its article type: P(look) against sets of these article types
    cp_popularity            the same: no item of the split is in a training look, so that all are equally popular
    cp_random                each item replaced by any: shapes and article types tell much
    cp_declined              sets that a stylist was shown and refused
    fitb, cir                P of the completed outfit. Candidates are of one article type, and uniform among those
    fitb_hard, fitb_hard_*   P as well: how often the stylists themselves prefer the look to the one with a mistake. This is no
                             upper bound: who knows by which rules the mistakes were made, and that the looks have none, is
                             always right

What de-duplication tells (the right item's colourways are never among the wrong ones) is not made use of. Without a number:
cir_csa, where candidates of other splits are among those of the right one's; and whatever may be told by a wish.
"""

from __future__ import annotations

from modiste.data.atelier.bayes import Against, bayes_scorer
from modiste.data.atelier.looks import AtelierOutfits
from modiste.data.atelier.questions import DECLINED, HARD
from modiste.evaluation.outfits import Reference, Wish
from modiste.types import OutfitScorer

_AGAINST: dict[str, Against] = {
    "cp": "category",
    "cp_same_family": "category",
    "cp_popularity": "category",
    "cp_random": "random",
    f"cp_{DECLINED}": "declined",
}
_BY_P = ("fitb", "fitb_same_family", "fitb_popularity", "fitb_unseen", "cir")


def bayes_reference(world: AtelierOutfits, split: str = "test", *, wish: Wish = "none") -> Reference:
    """The best scorer of each protocol for `evaluate_outfits`. Raises `ValueError` for an unknown split."""
    opinion = bayes_scorer(world, against=None, split=split)
    drawn = {one for look in world.looks[split] for one in look.item_ids}  # the universe of the wrong items
    made = {  # what was estimated for one protocol serves the others with such negatives
        against: bayes_scorer(world, against=against, split=split, among=None if against == "declined" else drawn)
        for against in dict.fromkeys(_AGAINST.values())
    }
    scorers: dict[str, OutfitScorer] = {name: made[against] for name, against in _AGAINST.items()}

    def of(protocol: str) -> OutfitScorer | None:
        if protocol in scorers:
            return scorers[protocol]
        by_p = protocol in _BY_P or protocol.split("_")[:2] == ["fitb", HARD]
        return opinion if by_p and wish == "none" else None

    return Reference("Bayes", of)
