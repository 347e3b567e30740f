"""From an item's attributes and words to its traits: what a retailer's table says, and what a garment's name implies.

Attributes win (`formality`, `season`, `fit`, `pattern`, `colour`...); what they leave open is read from the title and from
what kind of garment it is. Nothing is guessed beyond that: an unknown fact stays unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modiste.data.atelier.wording import PATTERN_WORDS
from modiste.data.style.names import HEX, hex_of
from modiste.data.style.traits import OCCASIONS, PATTERNS, SEASONS, Traits
from modiste.taxonomy import UNKNOWN, normalise, slot, wearer
from modiste.types import Item


@dataclass(frozen=True, slots=True)
class Kind:
    """What a kind of garment implies when the table says nothing: how formal, for what, in which seasons, how wide."""

    formality: float
    occasions: Mapping[str, float]
    seasons: tuple[str, ...] = SEASONS
    volume: float | None = None
    over: bool | None = None  # a top that is worn over another one


def _kind(
    formality: float, occasions: str, seasons: str = "", volume: float | None = None, over: bool | None = None
) -> Kind:
    weights = dict(entry.rsplit(" ", 1) for entry in occasions.split(", "))
    return Kind(
        formality,
        MappingProxyType({name: float(weight) for name, weight in weights.items()}),
        tuple(seasons.split()) if seasons else SEASONS,
        volume,
        over,
    )


_ANY = "office 0.7, weekend 1, evening 0.7, holiday 0.8"
_WARM, _COLD = "spring summer", "autumn winter"
# Singular noun (as taxonomy.normalise writes it) -> what it implies. Longer nouns are looked up first.
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        # tops
        "t-shirt": _kind(0.1, "office 0.3, weekend 1, sports 0.7, holiday 1", over=False),
        "shirt": _kind(0.5, "office 1, weekend 0.8, evening 0.6, holiday 0.6", over=False),
        "blouse": _kind(0.5, "office 1, weekend 0.7, evening 0.9, holiday 0.6", over=False),
        "sweater": _kind(0.25, "office 0.7, weekend 1, evening 0.3", "autumn winter spring", over=True),
        "cardigan": _kind(0.3, "office 0.8, weekend 1, evening 0.4, holiday 0.4", "autumn winter spring", over=True),
        "hoodie": _kind(0.0, "weekend 1, sports 1, holiday 0.5", over=True),
        "tank top": _kind(0.1, "weekend 1, sports 0.8, holiday 1", _WARM, over=False),
        "top": _kind(0.3, "office 0.6, weekend 1, evening 0.8, holiday 0.9", over=False),
        "bodysuit": _kind(0.3, "weekend 0.9, evening 0.9", volume=-1.0, over=False),
        "polo shirt": _kind(0.3, "office 0.6, weekend 1, sports 0.6, holiday 0.8", over=False),
        "vest": _kind(0.4, "office 0.7, weekend 0.9", over=True),
        "tunic": _kind(0.3, "weekend 1, holiday 0.9, office 0.4", volume=1.0, over=False),
        "kurta": _kind(0.4, "weekend 0.8, evening 0.8, holiday 0.6", over=False),
        # bottoms
        "jeans": _kind(0.15, "office 0.5, weekend 1, evening 0.5, holiday 0.6"),
        "trousers": _kind(0.5, "office 1, weekend 0.8, evening 0.8, holiday 0.4"),
        "skirt": _kind(0.45, "office 0.8, weekend 0.9, evening 0.9, holiday 0.7"),
        "shorts": _kind(0.05, "weekend 1, sports 0.8, holiday 1", _WARM),
        "leggings": _kind(0.0, "weekend 0.8, sports 1", volume=-1.0),
        "joggers": _kind(0.0, "weekend 0.9, sports 1"),
        "track pant": _kind(0.0, "weekend 0.7, sports 1"),
        "capri": _kind(0.1, "weekend 1, sports 0.6, holiday 0.9", _WARM),
        # one piece
        "dress": _kind(0.5, "office 0.7, weekend 0.9, evening 0.9, holiday 0.9"),
        "shirt dress": _kind(0.3, "office 0.8, weekend 1, holiday 0.9"),
        "gown": _kind(1.0, "evening 1"),
        "evening gown": _kind(1.0, "evening 1"),
        "jumpsuit": _kind(0.5, "office 0.7, weekend 0.9, evening 0.9, holiday 0.7"),
        "saree": _kind(0.8, "evening 1"),
        # outerwear
        "blazer": _kind(0.6, "office 1, weekend 0.6, evening 0.9"),
        "coat": _kind(0.55, "office 1, weekend 0.8, evening 0.9", "winter autumn"),
        "trench coat": _kind(0.5, "office 1, weekend 0.9, evening 0.7", "spring autumn"),
        "denim jacket": _kind(0.1, "weekend 1, evening 0.3, holiday 0.8", "spring summer autumn"),
        "leather jacket": _kind(0.2, "weekend 1, evening 0.8", "spring autumn winter"),
        "puffer jacket": _kind(0.05, "weekend 1, sports 0.7, office 0.4", "winter autumn"),
        "jacket": _kind(0.3, "office 0.6, weekend 1, evening 0.5, holiday 0.4", "autumn winter spring"),
        "parka": _kind(0.05, "weekend 1, sports 0.4, office 0.4", "winter autumn"),
        # shoes
        "sneakers": _kind(0.05, "office 0.3, weekend 1, sports 1, holiday 0.9"),
        "sports shoe": _kind(0.0, "weekend 0.7, sports 1"),
        "boots": _kind(0.4, "office 0.8, weekend 1, evening 0.7", _COLD),
        "ankle boots": _kind(0.4, "office 0.8, weekend 1, evening 0.8", "autumn winter spring"),
        "knee boots": _kind(0.5, "office 0.7, weekend 0.9, evening 0.9", _COLD),
        "pumps": _kind(0.9, "office 0.9, evening 1"),
        "heels": _kind(0.8, "office 0.7, evening 1"),
        "formal shoe": _kind(0.9, "office 1, evening 1"),
        "casual shoe": _kind(0.15, "weekend 1, office 0.4, holiday 0.8"),
        "loafers": _kind(0.5, "office 1, weekend 0.9, evening 0.4, holiday 0.6"),
        "sandals": _kind(0.25, "weekend 1, evening 0.6, holiday 1, office 0.3", _WARM),
        "flip flop": _kind(0.0, "weekend 0.8, holiday 1", "summer"),
        "ballet flats": _kind(0.4, "office 0.9, weekend 1, evening 0.6, holiday 0.7"),
        "shoes": _kind(0.5, "office 0.9, weekend 0.9, evening 0.8, holiday 0.5"),
        # bags
        "tote bag": _kind(0.2, "office 0.8, weekend 1, holiday 1"),
        "handbag": _kind(0.5, "office 1, weekend 0.9, evening 0.7, holiday 0.5"),
        "clutch": _kind(0.9, "evening 1, office 0.5"),
        "backpack": _kind(0.0, "weekend 1, sports 1, holiday 0.9, office 0.3"),
        "crossbody bag": _kind(0.25, "weekend 1, office 0.7, evening 0.5, holiday 0.8"),
        "bag": _kind(0.35, _ANY),
        "wallet": _kind(0.4, _ANY),
        # hats
        "cap": _kind(0.0, "weekend 1, sports 1, holiday 0.9"),
        "beanie": _kind(0.0, "weekend 1, sports 0.7, office 0.3", _COLD),
        "sun hat": _kind(0.15, "weekend 0.9, holiday 1", "summer spring"),
        "fedora": _kind(0.4, "weekend 1, office 0.6, evening 0.5, holiday 0.6"),
        # accessories
        "belt": _kind(0.4, "office 1, weekend 1, evening 0.8, holiday 0.7"),
        "scarf": _kind(0.3, "office 0.9, weekend 1, evening 0.6, holiday 0.5"),
        "sunglasses": _kind(0.2, "weekend 1, holiday 1, sports 0.6, office 0.6, evening 0.4"),
        "watch": _kind(0.5, "office 1, weekend 0.9, evening 0.9, holiday 0.7, sports 0.3"),
        "tie": _kind(0.9, "office 1, evening 1"),
        "gloves": _kind(0.3, "office 0.8, weekend 1, evening 0.7", _COLD),
        # jewellery
        "necklace": _kind(0.5, "office 0.8, weekend 0.8, evening 1, holiday 0.7"),
        "earrings": _kind(0.5, "office 0.9, weekend 0.8, evening 1, holiday 0.7"),
        "bracelet": _kind(0.5, "office 0.8, weekend 0.9, evening 1, holiday 0.7"),
        "ring": _kind(0.7, "office 0.9, weekend 0.6, evening 1, holiday 0.5"),
        # swimwear and night
        "bikini": _kind(0.0, "holiday 1", "summer"),
        "swimsuit": _kind(0.0, "holiday 1", "summer"),
        "pyjama": _kind(0.0, "weekend 0.6"),
    }
)
# Other names of a kind, and the shapes that `normalise` gives to plurals.
_SAME_KIND = {
    "tee": "t-shirt",
    "tshirt": "t-shirt",
    "jumper": "sweater",
    "pullover": "sweater",
    "sweatshirt": "hoodie",
    "tank": "tank top",
    "polo": "polo shirt",
    "poloshirt": "polo shirt",
    "kurti": "kurta",
    "waistcoat": "vest",
    "outer vest": "vest",
    "jean": "jeans",
    "jegging": "leggings",
    "legging": "leggings",
    "trouser": "trousers",
    "pant": "trousers",
    "chino": "trousers",
    "short": "shorts",
    "bermuda": "shorts",
    "jogger": "joggers",
    "overall": "jumpsuit",
    "romper": "jumpsuit",
    "kaftan": "dress",
    "trenchcoat": "trench coat",
    "overshirt": "jacket",
    "puffer coat": "puffer jacket",
    "anorak": "parka",
    "sneaker": "sneakers",
    "trainer": "sneakers",
    "boot": "boots",
    "ankle boot": "ankle boots",
    "bootie": "ankle boots",
    "pump": "pumps",
    "heel": "heels",
    "loafer": "loafers",
    "sandal": "sandals",
    "flat": "ballet flats",
    "ballet flat": "ballet flats",
    "ballerina": "ballet flats",
    "shoe": "shoes",
    "tote": "tote bag",
    "totes bag": "tote bag",
    "purse": "handbag",
    "clutch and pochette": "clutch",
    "rucksack": "backpack",
    "shoulder bag": "crossbody bag",
    "belt bag": "crossbody bag",
    "card holder": "wallet",
    "hat": "fedora",
    "foulard": "scarf",
    "kerchief": "scarf",
    "stole": "scarf",
    "muffler": "scarf",
    "shawl": "scarf",
    "sunglass": "sunglasses",
    "glasses": "sunglasses",
    "glove": "gloves",
    "earring": "earrings",
    "pendant": "necklace",
    "bangle": "bracelet",
}
_APART = (
    "pyjama",
    "bikini",
)  # the top and the trousers of one are no top and no trousers: the first word says what for
_FORMALITY = {
    "casual": 0.0,
    "sports": 0.0,
    "sport": 0.0,
    "travel": 0.1,
    "smart casual": 0.3,
    "smart": 0.5,
    "ethnic": 0.5,
}
_FORMALITY |= {"party": 0.8, "formal": 1.0}
_SEASON = {"fall": ("autumn",), "all year": SEASONS, "all": SEASONS, **{season: (season,) for season in SEASONS}}
# How wide a fit is: -1 close to the body, 0 regular, 1 wide.
VOLUMES = {
    **dict.fromkeys(("skinny", "slim", "pencil", "sheath", "column", "cropped"), -1.0),
    **dict.fromkeys(("straight", "regular", "wrap", "empire", "mermaid", "fitted"), 0.0),
    **dict.fromkeys(("a-line", "flared", "pleated", "bootcut"), 0.6),
    **dict.fromkeys(("oversized", "loose", "wide-leg", "ball gown", "relaxed", "baggy", "wide leg", "palazzo"), 1.0),
}
_PATTERN_WORDS = {word.lower(): name for name, sides in PATTERN_WORDS.items() for side in sides for word in side}
_PATTERN_WORDS |= {"gingham": "checks", "leopard": "animal print", "zebra": "animal print", "stripe": "stripes"}
_WARM_MATERIALS = ("wool", "cashmere", "corduroy", "knit", "t-tricot")
_SEASON_OF_MATERIAL = {
    **dict.fromkeys(_WARM_MATERIALS, ("winter", "spring", "autumn")),
    **dict.fromkeys(("linen", "straw"), ("spring", "summer")),
}
_LEATHER_NOUNS = ("shoes", "bag", "accessory")
_LEATHERS = ("leather", "patent leather", "suede", "l-piel", "o-polipiel")
_COLOUR_FIELDS = ("colour", "color", "colour_es", "baseColour", "colour_group")
_CATEGORY_FIELDS = ("product_type", "article_type", "family", "category")


def _find(words: Mapping[str, object], text: str) -> str | None:
    """The longest key of `words` that stands in `text` as words."""
    padded = f" {re.sub(r'[^a-z0-9-]+', ' ', text.lower())} "
    found = [key for key in words if f" {key} " in padded]
    return max(found, key=lambda key: (len(key), key)) if found else None


def kind_of(*labels: str) -> str | None:
    """The key in `KINDS` of the first label that has one: by the whole label, then by its longest known ending."""
    for label in labels:
        words = normalise(label).replace("tee shirt", "t-shirt").split(" ")
        if words[0] in _APART:
            return words[0]
        for start in range(len(words)):
            name = " ".join(words[start:])
            name = _SAME_KIND.get(name, name)
            if name in KINDS:
                return name
            if name + "s" in KINDS:
                return name + "s"
    return None


def slot_of(item: Item) -> str:
    """The item's slot by its category, else by the other fields that name what it is."""
    for label in (item.category, *(str(item.attributes.get(name, "")) for name in _CATEGORY_FIELDS), item.title):
        if label and (found := slot(label)) != UNKNOWN:
            return found
    return UNKNOWN


def _occasions(kind: Kind | None, formality: float | None, usage: str) -> tuple[float, ...]:
    """The kind's occasions, bent by how formal this one is: a formal blouse is no holiday top, a casual one no evening's."""
    if kind is None:
        return ()
    weights = {name: kind.occasions.get(name, 0.0) for name in OCCASIONS}
    if formality is not None:
        for name, centre in (("office", 0.55), ("weekend", 0.15), ("evening", 0.85), ("holiday", 0.1), ("sports", 0.0)):
            reach = 0.8 if name == "office" else 0.6  # an office sees everything from jeans to a suit
            weights[name] *= min(1.0, max(0.0, 1.0 - (abs(formality - centre) - 0.25) / reach))
    if usage in ("sports", "sport"):
        weights["sports"] = 1.0
    return tuple(weights.values())


def traits(item: Item, *, photo_colours: tuple[str, ...] = ()) -> Traits:
    """What the rules may know about an item.

    `photo_colours`: `#rrggbb` of its photo, the largest area first, used where the attributes name no known colour.
    """
    known = {name.lower(): str(value).strip() for name, value in item.attributes.items()}
    labels = [item.category, *(known.get(name, "") for name in _CATEGORY_FIELDS)]
    place = slot_of(item)
    name = kind_of(*(label for label in labels if label), item.title)
    kind = KINDS[name] if name else None

    colour = next((known[field.lower()] for field in _COLOUR_FIELDS if hex_of(known.get(field.lower(), ""))), "")
    if not colour and not photo_colours:
        colour = _find(HEX, item.title) or ""
    shade = hex_of(colour) or (photo_colours[0] if photo_colours else None)
    pattern: str | None = known.get("pattern", "").lower()
    pattern = (
        pattern if pattern in PATTERNS else _PATTERN_WORDS.get(_find(_PATTERN_WORDS, f"{pattern} {item.title}") or "")
    )
    second = hex_of(known.get("secondary_colour", ""))

    usage = (known.get("formality") or known.get("usage") or known.get("occasion", "")).lower()
    formality = _FORMALITY.get(usage)
    if formality is None and kind is not None:
        formality = kind.formality
    elif usage in ("casual", "formal") and kind is not None and "formality" not in known:
        formality = (formality or 0.0) / 2 + kind.formality / 2  # a shop's "casual" is wide: its kind says how casual
    material = (known.get("material") or known.get("fabric", "")).lower()
    implied = _SEASON_OF_MATERIAL.get(material, kind.seasons) if kind else ()
    if kind and set(implied) & set(kind.seasons):
        implied = tuple(season for season in kind.seasons if season in implied)
    seasons = _SEASON.get(known.get("season", "").lower(), implied)
    fit = known.get("fit", "").lower()
    volume = VOLUMES.get(fit, VOLUMES.get(_find(VOLUMES, item.title) or ""))
    if volume is None and kind is not None:
        volume = kind.volume
    metal = next((m for m in ("rose gold", "gold", "silver") if colour.lower() in _METALS[m]), None)
    jewellery = place == "jewellery"
    gender, age = wearer(known.get("gender", ""), known.get("age") or known.get("age_group", ""), item.title)
    return Traits(
        slot=place,
        noun=(name or normalise(next((label for label in labels if label), ""))),
        colour=colour.lower() or (f"the photo's {shade}" if shade else ""),
        hexadecimal=shade,
        second=second,
        pattern=pattern,
        formality=formality,
        seasons=seasons,
        occasions=_occasions(kind, formality, usage),
        volume=volume if place in ("top", "bottom", "one_piece", "outerwear") else None,
        gender=gender,
        age=age,
        layer=kind.over if kind and place == "top" else None,
        metal=metal,
        leather=place in _LEATHER_NOUNS and not jewellery and material in _LEATHERS,
    )


_METALS = {
    "gold": ("gold", "oro", "golden", "bronze", "copper", "cobre", "dorado"),
    "silver": ("silver", "plata", "steel", "metallic", "gunmetal", "plateado"),
    "rose gold": ("rose gold", "rose-gold"),
}
