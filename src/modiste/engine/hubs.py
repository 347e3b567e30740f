"""Items that come near to everything: a sign of a picture or a text that was made to be found, or of an encoder gone wrong.

A poisoned picture (a printed word, a patch that was optimised) is near to many questions that have nothing to do with it
(Radovanovic et al., JMLR 2010, call such points hubs; arXiv 2202.03861 and 2304.04512 make them on purpose). So after indexing,
titles of the catalogue itself are asked for, and who is among the ten best of too many of them is named. It is a warning, not a
defence: an attack on few questions is not seen, and an innocent item may be near to many.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from modiste.engine.catalogue import Catalogue
from modiste.types import ItemEncoder

SHARE = 0.01  # of questions among whose best an item may be
FEWEST_ITEMS = 1_000  # under which chance alone puts items among the best of so many
_TIMES_CHANCE = 10.0
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Hub:
    """An item, and of which share of unrelated questions it was among the best."""

    item_id: str
    title: str
    share: float


def find_hubs(
    store: Catalogue, encoder: ItemEncoder, *, questions: int = 300, k: int = 10, seed: int = 0
) -> tuple[Hub, ...]:
    """Items among the k best of more than 1 % of random titles (and ten times what chance gives), the most frequent first.

    Each title is asked for once, however many items have it, and items of that title do not count for it. None for a
    catalogue of fewer than `FEWEST_ITEMS`. Raises `EncoderMismatch`.
    """
    store.require(encoder.id)
    snapshot = store.snapshot()
    if len(snapshot) < FEWEST_ITEMS:
        return ()
    order = np.random.default_rng(seed).permutation(len(snapshot))[: 4 * questions]
    titles = list(dict.fromkeys(title for row in order if (title := snapshot.item(int(row)).title)))[:questions]
    counts: dict[int, int] = {}
    for start in range(0, len(titles), _AT_ONCE):
        some = titles[start : start + _AT_ONCE]
        queries = np.concatenate([encoder.encode_query(title).vectors for title in some])
        rows, _ = snapshot.index.search(queries, k)
        for title, found in zip(some, rows.tolist(), strict=True):
            for row in found:
                if row >= 0 and snapshot.item(row).title != title:
                    counts[row] = counts.get(row, 0) + 1
    most = max(SHARE, _TIMES_CHANCE * k / len(snapshot)) * len(titles)
    hubs = [Hub(snapshot.id(row), snapshot.item(row).title, n / len(titles)) for row, n in counts.items() if n > most]
    return tuple(sorted(hubs, key=lambda hub: (-hub.share, hub.item_id)))
