"""Who clicked which outfit, and what the outfits are made of: the data of personalised recommendation.

`Interactions` is what every reader makes and what recommenders and their protocol take; `load_interactions` is the front door
to all readers, as `load_outfits` is to looks.

Shapes: U users, O outfits, I items, F width of an item's features.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from modiste.data.feed.report import FeedReport
from modiste.data.roots import SPLITS
from modiste.types import FloatArray

_log = logging.getLogger(__name__)
SOURCES = (
    *("ifashion", "atelier:N[:SEED[:LOOKS[:USERS]]]"),
    *("a folder with ifashion's files, with HFGN's files", "or with a table of outfits and one of interactions"),
)


@dataclass(frozen=True, eq=False)
class Interactions:
    """Users, outfits, items and clicks of one data set. Every outfit can be recommended; no click is in two splits.

    Raises
    ------
    ValueError
        If ids repeat or are empty, shapes do not belong together, an outfit has no item, a click is in two splits, or there is
        no training click at all; the message names what is wrong.
    """

    user_ids: tuple[str, ...]
    outfit_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    clicks: Mapping[str, csr_array]  # "train", perhaps "valid" and "test" -> (U, O) float32 of ones
    outfit_items: csr_array  # (O, I) float32 of ones
    item_categories: NDArray[np.int64] | None = None  # (I,) places in `category_names`; None where unknown
    category_names: tuple[str, ...] = ()
    item_features: FloatArray | None = None  # (I, F); None where there are none
    name: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        for what, ids in (("user", self.user_ids), ("outfit", self.outfit_ids), ("item", self.item_ids)):
            _check_ids(what, ids)
        users, outfits, items = len(self.user_ids), len(self.outfit_ids), len(self.item_ids)
        if "train" not in self.clicks or not set(self.clicks) <= set(SPLITS):
            raise ValueError(f"clicks need the split train, and have no others than {SPLITS}, not {list(self.clicks)}")
        clicks = {
            split: _ones(f"clicks of {split}", self.clicks[split], (users, outfits))
            for split in SPLITS
            if split in self.clicks
        }
        if not clicks["train"].nnz:
            raise ValueError("there is no training click")
        for number, first in enumerate(clicks):
            for second in list(clicks)[number + 1 :]:
                if (both := clicks[first].multiply(clicks[second]).tocoo()).nnz:
                    user, outfit = self.user_ids[both.row[0]], self.outfit_ids[both.col[0]]
                    raise ValueError(
                        f"{both.nnz:,} click(s) are in both {first} and {second}, such as user {user!r}, outfit {outfit!r}"
                    )
        object.__setattr__(self, "clicks", MappingProxyType(clicks))
        object.__setattr__(self, "outfit_items", _ones("items of outfits", self.outfit_items, (outfits, items)))
        if len(bare := np.flatnonzero(np.diff(self.outfit_items.indptr) == 0)):
            raise ValueError(f"{len(bare):,} outfit(s) have no item, such as {self.outfit_ids[bare[0]]!r}")
        if (categories := self.item_categories) is not None:
            categories = np.asarray(categories, dtype=np.int64)
            if categories.shape != (items,):
                raise ValueError(f"item_categories must be ({items},), not {categories.shape}")
            if items and not 0 <= int(categories.min()) <= int(categories.max()) < len(self.category_names):
                raise ValueError(
                    f"item_categories lie in [{categories.min()}, {categories.max()}], but there are "
                    f"{len(self.category_names)} category_names"
                )
            object.__setattr__(self, "item_categories", categories)
        if (features := self.item_features) is not None:
            features = np.asarray(features, dtype=np.float32)
            if features.ndim != 2 or len(features) != items:
                raise ValueError(f"item_features must be ({items}, F), not {features.shape}")
            if len(bad := np.flatnonzero(~np.isfinite(features).all(axis=1))):
                raise ValueError(f"the features of item {self.item_ids[bad[0]]!r} are not all finite")
            object.__setattr__(self, "item_features", features)

    @property
    def num_users(self) -> int:
        return len(self.user_ids)

    @property
    def num_outfits(self) -> int:
        return len(self.outfit_ids)

    @property
    def num_items(self) -> int:
        return len(self.item_ids)

    def only(self, *splits: str) -> Interactions:
        """The same data with the clicks of these splits alone: what a recommender may see, `data.only("train")`.

        Raises `ValueError` for a split that is not there.
        """
        if missing := [split for split in splits if split not in self.clicks]:
            raise ValueError(
                f"{self.name or 'these interactions'}: no split {missing[0]!r}; there is {', '.join(self.clicks)}"
            )
        return replace(self, clicks={split: self.clicks[split] for split in splits})

    def __repr__(self) -> str:
        clicks = ", ".join(f"{split} {matrix.nnz:,}" for split, matrix in self.clicks.items())
        return (
            f"Interactions({self.name!r}: {self.num_users:,} users, {self.num_outfits:,} outfits, "
            f"{self.num_items:,} items; clicks {clicks})"
        )


def load_interactions(
    source: str | Path,
    seed: int = 0,
    *,
    report: FeedReport | None = None,
    min_user_clicks: int = 0,
    min_outfit_clicks: int = 0,
) -> Interactions:
    """The users, outfits, items and clicks of a source.

    Parameters
    ----------
    source
        - `ifashion`: the real set where `MODISTE_DATA` says, or beside the checkout; or a folder with its files, or with
          `ifashion/` in it;
        - `atelier:N`, `atelier:N:SEED`, `atelier:N:SEED:LOOKS`, `atelier:N:SEED:LOOKS:USERS`: users of the generated world of
          N items, by default 2 N looks and N users;
        - a folder with HFGN's files (`train_uo.txt`...), see `hfgn_files.py`;
        - a folder with a table of outfits and one of interactions, see `interaction_tables.py`.
    seed
        Of what is drawn: the splits of tables that have none, validation clicks of HFGN's files, users of the atelier.
    report
        Collects rows that were refused, which are skipped; a warning is logged in any case.
    min_user_clicks, min_outfit_clicks
        Keep the largest part of the data in which every user and every outfit has so many clicks (the k-core: HFGN's is 20
        and 10). Only of tables of one's own, where it comes before the division into splits: other sets are divided already,
        and their splits are final.

    Raises
    ------
    ValueError
        If the source is not understood, is not there, cannot be read, or has no training click; it says what would do.
    """
    text = str(source)
    report = FeedReport() if report is None else report
    try:
        data = _load(text, seed, report, (min_user_clicks, min_outfit_clicks))
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    if report.rejected or report.warnings:
        _log.warning("%s: %s", text, report)
    return data


def _load(text: str, seed: int, report: FeedReport, core: tuple[int, int]) -> Interactions:
    from modiste.data import hfgn_files, ifashion, interaction_tables  # they build what is defined here

    folder = Path(text)
    if any(core) and (text == ifashion.NAME or text.startswith("atelier") or not interaction_tables.is_tables(folder)):
        raise ValueError(f"{text}: a k-core is taken of tables of one's own; this set is divided into splits already")
    if text == ifashion.NAME:
        return ifashion.read_ifashion()
    if text.startswith("atelier"):
        from modiste.data.atelier.clicks import atelier_interactions, atelier_source  # draws garments

        return atelier_interactions(*atelier_source(text, seed))
    if not folder.is_dir():
        raise ValueError(f"{text}: no such folder, and no known source; there is {', '.join(SOURCES)}")
    if any(ifashion.is_ifashion(place) for place in (folder, folder / ifashion.NAME)):
        return ifashion.read_ifashion(folder)
    if hfgn_files.is_hfgn(folder):
        return hfgn_files.read_hfgn(folder, seed, report=report)
    if interaction_tables.is_tables(folder):
        return interaction_tables.read_tables(
            folder, seed, report=report, min_user_clicks=core[0], min_outfit_clicks=core[1]
        )
    raise ValueError(
        f"{text}: neither ifashion's nor HFGN's files, nor a table named interactions and one named outfits"
    )


# --- what readers build from -------------------------------------------------------------------------------------------


def in_id_order(ids: Iterable[str]) -> tuple[str, ...]:
    """Different ids in the order that all readers number them by: whole numbers by value when all are, else as text."""
    different = set(ids)
    if all(one.isascii() and one.isdigit() for one in different):
        return tuple(sorted(different, key=lambda one: (int(one), one)))
    return tuple(sorted(different))


def as_ids(numbers: NDArray[np.int64]) -> tuple[str, ...]:
    """Whole numbers as the ids they are in a data set."""
    return tuple(str(one) for one in numbers.tolist())


def pair_matrix(
    rows: NDArray[np.int64] | Sequence[int], columns: NDArray[np.int64] | Sequence[int], shape: tuple[int, int]
) -> csr_array:
    """(R, C) float32 with a one for each pair, however often it is named."""
    ones = np.ones(len(rows), dtype=np.float32)
    matrix = csr_array((ones, (np.asarray(rows, np.int32), np.asarray(columns, np.int32))), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _check_ids(what: str, ids: Sequence[str]) -> None:
    if not ids:
        raise ValueError(f"there is no {what}")
    if not all(isinstance(one, str) and one for one in ids):
        raise ValueError(f"a {what}'s id must be a non-empty string")
    if len(set(ids)) != len(ids):
        seen: set[str] = set()
        twice = next(one for one in ids if one in seen or seen.add(one))  # type: ignore[func-returns-value]
        raise ValueError(f"{what} {twice!r} is there twice")


def _ones(what: str, matrix: csr_array, shape: tuple[int, int]) -> csr_array:
    """The matrix in one form: CSR, sorted, float32; nothing but ones."""
    if matrix.shape != shape:
        raise ValueError(f"{what} must be {shape}, not {matrix.shape}")
    found = csr_array(matrix, dtype=np.float32, copy=True)
    found.sum_duplicates()
    found.eliminate_zeros()
    if not (found.data == 1).all():
        raise ValueError(f"{what} must be ones where there is something, not {found.data[found.data != 1][0]:g}")
    return found
