"""The stylists of the atelier: who decides whether a set of items is a look, and how sure she is.

A stylist s has a weight for every documented rule and likes some items more than others. Of a set O of k >= 2 items she
thinks

    f_s(O) = GAIN * ( mean over pairs of sum_r w_sr t_r(i, j)  +  LIKING * mean over items of a_s(i)  -  bar_s )

and she accepts it with probability sigmoid(f_s(O)): GAIN is the size of the noise. The mean over items is itself a mean over
pairs (of (a_i + a_j) / 2), so f_s is pairwise. Which of the stylists is asked is drawn with `Style.share`. Bars are set so
that each accepts about two in a hundred sets whose items are drawn at random for the slots of a real look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from modiste.data.style import Facts, weights_of
from modiste.data.style.colour import Array

GAIN = 10.0
LIKING = 0.8
NEVER = -50.0  # the term of two items of one article type: no stylist puts on two belts

_WEIGHTS: Mapping[str, float] = MappingProxyType(
    {
        "harmony": 1.2,
        "tonal": 0.6,
        "palette": 0.8,
        "echo": 0.4,
        "pattern": 1.0,
        "formality": 1.2,
        "season": 1.0,
        "occasion": 1.0,
        "silhouette": 1.2,
        "layering": 3.0,
        "metals": 1.5,
        "leathers": 0.8,
        "gender": 4.0,
    }
)


@dataclass(frozen=True, slots=True)
class Style:
    """One stylist: what she weighs differently from the common weights, and what she likes to see."""

    name: str
    sentence: str
    share: float  # of all looks she is asked about
    bar: float  # how high a set must score before she rather accepts than declines it
    weighs: Mapping[str, float]  # factors on the common weights
    likes: Mapping[str, float]  # of formality, clear (colour), light, bold (print), wide: signed strength

    @property
    def weights(self) -> Array:
        """(R,) weights of the rules, in their order."""
        return weights_of({name: weight * self.weighs.get(name, 1.0) for name, weight in _WEIGHTS.items()})

    def affinity(self, facts: Facts) -> Array:
        """(N,) in [-1, 1]: how much she likes each item for itself; unknown facts leave her indifferent."""
        seen = {
            "formality": 2 * facts.formality - 1,
            "clear": 2 * facts.clear - 1,
            "light": 2 * facts.lab[..., 0] - 1.2,
            "bold": 2 * facts.bold - 1,
            "wide": facts.volume,
        }
        total = sum(strength * np.nan_to_num(seen[name], nan=0.0) for name, strength in self.likes.items())
        result: Array = np.clip(total, -1, 1).astype(np.float32)
        return result


def _style(name: str, sentence: str, share: float, bar: float, weighs: str, likes: str) -> Style:
    def table(text: str) -> Mapping[str, float]:
        pairs = (entry.split() for entry in text.split(","))
        return MappingProxyType({name: float(number) for name, number in pairs})

    return Style(name, sentence, share, bar, table(weighs), table(likes))


STYLES: tuple[Style, ...] = (
    _style(
        "classic",
        "Smart, calm and matched: leathers agree, nothing is loud.",
        0.25,
        2.0,
        "formality 1.3, leathers 2, pattern 1.2",
        "formality 0.6, clear -0.3, bold -0.3",
    ),
    _style(
        "minimal",
        "Few colours, tone on tone, no prints.",
        0.20,
        2.35,
        "palette 1.8, tonal 2, echo 0, pattern 1.3",
        "clear -0.6, bold -0.5",
    ),
    _style(
        "romantic",
        "Light colours and soft prints for spring and evenings.",
        0.20,
        1.62,
        "season 1.3, echo 2, silhouette 0.6",
        "light 0.7, bold 0.3, formality 0.3",
    ),
    _style(
        "street",
        "Casual, wide and dark, sports among everyday things.",
        0.20,
        1.92,
        "silhouette 0.3, formality 1.2, harmony 0.8, leathers 0.3",
        "formality -0.7, wide 0.4, light -0.4",
    ),
    _style(
        "eclectic",
        "Clear colours and prints, mixed on purpose.",
        0.15,
        1.47,
        "pattern 0.2, palette 0.3, harmony 1.4, echo 2.5, tonal 0.4",
        "clear 0.7, bold 0.5",
    ),
)
STYLE_NAMES: tuple[str, ...] = tuple(style.name for style in STYLES)


def style_named(name: str) -> Style:
    """Raises `ValueError` for a name that is no stylist's."""
    for style in STYLES:
        if style.name == name:
            return style
    raise ValueError(f"there is no style {name!r}; choose one of {', '.join(STYLE_NAMES)}")
