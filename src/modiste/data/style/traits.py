"""What the rules look at: one item's facts in words (`Traits`), and many items' as arrays (`Facts`).

Shapes: N items (any leading shape), K occasions. Unknown is NaN, and a rule that needs an unknown fact says 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from modiste.data.style.colour import Array, colourfulness, hue, oklab_of
from modiste.taxonomy import SLOTS

SEASONS: tuple[str, ...] = ("winter", "spring", "summer", "autumn")  # a circle: each is next to two others
OCCASIONS: tuple[str, ...] = ("office", "weekend", "evening", "sports", "holiday")
GENDERS = {"women": 1.0, "unisex": 0.0, "men": -1.0}
# How loud a print is, 0 (plain) to 1, and which prints there are.
PATTERNS: dict[str, float] = {
    "solid": 0.0,
    "herringbone": 0.25,
    "pinstripes": 0.3,
    "houndstooth": 0.75,
    "stripes": 0.75,
    "colour block": 0.6,
    "polka dots": 0.8,
    "checks": 0.85,
    "floral": 1.0,
    "animal print": 1.0,
}


@dataclass(frozen=True, slots=True)
class Traits:
    """One item as the rules see it. None (or an empty tuple) is unknown."""

    slot: str
    noun: str = ""  # what an explanation calls it
    colour: str = ""  # a name for words
    hexadecimal: str | None = None  # its main colour
    second: str | None = None  # the second colour of a print
    pattern: str | None = None
    formality: float | None = None  # 0 casual, 0.5 smart, 1 formal
    seasons: tuple[str, ...] = ()  # all four: all year
    occasions: tuple[float, ...] = ()  # one weight in [0, 1] for each of OCCASIONS
    volume: float | None = None  # -1 close to the body, 0 regular, 1 wide
    gender: str | None = None
    age: str | None = None  # "adult" or "child"
    layer: bool | None = None  # tops: worn over another top
    metal: str | None = None  # "gold", "silver", "rose gold": jewellery, or anything else of that shine
    leather: bool = False  # a shoe, bag, belt or strap of leather

    def __post_init__(self) -> None:
        if self.slot not in SLOTS:
            raise ValueError(f"unknown slot {self.slot!r}; choose one of {', '.join(SLOTS)}")
        if self.pattern is not None and self.pattern not in PATTERNS:
            raise ValueError(f"unknown pattern {self.pattern!r}; choose one of {', '.join(PATTERNS)}")
        if self.occasions and len(self.occasions) != len(OCCASIONS):
            raise ValueError(f"{len(self.occasions)} weights for the {len(OCCASIONS)} occasions {', '.join(OCCASIONS)}")
        if unknown := set(self.seasons) - set(SEASONS):
            raise ValueError(f"unknown season {min(unknown)!r}; choose one of {', '.join(SEASONS)}")

    @property
    def named(self) -> str:
        """How an explanation names the item: "navy blazer"."""
        return f"{self.colour} {self.noun or self.slot}".strip()


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """The traits of N items as arrays; indexing chooses items as NumPy does, and keeps trailing dimensions."""

    slot: NDArray[np.int64]  # (N,) place in SLOTS
    lab: Array  # (N, 3) OKLab of the main colour
    second: Array  # (N, 3) of a print's second colour
    hue: Array  # (N,) degrees
    clear: Array  # (N,) 0 neutral ... 1 clear colour; metals are neutral
    pattern: Array  # (N,) place in PATTERNS
    bold: Array  # (N,) how loud the print is
    formality: Array  # (N,)
    seasons: NDArray[np.int64]  # (N,) bit i: can be worn in SEASONS[i]; 0 unknown
    occasions: Array  # (N, K)
    volume: Array  # (N,)
    gender: Array  # (N,) 1 women, 0 unisex, -1 men
    child: Array  # (N,) 1 cut for children, 0 for adults
    layer: Array  # (N,)
    metal: Array  # (N,) 1 gold, 0 rose gold, -1 silver
    leather: NDArray[np.bool_]  # (N,)

    @classmethod
    def of(cls, traits: Sequence[Traits]) -> Facts:
        def numbers(values: Sequence[float | None]) -> Array:
            return np.array([np.nan if value is None else value for value in values], dtype=np.float32)

        def rows(values: Sequence[Sequence[float] | Array | None], width: int) -> Array:
            table = np.full((len(values), width), np.nan, dtype=np.float32)
            for row, value in enumerate(values):
                if value is not None and len(value):
                    table[row] = value
            return table

        names = list(PATTERNS)
        lab = rows([None if one.hexadecimal is None else oklab_of(one.hexadecimal) for one in traits], 3)
        metal = numbers(
            [None if one.metal is None else {"gold": 1.0, "silver": -1.0}.get(one.metal, 0.0) for one in traits]
        )
        return cls(
            slot=np.array([SLOTS.index(one.slot) for one in traits], dtype=np.int64),
            lab=lab,
            second=rows([None if one.second is None else oklab_of(one.second) for one in traits], 3),
            hue=hue(lab),
            clear=np.where(np.isnan(metal), colourfulness(lab), np.float32(0)),
            pattern=numbers([None if one.pattern is None else names.index(one.pattern) for one in traits]),
            bold=numbers([None if one.pattern is None else PATTERNS[one.pattern] for one in traits]),
            formality=numbers([one.formality for one in traits]),
            seasons=np.array(
                [sum(1 << at for at, season in enumerate(SEASONS) if season in one.seasons) for one in traits],
                dtype=np.int64,
            ),
            occasions=rows([one.occasions for one in traits], len(OCCASIONS)),
            volume=numbers([one.volume for one in traits]),
            gender=numbers([None if one.gender is None else GENDERS[one.gender] for one in traits]),
            child=numbers([None if one.age is None else float(one.age == "child") for one in traits]),
            layer=numbers([None if one.layer is None else float(one.layer) for one in traits]),
            metal=metal,
            leather=np.array([one.leather for one in traits], dtype=np.bool_),
        )

    def __len__(self) -> int:
        return len(self.slot)

    def joined(self, other: Facts) -> Facts:
        """The facts of these items and then of others."""
        pairs = ((one.name, getattr(self, one.name), getattr(other, one.name)) for one in fields(self))
        return Facts(**{name: np.concatenate([mine, theirs]) for name, mine, theirs in pairs})

    def __getitem__(self, index: object) -> Facts:
        return Facts(**{one.name: getattr(self, one.name)[index] for one in fields(self)})
