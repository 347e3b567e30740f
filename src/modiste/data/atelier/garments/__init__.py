"""One drawing function per article type."""

from __future__ import annotations

from modiste.data.atelier.design import Design, generator
from modiste.data.atelier.garments import accessories, bags, bottoms, dresses, outerwear, shoes, tops
from modiste.data.atelier.patterns import fabric
from modiste.data.atelier.sketch import Sketch

DRAW = {**tops.DRAW, **bottoms.DRAW, **dresses.DRAW, **outerwear.DRAW, **shoes.DRAW, **bags.DRAW, **accessories.DRAW}
_SMALL = {*shoes.DRAW, *accessories.DRAW}


def draw(d: Design) -> tuple[str, str]:
    """(definitions, drawing) of a design as SVG, centred on x = 0, from y = 0 to 400."""
    cloth_rng = generator(*d.shape_seed, 1)
    pattern, material = d.get("pattern"), d.get("material")
    scale = 0.62 if d.article in _SMALL else 0.8 if d.article in bags.DRAW else 1.0
    main = fabric("m", d.paint, d.second_paint, pattern, material, cloth_rng, scale=scale)
    trim = fabric("t", d.second_paint, d.paint, "solid", material, cloth_rng)
    sketch = Sketch(main, trim, generator(*d.shape_seed))
    DRAW[d.article](sketch, d)
    return sketch.definitions(), sketch.drawing()
