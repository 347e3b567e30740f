"""How a shop and its customers put an item into words: titles, descriptions, queries; and what a query accepts.

Every phrase names attributes the item has; none contradicts them. Titles and queries leave some out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from modiste.data.atelier.design import ARTICLES, Design
from modiste.data.atelier.palette import COLOUR_WORDS
from modiste.taxonomy import super_category
from modiste.types import Item

ARTICLE_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "t-shirt": ("t-shirt", "tee", "tshirt"),
        "shirt": ("shirt", "button-up shirt", "button-down shirt"),
        "sweater": ("sweater", "jumper", "pullover"),
        "hoodie": ("hoodie", "hooded sweatshirt"),
        "tank top": ("tank top", "sleeveless top"),
        "polo shirt": ("polo shirt", "polo"),
        "trousers": ("trousers", "pants"),
        "joggers": ("joggers", "jogging pants"),
        "evening gown": ("evening gown", "gown", "evening dress"),
        "trench coat": ("trench coat", "trench"),
        "puffer jacket": ("puffer jacket", "quilted jacket", "down jacket"),
        "blazer": ("blazer", "suit jacket"),
        "sneakers": ("sneakers", "trainers", "tennis shoes"),
        "ankle boots": ("ankle boots", "booties"),
        "knee boots": ("knee boots", "knee-high boots", "tall boots"),
        "pumps": ("pumps", "heels", "court shoes"),
        "ballet flats": ("ballet flats", "ballerinas", "flats"),
        "loafers": ("loafers", "slip-on loafers"),
        "tote bag": ("tote bag", "tote", "shopper bag"),
        "handbag": ("handbag", "purse"),
        "clutch": ("clutch", "clutch bag", "evening bag"),
        "backpack": ("backpack", "rucksack"),
        "crossbody bag": ("crossbody bag", "shoulder bag"),
        "cap": ("cap", "baseball cap"),
        "beanie": ("beanie", "knitted hat"),
        "sun hat": ("sun hat", "wide-brimmed hat"),
        "fedora": ("fedora", "fedora hat"),
        "sunglasses": ("sunglasses", "shades"),
        "watch": ("watch", "wristwatch"),
        "tie": ("tie", "necktie"),
        "pleated skirt": ("pleated skirt", "skirt with pleats"),
    }
)
# (before the noun, after it)
PATTERN_WORDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = MappingProxyType(
    {
        "solid": (("plain", "solid"), ("in one plain colour",)),
        "stripes": (("striped", "stripy"), ("with stripes",)),
        "pinstripes": (("pinstriped", "pinstripe"), ("with fine pinstripes",)),
        "polka dots": (("polka dot", "dotted", "spotted"), ("with polka dots", "with dots")),
        "checks": (("checked", "plaid", "tartan"), ("with checks", "in a plaid pattern")),
        "floral": (("floral", "flower print", "flowery"), ("with a floral print", "with flowers")),
        "animal print": (("leopard print", "animal print"), ("with a leopard print", "in animal print")),
        "houndstooth": (("houndstooth",), ("in houndstooth",)),
        "herringbone": (("herringbone",), ("in a herringbone weave",)),
        "colour block": (("colour-block", "two-tone"), ("in two colours",)),
    }
)
_MATERIAL_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "wool": ("wool", "woollen"),
        "knit": ("knit", "knitted"),
        "nylon": ("nylon",),
        "patent leather": ("patent leather",),
    }
)
NECK_WORDS = {
    "crew": "a crew neck",
    "v-neck": "a V-neck",
    "scoop": "a scoop neck",
    "boat": "a boat neck",
    "square": "a square neckline",
    "turtleneck": "a turtleneck",
    "tie-neck": "a tie neck",
    "round": "a round neck",
    "straps": "thin straps",
    "hood": "a hood",
    "collar": "a collar",
    "polo collar": "a polo collar",
    "stand collar": "a stand-up collar",
    "sweetheart": "a sweetheart neckline",
    "halter": "a halter neck",
    "one-shoulder": "one bare shoulder",
}
HEEL_WORDS = {
    "flat": "flat soles",
    "block": "a block heel",
    "stiletto": "stiletto heels",
    "kitten": "kitten heels",
    "wedge": "a wedge heel",
}
_LENGTH_WORDS = {
    "mini": "mini",
    "knee": "knee-length",
    "midi": "midi",
    "maxi": "maxi",
    "cropped": "cropped",
    "long": "long",
    "bermuda": "bermuda",
}
_FIT_BEFORE = (
    "slim",
    "oversized",
    "skinny",
    "straight",
    "wide-leg",
    "flared",
    "loose",
    "a-line",
    "pencil",
    "sheath",
    "empire",
    "wrap",
    "mermaid",
    "column",
)
_SEASON_WORDS = {
    "winter": "cold winter days",
    "summer": "hot summer days",
    "spring": "mild spring days",
    "autumn": "crisp autumn days",
    "all year": "every season",
}
_OCCASION = {
    "casual": ("relaxed weekends", "everyday wear"),
    "smart": ("the office", "smart occasions"),
    "formal": ("formal evenings", "special occasions"),
}
_PLURAL = {
    "trousers",
    "jeans",
    "shorts",
    "leggings",
    "joggers",
    "sneakers",
    "ankle boots",
    "knee boots",
    "pumps",
    "loafers",
    "sandals",
    "ballet flats",
    "sunglasses",
    "gloves",
    "earrings",
}


def _one(rng: np.random.Generator, words: tuple[str, ...], usual: float = 0.55) -> str:
    """The first word mostly, a synonym sometimes."""
    return words[0] if len(words) == 1 or rng.random() < usual else words[1 + int(rng.integers(len(words) - 1))]


def _colour(rng: np.random.Generator, d: Design) -> str:
    return _one(rng, COLOUR_WORDS[d.get("colour")], 0.65)


def _details(d: Design) -> list[str]:
    """Visible details, each as it follows "with"."""
    found = []
    if sleeves := d.get("sleeve_length"):
        found.append("no sleeves" if sleeves == "sleeveless" else f"{sleeves} sleeves")
    if neck := d.get("neckline"):
        found.append(NECK_WORDS[neck])
    if heel := d.get("heel"):
        found.append(HEEL_WORDS[heel])
    if (toe := d.get("toe")) in ("pointed", "open"):
        found.append(f"{'an open' if toe == 'open' else 'a pointed'} toe")
    closures = {
        "zip": "a zip",
        "biker zip": "a slanting zip",
        "laces": "laces",
        "double-breasted": "a double-breasted front",
        "single-breasted": "a single row of buttons",
        "belted": "a belt",
        "buttons": "metal buttons",
        "chelsea": "elastic sides",
    }
    if (closure := d.get("closure")) in closures:
        found.append(closures[closure])
    if (detail := d.get("detail")) and detail not in ("plain", "beads", "chain", "hoop", "stud", "bangle", "band"):
        found.append(f"a {detail}")
    return found


def _noun(rng: np.random.Generator, d: Design) -> str:
    return _one(rng, ARTICLE_WORDS.get(d.article, (d.article,)))


def _before(rng: np.random.Generator, d: Design, keep: float) -> list[str]:
    """Length, fit and material, as far as kept, in the order a shop writes them."""
    words = []
    if (length := _LENGTH_WORDS.get(d.get("length"))) and rng.random() < keep and d.article != "evening gown":
        words.append(length)
    if (fit := d.get("fit")) in _FIT_BEFORE and rng.random() < keep * 0.8:
        words.append(fit)
    if (material := d.get("material")) and rng.random() < keep and material not in d.article:
        if material == "metal" and d.get("colour") in ("gold", "silver", "rose gold"):
            return words
        words.append(_one(rng, _MATERIAL_WORDS.get(material, (material,))))
    if (width := d.get("width") or d.get("frame")) and rng.random() < keep:
        words.insert(0, width)
    if (kind := d.get("detail")) in ("beads", "chain", "hoop", "stud", "bangle", "band") and rng.random() < keep:
        words.append({"beads": "beaded"}.get(kind, kind))
    return words


def _capitals(text: str) -> str:
    small = {"with", "a", "an", "in", "of", "and", "the", "for", "one"}
    words = text.split()
    return " ".join(
        w if (w in small and i) or not w[0].islower() else "-".join(p[:1].upper() + p[1:] for p in w.split("-"))
        for i, w in enumerate(words)
    )


def title(d: Design, rng: np.random.Generator) -> str:
    """A short title as shops write it: "Navy Striped Cotton T-Shirt with Long Sleeves"."""
    colour, pattern = _colour(rng, d), d.get("pattern")
    front, back = PATTERN_WORDS[pattern]
    before = _before(rng, d, 0.55)
    after = ""
    printed = pattern != "solid" and rng.random() < 0.88
    if printed and rng.random() < 0.75:
        before.insert(0, _one(rng, front))
    elif printed:
        after = _one(rng, back)
    details = _details(d)
    if details and not after and rng.random() < 0.5:
        after = f"with {details[int(rng.integers(len(details)))]}"
    words = [*before, _noun(rng, d), after]
    if rng.random() < 0.78:
        words.insert(0, colour)
    else:  # the colour at the end
        words.append(f"in {colour}" if " in " not in f" {after} " else f"– {colour}")
    if rng.random() < 0.15:
        words.insert(0, {"women": "women's", "men": "men's", "unisex": "unisex"}[d.get("gender")])
    return _capitals(" ".join(" ".join(words).split()))


def _article_of(d: Design, phrase: str, noun: str) -> str:
    if d.article in _PLURAL:
        return phrase
    return f"{'an' if phrase[0] in 'aeiou' and not phrase.startswith(('uni', 'one', 'eu')) else 'a'} {phrase}"


def description(d: Design, rng: np.random.Generator) -> str:
    """One or two sentences in natural words, naming more than the title does."""
    pattern = d.get("pattern")
    words = [_colour(rng, d), *_before(rng, d, 0.75)]
    noun = _noun(rng, d)
    phrase = " ".join([*words, noun])
    details = [detail for detail in _details(d) if rng.random() < 0.8]
    if pattern != "solid" and rng.random() < 0.95:
        second = COLOUR_WORDS[d.get("secondary_colour")][0]
        prints = {
            "stripes": f"{second} stripes",
            "pinstripes": f"fine {second} pinstripes",
            "polka dots": f"{second} polka dots",
            "checks": f"{second} checks",
            "floral": f"{second} flowers",
            "animal print": f"{second} leopard spots",
            "houndstooth": f"a {second} houndstooth pattern",
            "herringbone": f"a {second} herringbone weave",
            "colour block": f"a contrasting {second} panel",
        }
        details.insert(0, prints[pattern])
    listed = ", ".join(details[:-1]) + (" and " if len(details) > 1 else "") + details[-1] if details else ""
    occasion = _OCCASION[d.get("formality")][int(rng.integers(2))]
    season = _SEASON_WORDS[d.get("season")]
    openings = (
        f"{_article_of(d, phrase, noun)}{f' with {listed}' if listed else ''}.",
        f"{d.get('brand')} makes this {noun} for {occasion}: {', '.join(words)}{f', with {listed}' if listed else ''}.",
        f"{_article_of(d, phrase, noun)} for {occasion}{f', finished with {listed}' if listed else ''}.",
    )
    text = openings[int(rng.integers(len(openings)))]
    closings = (
        "",
        f" Made for {season}.",
        f" Good for {occasion}." if occasion not in text else "",
        f" By {d.get('brand')}." if d.get("brand") not in text else "",
    )
    text += closings[int(rng.integers(len(closings)))]
    return text[0].upper() + text[1:]


def query(d: Design, rng: np.random.Generator) -> str:
    """What a shopper types who has this item in mind: a few of its visible attributes."""
    pattern = d.get("pattern")
    front, back = PATTERN_WORDS[pattern]
    words = [_colour(rng, d)] if rng.random() < 0.85 else []
    after = []
    if pattern != "solid" and rng.random() < 0.85:
        if rng.random() < 0.5:
            words.append(_one(rng, front))
        else:
            after.append(_one(rng, back))
    words += _before(rng, d, 0.4)
    details = _details(d)
    if details and not after and rng.random() < 0.35:
        after.append(f"with {details[int(rng.integers(len(details)))]}")
    if not words and not after:
        words = [_colour(rng, d)]
    return " ".join([*words, _noun(rng, d), *after])


def describe_constraints(constraints: Mapping[str, str]) -> str:
    """`{"category": "dress", "colour": "red", "pattern": "polka dots"}` as "red dress with polka dots".

    Keys are attribute names, `category` (an article type, or a broader word such as "boots" or "shoes") and `max_price`.
    Raises `ValueError` when there is nothing to describe.
    """
    if not constraints:
        raise ValueError("no constraints to describe: give at least one, such as a category or a colour")
    before, after = [], []
    for name in ("gender", "formality", "season", "colour", "length", "fit", "width", "frame", "material"):
        if name in constraints:
            value = constraints[name]
            before.append(
                f"{value}'s"
                if name == "gender" and value != "unisex"
                else _LENGTH_WORDS.get(value, value)
                if name == "length"
                else value
            )
    if pattern := constraints.get("pattern"):
        words = PATTERN_WORDS.get(pattern)
        if pattern == "solid":
            before.insert(0, "plain")
        else:
            after.append(words[1][0] if words else f"with {pattern}")
    if second := constraints.get("secondary_colour"):
        after.append(f"and {second}" if pattern else f"with {second}")
    wishes = []
    for name, value in constraints.items():
        if name == "sleeve_length":
            wishes.append("no sleeves" if value == "sleeveless" else f"{value} sleeves")
        elif name == "neckline":
            wishes.append(NECK_WORDS.get(value, value))
        elif name == "heel":
            wishes.append(HEEL_WORDS.get(value, value))
        elif name in ("toe", "shaft"):
            wishes.append(f"{value} {name}")
        elif name in ("closure", "detail"):
            wishes.append(value)
    if wishes:
        after.append(("and " if after else "with ") + " and ".join(wishes))
    if brand := constraints.get("brand"):
        after.append(f"by {brand}")
    if ceiling := constraints.get("max_price"):
        after.append(f"under {ceiling}")
    return " ".join([*before, constraints.get("category", "item"), *after])


def matches(item: Item, constraints: Mapping[str, str]) -> bool:
    """Whether an item satisfies every constraint (see `describe_constraints` for the keys).

    An attribute that the item's type does not have is not satisfied.
    """
    for name, wanted in constraints.items():
        if name == "category":
            kinds = ARTICLES[item.category].kinds if item.category in ARTICLES else ()
            if wanted not in (item.category, *kinds, super_category(item.category)):
                return False
        elif name == "max_price":
            if float(item.attributes.get("price", float("inf"))) > float(wanted):
                return False
        elif str(item.attributes.get(name, "")) != wanted:
            return False
    return True
