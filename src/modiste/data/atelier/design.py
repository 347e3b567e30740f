"""What a garment is: every attribute of item i, sampled from a joint distribution that makes sense in a shop.

Design i depends on (seed, i) alone. About one item in ten is a colourway: the design of the item before it in another
colour; the two share `root` (and everything that is not colour).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from modiste.data.atelier.palette import COLOURS, contrasting, jittered

COLOURWAY_SHARE = 0.10
_DESIGN, _PAINT, _SHAPE = 1, 2, 3  # independent random streams of one item


def _table(text: str) -> Mapping[str, float]:
    """`"cotton 5, linen 1"` as weights; a value without a number weighs 1."""
    weights = {}
    for entry in text.split(","):
        *words, last = entry.split()
        try:
            weights[" ".join(words)] = float(last)
        except ValueError:
            weights[entry.strip()] = 1.0
    return MappingProxyType(weights)


CLOTHES = _table(
    "black 10, white 7, grey 5, navy 9, blue 7, light blue 4, turquoise 3, green 5, mint 3, olive 3, yellow 5, mustard 3,"
    "orange 3, coral 3, red 8, burgundy 4, pink 6, purple 3, lilac 3, brown 3, tan 2, beige 4, cream 4"
)
DRESSY = _table(
    "black 9, white 4, navy 6, blue 5, light blue 3, turquoise 3, green 6, mint 3, yellow 5, mustard 2, orange 2, coral 4,"
    "red 13, burgundy 5, pink 7, purple 4, lilac 4, beige 2, cream 3, brown 1, grey 1, olive 1"
)
SUITING = _table(
    "black 9, navy 10, grey 9, beige 5, brown 4, burgundy 3, green 3, white 2, "
    "olive 3, tan 3, cream 3, pink 2, red 2, light blue 2"
)
COATS = _table(
    "black 9, navy 7, grey 7, beige 6, tan 8, brown 5, burgundy 4, red 5, green 4, olive 6, cream 4, mustard 3, pink 3, blue 3"
)
DENIM = _table("blue 12, navy 8, light blue 8, black 6, white 2, grey 4")
HIDES = _table(
    "black 16, brown 11, tan 8, burgundy 4, red 4, beige 3, white 4, navy 3, "
    "grey 2, green 2, pink 2, cream 2, mustard 1, blue 1"
)
METAL_COLOURS = _table("gold 5, silver 5, rose gold 3")
FRAMES = _table("black 8, brown 6, red 2, white 2, navy 2, green 2, gold 3, silver 2, pink 2, tan 2, blue 1, purple 1")


@dataclass(frozen=True, slots=True)
class Article:
    """One article type: what it is made of, printed with, and sold for."""

    weight: float
    materials: Mapping[str, float]
    patterns: Mapping[str, float]
    colours: Mapping[str, float]
    price: tuple[float, float]
    formality: str  # before the material has its say
    gender: Mapping[str, float]
    choices: Mapping[str, Mapping[str, float]]  # further attributes, drawn and known
    kinds: tuple[str, ...] = ()  # what else it is: an ankle boot is a boot is a shoe


def _article(
    weight: float,
    materials: str,
    patterns: str,
    colours: Mapping[str, float],
    price: tuple[float, float],
    formality: str,
    gender: str,
    kinds: str = "",
    **choices: str,
) -> Article:
    return Article(
        weight,
        _table(materials),
        _table(patterns),
        colours,
        price,
        formality,
        _table(gender),
        MappingProxyType({name: _table(text) for name, text in choices.items()}),
        tuple(kind.strip() for kind in kinds.split(",") if kind.strip()),
    )


_W, _M, _U = "women", "women 1, men 1, unisex 1", "unisex"
_PRINTS = "solid 9, stripes 4, polka dots 2.5, checks 1.5, floral 3, animal print 1.5, colour block 1.5"
_KNITS = "solid 10, stripes 5, checks 1.5, polka dots 1, colour block 3, houndstooth 1"
_CLOTH = "solid 12, checks 3, houndstooth 2, herringbone 2, pinstripes 2"
_LEATHERS = "solid"
_NECKS = "crew 5, v-neck 3, scoop 3, boat 1"

ARTICLES: Mapping[str, Article] = MappingProxyType(
    {
        # tops
        "t-shirt": _article(
            7,
            "cotton 6, linen 1",
            "solid 8, stripes 6, polka dots 2, floral 1.5, animal print 1, colour block 2",
            CLOTHES,
            (9, 45),
            "casual",
            _M,
            "top",
            neckline=_NECKS,
            sleeve_length="short 6, long 3",
            fit="slim 1, regular 3, oversized 1.5",
        ),
        "shirt": _article(
            4.5,
            "cotton 5, linen 2, denim 1.5, silk 0.7",
            "solid 9, stripes 4, checks 5, floral 1.5, polka dots 2, pinstripes 2",
            CLOTHES,
            (25, 110),
            "smart",
            _M,
            "top",
            neckline="collar",
            sleeve_length="long 6, short 2",
            fit="slim 1, regular 3, oversized 1",
        ),
        "blouse": _article(
            4,
            "silk 3, cotton 3, satin 2, linen 1",
            _PRINTS,
            DRESSY,
            (25, 120),
            "smart",
            _W,
            "top",
            neckline="v-neck 2, tie-neck 2, round 2, square 1.5",
            sleeve_length="long 4, three-quarter 2, short 2",
            fit="regular 2, loose 2",
        ),
        "sweater": _article(
            4.5,
            "wool 5, knit 4, cashmere 1.5",
            _KNITS,
            CLOTHES,
            (30, 150),
            "casual",
            _M,
            "top, knitwear",
            neckline="crew 4, v-neck 3, turtleneck 3",
            sleeve_length="long",
            fit="slim 1, regular 3, oversized 1.5",
        ),
        "cardigan": _article(
            2.5,
            "wool 5, knit 4, cashmere 1",
            _KNITS,
            CLOTHES,
            (30, 140),
            "casual",
            _M,
            "top, knitwear",
            neckline="v-neck",
            sleeve_length="long",
            length="cropped 1, regular 3, long 1.5",
        ),
        "hoodie": _article(
            3,
            "cotton",
            "solid 9, stripes 1.5, colour block 3, animal print 0.7",
            CLOTHES,
            (25, 95),
            "casual",
            _M,
            "top",
            neckline="hood",
            sleeve_length="long",
            fit="regular 2, oversized 1.5",
            closure="pullover 2, zip 1",
        ),
        "tank top": _article(
            2.5,
            "cotton 5, silk 1, linen 1",
            _PRINTS,
            CLOTHES,
            (8, 45),
            "casual",
            "women 4, men 1",
            "top",
            neckline="scoop 3, v-neck 2, square 1",
            sleeve_length="sleeveless",
            fit="slim 1, regular 2",
        ),
        "polo shirt": _article(
            2,
            "cotton",
            "solid 8, stripes 4, colour block 2",
            CLOTHES,
            (18, 80),
            "casual",
            "men 3, women 1, unisex 1",
            "top",
            neckline="polo collar",
            sleeve_length="short 5, long 1",
            fit="slim 1, regular 2",
        ),
        # bottoms
        "jeans": _article(
            5,
            "denim",
            "solid",
            DENIM,
            (30, 140),
            "casual",
            _M,
            "trousers",
            fit="skinny 2, straight 3, wide-leg 2, flared 1.5",
            length="full 4, cropped 1",
        ),
        "trousers": _article(
            4.5,
            "wool 3, cotton 4, linen 2, corduroy 1.5, leather 0.8",
            _CLOTH + ", stripes 0.7",
            SUITING,
            (30, 150),
            "smart",
            _M,
            "",
            fit="slim 2, straight 3, wide-leg 2, flared 1",
            length="full 4, cropped 1",
        ),
        "skirt": _article(
            4.5,
            "cotton 4, denim 1.2, silk 1.5, wool 1.5, leather 1, suede 0.5, linen 1, corduroy 0.5",
            "solid 6, floral 5, polka dots 2.5, checks 2, stripes 2, animal print 1.5, houndstooth 0.7",
            DRESSY,
            (18, 110),
            "smart",
            _W,
            "",
            fit="a-line 3, pencil 2, flared 2",
            length="mini 2, knee 2, midi 3, maxi 1.5",
        ),
        "pleated skirt": _article(
            2,
            "polyester 3, wool 2, satin 1",
            "solid 6, checks 4, polka dots 1.5, stripes 1, floral 1",
            DRESSY,
            (22, 95),
            "smart",
            _W,
            "skirt",
            length="mini 3, knee 2, midi 2",
        ),
        "shorts": _article(
            3,
            "cotton 4, denim 3, linen 2",
            "solid 8, stripes 2, checks 1.5, floral 2, polka dots 1",
            CLOTHES,
            (12, 60),
            "casual",
            _M,
            "",
            fit="slim 1, regular 2, loose 1",
            length="short 2, bermuda 1",
        ),
        "leggings": _article(
            1.8,
            "cotton 2, nylon 2",
            "solid 8, stripes 1, animal print 1.5, floral 1, colour block 2, polka dots 0.5",
            CLOTHES,
            (10, 60),
            "casual",
            _W,
            "",
            fit="skinny",
            length="full 3, cropped 1.5",
        ),
        "joggers": _article(
            1.8,
            "cotton 4, knit 1",
            "solid 8, colour block 3, stripes 0.5, checks 1",
            CLOTHES,
            (18, 75),
            "casual",
            _M,
            "trousers",
            fit="slim 1, regular 1.5",
            length="full",
        ),
        # dresses
        "dress": _article(
            8,
            "cotton 4, silk 2, linen 1.5, polyester 2, satin 1, knit 0.8",
            "solid 7, floral 5, polka dots 4, stripes 2, checks 1.5, animal print 1.5, colour block 1",
            DRESSY,
            (30, 160),
            "smart",
            _W,
            "",
            neckline="crew 1.5, v-neck 3, scoop 2, square 2, boat 1, straps 2",
            sleeve_length="sleeveless 3, short 3, three-quarter 1, long 2",
            fit="a-line 3, sheath 2, empire 1.5, wrap 1.5",
            length="mini 2, knee 3, midi 3, maxi 1.5",
        ),
        "shirt dress": _article(
            2,
            "cotton 4, linen 2, denim 1.5",
            "solid 6, stripes 4, checks 2, polka dots 2, floral 2",
            CLOTHES,
            (35, 130),
            "casual",
            _W,
            "dress",
            neckline="collar",
            sleeve_length="short 2, three-quarter 1, long 2",
            length="mini 1, knee 3, midi 2",
        ),
        "evening gown": _article(
            2,
            "silk 3, satin 4, polyester 1",
            "solid 12, floral 1, polka dots 0.5, colour block 0.7",
            DRESSY,
            (90, 480),
            "formal",
            _W,
            "dress, gown",
            neckline="sweetheart 2, v-neck 2, halter 1.5, one-shoulder 1.5",
            sleeve_length="sleeveless",
            fit="mermaid 1.5, ball gown 1.5, column 2",
            length="maxi",
        ),
        "jumpsuit": _article(
            2,
            "cotton 3, linen 2, denim 1.5, silk 1.5",
            "solid 8, floral 2, polka dots 1.5, stripes 1.5, animal print 0.7",
            DRESSY,
            (40, 150),
            "smart",
            _W,
            "",
            neckline="v-neck 2, square 1, collar 2, straps 1",
            sleeve_length="sleeveless 2, short 2, long 1",
            fit="straight 1, wide-leg 2",
            length="full 3, cropped 1",
        ),
        # outerwear
        "blazer": _article(
            3,
            "wool 5, linen 2, cotton 2, corduroy 0.7",
            _CLOTH,
            SUITING,
            (60, 280),
            "smart",
            _M,
            "jacket",
            closure="single-breasted 3, double-breasted 1.5",
            sleeve_length="long",
            length="regular 3, cropped 0.7",
            fit="slim 1, regular 2, oversized 1",
        ),
        "coat": _article(
            3,
            "wool 6, cashmere 1",
            "solid 9, checks 3, houndstooth 2, herringbone 2",
            COATS,
            (90, 420),
            "smart",
            _M,
            "",
            closure="single-breasted 2, double-breasted 2, belted 1",
            sleeve_length="long",
            length="knee 3, long 1.5",
            fit="regular",
        ),
        "trench coat": _article(
            1.8,
            "cotton",
            "solid 8, checks 1",
            _table("beige 8, tan 5, black 4, navy 4, olive 4, red 2, grey 2, cream 2, burgundy 1"),
            (80, 320),
            "smart",
            _M,
            "coat",
            closure="double-breasted",
            sleeve_length="long",
            length="knee 3, long 1",
        ),
        "denim jacket": _article(
            1.8,
            "denim",
            "solid",
            DENIM,
            (45, 140),
            "casual",
            _M,
            "jacket",
            closure="buttons",
            sleeve_length="long",
            length="regular 2, cropped 1",
        ),
        "leather jacket": _article(
            2.2,
            "leather 5, suede 1",
            "solid",
            _table("black 9, brown 7, tan 4, burgundy 3, red 3, white 1.5, navy 1.5, olive 1.5, beige 1, pink 1"),
            (90, 420),
            "casual",
            _M,
            "jacket",
            closure="biker zip 2, zip 1.5",
            sleeve_length="long",
            length="regular 2, cropped 1",
        ),
        "puffer jacket": _article(
            2,
            "nylon",
            "solid 8, colour block 3, checks 0.3",
            CLOTHES,
            (55, 260),
            "casual",
            _M,
            "jacket",
            closure="zip",
            sleeve_length="long 5, sleeveless 1",
            length="cropped 1, regular 2, knee 1",
            neckline="hood 1, stand collar 1",
        ),
        "parka": _article(
            1.4,
            "cotton 2, nylon 1",
            "solid 9, colour block 1",
            COATS,
            (80, 280),
            "casual",
            _M,
            "coat, jacket",
            closure="zip",
            sleeve_length="long",
            length="thigh",
            neckline="hood",
        ),
        # shoes
        "sneakers": _article(
            4.5,
            "leather 3, canvas 4, suede 1.5",
            "solid 9, colour block 4, checks 1.2, animal print 0.8, floral 0.6",
            CLOTHES,
            (30, 160),
            "casual",
            _M,
            "shoes, trainers",
            shaft="low 3, high 1.5",
            toe="round",
            closure="laces",
        ),
        "ankle boots": _article(
            4,
            "leather 6, suede 3",
            "solid 14, animal print 1",
            HIDES,
            (55, 220),
            "smart",
            "women 3, men 1.5",
            "boots, shoes",
            heel="flat 2, block 3, stiletto 1.5",
            toe="round 2, pointed 1.5",
            closure="zip 1, laces 1, chelsea 2",
        ),
        "knee boots": _article(
            2,
            "leather 4, suede 2",
            "solid 14, animal print 0.7",
            HIDES,
            (80, 300),
            "smart",
            _W,
            "boots, shoes",
            heel="flat 2, block 3, stiletto 1",
            toe="round 2, pointed 1.5",
        ),
        "pumps": _article(
            3.5,
            "leather 3, patent leather 2, suede 2, satin 1",
            "solid 10, animal print 1.5, polka dots 0.7, colour block 1, floral 0.6, houndstooth 0.5",
            DRESSY,
            (35, 240),
            "formal",
            _W,
            "heels, shoes",
            heel="stiletto 3, block 1.5, kitten 1.5",
            toe="pointed 3, round 1.5",
        ),
        "loafers": _article(
            2.2,
            "leather 4, suede 2, patent leather 1",
            "solid 12, animal print 1, colour block 1",
            HIDES,
            (40, 190),
            "smart",
            _M,
            "shoes",
            heel="flat",
            toe="round",
            detail="penny strap 2, tassel 1, horsebit 1",
        ),
        "sandals": _article(
            2.8,
            "leather 5, suede 1.5",
            "solid 12, animal print 1",
            HIDES,
            (20, 140),
            "casual",
            _W,
            "shoes",
            heel="flat 3, block 1.5, wedge 1.5",
            toe="open",
        ),
        "ballet flats": _article(
            1.8,
            "leather 3, suede 1.5, satin 1, patent leather 1",
            "solid 9, polka dots 1, animal print 1, colour block 1, checks 0.5",
            DRESSY,
            (18, 110),
            "smart",
            _W,
            "flats, shoes",
            heel="flat",
            toe="round 2, pointed 1",
        ),
        # bags
        "tote bag": _article(
            2.5,
            "leather 3, canvas 4, straw 1",
            "solid 9, stripes 2.5, checks 1, floral 1.5, polka dots 1, colour block 1.5",
            CLOTHES,
            (20, 220),
            "casual",
            _W,
            "bag",
        ),
        "handbag": _article(
            2.8,
            "leather 6, suede 1.5, patent leather 1",
            "solid 11, animal print 1.2, colour block 1.5, houndstooth 0.7",
            HIDES,
            (40, 380),
            "smart",
            _W,
            "bag",
        ),
        "clutch": _article(
            1.6,
            "leather 3, satin 2.5, suede 1, patent leather 1",
            "solid 9, animal print 1, floral 1, polka dots 1",
            DRESSY,
            (20, 160),
            "formal",
            _W,
            "bag",
        ),
        "backpack": _article(
            2,
            "canvas 3, leather 2, nylon 3",
            "solid 9, colour block 2, checks 1, floral 1.2, stripes 0.8",
            CLOTHES,
            (25, 160),
            "casual",
            _U,
            "bag",
        ),
        "crossbody bag": _article(
            2,
            "leather 6, suede 2, nylon 1",
            "solid 11, animal print 1, colour block 1, floral 0.7",
            HIDES,
            (25, 240),
            "casual",
            _W,
            "bag",
        ),
        # hats
        "cap": _article(
            1.5,
            "cotton 4, suede 0.5, corduroy 1",
            "solid 9, colour block 3, checks 1, animal print 0.7",
            CLOTHES,
            (10, 45),
            "casual",
            _U,
            "hat",
        ),
        "beanie": _article(
            1.5,
            "wool 3, knit 3",
            "solid 8, stripes 3, colour block 1.5",
            CLOTHES,
            (9, 50),
            "casual",
            _U,
            "hat",
            detail="plain 1, pompom 1",
        ),
        "sun hat": _article(
            1.2,
            "straw 4, cotton 1",
            "solid",
            _table("beige 5, tan 4, cream 3, white 2, black 2, pink 1, navy 1, brown 1"),
            (14, 70),
            "casual",
            _W,
            "hat",
        ),
        "fedora": _article(
            1,
            "wool",
            "solid",
            _table("black 4, grey 3, brown 3, tan 3, navy 2, burgundy 2, beige 2, green 1, red 1"),
            (25, 110),
            "smart",
            _U,
            "hat",
        ),
        # accessories
        "belt": _article(
            1.7,
            "leather 5, suede 2, canvas 0.8",
            "solid 12, animal print 1, stripes 0.4",
            HIDES,
            (12, 90),
            "smart",
            _M,
            "",
            width="slim 1, wide 1",
        ),
        "scarf": _article(
            2,
            "wool 3, silk 2, cashmere 1, cotton 1",
            "solid 6, checks 4, stripes 3, polka dots 1.2, floral 2, animal print 1.2, houndstooth 1, colour block 0.7",
            CLOTHES,
            (14, 120),
            "casual",
            _M,
            "",
        ),
        "sunglasses": _article(
            1.7,
            "acetate 4, metal 1",
            "solid 9, animal print 1",
            FRAMES,
            (15, 220),
            "casual",
            _M,
            "",
            frame="cat-eye 1.5, round 1.5, square 2, aviator 1",
        ),
        "watch": _article(
            1.7,
            "leather 3, metal 2",
            "solid",
            _table("black 6, brown 6, tan 4, navy 2, white 2, red 1.5, pink 1.5, green 1, burgundy 1, grey 1"),
            (40, 420),
            "smart",
            _M,
            "",
        ),
        "tie": _article(
            1.4,
            "silk 5, wool 1, linen 0.7",
            "solid 6, stripes 4, polka dots 3, checks 1.2, houndstooth 0.7, floral 1",
            SUITING,
            (15, 90),
            "formal",
            "men",
            "",
        ),
        "gloves": _article(
            1.2, "leather 3, wool 3, suede 1.5", "solid 10, stripes 1, checks 0.5", COATS, (12, 90), "casual", _M, ""
        ),
        # jewellery
        "necklace": _article(
            1.5, "metal", "solid", METAL_COLOURS, (15, 260), "smart", _W, "", detail="pendant 2, beads 1, chain 1.5"
        ),
        "earrings": _article(
            1.5, "metal", "solid", METAL_COLOURS, (9, 180), "smart", _W, "", detail="hoop 2, drop 2, stud 1"
        ),
        "bracelet": _article(
            1.2, "metal", "solid", METAL_COLOURS, (12, 190), "smart", _W, "", detail="bangle 1, chain 1.5, charm 1"
        ),
        "ring": _article(
            1.2, "metal", "solid", METAL_COLOURS, (15, 420), "formal", _W, "", detail="solitaire 2, band 1, signet 1"
        ),
    }
)
ARTICLE_TYPES: tuple[str, ...] = tuple(ARTICLES)

BRANDS: tuple[str, ...] = (
    "Almere & Finch",
    "Bracken Row",
    "Calder Loom",
    "Dovetail Lane",
    "Elm & Indigo",
    "Fabel",
    "Grenadine",
    "Halcyon Thread",
    "Isolde Marr",
    "Juniper Works",
    "Kestrel",
    "Lark & Linden",
    "Maison Orbeline",
    "Northmoor",
    "Ostara",
    "Petra Vale",
    "Quillon",
    "Rosewhistle",
    "Saltwick",
    "Thistle & Thread",
    "Umbra Studio",
    "Verano",
    "Willow Ferry",
    "Yarrow",
)

# Which colours a print most often lies on; others keep their weight.
_GROUNDS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "polka dots": _table("red 2.2, black 1.6, navy 1.8, white 1.6, pink 1.3"),
        "stripes": _table("navy 2.4, white 1.8, red 1.4, blue 1.3, black 1.2"),
        "floral": _table("yellow 2.4, pink 1.6, white 1.5, light blue 1.3, green 1.3, black 1.2, navy 1.2, red 1.2"),
        "checks": _table("red 2, green 1.4, beige 1.4, grey 1.4, navy 1.3"),
        "animal print": _table("tan 8, beige 6, brown 2, white 2, cream 2, grey 1.5"),
    }
)
# The second colour of a print: what it usually is.
_SECONDS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "stripes": _table("white 6, navy 5, black 4, cream 3, red 2, blue 1, pink 1, light blue 1"),
        "pinstripes": _table("white 4, cream 2, light blue 2, black 2, navy 2, burgundy 1"),
        "polka dots": _table("white 8, black 4, cream 3, navy 2, red 1, yellow 0.7, pink 0.7"),
        "checks": _table("white 3, black 4, navy 3, cream 2, green 1, burgundy 1, brown 1, yellow 0.7, light blue 1"),
        "floral": _table(
            "white 4, pink 4, red 2, cream 2, coral 2, purple 2, yellow 1.5, navy 1.5, blue 1.5, lilac 1, orange 1, burgundy 1"
        ),
        "animal print": _table("black 5, brown 3, white 0.6, cream 0.6, navy 0.3"),
        "houndstooth": _table("white 3, black 4, cream 2, navy 1, brown 1, burgundy 1"),
        "herringbone": _table("white 2, black 2, cream 2, navy 1, brown 1, grey 1"),
        "colour block": _table(
            "white 5, black 4, navy 3, cream 2, red 2, yellow 1.5, pink 1.5, "
            "light blue 1.5, orange 1, green 1, grey 1, burgundy 1, turquoise 1"
        ),
    }
)
_HIDE_MATERIALS = ("leather", "suede", "patent leather")
_WARM = {"wool", "knit", "cashmere", "corduroy"}
_COOL = {"linen", "straw"}


@dataclass(frozen=True, slots=True)
class Design:
    """One item before it is drawn or described."""

    index: int
    root: int  # the design it is a colourway of; its own index if none
    article: str
    attributes: Mapping[str, str | float]  # in title order: colour, pattern, material...; price is a number
    paint: str  # "#rrggbb", this item's own shade of its colour
    second_paint: str
    shape_seed: tuple[int, int, int]

    def get(self, name: str, default: str = "") -> str:
        return str(self.attributes.get(name, default))


def generator(*key: int) -> np.random.Generator:
    """The random stream of a key of non-negative integers: equal in every process and on every platform."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def _draw(rng: np.random.Generator, weights: Mapping[str, float]) -> str:
    names = list(weights)
    total = np.cumsum([weights[name] for name in names])
    return names[min(int(np.searchsorted(total, rng.random() * total[-1], side="right")), len(names) - 1)]


def _is_colourway(rng: np.random.Generator) -> bool:
    return bool(rng.random() < COLOURWAY_SHARE)


@lru_cache(maxsize=8192)
def root_of(seed: int, index: int) -> int:
    """The first item of the design that item `index` belongs to."""
    while index > 0 and _is_colourway(generator(seed, index, _DESIGN)):
        index -= 1
    return index


def _second(rng: np.random.Generator, colour: str, pattern: str) -> str:
    legible = contrasting(colour)
    weights = {name: weight for name, weight in _SECONDS[pattern].items() if name in legible}
    return _draw(rng, weights or dict.fromkeys(legible, 1.0))


def _colours(
    rng: np.random.Generator, article: Article, pattern: str, material: str, taken: tuple[str, ...]
) -> tuple[str, str]:
    weights = dict(article.colours)
    if pattern == "solid" and material in _HIDE_MATERIALS and article.colours is not HIDES:
        weights = {
            name: weight * (3.0 if name in ("black", "brown", "tan") else 0.6) for name, weight in weights.items()
        }
    elif material == "straw":
        weights = {
            name: weight
            for name, weight in weights.items()
            if name in ("beige", "tan", "cream", "white", "black", "pink", "navy", "brown")
        }
    for name, factor in _GROUNDS.get(pattern, {}).items():
        if name in weights:
            weights[name] *= factor
    for name in taken:
        weights.pop(name, None)
    colour = _draw(rng, weights or article.colours)
    return colour, "" if pattern == "solid" else _second(rng, colour, pattern)


def _season(rng: np.random.Generator, article: str, chosen: Mapping[str, str]) -> str:
    material = chosen["material"]
    if article in ("beanie", "gloves", "puffer jacket", "parka", "coat") or (
        material in _WARM and article in ("scarf", "sweater")
    ):
        return _draw(rng, _table("winter 4, autumn 1"))
    if article in ("sandals", "sun hat", "shorts", "tank top") or material in _COOL:
        return _draw(rng, _table("summer 4, spring 1"))
    if material in _WARM or article in ("ankle boots", "knee boots", "trench coat", "leather jacket"):
        return _draw(rng, _table("autumn 3, winter 2"))
    if article in (
        "jeans",
        "belt",
        "watch",
        "handbag",
        "tie",
        "necklace",
        "earrings",
        "bracelet",
        "ring",
        "backpack",
        "cap",
    ):
        return "all year"
    return _draw(rng, _table("spring 3, summer 2, autumn 1.5, all year 3"))


def _formality(rng: np.random.Generator, article: Article, chosen: Mapping[str, str]) -> str:
    if article.formality == "formal":
        return "formal"
    dressed = chosen["pattern"] == "solid" and chosen["material"] in ("silk", "satin", "wool", "patent leather")
    if article.formality == "smart" and dressed and rng.random() < 0.35:
        return "formal"
    if chosen["material"] in ("denim", "canvas", "nylon", "straw"):
        return "casual"
    if article.formality == "casual" and chosen["material"] in ("silk", "cashmere"):
        return "smart"
    return article.formality


@lru_cache(maxsize=4096)
def design(seed: int, index: int) -> Design:
    """Item `index` of the world `seed`; the same whatever else is generated.

    Raises `ValueError` for a negative seed or index.
    """
    if seed < 0 or index < 0:
        raise ValueError(f"seed and index must not be negative: seed {seed}, index {index}")
    root = root_of(seed, index)
    rng = generator(seed, root, _DESIGN)
    rng.random()  # the draw that decided whether this is a colourway
    name = _draw(rng, {name: article.weight for name, article in ARTICLES.items()})
    return compose(seed, index, root, name, rng)


def compose(
    seed: int,
    index: int,
    root: int,
    name: str,
    rng: np.random.Generator,
    fixed: Mapping[str, str] = MappingProxyType({}),
) -> Design:
    """A design of article type `name`; `fixed` sets attributes that would be drawn (tests and swatches use it)."""
    article = ARTICLES[name]
    chosen: dict[str, str] = {"pattern": _draw(rng, article.patterns), "material": _draw(rng, article.materials)}
    if chosen["material"] in (*_HIDE_MATERIALS, "denim", "corduroy", "straw") and chosen["pattern"] not in (
        "solid",
        "animal print",
        "colour block",
    ):
        # Printing on hides and denim is rare: change the cloth where another one is sold, else leave it plain.
        soft = {m: w for m, w in article.materials.items() if m not in (*_HIDE_MATERIALS, "denim", "corduroy", "straw")}
        if soft:
            chosen["material"] = _draw(rng, soft)
    for attribute, weights in article.choices.items():
        chosen[attribute] = _draw(rng, weights)
    chosen.update({key: value for key, value in fixed.items() if key not in ("colour", "secondary_colour")})
    gender = _draw(rng, article.gender)
    if chosen.get("heel") == "stiletto":
        gender = "women"
    season = _season(rng, name, chosen)
    formality = _formality(rng, article, chosen)
    low, high = article.price
    dear = {"silk": 0.2, "cashmere": 0.35, "leather": 0.15, "wool": 0.1}.get(chosen["material"], 0.0)
    level = min(1.0, float(rng.beta(2, 4)) + dear)
    price = max(1, round(low * (high / low) ** level)) - 0.05
    brand = BRANDS[int(rng.integers(len(BRANDS)))]

    taken: list[str] = []
    colour = second = ""
    for one in range(root, index + 1):  # each colourway avoids the colours before it
        paint_rng = generator(seed, one, _PAINT)
        colour, second = _colours(paint_rng, article, chosen["pattern"], chosen["material"], tuple(taken))
        taken.append(colour)
    if "colour" in fixed:
        colour = fixed["colour"]
        second = "" if chosen["pattern"] == "solid" else _second(paint_rng, colour, chosen["pattern"])
    second = fixed.get("secondary_colour", second)
    paint = jittered(colour, paint_rng)
    second_paint = jittered(second, paint_rng) if second else COLOURS["white"]

    attributes: dict[str, str | float] = {"colour": colour, "pattern": chosen.pop("pattern")}
    if second:
        attributes["secondary_colour"] = second
    attributes["material"] = chosen.pop("material")
    attributes |= chosen
    attributes |= {"season": season, "formality": formality, "gender": gender, "brand": brand, "price": round(price, 2)}
    return Design(index, root, name, MappingProxyType(attributes), paint, second_paint, (seed, root, _SHAPE))
