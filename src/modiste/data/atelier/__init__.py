"""The atelier: a generated, licence-free fashion catalogue of any size, in which every right answer is known.

>>> atelier = Atelier(seed=0)
>>> atelier.item(0, image=False).id
'atelier-000000'
>>> describe_constraints({"category": "dress", "colour": "red", "pattern": "polka dots"})
'red dress with polka dots'
"""

from modiste.data.atelier.catalogue import Atelier, write_catalogue
from modiste.data.atelier.design import ARTICLE_TYPES
from modiste.data.atelier.wording import describe_constraints, matches

__all__ = ["ARTICLE_TYPES", "Atelier", "describe_constraints", "matches", "write_catalogue"]
