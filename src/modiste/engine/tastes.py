"""What a trained recommender knows, as arrays: users, outfits and items as vectors of one space. NumPy only.

    folder/  tastes.json         whose vectors these are: ids, and how likes become a user
             tastes.safetensors  the arrays

The taste of user u for outfit o is the inner product of their vectors; greater is better, and nothing else is meant by it. The
taste for an outfit that training has not seen is the mean of the tastes for its items, so a solver can add it up item by item.

Shapes: U users, O outfits, I items, D width of the space, S width of what is summed when a user is folded in.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from modiste.files import parse_json, write_atomically
from modiste.types import FloatArray

CONFIG, ARRAYS = "tastes.json", "tastes.safetensors"
FORMAT = 1
LEAK = 0.2  # slope of LeakyReLU below 0: `SLOPE` of models/click_graph.py, which cannot be asked without torch

Rows = Sequence[int] | NDArray[np.integer[Any]]


class TastesError(ValueError):
    """A folder of tastes that is missing, damaged or does not fit together; the message names the file."""


@dataclass(frozen=True, eq=False)
class FoldIn:
    """How a handful of likes becomes a user without training: what the model does at its user level, in four lines.

    x = (sum of the likes' sources) / (number of likes) ** exponent; x = LeakyReLU(x @ weight + bias) where there is a weight,
    or x + LeakyReLU(x @ weight + bias) @ out where there is an `out`; x = x / |x| where `unit`; user = start + scale * x.
    """

    sources: FloatArray  # (O, S) what a liked outfit adds
    item_sources: FloatArray  # (I, S) what a liked item adds, as an outfit of it alone would
    start: FloatArray  # (D,) a user of whom nothing is known
    weight: FloatArray | None = None  # (S, H), H = D without `out`; None: S = D
    bias: FloatArray | None = None  # (H,)
    out: FloatArray | None = None  # (H, D), S = D
    exponent: float = 0.5
    unit: bool = True
    scale: float = 1.0

    def __call__(self, outfit_rows: Rows = (), item_rows: Rows = ()) -> FloatArray:
        """(D,), independent of the order of the likes; `start` where there are none."""
        liked = [self.sources[np.asarray(outfit_rows, np.int64)], self.item_sources[np.asarray(item_rows, np.int64)]]
        number = len(liked[0]) + len(liked[1])
        if not number:
            return self.start
        x = (liked[0].sum(axis=0) + liked[1].sum(axis=0)) / np.float32(number**self.exponent)
        if self.weight is not None:
            hidden = x @ self.weight + (0 if self.bias is None else self.bias)
            hidden = np.where(hidden > 0, hidden, LEAK * hidden)
            x = hidden if self.out is None else x + hidden @ self.out
        if self.unit:
            x = x / max(float(np.linalg.norm(x)), 1e-12)
        user: FloatArray = (self.start + self.scale * x).astype(np.float32)
        return user


@dataclass(frozen=True, eq=False)
class Tastes:
    """Vectors of users, outfits and items. Raises `TastesError` where shapes do not fit, ids repeat or a number is not finite.

    A user is one of `users`, or what `fold_in` makes of likes; both are (D,) and go wherever a user is asked for.
    """

    user_ids: tuple[str, ...]
    outfit_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    users: FloatArray  # (U, D)
    outfits: FloatArray  # (O, D)
    items: FloatArray  # (I, D) each as an outfit of that item alone
    fold: FoldIn
    name: str = ""  # of the model

    def __post_init__(self) -> None:
        for what in ("user", "outfit", "item"):
            ids = getattr(self, f"{what}_ids")
            if not all(isinstance(one, str) and one for one in ids) or len(set(ids)) != len(ids):
                raise TastesError(f"the ids of {what}s must be different, non-empty strings")
        width = self.users.shape[1] if self.users.ndim == 2 else 0
        summed = self.fold.sources.shape[1] if self.fold.sources.ndim == 2 else 0
        hidden = width if self.fold.out is None else len(self.fold.out)
        shapes = {
            "users": (len(self.user_ids), width), "outfits": (len(self.outfit_ids), width),
            "items": (len(self.item_ids), width), "sources": (len(self.outfit_ids), summed),
            "item_sources": (len(self.item_ids), summed), "start": (width,),
            "weight": (summed, hidden), "bias": (hidden,), "out": (hidden, width),
        }  # fmt: skip
        arrays = _arrays(self)
        if ("weight" not in arrays or "out" in arrays) and summed != width:
            raise TastesError(f"without a map to them, sources must be as wide as users, {width}, not {summed}")
        for name, array in arrays.items():
            if array.shape != shapes[name] or array.dtype != np.float32:
                raise TastesError(f"{name} must be float32 of shape {shapes[name]}, not {array.dtype} {array.shape}")
            if not np.isfinite(array).all():
                raise TastesError(f"{name} must be finite numbers")

    @cached_property
    def _user_rows(self) -> dict[str, int]:
        return {one: row for row, one in enumerate(self.user_ids)}

    @cached_property
    def outfit_rows(self) -> dict[str, int]:
        """Id -> row of `outfits`."""
        return {one: row for row, one in enumerate(self.outfit_ids)}

    @cached_property
    def item_rows(self) -> dict[str, int]:
        """Id -> row of `items`."""
        return {one: row for row, one in enumerate(self.item_ids)}

    def user(self, user_id: str) -> FloatArray:
        """(D,) as trained; raises `KeyError` for a user the training had not."""
        if user_id not in self._user_rows:
            raise KeyError(f"no user {user_id!r} among the {len(self.user_ids):,} of the training")
        row: FloatArray = self.users[self._user_rows[user_id]]
        return row

    def fold_in(self, outfit_rows: Rows = (), item_rows: Rows = ()) -> FloatArray:
        """(D,): a user made from liked outfits and items, without training; of nothing liked, what everybody likes."""
        return self.fold(outfit_rows, item_rows)

    def scores(self, user: FloatArray) -> FloatArray:
        """(D,) -> (O,): the user's taste for every stored outfit; or (B, D) -> (B, O)."""
        found: FloatArray = user @ self.outfits.T
        return found

    def item_scores(self, user: FloatArray) -> FloatArray:
        """(D,) -> (I,): the taste for an unseen outfit is the mean of these over its items."""
        found: FloatArray = user @ self.items.T
        return found

    def outfit_vector(self, item_rows: Rows) -> FloatArray:
        """(D,): an outfit not seen in training, the mean of its items. Raises `ValueError` without items."""
        if not len(item_rows):
            raise ValueError("an outfit needs at least one item")
        vector: FloatArray = self.items[np.asarray(item_rows, np.int64)].mean(axis=0, dtype=np.float32)
        return vector


@dataclass(frozen=True, eq=False)
class TasteRecommender:
    """Tastes as the protocol takes them (`OutfitRecommender`), for users and outfits in the order of some data.

    Raises `ValueError` naming a user or an outfit that the training had not.
    """

    tastes: Tastes
    user_ids: Sequence[str]
    outfit_ids: Sequence[str]

    def __post_init__(self) -> None:
        for what, asked, known in (
            ("user", self.user_ids, self.tastes._user_rows),
            ("outfit", self.outfit_ids, self.tastes.outfit_rows),
        ):
            if (missing := next((one for one in asked if one not in known), None)) is not None:
                raise ValueError(
                    f"{self.tastes.name or 'these tastes'}: {what} {missing!r} was not there in training; train on this data"
                )

    @cached_property
    def _places(self) -> tuple[NDArray[np.int64], FloatArray]:
        users = np.array([self.tastes._user_rows[one] for one in self.user_ids], np.int64)
        outfits = self.tastes.outfits[[self.tastes.outfit_rows[one] for one in self.outfit_ids]]
        return users, np.ascontiguousarray(outfits.T)

    def scores(self, users: NDArray[np.int64]) -> FloatArray:
        """Places in `user_ids` (B,) -> (B, O) in the order of `outfit_ids`. Raises `ValueError` for a place outside."""
        if len(users) and not 0 <= int(users.min()) <= int(users.max()) < len(self.user_ids):
            raise ValueError(f"users must be places from 0 to {len(self.user_ids) - 1}")
        rows, outfits = self._places
        found: FloatArray = self.tastes.users[rows[users]] @ outfits
        return found


def save_tastes(folder: Path, tastes: Tastes) -> Path:
    """Write the folder's two files, each whole or not at all; the JSON names the sha256 of the arrays it belongs to."""
    fold = tastes.fold
    arrays = save({name: np.ascontiguousarray(array) for name, array in _arrays(tastes).items()})
    config = {
        "format": FORMAT,
        "sha256": hashlib.sha256(arrays).hexdigest(),
        "name": tastes.name,
        "fold_in": {"exponent": fold.exponent, "unit": fold.unit, "scale": fold.scale},
        **{f"{what}_ids": getattr(tastes, f"{what}_ids") for what in ("user", "outfit", "item")},
    }
    write_atomically(folder / ARRAYS, arrays)
    write_atomically(folder / CONFIG, json.dumps(config, ensure_ascii=False).encode("utf-8"))
    return folder


def is_tastes(folder: Path) -> bool:
    """Whether a folder, or the run that wrote it, holds tastes."""
    return (tastes_folder(folder) / CONFIG).is_file()


def tastes_folder(folder: Path) -> Path:
    """The folder itself; or where it is a training run's, the best weights' export, else the last's."""
    for inside in (folder, folder / "best" / "model", folder / "model"):
        if (inside / CONFIG).is_file():
            return inside
    return folder


def load_tastes(folder: str | Path) -> Tastes:
    """Read what `save_tastes` wrote, or the folder of a training run.

    Raises
    ------
    TastesError
        Naming the file that is missing, damaged, or does not fit the other.
    """
    folder = tastes_folder(Path(folder))
    path = folder / CONFIG
    if not path.is_file():
        raise TastesError(f"{path} is missing: give the folder of a trained recommender, or of the run that trained it")
    try:
        config: Any = parse_json(path.read_text(encoding="utf-8"))
        if config["format"] != FORMAT:
            raise TastesError(f"{path} is of format {config['format']!r}; this version reads {FORMAT}")
        ids = {f"{what}_ids": tuple(config[f"{what}_ids"]) for what in ("user", "outfit", "item")}
        numbers = config["fold_in"]
        exponent, scale, unit = float(numbers["exponent"]), float(numbers["scale"]), numbers["unit"] is True
        name = str(config["name"])
    except TastesError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        raise TastesError(f"{path} cannot be read: {error!r}; export the model again") from error
    try:
        stored = (folder / ARRAYS).read_bytes()
        if hashlib.sha256(stored).hexdigest() != config.get("sha256"):
            raise TastesError(
                f"{folder / ARRAYS} is not the file that {CONFIG} was written with; export the model again"
            )
        arrays = load(stored)
    except (OSError, SafetensorError) as error:
        raise TastesError(f"{folder / ARRAYS} cannot be read: {error}") from error
    needed = {"users", "outfits", "items", "sources", "item_sources", "start"}
    if missing := needed - arrays.keys():
        raise TastesError(f"{folder / ARRAYS} has no {', '.join(sorted(missing))}")
    if more := arrays.keys() - needed - {"weight", "bias", "out"}:
        raise TastesError(f"{folder / ARRAYS} has {', '.join(sorted(more))}, which is no part of tastes")
    try:
        weight, bias, out = (arrays.get(one) for one in ("weight", "bias", "out"))
        fold = FoldIn(
            arrays["sources"], arrays["item_sources"], arrays["start"], weight, bias, out, exponent, unit, scale
        )
        return Tastes(
            **ids, users=arrays["users"], outfits=arrays["outfits"], items=arrays["items"], fold=fold, name=name
        )
    except TastesError as error:
        raise TastesError(f"{folder}: {error}") from error


def _arrays(tastes: Tastes) -> dict[str, FloatArray]:
    """Every array by name, those of the fold-in too."""
    found = {name: getattr(tastes, name) for name in ("users", "outfits", "items")}
    found |= {one.name: getattr(tastes.fold, one.name) for one in fields(tastes.fold)}
    return {name: array for name, array in found.items() if isinstance(array, np.ndarray)}
