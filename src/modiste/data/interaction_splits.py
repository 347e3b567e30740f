"""How clicks are divided when nothing else says it, and which are dense enough to be kept: pairs in, arrays out.

Shapes: N clicks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from modiste.data.roots import SPLITS

FEWEST = 5  # clicks of a user from which on she has any to be tested by


def k_core(users: Sequence[str], outfits: Sequence[str], min_user: int, min_outfit: int) -> NDArray[np.bool_]:
    """(N,) which clicks remain when users and outfits with too few are left out until all have enough.

    The largest such part is unique. HFGN keeps users with 20 and outfits with 10. Raises `ValueError` for a negative number.
    """
    if min_user < 0 or min_outfit < 0:
        raise ValueError(f"a k-core needs numbers from 0 on, not {min_user} and {min_outfit}")
    sides = [
        (np.unique(np.asarray(ids, dtype=object), return_inverse=True)[1].reshape(-1), least)
        for ids, least in ((users, min_user), (outfits, min_outfit))
    ]
    kept = np.ones(len(users), dtype=bool)
    while True:
        before = int(kept.sum())
        for places, least in sides:
            kept &= np.bincount(places[kept], minlength=int(places.max(initial=-1)) + 1)[places] >= least
        if int(kept.sum()) == before:
            return kept


def divide(
    users: Sequence[str], outfits: Sequence[str], seed: int = 0, times: Sequence[float] | None = None
) -> list[str]:
    """(N,) the split of each click: of every user one tenth is test and one tenth valid, at least one each.

    With `times` the latest are test and those before them valid; else the order is drawn by a hash of seed, user and outfit, so
    that other people's clicks move none of hers. A user with fewer than `FEWEST` clicks has them all in train. Every click is
    to be there once.
    """
    rows: dict[str, list[int]] = {}
    for row, user in enumerate(users):
        rows.setdefault(user, []).append(row)
    found = [SPLITS[0]] * len(users)
    for user, mine in rows.items():
        if len(mine) < FEWEST:
            continue
        drawn = {row: _drawn(seed, user, outfits[row]) for row in mine}
        order = sorted(mine, key=lambda row: (0.0 if times is None else -times[row], drawn[row]))
        held = max(1, round(len(mine) / 10))
        for row in order[:held]:
            found[row] = "test"
        for row in order[held : 2 * held]:
            found[row] = "valid"
    return found


def _drawn(seed: int, user: str, outfit: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{user}\n{outfit}".encode(errors="surrogatepass")).digest()
