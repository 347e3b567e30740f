"""What a slot's wish names and the catalogue knows to be otherwise: "linen shirt" beside a shirt of cotton.

The encoder hears a wish as a whole, and of two attributes it often serves one. A catalogue that has a column for what is named
knows better: every named attribute of which an item is known to have another value, and everything named as unwanted that it is
known to have, lowers its cosine with the wish by `CONTRADICTED`. What is not known lowers nothing, so a catalogue of titles and
photos alone is searched as the encoder hears it.

Only a slot's own wish is read so. A text for a whole look ("in beige and navy") does not say of each item what it shall be.
"""

from __future__ import annotations

import numpy as np

from modiste.engine.composed import denials, holds
from modiste.engine.constraints import Rows
from modiste.engine.modification import modification
from modiste.engine.objective import Values
from modiste.engine.vocabulary import Knowledge

# Chosen on one generated world (0.05, 0.15 and 0.3 do the same within noise), measured on another: docs/results/wishes.md.
CONTRADICTED = 0.15


def contradictions(wish: str, knowledge: Knowledge, rows: Rows) -> Values:
    """Rows (n,) -> (n,) how many of the things that the wish names are known not to be so; a doubt counts in part."""
    plan = modification(wish, knowledge.vocabulary)
    found = np.zeros(len(rows))
    for change in plan.changes:
        if change.known:
            found += np.nan_to_num(1.0 - holds(change, knowledge)[rows].astype(np.float64))
    for one in plan.excluded:
        found += np.nan_to_num(denials(one, plan.changes, knowledge)[rows].astype(np.float64))
    return found
