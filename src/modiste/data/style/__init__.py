"""Documented rules of style: what a stylist would say about two items, in numbers and in words. Nothing here is learned.

>>> from modiste.types import Item
>>> a = traits(Item("a", category="Shirts", attributes={"colour": "Navy Blue", "gender": "Men"}))
>>> b = traits(Item("b", category="Trousers", attributes={"colour": "Beige", "gender": "Men"}))
>>> facts = Facts.of([a, b])
>>> broken_rules(facts)
()
>>> BY_NAME["harmony"].words(a, b, float(BY_NAME["harmony"].pair(facts[0], facts[1])))
'navy blue with beige: a neutral goes with everything'
"""

from modiste.data.style.rules import BREAKS, BY_NAME, RULE_NAMES, RULES, Rule
from modiste.data.style.scoring import broken_rules, mean_over_pairs, rule_terms, weighted_pairs, weights_of
from modiste.data.style.traits import OCCASIONS, PATTERNS, SEASONS, Facts, Traits
from modiste.data.style.wardrobe import traits

__all__ = [
    "BREAKS",
    "BY_NAME",
    "OCCASIONS",
    "PATTERNS",
    "RULES",
    "RULE_NAMES",
    "SEASONS",
    "Facts",
    "Rule",
    "Traits",
    "broken_rules",
    "mean_over_pairs",
    "rule_terms",
    "traits",
    "weighted_pairs",
    "weights_of",
]
