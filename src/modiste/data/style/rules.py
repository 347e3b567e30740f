"""The documented style rules: each a name, a sentence, where it comes from, a term in [-1, 1] for two items, and words.

A rule judges pairs, so that a look's score is a mean over its pairs and exact search can bound it; what is said of a whole
look (few colours, one occasion) is written as what it means for two of its items. 0 is "no opinion": unknown facts, or
items the rule is not about. A pair at `BREAKS` or below breaks the rule.

Sources are of two kinds, named in `reason`: colour theory that was written down (Chevreul 1839, Itten 1961, Moon and Spencer
1944), and conventions of dress that every style guide repeats. They are conventions, not facts about beauty: nothing here
is learned from data.

Shapes: a and b are `Facts` whose shapes broadcast; a term has the broadcast shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from modiste.data.style.colour import Array, distance, hue_difference
from modiste.data.style.traits import OCCASIONS, Facts, Traits
from modiste.taxonomy import SLOTS

BREAKS = -0.5

_TOP, _BOTTOM, _OUTERWEAR, _ONE_PIECE, _SHOES = (
    SLOTS.index(slot) for slot in ("top", "bottom", "outerwear", "one_piece", "shoes")
)
_UPPER = np.isin(np.arange(len(SLOTS)), (_TOP, _OUTERWEAR))
_ONCE = np.isin(np.arange(len(SLOTS)), (_BOTTOM, _OUTERWEAR, _ONE_PIECE, _SHOES))  # worn one at a time


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of style. `pair` is symmetric, in [-1, 1], and never NaN."""

    name: str
    sentence: str
    reason: str
    term: Callable[[Facts, Facts], Array]
    words: Callable[[Traits, Traits, float], str]
    items_to_break: int = 2  # so many items of a look must break it pairwise before the look does

    def pair(self, a: Facts, b: Facts) -> Array:
        """The term of every pair: the broadcast shape of a and b; 0 where the rule has no opinion."""
        result: Array = np.clip(np.nan_to_num(self.term(a, b), nan=0.0), -1, 1).astype(np.float32)
        return result

    def broken_by(self, terms: Array) -> bool:
        """Whether a look breaks the rule: (k, k) terms of its pairs, of which the diagonal is not looked at."""
        bad: NDArray[np.int64] = (terms <= BREAKS).astype(np.int64)
        np.fill_diagonal(bad, 0)
        if self.items_to_break == 2:
            return bool(bad.any())
        if self.items_to_break == 3:  # a triangle: three items each of which breaks it with the other two
            return bool(((bad @ bad) * bad).any())
        raise ValueError(f"a rule is broken by 2 or 3 items, not {self.items_to_break}")


# Colour

# Moon and Spencer's intervals of pleasing and ambiguous hue contrast, with the wheel's names: alike, neighbours, the
# ambiguous quarter, a triad, complements. (degrees of hue, term)
_HUE_CURVE = (
    (0.0, 0.8),
    (25.0, 0.6),
    (50.0, -0.5),
    (70.0, -1.0),
    (90.0, -0.7),
    (120.0, 0.1),
    (150.0, 0.5),
    (180.0, 0.8),
)
_NEUTRAL_TERM = 0.3


def _harmony(a: Facts, b: Facts) -> Array:
    apart = hue_difference(a.hue, b.hue)
    wheel = np.interp(apart, [degrees for degrees, _ in _HUE_CURVE], [term for _, term in _HUE_CURVE])
    both_clear = np.minimum(a.clear, b.clear)
    term = both_clear * np.where(np.isnan(apart), 0.0, wheel) + (1 - both_clear) * _NEUTRAL_TERM
    return np.asarray(term, dtype=np.float32)


def _harmony_words(a: Traits, b: Traits, term: float) -> str:
    if term <= BREAKS:
        return f"{a.colour} and {b.colour} lie an awkward quarter of the colour wheel apart"
    if abs(term - _NEUTRAL_TERM) < 0.05:
        return f"{a.colour} with {b.colour}: a neutral goes with everything"
    if term > 0:
        return f"{a.colour} and {b.colour} are alike, neighbours or opposites on the colour wheel"
    return f"{a.colour} and {b.colour} are neither neighbours nor opposites on the colour wheel"


_SAME, _SEEN_APART, _CLEARLY_APART = 0.035, 0.05, 0.10  # distances in OKLab


def _tonal(a: Facts, b: Facts) -> Array:
    """+ for the very same shade and for one hue in two depths, - for a near miss, 0 for different colours."""
    apart = distance(a.lab, b.lab)
    step = np.abs(a.lab[..., 0] - b.lab[..., 0])
    away = np.hypot(a.lab[..., 1] - b.lab[..., 1], a.lab[..., 2] - b.lab[..., 2])
    miss = -np.interp(apart, (_SAME, _SEEN_APART, 0.8 * _CLEARLY_APART, _CLEARLY_APART), (0.0, 0.8, 0.8, 0.0))
    depth = 0.6 * np.exp(-((away / 0.06) ** 2)) * np.clip((step - 0.10) / 0.15, 0, 1)
    result: Array = np.where(apart <= _SAME, 0.5, np.where(apart < _CLEARLY_APART, miss, depth)).astype(np.float32)
    return np.where(np.isnan(apart), np.float32(np.nan), result)


def _tonal_words(a: Traits, b: Traits, term: float) -> str:
    if term < 0:
        return f"{a.named} and {b.named} nearly match, which looks like a mistake"
    return f"{a.named} and {b.named} are tone on tone"


def _palette(a: Facts, b: Facts) -> Array:
    """-1 where two clear colours differ, a little above 0 otherwise: the mean over pairs is Simpson's index of hues."""
    both_clear = np.minimum(a.clear, b.clear)
    different = np.clip((hue_difference(a.hue, b.hue) - 20) / 15, 0, 1)
    term = 0.2 - 1.2 * both_clear * np.where(np.isnan(different), 0.0, different)
    return np.asarray(term, dtype=np.float32)


def _palette_words(a: Traits, b: Traits, term: float) -> str:
    if term < 0:
        return f"{a.colour} and {b.colour} each add a colour to the look"
    return f"{a.colour} and {b.colour} keep to few colours"


def _echo(a: Facts, b: Facts) -> Array:
    """+1 where one item wears the second colour of the other's print."""

    def picked(one: Facts, other: Facts) -> Array:
        return np.nan_to_num(distance(one.second, other.lab), nan=9.0)

    near = np.minimum(picked(a, b), picked(b, a))
    result: Array = np.clip((0.10 - near) / 0.05, 0, 1)
    return result


# Pattern


def _pattern(a: Facts, b: Facts) -> Array:
    loud = a.bold * b.bold
    mix = np.where(a.pattern == b.pattern, 0.7, 1.25) * loud  # two prints of one kind quarrel less than two kinds
    one_print = np.abs(a.bold - b.bold) * (1 - np.minimum(a.bold, b.bold))
    result: Array = (0.4 * one_print - mix).astype(np.float32)
    return result


def _pattern_words(a: Traits, b: Traits, term: float) -> str:
    if term < 0:
        return f"{a.pattern} beside {b.pattern}: two prints compete"
    return f"{a.pattern} beside {b.pattern}: one print on a calm ground"


# Formality, season, occasion, gender


def _formality(a: Facts, b: Facts) -> Array:
    return np.asarray(0.5 - 1.5 * np.abs(a.formality - b.formality) ** 1.5, dtype=np.float32)


def formality_word(level: float) -> str:
    """0 ... 1 in words: casual, smart casual, smart, formal."""
    return ("casual", "smart casual", "smart", "formal")[int(np.searchsorted((0.2, 0.42, 0.75), level))]


def _formality_words(a: Traits, b: Traits, term: float) -> str:
    if a.formality is None or b.formality is None:
        return ""
    one, other = formality_word(a.formality), formality_word(b.formality)
    if one == other:
        return f"both {one}"
    return f"{one} {a.noun} with {other} {b.noun}"


def _season_table() -> Array:
    """(16, 16): the term for two sets of seasons as bit masks (bit i: SEASONS[i]); NaN where one is unknown (0)."""
    warmth = (0, 1, 2, 1)  # winter, spring, summer, autumn: seasons of one warmth, or one step apart, can be bridged
    table = np.full((16, 16), np.nan, dtype=np.float32)
    for one in range(1, 16):
        for other in range(1, 16):
            steps = [abs(warmth[i] - warmth[j]) for i in range(4) for j in range(4) if one >> i & 1 and other >> j & 1]
            if one & other:
                table[one, other] = 0.2 if one == other == 15 else 0.4
            else:
                table[one, other] = -0.35 if min(steps) < 2 else -1.0
    return table


_SEASON_TERMS = _season_table()


def _season(a: Facts, b: Facts) -> Array:
    result: Array = _SEASON_TERMS[a.seasons, b.seasons]
    return result


def _season_words(a: Traits, b: Traits, term: float) -> str:
    def when(one: Traits) -> str:
        return "all year" if len(one.seasons) == 4 else " and ".join(one.seasons)

    verb = "share a season" if term > 0 else "belong to different seasons"
    return f"{a.noun} ({when(a)}) and {b.noun} ({when(b)}) {verb}"


def _occasion(a: Facts, b: Facts) -> Array:
    best = np.minimum(a.occasions[..., 0], b.occasions[..., 0])
    for at in range(1, len(OCCASIONS)):  # faster than a maximum over a short last axis
        best = np.maximum(best, np.minimum(a.occasions[..., at], b.occasions[..., at]))
    return np.asarray(1.5 * best - 1, dtype=np.float32)


def _occasion_words(a: Traits, b: Traits, term: float) -> str:
    if not a.occasions or not b.occasions:
        return ""
    both = np.minimum(a.occasions, b.occasions)
    if term > 0:
        return f"{a.noun} and {b.noun} are both for {OCCASIONS[int(both.argmax())]}"
    one, other = (OCCASIONS[int(np.argmax(x.occasions))] for x in (a, b))
    return f"{a.noun} is for {one}, {b.noun} for {other}"


def _gender(a: Facts, b: Facts) -> Array:
    term = np.where((a.gender * b.gender < 0) | (np.abs(a.child - b.child) > 0.5), -1.0, 0.0)
    return np.asarray(term, dtype=np.float32)


def _gender_words(a: Traits, b: Traits, term: float) -> str:
    def whom(one: Traits) -> str:
        grown = {"women": "girls", "men": "boys"} if one.age == "child" else {}
        return grown.get(
            one.gender or "", one.gender or {"child": "children", "adult": "adults"}.get(one.age or "", "")
        )

    return f"{a.noun} is cut for {whom(a)}, {b.noun} for {whom(b)}"


# Cut and material


def _silhouette(a: Facts, b: Facts) -> Array:
    upper_a, upper_b = _UPPER[a.slot], _UPPER[b.slot]
    lower_a, lower_b = a.slot == _BOTTOM, b.slot == _BOTTOM
    product = a.volume * b.volume
    apart = np.abs(a.volume - b.volume)
    term = np.where(product > 0, np.where(a.volume > 0, -1.0 * product, -0.4 * product), 0.35 * apart)
    return np.where((upper_a & lower_b) | (lower_a & upper_b), term, 0.0).astype(np.float32)


def _silhouette_words(a: Traits, b: Traits, term: float) -> str:
    if term < 0:
        width = "wide" if (a.volume or 0) > 0 else "close to the body"
        return f"{a.noun} and {b.noun} are both {width}"
    return f"the volumes of {a.noun} and {b.noun} balance"


def _layering(a: Facts, b: Facts) -> Array:
    """Two garments for the same part of the body: a top under a cardigan is a layer, two shirts are a mistake."""
    tops = (a.slot == _TOP) & (b.slot == _TOP)
    over = np.where(np.isnan(a.layer + b.layer), 0.0, np.where(a.layer + b.layer == 1, 0.4, -0.8))
    same_place = (a.slot == b.slot) & _ONCE[a.slot]
    dressed_twice = ((a.slot == _ONE_PIECE) & (b.slot == _BOTTOM)) | ((a.slot == _BOTTOM) & (b.slot == _ONE_PIECE))
    return np.where(tops, over, np.where(same_place | dressed_twice, -0.8, 0.0)).astype(np.float32)


def _layering_words(a: Traits, b: Traits, term: float) -> str:
    return f"{a.noun} over {b.noun} is a layer" if term > 0 else f"{a.noun} and {b.noun} take the same place"


def _metals(a: Facts, b: Facts) -> Array:
    apart = np.abs(a.metal - b.metal)
    term = 0.5 - np.where(apart > 1.5, 1.3, 0.5 * apart)
    return np.asarray(term, dtype=np.float32)


def _metals_words(a: Traits, b: Traits, term: float) -> str:
    return f"{a.metal} with {b.metal}: {'metals agree' if term > 0 else 'warm and cool metals mix'}"


def _leathers(a: Facts, b: Facts) -> Array:
    """Leather shoes, bag and belt: one leather, or at least not two browns beside black."""
    apart = distance(a.lab, b.lab)
    term = np.interp(apart, (0.05, 0.10, 0.16), (0.7, 0.0, -0.6))  # black and dark brown lie 0.2 apart
    return np.where(a.leather & b.leather & ~np.isnan(apart), term, 0.0).astype(np.float32)


def _leathers_words(a: Traits, b: Traits, term: float) -> str:
    return f"leather of {a.named} and {b.named} {'matches' if term > 0 else 'does not match'}"


RULES: tuple[Rule, ...] = (
    Rule(
        "harmony",
        "Two clear colours go together when alike, neighbours or opposites on the colour wheel; a neutral goes with all.",
        "Chevreul 1839 (harmonies of analogy and of contrast), Itten 1961 (wheel); ambiguous intervals: Moon and Spencer 1944.",
        _harmony,
        _harmony_words,
    ),
    Rule(
        "tonal",
        "One colour in two depths, or the very same shade, is tone on tone; a near miss (black, navy) looks like a mistake.",
        "Chevreul's harmony of scale; Moon and Spencer's first ambiguity: a difference too small to be meant.",
        _tonal,
        _tonal_words,
    ),
    Rule(
        "palette",
        "A look keeps to few colours: neutrals and at most two clear ones.",
        "The three-colour rule of style guides; measured as the share of pairs that differ (Simpson's index).",
        _palette,
        _palette_words,
        items_to_break=3,
    ),
    Rule(
        "echo",
        "A plain item may pick up the second colour of a print.",
        "Convention of dress: repetition ties a look together.",
        _echo,
        lambda a, b, term: f"{a.named} and {b.named}: one picks up the other's second colour",
    ),
    Rule(
        "pattern",
        "One loud print in a look, on a calm ground; two prints compete, those of different kinds more.",
        "Convention of dress: a look has one point of attention.",
        _pattern,
        _pattern_words,
    ),
    Rule(
        "formality",
        "The items of a look are about equally formal.",
        "Dress codes: each names one level for the whole look.",
        _formality,
        _formality_words,
    ),
    Rule(
        "season",
        "The items of a look can be worn in one season.",
        "Use: sandals are not worn with a winter coat.",
        _season,
        _season_words,
    ),
    Rule(
        "occasion",
        "There is an occasion that all items of a look are made for.",
        "Use: one look is worn to one thing.",
        _occasion,
        _occasion_words,
    ),
    Rule(
        "silhouette",
        "Volume above and below balance: wide with slim; wide with wide loses the figure.",
        "Convention of dress: proportion between upper and lower body.",
        _silhouette,
        _silhouette_words,
    ),
    Rule(
        "layering",
        "Of two tops one is made to be worn over the other; no other part of the body is dressed twice.",
        "Use.",
        _layering,
        _layering_words,
    ),
    Rule(
        "metals",
        "Jewellery, and what else shines like it, keeps to one metal: gold or silver.",
        "Convention of dress: warm and cool metals are not mixed.",
        _metals,
        _metals_words,
    ),
    Rule(
        "leathers",
        "Leather shoes, bag and belt match in colour.",
        "Convention of dress: brown belt and black shoes are the textbook mistake.",
        _leathers,
        _leathers_words,
    ),
    Rule(
        "gender",
        "A look is cut for one wearer: women's and men's, children's and adults' items are not mixed; unisex goes with both.",
        "How shops cut and shelve clothes; a fact about fits, not about who may wear what.",
        _gender,
        _gender_words,
    ),
)
RULE_NAMES: tuple[str, ...] = tuple(rule.name for rule in RULES)
BY_NAME: Mapping[str, Rule] = MappingProxyType({rule.name: rule for rule in RULES})
