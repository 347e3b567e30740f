"""MANGO's Fashion Compatibility Challenge (UPC Datathon 2023): looks put together by stylists, each item photographed alone.

Read from `mango_outfits/items.parquet` and `mango_outfits/outfits_{train,valid,test}.parquet`. A row of items: `id` (the
model's eight digits, a dash, the colour's code), `image` (encoded bytes), `product_type` (105, the finest label), `family`
(35), `aggregated_family` (13), `category` (6), `colour_es` (the shop's name for it), `colour_group` (10), `gender`, `age`,
`line`, `fabric`, `shoot_year`, `model`. A row of outfits: `outfit`, `item_ids`, `group`. Published for that challenge without
a licence: to be measured on, never to be passed on, nor weights trained on it.

The set has no titles. `title` is composed from the row's own labels, "Women's navy blue knit sweater": whom it is for, the
colour, the material where the fabric's code says one, the product type. Nothing is read off the photo: a pattern, a sleeve or
a collar is in no label and so in no title. Of a colour with a fancy name (`MISTERIO`) the colour group is named.

Traps, for whoever asks questions of this set:

- The photo's background tells the year (2019 beige, 2023 white) and 94 % of the looks are of one year, so a wrong candidate
  must be of the right one's `shoot_year`, and of its `family`: both are attributes of every item.
- A few basics are in very many looks: popularity alone finds more than half of the right answers among four candidates.
  Report wrong candidates of matching popularity too, and right ones that no training look has (see `OutfitData.seen`).
- Looks come in near-identical copies. They share `Look.group`, and no group crosses splits; colourways of one model share
  `Item.group`.
- Looks repeat kinds of items (rings, earrings): see `violations` for how many break which rule.
- `colour_group` is the shop's: gold and camel are WHITE, black is GREY, khaki is BROWN.
- Labels are the shop's too, mistakes included: a beanie and a belt bag are "Gadget".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from modiste.data.outfits import Look, OutfitData, known
from modiste.data.parquet import parquet_rows
from modiste.data.roots import folder_of, split_files
from modiste.types import Item, Scalar

NAME = "mango_outfits"
COLUMNS = (
    *("id", "image", "colour_es", "colour_group", "gender", "age", "line", "fabric", "category", "aggregated_family"),
    *("family", "product_type", "shoot_year", "model"),
)
LOOK_COLUMNS = ("outfit", "item_ids", "group")
_BATCH = 1_024

_WHERE_FROM = (
    f"{NAME}/ needs items.parquet with the columns {', '.join(COLUMNS)} and outfits_{{train,valid,test}}.parquet with the "
    f"columns {', '.join(LOOK_COLUMNS)}, made from MANGO's Fashion Compatibility Challenge (UPC Datathon 2023); then set "
    "MODISTE_DATA to the folder that holds it"
)


def _table(pairs: str) -> Mapping[str, str]:
    return MappingProxyType(dict(pair.strip().split("=") for pair in pairs.split(";") if pair.strip()))


# The shop's colour names in English. Denim washes ("tejano") name the blue, for the fabric says that it is denim.
_COLOURS: Mapping[str, str] = _table(
    # black to white
    "NEGRO=black; ANTRACITA=anthracite; ASFALTO=asphalt grey; CENIZA=ash grey; GRIS=grey; "
    "GRIS CLARO VIGORE=light heather grey; GRIS MEDIO VIGORE=heather grey; GRIS OSCURO VIGORE=dark heather grey; "
    "PERLA=pearl grey; PLATA=silver; GUNMETAL=gunmetal; BLANCO=white; OFFWHITE=off-white; CRUDO=ecru; "
    "MARFIL=ivory; HIELO=ice white; "
    # browns
    "BEIGE=beige; ARENA=sand; PIEDRA=stone; CAMEL=camel; CUERO=tan; MARRON=brown; CHOCOLATE=chocolate; "
    "COFFEE=coffee; TABACO=tobacco; COGNAC=cognac; TOPO=taupe; TAUPE=taupe; VISON=mink; COBRE=copper; "
    "CARAMELO=caramel; CANELA=cinnamon; NUDE=nude; MISTERIO=; "
    # yellow to purple
    "ORO=gold; AMARILLO=yellow; AMARILLO PASTEL=pastel yellow; AMARILLO FLUOR=neon yellow; MOSTAZA=mustard; "
    "OCRE=ochre; VAINILLA=vanilla; CURRY=curry; LIMA=lime; NARANJA=orange; NARANJA PASTEL=pastel orange; "
    "MANDARINA=tangerine; TERRACOTA=terracotta; PEACH=peach; SALMON=salmon; CORAL=coral; PIMENTON=paprika; "
    "CALDERO=rust; ROJO=red; BERMELLON=vermilion; FRESA=strawberry red; CEREZA=cherry red; BLOOD=blood red; "
    "GRANATE=garnet; BURDEOS=burgundy; VINO=wine red; GERANIO=geranium pink; ROSA=pink; ROSA PASTEL=pastel pink; "
    "ROSA PALO=dusty pink; ROSA LIGHT=light pink; ROSA FLUOR=neon pink; FUCSIA=fuchsia; CHICLE=bubblegum pink; "
    "MORADO=purple; MALVA=mauve; LILA=lilac; VIOLETA=violet; CIRUELA=plum; "
    # greens
    "VERDE=green; VERDE PASTEL=pastel green; BOTELLA=bottle green; ESMERALDA=emerald green; MENTA=mint green; "
    "MANZANA=apple green; BILLAR=billiard green; MUSGO=moss green; CAZA=hunter green; OLIVA=olive; KHAKI=khaki; "
    "AGUA=aqua green; "
    # blues
    "AZUL=blue; AZUL NOCHE=midnight blue; NAVY=navy blue; MARINO=navy blue; CELESTE=sky blue; "
    "TURQUESA=turquoise; PETROLEO=petrol blue; ELECTRICO=electric blue; INDIGO=indigo; TINTA=ink blue; "
    "PRUSIA=Prussian blue; PORCELANA=porcelain blue; TEJANO CLARO=light blue; TEJANO MEDIO=medium blue; "
    "TEJANO OSCURO=dark blue; TEJANO SOFT=soft blue; TEJANO NEGRO=black; TEJANO GRIS=grey; "
    "TEJANO GRIS CLARO=light grey; TEJANO GRIS OSCURO=dark grey; BLUEBLACK=blue-black; DIRTY=dirty blue; "
    "DIRTY CLARO=light dirty blue; DIRTY OSCURO=dark dirty blue; BLEACH=bleached blue; "
)
_FABRICS: Mapping[str, str] = MappingProxyType(
    {
        "P-PLANA": "woven",
        "K-CIRCULAR": "jersey",  # knitted on a circular machine
        "T-TRICOT": "knit",
        "J-JEANS": "denim",
        "L-PIEL": "leather",
        "O-POLIPIEL": "faux leather",
        "C-COMPLEMENTOS": "",  # "accessories": no material
    }
)
# Product types that need more than lower case to be read as English.
_TYPES: Mapping[str, str] = _table(
    "Totes bag=tote bag; Clutch and Pochettes=clutch; Citybag=city bag; Trenchcoat=trench coat; "
    "Poloshirt=polo shirt; Jacket (Cazadora)=jacket; Sock (Pack)=pack of socks; Bras=bra; "
    "Dressing Gown (Bata)=dressing gown; Bikini pantie=bikini bottom; Pichi=pinafore dress; Fragance=fragrance; "
    "Bodymist=body mist; Shape=shapewear; Hairclip=hair clip; Overall=dungarees; Knicker=knickers; "
)
_WEARERS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("Female", "Adult"): "women",
        ("Male", "Adult"): "men",
        ("Female", "Kids"): "girls",
        ("Male", "Kids"): "boys",
    }
)
_POSSESSIVES = {"women": "women's", "men": "men's", "girls": "girls'", "boys": "boys'"}


def read_mango(root: str | Path | None = None) -> OutfitData:
    """Items and looks of the set. An item's category is its product type; `group` is its model, which colourways share.

    Attributes: `gender` (women, men, girls, boys), `colour` (in English), `fabric` (woven, jersey, knit, denim, leather, faux
    leather), `shoot_year` (int), and as the rows have them `colour_group`, `colour_es`, `age`, `line`, `category`,
    `aggregated_family`, `family`, `product_type`. What a row leaves empty is no attribute. All 15 MB of photos are held.

    Parameters
    ----------
    root
        The folder of all data sets, or the folder with the files; by default `roots.default_root`.

    Raises
    ------
    FileNotFoundError
        If there is no table of items there, or none of outfits.
    ValueError
        If a file is not readable, lacks a column, or a row is not usable, naming file and row.
    """
    folder = folder_of(NAME, root, "items.parquet", _WHERE_FROM)
    files = split_files(folder, "outfits_{}.parquet")
    if not files:
        raise FileNotFoundError(f"{folder}: no outfits_{{train,valid,test}}.parquet there; {_WHERE_FROM}")
    items: dict[str, Item] = {}
    path = folder / "items.parquet"
    for row, cells in _rows(path, COLUMNS):
        item = _item(path, row, cells)
        if item.id in items:
            raise ValueError(f"{path}: row {row}: id {item.id!r} is there already")
        items[item.id] = item
    looks, missing = known({split: tuple(_looks(file)) for split, file in files.items()}, items)
    return OutfitData(NAME, items, looks, missing)


def sentence(gender: str, colour: str, fabric: str, kind: str) -> str:
    """A title from labels: an empty one is left out, "leather" of a leather jacket is said once, jeans are of denim anyway.

    >>> sentence("women", "black", "leather", "leather jacket"), sentence("men", "dark blue", "denim", "jeans")
    ("Women's black leather jacket", "Men's dark blue jeans")
    """
    if fabric == "denim" and kind == "jeans":
        fabric = ""
    words = f"{_POSSESSIVES.get(gender, '')} {colour} {fabric} {kind}".split()
    text = " ".join(word for number, word in enumerate(words) if number == 0 or word != words[number - 1])
    return text[:1].upper() + text[1:]


def _item(path: Path, row: int, cells: Mapping[str, object]) -> Item:
    words = {name: str(cells[name] or "").strip() for name in COLUMNS if name != "image"}
    if not words["id"]:
        raise ValueError(f"{path}: row {row}: empty id")
    image = cells["image"]
    if isinstance(image, dict):  # as Hugging Face's `datasets` writes pictures
        image = image.get("bytes")
    gender = _WEARERS.get((words["gender"], words["age"]), "")
    # A name that is not in the table, or means nothing, is answered by the group: never a word nobody understands.
    colour = _COLOURS.get(words["colour_es"].upper(), "") or words["colour_group"].lower()
    fabric = _FABRICS.get(words["fabric"], "")
    kind = _TYPES.get(words["product_type"], words["product_type"].lower())
    attributes: dict[str, Scalar] = {"gender": gender, "colour": colour, "fabric": fabric}
    for name in ("colour_group", "colour_es", "age", "line", "category", "aggregated_family", "family", "product_type"):
        attributes[name] = words[name]
    if words["shoot_year"]:
        if not words["shoot_year"].isdecimal():
            raise ValueError(f"{path}: row {row}: shoot_year is {words['shoot_year']!r}, not a year")
        attributes["shoot_year"] = int(words["shoot_year"])
    return Item(
        id=words["id"],
        title=sentence(gender, colour, fabric, kind),
        image=image if isinstance(image, bytes) and image else None,
        category=words["product_type"],
        attributes={name: value for name, value in attributes.items() if value != ""},
        group=words["model"],
    )


def _looks(path: Path) -> Iterator[Look]:
    seen: set[str] = set()
    for row, cells in _rows(path, LOOK_COLUMNS):
        look_id, item_ids = str(cells["outfit"] or ""), cells["item_ids"]
        if not look_id or look_id in seen:
            raise ValueError(f"{path}: row {row}: " + ("empty outfit" if not look_id else f"outfit {look_id!r} twice"))
        seen.add(look_id)
        if not isinstance(item_ids, list) or not item_ids or not all(isinstance(one, str) and one for one in item_ids):
            raise ValueError(f"{path}: row {row}: item_ids must be a list of ids, not {str(item_ids)[:60]}")
        yield Look(look_id, tuple(item_ids), group=str(cells["group"] or ""))


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, object]]]:
    """Row number from 1 and cells, for the columns named."""
    return enumerate(parquet_rows(path, columns, columns, _WHERE_FROM, _BATCH), 1)
