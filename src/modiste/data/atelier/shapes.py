"""How many items a look has and for which parts of the body: as measured on two real data sets.

A *shape* is the sorted slots of a look's items. Counted on the training splits of:

- Polyvore Outfits, disjoint (Vasileva et al. 2018; categories as distributed with github.com/lzcn/outfit-datasets): 16,995
  looks that members of a web site put together, 5.1 items on average;
- MANGO's Fashion Compatibility Challenge (UPC Datathon 2023): 5,421 looks of professional stylists, 5.6 items on average.

Slots are `taxonomy.slot` of the set's own labels. Kept are the 48 most frequent shapes of 3 to 8 items in the slots that the
atelier makes: the sizes at which an outfit is a look and still a set that `OutfitRules` allows by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Shape = tuple[str, ...]


def _table(text: str) -> Mapping[Shape, int]:
    rows = (line.split() for line in text.strip().splitlines())
    return MappingProxyType({tuple(slots): int(count) for count, *slots in rows})


# Share of looks that have the slot at all, and that have it more than once.
SLOT_SHARES: Mapping[str, Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "polyvore_outfits": MappingProxyType(
            {
                "top": (0.576, 0.038),
                "bottom": (0.559, 0.008),
                "one_piece": (0.368, 0.018),
                "outerwear": (0.272, 0.003),
                "shoes": (0.94, 0.01),
                "bag": (0.83, 0.024),
                "hat": (0.124, 0.0),
                "accessory": (0.383, 0.058),
                "jewellery": (0.558, 0.208),
            }
        ),
        "mango_outfits": MappingProxyType(
            {
                "top": (0.718, 0.11),
                "bottom": (0.723, 0.039),
                "one_piece": (0.223, 0.002),
                "outerwear": (0.242, 0.006),
                "shoes": (0.949, 0.068),
                "bag": (0.777, 0.031),
                "hat": (0.028, 0.0),
                "accessory": (0.246, 0.024),
                "jewellery": (0.804, 0.285),
            }
        ),
    }
)

POLYVORE_SHAPES: Mapping[Shape, int] = _table(
    """
    921 bag bottom shoes top
    868 bag bottom jewellery shoes top
    841 bag jewellery one_piece shoes
    600 bag one_piece shoes
    549 accessory bag bottom shoes top
    497 bag bottom outerwear shoes top
    426 accessory bag bottom jewellery shoes top
    414 bag jewellery jewellery one_piece shoes
    373 bag bottom jewellery jewellery shoes top
    307 bag bottom jewellery outerwear shoes top
    293 accessory bag jewellery one_piece shoes
    270 accessory bag bottom outerwear shoes top
    259 accessory bag one_piece shoes
    246 bottom shoes top
    244 bag one_piece outerwear shoes
    226 bag jewellery one_piece outerwear shoes
    170 accessory bag bottom jewellery jewellery shoes top
    170 accessory bag bottom jewellery outerwear shoes top
    166 bag bottom jewellery jewellery outerwear shoes top
    152 bottom jewellery shoes top
    142 accessory bottom shoes top
    138 bag jewellery jewellery jewellery one_piece shoes
    132 accessory bag jewellery jewellery one_piece shoes
    125 bag jewellery jewellery one_piece outerwear shoes
    117 bag bottom hat shoes top
    115 bag hat one_piece shoes
    115 bag shoes top
    95 accessory bag one_piece outerwear shoes
    95 bag hat jewellery one_piece shoes
    94 bottom outerwear shoes top
    92 bag jewellery shoes top
    92 jewellery one_piece shoes
    86 bag bottom jewellery jewellery jewellery shoes top
    83 bag jewellery shoes
    82 bag bottom hat jewellery shoes top
    80 accessory bottom jewellery shoes top
    80 bag bottom shoes
    75 accessory bag bottom hat shoes top
    72 bag bottom shoes top top
    71 accessory bag bottom jewellery jewellery outerwear shoes top
    70 bag bottom jewellery shoes
    69 accessory bag hat one_piece shoes
    69 accessory bag jewellery one_piece outerwear shoes
    69 accessory bag shoes top
    65 accessory accessory bag bottom shoes top
    61 bag bottom outerwear shoes
    57 accessory bag bottom hat jewellery shoes top
    57 accessory bag bottom jewellery jewellery jewellery shoes top
    """
)  # 10,490 of 16,995 looks

MANGO_SHAPES: Mapping[Shape, int] = _table(
    """
    980 bag bottom jewellery shoes top
    330 bag jewellery jewellery one_piece shoes
    187 bag bottom jewellery outerwear shoes top
    182 bag bottom jewellery jewellery shoes top
    173 bag jewellery one_piece shoes
    169 bag bottom outerwear shoes top
    157 accessory bag bottom shoes top
    147 accessory bag jewellery one_piece shoes
    134 bottom jewellery outerwear shoes top
    106 bottom jewellery jewellery shoes top
    90 bag bottom shoes top top
    88 accessory bag bottom jewellery shoes top
    82 accessory bag jewellery shoes
    76 bottom jewellery shoes top
    72 accessory bottom jewellery shoes top
    60 bag bottom jewellery jewellery jewellery shoes top
    59 bag bottom jewellery shoes top top
    57 accessory bag bottom outerwear shoes top
    49 bag bottom jewellery jewellery outerwear shoes top
    46 bottom jewellery jewellery jewellery shoes top
    44 bag bottom jewellery outerwear shoes
    40 bag jewellery jewellery jewellery one_piece shoes
    37 bottom jewellery jewellery outerwear shoes top
    36 bottom jewellery shoes top top
    29 bag jewellery one_piece outerwear shoes
    24 jewellery jewellery one_piece shoes
    23 bag jewellery one_piece shoes top
    20 bag bottom shoes top
    20 bag jewellery one_piece shoes shoes
    19 accessory bag jewellery jewellery one_piece shoes
    19 accessory bottom outerwear shoes top
    19 bag jewellery jewellery one_piece shoes shoes
    18 accessory bag bottom shoes top top
    18 accessory bottom jewellery jewellery shoes top
    17 accessory bag bottom jewellery jewellery shoes top
    17 accessory bottom jewellery outerwear shoes top
    17 bag bottom bottom jewellery shoes top
    16 accessory bag bottom jewellery outerwear shoes top
    16 bottom jewellery jewellery jewellery jewellery shoes top
    15 jewellery one_piece shoes
    14 accessory accessory bag bottom shoes top
    14 bag bottom hat outerwear shoes top
    14 bag bottom outerwear shoes top top
    14 bottom jewellery jewellery jewellery outerwear shoes top
    13 accessory bag bag bag bag
    13 accessory bottom jewellery shoes top top
    13 accessory bottom shoes top top
    13 jewellery jewellery jewellery one_piece shoes
    """
)  # 3,816 of 5,421 looks


def _shares() -> Mapping[Shape, float]:
    total: dict[Shape, float] = {}
    for table in (POLYVORE_SHAPES, MANGO_SHAPES):
        count = sum(table.values())
        for shape, number in table.items():
            total[shape] = total.get(shape, 0.0) + number / count / 2
    return MappingProxyType(dict(sorted(total.items())))


# The shapes of the atelier's looks and how often each is proposed: both sets count alike.
SHAPES: Mapping[Shape, float] = _shares()
