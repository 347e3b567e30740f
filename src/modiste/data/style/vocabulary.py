"""Words that name an attribute of a garment: what shops and shoppers write, and which value they mean by it.

Made of what the house already knows (the atelier's wording, shops' colours, the taxonomy's nouns) and of the few words that
only people who search use ("flowery", "half sleeves"). A phrase may mean several things: "heels" are shoes, or a part of
shoes; whoever reads a sentence decides.

A value is written as the atelier writes it ("polka dots", "three-quarter"); a shop's own spelling is read by the same words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from modiste.data.atelier.design import ARTICLES
from modiste.data.atelier.palette import COLOUR_WORDS, lightness
from modiste.data.atelier.wording import ARTICLE_WORDS, PATTERN_WORDS
from modiste.data.style.names import SHOP_COLOURS, hex_of
from modiste.data.style.wardrobe import VOLUMES, kind_of
from modiste.taxonomy import SUPER_CATEGORIES, UNKNOWN, normalise, slot, super_category

Phrase = tuple[str, ...]  # folded words
ANY = "*"  # the value of a word that names the attribute itself: "sleeves", "a print"

# What a table may call an attribute; the first is the house's name, and what a plan calls it.
COLUMNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "category": ("category", "article_type", "articletype", "product_type", "sub_category"),
        "colour": ("colour", "color", "basecolour", "base_colour", "colour_group", "color_group"),
        "secondary_colour": ("secondary_colour", "secondary_color"),
        "pattern": ("pattern", "print"),
        "material": ("material", "fabric", "composition"),
        "sleeve_length": ("sleeve_length", "sleeve", "sleeves", "sleeve_type"),
        "neckline": ("neckline", "neck", "collar", "neck_type"),
        "length": ("length",),
        "fit": ("fit", "cut", "silhouette"),
        "heel": ("heel", "heel_type"),
        "toe": ("toe", "toe_shape"),
        "closure": ("closure", "fastening"),
        "gender": ("gender", "sex"),
        "season": ("season",),
        "formality": ("formality", "usage", "occasion"),
        "price": ("price", "sale_price"),
    }
)
# How a plan names an attribute to people, where it is not its own name.
SPOKEN: Mapping[str, str] = MappingProxyType(
    {"sleeve_length": "sleeves", "secondary_colour": "second colour", "gender": "for"}
)
# The word that names the attribute itself, in "the same length", "in another colour", "a square neckline".
NOUNS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "colour": ("colour", "color", "shade", "colours", "colors"),
        "pattern": ("pattern", "print", "patterns", "prints"),
        "material": ("material", "fabric", "materials", "fabrics"),
        "sleeve_length": ("sleeve", "sleeves", "sleeved"),
        "neckline": ("neckline", "neck", "collar"),
        "length": ("length",),
        "fit": ("fit", "cut", "silhouette"),
        "heel": ("heel", "heels", "heeled"),
        "toe": ("toe", "toes", "toed"),
        "closure": ("closure", "fastening"),
        "price": ("price",),
    }
)


def _table(text: str) -> dict[str, tuple[str, ...]]:
    """`"flat: flat, flat soles; block: block heel"` as value -> phrases."""
    entries = (entry.partition(":") for entry in text.split(";"))
    return {
        value.strip(): tuple(one.strip() for one in words.split(",") if one.strip()) or (value.strip(),)
        for value, _, words in entries
        if value.strip()
    }


_PATTERNS = _table(
    "solid: plain, solid, unpatterned, patternless, one plain colour; stripes: stripe, stripes, striped, stripy, stripey;"
    "pinstripes: pinstripe, pinstripes, pinstriped; polka dots: polka dot, polka dots, polka, dots, dotted, spotted, spots;"
    "checks: check, checks, checked, checkered, chequered, plaid, tartan, gingham; colour block: colour block, color block,"
    "two tone, two colours; floral: floral, florals, flower, flowers, flowery, flower print, floral print, blossoms;"
    "animal print: animal print, leopard, leopard print, zebra, zebra print, snake print, leopard spots;"
    "houndstooth: houndstooth, dogtooth; herringbone:; camouflage: camouflage, camo; paisley:; geometric:; abstract:;"
    "*: patterned, printed, pattern, patterns, print, prints"
)
_MATERIALS = _table(
    "wool: wool, woollen, woolen, woolly; knit: knit, knitted; nylon:; patent leather: patent leather, patent; leather:;"
    "faux leather: faux leather, vegan leather, imitation leather; suede:; denim:; corduroy: corduroy, cord; velvet:;"
    "lace: lace, lacy; fleece:; mesh:; tweed:; jersey:; acrylic:; viscose: viscose, rayon; chiffon:; rubber:; fur: fur, furry;"
    "silk: silk, silky; synthetic: synthetic, synthetics; spandex: spandex, elastane, lycra; modal:; sequins: sequin, sequins"
)
_SLEEVES = _table(
    "sleeveless:; short: short sleeve, short sleeves, short sleeved, half sleeve, half sleeves, half sleeved;"
    "three-quarter: three quarter sleeve, three quarter sleeves, three quarter sleeved, 3 4 sleeve, 3 4 sleeves, 3 4 sleeved;"
    "long: long sleeve, long sleeves, long sleeved, full sleeve, full sleeves; *: sleeve, sleeves, sleeved"
)
_NECKS = _table(
    "crew: crew neck, crewneck, crew neckline, crew; v-neck: v neck, vneck, v neckline; scoop: scoop neck, scoop neckline,"
    "scoop; boat: boat neck, boat neckline; square: square neck, square neckline; round: round neck, round neckline;"
    "turtleneck: turtleneck, turtle neck, roll neck, rollneck, polo neck; tie-neck: tie neck, pussy bow;"
    "straps: straps, strap, thin straps, spaghetti straps, strappy; hood: hood, hooded, hoods;"
    "collar: collar, collared, collars; polo collar:; stand collar: stand collar, stand up collar, mandarin collar;"
    "sweetheart: sweetheart, sweetheart neckline; halter: halter, halter neck, halterneck;"
    "one-shoulder: one shoulder, one bare shoulder; strapless:; off-shoulder: off shoulder, off the shoulder"
)
_LENGTHS = _table(
    "mini: mini, mini length; short:; cropped: cropped, crop; thigh: thigh length; bermuda: bermuda;"
    "knee: knee length; regular: regular length; midi: midi, calf length; long:;"
    "full: full length; maxi: maxi, floor length, ankle length"
)
_FITS = _table(
    "slim: slim, slim fit; regular: regular fit, regular cut; oversized: oversized, oversize; skinny:;"
    "straight: straight, straight leg, straight cut; wide-leg: wide leg, wide legs, wide, palazzo;"
    "flared: flared, flare, bootcut; loose: loose, loose fit, loose fitting, relaxed, relaxed fit, baggy; a-line: a line;"
    "pencil:; sheath:; empire: empire, empire waist; wrap:; mermaid:; column:; ball gown:; fitted: fitted, tight, bodycon"
)
_HEELS = _table(
    "flat: flat, flat soles, flat sole, flat heel, flat heels; block: block heel, block heels;"
    "stiletto: stiletto, stilettos, stiletto heel, stiletto heels, high heel, high heels; kitten: kitten heel, kitten heels;"
    "wedge: wedge, wedges, wedge heel, wedge heels; *: heel, heels, heeled"
)
_TOES = _table("pointed: pointed, pointed toe, pointy; open: open toe, open toed, peep toe; round: round toe")
_CLOSURES = _table(
    "zip: zip, zipper, zips, zipped, zip up; laces: laces, lace up; double-breasted: double breasted;"
    "single-breasted: single breasted; belted: belted, belt; buttons: buttons, buttoned, button; velcro:"
)
_GENDERS = _table(
    "women: women, woman, womens, ladies, lady, female, feminine; men: men, man, mens, gentlemen, male; unisex:;"
    "girls: girls, girl; boys: boys, boy"
)
_SEASONS = _table(
    "winter: winter, wintry; spring:; summer: summer, summery; autumn: autumn, fall; all year: all year, all season"
)
_FORMALITIES = _table(
    "casual: casual, everyday; smart: smart, smart casual; formal: formal, elegant, dressy; sports: sports, sport, sporty;"
    "party: party; ethnic: ethnic; travel: travel"
)
# Of these kinds is also what has another name: whoever wants no leather wants no suede either, and no collar is no polo collar.
_ALSO: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "pattern": {"stripes": ("pinstripes",)},
    "material": {"leather": ("patent leather", "suede")},
    "neckline": {"collar": ("polo collar", "stand collar")},
}
# Another name of the same, as far as a wish goes: a long dress is called maxi, long trousers full.
_SAME: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "length": {"long": ("maxi", "full"), "short": ("mini",)},
    "gender": {"women": ("unisex",), "men": ("unisex",)},
    "fit": {"fitted": ("slim", "skinny", "sheath", "pencil")},
    "neckline": {"round": ("crew",)},
}
# The value that has none of it, and so what "no sleeves" or "without a print" asks for.
NONE_OF: Mapping[str, str] = MappingProxyType({"pattern": "solid", "sleeve_length": "sleeveless", "heel": "flat"})
# From least to most, for "shorter", "looser", "more formal"; of equal rank where neither is more.
_ORDERS: Mapping[str, Mapping[str, float]] = {
    "length": {"mini": 0, "short": 0, "cropped": 1, "thigh": 1.5, "bermuda": 2, "regular": 2, "knee": 3, "midi": 4, "long": 5,
               "full": 5, "maxi": 5},
    "sleeve_length": {"sleeveless": 0, "short": 1, "three-quarter": 2, "long": 3},
    "heel": {"flat": 0, "kitten": 1, "wedge": 2, "block": 2, "stiletto": 3},
    "formality": {"sports": 0, "casual": 1, "smart": 2, "party": 2.5, "formal": 3},
    "fit": {**VOLUMES, "fitted": -1.0},
}  # fmt: skip
_STEP = 0.06  # of lightness in [0, 1], from which on a colour is darker or lighter than another
# Nouns of the taxonomy that are adjectives or parts in a sentence; their plural is the garment, if anything is.
_ONLY_PLURAL = frozenset({"short", "tight", "flat", "heel", "wedge", "brief", "slip"})
_NO_GARMENT = frozenset(
    {"sleeve", "case", "set", "brace", "bottle", "combo", "kit", "key-chain", "upper", "bottom", "cargo", "stiletto", "lace",
     "charm", "turtleneck", "knitwear", "other", "hood", "leather"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Meaning:
    """One thing that a phrase can mean: an attribute's value, or `ANY` for the attribute itself."""

    attribute: str
    value: str


def folded(text: str) -> Phrase:
    """The words of a text as phrases are compared: lower case, without possessive endings, hyphens as gaps."""
    return tuple(fold(word) for word in re.findall(r"\d+(?:\.\d+)?|[^\W\d_]+(?:['’][^\W\d_]+)*", text))


def fold(word: str) -> str:
    """One word in lower case, without a possessive ending: "Women's" as "women"."""
    word = word.casefold().replace("’", "'")
    return re.sub(r"'s?$", "", word)


def _colours() -> dict[str, tuple[str, ...]]:
    known = {folded(word) for words in COLOUR_WORDS.values() for word in words}
    return dict(COLOUR_WORDS) | {name: (name,) for name in SHOP_COLOURS if folded(name) not in known}


def _patterns() -> dict[str, tuple[str, ...]]:
    found = dict(_PATTERNS)
    for name, (before, after) in PATTERN_WORDS.items():
        plain = (re.sub(r"^(?:with|in)(?: an?)? ", "", one) for one in after)
        found[name] = tuple(dict.fromkeys((*found.get(name, (name,)), *before, *plain)))
    return found


def _materials() -> dict[str, tuple[str, ...]]:
    made_of = {material for article in ARTICLES.values() for material in article.materials}
    return {material: (material,) for material in sorted(made_of - {"metal"})} | _MATERIALS


@lru_cache(maxsize=1)
def phrases() -> Mapping[Phrase, tuple[Meaning, ...]]:
    """Every phrase of the house and what it can mean, the likeliest first."""
    tables: tuple[tuple[str, Mapping[str, tuple[str, ...]]], ...] = (
        ("colour", _colours()),
        ("pattern", _patterns()),
        ("material", _materials()),
        ("sleeve_length", _SLEEVES),
        ("neckline", _NECKS),
        ("length", _LENGTHS),
        ("fit", _FITS),
        ("heel", _HEELS),
        ("toe", _TOES),
        ("closure", _CLOSURES),
        ("gender", _GENDERS),
        ("season", _SEASONS),
        ("formality", _FORMALITIES),
        ("category", {name: (name, *ARTICLE_WORDS.get(name, ())) for name in ARTICLES}),
    )
    found: dict[Phrase, tuple[Meaning, ...]] = {}
    for attribute, table in tables:
        for value, words in table.items():
            for phrase in words:
                key, meaning = folded(phrase), Meaning(attribute, value)
                if meaning not in found.get(key, ()):
                    found[key] = (*found.get(key, ()), meaning)
    return MappingProxyType(found)


@lru_cache(maxsize=4096)
def garment(word: str) -> str:
    """The category noun that a folded word is ("boots" -> "boot"), or "" for any other word."""
    noun = normalise(word)
    if noun in _NO_GARMENT or (word in _ONLY_PLURAL) or super_category(word) == UNKNOWN:
        return ""
    return noun


@lru_cache(maxsize=65536)
def means(attribute: str, label: str) -> str:
    """The house's value of a shop's own label of an attribute ("Navy Blue" -> "navy"); the label in lower case otherwise.

    The whole label counts, else its longest known part; a label that says nothing known stays itself.
    """
    words = folded(label)
    known = phrases()
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            for meaning in known.get(words[start : start + length], ()):
                if meaning.attribute == attribute and meaning.value != ANY:
                    return meaning.value
        if attribute in ("category", "season", "formality", "length", "fit") and length == len(words):
            break  # half of such a label is another thing: a shirt dress is no shirt
    return label.strip().casefold()


def parts(label: str) -> tuple[str, ...]:
    """What a label that names several values names: "Navy/White" -> ("Navy", "White")."""
    return tuple(part.strip() for part in re.split(r"[/,;&+|]| and ", label) if part.strip()) or (label,)


def satisfies(attribute: str, label: str, value: str, *, broadly: bool = False) -> bool:
    """Whether a shop's label of an attribute is the value; `broadly`, as one who excludes it means it.

    Broadly "leather" is suede too, "stripes" are pinstripes too, and "blue" is light blue.
    """
    if attribute == "category":
        return _is_kind(label, value)
    table = {value, *_SAME.get(attribute, {}).get(value, ())}
    if broadly:
        table |= {value, *_ALSO.get(attribute, {}).get(value, ())}
    for part in {label, *parts(label)}:
        meant = means(attribute, part)
        if meant in table or (broadly and attribute == "colour" and _shade_of(meant, value)):
            return True
    return False


def _shade_of(colour: str, value: str) -> bool:
    """Whether a colour's own name says that it is one of the other: light blue is a blue, "mint green" a green."""
    return any(name.split(" ")[-1] == value for name in COLOUR_WORDS.get(colour, (colour,)))


@lru_cache(maxsize=65536)
def _is_kind(label: str, value: str) -> bool:
    """Whether a category is what a noun names: itself by any of its names, a kind of it, or one of its super-category."""
    own, asked = normalise(label), normalise(value)
    if own == asked or own.endswith(f" {asked}"):
        return True
    kind = kind_of(asked)
    if kind is not None and kind == kind_of(own):
        return True
    supers = (*SUPER_CATEGORIES, *(normalise(one) for one in SUPER_CATEGORIES))
    if value in supers or asked in supers:
        return super_category(own) == super_category(asked) != UNKNOWN or slot(own) == asked
    return any(asked == normalise(one) for one in (ARTICLES[own].kinds if own in ARTICLES else ()))


def rank(attribute: str, label: str) -> float | None:
    """Where a label stands among the values of an ordered attribute (length, sleeves, lightness of a colour); None: nowhere."""
    if attribute == "colour":
        shade = hex_of(label)
        return lightness(shade) if shade else None
    return _ORDERS.get(attribute, {}).get(means(attribute, label))


def beyond(attribute: str, label: str, than: str, direction: int) -> bool:
    """Whether a label is more (`direction` 1) or less (-1) than another of an ordered attribute."""
    one, other = rank(attribute, label), rank(attribute, than)
    if one is None or other is None:
        return False
    return direction * (one - other) > (_STEP if attribute == "colour" else 0)


def attribute_of(column: str) -> str:
    """The house's name of a table's column: "baseColour" -> "colour"; an unknown one stays itself."""
    name = column.casefold()
    return next((attribute for attribute, names in COLUMNS.items() if name in names), column)
