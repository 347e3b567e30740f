"""Categories, super-categories and outfit slots: who is a kind of what.

A *category* is a fine label as the data set writes it ("Tshirts"), a *super-category* one of twelve coarse kinds that all
data sets share ("tops"), a *slot* the role an item plays in an outfit ("top"). The three are the granularities at which
specification 1, condition (3), "categories in an outfit do not repeat", can be read.

Examples
--------
>>> super_category("Tshirts"), slot("Tshirts")
('tops', 'top')
>>> super_category("polka dot sundress")   # falls back on the head noun
'dresses'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

Granularity = Literal["category", "super_category", "slot"]
Sex = Literal["women", "men", "unisex"]
Age = Literal["adult", "child"]
GRANULARITIES: tuple[Granularity, ...] = ("category", "super_category", "slot")

UNKNOWN = "other"

# super-category -> slot. A dress fills the slots of a top and of a bottom; rules.py states that, not the slot name.
SLOT_OF_SUPER_CATEGORY: Mapping[str, str] = MappingProxyType(
    {
        "tops": "top",
        "bottoms": "bottom",
        "dresses": "one_piece",
        "outerwear": "outerwear",
        "shoes": "shoes",
        "bags": "bag",
        "hats": "hat",
        "accessories": "accessory",
        "jewellery": "jewellery",
        "hosiery": "hosiery",
        "sets": "set",
        UNKNOWN: UNKNOWN,
    }
)
SUPER_CATEGORIES: tuple[str, ...] = tuple(SLOT_OF_SUPER_CATEGORY)
SLOTS: tuple[str, ...] = tuple(SLOT_OF_SUPER_CATEGORY.values())

# Head nouns, singular and lower case. Plurals and case are folded by `normalise`.
_NOUNS: Mapping[str, str] = MappingProxyType(
    {
        "tops": "top tshirt t-shirt tee shirt blouse polo sweater jumper pullover sweatshirt hoodie tunic kurta kurti "
        "camisole tank cardigan vest crop-top bodysuit turtleneck henley knitwear upper shrug waistcoat topwear poloshirt",
        "bottoms": "trouser pant jean jegging short skirt legging capri chino jogger culotte track-pant bottom "
        "patiala salwar churidar cargo bottomwear miniskirt bermuda skort",
        "dresses": "dress gown jumpsuit romper sundress playsuit saree sari one-piece pinafore dungaree all-body overall "
        "pichi",
        "outerwear": "jacket coat blazer parka trench trench-coat raincoat overcoat anorak poncho cape puffer "
        "windbreaker bomber gilet trenchcoat overshirt kaftan",
        "shoes": "shoe boot bootie sneaker trainer sandal heel flat loafer pump mule flip-flop slipper oxford "
        "ballerina moccasin espadrille stiletto wedge footwear clog derby brogue",
        "bags": "bag handbag backpack clutch tote purse rucksack satchel duffel briefcase pouch crossbody messenger "
        "trolley-bag wallet suitcase citybag",
        "hats": "hat cap beanie beret fedora headwear sunhat visor bonnet headband hairband hairclip turban",
        "accessories": "belt scarf tie sunglass sunglasses glove watch stole dupatta muffler suspender cufflink bow-tie "
        "umbrella eyewear accessory keychain key-chain bottle sleeve shawl glasses bowtie foulard "
        "kerchief brace keyring",
        "jewellery": "necklace earring ring bracelet bangle pendant brooch jewellery jewelry chain anklet choker",
        "hosiery": "sock stocking tight hosiery pantyhose",
        "sets": "set combo suit tracksuit co-ord lehenga kit swimwear bikini swimsuit pyjama nightwear nightgown",
    }
)
_SUPER_OF_NOUN: Mapping[str, str] = MappingProxyType(
    {noun: kind for kind, nouns in _NOUNS.items() for noun in nouns.split()}
)

# Labels whose head noun misleads, per published data set (normalised).
_EXCEPTIONS: Mapping[str, str] = MappingProxyType(
    {
        # Fashion Product Images (article_type)
        "necklace and chain": "jewellery",
        "lounge pant": "bottoms",
        "lounge short": "bottoms",
        "rain trouser": "bottoms",
        "nehru jacket": "outerwear",
        "salwar and dupatta": "sets",
        "kurta set": "sets",
        "clothing set": "sets",
        "jewellery set": "jewellery",
        "accessory gift set": "accessories",
        "tablet sleeve": "bags",
        "mobile pouch": "bags",
        "waist pouch": "bags",
        "travel accessory": "bags",
        "hair accessory": "hats",
        "water bottle": UNKNOWN,
        "waistcoat": "outerwear",
        "lehenga choli": "dresses",
        # Polyvore Outfits (semantic categories)
        "scarves": "accessories",
        "sunglasses": "accessories",
        "all-body": "dresses",
        "dress shirt": "tops",
        "shirt dress": "dresses",
        "jumper dress": "dresses",
        # Mango outfits (product types)
        "outer vest": "outerwear",  # padded; a plain "Vest" is worn as a top as often as over one
        "dressing gown (bata)": "sets",
        "bikini pantie": "bottoms",  # as "Bikini top" is a top: the two are bought and worn as a pair
        "card holder": "accessories",  # carried in a bag, not instead of one
        "case": "accessories",
    }
)


def normalise(label: str) -> str:
    """Lower case, single spaces, `_` as space, last word singular: the key under which labels compare."""
    text = re.sub(r"[\s_/]+", " ", label.strip().lower())
    if text in _EXCEPTIONS or not text:
        return text
    *head, last = text.split(" ")
    return " ".join([*head, _singular(last)])


def _singular(word: str) -> str:
    if word in _SUPER_OF_NOUN or len(word) < 4:
        return word
    if word == "scarves":
        return "scarf"
    for ending, replacement in (("ies", "y"), ("ches", "ch"), ("shes", "sh"), ("sses", "ss"), ("xes", "x"), ("s", "")):
        if word.endswith(ending) and not word.endswith("ss"):
            candidate = word[: -len(ending)] + replacement
            # "booties" is a plural of "bootie", "accessories" of "accessory": the vocabulary decides.
            return candidate if ending != "ies" or candidate in _SUPER_OF_NOUN else word[:-1]
    return word


@lru_cache(maxsize=4096)
def super_category(label: str) -> str:
    """The super-category of a fine label in any data set; `"other"` when nothing in it is a known noun.

    The label's exceptions are looked up first, then its last known noun ("denim shirt dress" is a dress, "dress shirt" a top).
    """
    text = normalise(label)
    if text in SLOT_OF_SUPER_CATEGORY:
        return text
    if text in _EXCEPTIONS:
        return _EXCEPTIONS[text]
    words = text.replace(",", " ").split()
    for end in range(len(words), 0, -1):
        pair = "-".join(_singular(word) for word in words[max(0, end - 2) : end])
        single = _singular(words[end - 1])
        for key in (pair, single):
            if key in _SUPER_OF_NOUN:
                return _SUPER_OF_NOUN[key]
    return UNKNOWN


def slot(label: str) -> str:
    """The outfit slot of a category or super-category label."""
    return SLOT_OF_SUPER_CATEGORY[super_category(label)]


def at_granularity(label: str, granularity: Granularity) -> str:
    """The label's key at the granularity at which an outfit must not repeat it.

    Raises
    ------
    ValueError
        If the granularity is not one of `GRANULARITIES`.
    """
    if granularity == "category":
        return normalise(label)
    if granularity == "super_category":
        return super_category(label)
    if granularity == "slot":
        return slot(label)
    raise ValueError(f"unknown granularity {granularity!r}; choose one of {', '.join(GRANULARITIES)}")


def unknown_labels(labels: Iterable[str]) -> list[str]:
    """The labels that no super-category is known for, sorted: what a new data set's reader should report."""
    return sorted({label for label in labels if super_category(label) == UNKNOWN})


_APART_WORDS = (
    "bikini swimsuit swimwear pyjama pajama night nightwear nightgown nightdress dressing robe lounge underwear innerwear "
    "lingerie bra bralette brief boxer trunk knicker pantie panty thong shapewear "
    "wallet holder cosmetic case keyring keychain pouch umbrella towel bottle suitcase trolley"
)
_APART = frozenset(_APART_WORDS.split())


@lru_cache(maxsize=4096)
def set_apart(label: str) -> frozenset[str]:
    """The words that make a category one that no look is made of unless it is meant.

    Swimwear, nightwear and underwear are tops and trousers by name, but not by day; a wallet or a card holder is a bag or an
    accessory by name, but is carried in one.

    >>> set_apart("Pyjama Trousers"), set_apart("Lace top")
    (frozenset({'pyjama'}), frozenset())
    """
    return _APART.intersection(_singular(word) for word in normalise(label).split(" "))


_WEARERS: Mapping[str, tuple[Sex | None, Age | None]] = MappingProxyType(
    {
        **dict.fromkeys(("women", "woman", "female", "ladies"), ("women", "adult")),
        **dict.fromkeys(("men", "man", "male", "gentlemen"), ("men", "adult")),
        **dict.fromkeys(("girls", "girl"), ("women", "child")),
        **dict.fromkeys(("boys", "boy"), ("men", "child")),
        "unisex": ("unisex", None),  # of either age: shops write it on schoolbags and on men's watches
    }
)
_AGES: Mapping[str, Age] = MappingProxyType(
    {
        **dict.fromkeys(("adult", "adults"), "adult"),
        **dict.fromkeys(
            ("kids", "kid", "child", "children", "newborn", "infant", "toddler", "baby", "junior"), "child"
        ),
    }
)


_CHILDREN = re.compile(r"\b(kids?|boys?|girls?|toddlers?|baby|infants?)\b", re.IGNORECASE)


def for_children(title: str) -> bool:
    """Whether a title says so: "Boy's white T-shirt". In one shop's catalogue every fifth of these is labelled for adults."""
    return _CHILDREN.search(title) is not None


def wearer(gender: str, age: str = "", title: str = "") -> tuple[Sex | None, Age | None]:
    """For whom an item is cut, by what a shop writes of it: "Men", "girls", "female" with the age group "kids".

    None where the labels do not say. `age` wins over what `gender` implies, for "female" is written on girls' clothes too, and
    a title that names children over both.

    >>> wearer("Boys"), wearer("female", "toddler"), wearer("Unisex"), wearer("")
    (('men', 'child'), ('women', 'child'), ('unisex', None), (None, None))
    """
    sex, implied = _WEARERS.get(gender.strip().lower(), (None, None))
    return sex, "child" if for_children(title) else _AGES.get(age.strip().lower(), implied)
