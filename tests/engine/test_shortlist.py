"""What goes best in a slot of very many candidates."""

from __future__ import annotations

import numpy as np
import pytest
from outfit_fakes import POOLS, unit

from modiste.engine import shortlist
from modiste.engine.shortlist import goes_with, spread, top
from modiste.types import PairwisePool, Slot


def test_of_a_crowded_slot_an_even_sample_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = POOLS["pairs"](unit(np.random.default_rng(0), 2_000, 16), seed=0)
    assert isinstance(pool, PairwisePool)
    rows, sets = np.arange(1, 2_000), [np.array([0])]
    all_of_them = goes_with(pool, sets, Slot(), rows, 10)
    assert all_of_them.tolist() == top(pool.pairs(rows, np.array([0]))[:, 0], 10).tolist()
    monkeypatch.setattr(shortlist, "_LOOKED_AT", 500)
    places = goes_with(pool, sets, Slot(), rows, 10)
    sample = spread(len(rows), 500)
    assert places.tolist() == sample[top(pool.pairs(rows[sample], np.array([0]))[:, 0], 10)].tolist()
    monkeypatch.setattr(shortlist, "_LOOKED_AT", 1_999)
    assert goes_with(pool, sets, Slot(), rows, 10).tolist() == all_of_them.tolist()
