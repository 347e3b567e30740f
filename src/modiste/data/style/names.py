"""What a colour's name looks like: English and Spanish names of shops, as `#rrggbb`.

The atelier's own names come first, so both ends of the house mean the same shade. The others are what shops usually mean by
a name: CSS and X11 colours where they exist, else the middle of the range in which the name is used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from modiste.data.atelier.palette import COLOUR_WORDS, COLOURS


def _table(text: str) -> dict[str, str]:
    return {name.strip(): f"#{code}" for name, code in (entry.rsplit(" ", 1) for entry in text.split(","))}


_ENGLISH = _table(
    "charcoal 3d4045,steel 8d959c,khaki b3a178,peach f7c3a0,magenta c2307f,fuchsia c92d84,teal 1f7f80,bronze 8a6238,"
    "copper b0683f,rust a8492a,metallic b5b8bc,coffee 4f3626,sea green 3f9b79,mushroom a8988a,mauve b08aa6,taupe 8f7f72,"
    "fluorescent green a6e62b,lime a4c639,rose d9798f,nude e3bfa6,skin e3bfa6,indigo 33406f,lavender c4afdd,aqua 8fd6d6,"
    "blush eec4c0,wine 6c1b30,stone c9bda8,denim 4f6c93,gunmetal 55595e,pearl e9e5dc,ice dbe7ee,caramel a96f3c,"
    "cognac 9a5a2c,chocolate 4a2f22,camel b88454,emerald 15795a,cherry 9f1d35,plum 5f2c4f,apricot f2b27c,vanilla f2e6bd,"
    "ecru eee3cb,ivory f3ecd9,off white f1ede3,offwhite f1ede3,natural e6d9bf,leather a0683a,grey melange a3a5a8,"
    "dark blue 1f2c50,dark green 22402f,dark grey 4c4f54,light grey c3c6ca,light pink f3c9d3,light green b4dfc6,"
    "blueblack 252a38,bleach b9cde0,dirty 6f7f92,strawberry d83a50,salmon f0806f"
)
_SPANISH = _table(
    "negro 232225,blanco f8f7f3,crudo efe6d2,gris 92959b,oro d2a545,plata c3c7cd,cobre b0683f,marron 6a452e,verde 2f7d4c,"
    "azul 2f62b8,rojo cb2730,rosa efa9bf,arena d6c3a1,naranja e8792e,celeste a3c6e6,piedra c9bda8,mostaza c8962b,"
    "fucsia c92d84,cuero a0683a,antracita 3d4045,granate 6c1b30,terracota b3583a,caldero 9c4a2f,topo 7d7067,morado 6f4497,"
    "amarillo f3d13f,caramelo a96f3c,burdeos 6c1b30,botella 1f4a38,amarillo pastel f6e6a2,turquesa 2ba6a4,malva b08aa6,"
    "marino 1f2c50,vison a08d7f,verde pastel b4dfc6,perla e9e5dc,tabaco 80532f,agua a9dcd3,azul noche 1b2238,lima b9d648,"
    "vino 5c1a2b,rosa palo e3b5b0,oliva 6c6b3a,ocre b98330,vainilla f2e6bd,fresa d83a50,marfil f3ecd9,lila c4afdd,"
    "rosa light f5cfd8,rosa pastel f3c3cf,chicle ef86b0,hielo dbe7ee,misterio 33475b,petroleo 1d4d57,cereza 9f1d35,"
    "amarillo fluor e8f03c,mandarina ee7f33,menta b4dfc6,naranja pastel f5c39b,tinta 232c45,esmeralda 15795a,"
    "electrico 2346c9,porcelana efe7dd,canela a3673f,caza 34483a,musgo 565b34,violeta 6f4497,curry c69a2d,manzana 8fb950,"
    "billar 1f6b4c,rosa fluor f54f9c,bermellon d8402f,pimenton a33a26,blood 7c1420,ceniza a5a39d,ciruela 5f2c4f,"
    "geranio d6304a,prusia 1d3550,asfalto 4c4f54,gris claro c3c6ca,gris medio 92959b,gris oscuro 5a5d63,"
    "gris claro vigore c3c6ca,gris medio vigore 92959b,gris oscuro vigore 5a5d63,"
    "tejano claro a9c0d8,tejano medio 5d7fa8,tejano oscuro 2e4060,tejano negro 2b2b30,tejano gris 7d8287,"
    "tejano gris claro b3b6ba,tejano gris oscuro 4c4f54,tejano soft 8aa5c4,dirty oscuro 44536a,dirty claro 9aabbd"
)

HEX: Mapping[str, str] = MappingProxyType(
    {
        **_SPANISH,
        **_ENGLISH,
        **{word: COLOURS[name] for name, words in COLOUR_WORDS.items() for word in words},
    }
)
_NO_SHADE = ("leather", "denim", "dirty", "bleach", "natural", "skin", "ice", "steel", "metallic")
# English names of colours that shops use beside the atelier's; those that are also a material or a state are left out.
SHOP_COLOURS: tuple[str, ...] = tuple(name for name in _ENGLISH if name not in _NO_SHADE)
# Words of a name that say nothing about the colour itself, or not enough to go by.
_NO_COLOUR = frozenset({"", "na", "multi", "multicolour", "multicolor", "other", "assorted", "unknown"})


@lru_cache(maxsize=4096)
def hex_of(name: str) -> str | None:
    """The shade of a colour's name in any case, or None for a name that is not known.

    "Navy Blue" is looked up whole; an unknown compound by its longest known part from the left, then from the right
    ("Coffee Brown" is coffee; "Pastel Coral" is coral). Of "Navy/White" the first colour counts.
    """
    text = re.sub(r"[\s_-]+", " ", re.split(r"[/,;&+]", name)[0].strip().lower())
    if text in _NO_COLOUR:
        return None
    if text in HEX:
        return HEX[text]
    words = text.split(" ")
    for length in range(len(words) - 1, 0, -1):
        for part in (words[:length], words[-length:]):
            if (found := HEX.get(" ".join(part))) is not None:
                return found
    return None
